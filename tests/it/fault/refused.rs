//! A system call that is refused, at every place where it is made: nothing is lost, nothing is spent twice, nothing lies
//! about.
//!
//! Security review, section 8, S5 and S6.

use super::home::{Home, assert_whole, temporaries};
use crate::issuer::{Outcome, Script};
use crate::part::strace;
use crate::sandbox::{Output, Run, Sandbox};

/// What a disk, a file system or a quota says no to, and how.
const REFUSALS: &[&str] = &[
    "fsync:error=EIO",
    "write:error=ENOSPC",
    "renameat:error=EACCES",
    "fallocate:error=ENOSPC",
    "ftruncate:error=EIO",
    "fchmod:error=EPERM",
    "flock:error=ENOLCK",
    "mkdirat:error=EDQUOT",
    "openat:error=EMFILE",
    "unlinkat:error=EROFS",
];

/// No command makes as many calls of one name.
const MOST: usize = 300;

/// What the dynamic loader ends a program with that it cannot start.
const NOT_STARTED: i32 = 127;

/// Runs it with this refusal of the first call, then of the second, until there is no such call. With `onwards` all later
/// ones are refused too. `after` gets the case, the output, and whether anything was refused.
fn at_every_call(
    sandbox: &Sandbox,
    onwards: bool,
    what: &str,
    run: impl Fn() -> Run,
    mut after: impl FnMut(&str, Output),
) {
    let log = sandbox.path().join("strace.log");
    for number in 1..MOST {
        let when = format!("{what}:when={number}{}", if onwards { "+" } else { "" });
        let output = run().injected(&when).run();
        let done = !std::fs::read_to_string(&log).unwrap().contains("INJECTED");
        if output.code() != NOT_STARTED {
            after(&when, output);
        }
        if done {
            break;
        }
    }
}

/// Refuses stderr with more than an error and its hint.
fn is_short(output: &Output) -> bool {
    let lines: Vec<&str> = output.stderr.lines().collect();
    lines.len() <= 2 && lines.iter().all(|line| line.starts_with("keyfob: "))
}

/// One failing renewal after the other; says how many failed before the token was spent, and how many after.
fn renewals(what: &str, onwards: bool) -> (usize, usize, usize) {
    let home = Home::new(Script::default());
    home.expire();
    let mut before = home.issuer.redemptions().len();
    let (mut unspent, mut served, mut unserved) = (0, 0, 0);
    let renew = || home.sandbox.keyfob(&["token", "acme"]);
    at_every_call(&home.sandbox, onwards, what, renew, |case, output| {
        let spent = home.issuer.redemptions().len() > before;
        let (code, said) = (output.code(), output.stderr.clone());
        assert!(is_short(&output), "{case}: {said}");
        match (spent, code) {
            (false, 4) => unspent += 1,
            // A provider file that cannot be read is an error of the configuration.
            (false, 64) if what.starts_with("openat") => unspent += 1,
            (true, 0) => {
                served += 1;
                assert!(home.issuer.valid_access(output.text().trim_end()), "{case}");
            }
            // The very answer could not be written.
            (true, 1) if what.starts_with("write") => unserved += 1,
            _ => panic!("{case}: exit {code}, spent: {spent}: {said}"),
        }
        if !what.starts_with("unlinkat") {
            assert!(temporaries(&home.sandbox).is_empty(), "{case}: leftovers");
        }
        assert!(
            !said.contains("could not be kept") && !said.contains("in in"),
            "{case}: {said}"
        );
        let next = home.token();
        assert_eq!(next.code(), 0, "{case}: then: {}; first: {said}", next.stderr);
        assert!(home.issuer.valid_access(next.text().trim_end()), "{case}");
        let outcomes: Vec<Outcome> = home.issuer.redemptions()[before..]
            .iter()
            .map(|row| row.outcome)
            .collect();
        assert_eq!(outcomes, [Outcome::Redeemed], "{case}");
        assert_whole(&home.sandbox, case);
        home.expire();
        before = home.issuer.redemptions().len();
    });
    (unspent, served, unserved)
}

#[test]
fn a_renewal_that_is_refused_anything_spends_nothing_or_keeps_and_serves_what_it_got() {
    if !strace() {
        return;
    }
    for what in REFUSALS {
        let (unspent, served, unserved) = renewals(what, false);
        eprintln!(
            "{what}: {unspent} failed before the request, {served} were served, {unserved} could not be printed: 0 lost"
        );
    }
}

#[test]
fn a_disk_that_goes_bad_for_good_during_a_renewal_drives_the_record_into_memory() {
    if !strace() {
        return;
    }
    for what in ["fsync:error=EIO", "renameat:error=EACCES", "ftruncate:error=EIO"] {
        let (unspent, served, _) = renewals(what, true);
        eprintln!("{what} from there on: {unspent} failed before the request, {served} were served: 0 lost");
        assert!(unspent > 0 || what.starts_with("ftruncate"), "{what}");
    }
}

fn request(sandbox: &Sandbox, action: &str, more: &str) -> Run {
    let text = format!("protocol=https\nhost=kept.example\nusername=ann\n{more}\n");
    sandbox.keyfob(&[action]).stdin(text)
}

fn stored(sandbox: &Sandbox) -> Option<String> {
    let output = request(sandbox, "get", "").run().expect_success();
    let password = output.text().lines().find_map(|line| line.strip_prefix("password="));
    password.map(str::to_owned)
}

#[test]
fn a_store_that_is_refused_anything_leaves_the_old_secret_or_has_written_the_new_one() {
    if !strace() {
        return;
    }
    let mut refused = 0;
    for what in REFUSALS {
        let sandbox = Sandbox::new();
        let reset = || {
            drop(
                request(&sandbox, "store", "password=canary-old\n")
                    .run()
                    .expect_success(),
            )
        };
        reset();
        let store = || request(&sandbox, "store", "password=canary-new\n");
        at_every_call(&sandbox, false, what, store, |case, output| {
            let found = stored(&sandbox);
            let new = found.as_deref() == Some("canary-new");
            assert!(new || found.as_deref() == Some("canary-old"), "{case}: {found:?}");
            assert!(new || output.code() != 0, "{case}: nothing was said");
            assert!(
                output.stdout.is_empty() && is_short(&output),
                "{case}: {}",
                output.stderr
            );
            refused += usize::from(output.code() != 0);
            if !what.starts_with("unlinkat") {
                assert_whole(&sandbox, case);
            }
            reset();
        });
    }
    eprintln!("{refused} stores were refused something: the old secret was there, or the new one");
}

#[test]
fn an_erase_that_is_refused_says_so_and_an_own_command_ends_with_4() {
    if !strace() {
        return;
    }
    let sandbox = Sandbox::new();
    request(&sandbox, "store", "password=canary\n").run().expect_success();
    let output = request(&sandbox, "erase", "").injected("unlinkat:error=EROFS").run();
    assert_ne!(output.code(), 0);
    assert_eq!(stored(&sandbox).as_deref(), Some("canary"));

    let home = Home::new(Script::default());
    let logout = home.sandbox.keyfob(&["logout", "acme", "--local"]);
    logout.injected("unlinkat:error=EROFS").run().expect_code(4);
    assert_eq!(home.token().code(), 0, "the session is still there");
    let set = ["set-token", "acme", "--account", "ann", "--no-check"];
    let set = home.sandbox.keyfob(&set).stdin("acme_canary_key\n");
    for refusal in ["fsync:error=EIO", "renameat:error=EACCES", "mkdirat:error=EROFS"] {
        set.clone().injected(refusal).run().expect_code(4);
        assert!(home.holds_live(), "{refusal}");
    }
}
