//! What can lie between keyfob and an issuer: no network, no answer, somebody else's answer. None of it ends a session.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::http_server::{Reply, Server};
use crate::issuer::{Endpoint, Issuer, Script};
use crate::renewal::{at_once, expired, kept, token};
use crate::sandbox::{Sandbox, oauth_part};

/// The longest that a tool may wait for a renewal that comes to nothing.
const LONGEST: Duration = Duration::from_secs(20);

/// Tokens that the issuer did not make.
fn tokens() -> serde_json::Value {
    json!({ "access_token": "acme_at_canary_injected", "token_type": "Bearer", "expires_in": 3600 })
}

/// The same provider with another token endpoint.
fn move_token_endpoint(sandbox: &Sandbox, issuer: &Issuer, to: &str) {
    let from = format!("{}/token", issuer.url());
    let text = oauth_part(&issuer.url()).replace(&from, to);
    sandbox.write_provider(
        "acme",
        &(text + "\n[[target]]\nurl = \"https://acme.example\"\nscheme = \"basic\"\n"),
    );
}

#[test]
fn an_issuer_that_is_switched_off_ends_nothing() {
    let (sandbox, issuer) = expired(Script::default());
    let refresh = issuer.live_family().unwrap().refresh;
    drop(issuer);
    let begun = Instant::now();
    token(&sandbox).expect_code(3);
    assert!(begun.elapsed() < LONGEST);
    assert!(!sandbox.files_with(&refresh).is_empty());
}

#[test]
fn a_name_that_does_not_resolve_ends_nothing_and_leaves_no_pause() {
    let (sandbox, issuer) = expired(Script::default());
    let endpoint = "https://issuer.invalid/token";
    move_token_endpoint(&sandbox, &issuer, endpoint);
    let begun = Instant::now();
    token(&sandbox).expect_code(3);
    assert!(begun.elapsed() < LONGEST);
    kept(&sandbox, &issuer, endpoint);
    sandbox.provider(&issuer);
    token(&sandbox).expect_success();
}

#[test]
fn a_handshake_that_fails_ends_nothing() {
    let plain = Server::start(|_| Reply::Drop);
    let endpoint = plain.url().replace("http:", "https:") + "/token";
    let (sandbox, issuer) = expired(Script::default());
    move_token_endpoint(&sandbox, &issuer, &endpoint);
    let begun = Instant::now();
    token(&sandbox).expect_code(3);
    assert!(begun.elapsed() < LONGEST);
    kept(&sandbox, &issuer, &endpoint);
}

#[test]
fn an_issuer_that_answers_too_slowly_is_given_up() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n";
    let rows = [
        ("never", Reply::Silence(Vec::new())),
        ("headers then silence", Reply::Silence(head.to_vec())),
        ("a byte a second", Reply::json(200, &tokens()).dripping()),
    ];
    at_once(rows, |(case, reply)| {
        let (sandbox, issuer) = expired(Script::default());
        issuer.inject(Endpoint::Token, 9, &reply);
        let begun = Instant::now();
        token(&sandbox).expect_code(3);
        let took = begun.elapsed();
        assert!(took < LONGEST + Duration::from_millis(500), "{case}: {took:?}");
        kept(&sandbox, &issuer, case);
    });
}

#[test]
fn a_redirect_of_the_token_endpoint_is_not_followed() {
    let hits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&hits);
    let elsewhere = Server::start(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Reply::json(200, &tokens())
    });
    let elsewhere = elsewhere.url();
    at_once([301, 302, 303, 307, 308], |status| {
        for location in [elsewhere.as_str(), "/token", "https://issuer.invalid/"] {
            let (sandbox, issuer) = expired(Script::default());
            issuer.inject(Endpoint::Token, 9, &Reply::redirect(status, location));
            token(&sandbox).expect_code(3);
            assert_eq!(issuer.refreshes(), 1, "{status} {location}");
            kept(&sandbox, &issuer, location);
        }
    });
    assert_eq!(hits.load(Ordering::SeqCst), 0);
}

#[test]
fn the_page_of_a_hotel_network_is_no_answer() {
    let page = "<html>Welcome! Please accept our terms.</html>";
    let rows = [
        Reply::text(200, "text/html", page),
        Reply::redirect(302, "https://portal.example/login"),
        Reply::text(511, "text/html", page),
        Reply::text(200, "text/plain", &tokens().to_string()),
    ];
    at_once(rows, |reply| {
        let (sandbox, issuer) = expired(Script::default());
        issuer.inject(Endpoint::Token, 9, &reply);
        token(&sandbox).expect_code(3);
        let asked = issuer.refreshes();
        token(&sandbox).expect_code(3);
        assert_eq!((asked, issuer.refreshes()), (1, 1), "the next call waits: {reply:?}");
        kept(&sandbox, &issuer, "a portal");
    });
}

#[test]
fn a_server_error_is_tried_once_more_and_then_left_alone() {
    at_once([500, 502, 503, 504], |status| {
        let (sandbox, issuer) = expired(Script::default());
        issuer.inject(Endpoint::Token, 9, &Reply::text(status, "text/html", "<h1>Sorry</h1>"));
        token(&sandbox).expect_code(3);
        token(&sandbox).expect_code(3);
        assert_eq!(issuer.refreshes(), 2, "{status}");
        kept(&sandbox, &issuer, &format!("{status}"));
    });
}

#[test]
fn an_answer_that_is_cut_off_or_no_http_is_asked_for_again() {
    let cut = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n{\"access_token\":\"a";
    for reply in [
        Reply::Bytes(b"garbage\r\n\r\n".to_vec()),
        Reply::Bytes(cut.to_vec()),
        Reply::Drop,
    ] {
        let (sandbox, issuer) = expired(Script::default());
        issuer.inject(Endpoint::Token, 1, &reply);
        let output = token(&sandbox);
        assert_eq!(output.code(), 0, "{reply:?}: {}", output.stderr);
        assert_eq!(issuer.refreshes(), 2);
        kept(&sandbox, &issuer, "cut off");
    }
}

#[test]
fn an_answer_in_chunks_is_read() {
    let (sandbox, issuer) = expired(Script::default());
    issuer.inject(Endpoint::Token, 1, &Reply::chunked(&tokens()));
    assert_eq!(
        token(&sandbox).expect_success().text().trim_end(),
        "acme_at_canary_injected"
    );
}

#[test]
fn an_endless_answer_is_not_read_to_its_end() {
    let (sandbox, issuer) = expired(Script::default());
    let endless = format!("{{\"access_token\":\"{}\"}}", "c".repeat(32 * 1024 * 1024));
    issuer.inject(Endpoint::Token, 9, &Reply::text(200, "application/json", &endless));
    let begun = Instant::now();
    assert_ne!(token(&sandbox).code(), 0);
    assert!(begun.elapsed() < LONGEST);
    kept(&sandbox, &issuer, "an endless answer");
}
