//! pnpm's line.

use super::call::Call;
use crate::sandbox::Sandbox;

const CALL: Call = Call {
    args: &["pnpm", "https://acme.example/npm/"],
    stdin: "",
    is_hit: |output, token| output == format!("Bearer {token}\n"),
    codes: [2, 5, 4],
};

#[test]
fn hit_a_session_is_what_pnpm_gets() {
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
fn miss_is_a_failure_because_pnpm_has_no_word_for_it() {
    let output = CALL.run(&Sandbox::new()).expect_code(2);
    assert_eq!(output.text(), "");
    assert!(output.stderr.contains("there is none"), "{}", output.stderr);
}

#[test]
fn malformed_calls_and_tokens_that_are_no_header_print_nothing() {
    let sandbox = Sandbox::new();
    for args in [&["pnpm"] as &[&str], &["pnpm", "a", "b"], &["pnpm", "https://"]] {
        let output = sandbox.keyfob(args).run().expect_code(64);
        assert_eq!(output.text(), "");
        assert!(output.stderr.starts_with("keyfob: error: "), "{}", output.stderr);
    }
}
