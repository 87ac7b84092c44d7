//! An entry of a netrc file, for programs that read nothing else.

use super::call::home_for;
use crate::gate;
use crate::issuer::Issuer;
use crate::sandbox::{Output, Sandbox};

fn home() -> (Sandbox, Issuer) {
    home_for("https://acme.example", "basic")
}

fn ask(sandbox: &Sandbox) -> Output {
    sandbox.keyfob(&["netrc", "https://acme.example"]).run()
}

#[test]
fn refreshed_before_it_is_answered() {
    let (sandbox, issuer) = home();
    sandbox.login_expired(&issuer);
    let output = ask(&sandbox).expect_success();
    let (place, token) = output.text().trim_end().rsplit_once(' ').unwrap();
    assert!(place.starts_with("machine acme.example login ") && place.ends_with(" password"));
    assert!(issuer.valid_access(token));
    assert_eq!(issuer.refreshes(), 1);
}

#[test]
fn two_accounts_are_named_and_none_is_taken() {
    let (sandbox, issuer) = home();
    sandbox.login(&issuer);
    issuer.script(|script| script.subject = "bob".into());
    sandbox.login(&issuer);
    let output = ask(&sandbox).expect_code(5);
    assert!(output.stderr.contains("acme:ann, acme:bob"), "{}", output.stderr);
}

#[test]
fn locked_machines_give_no_password() {
    let (sandbox, issuer) = home();
    sandbox.login(&issuer);
    gate::set(&sandbox);
    sandbox.keyfob(&["lock"]).run().expect_success();
    let output = ask(&sandbox).expect_code(4);
    assert!(output.stderr.contains("run `keyfob unlock"), "{}", output.stderr);
}

#[test]
fn malformed_calls_and_what_netrc_cannot_say_print_nothing() {
    let (sandbox, _) = home();
    for args in [
        &["netrc"] as &[&str],
        &["netrc", "acme"],
        &["netrc", "https://a.example", "b"],
    ] {
        let output = sandbox.keyfob(args).run().expect_code(64);
        assert_eq!(output.text(), "");
    }
    let spaced = "protocol=https\nhost=b.example\nusername=ann\npassword=canary of words\n\n";
    sandbox.keyfob(&["store"]).stdin(spaced).run().expect_success();
    let output = sandbox.keyfob(&["netrc", "https://b.example"]).run();
    assert_ne!(output.code(), 0);
    assert_eq!(output.text(), "");
}
