//! Provider files through the real program: who claims what, from which source, and how a mistake is told.
//!
//! Mistakes in a file are in `provider/mistake.rs`, those in a call in `provider/call.rs`, the index in
//! `provider/index.rs`, choosing among several claims in `provider/choice.rs`, what tools bring in `provider/kept.rs`.
//! No issuer is needed: keys come from variables and stdin.

mod call;
mod choice;
mod index;
mod kept;
mod mistake;
mod preset;

use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::sandbox::{Output, Sandbox};

/// A provider of keys that the person brings, with the rest of its file.
fn key_provider(sandbox: &Sandbox, name: &str, rest: &str) {
    sandbox.write_provider(name, &format!("format = 1\n[login]\nflow = \"key\"\n{rest}"));
}

/// One target, with what else stands in its table.
fn target(url: &str, rest: &str) -> String {
    format!("[[target]]\nurl = \"{url}\"\n{rest}\n")
}

/// One variable with a key, in a table that stands before the targets.
fn variable(name: &str) -> String {
    format!("[env]\nvariables = [\"{name}\"]\n")
}

/// Keeps a key under a profile, whoever it speaks for.
fn set_token(sandbox: &Sandbox, profile: &str, key: &str) {
    let run = sandbox.keyfob(&["set-token", profile, "--no-check"]);
    run.stdin(key).run().expect_success();
}

/// What git gets for a URL, with these lines more in its request.
fn git_get(sandbox: &Sandbox, url: &str, more: &str) -> Output {
    sandbox
        .keyfob(&["git", "get"])
        .stdin(format!("url={url}\n{more}"))
        .run()
}

/// The password that git gets for a URL; empty for a miss.
fn password(sandbox: &Sandbox, url: &str) -> String {
    value(&git_get(sandbox, url, "").expect_success(), "password")
}

/// One attribute of an answer; empty where it is absent.
fn value(output: &Output, key: &str) -> String {
    let lines = output.text().lines();
    let found = lines
        .filter_map(|line| line.split_once('='))
        .find(|(name, _)| *name == key);
    found.map(|(_, value)| value.to_owned()).unwrap_or_default()
}

/// Makes a file or directory an hour old, so that its time is no reason to read anything again.
fn age(path: &Path) {
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    std::fs::File::open(path).unwrap().set_modified(hour_ago).unwrap();
}

/// Makes all provider files and their directory an hour old.
fn age_all(sandbox: &Sandbox) {
    let directory = sandbox.path().join("keyfob/config/providers");
    for entry in directory.read_dir().unwrap().flatten() {
        age(&entry.path());
    }
    age(&directory);
}
