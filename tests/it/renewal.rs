//! One renewal per session, whatever happens: the real program against the scripted issuer.
//!
//! RFC 6749 sections 5 and 6, RFC 9700 sections 2.2.2 and 4.14.2. What lies between program and issuer is `network.rs`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fault::home::Home;
use crate::http_server::Reply;
use crate::issuer::{Endpoint, Issuer, Outcome, Script};
use crate::sandbox::{Output, Sandbox};

/// A session whose access token has ended, and its issuer. The script is meant for renewals, not for the login.
pub fn expired(script: Script) -> (Sandbox, Issuer) {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    sandbox.provider(&issuer);
    sandbox.login_expired(&issuer);
    issuer.script(|now| *now = script);
    (sandbox, issuer)
}

/// `keyfob token acme`
pub fn token(sandbox: &Sandbox) -> Output {
    sandbox
        .keyfob(&["token", "acme"])
        .deadline(Duration::from_secs(40))
        .run()
}

/// Refuses a store that does not have the live refresh token any more.
pub fn kept(sandbox: &Sandbox, issuer: &Issuer, case: &str) {
    let family = issuer
        .live_family()
        .unwrap_or_else(|| panic!("{case}: the family was revoked"));
    assert!(
        !sandbox.files_with(&family.refresh).is_empty(),
        "{case}: the refresh token was lost"
    );
}

/// Runs every row at once, since each waits for its own token to end.
pub fn at_once<T: Send>(rows: impl IntoIterator<Item = T>, check: impl Fn(T) + Sync) {
    std::thread::scope(|scope| {
        for row in rows {
            let check = &check;
            scope.spawn(move || check(row));
        }
    });
}

fn outcomes(issuer: &Issuer) -> Vec<Outcome> {
    issuer
        .redemptions()
        .iter()
        .map(|redemption| redemption.outcome)
        .collect()
}

/// A script in which renewals do not rotate, and answers are changed by this.
fn answering(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Script {
    Script {
        rotate: false,
        mutate: Some(Arc::new(change)),
        ..Script::default()
    }
}

/// Waits until the token endpoint has read a renewal.
fn renewal_begun(issuer: &Issuer) {
    while issuer.refreshes() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_rotated_refresh_token_replaces_the_old_one() {
    let (sandbox, issuer) = expired(Script::default());
    let old = issuer.live_family().unwrap().refresh;
    let first = token(&sandbox).expect_success();
    assert!(issuer.valid_access(first.text().trim_end()));
    assert!(sandbox.files_with(&old).is_empty());
    kept(&sandbox, &issuer, "after a rotation");
    assert_eq!(token(&sandbox).stdout, first.stdout);
    assert_eq!(outcomes(&issuer), [Outcome::Redeemed]);
    let request = &issuer.seen(Endpoint::Token)[1];
    assert_eq!(request.field("scope"), None, "a renewal never asks for scopes");
    assert_eq!(issuer.violations(), [""; 0]);
}

#[test]
fn a_token_that_lives_is_served_without_a_request() {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    sandbox.provider(&issuer);
    sandbox.login(&issuer);
    let first = sandbox.token();
    assert_eq!(issuer.seen(Endpoint::Token).len(), 1);
    drop(issuer);
    assert_eq!(sandbox.token(), first);
}

fn many_processes_renew_once(count: usize) {
    let (sandbox, issuer) = expired(Script {
        before_commit: Duration::from_millis(200),
        ..Script::default()
    });
    let outputs = sandbox.tokens_at_once(count);
    let tokens: BTreeSet<String> = outputs
        .into_iter()
        .map(|output| output.expect_success().text().into())
        .collect();
    assert_eq!(tokens.len(), 1, "all get the same token");
    assert_eq!((issuer.refreshes(), outcomes(&issuer)), (1, vec![Outcome::Redeemed]));
    kept(&sandbox, &issuer, "many processes");
}

#[test]
fn fifty_processes_at_once_make_one_request() {
    many_processes_renew_once(50);
}

#[test]
fn two_hundred_processes_at_once_make_one_request() {
    many_processes_renew_once(200);
}

#[test]
fn without_a_usable_new_refresh_token_the_old_one_is_kept() {
    at_once([None, Some(json!(null)), Some(json!(""))], |new| {
        let case = format!("{new:?}");
        let change = move |reply: &mut Value| {
            if let Some(new) = &new {
                reply["refresh_token"] = new.clone();
            }
        };
        let (sandbox, issuer) = expired(answering(change));
        token(&sandbox).expect_success();
        kept(&sandbox, &issuer, &case);
    });
}

#[test]
fn a_refresh_token_that_comes_again_is_kept() {
    let (sandbox, issuer) = expired(answering(|_| ()));
    let same = issuer.live_family().unwrap().refresh;
    issuer.script(|script| script.mutate = Some(Arc::new(move |reply| reply["refresh_token"] = json!(same))));
    token(&sandbox).expect_success();
    kept(&sandbox, &issuer, "the same");
}

#[test]
fn an_access_token_that_no_header_can_carry_is_refused() {
    let texts = [
        "",
        "acme canary",
        "acme_canary\r",
        "acme_canary\n",
        "acme_canary\0",
        "acme_canary_\u{1f511}",
    ];
    let long = [64 * 1024 + 1, 2 * 1024 * 1024].map(|length| json!("c".repeat(length)));
    let rows = texts
        .map(|text| json!(text))
        .into_iter()
        .chain(long)
        .chain([json!(null), json!(42)]);
    at_once(rows, |access| {
        let case: String = access.to_string().chars().take(30).collect();
        let (sandbox, issuer) = expired(answering(move |reply| reply["access_token"] = access.clone()));
        let output = token(&sandbox);
        assert_ne!(output.code(), 0, "{case}");
        assert!(output.stdout.is_empty(), "{case}");
        kept(&sandbox, &issuer, &case);
    });
}

#[test]
fn an_access_token_of_64_kib_is_served() {
    let (sandbox, issuer) = expired(Script::default());
    let long = "c".repeat(64 * 1024);
    issuer.script(|script| script.access_token = Some(long.clone()));
    assert_eq!(token(&sandbox).expect_success().text().trim_end(), long);
}

#[test]
fn only_bearer_tokens_are_taken() {
    let rows = [
        (Some("bearer"), true),
        (Some("BEARER"), true),
        (None, false),
        (Some("mac"), false),
        (Some("DPoP"), false),
    ];
    at_once(rows, |(kind, good)| {
        let change = move |reply: &mut Value| match kind {
            Some(kind) => reply["token_type"] = json!(kind),
            None => drop(reply.as_object_mut().unwrap().remove("token_type")),
        };
        let (sandbox, issuer) = expired(answering(change));
        assert_eq!(token(&sandbox).code() == 0, good, "{kind:?}");
        kept(&sandbox, &issuer, &format!("{kind:?}"));
    });
}

#[test]
fn a_lifetime_may_be_spelt_in_any_way() {
    let rows = [
        json!("3600"),
        json!(3600.0),
        json!(-5),
        json!(null),
        json!(1e300),
        json!("soon"),
        json!([]),
    ];
    at_once(rows, |life| {
        let case = life.to_string();
        let (sandbox, issuer) = expired(answering(move |reply| reply["expires_in"] = life.clone()));
        let output = token(&sandbox);
        assert_eq!(output.code(), 0, "{case}: {}", output.stderr);
        kept(&sandbox, &issuer, &case);
    });
}

#[test]
fn the_life_of_a_token_does_not_begin_with_a_slow_answer() {
    let (sandbox, issuer) = expired(Script {
        after_commit: Duration::from_millis(2500),
        ..Script::default()
    });
    assert_eq!(token(&sandbox).code(), 0);
    ends_within_an_hour(&sandbox, &issuer);
}

#[test]
fn the_life_of_a_logins_token_begins_before_the_question_whose_it_is() {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    sandbox.provider(&issuer);
    issuer.script(|script| script.after_commit = Duration::from_millis(2500));
    sandbox.login(&issuer);
    assert_eq!(issuer.seen(Endpoint::Userinfo).len(), 1, "it was asked whose it is");
    ends_within_an_hour(&sandbox, &issuer);
}

/// The end that is told is no later than an hour after the last question at the token endpoint.
fn ends_within_an_hour(sandbox: &Sandbox, issuer: &Issuer) {
    let asked = issuer.seen(Endpoint::Token).pop().unwrap().at;
    let asked = std::time::SystemTime::now() - asked.elapsed();
    let answer = sandbox
        .keyfob(&["get"])
        .stdin("profile=acme\n\n")
        .run()
        .expect_success();
    let end = answer
        .text()
        .lines()
        .find_map(|line| line.strip_prefix("password_expiry_utc="));
    let end: u64 = end.expect("the end is told").parse().unwrap();
    let since_the_epoch = asked.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!(
        end - 3600 <= since_the_epoch.as_secs(),
        "{end} is later than an hour after {since_the_epoch:?}"
    );
}

#[test]
fn a_rejected_refresh_token_ends_the_session_with_one_request() {
    let (sandbox, issuer) = expired(Script::default());
    issuer.inject(Endpoint::Token, 9, &Reply::error(400, "invalid_grant"));
    let first = token(&sandbox).expect_code(2);
    assert!(first.stderr.contains("keyfob login acme"), "{}", first.stderr);
    token(&sandbox).expect_code(2);
    assert_eq!(issuer.refreshes(), 1, "the second call asks nobody");
    assert!(sandbox.files_with("canary").is_empty(), "dead tokens are wiped");
    let list = sandbox.keyfob(&["list"]).run().expect_success();
    assert!(
        list.text().contains("acme"),
        "the account is still known: {}",
        list.text()
    );
    issuer.clear_injected();
    sandbox.login(&issuer);
    token(&sandbox).expect_success();
}

#[test]
fn an_error_of_configuration_deletes_nothing_and_costs_no_wait() {
    let codes = [
        "invalid_client",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "invalid_request",
    ];
    at_once(codes, |code| {
        let (sandbox, issuer) = expired(Script::default());
        let status = if code == "invalid_client" { 401 } else { 400 };
        issuer.inject(Endpoint::Token, 1, &Reply::error(status, code));
        let output = token(&sandbox).expect_code(1);
        assert!(output.stderr.contains(code), "{}", output.stderr);
        assert_eq!(issuer.refreshes(), 1);
        kept(&sandbox, &issuer, code);
        token(&sandbox).expect_success();
    });
}

#[test]
fn what_is_no_definite_rejection_deletes_nothing() {
    let rows = [
        Reply::error(200, "invalid_grant"),
        Reply::error(400, "something_else"),
        Reply::text(400, "application/json", ""),
        Reply::text(400, "application/json", "{\"error\":"),
        Reply::text(400, "text/html", "{\"error\":\"invalid_grant\"}"),
        Reply::text(401, "text/plain", "invalid_grant"),
        Reply::text(403, "text/html", "<h1>Forbidden: invalid_grant</h1>"),
        Reply::text(404, "text/html", "<h1>Not Found</h1>"),
        Reply::text(200, "application/json", "[]"),
        Reply::text(200, "application/json", ""),
    ];
    at_once(rows, |reply| {
        let (sandbox, issuer) = expired(Script::default());
        issuer.inject(Endpoint::Token, 2, &reply);
        let output = token(&sandbox);
        assert!([1, 3].contains(&output.code()), "{reply:?}: {}", output.stderr);
        assert!(output.stdout.is_empty());
        kept(&sandbox, &issuer, &format!("{reply:?}"));
    });
}

#[test]
fn an_issuer_that_asks_to_wait_is_left_alone_by_every_process() {
    at_once([429, 503], |status| {
        let (sandbox, issuer) = expired(Script::default());
        let reply = Reply::error(status, "slow_down").with("Retry-After", "3");
        issuer.inject(Endpoint::Token, 1, &reply);
        token(&sandbox).expect_code(3);
        for output in sandbox.tokens_at_once(5) {
            output.expect_code(3);
        }
        assert_eq!(issuer.refreshes(), 1, "{status}");
        kept(&sandbox, &issuer, &format!("{status}"));
        std::thread::sleep(Duration::from_millis(3100));
        token(&sandbox).expect_success();
    });
}

#[test]
fn a_lost_answer_is_asked_for_again_once() {
    let (sandbox, issuer) = expired(Script {
        grace: Duration::from_secs(60),
        dropped_answers: 1,
        ..Script::default()
    });
    let output = token(&sandbox).expect_success();
    assert!(issuer.valid_access(output.text().trim_end()));
    assert_eq!(outcomes(&issuer), [Outcome::Redeemed, Outcome::Grace]);
    kept(&sandbox, &issuer, "a lost answer");
}

#[test]
fn a_lost_answer_of_an_issuer_without_grace_needs_a_login() {
    let (sandbox, issuer) = expired(Script {
        dropped_answers: 1,
        ..Script::default()
    });
    token(&sandbox).expect_code(2);
    token(&sandbox).expect_code(2);
    assert_eq!(outcomes(&issuer), [Outcome::Redeemed, Outcome::Reused]);
}

#[test]
fn a_process_killed_before_it_had_the_answer_is_followed_by_one_replay() {
    at_once([Duration::from_secs(60), Duration::ZERO], |grace| {
        let (sandbox, issuer) = expired(Script {
            grace,
            ..Script::default()
        });
        issuer.script(|script| script.after_commit = Duration::from_secs(2));
        let mut killed = sandbox.keyfob(&["token", "acme"]).spawn();
        while issuer.redemptions().is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
        killed.kill();
        drop(killed);
        issuer.script(|script| script.after_commit = Duration::ZERO);
        token(&sandbox).expect_code(if grace.is_zero() { 2 } else { 0 });
        assert_eq!(issuer.redemptions().len(), 2, "one replay");
    });
}

#[test]
fn a_logout_during_a_renewal_stays_a_logout() {
    let (sandbox, issuer) = expired(Script {
        before_commit: Duration::from_secs(1),
        ..Script::default()
    });
    let renewing = sandbox.keyfob(&["token", "acme"]).spawn();
    renewal_begun(&issuer);
    sandbox.keyfob(&["logout", "acme"]).run().expect_success();
    assert!([0, 2].contains(&renewing.wait().code()));
    token(&sandbox).expect_code(2);
    assert!(issuer.live_family().is_none());
    assert!(sandbox.files_with("canary").is_empty());
}

#[test]
fn a_login_during_a_renewal_wins() {
    let (sandbox, issuer) = expired(Script {
        before_commit: Duration::from_secs(2),
        ..Script::default()
    });
    let renewing = sandbox.keyfob(&["token", "acme"]).spawn();
    renewal_begun(&issuer);
    issuer.script(|script| script.before_commit = Duration::ZERO);
    sandbox.login(&issuer);
    assert!([0, 2].contains(&renewing.wait().code()));
    let newest = issuer.families().pop().unwrap();
    assert_eq!(sandbox.files_with(&newest.refresh).len(), 1);
    assert!(issuer.valid_access(&sandbox.token()));
}

#[test]
fn a_refresh_token_whose_place_a_newer_keyfob_wrote_is_not_sent_anywhere() {
    let home = Home::new(Script::default());
    home.expire();
    home.change(|record| {
        let newer = serde_json::json!({"version": 2, "token_endpoint": "https://elsewhere.example/token"});
        record.extra.insert("learnt".into(), newer);
    });
    let output = home.token();
    assert_eq!(output.code(), 4, "{}", output.stderr);
    assert!(output.stderr.contains("hint: update keyfob"), "{}", output.stderr);
    assert_eq!(home.issuer.refreshes(), 0);
    assert!(!home.sandbox.files_with("elsewhere.example").is_empty());
    let output = home.sandbox.keyfob(&["logout", "acme"]).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert!(output.stderr.contains("a newer keyfob"), "{}", output.stderr);
    assert_eq!(home.issuer.seen(Endpoint::Revoke).len(), 0);
}
