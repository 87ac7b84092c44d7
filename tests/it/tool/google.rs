//! Google's executable-sourced credentials: every failure is an answer too.

use serde_json::{Value, json};

use crate::gate;
use crate::sandbox::Sandbox;

/// An ID token that lives, as the provider's key.
const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJleHAiOjQwMDAwMDAwMDB9.canary";

fn home(accounts: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write_provider("acme", "format = 1\n[login]\nflow = \"key\"\n");
    for account in accounts {
        let profile = format!("acme:{account}");
        let run = sandbox.keyfob(&["set-token", &profile]).stdin(TOKEN).run();
        run.expect_success();
    }
    sandbox
}

fn ask(sandbox: &Sandbox) -> Value {
    let output = sandbox.keyfob(&["google", "acme"]).run().expect_success();
    assert_eq!(output.stderr, "");
    serde_json::from_str(output.text()).unwrap()
}

#[track_caller]
fn fails(sandbox: &Sandbox, code: &str, text: &str) {
    let answer = ask(sandbox);
    assert_eq!((&answer["success"], &answer["code"]), (&json!(false), &json!(code)));
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains(text), "{message}");
    assert_eq!(answer["id_token"], Value::Null);
}

#[test]
fn two_accounts_are_named_and_none_is_taken() {
    let sandbox = home(&["ann", "bob"]);
    fails(&sandbox, "REFUSED", "acme:ann, acme:bob");
    sandbox.keyfob(&["account", "acme", "bob"]).run().expect_success();
    assert_eq!(ask(&sandbox)["id_token"], json!(TOKEN));
}

#[test]
fn locked_machines_give_no_token() {
    let sandbox = home(&["ann"]);
    gate::set(&sandbox);
    sandbox.keyfob(&["lock"]).run().expect_success();
    fails(&sandbox, "STORE", "run `keyfob unlock");
}
