//! uv: `keyring-provider`, and the program `keyring` that it then runs.
//!
//! Implements tools.md, section 9.3.

use super::format::Format;
use super::wiring::Wiring;
use super::{Apart, Tool, toml};
use crate::error::Result;

pub(super) const UV: Tool = Tool {
    name: "uv",
    title: "uv, for package indexes",
    programs: &["uv"],
    needs_profile: false,
    any_place: true,
    apart: Apart::Nothing,
    plan,
    left: None,
};

/// The program that pip and uv look for.
pub(super) const PROGRAM: &str = "keyring";

/// The program is called by a name in which no profile has room.
pub(super) fn note_profile(wiring: &mut Wiring) {
    if wiring.options.profile.is_some() {
        let note = format!("`{PROGRAM}` is told no profile, and answers for every session");
        wiring.lasting.push(note);
    }
}

fn plan(wiring: &mut Wiring) -> Result<()> {
    let path = match wiring.path_in("UV_CONFIG_FILE")? {
        Some(path) => path,
        None => wiring.xdg_config()?.join("uv/uv.toml"),
    };
    wiring.link(PROGRAM)?;
    note_profile(wiring);
    wiring.edit_as(Format::Toml, &path, |text| {
        match toml::text_at(text, "keyring-provider")?.as_deref() {
            Some("subprocess") => Ok(text.into()),
            _ => toml::set(text, None, "keyring-provider", "subprocess".into()),
        }
    })
}
