//! Blocking HTTP, with every default that matters set. The only file that names ureq.
//!
//! It sends what it is given and says whether the request may have reached the server; what an answer means is
//! `oauth`'s business. It never follows a redirect, and speaks plain http to loopback literals only. It never retries but
//! where a server refused a proof of possession for the nonce alone (RFC 9449, sections 8 and 9): then once, as nothing
//! was spent.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Proxy};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::oauth::{Form, dpop};
use crate::secret::Secret;
use crate::target::Target;
use crate::time::Timestamp;
use crate::world::World;

/// The whole of one call. Two calls and what is between them stay under 20 s, the time for which a renewal may hold its
/// lock; at half of it slow issuers on bad links would fail, at double the waiting processes would give up.
pub const CALL: Duration = Duration::from_secs(8);

/// Connecting, TLS included.
const CONNECT: Duration = Duration::from_secs(3);

/// The longest body that is read; token replies are a few KiB.
const MAX_BODY: u64 = 1024 * 1024;

/// What is sent with a call, which decides its method where the call names none.
#[derive(Clone, Copy)]
pub enum Body<'a> {
    /// Nothing, with `GET`.
    None,
    /// A form, with `POST`.
    Form(&'a Form),
    /// JSON, with `POST`.
    Json(&'a [u8]),
}

/// One call.
pub struct Call<'a> {
    /// Where to: https, or http to a literal of the loopback interface.
    pub url: &'a str,
    /// The method. Defaults to that of the body.
    pub method: Option<&'static str>,
    /// What is sent.
    pub body: Body<'a>,
    /// Sent as `Authorization: Bearer`, or `DPoP` where there is a key.
    pub bearer: Option<&'a Secret>,
    /// The key with which a proof of possession is made (RFC 9449), as base64 of PKCS #8.
    pub key: Option<&'a Secret>,
    /// Further headers.
    pub headers: Vec<(&'static str, Zeroizing<String>)>,
    /// How long it may take in all; never more than 8 s.
    pub time: Duration,
}

impl<'a> Call<'a> {
    /// A call with nothing but a body, of at most 8 s.
    pub fn new(url: &'a str, body: Body<'a>) -> Call<'a> {
        Call {
            url,
            method: None,
            body,
            bearer: None,
            key: None,
            headers: Vec::new(),
            time: CALL,
        }
    }
}

/// An answer, whatever its status.
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The header `Content-Type`, or nothing.
    pub content_type: String,
    /// The header `Retry-After` in seconds, where it is a number.
    pub retry_after_secs: Option<i64>,
    /// The header `DPoP-Nonce` (RFC 9449, section 8), or nothing.
    pub dpop_nonce: Option<String>,
    /// The header `WWW-Authenticate`, or nothing.
    pub challenge: String,
    /// The body.
    pub body: Zeroizing<Vec<u8>>,
}

/// Why there is no answer. The text names host and cause, never what was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The request certainly did not reach the server.
    NotSent(String),
    /// The request was sent, at least in part, and what came of it is unknown.
    CutOff(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Failure::NotSent(text) | Failure::CutOff(text)) = self;
        f.write_str(text)
    }
}

/// A client for one run.
pub struct Http<'w> {
    world: &'w World,
    roots: Option<RootCerts>,
    /// The last nonce of each server, by its origin.
    nonces: RefCell<BTreeMap<String, String>>,
    /// When the last call was sent.
    sent_at: Cell<Option<Timestamp>>,
}

impl<'w> Http<'w> {
    /// A client that trusts the platform's roots, and those in the file that `KEYFOB_CA_FILE` names.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] when that file cannot be read as PEM certificates.
    pub fn new(world: &'w World) -> Result<Http<'w>> {
        let roots = world
            .var_os("KEYFOB_CA_FILE")
            .map(|path| extra_roots(path.as_ref()))
            .transpose()?;
        Ok(Http {
            world,
            roots,
            nonces: RefCell::default(),
            sent_at: Cell::default(),
        })
    }

    /// Posts a form and reads the whole answer.
    ///
    /// # Errors
    /// [`Failure`], which says whether the server may have acted.
    pub fn post(&self, url: &str, form: &Form) -> Result<Reply, Failure> {
        self.post_within(url, form, CALL)
    }

    /// The same in at most this time, or in the usual 8 s if that is less.
    ///
    /// # Errors
    /// As [`Http::post`].
    pub fn post_within(&self, url: &str, form: &Form, time: Duration) -> Result<Reply, Failure> {
        self.send(&Call {
            time,
            ..Call::new(url, Body::Form(form))
        })
    }

    /// Gets a page with a bearer token and reads the whole answer.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn get(&self, url: &str, bearer: &Secret) -> Result<Reply, Failure> {
        self.send(&Call {
            bearer: Some(bearer),
            ..Call::new(url, Body::None)
        })
    }

    /// Makes any call and reads the whole answer.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn send(&self, call: &Call) -> Result<Reply, Failure> {
        let Some(key) = call.key else {
            return self.attempt(call, call.time, None);
        };
        let begun = self.world.now();
        let reply = self.attempt(call, call.time, Some(key))?;
        if !dpop::asks_for_nonce(reply.status, &reply.content_type, &reply.body, &reply.challenge) {
            return Ok(reply);
        }
        let used = u64::try_from(self.world.now().since(begun)).unwrap_or_default();
        let left = call.time.min(CALL).saturating_sub(Duration::from_secs(used));
        if reply.dpop_nonce.is_none() || left.is_zero() {
            return Ok(reply);
        }
        self.attempt(call, left, Some(key))
    }

    /// When the last call was sent, from which the life of what its answer gave is counted.
    pub fn sent_at(&self) -> Option<Timestamp> {
        self.sent_at.get()
    }

    /// The nonce that the server of a URL gave last.
    pub fn nonce(&self, url: &str) -> Option<String> {
        self.nonces.borrow().get(&origin(url)?).cloned()
    }

    /// A proof of possession for one request (RFC 9449, section 4).
    fn proof(&self, call: &Call, method: &str, key: &Secret) -> Result<Zeroizing<String>, Failure> {
        let nonce = self.nonce(call.url);
        let request = dpop::Request {
            method,
            url: call.url,
            token: call.bearer,
            nonce: nonce.as_deref(),
        };
        let proof = dpop::proof(key, &request, self.world.random(), self.world.now());
        proof.map_err(|error| Failure::NotSent(error.to_string()))
    }

    fn attempt(&self, call: &Call, time: Duration, key: Option<&Secret>) -> Result<Reply, Failure> {
        self.sent_at.set(Some(self.world.now()));
        let agent = self.agent(call.url, time.min(CALL))?;
        let method = call.method.unwrap_or(match call.body {
            Body::None => "GET",
            Body::Form(_) | Body::Json(_) => "POST",
        });
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(call.url)
            .header("accept", "application/json");
        if let Some(bearer) = call.bearer {
            let scheme = if key.is_some() { "DPoP" } else { "Bearer" };
            let value = Zeroizing::new(format!("{scheme} {}", bearer.expose()));
            request = request.header("authorization", value.as_str());
        }
        if let Some(key) = key {
            request = request.header("dpop", self.proof(call, method, key)?.as_str());
        }
        for (name, value) in &call.headers {
            request = request.header(*name, value.as_str());
        }
        let not_a_request = |_| Failure::NotSent("the request has a header that cannot be sent".into());
        let sent = match call.body {
            Body::None => agent.run(request.body(()).map_err(not_a_request)?),
            Body::Form(form) => {
                let mut request = request.header("content-type", "application/x-www-form-urlencoded");
                if let Some(client) = form.authorization() {
                    request = request.header("authorization", client);
                }
                agent.run(request.body(form.body().as_bytes()).map_err(not_a_request)?)
            }
            Body::Json(json) => {
                let request = request.header("content-type", "application/json");
                agent.run(request.body(json).map_err(not_a_request)?)
            }
        };
        let reply = read(call.url, sent)?;
        let nonce = reply.dpop_nonce.as_deref().and_then(dpop::nonce);
        if let Some((nonce, origin)) = nonce.zip(origin(call.url)) {
            self.nonces.borrow_mut().insert(origin, nonce.to_owned());
        }
        Ok(reply)
    }

    fn agent(&self, url: &str, time: Duration) -> Result<Agent, Failure> {
        let target = Target::from_url(url.split('?').next().unwrap_or(url));
        let target = target.map_err(|error| Failure::NotSent(format!("the endpoint is not a URL to call: {error}")))?;
        let plain = target.scheme() == "http" && target.is_loopback();
        if target.scheme() != "https" && !plain {
            return Err(Failure::NotSent(
                "the endpoint is neither https nor on the loopback interface".into(),
            ));
        }
        let mut tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::PlatformVerifier);
        if let Some(roots) = &self.roots {
            tls = tls.root_certs(roots.clone());
        }
        let config = Agent::config_builder()
            .timeout_global(Some(time))
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .https_only(!plain)
            .max_response_header_size(16 * 1024)
            .max_idle_connections(0)
            .user_agent(concat!("keyfob/", env!("CARGO_PKG_VERSION")))
            .proxy(self.proxy(&target)?)
            .tls_config(tls.build())
            .build();
        Ok(config.new_agent())
    }

    /// The proxy for a target by curl's rules: never for loopback, `HTTPS_PROXY` before `ALL_PROXY`, lower case first.
    fn proxy(&self, target: &Target) -> Result<Option<Proxy>, Failure> {
        let var = |name: &str| {
            let found = self
                .world
                .var_os(&name.to_ascii_lowercase())
                .or_else(|| self.world.var_os(name));
            found.and_then(|value| value.into_string().ok())
        };
        if target.is_loopback() || target.host() == "localhost" {
            return Ok(None);
        }
        let Some(url) = var("HTTPS_PROXY").or_else(|| var("ALL_PROXY")) else {
            return Ok(None);
        };
        if var("NO_PROXY").is_some_and(|list| is_excepted(&list, target.host())) {
            return Ok(None);
        }
        let url = if url.contains("://") {
            url
        } else {
            format!("http://{url}")
        };
        let proxy =
            Proxy::new(&url).map_err(|_| Failure::NotSent("the proxy in the environment is not a URL".into()))?;
        Ok(Some(proxy))
    }
}

/// Whether a `NO_PROXY` list names a host: itself or a domain above it, with or without a dot in front, or `*`.
fn is_excepted(list: &str, host: &str) -> bool {
    list.split([',', ' '])
        .map(|name| name.trim().trim_start_matches("*.").trim_start_matches('.'))
        .any(|name| {
            let name = name.to_ascii_lowercase();
            name == "*"
                || (!name.is_empty()
                    && host
                        .strip_suffix(&name)
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
        })
}

/// The platform's roots and those of a PEM file.
fn extra_roots(path: &std::path::Path) -> Result<RootCerts> {
    let wrong = |why: &str| {
        Error::usage(format!(
            "reading the certificates in {} (KEYFOB_CA_FILE): {why}",
            path.display()
        ))
    };
    let pem = std::fs::read(path).map_err(|error| wrong(&error.kind().to_string()))?;
    let mut roots = Vec::new();
    for item in ureq::tls::parse_pem(&pem) {
        if let Ok(ureq::tls::PemItem::Certificate(certificate)) = item {
            roots.push(certificate);
        }
    }
    if roots.is_empty() {
        return Err(wrong("there is no PEM certificate in it"));
    }
    let platform = rustls_native_certs::load_native_certs();
    roots.extend(
        platform
            .certs
            .iter()
            .map(|certificate| Certificate::from_der(certificate).to_owned()),
    );
    Ok(RootCerts::from(roots))
}

fn read(url: &str, sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Reply, Failure> {
    let mut response = sent.map_err(|error| failure(url, &error))?;
    let header = |name: &str| {
        let value = response.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (content_type, retry_after) = (header("content-type"), header("retry-after"));
    let challenge = header("www-authenticate");
    let dpop_nonce = Some(header("dpop-nonce")).filter(|nonce| !nonce.is_empty());
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(MAX_BODY).read_to_vec();
    let body = Zeroizing::new(body.map_err(|error| match failure(url, &error) {
        Failure::NotSent(text) | Failure::CutOff(text) => Failure::CutOff(text),
    })?);
    let retry_after_secs = retry_after.trim().parse().ok().filter(|seconds| *seconds >= 0);
    Ok(Reply {
        status,
        content_type,
        retry_after_secs,
        dpop_nonce,
        challenge,
        body,
    })
}

/// Scheme, host and port of a URL.
fn origin(url: &str) -> Option<String> {
    let target = Target::from_url(url.split('?').next().unwrap_or(url));
    target.ok().map(|target| target.origin())
}

/// Sorts ureq's errors; only where it is sure that nothing was sent, it says so.
fn failure(url: &str, error: &ureq::Error) -> Failure {
    use ureq::{Error as E, Timeout as T};
    let host = Target::from_url(url.split('?').next().unwrap_or(url)).map(|target| target.host_and_port());
    let host = host.unwrap_or_default();
    let not_sent = |why: &str| Failure::NotSent(format!("{host}: {why}"));
    let cut_off = |why: &str| Failure::CutOff(format!("{host}: {why}"));
    match error {
        E::Timeout(T::Resolve) => not_sent("its name was not resolved in time"),
        E::Timeout(T::Connect) => not_sent("it did not accept a connection in time"),
        E::Timeout(_) => cut_off("it did not answer in time"),
        E::HostNotFound => not_sent("there is no such host"),
        E::ConnectionFailed => not_sent("no connection could be made"),
        E::Io(io) => match io_failure(io) {
            (true, why) => not_sent(&why),
            (false, why) => cut_off(&why),
        },
        E::Rustls(_) | E::Tls(_) => not_sent("TLS failed; are there CA certificates on this machine?"),
        E::ConnectProxyFailed(_) | E::InvalidProxyUrl => not_sent("the proxy refused the connection"),
        E::BodyExceedsLimit(_) => cut_off("its answer is longer than 1 MiB"),
        E::RequireHttpsOnly(_) | E::BadUri(_) | E::Http(_) => not_sent("its URL cannot be called"),
        _ => cut_off("its answer is not HTTP"),
    }
}

/// Whether nothing was sent for certain, and why.
fn io_failure(io: &std::io::Error) -> (bool, String) {
    use std::io::ErrorKind as K;
    let text = io.to_string();
    match io.kind() {
        // The certificate is looked at before the request is sent; all else that TLS finds wrong may come after it.
        K::InvalidData if text.starts_with("invalid peer certificate") => {
            (true, "its certificate is not trusted".into())
        }
        // The standard library has no kind for what getaddrinfo says.
        _ if text.starts_with("failed to lookup address") => (true, "its name could not be resolved".into()),
        // Usually the answer to the first bytes, but it may also be slipped in after the request.
        K::InvalidData if text.ends_with("InvalidContentType") => (false, "it does not speak TLS".into()),
        K::InvalidData => (false, "its TLS is broken".into()),
        K::UnexpectedEof | K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe => {
            (false, "it closed the connection before a whole answer".into())
        }
        K::TimedOut => (false, "it did not answer in time".into()),
        kind @ (K::ConnectionRefused
        | K::AddrNotAvailable
        | K::HostUnreachable
        | K::NetworkUnreachable
        | K::NotFound) => (true, format!("no connection could be made ({kind})")),
        _ if text.starts_with("failed to lookup address") => (true, "its name was not resolved".into()),
        kind => (false, format!("the connection broke ({kind})")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::{io_failure, is_excepted};

    #[test]
    fn only_what_comes_before_the_request_proves_that_it_was_not_sent() {
        for (error, certain) in [
            (
                Error::new(ErrorKind::InvalidData, "invalid peer certificate: Expired"),
                true,
            ),
            (
                Error::new(ErrorKind::InvalidData, "received fatal alert: CertificateRequired"),
                false,
            ),
            (
                Error::new(ErrorKind::InvalidData, "cannot decrypt peer's message"),
                false,
            ),
            (ErrorKind::ConnectionRefused.into(), true),
            (ErrorKind::NetworkUnreachable.into(), true),
            (ErrorKind::ConnectionReset.into(), false),
            (ErrorKind::TimedOut.into(), false),
            (ErrorKind::Other.into(), false),
        ] {
            assert_eq!(io_failure(&error).0, certain, "{error}");
        }
    }

    #[test]
    fn exceptions_from_the_proxy_match_whole_domains() {
        for (list, host, excepted) in [
            ("example.com", "example.com", true),
            ("example.com", "a.example.com", true),
            (".example.com", "example.com", true),
            ("a, *.Example.com", "b.example.com", true),
            ("example.com", "badexample.com", false),
            ("*", "x.example", true),
            ("", "x.example", false),
            (",", "x.example", false),
        ] {
            assert_eq!(is_excepted(list, host), excepted, "{list} {host}");
        }
    }
}
