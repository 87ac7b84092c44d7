//! The program that git and ssh run where they would ask a person: `core.askPass`, and `SSH_ASKPASS`.
//!
//! git is left alone where keyfob is its helper already: it would ask keyfob twice, and complain of each miss. ssh has only
//! the environment, which the user manager of systemd makes from files; `SSH_ASKPASS_REQUIRE` is not among them, for ssh
//! would then ask nobody at a terminal any more. Implements tools.md, section 1.9, and environment.d(5).

use std::path::Path;

use super::wiring::Wiring;
use super::{Apart, Tool, git, ini};
use crate::config::profile::quoted;
use crate::error::{Error, Result};

pub(super) const ASKPASS: Tool = Tool {
    name: "askpass",
    title: "ssh, and git where it has no helper",
    programs: &["ssh"],
    needs_profile: false,
    any_place: true,
    apart: Apart::Nothing,
    plan,
    left: None,
};

const PROGRAM: &str = "keyfob-askpass";
const KEY: &str = "core.askPass";

/// The helpers for all places and for single ones.
const HELPERS: &str = r"^credential\.(.*\.)?helper$";
const VARIABLE: &str = "SSH_ASKPASS";

/// Our file among those from which the user manager makes the environment of what it starts.
const OURS: &str = "environment.d/90-keyfob.conf";

fn plan(wiring: &mut Wiring) -> Result<()> {
    let program = wiring.program(PROGRAM)?;
    let program = wiring.link_beside(&program)?;
    if wiring.world.find_program("git").is_some() {
        for_git(wiring, &program)?;
    }
    for_ssh(wiring, &program)
}

fn for_git(wiring: &mut Wiring, program: &str) -> Result<()> {
    let path = git::file(wiring)?;
    let replace = wiring.options.replace;
    let profile = match wiring.options.profile {
        Some(_) => Some(wiring.program(git::PROGRAM)?),
        None => None,
    };
    let mut is_helper = false;
    wiring.edit_with(&path, git::sense, |git| {
        let helpers = git(&["git", "config", "--file", "{}", "--get-regexp", HELPERS]).unwrap_or_default();
        is_helper = helpers
            .lines()
            .filter_map(|line| line.split_once(' '))
            .any(|(key, helper)| match key {
                git::KEY => is_ours(helper),
                // At the profile's own places; a path that a shell must not read as more is quoted.
                _ => profile
                    .as_ref()
                    .is_some_and(|program| helper.trim_end_matches('\'').ends_with(program)),
            });
        // What git has of its own says it twice where a file is included; the last one counts.
        let old = git(&["git", "config", "--file", "{}", "--get", KEY]).unwrap_or_default();
        let old = old.trim_end_matches('\n');
        if is_helper || old == program {
            return Ok(());
        }
        if !old.is_empty() && !is_ours(old) && !replace {
            return Err(taken(KEY));
        }
        git(&["git", "config", "--file", "{}", "--replace-all", KEY, program]).map(drop)
    })?;
    if !is_helper && wiring.world.var_os("GIT_ASKPASS").is_some() {
        let note = "the variable `GIT_ASKPASS` is set and comes before what git's configuration says";
        wiring.notes.push(note.into());
    }
    Ok(())
}

fn for_ssh(wiring: &mut Wiring, program: &str) -> Result<()> {
    let set = wiring
        .world
        .var(VARIABLE)?
        .filter(|old| !old.is_empty() && !is_ours(old));
    if set.is_some() && !wiring.options.replace {
        return Err(taken(VARIABLE));
    }
    let directory = wiring.xdg_config()?;
    let runtime = wiring.world.var_os("XDG_RUNTIME_DIR");
    let is_managed = runtime.is_some_and(|runtime| wiring.exists(&Path::new(&runtime).join("systemd")));
    if !is_managed && !wiring.exists(&directory.join("environment.d")) {
        wiring.notes.push(format!(
            "no user manager of systemd is here, which would set `{VARIABLE}`: put `export {VARIABLE}={}` where your shell begins",
            quoted(program)
        ));
        return Ok(());
    }
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+@~".contains(c);
    if !program.chars().all(is_plain) {
        return Err(Error::refused(
            "a path with a space or a quote fits no line of environment.d",
        ));
    }
    wiring.edit(&directory.join(OURS), |text| {
        let mut document = ini::Document::parse(text, ini::GO)?;
        if document.get("", VARIABLE).as_deref() != Some(program) {
            document.set("", VARIABLE, program);
        }
        Ok(document.print())
    })?;
    let note =
        format!("`{VARIABLE}` is set from the next login on; ssh runs it where there is a display and no terminal");
    wiring.notes.push(note);
    Ok(())
}

/// Whether what git or ssh runs is keyfob.
fn is_ours(command: &str) -> bool {
    let mut words = command.trim_start_matches('!').split_whitespace();
    let name = words.next().unwrap_or_default().trim_matches(['\'', '"']);
    let name = name.rsplit('/').next().unwrap_or_default();
    name == "keyfob" || name.starts_with(PROGRAM) || name.starts_with("git-credential-keyfob")
}

fn taken(what: &str) -> Error {
    let error = Error::refused(format!("`{what}` names another program, and there can be but one"));
    error.hint("`keyfob install askpass --replace` replaces it until it is uninstalled")
}
