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
        "acme-aws",
        "acme-ci",
        "acme-cloud",
        "acme-mail",
        "acme-page",
        "acme-robot",
        "acme-service",
        "acme-web",
        "bcdock",
        "ccp",
        "clonit",
        "cmdop",
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
fn the_subtree_of_the_program_with_keyfob_inside_is_keyfobs() {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    let embed = |args: &[&str]| sandbox.program(built("embed"), args).run();
    // Without a file of the user the program's own counts.
    let before = embed(&["auth", "whoami"]).expect_code(2);
    let said = "acme: error: there is no session of `acme/prod`\nacme: hint: run `acme auth login`\n";
    assert_eq!(before.stderr, said);
    let help = embed(&["auth", "login", "--help"]).expect_success();
    assert!(help.text().contains("Usage: acme auth login"), "{}", help.text());
    embed(&["auth", "git", "get"]).expect_code(64);
    sandbox.provider(&issuer);
    embed(&["auth", "login", "--no-browser"]).expect_success();
    assert_eq!(embed(&["auth", "whoami"]).expect_success().text(), "ann\n");
    let used = embed(&["https://acme.example/api"]).expect_success();
    assert_eq!(used.text(), "https://acme.example/api: as ann, from file:acme:ann\n");
    embed(&["auth", "logout"]).expect_success();
    embed(&["auth", "print-access-token"]).expect_code(2);
}

/// A program that hands its `auth` over to keyfob as a process, in a shell or in Python.
fn hands_over(interpreter: &str, script: &str) {
    let version = std::process::Command::new(interpreter).arg("-c").arg("").output();
    if !version.is_ok_and(|output| output.status.success()) {
        return crate::part::skipped(script, &format!("{interpreter} is not installed"));
    }
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    let text = std::fs::read_to_string(sandbox.provider(&issuer)).unwrap();
    sandbox.write_provider("acme", &format!("{text}\n[program]\nname = \"tool\"\n"));
    let path = example(script);
    let tool = |args: &[&str]| {
        let args = [&[path.to_str().unwrap()], args].concat();
        sandbox.program(interpreter, &args).env("KEYFOB", sandbox.keyfob_path())
    };
    let url = format!("{}/userinfo", issuer.url());
    let before = tool(&["get", &url]).run().expect_code(2);
    assert!(
        before.stderr.ends_with("tool: hint: run `tool auth login`\n"),
        "{}",
        before.stderr
    );
    tool(&["auth", "login", "--no-browser"]).run().expect_success();
    let token = sandbox.token();
    let answer = tool(&["get", &url]).run().expect_success();
    assert!(answer.text().contains("ann"), "{}", answer.text());
    assert!(!answer.text().contains(&token) && !answer.stderr.contains(&token));
    // A job has the token in a variable, and nothing is kept.
    let wrong = tool(&["get", &url]).env("ACME_TOKEN", "canary-of-a-job").run();
    assert_ne!(wrong.code(), 0, "the server refuses that token");
    tool(&["auth", "logout"]).run().expect_success();
    tool(&["auth", "whoami"]).run().expect_code(2);
    tool(&["other"]).run().expect_code(64);
}

#[test]
fn the_wrapper_in_shell_hands_its_subtree_over() {
    let curl = std::process::Command::new("curl").arg("--version").output();
    if curl.is_err() {
        return crate::part::skipped("wrapper.sh", "curl is not installed");
    }
    hands_over("sh", "wrapper.sh");
}

#[test]
fn the_program_in_python_hands_its_subtree_over() {
    hands_over("python3", "auth.py");
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
