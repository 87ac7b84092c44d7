//! Lines that a person types while keyfob waits for something else too.
//!
//! They come from the controlling terminal, never from stdin, which belongs to a tool. They are echoed: who types a
//! secret is asked by `terminal.rs`.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// The longest line that is read; a terminal gives no longer one.
const MAX_LINE: usize = 8 * 1024;

/// The terminal, to be waited for and then read.
#[derive(Debug)]
pub struct Keyboard {
    terminal: File,
    line: Zeroizing<Vec<u8>>,
}

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// Nothing yet.
    Nothing,
    /// A line, without its end.
    Line(Secret),
    /// There is nobody to type any more.
    Gone,
}

impl Keyboard {
    pub(super) fn open() -> Option<Keyboard> {
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        let terminal = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open("/dev/tty")
            .ok()?;
        Some(Keyboard {
            terminal,
            line: Zeroizing::new(Vec::new()),
        })
    }

    /// What is there, without waiting.
    pub fn read(&mut self) -> Typed {
        // In the background a read would stop us, and what is typed is meant for somebody else.
        let foreground =
            rustix::termios::tcgetpgrp(&self.terminal).is_ok_and(|group| group == rustix::process::getpgrp());
        if !foreground {
            return Typed::Gone;
        }
        let mut part = Zeroizing::new([0; 1024]);
        match rustix::io::read(&self.terminal, &mut *part) {
            Ok(0) => return Typed::Gone,
            Ok(length) => self.line.extend_from_slice(&part[..length]),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Typed::Nothing,
            Err(_) => return Typed::Gone,
        }
        if let Some(end) = self.line.iter().position(|b| *b == b'\n') {
            let line = String::from_utf8_lossy(&self.line[..end]).into_owned();
            self.line.drain(..=end);
            return Typed::Line(Secret::new(line));
        }
        if self.line.len() > MAX_LINE {
            self.line.clear();
        }
        Typed::Nothing
    }
}

impl AsFd for Keyboard {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.terminal.as_fd()
    }
}
