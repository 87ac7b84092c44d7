//! pip: `keyring-provider`, and the program `keyring` that it then runs.
//!
//! pip looks for that program on `PATH`, but not in the directory of its own programs: what lies there it would rather
//! import. Implements tools.md, section 9.2.

use std::path::{Path, PathBuf};

use super::format::Format;
use super::wiring::{Wiring, is_program};
use super::{Apart, Tool, ini, state, uv};
use crate::error::Result;

pub(super) const PIP: Tool = Tool {
    name: "pip",
    title: "pip, for package indexes",
    programs: &["pip", "pip3"],
    needs_profile: false,
    any_place: true,
    apart: Apart::Nothing,
    plan,
    left: None,
};

/// What is set, for all of pip's commands or, in the section of one, for that.
const KEY: &str = "keyring-provider";
const ALL: &str = "global";

/// The provider that runs the program.
const RUNS: &str = "subprocess";

/// What comes before the file.
const VARIABLE: &str = "PIP_KEYRING_PROVIDER";

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
    link(wiring)?;
    uv::note_profile(wiring);
    let mut narrower = Vec::new();
    wiring.edit_as(Format::Pip, &path, |text| {
        let mut document = ini::Document::parse(text, ini::PIP)?;
        narrower = document.sections_with(KEY);
        narrower.retain(|section| section != ALL && document.get(section, KEY).as_deref() != Some(RUNS));
        if document.get(ALL, KEY).as_deref() != Some(RUNS) {
            document.set(ALL, KEY, RUNS);
        }
        Ok(document.print())
    })?;
    for section in narrower {
        wiring.lasting.push(format!(
            "`{KEY}` of `[{section}]` comes before the one that keyfob sets, so that `pip {section}` does not ask keyfob"
        ));
    }
    let set = wiring.world.var_os(VARIABLE).filter(|value| !value.is_empty());
    if set.is_some_and(|value| !value.eq_ignore_ascii_case(RUNS)) {
        let note = format!("the variable `{VARIABLE}` is set and comes before the file: unset it, or pip does not ask");
        wiring.notes.push(note);
    }
    Ok(())
}

/// Links the program where pip finds it.
fn link(wiring: &mut Wiring) -> Result<()> {
    let usual = wiring.links();
    let directories = wiring.on_path();
    let is_skipped = skips(usual, is_program);
    let other = match is_skipped {
        true => other(&directories, &wiring.home()?.join(".local/bin")),
        false => None,
    };
    if is_skipped && other.is_none() {
        wiring.lasting.push(format!(
            "pip leaves out the `{}` in `{}`, where its own programs are: put keyfob into another directory of PATH, and \
             run `keyfob install pip` again",
            uv::PROGRAM,
            usual.display()
        ));
    }
    wiring.link_in(other.unwrap_or(usual), uv::PROGRAM).map(drop)
}

/// Whether a directory is that of the programs of a pip and its python.
fn skips(directory: &Path, is_program: impl Fn(&Path) -> bool) -> bool {
    let has = |names: &[&str]| names.iter().any(|name| is_program(&directory.join(name)));
    has(&["pip", "pip3"]) && has(&["python", "python3"])
}

/// Another directory of `PATH` for the link: one of ours, of which the usual one for programs is the best.
fn other<'a>(directories: &'a [PathBuf], usual: &Path) -> Option<&'a Path> {
    let fits = |directory: &&PathBuf| state::is_own_directory(directory) && !skips(directory, is_program);
    let found = directories.iter().filter(fits);
    found.min_by_key(|directory| *directory != usual).map(PathBuf::as_path)
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
