//! Sessions that lie outside of keyfob's own directory while a gate is set: at a fixed path, and put there by another
//! machine. Killed in the middle of a move, no place is left with a secret that nobody knows of.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;

use super::{PASSPHRASE, WORK, is_locked, run, set, unlocked};
use crate::issuer::{Issuer, Script};
use crate::part::strace;
use crate::sandbox::{Run, Sandbox, oauth_part};

const FIRST: &str = ".acme/credentials";
const SECOND: &str = ".other/credentials";

/// No command makes as many calls of one name.
const MOST: usize = 100;

/// The provider `acme` with its session at this path below the home.
fn move_to(sandbox: &Sandbox, issuer: &Issuer, path: &str) {
    let text = oauth_part(&issuer.url()).replace("format = 1\n", "format = 1\nstore = \"file\"\n");
    sandbox.write_provider(
        "acme",
        &format!("{text}\n[[target]]\nurl = \"https://acme.example\"\n[place]\nfile = \"~/{path}\"\n"),
    );
}

fn login(sandbox: &Sandbox) -> Run {
    sandbox.keyfob(&["login", "acme", "--no-browser"])
}

/// A home whose only session is at its path.
fn placed() -> (Sandbox, Issuer) {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    move_to(&sandbox, &issuer, FIRST);
    login(&sandbox).run().expect_success();
    assert!(there(&sandbox, FIRST));
    (sandbox, issuer)
}

fn there(sandbox: &Sandbox, path: &str) -> bool {
    sandbox.path().join(path).exists()
}

/// Kills `run` at one more of these calls each time, in a new home, and shows each of them to `after`. Says how many there
/// were.
fn killed_at_each(call: &str, run: &dyn Fn(&Sandbox, &Issuer) -> Run, after: &dyn Fn(&Sandbox, &str)) -> usize {
    for number in 1..MOST {
        let (sandbox, issuer) = placed();
        let output = run(&sandbox, &issuer)
            .injected(&format!("{call}:signal=KILL:when={number}"))
            .run();
        let killed = output.status.signal() == Some(9);
        assert!(killed || output.status.success(), "{call} {number}: {}", output.stderr);
        after(&sandbox, &format!("killed at {call} {number}"));
        if !killed {
            return number - 1;
        }
    }
    panic!("{call} is made more than {MOST} times");
}

fn lock_set(sandbox: &Sandbox) -> Run {
    let args = ["lock", "set", "--work-factor", WORK, "--passphrase-file", "-"];
    sandbox.keyfob(&args).stdin(PASSPHRASE)
}

#[test]
fn a_gate_that_was_killed_while_it_was_set_leaves_nothing_at_a_path_once_it_is_finished() {
    if !strace() {
        return;
    }
    let finish = |sandbox: &Sandbox, case: &str| {
        let gate = sandbox.keyfob_home().join("data/gate.json");
        let is_set = std::fs::read_to_string(gate).is_ok_and(|text| text.contains("\"stage\":\"set\""));
        if !is_set {
            lock_set(sandbox).run().expect_success();
        }
        assert!(!there(sandbox, FIRST), "{case}");
        let output = unlocked(sandbox, "$0 token acme");
        assert!(output.text().contains("acme_"), "{case}: {}", output.stderr);
    };
    for call in ["fsync", "unlinkat"] {
        let kills = killed_at_each(call, &|sandbox, _| lock_set(sandbox), &finish);
        assert!(kills > 0, "{call}");
    }
}

#[test]
fn a_logout_after_a_move_that_was_killed_leaves_nothing_at_either_path() {
    if !strace() {
        return;
    }
    let login_elsewhere = |sandbox: &Sandbox, issuer: &Issuer| {
        move_to(sandbox, issuer, SECOND);
        login(sandbox)
    };
    let end = |sandbox: &Sandbox, case: &str| {
        run(sandbox, &["logout", "acme", "--local"], "").expect_success();
        assert!(!there(sandbox, FIRST) && !there(sandbox, SECOND), "{case}");
    };
    // The other call is what `a_move_that_was_killed_is_finished_by_the_next_renewal` is killed at.
    assert!(killed_at_each("fsync", &login_elsewhere, &end) > 1);
    let gated = |sandbox: &Sandbox, case: &str| {
        run(sandbox, &["logout", "acme:ann", "--local"], "").expect_success();
        assert!(!there(sandbox, FIRST), "{case}");
    };
    assert!(killed_at_each("unlinkat", &|sandbox, _| lock_set(sandbox), &gated) > 0);
}

#[test]
fn a_move_that_was_killed_is_finished_by_the_next_renewal() {
    if !strace() {
        return;
    }
    let login_elsewhere = |sandbox: &Sandbox, issuer: &Issuer| {
        move_to(sandbox, issuer, SECOND);
        login(sandbox)
    };
    let renew = |sandbox: &Sandbox, case: &str| {
        login(sandbox).run().expect_success();
        assert!(!there(sandbox, FIRST) && there(sandbox, SECOND), "{case}");
        let slots = sandbox.files_with("\"also\"");
        assert!(slots.is_empty(), "{case}: {slots:?} still notes a place");
    };
    killed_at_each("unlinkat", &login_elsewhere, &renew);
}

#[test]
fn a_path_that_is_somebody_elses_is_left_and_stops_no_gate() {
    let (sandbox, issuer) = placed();
    let theirs = sandbox.write(SECOND, "not keyfob's\n");
    std::fs::set_permissions(&theirs, PermissionsExt::from_mode(0o600)).unwrap();
    move_to(&sandbox, &issuer, SECOND);
    let output = login(&sandbox).run();
    assert!(!output.status.success(), "{}", output.stderr);
    set(&sandbox);
    assert!(!there(&sandbox, FIRST));
    assert_eq!(std::fs::read_to_string(theirs).unwrap(), "not keyfob's\n");
}

#[test]
fn a_session_that_lay_at_a_path_is_refused_while_the_machine_is_locked() {
    let (sandbox, _issuer) = placed();
    let copy = std::fs::read(sandbox.path().join(FIRST)).unwrap();
    set(&sandbox);
    assert!(!there(&sandbox, FIRST));
    // Somebody who puts the file back gets no further: the session is behind the gate now.
    let back = sandbox.write(FIRST, &String::from_utf8(copy).unwrap());
    std::fs::set_permissions(&back, PermissionsExt::from_mode(0o600)).unwrap();
    assert!(is_locked(&run(&sandbox, &["token", "acme"], "").expect_code(4)));
    let request = "protocol=https\nhost=acme.example\n\n";
    assert!(is_locked(&run(&sandbox, &["git", "get"], request).expect_code(1)));
}

#[test]
fn a_session_that_another_machine_put_here_is_refused_while_the_machine_is_locked() {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    sandbox.provider(&issuer);
    let text = "ACME_TOKEN='canary-synced'\n";
    let file = sandbox.write(".config/acme/session", text);
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let found = run(&sandbox, &["token", "acme"], "").expect_success();
    assert_eq!(found.text(), "canary-synced\n");
    set(&sandbox);
    let request = "protocol=https\nhost=acme.example\n\n";
    for (args, stdin, code) in [
        (&["token", "acme"][..], "", 4),
        (&["print-access-token", "acme"], "", 4),
        (&["git", "get"], request, 1),
        (&["get"], request, 4),
    ] {
        let output = run(&sandbox, args, stdin).expect_code(code);
        assert!(is_locked(&output), "{args:?}: {}", output.stderr);
    }
    assert_eq!(unlocked(&sandbox, "$0 token acme").text(), "canary-synced\n");
    assert_eq!(std::fs::read_to_string(file).unwrap(), text);
}
