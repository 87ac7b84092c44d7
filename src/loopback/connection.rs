//! One connection of a browser, or of whatever else found the port. It never blocks and never takes more than its share.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd};
use zeroize::Zeroizing;

use super::request::{self, MAX_REQUEST, Request};
use crate::time::Timestamp;

/// How long a connection may last in all. At half a browser on a busy machine could fail, at double idle ones pile up.
const LIFE_SECS: i64 = 10;

/// The most that is thrown away of a request that was answered before its end, so that the answer is read.
const MAX_DRAINED: usize = 2 * 1024 * 1024;

pub(super) struct Connection {
    stream: TcpStream,
    end: Timestamp,
    state: State,
}

enum State {
    Reading(Zeroizing<Vec<u8>>),
    Writing {
        bytes: Vec<u8>,
        sent: usize,
    },
    /// The answer is out; a close with unread bytes would make the system call it back.
    Draining(usize),
    Gone,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, now: Timestamp) -> io::Result<Connection> {
        stream.set_nonblocking(true)?;
        Ok(Connection {
            stream,
            end: now.plus(LIFE_SECS),
            state: State::Reading(Zeroizing::new(Vec::new())),
        })
    }

    /// What to wait for.
    pub(super) fn events(&self) -> PollFlags {
        match self.state {
            State::Writing { .. } => PollFlags::OUT,
            _ => PollFlags::IN,
        }
    }

    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        matches!(self.state, State::Gone) || now >= self.end
    }

    pub(super) fn is_reading(&self) -> bool {
        matches!(self.state, State::Reading(_))
    }

    pub(super) fn is_writing(&self) -> bool {
        matches!(self.state, State::Writing { .. })
    }

    /// Does what can be done without waiting; a request that is whole, or wrong, comes back once, to be answered.
    pub(super) fn step(&mut self, authority: &str) -> Option<Request> {
        match &mut self.state {
            State::Reading(bytes) => match fill(&mut self.stream, bytes) {
                Ok(ended) => match request::read(bytes, authority) {
                    Request::Partial if ended => self.state = State::Gone,
                    Request::Partial => (),
                    request => return Some(request),
                },
                Err(_) => self.state = State::Gone,
            },
            State::Writing { bytes, sent } => match flush(&mut self.stream, bytes, sent) {
                Ok(true) => {
                    let _ = self.stream.shutdown(Shutdown::Write);
                    self.state = State::Draining(0);
                }
                Ok(false) => (),
                Err(_) => self.state = State::Gone,
            },
            State::Draining(drained) => match drain(&mut self.stream, drained) {
                Ok(false) => (),
                Ok(true) | Err(_) => self.state = State::Gone,
            },
            State::Gone => (),
        }
        None
    }

    /// Begins the answer.
    pub(super) fn answer(&mut self, bytes: Vec<u8>, authority: &str) {
        self.state = State::Writing { bytes, sent: 0 };
        self.step(authority);
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Nothing could be done now.
fn later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Reads what is there, up to the longest request; whether that was the end.
fn fill(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<bool> {
    let mut part = Zeroizing::new([0; 4096]);
    while bytes.len() < MAX_REQUEST {
        match stream.read(&mut *part) {
            Ok(0) => return Ok(true),
            Ok(length) => bytes.extend_from_slice(&part[..length]),
            Err(error) if later(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Writes what can be written; whether that was all.
fn flush(stream: &mut TcpStream, bytes: &[u8], sent: &mut usize) -> io::Result<bool> {
    while *sent < bytes.len() {
        match stream.write(&bytes[*sent..]) {
            Ok(length) => *sent += length,
            Err(error) if later(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Throws away what is there; whether that is enough.
fn drain(stream: &mut TcpStream, drained: &mut usize) -> io::Result<bool> {
    let mut part = [0; 16 * 1024];
    loop {
        match stream.read(&mut part) {
            Ok(0) => return Ok(true),
            Ok(length) => *drained += length,
            Err(error) if later(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
        if *drained > MAX_DRAINED {
            return Ok(true);
        }
    }
}
