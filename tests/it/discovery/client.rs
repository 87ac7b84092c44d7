//! Clients that are made for this machine, used again, and made again when the issuer has forgotten them.

use serde_json::json;

use super::{Front, login, provider, set};
use crate::http_server::Reply;
use crate::issuer::{Endpoint, Issuer};
use crate::sandbox::Sandbox;

/// As [`set`], without a client in the file and with a registration endpoint.
fn open() -> (Sandbox, Front, Issuer) {
    let (sandbox, front, issuer) = set();
    let mut document = front.document(&issuer);
    document["registration_endpoint"] = json!(format!("{}/register", front.url()));
    front.answer(&document);
    sandbox.write_provider("acme", &provider(&front.url(), ""));
    (sandbox, front, issuer)
}

/// The clients that asked for a code, in order.
fn asked(issuer: &Issuer) -> Vec<String> {
    let seen = issuer.seen(Endpoint::Device);
    seen.iter().filter_map(|seen| seen.field("client_id")).collect()
}

#[test]
fn a_client_is_made_once_and_used_again() {
    let (sandbox, front, issuer) = open();
    sandbox.login_expired(&issuer);
    sandbox.token();
    login(&sandbox, &[]).expect_success();
    let clients = front.clients();
    assert_eq!(clients.len(), 1);
    assert_eq!(asked(&issuer), [clients[0].clone(), clients[0].clone()]);
    for seen in issuer.seen(Endpoint::Token) {
        assert_eq!(seen.field("client_id").as_ref(), Some(&clients[0]));
    }
    let wish = &front.registrations()[0];
    assert_eq!(wish["token_endpoint_auth_method"], "none");
    assert_eq!(wish["application_type"], "native");
    assert_eq!(wish["scope"], "repo");
    assert!(
        sandbox.files_with("canary-registration").len() == 1,
        "it is kept with the session"
    );
}

#[test]
fn a_client_that_the_issuer_forgot_is_made_again() {
    let (sandbox, front, issuer) = open();
    login(&sandbox, &[]).expect_success();
    front.forget_clients();
    login(&sandbox, &[]).expect_success();
    let names = asked(&issuer);
    assert_eq!(names.len(), 2);
    assert_ne!(names[0], names[1]);
    // Also when it says so only at the login.
    issuer.inject(Endpoint::Device, 1, &Reply::error(401, "invalid_client"));
    login(&sandbox, &[]).expect_success();
    let names = asked(&issuer);
    assert_eq!(names.len(), 4);
    assert_eq!(names[1], names[2]);
    assert_ne!(names[2], names[3]);
    assert_eq!(front.registrations().len(), 3);
}

#[test]
fn a_new_client_that_is_refused_is_not_made_again() {
    let (sandbox, front, issuer) = open();
    issuer.inject(Endpoint::Device, 9, &Reply::error(401, "invalid_client"));
    let output = login(&sandbox, &[]).expect_code(64);
    assert!(output.stderr.contains("`invalid_client`"), "{}", output.stderr);
    assert_eq!((front.registrations().len(), asked(&issuer).len()), (1, 1));
}

#[test]
fn a_secret_that_the_issuer_insists_on_is_sent_and_ends() {
    let (sandbox, front, issuer) = open();
    for (ends, same) in [(0, true), (1_000_000_000, false)] {
        front.page(
            "/register",
            Reply::json(
                201,
                &json!({"client_id": format!("c{ends}"), "client_secret": "canary-client", "client_secret_expires_at": ends}),
            ),
        );
        sandbox.keyfob(&["logout", "acme", "--local"]).run().expect_success();
        let before = front.registrations().len();
        login(&sandbox, &[]).expect_success();
        login(&sandbox, &[]).expect_success();
        assert_eq!(front.registrations().len(), before + if same { 1 } else { 2 }, "{ends}");
    }
    for seen in [issuer.seen(Endpoint::Device), issuer.seen(Endpoint::Token)].concat() {
        assert_eq!(seen.field("client_secret").as_deref(), Some("canary-client"));
    }
}

#[test]
fn a_refused_registration_says_how_to_go_on() {
    for (reply, code, part) in [
        (
            Reply::json(
                400,
                &json!({"error": "invalid_client_metadata", "error_description": "no\u{1b}[2J"}),
            ),
            1,
            "`invalid_client_metadata`",
        ),
        (Reply::error(401, "invalid_token"), 1, "`invalid_token`"),
        (
            Reply::text(403, "text/html", "<h1>no</h1>"),
            1,
            "something other than JSON",
        ),
        (Reply::json(201, &json!({})), 1, "no client id"),
        (Reply::json(201, &json!({"client_id": "a\nb"})), 1, "no client id"),
        (Reply::redirect(307, "https://elsewhere.example/"), 1, "status 307"),
        (Reply::error(503, "temporarily_unavailable"), 3, "status 503"),
        (Reply::Drop, 3, "closed the connection"),
    ] {
        let (sandbox, front, issuer) = open();
        front.refuse_clients(Some(reply));
        let output = login(&sandbox, &[]);
        assert_eq!(output.code(), code, "{part}: {}", output.stderr);
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
        assert!(!output.stderr.contains('\u{1b}'));
        assert_eq!(output.stderr.contains("--client-id"), code == 1, "{}", output.stderr);
        assert!(issuer.seen(Endpoint::Device).is_empty());
    }
}

#[test]
fn an_issuer_that_makes_no_clients_needs_one_of_the_person() {
    let (sandbox, front, issuer) = set();
    sandbox.write_provider("acme", &provider(&front.url(), ""));
    let output = login(&sandbox, &[]).expect_code(64);
    assert!(
        output.stderr.contains("keyfob login acme --client-id ID"),
        "{}",
        output.stderr
    );
    login(&sandbox, &["--client-id", "mine"]).expect_success();
    assert_eq!(asked(&issuer), ["mine"]);
}
