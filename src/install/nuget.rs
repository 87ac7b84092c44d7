//! NuGet: a link on `PATH` whose name begins as those of its plugins do, and no configuration at all.
//!
//! NuGet looks there from 6.13 on, which is in the .NET SDK from 9.0.200 on; older ones run plugins that are themselves
//! programs of .NET, below `~/.nuget/plugins`. Implements tools.md, section 12.

use super::wiring::Wiring;
use super::{Apart, Tool};
use crate::error::Result;

pub(super) const NUGET: Tool = Tool {
    name: "nuget",
    title: "NuGet from 6.13 (.NET SDK 9.0.200) on",
    programs: &["dotnet"],
    needs_profile: false,
    any_place: true,
    apart: Apart::Nothing,
    plan,
    left: None,
};

fn plan(wiring: &mut Wiring) -> Result<()> {
    let program = wiring.program("nuget-plugin-keyfob")?;
    let link = wiring.link(&program)?;
    let set = [
        ("NUGET_PLUGIN_PATHS", wiring.world.var_os("NUGET_PLUGIN_PATHS")),
        (
            "NUGET_NETCORE_PLUGIN_PATHS",
            wiring.world.var_os("NUGET_NETCORE_PLUGIN_PATHS"),
        ),
    ];
    for (name, list) in set {
        let list = list.unwrap_or_default();
        if !list.is_empty() && !list.to_string_lossy().split(';').any(|path| path == link) {
            let note = format!("the variable `{name}` is set, and NuGet looks nowhere else: add `{link}` to it");
            wiring.notes.push(note);
        }
    }
    Ok(())
}
