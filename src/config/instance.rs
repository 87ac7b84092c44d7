//! `[instance]`: what a preset is told of one's own instance of a service, such as its host.
//!
//! A preset has a word in braces in the places where the value goes. A value has none of the signs that mean something
//! to TOML or to a URL beyond its own part, so that it is text wherever it goes.

use std::collections::BTreeMap;

use super::read::Reader;
use super::section::Text;
use crate::error::Result;
use crate::target::Target;

/// What a preset may be told.
struct Slot {
    name: &'static str,
    /// What it is, in the words of a mistake.
    expected: &'static str,
    is_good: fn(&str) -> bool,
}

/// All slots, by name.
const SLOTS: &[Slot] = &[
    Slot {
        name: "host",
        expected: "a host such as `git.acme.example`, with a port or path if it has one",
        is_good: is_host,
    },
    Slot {
        name: "issuer",
        expected: "the URL of an issuer such as `https://login.acme.example`",
        is_good: is_issuer,
    },
    Slot {
        name: "tenant",
        expected: "the name or number of a tenant",
        is_good: |text| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
    },
];

/// The longest value: no host or URL of an issuer is.
const MAX_VALUE: usize = 255;

/// The text of a preset with the values of a file in their places; those that the file leaves out are the preset's own.
///
/// # Errors
/// [`crate::error::Class::Usage`], at the place in the file, when it has a value that the preset does not want, or not
/// one that it wants.
pub(super) fn fill(
    reader: &Reader,
    preset: (&Text, &str),
    own: &BTreeMap<Text, Text>,
    usual: &BTreeMap<Text, Text>,
) -> Result<String> {
    let (named, text) = preset;
    let wanted = || SLOTS.iter().filter(|slot| text.contains(&braced(slot.name)));
    let names = || wanted().map(|slot| slot.name).collect::<Vec<_>>().join(", ");
    if let Some(other) = own.keys().find(|key| !wanted().any(|slot| slot.name == key.get_ref())) {
        let names = match names() {
            names if names.is_empty() => "no key with this preset".into(),
            names => names,
        };
        return Err(reader.wrong_at(other, format!("instance: expected {names}, found another key")));
    }
    let mut filled = text.to_owned();
    for slot in wanted() {
        let Slot {
            name,
            expected,
            is_good,
        } = slot;
        let find = |values: &BTreeMap<Text, Text>| {
            values
                .iter()
                .find(|(key, _)| key.get_ref() == name)
                .map(|(_, v)| v.clone())
        };
        let value = find(own).or_else(|| find(usual)).ok_or_else(|| {
            let message = format!("instance.{name}: expected {expected}, found nothing");
            reader.wrong_at(named, message)
        })?;
        let good = (1..=MAX_VALUE).contains(&value.get_ref().len()) && is_good(value.get_ref());
        if !good {
            return Err(reader.wrong_at(&value, format!("instance.{name}: expected {expected}, found another")));
        }
        filled = filled.replace(&braced(name), value.get_ref().trim_end_matches('/'));
    }
    Ok(filled)
}

/// The names of all slots.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SLOTS.iter().map(|slot| slot.name)
}

/// A slot as it stands in a preset.
pub(super) fn braced(name: &str) -> String {
    format!("{{{name}}}")
}

/// The signs of hosts, ports and plain paths.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:/".contains(&b))
}

fn is_host(text: &str) -> bool {
    let target = Target::from_url(&format!("https://{text}"));
    is_plain(text) && !text.contains("//") && target.is_ok_and(|target| !target.host().is_empty())
}

fn is_issuer(text: &str) -> bool {
    let secure = text.starts_with("https://") || text.starts_with("http://127.0.0.1:");
    is_plain(text) && secure && Target::from_url(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_text_wherever_it_goes() {
        let good = |name: &str, text: &str| {
            let slot = SLOTS.iter().find(|slot| slot.name == name).unwrap();
            (slot.is_good)(text)
        };
        for text in [
            "git.acme.example",
            "git.acme.example:8443",
            "acme.example/git",
            "10.0.0.1",
        ] {
            assert!(good("host", text), "{text}");
        }
        for text in [
            "https://git.acme.example",
            "a\"b",
            "a\\b",
            "a\nb",
            "a b",
            "a@b",
            "a?b",
            "a#b",
            "{issuer}",
            "a//b",
            "/a",
            "",
            "a:b",
            "a/../b",
            "a%2fb",
            "ä",
        ] {
            assert!(!good("host", text), "{text}");
        }
        assert!(good("issuer", "https://login.acme.example/realms/a"));
        for text in [
            "http://login.acme.example",
            "login.acme.example",
            "https://a?b",
            "https://a#b",
            "https://a\"",
            "ftp://a",
        ] {
            assert!(!good("issuer", text), "{text}");
        }
        assert!(good("tenant", "contoso.onmicrosoft.com") && !good("tenant", "a/b") && !good("tenant", "a\""));
    }
}
