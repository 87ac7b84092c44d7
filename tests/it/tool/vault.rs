//! The documented messages of Vault's token helpers, for which no client could be had.

use super::call::{Call, cases_of_a_session};
use crate::sandbox::{Output, Sandbox};

const CALL: Call = Call {
    args: &["vault", "get"],
    stdin: "",
    is_hit: |output, token| output == token,
    codes: [1, 1, 1],
};

cases_of_a_session!(CALL);

/// One operation at the server `https://vault.example:8200`.
fn vault(sandbox: &Sandbox, operation: &str, stdin: &str) -> Output {
    let run = sandbox.keyfob(&["vault", operation]).stdin(stdin);
    run.env("VAULT_ADDR", "https://vault.example:8200").run()
}

#[test]
fn miss_nothing_is_printed_and_it_succeeds() {
    let output = vault(&Sandbox::new(), "get", "").expect_success();
    assert_eq!((output.text(), output.stderr.as_str()), ("", ""));
}

#[test]
fn store_a_token_comes_back_without_a_line_end() {
    let sandbox = Sandbox::new();
    for token in ["canary-1", "canary-2"] {
        let output = vault(&sandbox, "store", token).expect_success();
        assert_eq!((output.text(), output.stderr.as_str()), ("", ""));
        assert_eq!(vault(&sandbox, "get", "").expect_success().text(), token);
    }
}

#[test]
fn erase_leaves_what_other_tools_keep_and_succeeds_again() {
    let sandbox = Sandbox::new();
    let password = "protocol=https\nhost=vault.example:8200\nusername=ann\npassword=canary-p\n\n";
    sandbox.keyfob(&["store"]).stdin(password).run().expect_success();
    vault(&sandbox, "store", "canary-1").expect_success();
    for _ in 0..2 {
        assert_eq!(vault(&sandbox, "erase", "").expect_success().text(), "");
        assert_eq!(vault(&sandbox, "get", "").expect_success().text(), "");
    }
    let asked = sandbox
        .keyfob(&["get"])
        .stdin("protocol=https\nhost=vault.example:8200\n\n")
        .run();
    assert!(asked.expect_success().text().contains("password=canary-p"));
}

#[test]
fn malformed_what_is_no_token_or_no_operation_is_refused() {
    let sandbox = Sandbox::new();
    for (operation, stdin) in [("store", ""), ("store", "can\nary"), ("list", ""), ("GET", "")] {
        let output = vault(&sandbox, operation, stdin).expect_code(1);
        assert_eq!(output.text(), "");
        assert!(output.stderr.starts_with("keyfob: error: "), "{}", output.stderr);
    }
    assert!(sandbox.files_with("canary").is_empty());
}
