//! What a person sees while a login waits: for what, how long yet, and what is in the way.
//!
//! On a terminal it is one line that is written over once a second and is gone afterwards, also when a signal ends the
//! program. Elsewhere it is one whole line at the beginning, and one for each new trouble.

use std::time::Duration;

use crate::report::sanitise;
use crate::time::Timestamp;
use crate::world::{Kept, Screen, World};

/// How often the line is written anew.
const TICK: Duration = Duration::from_secs(1);

/// A line that is removed when dropped.
pub struct Waiting<'a> {
    world: &'a World,
    what: &'a str,
    end: Option<Timestamp>,
    trouble: Option<String>,
    begun: bool,
    line: Option<Kept>,
}

impl<'a> Waiting<'a> {
    /// A line such as `Waiting for the browser … 4:59 left`, not yet shown.
    pub fn new(world: &'a World, what: &'a str, end: Timestamp) -> Waiting<'a> {
        Waiting::until(world, what, Some(end))
    }

    /// The same where nobody knows for how long.
    pub fn without_end(world: &'a World, what: &'a str) -> Waiting<'a> {
        Waiting::until(world, what, None)
    }

    fn until(world: &'a World, what: &'a str, end: Option<Timestamp>) -> Waiting<'a> {
        Waiting {
            world,
            what,
            end,
            trouble: None,
            begun: false,
            line: None,
        }
    }

    /// Shows how long is left now. Call it once a second.
    pub fn tick(&mut self) {
        let left = self.end.map(|end| end.since(self.world.now()).max(0));
        let first = !std::mem::replace(&mut self.begun, true);
        if let Some(screen) = self.world.screen() {
            if self.line.is_none() {
                self.line = Some(self.world.keep_line());
            }
            let line = line(self.what, left, self.trouble.as_deref(), screen);
            self.world.write_stderr(&format!("\r{line}\u{1b}[K"));
        } else if first {
            let most = left.map_or_else(String::new, |left| format!(", {} min at most", (left + 59) / 60));
            self.world.write_stderr(&format!("{}{most}.\n", self.what));
        }
    }

    /// Waits, and goes on showing how long is left.
    pub fn pause(&mut self, time: Duration) {
        let mut left = time;
        while !left.is_zero() {
            self.tick();
            let nap = left.min(TICK);
            self.world.sleep(nap);
            left = left.saturating_sub(nap);
        }
    }

    /// Says what is in the way from now on, or that nothing is any more.
    pub fn trouble(&mut self, why: Option<&str>) {
        let why = why.map(sanitise);
        if let Some(why) = &why
            && self.trouble.as_ref() != Some(why)
            && self.world.screen().is_none()
        {
            self.world
                .write_stderr(&format!("keyfob: warning: {why}; trying again\n"));
        }
        self.trouble = why;
    }
}

/// The line, cut to one less than the columns: at the last one some terminals go on to the next line.
fn line(what: &str, left_secs: Option<i64>, trouble: Option<&str>, screen: Screen) -> String {
    let left = left_secs.map_or_else(String::new, |left| format!(" {}:{:02} left", left / 60, left % 60));
    let trouble = trouble.map_or_else(String::new, |why| format!(" ({why}; trying again)"));
    let line = format!("{what} \u{2026}{left}{trouble}");
    // Three letters where there is no such one.
    let line = if screen.unicode {
        line
    } else {
        line.replace('\u{2026}', "...")
    };
    line.chars().take(screen.columns.saturating_sub(1)).collect()
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.line.is_some() {
            self.world.write_stderr("\r\u{1b}[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    const SCREEN: Screen = Screen {
        columns: 40,
        rows: 24,
        unicode: true,
        colour: true,
    };

    #[test]
    fn the_line_says_what_is_left_and_never_wraps() {
        assert_eq!(line("Waiting", Some(299), None, SCREEN), "Waiting \u{2026} 4:59 left");
        assert_eq!(line("Waiting", None, None, SCREEN), "Waiting \u{2026}");
        let ascii = Screen {
            unicode: false,
            ..SCREEN
        };
        assert_eq!(
            line("Waiting", Some(61), Some("no answer"), ascii),
            "Waiting ... 1:01 left (no answer; tryin"
        );
        for columns in 0..60 {
            let narrow = Screen { columns, ..SCREEN };
            let shown = line("Waiting for the approval", Some(1), Some("no answer"), narrow);
            assert!(shown.chars().count() <= columns.saturating_sub(1), "{columns}");
        }
    }

    #[test]
    fn a_pause_is_as_long_as_it_was_asked_for_and_ticks_each_second() {
        let naps = Rc::new(RefCell::new(Vec::new()));
        let taken = Rc::clone(&naps);
        let world = World::fixed([], Timestamp::from_unix(0))
            .with_time(|| Timestamp::from_unix(0), move |nap| taken.borrow_mut().push(nap));
        Waiting::without_end(&world, "Waiting").pause(Duration::from_millis(2500));
        assert_eq!(
            *naps.borrow(),
            [1000, 1000, 500].map(Duration::from_millis),
            "each nap is at most a second"
        );
    }
}
