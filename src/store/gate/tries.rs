//! Wrong passphrases slow down.
//!
//! A counter in a file, raised before each try, and a wait before it that the process sleeps through itself: no clock is
//! asked, so that a wrong one neither locks anybody out nor skips anything, and the turn at the gate lets no two
//! processes wait at the same time. It is for a person at the keyboard of a shared machine. Whoever can copy the files is
//! slowed by scrypt alone.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::StoreError;
use super::super::disk::Disk;
use super::super::slot;
use super::super::stores::Stores;

/// How many wrong ones cost nothing.
const FREE: u32 = 5;

/// The longest wait: a person who comes after somebody has played can still work, and a guesser gets twelve an hour.
const LONGEST: Duration = Duration::from_secs(300);

/// How long a process waits for its turn: one longest wait of another, and what a guess takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(330);

const FILE: &str = "gate-tries.json";
const LIMIT: usize = 4096;

#[derive(Serialize, Deserialize)]
struct Tries {
    format: u64,
    failed: u32,
}

/// What so many wrong passphrases cost the next one.
fn wait_after(failed: u32) -> Duration {
    match failed.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(over) => Duration::from_secs(1_u64.checked_shl(over.min(32)).unwrap_or(u64::MAX)).min(LONGEST),
    }
}

/// Wrong passphrases since the last right one. A file that cannot be understood counts as many, not as none.
pub(super) fn failed(disk: &Disk) -> Result<u32, StoreError> {
    let Some(data) = disk.data()? else { return Ok(0) };
    let text = match data.read(FILE, LIMIT) {
        Ok(Some(text)) => text,
        Ok(None) => return Ok(0),
        Err(StoreError::Damaged(_)) => return Ok(FREE + 9),
        Err(error) => return Err(error),
    };
    Ok(serde_json::from_slice(&text).map_or(FREE + 9, |tries: Tries| tries.failed))
}

/// A try that is counted as wrong until it succeeds.
pub(super) struct Attempt<'s> {
    disk: &'s Disk,
    failed: u32,
}

/// Waits as long as it must, then counts a try. The caller has the turn.
pub(super) fn begin<'s>(stores: &'s Stores, tell: &dyn Fn(&str)) -> Result<Attempt<'s>, StoreError> {
    let before = failed(&stores.disk)?;
    let wait = wait_after(before);
    if !wait.is_zero() {
        tell(&format!(
            "{before} wrong passphrases came before; waiting {} s",
            wait.as_secs()
        ));
        (stores.seat.wait)(wait);
    }
    let data = stores.disk.make_data()?;
    data.sweep(FILE)?;
    let tries = Tries {
        format: slot::FORMAT,
        failed: before.saturating_add(1),
    };
    data.replace(FILE, &serde_json::to_vec(&tries).expect("two numbers"))?;
    Ok(Attempt {
        disk: &stores.disk,
        failed: tries.failed,
    })
}

impl Attempt<'_> {
    /// What a wrong one makes of the next, as the end of a sentence.
    pub(super) fn next(&self) -> String {
        match wait_after(self.failed).as_secs() {
            0 => String::new(),
            seconds => format!("; the next try waits {seconds} s"),
        }
    }

    /// Nothing is counted any more.
    pub(super) fn succeeded(self) -> Result<(), StoreError> {
        forget(self.disk)
    }
}

/// Forgets the wrong ones.
pub(super) fn forget(disk: &Disk) -> Result<(), StoreError> {
    let Some(data) = disk.data()? else { return Ok(()) };
    data.remove(FILE).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_are_free_and_then_each_waits_twice_as_long_up_to_five_minutes() {
        let seconds: Vec<u64> = (0..16).map(|failed| wait_after(failed).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(wait_after(u32::MAX), LONGEST);
    }
}
