//! What a person types at the gate, what scripts give it, and what is refused.

use super::{PASSPHRASE, WORK, home, is_locked, run, set, status, unlock};
use crate::sandbox::{Output, Run, Sandbox};

/// A run on a terminal of its own, whose input the test gives. What a person would see is on stdout.
#[cfg(target_os = "linux")]
fn terminal(sandbox: &Sandbox, args: &str, typed: &str) -> Output {
    let command = format!("{} {args}", sandbox.keyfob_path().display());
    let run: Run = sandbox.program("script", &["-qec", &command, "/dev/null"]);
    run.stdin(typed).deadline(std::time::Duration::from_secs(60)).run()
}

/// The same where the input comes when something is asked for.
#[cfg(target_os = "linux")]
fn at_the_prompt(sandbox: &Sandbox, args: &str, typed: &str) -> Output {
    let _ = std::fs::remove_file(sandbox.path().join("keys"));
    sandbox.program("mkfifo", &["keys"]).run().expect_success();
    let command = format!(
        "exec script -qec '{} {args}' /dev/null <keys",
        sandbox.keyfob_path().display()
    );
    let mut running = sandbox
        .program("sh", &["-c", &command])
        .deadline(std::time::Duration::from_secs(60))
        .spawn();
    let mut keys = std::fs::File::options()
        .write(true)
        .open(sandbox.path().join("keys"))
        .unwrap();
    while running.is_running() && !running.stdout_so_far().contains("passphrase") {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    std::io::Write::write_all(&mut keys, typed.as_bytes()).unwrap();
    running.wait()
}

fn refused(sandbox: &Sandbox, args: &[&str], stdin: &str, why: &str) {
    let output = run(sandbox, args, stdin).expect_code(64);
    assert!(output.stderr.contains(why), "{args:?}: {}", output.stderr);
    assert!(
        output.stderr.contains("keyfob: hint: ") || !why.contains("terminal"),
        "{args:?}"
    );
}

#[test]
fn a_passphrase_that_is_no_good_is_refused_before_anything_changes() {
    let (sandbox, _issuer) = home();
    let before = sandbox.files();
    let file = ["lock", "set", "--work-factor", WORK, "--passphrase-file"];
    let from = |place| [&file[..], &[place]].concat();
    for (stdin, why) in [
        ("", "is empty"),
        ("\n", "is empty"),
        ("canary", "fewer than 8 characters"),
        ("äöüß", "fewer than 8 characters"),
        (&"x".repeat(5000), "longer than 4 KiB"),
    ] {
        refused(&sandbox, &from("-"), stdin, why);
    }
    refused(&sandbox, &from("no-such-file"), "", "reading the passphrase");
    refused(&sandbox, &from("/dev/zero"), "", "longer than 4 KiB");
    refused(&sandbox, &["lock", "set"], "", "there is no terminal");
    sandbox.keyfob(&from("-")).stdin([0xff; 12]).run().expect_code(64);
    for args in [
        &["lock", "set", "--work-factor", "11"][..],
        &["lock", "set", "--work-factor", "21"],
        &["lock", "set", PASSPHRASE],
        &["lock", "open"],
        &["unlock", PASSPHRASE],
        &["unlock", "--for", "8h", "--", "true"],
    ] {
        run(&sandbox, args, "").expect_code(64);
    }
    assert!(before == sandbox.files());
}

#[test]
fn what_needs_a_passphrase_says_how_to_set_one() {
    let sandbox = Sandbox::new();
    for args in [
        &["lock"][..],
        &["unlock"],
        &["unlock", "--", "true"],
        &["lock", "set", "--current-passphrase-file", "f"],
    ] {
        let output = run(&sandbox, args, "").expect_code(1);
        assert!(
            output.stderr.contains("hint: run `keyfob lock set`"),
            "{args:?}: {}",
            output.stderr
        );
    }
    let shown = run(&sandbox, &["lock", "status"], "").expect_success();
    assert_eq!(shown.text(), "This machine has no passphrase.\n");
    assert!(sandbox.files().is_empty());
}

#[test]
fn a_time_outside_of_a_week_is_refused_before_a_passphrase_is_tried() {
    let (sandbox, _issuer) = home();
    set(&sandbox);
    for time in ["0s", "", "8", "8d", "-1h", "1ms", "300y", "never"] {
        let output = unlock(&sandbox, &[&format!("--for={time}")]).run().expect_code(64);
        assert!(output.stderr.contains("`--for`"), "{time}: {}", output.stderr);
    }
    assert_eq!(status(&sandbox)["failed"], 0);
}

#[test]
fn a_wrong_passphrase_is_counted_until_a_right_one_comes() {
    let (sandbox, _issuer) = home();
    set(&sandbox);
    for tried in 1..=2 {
        let args = ["unlock", "--passphrase-file", "-"];
        let output = run(&sandbox, &args, "canary donkey").expect_code(4);
        assert!(output.stderr.contains("the passphrase is wrong"), "{}", output.stderr);
        assert_eq!(status(&sandbox)["failed"], tried);
    }
    let shown = run(&sandbox, &["lock", "status"], "").expect_success();
    assert!(shown.text().contains("2 wrong passphrases"), "{}", shown.text());
    unlock(&sandbox, &["--", "true"]).run().expect_success();
    assert_eq!(status(&sandbox)["failed"], 0);
}

#[test]
fn the_sixth_wrong_passphrase_waits_and_says_so() {
    let (sandbox, _issuer) = home();
    set(&sandbox);
    sandbox.write("keyfob/data/gate-tries.json", "{\"format\":1,\"failed\":5}");
    set_mode(&sandbox);
    let begun = std::time::Instant::now();
    let output = run(&sandbox, &["unlock", "--passphrase-file", "-"], "canary donkey").expect_code(4);
    assert!(begun.elapsed().as_millis() >= 1000);
    assert!(
        output.stderr.contains("5 wrong passphrases came before; waiting 1 s"),
        "{}",
        output.stderr
    );
    assert!(output.stderr.contains("the next try waits 2 s"), "{}", output.stderr);
}

fn set_mode(sandbox: &Sandbox) {
    use std::os::unix::fs::PermissionsExt;
    let place = sandbox.keyfob_home().join("data/gate-tries.json");
    std::fs::set_permissions(place, PermissionsExt::from_mode(0o600)).unwrap();
}

#[test]
fn another_passphrase_replaces_the_first() {
    let (sandbox, _issuer) = home();
    set(&sandbox);
    let other = "canary donkey stable";
    let (old, new) = (
        sandbox.write("old", PASSPHRASE),
        sandbox.write("new", &format!("{other}\nsecond line\n")),
    );
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let change = |current: &[&str], new: &str| {
        let args = [
            &["lock", "set", "--work-factor", WORK, "--passphrase-file", new],
            current,
        ]
        .concat();
        run(&sandbox, &args, "")
    };
    let output = change(&[], new).expect_code(64);
    assert!(
        output.stderr.contains("`--current-passphrase-file FILE`"),
        "{}",
        output.stderr
    );
    change(&["--current-passphrase-file", new], new).expect_code(64);
    change(&["--current-passphrase-file", new], old).expect_code(4);
    let output = change(&["--current-passphrase-file", old], new).expect_success();
    assert!(output.stderr.contains("another passphrase"), "{}", output.stderr);
    unlock(&sandbox, &["--", "true"]).run().expect_code(4);
    let args = ["unlock", "--passphrase-file", "-", "--"];
    let keyfob = sandbox.keyfob_path().to_str().unwrap();
    let output = run(&sandbox, &[&args[..], &[keyfob, "token", "other"]].concat(), other).expect_success();
    assert_eq!(output.text(), "canary-other\n");
}

#[test]
fn a_forgotten_passphrase_costs_every_record_and_only_with_a_yes() {
    let (sandbox, issuer) = home();
    set(&sandbox);
    let clear = |more: &[&str]| run(&sandbox, &[&["lock", "clear"], more].concat(), "");
    let output = clear(&["--lost"]).expect_code(64);
    assert!(output.stderr.contains("hint: add `--yes`"), "{}", output.stderr);
    clear(&["--yes"]).expect_code(64);
    clear(&["--lost", "--passphrase-file", "f"]).expect_code(64);
    assert!(is_locked(&run(&sandbox, &["list"], "")));
    let output = clear(&["--lost", "--yes"]).expect_success();
    assert!(output.stderr.contains("3 records were removed"), "{}", output.stderr);
    let list = run(&sandbox, &["list"], "").expect_success();
    assert_eq!(list.text(), "Nothing is kept.\n");
    assert!(issuer.revoked().is_empty());
    sandbox.login(&issuer);
    assert!(!sandbox.token().is_empty(), "it is a machine like any other again");
    assert!(
        clear(&["--lost", "--yes"])
            .expect_success()
            .stderr
            .contains("has no passphrase")
    );
}

#[test]
#[cfg(target_os = "linux")]
fn another_answer_than_yes_removes_nothing() {
    let (sandbox, _issuer) = home();
    set(&sandbox);
    for answer in ["no\n", "\n", "\u{4}", "\u{3}"] {
        let output = at_the_prompt(&sandbox, "lock clear --lost", answer);
        assert!(!output.status.success(), "{answer:?}: {}", output.text());
    }
    unlock(&sandbox, &["--", "true"]).run().expect_success();
    let output = at_the_prompt(&sandbox, "lock clear --lost", "Yes\n");
    assert!(output.text().contains("3 records were removed"), "{}", output.text());
}

#[test]
#[cfg(target_os = "linux")]
fn a_user_who_is_not_root_hands_the_key_down_too() {
    use std::os::unix::fs::chown;
    if !crate::part::is_root() {
        return;
    }
    let (sandbox, _issuer) = home();
    let program = sandbox.path().join("bin/keyfob");
    std::fs::create_dir(program.parent().unwrap()).unwrap();
    std::fs::copy(sandbox.keyfob_path(), &program).unwrap();
    sandbox
        .program("chown", &["-R", "65534:65534", "."])
        .run()
        .expect_success();
    chown(sandbox.path(), Some(65534), Some(65534)).unwrap();
    let nobody = |args: &[&str]| {
        let before = [
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "--",
            program.to_str().unwrap(),
        ];
        sandbox
            .program("setpriv", &[&before[..], args].concat())
            .stdin(PASSPHRASE)
            .run()
    };
    nobody(&["lock", "set", "--work-factor", WORK, "--passphrase-file", "-"]).expect_success();
    let script = "bin/keyfob token other";
    let output = nobody(&["unlock", "--passphrase-file", "-", "--", "sh", "-c", script]).expect_success();
    assert_eq!(output.text(), "canary-other\n");
    assert!(is_locked(&nobody(&["token", "other"])));
}

#[test]
fn a_program_that_does_not_exist_is_a_usage_error() {
    let (sandbox, _issuer) = home();
    set(&sandbox);
    let output = unlock(&sandbox, &["--", "no-such-program"]).run().expect_code(64);
    assert!(output.stderr.contains("there is no such program"), "{}", output.stderr);
}

#[test]
fn a_disk_on_which_nothing_can_be_counted_tries_nothing() {
    if !crate::part::strace() {
        return;
    }
    let (sandbox, _issuer) = home();
    set(&sandbox);
    let output = unlock(&sandbox, &["--", "true"])
        .injected("fsync:error=ENOSPC")
        .run()
        .expect_code(4);
    assert!(output.stderr.contains("No space left"), "{}", output.stderr);
}

#[test]
#[cfg(target_os = "linux")]
fn at_a_terminal_the_passphrase_is_asked_twice_and_a_slip_changes_nothing() {
    let (sandbox, _issuer) = home();
    let args = format!("lock set --work-factor {WORK}");
    let output = terminal(&sandbox, &args, &format!("{PASSPHRASE}\ncanary horse buttery\n"));
    assert_eq!(output.code(), 64, "{}", output.text());
    assert!(output.text().contains("are not the same"), "{}", output.text());
    assert_eq!(status(&sandbox)["set"], false);
    let output = terminal(&sandbox, &args, &format!("{PASSPHRASE}\n{PASSPHRASE}\n"));
    assert_eq!(output.code(), 0, "{}", output.text());
    assert!(
        output.text().contains("new passphrase for this machine: "),
        "{}",
        output.text()
    );
    assert!(is_locked(&run(&sandbox, &["token", "other"], "")));
    let keyfob = sandbox.keyfob_path().display();
    let output = terminal(
        &sandbox,
        &format!("unlock -- {keyfob} token other"),
        &format!("{PASSPHRASE}\n"),
    );
    assert!(
        output.code() == 0 && output.text().contains("canary-other"),
        "{}",
        output.text()
    );
    let output = terminal(&sandbox, "lock clear --plain", &format!("{PASSPHRASE}\n"));
    assert_eq!(output.code(), 0, "{}", output.text());
    assert_eq!(status(&sandbox)["set"], false);
}

#[test]
#[cfg(target_os = "linux")]
fn an_interrupt_or_nobody_at_the_prompt_changes_nothing() {
    let (sandbox, _issuer) = home();
    let before = sandbox.files();
    for typed in ["\u{3}", "\u{4}", "canary\u{3}"] {
        let output = at_the_prompt(&sandbox, "lock set", typed);
        assert!(!output.status.success(), "{typed:?}: {}", output.text());
        assert!(before == sandbox.files(), "{typed:?}");
    }
    let command = format!("{} lock set", sandbox.keyfob_path().display());
    let run = sandbox
        .program("script", &["-qec", &command, "/dev/null"])
        .env("KEYFOB_NO_INPUT", "1");
    assert_eq!(run.run().code(), 64);
    assert!(before == sandbox.files());
}

#[test]
#[cfg(target_os = "linux")]
fn no_tool_is_ever_asked_for_the_passphrase() {
    let (sandbox, _issuer) = home();
    set(&sandbox);
    let keyfob = sandbox.keyfob_path().display().to_string();
    for command in ["token other", "git get <req", "get <req", "login acme", "status"] {
        sandbox.write("req", super::KEPT);
        let line = format!("{keyfob} {command}");
        // With somebody at the terminal, who would see a prompt.
        let output = sandbox
            .program("script", &["-qec", &line, "/dev/null"])
            .stdin_held()
            .run();
        assert_ne!(output.code(), 0, "{command}");
        assert!(
            output.text().contains("this machine is locked"),
            "{command}: {}",
            output.text()
        );
        assert!(!output.text().contains("passphrase"), "{command}: {}", output.text());
    }
}
