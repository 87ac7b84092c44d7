//! The terminal: what a person is asked and answers.
//!
//! Questions go to the controlling terminal, never to stdout or stdin, which belong to a tool.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::termios::QueueSelector;

use super::signal;
use crate::error::{Error, Result};
use crate::secret::Secret;

pub(super) fn is_there() -> bool {
    OpenOptions::new().read(true).write(true).open("/dev/tty").is_ok()
}

/// A signal while the prompt is open gives the terminal back its echo before it ends us.
pub(super) fn ask_secret(prompt: &str) -> Result<Secret> {
    let _kept = signal::keep(signal::Keep::Modes, "\n");
    let answer = rpassword::prompt_password(prompt);
    if answer
        .as_ref()
        .is_err_and(|error| error.kind() == ErrorKind::Interrupted)
    {
        signal::interrupt();
    }
    let answer = answer.map_err(|_| Error::usage("there is no terminal to ask for the secret"))?;
    Ok(Secret::new(answer))
}

pub(super) fn ask_enter(prompt: &str, patience: Duration) -> bool {
    let Ok(mut terminal) = OpenOptions::new().read(true).write(true).open("/dev/tty") else {
        return false;
    };
    let _kept = signal::keep(signal::Keep::Modes, "\n");
    let _ = rustix::termios::tcflush(&terminal, QueueSelector::IFlush);
    if terminal.write_all(prompt.as_bytes()).is_err() {
        return false;
    }
    let seconds = i64::try_from(patience.as_secs()).unwrap_or(i64::MAX);
    let patience = Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    let mut readable = [PollFd::new(&terminal, PollFlags::IN)];
    let came = rustix::io::retry_on_intr(|| rustix::event::poll(&mut readable, Some(&patience)));
    if !came.is_ok_and(|count| count > 0) {
        let _ = terminal.write_all(b"\n");
        return false;
    }
    // The terminal hands out whole lines, and nothing at its end.
    let mut line = [0; 256];
    let length = rustix::io::retry_on_intr(|| rustix::io::read(&terminal, &mut line));
    length.is_ok_and(|length| length > 0)
}
