//! Several records changed at once: all of them or none, as far as files allow.
//!
//! Everything that can fail is done first: each record is written whole beside its slot and flushed. Then each gets its
//! name, which needs no space; what fails all the same is put back, also what lies outside of slots. A process that is
//! killed before that leaves the slots as they were, and what it wrote is removed by the next one; killed in the middle,
//! some slots are old and some new, each of them whole. It knows slots, not what is in them. Security review, section 4a.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::address::Address;
use super::also::ALSO;
use super::change::{announce, header, seal};
use super::disk::lock_name;
use super::folder::Folder;
use super::slot::{Flaw, Header};
use super::stores::{Slot, Stores};
use super::{Copies, Lock, Shared, StoreError};
use crate::record::{Key, Record};

/// The locks of several records.
#[derive(Debug)]
pub struct Locks(Vec<Lock>);

impl Locks {
    /// The lock of one of the records.
    ///
    /// # Panics
    /// When it is not one of those for which the locks were taken.
    pub fn of(&self, key: &Key) -> &Lock {
        let name = lock_name(&key.group, &key.digest());
        let lock = self.0.iter().find(|lock| lock.is(&name));
        lock.expect("the lock of every record was taken")
    }
}

/// Where the gate wants what is meant for a store, and the right to write it there, which is held to the end.
type Places = BTreeMap<String, (&'static str, Option<Lock>)>;

/// A record that is written and not yet under its name.
struct Ready<'a> {
    key: &'a Key,
    slot: String,
    temporary: String,
    header: Header,
    /// All of the slot of the record whose place it takes.
    former: Option<Zeroizing<Vec<u8>>>,
    /// What was where the record lies outside of its slot, this home's or another one's.
    copies: Copies,
    /// The former slot with a note of what is coming, if it was given one.
    noted: Option<Zeroizing<Vec<u8>>>,
    /// Whether the slot only says where it is about to lie.
    announced: bool,
}

impl Stores {
    /// Takes the locks of all these records; none when somebody else holds one of them for all of `patience`.
    ///
    /// They are taken in an order that all callers keep, so that two of them never wait for each other.
    ///
    /// # Errors
    /// As [`Stores::lock`].
    pub fn lock_all<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a Key>,
        patience: Duration,
        wait: &dyn Fn(Duration),
    ) -> Result<Option<Locks>, StoreError> {
        let mut named: Vec<(String, String, &Key)> = keys
            .into_iter()
            .map(|key| {
                let slot = key.digest();
                (lock_name(&key.group, &slot), slot, key)
            })
            .collect();
        named.sort();
        let mut locks: Vec<Lock> = Vec::new();
        for (name, ..) in &named {
            if locks.last().is_none_or(|lock| !lock.is(name)) {
                match self.disk.lock(name, patience, wait)? {
                    Some(lock) => locks.push(lock),
                    None => return Ok(None),
                }
            }
        }
        let locks = Locks(locks);
        let mut places: Vec<(Shared, &Key)> = Vec::new();
        places.extend(named.iter().filter_map(|(.., key)| Some((self.known(key)?, *key))));
        places.sort_by(|one, other| one.0.cmp(&other.0));
        for (place, key) in &places {
            if !self.hold(locks.of(key), place, false, patience, wait)? {
                return Ok(None);
            }
        }
        for (_, slot, key) in &named {
            self.put_right(locks.of(key), key, slot)?;
        }
        Ok(Some(locks))
    }

    /// Writes each record into the slot of its key, through the store that is named with it, and to the place that is.
    ///
    /// Where an earlier one of a key lay elsewhere, that is removed at the end; the reasons come back where it could not be.
    ///
    /// # Errors
    /// As [`Stores::put`]. Nothing is changed then, also where records lie outside of their slots; where that could not be
    /// put back either, the error says so.
    pub fn put_all(
        &self,
        locks: &Locks,
        records: &[(Record, &str, Option<Address>)],
    ) -> Result<Vec<StoreError>, StoreError> {
        self.hold_all_new(locks, records)?;
        let mut ready: Vec<Ready> = Vec::with_capacity(records.len());
        let mut places = Places::new();
        for (record, store, address) in records {
            match self.write_beside(locks, &mut places, record, store, address.as_ref()) {
                Ok(row) => ready.push(row),
                Err(error) => {
                    self.disk.prune(&record.key.group.digest());
                    return Err(self.undo(&ready, 0, error));
                }
            }
        }
        for (at, row) in ready.iter().enumerate() {
            if let Err(error) = self.give_name(row) {
                // Its name may have been given, and only the flush have failed.
                return Err(self.undo(&ready, at + 1, error));
            }
        }
        Ok(ready.iter().filter_map(|row| self.leave_former(row).err()).collect())
    }

    /// Holds the places of these records that are not held yet, in the order that all callers keep. First of all, because
    /// one may be waited for, and meanwhile nobody is to be kept from setting a gate.
    fn hold_all_new(&self, locks: &Locks, records: &[(Record, &str, Option<Address>)]) -> Result<(), StoreError> {
        let mut places: Vec<(Shared, &Key)> = Vec::new();
        for (record, store, address) in records {
            let old = match self.slot_of(&record.key)? {
                Slot::Full { header, .. } => Some(header),
                Slot::Empty | Slot::Flawed(_) => None,
            };
            let store = self.store(store)?;
            let shared = store.shared(&header(record, store, old.as_ref(), address.as_ref()));
            places.extend(shared.map(|shared| (shared, &record.key)));
        }
        places.sort_by(|one, other| one.0.cmp(&other.0));
        places
            .iter()
            .try_for_each(|(place, key)| self.hold_new(locks.of(key), place))
    }

    /// Takes back what was written, of which the first so many may have their names; the error to tell.
    fn undo(&self, ready: &[Ready], named: usize, error: StoreError) -> StoreError {
        let mut left = 0;
        for (at, row) in ready.iter().enumerate().rev() {
            left += usize::from(self.take_back(row, at < named).is_err());
        }
        match left {
            0 => error,
            _ => StoreError::Failed(format!(
                "{left} of {} records could not be put back: {error}",
                ready.len()
            )),
        }
    }

    fn write_beside<'a>(
        &self,
        locks: &Locks,
        places: &mut Places,
        record: &'a Record,
        store: &str,
        address: Option<&Address>,
    ) -> Result<Ready<'a>, StoreError> {
        let slot = record.key.digest();
        self.check_lock(locks.of(&record.key), &record.key, &slot);
        let group = record.key.group.digest();
        let (folder, temporary) = self.disk.make_folder(&group, |folder| folder.temporary(&slot))?;
        let now = self.peek(&folder, &slot)?;
        let old = match &now {
            Slot::Flawed(flaw @ Flaw::Newer) => return Err(flaw.at(&folder.place(&slot))),
            Slot::Full { header, .. } => Some(header),
            Slot::Empty | Slot::Flawed(Flaw::Damaged(_)) => None,
        };
        // As for one record: what is there already stays where it is, the rest goes where the gate wants it.
        let stays = old.is_some_and(|old| old.store == store) && (store == "sealed" || self.stage()?.is_none());
        let wanted = store;
        let store = match places.get(store) {
            _ if stays => store,
            Some((place, _)) => place,
            None => places.entry(store.to_owned()).or_insert(self.place_of_new(store)?).0,
        };
        let is_other = store != wanted;
        let store = self.store(store)?;
        let mut header = header(record, store, old, address);
        let is_new = store.forewarn(&mut header, record);
        if let Some(shared) = store.shared(&header).filter(|_| is_other) {
            self.hold_new(locks.of(&record.key), &shared)?;
        }
        // What is somebody else's is not touched, so that there is nothing to put back either.
        store.prove_own(&slot, &header)?;
        let copies = store.copy(&header)?;
        let mut noted = None;
        if let Slot::Full { header: old, bytes } = &now
            && self.note_places(&folder, &slot, (old, bytes), (&mut header, is_new))?
            && let Slot::Full { bytes, .. } = self.peek(&folder, &slot)?
        {
            noted = Some(bytes);
        }
        let announced = store.elsewhere(&header).is_some() && matches!(now, Slot::Empty);
        if announced {
            announce(&folder, &slot, &header, record)?;
        }
        let mut row = Ready {
            key: &record.key,
            temporary: String::new(),
            former: match &now {
                Slot::Full { bytes, .. } => Some(bytes.clone()),
                Slot::Empty | Slot::Flawed(_) => None,
            },
            copies,
            noted,
            slot,
            header: header.clone(),
            announced,
        };
        let written = seal(&row.slot, record, store, header).and_then(|(header, bytes)| {
            row.header = header;
            temporary.keep(&bytes)
        });
        match written {
            Ok(temporary) => Ok(Ready { temporary, ..row }),
            Err(error) => {
                let _ = self.take_back(&row, false);
                Err(error)
            }
        }
    }

    fn give_name(&self, row: &Ready) -> Result<(), StoreError> {
        let folder = self.disk.folder(&row.key.group.digest())?;
        let folder = Rc::new(folder.ok_or_else(|| StoreError::Failed("a directory of records was removed".into()))?);
        if let Slot::Flawed(Flaw::Damaged(_)) = self.peek(&folder, &row.slot)? {
            self.set_aside(&folder, &row.slot)?;
        }
        folder.rename(&row.temporary, &row.slot)?;
        folder.sync()?;
        Ok(())
    }

    /// Removes what lay elsewhere, now that no slot names it any more.
    fn leave_former(&self, row: &Ready) -> Result<(), StoreError> {
        if !row.header.extra.contains_key(ALSO) {
            return Ok(());
        }
        match self.disk.folder(&row.key.group.digest())? {
            Some(folder) => self.empty_other_places(&Rc::new(folder), &row.slot),
            None => Ok(()),
        }
    }

    /// What cannot be taken back now is by the next one who holds the lock.
    fn take_back(&self, row: &Ready, is_named: bool) -> Result<(), StoreError> {
        let group = row.key.group.digest();
        let mut done = Ok(());
        if let Ok(Some(folder)) = self.disk.folder(&group) {
            let folder = Rc::new(folder);
            if !row.temporary.is_empty() {
                let _ = folder.remove(&row.temporary);
            }
            done = match &row.former {
                Some(former) => {
                    let back = self.store(&row.header.store);
                    let back = back.and_then(|store| store.put_back(&row.header, &row.copies));
                    let slot = match (&back, &row.noted) {
                        // The note is the only trace of what is still there.
                        (Err(_), Some(noted)) => noted,
                        _ => former,
                    };
                    let is_changed = is_named || (back.is_ok() && row.noted.is_some());
                    let replaced = match is_changed {
                        true => folder.replace(&row.slot, slot),
                        false => Ok(()),
                    };
                    back.and(replaced)
                }
                None => self.take_back_new(row, &folder, is_named),
            };
        }
        self.disk.prune(&group);
        done
    }

    /// The same of a record where there was none.
    fn take_back_new(&self, row: &Ready, folder: &Folder, is_named: bool) -> Result<(), StoreError> {
        let is_free = row.announced || is_named || matches!(self.slot_of(row.key), Ok(Slot::Empty));
        let store = self.store(&row.header.store)?;
        if is_free || store.elsewhere(&row.header).is_some() {
            let taken = match row.copies.iter().any(Option::is_some) {
                // Another home has its session there.
                true => store.put_back(&row.header, &row.copies),
                false => store.discard(&row.slot, &row.header),
            };
            match taken {
                // What is somebody else's was not written over either.
                Ok(()) | Err(StoreError::Denied(_)) => (),
                Err(error) => return Err(error),
            }
        }
        if row.announced || is_named {
            folder.remove(&row.slot)?;
        }
        Ok(())
    }
}
