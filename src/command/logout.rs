//! `logout`: first nothing is left here, whatever the network does; then the issuer is told, and what it said is reported.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Run, session_of, workspace};
use crate::cli;
use crate::config::{Profile, profile};
use crate::error::{Class, Context, Error, Result};
use crate::record::{Key, Record};
use crate::renew::{self, Forgotten};
use crate::report::{exit_code, sanitise};
use crate::resolve::{Session, choose_account};
use crate::store::session_file;

pub(super) fn run(run: &Run, args: &cli::Logout) -> Result<u8> {
    if args.all {
        return all(run, args.local);
    }
    let profile = run.profile(args.profile.as_deref())?;
    let session = meant(run, &profile)?;
    // What is in the way of the file keeps nobody from the record.
    let file = forget_file(run, &session);
    match key(run, &session) {
        Ok(key) => {
            if let Some(record) = forget(run, &session, &key)? {
                tell(
                    run,
                    &session,
                    &record,
                    args.local,
                    Duration::from_secs(ONE_SECS.unsigned_abs()),
                );
            }
        }
        Err(error) if error.class == Class::Login && !matches!(file, Ok(false)) => (),
        Err(error) if error.class == Class::Login => {
            run.note(&format!(
                "There is no session of `{}` to log out of.\n",
                sanitise(&profile.to_string())
            ));
        }
        Err(error) => return Err(error),
    }
    elsewhere(run, &session);
    begins_again(run, &session);
    still_set(run, &session);
    file.map(|_| 0).doing("removing what another machine may have put here")
}

/// The session that a profile means; one that is kept also where its provider file is wrong or gone.
fn meant(run: &Run, profile: &Profile) -> Result<Session> {
    run.meant(profile).or_else(|error| {
        let mode = profile.mode.as_deref().unwrap_or_default();
        let session = Session::kept(&profile.provider, mode, profile.account.clone());
        let is_kept = run
            .sources
            .stores
            .group(&session.group())
            .map_or(true, |stored| !stored.is_empty());
        if is_kept { Ok(session) } else { Err(error) }
    })
}

/// The key of the record to forget: the account's that is named, whether it can be read or not; else the only one's.
fn key(run: &Run, session: &Session) -> Result<Key> {
    match (run.sources.stores.group(&session.group()), &session.account) {
        (Ok(stored), account) => Ok(choose_account(run.sources, stored, account.as_deref(), session)?
            .record
            .key),
        (Err(_), Some(_)) => Ok(session.key()),
        (Err(error), None) => Err(Error::from(error).hint(format!(
            "name the account to forget it unread: `keyfob logout {}:ACCOUNT`",
            session.show()
        ))),
    }
}

/// Everything is forgotten before the first issuer is told, so that one that does not answer keeps nothing here.
fn all(run: &Run, local: bool) -> Result<u8> {
    // Which of them are sessions cannot be seen behind a closed gate.
    run.sources.stores.unlocked()?;
    let mut failed: Option<Error> = None;
    // Whatever is in the way of one keeps none of the others. The first is the failure, of the class of the worst.
    let mut leave = |error: Error| {
        run.note(&format!(
            "keyfob: warning: not forgotten: {}\n",
            crate::report::message(&error)
        ));
        match &mut failed {
            Some(first) if exit_code(first.class) >= exit_code(error.class) => (),
            Some(first) => first.class = error.class,
            None => failed = Some(error),
        }
    };
    let (mut sessions, mut ended) = (BTreeMap::new(), Vec::new());
    for stored in run.sources.stores.list()? {
        let record = match stored {
            Ok(stored) => stored.record,
            Err(error) => {
                leave(error.into());
                continue;
            }
        };
        let own = session_of(&record.key.group).filter(|(provider, _)| !run.is_others(provider));
        let Some((provider, mode)) = own else {
            continue;
        };
        let profile = Profile {
            provider: provider.into(),
            mode: Some(mode.to_owned()).filter(|mode| !mode.is_empty()),
            account: Some(record.key.account.clone()),
        };
        let session = match meant(run, &profile) {
            Ok(session) => session,
            Err(error) => {
                leave(error);
                continue;
            }
        };
        match forget(run, &session, &record.key) {
            Ok(Some(record)) => ended.push((provider.to_owned(), mode.to_owned(), record)),
            Ok(None) => (),
            Err(error) => leave(error),
        }
        sessions.insert((provider.to_owned(), mode.to_owned()), session);
    }
    if sessions.is_empty() && failed.is_none() {
        run.note("There is no session to log out of.\n");
    }
    let end = run.world.now().plus(ALL_SECS);
    for (provider, mode, record) in ended {
        let left = end.since(run.world.now()).clamp(0, ONE_SECS);
        let session = &sessions[&(provider, mode)];
        tell(run, session, &record, local, Duration::from_secs(left.unsigned_abs()));
    }
    sessions.values().for_each(|session| still_set(run, session));
    failed.map_or(Ok(0), Err)
}

/// How long telling the issuer of one session may take: a whole call, and a quarter of another for its second token. At
/// half of it slow issuers would not be told, at double a person wonders what is wrong.
const ONE_SECS: i64 = 10;

/// The same for all sessions together; what is left over then is reported.
const ALL_SECS: i64 = 30;

/// Forgets one session. The record, if an issuer is to be told of it.
fn forget(run: &Run, session: &Session, key: &Key) -> Result<Option<Box<Record>>> {
    let name = shown(session, key);
    let forgotten = renew::forget(run.sources, session, key)?;
    workspace::forget(run, session, &key.account);
    match forgotten {
        Forgotten::Record(record) => return Ok(Some(record)),
        Forgotten::Nothing => run.note(&format!("There is no session of `{name}` to log out of.\n")),
        Forgotten::Unread => run.note(&format!(
            "Forgot `{name}`, which could not be read; the issuer was not told and may still honour the token.\n"
        )),
    }
    Ok(None)
}

/// Forgets the session that another machine put into a file here; whether there was one.
fn forget_file(run: &Run, session: &Session) -> Result<bool> {
    let Some((stored, directory)) = session.synced_file(run.sources)? else {
        return Ok(false);
    };
    session_file::remove(&directory)?;
    tell(run, session, &stored.record, true, Duration::ZERO);
    Ok(true)
}

fn shown(session: &Session, key: &Key) -> String {
    sanitise(&profile::show(&session.provider, &session.mode, &key.account))
}

/// Tells the issuer of a session that was forgotten, and the person what the issuer said.
fn tell(run: &Run, session: &Session, record: &Record, local: bool, time: Duration) {
    let name = shown(session, &record.key);
    let here = format!("Logged out of `{name}` on this machine.\n");
    if record.synced_at.is_some() {
        // The token is the one of the machine that it comes from, whose session would end with it.
        run.note(&format!("{here}The session goes on where it was synced from.\n"));
        return;
    }
    if record.dead.as_ref().is_some_and(|dead| dead.reason == renew::MOVED) {
        // A bundle may have the token, and whoever has that the session.
        run.note(&format!(
            "{here}It was on its way to a bundle, so the issuer was not told.\n"
        ));
        return;
    }
    if local {
        run.note(&format!(
            "{here}The issuer was not told and may still honour the token.\n"
        ));
        return;
    }
    match renew::revoke(run.sources, session, record, time) {
        Ok(Some(())) => run.note(&format!("Logged out of `{name}`.\nThe issuer has ended the token.\n")),
        Ok(None) => run.note(&format!(
            "{here}The issuer has no way to end the token, and may still honour it.\n"
        )),
        Err(error) => run.note(&format!(
            "{here}keyfob: warning: the issuer could not be told and may still honour the token: {}\n",
            crate::report::message(&error)
        )),
    }
}

/// A credential that is on another machine is ended on a page of the service, where there is one.
fn elsewhere(run: &Run, session: &Session) {
    // Whoever has no provider file any more has been told enough.
    let provider = run.sources.config.provider(&session.provider);
    if let Some(page) = provider.ok().and_then(|provider| provider.revoke) {
        run.note(&format!("What is elsewhere is ended at {}.\n", sanitise(&page)));
    }
}

/// Where no person is needed, the next call of a tool begins another session.
fn begins_again(run: &Run, session: &Session) {
    if session.is_unattended() {
        run.note(&format!(
            "The next call of a tool begins another session of `{}`, as long as its secret, key or token is there.\n",
            sanitise(&session.show())
        ));
    }
}

/// A variable cannot be unset from here, and goes on answering.
fn still_set(run: &Run, session: &Session) {
    let name = match session.variable(run.sources) {
        Ok(Some((name, _))) => format!("`{name}`"),
        Ok(None) => return,
        Err(_) => "of this provider".into(),
    };
    run.note(&format!(
        "keyfob: warning: the variable {name} is still set, and goes on being used\n"
    ));
}
