//! The account's password, from standard input: set, taken away, asked about.

use serde_json::json;

use super::service::PASSWORD;
use super::set;
use crate::http_server::Reply;
use crate::sandbox::Sandbox;

const NEW: &str = "new canary pass";

fn give(sandbox: &Sandbox, lines: &str) -> crate::run::Output {
    sandbox.keyfob(&["password", "set", "acme"]).stdin(lines).run()
}

#[test]
fn a_password_is_set_from_standard_input_after_the_one_in_use() {
    for (args, end) in [
        (&["password", "set", "acme"][..], "\n"),
        (&["auth", "password", "set", "--stdin"], ""),
        (&["--provider", "acme", "password", "set"], "\r\n"),
    ] {
        let (sandbox, service) = set("");
        let run = sandbox.keyfob(args).stdin(format!("{PASSWORD}\n{NEW}{end}"));
        let output = run.run().expect_success();
        assert!(
            output
                .stderr
                .contains("The password of `acme:ann@acme.example` is set."),
            "{}",
            output.stderr
        );
        assert_eq!(
            service.bodies("PUT /password"),
            [json!({"password": NEW, "current": PASSWORD})]
        );
        assert_eq!(service.state().password.as_deref(), Some(NEW));
        assert!(sandbox.files_with(NEW).is_empty() && sandbox.files_with(PASSWORD).is_empty());
    }
}

#[test]
fn what_is_given_wrongly_reaches_no_service() {
    let (sandbox, service) = set("");
    for lines in [
        "",
        "\n",
        "old canary",
        "old canary\n\n",
        "a\nb canary\nc canary\n",
        "a\nb\tcanary\n",
    ] {
        let output = give(&sandbox, lines).expect_code(64);
        assert!(!output.stderr.contains("canary"), "{lines:?}");
    }
    give(&sandbox, &format!("a\n{}\n", "x".repeat(4097))).expect_code(64);
    sandbox.keyfob(&["password", "set", "acme"]).run().expect_code(64);
    // Among the arguments every user of the machine could read it.
    let run = sandbox.keyfob(&["password", "set", "acme", "canary pass word"]);
    run.stdin("").run().expect_code(64);
    assert!(service.seen("PUT /password").is_empty());
}

#[test]
fn every_answer_has_its_exit_code_and_the_words_of_the_service() {
    let (sandbox, service) = set("");
    let output = give(&sandbox, "wrong canary\nnew canary pass\n").expect_code(5);
    assert!(
        output.stderr.contains("status 401: it says “Wrong password”"),
        "{}",
        output.stderr
    );
    let output = give(&sandbox, &format!("{PASSWORD}\nkurz\n")).expect_code(5);
    assert!(
        output.stderr.contains("“Too short: 12 letters at least”"),
        "{}",
        output.stderr
    );
    for (reply, code, says) in [
        (
            Reply::error(403, "mfa_required"),
            5,
            "run `keyfob mfa enroll acme:ann@acme.example`",
        ),
        (
            Reply::json(429, &json!({})).with("Retry-After", "7"),
            3,
            "a pause of 7 s",
        ),
        (
            Reply::error(500, "oops"),
            3,
            "run `keyfob password status acme:ann@acme.example`",
        ),
        (Reply::Drop, 3, "it may have been done"),
        (
            Reply::text(200, "text/html", "<h1>hotel</h1>"),
            3,
            "something other than JSON",
        ),
        (Reply::redirect(307, "https://elsewhere.example/"), 3, "status 307"),
        (Reply::error(405, "no"), 1, "status 405"),
    ] {
        service.inject("/password", &reply);
        let output = give(&sandbox, &format!("{PASSWORD}\n{NEW}\n")).expect_code(code);
        assert!(output.stderr.contains(says), "{reply:?}: {}", output.stderr);
    }
    assert_eq!(service.state().password.as_deref(), Some(PASSWORD));
}

#[test]
fn a_password_is_taken_away_only_when_that_is_sure() {
    let (sandbox, service) = set("");
    let status = |says: &str, is_set: bool| {
        let output = sandbox.keyfob(&["password", "status", "acme"]).run().expect_success();
        assert_eq!(output.text(), format!("`acme:ann@acme.example` {says}.\n"));
        let output = sandbox
            .keyfob(&["password", "status", "acme", "--json"])
            .run()
            .expect_success();
        let shown: serde_json::Value = serde_json::from_str(output.text()).unwrap();
        assert_eq!(
            shown,
            json!({"schema": 1, "profile": "acme:ann@acme.example", "password": is_set})
        );
    };
    status("has a password", true);
    sandbox.keyfob(&["password", "clear", "acme"]).run().expect_code(64);
    assert!(service.seen("DELETE /password").is_empty());
    // Nothing was sent that could be wrong but the token.
    service.inject("/password", &Reply::error(401, "invalid_token"));
    let output = sandbox
        .keyfob(&["password", "clear", "acme", "--yes"])
        .run()
        .expect_code(2);
    assert!(output.stderr.contains("run `keyfob login"), "{}", output.stderr);
    sandbox
        .keyfob(&["password", "clear", "acme", "--yes"])
        .run()
        .expect_success();
    assert!(service.seen("DELETE /password")[0].body.is_empty());
    status("has no password", false);
}

#[test]
fn the_token_of_a_variable_is_used_and_named() {
    let (sandbox, service) = set("");
    let run = sandbox
        .keyfob(&["password", "set", "acme"])
        .env("ACME_TOKEN", "at1_canary");
    let output = run.stdin(format!("{PASSWORD}\n{NEW}\n")).run().expect_success();
    assert!(output.stderr.contains("the variable `ACME_TOKEN`"), "{}", output.stderr);
    assert_eq!(service.seen("PUT /password").len(), 1);
}

#[test]
fn a_state_in_an_unusual_place_is_found_where_the_file_says() {
    let (sandbox, service) = set("[password]\nstate = \"/data/password/there\"");
    service.inject(
        "/password",
        &Reply::json(200, &json!({"data": {"password": {"there": "yes"}}})),
    );
    let output = sandbox.keyfob(&["password", "status", "acme"]).run().expect_success();
    assert!(output.text().contains("has a password"), "{}", output.text());
    let output = sandbox.keyfob(&["password", "status", "acme"]).run().expect_code(1);
    assert!(output.stderr.contains("correct `password.state`"), "{}", output.stderr);
}
