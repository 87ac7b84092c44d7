//! Leaving the terminal as it was when a signal ends the program in the middle of a wait or a prompt.
//!
//! A thread takes the signals, so that they also end a call that takes its time. It puts the terminal right, then lets
//! the signal do what it does by default, so that a shell sees how the program ended.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use rustix::termios::{OptionalActions, Termios};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::World;

/// What is to be put right, the innermost last.
static OPEN: Mutex<Vec<Open>> = Mutex::new(Vec::new());

struct Open {
    number: u64,
    terminal: Option<(File, Termios)>,
    end: &'static str,
}

/// Something on the terminal that must not stay; see `keep`. It is no longer kept when this is dropped.
#[derive(Debug)]
pub struct Kept(u64);

/// Which of the terminal's states are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// None was changed.
    Nothing,
    /// Echo and line mode.
    Modes,
}

/// From now on a signal that ends the program writes `end` to the terminal, after it has given it back its modes.
pub(super) fn keep(what: Keep, end: &'static str) -> Kept {
    static WATCHED: Once = Once::new();
    let terminal = (what == Keep::Modes).then(modes).flatten();
    let number = {
        let mut open = open();
        let number = open.last().map_or(0, |last| last.number + 1);
        open.push(Open { number, terminal, end });
        number
    };
    WATCHED.call_once(watch);
    Kept(number)
}

impl Drop for Kept {
    fn drop(&mut self) {
        open().retain(|open| open.number != self.0);
    }
}

/// Ends the program as Ctrl-C does.
pub(super) fn interrupt() {
    put_right();
    let _ = signal_hook::low_level::emulate_default_handler(SIGINT);
}

fn open() -> MutexGuard<'static, Vec<Open>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn modes() -> Option<(File, Termios)> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty").ok()?;
    let modes = rustix::termios::tcgetattr(&terminal).ok()?;
    Some((terminal, modes))
}

/// A signal that whoever started us ignores, such as the hang-up under `nohup`, goes on being ignored.
fn watch() {
    let wanted = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];
    let wanted = wanted.into_iter().filter(|signal| !crate::hygiene::is_ignored(*signal));
    // Where it cannot be set up the signals end the program at once, as they do by default.
    let Ok(mut signals) = signal_hook::iterator::Signals::new(wanted) else {
        return;
    };
    std::thread::spawn(move || {
        for signal in signals.forever() {
            put_right();
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    });
}

fn put_right() {
    while let Some(Open { terminal, end, .. }) = open().pop() {
        match terminal {
            Some((mut terminal, modes)) => {
                let _ = rustix::termios::tcsetattr(&terminal, OptionalActions::Now, &modes);
                let _ = terminal.write_all(end.as_bytes());
            }
            None => {
                let _ = rustix::io::write(World::errors(), end.as_bytes());
            }
        }
    }
}
