//! git: a helper at the end of `credential.helper`, written by git itself.
//!
//! Implements tools.md, sections 1.1 and 1.8.

use std::path::PathBuf;

use super::wiring::Wiring;
use super::{Apart, Tool};
use crate::config::profile::quoted;
use crate::error::Result;

pub(super) const GIT: Tool = Tool {
    name: "git",
    title: "git, and what asks git for credentials",
    programs: &["git"],
    needs_profile: false,
    any_place: true,
    apart: Apart::Places,
    plan,
};

const KEY: &str = "credential.helper";

/// git's own helpers that keep a password in a file and in memory.
const KEEPERS: [&str; 2] = ["store", "cache"];

fn plan(wiring: &mut Wiring) -> Result<()> {
    let path = file(wiring)?;
    let helper = helper(wiring)?;
    let replace = wiring.options.replace;
    let mut is_overruled = false;
    let mut keeper = None;
    wiring.edit_with(&path, sense, |git| {
        let listed = git(&["git", "config", "--file", "{}", "--get-all", KEY]);
        let listed = listed.unwrap_or_default();
        let helpers: Vec<&str> = listed.lines().collect();
        let systems = git(&["git", "config", "--system", "--get-all", KEY]).unwrap_or_default();
        keeper = keeper_among(systems.lines().chain(helpers.iter().copied()));
        let overruled = git(&[
            "git",
            "config",
            "--file",
            "{}",
            "--get-regexp",
            r"^credential\..+\.helper$",
        ]);
        is_overruled = overruled.is_ok_and(|lines| !lines.is_empty());
        if replace && helpers != ["", &helper] {
            // An empty one takes out those of the system's configuration too.
            git(&["git", "config", "--file", "{}", "--replace-all", KEY, ""])?;
            git(&["git", "config", "--file", "{}", "--add", KEY, &helper])?;
        } else if !helpers.contains(&helper.as_str()) {
            git(&["git", "config", "--file", "{}", "--add", KEY, &helper])?;
        }
        Ok(())
    })?;
    if let Some(keeper) = keeper.filter(|_| !replace) {
        wiring.notes.push(format!(
            "git gives what keyfob answers to its helper `{keeper}` too, which keeps it unsealed: `--replace` takes that out"
        ));
    }
    if is_overruled {
        let note = "a `credential.URL.helper` is set for some places, whose own helpers are asked there first";
        wiring.notes.push(note.into());
    }
    Ok(())
}

/// The first of git's own helpers that keep what another one answered, and where not in the keychain of the system. An
/// empty one takes out those before it.
fn keeper_among<'a>(helpers: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    let mut found = None;
    for helper in helpers {
        let word = helper.split_whitespace().next().unwrap_or_default();
        let name = word.rsplit('/').next().unwrap_or_default();
        let name = name.strip_prefix("git-credential-").unwrap_or(name);
        if helper.is_empty() {
            found = None;
        } else if found.is_none() {
            found = KEEPERS.into_iter().find(|keeper| *keeper == name);
        }
    }
    found
}

/// The file that `git config --global` writes.
pub(super) fn file(wiring: &Wiring) -> Result<PathBuf> {
    if let Some(path) = wiring.path_in("GIT_CONFIG_GLOBAL")? {
        return Ok(path);
    }
    let (usual, xdg) = (
        wiring.home()?.join(".gitconfig"),
        wiring.xdg_config()?.join("git/config"),
    );
    Ok(if !wiring.exists(&usual) && wiring.exists(&xdg) {
        xdg
    } else {
        usual
    })
}

/// What git runs. git starts a path itself, and hands what needs quotes to a shell after `!`.
fn helper(wiring: &mut Wiring) -> Result<String> {
    let command = match wiring.options.profile {
        // git's own configuration could have an argument; the link is what every other tool has.
        Some(_) => {
            let name = wiring.program("git-credential-keyfob")?;
            let link = wiring.link_beside(&name)?;
            quoted(&link)
        }
        None => format!("{} git", quoted(wiring.keyfob()?)),
    };
    Ok(if command.starts_with('/') {
        command
    } else {
        format!("!{command}")
    })
}

/// Where git says that a configuration is wrong, without what stands there.
pub(super) fn sense(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("bad config line ")?;
    let line: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some(format!("line {line} is not what git takes"))
}

#[cfg(test)]
mod tests {
    use super::{keeper_among, sense};

    #[test]
    fn a_helper_of_git_that_keeps_passwords_is_known() {
        for (helpers, expected) in [
            (&["store"][..], Some("store")),
            (&["/x/keyfob git", "cache --timeout 9"], Some("cache")),
            (&["/usr/lib/git-core/git-credential-store --file=x"], Some("store")),
            (&["store", "", "/x/keyfob git"], None),
            (&["libsecret", "!store"], None),
        ] {
            assert_eq!(keeper_among(helpers.iter().copied()), expected, "{helpers:?}");
        }
    }

    #[test]
    fn git_says_where_and_we_say_no_more() {
        let said = "fatal: bad config line 12 in file /tmp/copy\n";
        assert_eq!(sense(said).unwrap(), "line 12 is not what git takes");
        assert_eq!(sense("error: something with canary"), None);
    }
}
