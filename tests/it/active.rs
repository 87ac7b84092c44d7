//! The mode, account and workspace that a person chose: what they decide, what is said before them, and that a file of them
//! that is damaged decides nothing and fails nobody.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::part;
use crate::sandbox::{Output, Sandbox};

/// A provider `acme` with the modes `prod`, the default, `dev` and `test`, all for one target, and a session of `ann` in
/// the first two.
fn set() -> Sandbox {
    let sandbox = Sandbox::new();
    let modes: String = ["prod", "dev", "test"]
        .map(|name| {
            let upper = name.to_uppercase();
            format!(
                "[mode.{name}.env]\nvariables = [\"ACME_{upper}_KEY\"]\n[[mode.{name}.target]]\n\
                 url = \"https://acme.example\"\n"
            )
        })
        .concat();
    let head = "format = 1\n[login]\nflow = \"key\"\ndefault_mode = \"prod\"\n[context]\nkind = \"header\"\n";
    sandbox.write_provider("acme", &format!("{head}{modes}"));
    for profile in ["acme/prod:ann", "acme/dev:ann"] {
        keep(&sandbox, profile);
    }
    sandbox
}

/// Keeps a key of this profile that is named after it.
fn keep(sandbox: &Sandbox, profile: &str) {
    let key = format!("canary-{}", profile.replace(['/', ':'], "-"));
    let run = sandbox.keyfob(&["set-token", profile]).stdin(key);
    run.run().expect_success();
}

fn run(sandbox: &Sandbox, args: &[&str]) -> Output {
    sandbox.keyfob(args).run()
}

fn said(sandbox: &Sandbox, args: &[&str]) -> String {
    run(sandbox, args).expect_success().text().trim_end().into()
}

fn json_of(sandbox: &Sandbox, args: &[&str]) -> Value {
    serde_json::from_str(&said(sandbox, args)).unwrap()
}

/// What git gets, which must be silent.
fn git(sandbox: &Sandbox) -> String {
    let output = sandbox
        .keyfob(&["git", "get"])
        .stdin("url=https://acme.example\n")
        .run();
    let output = output.expect_success();
    assert_eq!(output.stderr, "", "a tool's call says nothing");
    let password = output.text().lines().find_map(|line| line.strip_prefix("password="));
    password.unwrap_or_default().into()
}

fn file(sandbox: &Sandbox) -> PathBuf {
    sandbox.keyfob_home().join("state/active/acme.json")
}

#[test]
fn a_mode_that_was_chosen_is_meant_by_tools_and_commands_alike() {
    let sandbox = set();
    assert_eq!(
        (said(&sandbox, &["mode", "acme"]), git(&sandbox)),
        ("prod".into(), "canary-acme-prod-ann".into())
    );
    let chosen = run(&sandbox, &["mode", "acme", "dev"]).expect_success();
    assert_eq!(
        (chosen.text(), chosen.stderr.as_str()),
        ("", "The mode of `acme` is `dev` from now on.\n")
    );
    assert_eq!(said(&sandbox, &["mode", "acme"]), "dev");
    assert_eq!(git(&sandbox), "canary-acme-dev-ann");
    assert_eq!(sandbox.token(), "canary-acme-dev-ann");
    assert_eq!(said(&sandbox, &["token", "acme/prod"]), "canary-acme-prod-ann");
    let mode = std::fs::metadata(file(&sandbox)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_variable_is_before_what_was_chosen_and_an_option_before_both() {
    let mut sandbox = set();
    run(&sandbox, &["mode", "acme", "dev"]).expect_success();
    sandbox.set("KEYFOB_MODE", "prod");
    assert_eq!(
        (git(&sandbox), said(&sandbox, &["mode", "acme"])),
        ("canary-acme-prod-ann".into(), "prod".into())
    );
    assert_eq!(json_of(&sandbox, &["mode", "acme", "--json"])["by"], "env:KEYFOB_MODE");
    sandbox.set("ACME_MODE", "dev");
    assert_eq!(
        (git(&sandbox), said(&sandbox, &["mode", "acme"])),
        ("canary-acme-dev-ann".into(), "dev".into())
    );
    for args in [
        &["--mode", "prod", "token", "acme"][..],
        &["--mode=prod", "print-access-token", "acme"],
        &["print-access-token", "acme", "--mode", "prod"],
        &["auth", "--mode", "prod", "print-access-token", "acme"][1..],
        &["--provider", "acme", "--mode", "prod", "auth", "print-access-token"],
    ] {
        assert_eq!(said(&sandbox, args), "canary-acme-prod-ann", "{args:?}");
    }
    let hidden = run(&sandbox, &["mode", "acme", "prod"]).expect_success();
    assert!(
        hidden.stderr.contains("`ACME_MODE` names another mode"),
        "{}",
        hidden.stderr
    );
    run(&sandbox, &["--mode", "dev", "whoami", "acme/prod"]).expect_code(64);
    run(&sandbox, &["--mode", "no", "whoami", "acme"]).expect_code(64);
    let tool = sandbox
        .keyfob(&["--mode", "prod", "get"])
        .stdin("url=https://acme.example\n")
        .run();
    assert!(tool.expect_success().text().contains("password=canary-acme-prod-ann\n"));
}

#[test]
fn toggling_goes_to_the_next_mode_and_says_what_to_run_where_there_is_no_session() {
    let sandbox = set();
    sandbox.write_provider("other", "format = 1\n[login]\nflow = \"key\"\n[mode.a]\n[mode.b]\n");
    run(&sandbox, &["mode", "acme", "--toggle"]).expect_success();
    assert_eq!(said(&sandbox, &["mode", "acme"]), "dev");
    let missing = run(&sandbox, &["--provider", "acme", "mode", "toggle"]).expect_code(2);
    assert!(
        missing.stderr.contains("hint: run `keyfob login acme/test`"),
        "{}",
        missing.stderr
    );
    assert_eq!(
        said(&sandbox, &["mode", "acme"]),
        "test",
        "the mode is chosen all the same"
    );
    run(&sandbox, &["mode", "acme", "toggle"]).expect_success();
    assert_eq!(said(&sandbox, &["--provider", "acme", "mode"]), "prod");
    run(&sandbox, &["--provider", "acme", "mode", "dev"]).expect_success();
    assert_eq!(
        said(&sandbox, &["mode"]),
        "acme   dev  not prod, test\nother  a    not b"
    );
    // A variable is a credential of its own.
    let ready = sandbox.keyfob(&["mode", "acme", "test"]).env("ACME_TEST_KEY", "canary");
    ready.run().expect_success();
}

#[test]
fn a_mode_that_cannot_be_is_refused_and_nothing_is_written() {
    let sandbox = set();
    sandbox.write_provider("plain", "format = 1\n[login]\nflow = \"key\"\n");
    for args in [
        &["mode", "acme", "tset"][..],
        &["mode", "acme", ""],
        &["mode", "acme", "dev", "--toggle"],
        &["mode", "acme/dev", "dev"],
        &["mode", "plain"],
        &["mode", "plain", "--toggle"],
        &["mode", "none", "dev"],
        &["mode", "../x", "dev"],
    ] {
        run(&sandbox, args).expect_code(64);
    }
    assert!(!file(&sandbox).parent().unwrap().exists());
}

#[test]
fn a_session_that_exists_needs_no_network_to_be_switched_to() {
    let sandbox = Sandbox::new();
    // Port 9 of the loopback interface answers nobody.
    let text = "format = 1\n[login]\nflow = \"device\"\n[oauth]\nclient_id = \"c\"\n\
                device_authorization_endpoint = \"http://127.0.0.1:9/d\"\ntoken_endpoint = \"http://127.0.0.1:9/t\"\n\
                [whoami]\nurl = \"http://127.0.0.1:9/u\"\n[mode.a]\n[mode.b]\n";
    sandbox.write_provider("acme", text);
    for mode in ["a", "b"] {
        let run = sandbox.keyfob(&["set-token", &format!("acme/{mode}:ann"), "--no-check"]);
        run.stdin(format!("canary-{mode}")).run().expect_success();
    }
    for mode in ["b", "a"] {
        if !part::strace() {
            return;
        }
        let keyfob = sandbox.keyfob_path().to_str().unwrap();
        let args = [
            "-f",
            "-qqq",
            "-e",
            "trace=socket",
            "-o",
            "calls",
            keyfob,
            "mode",
            "acme",
            mode,
        ];
        sandbox.program("strace", &args).run().expect_success();
        let calls = std::fs::read_to_string(sandbox.path().join("calls")).unwrap();
        assert!(!calls.contains("AF_INET"), "{calls}");
        assert_eq!(sandbox.token(), format!("canary-{mode}"));
    }
}

#[test]
fn what_was_chosen_is_not_looked_for_where_there_is_nothing_to_choose() {
    if !part::strace() {
        return;
    }
    let mut sandbox = set();
    sandbox.write_provider(
        "plain",
        "format = 1\n[login]\nflow = \"key\"\n[[target]]\nurl = \"https://plain.example\"\n",
    );
    keep(&sandbox, "plain:ann");
    run(&sandbox, &["mode", "acme", "dev"]).expect_success();
    let looked = |sandbox: &Sandbox, url: &str| {
        let keyfob = sandbox.keyfob_path().to_str().unwrap();
        let args = ["-f", "-qqq", "-e", "trace=file", "-o", "calls", keyfob, "get"];
        let output = sandbox.program("strace", &args).stdin(format!("url={url}\n")).run();
        assert!(output.expect_success().text().contains("password=canary"));
        let calls = std::fs::read_to_string(sandbox.path().join("calls")).unwrap();
        assert!(calls.contains("records"), "{calls}");
        calls.contains("/active")
    };
    assert!(!looked(&sandbox, "https://plain.example"));
    assert!(looked(&sandbox, "https://acme.example"));
    sandbox.set("ACME_MODE", "dev");
    sandbox.set("KEYFOB_WORKSPACE", "w");
    assert!(!looked(&sandbox, "https://acme.example"), "a variable decides");
}

#[test]
fn the_account_that_was_chosen_answers_where_several_fit() {
    let mut sandbox = set();
    assert_eq!(said(&sandbox, &["account", "acme"]), "ann");
    keep(&sandbox, "acme/prod:bob");
    let several = run(&sandbox, &["token", "acme"]).expect_code(5);
    assert!(
        several.stderr.contains("keyfob account acme/prod NAME"),
        "{}",
        several.stderr
    );
    run(&sandbox, &["account", "acme"]).expect_code(5);
    run(&sandbox, &["account", "acme", "bob"]).expect_success();
    assert_eq!(
        (sandbox.token(), git(&sandbox)),
        ("canary-acme-prod-bob".into(), "canary-acme-prod-bob".into())
    );
    assert_eq!(
        json_of(&sandbox, &["account", "--json"]),
        json!({"schema": 1, "provider": "acme", "mode": "prod", "account": "bob", "by": "active", "accounts": ["ann", "bob"]})
    );
    for args in [
        &["--account", "ann", "token", "acme"][..],
        &["print-access-token", "--account=ann"],
        &["print-access-token", "acme/prod:ann"],
    ] {
        assert_eq!(said(&sandbox, args), "canary-acme-prod-ann", "{args:?}");
    }
    run(&sandbox, &["print-access-token", "acme:ann", "--account", "bob"]).expect_code(64);
    let named = sandbox
        .keyfob(&["git", "get"])
        .stdin("url=https://acme.example\nusername=ann\n")
        .run();
    assert!(named.text().contains("canary-acme-prod-ann"));
    sandbox.set("KEYFOB_ACCOUNT", "ann");
    assert_eq!(sandbox.token(), "canary-acme-prod-ann");
    assert_eq!(json_of(&sandbox, &["account", "--json"])["by"], "env:KEYFOB_ACCOUNT");
    let hidden = run(&sandbox, &["account", "acme", "bob"]).expect_success();
    assert!(
        hidden.stderr.contains("`KEYFOB_ACCOUNT` names another"),
        "{}",
        hidden.stderr
    );
    sandbox.unset("KEYFOB_ACCOUNT");
    // Another mode has accounts of its own.
    assert_eq!(said(&sandbox, &["account", "acme/dev"]), "ann");
    let none = run(&sandbox, &["account", "acme", "eve"]).expect_code(2);
    assert!(none.stderr.contains("keyfob login acme/prod:eve"), "{}", none.stderr);
    run(&sandbox, &["account", "acme", "--clear"]).expect_success();
    run(&sandbox, &["token", "acme"]).expect_code(5);
}

#[test]
fn a_logout_forgets_the_choice_of_its_account() {
    let sandbox = set();
    keep(&sandbox, "acme/prod:bob");
    run(&sandbox, &["account", "acme", "bob"]).expect_success();
    run(&sandbox, &["workspace", "acme", "w-bob"]).expect_success();
    run(&sandbox, &["mode", "acme", "prod"]).expect_success();
    run(&sandbox, &["logout", "acme:bob"]).expect_success();
    let kept: Value = serde_json::from_slice(&std::fs::read(file(&sandbox)).unwrap()).unwrap();
    assert_eq!(kept, json!({"format": 1, "mode": "prod"}));
    assert_eq!(sandbox.token(), "canary-acme-prod-ann");
}

#[test]
fn a_status_says_which_session_answers_and_what_hides_it() {
    let sandbox = set();
    run(&sandbox, &["mode", "acme", "dev"]).expect_success();
    let rows = |run: crate::sandbox::Run| {
        let output = run.run().expect_success();
        let value: Value = serde_json::from_str(output.text()).unwrap();
        let rows = value["sessions"].as_array().unwrap().iter();
        let row = |row: &Value| json!([row["profile"], row["in_use"], row["shadowed_by"]]);
        rows.map(row).collect::<Vec<_>>()
    };
    let status = || sandbox.keyfob(&["status", "--json"]);
    assert_eq!(
        rows(status()),
        [
            json!(["acme/dev:ann", true, null]),
            json!(["acme/prod:ann", false, null])
        ]
    );
    assert_eq!(
        rows(status().env("ACME_DEV_KEY", "canary")),
        [
            json!(["acme/dev:ann", true, "ACME_DEV_KEY"]),
            json!(["acme/prod:ann", false, null])
        ]
    );
    let dev = sandbox.keyfob(&["status", "acme", "--mode", "dev", "--json"]);
    assert_eq!(rows(dev), [json!(["acme/dev:ann", true, null])]);
    let text = sandbox.keyfob(&["status"]).env("ACME_DEV_KEY", "canary").run();
    assert!(
        text.text().contains("\n  used       only where it is named\n"),
        "{}",
        text.text()
    );
    assert!(
        text.text()
            .ends_with("\nThe variable `ACME_DEV_KEY` is set, and is used for `acme/dev` instead of a session.\n"),
        "{}",
        text.text()
    );
}

/// Ways to spoil the file, each with what an own command says of it.
const SPOILT: [(&str, &str); 9] = [
    ("{\"format\":1,\"mode\":\"dev\"", "it is damaged"),
    ("", "it is damaged"),
    ("{\"format\":1,\"mode\":7}", "it is damaged"),
    ("{\"format\":1,\"mode\":\"gone\"}", "does not have the mode"),
    ("{\"format\":9,\"mode\":\"dev\"}", "a newer keyfob wrote it"),
    ("HUGE", "longer than 64 KiB"),
    ("WRITABLE", "another user owns it or can write it"),
    ("DIRECTORY", "it is no file"),
    ("LINK", "it cannot be read"),
];

fn spoil(sandbox: &Sandbox, how: &str) {
    let path = file(sandbox);
    let good = "{\"format\":1,\"mode\":\"dev\"}";
    match how {
        "HUGE" => std::fs::write(&path, format!("{good}{}", " ".repeat(70_000))).unwrap(),
        "WRITABLE" => std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap(),
        "DIRECTORY" => {
            std::fs::remove_file(&path).unwrap();
            std::fs::create_dir(&path).unwrap();
        }
        "LINK" => {
            let elsewhere = sandbox.write("elsewhere", good);
            std::fs::remove_file(&path).unwrap();
            std::os::unix::fs::symlink(elsewhere, &path).unwrap();
        }
        text => std::fs::write(&path, text).unwrap(),
    }
}

#[test]
fn a_spoilt_file_decides_nothing_fails_no_tool_and_is_told_to_a_person() {
    for (how, why) in SPOILT {
        let sandbox = set();
        run(&sandbox, &["mode", "acme", "dev"]).expect_success();
        spoil(&sandbox, how);
        assert_eq!(git(&sandbox), "canary-acme-prod-ann", "{how}");
        assert_eq!(sandbox.token(), "canary-acme-prod-ann", "{how}");
        for args in [&["mode", "acme"][..], &["status"], &["print-access-token", "acme"]] {
            let told = run(&sandbox, args).expect_success();
            let warning = format!("keyfob: warning: {} is ignored: ", file(&sandbox).display());
            assert!(told.stderr.contains(&warning), "{how}: {args:?}: {}", told.stderr);
            assert!(told.stderr.contains(why), "{how}: {}", told.stderr);
        }
        // What can be replaced is; another version's file and a directory are left alone.
        let again = run(&sandbox, &["mode", "acme", "dev"]);
        match how {
            "{\"format\":9,\"mode\":\"dev\"}" | "DIRECTORY" => assert_eq!(again.code(), 4, "{how}: {}", again.stderr),
            _ => {
                again.expect_success();
                assert_eq!(git(&sandbox), "canary-acme-dev-ann", "{how}");
            }
        }
    }
}

#[test]
fn a_file_of_another_user_and_a_pipe_decide_nothing() {
    if !part::is_root() {
        return;
    }
    let sandbox = set();
    run(&sandbox, &["mode", "acme", "dev"]).expect_success();
    std::os::unix::fs::chown(file(&sandbox), Some(65_534), None).unwrap();
    assert_eq!(git(&sandbox), "canary-acme-prod-ann");
    std::fs::remove_file(file(&sandbox)).unwrap();
    let made = sandbox.program("mkfifo", &[file(&sandbox).to_str().unwrap()]).run();
    made.expect_success();
    assert_eq!(git(&sandbox), "canary-acme-prod-ann");
    // Not even the directory need be one.
    std::fs::remove_dir_all(file(&sandbox).parent().unwrap()).unwrap();
    std::fs::write(file(&sandbox).parent().unwrap(), "").unwrap();
    assert_eq!(git(&sandbox), "canary-acme-prod-ann");
    run(&sandbox, &["mode", "acme", "dev"]).expect_code(4);
    run(&sandbox, &["logout", "acme/prod"]).expect_success();
}

#[test]
fn thirty_changes_at_once_are_all_kept() {
    let sandbox = set();
    let names: Vec<String> = (0..30).map(|number| format!("u{number}")).collect();
    for name in &names {
        keep(&sandbox, &format!("acme/dev:{name}"));
    }
    let started = names.iter().map(|name| {
        let run = sandbox.keyfob(&["workspace", &format!("acme/dev:{name}"), &format!("w-{name}")]);
        run.deadline(std::time::Duration::from_secs(60)).spawn()
    });
    let started: Vec<_> = started.collect();
    for running in started {
        running.wait().expect_success();
    }
    let kept: Value = serde_json::from_slice(&std::fs::read(file(&sandbox)).unwrap()).unwrap();
    for name in &names {
        assert_eq!(kept["modes"]["dev"]["workspaces"][name], format!("w-{name}"));
    }
}

#[test]
fn what_another_keyfob_added_to_the_file_stays() {
    let sandbox = set();
    run(&sandbox, &["mode", "acme", "dev"]).expect_success();
    std::fs::write(
        file(&sandbox),
        "{\"format\":1,\"colour\":\"blue\",\"modes\":{\"dev\":{\"shade\":\"dark\"}}}",
    )
    .unwrap();
    run(&sandbox, &["mode", "acme", "dev"]).expect_success();
    run(&sandbox, &["workspace", "acme", "w1"]).expect_success();
    let kept: Value = serde_json::from_slice(&std::fs::read(file(&sandbox)).unwrap()).unwrap();
    assert_eq!(
        (&kept["colour"], &kept["modes"]["dev"]["shade"]),
        (&json!("blue"), &json!("dark"))
    );
    assert_eq!(kept["modes"]["dev"]["workspaces"]["ann"], "w1");
}

#[test]
fn a_person_is_told_what_to_run_and_a_script_gets_a_code() {
    let sandbox = set();
    let keyfob = sandbox.keyfob_path().to_str().unwrap().to_owned();
    let line = format!("{keyfob} mode acme test");
    // `script` runs it on a terminal of its own, and shows on stdout what a person would see.
    let seen = sandbox.program("script", &["-qec", &line, "/dev/null"]).run();
    let seen = seen.expect_success();
    assert!(
        seen.text()
            .contains("There is no session of `acme/test` yet: run `keyfob login acme/test`."),
        "{}",
        seen.text()
    );
    let without = sandbox
        .program("script", &["-qec", &line, "/dev/null"])
        .env("CI", "1")
        .run();
    assert_eq!(without.code(), 2);
}
