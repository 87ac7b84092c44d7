//! git: a helper at the end of `credential.helper`, written by git itself.
//!
//! Implements tools.md, sections 1.1 and 1.8.

use std::path::PathBuf;

use super::Tool;
use super::wiring::Wiring;
use crate::config::profile::quoted;
use crate::error::Result;

pub(super) const GIT: Tool = Tool {
    name: "git",
    title: "git, and what asks git for credentials",
    programs: &["git"],
    needs_profile: false,
    plan,
};

const KEY: &str = "credential.helper";

fn plan(wiring: &mut Wiring) -> Result<()> {
    let path = file(wiring)?;
    let helper = helper(wiring)?;
    let replace = wiring.options.replace;
    let mut is_overruled = false;
    wiring.edit_with(&path, sense, |git| {
        let listed = git(&["git", "config", "--file", "{}", "--get-all", KEY]);
        let listed = listed.unwrap_or_default();
        let helpers: Vec<&str> = listed.lines().collect();
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
    if is_overruled {
        let note = "a `credential.URL.helper` is set for some places, whose own helpers are asked there first";
        wiring.notes.push(note.into());
    }
    Ok(())
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
    use super::sense;

    #[test]
    fn git_says_where_and_we_say_no_more() {
        let said = "fatal: bad config line 12 in file /tmp/copy\n";
        assert_eq!(sense(said).unwrap(), "line 12 is not what git takes");
        assert_eq!(sense("error: something with canary"), None);
    }
}
