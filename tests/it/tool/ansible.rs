//! The documented messages of Ansible's vault clients.

use super::call::{Call, cases_of_a_session};
use crate::sandbox::Sandbox;

const CALL: Call = Call {
    args: &["ansible", "--vault-id", "acme"],
    stdin: "",
    is_hit: |output, token| output == format!("{token}\n"),
    codes: [2, 1, 1],
};

cases_of_a_session!(CALL);

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
