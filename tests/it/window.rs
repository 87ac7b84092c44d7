//! What the age of a record decides: served as it is, renewed while it may fail, renewed or nothing.
//!
//! The record is made older through the library's own store, so that no test waits for a token to end.

use std::collections::BTreeSet;
use std::time::Duration;

use keyfob::store::Stores;
use keyfob::time::Timestamp;
use keyfob::world::World;

use crate::http_server::Reply;
use crate::issuer::{Endpoint, Issuer, Outcome, Script};
use crate::renewal::{at_once, expired, kept, token};
use crate::sandbox::Sandbox;

/// Makes every record of the home older by this many seconds.
pub fn age(sandbox: &Sandbox, seconds: i64) {
    let home = sandbox.keyfob_home().into_os_string();
    let vars = [("KEYFOB_HOME".into(), home), ("KEYFOB_KEYCHAIN".into(), "off".into())];
    let stores = Stores::open(&World::fixed(vars, Timestamp::from_unix(0))).unwrap();
    for stored in stores.list().unwrap() {
        let mut stored = stored.unwrap();
        let record = &mut stored.record;
        for time in [&mut record.obtained_at, &mut record.expires_at] {
            *time = time.map(|time| time.plus(-seconds));
        }
        record.generation += 1;
        let lock = stores
            .lock(&record.key, Duration::from_secs(5), &std::thread::sleep)
            .unwrap()
            .unwrap();
        stores.put(&lock, record, stored.store, None).unwrap();
    }
}

/// A session whose token of an hour has this many seconds left.
fn with_seconds_left(left: i64) -> (Sandbox, Issuer) {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    sandbox.provider(&issuer);
    sandbox.login(&issuer);
    age(&sandbox, 3600 - left);
    (sandbox, issuer)
}

#[test]
fn a_token_is_renewed_from_five_minutes_before_its_end() {
    at_once(
        [(3000, 0), (400, 0), (150, 1), (30, 1), (-30, 1)],
        |(left, renewals)| {
            let (sandbox, issuer) = with_seconds_left(left);
            token(&sandbox).expect_success();
            assert_eq!(issuer.refreshes(), renewals, "{left} s left");
            kept(&sandbox, &issuer, "aged");
        },
    );
}

#[test]
fn a_token_that_still_lives_is_served_when_its_renewal_fails() {
    let rows = [
        Reply::text(503, "text/html", "<h1>Sorry</h1>"),
        Reply::text(200, "text/html", "<h1>Welcome to our hotel</h1>"),
        Reply::error(429, "slow_down"),
        Reply::error(401, "invalid_client"),
        Reply::Drop,
    ];
    at_once(rows, |reply| {
        let (sandbox, issuer) = with_seconds_left(150);
        let old = issuer.live_family().unwrap().access[0].0.clone();
        issuer.inject(Endpoint::Token, 99, &reply);
        for _ in 0..2 {
            assert_eq!(token(&sandbox).expect_success().text().trim_end(), old, "{reply:?}");
        }
        assert!(issuer.refreshes() >= 1);
        kept(&sandbox, &issuer, &format!("{reply:?}"));
    });
}

#[test]
fn a_token_that_still_lives_is_served_without_a_network() {
    let (sandbox, issuer) = with_seconds_left(150);
    drop(issuer);
    token(&sandbox).expect_success();
}

#[test]
fn fifty_processes_in_the_last_minutes_make_one_request_and_none_waits() {
    let (sandbox, issuer) = with_seconds_left(150);
    issuer.script(|script| script.before_commit = Duration::from_millis(500));
    let outputs = sandbox.tokens_at_once(50);
    let tokens: BTreeSet<String> = outputs
        .into_iter()
        .map(|output| output.expect_success().text().into())
        .collect();
    assert!(tokens.iter().all(|token| issuer.valid_access(token.trim_end())));
    assert!(tokens.len() <= 2, "the old one or the new one");
    assert_eq!(issuer.refreshes(), 1);
}

#[test]
fn a_longer_life_than_is_left_can_be_asked_for() {
    let (sandbox, issuer) = with_seconds_left(1800);
    let valid_for = |life: &str| sandbox.keyfob(&["token", "acme", "--valid-for", life]).run();
    valid_for("20m").expect_success();
    assert_eq!(issuer.refreshes(), 0);
    valid_for("45m").expect_success();
    assert_eq!(issuer.refreshes(), 1);
}

#[test]
fn a_rejected_token_is_not_believed_when_the_store_has_a_newer_one() {
    let (sandbox, issuer) = expired(Script {
        revoke_family_on_reuse: false,
        ..Script::default()
    });
    let older = sandbox.files();
    token(&sandbox).expect_success();
    let newer = sandbox.files();
    let put_back = |files: &std::collections::BTreeMap<std::path::PathBuf, Vec<u8>>| {
        for (path, content) in files {
            std::fs::write(path, content).unwrap();
        }
    };
    put_back(&older);
    issuer.script(|script| script.after_commit = Duration::from_secs(1));
    let renewing = sandbox.keyfob(&["token", "acme"]).spawn();
    while issuer.redemptions().len() < 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    // Somebody who knows nothing of our locks brings the newer record back, as a synchronised home does.
    put_back(&newer);
    let output = renewing.wait().expect_success();
    assert!(issuer.valid_access(output.text().trim_end()));
    assert_eq!(issuer.redemptions()[1].outcome, Outcome::Reused);
    kept(&sandbox, &issuer, "a newer record");
}

#[test]
fn a_token_that_still_lives_is_served_when_nothing_can_be_asked_at_all() {
    let (mut sandbox, issuer) = with_seconds_left(150);
    let old = issuer.live_family().unwrap().access[0].0.clone();
    sandbox.set("KEYFOB_CA_FILE", "/nonexistent/ca.pem");
    assert_eq!(token(&sandbox).expect_success().text().trim_end(), old);
    assert_eq!(issuer.refreshes(), 0);
    assert!(sandbox.files_with("\"intent\"").is_empty(), "nothing was begun");
    age(&sandbox, 300);
    token(&sandbox).expect_code(64);
    assert!(sandbox.files_with("\"intent\"").is_empty(), "nothing was begun");
}

#[test]
fn tokens_are_given_out_when_the_record_became_unreadable_while_the_issuer_answered() {
    use std::os::unix::fs::PermissionsExt;
    let (sandbox, issuer) = with_seconds_left(-30);
    issuer.script(|script| script.before_commit = Duration::from_millis(700));
    let record = sandbox.files_with(&issuer.live_family().unwrap().refresh).remove(0);
    let running = sandbox.keyfob(&["token", "acme"]).spawn();
    while issuer.refreshes() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::fs::set_permissions(&record, std::fs::Permissions::from_mode(0o666)).unwrap();
    let output = running.wait().expect_success();
    assert!(issuer.valid_access(output.text().trim_end()));
    assert!(
        output.stderr.contains("keyfob: warning: the renewed session"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_rejected_token_is_not_served_when_its_renewal_fails() {
    let (sandbox, issuer) = with_seconds_left(150);
    let old = issuer.live_family().unwrap().access[0].0.clone();
    sandbox.provider(&issuer);
    let request = format!("url=https://acme.example\nusername=oauth2\npassword={old}\n");
    sandbox.keyfob(&["git", "erase"]).stdin(request).run().expect_success();
    issuer.inject(Endpoint::Token, 99, &Reply::error(503, "temporarily_unavailable"));
    token(&sandbox).expect_code(3);
}
