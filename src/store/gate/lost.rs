//! A gate whose passphrase is forgotten: it goes, and with it every record that only it opens.

use super::super::StoreError;
use super::super::stores::{Slot, Stores};
use super::convert::RECORD_PATIENCE;
use super::{Gate, Place};

impl Stores {
    /// Takes the gate away unopened, and removes what is behind it. Says how many records that were.
    ///
    /// The gate goes last, so that another call finishes what was begun.
    ///
    /// # Errors
    /// What the system refused; [`StoreError::Unavailable`] when another process holds a record for too long.
    pub fn abandon_gate(&self, tell: &dyn Fn(&str)) -> Result<usize, StoreError> {
        let _turn = self.gate_turn(tell)?;
        let Some(gate) = Gate::read(&self.disk)? else {
            return Ok(0);
        };
        let mut removed = 0;
        self.each_slot(&mut |folder, name, slot| {
            let Slot::Full { header, .. } = slot else { return Ok(()) };
            if !gate.has(header) {
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
        self.remove_gate(Place::Nowhere)?;
        Ok(removed)
    }
}
