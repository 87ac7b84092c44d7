//! go's documented sets.

use super::call::{Call, home};

const CALL: Call = Call {
    args: &["goauth", "https://acme.example/mod/@v/list"],
    stdin: "HTTP/1.1 404 Not Found\n\n",
    is_hit: |output, token| output == format!("https://acme.example\n\nAuthorization: Bearer {token}\n\n"),
    codes: [1, 1, 1],
};

#[test]
fn hit_a_session_is_what_go_gets() {
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
fn hit_a_profile_says_beforehand_what_names_the_protocol() {
    let (sandbox, issuer) = home();
    let path = sandbox.provider_for(&issuer, &[("https://acme.example", "bearer")]);
    let mut text = std::fs::read_to_string(&path).unwrap();
    text += "tools = [\"goauth\"]\n";
    std::fs::write(path, text).unwrap();
    let ask = |args: &[&str]| sandbox.keyfob(args).run().expect_success().text().to_owned();
    assert_eq!(ask(&["goauth", "acme"]), "");
    sandbox.login(&issuer);
    let set = format!("https://acme.example\n\nAuthorization: Bearer {}\n\n", sandbox.token());
    assert_eq!(ask(&["goauth", "acme"]), set);
    assert_eq!(ask(&["goauth"]), "");
}
