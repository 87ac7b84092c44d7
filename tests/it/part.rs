//! Parts of a machine that a test may need and a machine may lack.
//!
//! What is skipped is said on stderr itself, past the capture of the test runner, with the reason. `.ci/run` sets
//! `KEYFOB_ALL_PARTS`: there a missing part is a failure.

use std::io::Write;

/// Says what is not shown on this machine, and why.
///
/// # Panics
/// Where all parts are required.
pub fn skipped(what: &str, why: &str) {
    let required = std::env::var_os("KEYFOB_ALL_PARTS").is_some();
    assert!(!required, "{what}: {why}, and all parts are required here");
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}: {why}");
}

/// Whether system calls can be made to fail; said where they cannot.
#[cfg(test)]
pub fn strace() -> bool {
    let there = std::process::Command::new("strace").arg("-V").output().is_ok();
    if !there {
        skipped("system calls that fail or kill", "strace is not installed");
    }
    there
}

/// Whether another user can be played; said where not.
#[cfg(test)]
pub fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skipped("the rules between users", "only root can be another user");
    }
    root
}
