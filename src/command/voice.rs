//! How a text for a person leaves the program: under the name by which it was called, and no more of it than is wanted.
//!
//! Everywhere else a message begins with `keyfob: ` and a command stands in backquotes as `keyfob VERB PROFILE …`. Where
//! keyfob is a program's sign-in, that becomes the program's name and its own words, here and nowhere else. It never sees
//! a secret: what holds one is not written through it. Implements `protocol.md`, "Being a program's sign-in".

use super::level::Level;
use crate::config::{Alias, Profile, Program, profile};

/// What a message begins with before it leaves.
const OWN: &str = "keyfob: ";

/// How a line that is a command begins.
const ALONE: &str = "    keyfob ";

/// As many letters after its beginning make a key of a word.
const MIN_KEY: usize = 6;

/// The name of a program in messages, and its words for our commands.
pub(super) struct Voice {
    pub(super) program: Program,
    /// The provider's name.
    pub(super) provider: String,
    /// Our commands.
    pub(super) verbs: Vec<String>,
    /// How the provider's keys begin.
    pub(super) keys: Vec<String>,
}

/// Which parts of a profile a call without them would mean anyway.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Usual {
    pub(super) mode: bool,
    pub(super) account: bool,
}

/// The part of a text that this level lets through; nothing where there is none.
pub(super) fn wanted(level: Level, text: &str, is_note: bool) -> &str {
    let from = |begin: &str| text.find(&format!("{OWN}{begin}: ")).map(|at| &text[at..]);
    match level {
        _ if level.has_notes() => text,
        _ if from("error").is_some() => text,
        Level::Error if is_note || from("warning").is_some() => "",
        // What a login has to say is no note: without its page and code nobody gets further.
        _ if !is_note => text,
        _ => from("warning").unwrap_or_default(),
    }
}

impl Voice {
    /// The text in the program's name and words. `usual` says of a profile what need not be said.
    pub(super) fn put(&self, text: &str, usual: &dyn Fn(&Profile) -> Usual) -> String {
        let mut told = String::with_capacity(text.len());
        for line in text.split_inclusive('\n') {
            // A line that is written over begins after that.
            let begin = line.len() - line.trim_start_matches('\r').trim_start_matches("\u{1b}[K").len();
            let (before, line) = line.split_at(begin);
            told += before;
            // A command on a line of its own, to be copied.
            let own = line.strip_prefix(ALONE).map(str::trim_end);
            match (
                line.strip_prefix(OWN),
                own.and_then(|own| self.command(&words(own), usual)),
            ) {
                (Some(rest), _) => told += &format!("{}: {rest}", self.program.name),
                (None, Some(command)) => told += &format!("    {command}\n"),
                (None, None) => told += line,
            }
        }
        let told = self.commands(&told, usual);
        self.keys.iter().fold(told, |told, prefix| without_keys(&told, prefix))
    }

    /// The text with its commands in the program's words.
    fn commands(&self, text: &str, usual: &dyn Fn(&Profile) -> Usual) -> String {
        let (mut told, mut rest) = (String::with_capacity(text.len()), text);
        while let Some((before, after)) = rest.split_once("`keyfob") {
            told += before;
            let inner = after.split('`').next().unwrap_or_default();
            let ours = inner.starts_with(char::is_whitespace) && after.len() > inner.len();
            match ours.then(|| self.command(&words(inner), usual)).flatten() {
                Some(command) => told += &format!("`{command}"),
                None => told += &format!("`keyfob{inner}"),
            }
            rest = &after[inner.len()..];
        }
        told + rest
    }

    /// A command in the program's words; none where it is no own command of ours.
    fn command(&self, words: &[String], usual: &dyn Fn(&Profile) -> Usual) -> Option<String> {
        let (verb, rest) = words.split_first()?;
        let name = if self.program.auth {
            format!("{} auth", self.program.name)
        } else {
            self.program.name.clone()
        };
        if verb.starts_with('-') {
            return Some(format!("{name} {}", words.join(" ")));
        }
        if !self.verbs.contains(verb) {
            return None;
        }
        let mut own = vec![verb.clone()];
        // `provider` speaks of the file, whose name stays.
        let mut is_said = verb == "provider";
        let mut rest = rest.iter();
        while let Some(word) = rest.next() {
            if word == "--provider" && rest.as_slice().first() == Some(&self.provider) {
                rest.next();
                continue;
            }
            match self.profile(word).filter(|_| !is_said) {
                Some(profile) => {
                    is_said = true;
                    own.extend(options(&profile, &usual(&profile)));
                }
                None => own.push(word.clone()),
            }
        }
        Some(match self.alias(&own) {
            Some(alias) => {
                let words = alias.words.iter().chain(&own[alias.own.len()..]);
                let words: Vec<&str> = words.map(String::as_str).collect();
                format!("{} {}", self.program.name, words.join(" "))
            }
            None => format!("{name} {}", own.join(" ")),
        })
    }

    /// The alias whose command these words begin with: the one that says most.
    fn alias(&self, own: &[String]) -> Option<&Alias> {
        let aliases = self.program.aliases.iter();
        let fit = aliases.filter(|alias| own.starts_with(&alias.own));
        // Of two that say the same, the first by its words.
        fit.rev().max_by_key(|alias| alias.own.len())
    }

    /// The profile of this provider that a word is, with or without quotes.
    fn profile(&self, word: &str) -> Option<Profile> {
        let bare = match word.strip_prefix('\'').and_then(|word| word.strip_suffix('\'')) {
            Some(quoted) => quoted.replace("'\\''", "'"),
            None => word.to_owned(),
        };
        Profile::parse(&bare)
            .ok()
            .filter(|profile| profile.provider == self.provider)
    }
}

/// The options that say the same as a profile, without its provider.
fn options(profile: &Profile, usual: &Usual) -> Vec<String> {
    let mut options = Vec::new();
    if let Some(mode) = profile.mode.as_ref().filter(|_| !usual.mode) {
        options.extend(["--mode".into(), mode.clone()]);
    }
    if let Some(account) = profile.account.as_ref().filter(|_| !usual.account) {
        options.extend(["--account".into(), profile::quoted(account)]);
    }
    options
}

/// The text with the beginning alone of every key: a service may repeat the one that it was sent.
fn without_keys(text: &str, prefix: &str) -> String {
    let of_word = |c: char| c.is_alphanumeric() || "_-".contains(c);
    let (mut told, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once(prefix) {
        told += before;
        told += prefix;
        let end = after.find(|c| !of_word(c)).unwrap_or(after.len());
        // In the middle of a word, or of a path, it begins no key.
        let is_within = told[..told.len() - prefix.len()].ends_with(|c| of_word(c) || c == '/');
        if end < MIN_KEY || is_within {
            told += &after[..end];
        } else {
            told += "\u{2026}";
        }
        rest = &after[end..];
    }
    told + rest
}

/// The words of a command; what is in single quotes is of one word.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        quoted ^= c == '\'';
        if c.is_whitespace() && !quoted {
            words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()));
        } else {
            word.push(c);
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(auth: bool) -> Voice {
        let alias = |words: &str, own: &str| Alias {
            words: words.split(' ').map(Into::into).collect(),
            own: own.split(' ').map(Into::into).collect(),
        };
        Voice {
            program: Program {
                name: "ctl".into(),
                prefix: "CTL".into(),
                auth,
                aliases: vec![
                    alias("connect workspace use", "workspace"),
                    alias("me show", "whoami --json"),
                ],
                settings: Vec::new(),
                address: None,
                is_declared: true,
            },
            provider: "acme".into(),
            verbs: ["login", "logout", "set-token", "workspace", "whoami", "provider"]
                .map(Into::into)
                .into(),
            keys: vec!["ack_".into()],
        }
    }

    #[test]
    fn of_a_key_the_beginning_alone_is_shown() {
        for (whole, shown) in [
            ("the key ack_a1b2c3d4 is no member", "the key ack_… is no member"),
            ("“ack_a-1_b2c3”, ack_a1b2c3", "“ack_…”, ack_…"),
            (
                "a key begins with `ack_`, not ack_x",
                "a key begins with `ack_`, not ack_x",
            ),
            ("/home/ack_a1b2c3d4, back_a1b2c3d4", "/home/ack_a1b2c3d4, back_a1b2c3d4"),
        ] {
            assert_eq!(put(true, whole), shown);
        }
    }

    fn put(auth: bool, text: &str) -> String {
        let usual = |profile: &Profile| Usual {
            mode: profile.mode.as_deref() == Some("prod"),
            account: profile.account.as_deref() == Some("ann"),
        };
        voice(auth).put(text, &usual)
    }

    #[test]
    fn a_command_names_the_program_and_only_what_is_not_usual() {
        for (ours, theirs) in [
            ("run `keyfob login acme`", "run `ctl auth login`"),
            ("run `keyfob login acme/prod:ann` again", "run `ctl auth login` again"),
            (
                "`keyfob login acme/dev:ann --scope x`",
                "`ctl auth login --mode dev --scope x`",
            ),
            ("`keyfob login acme:bob`", "`ctl auth login --account bob`"),
            ("`keyfob login acme:`", "`ctl auth login --account ''`"),
            ("`keyfob login 'acme:a b'`", "`ctl auth login --account 'a b'`"),
            ("`keyfob set-token acme < FILE`", "`ctl auth set-token < FILE`"),
            ("`keyfob login other`", "`ctl auth login other`"),
            ("`keyfob --help`", "`ctl auth --help`"),
            ("`keyfob logout --provider acme --all`", "`ctl auth logout --all`"),
            ("`keyfob provider show acme`", "`ctl auth provider show acme`"),
            (
                "`keyfob workspace acme/dev WS`",
                "`ctl connect workspace use --mode dev WS`",
            ),
            ("`keyfob whoami acme`", "`ctl auth whoami`"),
            ("`keyfob whoami acme --json`", "`ctl me show`"),
            ("`keyfob\n    login acme`", "`ctl auth login`"),
            (
                "Again:\n    keyfob login acme:bob\n",
                "Again:\n    ctl auth login --account bob\n",
            ),
            ("    keyfob is here\n", "    keyfob is here\n"),
            // What only keyfob itself has stays its own.
            ("`keyfob token acme --header`", "`keyfob token acme --header`"),
            (
                "another keyfob is refreshing `acme`",
                "another keyfob is refreshing `acme`",
            ),
            ("in `keyfob` and `keyfob", "in `keyfob` and `keyfob"),
        ] {
            assert_eq!(put(true, ours), theirs);
        }
        assert_eq!(
            put(false, "`keyfob login acme`, `keyfob --help`"),
            "`ctl login`, `ctl --help`"
        );
    }

    #[test]
    fn a_line_begins_with_the_name_of_the_program() {
        let text = "keyfob: error: no\nkeyfob: hint: run `keyfob login acme`\n\r\u{1b}[Kkeyfob: warning: x\n";
        let told = "ctl: error: no\nctl: hint: run `ctl auth login`\n\r\u{1b}[Kctl: warning: x\n";
        assert_eq!(put(true, text), told);
        assert_eq!(put(true, "see keyfob: it\n"), "see keyfob: it\n");
    }

    #[test]
    fn a_level_lets_through_what_is_as_grave() {
        let (note, warning) = ("Logged out.\n", "keyfob: warning: the issuer does not answer\n");
        let both = format!("{note}{warning}");
        let error = "keyfob: error: x\n";
        for (level, of_note, of_both, of_warning) in [
            (Level::Debug, note, both.as_str(), warning),
            (Level::Info, note, &both, warning),
            (Level::Warn, "", warning, warning),
            (Level::Error, "", "", ""),
        ] {
            assert_eq!(wanted(level, note, true), of_note);
            assert_eq!(wanted(level, &both, true), of_both);
            assert_eq!(wanted(level, warning, false), of_warning);
            assert_eq!(wanted(level, error, true), error);
            assert_eq!(wanted(level, "Open this page\n", false), "Open this page\n");
        }
    }
}
