//! Many processes at once on one expired session, in the store that this machine would choose.
//!
//! In an ordinary run that is the plain file. With `KEYFOB_REAL_KEYCHAIN=1` it is the sealed one, its key in the keychain
//! of the session bus in which the test runs: `tests/real/sealed-storm.sh` makes such a session. Security review, C1.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::home::temporaries;
use crate::issuer::{Issuer, Outcome, Script};
use crate::sandbox::Sandbox;

/// A home, and the name of the store that must be chosen in it.
fn home() -> (Sandbox, &'static str) {
    let mut sandbox = Sandbox::new();
    if std::env::var_os("KEYFOB_REAL_KEYCHAIN").is_none() {
        return (sandbox, "file");
    }
    sandbox.unset("KEYFOB_KEYCHAIN");
    for name in ["DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"] {
        sandbox.set(
            name,
            std::env::var_os(name).expect("a session has a bus and a directory"),
        );
    }
    (sandbox, "sealed")
}

/// Makes the kernel forget the data key, so that every process asks the keychain.
fn forget_data_key(sandbox: &Sandbox) {
    let script = "sed -n 's/.*\"key\":\"\\([0-9a-f]*\\)\".*/\\1/p' keyfob/data/sealed.json | while read id; do \
        keyctl unlink $(keyctl search @u user keyfob:$id) @u; done";
    sandbox.program("sh", &["-c", script]).run().expect_success();
}

fn storm(count: usize, cached: bool) {
    let (sandbox, store) = home();
    let issuer = Issuer::start(Script::default());
    sandbox.provider(&issuer);
    sandbox.login_expired(&issuer);
    let status = sandbox.keyfob(&["status", "--json"]).run().expect_success();
    assert!(
        status.text().contains(&format!("\"store\":\"{store}\"")),
        "{}",
        status.text()
    );
    if store == "sealed" && !cached {
        forget_data_key(&sandbox);
    }
    issuer.script(|script| script.before_commit = Duration::from_millis(200));
    let begun = Instant::now();
    let outputs = sandbox.tokens_at_once(count);
    let took = begun.elapsed();
    let tokens: BTreeSet<String> = outputs
        .into_iter()
        .map(|output| output.expect_success().text().into())
        .collect();
    let outcomes: Vec<Outcome> = issuer.redemptions().iter().map(|row| row.outcome).collect();
    eprintln!(
        "store {store}, key cached: {cached}: {count} processes in {took:.2?}: {} requests, {} different tokens",
        issuer.refreshes(),
        tokens.len()
    );
    assert_eq!((tokens.len(), outcomes), (1, vec![Outcome::Redeemed]));
    assert!(issuer.live_family().is_some());
    assert!(temporaries(&sandbox).is_empty());
    if store == "sealed" {
        assert!(sandbox.files_with("canary").is_empty(), "sealed files show no token");
    }
    assert_eq!(sandbox.token(), tokens.first().unwrap().trim_end());
}

#[test]
fn fifty_processes_in_the_store_of_this_machine_make_one_request() {
    storm(50, true);
}

#[test]
fn two_hundred_processes_in_the_store_of_this_machine_make_one_request() {
    storm(200, true);
}

#[test]
fn fifty_processes_that_must_all_ask_the_keychain_make_one_request() {
    storm(50, false);
}
