//! `sync` and `desync`: the current access token for another machine, which then acts as the person until the token ends.
//!
//! Never the refresh token: a renewal there would be the end of the session here. What the other machine does is in
//! `sync/script.rs`, what the keyfob there does in `receive.rs`.

mod place;
mod remote;
pub(super) mod script;

use std::time::Duration;

use serde_json::json;

use super::text::wrap;
use super::{Run, SCHEMA};
use crate::cli;
use crate::config::{Alias, Mode, Profile, Program, Provider, Scheme, Serves, is_variable, profile};
use crate::error::{Error, Result};
use crate::record::{About, Place as TargetPlace, ProgramWords, Synced};
use crate::renew;
use crate::report::sanitise;
use crate::resolve::{self, Session};
use crate::store::Stored;
use crate::time::Timestamp;
use place::Place;
use remote::Question;

pub(super) fn sync(run: &Run, args: &cli::Sync) -> Result<u8> {
    let (place, profile) = place::of(&args.place)?;
    let profile = run.profile(profile)?;
    let (provider, at) = run.sources.config.profile(&profile)?;
    let mode = &provider.modes[at];
    // A mistake in the arguments costs no renewal.
    let command = place.command(run.world, &provider.name, mode)?;
    let (session, synced) = current(run, &profile, &provider, mode)?;
    let question = Question {
        place: &place,
        program: &provider.program.name,
        command: &command,
        script: script::sync(&provider.program, mode, &synced),
        secret: synced.secret.as_ref(),
        variables: &provider.secret_variables(),
        patience: Duration::from_secs(args.place.timeout.into()),
    };
    let answer = question.ask(run.world)?;
    tell(run, args, &place, &session, &synced, &answer)?;
    Ok(0)
}

pub(super) fn desync(run: &Run, args: &cli::Desync) -> Result<u8> {
    let (place, profile) = place::of(&args.place)?;
    let profile = run.profile(profile)?;
    let (provider, at) = run.sources.config.profile(&profile)?;
    let mode = &provider.modes[at];
    let command = place.command(run.world, &provider.name, mode)?;
    // The account that `sync` would send, so that what another one has there stays.
    let account = run.meant(&profile)?.account;
    let synced = Synced::named(&provider.name, &mode.name, account);
    let question = Question {
        place: &place,
        program: &provider.program.name,
        command: &command,
        script: script::desync(&provider.program, &synced),
        secret: None,
        variables: &provider.secret_variables(),
        patience: Duration::from_secs(args.place.timeout.into()),
    };
    let name = sanitise(&profile.to_string());
    let text = match question.ask(run.world)?.as_str() {
        "absent" => format!("There is no synced session of `{name}` on {place}."),
        _ => format!("The synced session of `{name}` is gone from {place}."),
    };
    run.note(&wrap("", &text));
    Ok(0)
}

/// The token in use and what is known of it, renewed first if less than half of its life is left.
fn current(run: &Run, profile: &Profile, provider: &Provider, mode: &Mode) -> Result<(Session, Synced)> {
    let session = run.meant(profile)?;
    if let Some((variable, secret)) = session.variable(run.sources)? {
        run.note(&format!(
            "keyfob: warning: the variable `{variable}` is set, and it is its token that is synced\n"
        ));
        let workspace = resolve::workspace(run.sources, &session, None)?;
        let synced = Synced {
            secret: Some(secret),
            workspace: workspace.map(|(name, _)| name),
            about: Some(about(provider, mode)),
            ..Synced::named(
                &session.provider,
                &session.mode,
                Some(session.account.clone().unwrap_or_default()),
            )
        };
        return Ok((session, synced));
    }
    let (session, stored) = run.session(profile)?;
    let name = session.show();
    if session.keeps() {
        return Err(Error::refused(format!(
            "what is kept for `{name}` is a password, which does not end by itself"
        )));
    }
    let stored = renewed(run, &session, stored)?;
    let workspace = resolve::workspace(run.sources, &session, Some(&stored.record))?;
    let record = stored.record;
    if record.learnt.as_ref().is_some_and(|learnt| learnt.dpop_key.is_some()) {
        let message = format!("the token of `{name}` is bound to a key (DPoP), which stays on this machine");
        return Err(Error::refused(message).hint("log in on the other machine itself"));
    }
    let secret = record.secret.filter(crate::secret::Secret::is_token);
    let secret = secret.ok_or_else(|| Error::refused("the secret has characters that no token has"))?;
    let synced = Synced {
        secret: Some(secret),
        expires_at: record.expires_at,
        scopes: record.scopes,
        subject: record.subject,
        workspace: workspace.map(|(name, _)| name),
        about: Some(about(provider, mode)),
        ..Synced::named(&session.provider, &session.mode, Some(record.key.account))
    };
    Ok((session, synced))
}

/// A token that lives for a while there. One that cannot be renewed now will do as it is.
fn renewed(run: &Run, session: &Session, stored: Stored) -> Result<Stored> {
    let now = run.world.now();
    let (end, begin) = (stored.record.expires_at, stored.record.obtained_at);
    let whole = end.zip(begin).map_or(0, |(end, begin)| end.since(begin).max(0));
    let half = u32::try_from(whole / 2).unwrap_or(u32::MAX);
    let can = stored.record.refresh.is_some() || session.is_unattended();
    if !can || stored.record.synced_at.is_some() || end.is_none_or(|end| end.since(now) > half.into()) {
        return renew::fresh(run.sources, session, stored, renew::Wants::default());
    }
    let lives = stored.record.secret.is_some() && end.is_some_and(|end| end > now);
    match renew::fresh(run.sources, session, stored.clone(), renew::Wants::secs(half)) {
        Err(error) if lives && stored.record.dead.is_none() => {
            let why = crate::report::message(&error);
            run.note(&format!(
                "keyfob: warning: the token could not be renewed first: {why}\n"
            ));
            // The issuer may have given another, though not one that lives for so long.
            let now = run.sources.stores.get(&stored.record.key)?;
            renew::fresh(run.sources, session, now.unwrap_or(stored), renew::Wants::default())
        }
        other => other,
    }
}

/// What the provider file says, as far as another machine needs it.
fn about(provider: &Provider, mode: &Mode) -> About {
    let whoami = mode.whoami.as_ref();
    About {
        title: provider.title.clone(),
        variables: mode.variables.clone(),
        export: mode.export.clone(),
        targets: mode.targets.iter().map(target).collect(),
        whoami: whoami.map(|whoami| (whoami.url.clone(), whoami.subject.clone())),
        endpoints: Some(endpoints(mode)),
        workspace_header: mode.workspace.as_ref().and_then(|kind| kind.header.clone()),
        program: provider.program.is_declared.then(|| words(&provider.program)),
    }
}

/// Where a token of this mode goes that is no target: to its issuer and to calls of the service.
pub(super) fn endpoints(mode: &Mode) -> Vec<String> {
    let oauth = &mode.oauth;
    let of_issuer = [
        &oauth.issuer,
        &oauth.token_endpoint,
        &oauth.revocation_endpoint,
        &oauth.userinfo_endpoint,
    ];
    let calls = [&mode.refresh, &mode.exchange].into_iter().flatten();
    let all = of_issuer.into_iter().flatten().map(String::as_str);
    let all = all
        .chain(mode.whoami.as_ref().map(|whoami| whoami.url.as_str()))
        .chain(calls.map(|refresh| refresh.exchange.url.as_str()));
    let mut all: Vec<String> = all.map(str::to_owned).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn words(program: &Program) -> ProgramWords {
    let Program {
        name,
        prefix,
        auth,
        aliases,
        is_declared: _,
        settings: _,
        address: _,
    } = program;
    let alias = |alias: &Alias| (alias.words.join(" "), alias.own.join(" "));
    ProgramWords {
        name: name.clone(),
        prefix: prefix.clone(),
        auth: *auth,
        commands: aliases.iter().map(alias).collect(),
    }
}

/// A place that a credential may go to, as another machine is told of it.
pub(super) fn target(serves: &Serves) -> TargetPlace {
    TargetPlace {
        url: serves.url(),
        scheme: if serves.scheme == Scheme::Basic {
            "basic"
        } else {
            "bearer"
        }
        .into(),
        username: serves.username.clone(),
        tools: serves.tools.clone(),
    }
}

/// What a person must know of it: how long it lives, that nobody renews it there, and what it can do.
fn tell(run: &Run, args: &cli::Sync, place: &Place, session: &Session, synced: &Synced, answer: &str) -> Result<()> {
    let now = run.world.now();
    let account = synced.account.as_deref().unwrap_or_default();
    let name = profile::show(&session.provider, &session.mode, account);
    let mut words = answer.split_whitespace();
    let kept = words.next().unwrap_or_default();
    if args.json {
        let answer = json!({"schema": SCHEMA, "profile": name, "target": place.to_string(), "kept": kept,
            "subject": synced.subject, "expires": synced.expires_at.map(Timestamp::rfc3339),
            "expires_in_secs": synced.expires_at.map(|end| end.since(now))});
        run.print_json(&answer)?;
    }
    let name = sanitise(&name);
    let (life, verb) = match synced.expires_at {
        Some(end) => (
            format!(
                "The session is valid for {}, until {}; it is not renewed there. When it has ended, sync again:",
                span(end.since(now)),
                end.rfc3339()
            ),
            "sync",
        ),
        None => (
            "Nobody knows here when its token ends. It stays there until it is taken back:".into(),
            "desync",
        ),
    };
    run.note(&wrap("", &format!("What runs on {place} now acts as `{name}`.")));
    // A command is one line, so that it can be copied.
    let arguments = place.arguments();
    run.note(&format!("{}    `keyfob {verb} {name} {arguments}`\n", wrap("", &life)));
    run.note(&wrap(
        "",
        "The token is your own, with all your rights: whoever can read your files there can use it as you.",
    ));
    if let Some(variable) = words.next().filter(|word| is_variable(word)) {
        run.note(&format!(
            "keyfob: warning: the variable `{variable}` is set there, and is used instead\n"
        ));
    }
    Ok(())
}

/// A time in its two largest units.
fn span(seconds: i64) -> String {
    let text = Timestamp::from_unix(seconds.max(1)).relative(Timestamp::from_unix(0));
    text.trim_start_matches("in ").to_owned()
}
