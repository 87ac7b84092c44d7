//! A gate whose passphrase is forgotten: it goes, and with it every record that only it opens.

use super::super::stores::{Slot, Stores};
use super::super::{Header, StoreError};
use super::convert::RECORD_PATIENCE;
use super::{Gate, Place};

impl Stores {
    /// Takes the gate away unopened, and removes what only it opens. Says how many records that were.
    ///
    /// While a gate is being set or taken away the keychain may have a key of it: what is under that stays, and is there
    /// again once the gate is gone. A keychain that is not there has none; one that does not answer may have it.
    ///
    /// The gate goes last, so that another call finishes what was begun.
    ///
    /// # Errors
    /// What the system refused, or the keychain answered; [`StoreError::Unavailable`] when another process holds a record for too long.
    pub fn abandon_gate(&self, person: bool, tell: &dyn Fn(&str)) -> Result<usize, StoreError> {
        let _turn = self.gate_turn(tell)?;
        let Some(gate) = Gate::read(&self.disk)? else {
            return Ok(0);
        };
        let mut kept = Vec::new();
        for id in gate.kept() {
            match self.seat.source.find(&id, person) {
                Ok(Some(_)) => kept.push(id),
                Ok(None) | Err(StoreError::Unavailable(_)) => (),
                Err(error) => return Err(error),
            }
        }
        let is_kept = |header: &Header| header.text("key").is_some_and(|id| kept.iter().any(|own| own == id));
        let mut removed = 0;
        self.each_slot(&mut |folder, name, slot| {
            let Slot::Full { header, .. } = slot else { return Ok(()) };
            if !gate.has(header) || is_kept(header) {
                return Ok(());
            }
            let place = folder.place(name);
            let locks = self.both_locks(folder, name, RECORD_PATIENCE)?;
            let _locks = locks.ok_or_else(|| {
                StoreError::Unavailable(format!("another keyfob is at work on `{}`", place.display()))
            })?;
            folder.sweep(name)?;
            self.discard_places(name, header)?;
            removed += usize::from(folder.remove(name)?);
            self.forget_copies(name);
            folder.sync()
        })?;
        self.forget_open(&gate);
        let is_current_kept = kept.iter().any(|id| id == gate.current());
        self.remove_gate(if is_current_kept {
            Place::Keychain
        } else {
            Place::Nowhere
        })?;
        Ok(removed)
    }
}
