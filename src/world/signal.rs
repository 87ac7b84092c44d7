//! Leaving the terminal as it was, and no program of ours behind, when a signal ends keyfob in the middle of something.
//!
//! A thread takes the signals, so that they also end a call that takes its time. It puts the terminal right and ends what
//! was started, then lets the signal do what it does by default, so that a shell sees how the program ended.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use rustix::termios::{OptionalActions, Termios};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::World;

/// What is to be put right, the innermost last.
static OPEN: Mutex<Vec<Open>> = Mutex::new(Vec::new());

struct Open {
    number: u64,
    terminal: Option<(File, Termios)>,
    end: &'static str,
    /// A program that was started, the first of a process group of its own.
    group: Option<Pid>,
}

/// Set when a signal has come: what it ends is no failure to be told of.
static ENDING: AtomicBool = AtomicBool::new(false);

/// How long a program has to end by itself before it is killed. At half of it a program at the other end of a network
/// may leave something there, at double a person presses Ctrl-C again.
const GRACE: Duration = Duration::from_millis(500);

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
    let terminal = (what == Keep::Modes).then(modes).flatten();
    push(terminal, end, None)
}

/// From now on a signal that ends the program first ends this one, with all that is in its process group.
pub(super) fn keep_group(group: Pid) -> Kept {
    push(None, "", Some(group))
}

fn push(terminal: Option<(File, Termios)>, end: &'static str, group: Option<Pid>) -> Kept {
    static WATCHED: Once = Once::new();
    let number = {
        let mut open = open();
        let number = open.last().map_or(0, |last| last.number + 1);
        open.push(Open {
            number,
            terminal,
            end,
            group,
        });
        number
    };
    WATCHED.call_once(watch);
    Kept(number)
}

/// Does not come back if a signal is ending this process.
pub(super) fn yield_to_the_end() {
    while ENDING.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

/// Ends a process group: asks, waits a moment, kills what is left.
pub(super) fn end_group(group: Pid) {
    let mut left = GRACE;
    let _ = kill_process_group(group, Signal::TERM);
    while !left.is_zero() && test_kill_process_group(group).is_ok() {
        let nap = Duration::from_millis(10);
        std::thread::park_timeout(nap);
        left = left.saturating_sub(nap);
    }
    let _ = kill_process_group(group, Signal::KILL);
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

/// The innermost, taken out without holding on to the rest.
fn pop() -> Option<Open> {
    open().pop()
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
            ENDING.store(true, Ordering::SeqCst);
            put_right();
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    });
}

fn put_right() {
    while let Some(Open {
        terminal, end, group, ..
    }) = pop()
    {
        if let Some(group) = group {
            end_group(group);
        }
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
