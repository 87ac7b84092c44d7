//! git's helper protocol with the capability for tokens, asked for the place of a session.

use super::call::Call;
use crate::sandbox::Sandbox;

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

#[test]
fn malformed_requests_get_nothing() {
    let sandbox = Sandbox::new();
    let stored = "protocol=https\nhost=acme.example\nusername=ann\npassword=canary\n\n";
    sandbox.keyfob(&["git", "store"]).stdin(stored).run().expect_success();
    let asks = |args: &[&str], stdin: &str| sandbox.keyfob(args).stdin(stdin).run();
    let good = "protocol=https\nhost=acme.example\n\n";
    assert!(
        asks(&["git", "get"], good)
            .expect_success()
            .text()
            .contains("password=canary")
    );
    for stdin in [
        "protocol=https\nhost=acme.exa",
        "protocol=https\n\n",
        "protocol=https\nhost=acme.example\0\n\n",
        "protocol=https\nhost=acme.example\r\nx\n\n",
        "no line of git's\n\n",
    ] {
        let output = asks(&["git", "get"], stdin);
        assert_eq!(output.text(), "", "{stdin:?}");
    }
    // An operation of a later git is none of ours, and no failure.
    assert_eq!(asks(&["git", "renew"], good).expect_success().text(), "");
}
