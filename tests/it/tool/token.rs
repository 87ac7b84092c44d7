//! One secret on stdout, for whatever runs a command for it.

use super::call::Call;
use crate::sandbox::Sandbox;

const CALL: Call = Call {
    args: &["token", "https://acme.example"],
    stdin: "",
    is_hit: |output, token| output == format!("{token}\n"),
    codes: [2, 5, 4],
};

#[test]
fn hit_a_session_is_one_secret() {
    CALL.check_hit();
}

#[test]
fn refreshed_a_session_that_has_ended_is_renewed_once() {
    CALL.check_refreshed();
}

#[test]
fn two_accounts_are_named_and_none_is_taken() {
    CALL.check_two_accounts();
}

#[test]
fn locked_behind_a_passphrase_there_is_nothing() {
    CALL.check_locked();
}

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
