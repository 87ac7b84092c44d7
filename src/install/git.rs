//! git: a helper at the end of `credential.helper`, or for the places of a profile the only one; written by git itself.
//!
//! git gives what one helper answers to all of its chain. A session is marked so that they do not keep it, where whoever
//! asked can read that; for the places of a profile the chain begins anew, so that nobody else is in it.
//! Implements tools.md, sections 1.1 and 1.8.

use std::path::{Path, PathBuf};

use super::wiring::{Wiring, same};
use super::{Apart, Tool};
use crate::config::profile::quoted;
use crate::error::Result;
use crate::world::World;

pub(super) const GIT: Tool = Tool {
    name: "git",
    title: "git, and what asks git for credentials",
    programs: &["git"],
    needs_profile: false,
    any_place: true,
    apart: Apart::Places,
    plan,
    left: None,
};

pub(super) const KEY: &str = "credential.helper";

/// What git runs, without a profile; also where a helper has no path.
pub(super) const PROGRAM: &str = "git-credential-keyfob";

/// What is in the path of each of our programs.
const OWN: &str = "keyfob";

/// The section that becomes one more `credential`, which git does not make beside another.
const NEW: &str = "keyfob-new";

/// What a place's chain is made of: helpers for all places and single ones, and files that are read where they are named.
const READ: &str = r"^(credential\.(.*\.)?helper|include(if\..+)?\.path)$";

/// git's own helpers that keep a password in a file and in memory.
const KEEPERS: [&str; 2] = ["store", "cache"];

/// What is in the path of our program for a profile.
const PROFILES: &str = "git-credential-keyfob-";

/// The version since which a session that git hands on is marked, so that its helpers do not keep it.
const MARKS: (u32, u32) = (2, 46);

/// How many labels a host may have below one whose subdomains are meant: git wants a star for each. Hosts with more are
/// not known of.
const LABELS: usize = 3;

/// Runs `git config` on the file.
type Config<'a> = &'a dyn Fn(&[&str]) -> Result<String>;

fn plan(wiring: &mut Wiring) -> Result<()> {
    let path = file(wiring)?;
    let helper = helper(wiring)?;
    let replace = wiring.options.replace;
    let places: Vec<String> = wiring.options.urls.iter().flat_map(|url| patterns(url)).collect();
    let mut notes = Vec::new();
    let (world, keyfob) = (wiring.world, wiring.keyfob()?);
    let is_this = |helper: &str| is_this(world, Path::new(keyfob), helper);
    wiring.edit_with(&path, sense, |git| {
        let config = |words: &[&str]| git(&[&["git", "config", "--file", "{}"], words].concat());
        if places.is_empty() {
            notes = everywhere(git, &config, &helper, &is_this, replace)?;
        }
        for place in &places {
            notes.extend(at(&config, place, &helper, &is_this, replace)?);
        }
        Ok(())
    })?;
    wiring.lasting = notes;
    Ok(())
}

/// One more helper for all places, behind the others.
fn everywhere(
    git: Config,
    config: Config,
    helper: &str,
    is_this: &dyn Fn(&str) -> bool,
    replace: bool,
) -> Result<Vec<String>> {
    let lines = |asked: Result<String>| asked.unwrap_or_default();
    let listed = lines(config(&["--get-all", KEY]));
    let helpers: Vec<&str> = listed.lines().collect();
    // Another name of this program is asked already.
    let helper = asked(&helpers)
        .iter()
        .chain(&helpers)
        .find(|other| is_this(other))
        .map_or(helper, |other| *other);
    // From the root, where no repository has a say.
    let system = lines(git(&["git", "-C", "/", "config", "--system", "--get-all", KEY]));
    let all = lines(git(&["git", "-C", "/", "config", "--get-all", KEY]));
    let keeper = keeper_among(system.lines().chain(helpers.iter().copied())).or(keeper_among(all.lines()));
    let includes = !lines(config(&["--get-regexp", r"^include(if\..+)?\.path$"])).is_empty();
    let wanted: &[&str] = if replace { &["", helper] } else { &[helper] };
    let has = if replace {
        helpers.ends_with(wanted)
    } else {
        asked(&helpers).contains(&helper)
    };
    if !has && includes {
        append(config, "credential", wanted)?;
    } else if !has || (replace && !includes && helpers != wanted) {
        set(config, KEY, wanted, replace)?;
    }
    if replace {
        keep_places(config, is_this)?;
    }
    let mut notes = Vec::new();
    if let Some(keeper) = keeper.filter(|_| !replace) {
        let whose = if marks(&lines(git(&["git", "--version"]))) {
            "a program that asks git for a password has git give what keyfob answers"
        } else {
            "git gives what keyfob answers"
        };
        notes.push(format!(
            "{whose} to its helper `{keeper}` too, which keeps it unsealed: `--replace` takes that out, `keyfob install git PROFILE` keeps its places from it"
        ));
    }
    let listed = lines(config(&["--null", "--get-regexp", READ]));
    notes.extend(at_places(&pairs(&listed), helper));
    Ok(notes)
}

/// What a person should know of the places that have helpers of their own, where ours is for all.
fn at_places(lines: &[(&str, &str)], helper: &str) -> Vec<String> {
    let ours = lines.iter().rposition(|line| *line == (KEY, helper));
    let (mut first, mut alone) = (false, Vec::new());
    for (at, (name, value)) in lines.iter().enumerate() {
        let name_of_it = name.strip_prefix("credential.");
        let Some(place) = name_of_it.and_then(|name| name.strip_suffix(".helper")) else {
            continue;
        };
        // The chain begins anew behind ours; it may have another of ours, for a profile.
        if value.is_empty() && ours.is_some_and(|ours| ours < at) {
            let has_own = lines[at..]
                .iter()
                .any(|(found, value)| found == name && value.contains(OWN));
            let place = without_user(place);
            if !has_own && !alone.contains(&place) {
                alone.push(place);
            }
        } else if !value.is_empty() && !value.contains(OWN) {
            first |= ours.is_none_or(|ours| at < ours);
        }
    }
    let mut notes = Vec::new();
    if first {
        let note = "a `credential.URL.helper` is set for some places, whose own helpers are asked there first";
        notes.push(note.into());
    }
    if !alone.is_empty() {
        notes.push(format!(
            "keyfob is not asked at `{}`, where an empty `credential.URL.helper` takes out those for all places: \
             `keyfob install git PROFILE --url=URL` adds it there",
            alone.join("`, `")
        ));
    }
    notes
}

/// A place without what stands before its host: that may have a password in it.
fn without_user(place: &str) -> String {
    let (scheme, rest) = place.split_once("://").unwrap_or(("", place));
    let host = rest.find('/').map_or(rest, |end| &rest[..end]);
    let user = host.rfind('@').map_or(0, |at| at + 1);
    let between = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{between}{}", &rest[user..])
}

/// The helpers of a list that git asks: an empty one takes out those before it.
fn asked<'a, 'b>(helpers: &'a [&'b str]) -> &'a [&'b str] {
    let last = helpers.iter().rposition(|helper| helper.is_empty());
    &helpers[last.map_or(0, |at| at + 1)..]
}

/// One helper for one place, where the others then are not asked, nor given what it answers; those that somebody set for
/// this very place stay.
fn at(
    config: Config,
    place: &str,
    helper: &str,
    is_this: &dyn Fn(&str) -> bool,
    replace: bool,
) -> Result<Option<String>> {
    let key = format!("credential.{place}.helper");
    let listed = config(&["--get-all", &key]).unwrap_or_default();
    let helpers: Vec<&str> = listed.lines().collect();
    let wanted = ["", helper];
    if helpers.is_empty() || (replace && helpers != wanted) {
        set(config, &key, &wanted, true)?;
    } else if !asked(&helpers).contains(&helper) {
        set(config, &key, &[helper], false)?;
    }
    let others = !replace && asked(&helpers).iter().any(|other| *other != helper);
    let listed = config(&["--null", "--get-regexp", READ]).unwrap_or_default();
    let lines = pairs(&listed);
    if others && is_taken_out(&lines, (&key, helper)) {
        append(config, &format!("credential.{place}"), &[helper])?;
    }
    if !others && is_followed(&lines, (&key, helper), is_this) {
        config(&["--unset-all", &key])?;
        append(config, &format!("credential.{place}"), &wanted)?;
    }
    let chain = lines.iter().filter(|(name, _)| [KEY, &key].contains(name));
    let keeper = keeper_among(chain.map(|(_, value)| *value));
    // git keeps the path to itself unless it is told.
    let (_, rest) = place.split_once("://").unwrap_or_default();
    let key = format!("credential.{place}.useHttpPath");
    if rest.contains('/') && config(&["--get", &key]).is_err() {
        config(&[&key, "true"])?;
    }
    let keeper = keeper.map_or(String::new(), |keeper| format!(" (`{keeper}` keeps it unsealed)"));
    Ok(others.then(|| {
        format!("`{place}` has other helpers, which are asked first and given what keyfob answers{keeper}: `--replace` takes them out")
    }))
}

/// Puts our helpers of places behind the one for all again, which begins the chain anew and would take them out.
fn keep_places(config: Config, is_this: &dyn Fn(&str) -> bool) -> Result<()> {
    let listed = config(&["--null", "--get-regexp", READ]).unwrap_or_default();
    let lines = pairs(&listed);
    let ours = |(name, value): &&(&str, &str)| *name != KEY && value.contains(PROFILES);
    for (key, helper) in lines.iter().filter(ours) {
        let own = lines.iter().filter(|(name, _)| name == key).map(|(_, value)| *value);
        if own.eq(["", *helper]) && is_followed(&lines, (key, helper), is_this) {
            config(&["--unset-all", key])?;
            append(config, key.strip_suffix(".helper").unwrap_or(key), &["", helper])?;
        }
    }
    Ok(())
}

/// The names and values that git lists with `--null`.
fn pairs(listed: &str) -> Vec<(&str, &str)> {
    let lines = listed.split_terminator('\0');
    lines.map(|line| line.split_once('\n').unwrap_or((line, ""))).collect()
}

/// Whether a helper for all places stands behind ours for one, or what may bring such: git reads in the order of the
/// file, so that the chain that ours begins anew has that in it. This program by another name keeps no session.
fn is_followed(lines: &[(&str, &str)], ours: (&str, &str), is_this: &dyn Fn(&str) -> bool) -> bool {
    let at = lines.iter().rposition(|line| *line == ours);
    let mut after = lines.iter().skip(at.map_or(0, |at| at + 1));
    after.any(|(name, value)| name.starts_with("include") || (*name == KEY && !is_this(value)))
}

/// Whether an empty helper for all places stands behind ours for one, and takes it out there.
fn is_taken_out(lines: &[(&str, &str)], ours: (&str, &str)) -> bool {
    let at = lines.iter().rposition(|line| *line == ours);
    let mut after = lines.iter().skip(at.map_or(0, |at| at + 1));
    after.any(|line| *line == (KEY, ""))
}

/// Sets a helper for each value in a new section at the end of the file, behind whatever another one brings.
fn append(config: Config, section: &str, values: &[&str]) -> Result<()> {
    for value in values {
        config(&["--add", &format!("credential.{NEW}.helper"), value])?;
    }
    config(&["--rename-section", &format!("credential.{NEW}"), section]).map(drop)
}

/// Sets a key that can have several values, in place of what it has or behind that.
fn set(config: Config, key: &str, values: &[&str], replace: bool) -> Result<()> {
    for (at, value) in values.iter().enumerate() {
        let how = if replace && at == 0 { "--replace-all" } else { "--add" };
        config(&[how, key, value])?;
    }
    Ok(())
}

/// Whether a helper is this program for every session, by whatever name.
fn is_this(world: &World, keyfob: &Path, helper: &str) -> bool {
    let (is_command, words) = match helper.strip_prefix('!') {
        Some(command) => (true, command),
        None => (false, helper),
    };
    let words: Vec<&str> = words.split(' ').collect();
    let file = |path: &str| path.rsplit('/').next().map(String::from);
    let name = match words[..] {
        ["keyfob"] if !is_command => PROGRAM,
        [path] if file(path).as_deref() == Some(PROGRAM) => path,
        [path, "git"] if file(path).as_deref() == Some("keyfob") => path,
        _ => return false,
    };
    let found = match name.starts_with('/') {
        true => Some(PathBuf::from(name)),
        false => world.find_program(name),
    };
    found.is_some_and(|found| same(&found, keyfob))
}

/// A place as git compares it with what it asks for.
fn patterns(url: &str) -> Vec<String> {
    let url = url.trim_end_matches('/');
    match url.split_once("://*.") {
        Some((scheme, rest)) => (1..=LABELS)
            .map(|labels| format!("{scheme}://{}{rest}", "*.".repeat(labels)))
            .collect(),
        None => vec![url.into()],
    }
}

/// Whether a git of this version marks what it hands on.
fn marks(version: &str) -> bool {
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|part| part.parse().ok());
    matches!((numbers.next(), numbers.next()), (Some(major), Some(minor)) if (major, minor) >= MARKS)
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
            let name = wiring.program(PROGRAM)?;
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
    use super::{keeper_among, marks, patterns, sense};

    #[test]
    fn a_place_becomes_what_git_compares() {
        assert_eq!(patterns("https://a.example/t/"), ["https://a.example/t"]);
        let wide = patterns("https://*.a.example");
        assert_eq!(wide.first().map(String::as_str), Some("https://*.a.example"));
        assert_eq!(wide.last().map(String::as_str), Some("https://*.*.*.a.example"));
    }

    #[test]
    fn the_version_of_git_is_compared_as_numbers() {
        for (version, expected) in [
            ("git version 2.47.3\n", true),
            ("git version 2.46.0.windows.1", true),
            ("git version 3.0", true),
            ("git version 2.39.5 (Apple Git-154)", false),
            ("git version 2.9.1", false),
            ("", false),
        ] {
            assert_eq!(marks(version), expected, "{version}");
        }
    }

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
