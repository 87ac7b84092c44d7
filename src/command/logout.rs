//! `logout`: first nothing is left here, whatever the network does; then the issuer is told, and what it said is reported.

use super::{Run, session_of};
use crate::cli;
use crate::config::{Profile, profile};
use crate::error::{Class, Result};
use crate::record::Record;
use crate::renew;
use crate::resolve::Session;

pub(super) fn run(run: &Run, args: &cli::Logout) -> Result<u8> {
    if args.all {
        return all(run, args.local);
    }
    let profile = run.profile(args.profile.as_deref())?;
    let session = match run.session(&profile) {
        Ok((session, stored)) => {
            end(run, &session, &stored.record, args.local)?;
            session
        }
        Err(error) if error.class == Class::Login => {
            run.note(&format!("There is no session of `{profile}` to log out of.\n"));
            run.meant(&profile)?
        }
        Err(error) => return Err(error),
    };
    still_set(run, &session);
    Ok(0)
}

fn all(run: &Run, local: bool) -> Result<u8> {
    let mut failed = None;
    let mut found = false;
    for stored in run.sources.stores.list()?.into_iter().flatten() {
        let Some((provider, mode)) = session_of(&stored.record.key.group) else {
            continue;
        };
        found = true;
        let mode = Some(mode.to_owned()).filter(|mode| !mode.is_empty());
        let account = Some(stored.record.key.account.clone());
        let profile = Profile {
            provider: provider.into(),
            mode,
            account,
        };
        let ended = run
            .meant(&profile)
            .and_then(|session| end(run, &session, &stored.record, local));
        if let Err(error) = ended {
            failed = Some(error);
        }
    }
    if !found {
        run.note("There is no session to log out of.\n");
    }
    failed.map_or(Ok(0), Err)
}

fn end(run: &Run, session: &Session, record: &Record, local: bool) -> Result<()> {
    let name = profile::show(&session.provider, &session.mode, &record.key.account);
    let Some(record) = renew::forget(run.sources, session, &record.key)? else {
        return Ok(());
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
