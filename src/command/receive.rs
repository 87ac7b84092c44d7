//! `receive`: a session that another keyfob sends, on standard input.
//!
//! It is kept as a record that knows where it is from: never renewed, shown by no listing, replaced by the next one. Where
//! there is no provider file of its name one is made, which goes with the last session. A session of this machine's own
//! is never replaced, and a token goes to no target that the sender does not have.

mod provider_file;

use super::Run;
use super::sync::script::{ANSWER, PROBE};
use crate::cli;
use crate::config::{Profile, Provider, Serves, profile};
use crate::error::{Context, Error, Result};
use crate::record::{Record, Synced};
use crate::renew;
use crate::report::sanitise;
use crate::resolve::Session;
use crate::time::Timestamp;

pub(super) fn run(run: &Run, args: &cli::Receive) -> Result<u8> {
    if args.probe {
        return run.print(&format!("{PROBE}\n")).map(|()| 0);
    }
    if run.world.stdin_is_terminal() {
        return Err(Error::usage("it is another keyfob that calls this command").hint("run `keyfob sync --help`"));
    }
    let bytes = run.world.read_stdin()?;
    let synced = Synced::decode(bytes.trim_ascii_end())
        .map_err(|why| Error::usage(why).hint("update keyfob here or there"))
        .doing("reading a session from standard input")?;
    profile::check_name("provider", &synced.provider)?;
    if !synced.mode.is_empty() {
        profile::check_name("mode", &synced.mode)?;
    }
    let done = if args.remove {
        forget(run, &synced)?
    } else {
        keep(run, &synced).doing(format!("taking a session of `{}`", synced.provider))?
    };
    run.print(&format!("{ANSWER}{done}\n")).map(|()| 0)
}

/// Keeps the session; says in what form, and which variable hides it.
fn keep(run: &Run, synced: &Synced) -> Result<String> {
    let now = run.world.now();
    if synced.secret.is_none() {
        return Err(Error::usage("it has no token"));
    }
    if synced.expires_at.is_some_and(|end| end <= now) {
        return Err(Error::failure("its token has ended").hint("is the clock of one of the machines wrong?"));
    }
    let provider = provider_file::ready(run, synced)?;
    let profile = Profile {
        provider: synced.provider.clone(),
        mode: Some(synced.mode.clone()).filter(|mode| !mode.is_empty()),
        account: Some(synced.account.clone().unwrap_or_default()),
    };
    let session = run.meant(&profile)?;
    fits(&provider, synced)?;
    let key = session.key();
    // One that cannot be read now may be this machine's own.
    if run
        .sources
        .stores
        .get(&key)?
        .is_some_and(|old| is_own(&old.record, now))
    {
        let message = format!("there is a session of `{}` of this machine's own", session.show());
        return Err(Error::refused(message).hint(format!("run `keyfob logout {}` there first", session.show())));
    }
    renew::keep(run.sources, &session, &key.account, "keyfob", |record| {
        synced.fill(record, now)
    })?;
    let hidden_by = session.variable(run.sources).ok().flatten();
    Ok(hidden_by.map_or("record".into(), |(name, _)| format!("record {name}")))
}

/// Whether somebody logged in here, and can still use it.
fn is_own(record: &Record, now: Timestamp) -> bool {
    let lives = record.secret.is_some() && record.expires_at.is_none_or(|end| end > now);
    // One that was on its way to a bundle may not have got there.
    let dead = record.dead.as_ref().is_some_and(|dead| dead.reason != renew::MOVED);
    record.synced_at.is_none() && !dead && (record.refresh.is_some() || lives)
}

/// A provider file here that sends the token elsewhere than the one there is another provider's.
fn fits(provider: &Provider, synced: &Synced) -> Result<()> {
    let Some(about) = &synced.about else { return Ok(()) };
    let Some(mode) = provider.modes.iter().find(|mode| mode.name == synced.mode) else {
        return Ok(());
    };
    let targets = mode.targets.iter().map(Serves::url);
    let other = targets
        .map(|url| ("serves", url))
        .find(|(_, url)| !about.targets.iter().any(|place| place.url == *url));
    let known = about.endpoints.as_ref();
    let endpoint = known.and_then(|known| {
        super::sync::endpoints(mode)
            .into_iter()
            .find(|url| !known.contains(url))
    });
    match other.or(endpoint.map(|url| ("asks", url))) {
        None => Ok(()),
        Some((verb, url)) => Err(Error::refused(format!(
            "the provider file `{}` of this machine {verb} {}, and the one that the session comes from does not",
            provider.name,
            sanitise(&url)
        ))
        .hint("give both machines the same provider file")),
    }
}

/// Forgets the synced sessions of a provider and mode, and of the account if one is named.
fn forget(run: &Run, synced: &Synced) -> Result<String> {
    let mut gone = false;
    for stored in run.sources.stores.group(&synced.group())? {
        let account = stored.record.key.account;
        let is_meant = synced.account.as_ref().is_none_or(|name| *name == account);
        if is_meant && stored.record.synced_at.is_some() {
            let session = Session::kept(&synced.provider, &synced.mode, Some(account));
            renew::forget(run.sources, &session, &session.key())?;
            gone = true;
        }
    }
    provider_file::remove(run, &synced.provider)?;
    Ok(if gone { "removed" } else { "absent" }.into())
}
