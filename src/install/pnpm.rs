//! pnpm: a `tokenHelper` for each registry, as a path without arguments, as pnpm 10 wants it.
//!
//! pnpm 10 runs it through a shell, and wants a path that exists, so that quotes are none. Nothing tells the helper which registry asks, so the profile is in the link's name. Implements tools.md, section 10.

use super::format::Format;
use super::wiring::Wiring;
use super::{Apart, Tool, ini};
use crate::error::{Error, Result};

pub(super) const PNPM: Tool = Tool {
    name: "pnpm",
    title: "pnpm, for package registries",
    programs: &["pnpm"],
    needs_profile: true,
    any_place: false,
    apart: Apart::Places,
    plan,
    left: None,
};

/// What else a registry's entry can have.
const OTHERS: [&str; 3] = ["_authToken", "_auth", "tokenHelper"];

fn plan(wiring: &mut Wiring) -> Result<()> {
    // npm and pnpm take both spellings.
    let named = match wiring.path_in("npm_config_userconfig")? {
        Some(path) => Some(path),
        None => wiring.path_in("NPM_CONFIG_USERCONFIG")?,
    };
    let path = match named {
        Some(path) => path,
        None => wiring.home()?.join(".npmrc"),
    };
    let program = wiring.program("pnpm-credential-keyfob")?;
    let program = wiring.link_for_shell(&program)?;
    let mut registries = Vec::new();
    // pnpm has no words for all subdomains of a host.
    for url in wiring.options.urls.iter().filter(|url| !url.contains('*')) {
        let place = url.strip_prefix("https:").or_else(|| url.strip_prefix("http:"));
        let place = place.filter(|place| place.starts_with("//") && !place.contains(['=', ' ', '@', '?', '#']));
        let place = place.ok_or_else(|| Error::usage("`--url` is not the URL of a registry"))?;
        registries.push(format!("{}/", place.trim_end_matches('/')));
    }
    if registries.is_empty() {
        let error = Error::usage("the profile's provider names no target, and pnpm wants a registry");
        return Err(error.hint("name it with `--url`"));
    }
    let replace = wiring.options.replace;
    wiring.edit_as(Format::Npm, &path, |text| {
        let mut document = ini::Document::parse(text, ini::NPM)?;
        for registry in &registries {
            let name = |what: &str| format!("{registry}:{what}");
            if document.get("", &name("tokenHelper")).as_deref() == Some(&program) {
                continue;
            }
            for other in OTHERS.map(name) {
                if document.get("", &other).is_none() {
                    continue;
                }
                if !replace {
                    let error = Error::refused(format!("`{other}` is set already"));
                    return Err(error.hint("`--replace` takes it out until it is uninstalled"));
                }
                document.remove("", &other);
            }
            document.set("", &name("tokenHelper"), &program);
        }
        Ok(document.print())
    })
}
