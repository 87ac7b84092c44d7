//! A tool that leaves its credentials to keyfob: `cargo run --example host_tool https://acme.example/api`.
//!
//! This is all that a program needs: one process started, a few lines each way, over the native protocol (`protocol.md`).
//! It asks, uses what it got, and says afterwards whether that was accepted; it keeps nothing itself.
//! `KEYFOB` names the program if it is not on the path.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is a program of its own")]
#![allow(
    clippy::disallowed_methods,
    reason = "this is a program of its own, outside of the World"
)]

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::{Command, ExitCode, Stdio};

/// What came back, by the names of the protocol: `username`, `password`, `source`, …
type Lines = BTreeMap<String, String>;

fn main() -> ExitCode {
    let Some(url) = std::env::args().nth(1) else {
        eprintln!("usage: host_tool URL");
        return ExitCode::from(64);
    };
    match keyfob("get", &url, &Lines::new()) {
        // stderr is the person's: keyfob has said there what to do.
        Ok(credential) if !credential.contains_key("password") => ExitCode::from(2),
        Ok(credential) => {
            let status = use_it(&url, &credential);
            // A server's 401 is the only reason to say `erase`; keyfob forgets it only if it is still this very one.
            let verdict = if status == 401 { "erase" } else { "store" };
            keyfob(verdict, &url, &credential).map_or(ExitCode::FAILURE, |_| ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("host_tool: keyfob cannot be started: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs `keyfob get`, `store` or `erase` for a URL, and reads its answer.
///
/// A secret goes through the pipe only, never into the arguments, which every user of the machine can list.
fn keyfob(action: &str, url: &str, credential: &Lines) -> io::Result<Lines> {
    let program = std::env::var_os("KEYFOB").unwrap_or_else(|| "keyfob".into());
    let mut command = Command::new(program);
    command
        .arg(action)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    let mut child = command.spawn()?;
    // `url` may stand for protocol, host and path, which keyfob reads from it.
    let mut request = format!("url={url}\n");
    for name in ["username", "password"] {
        if let Some(value) = credential.get(name) {
            request += &format!("{name}={value}\n");
        }
    }
    // The pipe is closed here, which ends the request as an empty line would.
    child
        .stdin
        .take()
        .ok_or(io::ErrorKind::BrokenPipe)?
        .write_all(request.as_bytes())?;
    let output = child.wait_with_output()?;
    let answer = String::from_utf8(output.stdout).unwrap_or_default();
    let pairs = answer.lines().filter_map(|line| line.split_once('='));
    Ok(pairs.map(|(name, value)| (name.into(), value.into())).collect())
}

/// Where a real tool talks to its server. This one says what it would send, without showing it, and was welcome.
fn use_it(url: &str, credential: &Lines) -> u16 {
    let username = credential.get("username").map_or("nobody", String::as_str);
    let length = credential.get("password").map_or(0, String::len);
    let source = credential.get("source").map_or("an unknown place", String::as_str);
    println!("{url}: as {username}, with a secret of {length} characters from {source}");
    200
}
