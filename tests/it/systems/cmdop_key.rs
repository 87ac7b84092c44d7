//! cmdop, rows 1.17 to 1.23, 1.33 and 1.35: keys for scripts and CI.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::cmdop::{Cmdop, EMAIL, KEY, logged_in, machines, set};
use super::person::Person;
use super::program::Program;
use super::row::{Row, root, said};
use crate::sandbox::Output;

#[test]
fn row_1_17_a_key_serves_where_nobody_is() {
    let mut row = Row::new(
        "1.17",
        "CI, cron and scripts have a key: no terminal, no browser, no login, no store.",
    );
    let (program, prod, _dev) = set();
    let call = program
        .call(&["auth", "whoami"])
        .env("CMDOP_API_KEY", KEY)
        .env("CI", "true");
    let output = row.run(call);
    row.exit(&output, 0);
    row.says(&output, EMAIL);
    assert_eq!(prod.all(), 1);
    assert!(!program.sandbox.keyfob_home().join("data").exists());
    row.saw(format!("{} request, and no data directory", prod.all()));
    row.held();
}

#[test]
fn row_1_18_a_key_comes_from_the_page_or_is_handed_over_once() {
    let mut row = Row::new(
        "1.18",
        "A key is made on the service's page; `connect key set` keeps it, after the server was asked whose it is.",
    );
    let (program, prod, _dev) = set();
    let output = row.run(program.call(&["connect", "key", "set"]).stdin(&format!("{KEY}\n")));
    row.exit(&output, 0);
    row.says(&output, "Logged in to CMDOP as");
    assert!(prod.count("/v1/me") > 0);
    assert_eq!(program.done(&["print-access-token"]).text(), format!("{KEY}\n"));
    row.saw("scripts get the key");
    row.held();
}

#[test]
fn row_1_19_the_variable_may_be_exported_or_of_one_command() {
    let mut row = Row::new(
        "1.19",
        "`CMDOP_API_KEY` is read from the environment, for a shell or for one command.",
    );
    let (program, _prod, _dev) = set();
    for line in [
        "export CMDOP_API_KEY=KEY; cmdop auth whoami",
        "CMDOP_API_KEY=KEY cmdop auth whoami; cmdop auth whoami",
    ] {
        let mut call = program.shell(
            &line
                .replace("KEY;", &format!("{KEY};"))
                .replace("=KEY ", &format!("={KEY} ")),
        );
        call.shown = line.replace("=KEY", "=…");
        let output = row.run(call);
        assert!(output.text().starts_with(EMAIL), "{}", said(&output));
        row.exit(&output, if line.starts_with("export") { 0 } else { 2 });
    }
    row.saw("the second shell has no key after its first command");
    row.held();
}

#[test]
fn row_1_20_a_key_is_known_by_its_beginning_and_never_shown() {
    let mut row = Row::new(
        "1.20",
        "A key's text is `cmd_`, its workspace and more: by that beginning another text is refused before it is sent, and of \
         a key that stands in a message, be it the service's own words, the beginning alone is shown.",
    );
    let (program, prod, _dev) = set();
    let output = row.run(program.call(&["auth", "set-token"]).stdin("sk_canary1\n"));
    row.exit(&output, 64);
    assert!(!said(&output).contains("sk_") && prod.all() == 0, "{}", said(&output));
    row.says(&output, "cmd_");
    let output = row.run(program.call(&["auth", "set-token"]).stdin(&format!("{KEY}\n")));
    row.exit(&output, 0);
    assert!(!said(&output).contains("cmd_"), "{}", said(&output));
    let output = row.run(program.call(&["auth", "status", "--key", KEY]).hiding(KEY));
    row.exit(&output, 64);
    assert!(!said(&output).contains("cmd_"), "{}", said(&output));
    let output = row.run(program.call(&["auth", "password", "status"]));
    row.exit(&output, 5);
    row.says(&output, "the key cmd_");
    assert!(!said(&output).contains("cmd_acme"), "{}", said(&output));
    row.held();
}

#[test]
fn row_1_21_a_key_is_of_one_workspace() {
    let mut row = Row::new(
        "1.21",
        "A key works in the workspace that it was made for, whatever the session's is.",
    );
    let (program, prod, _dev) = logged_in();
    program.done(&["workspace", "acme-other"]);
    let output = row.run(program.call(&["auth", "whoami", "--json"]).env("CMDOP_API_KEY", KEY));
    row.exit(&output, 0);
    let shown: Value = serde_json::from_str(output.text()).unwrap();
    assert_eq!(
        (&shown["source"], &shown["workspace"]),
        (&"env:CMDOP_API_KEY".into(), &Value::Null)
    );
    for (key, place, who) in [(Some(KEY), "acme", "key"), (None, "acme-other", "session")] {
        let (status, workspace) = machines(&program, &prod, &[], key);
        assert_eq!((status, workspace.as_str()), (200, place));
        row.saw(format!("the {who}'s request is answered in {workspace}"));
    }
    row.held();
}

#[test]
fn row_1_22_an_option_picks_the_workspace_of_a_key() {
    let mut row = Row::new(
        "1.22",
        "`--workspace=NAME` before the command picks the workspace under a key, for that command.",
    );
    let (program, prod, _dev) = set();
    let call = program.call(&["--workspace=acme-staging", "auth", "whoami", "--json"]);
    let output = row.run(call.env("CMDOP_API_KEY", KEY));
    row.exit(&output, 0);
    let shown: Value = serde_json::from_str(output.text()).unwrap();
    assert_eq!(shown["workspace"], "acme-staging");
    row.saw(format!("workspace {}", shown["workspace"]));
    for (options, place) in [(&["--workspace=acme-staging"][..], "acme-staging"), (&[], "acme")] {
        let (status, workspace) = machines(&program, &prod, options, Some(KEY));
        row.ran(&format!(
            "CMDOP_API_KEY=… keyfob {} < request",
            [options, &["get"]].concat().join(" ")
        ));
        assert_eq!((status, workspace.as_str()), (200, place));
        row.saw(format!("a request with what that gives is answered in {workspace}"));
    }
    row.held();
}

#[test]
fn row_1_23_login_and_logout_are_below_auth_too() {
    let mut row = Row::new("1.23", "`auth login` is `login`, and `auth logout` is `logout`.");
    for words in [&["auth"][..], &[]] {
        let (mut program, prod, _dev) = set();
        let person = Person::sits_down(&mut program);
        let output = row.run(program.call(&[words, &["login"]].concat()));
        row.exit(&output, 0);
        assert_eq!((person.leaves(), prod.families().len()), (1, 1));
        row.says(&output, "Logged in to CMDOP");
        let output = row.run(program.call(&[words, &["logout"]].concat()));
        row.exit(&output, 0);
        assert_eq!(prod.families()[0].ended, Some("revoked"));
        row.saw("the session is revoked");
    }
    row.held();
}

#[test]
fn row_1_34_the_programs_variables_are_read() {
    let mut row = Row::new(
        "1.34",
        "`CMDOP_API_KEY`, `CMDOP_WORKSPACE` and `CMDOP_LOG_LEVEL` (debug, info, warn, error) are read, and \
         `CMDOP_SERVER_ADDRESS` is another control plane, to which no session of this one is sent.",
    );
    let (program, prod, dev) = logged_in();
    let output = row.run(program.call(&["workspace"]).env("CMDOP_WORKSPACE", "acme-staging"));
    row.says(&output, "acme-staging");
    let call = program.call(&["whoami"]).env("CMDOP_API_KEY", KEY);
    let output = row.run(call.env("CMDOP_LOG_LEVEL", "debug"));
    row.exit(&output, 0);
    row.says(&output, "env:CMDOP_API_KEY");
    // Without a terminal a switch to a mode without a session says three things: a note, an error, and its hint.
    for (level, notes) in [("debug", 1), ("info", 1), ("warn", 0), ("error", 0)] {
        let output = row.run(program.call(&["mode", "dev"]).env("CMDOP_LOG_LEVEL", level));
        row.exit(&output, 2);
        assert_eq!(output.stderr.matches("from now on").count(), notes, "{}", output.stderr);
        assert!(output.stderr.contains("cmdop: error: "), "{}", output.stderr);
        row.saw(format!("{notes} notes with `{level}`, and the error"));
    }
    program.done(&["mode", "prod"]);
    let output = row.run(program.call(&["whoami"]).env("CMDOP_LOG_LEVEL", "loud"));
    row.exit(&output, 64);
    row.says(&output, "CMDOP_LOG_LEVEL");
    let other = Cmdop::start();
    let before = (prod.all(), dev.all());
    let output = row.run(program.call(&["whoami"]).env("CMDOP_SERVER_ADDRESS", other.url()));
    row.exit(&output, 2);
    row.says(&output, "hint: ");
    assert_eq!(other.all(), 0);
    row.saw("no request with the session of the usual one");
    let call = program.call(&["whoami"]).env("CMDOP_API_KEY", KEY);
    let output = row.run(call.env("CMDOP_SERVER_ADDRESS", other.url()));
    row.exit(&output, 0);
    assert_eq!((prod.all(), dev.all(), other.all()), (before.0, before.1, 1));
    row.saw(format!("{} request there with a key", other.all()));
    row.held();
}

#[test]
fn row_1_35_a_status_checks_a_key() {
    let mut row = Row::new(
        "1.35",
        "`auth status` asks the server too, so that it is the check of a key.",
    );
    let (program, prod, _dev) = set();
    let output = row.run(program.call(&["auth", "status"]).env("CMDOP_API_KEY", KEY));
    row.exit(&output, 0);
    row.says(&output, "The server takes the credential");
    let output = row.run(
        program
            .call(&["auth", "status"])
            .env("CMDOP_API_KEY", "cmd_acme_canary9"),
    );
    row.exit(&output, 2);
    row.says(&output, "the server refuses the credential");
    assert_eq!(prod.count("/v1/me"), 2);
    row.held();
}

/// The lines of a CI example: those of `run: |` blocks, or of a `script:` list.
fn lines_of(example: &str) -> String {
    let text = std::fs::read_to_string(root().join("examples/ci").join(example)).unwrap();
    let line = |line: &str| {
        let words = line.trim_start();
        let is_step = line.starts_with("          ") && !words.contains(": ${{");
        let own = words
            .strip_prefix("- ")
            .filter(|_| line.starts_with("    - ") && !words.starts_with("- name"));
        own.or(is_step.then_some(words)).map(|line| format!("{line}\n"))
    };
    text.lines().filter_map(line).collect()
}

/// Runs them where the installer is this text, and its sum the one of `install`.
fn job(program: &Program, lines: &str, installer: &str) -> Output {
    let sum = data_encoding::HEXLOWER.encode(&Sha256::digest(b"echo installed\n"));
    program.sandbox.write("installer", installer);
    for (name, text) in [
        ("bin/curl", "#!/bin/sh\ncp \"$HOME/installer\" \"$2\"\n"),
        (
            "deploy.sh",
            "#!/bin/sh\necho \"deployed $1 with ${CMDOP_API_KEY:+the key}\"\n",
        ),
    ] {
        let path = program.sandbox.write(name, text);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let call = program.shell(&format!("set -e\n{lines}"));
    let run = call.run.env("CI", "true").env("CMDOP_API_KEY", KEY);
    run.env("CMDOP_INSTALL_SHA256", sum).run()
}

#[test]
fn row_1_33_the_examples_for_ci_run_and_check_what_they_fetch() {
    let mut row = Row::new(
        "1.33",
        "There are examples for GitHub Actions and GitLab; they check the sum of what they fetch, and `--` ends the \
         options.",
    );
    for example in ["github-actions.yml", "gitlab-ci.yml"] {
        let (program, _prod, _dev) = set();
        let lines = lines_of(example);
        let good = job(&program, &lines, "echo installed\n");
        row.ran(&format!("sh < examples/ci/{example}"));
        row.exit(&good, 0);
        let text = good.text();
        assert!(text.contains("installed\n") && text.contains(EMAIL), "{text}");
        row.says(&good, "deployed --fast with the key");
        let bad = job(&program, &lines, "echo altered\n");
        assert!(bad.code() != 0 && !bad.text().contains("deployed"), "{}", said(&bad));
    }
    row.saw("an altered installer ends the job before it runs");
    row.held();
}
