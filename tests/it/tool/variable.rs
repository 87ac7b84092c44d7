//! Variables and arguments that are no text: what a tool said by them is not passed over.

#![cfg(unix)]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use serde_json::{Value, json};

use super::call::home;
use crate::sandbox::{Output, Sandbox};

/// A text of another encoding.
fn broken() -> OsString {
    OsString::from_vec(b"https://acme\xff.example".to_vec())
}

#[track_caller]
fn is_usage_of_google(output: Output) {
    let output = output.expect_success();
    assert_eq!(output.stderr, "");
    let answer: Value = serde_json::from_str(output.text()).unwrap();
    assert_eq!(
        (&answer["success"], &answer["code"]),
        (&json!(false), &json!("USAGE")),
        "{answer}"
    );
}

#[test]
fn malformed_a_variable_that_is_no_text_is_no_absent_one() {
    let (sandbox, issuer) = home();
    sandbox.login(&issuer);
    for (args, name, code) in [
        (&["kubectl", "acme"][..], "KUBERNETES_EXEC_INFO", 64),
        (&["cargo", "get", "acme"], "CARGO_REGISTRY_INDEX_URL", 64),
        (&["vault", "acme", "get"], "VAULT_ADDR", 1),
        (&["vault", "acme", "get"], "BAO_ADDR", 1),
    ] {
        let output = sandbox.keyfob(args).env(name, broken()).run().expect_code(code);
        assert_eq!(output.text(), "", "{args:?}");
        let told = format!("keyfob: error: the variable `{name}` is not UTF-8\n");
        assert_eq!(output.stderr, told, "{args:?}");
    }
    let google = sandbox.keyfob(&["google", "acme"]);
    is_usage_of_google(google.env("GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE", broken()).run());
    let kept = "url=https://git.example\nusername=ann\npassword=canary\n\n";
    sandbox.keyfob(&["store"]).stdin(kept).run().expect_success();
    let prompt = sandbox.keyfob(&["askpass", "Password for 'https://ann@git.example': "]);
    let asked = prompt.env("SSH_ASKPASS_PROMPT", broken()).run().expect_code(1);
    assert_eq!((asked.text(), asked.stderr.as_str()), ("", ""));
}

#[test]
fn malformed_an_argument_that_is_no_text_is_told_where_the_tool_reads_it() {
    let sandbox = Sandbox::new();
    let keyfob = sandbox.keyfob_path().to_str().unwrap().to_owned();
    let run = |protocol: &str| {
        let line = format!("exec \"$0\" {protocol} \"$(printf '\\377')\"");
        sandbox.program("sh", &["-c", &line, &keyfob]).run()
    };
    is_usage_of_google(run("google"));
    is_usage_of_google(run("--mode dev google"));
    for protocol in ["aws", "token", "login"] {
        let output = run(protocol).expect_code(64);
        assert_eq!(output.stderr, "keyfob: error: an argument is not UTF-8\n", "{protocol}");
        assert_eq!(output.text(), "");
    }
}
