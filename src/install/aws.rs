//! The AWS tools: `credential_process` of one of their profiles.
//!
//! Nothing that they say names an account, so each of their profiles is for one of ours. Implements tools.md, section 5.

use super::format::Format;
use super::journal::Options;
use super::wiring::Wiring;
use super::{Apart, Tool, ini};
use crate::config::profile::quoted;
use crate::error::{Error, Result};

pub(super) const AWS: Tool = Tool {
    name: "aws",
    title: "aws, and what uses the SDKs of AWS",
    programs: &["aws", "sam", "cdk"],
    needs_profile: true,
    any_place: true,
    apart: Apart::Name(name),
    plan,
    left: None,
};

const KEY: &str = "credential_process";

/// Settings of a profile that win over ours.
const STRONGER: [&str; 4] = ["role_arn", "sso_session", "sso_start_url", "web_identity_token_file"];

/// What the tools call the profile that is wired.
fn name(options: &Options) -> String {
    let of_profile = || options.profile.as_deref().unwrap_or_default().replace(['/', ':'], "-");
    options.name.clone().unwrap_or_else(of_profile)
}

fn plan(wiring: &mut Wiring) -> Result<()> {
    let profile = wiring.options.profile.clone().unwrap_or_default();
    let name = name(wiring.options);
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || "[]'\"#;".contains(c)) {
        return Err(Error::usage("this is no name of a profile of AWS").hint("give it one with `--name`"));
    }
    let section = if name == "default" {
        name.clone()
    } else {
        format!("profile {name}")
    };
    // Its words mean the same to a shell and to the tools that split them without one.
    let command = format!("{} aws {}", quoted(wiring.keyfob()?), quoted(&profile));
    let replace = wiring.options.replace;
    let mut stronger = None;
    let path = match wiring.path_in("AWS_CONFIG_FILE")? {
        Some(path) => path,
        None => wiring.home()?.join(".aws/config"),
    };
    wiring.edit_as(Format::Aws, &path, |text| {
        let mut document = ini::Document::parse(text, ini::PYTHON)?;
        stronger = STRONGER.into_iter().find(|key| document.get(&section, key).is_some());
        match document.get(&section, KEY) {
            Some(old) if old == command => return Ok(text.into()),
            Some(_) if !replace => {
                let error = Error::refused(format!("`{KEY}` of `[{section}]` is another program"));
                return Err(
                    error.hint("`--replace` replaces it until it is uninstalled, `--name` takes another profile")
                );
            }
            _ => (),
        }
        document.set(&section, KEY, &command);
        Ok(document.print())
    })?;
    if let Some(key) = stronger {
        wiring
            .notes
            .push(format!("`{key}` of `[{section}]` comes before keyfob"));
    }
    let keys = match wiring.path_in("AWS_SHARED_CREDENTIALS_FILE")? {
        Some(path) => path,
        None => wiring.home()?.join(".aws/credentials"),
    };
    let keys = wiring
        .text(&keys)
        .and_then(|text| ini::Document::parse(&text, ini::PYTHON));
    if keys.is_ok_and(|keys| keys.has_section(&name)) {
        wiring.notes.push(format!(
            "the keys of `[{name}]` in the credentials file come before keyfob"
        ));
    }
    Ok(())
}
