//! Docker: `credsStore` of its `config.json`, and the program that this names.
//!
//! It has one store for all registries; `credHelpers` for single ones stay, and win. Behind a store docker reads no login
//! of `auths` any more. Implements tools.md, section 2.5.

use super::wiring::Wiring;
use super::{Apart, Tool, json};
use crate::error::{Error, Result};
use crate::report::printable;

pub(super) const DOCKER: Tool = Tool {
    name: "docker",
    title: "docker, buildx, compose, helm, oras",
    programs: &["docker", "helm", "oras", "crane", "cosign"],
    needs_profile: false,
    any_place: true,
    apart: Apart::Nothing,
    plan,
};

const KEY: &str = "credsStore";

/// What docker keeps of a login in the file itself.
const LOGINS: [&str; 3] = ["auth", "identitytoken", "registrytoken"];

fn plan(wiring: &mut Wiring) -> Result<()> {
    let directory = match wiring.path_in("DOCKER_CONFIG")? {
        Some(directory) => directory,
        None => wiring.home()?.join(".docker"),
    };
    let program = wiring.program(PROGRAM)?;
    wiring.link(&program)?;
    let store = program
        .strip_prefix("docker-credential-")
        .unwrap_or(&program)
        .to_owned();
    let replace = wiring.options.replace;
    let mut has_helpers = false;
    let mut hidden = String::new();
    wiring.edit(&directory.join("config.json"), |text| {
        let document = json::Document::parse(text)?;
        has_helpers = document.has("credHelpers");
        let logins = document.with_text("auths", &LOGINS);
        hidden = printable(&logins.join("`, `"));
        match document.text(KEY).filter(|old| !old.is_empty()) {
            Some(old) if old == store => return Ok(text.into()),
            None if !logins.is_empty() && !replace => {
                let error = Error::refused(format!("docker would no longer read its own logins to `{hidden}`"));
                return Err(error.hint(
                    "`keyfob install docker --replace` hides them until it is uninstalled; then run `docker login` for each",
                ));
            }
            Some(_) if !replace => {
                let error = Error::refused(format!("`{KEY}` names another helper, and there can be but one"));
                return Err(error.hint("`keyfob install docker --replace` replaces it until it is uninstalled"));
            }
            _ => (),
        }
        document.set(KEY, &store);
        Ok(document.print())
    })?;
    if !hidden.is_empty() {
        let note = format!("docker no longer reads its own logins to `{hidden}`: run `docker login` for each");
        wiring.notes.push(note);
    }
    if has_helpers {
        let note = "`credHelpers` names other helpers for some registries, which are asked there";
        wiring.notes.push(note.into());
    }
    Ok(())
}

/// What docker runs, without a profile.
pub(super) const PROGRAM: &str = "docker-credential-keyfob";
