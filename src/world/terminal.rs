//! The terminal: what a person is asked and answers.
//!
//! Questions go to the controlling terminal, never to stdout or stdin, which belong to a tool.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use zeroize::Zeroizing;

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

/// Ctrl-C must restore the echo before it ends us, so the signal is caught while the prompt is open and raised again.
pub(super) fn ask_secret(prompt: &str) -> Result<Secret> {
    use signal_hook::consts::SIGINT;
    let interrupted = Arc::new(AtomicBool::new(false));
    let id = signal_hook::flag::register(SIGINT, Arc::clone(&interrupted))
        .map_err(|error| Error::failure(format!("preparing the prompt: {}", error.kind())))?;
    let answer = rpassword::prompt_password(prompt);
    signal_hook::low_level::unregister(id);
    if interrupted.load(Ordering::Relaxed) {
        let _ = signal_hook::low_level::emulate_default_handler(SIGINT);
    }
    let answer = answer.map_err(|_| Error::usage("there is no terminal to ask for the secret"))?;
    Ok(Secret::new(answer))
}
