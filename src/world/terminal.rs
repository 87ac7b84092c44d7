//! The terminal and the browser: what a person sees and answers.
//!
//! Questions go to the controlling terminal, never to stdout or stdin, which belong to a tool.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::termios::QueueSelector;

use super::{World, signal};
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

pub(super) fn open_browser(world: &World, url: &str, secrets: &[String]) -> Result<()> {
    let safe = (url.starts_with("https://") || url.starts_with("http://"))
        && url
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"\\<>\"{}|^`'".contains(&b));
    if !safe {
        return Err(Error::refused("the page's URL has characters that no URL may have"));
    }
    if ["CI", "KEYFOB_NO_INPUT"]
        .iter()
        .any(|name| world.var_os(name).is_some())
    {
        return Err(Error::failure("nobody is there to see it"));
    }
    let display = ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"]
        .iter()
        .any(|name| world.var_os(name).is_some());
    let remote = world.var_os("SSH_CONNECTION").is_some();
    if cfg!(not(target_os = "macos")) && (!display || remote && world.var_os("BROWSER").is_none()) {
        return Err(Error::failure("there is no display for a browser"));
    }
    for launcher in open::commands(url) {
        let Some(program) = find(world, launcher.get_program().as_ref()) else {
            continue;
        };
        let mut browser = Command::new(program);
        browser.args(launcher.get_args()).stdin(Stdio::null());
        browser.stdout(Stdio::null()).stderr(Stdio::null());
        // Ctrl-C at a login that takes too long must not end the browser with it.
        browser.process_group(0);
        for name in secrets {
            browser.env_remove(name);
        }
        if browser.spawn().is_ok() {
            return Ok(());
        }
    }
    Err(Error::failure("there is no program that opens a browser"))
}

/// The path of a program, looked for in the absolute directories of `PATH` alone: a relative or empty one is the working
/// directory, which may be somebody else's.
fn find(world: &World, program: &Path) -> Option<PathBuf> {
    if program.is_absolute() {
        return Some(program.into());
    }
    let path = world.var_os("PATH")?;
    let directories = std::env::split_paths(&path).filter(|directory| directory.is_absolute());
    let runs = |file: &PathBuf| {
        let metadata = std::fs::metadata(file);
        metadata.is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    directories.map(|directory| directory.join(program)).find(runs)
}
