//! `config`: what a person sets of a provider file, such as the URL of a service, and where it is kept.

use serde_json::{Map, json};

use super::text::table;
use super::{Run, SCHEMA};
use crate::cli::{self, ConfigWhat};
use crate::config::{Provider, Setting};
use crate::error::{Error, Result};
use crate::report::{printable, sanitise};

pub(super) fn run(run: &Run, args: cli::Config) -> Result<u8> {
    let profile = run.profile(None)?;
    let provider = run.sources.config.provider(&profile.provider)?;
    match args.what.unwrap_or(ConfigWhat::List { json: false }) {
        ConfigWhat::List { json } => list(run, &provider, json),
        ConfigWhat::Edit => edit(run, &provider),
        ConfigWhat::Get { name } => get(run, &provider, &name),
        ConfigWhat::Set { name, value } => set(run, &provider, &name, Some(&value)),
        ConfigWhat::Unset { name } => set(run, &provider, &name, None),
    }
}

/// That the provider has a setting of this name.
fn check(provider: &Provider, name: &str) -> Result<()> {
    let settings = &provider.program.settings;
    if settings.iter().any(|setting| setting.name == *name) {
        return Ok(());
    }
    let names: Vec<&str> = settings.iter().map(|setting| setting.name.as_str()).collect();
    let error = Error::usage(format!("the provider `{}` has no such setting", provider.name));
    Err(match names.is_empty() {
        true => error.hint("its file names those that there are in `[program.settings]`"),
        false => error.hint(format!("name one of `{}`", names.join("`, `"))),
    })
}

fn get(run: &Run, provider: &Provider, name: &str) -> Result<u8> {
    check(provider, name)?;
    match run.sources.config.setting(provider, name)? {
        Some(value) => run.print(&format!("{}\n", sanitise(&value))).map(|()| 0),
        None => Err(not_set(provider, name)),
    }
}

fn not_set(provider: &Provider, name: &str) -> Error {
    let hint = format!("run `keyfob config set {name} VALUE --provider {}`", provider.name);
    Error::failure(format!("`{name}` is not set")).hint(hint)
}

fn list(run: &Run, provider: &Provider, as_json: bool) -> Result<u8> {
    let mut rows = Vec::new();
    for Setting { name, .. } in &provider.program.settings {
        rows.push((name, run.sources.config.setting(provider, name)?));
    }
    let place = run.sources.config.setting_file(&provider.name);
    if as_json {
        let settings: Map<_, _> = rows
            .into_iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        let answer = json!({"schema": SCHEMA, "provider": provider.name, "settings": settings,
            "place": place.display().to_string()});
        return run.print_json(&answer).map(|()| 0);
    }
    if rows.is_empty() {
        run.note(&format!("The provider `{}` has no settings.\n", provider.name));
    }
    let cells = |(name, value): (&String, Option<String>)| {
        [name.clone(), value.map_or("not set".into(), |value| sanitise(&value))]
    };
    run.print(&table(&rows.into_iter().map(cells).collect::<Vec<_>>()))?;
    Ok(0)
}

fn set(run: &Run, provider: &Provider, name: &str, value: Option<&str>) -> Result<u8> {
    check(provider, name)?;
    run.sources.config.set(provider, name, value)?;
    let place = run.sources.config.setting_file(&provider.name).display().to_string();
    let what = if value.is_some() {
        "is set"
    } else {
        "is not set any more"
    };
    run.note(&format!("`{name}` {what}, in {}.\n", printable(&place)));
    if value.is_some() {
        // A session goes on with the issuer that it was made at.
        run.note("A login from now on uses it; a session that is there stays with its own issuer.\n");
    }
    Ok(0)
}

/// Asks for each setting; an empty answer leaves it as it is.
fn edit(run: &Run, provider: &Provider) -> Result<u8> {
    let settings = &provider.program.settings;
    let Some(first) = settings.first() else {
        run.note(&format!("The provider `{}` has no settings.\n", provider.name));
        return Ok(0);
    };
    if !run.world.person() {
        let hint = format!(
            "run `keyfob config set {} VALUE --provider {}`",
            first.name, provider.name
        );
        return Err(Error::usage("there is no terminal to ask on").hint(hint));
    }
    for Setting { name, .. } in settings {
        let before = run.sources.config.setting(provider, name)?;
        let shown = before.map_or(String::new(), |value| format!(" [{}]", sanitise(&value)));
        let value = run.world.ask_line(&format!("{name}{shown}: "))?;
        if !value.is_empty() {
            set(run, provider, name, Some(&value))?;
        }
    }
    Ok(0)
}
