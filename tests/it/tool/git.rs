//! git's helper protocol with the capability for tokens, asked for the place of a session.

use super::call::{Call, cases_of_a_session};
use crate::sandbox::Sandbox;

const CALL: Call = Call {
    args: &["git", "get"],
    stdin: "capability[]=authtype\nprotocol=https\nhost=acme.example\n\n",
    is_hit: |output, token| output.contains(&format!("\nauthtype=Bearer\ncredential={token}\n")),
    // Whatever the reason, git goes on to its next helper; 0 is what it takes for a miss.
    codes: [0, 1, 1],
};

cases_of_a_session!(CALL);

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
