//! NuGet's messages, as its documentation and its source name them: there is no client to be had here.

use std::time::Duration;

use serde_json::{Value, json};

use super::call::{home_for, two_accounts};
use crate::gate;
use crate::issuer::Issuer;
use crate::sandbox::Sandbox;

const FEED: &str = "https://pkgs.acme.example/v3/index.json";

fn session() -> (Sandbox, Issuer) {
    home_for("https://pkgs.acme.example", "basic")
}

fn message(method: &str, payload: &Value) -> String {
    json!({"RequestId": method, "Type": "Request", "Method": method, "Payload": payload}).to_string() + "\n"
}

fn asks(uri: &str, is_retry: bool) -> String {
    let payload = json!({"Uri": uri, "IsRetry": is_retry, "IsNonInteractive": true, "CanShowDialog": false});
    message("GetAuthenticationCredentials", &payload)
}

/// The payloads of the answers after the greeting, of a whole conversation.
fn talk(sandbox: &Sandbox, messages: &[String]) -> Vec<Value> {
    let lines = converse(sandbox, messages).into_iter();
    lines.map(|line| line["Payload"].clone()).collect()
}

/// The answers after the greeting, of a whole conversation.
fn converse(sandbox: &Sandbox, messages: &[String]) -> Vec<Value> {
    let input = message(
        "Handshake",
        &json!({"ProtocolVersion": "2.0.0", "MinimumProtocolVersion": "1.0.0"}),
    ) + &messages.concat()
        + &message("Close", &Value::Null);
    let output = sandbox
        .keyfob(&["nuget", "-Plugin"])
        .stdin(input)
        .run()
        .expect_success();
    assert_eq!(output.stderr, "");
    let mut lines = output
        .text()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert_eq!(lines.next().unwrap()["Type"], "Request");
    assert_eq!(
        lines.next().unwrap()["Payload"],
        json!({"ResponseCode": "Success", "ProtocolVersion": "2.0.0"})
    );
    lines.collect()
}

#[test]
fn hit_a_session_is_a_password_for_its_feed() {
    let (sandbox, issuer) = session();
    sandbox.login(&issuer);
    let answers = talk(
        &sandbox,
        &[message("GetOperationClaims", &json!({})), asks(FEED, false)],
    );
    assert_eq!(answers[0], json!({"Claims": ["Authentication"]}));
    assert_eq!(
        (&answers[1]["Username"], &answers[1]["ResponseCode"]),
        (&json!("oauth2"), &json!("Success"))
    );
    assert!(issuer.valid_access(answers[1]["Password"].as_str().unwrap()));
    let alone = sandbox
        .keyfob(&["nuget", "-Uri", FEED, "-IsRetry", "False", "-OutputFormat", "Json"])
        .run();
    let pair: Value = serde_json::from_str(alone.expect_success().text()).unwrap();
    assert_eq!(pair, json!({"Username": "oauth2", "Password": answers[1]["Password"]}));
}

#[test]
fn miss_is_not_found() {
    let (sandbox, issuer) = session();
    sandbox.login(&issuer);
    for uri in [
        "https://pkgs.example/v3/index.json",
        "http://pkgs.acme.example/v3/index.json",
    ] {
        assert_eq!(
            talk(&sandbox, &[asks(uri, false)])[0]["ResponseCode"],
            "NotFound",
            "{uri}"
        );
    }
}

#[test]
fn refreshed_before_it_is_answered_and_when_the_feed_refused_it() {
    let (sandbox, issuer) = session();
    sandbox.login_expired(&issuer);
    let answers = talk(&sandbox, &[asks(FEED, false), asks(FEED, false), asks(FEED, true)]);
    assert_eq!(answers[0]["Password"], answers[1]["Password"]);
    assert_ne!(answers[1]["Password"], answers[2]["Password"]);
    assert!(issuer.valid_access(answers[2]["Password"].as_str().unwrap()));
    assert_eq!(issuer.refreshes(), 2);
}

#[test]
fn refreshed_slowly_nuget_is_told_to_wait() {
    let (sandbox, issuer) = session();
    sandbox.login_expired(&issuer);
    issuer.script(|script| script.before_commit = Duration::from_secs(2));
    let patience = message("Initialize", &json!({"RequestTimeout": "00:00:01"}));
    let lines = converse(&sandbox, &[patience, asks(FEED, false)]);
    let kinds: Vec<&str> = lines.iter().map(|line| line["Type"].as_str().unwrap()).collect();
    let told = kinds.iter().filter(|kind| **kind == "Progress").count();
    assert!(told > 0, "{kinds:?}");
    let told: Vec<&str> = std::iter::repeat_n("Progress", told).collect();
    assert_eq!(kinds, [&["Response"], &told[..], &["Response"]].concat());
    let progress = json!({"RequestId": "GetAuthenticationCredentials", "Type": "Progress",
        "Method": "GetAuthenticationCredentials", "Payload": {}});
    assert_eq!(lines[1], progress);
    let answer = &lines[lines.len() - 1]["Payload"];
    assert!(issuer.valid_access(answer["Password"].as_str().unwrap()));
    assert_eq!(issuer.refreshes(), 1);
}

#[test]
fn refreshed_for_a_question_after_the_feed_refused_the_last_answer() {
    let (sandbox, issuer) = session();
    sandbox.login(&issuer);
    let ask = |is_retry| {
        let args = ["nuget", "-Uri", FEED, "-IsRetry", is_retry, "-OutputFormat", "Json"];
        let pair: Value = serde_json::from_str(sandbox.keyfob(&args).run().expect_success().text()).unwrap();
        pair["Password"].as_str().unwrap().to_owned()
    };
    let (first, again, retried) = (ask("False"), ask("false"), ask("True"));
    assert_eq!(first, again);
    assert_ne!(again, retried);
    assert!(issuer.valid_access(&retried));
    assert_eq!(issuer.refreshes(), 1);
}

#[test]
fn malformed_messages_end_the_conversation() {
    let output = Sandbox::new()
        .keyfob(&["nuget", "-Plugin"])
        .stdin("{\"Type\":1}\n")
        .run();
    assert_eq!((output.code(), output.text().lines().count()), (1, 1));
    let answers = talk(
        &Sandbox::new(),
        &[message("Unheard", &json!({})), asks("packages", false)],
    );
    assert!(answers[0]["Message"].as_str().unwrap().contains("not known"));
    assert_eq!(answers[1]["ResponseCode"], "Error");
}

#[test]
fn two_accounts_and_a_missing_login_are_messages() {
    let (sandbox, _issuer) = session();
    two_accounts(&sandbox);
    for (uri, words) in [
        ("https://two.example/v3", "two:ann, two:bob"),
        (FEED, "run `keyfob login acme`"),
    ] {
        let answers = talk(&sandbox, &[asks(uri, false)]);
        assert_eq!(answers[0]["ResponseCode"], "Error");
        assert!(
            answers[0]["Message"].as_str().unwrap().contains(words),
            "{}",
            answers[0]
        );
    }
}

#[test]
fn locked_machines_give_no_password() {
    let (sandbox, issuer) = session();
    sandbox.login(&issuer);
    gate::set(&sandbox);
    let answers = talk(&sandbox, &[asks(FEED, false)]);
    assert_eq!(
        (&answers[0]["ResponseCode"], &answers[0]["Password"]),
        (&json!("Error"), &Value::Null)
    );
    assert!(
        answers[0]["Message"].as_str().unwrap().contains("keyfob unlock"),
        "{}",
        answers[0]
    );
}
