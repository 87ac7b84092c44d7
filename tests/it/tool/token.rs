//! One secret on stdout, for whatever runs a command for it.

use super::call::Call;

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
