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

#[test]
fn hit_keys_that_were_printed_on_several_lines_are_kept_as_one() {
    let sandbox = Sandbox::new();
    sandbox.write_provider("prod", "format = 1\n[login]\nflow = \"key\"\n");
    let printed = "{\n  \"Version\": 1,\n  \"AccessKeyId\": \"ASIACANARY\",\n  \"SecretAccessKey\": \"canary/k\",\n  \
                   \"SessionToken\": \"canary+t\",\n  \"Expiration\": \"2999-01-01T00:00:00+00:00\"\n}\n";
    let set = sandbox.keyfob(&["set-token", "prod"]).stdin(printed);
    set.run().expect_success();
    let output = sandbox.keyfob(&["aws", "prod"]).run().expect_success();
    assert_eq!(
        output.text(),
        "{\"Version\":1,\"AccessKeyId\":\"ASIACANARY\",\"SecretAccessKey\":\"canary/k\",\
         \"SessionToken\":\"canary+t\",\"Expiration\":\"2999-01-01T00:00:00Z\"}\n"
    );
}

#[test]
fn malformed_keys_are_told_by_the_member_that_is_wrong() {
    let sandbox = Sandbox::new();
    sandbox.write_provider("prod", "format = 1\n[login]\nflow = \"key\"\n");
    let id = "\"AccessKeyId\":\"AKIACANARY\"";
    let key = "\"SecretAccessKey\":\"canary\"";
    for (keys, told) in [
        (
            format!("{{{id},{key},\"Expiration\":4070908800}}"),
            "whose `Expiration` is no text",
        ),
        (
            format!("{{{id},{key},\"SessionToken\":[\"canary\"]}}"),
            "whose `SessionToken` is no text",
        ),
        (
            format!("{{{id},{key},\"AccountId\":{{}}}}"),
            "whose `AccountId` is no text",
        ),
        (
            format!("{{{id},\"SecretAccessKey\":null}}"),
            "without the text `SecretAccessKey`",
        ),
        (format!("{{{key}}}"), "without the text `AccessKeyId`"),
        (format!("{{{id},{key},{key}}}"), "a member stands twice"),
    ] {
        let set = sandbox.keyfob(&["set-token", "prod"]).stdin(&*keys);
        set.run().expect_success();
        let output = sandbox.keyfob(&["aws", "prod"]).run().expect_code(5);
        assert_eq!(output.text(), "");
        assert!(output.stderr.contains(told), "{keys}: {}", output.stderr);
    }
    let whole = format!("{{{id},{key},\"SessionToken\":null,\"Expiration\":null}}");
    sandbox
        .keyfob(&["set-token", "prod"])
        .stdin(&*whole)
        .run()
        .expect_success();
    sandbox.keyfob(&["aws", "prod"]).run().expect_success();
}
