//! The last places for a record that an issuer has already been told of and that cannot be written.
//!
//! A refresh token that was rotated and is lost ends the session, so after a failed write the record is tried once
//! more where it belongs, then in the user's directory in memory, then in the kernel's keyring for ten minutes. The
//! next run that holds the lock brings it home. Security review, section 3c.

use std::path::PathBuf;
use std::rc::Rc;

use zeroize::Zeroizing;

use super::folder::Folder;
use super::slot::{self, MAX_SLOT};
use super::stores::{Look, Slot, Stored, Stores};
use super::{Lock, StoreError, kernel};
use crate::digest;
use crate::record::{Key, Record};

/// How long the kernel keeps a record: what a person needs to make room on a disk; the token is of no use to anybody
/// who comes much later.
const KEPT_SECS: usize = 600;

/// The kernel takes no longer payload.
const KERNEL_LIMIT: usize = 32 * 1024 - 1;

impl Stores {
    /// Keeps a record that [`Stores::put`] could not write, and says where, in words for a person.
    ///
    /// # Errors
    /// Of the last try where it belongs, when no other place takes it either: the session is lost with this process.
    pub fn rescue(&self, lock: &Lock, record: &Record, store: &str) -> Result<&'static str, StoreError> {
        const HOME: &str = "in its place, at the second try";
        let mut is_elsewhere = false;
        if let Ok(Slot::Full { header, .. }) = self.slot_of(&record.key) {
            if header.family == record.family && header.generation == record.generation {
                // Only the flush of the directory failed.
                return Ok(HOME);
            }
            is_elsewhere = self.store(&header.store)?.elsewhere(&header).is_some();
        }
        let Err(error) = self.put(lock, record, store, None) else {
            return Ok(HOME);
        };
        if matches!(error, StoreError::Changed(_) | StoreError::Newer(_)) {
            return Err(error);
        }
        // What lies elsewhere is written before its slot: if it is there, only the slot could not follow.
        let kept = || self.get_locked(lock, &record.key).ok().flatten();
        if is_elsewhere && kept().is_some_and(|kept| kept.record.refresh == record.refresh) {
            return Ok("in its place");
        }
        let slot = record.key.digest();
        // As it would be at home, and sealed if a gate was set meanwhile; in clear only where no disk ever sees it.
        let is_gated = self.stage()?.is_some();
        let home = if is_gated { "sealed" } else { store };
        if home != "keychain"
            && let Ok((_, bytes)) = self.pack(&slot, record, self.store(home)?, None)
            && (self.runtime(true)).is_some_and(|folder| folder.replace(&self.copy(&slot), &bytes).is_ok())
        {
            return Ok("in the directory of XDG_RUNTIME_DIR, until this session ends");
        }
        // Not even in memory in clear behind a gate, which whoever uses the kernel's keyring would step over.
        let in_clear = if is_gated { "sealed" } else { "file" };
        let (_, bytes) = self.pack(&slot, record, self.store(in_clear)?, None)?;
        if !self.seat.test && kernel::remember(&self.description(&slot), &bytes, KEPT_SECS) {
            return Ok("in the kernel's keyring, for ten minutes");
        }
        Err(error)
    }

    /// Brings a rescued record home: one of the slot's family that is newer than the slot.
    ///
    /// The copy is removed once it is home or can be of no use. A record that still cannot be written is returned all
    /// the same, and its copy stays.
    pub fn rescued(&self, lock: &Lock, key: &Key) -> Option<Stored> {
        let slot = key.digest();
        self.check_lock(lock, key, &slot);
        let folder = self.runtime(false);
        let name = self.copy(&slot);
        let in_runtime = folder
            .as_ref()
            .and_then(|folder| folder.read(&name, MAX_SLOT).ok().flatten());
        let in_kernel = || {
            let look = !self.seat.test && in_runtime.is_none();
            look.then(|| kernel::recall(&self.description(&slot), KERNEL_LIMIT))
                .flatten()
        };
        let bytes: Zeroizing<Vec<u8>> = match in_kernel() {
            Some(bytes) => bytes,
            None => in_runtime?,
        };
        self.unlocked().ok()?;
        let forget = || self.forget_copies(&slot);
        let now = match self.slot_of(key).ok()? {
            Slot::Full { header, .. } => header,
            Slot::Flawed(_) => return None,
            Slot::Empty => {
                // The session was ended meanwhile, and must not come back.
                forget();
                return None;
            }
        };
        let (header, body) = slot::decode(&bytes).ok()?;
        if header.family != now.family || header.generation <= now.generation {
            forget();
            return None;
        }
        let store = self.store(&now.store).ok()?.name();
        let record = self.unpack(&slot, header, body, Look::Whole).ok()?.record;
        if record.key != *key {
            forget();
            return None;
        }
        if self.put(lock, &record, store, None).is_ok() {
            forget();
        }
        Some(Stored { record, store })
    }

    /// Removes the copies of a record that were made by [`Stores::rescue`].
    pub(super) fn forget_copies(&self, slot: &str) {
        let name = self.copy(slot);
        if let Some(folder) = self.runtime(false) {
            let _ = folder.remove(&name);
            let _ = folder.sweep(&name);
        }
        if !self.seat.test {
            kernel::forget(&self.description(slot));
        }
    }

    /// Our directory in the user's one in memory, which must be this user's.
    pub(super) fn runtime(&self, make: bool) -> Option<Rc<Folder>> {
        let base = self.seat.runtime.as_ref()?;
        let path = base.join("keyfob");
        if make {
            Folder::open(base, true).ok()??;
            super::disk::make(&path).ok()?;
        }
        Folder::open(&path, false).ok().flatten().map(Rc::new)
    }

    /// The name of a copy: of this record in this data directory.
    fn copy(&self, slot: &str) -> String {
        let data: &PathBuf = &self.seat.data;
        let home = digest::hex(&[data.as_os_str().as_encoded_bytes()]);
        format!("{}-{slot}", &home[..16])
    }

    fn description(&self, slot: &str) -> String {
        format!("keyfob-rescue:{}", self.copy(slot))
    }
}
