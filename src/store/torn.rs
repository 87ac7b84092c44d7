//! Records beside one that cannot be read any more.
//!
//! A reader that needs them all stops at it; to forget what is there, nobody has to read it.

use std::time::Duration;

use super::StoreError;
use super::disk::lock_name;
use super::stores::{Look, Slot, Stored, Stores, is_slot};
use crate::record::Group;

/// What becomes of the records of a group that are damaged.
#[derive(Clone, Copy)]
pub enum Torn<'a> {
    /// They stay, and are passed over.
    Leave,
    /// They are removed, and whoever is at work on one is waited for this long.
    Remove(Duration, &'a dyn Fn(Duration)),
}

impl Stores {
    /// The records of a group that can be read.
    ///
    /// One whose secret lies elsewhere stays in any case: its slot is the only trace of that.
    ///
    /// # Errors
    /// As [`Stores::group`] for everything but damage.
    pub fn readable(&self, group: &Group, torn: Torn) -> Result<Vec<Stored>, StoreError> {
        let stop = match self.group(group) {
            Err(error @ StoreError::Damaged(_)) => error,
            read => return read,
        };
        let Some(folder) = self.disk.folder(&group.digest())? else {
            return Err(stop);
        };
        let mut found = Vec::new();
        for slot in folder.names()?.iter().filter(|name| is_slot(name)) {
            match self.read(&folder, slot, Some(group), Look::Whole) {
                Ok(stored) => found.extend(stored),
                Err(StoreError::Damaged(_)) => self.drop_torn(group, slot, torn)?,
                Err(error) => return Err(error),
            }
        }
        if found.iter().any(|stored| stored.store != "sealed") {
            self.unlocked()?;
        }
        Ok(found)
    }

    fn drop_torn(&self, group: &Group, slot: &str, torn: Torn) -> Result<(), StoreError> {
        let Torn::Remove(patience, wait) = torn else {
            return Ok(());
        };
        // Nothing is removed behind a closed gate.
        self.unlocked()?;
        let Some(_lock) = self.disk.lock(&lock_name(group, slot), patience, wait)? else {
            return Ok(());
        };
        let Some(folder) = self.disk.folder(&group.digest())? else {
            return Ok(());
        };
        if let Slot::Full { header, .. } = self.peek(&folder, slot)?
            && self.elsewhere(&header).is_some()
        {
            return Ok(());
        }
        // Somebody may have written it anew meanwhile.
        if let Err(StoreError::Damaged(_)) = self.read(&folder, slot, Some(group), Look::Whole) {
            folder.sweep(slot)?;
            folder.remove(slot)?;
            folder.sync()?;
        }
        Ok(())
    }
}
