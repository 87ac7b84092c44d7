//! `[place]`: under which names a session lies where a person, or another program, looks for it.
//!
//! A file is fixed for the store `file`, an item for the store `keychain`. A name may have slots: `{provider}`, `{mode}`
//! and `{account}`, each filled with one part of the profile.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Text;
use crate::config::read::Reader;
use crate::error::Result;

words! {
    file: Text,
    file_windows: Text,
    service: Text,
    account: Text,
    value: Text,
}

/// Where the sessions of a mode lie; names with slots, which [`Place::filled`] fills.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The file, below the home after `~/`, or on Windows after `%APPDATA%\`. Defaults to a slot of keyfob's own.
    pub file: Option<String>,
    /// The service of the item. Defaults to `keyfob`.
    pub service: Option<String>,
    /// The account of the item. Defaults to a text that names the profile.
    pub account: Option<String>,
    /// Whether the item is the refresh token alone, and not the whole record.
    pub bare: bool,
}

const SLOTS: [&str; 3] = ["{provider}", "{mode}", "{account}"];

/// The longest name before its slots are filled; longer ones no file system and no keychain takes.
const MAX_NAME: usize = 1000;

/// Everything but what is safe in a file's name on every system.
const IN_A_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'.')
    .remove(b'-')
    .remove(b'_')
    .remove(b'@')
    .remove(b'+');

/// What no keychain shows; the sign itself, so that no two accounts have one name.
const IN_AN_ITEM: &AsciiSet = &CONTROLS.add(b'%');

impl Place {
    /// The same with the parts of a profile in its slots.
    #[must_use]
    pub fn filled(&self, provider: &str, mode: &str, account: &str) -> Place {
        let Place {
            file,
            service,
            account: item,
            bare,
        } = self;
        let fill = |name: &Option<String>, set: &'static AsciiSet| {
            let shown = utf8_percent_encode(account, set).to_string();
            // No account may become a directory above, or a hidden file.
            let shown = match shown.strip_prefix('.') {
                Some(rest) if set == IN_A_PATH => format!("%2E{rest}"),
                _ => shown,
            };
            let shown = if shown.is_empty() { "_".into() } else { shown };
            let values = [provider, mode, &shown];
            let name = name.as_ref()?;
            // The account comes last: what it says is no slot.
            Some(SLOTS.iter().zip(values).fold(name.clone(), |name, (slot, value)| name.replace(slot, value)))
        };
        Place {
            file: fill(file, IN_A_PATH),
            service: fill(service, IN_AN_ITEM),
            account: fill(item, IN_AN_ITEM),
            bare: *bare,
        }
    }

    /// In words for a person, the names that nobody else may have; of a place that was filled.
    ///
    /// An item without an account of its own is named after its profile, and so is nobody else's.
    pub fn names(&self) -> Vec<String> {
        let file = self.file.as_ref().map(|file| format!("the file `{file}`"));
        let item = self.account.as_ref().map(|account| {
            let service = self.service.as_deref().unwrap_or("keyfob");
            format!("the item `{account}` of the service `{service}`")
        });
        file.into_iter().chain(item).collect()
    }

    /// Whether the file is another one for each account.
    pub fn is_of_account(&self) -> bool {
        self.file.as_ref().is_some_and(|file| file.contains("{account}"))
    }
}

impl Words {
    /// The first word that stands.
    pub(in crate::config) fn first(&self) -> Option<&Text> {
        let Words {
            file,
            file_windows,
            service,
            account,
            value,
        } = self;
        [file, file_windows, service, account, value].into_iter().flatten().next()
    }
}

/// The words of a mode, beside what the file says of its store.
pub(in crate::config) fn read(reader: &Reader, words: &Words, mode: &str, store: Option<&str>) -> Result<Place> {
    let Words {
        file,
        file_windows,
        service,
        account,
        value,
    } = words;
    for (key, text) in [("file", file), ("file_windows", file_windows)] {
        if let Some(text) = text.as_ref().filter(|_| store == Some("sealed")) {
            let message = format!("place.{key}: expected with `store = \"file\"` or a store that may fall back to it, found sealed");
            return Err(reader.wrong_at(text, message));
        }
    }
    for (key, text) in [("service", service), ("account", account), ("value", value)] {
        if let Some(text) = text.as_ref().filter(|_| store != Some("keychain")) {
            let message = format!("place.{key}: expected with `store = \"keychain\"`, found another store");
            return Err(reader.wrong_at(text, message));
        }
    }
    let file = path(reader, "place.file", file.as_ref(), ("~/", '/'), mode)?;
    let windows = path(reader, "place.file_windows", file_windows.as_ref(), ("%APPDATA%\\", '\\'), mode)?;
    Ok(Place {
        file: if cfg!(windows) { windows } else { file },
        service: name(reader, "place.service", service.as_ref(), mode)?,
        account: name(reader, "place.account", account.as_ref(), mode)?,
        bare: match value.as_ref().map(|value| (value, value.get_ref().as_str())) {
            None | Some((_, "record")) => false,
            Some((_, "refresh")) => true,
            Some((value, _)) => {
                return Err(reader.wrong_at(value, "place.value: expected record or refresh, found another"));
            }
        },
    })
}

/// A file in a directory below the home, named part by part.
fn path(
    reader: &Reader,
    key: &str,
    text: Option<&Text>,
    (root, separator): (&str, char),
    mode: &str,
) -> Result<Option<String>> {
    let Some(text) = text else { return Ok(None) };
    let other = if separator == '/' { "/" } else { "/:*?\"<>|" };
    let part_is_good = |part: &str| {
        let strange = part.contains(|c: char| c.is_control() || (separator != '/' && other.contains(c)));
        !part.is_empty() && !strange && !matches!(part, "." | "..")
    };
    let parts: Option<Vec<&str>> = text
        .get_ref()
        .strip_prefix(root)
        .map(|below| below.split(separator).collect());
    // A file right in the home is another program's business: shells and editors run what they find there.
    if !parts.is_some_and(|parts| parts.len() > 1 && parts.iter().all(|part| part_is_good(part))) {
        let message = format!(
            "{key}: expected a file in a directory below `{root}`, such as `{root}.acme{separator}token.json`, found another"
        );
        return Err(reader.wrong_at(text, message));
    }
    name(reader, key, Some(text), mode)
}

/// A name that a person reads, with no other slots than those there are.
fn name(reader: &Reader, key: &str, text: Option<&Text>, mode: &str) -> Result<Option<String>> {
    let Some(text) = text else { return Ok(None) };
    let name = text.get_ref();
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        let message = format!("{key}: expected 1 to {MAX_NAME} visible characters, found another");
        return Err(reader.wrong_at(text, message));
    }
    let rest = SLOTS.iter().fold(name.clone(), |rest, slot| rest.replace(slot, ""));
    if rest.contains(['{', '}']) {
        let message = format!("{key}: expected no other slots than {}, found another", SLOTS.join(", "));
        return Err(reader.wrong_at(text, message));
    }
    if mode.is_empty() && name.contains("{mode}") {
        let message = format!("{key}: expected no `{{mode}}` in a file without modes, found one");
        return Err(reader.wrong_at(text, message));
    }
    Ok(Some(name.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(account: &str) -> Place {
        let place = Place {
            file: Some("~/.acme/{provider}_{mode}_{account}.json".into()),
            service: Some("acme".into()),
            account: Some("{account}".into()),
            bare: false,
        };
        place.filled("acme", "dev", account)
    }

    #[test]
    fn an_account_is_one_part_of_a_path_whatever_it_is_called() {
        for (account, part) in [
            ("ann@acme.example", "ann@acme.example"),
            ("", "_"),
            ("..", "%2E."),
            ("a/../b", "a%2F..%2Fb"),
            ("{mode}", "%7Bmode%7D"),
            ("a\0b", "a%00b"),
        ] {
            let file = filled(account).file.unwrap();
            assert_eq!(file, format!("~/.acme/acme_dev_{part}.json"));
        }
    }

    #[test]
    fn two_accounts_never_have_one_item() {
        let names: Vec<_> = ["a", "a\0", "a%00", "{mode}", "dev", "ä"].map(|account| filled(account).account).into();
        for (at, name) in names.iter().enumerate() {
            assert!(!names[..at].contains(name), "{name:?}");
        }
        assert_eq!(filled("ä b").account.as_deref(), Some("%C3%A4 b"));
    }
}
