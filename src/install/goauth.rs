//! go: a command at the end of `GOAUTH`, in the file that `go env -w` writes.
//!
//! Implements tools.md, section 8.

use super::format::Format;
use super::wiring::Wiring;
use super::{Apart, Tool, ini};
use crate::error::{Error, Result};

pub(super) const GOAUTH: Tool = Tool {
    name: "goauth",
    title: "go, for private modules",
    programs: &["go"],
    needs_profile: false,
    any_place: true,
    apart: Apart::Profile,
    plan,
    left: None,
};

const KEY: &str = "GOAUTH";

/// What go does where nothing is configured.
const USUAL: &str = "netrc";

fn plan(wiring: &mut Wiring) -> Result<()> {
    if wiring.world.var_os("GOENV").is_some_and(|path| path == "off") {
        let error = Error::refused("`GOENV` is `off`, so that go reads no configuration");
        return Err(error.hint("unset it, or set GOAUTH yourself"));
    }
    let path = match wiring.path_in("GOENV")? {
        Some(path) => path,
        None if cfg!(target_os = "macos") => wiring.home()?.join("Library/Application Support/go/env"),
        None => wiring.xdg_config()?.join("go/env"),
    };
    let words = [wiring.keyfob()?, "goauth"].into_iter().map(String::from);
    let words: Vec<String> = words.chain(wiring.options.profile.clone()).collect();
    if words.iter().any(|word| word.contains([';', '"', '\''])) {
        return Err(Error::refused(
            "a path or profile with a quote or a semicolon does not fit into GOAUTH",
        ));
    }
    let quoted = words.iter().map(|word| match word.contains(char::is_whitespace) {
        true => format!("'{word}'"),
        false => word.clone(),
    });
    let quoted: Vec<String> = quoted.collect();
    let (start, ours) = (quoted[..2].join(" "), quoted.join(" "));
    let replace = wiring.options.replace;
    wiring.edit_as(Format::Go, &path, |text| {
        let mut document = ini::Document::parse(text, ini::GO)?;
        let old = document.get("", KEY).filter(|old| !old.is_empty());
        let old = old.unwrap_or_else(|| USUAL.into());
        // `off` asks nobody, and stands alone.
        let mut list: Vec<&str> = old.split(';').map(str::trim).filter(|item| *item != "off").collect();
        // Ours for other profiles are nobody else's.
        list.retain(|item| {
            !replace
                || item
                    .strip_prefix(&start)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        });
        if list.contains(&ours.as_str()) {
            return Ok(text.into());
        }
        list.push(&ours);
        document.set("", KEY, &list.join("; "));
        Ok(document.print())
    })?;
    if wiring.world.var_os(KEY).is_some() {
        wiring
            .notes
            .push("the variable `GOAUTH` is set and comes before the file".into());
    }
    Ok(())
}
