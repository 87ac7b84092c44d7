//! keyfob as the sign-in of another program: called through a link, or with `--provider`, in that program's name and words.

use std::path::PathBuf;

use crate::issuer::{Issuer, Script};
use crate::sandbox::{Output, Run, Sandbox};

/// A program `ctl` with two modes and words of its own, whose credential is a key.
const CTL: &str = r#"format = 1
title = "Acme Control"

[login]
flow = "key"
default_mode = "prod"

[program]
auth = false

[program.commands]
"connect workspace use" = "workspace"
"connect key set" = "set-token"
"me show" = "whoami --json"
"me" = "whoami"

[context]
kind = "header"

[env]
variables = ["CTL_KEY"]

[mode.prod]
[[mode.prod.target]]
url = "https://api.acme.example"

[mode.dev]
[[mode.dev.target]]
url = "https://dev.acme.example"
"#;

/// A link of this name to keyfob.
fn link(sandbox: &Sandbox, name: &str) -> PathBuf {
    let directory = sandbox.path().join("bin");
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join(name);
    std::os::unix::fs::symlink(sandbox.keyfob_path(), &path).unwrap();
    path
}

/// A home with that program.
pub fn ctl() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write_provider("ctl", CTL);
    link(&sandbox, "ctl");
    sandbox
}

fn start(sandbox: &Sandbox, args: &[&str]) -> Run {
    sandbox.program(sandbox.path().join("bin/ctl"), args)
}

/// Runs it.
pub fn run(sandbox: &Sandbox, args: &[&str]) -> Output {
    start(sandbox, args).run()
}

/// Keeps a key, which is named after its mode.
fn keep(sandbox: &Sandbox, args: &[&str], key: &str) {
    let args = [args, &["auth", "set-token", "--no-check"]].concat();
    start(sandbox, &args).stdin(key).run().expect_success();
}

#[test]
fn a_link_is_its_provider_with_or_without_auth() {
    let sandbox = ctl();
    keep(&sandbox, &["--account", "ann"], "canary-prod");
    for args in [&["auth", "print-access-token"][..], &["print-access-token"]] {
        assert_eq!(run(&sandbox, args).expect_success().text(), "canary-prod\n");
    }
    let same = sandbox.keyfob(&["token", "ctl/prod:ann"]).run().expect_success();
    assert_eq!(same.text(), "canary-prod\n", "it is the session that tools get");
    let copy = sandbox.path().join("bin/copy");
    std::fs::copy(sandbox.keyfob_path(), &copy).unwrap();
    sandbox.write_provider("copy", "format = 1\n[login]\nflow = \"key\"\n");
    let missing = sandbox.program(&copy, &["auth", "whoami"]).run().expect_code(2);
    assert_eq!(
        missing.stderr,
        "copy: error: there is no session of `copy`\ncopy: hint: run `copy auth login`\n"
    );
}

#[test]
fn a_name_that_is_nobodys_says_so() {
    let sandbox = ctl();
    let nobody = link(&sandbox, "nobody");
    for args in [&["auth", "login"][..], &["get"], &["token", "ctl"], &["--help"], &[]] {
        let output = sandbox.program(&nobody, args).stdin("").run().expect_code(64);
        assert!(output.text().is_empty());
        let said = "keyfob: error: called as `nobody`, which is no name of keyfob, and no provider file in ";
        assert!(output.stderr.starts_with(said), "{}", output.stderr);
        assert!(
            output.stderr.contains("\nkeyfob: hint: call it `keyfob`, or"),
            "{}",
            output.stderr
        );
    }
    // A preset is no program until it has a file.
    sandbox
        .program(link(&sandbox, "github"), &["login"])
        .run()
        .expect_code(64);
    // A second keyfob beside the first is keyfob, and so is each protocol's name.
    let second = sandbox.program(link(&sandbox, "keyfob-2"), &["token", "ctl"]).run();
    assert!(second.expect_code(2).stderr.contains("keyfob: error: "));
    sandbox.write_provider("git-credential-keyfob", "format = 1\n[login]\nflow = \"key\"\n");
    let git = sandbox
        .program(link(&sandbox, "git-credential-keyfob"), &["capability"])
        .run();
    assert!(git.expect_success().text().starts_with("version 0\n"));
}

#[test]
fn a_wrong_provider_file_says_where() {
    let sandbox = Sandbox::new();
    sandbox.write_provider("ctl", "format = 1\n[login]\nflow = \"no\"\n");
    link(&sandbox, "ctl");
    let output = run(&sandbox, &["auth", "login"]).expect_code(64);
    assert!(
        output.stderr.contains("providers/ctl.toml:3: login.flow: "),
        "{}",
        output.stderr
    );
    for (program, why) in [
        ("name = \"a b\"", ":5: program.name: expected"),
        ("prefix = \"1\"", ":5: program.prefix: expected"),
        ("auth = \"yes\"", ":5: program.auth: expected true or false"),
        (
            "commands = { \"-x\" = \"login\" }",
            ":5: program.commands: expected 1 to",
        ),
        (
            "commands = { x = \"--all\" }",
            ":5: program.commands: expected a command",
        ),
        (
            "commands = { login = \"desync --vm x\" }",
            ":5: program.commands: expected a command that starts no program",
        ),
        (
            "commands = { x = \"unlock -- sh\" }",
            ":5: program.commands: expected a command that starts no program",
        ),
        ("commands = { x = \"token\" }", "`x` leads to no command of keyfob"),
        ("commands = { x = \"sh -c y\" }", "`x` leads to no command of keyfob"),
        ("command = 1", ":5: program.command: expected"),
    ] {
        let text = format!("format = 1\n[login]\nflow = \"key\"\n[program]\n{program}\n");
        sandbox.write_provider("ctl", &text);
        for output in [
            run(&sandbox, &["auth", "status"]),
            sandbox.keyfob(&["provider", "check"]).run(),
        ] {
            let output = output.expect_code(64);
            assert!(output.stderr.contains(why), "{program}: {}", output.stderr);
        }
    }
}

#[test]
fn every_message_has_the_programs_name_and_words() {
    let sandbox = ctl();
    let missing = run(&sandbox, &["whoami"]).expect_code(2);
    let said = "ctl: error: there is no session of `ctl/prod`\nctl: hint: run `ctl login`\n";
    assert_eq!(missing.stderr, said);
    let other = run(&sandbox, &["--mode", "dev", "whoami"]).expect_code(2);
    assert!(other.stderr.contains("run `ctl login --mode dev`"), "{}", other.stderr);
    let variable = start(&sandbox, &["whoami"]).env("CTL_MODE", "dev").run().expect_code(2);
    assert!(
        variable.stderr.contains("run `ctl login --mode dev`"),
        "{}",
        variable.stderr
    );
    let toggled = run(&sandbox, &["mode", "toggle"]).expect_code(2);
    assert!(toggled.stderr.contains("hint: run `ctl login`\n"), "{}", toggled.stderr);
    let nothing = run(&sandbox, &["status"]);
    assert!(!nothing.text().contains("keyfob"), "{}", nothing.text());
    let usage = run(&sandbox, &["auth", "whoam"]).expect_code(64);
    assert!(
        usage
            .stderr
            .contains("ctl: hint: did you mean `whoami`? Else run `ctl --help`"),
        "{}",
        usage.stderr
    );
    let others = run(&sandbox, &["auth", "whoami", "github"]).expect_code(64);
    assert!(
        others.stderr.starts_with("ctl: error: `ctl` signs in to no other"),
        "{}",
        others.stderr
    );
    run(&sandbox, &["--provider", "github", "whoami"]).expect_code(64);
    // What a tool asks for is keyfob's own affair.
    for args in [&["get"][..], &["git", "get"], &["docker", "list"], &["token", "ctl"]] {
        let output = start(&sandbox, args)
            .stdin("url=https://api.acme.example\n")
            .run()
            .expect_code(64);
        assert!(
            output.stderr.contains("ctl: error: there is no such command"),
            "{}",
            output.stderr
        );
    }
}

#[test]
fn of_several_accounts_a_hint_names_the_one_that_is_meant() {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    sandbox.provider(&issuer);
    link(&sandbox, "acme");
    sandbox.login(&issuer);
    let acme = |args: &[&str]| sandbox.program(sandbox.path().join("bin/acme"), args).run();
    sandbox
        .keyfob(&["set-token", "acme:bob", "--no-check"])
        .stdin("acme_canary")
        .run()
        .expect_success();
    let two = acme(&["auth", "whoami"]).expect_code(5);
    assert!(two.stderr.contains("run `acme auth account NAME`"), "{}", two.stderr);
    let named = acme(&["auth", "whoami", "--account", "eve"]).expect_code(2);
    assert!(
        named.stderr.contains("run `acme auth login --account eve`"),
        "{}",
        named.stderr
    );
}

#[test]
fn help_is_the_programs() {
    let sandbox = ctl();
    let help = run(&sandbox, &["--help"]).expect_success();
    for part in [
        "Sign-in to Acme Control\n",
        "Usage: ctl ",
        "  ctl me show                whoami --json\n",
        "2 log in first",
    ] {
        assert!(help.text().contains(part), "{part}: {}", help.text());
    }
    for part in [
        "keyfob",
        "--provider",
        "docker",
        "PROVIDER",
        "  install ",
        "  list ",
        "  provider ",
    ] {
        assert!(!help.text().contains(part), "{part}: {}", help.text());
    }
    for part in ["  mode ", "  workspace "] {
        assert!(
            help.text().contains(part) && !help.text().contains("  config "),
            "{part}: {}",
            help.text()
        );
    }
    let mode = run(&sandbox, &["mode", "--help"]).expect_success();
    assert!(
        mode.text().contains("Usage: ctl mode [OPTIONS] [MODE]\n"),
        "{}",
        mode.text()
    );
    let login = run(&sandbox, &["auth", "login", "--help"]).expect_success();
    assert!(
        login.text().contains("Usage: ctl login [OPTIONS]\n"),
        "{}",
        login.text()
    );
    sandbox.write_provider("ctl", "format = 1\n[login]\nflow = \"key\"\n");
    let login = run(&sandbox, &["auth", "login", "--help"]).expect_success();
    assert!(
        login.text().contains("Usage: ctl auth login [OPTIONS]\n"),
        "{}",
        login.text()
    );
}

#[test]
fn the_programs_words_lead_to_our_commands_the_longest_first() {
    let sandbox = ctl();
    let keys = start(&sandbox, &["--account", "ann", "connect", "key", "set", "--no-check"]);
    keys.stdin("canary-prod").run().expect_success();
    run(&sandbox, &["--account=ann", "connect", "workspace", "use", "acme-prod"]).expect_success();
    let shown = run(&sandbox, &["connect", "workspace", "use"]).expect_success();
    assert_eq!(shown.text(), "acme-prod\n");
    let json: serde_json::Value = serde_json::from_str(run(&sandbox, &["me", "show"]).expect_success().text()).unwrap();
    assert_eq!(
        (&json["subject"], &json["workspace"]),
        (&"ann".into(), &"acme-prod".into())
    );
    assert_eq!(
        run(&sandbox, &["--mode", "prod", "me"]).expect_success().text(),
        "ann\n"
    );
    run(&sandbox, &["connect", "workspace"]).expect_code(64);
    let stored = run(&sandbox, &["whoami", "--account", "bob"]).expect_code(2);
    assert!(
        stored.stderr.contains("run `ctl login --account bob`"),
        "{}",
        stored.stderr
    );
}

#[test]
fn its_variables_come_before_ours() {
    let mut sandbox = ctl();
    keep(&sandbox, &["--account", "ann"], "canary-prod");
    keep(&sandbox, &["--account", "bob", "--mode", "dev"], "canary-dev");
    keep(&sandbox, &["--account", "ann", "--mode", "dev"], "canary-ann");
    sandbox.set("KEYFOB_MODE", "prod");
    sandbox.set("CTL_MODE", "dev");
    sandbox.set("KEYFOB_ACCOUNT", "ann");
    sandbox.set("CTL_ACCOUNT", "bob");
    assert_eq!(
        run(&sandbox, &["print-access-token"]).expect_success().text(),
        "canary-dev\n"
    );
    let tool = sandbox
        .keyfob(&["git", "get"])
        .stdin("url=https://dev.acme.example\n")
        .run();
    assert!(
        tool.expect_success().text().contains("password=canary-dev\n"),
        "a tool gets the same"
    );
    sandbox.write_provider("ctl", &CTL.replace("auth = false", "prefix = \"AC\""));
    sandbox.set("AC_MODE", "dev");
    sandbox.set("AC_ACCOUNT", "ann");
    sandbox.set("CTL_MODE", "no-such");
    assert_eq!(
        run(&sandbox, &["print-access-token"]).expect_success().text(),
        "canary-ann\n"
    );
    let tool = sandbox
        .keyfob(&["git", "get"])
        .stdin("url=https://dev.acme.example\n")
        .run();
    assert!(tool.expect_success().text().contains("password=canary-ann\n"));
    sandbox.set("AC_WORKSPACE", "w1");
    assert_eq!(run(&sandbox, &["workspace"]).expect_success().text(), "w1\n");
}

#[test]
fn its_home_keeps_its_sessions_apart() {
    let mut sandbox = ctl();
    keep(&sandbox, &["--account", "ann"], "canary-one");
    let home = sandbox.path().join("elsewhere");
    sandbox.set("CTL_HOME", &home);
    run(&sandbox, &["whoami"]).expect_code(2);
    keep(&sandbox, &["--account", "bob"], "canary-two");
    assert_eq!(
        run(&sandbox, &["print-access-token"]).expect_success().text(),
        "canary-two\n"
    );
    assert!(home.join("data/records").is_dir() && !home.join("config").exists());
    assert_eq!(
        sandbox.keyfob(&["token", "ctl"]).run().expect_success().text(),
        "canary-one\n"
    );
    sandbox.set("CTL_HOME", "elsewhere");
    let wrong = run(&sandbox, &["whoami"]).expect_code(64);
    assert_eq!(
        wrong.stderr,
        "ctl: error: the variable `CTL_HOME` is not an absolute path\n"
    );
}

#[test]
fn its_level_says_how_much_is_said_and_never_changes_an_answer() {
    let mut sandbox = ctl();
    keep(&sandbox, &["--account", "ann"], "canary-prod");
    for (level, note, debug) in [
        ("debug", true, true),
        ("info", true, false),
        ("warn", false, false),
        ("error", false, false),
    ] {
        sandbox.set("CTL_LOG_LEVEL", level);
        let set = run(&sandbox, &["mode", "prod"]).expect_success();
        assert_eq!(set.stderr.contains("from now on"), note, "{level}");
        let token = run(&sandbox, &["print-access-token"]).expect_success();
        let said = "ctl: debug: the credential comes from file:ctl/prod:ann\n";
        assert_eq!(
            (token.text(), token.stderr == said),
            ("canary-prod\n", debug),
            "{level}"
        );
        let kept = start(&sandbox, &["mode", "prod"])
            .env("CTL_MODE", "dev")
            .run()
            .expect_success();
        assert_eq!(kept.stderr.contains("ctl: warning: "), level != "error", "{level}");
        let failed = start(&sandbox, &["whoami", "--account", "eve"]).run().expect_code(2);
        assert!(
            failed.stderr.starts_with("ctl: error: ") && failed.stderr.contains("\nctl: hint: "),
            "{level}"
        );
    }
    sandbox.set("CTL_LOG_LEVEL", "loud");
    let wrong = run(&sandbox, &["print-access-token"]).expect_code(64);
    let said = "ctl: error: the variable `CTL_LOG_LEVEL` is not `debug`, `info`, `warn` or `error`\n";
    assert_eq!((wrong.text(), wrong.stderr.as_str()), ("", said));
    sandbox.set("KEYFOB_LOG_LEVEL", "loud");
    let tool = sandbox.keyfob(&["token", "ctl"]).run().expect_success();
    assert_eq!(
        (tool.text(), tool.stderr.as_str()),
        ("canary-prod\n", ""),
        "no tool's affair"
    );
    sandbox.keyfob(&["status"]).run().expect_code(64);
}

#[test]
fn with_a_declared_program_the_option_speaks_in_its_name_as_a_link_does() {
    let sandbox = ctl();
    let alias = |args: &[&str]| sandbox.keyfob(&[&["--provider", "ctl"], args].concat()).run();
    let missing = alias(&["auth", "whoami"]).expect_code(2);
    assert!(
        missing.stderr.ends_with("ctl: hint: run `ctl login`\n"),
        "{}",
        missing.stderr
    );
    alias(&["me", "show"]).expect_code(2);
    sandbox.write_provider("ctl", &CTL.replace("auth = false", "name = \"acmectl\""));
    let missing = alias(&["auth", "whoami"]).expect_code(2);
    assert!(missing.stderr.starts_with("acmectl: error: "), "{}", missing.stderr);
    assert!(
        missing.stderr.ends_with("run `acmectl auth login`\n"),
        "{}",
        missing.stderr
    );
    sandbox.write_provider("plain", "format = 1\n[login]\nflow = \"key\"\n");
    let plain = sandbox
        .keyfob(&["--provider", "plain", "auth", "whoami"])
        .run()
        .expect_code(2);
    assert!(
        plain.stderr.ends_with("keyfob: hint: run `keyfob login plain`\n"),
        "{}",
        plain.stderr
    );
}

#[test]
fn of_others_a_program_shows_and_ends_nothing() {
    let sandbox = ctl();
    keep(&sandbox, &["--account", "ann"], "canary-prod");
    sandbox.write_provider("other", "format = 1\n[login]\nflow = \"key\"\n");
    sandbox
        .keyfob(&["set-token", "other:eve"])
        .stdin("canary-other")
        .run()
        .expect_success();
    for command in ["status", "list"] {
        let output = run(&sandbox, &[command]).expect_success();
        assert!(
            output.text().contains("ann") && !output.text().contains("eve"),
            "{}",
            output.text()
        );
    }
    run(&sandbox, &["logout", "--all", "--local"]).expect_success();
    run(&sandbox, &["print-access-token"]).expect_code(2);
    assert_eq!(
        sandbox.keyfob(&["token", "other"]).run().expect_success().text(),
        "canary-other\n"
    );
}

#[test]
fn a_secret_on_stdout_is_never_put_into_words() {
    let sandbox = ctl();
    let key = "keyfob:`keyfob";
    let run = start(&sandbox, &["print-access-token"]).env("CTL_KEY", format!("{key}-canary`"));
    assert_eq!(run.run().expect_success().text(), format!("{key}-canary`\n"));
}
