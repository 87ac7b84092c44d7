//! cargo's credential provider protocol, as its book describes it.

use serde_json::{Value, json};

use super::call::home_for;
use crate::gate;
use crate::issuer::Issuer;
use crate::sandbox::{Output, Sandbox};

const INDEX: &str = "sparse+https://r.acme.example/index/";

/// A session for a registry.
fn session() -> (Sandbox, Issuer) {
    home_for("https://r.acme.example/index", "bearer")
}

fn message(kind: &str, index: &str, more: Value) -> String {
    let mut message = json!({"v": 1, "registry": {"index-url": index, "name": "acme"}, "kind": kind});
    message
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    format!("{message}\n")
}

fn run(sandbox: &Sandbox, input: &str) -> Output {
    sandbox
        .keyfob(&["cargo", "--cargo-plugin"])
        .stdin(input)
        .run()
        .expect_success()
}

/// The answers to messages, behind the greeting. Nothing is said to the person.
fn answers(sandbox: &Sandbox, messages: &[String]) -> Vec<Value> {
    let output = run(sandbox, &messages.concat());
    assert_eq!(output.stderr, "");
    lines(&output)
}

fn lines(output: &Output) -> Vec<Value> {
    let mut lines = output.text().lines();
    assert_eq!(lines.next(), Some("{\"v\":[1]}"));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn get(sandbox: &Sandbox, index: &str) -> Value {
    answers(sandbox, &[message("get", index, json!({"operation": "read"}))]).remove(0)
}

fn kind(answer: &Value) -> &str {
    answer["Err"]["kind"].as_str().unwrap_or_default()
}

#[test]
fn hit_a_session_is_a_bearer_token_with_its_end() {
    let (sandbox, issuer) = session();
    sandbox.login(&issuer);
    let answer = get(&sandbox, INDEX);
    let token = answer["Ok"]["token"].as_str().unwrap();
    assert!(issuer.valid_access(token.strip_prefix("Bearer ").unwrap()));
    assert_eq!(
        (&answer["Ok"]["cache"], &answer["Ok"]["kind"]),
        (&json!("expires"), &json!("get"))
    );
    assert!(answer["Ok"]["expiration"].is_i64() && answer["Ok"]["operation_independent"] == json!(true));
}

#[test]
fn miss_lets_cargo_ask_its_next_provider() {
    let (sandbox, _issuer) = session();
    assert_eq!(
        get(&sandbox, "sparse+https://other.example/"),
        json!({"Err": {"kind": "not-found"}})
    );
    assert_eq!(
        get(&sandbox, "file:///srv/index"),
        json!({"Err": {"kind": "url-not-supported"}})
    );
    // A session that is missing is one, too, with a word to the person.
    let output = run(&sandbox, &message("get", INDEX, json!({})));
    assert_eq!(lines(&output), [json!({"Err": {"kind": "not-found"}})]);
    assert!(
        output.stderr.ends_with("hint: run `keyfob login acme`\n"),
        "{}",
        output.stderr
    );
}

#[test]
fn store_and_erase_keep_a_token_for_cargo_alone() {
    let sandbox = Sandbox::new();
    for (given, expected) in [("canary-one", "canary-one"), ("Bearer canary-two", "Bearer canary-two")] {
        let got = answers(
            &sandbox,
            &[
                message("login", INDEX, json!({"token": given})),
                message("get", INDEX, json!({"operation": "owners", "name": "x"})),
            ],
        );
        assert_eq!(got[0], json!({"Ok": {"kind": "login"}}));
        let found = json!({"kind": "get", "token": expected, "cache": "session", "operation_independent": true});
        assert_eq!(got[1], json!({"Ok": found}));
    }
    // The host's other tools would send it as a password, and have it forgotten when that is refused.
    for args in [&["git", "get"][..], &["get"]] {
        let question = "capability[]=authtype\nprotocol=https\nhost=r.acme.example\npath=index\n\n";
        let output = sandbox.keyfob(args).stdin(question).run().expect_success();
        assert_eq!(output.text(), "");
    }
    assert_eq!(
        kind(&get(&sandbox, "sparse+https://r.acme.example/other/")),
        "not-found"
    );
    let logout = message("logout", INDEX, json!({}));
    let got = answers(&sandbox, &[logout.clone(), message("get", INDEX, json!({})), logout]);
    assert_eq!(got[0], json!({"Ok": {"kind": "logout"}}));
    assert_eq!((kind(&got[1]), kind(&got[2])), ("not-found", "not-found"));
    assert!(sandbox.files_with("canary").is_empty());
}

#[test]
fn store_where_a_provider_has_the_sessions_names_the_command_that_does_it() {
    let (sandbox, issuer) = session();
    let login = message("login", INDEX, json!({"token": "canary-mine"}));
    let got = answers(&sandbox, std::slice::from_ref(&login));
    assert!(
        got[0]["Err"]["message"]
            .as_str()
            .unwrap()
            .ends_with("; run `keyfob login acme`"),
        "{got:?}"
    );
    sandbox.login(&issuer);
    let got = answers(&sandbox, &[login, message("logout", INDEX, json!({}))]);
    for (answer, command) in got.iter().zip(["login", "logout"]) {
        let message = answer["Err"]["message"].as_str().unwrap();
        assert!(message.contains(&format!("; run `keyfob {command} acme")), "{message}");
    }
    assert!(sandbox.files_with("canary-mine").is_empty());
    assert!(issuer.live_family().is_some());
}

#[test]
fn store_and_erase_are_no_business_of_cargos_where_a_provider_keeps_what_came() {
    let sandbox = Sandbox::new();
    let text =
        "format = 1\n[login]\nflow = \"static\"\n[[target]]\nurl = \"https://r.acme.example\"\nscheme = \"bearer\"\n";
    sandbox.write_provider("acme", text);
    let set = sandbox.keyfob(&["set-token", "acme:ann"]).stdin("canary-ann");
    set.run().expect_success();
    for (kind, more) in [
        ("login", json!({"token": "Bearer canary-s"})),
        ("login", json!({"token": "canary-s"})),
        ("logout", json!({})),
    ] {
        let got = answers(&sandbox, &[message(kind, INDEX, more)]);
        let text = got[0]["Err"]["message"].as_str().unwrap();
        assert!(text.contains(&format!("; run `keyfob {kind} acme:ann`")), "{text}");
    }
    // A second account would leave it open which one is meant.
    assert_eq!(get(&sandbox, INDEX)["Ok"]["token"], json!("Bearer canary-ann"));
}

#[test]
fn refreshed_before_it_is_answered() {
    let (sandbox, issuer) = session();
    sandbox.login_expired(&issuer);
    let token = get(&sandbox, INDEX)["Ok"]["token"].as_str().unwrap().to_owned();
    assert!(issuer.valid_access(token.strip_prefix("Bearer ").unwrap()));
    assert_eq!(issuer.refreshes(), 1);
}

#[test]
fn malformed_messages_are_answered_and_the_next_one_is_read() {
    let sandbox = Sandbox::new();
    let login = message("login", INDEX, json!({"token": "canary\nx"}));
    let got = answers(
        &sandbox,
        &[
            "{\"v\":1,\n".into(),
            "{\"v\":2}\n".into(),
            message("get", INDEX, json!({"args": ["a", "b"]})),
            login,
            message("a-future-one", INDEX, json!({})),
            "{\"v\":1,\"kind\":\"a-future-one\",\"registry\":null}\n".into(),
            message("get", INDEX, json!({"operation": "a-future-one", "x": 1})),
        ],
    );
    let kinds: Vec<&str> = got.iter().map(kind).collect();
    assert_eq!(
        kinds,
        [
            "other",
            "other",
            "other",
            "other",
            "operation-not-supported",
            "operation-not-supported",
            "not-found"
        ]
    );
    assert!(sandbox.files_with("canary").is_empty());
}

#[test]
fn malformed_greetings_are_not_waited_for() {
    // cargo writes nothing before it is greeted, and closes its end when it wants no more.
    let output = run(&Sandbox::new(), "");
    assert_eq!(output.text(), "{\"v\":[1]}\n");
}

#[test]
fn two_accounts_are_listed_and_one_can_be_named() {
    let sandbox = Sandbox::new();
    let text =
        "format = 1\n[login]\nflow = \"key\"\n[[target]]\nurl = \"https://r.acme.example\"\nscheme = \"bearer\"\n";
    sandbox.write_provider("acme", text);
    for name in ["ann", "bob"] {
        let profile = format!("acme:{name}");
        let set = sandbox.keyfob(&["set-token", &profile]).stdin(format!("canary-{name}"));
        set.run().expect_success();
    }
    let answer = get(&sandbox, INDEX);
    let text = answer["Err"]["message"].as_str().unwrap();
    assert!(text.contains("acme:ann, acme:bob"), "{text}");
    let named = message("get", INDEX, json!({"args": ["acme:bob"]}));
    assert_eq!(
        answers(&sandbox, &[named])[0]["Ok"]["token"],
        json!("Bearer canary-bob")
    );
    // What the profile does not serve, it does not get.
    let elsewhere = message("get", "sparse+https://other.example/", json!({"args": ["acme:bob"]}));
    let answer = answers(&sandbox, &[elsewhere]).remove(0);
    let text = answer["Err"]["message"].as_str().unwrap();
    assert!(text.contains("does not serve https://other.example"), "{text}");
    // Nor does a registry whose index is a repository on the host of somebody's session.
    let repository = answers(&sandbox, &[message("get", "https://r.acme.example/index", json!({}))]).remove(0);
    assert_eq!(kind(&repository), "not-found");
}

#[test]
fn locked_machines_give_no_token() {
    let sandbox = Sandbox::new();
    answers(&sandbox, &[message("login", INDEX, json!({"token": "canary"}))]);
    gate::set(&sandbox);
    let got = get(&sandbox, INDEX);
    let text = got["Err"]["message"].as_str().unwrap();
    assert!(
        text.contains("this machine is locked") && text.contains("keyfob unlock"),
        "{text}"
    );
}
