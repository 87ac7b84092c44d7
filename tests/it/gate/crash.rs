//! Setting the gate and taking it away, killed at any step: every record answers in the old way or the new one, and the
//! same command finishes what was begun.

use std::os::unix::process::ExitStatusExt;

use super::{KEPT, PASSPHRASE, WORK, home, set, status, unlocked};
use crate::part::strace;
use crate::sandbox::{Run, Sandbox};

/// A replaced file is flushed before its rename, and its directory after it, so that these are the moments before and after
/// every change.
const CALLS: &[&str] = &["fsync", "unlinkat"];

/// No command makes as many calls of one name.
const MOST: usize = 100;

/// Every record, in the old way where that still answers, else in the new one.
fn assert_all_answer(sandbox: &Sandbox, case: &str) {
    sandbox.write("request", KEPT);
    let all = "$0 get <request; $0 token acme; $0 token other";
    let keyfob = sandbox.keyfob_path().to_str().unwrap();
    let is_set = sandbox.keyfob_home().join("data/gate.json").exists();
    let output = if is_set {
        unlocked(sandbox, all)
    } else {
        sandbox.program("sh", &["-c", all, keyfob]).run()
    };
    let text = output.text();
    let found = text.contains("canary-kept") && text.contains("canary-other") && text.contains("acme_");
    assert!(found, "{case}: {text} {}", output.stderr);
}

/// Runs it as often as it makes each call, killed at one more of them each time, and says how often that was.
fn at_every_call(sandbox: &Sandbox, run: &dyn Fn() -> Run, after: &dyn Fn(&str), again: &dyn Fn()) -> usize {
    let mut kills = 0;
    for call in CALLS {
        for number in 1..MOST {
            let output = run().injected(&format!("{call}:signal=KILL:when={number}")).run();
            let killed = output.status.signal() == Some(9);
            assert!(killed || output.status.success(), "{call} {number}: {}", output.stderr);
            let case = format!("killed at {call} {number}");
            assert_all_answer(sandbox, &case);
            after(&case);
            again();
            if !killed {
                break;
            }
            kills += 1;
        }
    }
    kills
}

/// While there is a gate nobody has anything of it unopened, and who was killed is told how to go on.
fn assert_refuses(sandbox: &Sandbox, seen: &serde_json::Value, finish: &str, case: &str) {
    if seen["set"] != true {
        return;
    }
    let way_on = if seen["finished"] == true { "unlock" } else { finish };
    for (args, stdin) in [
        (&["get"][..], KEPT),
        (&["token", "acme"], ""),
        (&["token", "other"], ""),
    ] {
        let output = sandbox.keyfob(args).stdin(stdin).run().expect_code(4);
        let said = output.stderr.contains("this machine is locked") && output.stderr.contains(way_on);
        assert!(said && output.stdout.is_empty(), "{case}: {args:?}: {}", output.stderr);
    }
    let shown = sandbox.keyfob(&["lock", "status"]).run().expect_success();
    let unfinished = shown.text().contains("is not finished") && shown.stderr.contains(finish);
    assert_eq!(unfinished, seen["finished"] == false, "{case}: {}", shown.text());
    assert_eq!(seen["locked"], true, "{case}");
}

fn lock_set(sandbox: &Sandbox) -> Run {
    let args = ["lock", "set", "--work-factor", WORK, "--passphrase-file", "-"];
    sandbox.keyfob(&args).stdin(PASSPHRASE)
}

fn lock_clear(sandbox: &Sandbox) -> Run {
    sandbox
        .keyfob(&["lock", "clear", "--plain", "--passphrase-file", "-"])
        .stdin(PASSPHRASE)
}

#[test]
fn setting_it_killed_at_any_call_loses_nothing_and_is_finished_by_the_same_command() {
    if !strace() {
        return;
    }
    let (sandbox, _issuer) = home();
    let plain = sandbox.files();
    let finish = |case: &str| {
        let seen = status(&sandbox);
        assert_refuses(&sandbox, &seen, "lock set", case);
        if seen["set"] == true && seen["finished"] == true {
            assert!(sandbox.files_with("canary").is_empty(), "{case}: finished");
            return;
        }
        lock_set(&sandbox).run().expect_success();
        assert_eq!(status(&sandbox)["finished"], true, "{case}");
        assert!(sandbox.files_with("canary").is_empty(), "{case}");
    };
    let kills = at_every_call(&sandbox, &|| lock_set(&sandbox), &finish, &|| restore(&sandbox, &plain));
    eprintln!("{kills} kills of `lock set`: 0 records lost, each finished by another");
    assert!(kills > 10, "{kills}");
}

#[test]
fn taking_it_away_killed_at_any_call_loses_nothing_and_is_finished_by_the_same_command() {
    if !strace() {
        return;
    }
    let (sandbox, _issuer) = home();
    set(&sandbox);
    let sealed = sandbox.files();
    let finish = |case: &str| {
        // Until its key is back it is a gate that is not all set; what was meant is named all the same.
        assert_refuses(&sandbox, &status(&sandbox), "lock clear", case);
        lock_clear(&sandbox).run().expect_success();
        assert_eq!(status(&sandbox)["set"], false, "{case}");
        assert_eq!(sandbox.files_with("canary").len(), 3, "{case}");
        assert_all_answer(&sandbox, case);
    };
    let kills = at_every_call(&sandbox, &|| lock_clear(&sandbox), &finish, &|| {
        restore(&sandbox, &sealed)
    });
    eprintln!("{kills} kills of `lock clear`: 0 records lost, each finished by another");
    assert!(kills > 10, "{kills}");
}

/// The home as it was.
fn restore(sandbox: &Sandbox, files: &std::collections::BTreeMap<std::path::PathBuf, Vec<u8>>) {
    use std::os::unix::fs::OpenOptionsExt;
    for path in sandbox.files().into_keys().filter(|path| !files.contains_key(path)) {
        std::fs::remove_file(path).unwrap();
    }
    for (path, content) in files {
        let mut options = std::fs::File::options();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
        std::io::Write::write_all(&mut file.unwrap(), content).unwrap();
    }
}
