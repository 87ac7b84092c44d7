//! Who has a place, and the second lock of a record: of the place outside of its slot, which another data directory may share.
//!
//! Two homes with one fixed file, or with one item of the keychain, have one session between them, and its refresh token
//! is good once. The locks of slots come first, then those of the places where records lie, then those of places where
//! they are about to lie, each in the order of their names. One who holds a place may need another one all the same, and
//! meet one who needs the two in the other order: so no place is waited for without an end. It knows no secrets. Security
//! review, section 3c.

use std::rc::Rc;
use std::time::Duration;

use super::also::noted;
use super::beside::Beside;
use super::change::header;
use super::folder::Folder;
use super::slot;
use super::stores::{Slot, Stores, is_slot};
use super::{Address, Header, Lock, Shared, Store, StoreError, fixed};
use crate::record::{Key, Record};

/// How long a change waits for a place that it did not know of when it took the lock of its record: longer than a renewal
/// in another home may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of a try to have a place.
enum Taken {
    Held(Rc<Beside>),
    /// There is nothing to lock.
    Nothing,
    /// Somebody else has it.
    Busy,
}

fn busy(shared: &Shared) -> StoreError {
    let place = match shared {
        Shared::File(path) => format!("`{}`", path.display()),
        Shared::Item(_) => "the item of the keychain".into(),
    };
    StoreError::Failed(format!("another keyfob is changing {place}"))
}

impl Stores {
    /// Takes the lock of the place where the record of a key lies now; false when somebody else has it for all of `patience`.
    pub(super) fn hold_known(
        &self,
        lock: &Lock,
        key: &Key,
        patience: Duration,
        wait: &dyn Fn(Duration),
    ) -> Result<bool, StoreError> {
        match self.known(key) {
            Some(shared) => self.hold(lock, &shared, false, patience, wait),
            None => Ok(true),
        }
    }

    /// The place outside of its slot where the record of a key lies now.
    pub(super) fn known(&self, key: &Key) -> Option<Shared> {
        match self.slot_of(key) {
            Ok(Slot::Full { header, .. }) => self.shared(&header),
            _ => None,
        }
    }

    pub(super) fn shared(&self, header: &Header) -> Option<Shared> {
        self.store(&header.store).ok()?.shared(header)
    }

    /// Takes the lock of the place where a record is about to be written, if it is not held yet.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when somebody else has it for too long; else as [`Beside::take`].
    pub(super) fn hold_new(&self, lock: &Lock, shared: &Shared) -> Result<(), StoreError> {
        match self.hold(lock, shared, true, PATIENCE, &*self.seat.wait)? {
            true => Ok(()),
            false => Err(busy(shared)),
        }
    }

    /// Takes the lock of a place for as long as what comes back lives; none where there is nothing to lock.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when somebody else has it for all of `patience`; else as [`Beside::take`].
    pub(super) fn hold_alone(&self, shared: &Shared, patience: Duration) -> Result<Option<Rc<Beside>>, StoreError> {
        match self.take(shared, false, patience, &*self.seat.wait)? {
            Taken::Held(beside) => Ok(Some(beside)),
            Taken::Nothing => Ok(None),
            Taken::Busy => Err(busy(shared)),
        }
    }

    /// `make` makes the directory of a file; without, one that is not there needs no lock.
    pub(super) fn hold(
        &self,
        lock: &Lock,
        shared: &Shared,
        make: bool,
        patience: Duration,
        wait: &dyn Fn(Duration),
    ) -> Result<bool, StoreError> {
        match self.take(shared, make, patience, wait)? {
            Taken::Held(beside) => lock.places.borrow_mut().push(beside),
            Taken::Nothing => (),
            Taken::Busy => return Ok(false),
        }
        Ok(true)
    }

    /// Takes the lock of the place that a slot names, to which another home may be writing. Says whether nobody is.
    pub(super) fn hold_if_idle(&self, lock: &Lock, folder: &Folder, slot: &str) -> bool {
        let place = match self.peek(folder, slot) {
            Ok(Slot::Full { header, .. }) => self.shared(&header),
            _ => None,
        };
        let held = place.map(|place| self.hold(lock, &place, false, Duration::ZERO, &|_| ()));
        matches!(held, None | Some(Ok(true)))
    }

    fn take(
        &self,
        shared: &Shared,
        make: bool,
        patience: Duration,
        wait: &dyn Fn(Duration),
    ) -> Result<Taken, StoreError> {
        let place = match shared {
            Shared::File(path) => fixed::folder_of(path, make)?,
            // Where the session has no directory in memory, the data directory's own lock has to do.
            Shared::Item(name) => self.runtime(true).map(|folder| (folder, name.as_str())),
        };
        let Some((folder, name)) = place else {
            return Ok(Taken::Nothing);
        };
        let mut held = self.held.borrow_mut();
        held.retain(|beside| beside.strong_count() > 0);
        let found = held.iter().filter_map(std::rc::Weak::upgrade);
        let own = found.into_iter().find(|beside| beside.is_of(&folder, name));
        if let Some(own) = own {
            return Ok(Taken::Held(own));
        }
        Ok(match Beside::take(&folder, name, patience, wait)? {
            Some(taken) => {
                let taken = Rc::new(taken);
                held.push(Rc::downgrade(&taken));
                Taken::Held(taken)
            }
            None => Taken::Busy,
        })
    }

    /// The record that lies where one of this key would; none where there is none, or it cannot be told.
    ///
    /// # Errors
    /// When the store is not known here.
    pub fn at(&self, key: &Key, store: &str, place: &Address) -> Result<Option<Record>, StoreError> {
        let store = self.store(store)?;
        let nothing = Record::new(key.clone(), String::new(), "");
        let mut header = header(&nothing, store, None, Some(place));
        if store.elsewhere(&header).is_none() {
            return Ok(None);
        }
        let Ok(found) = store.open(&key.digest(), &mut header, &nothing.outline().encode()) else {
            return Ok(None);
        };
        let found = Record::decode(&found, header.family, header.generation).ok();
        Ok(found.filter(|found| found.key == *key && (found.secret.is_some() || found.refresh.is_some())))
    }

    /// The key of another record that lies, or would lie, at the same place outside of its slot.
    ///
    /// Only where somebody else's text is there already are the records of other groups looked through.
    ///
    /// # Errors
    /// When the directory cannot be read; [`StoreError::Denied`] when what is there is of no record.
    pub fn sharer(&self, key: &Key, store: &str, place: &Address) -> Result<Option<Key>, StoreError> {
        let store = self.store(store)?;
        let old = match self.slot_of(key) {
            Ok(Slot::Full { header, .. }) => Some(header),
            _ => None,
        };
        let header = header(
            &Record::new(key.clone(), String::new(), ""),
            store,
            old.as_ref(),
            Some(place),
        );
        let Some(wanted) = store.elsewhere(&header) else {
            return Ok(None);
        };
        let own = key.digest();
        if let Some(folder) = self.disk.folder(&key.group.digest())?
            && let Some(found) = self.at_place(&folder, store, &wanted, &own)?
        {
            return Ok(Some(found));
        }
        let Err(foreign @ StoreError::Denied(_)) = store.prove_own(&own, &header) else {
            return Ok(None);
        };
        for folder in self.disk.folders()? {
            if let Some(found) = self.at_place(&folder, store, &wanted, &own)? {
                return Ok(Some(found));
            }
        }
        Err(foreign)
    }

    /// The key of the record in a directory, other than this one, that lies at a place, or was on its way to it or from it.
    fn at_place(&self, folder: &Folder, store: &dyn Store, wanted: &str, own: &str) -> Result<Option<Key>, StoreError> {
        for name in folder.names()?.iter().filter(|name| is_slot(name) && *name != own) {
            let Slot::Full { header, bytes } = self.peek(folder, name)? else {
                continue;
            };
            let is_there =
                |header: &Header| header.store == store.name() && store.elsewhere(header).as_deref() == Some(wanted);
            let same = is_there(&header) || noted(&header).iter().any(is_there);
            let body = slot::decode(&bytes).map(|(_, body)| body).unwrap_or_default();
            if let (true, Ok(record)) = (same, Record::decode(body, String::new(), 0)) {
                return Ok(Some(record.key));
            }
        }
        Ok(None)
    }
}
