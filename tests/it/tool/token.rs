//! One secret on stdout, for whatever runs a command for it.

use super::call::{Call, cases_of_a_session};
use crate::sandbox::Sandbox;

const CALL: Call = Call {
    args: &["token", "https://acme.example"],
    stdin: "",
    is_hit: |output, token| output == format!("{token}\n"),
    codes: [2, 5, 4],
};

cases_of_a_session!(CALL);

#[test]
fn miss_is_a_failure() {
    let output = CALL.run(&Sandbox::new()).expect_code(2);
    assert_eq!(output.text(), "");
    assert!(output.stderr.contains("there is none"), "{}", output.stderr);
}

#[test]
fn malformed_calls_have_a_code_of_their_own() {
    let sandbox = Sandbox::new();
    for args in [
        &["token", "a", "b"] as &[&str],
        &["token", "https://"],
        &["token", "a", "--format", "none"],
    ] {
        let output = sandbox.keyfob(args).run().expect_code(64);
        assert_eq!(output.text(), "");
    }
}
