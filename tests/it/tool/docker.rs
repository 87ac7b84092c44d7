//! docker's helper protocol, which says on stdout why it failed.

use serde_json::{Value, json};

use super::call::home_for;
use crate::gate;
use crate::issuer::Issuer;
use crate::sandbox::{Output, Sandbox};

fn home() -> (Sandbox, Issuer) {
    home_for("https://acme.example", "basic")
}

fn get(sandbox: &Sandbox) -> Output {
    sandbox.keyfob(&["docker", "get"]).stdin("acme.example").run()
}

/// Asks, and has the token of the session as a password.
#[track_caller]
fn hits(sandbox: &Sandbox, issuer: &Issuer) {
    let output = get(sandbox).expect_success();
    let answer: Value = serde_json::from_str(output.text()).unwrap();
    assert_eq!(answer["ServerURL"], json!("acme.example"));
    assert!(issuer.valid_access(answer["Secret"].as_str().unwrap()));
    assert_eq!(output.stderr, "");
}

/// Asks, and has one line with this text that is no miss.
#[track_caller]
fn fails(sandbox: &Sandbox, text: &str) {
    let output = get(sandbox);
    assert_eq!(output.code(), 1);
    let line = output.text();
    assert!(line.starts_with("keyfob: ") && line.contains(text), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    assert_eq!(output.stderr, "");
}

#[test]
fn hit_a_session_is_a_password() {
    let (sandbox, issuer) = home();
    fails(&sandbox, "run `keyfob login acme");
    sandbox.login(&issuer);
    hits(&sandbox, &issuer);
    assert_eq!(issuer.refreshes(), 0);
}

#[test]
fn refreshed_before_it_is_answered() {
    let (sandbox, issuer) = home();
    sandbox.login_expired(&issuer);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| hits(&sandbox, &issuer));
        }
    });
    assert_eq!(issuer.refreshes(), 1);
}

#[test]
fn two_accounts_are_named_and_none_is_taken() {
    let (sandbox, issuer) = home();
    sandbox.login(&issuer);
    issuer.script(|script| script.subject = "bob".into());
    sandbox.login(&issuer);
    fails(&sandbox, "acme:ann, acme:bob");
    sandbox.keyfob(&["account", "acme", "bob"]).run().expect_success();
    hits(&sandbox, &issuer);
}

#[test]
fn locked_machines_give_no_password() {
    let (sandbox, issuer) = home();
    sandbox.login(&issuer);
    gate::set(&sandbox);
    sandbox.keyfob(&["lock"]).run().expect_success();
    fails(&sandbox, "run `keyfob unlock");
}

#[test]
fn miss_is_the_one_sentence_that_docker_knows() {
    let output = get(&Sandbox::new());
    assert_eq!(output.code(), 1);
    assert_eq!(output.text().trim_end(), "credentials not found in native keychain");
}

#[test]
fn malformed_messages_and_operations_are_told_on_stdout() {
    let sandbox = Sandbox::new();
    for (operation, stdin) in [
        ("get", "a\0b"),
        (
            "store",
            "{\"ServerURL\":\"acme.example\",\"Username\":7,\"Secret\":\"canary\"}",
        ),
        ("store", "no JSON"),
        ("renew", "acme.example"),
    ] {
        let output = sandbox.keyfob(&["docker", operation]).stdin(stdin).run();
        assert_eq!(output.code(), 1, "{operation} {stdin:?}");
        assert!(
            !output.text().is_empty() && !output.text().contains("canary"),
            "{operation}"
        );
        assert_eq!(output.stderr, "");
    }
    let output = sandbox.keyfob(&["docker", "get"]).stdin("").run();
    assert_eq!(
        (output.code(), output.text().trim_end()),
        (1, "no credentials server URL")
    );
}
