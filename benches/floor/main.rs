//! The floor: the least that a credential helper can do.
//!
//! Reads the whole of stdin, opens and reads one small file, writes what was in it, exits. Built with the standard library
//! alone, as an ordinary and as a static program. What `get` costs beyond this is keyfob's own.
//! It must not know what a credential is: it answers with the file as it is.

use std::io::{Read, Write};
use std::process::ExitCode;

fn answer() -> std::io::Result<()> {
    let mut request = Vec::new();
    std::io::stdin().lock().read_to_end(&mut request)?;
    let path = std::env::args_os().nth(1).ok_or(std::io::ErrorKind::InvalidInput)?;
    let content = std::fs::read(path)?;
    std::io::stdout().lock().write_all(&content)
}

fn main() -> ExitCode {
    match answer() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
