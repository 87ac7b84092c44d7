//! The store of ciphertext: XChaCha20-Poly1305 under a data key that is kept elsewhere, by a [`KeySource`].
//!
//! It knows no keychain. The data key has an id, which `sealed.json` in the data directory names for new records and
//! each slot's header names for itself, so that a key that was lost and replaced harms no other. What a slot is called,
//! its family and its generation are bound to the ciphertext, so that slots cannot be swapped or turned back unseen.
//! Security review, section 4b.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::disk::Disk;
use super::folder::Folder;
use super::gate::{self, Gate};
use super::{Header, Items, Seat, Store, StoreError, kernel, slot};
use crate::time::Timestamp;
use crate::world::random;

/// The key of all sealed records of a user.
pub type DataKey = Zeroizing<[u8; 32]>;

/// Keeps data keys outside the data directory.
pub trait KeySource {
    /// The key of this id; none only when the source is sure that there is none.
    ///
    /// `person` allows it to ask somebody to unlock it.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`StoreError::Denied`] or [`StoreError::Unavailable`].
    fn find(&self, id: &str, person: bool) -> Result<Option<DataKey>, StoreError>;

    /// Keeps a new key.
    ///
    /// # Errors
    /// As for [`KeySource::find`].
    fn keep(&self, id: &str, key: &DataKey, person: bool) -> Result<(), StoreError>;

    /// Forgets a key, which may not be there.
    ///
    /// # Errors
    /// As for [`KeySource::find`].
    fn remove(&self, id: &str, person: bool) -> Result<(), StoreError>;
}

/// See the module.
pub(super) struct Sealed {
    disk: Disk,
    source: Rc<dyn KeySource>,
    wait: Rc<dyn Fn(Duration)>,
    now: Rc<dyn Fn() -> Timestamp>,
    person: bool,
    cached: bool,
    handed: Option<u32>,
    known: RefCell<Vec<(String, DataKey)>>,
}

/// For the table.
pub(super) fn build(seat: &Seat) -> Box<dyn Store> {
    Box::new(Sealed {
        disk: Disk::new(seat.data.clone()),
        source: Rc::clone(&seat.source),
        wait: Rc::clone(&seat.wait),
        now: Rc::clone(&seat.now),
        person: seat.person,
        cached: !seat.test,
        handed: seat.handed,
        known: RefCell::default(),
    })
}

/// Names the data key of new records.
#[derive(Serialize, Deserialize)]
struct Current {
    format: u64,
    key: String,
}

/// The lock of who makes a data key.
pub(super) const SETTING_UP: &str = "data-key.lock";

/// The lock of who asks the source, and keeps in the kernel what it gave.
pub(super) const ASKING: &str = "keychain.lock";

pub(super) const CURRENT: &str = "sealed.json";
const CURRENT_LIMIT: usize = 4096;
const ID_BYTES: usize = 16;
const NONCE_BYTES: usize = 24;

/// How long the kernel keeps the data key: an hour spares a working day most of its keychain calls, and a machine that
/// is left alone forgets it. Ours to choose; twice as long only widens what a thief of the running machine gets.
const CACHE_SECS: usize = 3600;

/// How long another process may take to set the data key up: three calls to a keychain, each of at most two seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a process waits for its turn to ask the source: as long as one may take to answer. Half of it would let the
/// waiting ones ask all at once after all, twice of it would be felt with a keychain that is dead.
const TURN: Duration = Duration::from_secs(2);

/// Under which description the kernel keeps a data key.
pub(super) fn cache_name(id: &str) -> String {
    format!("keyfob:{id}")
}

impl Sealed {
    /// The key of this id; none when its source is sure that there is none.
    fn key(&self, id: &str, person: bool) -> Result<Option<DataKey>, StoreError> {
        if let Some((_, key)) = self.known.borrow().iter().find(|(known, _)| known == id) {
            return Ok(Some(key.clone()));
        }
        let Some(key) = self
            .recall(id)
            .map_or_else(|| self.ask(id, person), |key| Ok(Some(key)))?
        else {
            return Ok(None);
        };
        self.known.borrow_mut().push((id.to_owned(), key.clone()));
        Ok(Some(key))
    }

    /// The key from the kernel's keyring.
    fn recall(&self, id: &str) -> Option<DataKey> {
        let bytes = self.cached.then(|| kernel::recall(&cache_name(id), 32)).flatten()?;
        <[u8; 32]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new)
    }

    /// The key from its source, for this process and those after it.
    ///
    /// One process at a time asks: a keychain that fifty ask at once answers some of them too late. Where there is no
    /// lock to be had, this one asks all the same.
    fn ask(&self, id: &str, person: bool) -> Result<Option<DataKey>, StoreError> {
        if let Some(gate) = Gate::read(&self.disk)? {
            return self.behind(&gate, id, person);
        }
        let lock = self.cached.then(|| self.disk.lock(ASKING, TURN, &*self.wait));
        let _turn = lock.and_then(|lock| lock.ok().flatten());
        if let Some(key) = self.recall(id) {
            return Ok(Some(key));
        }
        let key = self.source.find(id, person)?;
        if let Some(key) = key.as_ref().filter(|_| self.cached) {
            kernel::remember(&cache_name(id), key.as_slice(), CACHE_SECS);
        }
        // Whoever set a gate meanwhile has made the kernel forget before this was there, and means this call too.
        match Gate::read(&self.disk)? {
            None => Ok(key),
            Some(gate) => {
                if self.cached {
                    kernel::forget(&cache_name(id));
                }
                self.behind(&gate, id, person)
            }
        }
    }

    /// A key while there is a gate. What the gate names is asked of nobody, and any other only while the gate is open; a
    /// call that was not meant to open it keeps neither anywhere.
    fn behind(&self, gate: &Gate, id: &str, person: bool) -> Result<Option<DataKey>, StoreError> {
        if let Some(key) = gate.key(id, self.handed)? {
            return Ok(Some(key));
        }
        self.key(gate.current(), false)?.ok_or_else(|| gate.closed())?;
        self.source.find(id, person)
    }

    /// The id and key for a new body where there is a gate.
    fn gated(&self, person: bool) -> Result<Option<(String, DataKey)>, StoreError> {
        let Some(gate) = Gate::read(&self.disk)? else {
            return Ok(None);
        };
        let key = self.key(gate.current(), person)?.ok_or_else(|| gate.closed())?;
        Ok(Some((gate.current().to_owned(), key)))
    }

    /// The id and key for a new body; set up if there is none yet, or the old one is lost.
    fn current(&self, person: bool) -> Result<(String, DataKey), StoreError> {
        if let Some(current) = self.gated(person)? {
            return Ok(current);
        }
        if let Some(id) = current_id(self.disk.data()?.as_ref())?
            && let Some(key) = self.key(&id, person)?
        {
            return Ok((id, key));
        }
        let lock = self.disk.lock(SETTING_UP, PATIENCE, &*self.wait)?;
        let _lock = lock.ok_or_else(|| {
            StoreError::Unavailable("another keyfob is setting up the keychain's key and does not finish".into())
        })?;
        if let Some(current) = self.gated(person)? {
            return Ok(current);
        }
        let data = self.disk.make_data()?;
        data.sweep(CURRENT)?;
        if let Some(id) = current_id(Some(&data))? {
            if let Some(key) = self.key(&id, person)? {
                return Ok((id, key));
            }
            data.rename(CURRENT, &format!("{CURRENT}.lost-{}", (self.now)().unix()))?;
        }
        let id = HEXLOWER.encode(&random::<ID_BYTES>());
        let key = Zeroizing::new(random::<32>());
        self.source.keep(&id, &key, person)?;
        // A keychain that takes a key and does not give it back would cost every record.
        if self.key(&id, person)?.is_none_or(|kept| *kept != *key) {
            return Err(StoreError::Unavailable("the keychain did not keep a new key".into()));
        }
        write_current(&self.disk, &id)?;
        Ok((id, key))
    }
}

/// The id of the key for new records; none before the first.
pub(super) fn current_id(data: Option<&Folder>) -> Result<Option<String>, StoreError> {
    let Some(data) = data else { return Ok(None) };
    let Some(text) = data.read(CURRENT, CURRENT_LIMIT)? else {
        return Ok(None);
    };
    let place: PathBuf = data.place(CURRENT);
    let place = place.display();
    let current: Current = serde_json::from_slice(&text)
        .map_err(|error| StoreError::Damaged(format!("`{place}`: {}", crate::record::place(&error))))?;
    if current.format > slot::FORMAT {
        return Err(StoreError::Newer(format!("a newer keyfob wrote `{place}`")));
    }
    Ok(Some(current.key))
}

/// Names the key for new records.
pub(super) fn write_current(disk: &Disk, id: &str) -> Result<(), StoreError> {
    let current = Current {
        format: slot::FORMAT,
        key: id.into(),
    };
    let mut text = serde_json::to_vec(&current).expect("two plain members");
    text.push(b'\n');
    disk.make_data()?.replace(CURRENT, &text)
}

/// What the ciphertext is bound to, as JSON so that no two lists of values have the same bytes.
fn bound_to(name: &str, header: &Header, id: &str) -> Vec<u8> {
    let parts = (slot::FORMAT, &header.store, &header.family, header.generation, name, id);
    serde_json::to_vec(&parts).expect("texts and numbers")
}

impl Store for Sealed {
    fn name(&self) -> &'static str {
        "sealed"
    }

    /// Sets the data key up if there is none yet: only then is it known that the keychain takes one.
    fn ready(&self, person: bool) -> Result<(), StoreError> {
        self.current(person).map(|_| ())
    }

    fn seal(&self, name: &str, header: &mut Header, record: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let (id, key) = self.current(self.person)?;
        let nonce = random::<NONCE_BYTES>();
        let aad = bound_to(name, header, &id);
        let payload = Payload { msg: record, aad: &aad };
        let sealed = XChaCha20Poly1305::new(&(*key).into()).encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| StoreError::Failed("sealing a record".into()))?;
        header.extra.insert("key".into(), id.into());
        header.extra.insert("nonce".into(), BASE64.encode(&nonce).into());
        let mut body = BASE64.encode(&sealed).into_bytes();
        body.push(b'\n');
        Ok(Zeroizing::new(body))
    }

    fn open(&self, name: &str, header: &mut Header, body: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let damaged = || StoreError::Damaged("it is not what was sealed".into());
        let id = header.text("key").ok_or_else(damaged)?;
        let nonce = header
            .text("nonce")
            .and_then(|text| BASE64.decode(text.as_bytes()).ok());
        let nonce: [u8; NONCE_BYTES] = nonce.and_then(|bytes| bytes.try_into().ok()).ok_or_else(damaged)?;
        let sealed = body.strip_suffix(b"\n").and_then(|text| BASE64.decode(text).ok());
        let sealed = sealed.ok_or_else(damaged)?;
        let key = self.key(id, self.person)?.ok_or_else(|| {
            StoreError::Unavailable("the keychain no longer has the key that sealed it; log in again".into())
        })?;
        let aad = bound_to(name, header, id);
        let payload = Payload {
            msg: &sealed,
            aad: &aad,
        };
        let opened = XChaCha20Poly1305::new(&(*key).into()).decrypt(&XNonce::from(nonce), payload);
        opened.map(Zeroizing::new).map_err(|_| damaged())
    }

    fn learn(&self, keys: &[(String, DataKey)]) {
        self.known.borrow_mut().extend_from_slice(keys);
    }

    fn protection(&self) -> &'static str {
        if self.disk.has(gate::FILE) {
            "encrypted; the key is behind the passphrase of this machine"
        } else {
            "encrypted; the key is in the keychain"
        }
    }
}

/// A source that has none and keeps none, with the reason.
#[derive(Debug)]
pub struct NoSource(pub &'static str);

impl KeySource for NoSource {
    fn find(&self, _id: &str, _person: bool) -> Result<Option<DataKey>, StoreError> {
        Err(StoreError::Unavailable(self.0.into()))
    }

    fn keep(&self, _id: &str, _key: &DataKey, _person: bool) -> Result<(), StoreError> {
        Err(StoreError::Unavailable(self.0.into()))
    }

    fn remove(&self, _id: &str, _person: bool) -> Result<(), StoreError> {
        Err(StoreError::Unavailable(self.0.into()))
    }
}

impl Items for NoSource {
    fn ready(&self, _person: bool) -> Result<(), StoreError> {
        Err(StoreError::Unavailable(self.0.into()))
    }

    fn find_item(&self, _: &str, _: &str, person: bool) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        self.ready(person).map(|()| None)
    }

    fn keep_item(&self, _: &str, _: &str, _: &[u8], person: bool) -> Result<(), StoreError> {
        self.ready(person)
    }

    fn remove_item(&self, _: &str, _: &str, person: bool) -> Result<(), StoreError> {
        self.ready(person)
    }

    fn limit(&self) -> Option<usize> {
        None
    }
}
