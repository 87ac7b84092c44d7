//! `status` and `list`: what is kept and where, never a secret.

mod check;

use std::fmt::Write;

use serde_json::{Value, json};

use super::text::{field, table};
use super::{Run, SCHEMA, session_of};
use crate::cli;
use crate::config::{Profile, profile};
use crate::error::{Class, NO_PROVIDER, Result};
use crate::record::{Group, Record};
use crate::report::{self, exit_code, printable, sanitise};
use crate::resolve::{self, Session};
use crate::store::{Stored, session_file};
use crate::time::Timestamp;

pub(super) fn status(run: &Run, args: &cli::Status) -> Result<u8> {
    let wanted = match args.show.profile.as_deref().or(run.provider.as_deref()) {
        Some(text) => Some(run.profile(Some(text))?),
        None => None,
    };
    // What is asked may renew a token, so what is kept is shown after that.
    let checks = if args.check {
        check::all(run, wanted.as_ref())?
    } else {
        Vec::new()
    };
    let (mut all, mut damaged) = (Vec::new(), Vec::new());
    for stored in run.sources.stores.list()? {
        match stored {
            Ok(stored) => all.push(stored),
            Err(error) => damaged.push(error.to_string()),
        }
    }
    if let Some(wanted) = &wanted {
        match in_file(run, wanted) {
            Ok(found) => all.extend(found),
            Err(error) => damaged.push(report::message(&error)),
        }
    }
    let rows = all.iter().filter_map(|stored| row(run, stored, &all, wanted.as_ref()));
    let mut rows: Vec<Value> = rows.collect();
    rows.sort_by_key(|row| text_of(&row["profile"]));
    let variables = variables(run, wanted.as_ref())?;
    if let Some(wanted) = wanted
        .as_ref()
        .filter(|wanted| rows.is_empty() && wanted.mode.is_some())
    {
        // A word that is no mode is not told as a session that lacks. A session whose file lost its mode is shown.
        has_mode(run, wanted)?;
    }
    if let Some(wanted) = wanted.as_ref().filter(|_| rows.is_empty() && damaged.is_empty()) {
        is_known(run, wanted)?;
    }
    let live = rows.iter().any(|row| row["state"] != "ended") || !variables.is_empty();
    let code = match (live, damaged.is_empty(), &wanted) {
        // What cannot be read may be the session: nobody is told to log in over it.
        (false, false, _) => exit_code(Class::Store),
        (false, true, Some(_)) => exit_code(Class::Login),
        _ => check::code(&checks),
    };
    if args.show.json {
        let damaged: Vec<String> = damaged.iter().map(|error| sanitise(error)).collect();
        let checks: Vec<Value> = checks.iter().map(check::Check::json).collect();
        let answer = json!({"schema": SCHEMA, "sessions": rows, "variables": variables, "checks": checks,
            "damaged": damaged});
        return run.print_json(&answer).map(|()| code);
    }
    let mut text = String::new();
    for row in &rows {
        if !text.is_empty() {
            text.push('\n');
        }
        paragraph(&mut text, row);
    }
    if rows.is_empty() && damaged.is_empty() {
        text = nothing(wanted.as_ref());
    }
    for (at, variable) in variables.iter().enumerate() {
        let name = text_of(&variable["variable"]);
        let provider = profile::show(&text_of(&variable["provider"]), &text_of(&variable["mode"]), "");
        let gap = if at == 0 { "\n" } else { "" };
        let _ = writeln!(
            text,
            "{gap}The variable `{name}` is set, and is used for `{provider}` instead of a session."
        );
    }
    text.extend(checks.iter().filter_map(check::Check::text));
    run.print(&text)?;
    checks.iter().for_each(|check| check.tell(run));
    for error in damaged {
        run.note(&format!("keyfob: warning: {}\n", sanitise(&error)));
    }
    Ok(code)
}

/// Makes sure that a provider that is known has the mode of a profile.
fn has_mode(run: &Run, wanted: &Profile) -> Result<()> {
    match run.sources.config.provider(&wanted.provider) {
        Ok(_) => run.sources.config.profile(wanted).map(|_| ()),
        // Another's file, or none: nothing can be said of its modes.
        Err(_) => Ok(()),
    }
}

/// Makes sure that a profile without a session is one of a provider that there is. A wrong file is one.
fn is_known(run: &Run, wanted: &Profile) -> Result<()> {
    match run.sources.config.provider(&wanted.provider) {
        Err(error) if error.code.as_deref() == Some(NO_PROVIDER) => Err(error),
        _ => Ok(()),
    }
}

/// The session that another machine put into a file here; it is in no store.
fn in_file(run: &Run, wanted: &Profile) -> Result<Option<Stored>> {
    // A wrong provider file is `provider check`'s business.
    let Ok(session) = run.meant(wanted) else {
        return Ok(None);
    };
    session
        .synced_file(run.sources)
        .map(|found| found.map(|(stored, _)| stored))
}

/// Where that file is.
fn file_of(run: &Run, provider: &str) -> String {
    let provider = run.sources.config.provider(provider).ok();
    let directory =
        provider.and_then(|provider| run.world.expand(&format!("~/.config/{}", provider.program.name)).ok());
    directory.map_or_else(String::new, |directory| {
        session_file::place(&directory).display().to_string()
    })
}

fn nothing(wanted: Option<&Profile>) -> String {
    match wanted {
        Some(profile) => format!("There is no session of `{profile}`: run `keyfob login {profile}`.\n"),
        None => "There are no sessions.\nRun `keyfob provider list` to see where you can log in.\n".into(),
    }
}

fn row(run: &Run, stored: &Stored, all: &[Stored], wanted: Option<&Profile>) -> Option<Value> {
    let record = &stored.record;
    let (provider, mode) = session_of(&record.key.group)?;
    // A session that was synced here is shown to who asks for it, and in no listing.
    let fits = wanted.map_or(record.synced_at.is_none(), |wanted| {
        wanted.provider == provider
            && wanted.mode.as_deref().is_none_or(|wanted| wanted == mode)
            && wanted
                .account
                .as_deref()
                .is_none_or(|wanted| wanted == record.key.account)
    });
    fits.then(|| {
        let now = run.world.now();
        let unattended = is_unattended(run, provider);
        let state = match state(record, now) {
            "valid" if record.synced_at.is_some() => "synced",
            "ended" if unattended && record.dead.is_none() && record.synced_at.is_none() => "renews at the next use",
            state => state,
        };
        let stores = &run.sources.stores;
        let (protection, place) = match stored.store {
            session_file::STORE => (session_file::PROTECTION, file_of(run, provider)),
            store => (stores.protection(store), stores.whereabouts(&record.key)),
        };
        let usage = Use::of(run, record, (provider, mode), all);
        json!({
            "profile": profile::show(provider, mode, &record.key.account),
            "provider": provider,
            "mode": mode,
            "account": record.key.account,
            "subject": record.subject,
            "fields": record.fields,
            "workspace": usage.workspace,
            "in_use": usage.answers,
            "shadowed_by": usage.variable,
            "state": state,
            "store": stored.store,
            "protection": protection,
            "place": place,
            "expires": record.expires_at.map(Timestamp::rfc3339),
            "expires_relative": record.expires_at.map(|end| end.relative(now)),
            "renews": record.synced_at.is_none() && (record.refresh.is_some() || unattended),
            "synced": record.synced_at.map(Timestamp::rfc3339),
            "scopes": record.scopes,
            "ended_reason": record.dead.as_ref().map(|dead| &dead.reason),
        })
    })
}

/// Whether the provider's next token needs no person; not where its file is wrong or gone.
fn is_unattended(run: &Run, provider: &str) -> bool {
    let provider = run.sources.config.provider(provider);
    provider.is_ok_and(|provider| provider.flow.is_unattended())
}

/// What decides whether and how a session is used.
#[derive(Default)]
struct Use {
    /// Whether it answers where only the provider is named; not known without the provider file.
    answers: Option<bool>,
    /// The variable that answers instead.
    variable: Option<String>,
    workspace: Option<String>,
}

impl Use {
    /// Nothing where the provider file is wrong or gone: such a session answers nobody.
    fn of(run: &Run, record: &Record, (provider, mode): (&str, &str), all: &[Stored]) -> Use {
        let config = &run.sources.config;
        let Ok(file) = config.provider(provider) else {
            return Use::default();
        };
        let Some(at) = file.modes.iter().position(|row| row.name == mode) else {
            return Use::default();
        };
        let account = &record.key.account;
        let session = Session::named(&file, at, None, Some(account.clone()));
        let mine = config.mode_in_use(&file).is_ok_and(|(used, _)| used == at);
        let others = all.iter().filter(|stored| stored.record.key.group == record.key.group);
        let chosen = match config.said_account(&file.program.prefix) {
            Ok(Some((said, _))) => said == *account,
            _ if others.count() == 1 => true,
            _ => config.active_account(provider, mode).as_ref() == Some(account),
        };
        let variable = session.variable(run.sources).ok().flatten();
        let workspace = resolve::workspace(run.sources, &session, Some(record)).ok().flatten();
        Use {
            answers: Some(mine && chosen),
            variable: variable.map(|(name, _)| name),
            workspace: workspace.map(|(name, _)| name),
        }
    }
}

/// What a session is worth at this moment: `ended`, `renews at the next use` or `valid`.
pub(super) fn state(record: &Record, now: Timestamp) -> &'static str {
    let over = record.secret.is_none() || record.expires_at.is_some_and(|end| end <= now);
    match (&record.dead, over, &record.refresh) {
        (Some(_), ..) | (None, true, None) => "ended",
        (None, true, Some(_)) => "renews at the next use",
        (None, false, _) => "valid",
    }
}

fn paragraph(text: &mut String, row: &Value) {
    let _ = writeln!(text, "{}", sanitise(&text_of(&row["profile"])));
    let mut line = |name: &str, value: &str| {
        let value = sanitise(value);
        if !value.is_empty() {
            *text += &field("  ", name, &value);
        }
    };
    line("state", &text_of(&row["state"]));
    line("because", &text_of(&row["ended_reason"]));
    line("identity", &text_of(&row["subject"]));
    for (name, value) in row["fields"].as_object().into_iter().flatten() {
        line(name, &text_of(value));
    }
    line("mode", &text_of(&row["mode"]));
    line("workspace", &text_of(&row["workspace"]));
    if row["in_use"] == false {
        line("used", "only where it is named");
    }
    let end = text_of(&row["expires"]);
    if !end.is_empty() {
        let renews = if row["renews"] == true {
            ", renewed by itself"
        } else if row["synced"].is_string() {
            ", renewed only where it comes from"
        } else {
            ""
        };
        line(
            "expires",
            &format!("{end} ({}){renews}", text_of(&row["expires_relative"])),
        );
    }
    let scopes: Vec<String> = row["scopes"].as_array().into_iter().flatten().map(text_of).collect();
    line("scopes", &scopes.join(" "));
    line(
        "store",
        &format!("{}: {}", text_of(&row["store"]), text_of(&row["protection"])),
    );
    let _ = writeln!(text, "{:<13}{}", "  place", printable(&text_of(&row["place"])));
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The variables that are set and hide the sessions of their provider.
fn variables(run: &Run, wanted: Option<&Profile>) -> Result<Vec<Value>> {
    let mut rows = Vec::new();
    for name in run.sources.config.names()? {
        if wanted.is_some_and(|wanted| wanted.provider != name) {
            continue;
        }
        // A wrong file is `provider check`'s business.
        let Ok(provider) = run.sources.config.provider(&name) else {
            continue;
        };
        for mode in &provider.modes {
            if wanted.is_some_and(|wanted| wanted.mode.as_ref().is_some_and(|wanted| *wanted != mode.name)) {
                continue;
            }
            let set = mode.variables.iter().find(|name| run.world.var_os(name).is_some());
            rows.extend(set.map(|variable| json!({"provider": name, "mode": mode.name, "variable": variable})));
        }
    }
    Ok(rows)
}

pub(super) fn list(run: &Run, args: &cli::List) -> Result<u8> {
    let now = run.world.now();
    let mut rows = Vec::new();
    for stored in run.sources.stores.list()? {
        let others = |stored: &Stored| session_of(&stored.record.key.group).is_none_or(|(name, _)| run.is_others(name));
        if run.program.is_some() && stored.as_ref().is_ok_and(others) {
            continue;
        }
        let row = match stored {
            // It is hidden as the variable would be that it stands for.
            Ok(Stored { record, .. }) if record.synced_at.is_some() => continue,
            Ok(Stored { record, store }) => kept(&record, store, now),
            Err(error) => json!({"kind": "damaged", "name": sanitise(&error.to_string())}),
        };
        rows.push(row);
    }
    rows.sort_by_key(|row| (text_of(&row["kind"]), text_of(&row["name"]), text_of(&row["username"])));
    if args.json {
        return run.print_json(&json!({"schema": SCHEMA, "records": rows})).map(|()| 0);
    }
    let cells = |row: &Value| ["kind", "name", "username", "store", "state"].map(|name| sanitise(&text_of(&row[name])));
    let cells: Vec<_> = rows.iter().map(cells).collect();
    let text = if cells.is_empty() {
        "Nothing is kept.\n".into()
    } else {
        table(&cells)
    };
    run.print(&text).map(|()| 0)
}

/// One row of `list`.
fn kept(record: &Record, store: &str, now: Timestamp) -> Value {
    let account = &record.key.account;
    match &record.key.group {
        Group::Session { provider, mode } => {
            let name = profile::show(provider, mode, account);
            json!({"kind": "session", "name": name, "store": store, "state": state(record, now)})
        }
        Group::Seed { provider, mode } => {
            let state = if record.key.path.is_some() {
                "pending"
            } else {
                "enrolled"
            };
            json!({"kind": "seed", "name": profile::show(provider, mode, account), "store": store, "state": state})
        }
        Group::Origin(_) => {
            let target = record.key.target().map(|target| target.to_string());
            json!({"kind": "kept", "name": target, "username": account, "store": store, "tool": record.tool,
                "state": state(record, now)})
        }
    }
}
