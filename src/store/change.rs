//! Changing records: whole or not at all, never backwards, and only under the lock.
//!
//! It knows slots, not what is in them. Security review, sections 3c and 4a.

use std::rc::Rc;

use zeroize::Zeroizing;

use super::Lock;
use super::address::{self, Address};
use super::also::ALSO;
use super::disk::lock_name;
use super::folder::{Folder, Temporary};
use super::slot::{self, Flaw, Header};
use super::stores::{Slot, Stores};
use super::{Copies, Store, StoreError, items};
use crate::record::{Key, MAX_RECORD, MAX_SECRET, Record};
use crate::secret::Secret;

/// Disk space for the next change of a record, taken before a token is spent; given back when dropped.
#[derive(Debug)]
pub struct Reserved {
    temporary: Temporary,
    slot: String,
}

/// The space that is taken at least: what the largest reply of an issuer needs that we believe.
const RESERVE: usize = 64 * 1024;

/// How many damaged slots of a record are kept for a person to look at.
const CORRUPT_KEPT: usize = 3;

impl Stores {
    /// Takes the disk space for the next [`Stores::put`] of this key, and makes sure that its store can write.
    ///
    /// # Errors
    /// Why the record could not be written now: nothing may be spent then.
    pub fn reserve(&self, lock: &Lock, key: &Key) -> Result<Reserved, StoreError> {
        let slot = key.digest();
        self.check_lock(lock, key, &slot);
        let (folder, mut temporary) = self
            .disk
            .make_folder(&key.group.digest(), |folder| folder.temporary(&slot))?;
        let size = match self.peek(&folder, &slot)? {
            Slot::Full { header, bytes } => {
                let (store, size) = (self.store(&header.store)?, bytes.len() * 2);
                if header.store != "sealed" {
                    self.unlocked()?;
                }
                store.ready(self.seat.person)?;
                store.prove(&header, size.max(RESERVE))?;
                size
            }
            Slot::Flawed(flaw @ Flaw::Newer) => return Err(flaw.at(&folder.place(&slot))),
            Slot::Empty | Slot::Flawed(_) => {
                self.unlocked()?;
                0
            }
        };
        temporary.reserve(size.max(RESERVE))?;
        Ok(Reserved { temporary, slot })
    }

    /// Writes a record into the slot of its key, through the store of this name.
    ///
    /// A damaged slot is moved aside; three of them are kept.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when the slot holds the same family with this generation or a later one;
    /// [`StoreError::Newer`] when a newer keyfob wrote it. The slot is as it was after any error, except that of the
    /// last flush of the directory.
    pub fn put(&self, lock: &Lock, record: &Record, store: &str, reserved: Option<Reserved>) -> Result<(), StoreError> {
        self.write(lock, record, store, None, reserved).map(|_| ())
    }

    /// The same for a record that is to lie at this place from now on. Where an earlier one of its key lay elsewhere, that
    /// is removed; if it could not be, the reason comes back.
    ///
    /// # Errors
    /// As [`Stores::put`].
    pub fn put_at(
        &self,
        lock: &Lock,
        record: &Record,
        store: &str,
        place: &Address,
    ) -> Result<Option<StoreError>, StoreError> {
        self.write(lock, record, store, Some(place), None)
    }

    fn write(
        &self,
        lock: &Lock,
        record: &Record,
        store: &str,
        place: Option<&Address>,
        reserved: Option<Reserved>,
    ) -> Result<Option<StoreError>, StoreError> {
        let slot = record.key.digest();
        self.check_lock(lock, &record.key, &slot);
        let temporary = match reserved.filter(|reserved| reserved.slot == slot) {
            // Between an issuer's answer and this write nothing is done that is not needed.
            Some(reserved) => reserved.temporary,
            None => {
                let group = record.key.group.digest();
                self.disk.make_folder(&group, |folder| folder.temporary(&slot))?.1
            }
        };
        let folder = Rc::clone(temporary.folder());

        let now = self.peek(&folder, &slot)?;
        let path = folder.place(&slot);
        let old = match &now {
            Slot::Flawed(flaw @ Flaw::Newer) => return Err(flaw.at(&path)),
            Slot::Full { header, .. } => Some(header),
            Slot::Empty | Slot::Flawed(Flaw::Damaged(_)) => None,
        };
        if old.is_some_and(|old| old.family == record.family && old.generation >= record.generation) {
            let path = path.display();
            return Err(StoreError::Changed(format!("`{path}` was changed by another keyfob")));
        }
        let (store, _switch) = self.store_of_next(lock, (record, store, place), old)?;
        let mut header = header(record, store, old, place);
        let noted = store.forewarn(&mut header, record);
        let elsewhere = store.elsewhere(&header);
        let announced = elsewhere.is_some() && old.is_none();
        // Another home may have its session of this key where this one was not before.
        let arrives = elsewhere.is_some() && old.is_none_or(|old| self.elsewhere(old) != elsewhere);
        let copies = match arrives {
            true => store.copy(&header)?,
            false => Copies::new(),
        };
        if let Slot::Full { header: old, bytes } = &now {
            self.note_places(&folder, &slot, (old, bytes), (&mut header, noted))?;
        }
        if announced {
            if let Slot::Flawed(_) = now {
                self.set_aside(&folder, &slot)?;
            }
            announce(&folder, &slot, &header, record)?;
        }
        let coming = arrives.then(|| header.clone());
        let (header, bytes) = seal(&slot, record, store, header).inspect_err(|error| {
            let Some(coming) = coming else { return };
            // What was refused was not written. What may have been goes first, or the trace of it stays.
            let refused = matches!(
                error,
                StoreError::Denied(_) | StoreError::Newer(_) | StoreError::Changed(_)
            );
            let gone = refused
                || match copies.iter().any(Option::is_some) {
                    true => store.put_back(&coming, &copies).is_ok(),
                    false => store.discard(&slot, &coming).is_ok(),
                };
            let _ = match old {
                _ if !gone => Ok(()),
                Some(old) => self.forget_next(&folder, &slot, old),
                None => folder.remove(&slot).map(|_| ()),
            };
        })?;
        if let (Slot::Flawed(_), false) = (&now, announced) {
            self.set_aside(&folder, &slot)?;
        }
        temporary.commit(&slot, &bytes)?;
        Ok(match header.extra.contains_key(ALSO) {
            true => self.empty_other_places(&folder, &slot).err(),
            false => None,
        })
    }

    /// The store that writes a record, whose place is held from now on, and the right to write a new one there.
    ///
    /// The place comes first: one who waits for it must keep nobody from setting a gate meanwhile.
    fn store_of_next(
        &self,
        lock: &Lock,
        (record, wanted, place): (&Record, &str, Option<&Address>),
        old: Option<&Header>,
    ) -> Result<(&dyn Store, Option<Lock>), StoreError> {
        let hold = |store: &dyn Store| match store.shared(&header(record, store, old, place)) {
            Some(shared) => self.hold_new(lock, &shared),
            None => Ok(()),
        };
        let store = self.store(wanted)?;
        hold(store)?;
        // One that is there already is taken behind a new gate, or out of it, by whoever sets or clears that; after that
        // none is written in clear.
        if old.is_some_and(|old| old.store == wanted) && (wanted == "sealed" || self.stage()?.is_none()) {
            return Ok((store, None));
        }
        let (chosen, right) = self.place_of_new(wanted)?;
        if chosen == wanted {
            return Ok((store, right));
        }
        let store = self.store(chosen)?;
        hold(store)?;
        Ok((store, right))
    }

    /// Removes the record of a key, with everything that an interrupted change left of it. Says whether it was there.
    ///
    /// # Errors
    /// [`StoreError::Newer`] when a newer keyfob wrote it; else what the system refused.
    pub fn delete(&self, lock: &Lock, key: &Key) -> Result<bool, StoreError> {
        let slot = key.digest();
        self.check_lock(lock, key, &slot);
        let group = key.group.digest();
        let Some(folder) = self.disk.folder(&group)? else {
            return Ok(false);
        };
        let now = self.peek(&folder, &slot)?;
        if let Slot::Flawed(flaw @ Flaw::Newer) = now {
            return Err(flaw.at(&folder.place(&slot)));
        }
        // Leftovers first, so that none of them can become the slot again.
        folder.sweep(&slot)?;
        for name in folder
            .names()?
            .iter()
            .filter(|name| corrupt_time(name, &slot).is_some())
        {
            folder.remove(name)?;
        }
        self.forget_copies(&slot);
        if let Slot::Full { header, .. } = &now
            && let Ok(store) = self.store(&header.store)
        {
            store.discard(&slot, header)?;
            self.discard_places(&slot, header)?;
        }
        let was_there = folder.remove(&slot)?;
        folder.sync()?;
        self.disk.prune(&group);
        Ok(was_there)
    }

    /// The header and the bytes of a slot for a record.
    pub(super) fn pack(
        &self,
        slot: &str,
        record: &Record,
        store: &dyn Store,
        old: Option<&Header>,
    ) -> Result<(Header, Zeroizing<Vec<u8>>), StoreError> {
        seal(slot, record, store, header(record, store, old, None))
    }

    /// Moves a damaged slot to a name of its own, and removes the oldest such if there are more than three.
    pub(super) fn set_aside(&self, folder: &Rc<Folder>, slot: &str) -> Result<(), StoreError> {
        let names = folder.names()?;
        let mut earlier: Vec<(i64, &String)> = names
            .iter()
            .filter_map(|name| Some((corrupt_time(name, slot)?, name)))
            .collect();
        earlier.sort_unstable();
        let surplus = (earlier.len() + 1).saturating_sub(CORRUPT_KEPT);
        for (_, name) in &earlier[..surplus] {
            folder.remove(name)?;
        }
        // Two in the same second must not be one.
        let newest = earlier.last().map_or(i64::MIN, |(time, _)| time.saturating_add(1));
        let time = (self.seat.now)().unix().max(newest);
        folder.rename(slot, &format!("{slot}.corrupt-{time}"))
    }

    /// Notes in the present slot of a record what is about to be written elsewhere, and in the header of the next one what lies
    /// elsewhere now; `is_new` says that the header has a token to warn of. Says whether the slot was changed.
    ///
    /// # Errors
    /// [`StoreError::Denied`] when what lies there is somebody else's; else what the system refused. Nothing may be written
    /// there then.
    pub(super) fn note_places(
        &self,
        folder: &Rc<Folder>,
        slot: &str,
        (old, bytes): (&Header, &[u8]),
        (header, is_new): (&mut Header, bool),
    ) -> Result<bool, StoreError> {
        let place = self.elsewhere(header);
        let moves = place.is_some() && place != self.elsewhere(old);
        if is_new || moves {
            self.store(&header.store)?.prove_own(slot, header)?;
        }
        self.note_next(folder, slot, (old, bytes), header)?;
        if is_new && let Slot::Full { header: old, bytes } = self.peek(folder, slot)? {
            note(folder, slot, (&old, &bytes), header)?;
        }
        self.note_former(header, old);
        Ok(is_new || moves)
    }

    pub(super) fn check_lock(&self, lock: &Lock, key: &Key, slot: &str) {
        debug_assert!(lock.is(&lock_name(&key.group, slot)), "BUG: the lock of another record");
    }

    /// The folder of a key if it is there, and what its slot holds.
    pub(super) fn slot_of(&self, key: &Key) -> Result<Slot, StoreError> {
        match self.disk.folder(&key.group.digest())? {
            Some(folder) => self.peek(&folder, &key.digest()),
            None => Ok(Slot::Empty),
        }
    }
}

/// The header of a record before its store has sealed it. What an earlier one of the same store says of the place holds,
/// unless there is another place from now on.
pub(super) fn header(record: &Record, store: &dyn Store, old: Option<&Header>, place: Option<&Address>) -> Header {
    let mut extra = old.map(|old| old.extra.clone()).unwrap_or_default();
    if old.is_some_and(|old| old.store != store.name()) {
        // What is kept of a session stays the same in every store, and what lies elsewhere lies there.
        extra.retain(|member, _| [address::KEEPS, address::COMING, ALSO].contains(&member.as_str()));
    }
    let mut header = Header {
        store: store.name().into(),
        family: record.family.clone(),
        generation: record.generation,
        extra,
    };
    if let Some(place) = place {
        place.note(store.name(), &mut header.extra);
    }
    store.address(&mut header, &record.key);
    // What is known of one place is not true of another.
    if let Some(old) = old.filter(|old| place.is_some() && old.store == header.store)
        && store.elsewhere(old) != store.elsewhere(&header)
    {
        items::forget_found(&mut header.extra);
    }
    header
}

/// Seals a record, without the token that its header says is not kept.
pub(super) fn seal(
    slot: &str,
    record: &Record,
    store: &dyn Store,
    mut header: Header,
) -> Result<(Header, Zeroizing<Vec<u8>>), StoreError> {
    let too_long = |secret: &Option<Secret>| secret.as_ref().is_some_and(|secret| secret.len() > MAX_SECRET);
    if too_long(&record.secret) || too_long(&record.refresh) {
        return Err(StoreError::Failed("a secret longer than 64 KiB is not kept".into()));
    }
    let encoded = if header.text(address::KEEPS) == Some(address::REFRESH) {
        let mut record = record.clone();
        (record.secret, record.expires_at, record.id_token) = (None, None, None);
        record.encode()
    } else {
        record.encode()
    };
    if encoded.len() > MAX_RECORD {
        return Err(StoreError::Failed("a record longer than 1 MiB is not kept".into()));
    }
    let body = store.seal(slot, &mut header, &encoded)?;
    let bytes = slot::encode(&header, &body);
    Ok((header, bytes))
}

/// Writes where a record is about to lie, before it lies there: whoever is killed in between leaves a trace of it.
pub(super) fn announce(folder: &Rc<Folder>, slot: &str, header: &Header, record: &Record) -> Result<(), StoreError> {
    let mut announced = header.clone();
    announced.generation = 0;
    let mut nothing = record.outline();
    (nothing.secret, nothing.refresh) = (None, None);
    let mut body = nothing.encode();
    body.push(b'\n');
    folder.replace(slot, &slot::encode(&announced, &body))
}

/// Writes into a slot what is about to lie elsewhere, and leaves it as it is otherwise.
fn note(folder: &Rc<Folder>, slot: &str, (old, bytes): (&Header, &[u8]), coming: &Header) -> Result<(), StoreError> {
    let mut noted = old.clone();
    noted.extra.extend(
        coming
            .extra
            .get_key_value(address::COMING)
            .map(|(member, mark)| (member.clone(), mark.clone())),
    );
    let body = slot::decode(bytes).map(|(_, body)| body).unwrap_or_default();
    folder.replace(slot, &slot::encode(&noted, body))
}

/// The time in the name of a damaged slot that was set aside.
fn corrupt_time(name: &str, slot: &str) -> Option<i64> {
    name.strip_prefix(slot)?.strip_prefix(".corrupt-")?.parse().ok()
}

impl StoreError {
    /// The same failure with the file that it is about.
    pub(super) fn at(self, place: &std::path::Path) -> StoreError {
        let place = place.display();
        let tell = |text| format!("`{place}`: {text}");
        match self {
            StoreError::Absent(text) => StoreError::Absent(tell(text)),
            StoreError::Changed(text) => StoreError::Changed(tell(text)),
            StoreError::Damaged(text) => StoreError::Damaged(tell(text)),
            StoreError::Denied(text) => StoreError::Denied(tell(text)),
            StoreError::Gated(stage) => StoreError::Gated(stage),
            StoreError::Failed(text) => StoreError::Failed(tell(text)),
            StoreError::Locked(text) => StoreError::Locked(tell(text)),
            StoreError::Newer(text) => StoreError::Newer(tell(text)),
            StoreError::Unavailable(text) => StoreError::Unavailable(tell(text)),
        }
    }
}
