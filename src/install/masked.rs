//! The lines of a change as a person may see them: all of what keyfob writes, and of the person's own only which setting.
//!
//! A diff ends up in bug reports, and no list of names knows where a secret stands. So nothing that somebody else wrote is
//! shown behind the first `=` or `:` of its line, nor a line without either, unless it is the name of a section or only
//! brackets. What stands in the text with our change and not in the one without it is ours. It knows no tool.

use std::collections::{BTreeMap, BTreeSet};

use diffy::{DiffOptions, Line};

/// What stands where something is not shown.
const HIDDEN: &str = "…";

/// What stands between words.
const SEPARATORS: &str = " \t\"'{}[](),;=:";

/// The longest name of a setting that is shown. A line of a key in a file is longer than this, and than any name known.
const MAX_NAME: usize = 48;

/// A name from this length on that is of letters and digits is taken for part of a key.
const MIN_KEY: usize = 24;

/// From this length on a word is somebody's even as part of a word of theirs.
const MIN_PART: usize = 4;

/// The lines of one file that keyfob wrote, as they are shown.
#[derive(Default)]
pub(super) struct Ours(BTreeMap<String, String>);

impl Ours {
    /// What `with` has and `without` has not.
    pub(super) fn new(without: &str, with: &str) -> Ours {
        let mut ours = Ours::default();
        let patch = DiffOptions::new().set_context_len(0).create_patch(without, with);
        for hunk in patch.hunks() {
            let is_added = hunk.lines().iter().all(|line| matches!(line, Line::Insert(_)));
            for line in hunk.lines() {
                let Line::Insert(line) = line else { continue };
                let line = trimmed(line);
                // A line of theirs that has only moved is theirs.
                let is_theirs = || without.lines().any(|theirs| theirs.trim() == line.trim());
                let shown = match is_added && !is_theirs() {
                    true => line.to_owned(),
                    false => mixed(line, without),
                };
                ours.0.insert(line.to_owned(), shown);
            }
        }
        ours
    }

    /// A line as it is shown.
    pub(super) fn shown(&self, line: &str) -> String {
        let line = trimmed(line);
        self.0.get(line).cloned().unwrap_or_else(|| masked(line))
    }
}

fn trimmed(line: &str) -> &str {
    line.trim_end_matches(['\n', '\r'])
}

/// A line that somebody wrote.
fn masked(line: &str) -> String {
    let body = line.trim_start();
    let indent = &line[..line.len() - body.len()];
    let is_brackets = |text: &str| text.chars().all(|c| " \t{}[](),;".contains(c));
    if is_brackets(line) {
        return line.into();
    }
    if let Some(section) = section(body) {
        return format!("{indent}{section}");
    }
    let Some((name, value)) = setting(body) else {
        return format!("{indent}{HIDDEN}");
    };
    let start = value.len() - value.trim_start().len();
    match is_brackets(value) {
        true => line.into(),
        false => format!("{indent}{name}{}{HIDDEN}", &value[..start]),
    }
}

/// The line of a section, without what stands in quotes.
fn section(line: &str) -> Option<String> {
    let line = line.trim_end();
    let inner = line.strip_prefix('[')?.strip_suffix(']')?;
    let (name, quoted) = inner
        .split_once('"')
        .map_or((inner, None), |(name, rest)| (name, Some(rest)));
    let is_name = |c: char| c.is_alphanumeric() || " _-.[]".contains(c);
    if !name.chars().any(char::is_alphanumeric) || !name.chars().all(is_name) || name.split(' ').any(is_key) {
        return None;
    }
    Some(match quoted {
        Some(_) => format!("[{name}\"{HIDDEN}\"]"),
        None => line.into(),
    })
}

/// The name of a setting with its sign, and what stands behind.
fn setting(line: &str) -> Option<(&str, &str)> {
    let at = line.find(['=', ':'])?;
    let (name, value) = line.split_at(at + 1);
    let word = name[..at].trim_matches([' ', '\t', '"', '\'', '{', '-', ',']);
    let is_name = |c: char| c.is_alphanumeric() || "_-./".contains(c);
    let is_name = !word.is_empty() && word.len() <= MAX_NAME && word.chars().all(is_name);
    // Padding ends keys, and has nothing behind it.
    let is_padding = name.ends_with('=') && value.trim_matches(['=', ' ']).is_empty();
    let is_shown = is_name && !is_padding && !word.split(['.', '/']).any(is_key);
    is_shown.then_some((name, value))
}

/// Whether a word looks like part of a key.
fn is_key(word: &str) -> bool {
    let has = |what: fn(&u8) -> bool| word.as_bytes().iter().any(what);
    word.len() >= MIN_KEY && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
}

/// A line in which words of ours stand among somebody's: theirs are those that stood there before.
fn mixed(line: &str, theirs: &str) -> String {
    let body = line.trim_start();
    let (name, value) = setting(body).unwrap_or(("", body));
    let mut shown = format!("{}{name}", &line[..line.len() - body.len()]);
    let known: BTreeSet<&str> = theirs.split(is_separator).collect();
    let is_part = |word: &str| word.len() >= MIN_PART && theirs.contains(word);
    let is_theirs = |word: &str| !is_program(word) && (known.contains(word) || is_part(word));
    let (mut rest, mut between, mut hides) = (value, String::new(), false);
    while !rest.is_empty() {
        let length = rest.find(is_separator).unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        if !word.is_empty() {
            let now = is_theirs(word);
            // Between two words of theirs all is theirs.
            if !(now && hides) {
                shown += &between;
                shown += if now { HIDDEN } else { word };
            }
            between.clear();
            hides = now;
        }
        let Some(c) = after.chars().next() else { break };
        between.push(c);
        rest = &after[c.len_utf8()..];
    }
    shown + &between
}

fn is_separator(c: char) -> bool {
    SEPARATORS.contains(c) || c.is_control()
}

/// Whether a word is the path of this program, which another wiring has written.
fn is_program(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or_default();
    word.starts_with('/') && (name == "keyfob" || name.contains("-credential-keyfob"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_somebody_shows_its_setting_and_no_value() {
        let ours = Ours::new("", "");
        for (line, shown) in [
            ("proxy = u:canary@p:1", "proxy = …"),
            ("\t\"httpProxy\": \"http://u:canary@p\",", "\t\"httpProxy\": …"),
            ("become_pass = s3{cret,canary-a", "become_pass = …"),
            ("password = [canary-c", "password = …"),
            ("url=https://:canary@host", "url=…"),
            ("https://canary@host", "https:…"),
            ("\"HttpHeaders\": {\"X-A\": \"canary\"}", "\"HttpHeaders\": …"),
            ("\textraHeader = PRIVATE: canary", "\textraHeader = …"),
            ("pwd = canary", "pwd = …"),
            ("api_token = keyfob-canary", "api_token = …"),
            ("canary", "…"),
            ("  canary two", "  …"),
            ("# canary = 1", "…"),
            ("machine h login canary: x", "…"),
            ("MIIEcanary0123456789abcdef0123==", "…"),
            ("canary=", "…"),
            ("[credential \"https://ann:canary@h\"]", "[credential \"…\"]"),
            ("[\"canary\"]", "…"),
            ("//npm.example/:_authToken=canary", "//npm.example/:…"),
            ("[profile x]", "[profile x]"),
            ("[[index]]", "[[index]]"),
            ("}, ]", "}, ]"),
            ("\"auths\": {", "\"auths\": {"),
            ("- name: canary", "- name: …"),
            ("", ""),
        ] {
            assert_eq!(ours.shown(line), shown, "{line}");
        }
    }

    #[test]
    fn what_we_wrote_is_shown_among_what_is_not_ours() {
        for (without, with, line, shown) in [
            (
                "GOAUTH=off\n",
                "GOAUTH=netrc; '/home/a b/bin/keyfob' goauth acme\n",
                "GOAUTH=netrc; '/home/a b/bin/keyfob' goauth acme",
                "GOAUTH=netrc; '/home/a b/bin/keyfob' goauth acme",
            ),
            (
                "apiVersion: v1\n",
                "apiVersion: v1\nx:\n  apiVersion: client.authentication.k8s.io/v1\n",
                "  apiVersion: client.authentication.k8s.io/v1",
                "  apiVersion: client.authentication.k8s.io/v1",
            ),
            (
                "{\"HttpHeaders\":{\"X\":\"can{a\\\"ry\"},\"credsStore\":\"desktop\"}",
                "{\"HttpHeaders\":{\"X\":\"can{a\\\"ry\"},\"credsStore\":\"keyfob\"}",
                "{\"HttpHeaders\":{\"X\":\"can{a\\\"ry\"},\"credsStore\":\"keyfob\"}",
                "{\"HttpHeaders\":{\"…\":\"keyfob\"}",
            ),
            (
                "list = a@canary, b c\n",
                "list = a@canary, b c, acme@/bin/keyfob-client\n",
                "list = a@canary, b c, acme@/bin/keyfob-client",
                "list = …, acme@/bin/keyfob-client",
            ),
            ("b = canary", "a = 1\nb = canary\n", "b = canary", "b = …"),
            ("b = canary\nc\n", "c\nb = canary\n", "b = canary", "b = …"),
        ] {
            assert_eq!(Ours::new(without, with).shown(line), shown, "{with}");
        }
    }
}
