//! cargo: a provider at the end of `registry.global-credential-providers`, which cargo asks first.
//!
//! A registry with a `credential-provider` of its own asks that alone. Implements tools.md, section 3.1.

use toml_edit::{Array, Value};

use super::format::Format;
use super::wiring::Wiring;
use super::{Apart, Tool, toml};
use crate::error::{Error, Result};

pub(super) const CARGO: Tool = Tool {
    name: "cargo",
    title: "cargo, for registries",
    programs: &["cargo"],
    needs_profile: false,
    any_place: true,
    apart: Apart::Profile,
    plan,
    left: None,
};

const TABLE: &str = "registry";
const KEY: &str = "global-credential-providers";

/// The key of a registry that asks somebody of its own.
const OWN: &str = "credential-provider";

/// What cargo asks where nothing is configured.
const USUAL: &str = "cargo:token";

fn plan(wiring: &mut Wiring) -> Result<()> {
    let home = match wiring.path_in("CARGO_HOME")? {
        Some(home) => home,
        None => wiring.home()?.join(".cargo"),
    };
    // cargo still reads the name without an ending, and prefers it.
    let old = home.join("config");
    let path = if wiring.exists(&old) {
        old
    } else {
        home.join("config.toml")
    };
    let program = wiring.link_beside("cargo-credential-keyfob")?;
    let words: Vec<String> = [program.clone()]
        .into_iter()
        .chain(wiring.options.profile.clone())
        .collect();
    // cargo splits a text at its spaces.
    if words.iter().any(|word| word.contains(' ')) {
        return Err(Error::refused(
            "a path or profile with a space fits no list of cargo's providers",
        ));
    }
    let (ours, replace) = (words.join(" "), wiring.options.replace);
    let mut elsewhere = Vec::new();
    wiring.edit_as(Format::Toml, &path, |text| {
        elsewhere = others(text)?;
        let listed = toml::list(text, &[TABLE, KEY])?;
        let mut providers = listed.clone().unwrap_or_else(|| vec![USUAL.into()]);
        // Ours for other profiles are nobody else's.
        providers.retain(|words| !replace || words.split(' ').next() == Some(&program));
        if !providers.contains(&ours) {
            providers.push(ours);
        }
        if listed.as_ref() == Some(&providers) {
            return Ok(text.into());
        }
        let list: Array = providers.into_iter().collect();
        toml::set(text, Some(TABLE), KEY, Value::Array(list))
    })?;
    if !elsewhere.is_empty() {
        let note = format!(
            "`{}` asks a provider of its own, and not keyfob",
            elsewhere.join("`, `")
        );
        wiring.lasting.push(note);
    }
    Ok(())
}

/// The tables of registries that ask neither cargo's list nor keyfob.
fn others(text: &str) -> Result<Vec<String>> {
    let mut tables = toml::tables_with(text, &["registries"], OWN)?;
    tables.extend(
        toml::tables_with(text, &[], OWN)?
            .into_iter()
            .filter(|(name, _)| name == TABLE),
    );
    let ours = |value: &str| value.contains("cargo-credential-keyfob");
    Ok(tables
        .into_iter()
        .filter(|(_, value)| !ours(value))
        .map(|(name, _)| name)
        .collect())
}
