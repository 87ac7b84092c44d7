//! All stores of a run behind one door: reading records, and choosing the store of a new one.
//!
//! Changes are in `change.rs`, what happens to a record that cannot be written in `rescue.rs`. It knows slots and the
//! table, and no store in particular. On the road of a stored credential it opens the group's directory and reads the
//! records in it; where one is not sealed it looks whether there is a gate. Design, section 8; security review, sections 3d and 4a.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::time::Duration;

use zeroize::Zeroizing;

use super::beside::Beside;
use super::disk::{Disk, Lock, lock_name};
use super::fixed;
use super::folder::{Folder, is_temporary_of, temporary_of};
use super::gate::Stage;
use super::slot::{self, Flaw, Header, MAX_SLOT};
use super::{Items, KeySource, NoSource, Seat, Store, StoreError, TABLE};
use crate::error::Result as Outcome;
use crate::record::{Dead, Group, Key, Record};
use crate::world::World;

/// A record, and the store that it is in.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The record.
    pub record: Record,
    /// The store's name in the table.
    pub store: &'static str,
}

/// The store for a new record.
#[derive(Debug)]
pub struct Chosen {
    /// The store's name in the table.
    pub store: &'static str,
    /// Why it is a plain file, if nobody asked for that.
    pub fallback_reason: Option<StoreError>,
}

/// All stores; see the module.
pub struct Stores {
    pub(super) disk: Disk,
    pub(super) seat: Seat,
    /// The locks of places that this process has.
    pub(super) held: RefCell<Vec<Weak<Beside>>>,
    table: Vec<Box<dyn Store>>,
}

/// How much of a record is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// [`Store::glance`].
    Glance,
    /// [`Store::open`].
    Whole,
}

/// What a slot holds, before a store has opened it.
pub(super) enum Slot {
    Empty,
    Full { header: Header, bytes: Zeroizing<Vec<u8>> },
    Flawed(Flaw),
}

impl Stores {
    /// The stores of this user. Nothing on disk is touched.
    ///
    /// `KEYFOB_KEYCHAIN=off` makes the keychain unavailable at once.
    ///
    /// # Errors
    /// [`crate::error::Class::Store`] when there is no home directory, [`crate::error::Class::Usage`] when a variable
    /// is malformed.
    pub fn open(world: &World) -> Outcome<Stores> {
        let runtime = world.var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let (source, items) = keychain(world.var_os("KEYFOB_KEYCHAIN").is_some_and(|value| value == "off"));
        Ok(Stores::with(Seat {
            data: world.dirs()?.data,
            runtime: runtime.filter(|path| path.is_absolute()),
            source,
            items,
            wait: world.waiter(),
            now: world.clock(),
            person: false,
            test: false,
            handed: world
                .var_os("KEYFOB_UNLOCKED")
                .and_then(|value| value.to_str()?.parse().ok()),
            fail_at: None,
        }))
    }

    /// The stores of this seat; a test makes its own.
    pub fn with(seat: Seat) -> Stores {
        Stores {
            disk: Disk::new(seat.data.clone()),
            table: TABLE.iter().map(|row| (row.build)(&seat)).collect(),
            seat,
            held: RefCell::default(),
        }
    }

    /// The same stores with somebody who may be asked to unlock the keychain, for reading too.
    #[must_use]
    pub fn with_person(self) -> Stores {
        Stores::with(Seat {
            person: true,
            ..self.seat
        })
    }

    /// The record of a key; none if there is none.
    ///
    /// # Errors
    /// Any [`StoreError`], which names the file.
    pub fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let found = self.look(&key.group, Some(&key.digest()))?;
        Ok(found.into_iter().next().filter(|stored| stored.record.key == *key))
    }

    /// The same for the holder of the lock: nothing is left to put right, and a reserve of its own is no leftover.
    ///
    /// # Errors
    /// As [`Stores::get`].
    pub fn get_locked(&self, lock: &Lock, key: &Key) -> Result<Option<Stored>, StoreError> {
        let slot = key.digest();
        self.check_lock(lock, key, &slot);
        let Some(folder) = self.disk.folder(&key.group.digest())? else {
            return Ok(None);
        };
        let stored = self.read(&folder, &slot, Some(&key.group), Look::Whole)?;
        if stored.as_ref().is_some_and(|stored| stored.store != "sealed") {
            self.unlocked()?;
        }
        Ok(stored.filter(|stored| stored.record.key == *key))
    }

    /// All records of a group, in an order that stays.
    ///
    /// # Errors
    /// Of the first record that cannot be read: without it nobody can say which one was meant.
    pub fn group(&self, group: &Group) -> Result<Vec<Stored>, StoreError> {
        self.look(group, None)
    }

    /// All records, those that cannot be read as errors.
    ///
    /// No keychain is asked: a secret that lies in an item of one stands as an empty text.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn list(&self) -> Result<Vec<Result<Stored, StoreError>>, StoreError> {
        let mut all = Vec::new();
        for folder in self.disk.folders()? {
            for name in folder.names()?.iter().filter(|name| is_slot(name)) {
                all.extend(self.read(&folder, name, None, Look::Glance).transpose());
            }
        }
        let in_clear = |stored: &Result<Stored, _>| stored.as_ref().is_ok_and(|stored| stored.store != "sealed");
        if all.iter().any(in_clear)
            && let Err(error) = self.unlocked()
        {
            for row in all.iter_mut().filter(|row| in_clear(row)) {
                *row = Err(error.clone());
            }
        }
        Ok(all)
    }

    /// Takes the lock under which a record is changed; none when somebody else holds it for all of `patience`.
    ///
    /// A patience of zero is one try. What an earlier holder left behind when it was killed is put right first.
    ///
    /// # Errors
    /// When the lock's file cannot be made; nothing may be changed then.
    pub fn lock(&self, key: &Key, patience: Duration, wait: &dyn Fn(Duration)) -> Result<Option<Lock>, StoreError> {
        let slot = key.digest();
        let left = Cell::new(patience);
        let wait = |nap: Duration| {
            left.set(left.get().saturating_sub(nap));
            wait(nap);
        };
        let lock = self.disk.lock(&lock_name(&key.group, &slot), patience, &wait)?;
        let Some(lock) = lock else { return Ok(None) };
        if !self.hold_known(&lock, key, left.get(), &wait)? {
            return Ok(None);
        }
        self.put_right(&lock, key, &slot)?;
        Ok(Some(lock))
    }

    /// Puts right what an earlier holder of the lock left of a slot when it was killed.
    pub(super) fn put_right(&self, lock: &Lock, key: &Key, slot: &str) -> Result<(), StoreError> {
        match self.disk.folder(&key.group.digest())? {
            Some(folder) => self.recover(lock, &folder, &folder.names()?, slot),
            None => Ok(()),
        }
    }

    /// Takes the lock under which a person logs in to a provider and mode; none when another login holds it for all of
    /// `patience`. No record is changed under it.
    ///
    /// # Errors
    /// When the lock's file cannot be made; a session could not be kept then.
    pub fn login_lock(
        &self,
        group: &Group,
        patience: Duration,
        wait: &dyn Fn(Duration),
    ) -> Result<Option<Lock>, StoreError> {
        self.disk
            .lock(&format!("login-{}.lock", group.digest()), patience, wait)
    }

    /// Chooses the store for a new record: the one that is wanted by name, else the sealed one, else plain files. With a
    /// gate it is the sealed one.
    ///
    /// Plain files take the place of the store `keychain` too where there is no keychain.
    ///
    /// # Errors
    /// [`StoreError::Gated`] when the gate is closed. When the wanted one does not exist or cannot be used now; nothing
    /// else takes its place then. A keychain that is locked, or denies access, is there.
    pub fn choose(&self, wanted: Option<&str>, person: bool) -> Result<Chosen, StoreError> {
        if let Some(stage) = self.stage()? {
            self.store("sealed")?.ready(person)?;
            let store = if stage == Stage::Opening { "file" } else { "sealed" };
            return Ok(Chosen {
                store,
                fallback_reason: None,
            });
        }
        if let Some(name) = wanted {
            let store = self.store(name)?;
            let (store, fallback_reason) = match store.ready(person) {
                Ok(()) => (store.name(), None),
                Err(reason @ StoreError::Unavailable(_)) if store.name() == "keychain" => ("file", Some(reason)),
                Err(error) => return Err(error),
            };
            return Ok(Chosen { store, fallback_reason });
        }
        let fallback_reason = self.store("sealed")?.ready(person).err();
        let store = if fallback_reason.is_none() { "sealed" } else { "file" };
        Ok(Chosen { store, fallback_reason })
    }

    /// The path of the slot of a key.
    pub fn place(&self, key: &Key) -> PathBuf {
        self.disk.path(&key.group.digest()).join(key.digest())
    }

    /// The key of the record in a file at a fixed path; none where there is no such file.
    ///
    /// # Errors
    /// [`StoreError::Denied`] when it is not keyfob's, or not this user's alone.
    pub fn holder(&self, path: &std::path::Path) -> Result<Option<Key>, StoreError> {
        fixed::holder(path)
    }

    /// In words for a person, where the record of a key is: its slot, or where its slot points to.
    pub fn whereabouts(&self, key: &Key) -> String {
        let elsewhere = match self.slot_of(key) {
            Ok(Slot::Full { header, .. }) => self.elsewhere(&header),
            _ => None,
        };
        elsewhere.unwrap_or_else(|| self.place(key).display().to_string())
    }

    /// In words for a person, what protects a record in this store.
    pub fn protection(&self, store: &str) -> &'static str {
        self.store(store).map_or("unknown to this keyfob", Store::protection)
    }

    pub(super) fn elsewhere(&self, header: &Header) -> Option<String> {
        self.store(&header.store).ok()?.elsewhere(header)
    }

    pub(super) fn store(&self, name: &str) -> Result<&dyn Store, StoreError> {
        let store = self.table.iter().find(|store| store.name() == name);
        let store = store.ok_or_else(|| StoreError::Unavailable(format!("this keyfob has no store `{name}`")));
        store.map(|store| &**store)
    }

    fn look(&self, group: &Group, only: Option<&str>) -> Result<Vec<Stored>, StoreError> {
        let Some(folder) = self.disk.folder(&group.digest())? else {
            return Ok(Vec::new());
        };
        let names = folder.names()?;
        let wanted = |slot: &str| is_slot(slot) && only.is_none_or(|only| only == slot);
        let slots: Vec<&String> = names.iter().filter(|name| wanted(name)).collect();
        // One that was cut off before it was first there must not stay either: it holds a secret.
        let mut unfinished: Vec<&str> = names.iter().filter_map(|name| temporary_of(name)).collect();
        unfinished.dedup();
        for slot in unfinished.into_iter().filter(|slot| wanted(slot)) {
            self.recover_if_idle(group, &folder, &names, slot);
        }
        let found = slots
            .iter()
            .map(|slot| self.read(&folder, slot, Some(group), Look::Whole));
        let found: Vec<Stored> = found.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        // A sealed one needs no such question: a gate keeps its key back. Asked afterwards, a gate that came meanwhile holds.
        if found.iter().any(|stored| stored.store != "sealed") {
            self.unlocked()?;
        }
        Ok(found)
    }

    /// Somebody may be at work on the slot right now, and reading must not fail where nothing can be locked.
    #[inline(never)]
    fn recover_if_idle(&self, group: &Group, folder: &Folder, names: &[String], slot: &str) {
        if let Ok(Some(lock)) = self.disk.lock(&lock_name(group, slot), Duration::ZERO, &|_| ())
            && self.hold_if_idle(&lock, folder, slot)
        {
            let _ = self.recover(&lock, folder, names, slot);
        }
    }

    /// Finishes or removes the temporary files of a slot, all of which are orphans while we hold its lock.
    ///
    /// One that is whole and the next generation was cut off between its flush and its rename: it is the record that an
    /// issuer has been told of, so it becomes the slot. Where the slot is unreadable nothing can be compared.
    pub(super) fn recover(
        &self,
        _lock: &Lock,
        folder: &Folder,
        names: &[String],
        slot: &str,
    ) -> Result<(), StoreError> {
        for name in names.iter().filter(|name| is_temporary_of(name, slot)) {
            let now = match self.peek(folder, slot)? {
                Slot::Flawed(_) => return Ok(()),
                Slot::Empty => None,
                Slot::Full { header, .. } => Some(header),
            };
            if let Some(now) = &now
                && let Ok(store) = self.store(&now.store)
            {
                store.sweep(now)?;
            }
            let successor = match (self.peek(folder, name), now) {
                (Ok(Slot::Full { header, .. }), Some(now)) => {
                    header.family == now.family && now.generation.checked_add(1) == Some(header.generation)
                }
                (Ok(Slot::Flawed(Flaw::Newer)), _) => continue,
                _ => false,
            };
            if successor {
                folder.rename(name, slot)?;
            } else {
                folder.remove(name)?;
            }
            folder.sync()?;
        }
        Ok(())
    }

    pub(super) fn peek(&self, folder: &Folder, name: &str) -> Result<Slot, StoreError> {
        let bytes = match folder.read(name, MAX_SLOT) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(Slot::Empty),
            Err(StoreError::Damaged(_)) => return Ok(Slot::Flawed(Flaw::Damaged("it is too long"))),
            Err(error) => return Err(error),
        };
        match slot::decode(&bytes).map(|(header, _)| header) {
            Ok(header) => Ok(Slot::Full { header, bytes }),
            Err(flaw) => Ok(Slot::Flawed(flaw)),
        }
    }

    /// Reads and opens one slot, and checks that it is where it belongs.
    pub(super) fn read(
        &self,
        folder: &Folder,
        name: &str,
        group: Option<&Group>,
        look: Look,
    ) -> Result<Option<Stored>, StoreError> {
        let Some(bytes) = folder.read(name, MAX_SLOT)? else {
            return Ok(None);
        };
        let place = folder.place(name);
        let (header, body) = slot::decode(&bytes).map_err(|flaw| flaw.at(&place))?;
        // What lies elsewhere is named by its own place.
        let named = |error: StoreError| match slot::decode(&bytes) {
            Ok((header, _)) if self.elsewhere(&header).is_some() => error,
            _ => error.at(&place),
        };
        let stored = self.unpack(name, header, body, look).map_err(named)?;
        let Key { group: found, .. } = &stored.record.key;
        let in_place = group.map_or_else(
            || self.disk.path(&found.digest()).join(name) == place,
            |group| group == found,
        );
        if stored.record.key.digest() != name || !in_place {
            return Err(Flaw::Damaged("it is the record of another name").at(&place));
        }
        Ok(Some(stored))
    }

    /// A record, as much of it as is looked at. One whose secrets were removed by somebody else is a session that has ended.
    pub(super) fn unpack(&self, name: &str, mut header: Header, body: &[u8], look: Look) -> Result<Stored, StoreError> {
        let store = self.store(&header.store)?;
        let outside = store.elsewhere(&header).is_some().then(|| header.clone());
        let read = match look {
            Look::Glance => store.glance(name, &mut header, body),
            Look::Whole => store.open(name, &mut header, body),
        };
        let (encoded, removed) = match (read, outside) {
            // Another account was given the place of this one.
            (Ok(encoded), Some(own)) if is_of_another(&header, &encoded, name) => {
                header = own;
                (Zeroizing::new(body.to_vec()), true)
            }
            (Ok(encoded), _) => (encoded, false),
            (Err(StoreError::Absent(_)), _) => (Zeroizing::new(body.to_vec()), true),
            (Err(error), _) => return Err(error),
        };
        let Header {
            family,
            generation,
            store: _,
            extra: _,
        } = header;
        let mut record = Record::decode(&encoded, family, generation).map_err(StoreError::Damaged)?;
        if removed {
            (record.secret, record.refresh) = (None, None);
            record.dead = record.dead.or(Some(Dead {
                reason: Dead::REMOVED.into(),
                at: (self.seat.now)(),
                refresh_mark: None,
            }));
        }
        Ok(Stored {
            record,
            store: store.name(),
        })
    }
}

/// Whether it is a record, and one of another slot.
fn is_of_another(header: &Header, encoded: &[u8], slot: &str) -> bool {
    let record = Record::decode(encoded, header.family.clone(), header.generation);
    record.is_ok_and(|record| record.key.digest() != slot)
}

/// What the OS keychain is to the sealed store, and to its own: one keychain, so that a silent one is waited for once.
fn keychain(off: bool) -> (Rc<dyn KeySource>, Rc<dyn Items>) {
    if off {
        let none = || Rc::new(NoSource("the keychain is switched off by `KEYFOB_KEYCHAIN`"));
        return (none(), none());
    }
    #[cfg(feature = "keychain")]
    {
        let keychain = Rc::new(super::keychain::Keychain::default());
        (Rc::clone(&keychain) as Rc<dyn KeySource>, keychain)
    }
    #[cfg(not(feature = "keychain"))]
    {
        let none = || Rc::new(NoSource("this keyfob was built without the keychain"));
        (none(), none())
    }
}

/// Whether a name is one of a slot: the digest of a key.
pub(super) fn is_slot(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

impl Flaw {
    pub(super) fn at(&self, place: &std::path::Path) -> StoreError {
        let place = place.display();
        match self {
            Flaw::Damaged(how) => StoreError::Damaged(format!("`{place}` is damaged: {how}")),
            Flaw::Newer => StoreError::Newer(format!("`{place}` was written by a newer keyfob")),
        }
    }
}
