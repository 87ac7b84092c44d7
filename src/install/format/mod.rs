//! Taking a change out of a configuration that a tool has written anew since, by what its text means.
//!
//! Where lines do not tell ours from others', because all of them are new, values do: each format has a file that reads
//! a text as a [`meaning::Meaning`] and changes one place of it with the parser that keeps the rest. What comes out is read
//! again, and must mean what was wanted. Nothing here knows a tool or a file.

mod hcl;
mod ini;
mod json;
mod lines;
mod meaning;
mod toml;
mod yaml;

use serde::{Deserialize, Serialize};

use super::diff;
use super::ini::{ANSIBLE, GIT, GO, NPM, PIP, PYTHON};
use meaning::{Edit, Meaning, Step, difference, without};

/// In how many places a change may have been made; the longest has a setting for each of a provider's targets.
const MAX_EDITS: usize = 1024;

/// How a configuration is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    Ansible,
    Aws,
    Git,
    Go,
    Hcl,
    Json,
    /// Lines of which each is a setting.
    Lines,
    Npm,
    Pip,
    Toml,
    Yaml,
    /// One of a newer keyfob, whose lines are all that is known.
    #[serde(other)]
    Other,
}

impl Format {
    /// What a text means; none where it is malformed.
    fn read(self, text: &str) -> Option<Meaning> {
        match self {
            Format::Ansible => ini::read(text, ANSIBLE),
            Format::Aws => ini::read(text, PYTHON),
            Format::Git => ini::read(text, GIT),
            Format::Go => ini::read(text, GO),
            Format::Hcl => hcl::read(text),
            Format::Json => json::read(text),
            Format::Lines => Some(lines::read(text)),
            Format::Npm => ini::read(text, NPM),
            Format::Pip => ini::read(text, PIP),
            Format::Toml => toml::read(text),
            Format::Yaml => yaml::read(text),
            Format::Other => None,
        }
    }

    /// The text with one place changed; `old` is a text in which what comes back stood before.
    fn edited(self, text: &str, path: &[Step], edit: &Edit, old: &str) -> Option<String> {
        match self {
            Format::Ansible => ini::edited(text, path, edit, old, ANSIBLE),
            Format::Aws => ini::edited(text, path, edit, old, PYTHON),
            Format::Git => ini::edited(text, path, edit, old, GIT),
            Format::Go => ini::edited(text, path, edit, old, GO),
            Format::Hcl => hcl::edited(text, path, edit, old),
            Format::Json => json::edited(text, path, edit),
            Format::Lines => lines::edited(text, path, edit),
            Format::Npm => ini::edited(text, path, edit, old, NPM),
            Format::Pip => ini::edited(text, path, edit, old, PIP),
            Format::Toml => toml::edited(text, path, edit, old),
            Format::Yaml => yaml::edited(text, path, edit, old),
            Format::Other => None,
        }
    }

    /// Whether a text says nothing, not even in a comment.
    pub(super) fn is_nothing(self, bytes: &[u8]) -> bool {
        let text = std::str::from_utf8(bytes).unwrap_or("#");
        let has_comment = text.contains(['#', ';', '/']);
        !has_comment && self.read(text).is_some_and(|meaning| meaning.is_empty())
    }

    /// What is to be meant when a change is taken out; none where somebody has set another value at a place of it.
    fn expected(self, from: &str, to: &str, now: &Meaning) -> Option<Meaning> {
        let (before, after) = (self.read(from)?, self.read(to)?);
        let empty = match now {
            Meaning::List(_) => Meaning::List(Vec::new()),
            _ => Meaning::Map(Vec::new()),
        };
        let before = Some(&before).filter(|before| !before.is_empty());
        Some(without(before, Some(&after), Some(now))?.unwrap_or(empty))
    }

    /// The text with all that is not meant changed in place.
    fn made(self, text: &str, wanted: &Meaning, old: &str) -> Option<String> {
        let mut text = text.to_owned();
        for _ in 0..MAX_EDITS {
            let (meaning, mut path) = (self.read(&text)?, Vec::new());
            let Some(edit) = difference(&meaning, wanted, &mut path) else {
                return Some(text);
            };
            text = self.edited(&text, &path, &edit, old)?;
        }
        None
    }
}

/// Takes the change `from` → `to` out of a text that was `to` once; none where somebody changed the same lines or, where
/// the format is known, set another value where we had set one.
pub(super) fn taken_out(format: Option<Format>, from: &[u8], to: &[u8], now: &[u8]) -> Option<Vec<u8>> {
    let lines = diff::taken_out(from, to, now);
    if now == to {
        return lines;
    }
    let plain = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(diff::plain);
    let (Some(format), Some(from), Some(to), Some(text)) = (format, plain(from), plain(to), plain(now)) else {
        return lines;
    };
    let Some(meaning) = format.read(&text) else {
        return lines;
    };
    let by_lines = lines.as_deref().and_then(plain).and_then(|text| format.read(&text));
    let Some(wanted) = format.expected(&from, &to, &meaning) else {
        // Our lines are there as we left them, whatever somebody has set besides.
        return lines.filter(|_| by_lines.is_some());
    };
    if by_lines.as_ref() == Some(&wanted) {
        return lines;
    }
    let made = format.made(&text, &wanted, &from)?;
    Some(diff::as_before(std::str::from_utf8(now).ok()?, &made).into_bytes())
}

#[cfg(test)]
mod tests;
