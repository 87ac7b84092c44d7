//! pip: `keyring-provider`, and the program `keyring` that it then runs.
//!
//! Implements tools.md, section 9.2.

use super::wiring::Wiring;
use super::{Apart, Tool, ini, uv};
use crate::error::Result;

pub(super) const PIP: Tool = Tool {
    name: "pip",
    title: "pip, for package indexes",
    programs: &["pip", "pip3"],
    needs_profile: false,
    any_place: true,
    apart: Apart::Nothing,
    plan,
};

fn plan(wiring: &mut Wiring) -> Result<()> {
    let path = match wiring.path_in("PIP_CONFIG_FILE")? {
        Some(path) => path,
        None => wiring.xdg_config()?.join("pip/pip.conf"),
    };
    wiring.link(uv::PROGRAM)?;
    wiring.edit(&path, |text| {
        let mut document = ini::Document::parse(text, ini::PIP)?;
        if document.get("global", "keyring-provider").as_deref() != Some("subprocess") {
            document.set("global", "keyring-provider", "subprocess");
        }
        Ok(document.print())
    })
}
