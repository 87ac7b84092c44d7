//! pip: `keyring-provider`, and the program `keyring` that it then runs.
//!
//! Implements tools.md, section 9.2.

use std::path::{Path, PathBuf};

use super::format::Format;
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

/// What pip reads on macOS, where it knows no variables for directories: the directory of that system if that is there.
fn mac_file(home: &Path, is_directory: impl Fn(&Path) -> bool) -> PathBuf {
    let own = home.join("Library/Application Support/pip");
    let directory = if is_directory(&own) {
        own
    } else {
        home.join(".config/pip")
    };
    directory.join("pip.conf")
}

fn plan(wiring: &mut Wiring) -> Result<()> {
    let path = match wiring.path_in("PIP_CONFIG_FILE")? {
        Some(path) => path,
        None if cfg!(target_os = "macos") => mac_file(&wiring.home()?, |path| path.is_dir()),
        None => wiring.xdg_config()?.join("pip/pip.conf"),
    };
    wiring.link(uv::PROGRAM)?;
    uv::note_profile(wiring);
    wiring.edit_as(Format::Pip, &path, |text| {
        let mut document = ini::Document::parse(text, ini::PIP)?;
        if document.get("global", "keyring-provider").as_deref() != Some("subprocess") {
            document.set("global", "keyring-provider", "subprocess");
        }
        Ok(document.print())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_macos_the_directory_of_the_system_is_taken_where_it_is_there() {
        let own = Path::new("/h/Library/Application Support/pip");
        assert_eq!(mac_file(Path::new("/h"), |path| path == own), own.join("pip.conf"));
        assert_eq!(
            mac_file(Path::new("/h"), |_| false),
            Path::new("/h/.config/pip/pip.conf")
        );
    }
}
