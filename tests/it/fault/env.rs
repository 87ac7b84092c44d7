//! Token variables: which answer, which are refused, and that none of them is ever written down.
//!
//! Security review, section 8, E1 and E2.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::home::Home;
use crate::issuer::Script;
use crate::sandbox::{Output, Run};

const VARIABLE: &str = "ACME_TOKEN";

fn get(home: &Home, host: &str) -> Run {
    home.sandbox
        .keyfob(&["get"])
        .stdin(format!("protocol=https\nhost={host}\n\n"))
}

fn answer(output: &Output) -> Option<String> {
    output
        .text()
        .lines()
        .find_map(|line| line.strip_prefix("password="))
        .map(str::to_owned)
}

#[test]
fn an_empty_variable_is_none() {
    let home = Home::new(Script::default());
    let stored = home.token().stdout;
    let run = home.sandbox.keyfob(&["token", "acme"]).env(VARIABLE, "");
    assert_eq!(run.run().expect_success().stdout, stored);
}

#[test]
fn a_variable_that_cannot_be_a_token_is_refused_and_not_shown() {
    let home = Home::new(Script::default());
    // Linux passes no variable on that is longer than 128 KiB.
    let long = "canary".repeat(20_000);
    let values: [OsString; 6] = [
        "canary\n".into(),
        "canary\ncanary".into(),
        "canary canary".into(),
        OsString::from_vec(b"canary\xff".to_vec()),
        "canary-\u{e9}".into(),
        long.into(),
    ];
    for value in values {
        for run in [home.sandbox.keyfob(&["token", "acme"]), get(&home, "acme.example")] {
            let output = run.env(VARIABLE, value.clone()).run();
            assert!(output.code() != 0 && output.stdout.is_empty(), "{value:.20?}");
            assert!(output.stderr.contains(VARIABLE), "{value:.20?}: {}", output.stderr);
        }
        let token = home.sandbox.keyfob(&["token", "acme"]).env(VARIABLE, value);
        token.run().expect_code(5);
    }
}

#[test]
fn a_variable_answers_for_its_provider_s_hosts_only() {
    let home = Home::new(Script::default());
    for host in [
        "other.example",
        "acme.example.evil.example",
        "notacme.example",
        "sub.acme.example",
        "acme.example:8443",
    ] {
        let output = get(&home, host).env(VARIABLE, "canary-variable").run();
        assert!(
            output.stdout.is_empty() && output.code() == 0,
            "{host}: {}",
            output.stderr
        );
    }
    let plain = home
        .sandbox
        .keyfob(&["get"])
        .stdin("protocol=http\nhost=acme.example\n\n");
    assert!(plain.env(VARIABLE, "canary-variable").run().stdout.is_empty());
    let output = get(&home, "acme.example")
        .env(VARIABLE, "canary-variable")
        .run()
        .expect_success();
    assert_eq!(answer(&output).as_deref(), Some("canary-variable"));
}

#[test]
fn a_variable_wins_over_a_session_is_never_written_and_every_command_says_that_it_is_set() {
    let mut home = Home::new(Script::default());
    let stored = String::from_utf8(home.token().stdout).unwrap();
    home.sandbox.set(VARIABLE, "acme_canary_variable");
    let token = home.token().expect_success();
    assert_eq!(token.text(), "acme_canary_variable\n");
    // What git does after a success, and after a failure.
    for action in ["store", "erase"] {
        let text = "protocol=https\nhost=acme.example\nusername=oauth2\npassword=acme_canary_variable\n\n";
        home.sandbox.keyfob(&["git", action]).stdin(text).run().expect_success();
    }
    let login = home
        .sandbox
        .keyfob(&["login", "acme", "--no-browser"])
        .run()
        .expect_success();
    assert!(login.stderr.contains("`ACME_TOKEN` is set"), "{}", login.stderr);
    let status = home.sandbox.keyfob(&["status"]).run().expect_success();
    assert!(
        status.text().contains(VARIABLE) && !status.text().contains("canary"),
        "{}",
        status.text()
    );
    assert!(home.sandbox.files_with("canary_variable").is_empty());
    home.sandbox.unset(VARIABLE);
    let unshadowed = home.token().expect_success();
    assert!(home.issuer.valid_access(unshadowed.text().trim_end()));
    assert_ne!(unshadowed.text(), stored, "the login in between made a new session");
    home.sandbox.set(VARIABLE, "acme_canary_variable");
    let logout = home.sandbox.keyfob(&["logout", "acme"]).run().expect_success();
    assert!(logout.stderr.contains("`ACME_TOKEN` is still set"), "{}", logout.stderr);
    assert!(home.sandbox.files_with("canary").is_empty());
    assert_eq!(home.token().expect_success().text(), "acme_canary_variable\n");
}
