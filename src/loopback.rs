//! The listener to which a browser comes back from a login: RFC 8252, sections 7.3 and 8.3.
//!
//! It knows no OAuth: it hands each query that arrives at its one path to whoever waits, and serves on until one is
//! taken. One thread, no blocking call: a connection that says nothing, or anything else, holds nobody up.

mod connection;
mod page;
mod request;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use data_encoding::BASE64URL_NOPAD;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;

use crate::config::{Redirect, RedirectHost};
use crate::error::{Error, Result};
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::world::{Keyboard, Typed, World};
use connection::Connection;
use request::Request;

pub use page::Page;

/// The connections that are held at once. A browser needs a handful; when there are more, the oldest that has not asked
/// anything goes, so that a new one is always read.
const MAX_CONNECTIONS: usize = 64;

/// The longest wait for a browser that was sent on to the last page; most are back at once.
const GOODBYE_SECS: i64 = 4;

/// The longest wait without a look at the clock, so that a countdown counts.
const TURN: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 500_000_000,
};

/// How often a port for both address families is looked for.
const TRIES: usize = 5;

/// A listener on the loopback interface; dropping it closes its port.
pub struct Loopback {
    listeners: Vec<TcpListener>,
    connections: Vec<Connection>,
    port: u16,
    authority: String,
    path: String,
    /// Where the last page is; only who was sent there knows it.
    last: String,
    page: Option<Vec<u8>>,
    shown: bool,
}

/// How a wait ended.
#[derive(Debug)]
pub enum Event<T> {
    /// A query was taken.
    Taken(T),
    /// A person typed a line.
    Typed(Secret),
    /// Nothing came in time.
    Late,
}

impl Loopback {
    /// Listens where a provider file says, on the loopback interface alone.
    ///
    /// # Errors
    /// [`crate::error::Class::Failure`] when none of the ports can be had.
    pub fn open(world: &World, redirect: &Redirect) -> Result<Loopback> {
        let (listeners, port) = listen(redirect)?;
        let random = || format!("/{}", BASE64URL_NOPAD.encode(&world.random::<16>()));
        Ok(Loopback {
            listeners,
            connections: Vec::new(),
            port,
            authority: format!("{}:{port}", redirect.host.text()),
            path: redirect.path.clone().unwrap_or_else(random),
            last: random(),
            page: None,
            shown: false,
        })
    }

    /// The URI that the issuer is to send the browser to.
    pub fn redirect_uri(&self) -> String {
        format!("http://{}{}", self.authority, self.path)
    }

    /// The port, for a person who leads it to another machine.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Serves until `take` takes the query of a request to the redirect URI, a line is typed, or `end` comes.
    ///
    /// A query that is not taken is answered with status 400 and nothing else happens; one that is taken sends the
    /// browser on to the last page, which [`Loopback::close`] shows. `tick` is called about twice a second.
    ///
    /// # Errors
    /// [`crate::error::Class::Failure`] when the system cannot wait for connections.
    pub fn wait<T>(
        &mut self,
        world: &World,
        end: Timestamp,
        keyboard: &mut Option<Keyboard>,
        mut tick: impl FnMut(),
        mut take: impl FnMut(&Secret) -> Option<T>,
    ) -> Result<Event<T>> {
        let mut taken = None;
        while world.now() < end {
            tick();
            let typed = self.turn(world, keyboard.as_ref(), &mut |query| {
                // Only the one with the right answer is led on, whoever asks beside it.
                let first = taken.is_none();
                taken = taken.take().or_else(|| take(query));
                first && taken.is_some()
            });
            let typed = typed.map_err(|error| Error::failure(format!("waiting for the browser: {}", error.kind())))?;
            if let Some(answer) = taken {
                return Ok(Event::Taken(answer));
            }
            match keyboard.as_mut().filter(|_| typed).map(Keyboard::read) {
                Some(Typed::Line(line)) => return Ok(Event::Typed(line)),
                Some(Typed::Gone) => *keyboard = None,
                Some(Typed::Nothing) | None => (),
            }
        }
        Ok(Event::Late)
    }

    /// Shows the last page to the browser that was sent to it, then closes the port.
    pub fn close(mut self, world: &World, page: &Page) {
        self.page = Some(page.answer(200));
        let end = world.now().plus(GOODBYE_SECS);
        let done = |this: &Loopback| this.shown && !this.connections.iter().any(Connection::is_writing);
        while !done(&self) && world.now() < end {
            // How a login ended does not depend on who reads it.
            if self.turn(world, None, &mut |_| false).is_err() {
                return;
            }
        }
    }

    /// Waits once, and does everything that can be done then; whether there is something on the keyboard.
    fn turn(
        &mut self,
        world: &World,
        keyboard: Option<&Keyboard>,
        take: &mut dyn FnMut(&Secret) -> bool,
    ) -> io::Result<bool> {
        let mut waits: Vec<PollFd> = Vec::new();
        waits.extend(self.connections.iter().map(|one| PollFd::new(one, one.events())));
        waits.extend(self.listeners.iter().map(|one| PollFd::new(one, PollFlags::IN)));
        waits.extend(keyboard.map(|one| PollFd::from_borrowed_fd(one.as_fd(), PollFlags::IN)));
        match poll(&mut waits, Some(&TURN)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => (),
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = waits.iter().map(|one| !one.revents().is_empty()).collect();
        drop(waits);
        let (held, listening) = (self.connections.len(), self.listeners.len());
        for at in (0..held).filter(|at| ready[*at]) {
            if let Some(request) = self.connections[at].step(&self.authority) {
                let answer = self.answer(request, take);
                self.connections[at].answer(answer, &self.authority);
            }
        }
        let now = world.now();
        self.connections.retain(|one| !one.is_over(now));
        for at in (0..listening).filter(|at| ready[held + at]) {
            self.accept(at, now);
        }
        Ok(keyboard.is_some() && ready[held + listening])
    }

    /// Takes the connections that wait at a listener.
    fn accept(&mut self, at: usize, now: Timestamp) {
        loop {
            match self.listeners[at].accept() {
                Ok((stream, _)) => {
                    if self.connections.len() >= MAX_CONNECTIONS {
                        let idle = self.connections.iter().position(Connection::is_reading);
                        self.connections.remove(idle.unwrap_or(0));
                    }
                    self.connections.extend(Connection::new(stream, now));
                    // A browser has asked by the time it is accepted; it must not be the oldest before it is read.
                    if self.connections.len() >= MAX_CONNECTIONS {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The connection was gone again, or there is no room for one more file.
                Err(_) => {
                    if !self.connections.is_empty() {
                        self.connections.remove(0);
                    }
                    return;
                }
            }
        }
    }

    /// What a request is answered with.
    fn answer(&mut self, request: Request, take: &mut dyn FnMut(&Secret) -> bool) -> Vec<u8> {
        let (path, query) = match request {
            Request::Get { path, query } => (path, query),
            Request::Wrong(status) => return page::wrong(status),
            Request::Partial => return page::wrong(400),
        };
        if let Some(page) = self.page.as_ref().filter(|_| path == self.last) {
            self.shown = true;
            return page.clone();
        }
        match path == self.path {
            true if self.page.is_some() => page::wrong(410),
            true if take(&query) => page::onward(&self.last),
            true => page::wrong(400),
            false => page::wrong(404),
        }
    }
}

/// Listeners on one port: the first of the provider file that can be had, or one of the system's choice.
fn listen(redirect: &Redirect) -> Result<(Vec<TcpListener>, u16)> {
    let any = [0; TRIES];
    let ports = if redirect.ports.is_empty() {
        &any[..]
    } else {
        &redirect.ports
    };
    let mut last = io::ErrorKind::AddrInUse.into();
    for port in ports {
        match listen_at(redirect.host, *port) {
            Ok(listening) => return Ok(listening),
            Err(error) => last = error,
        }
    }
    let host = redirect.host.text();
    let names: Vec<String> = redirect.ports.iter().map(u16::to_string).collect();
    let message = format!("listening on {host} for the browser: {}", last.kind());
    Err(if names.is_empty() {
        Error::failure(message)
    } else {
        Error::failure(format!("{message} (port {})", names.join(", ")))
            .hint("end the program that listens there, or add a port to `oauth.redirect_ports`")
    })
}

fn listen_at(host: RedirectHost, port: u16) -> io::Result<(Vec<TcpListener>, u16)> {
    let bind = |address: SocketAddr| {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        Ok::<_, io::Error>((listener, port))
    };
    let v4 = |port| bind((Ipv4Addr::LOCALHOST, port).into());
    let v6 = |port| bind((Ipv6Addr::LOCALHOST, port).into());
    let (first, port) = match host {
        RedirectHost::Ipv4 | RedirectHost::Localhost => v4(port)?,
        RedirectHost::Ipv6 => v6(port)?,
    };
    let mut listeners = vec![first];
    if host == RedirectHost::Localhost {
        match v6(port) {
            Ok((second, _)) => listeners.push(second),
            // Somebody else has that port of the same name, and the browser might go there.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            // A machine without IPv6.
            Err(_) => (),
        }
    }
    Ok((listeners, port))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    /// A world whose clock goes on by so much at each look.
    fn world(step: i64) -> World {
        let now = Cell::new(0);
        let clock = move || Timestamp::from_unix(now.replace(now.get() + step));
        World::fixed([], Timestamp::from_unix(0)).with_time(clock, |_| ())
    }

    fn open(world: &World) -> Loopback {
        Loopback::open(world, &Redirect::default()).unwrap()
    }

    #[test]
    fn a_wait_ends_at_its_limit_with_the_port_closed() {
        let world = world(100);
        let mut loopback = open(&world);
        let port = loopback.port();
        let mut ticks = 0;
        let end = Timestamp::from_unix(300);
        let event = loopback.wait(&world, end, &mut None, || ticks += 1, |_| Some(()));
        assert!(matches!(event, Ok(Event::Late)) && ticks > 0, "{ticks}");
        drop(loopback);
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    }

    #[test]
    fn only_the_loopback_interface_is_listened_at() {
        let loopback = open(&world(0));
        for listener in &loopback.listeners {
            assert!(listener.local_addr().unwrap().ip().is_loopback());
        }
    }

    #[test]
    fn an_idle_connection_is_dropped_after_its_time() {
        let world = world(6);
        let mut loopback = open(&world);
        let mut idle = TcpStream::connect((Ipv4Addr::LOCALHOST, loopback.port())).unwrap();
        let end = Timestamp::from_unix(40);
        let event = loopback.wait(&world, end, &mut None, || (), |_| Some(()));
        assert!(matches!(event, Ok(Event::Late)));
        assert_eq!(idle.read(&mut [0; 8]).unwrap(), 0, "the other side has closed");
    }

    #[test]
    fn there_are_never_more_connections_than_the_limit() {
        let world = world(0);
        let mut loopback = open(&world);
        let address = (Ipv4Addr::LOCALHOST, loopback.port());
        let idle: Vec<TcpStream> = (0..2 * MAX_CONNECTIONS)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        let mut last = TcpStream::connect(address).unwrap();
        let uri = loopback.redirect_uri();
        let (_, path) = uri.split_at(uri.rfind('/').unwrap());
        let request = format!("GET {path}?a=b HTTP/1.1\r\nHost: {}\r\n\r\n", loopback.authority);
        last.write_all(request.as_bytes()).unwrap();
        let end = Timestamp::from_unix(1);
        let event = loopback.wait(&world, end, &mut None, || (), |query| Some(query.expose().to_owned()));
        assert!(matches!(event.unwrap(), Event::Taken(query) if query == "a=b"));
        assert!(loopback.connections.len() <= MAX_CONNECTIONS);
        drop(idle);
    }
}
