//! Who has a place, and the second lock of a record: of the place outside of its slot, which another data directory may share.
//!
//! Two homes with one fixed file, or with one item of the keychain, have one session between them, and its refresh token
//! is good once. The order is fixed: the locks of slots first, then those of places, each in the order of its names; a
//! place that a change only then turns out to need is waited for as long as anybody may hold it, and no longer. It knows
//! no secrets. Security review, section 3c.

use std::rc::Rc;
use std::time::Duration;

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
        if self.hold(lock, shared, true, PATIENCE, &*self.seat.wait)? {
            return Ok(());
        }
        let place = match shared {
            Shared::File(path) => format!("`{}`", path.display()),
            Shared::Item(_) => "the item of the keychain".into(),
        };
        Err(StoreError::Failed(format!("another keyfob is changing {place}")))
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
        let place = match shared {
            Shared::File(path) => fixed::folder_of(path, make)?,
            // Where the session has no directory in memory, the data directory's own lock has to do.
            Shared::Item(name) => self.runtime(true).map(|folder| (folder, name.as_str())),
        };
        let Some((folder, name)) = place else { return Ok(true) };
        let mut held = self.held.borrow_mut();
        held.retain(|beside| beside.strong_count() > 0);
        let found = held.iter().filter_map(std::rc::Weak::upgrade);
        let own = found.into_iter().find(|beside| beside.is_of(&folder, name));
        let beside = match own {
            Some(own) => own,
            None => match Beside::take(&folder, name, patience, wait)? {
                Some(taken) => {
                    let taken = Rc::new(taken);
                    held.push(Rc::downgrade(&taken));
                    taken
                }
                None => return Ok(false),
            },
        };
        lock.places.borrow_mut().push(beside);
        Ok(true)
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

    /// The key of the record in a directory, other than this one, that lies at a place.
    fn at_place(&self, folder: &Folder, store: &dyn Store, wanted: &str, own: &str) -> Result<Option<Key>, StoreError> {
        for name in folder.names()?.iter().filter(|name| is_slot(name) && *name != own) {
            let Slot::Full { header, bytes } = self.peek(folder, name)? else {
                continue;
            };
            let same = header.store == store.name() && store.elsewhere(&header).as_deref() == Some(wanted);
            let body = slot::decode(&bytes).map(|(_, body)| body).unwrap_or_default();
            if let (true, Ok(record)) = (same, Record::decode(body, String::new(), 0)) {
                return Ok(Some(record.key));
            }
        }
        Ok(None)
    }
}
