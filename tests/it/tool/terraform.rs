//! Terraform's documented messages.

use super::call::{Call, cases_of_a_session, home};
use crate::sandbox::Sandbox;

const CALL: Call = Call {
    args: &["terraform", "get", "acme.example"],
    stdin: "",
    is_hit: |output, token| output == format!("{{\"token\":\"{token}\"}}\n"),
    codes: [1, 1, 1],
};

cases_of_a_session!(CALL);

#[test]
fn store_and_erase_a_token_that_lies_beside_a_password() {
    let sandbox = Sandbox::new();
    let password = "protocol=https\nhost=tf.example\nusername=ann\npassword=canary-p\n\n";
    sandbox.keyfob(&["store"]).stdin(password).run().expect_success();
    let terraform = |verb: &str, stdin: &str| {
        let output = sandbox.keyfob(&["terraform", verb, "tf.example"]).stdin(stdin).run();
        output.expect_success().text().to_owned()
    };
    assert_eq!(terraform("get", ""), "{}\n");
    assert_eq!(terraform("store", "{\"token\":\"canary-1\"}"), "");
    assert_eq!(terraform("store", "{\"token\":\"canary-2\"}"), "");
    assert_eq!(terraform("get", ""), "{\"token\":\"canary-2\"}\n");
    for _ in 0..2 {
        assert_eq!(terraform("forget", ""), "");
    }
    assert_eq!(terraform("get", ""), "{}\n");
    let asked = sandbox
        .keyfob(&["get"])
        .stdin("protocol=https\nhost=tf.example\n\n")
        .run();
    assert!(asked.expect_success().text().contains("password=canary-p"));
}

#[test]
fn store_of_a_sessions_own_token_succeeds_and_of_another_fails() {
    let (sandbox, issuer) = home();
    sandbox.login(&issuer);
    let store = |token: &str| {
        let run = sandbox.keyfob(&["terraform", "store", "acme.example"]);
        run.stdin(format!("{{\"token\":\"{token}\"}}")).run()
    };
    assert_eq!(store(&sandbox.token()).expect_success().stderr, "");
    let refused = store("canary-of-another").expect_code(1);
    assert!(refused.stderr.contains("run `keyfob login acme"), "{}", refused.stderr);
    CALL.hits(&sandbox, &issuer);
}

#[test]
fn malformed_a_long_object_is_read_to_its_end_and_refused() {
    let sandbox = Sandbox::new();
    // Longer than a pipe: whoever writes it would be told that the pipe is broken.
    let object = format!("{{\"token\":\"canary\",\"more\":\"{}\"}}", "x".repeat(200 << 10));
    let run = sandbox
        .keyfob(&["terraform", "store", "tf.example"])
        .stdin(object)
        .run();
    assert_eq!(run.expect_code(1).text(), "");
    assert!(sandbox.files_with("canary").is_empty());
}

#[test]
fn miss_is_an_empty_object() {
    let output = CALL.run(&Sandbox::new()).expect_success();
    assert_eq!(output.text(), "{}\n");
    assert_eq!(output.stderr, "");
}
