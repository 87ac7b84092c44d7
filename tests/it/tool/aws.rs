//! AWS's `credential_process`: there is no word for a failure but the exit code, and the reason on stderr.

use crate::gate;
use crate::sandbox::Sandbox;

#[test]
fn locked_machines_give_no_keys() {
    let sandbox = Sandbox::new();
    sandbox.write_provider("keys", "format = 1\n[login]\nflow = \"key\"\n");
    let run = sandbox.keyfob(&["set-token", "keys:AKIACANARY"]).stdin("canary-key");
    run.run().expect_success();
    let answer = sandbox.keyfob(&["aws", "keys"]).run().expect_success();
    assert!(answer.text().contains("\"SecretAccessKey\":\"canary-key\""));
    gate::set(&sandbox);
    sandbox.keyfob(&["lock"]).run().expect_success();
    let output = sandbox.keyfob(&["aws", "keys"]).run().expect_code(4);
    assert_eq!(output.text(), "");
    assert!(output.stderr.contains("run `keyfob unlock"), "{}", output.stderr);
}
