//! A small HTTP/1.1 server on the loopback interface, one thread a connection, that can also misbehave on purpose.
//!
//! It knows no credentials and no OAuth: `issuer.rs` and the tour's servers give it one closure.
//! Of RFC 9112 it does what clients under test need: one request a connection, bodies by length or in chunks.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

/// The longest body that is read, in bytes; a push of the tour is a few kilobytes.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// The first byte of a TLS client, RFC 8446 section 5.1.
const TLS_HANDSHAKE: u8 = 22;

thread_local! {
    static HOST: Cell<Ipv4Addr> = const { Cell::new(Ipv4Addr::LOCALHOST) };
}

/// Does this with servers that start at another address of the loopback interface: where nobody else has one, the port of
/// a server that has stopped stays closed.
pub fn at<T>(host: Ipv4Addr, body: impl FnOnce() -> T) -> T {
    let before = HOST.replace(host);
    let done = body();
    HOST.set(before);
    done
}

/// A request, read whole.
#[derive(Debug, Clone)]
pub struct Request {
    /// In upper case as it came.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Without the question mark; empty when there was none.
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Without the chunks' framing.
    pub body: Vec<u8>,
}

impl Request {
    /// The first header of this name, which must be in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }

    /// What follows the scheme in `Authorization`, if it is this scheme in any case.
    pub fn authorization(&self, scheme: &str) -> Option<&str> {
        let (found, value) = self.header("authorization")?.split_once(' ')?;
        found.eq_ignore_ascii_case(scheme).then(|| value.trim())
    }
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// An answer with its length and `Connection: close`.
    Whole {
        /// The status code.
        status: u16,
        /// Names and values; length and connection are added.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// These bytes as they are, then the end of the connection.
    Bytes(Vec<u8>),
    /// The first bytes at once, the others one by one with this pause before each.
    Drip {
        /// All bytes of the answer.
        bytes: Vec<u8>,
        /// How many of them go at once.
        at_once: usize,
        /// The pause.
        gap: Duration,
    },
    /// These bytes, then nothing until the client gives up or the server stops.
    Silence(Vec<u8>),
    /// The connection ends without a byte.
    Drop,
}

impl Reply {
    /// A JSON answer that must not be cached.
    pub fn json(status: u16, body: &Value) -> Reply {
        Reply::text(status, "application/json", &body.to_string()).with("Cache-Control", "no-store")
    }

    /// An answer of any content type.
    pub fn text(status: u16, content_type: &str, body: &str) -> Reply {
        Reply::Whole {
            status,
            headers: vec![("Content-Type".into(), content_type.into())],
            body: body.into(),
        }
    }

    /// An OAuth error as RFC 6749 section 5.2 shapes it.
    pub fn error(status: u16, code: &str) -> Reply {
        Reply::json(status, &serde_json::json!({ "error": code }))
    }

    /// A redirect.
    pub fn redirect(status: u16, location: &str) -> Reply {
        Reply::text(status, "text/plain", "elsewhere").with("Location", location)
    }

    /// A JSON answer in chunks of a few bytes.
    pub fn chunked(body: &Value) -> Reply {
        let mut bytes =
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                .to_vec();
        for chunk in body.to_string().as_bytes().chunks(7) {
            bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        Reply::Bytes(bytes)
    }

    /// The same answer, its body arriving one byte a second.
    #[must_use]
    pub fn dripping(self) -> Reply {
        let bytes = self.bytes();
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        Reply::Drip {
            at_once: head.map_or(0, |end| end + 4),
            bytes,
            gap: Duration::from_secs(1),
        }
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Reply {
        if let Reply::Whole { headers, .. } = &mut self {
            headers.push((name.into(), value.into()));
        }
        self
    }

    /// What goes over the wire.
    fn bytes(&self) -> Vec<u8> {
        match self {
            Reply::Whole { status, headers, body } => {
                let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(*status));
                for (name, value) in headers {
                    head += &format!("{name}: {value}\r\n");
                }
                head += &format!("Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                [head.into_bytes(), body.clone()].concat()
            }
            Reply::Bytes(bytes) | Reply::Drip { bytes, .. } | Reply::Silence(bytes) => bytes.clone(),
            Reply::Drop => Vec::new(),
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        401 => "Unauthorized",
        404 => "Not Found",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "As Scripted",
    }
}

/// A running server; dropping it closes its port.
pub struct Server {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    /// How many connections are not over.
    open: Arc<AtomicUsize>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves on the address of [`at`], which defaults to `127.0.0.1`, at a port of the system's choice.
    pub fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind((HOST.get(), 0)).expect("the loopback interface has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let stopped = Arc::new(AtomicBool::new(false));
        let open = Arc::new(AtomicUsize::new(0));
        let (stop, answer, all) = (Arc::clone(&stopped), Arc::new(answer), Arc::clone(&open));
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), stop, answer) = (stream, Arc::clone(&stop), Arc::clone(&answer)) else {
                    continue;
                };
                all.fetch_add(1, Ordering::SeqCst);
                let all = Arc::clone(&all);
                std::thread::spawn(move || {
                    // A client that goes away in the middle is its own business.
                    serve(stream, &stop, &*answer).ok();
                    all.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Server {
            address,
            stopped,
            open,
            accepting: Some(accepting),
        }
    }

    /// Waits until all connections that were begun before are over, also those of clients that are gone: what these sent
    /// is read and acted on all the same.
    pub fn settles(&self) {
        // They are accepted in their order: when this one has been, so have they.
        if let Ok(mut stream) = TcpStream::connect(self.address) {
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        }
        // One whose answer panicked is never over.
        for _ in 0..20_000 {
            if self.open.load(Ordering::SeqCst) == 0 {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // The thread sleeps in `accept`: one connection wakes it.
        let woken = TcpStream::connect(self.address).is_ok();
        if let Some(accepting) = self.accepting.take().filter(|_| woken) {
            let _ = accepting.join();
        }
    }
}

fn serve(stream: TcpStream, stopped: &AtomicBool, answer: &dyn Fn(&Request) -> Reply) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    if reader.fill_buf()?.first() == Some(&TLS_HANDSHAKE) {
        // A client that tries TLS first, as docker's does, learns from an answer in plain HTTP to try without.
        return (&stream).write_all(&Reply::text(400, "text/plain", "no TLS here\n").bytes());
    }
    let request = read(&mut reader, &stream)?;
    let reply = answer(&request);
    let mut out = &stream;
    match &reply {
        Reply::Drip { bytes, at_once, gap } => {
            out.write_all(&bytes[..*at_once])?;
            for byte in &bytes[*at_once..] {
                std::thread::sleep(*gap);
                if stopped.load(Ordering::SeqCst) {
                    return Ok(());
                }
                out.write_all(&[*byte])?;
            }
        }
        Reply::Silence(bytes) => {
            out.write_all(bytes)?;
            stream.set_read_timeout(Some(Duration::from_millis(100)))?;
            let went_away = |read: &io::Result<usize>| match read {
                Ok(length) => *length == 0,
                Err(error) => !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
            };
            while !stopped.load(Ordering::SeqCst) && !went_away(&reader.read(&mut [0; 64])) {}
        }
        reply => out.write_all(&reply.bytes())?,
    }
    Ok(())
}

fn read(reader: &mut impl BufRead, stream: &TcpStream) -> io::Result<Request> {
    let first = line(reader)?;
    let mut words = first.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: method.into(),
        path: path.into(),
        query: query.into(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    loop {
        let line = line(reader)?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        request.headers.push((name.to_ascii_lowercase(), value.trim().into()));
    }
    if request.header("expect").is_some() {
        (&mut &*stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    request.body = body(reader, &request)?;
    Ok(request)
}

fn body(reader: &mut impl BufRead, request: &Request) -> io::Result<Vec<u8>> {
    let chunked = request
        .header("transfer-encoding")
        .is_some_and(|coding| coding.contains("chunked"));
    let number = |text: &str, radix| usize::from_str_radix(text.trim(), radix).map_err(|_| io::ErrorKind::InvalidData);
    let mut body = Vec::new();
    if !chunked {
        let length = request
            .header("content-length")
            .map_or(Ok(0), |text| number(text, 10))?;
        take(reader, &mut body, length)?;
        return Ok(body);
    }
    loop {
        let size = number(line(reader)?.split(';').next().unwrap_or(""), 16)?;
        if size == 0 {
            // Trailers, up to the empty line.
            while !line(reader)?.is_empty() {}
            return Ok(body);
        }
        take(reader, &mut body, size)?;
        line(reader)?;
    }
}

fn take(reader: &mut impl BufRead, body: &mut Vec<u8>, length: usize) -> io::Result<()> {
    if body.len() + length > MAX_BODY {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let start = body.len();
    body.resize(start + length, 0);
    reader.read_exact(&mut body[start..])
}

fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if reader.take(64 * 1024).read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).into())
}

/// Reads `a=b&c=d` as `application/x-www-form-urlencoded` says, in order, keeping repeats.
pub fn form(body: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unescape(name), unescape(value))
        })
        .collect()
}

fn unescape(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced)
        .decode_utf8_lossy()
        .into_owned()
}
