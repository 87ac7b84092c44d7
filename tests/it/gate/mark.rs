//! What the gate costs where there is none: nothing, as long as the data directory is as keyfob left it; else a look.

use std::fs::{File, FileTimes, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::{KEPT, PASSPHRASE, home, is_locked, run, set};
use crate::part::strace;
use crate::sandbox::Sandbox;

fn data(sandbox: &Sandbox) -> PathBuf {
    sandbox.keyfob_home().join("data")
}

/// Whether the file system here keeps times as the mark needs them; says so where it does not.
fn keeps_times(sandbox: &Sandbox) -> bool {
    let directory = sandbox.path().join("times");
    std::fs::create_dir(&directory).unwrap();
    let now = std::fs::metadata(&directory).unwrap().mtime();
    let second = Duration::from_secs(u64::try_from(now - 1).unwrap());
    let time = SystemTime::UNIX_EPOCH + second + Duration::from_micros(604_517);
    let set = File::open(&directory)
        .unwrap()
        .set_times(FileTimes::new().set_modified(time));
    let seen = std::fs::metadata(&directory).unwrap();
    let keeps = set.is_ok() && seen.modified().ok() == Some(time) && (1..=2).contains(&(seen.ctime() - now + 1));
    if !keeps {
        eprintln!("skipped: the file system here does not keep the times of a directory");
    }
    keeps
}

/// Two answers that lie in plain files, and how they are asked for.
const ANSWERS: [(&[&str], &str); 2] = [(&["token", "acme"], ""), (&["git", "get"], KEPT)];

/// Asks for the answers, and says of each how often it looked for a gate.
fn looks(sandbox: &Sandbox) -> Vec<usize> {
    let look = |(args, stdin): (&[&str], &str)| {
        // It meddles with a call that nobody makes.
        let run = sandbox
            .keyfob(args)
            .stdin(stdin)
            .injected("openat,newfstatat,statx,access,flock,sync:error=EIO:when=9999");
        run.run().expect_success();
        let seen = std::fs::read_to_string(sandbox.path().join("strace.log")).unwrap();
        assert!(seen.contains("records") && !seen.contains("/locks"), "{args:?}: {seen}");
        let looks: Vec<&str> = seen.lines().filter(|line| line.contains("gate")).collect();
        let found = |line: &&str| !line.contains("gate.json") || !line.contains("ENOENT");
        assert!(!looks.iter().any(found), "{args:?}: {looks:?}");
        looks.len()
    };
    ANSWERS.into_iter().map(look).collect()
}

/// The content of a gate that was set in a home of its own.
fn foreign_gate() -> Vec<u8> {
    let (sandbox, _issuer) = home();
    set(&sandbox);
    std::fs::read(data(&sandbox).join("gate.json")).unwrap()
}

fn assert_refuses(sandbox: &Sandbox, case: &str) {
    for (args, stdin) in ANSWERS {
        let output = run(sandbox, args, stdin);
        assert!(
            output.code() != 0 && is_locked(&output),
            "{case}: {args:?}: {}",
            output.stderr
        );
    }
}

#[test]
fn without_a_gate_a_stored_answer_looks_for_none_and_locks_nothing() {
    let (sandbox, _issuer) = home();
    if !strace() || !keeps_times(&sandbox) {
        return;
    }
    assert_eq!(looks(&sandbox), [0, 0]);
    // As with keyfob's own changes of other records.
    run(&sandbox, &["set-token", "other"], "canary-again").expect_success();
    assert_eq!(looks(&sandbox), [0, 0]);
}

#[test]
fn after_a_gate_was_taken_away_nobody_looks_for_it() {
    let (sandbox, _issuer) = home();
    if !strace() || !keeps_times(&sandbox) {
        return;
    }
    set(&sandbox);
    run(
        &sandbox,
        &["lock", "clear", "--plain", "--passphrase-file", "-"],
        PASSPHRASE,
    )
    .expect_success();
    assert_eq!(looks(&sandbox), [0, 0]);
}

#[test]
fn a_data_directory_that_somebody_touched_is_looked_into_until_the_next_change() {
    let (sandbox, _issuer) = home();
    if !strace() || !keeps_times(&sandbox) {
        return;
    }
    let touch = || std::fs::write(data(&sandbox).join("theirs"), "").unwrap();
    touch();
    assert_eq!(looks(&sandbox), [1, 1]);
    run(&sandbox, &["set-token", "other"], "canary-again").expect_success();
    assert_eq!(looks(&sandbox), [0, 0]);
    std::fs::set_permissions(data(&sandbox), Permissions::from_mode(0o700)).unwrap();
    let at = std::fs::metadata(data(&sandbox)).unwrap();
    // So soon after the mark, the directory's own change may fall into the same second.
    let expected = usize::from(!(1..=2).contains(&(at.ctime() - at.mtime())));
    assert_eq!(looks(&sandbox), [expected, expected]);
}

#[test]
fn a_gate_that_was_copied_into_a_home_refuses_what_lies_there_in_clear() {
    let (sandbox, _issuer) = home();
    let place = data(&sandbox).join("gate.json");
    let marked = std::fs::metadata(data(&sandbox)).unwrap().modified().unwrap();
    let earlier = FileTimes::new().set_modified(marked - Duration::from_secs(10));
    std::fs::write(&place, foreign_gate()).unwrap();
    std::fs::set_permissions(&place, Permissions::from_mode(0o600)).unwrap();
    assert_refuses(&sandbox, "copied");
    // As a backup does that was made before the gate was set and is unpacked over the home.
    File::open(data(&sandbox)).unwrap().set_times(earlier).unwrap();
    assert_refuses(&sandbox, "with the time of before");
}
