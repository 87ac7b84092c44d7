//! The other places where something of a record may lie: one that it is leaving, one that it is on its way to.
//!
//! They are noted in the slot's header before a record is moved, and until that place is empty, so that whoever is killed in
//! between, or finds a keychain away, leaves a trace of the secret there: the next change of the record, its removal, and
//! setting the gate empty the place. It knows headers and the stores that they name. Security review, section 4a.

use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use super::folder::Folder;
use super::slot::{self, Header};
use super::stores::{Slot, Stores};
use super::{Store, StoreError, address, items};

/// In every store: a list of places, each with the `store` and its members.
pub(super) const ALSO: &str = "also";

const STORE: &str = "store";

/// How long another home is waited for that is changing a place which is to be emptied: a renewal there takes no longer, and
/// what stays noted is emptied by the next change.
const PATIENCE: Duration = Duration::from_secs(5);

/// Adds the place of one header to those that another one notes.
fn note(header: &mut Header, place: &Header) {
    let mut entry = place.extra.clone();
    entry.retain(|member, _| member != ALSO && member != address::KEEPS);
    entry.insert(STORE.into(), place.store.clone().into());
    let entry = Value::Object(entry);
    let noted = header.extra.entry(ALSO).or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(noted) = noted
        && !noted.contains(&entry)
    {
        noted.push(entry);
    }
}

/// The places that a header notes, as the headers that they had.
pub(super) fn noted(header: &Header) -> Vec<Header> {
    let entries = header.extra.get(ALSO).and_then(Value::as_array).into_iter().flatten();
    let entries = entries.filter_map(|entry| {
        let mut extra = entry.as_object()?.clone();
        let store = extra.remove(STORE)?.as_str()?.to_owned();
        let Header { family, generation, .. } = header.clone();
        Some(Header {
            store,
            family,
            generation,
            extra,
        })
    });
    entries.collect()
}

impl Stores {
    /// Notes in the header of a record's next slot where the record lies now, if that is elsewhere.
    pub(super) fn note_former(&self, header: &mut Header, old: &Header) {
        let former = self.elsewhere(old);
        if former.is_some() && former != self.elsewhere(header) {
            note(header, old);
        }
    }

    /// Notes in the present slot of a record, which stays as it is, the place that the record is about to be written to. The
    /// caller holds the lock.
    ///
    /// # Errors
    /// What the system refused; nothing may be written there then.
    pub(super) fn note_next(
        &self,
        folder: &Rc<Folder>,
        slot: &str,
        (old, bytes): (&Header, &[u8]),
        next: &Header,
    ) -> Result<(), StoreError> {
        let place = self.elsewhere(next);
        if place.is_none() || place == self.elsewhere(old) {
            return Ok(());
        }
        let mut noting = old.clone();
        // What is known of the item where the record lies now says nothing of the next one.
        let mut next = next.clone();
        items::forget_found(&mut next.extra);
        note(&mut noting, &next);
        rewrite(folder, slot, &noting, bytes)
    }

    /// Forgets what [`Stores::note_next`] has noted, where nothing of the record was written. The caller holds the lock.
    ///
    /// # Errors
    /// What the system refused; the place stays noted then.
    pub(super) fn forget_next(&self, folder: &Rc<Folder>, slot: &str, old: &Header) -> Result<(), StoreError> {
        let Slot::Full { header, bytes } = self.peek(folder, slot)? else {
            return Ok(());
        };
        let mut before = header.clone();
        match old.extra.get(ALSO) {
            Some(noted) => before.extra.insert(ALSO.into(), noted.clone()),
            None => before.extra.remove(ALSO),
        };
        match before == header {
            true => Ok(()),
            false => rewrite(folder, slot, &before, &bytes),
        }
    }

    /// Empties the places that the header of a slot notes which is about to go itself. Nothing is written for it, so that it
    /// needs no room on the disk.
    ///
    /// # Errors
    /// Of the first that could not be emptied: the slot must stay then.
    pub(super) fn discard_places(&self, slot: &str, header: &Header) -> Result<(), StoreError> {
        self.discard_noted(slot, header).1.map_or(Ok(()), Err)
    }

    /// Empties the places that a slot notes, and forgets those that are empty. The caller holds the lock.
    ///
    /// # Errors
    /// Of the first that could not be emptied, which stays noted.
    pub(super) fn empty_other_places(&self, folder: &Rc<Folder>, slot: &str) -> Result<(), StoreError> {
        let Slot::Full { header, bytes } = self.peek(folder, slot)? else {
            return Ok(());
        };
        let (left, failed) = self.discard_noted(slot, &header);
        if left != header {
            rewrite(folder, slot, &left, &bytes)?;
        }
        failed.map_or(Ok(()), Err)
    }

    /// The header with the places that are not empty, and why the first of them is not. One that somebody else has by now is
    /// empty of this record.
    fn discard_noted(&self, slot: &str, header: &Header) -> (Header, Option<StoreError>) {
        let here = self.elsewhere(header);
        let (mut left, mut failed) = (header.clone(), None);
        left.extra.remove(ALSO);
        for place in noted(header) {
            let emptied = match self.store(&place.store) {
                Ok(store) if here.is_some() && store.elsewhere(&place) == here => Ok(()),
                Ok(store) => self.discard_at(store, slot, &place),
                Err(error) => Err(error),
            };
            if let Err(error) = emptied {
                note(&mut left, &place);
                failed.get_or_insert(error);
            }
        }
        (left, failed)
    }

    /// Removes what a record has at a place that it is leaving, when no other home is changing that.
    fn discard_at(&self, store: &dyn Store, slot: &str, place: &Header) -> Result<(), StoreError> {
        let _held = match store.shared(place) {
            Some(shared) => self.hold_alone(&shared, PATIENCE)?,
            None => None,
        };
        match store.discard(slot, place) {
            Err(StoreError::Denied(_)) if store.is_others(slot, place) => Ok(()),
            emptied => emptied,
        }
    }
}

/// Replaces a slot by one with another header and the same body.
fn rewrite(folder: &Rc<Folder>, slot: &str, header: &Header, bytes: &[u8]) -> Result<(), StoreError> {
    let body = slot::decode(bytes).map_or(b"".as_slice(), |(_, body)| body);
    folder.replace(slot, &slot::encode(header, body))
}
