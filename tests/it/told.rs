//! What a person is told whose word, file or place is wrong: what it is, and what to do.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use crate::issuer::{Issuer, Script};
use crate::program::{ctl, run};
use crate::sandbox::Sandbox;

#[test]
fn help_is_what_help_prints() {
    let sandbox = Sandbox::new();
    for (word, option) in [
        (&["help"][..], &["--help"][..]),
        (&["help", "login"], &["login", "--help"]),
        (&["help", "token"], &["token", "--help"]),
        (&["help", "store"], &["store", "--help"]),
    ] {
        let text = |args| sandbox.keyfob(args).run().expect_success().text().to_owned();
        let help = text(word);
        assert!(help.to_lowercase().contains("usage: keyfob"), "{word:?}: {help}");
        assert_eq!(help, text(option), "{word:?}");
    }
}

#[test]
fn a_credential_that_is_not_kept_is_no_success() {
    let sandbox = Sandbox::new();
    let given = sandbox.keyfob(&["store", "acme"]);
    let whole = "protocol=https\nhost=acme.example\nusername=ann\npassword=canary\n\n";
    let output = given.stdin(whole).run().expect_code(64);
    assert!(output.stderr.contains("found another word"), "{}", output.stderr);
    assert!(sandbox.files_with("canary").is_empty());
}

#[test]
fn a_name_that_is_nobodys_is_no_ended_session() {
    let sandbox = Sandbox::new();
    let output = sandbox.keyfob(&["status", "nope"]).run().expect_code(64);
    assert!(
        output.stderr.contains("there is no provider `nope`"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_file_that_is_passed_over_is_named_by_check() {
    let sandbox = Sandbox::new();
    sandbox.write_provider("acme", "format = 1\n[login]\nflow = \"key\"\n");
    sandbox.keyfob(&["provider", "check"]).run().expect_success();
    sandbox.write_provider("My Tool", "format = 1\n[login]\nflow = \"key\"\n");
    let output = sandbox.keyfob(&["provider", "check"]).run();
    assert_eq!(output.code(), 64);
    assert!(
        output.stderr.contains("My Tool.toml: its name is no provider's"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_pasted_query_is_nothing_that_a_credential_depends_on() {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    sandbox.provider_for(&issuer, &[("https://acme.example/v1", "bearer")]);
    sandbox.login(&issuer);
    let token = sandbox.token();
    for place in ["https://acme.example/v1/a?x=1&y=/../..", "https://acme.example/v1#top"] {
        let output = sandbox.keyfob(&["token", place]).run().expect_success();
        assert_eq!(output.text().trim_end(), token, "{place}");
    }
    for place in [
        "https://acme.example/v1/..;/v2",
        "https://acme.example/v1/%252e%252e/v2",
    ] {
        sandbox.keyfob(&["token", place]).run().expect_code(64);
    }
    let output = sandbox
        .keyfob(&["netrc", "https://acme.example/v1"])
        .run()
        .expect_code(5);
    assert!(output.stderr.contains("is no password"), "{}", output.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_that_finds_no_room_says_so() {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    sandbox.provider(&issuer);
    sandbox.login(&issuer);
    let command = format!("{} token acme > /dev/full", sandbox.keyfob_path().display());
    let output = sandbox.program("sh", &["-c", &command]).run().expect_code(1);
    assert!(
        output.stderr.contains("writing to standard output"),
        "{}",
        output.stderr
    );
}

#[test]
fn the_command_for_a_long_path_is_whole() {
    let mut sandbox = Sandbox::new();
    let home = sandbox.path().join("x".repeat(120)).join("y".repeat(120));
    sandbox.set("KEYFOB_HOME", &home);
    let store = || {
        let whole = "protocol=https\nhost=acme.example\nusername=ann\npassword=canary\n\n";
        sandbox.keyfob(&["store"]).stdin(whole).run()
    };
    store().expect_success();
    let mut records = Vec::new();
    let mut left = vec![home.join("data")];
    while let Some(directory) = left.pop() {
        for path in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => left.push(path),
                false => records.push(path),
            }
        }
    }
    for path in &records {
        std::fs::set_permissions(path, Permissions::from_mode(0o622)).unwrap();
    }
    let output = sandbox
        .keyfob(&["get"])
        .stdin("protocol=https\nhost=acme.example\n\n")
        .run();
    output.expect_code(4);
    let told = sandbox
        .keyfob(&["get"])
        .stdin("protocol=https\nhost=acme.example\n\n")
        .run();
    let whole = |path: &std::path::PathBuf| told.stderr.contains(&format!("run `chmod 600 {}`\n", path.display()));
    assert!(records.iter().any(whole), "{}", told.stderr);
}

#[test]
fn no_other_provider_is_shown() {
    let sandbox = ctl();
    sandbox.write_provider("other", "format = 1\n[login]\nflow = \"key\"\n");
    let list = run(&sandbox, &["provider", "list"]).expect_success();
    assert!(
        list.text().contains("ctl") && !list.text().contains("other"),
        "{}",
        list.text()
    );
    assert!(!list.text().contains("github"), "{}", list.text());
    for word in ["show", "check"] {
        let output = run(&sandbox, &["provider", word, "other"]).expect_code(64);
        assert!(
            output.stderr.contains("signs in to no other provider"),
            "{}",
            output.stderr
        );
    }
    let check = run(&sandbox, &["provider", "check"]).expect_success();
    assert_eq!(check.text(), "ctl: good\n");
}
