//! `logout`: first nothing is left here, whatever the network does; then the issuer is told, and what it said is reported.

use std::collections::BTreeMap;

use super::{Run, session_of, workspace};
use crate::cli;
use crate::config::{Profile, profile};
use crate::error::{Class, Error, Result};
use crate::record::Key;
use crate::renew::{self, Forgotten};
use crate::report::sanitise;
use crate::resolve::{Session, choose_account};

pub(super) fn run(run: &Run, args: &cli::Logout) -> Result<u8> {
    if args.all {
        return all(run, args.local);
    }
    let profile = run.profile(args.profile.as_deref())?;
    let session = meant(run, &profile)?;
    match key(run, &session) {
        Ok(key) => end(run, &session, &key, args.local)?,
        Err(error) if error.class == Class::Login => {
            run.note(&format!(
                "There is no session of `{}` to log out of.\n",
                sanitise(&profile.to_string())
            ));
        }
        Err(error) => return Err(error),
    }
    still_set(run, &session);
    Ok(0)
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

fn all(run: &Run, local: bool) -> Result<u8> {
    let mut failed = None;
    let mut ended = BTreeMap::new();
    for stored in run.sources.stores.list()? {
        let record = match stored {
            Ok(stored) => stored.record,
            Err(error) => {
                run.note(&format!(
                    "keyfob: warning: not forgotten: {}\n",
                    sanitise(&error.to_string())
                ));
                failed = Some(error.into());
                continue;
            }
        };
        let Some((provider, mode)) = session_of(&record.key.group) else {
            continue;
        };
        let profile = Profile {
            provider: provider.into(),
            mode: Some(mode.to_owned()).filter(|mode| !mode.is_empty()),
            account: Some(record.key.account.clone()),
        };
        let session = meant(run, &profile)?;
        if let Err(error) = end(run, &session, &record.key, local) {
            failed = Some(error);
        }
        ended.insert((provider.to_owned(), mode.to_owned()), session);
    }
    if ended.is_empty() && failed.is_none() {
        run.note("There is no session to log out of.\n");
    }
    ended.values().for_each(|session| still_set(run, session));
    failed.map_or(Ok(0), Err)
}

fn end(run: &Run, session: &Session, key: &Key, local: bool) -> Result<()> {
    let name = sanitise(&profile::show(&session.provider, &session.mode, &key.account));
    let forgotten = renew::forget(run.sources, session, key)?;
    workspace::forget(run, session, &key.account);
    let record = match forgotten {
        Forgotten::Record(record) => record,
        Forgotten::Nothing => {
            run.note(&format!("There is no session of `{name}` to log out of.\n"));
            return Ok(());
        }
        Forgotten::Unread => {
            run.note(&format!(
                "Forgot `{name}`, which could not be read; the issuer was not told and may still honour the token.\n"
            ));
            return Ok(());
        }
    };
    if local {
        run.note(&format!(
            "Logged out of `{name}` on this machine.\nThe issuer was not told and may still honour the token.\n"
        ));
        return Ok(());
    }
    match renew::revoke(run.sources, session, &record) {
        Ok(Some(())) => run.note(&format!("Logged out of `{name}`.\nThe issuer has ended the token.\n")),
        Ok(None) => run.note(&format!(
            "Logged out of `{name}` on this machine.\nThe issuer has no way to end the token, and may still honour it.\n"
        )),
        Err(error) => run.note(&format!(
            "Logged out of `{name}` on this machine.\nkeyfob: warning: the issuer could not be told and may still honour the token: {}\n",
            crate::report::message(&error)
        )),
    }
    Ok(())
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
