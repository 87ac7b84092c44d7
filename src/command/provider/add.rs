//! `provider add`: a provider file from the one URL that a person knows, shown before it is written, and tried after.

use crate::cli;
use crate::command::{Run, login};
use crate::config::{Provider, profile};
use crate::error::{Class, Context, Error, Result};
use crate::http::Http;
use crate::login::discover;
use crate::oauth::metadata::Metadata;
use crate::report::{printable, sanitise};

/// What the URL turned out to be.
struct Found {
    /// The lines that name it.
    origin: String,
    /// Where it lives, for the provider's name.
    host: String,
    metadata: Metadata,
    client_id: Option<String>,
}

pub(super) fn run(run: &Run, args: &cli::Add) -> Result<u8> {
    let doing = "adding a provider";
    let http = Http::new(run.world)?;
    let found = find(&http, &args.url).doing(doing)?;
    let name = args.name.clone().unwrap_or_else(|| name_of(&found.host));
    profile::check_name("provider", &name).map_err(|error| error.hint("give one with `--name`"))?;
    let text = file(args, &name, &found).doing(doing)?;
    // What is shown is what is read later.
    Provider::parse(&text, &name, &format!("the file for {}", sanitise(&args.url)))?;
    let directory = run.sources.config.directory();
    let path = directory.join(format!("{name}.toml"));
    let place = printable(&path.display().to_string());
    if run.sources.config.names()?.contains(&name) {
        return Err(
            Error::usage(format!("{place} exists already")).hint("give the new provider another name with `--name`")
        );
    }
    run.note(&format!("{text}{}", hosts(&found.metadata)));
    if !args.yes && !agreed(run, &place)? {
        return Err(Error::refused("nothing was written"));
    }
    let written = login::private_dir(directory).and_then(|()| login::write_new(&path, text.as_bytes()));
    written.map_err(|error| Error::failure(format!("writing {place}: {}", error.kind())))?;
    run.note(&format!("Wrote {place}.\n"));
    if args.no_login {
        return Ok(0);
    }
    let trial = cli::Login {
        profile: Some(name.clone()),
        no_browser: args.no_browser,
        ..cli::Login::default()
    };
    login::login(run, trial).doing(format!("trying the new provider `{name}`"))
}

/// The issuer of this name, spelt with or without the slash at its end, or the issuer that a service of this name names.
fn find(http: &Http, url: &str) -> Result<Found> {
    let as_issuer = |url: &str, metadata: Metadata| Found {
        origin: format!("[oauth]\nissuer = {}\n", quoted(url)),
        host: discover::host(url).unwrap_or_default(),
        metadata,
        client_id: None,
    };
    let first = match discover::by_issuer(http, url) {
        Ok(metadata) => return Ok(as_issuer(url, metadata)),
        Err(error) => error,
    };
    if first.class == Class::Refused {
        let other = match url.strip_suffix('/') {
            Some(bare) => bare.to_owned(),
            None => format!("{url}/"),
        };
        return match discover::by_issuer(http, &other) {
            Ok(metadata) => Ok(as_issuer(&other, metadata)),
            Err(_) => Err(first),
        };
    }
    if first.class != Class::Usage {
        return Err(first);
    }
    let Ok(named) = discover::named_by_service(http, url, None) else {
        return Err(first);
    };
    let metadata = discover::by_issuer(http, &named.issuer)?;
    Ok(Found {
        origin: format!("[service]\nurl = {}\n\n[oauth]\n", quoted(url)),
        host: discover::host(url).unwrap_or_default(),
        metadata,
        client_id: named.client_id,
    })
}

/// A name from a host: the label before the public end, as a person would call the service.
fn name_of(host: &str) -> String {
    let name = host.split(':').next().unwrap_or_default();
    if name.is_empty() || name.starts_with('[') || name.parse::<std::net::IpAddr>().is_ok() {
        return "issuer".into();
    }
    let labels: Vec<&str> = name.trim_end_matches('.').split('.').collect();
    // `co.uk` and the like: a short label before the last one is part of the end.
    let end = match labels[..] {
        [.., _, second, last] if second.len() <= 3 && last.len() == 2 => 3,
        _ => 2,
    };
    labels[labels.len().saturating_sub(end)].to_owned()
}

/// The text of the file.
fn file(args: &cli::Add, name: &str, found: &Found) -> Result<String> {
    let metadata = &found.metadata;
    let flow = match &args.flow {
        Some(flow) => flow.as_str(),
        None if metadata.authorization_endpoint.is_some() => "browser",
        None if metadata.device_authorization_endpoint.is_some() => "device",
        None => {
            return Err(
                Error::usage("the issuer has neither a page for a browser nor one for a code")
                    .hint("keyfob cannot log in there by itself; `login.flow = \"key\"` takes a token that you have"),
            );
        }
    };
    let client_id = args.client_id.as_ref().filter(|id| !id.is_empty());
    let has_client = client_id.is_some() || found.client_id.is_some() || metadata.registration_endpoint.is_some();
    if !has_client {
        return Err(Error::usage("the issuer makes no clients for programs that ask").hint(
            "register a native (public) app there, with a redirect to `http://127.0.0.1` for the browser, and give its \
             name with `--client-id`",
        ));
    }
    let usual = ["openid", "offline_access"].map(String::from);
    let offered = usual.into_iter().filter(|scope| metadata.scopes.contains(scope));
    let scopes: Vec<String> = offered.chain(args.scope.iter().cloned()).collect();
    let title = quoted(&found.host);
    let mut text = format!(
        "format = 1\nname = {}\ntitle = {title}\n\n[login]\nflow = {}\n\n",
        quoted(name),
        quoted(flow)
    );
    text += &found.origin;
    if let Some(id) = client_id {
        text += &format!("client_id = {}\n", quoted(id));
    }
    if !scopes.is_empty() {
        let scopes: Vec<String> = scopes.iter().map(|scope| quoted(scope)).collect();
        text += &format!("scopes = [{}]\n", scopes.join(", "));
    }
    // Without it an issuer gives no refresh token (OpenID Connect Core, section 11).
    if flow == "browser" && scopes.iter().any(|scope| scope == "offline_access") {
        text += "parameters = { prompt = \"consent\" }\n";
    }
    let others = others(metadata);
    if !others.is_empty() {
        text += &format!(
            "hosts = [{}]\n",
            others.iter().map(|host| quoted(host)).collect::<Vec<_>>().join(", ")
        );
    }
    for target in &args.target {
        text += &format!("\n[[target]]\nurl = {}\nscheme = \"bearer\"\n", quoted(target));
    }
    Ok(text)
}

/// A basic string of TOML, which a string of JSON is as well.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The hosts at which the issuer has endpoints, besides its own.
fn others(metadata: &Metadata) -> Vec<String> {
    let name = |url: &str| discover::host(url).map(|host| discover::bare(&host).to_owned());
    let issuer = name(&metadata.issuer);
    let urls = endpoints(metadata).into_iter().filter_map(|(_, url)| url);
    let mut hosts: Vec<String> = urls.filter_map(|url| name(url)).collect();
    hosts.retain(|host| Some(host) != issuer.as_ref());
    hosts.sort();
    hosts.dedup();
    hosts
}

/// What the issuer names, in the words that a person reads.
fn endpoints(metadata: &Metadata) -> [(&'static str, Option<&String>); 8] {
    [
        ("issuer", Some(&metadata.issuer)),
        ("browser", metadata.authorization_endpoint.as_ref()),
        ("code", metadata.device_authorization_endpoint.as_ref()),
        ("token", metadata.token_endpoint.as_ref()),
        ("revoke", metadata.revocation_endpoint.as_ref()),
        ("client", metadata.registration_endpoint.as_ref()),
        ("push", metadata.pushed_authorization_request_endpoint.as_ref()),
        ("userinfo", metadata.userinfo_endpoint.as_ref()),
    ]
}

/// Which hosts the issuer names, and for what.
fn hosts(metadata: &Metadata) -> String {
    let mut text = String::from("\nThe login and its tokens go to:\n");
    for (what, url) in endpoints(metadata) {
        if let Some(url) = url {
            text += &format!("  {what:<9} {}\n", sanitise(url));
        }
    }
    text + "\n"
}

/// Whether a person wants the file.
fn agreed(run: &Run, place: &str) -> Result<bool> {
    if !run.world.person() {
        return Err(Error::usage("nobody is there to say whether the file is to be written")
            .hint("add `--yes` to write it without asking"));
    }
    let answer = run.world.ask_line(&format!("Write it to {place}? [y/N] "))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_a_person_calls_the_service() {
        for (host, name) in [
            ("id.acme.example", "acme"),
            ("acme.example", "acme"),
            ("login.acme.co.uk", "acme"),
            ("localhost", "localhost"),
            ("127.0.0.1:8080", "issuer"),
            ("[::1]:8080", "issuer"),
            ("", "issuer"),
        ] {
            assert_eq!(name_of(host), name, "{host}");
        }
    }
}
