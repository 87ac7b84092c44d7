//! `account`: whose session of a provider is meant where several fit and nothing names one.

use serde_json::json;

use super::{Named, Run, SCHEMA};
use crate::cli;
use crate::config::{By, profile};
use crate::error::{Error, Result};
use crate::report::sanitise;
use crate::resolve::Session;

pub(super) fn run(run: &Run, args: &cli::Choice) -> Result<u8> {
    let Some(Named { profile, name }) = run.named(args.first.as_deref(), args.second.as_deref())? else {
        return Err(run.several());
    };
    let (provider, at) = run.sources.config.profile(&profile)?;
    let session = Session::named(&provider, at, None, None);
    if args.clear {
        run.sources.config.choose(&session.provider, |active| {
            active.of_mode(&session.mode).account = None;
        })?;
        return Ok(0);
    }
    let done = match name {
        Some(name) => set(run, &session, &name),
        None => {
            let (_, stored) = run.session(&profile)?;
            let account = stored.record.key.account;
            let config = &run.sources.config;
            let by = match config.said_account(&session.prefix)? {
                // A profile names it as an option does.
                _ if profile.account.is_some() => By::Option,
                Some((_, by)) => by,
                None if config.active_account(&session.provider, &session.mode) == Some(account.clone()) => By::Active,
                None => By::Default,
            };
            show(run, &session, &account, &by.to_string(), args.json)
        }
    }?;
    if let Ok(Some((variable, _))) = session.variable(run.sources) {
        run.note(&format!(
            "keyfob: warning: the variable `{variable}` is set, and is used instead of a session\n"
        ));
    }
    Ok(done)
}

fn show(run: &Run, session: &Session, account: &str, by: &str, as_json: bool) -> Result<u8> {
    if as_json {
        let stored = session.records(run.sources)?;
        let mut accounts: Vec<&str> = stored.iter().map(|stored| stored.record.key.account.as_str()).collect();
        accounts.sort_unstable();
        let answer = json!({"schema": SCHEMA, "provider": session.provider, "mode": session.mode,
            "account": account, "by": by, "accounts": accounts});
        return run.print_json(&answer).map(|()| 0);
    }
    if account.is_empty() {
        run.note("The session was kept without a name.\n");
        return Ok(0);
    }
    run.print(&format!("{}\n", sanitise(account))).map(|()| 0)
}

fn set(run: &Run, session: &Session, name: &str) -> Result<u8> {
    let stored = session.records(run.sources)?;
    let shown = profile::show(&session.provider, &session.mode, name);
    if !stored.iter().any(|stored| stored.record.key.account == name) {
        return Err(
            Error::login(format!("there is no session of `{shown}`")).hint(format!("run `keyfob login {shown}`"))
        );
    }
    run.sources.config.choose(&session.provider, |active| {
        active.of_mode(&session.mode).account = Some(name.into());
    })?;
    let of = profile::show(&session.provider, &session.mode, "");
    run.note(&format!("The account of `{of}` is `{}` from now on.\n", sanitise(name)));
    if let Some((other, By::Variable(variable))) = run.sources.config.said_account(&session.prefix)?
        && other != name
    {
        run.note(&format!(
            "keyfob: warning: the variable `{variable}` names another account, and is used instead\n"
        ));
    }
    Ok(0)
}
