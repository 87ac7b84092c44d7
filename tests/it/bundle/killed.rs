//! A kill at every call that changes something, and a disk that is full: what is then here and there.

use std::os::unix::process::ExitStatusExt;

use super::fixture::{exporting, has, import, importing, keys, note, opened, records, session, set};
use crate::fault::home::assert_whole;
use crate::part::strace;
use crate::sandbox::{Run, Sandbox};

/// What changes files, and what a process dies at.
const CALLS: &[&str] = &[
    "openat",
    "write",
    "fsync",
    "ftruncate",
    "renameat",
    "renameat2",
    "unlinkat",
    "flock",
];

/// No command makes as many calls of one name.
const MOST: usize = 200;

/// Runs it as often as it makes each call, killed at one more of them each time; says how often that was.
fn at_every_call(run: impl Fn() -> Run, mut after: impl FnMut(&str)) -> usize {
    let mut kills = 0;
    for call in CALLS {
        // The program's own start opens a dozen files.
        let first = if *call == "openat" { 12 } else { 1 };
        for number in first..MOST {
            let output = run().injected(&format!("{call}:signal=KILL:when={number}")).run();
            let killed = output.status.signal() == Some(9);
            assert!(killed || output.status.success(), "{call} {number}: {}", output.stderr);
            after(&format!("killed at {call} {number}"));
            if !killed {
                break;
            }
            kills += 1;
        }
    }
    kills
}

#[test]
fn an_import_killed_at_any_call_is_finished_by_the_same_import() {
    if !strace() {
        return;
    }
    let (from, to) = (set(), set());
    keys(&from, &["ann"]);
    note(&from, "a.example", "ann");
    super::fixture::export(&from, &["--all"]).expect_success();
    let wanted = records(&from);
    let (mut none, mut some) = (0, 0);
    let kills = at_every_call(
        || importing(&to, &from, &[]),
        |case| {
            let kept = records(&to);
            assert!(kept.iter().all(|record| wanted.contains(record)), "{case}");
            none += usize::from(kept.is_empty());
            some += usize::from(kept.len() == 1);
            import(&to, &from, &[]).expect_success();
            assert_eq!(records(&to), wanted, "{case}");
            assert_whole(&to, case);
            std::fs::remove_dir_all(to.keyfob_home().join("data")).unwrap();
        },
    );
    eprintln!("{kills} kills of an import of two records: {none} times none was kept, {some} times one");
    assert!(kills > 20, "{kills}");
}

#[test]
fn a_move_killed_at_any_call_leaves_the_session_in_one_place() {
    if !strace() {
        return;
    }
    let sandbox = set();
    session(&sandbox, "ann");
    let wanted = records(&sandbox);
    let (mut here, mut there, mut between) = (0, 0, 0);
    let (first, second) = (sandbox.path().join("bundle.age"), sandbox.path().join("second.age"));
    let kills = at_every_call(
        || exporting(&sandbox, &["acme", "--move"]),
        |case| {
            let is_there = first.exists();
            assert!(!(is_there && has(&sandbox, "ann")), "{case}: in two places");
            match (is_there, has(&sandbox, "ann")) {
                (true, _) => there += 1,
                (false, true) => here += 1,
                (false, false) => between += 1,
            }
            // The same again, to another file, ends in one bundle that has it.
            if !records(&sandbox).is_empty() {
                exporting(&sandbox, &["acme", "--move", "--output", "second.age"])
                    .run()
                    .expect_success();
            }
            assert_eq!(records(&sandbox), [], "{case}");
            assert_ne!(is_there, second.exists(), "{case}: one bundle has it");
            let bundle = if is_there { &first } else { &second };
            assert_eq!(opened(&std::fs::read(bundle).unwrap()).records.len(), 1, "{case}");
            let file = bundle.to_str().unwrap();
            sandbox
                .keyfob(&["import", file, "--identity", "key.txt"])
                .run()
                .expect_success();
            assert_eq!(records(&sandbox), wanted, "{case}");
            std::fs::remove_file(bundle).unwrap();
            assert_whole(&sandbox, case);
        },
    );
    eprintln!(
        "{kills} kills of a move: {here} times here, {there} times in the bundle, {between} times ended on its way"
    );
    assert!(kills > 20 && here > 0 && there > 0, "{kills}");
}

#[test]
fn a_move_whose_flush_fails_ends_in_one_place_or_can_be_repeated() {
    if !strace() {
        return;
    }
    let (mut unsure, mut here) = (0, 0);
    for number in 1..MOST {
        let sandbox = set();
        session(&sandbox, "ann");
        let run = exporting(&sandbox, &["acme", "--move"]).injected(&format!("fsync:error=EIO:when={number}"));
        let output = run.run();
        let (is_there, is_here) = (sandbox.path().join("bundle.age").exists(), has(&sandbox, "ann"));
        assert!(!(is_there && is_here), "{number}: in two places: {}", output.stderr);
        let case = format!("{number}: {}", output.stderr);
        match (is_there, records(&sandbox).len()) {
            (true, 0) => (),
            (true, _) => {
                assert!(!output.status.success(), "{case}");
                unsure += usize::from(output.stderr.contains("run `keyfob export --move` again"));
            }
            (false, _) => {
                assert!(!output.status.success(), "{case}");
                here += usize::from(is_here);
            }
        }
        if !records(&sandbox).is_empty() {
            exporting(&sandbox, &["acme", "--move"]).run().expect_success();
        }
        assert_eq!(records(&sandbox), [], "{case}");
        let bundle = std::fs::read(sandbox.path().join("bundle.age")).unwrap();
        assert_eq!(opened(&bundle).records.len(), 1, "{case}");
        if output.status.success() && number > 12 {
            break;
        }
    }
    assert!(unsure > 0 && here > 0, "{unsure} {here}");
}

#[test]
fn a_draft_that_a_killed_export_left_is_removed_by_the_next_one() {
    if !strace() {
        return;
    }
    let sandbox = set();
    keys(&sandbox, &["ann"]);
    let drafts = || {
        let entries = std::fs::read_dir(sandbox.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".tmp")).count()
    };
    let killed = exporting(&sandbox, &["--all"]).injected("renameat2:signal=KILL").run();
    assert_eq!(killed.status.signal(), Some(9));
    assert_eq!(drafts(), 1);
    assert!(!sandbox.path().join("bundle.age").exists());
    exporting(&sandbox, &["--all"]).run().expect_success();
    assert_eq!(drafts(), 0);
}

#[test]
fn where_files_cannot_be_renamed_safely_a_second_name_does_it() {
    if !strace() {
        return;
    }
    let sandbox = set();
    keys(&sandbox, &["ann"]);
    let run = exporting(&sandbox, &["--all"]).injected("renameat2:error=EINVAL");
    run.run().expect_success();
    assert!(sandbox.path().join("bundle.age").exists());
    let names = std::fs::read_dir(sandbox.path()).unwrap().count();
    let again = exporting(&sandbox, &["--all", "--output", "second.age"])
        .injected("renameat2:error=EIO")
        .run();
    assert_eq!(again.code(), 1, "{}", again.stderr);
    assert_eq!(std::fs::read_dir(sandbox.path()).unwrap().count(), names);
}

#[test]
fn a_full_disk_keeps_nothing_of_an_import() {
    let Some(to) = Sandbox::tiny(560) else { return };
    let from = set();
    to.write_provider("acme", super::fixture::PROVIDER);
    to.write("key.txt", super::fixture::IDENTITY);
    for account in ["ann", "bob", "carol", "dave"] {
        super::fixture::take(&from, account, |record| {
            record.scopes = vec!["x".repeat(100_000)];
        });
    }
    super::fixture::export(&from, &["--all"]).expect_success();
    keys(&to, &["zoe"]);
    let before = records(&to);
    // Room for some of them.
    to.write("ballast", &"x".repeat(250_000));
    let output = import(&to, &from, &[]);
    assert_eq!(output.code(), 4, "{}", output.stderr);
    assert_eq!(records(&to), before);
    assert_whole(&to, "a full disk");
    std::fs::remove_file(to.path().join("ballast")).unwrap();
    import(&to, &from, &[]).expect_success();
    assert_eq!(records(&to).len(), 5);
}
