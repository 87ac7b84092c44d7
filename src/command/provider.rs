//! `provider`: the provider files and presets, read and explained.

mod add;

use std::collections::BTreeMap;

use serde_json::json;

use super::text::{field, table};
use super::{Run, SCHEMA, program};
use crate::cli;
use crate::config::{KeyForm, Mode, Place, Provider, Scheme, Serves, Switch, Workspace, preset};
use crate::error::{Error, Result};
use crate::report;

pub(super) fn run(run: &Run, args: cli::Provider) -> Result<u8> {
    match args {
        cli::Provider::List { json } => list(run, json),
        cli::Provider::Show { name } => show(run, &name),
        cli::Provider::Add(args) => add::run(run, &args),
        cli::Provider::Check { name } => check(run, name.as_deref()),
    }
}

fn list(run: &Run, as_json: bool) -> Result<u8> {
    let mut own = run.sources.config.names()?;
    own.retain(|name| !run.is_others(name));
    let presets: Vec<&str> = preset::names()
        .filter(|name| !run.is_others(name) && !own.iter().any(|own| own == name))
        .collect();
    if as_json {
        return run
            .print_json(&json!({"schema": SCHEMA, "providers": own, "presets": presets}))
            .map(|()| 0);
    }
    let title = |name: String| {
        let what = match run.sources.config.provider(&name) {
            Ok(provider) => provider.title,
            Err(_) => "wrong: run `keyfob provider check`".into(),
        };
        [name, report::sanitise(&what)]
    };
    let preset = |name: &str| [name.to_owned(), "preset, not in use until you log in".into()];
    let rows: Vec<_> = own
        .into_iter()
        .map(title)
        .chain(presets.into_iter().map(preset))
        .collect();
    run.print(&table(&rows)).map(|()| 0)
}

/// What a provider says; of a preset that is not in use its page, which says how to take it into use.
fn show(run: &Run, name: &str) -> Result<u8> {
    run.is_ours(name)?;
    let own = run.sources.config.names()?;
    let page = preset::page(name).filter(|_| !own.iter().any(|own| own == name));
    let body = match (run.sources.config.provider(name), &page) {
        (Ok(provider), _) => describe(&provider),
        // What it lacks is what only the user has.
        (Err(_), Some(_)) => {
            let lines = preset::find(name).unwrap_or_default().lines();
            let rest = lines.skip_while(|line| line.starts_with('#'));
            rest.map(|line| format!("{line}\n")).collect()
        }
        (Err(error), None) => return Err(error),
    };
    let page = page.map(|page| format!("{page}\n")).unwrap_or_default();
    run.print(&(page + &body)).map(|()| 0)
}

fn describe(provider: &Provider) -> String {
    let mut text = String::new();
    line(&mut text, "name", &provider.name);
    line(&mut text, "title", &provider.title);
    line(&mut text, "preset", provider.preset.as_deref().unwrap_or_default());
    line(&mut text, "login", provider.flow.word());
    line(&mut text, "register", provider.register.as_deref().unwrap_or_default());
    line(&mut text, "revoke", provider.revoke.as_deref().unwrap_or_default());
    line(
        &mut text,
        "store",
        provider.store.as_deref().unwrap_or("the best that answers"),
    );
    line(&mut text, "keeps", provider.persist.meaning());
    for mode in &provider.modes {
        describe_mode(&mut text, mode);
    }
    text
}

fn describe_mode(text: &mut String, mode: &Mode) {
    if !mode.name.is_empty() {
        text.push('\n');
        line(text, "mode", &mode.name);
    }
    for serves in &mode.targets {
        line(text, "target", &target(serves));
    }
    let oauth = &mode.oauth;
    if let Some(service) = &mode.service {
        let variable = service.variable.as_ref().map(|name| format!("the variable {name}"));
        let known = service.url.iter().cloned().chain(variable);
        line(text, "service", &known.collect::<Vec<_>>().join(", or "));
    }
    for (name, url) in [
        ("issuer", &oauth.issuer),
        ("browser", &oauth.authorization_endpoint),
        ("device", &oauth.device_authorization_endpoint),
        ("token", &oauth.token_endpoint),
        ("revoke", &oauth.revocation_endpoint),
        ("push", &oauth.pushed_authorization_request_endpoint),
        ("clients", &oauth.registration_endpoint),
    ] {
        line(text, name, url.as_deref().unwrap_or_default());
    }
    if oauth.dpop == Some(true) {
        line(text, "tokens", "bound to a key (DPoP)");
    }
    line(text, "client id", oauth.client_id.as_deref().unwrap_or_default());
    line(text, "scopes", &oauth.scopes.join(" "));
    describe_grant(text, mode);
    if let Some(otp) = &mode.otp {
        line(text, "send", &otp.send.url);
        line(text, "exchange", &otp.exchange.url);
    }
    if let Some(poll) = &mode.poll {
        line(text, "page", &poll.page);
        line(text, "retrieve", &poll.retrieve.url);
    }
    if let Some(refresh) = &mode.refresh {
        line(text, "refresh", &refresh.exchange.url);
    }
    if let Some(whoami) = &mode.whoami {
        line(text, "whoami", &format!("{} at {}", whoami.url, whoami.subject));
    }
    line(text, "place", &place(&mode.place));
    line(text, "variables", &mode.variables.join(", "));
    line(text, "exported", mode.export.as_deref().unwrap_or_default());
    line(
        text,
        "workspace",
        &mode.workspace.as_ref().map(workspace).unwrap_or_default(),
    );
    line(
        text,
        "key",
        &match (&mode.key_prefix, mode.key_form) {
            (_, KeyForm::Certificate) => "a client certificate with its private key".into(),
            (prefix, KeyForm::Token) => prefix
                .as_ref()
                .map(|prefix| format!("begins with {prefix}"))
                .unwrap_or_default(),
        },
    );
}

/// Where a machine's secrets are; never what they are.
fn describe_grant(text: &mut String, mode: &Mode) {
    let (oauth, grant, signing) = (&mode.oauth, &mode.grant, &mode.signing);
    let place = |variable: &Option<String>, file: &Option<String>| match (variable, file) {
        (Some(name), _) => format!("in the variable {name}"),
        (None, Some(path)) => format!("in the file {path}"),
        (None, None) => String::new(),
    };
    line(
        text,
        "secret",
        &place(&oauth.client_secret_env, &oauth.client_secret_file),
    );
    line(text, "signing key", &place(&signing.key_env, &signing.key_file));
    let subject = grant.subject_token.as_ref().map(ToString::to_string);
    line(text, "own token", &subject.unwrap_or_default());
    line(text, "account", grant.account.as_deref().unwrap_or_default());
}

/// Where its sessions are found by other programs.
fn place(place: &Place) -> String {
    let mut names = place.names();
    if let (Some(service), None) = (&place.service, &place.account) {
        names.push(format!("an item of the service `{service}`"));
    }
    let value = if place.bare { ", the refresh token alone" } else { "" };
    names.join(", or ") + value
}

/// What a workspace is, and what carries it.
fn workspace(kind: &Workspace) -> String {
    let mut text = match kind.switch {
        Switch::Header => "goes along with the token".to_owned(),
        Switch::Reissue => format!("has a token of its own, asked for by `{}`", kind.parameter),
    };
    if let Some(header) = &kind.header {
        text += &format!(", sent as {header}");
    }
    if let Some(default) = &kind.default {
        text += &format!(", the account's own at {default}");
    }
    text
}

/// Where a credential may go, how it is sent there, and who may have it.
fn target(serves: &Serves) -> String {
    let mut text = serves.root.to_string();
    if serves.subdomains {
        text = text.replacen("://", "://*.", 1);
    }
    text += match serves.scheme {
        Scheme::Basic => " as a password",
        Scheme::Bearer => " as a bearer token",
    };
    match (&serves.username, serves.scheme) {
        (Some(username), _) => text += &format!(" of `{username}`"),
        (None, Scheme::Basic) => text += " of the account",
        (None, Scheme::Bearer) => (),
    }
    if !serves.tools.is_empty() {
        text += &format!(", for {} only", serves.tools.join(", "));
    }
    text
}

fn line(text: &mut String, name: &str, value: &str) {
    if !value.is_empty() {
        *text += &field("", name, &report::sanitise(value));
    }
}

/// Every mistake of every file, not only the first file's.
fn check(run: &Run, name: Option<&str>) -> Result<u8> {
    // As a program's sign-in we have one provider.
    let name = name.or(run.provider.as_deref().filter(|_| run.program.is_some()));
    if let Some(path) = name.filter(|name| name.contains('/') || name.ends_with(".toml")) {
        return check_file(run, path);
    }
    if let Some(name) = name {
        run.is_ours(name)?;
        let provider = run.sources.config.provider(name)?;
        let all = run.sources.config.names()?;
        let others = all.iter().filter(|other| *other != name);
        let mut taken = BTreeMap::new();
        for other in others.filter_map(|other| run.sources.config.provider(other).ok()) {
            // Which of two others is wrong is not the question here.
            let _ = take_places(&other, &mut taken);
        }
        take_places(&provider, &mut taken).and_then(|()| program::check(&provider))?;
        run.sources.config.refresh_index()?;
        return run.print(&format!("{name}: good\n")).map(|()| 0);
    }
    let names = run.sources.config.names()?;
    let (mut wrong, mut taken) = (0_usize, BTreeMap::new());
    for name in &names {
        let provider = run.sources.config.provider(name);
        let checked =
            provider.and_then(|provider| program::check(&provider).and_then(|()| take_places(&provider, &mut taken)));
        match checked {
            Ok(()) => run.print(&format!("{name}: good\n"))?,
            Err(error) => {
                wrong += 1;
                run.note(&report::lines(&error));
            }
        }
    }
    for file in run.sources.config.misnamed()? {
        wrong += 1;
        let shown = report::printable(&file.display().to_string());
        let error = Error::usage(format!("{shown}: its name is no provider's"))
            .hint("call it by lower-case letters, digits and dashes, such as `my-tool.toml`");
        run.note(&report::lines(&error));
    }
    run.sources.config.refresh_index()?;
    if wrong > 0 {
        let (all, are) = (names.len(), if wrong == 1 { "is" } else { "are" });
        Err(Error::usage(format!("{wrong} of the {all} provider files {are} wrong")))
    } else {
        Ok(0)
    }
}

/// Notes the places of a provider's sessions, none of which may be another provider's.
fn take_places(provider: &Provider, taken: &mut BTreeMap<String, String>) -> Result<()> {
    for mode in &provider.modes {
        for place in mode.place.filled(&provider.name, &mode.name, "ACCOUNT").names() {
            let holder = taken.entry(place.clone()).or_insert_with(|| provider.name.clone());
            if *holder != provider.name {
                let message = format!("the providers `{holder}` and `{}` both want {place}", provider.name);
                return Err(Error::usage(message).hint("give one of them another `[place]`"));
            }
        }
    }
    Ok(())
}

fn check_file(run: &Run, path: &str) -> Result<u8> {
    program::check(&run.sources.config.provider_at(path)?)?;
    run.print(&format!("{}: good\n", report::printable(path))).map(|()| 0)
}
