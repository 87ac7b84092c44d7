//! Keys that a person brings: among the arguments, on standard input, at a hidden prompt.

use crate::sandbox::{Output, Sandbox};
use crate::service::Service;

/// A home with the provider files `acme`, whose keys begin with `ak_`, and the service that knows them.
fn set() -> (Sandbox, Service) {
    let (sandbox, service) = (Sandbox::new(), Service::start());
    let text = format!(
        "format = 1\n[login]\nflow = \"key\"\n[key]\nprefix = \"ak_\"\n[whoami]\nurl = \"{}/me\"\nsubject = \"/email\"\n",
        service.url()
    );
    sandbox.write_provider("acme", &text);
    (sandbox, service)
}

/// A run whose arguments have a key, which the sandbox would find on stderr.
fn run(sandbox: &Sandbox, args: &[&str]) -> Output {
    sandbox.keyfob(args).stdin("").run()
}

#[test]
fn a_key_among_the_arguments_is_kept_with_a_warning() {
    for args in [
        &["set-token", "acme", "ak_canary"][..],
        &["auth", "set-token", "ak_canary"],
        &["--provider", "acme", "auth", "set-token", "ak_canary"],
    ] {
        let (sandbox, service) = set();
        let output = run(&sandbox, args).expect_success();
        assert!(output.stderr.contains("can be read by every user"), "{}", output.stderr);
        assert!(output.stderr.contains("as `ann@acme.example`"), "{}", output.stderr);
        assert_eq!(
            (sandbox.token().as_str(), service.seen("/me").len()),
            ("ak_canary", 1),
            "{args:?}"
        );
    }
}

#[test]
fn a_key_on_standard_input_is_kept_without_a_warning() {
    for args in [
        &["set-token", "acme"][..],
        &["set-token", "acme", "-"],
        &["login", "acme", "--with-token"],
        &["--provider", "acme", "auth", "set-token"],
    ] {
        let (sandbox, _service) = set();
        let output = sandbox.keyfob(args).stdin("ak_canary\n").run().expect_success();
        assert!(!output.stderr.contains("warning"), "{args:?}: {}", output.stderr);
        assert_eq!(sandbox.token(), "ak_canary");
    }
}

#[test]
fn what_is_neither_a_profile_nor_surely_a_key_is_refused_and_not_repeated() {
    let (sandbox, service) = set();
    for args in [
        // A mistyped profile is no key.
        &["set-token", "acem-canary"][..],
        &["set-token", "acem-canary", "ak_canary"],
        &["set-token", "acme", "bk_canary"],
        &["--provider", "acme", "set-token", "bk_canary"],
        &["set-token", "acme", "ak_canary two"],
    ] {
        run(&sandbox, args).expect_code(64);
    }
    sandbox.write_provider("other", "format = 1\n[login]\nflow = \"key\"\n");
    run(&sandbox, &["set-token", "ak_canary"]).expect_code(64);
    assert!(service.seen("/me").is_empty());
    assert!(sandbox.files_with("canary").is_empty());
}

#[test]
fn a_key_that_the_service_refuses_is_not_kept() {
    let (sandbox, service) = set();
    run(&sandbox, &["set-token", "acme", "ak_wrong"]).expect_code(2);
    assert_eq!(service.seen("/me").len(), 1);
    run(&sandbox, &["token", "acme"]).expect_code(2);
}

#[test]
fn a_ci_machine_is_warned_of_what_it_keeps() {
    let (sandbox, _service) = set();
    let run = sandbox.keyfob(&["set-token", "acme"]).env("CI", "true");
    let output = run.stdin("ak_canary").run().expect_success();
    assert!(output.stderr.contains("on a CI machine"), "{}", output.stderr);
}
