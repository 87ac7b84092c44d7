//! Where a provider file wants the records of a session to lie, and what of them.
//!
//! It is told once, when a record is new; the slot's header then remembers it, so that every later change, by whatever
//! tool's call, goes to the same place. It knows neither files nor keychains.

use std::path::PathBuf;

use serde_json::{Map, Value};

/// The place of a session's records. The default is the slot itself, and an item named after the record's key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    /// The file of the store `file`. Defaults to the slot.
    pub file: Option<PathBuf>,
    /// The service of the item, in the store `keychain`. Defaults to `keyfob`.
    pub service: Option<String>,
    /// The account of the item. Defaults to the text of the record's key.
    pub item: Option<String>,
    /// Whether the item is the refresh token alone, and not the whole record.
    pub bare: bool,
    /// Whether the access token is kept nowhere, whatever the store.
    pub refresh_only: bool,
}

/// In the store `file`: the path.
pub(super) const AT: &str = "at";
/// In the store `keychain`.
pub(super) const SERVICE: &str = "service";
/// In the store `keychain`: the account.
pub(super) const ITEM: &str = "item";
/// In the store `keychain`: what the item is, if not the record.
pub(super) const VALUE: &str = "value";
/// In the store `keychain`: [`crate::secret::Secret::mark`] of each token alone that was about to be written, the newest
/// last, by which whoever comes after a kill knows it for keyfob's.
pub(super) const COMING: &str = "coming";
/// In every store: what alone is kept.
pub(super) const KEEPS: &str = "keeps";
/// The word for the refresh token, of [`VALUE`] and [`KEEPS`].
pub(super) const REFRESH: &str = "refresh";

impl Address {
    /// Notes the place in the header of a slot of this store; an earlier one is forgotten.
    pub(super) fn note(&self, store: &str, extra: &mut Map<String, Value>) {
        let Address {
            file,
            service,
            item,
            bare,
            refresh_only,
        } = self;
        let word = |is: bool| is.then(|| REFRESH.to_owned());
        let file = file.as_ref().map(|path| path.display().to_string());
        let keychain = store == "keychain";
        for (member, value) in [
            (AT, file.filter(|_| store == "file")),
            (SERVICE, service.clone().filter(|_| keychain)),
            (ITEM, item.clone().filter(|_| keychain)),
            (VALUE, word(*bare && keychain)),
            (KEEPS, word(*refresh_only)),
        ] {
            match value {
                Some(value) => extra.insert(member.into(), value.into()),
                None => extra.remove(member),
            };
        }
    }
}
