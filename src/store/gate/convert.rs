//! Setting the gate and taking it away: what becomes of the keys and the records that are there.
//!
//! Each step leaves every record readable in the old way or the new one. The gate's file is the switch: once it is there,
//! new records are sealed, and the keys that it wraps are taken from nobody but it. Records that lie elsewhere then
//! follow one by one, each under its own lock. A process that is killed leaves the stage `sealing` or `opening` behind,
//! and the same command finishes it.

use std::rc::Rc;
use std::time::Duration;

use super::super::StoreError;
use super::super::also::ALSO;
use super::super::change::{header, seal};
use super::super::disk::{Disk, Lock};
use super::super::folder::{Folder, temporary_of};
use super::super::sealed::{ASKING, CURRENT, DataKey, SETTING_UP, cache_name, current_id, write_current};
use super::super::slot::{Flaw, Header};
use super::super::stores::{Look, Slot, Stores, is_slot};
use super::{FILE, Gate, Keys, Opened, SHORTEST, Stage, tries};
use crate::record::Key;
use crate::secret::Secret;
use crate::world::random;
use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

/// The lock that writers of new records share, and who switches takes alone: after a switch no record appears that was
/// written by the rule before it.
const SWITCH: &str = "gate-switch.lock";

/// How long a switch waits for those who write, and a writer for a switch: each of them writes files, and waits for nobody
/// meanwhile but a keychain.
const SWITCH_PATIENCE: Duration = Duration::from_secs(10);

/// How long one record's holder is waited for: as long as a renewal may take.
pub(super) const RECORD_PATIENCE: Duration = Duration::from_secs(60);

/// What stopped the key from leaving the keychain, in words for a person.
fn out_of_reach(error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(why) => StoreError::Unavailable(format!(
            "the key of the records is still in the keychain, which must answer for this, as it does in the session \
             of a desktop: {why}"
        )),
        error => error,
    }
}

/// What is done with each slot.
type See<'a> = dyn FnMut(&Rc<Folder>, &str, &Slot) -> Result<(), StoreError> + 'a;

/// What became of the records.
#[derive(Debug, Default)]
pub struct Converted {
    /// Records that changed their store.
    pub moved: usize,
    /// Files that nobody can read, which stay as they are and may be in clear.
    pub unread: Vec<StoreError>,
}

/// Where the data key goes when the gate is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Into the keychain.
    Keychain,
    /// Nowhere: the records are plain files again.
    Nowhere,
}

impl Stores {
    /// Sets a gate where there is none, and brings every record behind it. The gate is closed then.
    ///
    /// `work` is one of [`super::WORK_RANGE`]. With `person` the keychain may ask for its own password.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when there is one; [`StoreError::Unavailable`] where it could not be opened again; when the keychain keeps back a key that records need, nothing is
    /// changed; after any other error the same call of [`Stores::finish_gate`] goes on.
    pub fn set_gate(
        &self,
        passphrase: &Secret,
        work: u8,
        person: bool,
        tell: &dyn Fn(&str),
    ) -> Result<Converted, StoreError> {
        if passphrase.expose().chars().count() < SHORTEST {
            return Err(StoreError::Denied("the passphrase is too short".into()));
        }
        if !super::WORK_RANGE.contains(&work) {
            return Err(StoreError::Failed("so much work cannot be chosen".into()));
        }
        if self.ways_open() == (false, false) {
            let why = "nothing here can hold an unlocked key: no keyring of the kernel, no file in memory";
            return Err(StoreError::Unavailable(why.into()));
        }
        let turn = self.gate_turn(tell)?;
        if Gate::read(&self.disk)?.is_some() {
            return Err(StoreError::Changed("this machine has a gate already".into()));
        }
        // The keychain's own question to a person is answered before others have to wait.
        self.keys_in_use(person)?;
        let still = self.hold_still()?;
        let (keys, kept) = self.keys_in_use(person)?;
        let gate = Gate::new(passphrase, work, &keys, &kept, Stage::Sealing)?;
        tries::forget(&self.disk)?;
        self.forget_open(&gate);
        gate.write(&self.disk)?;
        // Once more, for one that asked the keychain in between.
        self.forget_open(&gate);
        drop(still);
        self.store("sealed")?.learn(&keys);
        self.finish_gate(
            Opened {
                gate,
                keys,
                _turn: turn,
            },
            person,
        )
    }

    /// Brings every record behind an opened gate, and the keys out of the keychain. The gate is closed then.
    ///
    /// # Errors
    /// What the system refused; the stage is then [`Stage::Sealing`], and another call goes on.
    pub fn finish_gate(&self, opened: Opened, person: bool) -> Result<Converted, StoreError> {
        let Opened {
            mut gate,
            keys: _,
            _turn,
        } = opened;
        if gate.stage != Stage::Sealing {
            gate.stage = Stage::Sealing;
            self.switch(&gate)?;
        }
        let converted = self.convert("sealed", &|header| !gate.has(header))?;
        // Who asks the keychain has this turn, and what it got is in the kernel before it ends.
        let asking = self.disk.lock(ASKING, SWITCH_PATIENCE, &*self.seat.wait)?;
        for wrapped in gate.keys.iter_mut().filter(|wrapped| wrapped.keychain) {
            self.seat.source.remove(&wrapped.id, person).map_err(out_of_reach)?;
            wrapped.keychain = false;
        }
        self.forget_open(&gate);
        drop(asking);
        gate.stage = Stage::Set;
        gate.write(&self.disk)?;
        Ok(converted)
    }

    /// Another passphrase for an opened gate that is set. The unlocked key stays as it is.
    ///
    /// # Errors
    /// As [`Stores::set_gate`].
    pub fn change_passphrase(&self, opened: &Opened, passphrase: &Secret, work: u8) -> Result<(), StoreError> {
        let mut gate = Gate::new(passphrase, work, &opened.keys, &opened.gate.kept(), opened.gate.stage)?;
        gate.extra.clone_from(&opened.gate.extra);
        gate.write(&self.disk)
    }

    /// Takes an opened gate away. The data key goes back into the keychain; where there is none, the records become plain
    /// files if `plain` allows it, or if that was begun.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when there is no keychain and they may not; nothing is changed then. When a keychain is
    /// there and does not take the key; what the system refused. Another call goes on.
    pub fn clear_gate(&self, opened: Opened, plain: bool, person: bool) -> Result<(Place, Converted), StoreError> {
        let Opened { mut gate, keys, _turn } = opened;
        let place = if gate.stage == Stage::Opening {
            Place::Nowhere
        } else {
            if !plain && let Err(why @ StoreError::Unavailable(_)) = self.seat.source.find(gate.current(), person) {
                return Err(why);
            }
            self.give_back(&mut gate, &keys, plain, person)?
        };
        let mut converted = Converted::default();
        if place == Place::Keychain {
            write_current(&self.disk, gate.current())?;
        } else {
            gate.stage = Stage::Opening;
            self.switch(&gate)?;
            converted = self.convert("file", &|header| gate.has(header))?;
        }
        self.forget_open(&gate);
        self.remove_gate(place)?;
        Ok((place, converted))
    }

    pub(super) fn remove_gate(&self, place: Place) -> Result<(), StoreError> {
        let data = self.disk.make_data()?;
        if place == Place::Nowhere {
            // It names a key that nobody will have any more.
            data.remove(CURRENT)?;
        }
        data.remove(FILE)?;
        data.sync()?;
        tries::forget(&self.disk)
    }

    /// Puts the keys into the keychain, and sees that they are there. The gate notes before that they may be.
    fn give_back(&self, gate: &mut Gate, keys: &Keys, plain: bool, person: bool) -> Result<Place, StoreError> {
        let (before, stage) = (gate.kept(), gate.stage);
        // Until the gate is away its key must not stay in the keychain unseen.
        gate.stage = Stage::Sealing;
        gate.keys.iter_mut().for_each(|wrapped| wrapped.keychain = true);
        gate.write(&self.disk)?;
        for (at, (id, key)) in keys.iter().enumerate() {
            match self.seat.source.keep(id, key, person) {
                Ok(()) => (),
                Err(why @ StoreError::Unavailable(_)) => {
                    for wrapped in &mut gate.keys[at..] {
                        wrapped.keychain = before.contains(&wrapped.id);
                    }
                    if plain {
                        return Ok(Place::Nowhere);
                    }
                    // It went away a moment ago. What it has not taken before that is as it was.
                    if at == 0 {
                        gate.stage = stage;
                    }
                    gate.write(&self.disk)?;
                    return Err(why);
                }
                Err(error) => return Err(error),
            }
            if self.seat.source.find(id, person)?.is_none_or(|kept| *kept != **key) {
                return Err(StoreError::Failed("the keychain did not keep the key".into()));
            }
        }
        Ok(Place::Keychain)
    }

    /// Puts a gate on disk when nobody is between choosing a store and writing a new record.
    fn switch(&self, gate: &Gate) -> Result<(), StoreError> {
        let _alone = self.switch_alone()?;
        gate.write(&self.disk)
    }

    fn switch_alone(&self) -> Result<Lock, StoreError> {
        let lock = self.disk.lock(SWITCH, SWITCH_PATIENCE, &*self.seat.wait)?;
        lock.ok_or_else(|| StoreError::Unavailable("another keyfob is writing a record and does not finish".into()))
    }

    /// While these are held nobody writes a new record, makes a data key, or takes one from the keychain to the kernel.
    ///
    /// A writer takes them in this order too. The last is held by who waits for a keychain, which may be silent: then the
    /// rest will do.
    fn hold_still(&self) -> Result<[Option<Lock>; 3], StoreError> {
        let alone = self.switch_alone()?;
        let setting_up = self.disk.lock(SETTING_UP, SWITCH_PATIENCE, &*self.seat.wait)?;
        let setting_up = setting_up.ok_or_else(|| {
            StoreError::Unavailable("another keyfob is setting up the keychain's key and does not finish".into())
        })?;
        let asking = self.disk.lock(ASKING, SWITCH_PATIENCE, &*self.seat.wait)?;
        Ok([Some(alone), Some(setting_up), asking])
    }

    /// The store for a record whose slot has none of it yet, and the right to write it by that rule.
    ///
    /// Where no lock can be had the rule holds all the same; only a switch at this very moment could be missed.
    ///
    /// # Errors
    /// [`StoreError::Gated`] when the gate is closed.
    pub(in super::super) fn place_of_new(&self, wanted: &str) -> Result<(&'static str, Option<Lock>), StoreError> {
        let wanted = self.store(wanted)?.name();
        let share = |disk: &Disk| disk.lock_shared(SWITCH, SWITCH_PATIENCE, &*self.seat.wait);
        let lock = share(&self.disk).ok().flatten();
        let stage = self.stage()?;
        if stage.is_some() {
            self.unlocked()?;
        }
        let store = match stage {
            None => wanted,
            Some(Stage::Opening) => "file",
            Some(Stage::Sealing | Stage::Set) => "sealed",
        };
        Ok((store, lock))
    }

    /// How far the gate is; none without one.
    pub(in super::super) fn stage(&self) -> Result<Option<Stage>, StoreError> {
        if !self.disk.has(FILE) {
            return Ok(None);
        }
        Ok(Gate::read(&self.disk)?.map(|gate| gate.stage))
    }

    /// The keys of all sealed records and of new ones, which comes first, and the ids of those that the keychain has.
    ///
    /// One that its source surely does not have any more is taken from the kernel, which must not answer with it either; if
    /// it is not there, no gate makes its records worse.
    fn keys_in_use(&self, person: bool) -> Result<(Keys, Vec<String>), StoreError> {
        let mut needed = Vec::new();
        self.each_slot(&mut |_, _, slot| {
            if let Slot::Full { header, .. } = slot
                && header.store == "sealed"
                && let Some(id) = header.text("key")
                && !needed.iter().any(|known| known == id)
            {
                needed.push(id.to_owned());
            }
            Ok(())
        })?;
        let (mut keys, mut kept): (Keys, Vec<String>) = Default::default();
        for id in needed {
            // First not from the kernel: what gave it must be there to forget it.
            match self.seat.source.find(&id, person)? {
                Some(key) => {
                    kept.push(id.clone());
                    keys.push((id, key));
                }
                None => keys.extend(self.recalled(&id).map(|key| (id, key))),
            }
        }
        let current = current_id(self.disk.data()?.as_ref())?;
        if let Some(id) = current {
            match keys.iter().position(|(known, _)| *known == id) {
                Some(at) => keys.swap(0, at),
                // No record is under it, so a new one serves as well.
                None => {
                    if let Ok(Some(key)) = self.seat.source.find(&id, person) {
                        kept.push(id.clone());
                        keys.insert(0, (id, key));
                    }
                }
            }
        }
        if keys.is_empty() {
            keys.push((HEXLOWER.encode(&random::<16>()), Zeroizing::new(random::<32>())));
        }
        Ok((keys, kept))
    }

    fn recalled(&self, id: &str) -> Option<DataKey> {
        let bytes = self.kernel_has(&cache_name(id), 32)?;
        <[u8; 32]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new)
    }

    /// Moves every record that `is_meant` into another store.
    fn convert(&self, to: &str, is_meant: &dyn Fn(&Header) -> bool) -> Result<Converted, StoreError> {
        let mut converted = Converted::default();
        self.settle(&mut converted)?;
        self.each_slot(&mut |folder, name, slot| {
            let place = folder.place(name);
            match slot {
                Slot::Empty => (),
                Slot::Full { header, .. } if !is_meant(header) => self.finish_move(folder, name, header)?,
                Slot::Flawed(flaw @ Flaw::Damaged(_)) => converted.unread.push(flaw.at(&place)),
                Slot::Flawed(flaw @ Flaw::Newer) => return Err(flaw.at(&place)),
                Slot::Full { header, .. } => match self.read(folder, name, None, Look::Whole) {
                    Ok(None) => (),
                    Ok(Some(stored)) => {
                        converted.moved += usize::from(self.move_to(&stored.record.key, to, is_meant)?);
                    }
                    Err(error @ StoreError::Damaged(_)) => converted.unread.push(error),
                    // Under a key that nobody has, or that is out of reach: an open gate alone lets it be asked for.
                    Err(StoreError::Unavailable(_)) if header.store == "sealed" => (),
                    Err(error) => return Err(error),
                },
            }
            Ok(())
        })?;
        Ok(converted)
    }

    /// Finishes or removes what writers that were killed left behind, which may be in clear, and names what was set aside.
    ///
    /// One who is at work this moment writes by the rule that holds now, or a record that is moved after it.
    fn settle(&self, converted: &mut Converted) -> Result<(), StoreError> {
        for folder in self.disk.folders()? {
            let names = folder.names()?;
            let mut left: Vec<&str> = names.iter().filter_map(|name| temporary_of(name)).collect();
            left.dedup();
            for slot in left {
                if let Some(locks) = self.both_locks(&folder, slot, Duration::ZERO)?
                    && self.hold_if_idle(&locks[0], &folder, slot)
                {
                    self.recover(&locks[0], &folder, &names, slot)?;
                }
            }
            let aside = names.iter().filter(|name| name.contains(".corrupt-"));
            converted.unread.extend(aside.map(|name| {
                let place = folder.place(name);
                StoreError::Damaged(format!("`{}` is a damaged record that was set aside", place.display()))
            }));
        }
        Ok(())
    }

    /// The lock of a slot of which it is not known whether it is a session's or an origin's; none if another has it.
    pub(super) fn both_locks(
        &self,
        folder: &Folder,
        slot: &str,
        patience: Duration,
    ) -> Result<Option<[Lock; 2]>, StoreError> {
        let place = folder.place(slot);
        let shard = place.ancestors().nth(2).and_then(|path| path.file_name());
        let shard = shard.unwrap_or_default().to_string_lossy();
        let take = |name: &str| self.disk.lock(name, patience, &*self.seat.wait);
        let Some(session) = take(&format!("{slot}.lock"))? else {
            return Ok(None);
        };
        Ok(take(&format!("origin-{shard}.lock"))?.map(|origin| [session, origin]))
    }

    /// Moves one record into another store, as it is. Says whether it was there and elsewhere.
    fn move_to(&self, key: &Key, to: &str, is_meant: &dyn Fn(&Header) -> bool) -> Result<bool, StoreError> {
        let wait = &*self.seat.wait;
        let lock = self.lock(key, RECORD_PATIENCE, wait)?;
        let lock = lock.ok_or_else(|| {
            let place = self.place(key);
            StoreError::Unavailable(format!("another keyfob is at work on `{}`", place.display()))
        })?;
        // A record that a full disk drove elsewhere is not left there in clear.
        let _ = self.rescued(&lock, key);
        let slot = key.digest();
        let old = match self.slot_of(key)? {
            Slot::Full { header, .. } if is_meant(&header) => header,
            _ => return Ok(false),
        };
        let Some(stored) = self.get_locked(&lock, key)? else {
            return Ok(false);
        };
        let store = self.store(to)?;
        let mut header = header(&stored.record, store, Some(&old), None);
        self.note_former(&mut header, &old);
        let group = key.group.digest();
        let (folder, temporary) = self.disk.make_folder(&group, |folder| folder.temporary(&slot))?;
        let (_, bytes) = seal(&slot, &stored.record, store, header)?;
        temporary.commit(&slot, &bytes)?;
        self.empty_other_places(&folder, &slot)?;
        Ok(true)
    }

    /// Empties the place that a move of a record which is where it belongs has left behind when it was cut off.
    fn finish_move(&self, folder: &Rc<Folder>, slot: &str, header: &Header) -> Result<(), StoreError> {
        if !header.extra.contains_key(ALSO) {
            return Ok(());
        }
        let locks = self.both_locks(folder, slot, RECORD_PATIENCE)?;
        let _locks = locks.ok_or_else(|| {
            let place = folder.place(slot);
            StoreError::Unavailable(format!("another keyfob is at work on `{}`", place.display()))
        })?;
        self.empty_other_places(folder, slot)
    }

    pub(super) fn each_slot(&self, see: &mut See) -> Result<(), StoreError> {
        for folder in self.disk.folders()?.into_iter().map(Rc::new) {
            for name in folder.names()?.iter().filter(|name| is_slot(name)) {
                see(&folder, name, &self.peek(&folder, name)?)?;
            }
        }
        Ok(())
    }
}
