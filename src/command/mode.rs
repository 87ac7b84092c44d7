//! `mode`: which environment of a provider is meant where nothing names one. It asks no network, and a person one thing
//! alone: whether to log in to a mode that has no session yet.

use serde_json::json;

use super::status::state;
use super::text::table;
use super::{Named, Run, SCHEMA, login};
use crate::cli;
use crate::config::{By, Provider, plain_mode, profile};
use crate::error::{Error, Result};
use crate::report;
use crate::resolve::Session;

pub(super) fn run(run: &Run, args: &cli::Mode) -> Result<u8> {
    let Some(Named { profile, name }) = run.named(args.first.as_deref(), args.second.as_deref())? else {
        return all(run, args.json);
    };
    if profile.mode.is_some() && run.mode.is_none() {
        return Err(Error::usage(
            "the mode is an argument of its own here, and not part of the profile",
        ));
    }
    let provider = run.sources.config.provider(&profile.provider)?;
    if provider.modes.len() < 2 {
        return Err(Error::usage(format!(
            "the provider `{}` has one mode alone",
            provider.name
        )));
    }
    let at = match (name.as_deref(), args.toggle) {
        (None, false) => return show(run, &provider, args.json),
        (None, true) => next(run, &provider),
        (Some(_), true) => return Err(Error::usage("`--toggle` goes with no mode")),
        (Some(name), false) => match names(&provider).iter().position(|mode| *mode == name) {
            Some(at) => at,
            None if name == "toggle" => next(run, &provider),
            None => return Err(unknown(&provider, name)),
        },
    };
    set(run, &provider, at)
}

/// The mode after the one that was chosen, in the order in which they are shown.
fn next(run: &Run, provider: &Provider) -> usize {
    (run.sources.config.active_mode(provider).unwrap_or(0) + 1) % provider.modes.len()
}

fn names(provider: &Provider) -> Vec<&str> {
    provider.modes.iter().map(|mode| plain_mode(&mode.name)).collect()
}

fn unknown(provider: &Provider, name: &str) -> Error {
    let message = format!("the provider `{}` has no mode `{name}`", provider.name);
    Error::usage(message).hint(format!("name one of `{}`", names(provider).join("`, `")))
}

fn show(run: &Run, provider: &Provider, as_json: bool) -> Result<u8> {
    let (at, by) = run.sources.config.mode_in_use(provider)?;
    let mode = plain_mode(&provider.modes[at].name);
    if as_json {
        let answer = json!({"schema": SCHEMA, "provider": provider.name, "mode": mode, "by": by.to_string(),
            "modes": names(provider)});
        return run.print_json(&answer).map(|()| 0);
    }
    run.print(&format!("{mode}\n")).map(|()| 0)
}

/// The modes of all providers that have several.
fn all(run: &Run, as_json: bool) -> Result<u8> {
    let mut rows = Vec::new();
    for name in run.sources.config.names()? {
        // A wrong file is `provider check`'s business.
        let Ok(provider) = run.sources.config.provider(&name) else {
            continue;
        };
        if provider.modes.len() > 1 {
            let (at, by) = run.sources.config.mode_in_use(&provider)?;
            rows.push((provider, at, by));
        }
    }
    if as_json {
        let row = |(provider, at, by): &(Provider, usize, By)| {
            json!({"provider": provider.name, "mode": plain_mode(&provider.modes[*at].name), "by": by.to_string(),
                "modes": names(provider)})
        };
        let rows: Vec<_> = rows.iter().map(row).collect();
        return run.print_json(&json!({"schema": SCHEMA, "modes": rows})).map(|()| 0);
    }
    let cells: Vec<_> = rows
        .iter()
        .map(|(provider, at, _)| {
            let others: Vec<&str> = names(provider);
            let others = others
                .into_iter()
                .filter(|name| *name != plain_mode(&provider.modes[*at].name));
            let others = format!("not {}", others.collect::<Vec<_>>().join(", "));
            [
                provider.name.clone(),
                plain_mode(&provider.modes[*at].name).to_owned(),
                others,
            ]
        })
        .collect();
    if cells.is_empty() {
        run.note("No provider has several modes.\n");
    }
    run.print(&table(&cells)).map(|()| 0)
}

fn set(run: &Run, provider: &Provider, at: usize) -> Result<u8> {
    let mode = plain_mode(&provider.modes[at].name);
    run.sources
        .config
        .choose(&provider.name, |active| active.mode = Some(mode.to_owned()))?;
    run.note(&format!("The mode of `{}` is `{mode}` from now on.\n", provider.name));
    if let Some((other, By::Variable(variable))) = run.sources.config.said_mode(&provider.program.prefix)?
        && other != mode
    {
        run.note(&format!(
            "keyfob: warning: the variable `{variable}` names another mode, and is used instead\n"
        ));
    }
    let session = Session::named(provider, at, None, run.account.clone());
    if session.variable(run.sources)?.is_some() {
        return Ok(0);
    }
    let now = run.world.now();
    let live = match session.records(run.sources) {
        Ok(stored) => stored.iter().any(|stored| state(&stored.record, now) != "ended"),
        Err(error) => {
            // The mode is set, and whether there is a session is told by whoever needs it.
            run.note(&format!("keyfob: warning: {}\n", report::message(&error)));
            true
        }
    };
    let name = profile::show(&provider.name, &provider.modes[at].name, "");
    match (live, run.world.person()) {
        (true, _) => Ok(0),
        (false, true) if wants_login(run, &name) => login::login(
            run,
            cli::Login {
                profile: Some(name),
                ..cli::Login::default()
            },
        ),
        (false, true) => {
            run.note(&format!(
                "There is no session of `{name}` yet: run `keyfob login {name}`.\n"
            ));
            Ok(0)
        }
        (false, false) => {
            Err(Error::login(format!("there is no session of `{name}`")).hint(format!("run `keyfob login {name}`")))
        }
    }
}

/// Whether the person logs in to a mode that has no session yet. Whoever leaves the question has changed the mode all the
/// same.
fn wants_login(run: &Run, name: &str) -> bool {
    // `--mode` names another one, and a login would be to that.
    if run.mode.is_some() {
        return false;
    }
    let question = format!("There is no session of `{name}` yet. Log in now? [Y/n] ");
    let answer = run.world.ask_line(&question);
    answer.is_ok_and(|answer| ["", "y", "yes"].iter().any(|yes| answer.eq_ignore_ascii_case(yes)))
}
