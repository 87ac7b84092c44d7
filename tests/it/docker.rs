//! docker's protocol where a table says more than a transcript.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use crate::transcript::Home;

fn docker(home: &Home, operation: &str, input: &str) -> (i32, String) {
    let output = home.run("docker-credential-keyfob", &[operation], input.as_bytes());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (output.status, String::from_utf8(output.stdout).unwrap())
}

fn store(home: &Home, server: &str, secret: &str) {
    let body = format!("{{\"ServerURL\":\"{server}\",\"Username\":\"u\",\"Secret\":\"{secret}\"}}\n");
    assert_eq!(docker(home, "store", &body), (0, String::new()));
}

const NOT_FOUND: &str = "credentials not found in native keychain\n";

#[test]
fn only_case_and_default_port_are_the_same_registry() {
    let home = Home::new();
    store(&home, "victim.example", "canary-v");
    for key in [
        "victim.example",
        "Victim.Example:443",
        "https://victim.example",
        "https://victim.example/",
        "victim.example?x",
    ] {
        let expected = format!("{{\"ServerURL\":\"{key}\",\"Username\":\"u\",\"Secret\":\"canary-v\"}}\n");
        assert_eq!(docker(&home, "get", key), (0, expected));
    }
    for key in [
        "victim.example:5000",
        "victim.example.",
        "evil-victim.example",
        "victim.example.evil",
        "victim.exampl",
        "a.victim.example",
        "victim_.example",
    ] {
        assert_eq!(docker(&home, "get", key), (1, NOT_FOUND.into()), "{key}");
    }
    for key in [
        "victim.example:0443",
        "victim.example..",
        "u@victim.example",
        "victim。example",
        "victim.example#",
        "victim;.example",
    ] {
        let (status, text) = docker(&home, "get", key);
        assert!(status == 1 && text.starts_with("keyfob: "), "{key}: {text}");
    }
}

#[test]
fn secrets_of_64_kib_come_back_as_they_were() {
    let home = Home::new();
    for length in [1_usize, 2_561, 4_096, 65_536] {
        let secret = "canary".repeat(usize::div_ceil(length, 6))[..length].to_owned();
        store(&home, "registry.example", &secret);
        let expected = format!("{{\"ServerURL\":\"registry.example\",\"Username\":\"u\",\"Secret\":\"{secret}\"}}\n");
        assert_eq!(docker(&home, "get", "registry.example"), (0, expected), "{length}");
    }
    let long = format!(
        "{{\"ServerURL\":\"b.example\",\"Username\":\"u\",\"Secret\":\"{}\"}}",
        "c".repeat(70 << 10)
    );
    assert_eq!(docker(&home, "store", &long).0, 1);
    assert_eq!(docker(&home, "get", "b.example"), (1, NOT_FOUND.into()));
}

#[test]
fn what_is_listed_can_be_got() {
    let home = Home::new();
    for server in [
        "docker.io",
        "ghcr.io",
        "registry.example:5000",
        "http://localhost:5000",
        "ghcr.io/org",
    ] {
        store(&home, server, "canary-l");
    }
    let (status, text) = docker(&home, "list", "unused");
    assert_eq!(status, 0);
    let rows: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(rows.len(), 5, "{text}");
    for key in rows.keys() {
        assert_eq!(docker(&home, "get", key).0, 0, "{key}");
    }
}

#[test]
fn a_damaged_store_is_not_an_absent_credential() {
    let home = Home::new();
    store(&home, "registry.example", "canary-d");
    damage(home.path());
    let (status, text) = docker(&home, "get", "registry.example");
    assert_eq!(status, 1);
    assert!(
        text.starts_with("keyfob: ") && text != NOT_FOUND && !text.contains("canary"),
        "{text}"
    );
    assert!(
        text.contains("run `keyfob erase` with `url=https://registry.example`"),
        "{text}"
    );
    // What was rejected cannot have come from it; without a secret everything there is meant.
    let rejected = b"protocol=https\nhost=registry.example\nusername=u\npassword=canary-x\n";
    let erased = home.run("keyfob", &["git", "erase"], rejected);
    assert_eq!((erased.status, erased.stderr.as_slice()), (0, &b""[..]));
    assert_ne!(docker(&home, "get", "registry.example"), (1, NOT_FOUND.into()));
    assert_eq!(docker(&home, "erase", "registry.example"), (0, String::new()));
    assert_eq!(docker(&home, "get", "registry.example"), (1, NOT_FOUND.into()));
}

/// Cuts every file that holds something in half.
fn damage(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            damage(&path);
        } else {
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        }
    }
}

#[test]
fn the_version_names_program_package_and_number() {
    let expected = format!("docker-credential-keyfob (keyfob) {}\n", env!("CARGO_PKG_VERSION"));
    for word in ["version", "--version", "-v"] {
        assert_eq!(docker(&Home::new(), word, ""), (0, expected.clone()));
    }
}
