//! Docker: `credsStore` of its `config.json`, and the program that this names.
//!
//! It has one store for all registries; `credHelpers` for single ones stay, and win: one of a place that a person names
//! is ours. Behind a store docker reads no login of `auths` any more. Implements tools.md, section 2.5.

use std::path::Path;

use super::format::Format;
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
    apart: Apart::NamedPlaces,
    plan,
    left: None,
};

const KEY: &str = "credsStore";

const HELPERS: &str = "credHelpers";

/// What the names of our programs begin with there.
const OWN: &str = "keyfob";

/// The logins that are in the file itself.
const AUTHS: &str = "auths";

/// What docker keeps of a login in the file itself.
pub(super) const LOGINS: [&str; 3] = ["auth", "identitytoken", "registrytoken"];

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
    let path = directory.join("config.json");
    if wiring.options.named {
        return for_registries(wiring, &path, &store);
    }
    let replace = wiring.options.replace;
    let mut has_helpers = false;
    let mut hidden = String::new();
    wiring.edit_as(Format::Json, &path, |text| {
        let document = parse(text)?;
        has_helpers = document.texts_in(HELPERS).iter().any(|helper| !helper.starts_with(OWN));
        let logins = document.with_text(AUTHS, &LOGINS);
        hidden = printable(&logins.join("`, `"));
        match document.text(KEY).filter(|old| !old.is_empty()) {
            Some(old) if old == store => return Ok(text.into()),
            None if !logins.is_empty() && !replace => {
                return Err(hides(&hidden));
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

/// Reads it.
///
/// # Errors
/// [`crate::error::Class::Usage`] when it is not JSON; [`crate::error::Class::Refused`] when docker takes a member for
/// one that it writes in another case: what is set beside that would not be told from it once docker has written the file.
fn parse(text: &str) -> Result<json::Document> {
    let document = json::Document::parse(text)?;
    for name in [KEY, HELPERS, AUTHS] {
        if let Some(found) = document.in_other_case(name) {
            let error = Error::refused(format!("docker reads `{found}` as `{name}`, and writes it so"));
            return Err(error.hint(format!("call it `{name}`, then try again")));
        }
    }
    Ok(document)
}

fn hides(logins: &str) -> Error {
    let error = Error::refused(format!("docker would no longer read its own logins to `{logins}`"));
    error.hint("`keyfob install docker --replace` hides them until it is uninstalled; then run `docker login` for each")
}

/// A helper for single registries, which comes before the store of all.
fn for_registries(wiring: &mut Wiring, path: &Path, store: &str) -> Result<()> {
    let registries = wiring.options.urls.iter().map(|url| registry(url));
    let registries = registries.collect::<Result<Vec<String>>>()?;
    let replace = wiring.options.replace;
    wiring.edit(path, |text| {
        let document = parse(text)?;
        let logins = document.with_text(AUTHS, &LOGINS);
        let mut is_changed = false;
        for registry in &registries {
            match document.text_in(HELPERS, registry).filter(|old| !old.is_empty()) {
                Some(old) if old == store => continue,
                Some(_) if !replace => {
                    let shown = printable(registry);
                    let error = Error::refused(format!("`{HELPERS}` names another helper for `{shown}`"));
                    return Err(error.hint("`--replace` replaces it until it is uninstalled"));
                }
                None if logins.contains(registry) && !replace => return Err(hides(&printable(registry))),
                _ => (),
            }
            document.set_in(HELPERS, registry, store)?;
            is_changed = true;
        }
        Ok(if is_changed { document.print() } else { text.into() })
    })
}

/// What docker calls the registry at a place: its host, but for its own.
fn registry(url: &str) -> Result<String> {
    let host = url.split_once("://").and_then(|(_, rest)| rest.split('/').next());
    match host.filter(|host| !host.is_empty() && !host.contains(['*', '@'])) {
        Some("docker.io" | "index.docker.io") => Ok("https://index.docker.io/v1/".into()),
        Some(host) => Ok(host.to_ascii_lowercase()),
        None => Err(Error::usage("`--url` is not the URL of a registry")),
    }
}

/// What docker runs, without a profile.
pub(super) const PROGRAM: &str = "docker-credential-keyfob";

#[cfg(test)]
mod tests {
    use super::registry;

    #[test]
    fn a_registry_is_called_by_its_host() {
        assert_eq!(registry("https://R.example:5000/v2/").unwrap(), "r.example:5000");
        assert_eq!(registry("https://docker.io").unwrap(), "https://index.docker.io/v1/");
        for url in ["r.example", "https://", "https://*.r.example"] {
            assert!(registry(url).is_err(), "{url}");
        }
    }
}
