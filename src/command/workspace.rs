//! `workspace`: which one a credential is used in: a word that goes along, or a token that is issued anew.

use serde_json::json;

use super::{Named, Run, SCHEMA};
use crate::cli;
use crate::config::active::{Active, is_workspace};
use crate::config::{By, Switch, Workspace, profile};
use crate::error::{Error, Result};
use crate::login::Login;
use crate::renew;
use crate::report::{self, sanitise};
use crate::resolve::{Session, workspace};
use crate::store::Stored;

pub(super) fn run(run: &Run, args: &cli::Choice) -> Result<u8> {
    let Some(Named { profile, name }) = run.named(args.first.as_deref(), args.second.as_deref())? else {
        return Err(run.several());
    };
    let session = run.meant(&profile)?;
    let Some(kind) = session.workspace.clone() else {
        let message = format!("the provider `{}` has no workspaces", session.provider);
        return Err(Error::usage(message).hint("its file says in `[context]` what one is"));
    };
    // A variable's credential is of no account.
    let stored = match session.variable(run.sources)? {
        Some(_) => None,
        None => Some(run.session(&profile)?.1),
    };
    match name {
        None if args.clear => clear(run, &session, &kind, stored.as_ref()),
        None => show(run, &session, stored.as_ref(), args.json),
        Some(_) if args.clear => Err(Error::usage("`--clear` goes with no workspace")),
        Some(name) if is_workspace(&name) => set(run, &session, &kind, stored.as_ref(), &name),
        Some(_) => Err(Error::usage("the workspace is not 1 to 256 visible ASCII characters")),
    }
}

fn account(stored: Option<&Stored>) -> &str {
    stored.map_or("", |stored| &stored.record.key.account)
}

fn show(run: &Run, session: &Session, stored: Option<&Stored>, as_json: bool) -> Result<u8> {
    let found = workspace(run.sources, session, stored.map(|stored| &stored.record))?;
    if as_json {
        let (name, by) = found.map(|(name, by)| (name, by.to_string())).unzip();
        let answer = json!({"schema": SCHEMA, "provider": session.provider, "mode": session.mode,
            "account": account(stored), "workspace": name, "by": by});
        return run.print_json(&answer).map(|()| 0);
    }
    match found {
        Some((name, _)) => run.print(&format!("{}\n", sanitise(&name)))?,
        None => run.note("No workspace is chosen.\n"),
    }
    Ok(0)
}

fn set(run: &Run, session: &Session, kind: &Workspace, stored: Option<&Stored>, name: &str) -> Result<u8> {
    match (kind.switch, stored) {
        (Switch::Header, _) => run.sources.config.choose(&session.provider, |active| {
            let workspaces = &mut active.of_mode(&session.mode).workspaces;
            workspaces.insert(account(stored).into(), name.into());
        })?,
        (Switch::Reissue, None) => {
            return Err(Error::refused(
                "the credential comes from a variable, and is for the workspace it was made for",
            )
            .hint("unset the variable, or set it to a credential of the other workspace"));
        }
        (Switch::Reissue, Some(stored)) => {
            if stored.record.workspace.as_deref() != Some(name) {
                renew::reissue(run.sources, session, stored, name)?;
            }
        }
    }
    let of = profile::show(&session.provider, &session.mode, account(stored));
    run.note(&format!(
        "The workspace of `{}` is `{name}` from now on.\n",
        sanitise(&of)
    ));
    if let Some((other, By::Variable(variable))) = run.sources.config.said_workspace(&session.prefix)?
        && other != name
    {
        run.note(&format!(
            "keyfob: warning: the variable `{variable}` names another workspace, and is used instead\n"
        ));
    }
    Ok(0)
}

fn clear(run: &Run, session: &Session, kind: &Workspace, stored: Option<&Stored>) -> Result<u8> {
    if kind.switch == Switch::Reissue {
        if let Some(stored) = stored
            && renew::restore(run.sources, session, stored)?
        {
            return Ok(0);
        }
        return Err(Error::usage("the token is for a workspace always: name the other one"));
    }
    run.sources.config.choose(&session.provider, |active| {
        active.of_mode(&session.mode).workspaces.remove(account(stored));
    })?;
    Ok(0)
}

/// The workspace that the token of a login is for, where each workspace has tokens of its own.
pub(super) fn issued(login: &Login, default: Option<&str>) -> Option<String> {
    let reissued = login.mode.workspace.as_ref()?.switch == Switch::Reissue;
    default.filter(|_| reissued).map(str::to_owned)
}

/// The first workspace of a session that was just kept: the one of `--workspace`, the one that was chosen before, or the
/// account's default.
pub(super) fn begin(run: &Run, session: &Session, stored: &Stored, default: Option<&str>) {
    let Some(kind) = &session.workspace else {
        return;
    };
    let config = &run.sources.config;
    let wanted = match config.said_workspace(&session.prefix) {
        Ok(Some((name, By::Option))) => Some(name),
        _ => None,
    };
    let begun = match (kind.switch, wanted) {
        (_, Some(name)) => set(run, session, kind, Some(stored), &name).map(|_| ()),
        (Switch::Header, None) => default.map_or(Ok(()), |name| {
            config.choose(&session.provider, |active| {
                let workspaces = &mut active.of_mode(&session.mode).workspaces;
                workspaces
                    .entry(account(Some(stored)).into())
                    .or_insert_with(|| name.into());
            })
        }),
        (Switch::Reissue, None) => Ok(()),
    };
    match (begun, workspace(run.sources, session, Some(&stored.record))) {
        (Err(error), _) => run.note(&format!("keyfob: warning: {}\n", report::message(&error))),
        (Ok(()), Ok(Some((name, _)))) => run.note(&format!("Its workspace is `{name}`.\n")),
        (Ok(()), _) => (),
    }
}

/// Forgets what was chosen for an account that is logged out.
pub(super) fn forget(run: &Run, session: &Session, account: &str) {
    let chosen = |active: &mut Active| {
        let chosen = active.of_mode(&session.mode);
        chosen.workspaces.remove(account);
        chosen.account.take_if(|chosen| chosen == account);
    };
    let mut active = run.sources.config.active(&session.provider);
    let before = active.clone();
    chosen(&mut active);
    active.modes.retain(|_, chosen| !chosen.is_empty());
    if active != before
        && let Err(error) = run.sources.config.choose(&session.provider, chosen)
    {
        run.note(&format!("keyfob: warning: {}\n", report::message(&error)));
    }
}
