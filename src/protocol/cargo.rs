//! The protocol of cargo's credential providers: version 1 of its plugins, and one token on stdout.
//!
//! It knows nothing of where credentials come from. What cargo sends is the whole value of a header, so a session's token
//! gets its scheme here; what `cargo login` brought goes out as it came, and no other tool gets it.
//! Implements `protocol.md`, section "cargo"; cargo's own description is in its book, "Credential Provider Protocol".

mod index;
mod wire;

use zeroize::Zeroizing;

use crate::error::{Class, Error, Result};
use crate::model::{Action, Answer, Credential, Request, Source};
use crate::protocol::line::Lines;
use crate::protocol::{self, Call, Protocol, authorization};
use crate::report;
use crate::secret::{MAX_TOKEN, Secret};
use crate::target::Target;

use wire::{Asked, Refusal, Reply};

/// cargo's protocol.
pub(super) const CARGO: Protocol = Protocol {
    name: "cargo",
    programs: &["cargo-credential-keyfob"],
    serve,
};

const USAGE: &str = "\
usage: cargo-credential-keyfob --cargo-plugin
       keyfob cargo get [PROFILE|URL]
";

/// The versions that are spoken. cargo writes nothing before it has read this.
const HELLO: &[u8] = b"{\"v\":[1]}\n";

/// The variable in which cargo names the index to a program that prints a token.
const INDEX: &str = "CARGO_REGISTRY_INDEX_URL";

/// How a request ends without what was asked for.
enum Stop {
    /// cargo asks its next provider, or says itself what it could not do.
    Refusal(Refusal),
    /// Anything else: cargo shows it and asks nobody else.
    Failure(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Failure(error)
    }
}

fn serve(call: &mut Call) -> u8 {
    let args = call.args;
    match args {
        [mode] if mode == "--cargo-plugin" => plugin(call),
        [mode] if mode == "get" => print(call, None),
        [mode, named] if mode == "get" && !named.starts_with('-') => print(call, Some(named)),
        _ if args.iter().any(|arg| arg == "--help" || arg == "-h") => {
            u8::from(!protocol::write(call.output, USAGE.as_bytes()))
        }
        _ => {
            protocol::tell(call.errors, USAGE);
            report::exit_code(Class::Usage)
        }
    }
}

/// One request after the other, until cargo has no more.
///
/// A failure is an answer like any other: whatever else than 0 the status is, cargo takes for the end of everything.
fn plugin(call: &mut Call) -> u8 {
    if !protocol::write(call.output, HELLO) {
        return 1;
    }
    let mut lines = Lines::new();
    loop {
        let (answered, goes_on) = match lines.next(call.input) {
            Ok(None) => return 0,
            Ok(Some(line)) if line.trim_ascii().is_empty() => continue,
            Ok(Some(line)) => (answer(call, &line), true),
            Err(error) => (Err(error.into()), false),
        };
        let reply = answered.unwrap_or_else(|stop| wire::encode(&Reply::Err(refusal(stop))));
        if !protocol::write(call.output, &reply) {
            return 1;
        }
        if !goes_on {
            return 0;
        }
    }
}

fn refusal(stop: Stop) -> Refusal {
    match stop {
        Stop::Refusal(refusal) => refusal,
        Stop::Failure(error) => {
            let hint = report::hint(&error);
            let hint = hint.map_or_else(String::new, |hint| format!("; {hint}"));
            Refusal::other(format!("keyfob: {}{hint}", report::message(&error)))
        }
    }
}

type Answered = Result<Zeroizing<Vec<u8>>, Stop>;

fn answer(call: &mut Call, line: &[u8]) -> Answered {
    let Some(asked) = wire::read(line)? else {
        return Err(Stop::Refusal(Refusal::OperationNotSupported));
    };
    let serves = match asked.kind.as_str() {
        "login" => login,
        "logout" => logout,
        _ => get,
    };
    let Some(target) = index::to_target(&asked.registry.index_url) else {
        return Err(Stop::Refusal(Refusal::UrlNotSupported));
    };
    let named = match asked.args.as_slice() {
        [] => None,
        [named] => Some(named.as_str()),
        _ => return Err(Error::usage("expected one profile or URL in cargo's configuration, found more").into()),
    };
    if let Some(url) = named.filter(|named| named.contains("://"))
        && !is_meant(url, &target)?
    {
        return Err(Stop::Refusal(Refusal::UrlNotSupported));
    }
    let mut request = request(call, named, Some(target))?;
    request.wired = true;
    serves(call, &asked, request)
}

/// The request for an index, and for what cargo's configuration names beside it.
fn request(call: &Call, named: Option<&str>, index: Option<Target>) -> Result<Request> {
    let mut request = call.request(Action::Get, &CARGO);
    request.apart = true;
    request.understands.authtype = true;
    // A URL that is named may be an index's, as cargo writes it.
    let url = named.filter(|named| named.contains("://")).and_then(index::to_target);
    let meant = url.filter(|url| index.as_ref().is_none_or(|index| index.is_within(url)));
    let meant = meant.map(|url| url.to_string());
    protocol::aim(&mut request, meant.as_deref().or(named), index)?;
    Ok(request)
}

/// Whether an index is at or below the URL that cargo's configuration names.
fn is_meant(url: &str, index: &Target) -> Result<bool> {
    if index::to_target(url).is_some_and(|root| index.is_within(&root)) {
        return Ok(true);
    }
    let root = Target::from_url(url).map_err(|error| Error::usage(error).context("reading the URL"))?;
    Ok(index.is_within(&root))
}

fn get(call: &mut Call, _: &Asked, request: Request) -> Answered {
    match (call.ask)(&request) {
        Ok(Answer::Found(credential)) => Ok(wire::found(&value(&credential)?, credential.expires_at)),
        Ok(Answer::Declined) => Err(Stop::Refusal(Refusal::UrlNotSupported)),
        Ok(_) => Err(Stop::Refusal(Refusal::NotFound)),
        // The next provider may have one; cargo's own words for that it has not would name no command of ours.
        Err(error) if error.class == Class::Login && !error.last => {
            protocol::tell(call.errors, &report::lines(&error));
            Err(Stop::Refusal(Refusal::NotFound))
        }
        Err(error) => Err(error.into()),
    }
}

/// The value of the header: as it was given, or with the scheme of the credential.
fn value(credential: &Credential) -> Result<Secret> {
    let unnamed = credential.username.as_deref().is_none_or(str::is_empty);
    let value = if credential.authtype.is_none() && unnamed {
        credential.secret.clone()
    } else {
        authorization(credential)?
    };
    check(&value).map(|()| value)
}

/// Whether cargo would send it: it believes anything first, and fails when it has used half of it.
fn check(value: &Secret) -> Result<()> {
    let sent = value.expose().bytes().all(|b| (b' '..0x7f).contains(&b));
    if sent && !value.is_empty() && value.len() <= MAX_TOKEN {
        return Ok(());
    }
    Err(Error::refused(
        "the token is empty, longer than 64 KiB, or has characters that no header can carry",
    ))
}

/// Keeps a token that cargo has from its command line, or that the person gives now.
fn login(call: &mut Call, asked: &Asked, mut request: Request) -> Answered {
    request.action = Action::Store;
    // Nobody is asked for what would not be kept.
    if (call.ask)(&request)? == Answer::Declined {
        return Err(elsewhere(call, request, "login"));
    }
    let given = match &asked.token {
        Some(token) => token.clone(),
        None => (call.prompt)(&prompt(asked)).map_err(|error| {
            error
                .context("asking for the token of the registry")
                .hint("run `cargo login` at a terminal")
        })?,
    };
    let given = Secret::new(given.expose().trim().to_owned());
    check(&given)?;
    // In parts it is also fit for a provider whose scheme this is.
    match given.expose().split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.starts_with(' ') => {
            request.authtype = Some(scheme.into());
            request.secret = Some(Secret::new(token.into()));
        }
        _ => request.secret = Some(given),
    }
    match (call.ask)(&request)? {
        Answer::Declined => Err(elsewhere(call, request, "login")),
        _ => Ok(wire::encode(&Reply::Login)),
    }
}

fn prompt(asked: &Asked) -> String {
    let name = asked.registry.name.as_deref().unwrap_or(&asked.registry.index_url);
    let page = asked.login_url.as_deref().map(report::sanitise);
    let page = page.map_or_else(String::new, |page| format!(" (make one at {page})"));
    let name = report::sanitise(name);
    format!("A token of the registry {name} is needed{page}.\ntoken (not shown): ")
}

/// Forgets what `cargo login` brought.
fn logout(call: &mut Call, _: &Asked, mut request: Request) -> Answered {
    request.action = Action::Store;
    if (call.ask)(&request)? == Answer::Declined {
        return Err(elsewhere(call, request, "logout"));
    }
    request.action = Action::Get;
    let before = (call.ask)(&request);
    if let Ok(Answer::Found(credential)) = &before
        && let Source::Environment(name) = &credential.source
    {
        let message = format!("the token of this registry is in the variable `{name}`");
        return Err(Error::refused(message).hint(format!("unset {name}")).into());
    }
    // Also what has ended, or what several accounts have.
    request.action = Action::Erase;
    (call.ask)(&request)?;
    match before {
        Ok(Answer::Found(_)) | Err(_) => Ok(wire::encode(&Reply::Logout)),
        Ok(_) => Err(Stop::Refusal(Refusal::NotFound)),
    }
}

/// Why cargo's own command does nothing where a provider has the sessions, with the command that does; or that the
/// registry is none of the profile's, so that cargo asks its next provider.
fn elsewhere(call: &mut Call, mut request: Request, command: &str) -> Stop {
    request.action = Action::Get;
    request.secret = None;
    request.authtype = None;
    let profile = match (call.ask)(&request) {
        Ok(Answer::Found(credential)) => match credential.source {
            Source::Environment(name) => {
                let message = format!("the token of this registry is in the variable `{name}`");
                return Error::refused(message).hint(format!("set or unset {name}")).into();
            }
            Source::Store { profile, .. } => profile,
        },
        Ok(Answer::Declined) => return Stop::Refusal(Refusal::UrlNotSupported),
        // It has the command already, for who has no session and wants one.
        Err(error) if command == "login" => return error.into(),
        _ => None,
    };
    let profile = profile.or(request.profile).unwrap_or_else(|| "PROFILE".into());
    Error::refused("a provider of keyfob has the sessions of this registry")
        .hint(format!("run `keyfob {command} {profile}`"))
        .into()
}

/// One token on stdout, for `cargo:token-from-stdout`. It has no words for a miss: an empty line would be sent.
fn print(call: &mut Call, named: Option<&String>) -> u8 {
    let answered = alone(call, named.map(String::as_str));
    protocol::finish(call, answered, report::exit_code)
}

fn alone(call: &mut Call, named: Option<&str>) -> Result<Zeroizing<Vec<u8>>> {
    let index = (call.var)(INDEX)?.map(|url| {
        let target = index::to_target(&url);
        target.ok_or_else(|| Error::usage(format!("reading `{INDEX}`: it is no URL of an index")))
    });
    let index = index.transpose()?;
    if index.is_none() && named.is_none() && call.profile.is_none() {
        return Err(Error::usage("neither a profile nor a registry is named")
            .context("reading the command line")
            .hint(format!(
                "run `keyfob cargo get PROFILE|URL`, or set {INDEX} as cargo does"
            )));
    }
    let request = request(call, named, index)?;
    match (call.ask)(&request)? {
        Answer::Found(credential) => {
            let value = value(&credential)?;
            Ok(Zeroizing::new(format!("{}\n", value.expose()).into_bytes()))
        }
        _ => Err(Error::login("finding the token of the registry: there is none").hint("run `keyfob login PROFILE`")),
    }
}

#[cfg(test)]
mod tests;
