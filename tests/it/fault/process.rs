//! The process itself: who may look into it, what it is started with, where its answer goes.
//!
//! Security review, section 8, E3, E4, E6 and P17.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::Duration;

use super::home::{Home, assert_whole};
use crate::http_server::Reply;
use crate::issuer::{DeviceEnd, Endpoint, Issuer, Script};
use crate::part::{is_root, strace};
use crate::sandbox::{Output, Run, Sandbox};

/// The user that is nobody.
const NOBODY: u32 = 65534;

/// A sandbox that belongs to nobody, and the program in it.
fn of_nobody() -> (Sandbox, PathBuf) {
    let mut sandbox = Sandbox::new();
    let program = sandbox.path().join("keyfob-copy");
    std::fs::copy(sandbox.keyfob_path(), &program).unwrap();
    chown(sandbox.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    sandbox.set("CANARY", "canary-in-the-environment");
    (sandbox, program)
}

fn as_nobody(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    let id = NOBODY.to_string();
    let mut all = vec!["--reuid", &id, "--regid", &id, "--clear-groups", "--"];
    all.extend(arguments);
    sandbox.program("setpriv", &all)
}

#[test]
fn nobody_of_the_same_user_can_look_into_a_running_process() {
    if !is_root() {
        return;
    }
    let (sandbox, program) = of_nobody();
    let issuer = Issuer::start(Script::default());
    issuer.script(|script| script.device.end = DeviceEnd::ByPerson);
    sandbox.provider(&issuer);
    as_nobody(&sandbox, &["true"]).run().expect_success();
    sandbox
        .program("chown", &["-R", &NOBODY.to_string(), "keyfob"])
        .run()
        .expect_success();
    let script = "ulimit -c unlimited; exec \"$0\" login acme --no-browser";
    let login = as_nobody(&sandbox, &["sh", "-c", script, program.to_str().unwrap()]);
    let login = login.spawn();
    while issuer.seen(Endpoint::Token).is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", login.id())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    assert!(
        core.split_whitespace().any(|word| word == "0") && !core.contains("unlimited"),
        "{core}"
    );
    for secret in ["environ", "mem", "maps", "auxv", "fd"] {
        let place = format!("/proc/{}/{secret}", login.id());
        let look = as_nobody(
            &sandbox,
            &["sh", "-c", "if test -d $0; then ls $0; else head -c 9 $0; fi", &place],
        )
        .run();
        assert!(
            !look.status.success() && look.stdout.is_empty(),
            "{secret}: {}",
            look.stderr
        );
    }
    let own = as_nobody(&sandbox, &["sh", "-c", "head -c 9 /proc/$$/environ"]).run();
    assert!(own.status.success(), "others can be looked into: {}", own.stderr);
    sandbox
        .program("sh", &["-c", &format!("kill -ABRT {}", login.id())])
        .run()
        .expect_success();
    let ended = login.wait();
    assert_eq!((ended.status.signal(), ended.status.core_dumped()), (Some(6), false));
}

#[test]
fn a_set_user_id_copy_refuses_to_run() {
    if !is_root() {
        return;
    }
    let (sandbox, program) = of_nobody();
    for mode in [0o4755, 0o2755] {
        chown(&program, Some(0), Some(0)).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(mode)).unwrap();
        let output = as_nobody(&sandbox, &[program.to_str().unwrap(), "status"])
            .run()
            .expect_code(5);
        assert!(output.stderr.contains("set-user-id"), "{}", output.stderr);
        assert!(sandbox.files().is_empty());
    }
}

#[test]
fn root_with_the_home_of_another_user_writes_nothing_there() {
    if !is_root() {
        return;
    }
    let (mut sandbox, _) = of_nobody();
    let request = "protocol=https\nhost=new.example\nusername=ann\npassword=canary\n\n";
    let store = |sandbox: &Sandbox| sandbox.keyfob(&["store"]).stdin(request).run();
    assert_ne!(store(&sandbox).code(), 0);
    sandbox.unset("KEYFOB_HOME");
    assert_ne!(store(&sandbox).code(), 0);
    let made: Vec<_> = std::fs::read_dir(sandbox.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(made, ["keyfob-copy"]);
}

/// A home with something to answer for every command that answers.
fn full_home() -> Home {
    let home = Home::new(Script::default());
    let request = "protocol=https\nhost=kept.example\nusername=ann\npassword=canary\n\n";
    home.sandbox.keyfob(&["store"]).stdin(request).run().expect_success();
    home
}

const ANSWERS: &[(&str, &str)] = &[
    ("get", "protocol=https\nhost=kept.example\n\n"),
    ("git get", "protocol=https\nhost=kept.example\n\n"),
    ("docker list", ""),
    ("token acme", ""),
    ("status", ""),
    ("list --json", ""),
    ("--help", ""),
];

#[test]
fn an_answer_that_cannot_be_written_is_a_failure_and_no_panic() {
    let home = full_home();
    let program = home.sandbox.keyfob_path().display().to_string();
    for (command, input) in ANSWERS {
        for to in [">&-", ">/dev/full", "| true"] {
            // The reader of the pipe is gone before anything is written.
            let script = match to {
                "| true" => {
                    format!("{{ sleep 0.1; {program} {command}; echo $? >status; }} | true; exit $(cat status)")
                }
                _ => format!("{program} {command} {to}"),
            };
            let output = home.sandbox.program("sh", &["-c", &script]).stdin(*input).run();
            // Whoever stops reading what is meant for a person has seen enough.
            let is_protocol = !["status", "list --json", "--help"].contains(command);
            if to != "| true" || is_protocol {
                assert_ne!(output.code(), 0, "{command} {to}");
            }
            assert!([0, 1].contains(&output.code()), "{command} {to}: {}", output.code());
            let said = &output.stderr;
            assert!(
                !said.contains("panic") && !said.contains("RUST_BACKTRACE"),
                "{command} {to}: {said}"
            );
        }
    }
    // Nothing is written, so nothing is missing.
    let script = format!("{program} get >&-");
    let miss = home
        .sandbox
        .program("sh", &["-c", &script])
        .stdin("protocol=https\nhost=none.example\n\n");
    miss.run().expect_success();
}

fn shows_nothing(case: &str, output: &Output) {
    assert_ne!(output.code(), 0, "{case}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("canary"), "{case}");
    assert!(output.stderr.lines().count() <= 3, "{case}: {}", output.stderr);
}

#[test]
fn no_failure_shows_a_secret_however_much_is_asked_to_be_logged() {
    let mut sandbox = Sandbox::new();
    for (name, value) in [
        ("RUST_LOG", "trace"),
        ("RUST_BACKTRACE", "full"),
        ("KEYFOB_LOG", "trace"),
        ("GIT_TRACE", "1"),
    ] {
        sandbox.set(name, value);
    }
    let home = Home::within(sandbox, Script::default());
    let sandbox = &home.sandbox;
    for (command, input) in [
        (
            "get",
            "protocol=https\nhost=a.example\nhost=canary.example\npassword=canary\n",
        ),
        ("get", "protocol=https\npassword=canary\ncanary"),
        (
            "store",
            "protocol=https\nhost=a.example\nusername=u\npassword=canary\0\n",
        ),
        (
            "git store",
            "protocol=https\nhost=ca\u{1b}nary\nusername=u\npassword=canary\n",
        ),
        (
            "docker store",
            "{\"ServerURL\":\"https://a.example\",\"Username\":\"u\",\"Secret\":{\"canary\":1}}",
        ),
        ("docker store", "canary"),
        ("set-token acme", "canary with spaces\n"),
        ("set-token acme", "not-the-prefix-canary\n"),
        ("set-token acme canary-as-an-argument", "canary\n"),
        ("login acme --token=canary", ""),
        ("token https://user:canary@a.example/", ""),
        ("no-such-command", "canary"),
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        shows_nothing(command, &sandbox.keyfob(&words).stdin(input).run());
    }
    for reply in [
        Reply::text(
            200,
            "application/json",
            "{\"access_token\":\"acme canary\",\"token_type\":\"Bearer\"}",
        ),
        Reply::text(
            200,
            "application/json",
            "{\"access_token\":{\"acme_canary\":\"canary\"}}",
        ),
        Reply::text(
            200,
            "application/json",
            "{\"access_token\":\"acme_canary\",\"expires_in\":canary",
        ),
        Reply::text(400, "application/json", "{\"error\":[\"canary\"]}"),
        Reply::text(403, "text/html", "<h1>canary</h1>"),
        Reply::Drop,
    ] {
        home.expire();
        home.issuer.inject(Endpoint::Token, 2, &reply);
        shows_nothing(&format!("{reply:?}"), &home.token());
        home.issuer.clear_injected();
    }
    home.expire();
    let place = super::home::stores(sandbox).place(&super::home::key());
    let whole = std::fs::read(&place).unwrap();
    std::fs::write(&place, &whole[..whole.len() - 9]).unwrap();
    shows_nothing("a torn record", &home.token());
    shows_nothing(
        "a torn record",
        &sandbox.keyfob(&["logout", "acme"]).env("KEYFOB_HOME", "canary").run(),
    );
}

#[test]
fn a_panic_says_where_and_never_why() {
    if !strace() {
        return;
    }
    let sandbox = Sandbox::new();
    let request = "protocol=https\nhost=new.example\nusername=ann\npassword=canary\n\n";
    let store = sandbox.keyfob(&["store"]).env("RUST_BACKTRACE", "full").stdin(request);
    // Without randomness nothing safe can be done.
    let output = store.injected("getrandom:error=EIO").run();
    assert_eq!(output.status.signal(), Some(6), "{}", output.stderr);
    assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
    assert!(
        output.stderr.starts_with("keyfob: error: BUG: a panic in "),
        "{}",
        output.stderr
    );
    assert!(sandbox.files_with("canary").is_empty());
}

#[test]
fn a_tool_that_ends_us_while_the_issuer_is_silent_is_served_at_once_the_next_time() {
    let home = Home::new(Script {
        grace: Duration::from_secs(60),
        before_commit: Duration::from_secs(60),
        ..Script::default()
    });
    home.nearly_expire();
    let mut killed = home.sandbox.keyfob(&["token", "acme"]).spawn();
    while home.issuer.refreshes() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    killed.kill();
    drop(killed);
    home.token().expect_success();
    assert_eq!(
        home.issuer.refreshes(),
        1,
        "the issuer is left alone while the token lives"
    );
    assert_whole(&home.sandbox, "after the kill");
}
