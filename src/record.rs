//! What a store keeps, and under which key.
//!
//! A record is one account of one provider and mode (a *session*), or one credential that a tool gave us for an origin.
//! Everything that must change together is in one record, so that one rename changes it.
//! It knows nothing of files: `store/slot.rs` wraps its bytes, `store/disk.rs` writes them.

mod learnt;
mod synced;

use std::collections::BTreeMap;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::digest;
use crate::secret::Secret;
use crate::target::Target;
use crate::time::Timestamp;

pub use learnt::{Learnt, Registration};
pub use synced::{About, MADE, OF, Place, ProgramWords, Synced};

/// The set of records that one question may choose from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Credentials that tools gave us for an origin, by [`Target::origin`].
    Origin(String),
    /// The seeds of one-time codes of a provider in a mode, by account. No tool's request means one.
    Seed {
        /// The provider's name.
        provider: String,
        /// The mode's name, or nothing.
        mode: String,
    },
    /// The accounts of a provider in a mode; the mode is empty where the provider has none.
    Session {
        /// The provider's name.
        provider: String,
        /// The mode's name, or nothing.
        mode: String,
    },
}

/// The name of one record, the same in all stores.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What it belongs to.
    pub group: Group,
    /// The account of a session, or the user name at an origin; may be empty.
    pub account: String,
    /// The path below an origin; none for a session. For a seed `pending` while nobody knows whether the service took it.
    pub path: Option<String>,
}

/// Everything but what is safe in one word of a key's text.
const WORD: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'.')
    .remove(b'-')
    .remove(b'_')
    .remove(b'@')
    .remove(b'/')
    .remove(b':');

impl Group {
    /// The group of the origin of a target.
    pub fn origin(target: &Target) -> Group {
        Group::Origin(target.origin())
    }

    /// The digest of the text: the group's name in a store, which shows neither hosts nor users.
    pub fn digest(&self) -> String {
        digest::hex(&[self.to_string().as_bytes()])
    }
}

impl Key {
    /// The digest of the text: the record's name in a store.
    pub fn digest(&self) -> String {
        digest::hex(&[self.to_string().as_bytes()])
    }

    /// The target of a key of an origin; none for the others.
    pub fn target(&self) -> Option<Target> {
        let Group::Origin(origin) = &self.group else {
            return None;
        };
        let (scheme, host) = origin.split_once("://")?;
        Target::from_parts(scheme, host, self.path.as_deref()).ok()
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Group::Origin(origin) => write!(f, "origin {origin}"),
            Group::Seed { provider, mode } => write!(f, "seed {provider}/{mode}"),
            Group::Session { provider, mode } => write!(f, "session {provider}/{mode}"),
        }
    }
}

/// `origin https://host user [path]`, `session provider/mode account` or `seed provider/mode account [pending]`,
/// percent-encoded so that it has no other spaces.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Key { group, account, path } = self;
        write!(f, "{group} {}", utf8_percent_encode(account, WORD))?;
        match path {
            Some(path) => write!(f, " {}", utf8_percent_encode(path, WORD)),
            None => Ok(()),
        }
    }
}

impl std::str::FromStr for Key {
    type Err = ();

    fn from_str(text: &str) -> Result<Key, ()> {
        let mut words = text.split(' ');
        let mut word = || words.next().ok_or(());
        let decode = |word: &str| percent_decode_str(word).decode_utf8().map(String::from).map_err(|_| ());
        let group = match (word()?, word()?) {
            ("origin", origin) => Group::Origin(origin.into()),
            (kind @ ("seed" | "session"), named) => {
                let (provider, mode) = named.split_once('/').ok_or(())?;
                let (provider, mode) = (provider.into(), mode.into());
                if kind == "seed" {
                    Group::Seed { provider, mode }
                } else {
                    Group::Session { provider, mode }
                }
            }
            _ => return Err(()),
        };
        let account = decode(word()?)?;
        let path = words.next().map(decode).transpose()?;
        Ok(Key { group, account, path })
    }
}

/// What a store keeps under a [`Key`].
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its own key, proof against a file that was moved or two names that collide.
    pub key: Key,
    /// Random at login; another login of the same account is another family.
    pub family: String,
    /// One more with each change. A writer that finds another one than it read has lost.
    pub generation: u64,
    /// The tool whose request made it; `keyfob` for an own command.
    pub tool: String,
    /// The password, access token or ready header value; of a seed its URI `otpauth://totp/…`. Absent when the record is
    /// dead.
    pub secret: Option<Secret>,
    /// The `Authorization` scheme of which `secret` is the ready value. Absent: `secret` is a password or token.
    pub authtype: Option<String>,
    /// The refresh token.
    pub refresh: Option<Secret>,
    /// The ID token that came with `secret`, where the provider file wants it kept; it has an end of its own.
    pub id_token: Option<Secret>,
    /// When `secret` was obtained.
    pub obtained_at: Option<Timestamp>,
    /// When `secret` ends. Absent: unknown or never.
    pub expires_at: Option<Timestamp>,
    /// Granted scopes, sorted.
    pub scopes: Vec<String>,
    /// Whom it speaks for, as the issuer calls them.
    pub subject: Option<String>,
    /// What else the issuer says of the subject and the provider file wants to be shown; no secrets.
    pub fields: BTreeMap<String, String>,
    /// The workspace that the secret was issued for, where the issuer makes one for each.
    pub workspace: Option<String>,
    /// What the login found out about the issuer; absent where the provider file said everything.
    pub learnt: Option<Learnt>,
    /// A refresh that was begun and whose end is not known.
    pub intent: Option<Intent>,
    /// No refresh is tried before this moment.
    pub cooldown_until: Option<Timestamp>,
    /// The session ended, and why.
    pub dead: Option<Dead>,
    /// When it was put here by a keyfob on another machine, which alone renews it. Absent: it is this machine's own.
    pub synced_at: Option<Timestamp>,
    /// Fields of a newer keyfob, kept when the record is rewritten.
    pub extra: Map<String, Value>,
}

/// Written before a refresh token is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// [`Secret::mark`] of the refresh token that is sent.
    pub refresh_mark: String,
    /// When.
    pub at: Timestamp,
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dead {
    /// The issuer's error code, or [`Dead::REMOVED`].
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// [`Secret::mark`] of the refresh token that was refused.
    pub refresh_mark: Option<String>,
}

impl Dead {
    /// The reason of a session whose secret somebody else removed from where it lay.
    pub const REMOVED: &'static str = "removed";
}

/// The longest secret that is kept; docker's own helpers stop at 64 KiB as well.
pub const MAX_SECRET: usize = 64 * 1024;

/// The longest record, as bytes in a store.
pub const MAX_RECORD: usize = 1024 * 1024;

impl Record {
    /// A record with a key, a family and nothing else.
    pub fn new(key: Key, family: String, tool: &str) -> Record {
        Record {
            key,
            family,
            generation: 1,
            tool: tool.into(),
            secret: None,
            authtype: None,
            refresh: None,
            id_token: None,
            obtained_at: None,
            expires_at: None,
            scopes: Vec::new(),
            subject: None,
            fields: BTreeMap::new(),
            workspace: None,
            learnt: None,
            intent: None,
            cooldown_until: None,
            dead: None,
            synced_at: None,
            extra: Map::new(),
        }
    }

    /// The record without a secret: what may lie in a slot whose secrets are elsewhere.
    ///
    /// A token that there is stands as an empty text, so that a listing can tell a live session from an ended one; an ID
    /// token tells nothing of that.
    /// What the login learnt, and fields of a newer keyfob, may hold secrets and are left out.
    #[must_use]
    pub fn outline(&self) -> Record {
        let Record {
            key,
            family,
            generation,
            tool,
            secret,
            authtype,
            refresh,
            id_token: _,
            obtained_at,
            expires_at,
            scopes,
            subject,
            fields,
            workspace,
            learnt: _,
            intent,
            cooldown_until,
            dead,
            synced_at,
            extra: _,
        } = self;
        let there = |secret: &Option<Secret>| secret.as_ref().map(|_| Secret::default());
        Record {
            key: key.clone(),
            family: family.clone(),
            generation: *generation,
            tool: tool.clone(),
            secret: there(secret),
            authtype: authtype.clone(),
            refresh: there(refresh),
            id_token: None,
            obtained_at: *obtained_at,
            expires_at: *expires_at,
            scopes: scopes.clone(),
            subject: subject.clone(),
            fields: fields.clone(),
            workspace: workspace.clone(),
            learnt: None,
            intent: intent.clone(),
            cooldown_until: *cooldown_until,
            dead: dead.clone(),
            synced_at: *synced_at,
            extra: Map::new(),
        }
    }

    /// Encodes all but family and generation, which the slot's header carries, as one line of JSON.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let Record {
            key,
            family: _,
            generation: _,
            tool,
            secret,
            authtype,
            refresh,
            id_token,
            obtained_at,
            expires_at,
            scopes,
            subject,
            fields,
            workspace,
            learnt,
            intent,
            cooldown_until,
            dead,
            synced_at,
            extra,
        } = self;
        let wire = Out {
            key: key.to_string(),
            tool,
            secret: secret.as_ref().map(Secret::expose),
            authtype: authtype.as_deref(),
            refresh: refresh.as_ref().map(Secret::expose),
            id_token: id_token.as_ref().map(Secret::expose),
            obtained_at: *obtained_at,
            expires_at: *expires_at,
            scopes,
            subject: subject.as_deref(),
            fields,
            workspace: workspace.as_deref(),
            learnt: learnt.as_ref().map(Learnt::out),
            intent: intent.as_ref(),
            cooldown_until: *cooldown_until,
            dead: dead.as_ref(),
            synced_at: *synced_at,
            extra,
        };
        Zeroizing::new(serde_json::to_vec(&wire).expect("a record has only texts, numbers and lists"))
    }

    /// Whether a newer keyfob wrote what the login learnt, in a form that this one cannot read.
    pub fn has_unread_learnt(&self) -> bool {
        self.extra.contains_key("learnt")
    }

    /// Decodes what [`Record::encode`] made; unknown fields go to `extra`.
    ///
    /// # Errors
    /// The kind of mistake and its line and column, never a value.
    pub fn decode(bytes: &[u8], family: String, generation: u64) -> Result<Record, String> {
        let wire: In = serde_json::from_slice(bytes).map_err(|error| place(&error))?;
        let key = wire.key.parse().map_err(|()| "its key is malformed".to_string())?;
        let mut extra = wire.extra;
        let learnt = match wire.learnt {
            Some(value) => match Learnt::read(&value).map_err(|error| place(&error))? {
                Some(learnt) => Some(learnt),
                // A newer keyfob's: it goes back as it came.
                None => {
                    extra.insert("learnt".into(), value);
                    None
                }
            },
            None => None,
        };
        Ok(Record {
            key,
            family,
            generation,
            tool: wire.tool,
            secret: wire.secret,
            authtype: wire.authtype,
            refresh: wire.refresh,
            id_token: wire.id_token,
            obtained_at: wire.obtained_at,
            expires_at: wire.expires_at,
            scopes: wire.scopes,
            subject: wire.subject,
            fields: wire.fields,
            workspace: wire.workspace,
            learnt,
            intent: wire.intent,
            cooldown_until: wire.cooldown_until,
            dead: wire.dead,
            synced_at: wire.synced_at,
            extra,
        })
    }
}

/// Where JSON is wrong and how, without the text that serde_json would quote.
pub fn place(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let kind = match error.classify() {
        Category::Data => "a field of another type than expected",
        Category::Eof => "it ends too early",
        Category::Io => "it cannot be read",
        Category::Syntax => "it is not JSON",
    };
    format!("{kind}, line {} column {}", error.line(), error.column())
}

#[derive(Serialize)]
struct Out<'a> {
    key: String,
    tool: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authtype: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    obtained_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    scopes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    fields: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    learnt: Option<learnt::Out<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    intent: Option<&'a Intent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cooldown_until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead: Option<&'a Dead>,
    #[serde(skip_serializing_if = "Option::is_none")]
    synced_at: Option<Timestamp>,
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
}

#[derive(Deserialize)]
struct In {
    key: String,
    tool: String,
    secret: Option<Secret>,
    authtype: Option<String>,
    refresh: Option<Secret>,
    id_token: Option<Secret>,
    obtained_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    #[serde(default)]
    scopes: Vec<String>,
    subject: Option<String>,
    #[serde(default)]
    fields: BTreeMap<String, String>,
    workspace: Option<String>,
    learnt: Option<Value>,
    intent: Option<Intent>,
    cooldown_until: Option<Timestamp>,
    dead: Option<Dead>,
    synced_at: Option<Timestamp>,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

#[cfg(test)]
mod tests;
