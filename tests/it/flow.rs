//! Logging in and out, end to end: the real program against the scripted issuer.
//!
//! Renewals are in `renewal.rs`, what can go wrong on the way to the issuer in `network.rs`.
//! RFC 8628 section 3, RFC 7009 section 2.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http_server::Reply;
use crate::issuer::{DeviceEnd, DeviceScript, Endpoint, Issuer, Script};
use crate::sandbox::{Output, Sandbox};

/// A home with the provider file, and the issuer.
fn set(device: DeviceScript) -> (Sandbox, Issuer) {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    issuer.script(|script| script.device = device);
    sandbox.provider(&issuer);
    (sandbox, issuer)
}

fn login(sandbox: &Sandbox) -> Output {
    let run = sandbox.keyfob(&["login", "acme", "--no-browser"]);
    run.deadline(Duration::from_secs(90)).run()
}

/// The times from one request to the next, the code's own first.
fn pauses(issuer: &Issuer) -> Vec<Duration> {
    let requests = [issuer.seen(Endpoint::Device), issuer.seen(Endpoint::Token)].concat();
    requests.windows(2).map(|two| two[1].at - two[0].at).collect()
}

/// Refuses a pause shorter than this; a clock may be read a moment before the request is sent.
fn paused(pauses: &[Duration], seconds: &[u64]) {
    assert_eq!(pauses.len(), seconds.len(), "{pauses:?}");
    for (pause, least) in pauses.iter().zip(seconds) {
        assert!(
            *pause + Duration::from_millis(20) >= Duration::from_secs(*least),
            "{pauses:?}"
        );
    }
}

#[test]
fn a_device_login_shows_page_and_code_and_keeps_the_session() {
    let (sandbox, issuer) = set(DeviceScript {
        pendings: 1,
        user_code: Some("WDJB-MJHT".into()),
        verification_uri: Some("https://acme.example/activate".into()),
        verification_uri_complete: Some("https://acme.example/activate?code=WDJB-MJHT".into()),
        ..DeviceScript::default()
    });
    let output = login(&sandbox).expect_success();
    assert!(output.stderr.contains("WDJB-MJHT"), "{}", output.stderr);
    let shown: Vec<&str> = output.stderr.split_whitespace().collect();
    let plain = shown
        .iter()
        .any(|word| word.trim_end_matches(['.', ',']) == "https://acme.example/activate");
    assert!(plain, "the plain page is always shown: {}", output.stderr);
    let device = issuer.seen(Endpoint::Device);
    assert_eq!(device[0].field("client_id").as_deref(), Some("acme-cli"));
    assert_eq!(device[0].field("scope").as_deref(), Some("repo"));
    paused(&pauses(&issuer), &[1, 1]);
    assert!(issuer.valid_access(&sandbox.token()));
    assert!(
        sandbox.files_with("acme_dc_canary").is_empty(),
        "the device code is not kept"
    );
    assert_eq!(issuer.violations(), [""; 0]);
}

#[test]
fn a_pending_code_is_polled_no_faster_than_its_interval() {
    let rows: [(Option<Value>, u64); 4] = [
        (None, 5),
        (Some(json!(-1)), 5),
        (Some(json!(2)), 2),
        (Some(json!(0)), 0),
    ];
    std::thread::scope(|scope| {
        for (interval, least) in rows {
            scope.spawn(move || {
                let (sandbox, issuer) = set(DeviceScript {
                    interval,
                    pendings: 1,
                    ..DeviceScript::default()
                });
                login(&sandbox).expect_success();
                paused(&pauses(&issuer), &[least, least]);
            });
        }
    });
}

#[test]
fn a_slow_down_adds_five_seconds_to_every_later_pause() {
    let (sandbox, issuer) = set(DeviceScript {
        slow_downs: 1,
        pendings: 1,
        ..DeviceScript::default()
    });
    login(&sandbox).expect_success();
    paused(&pauses(&issuer), &[1, 6, 6]);
}

#[test]
fn a_connection_that_breaks_between_two_polls_only_slows_them() {
    let (sandbox, issuer) = set(DeviceScript {
        drops: 1,
        ..DeviceScript::default()
    });
    login(&sandbox).expect_success();
    paused(&pauses(&issuer), &[1, 2]);
}

#[test]
fn a_refused_code_ends_the_polling_at_once() {
    for code in ["access_denied", "expired_token", "invalid_grant", "something_else"] {
        let end = DeviceEnd::Error(code.into());
        let (sandbox, issuer) = set(DeviceScript {
            end,
            ..DeviceScript::default()
        });
        let output = login(&sandbox);
        assert_ne!(output.code(), 0, "{code}");
        assert!(output.stdout.is_empty());
        assert_eq!(
            (issuer.seen(Endpoint::Device).len(), issuer.seen(Endpoint::Token).len()),
            (1, 1),
            "{code}"
        );
        sandbox.keyfob(&["token", "acme"]).run().expect_code(2);
    }
}

#[test]
fn polling_ends_when_the_code_does_and_no_new_one_is_asked_for() {
    for interval in [json!(1), json!(1_000_000_000)] {
        let (sandbox, issuer) = set(DeviceScript {
            interval: Some(interval),
            expires_in: json!(2),
            end: DeviceEnd::ByPerson,
            ..DeviceScript::default()
        });
        let begun = Instant::now();
        assert_ne!(login(&sandbox).code(), 0);
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        assert_eq!(issuer.seen(Endpoint::Device).len(), 1);
        assert!(issuer.seen(Endpoint::Token).len() <= 2);
    }
}

#[test]
fn nothing_that_an_issuer_says_commands_the_terminal() {
    let (sandbox, _issuer) = set(DeviceScript {
        user_code: Some("AB\u{1b}]52;c;ZXZpbA==\u{7}CD\r\u{202e}EF\u{9b}2J".into()),
        verification_uri: Some("https://acme.example/activate".into()),
        verification_uri_complete: Some("https://acme.example/\u{1b}[2J".into()),
        ..DeviceScript::default()
    });
    let output = login(&sandbox);
    let bad = output
        .stderr
        .chars()
        .find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
    assert_eq!(bad, None, "{:?}", output.stderr);
}

#[test]
fn a_login_whose_tokens_cannot_be_used_keeps_nothing() {
    for token in [
        json!(null),
        json!(42),
        json!(""),
        json!("acme canary"),
        json!("acme_canary\n"),
    ] {
        let (sandbox, issuer) = set(DeviceScript::default());
        issuer.script(|script| {
            script.mutate = Some(std::sync::Arc::new(move |reply| reply["access_token"] = token.clone()));
        });
        assert_ne!(login(&sandbox).code(), 0);
        assert!(sandbox.files_with("acme_rt_canary").is_empty());
        sandbox.keyfob(&["token", "acme"]).run().expect_code(2);
    }
}

#[test]
fn whoami_asks_the_issuer_and_ends_with_2_without_a_session() {
    let (sandbox, issuer) = set(DeviceScript::default());
    sandbox.keyfob(&["whoami", "acme"]).run().expect_code(2);
    sandbox.login(&issuer);
    let before = issuer.seen(Endpoint::Userinfo).len();
    let output = sandbox.keyfob(&["whoami", "acme"]).run().expect_success();
    assert!(output.text().contains("ann"), "{}", output.text());
    assert_eq!(issuer.seen(Endpoint::Userinfo).len(), before + 1);
}

#[test]
fn a_logout_revokes_the_refresh_token_and_leaves_no_token() {
    let (sandbox, issuer) = set(DeviceScript::default());
    sandbox.login(&issuer);
    let refresh = issuer.live_family().unwrap().refresh;
    sandbox.keyfob(&["logout", "acme"]).run().expect_success();
    let revocation = &issuer.seen(Endpoint::Revoke)[0];
    assert_eq!(revocation.field("token"), Some(refresh));
    assert_eq!(revocation.field("token_type_hint").as_deref(), Some("refresh_token"));
    assert!(issuer.live_family().is_none());
    assert!(sandbox.files_with("canary").is_empty());
    sandbox.keyfob(&["token", "acme"]).run().expect_code(2);
    assert_eq!(issuer.refreshes(), 0);
    assert_eq!(issuer.violations(), [""; 0]);
}

#[test]
fn a_local_logout_sends_nothing() {
    let (sandbox, issuer) = set(DeviceScript::default());
    sandbox.login(&issuer);
    sandbox.keyfob(&["logout", "acme", "--local"]).run().expect_success();
    assert!(issuer.seen(Endpoint::Revoke).is_empty());
    assert!(sandbox.files_with("canary").is_empty());
}

#[test]
fn a_logout_that_the_issuer_did_not_confirm_says_so_and_still_forgets() {
    for reply in [
        Reply::error(503, "temporarily_unavailable").with("Retry-After", "5"),
        Reply::text(404, "text/html", "<h1>Not Found</h1>"),
        Reply::redirect(302, "https://elsewhere.example/"),
        Reply::Drop,
    ] {
        let (sandbox, issuer) = set(DeviceScript::default());
        sandbox.login(&issuer);
        issuer.inject(Endpoint::Revoke, 9, &reply);
        let output = sandbox.keyfob(&["logout", "acme"]).run().expect_success();
        assert!(output.stderr.contains("may still honour the token"), "{reply:?}");
        assert!(sandbox.files_with("canary").is_empty(), "{reply:?}");
    }
}

#[test]
fn a_logout_tells_the_issuer_of_the_access_token_although_the_refresh_token_failed() {
    let (sandbox, issuer) = set(DeviceScript::default());
    sandbox.login(&issuer);
    issuer.inject(Endpoint::Revoke, 1, &Reply::error(503, "temporarily_unavailable"));
    let output = sandbox.keyfob(&["logout", "acme"]).run().expect_success();
    assert!(
        output.stderr.contains("may still honour the token"),
        "{}",
        output.stderr
    );
    let hints: Vec<Option<String>> = issuer
        .seen(Endpoint::Revoke)
        .iter()
        .map(|seen| seen.field("token_type_hint"))
        .collect();
    assert_eq!(hints, ["refresh_token", "access_token"].map(|hint| Some(hint.into())));
    assert!(issuer.live_family().is_none());
}

#[test]
fn a_logout_of_everything_forgets_all_before_it_tells_anybody() {
    let (sandbox, issuer) = set(DeviceScript::default());
    sandbox.login(&issuer);
    issuer.script(|script| script.subject = "bob".into());
    sandbox.login(&issuer);
    issuer.inject(Endpoint::Revoke, 1, &Reply::Silence(Vec::new()));
    let mut logout = sandbox.keyfob(&["logout", "--all"]).spawn();
    while issuer.seen(Endpoint::Revoke).is_empty() && logout.is_running() {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(sandbox.files_with("canary").is_empty());
    let output = logout.wait().expect_success();
    assert_eq!(
        output.stderr.matches("Logged out of `acme:").count(),
        2,
        "{}",
        output.stderr
    );
    assert_eq!(issuer.families().iter().filter(|family| family.live).count(), 0);
}

#[test]
fn a_logout_without_a_network_forgets_and_says_so() {
    let (sandbox, issuer) = set(DeviceScript::default());
    sandbox.login(&issuer);
    drop(issuer);
    let output = sandbox.keyfob(&["logout", "acme"]).run().expect_success();
    assert!(output.stderr.contains("may still honour the token"));
    assert!(sandbox.files_with("canary").is_empty());
    sandbox.keyfob(&["token", "acme"]).run().expect_code(2);
}

#[test]
fn a_logout_forgets_before_it_asks_an_issuer_that_never_answers() {
    let (sandbox, issuer) = set(DeviceScript::default());
    sandbox.login(&issuer);
    issuer.inject(Endpoint::Revoke, 9, &Reply::Silence(Vec::new()));
    let mut logout = sandbox.keyfob(&["logout", "acme"]).spawn();
    while issuer.seen(Endpoint::Revoke).is_empty() && logout.is_running() {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(
        logout.is_running(),
        "the issuer was not asked: {}",
        logout.stderr_so_far()
    );
    assert!(sandbox.files_with("canary").is_empty());
    logout.wait().expect_success();
}
