//! git's helper protocol with the capability for tokens, asked for the place of a session.

use super::call::Call;

const CALL: Call = Call {
    args: &["git", "get"],
    stdin: "capability[]=authtype\nprotocol=https\nhost=acme.example\n\n",
    is_hit: |output, token| output.contains(&format!("\nauthtype=Bearer\ncredential={token}\n")),
    // Whatever the reason, git goes on to its next helper; 0 is what it takes for a miss.
    codes: [0, 1, 1],
};

#[test]
fn hit_a_session_is_what_git_gets() {
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
