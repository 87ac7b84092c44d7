//! The line that a person sees while a login waits: for what, and how long yet.
//!
//! It is one line that is written over, on a terminal alone; elsewhere nothing is written. It does not wait itself.

use crate::time::Timestamp;
use crate::world::World;

/// A line that is removed when dropped.
pub(super) struct Waiting<'a> {
    world: &'a World,
    what: &'a str,
    end: Timestamp,
    shown: bool,
}

impl<'a> Waiting<'a> {
    /// A line such as `Waiting for the browser … 4:59 left`, not yet shown.
    pub(super) fn new(world: &'a World, what: &'a str, end: Timestamp) -> Waiting<'a> {
        Waiting {
            world,
            what,
            end,
            shown: false,
        }
    }

    /// Shows how long is left now. Call it once a second.
    pub(super) fn tick(&mut self) {
        if !self.world.stderr_is_terminal() {
            return;
        }
        self.shown = true;
        let left = self.end.since(self.world.now()).max(0);
        let line = format!("\r{} \u{2026} {}:{:02} left\u{1b}[K", self.what, left / 60, left % 60);
        self.world.write_stderr(&line);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.shown {
            self.world.write_stderr("\r\u{1b}[K");
        }
    }
}
