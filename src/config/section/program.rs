//! `[program]`: the program whose sign-in the provider is: its name, its variables, and the words for its commands.
//!
//! It chooses words alone. Which of our commands there are is `command/`'s business, which also refuses words that lead
//! to none.

use std::collections::BTreeMap;

use super::Text;
use crate::config::read::Reader;
use crate::config::{is_variable, variable};
use crate::error::Result;

words! {
    name: Text,
    prefix: Text,
    auth: bool,
    commands: BTreeMap<Text, Text>,
    settings: BTreeMap<Text, Text>,
    [address]: address::Words,
}

/// `[program.address]`
pub(in crate::config) mod address {
    use super::Text;

    words! {
        variable: Text,
        replaces: Vec<Text>,
    }
}

/// The longest words for a command, in words; nobody types longer ones.
const MAX_WORDS: usize = 6;

/// A program that hands its sign-in over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// How a person calls it. Defaults to the provider's name.
    pub name: String,
    /// What its variables begin with, before `_MODE` and the like. Defaults to the provider's name in capitals.
    pub prefix: String,
    /// Whether its sign-in commands are below `auth` where a message names one. Defaults to true.
    pub auth: bool,
    /// Words of its own for our commands, by the words.
    pub aliases: Vec<Alias>,
    /// What a person may set, by name.
    pub settings: Vec<Setting>,
    /// The variable that names another address of the service.
    pub address: Option<Address>,
    /// Whether the file has the table at all.
    pub is_declared: bool,
}

impl Program {
    /// The program of a provider whose file says nothing of it.
    pub fn of(provider: &str) -> Program {
        Program {
            name: provider.into(),
            prefix: variable::prefix(provider),
            auth: true,
            aliases: Vec::new(),
            settings: Vec::new(),
            address: None,
            is_declared: false,
        }
    }

    /// What a person calls a key of the file that may be set.
    pub fn setting(&self, key: SettingKey) -> Option<&str> {
        let setting = self.settings.iter().find(|setting| setting.key == key);
        setting.map(|setting| setting.name.as_str())
    }
}

/// Another address of the same service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The variable that names it.
    pub variable: String,
    /// The origins whose place it takes in the URLs of the file.
    pub replaces: Vec<String>,
}

/// A key of the provider file that a person may set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// What the program calls it, such as `cloud.url`.
    pub name: String,
    /// Which key.
    pub key: SettingKey,
}

/// The keys that may be set: those by which the rest is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingKey {
    /// `oauth.client_id`
    ClientId,
    /// `oauth.issuer`
    Issuer,
    /// `service.url`
    Service,
}

/// The same by their words.
const SETTINGS: &[(&str, SettingKey)] = &[
    ("oauth.client_id", SettingKey::ClientId),
    ("oauth.issuer", SettingKey::Issuer),
    ("service.url", SettingKey::Service),
];

/// Words of a program for one of our commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// What a person types after the program's name.
    pub words: Vec<String>,
    /// Our command, perhaps with arguments.
    pub own: Vec<String>,
}

/// The program of a provider; without the table what follows from its name.
pub(in crate::config) fn read(reader: &Reader, words: Option<&Words>, provider: &str) -> Result<Program> {
    let none = Words::default();
    let Words {
        name,
        prefix,
        auth,
        commands,
        settings,
        address,
    } = words.unwrap_or(&none);
    if let Some(name) = name.as_ref().filter(|name| !is_program(name.get_ref())) {
        let message = "program.name: expected a letter, then letters, digits, `.`, `_` or `-`, found another";
        return Err(reader.wrong_at(name, message));
    }
    if let Some(prefix) = prefix.as_ref().filter(|prefix| !is_variable(prefix.get_ref())) {
        let message = "program.prefix: expected the begin of variables, of letters, digits and `_`, found another";
        return Err(reader.wrong_at(prefix, message));
    }
    let text = |text: &Option<Text>| text.as_ref().map(|text| text.get_ref().clone());
    Ok(Program {
        name: text(name).unwrap_or_else(|| provider.into()),
        prefix: text(prefix).unwrap_or_else(|| variable::prefix(provider)),
        auth: auth.unwrap_or(true),
        aliases: commands
            .iter()
            .flatten()
            .map(|pair| alias(reader, pair))
            .collect::<Result<_>>()?,
        settings: settings_of(reader, settings.iter().flatten())?,
        address: address_of(reader, address)?,
        is_declared: words.is_some(),
    })
}

pub(in crate::config) fn settings_of<'a>(
    reader: &Reader,
    pairs: impl Iterator<Item = (&'a Text, &'a Text)>,
) -> Result<Vec<Setting>> {
    let setting = |(name, key): (&Text, &Text)| {
        let good = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if name.get_ref().is_empty() || name.get_ref().starts_with('-') || !name.get_ref().bytes().all(good) {
            let message = "program.settings: expected a name of letters, digits, `.`, `_` or `-`, found another";
            return Err(reader.wrong_at(name, message));
        }
        let found = SETTINGS.iter().find(|(word, _)| word == key.get_ref());
        let (_, key) = found.ok_or_else(|| {
            let words: Vec<&str> = SETTINGS.iter().map(|(word, _)| *word).collect();
            let message = format!("program.settings: expected one of {}, found another", words.join(", "));
            reader.wrong_at(key, message)
        })?;
        let name = name.get_ref().clone();
        Ok(Setting { name, key: *key })
    };
    pairs.map(setting).collect()
}

fn address_of(reader: &Reader, words: &address::Words) -> Result<Option<Address>> {
    let replaces = words.replaces.iter().flatten();
    match &words.variable {
        Some(variable) => Ok(Some(Address {
            variable: reader.variable("program.address.variable", variable)?,
            replaces: replaces.map(|url| origin(reader, url)).collect::<Result<_>>()?,
        })),
        None => match replaces.into_iter().next() {
            Some(url) => Err(reader.wrong_at(
                url,
                "program.address.replaces: expected `program.address.variable` beside it, found none",
            )),
            None => Ok(None),
        },
    }
}

/// A URL without path, as it stands at the begin of others.
fn origin(reader: &Reader, text: &Text) -> Result<String> {
    let url = reader.url("program.address.replaces", text)?;
    if url.split_once("://").is_none_or(|(_, host)| host.contains(['/', '?'])) {
        let message = "program.address.replaces: expected `https://HOST` without a path, found one";
        return Err(reader.wrong_at(text, message));
    }
    Ok(url)
}

fn alias(reader: &Reader, (words, own): (&Text, &Text)) -> Result<Alias> {
    let split = |text: &Text| text.get_ref().split(' ').map(str::to_owned).collect::<Vec<_>>();
    let good = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b'`');
    let alias = Alias {
        words: split(words),
        own: split(own),
    };
    let plain = |text: &String| good(text) && !text.starts_with('-');
    if alias.words.len() > MAX_WORDS || !alias.words.iter().all(plain) {
        let message = format!("program.commands: expected 1 to {MAX_WORDS} words with a space between, found another");
        return Err(reader.wrong_at(words, message));
    }
    if !alias.own.iter().all(|word| good(word)) || alias.own[0].starts_with('-') {
        let message = "program.commands: expected a command such as `whoami --json`, found another text";
        return Err(reader.wrong_at(own, message));
    }
    // A provider file starts no program, not even by a word that looks like another.
    if alias.own.iter().any(|word| STARTERS.contains(&word.as_str())) {
        let message = "program.commands: expected a command that starts no program, found one that does";
        return Err(reader.wrong_at(own, message));
    }
    Ok(alias)
}

/// Words of commands that start a program: only a person may say them.
const STARTERS: [&str; 5] = ["--", "desync", "receive", "run", "sync"];

/// Whether a text can be the name of a program: a letter, then letters, digits, `.`, `_` or `-`; no shell acts on it.
pub fn is_program(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    name.bytes().all(inner) && name.starts_with(|c: char| c.is_ascii_alphabetic())
}
