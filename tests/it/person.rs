//! What a person sees and does next: the own commands' words, on a terminal of 80 columns.
//!
//! What the commands do at an issuer is in `flow.rs`.

use crate::http_server::Reply;
use crate::issuer::{Endpoint, Issuer, Script};
use crate::sandbox::Sandbox;

const KEY: &str = "format = 1\n[login]\nflow = \"key\"\n[[target]]\nurl = \"https://acme.example\"\n";

fn columns(text: &str) -> usize {
    // A path is one word, and is never cut.
    let lines = text.lines().filter(|line| !line.contains("/records/"));
    lines.map(|line| line.chars().count()).max().unwrap_or(0)
}

#[test]
fn a_login_and_a_status_fit_the_terminal_and_name_their_place() {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    sandbox.provider(&issuer);
    let login = sandbox
        .keyfob(&["login", "acme", "--no-browser"])
        .run()
        .expect_success();
    let (_, last) = login.stderr.split_once("10 min at most.\n").unwrap();
    assert!(
        last.starts_with("Logged in to Acme as `ann`.\nKept in the store `file`: "),
        "{last}"
    );
    let status = sandbox.keyfob(&["status"]).run().expect_success();
    for text in [&login.stderr, status.text()] {
        assert!(columns(text) <= 80 && text.contains("/records/"), "{text}");
    }
}

#[test]
fn sessions_are_one_blank_line_apart() {
    let sandbox = Sandbox::new();
    for name in ["acme", "other"] {
        sandbox.write_provider(name, KEY);
        sandbox
            .keyfob(&["set-token", name])
            .stdin("canary")
            .run()
            .expect_success();
    }
    let status = sandbox.keyfob(&["status"]).run().expect_success();
    let heads: Vec<&str> = status
        .text()
        .split("\n\n")
        .filter_map(|block| block.lines().next())
        .collect();
    assert_eq!(heads, ["acme", "other"]);
    assert!(!status.text().contains("\n\n\n"));
}

#[test]
fn a_list_has_aligned_columns_and_says_when_it_is_empty() {
    let sandbox = Sandbox::new();
    let list = || sandbox.keyfob(&["list"]).run().expect_success().text().to_owned();
    assert_eq!(list(), "Nothing is kept.\n");
    sandbox.write_provider("acme", KEY);
    sandbox
        .keyfob(&["set-token", "acme"])
        .stdin("canary")
        .run()
        .expect_success();
    let kept = "protocol=https\nhost=git.example\nusername=ann\npassword=canary\n";
    sandbox.keyfob(&["store"]).stdin(kept).run().expect_success();
    let rows = "kept     https://git.example  ann  file  valid\nsession  acme                      file  valid\n";
    assert_eq!(list(), rows);
}

#[test]
fn a_mistyped_command_or_option_is_answered_with_the_nearest_one() {
    let sandbox = Sandbox::new();
    for (args, nearest) in [(&["statsu"][..], "status"), (&["login", "--no-brwser"], "--no-browser")] {
        let output = sandbox.keyfob(args).run().expect_code(64);
        assert!(
            output.stderr.contains(&format!("did you mean `{nearest}`?")),
            "{}",
            output.stderr
        );
    }
}

#[test]
fn a_preset_is_taken_into_use_by_its_first_token_and_not_by_a_failed_try() {
    let sandbox = Sandbox::new();
    sandbox
        .keyfob(&["set-token", "huggingface"])
        .stdin("")
        .run()
        .expect_code(64);
    let file = sandbox.keyfob_home().join("config/providers/huggingface.toml");
    assert!(!file.exists());
    let run = sandbox.keyfob(&["set-token", "huggingface", "--no-check"]);
    run.stdin("hf_canary").run().expect_success();
    assert!(file.exists());
    let listed = sandbox.keyfob(&["provider", "list"]).run().expect_success();
    let row = |line: &str| line.split_whitespace().eq(["huggingface", "Hugging", "Face"]);
    assert!(listed.text().lines().any(row), "{}", listed.text());
}

#[test]
fn a_status_of_nothing_names_what_was_asked_for() {
    let sandbox = Sandbox::new();
    let status = || sandbox.keyfob(&["status", "acme:bob"]).run();
    let unknown = status().expect_code(64);
    assert!(
        unknown.stderr.contains("there is no provider `acme`"),
        "{}",
        unknown.stderr
    );
    sandbox.write_provider("acme", KEY);
    let status = status();
    let seen = (status.code(), status.text());
    assert_eq!(
        seen,
        (2, "There is no session of `acme:bob`: run `keyfob login acme:bob`.\n")
    );
}

#[test]
fn a_check_of_one_provider_says_one_thing() {
    let sandbox = Sandbox::new();
    let check = sandbox.keyfob(&["provider", "check", "acme"]).run().expect_code(64);
    assert_eq!(check.stderr.matches("keyfob: error: ").count(), 1, "{}", check.stderr);
    sandbox.write_provider("acme", KEY);
    sandbox.write_provider("wrong", "format = 1\n");
    let all = sandbox.keyfob(&["provider", "check"]).run();
    assert_eq!((all.code(), all.text()), (64, "acme: good\n"));
    assert!(
        all.stderr.contains("1 of the 2 provider files is wrong"),
        "{}",
        all.stderr
    );
}

#[test]
fn a_refused_credential_comes_with_the_step_that_replaces_it() {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    sandbox.provider(&issuer);
    let whoami = sandbox.keyfob(&["whoami", "acme"]);
    let output = whoami.env("ACME_TOKEN", "acme_canary").run().expect_code(2);
    assert!(output.stderr.contains("hint: unset ACME_TOKEN"), "{}", output.stderr);
    sandbox.login(&issuer);
    issuer.inject(Endpoint::Userinfo, 1, &Reply::error(401, "invalid_token"));
    let output = sandbox.keyfob(&["whoami", "acme"]).run().expect_code(2);
    assert!(
        output.stderr.contains("hint: run `keyfob login acme:ann`"),
        "{}",
        output.stderr
    );
}
