//! pnpm's line.

use super::call::{Call, cases_of_a_session, home};
use crate::sandbox::Sandbox;

const CALL: Call = Call {
    args: &["pnpm", "https://acme.example/npm/"],
    stdin: "",
    is_hit: |output, token| output == format!("Bearer {token}\n"),
    codes: [2, 5, 4],
};

cases_of_a_session!(CALL);

#[test]
fn miss_is_a_failure_because_pnpm_has_no_word_for_it() {
    let output = CALL.run(&Sandbox::new()).expect_code(2);
    assert_eq!(output.text(), "");
    assert!(output.stderr.contains("there is none"), "{}", output.stderr);
}

#[test]
fn malformed_calls_and_tokens_that_are_no_header_print_nothing() {
    let sandbox = Sandbox::new();
    for args in [&["pnpm"] as &[&str], &["pnpm", "a", "b"], &["pnpm", "https://"]] {
        let output = sandbox.keyfob(args).run().expect_code(64);
        assert_eq!(output.text(), "");
        assert!(output.stderr.starts_with("keyfob: error: "), "{}", output.stderr);
    }
}

#[test]
fn hit_a_profiles_token_is_bearer_whatever_goes_to_its_first_target() {
    let (sandbox, issuer) = home();
    let path = sandbox.provider_for(&issuer, &[("https://acme.example", "basic")]);
    let text = std::fs::read_to_string(&path).unwrap();
    // The user name is the account's then.
    std::fs::write(path, text.replace("username = \"oauth2\"\n", "")).unwrap();
    sandbox.login(&issuer);
    let token = sandbox.token();
    let ask = |args: &[&str]| sandbox.keyfob(args).run().expect_success().text().to_owned();
    assert_eq!(ask(&["pnpm", "acme"]), format!("Bearer {token}\n"));
    assert!(ask(&["kubectl", "acme"]).contains(&format!("\"token\":\"{token}\"")));
    // A target that is named says it itself.
    let pair = data_encoding::BASE64.encode(format!("ann:{token}").as_bytes());
    assert_eq!(ask(&["pnpm", "https://acme.example"]), format!("Basic {pair}\n"));
    let variable = sandbox.keyfob(&["pnpm", "acme"]).env("ACME_TOKEN", "canary-env");
    assert_eq!(variable.run().expect_success().text(), "Bearer canary-env\n");
}
