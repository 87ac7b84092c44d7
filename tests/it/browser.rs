//! Logins in a browser, end to end: the real program, the scripted issuer, and a test that is the browser.
//!
//! What a real browser makes of it is in `tests/real`. RFC 8252, RFC 7636, RFC 9207, RFC 9700 section 4.

mod lies;
mod person;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::http_server::form;
use crate::issuer::{Endpoint, Issuer, Script};
use crate::sandbox::{Output, Run, Running, Sandbox, oauth_part};

/// The provider file `acme` for logins in a browser, with more lines of `[oauth]`.
fn provider(sandbox: &Sandbox, issuer: &Issuer, more: &str) {
    let url = issuer.url();
    let oauth = format!("[oauth]\nauthorization_endpoint = \"{url}/authorize\"\n{more}\n");
    let text = oauth_part(&url)
        .replace("flow = \"device\"", "flow = \"browser\"")
        .replace("[oauth]\n", &oauth);
    sandbox.write_provider("acme", &text);
}

fn set(more: &str) -> (Sandbox, Issuer) {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    provider(&sandbox, &issuer, more);
    (sandbox, issuer)
}

/// A login that waits for the browser.
pub struct Login {
    pub running: Running,
    /// What the person is to open.
    pub url: String,
}

/// Waits for something that another process does.
fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    let mut look = look;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The page that is to be opened, once it stands there whole.
fn shown(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let line = lines
        .iter()
        .find(|line| line.contains("/authorize?") && line.ends_with('\n'))?;
    Some(line.trim().to_owned())
}

impl Login {
    pub fn start(run: Run) -> Login {
        let mut running = run.deadline(Duration::from_secs(120)).spawn();
        let url = until("the page", || {
            let text = running.stderr_so_far();
            assert!(running.is_running() || shown(&text).is_some(), "{text}");
            shown(&text)
        });
        Login { running, url }
    }

    pub fn of(sandbox: &Sandbox) -> Login {
        Login::start(sandbox.keyfob(&["login", "acme", "--no-browser"]))
    }

    /// A parameter of the page that is to be opened.
    pub fn field(&self, name: &str) -> Option<String> {
        let (_, query) = self.url.split_once('?').unwrap();
        let found = form(query.as_bytes()).into_iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value)
    }

    fn redirect_uri(&self) -> String {
        self.field("redirect_uri").unwrap()
    }

    /// The address to which the issuer sends the browser.
    fn approve(&self) -> String {
        let page = get(&self.url);
        assert_eq!(page.status, 303, "{}", page.body);
        page.header("location").unwrap()
    }

    /// Ends it, as nobody opens the page.
    fn stop(mut self) {
        self.running.kill();
        self.running.wait();
    }

    /// Does what a browser does, up to the last page.
    pub fn finish(self) -> (Page, Output) {
        let back = self.approve();
        let page = follow(&back);
        (page, self.running.wait())
    }
}

/// Opens the address to which the issuer sent the browser, and goes on to the last page.
pub fn follow(address: &str) -> Page {
    let answer = get(address);
    assert_eq!(answer.status, 303, "{}", answer.body);
    let last = answer.header("location").unwrap();
    assert!(last.starts_with('/'), "{last}");
    get(&format!("http://{}{last}", split(address).0))
}

#[derive(Debug)]
pub struct Page {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Page {
    pub fn header(&self, name: &str) -> Option<String> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_owned())
    }
}

/// Host with port, and path with query.
fn split(address: &str) -> (&str, &str) {
    let rest = address.strip_prefix("http://").unwrap();
    rest.split_at(rest.find('/').unwrap())
}

pub fn get(address: &str) -> Page {
    let (host, path) = split(address);
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\n\r\n");
    read(send(host, request.as_bytes()))
}

fn connect(host: &str) -> TcpStream {
    let stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

fn send(host: &str, bytes: &[u8]) -> TcpStream {
    let mut stream = connect(host);
    // Whoever is refused early may not read all of it.
    let _ = stream.write_all(bytes);
    stream
}

fn read(mut stream: TcpStream) -> Page {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).unwrap_or("0").parse().unwrap();
    Page {
        status,
        head: head.into(),
        body: body.into(),
    }
}

/// Whether nobody listens at the redirect any more.
fn is_closed(redirect_uri: &str) -> bool {
    TcpStream::connect(split(redirect_uri).0).is_err()
}

#[test]
fn a_login_in_a_browser_keeps_the_session_and_the_page_says_whose() {
    let (sandbox, issuer) = set("");
    let login = Login::of(&sandbox);
    let redirect = login.redirect_uri();
    assert!(redirect.starts_with("http://127.0.0.1:"), "{redirect}");
    assert!(split(&redirect).1.len() > 20, "the path is random: {redirect}");
    assert_eq!(login.field("state").unwrap().len(), 43);
    assert_eq!(login.field("scope").as_deref(), Some("repo"));
    assert_eq!(login.field("code_challenge_method").as_deref(), Some("S256"));
    assert_eq!((login.field("nonce"), login.field("prompt")), (None, None));
    let (page, output) = login.finish();
    let output = output.expect_success();
    assert_eq!(page.status, 200);
    assert!(
        page.body.contains("Logged in to Acme") && page.body.contains("as ann"),
        "{}",
        page.body
    );
    assert!(page.body.contains("close this page"), "{}", page.body);
    for (header, value) in [("cache-control", "no-store"), ("referrer-policy", "no-referrer")] {
        assert_eq!(page.header(header).as_deref(), Some(value));
    }
    assert!(
        output.stderr.contains("Logged in to Acme as `ann`"),
        "{}",
        output.stderr
    );
    assert!(is_closed(&redirect), "the port is open after the login");
    assert!(issuer.valid_access(&sandbox.token()));
    assert!(sandbox.files_with("acme_ac_canary").is_empty(), "the code is kept");
    let asked = issuer.seen(Endpoint::Token);
    assert_eq!((asked.len(), asked[0].field("redirect_uri")), (1, Some(redirect)));
    assert_eq!(issuer.violations(), [""; 0]);
}

#[test]
fn two_logins_share_no_secret_no_path_and_no_port() {
    // Two logins of one session would wait for each other.
    let ((here, _issuer), (there, _other_issuer)) = (set(""), set(""));
    let (one, other) = (Login::of(&here), Login::of(&there));
    for name in ["state", "code_challenge", "redirect_uri"] {
        assert_ne!(one.field(name), other.field(name), "{name}");
    }
    assert_ne!(split(&one.redirect_uri()).1, split(&other.redirect_uri()).1);
    for login in [one, other] {
        login.finish().1.expect_success();
    }
}

#[test]
fn an_issuer_that_wants_a_fixed_redirect_and_more_parameters_gets_them() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = free.local_addr().unwrap().port();
    let more = |ports: &str| {
        format!(
            "redirect_host = \"localhost\"\nredirect_path = \"/callback\"\nredirect_ports = [{ports}]\n\
             parameters = {{ access_type = \"offline\" }}"
        )
    };
    let (sandbox, issuer) = set(&more(&taken.to_string()));
    let output = sandbox.keyfob(&["login", "acme", "--no-browser"]).run().expect_code(1);
    assert!(output.stderr.contains(&format!("(port {taken})")), "{}", output.stderr);
    assert!(output.stderr.contains("hint: end the program"), "{}", output.stderr);
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let next = other.local_addr().unwrap().port();
    drop(other);
    provider(&sandbox, &issuer, &more(&format!("{taken}, {next}")));
    let login = Login::of(&sandbox);
    assert_eq!(login.redirect_uri(), format!("http://localhost:{next}/callback"));
    assert_eq!(login.field("access_type").as_deref(), Some("offline"));
    login.finish().1.expect_success();
}

#[test]
fn the_other_address_family_is_listened_at_where_the_file_says_so() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return crate::part::skipped("a redirect to [::1]", "this machine has no IPv6");
    }
    let (sandbox, _issuer) = set("redirect_host = \"[::1]\"");
    let login = Login::of(&sandbox);
    assert!(login.redirect_uri().starts_with("http://[::1]:"));
    login.finish().1.expect_success();
}
