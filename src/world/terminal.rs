//! The terminal: what a person is asked and answers.
//!
//! Questions go to the controlling terminal, never to stdout or stdin, which belong to a tool.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::termios::QueueSelector;
use zeroize::Zeroizing;

use super::signal;
use crate::error::{Error, Result};
use crate::secret::Secret;

/// The longest line that is taken from a person; a terminal gives no longer one at once.
const MAX_LINE: usize = 4096;

pub(super) fn is_there() -> bool {
    open_terminal().is_ok()
}

fn open_terminal() -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty")
}

/// The terminal stays as it is, with its echo, so Ctrl-C leaves nothing behind and ends us as it ends any program.
pub(super) fn ask_line(prompt: &str) -> Result<Zeroizing<String>> {
    let mut terminal = open_terminal().map_err(|_| Error::usage("there is no terminal to ask on"))?;
    let broken = |error: std::io::Error| Error::failure(format!("asking on the terminal: {}", error.kind()));
    terminal.write_all(prompt.as_bytes()).map_err(broken)?;
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE));
    let mut byte = [0];
    while line.len() < MAX_LINE {
        match terminal.read(&mut byte) {
            Ok(0) if line.is_empty() => {
                // What is said next begins on a line of its own.
                let _ = terminal.write_all(b"\n");
                return Err(Error::failure("the question was left without an answer"));
            }
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) => line.push(byte[0]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => (),
            Err(error) => return Err(broken(error)),
        }
    }
    let text = std::str::from_utf8(&line).map_err(|_| Error::usage("the answer on the terminal is not UTF-8"))?;
    Ok(Zeroizing::new(text.trim().to_owned()))
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
    let answer = answer.map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => Error::failure("the question was left without an answer"),
        _ => Error::usage("there is no terminal to ask for the secret"),
    })?;
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
