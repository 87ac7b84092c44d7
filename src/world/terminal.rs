//! The terminal: what a person is asked and answers.
//!
//! Questions go to the controlling terminal, never to stdout or stdin, which belong to a tool.

use std::fs::OpenOptions;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};
use crate::secret::Secret;

pub(super) fn is_there() -> bool {
    OpenOptions::new().read(true).write(true).open("/dev/tty").is_ok()
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
