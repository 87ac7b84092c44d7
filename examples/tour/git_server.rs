//! A git server over HTTP that wants the issuer's access token, as a password or as a bearer token.
//!
//! It hands requests to the installed git's `upload-pack` and `receive-pack`, by git's "smart" HTTP protocol, version 0.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::http_server::{Reply, Request, Server};

/// How the server wants the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// As the password, with any user name.
    Basic,
    /// In a header of its own.
    Bearer,
}

/// The token that a request carries by this scheme.
pub fn token(request: &Request, scheme: Scheme) -> Option<String> {
    match scheme {
        Scheme::Bearer => request.authorization("bearer").map(String::from),
        Scheme::Basic => {
            let bytes = data_encoding::BASE64.decode(request.authorization("basic")?.as_bytes());
            let text = String::from_utf8(bytes.ok()?).ok()?;
            text.split_once(':').map(|(_, password)| password.to_string())
        }
    }
}

/// Refuses a request, naming what is wanted.
pub fn refusal(scheme: Scheme) -> Reply {
    let challenge = format!("{scheme:?} realm=\"Acme\"");
    Reply::text(401, "text/plain", "a token is needed\n").with("WWW-Authenticate", &challenge)
}

/// Serves the repositories below a directory to whoever brings a token that `valid` knows.
pub fn start(below: PathBuf, scheme: Scheme, valid: impl Fn(&str) -> bool + Send + Sync + 'static) -> Server {
    Server::start(move |request| {
        if !token(request, scheme).is_some_and(|token| valid(&token)) {
            return refusal(scheme);
        }
        answer(&below, request).unwrap_or_else(|| Reply::text(404, "text/plain", "there is no such thing\n"))
    })
}

fn answer(below: &Path, request: &Request) -> Option<Reply> {
    let (name, rest) = request.path.strip_prefix('/')?.split_once('/')?;
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-');
    let dir = below.join(name);
    if !plain || name.starts_with('.') || !dir.is_dir() || request.header("content-encoding").is_some() {
        return None;
    }
    let service = if rest == "info/refs" {
        request.query.strip_prefix("service=")?
    } else {
        rest
    };
    let service = service
        .strip_prefix("git-")
        .filter(|name| ["upload-pack", "receive-pack"].contains(name))?;
    if rest == "info/refs" {
        let first = format!("# service=git-{service}\n");
        let mut body = format!("{:04x}{first}0000", first.len() + 4).into_bytes();
        body.extend(git(&[service, "--stateless-rpc", "--advertise-refs"], &dir, &[])?);
        return Some(whole(&format!("application/x-git-{service}-advertisement"), body));
    }
    let body = git(&[service, "--stateless-rpc"], &dir, &request.body)?;
    Some(whole(&format!("application/x-git-{service}-result"), body))
}

fn whole(content_type: &str, body: Vec<u8>) -> Reply {
    let headers = [("Content-Type", content_type), ("Cache-Control", "no-cache")];
    Reply::Whole {
        status: 200,
        headers: headers.map(|(name, value)| (name.into(), value.into())).into(),
        body,
    }
}

fn git(args: &[&str], dir: &Path, input: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new("git");
    command
        .args(args)
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", dir.join("no-such-file"));
    let mut child = command.spawn().ok()?;
    let mut pipe = child.stdin.take()?;
    let input = input.to_vec();
    let writer = std::thread::spawn(move || pipe.write_all(&input).ok());
    let output = child.wait_with_output().ok()?;
    writer.join().ok()?;
    Some(output.stdout)
}
