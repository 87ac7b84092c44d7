//! A kill at every system call that changes something, and what the next run then finds: the crash matrix.
//!
//! Security review, section 3d.

use std::os::unix::process::ExitStatusExt;

use super::home::{Home, assert_whole};
use crate::issuer::{Outcome, Script};
use crate::part::strace;
use crate::sandbox::{Run, Sandbox};

/// What a run does to files, and what it says to the issuer.
const CALLS: &[&str] = &[
    "openat",
    "read",
    "write",
    "close",
    "mkdirat",
    "fchmod",
    "fallocate",
    "ftruncate",
    "fsync",
    "renameat",
    "unlinkat",
    "flock",
    "connect",
    "sendto",
    "recvfrom",
];

/// Those of them that come after the request, or again after it.
const LATE_CALLS: &[&str] = &["recvfrom", "write", "ftruncate", "fsync", "renameat", "unlinkat"];

/// No command makes as many calls of one name.
const MOST: usize = 300;

/// Runs it as often as it makes each call, killed at one more of them each time, and says how often that was.
fn at_every_call(calls: &[&str], run: impl Fn() -> Run, mut after: impl FnMut(&str)) -> usize {
    let mut kills = 0;
    for call in calls {
        for number in 1..MOST {
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
fn a_renewal_killed_at_any_call_is_finished_or_repeated_where_the_issuer_has_grace() {
    if !strace() {
        return;
    }
    let home = Home::new(Script {
        grace: std::time::Duration::from_secs(3600),
        ..Script::default()
    });
    home.expire();
    let renew = || home.sandbox.keyfob(&["token", "acme"]);
    let kills = at_every_call(LATE_CALLS, renew, |case| {
        let next = home.token();
        assert_eq!(next.code(), 0, "{case}: {}", next.stderr);
        assert!(home.issuer.valid_access(next.text().trim_end()), "{case}");
        assert_whole(&home.sandbox, case);
        home.expire();
    });
    eprintln!("{kills} kills of a renewal at chosen calls, with grace: 0 lost");
    assert!(kills > 10, "{kills}");
}

#[test]
fn a_renewal_killed_at_any_call_is_lost_only_between_the_commit_and_the_write() {
    if !strace() {
        return;
    }
    let home = Home::new(Script::default());
    home.expire();
    let mut before = home.issuer.redemptions().len();
    let (mut lost, mut imported) = (Vec::new(), 0);
    let renew = || home.sandbox.keyfob(&["token", "acme"]);
    let kills = at_every_call(CALLS, renew, |case| {
        let interrupted = !super::home::temporaries(&home.sandbox).is_empty();
        let kept = home.holds_live();
        let next = home.token();
        let outcomes: Vec<Outcome> = home.issuer.redemptions()[before..]
            .iter()
            .map(|row| row.outcome)
            .collect();
        // On disk is the old refresh token or the new one; the old one is good until the issuer has read it.
        let expected: (i32, &[Outcome]) = if kept {
            (0, &[Outcome::Redeemed])
        } else {
            (2, &[Outcome::Redeemed, Outcome::Reused])
        };
        assert_eq!((next.code(), outcomes.as_slice()), expected, "{case}: {}", next.stderr);
        assert_whole(&home.sandbox, case);
        imported += usize::from(kept && interrupted);
        if !kept {
            lost.push(case.to_owned());
            home.sandbox.login(&home.issuer);
        }
        home.expire();
        before = home.issuer.redemptions().len();
    });
    eprintln!(
        "{kills} kills of a renewal at chosen calls, no grace: {imported} left a temporary, {} needed a login, all before \
         the write: {lost:?}",
        lost.len()
    );
    assert!(kills > 50 && !lost.is_empty(), "{kills} kills, {lost:?}");
}

fn request(sandbox: &Sandbox, action: &str, more: &str) -> Run {
    let text = format!("protocol=https\nhost=kept.example\nusername=ann\n{more}\n");
    sandbox.keyfob(&[action]).stdin(text)
}

fn stored(sandbox: &Sandbox) -> Option<String> {
    let output = request(sandbox, "get", "").run().expect_success();
    output
        .text()
        .lines()
        .find_map(|line| line.strip_prefix("password="))
        .map(str::to_owned)
}

#[test]
fn a_store_killed_at_any_call_leaves_the_old_or_the_new_secret_whole() {
    if !strace() {
        return;
    }
    for old in [None, Some("canary-old")] {
        let sandbox = Sandbox::new();
        let reset = || {
            request(&sandbox, "erase", "").run().expect_success();
            if let Some(old) = old {
                let old = format!("password={old}\n");
                request(&sandbox, "store", &old).run().expect_success();
            }
        };
        reset();
        let (mut before, mut after) = (0, 0);
        let kills = at_every_call(
            CALLS,
            || request(&sandbox, "store", "password=canary-new\n"),
            |case| {
                match stored(&sandbox).as_deref() {
                    Some("canary-new") => after += 1,
                    found if found == old => before += 1,
                    found => panic!("{case}: {found:?}"),
                }
                assert_whole(&sandbox, case);
                reset();
            },
        );
        eprintln!("{kills} kills of a store over {old:?}: {before} times the old, {after} times the new");
    }
}

#[test]
fn an_erase_killed_at_any_call_leaves_the_secret_whole_or_nothing() {
    if !strace() {
        return;
    }
    let sandbox = Sandbox::new();
    let reset = || drop(request(&sandbox, "store", "password=canary\n").run().expect_success());
    reset();
    let (mut there, mut gone) = (0, 0);
    let kills = at_every_call(
        CALLS,
        || request(&sandbox, "erase", ""),
        |case| {
            match stored(&sandbox).as_deref() {
                Some("canary") => there += 1,
                None => gone += 1,
                found => panic!("{case}: {found:?}"),
            }
            assert_whole(&sandbox, case);
            reset();
        },
    );
    eprintln!("{kills} kills of an erase: {there} times there, {gone} times gone");
}
