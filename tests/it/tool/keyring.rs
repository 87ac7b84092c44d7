//! keyring's command line as pip and uv write it.

use serde_json::{Value, json};

use super::call::{home_for, two_accounts};
use crate::gate;
use crate::issuer::Issuer;
use crate::sandbox::{Output, Sandbox};

const INDEX: &str = "https://pypi.acme.example/simple/";

fn session() -> (Sandbox, Issuer) {
    home_for("https://pypi.acme.example", "basic")
}

fn run(sandbox: &Sandbox, args: &[&str], input: &str) -> Output {
    sandbox.keyfob(&[&["keyring"], args].concat()).stdin(input).run()
}

/// What pip reads since it asks for user names too.
fn creds(sandbox: &Sandbox, service: &str) -> Value {
    let output = run(sandbox, &["--mode=creds", "--output=json", "get", service], "").expect_success();
    assert_eq!(output.stderr, "");
    serde_json::from_str(output.text()).unwrap()
}

#[test]
fn hit_a_session_is_a_password_for_its_index() {
    let (sandbox, issuer) = session();
    sandbox.login(&issuer);
    let answer = creds(&sandbox, INDEX);
    assert_eq!(answer["username"], json!("oauth2"));
    assert!(issuer.valid_access(answer["password"].as_str().unwrap()));
    // The old form, with the user name of the index's URL; and uv's.
    for args in [
        &["get", INDEX, "oauth2"][..],
        &["get", INDEX, "__token__"],
        &["get", INDEX, "ann"],
    ] {
        let output = run(&sandbox, args, "").expect_success();
        assert_eq!(Some(output.text().trim_end()), answer["password"].as_str(), "{args:?}");
    }
    let output = run(&sandbox, &["get", INDEX, "--mode", "creds"], "").expect_success();
    assert!(output.text().starts_with("oauth2\n"));
}

#[test]
fn miss_is_silent() {
    let (sandbox, issuer) = session();
    sandbox.login(&issuer);
    for service in [
        "https://pypi.example/simple/",
        "pypi.acme.example",
        "http://pypi.acme.example/simple/",
    ] {
        let output = run(&sandbox, &["--mode=creds", "--output=json", "get", service], "");
        assert_eq!(
            (output.code(), output.text(), output.stderr.as_str()),
            (1, "", ""),
            "{service}"
        );
    }
    let output = run(&sandbox, &["get", INDEX, "bob"], "");
    assert_eq!((output.code(), output.text(), output.stderr.as_str()), (1, "", ""));
}

#[test]
fn store_keeps_a_password_for_its_service_alone() {
    let sandbox = Sandbox::new();
    for (service, secret) in [
        (INDEX, "canary-index"),
        ("pypi.acme.example", "canary-name"),
        ("my app", "canary\nlines"),
    ] {
        run(&sandbox, &["set", service, "ann"], &format!("{secret}\n")).expect_success();
    }
    assert_eq!(
        creds(&sandbox, INDEX),
        json!({"username": "ann", "password": "canary-index"})
    );
    assert_eq!(creds(&sandbox, "pypi.acme.example")["password"], json!("canary-name"));
    assert_eq!(creds(&sandbox, "my app")["password"], json!("canary\nlines"));
    // A name is nothing that git could ask for.
    let output = sandbox
        .keyfob(&["get"])
        .stdin("protocol=https\nhost=pypi.acme.example\npath=x\n")
        .run();
    assert_eq!((output.code(), output.text()), (0, ""));
}

#[test]
fn erase_says_whether_there_was_one() {
    let sandbox = Sandbox::new();
    run(&sandbox, &["set", INDEX, "ann"], "canary").expect_success();
    run(&sandbox, &["del", INDEX, "ann"], "").expect_success();
    let again = run(&sandbox, &["del", INDEX, "ann"], "");
    assert_eq!((again.code(), again.text()), (1, ""));
}

#[test]
fn erase_ends_no_session() {
    let (sandbox, issuer) = session();
    sandbox.login(&issuer);
    let output = run(&sandbox, &["del", INDEX, "oauth2"], "").expect_code(1);
    assert!(output.stderr.contains("keyfob logout acme"), "{}", output.stderr);
    creds(&sandbox, INDEX);
    assert_eq!(issuer.refreshes(), 0, "nor is it renewed for it");
}

#[test]
fn refreshed_before_it_is_answered() {
    let (sandbox, issuer) = session();
    sandbox.login_expired(&issuer);
    assert!(issuer.valid_access(creds(&sandbox, INDEX)["password"].as_str().unwrap()));
    assert_eq!(issuer.refreshes(), 1);
}

#[test]
fn malformed_lines_are_told_in_the_words_that_pip_and_uv_look_for() {
    let sandbox = Sandbox::new();
    for args in [
        &["get", INDEX, "ann", "canary"][..],
        &["--what", "get", INDEX, "ann"],
        &["set", INDEX, "ann", "x"],
    ] {
        let output = run(&sandbox, args, "");
        assert_eq!((output.code(), output.text()), (2, ""), "{args:?}");
        assert!(output.stderr.contains("unrecognized arguments"), "{}", output.stderr);
    }
}

#[test]
fn two_accounts_and_a_missing_login_are_words_on_stderr() {
    let (sandbox, _issuer) = session();
    two_accounts(&sandbox);
    for (service, words) in [
        ("https://two.example/simple", "two:ann, two:bob"),
        (INDEX, "run `keyfob login acme`"),
    ] {
        let output = run(&sandbox, &["--mode=creds", "--output=json", "get", service], "");
        assert_eq!((output.code(), output.text()), (1, ""), "{service}");
        assert!(output.stderr.contains(words), "{}", output.stderr);
    }
    let one = run(&sandbox, &["get", "https://two.example/simple", "bob"], "").expect_success();
    assert_eq!(one.text(), "canary\n");
}

#[test]
fn locked_machines_give_no_password() {
    let (sandbox, issuer) = session();
    sandbox.login(&issuer);
    gate::set(&sandbox);
    let output = run(&sandbox, &["get", INDEX, "oauth2"], "").expect_code(1);
    assert!(
        output.text().is_empty() && output.stderr.contains("keyfob unlock"),
        "{}",
        output.stderr
    );
}

#[test]
#[cfg(target_os = "linux")]
fn store_of_what_a_person_types_is_not_shown() {
    let sandbox = Sandbox::new();
    let command = format!("{} keyring set {INDEX} ann", sandbox.keyfob_path().display());
    let run = sandbox.program("script", &["-qec", &command, "/dev/null"]);
    let output = run.stdin("canary typed\n").run().expect_success();
    let prompt = format!("password of ann for {INDEX} (not shown): ");
    assert!(output.text().contains(&prompt), "{}", output.text());
    assert_eq!(
        creds(&sandbox, INDEX),
        json!({"username": "ann", "password": "canary typed"})
    );
    // Where nobody may be asked, nothing is read as if it were a file.
    let run = sandbox.program("script", &["-qec", &command, "/dev/null"]);
    let refused = run.env("KEYFOB_NO_INPUT", "1").stdin("canary again\n").run();
    assert_eq!(refused.code(), 2);
    assert!(refused.text().contains("nobody may be asked"), "{}", refused.text());
    assert_eq!(creds(&sandbox, INDEX)["password"], json!("canary typed"));
}
