//! The examples that a reader copies, run as they stand.

use std::path::{Path, PathBuf};

use crate::issuer::{Issuer, Script};
use crate::sandbox::Sandbox;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

#[test]
fn every_provider_file_among_the_examples_is_valid() {
    let sandbox = Sandbox::new();
    let names = [
        "acme",
        "acme-api",
        "acme-ci",
        "acme-cloud",
        "acme-mail",
        "acme-page",
        "acme-robot",
        "acme-service",
        "acme-web",
        "bcdock",
        "clonit",
        "intranet",
        "myclaude",
    ];
    for name in names {
        let file = example("providers").join(format!("{name}.toml"));
        let output = sandbox.keyfob(&["provider", "check", file.to_str().unwrap()]).run();
        output.expect_success();
        sandbox.write_provider(name, &std::fs::read_to_string(file).unwrap());
    }
    let all = sandbox.keyfob(&["provider", "check"]).run().expect_success();
    let good: String = names.map(|name| format!("{name}: good\n")).concat();
    assert_eq!(all.text(), good);
}

/// An example, which cargo builds before it runs the tests of all targets; built here if only this test is run.
fn built(name: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_BIN_EXE_keyfob")).parent().unwrap();
    let path = tests
        .join("examples")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is missing; run `cargo build --examples`",
        path.display()
    );
    path
}

#[test]
fn the_program_that_starts_keyfob_uses_what_it_kept() {
    let sandbox = Sandbox::new();
    let url = "https://acme.example/api";
    let host_tool = || {
        let run = sandbox.program(built("host_tool"), &[url]);
        run.env("KEYFOB", sandbox.keyfob_path()).run()
    };
    assert_eq!(host_tool().code(), 2);
    // The path is compared where it stands, so it is kept with it.
    let kept = "url=https://acme.example/api\nusername=ann\npassword=canary\n";
    sandbox.keyfob(&["store"]).stdin(kept).run().expect_success();
    let output = host_tool().expect_success();
    assert!(
        output
            .text()
            .contains("as ann, with a secret of 6 characters from file"),
        "{}",
        output.text()
    );
    // `store` brought it back, and nothing has changed.
    assert_eq!(host_tool().expect_success().text(), output.text());
}

#[test]
fn the_program_with_keyfob_inside_finds_what_keyfob_finds() {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    sandbox.provider(&issuer);
    let embed = |url: &str| sandbox.program(built("embed"), &[url]).run();
    let before = embed("https://acme.example/api").expect_code(2);
    assert!(before.stderr.contains("run `keyfob login acme`"), "{}", before.stderr);
    sandbox.login(&issuer);
    let output = embed("https://acme.example/api").expect_success();
    assert_eq!(output.text(), "https://acme.example/api: as ann, from file:acme:ann\n");
    let nothing = embed("https://other.example");
    assert_eq!(
        (nothing.code(), nothing.text()),
        (2, "https://other.example: there is no credential\n")
    );
    embed("other").expect_code(64);
}

#[test]
#[cfg(unix)]
fn the_script_with_pipes_does_what_it_says() {
    let sandbox = Sandbox::new();
    let script = example("pipes.sh");
    let run = sandbox.program("sh", &[script.to_str().unwrap()]);
    let output = run.env("KEYFOB", sandbox.keyfob_path()).run().expect_success();
    assert_eq!(output.stderr, "");
    assert!(output.text().ends_with("gone\n"), "{}", output.text());
    assert!(!output.text().contains("canary"));
}
