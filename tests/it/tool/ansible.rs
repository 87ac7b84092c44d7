//! The documented messages of Ansible's vault clients.

use super::call::Call;
use crate::sandbox::Sandbox;

const CALL: Call = Call {
    args: &["ansible", "--vault-id", "acme"],
    stdin: "",
    is_hit: |output, token| output == format!("{token}\n"),
    codes: [2, 1, 1],
};

#[test]
fn hit_a_session_is_what_ansible_gets() {
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
fn malformed_a_call_without_an_id_fails_otherwise_than_an_id_that_is_not_known() {
    let sandbox = Sandbox::new();
    for (args, code) in [
        (&["ansible"][..], 1),
        (&["ansible", "--vault-id"], 1),
        (&["ansible", "acme"], 1),
        (&["ansible", "--vault-id", "acme"], 2),
    ] {
        assert_eq!(sandbox.keyfob(args).run().expect_code(code).text(), "", "{args:?}");
    }
}

#[test]
fn miss_an_id_that_no_provider_can_have_is_one_that_is_not_known() {
    let sandbox = Sandbox::new();
    for id in ["my vault", "a/b/c", "-x", "prod/", "d\u{e9}v", "nobody"] {
        let output = sandbox.keyfob(&["ansible", "--vault-id", id]).run().expect_code(2);
        assert_eq!(output.text(), "", "{id}");
        assert!(output.stderr.starts_with("keyfob: error: "), "{id}: {}", output.stderr);
    }
}
