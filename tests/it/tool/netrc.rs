//! An entry of a netrc file, for programs that read nothing else.

use super::call::Call;

const CALL: Call = Call {
    args: &["netrc", "https://acme.example"],
    stdin: "",
    is_hit: |output, token| output.starts_with("machine acme.example ") && output.ends_with(&format!(" {token}\n")),
    codes: [2, 5, 4],
};

#[test]
fn hit_a_session_is_a_password() {
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
