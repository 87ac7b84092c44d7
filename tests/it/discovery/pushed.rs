//! Logins in a browser at an issuer that describes itself: pushed requests, clients with a redirect, bound codes.
//!
//! RFC 9126, RFC 7591, RFC 8252 section 7.3, RFC 8707, RFC 9207, RFC 9449 section 10.

use serde_json::{Value, json};

use super::bound::read_proof;
use super::{Front, login, set};
use crate::browser::{Login, follow, get};
use crate::http_server::{Reply, form};
use crate::issuer::{Endpoint, Issuer};
use crate::sandbox::{Output, Sandbox};

const REFERENCE: &str = "urn:acme:request:1";

/// A home for logins in a browser, with these lines of `[oauth]`, at an issuer that has more than usual.
fn open(lines: &str, more: &[(&str, Value)]) -> (Sandbox, Front, Issuer) {
    let (sandbox, front, issuer) = set();
    let mut document = front.document(&issuer);
    for (member, value) in more {
        let here = value.as_str().and_then(|text| text.strip_prefix("FRONT"));
        document[member] = here.map_or_else(|| value.clone(), |path| json!(format!("{}{path}", front.url())));
    }
    front.answer(&document);
    let reply = json!({ "request_uri": REFERENCE, "expires_in": 60 });
    front.page("/par", Reply::json(201, &reply));
    let text = super::provider(&front.url(), lines).replace("\"device\"", "\"browser\"");
    sandbox.write_provider("acme", &text);
    (sandbox, front, issuer)
}

fn par() -> (&'static str, Value) {
    ("pushed_authorization_request_endpoint", json!("FRONT/par"))
}

const CLIENT: &str = "client_id = \"acme-cli\"\n";

/// What was pushed last.
fn pushed(front: &Front) -> Vec<(String, String)> {
    let seen = front.seen();
    let last = seen.iter().rev().find(|request| request.path == "/par");
    form(&last.expect("something was pushed").body)
}

fn field(fields: &[(String, String)], name: &str) -> Option<String> {
    let found = fields.iter().find(|(field, _)| field == name);
    found.map(|(_, value)| value.clone())
}

/// Approves what was pushed, as an issuer does that looks it up.
fn approve(front: &Front, issuer: &Issuer, waiting: Login) -> Output {
    let seen = front.seen();
    let body = &seen.iter().rev().find(|request| request.path == "/par").unwrap().body;
    let page = get(&format!("{}/authorize?{}", issuer.url(), String::from_utf8_lossy(body)));
    assert_eq!(page.status, 303, "{}", page.body);
    follow(&page.header("location").unwrap());
    waiting.running.wait()
}

#[test]
fn the_browser_carries_a_reference_and_nothing_else() {
    let lines = format!("{CLIENT}resource = [\"https://api.acme.example\"]");
    let (sandbox, front, issuer) = open(&lines, &[par(), ("require_pushed_authorization_requests", json!(true))]);
    let waiting = Login::of(&sandbox);
    let (_, query) = waiting.url.split_once('?').unwrap();
    let carried = form(query.as_bytes());
    assert_eq!(carried.len(), 2, "{carried:?}");
    assert_eq!(waiting.field("client_id").as_deref(), Some("acme-cli"));
    assert_eq!(waiting.field("request_uri").as_deref(), Some(REFERENCE));
    let sent = pushed(&front);
    for (name, value) in [
        ("client_id", "acme-cli"),
        ("response_type", "code"),
        ("code_challenge_method", "S256"),
        ("resource", "https://api.acme.example"),
    ] {
        assert_eq!(field(&sent, name).as_deref(), Some(value), "{name}");
    }
    assert!(field(&sent, "state").is_some() && field(&sent, "redirect_uri").is_some());
    approve(&front, &issuer, waiting).expect_success();
    let redeemed = &issuer.seen(Endpoint::Token)[0];
    assert_eq!(redeemed.field("resource").as_deref(), Some("https://api.acme.example"));
    assert!(issuer.valid_access(&sandbox.token()));
}

#[test]
fn a_request_is_left_to_the_browser_where_the_file_says_so() {
    let (sandbox, front, issuer) = open(&format!("{CLIENT}par = false"), &[par()]);
    Login::of(&sandbox).finish().1.expect_success();
    assert!(front.seen().iter().all(|request| request.path != "/par"));
    assert!(issuer.valid_access(&sandbox.token()));
}

#[test]
fn an_issuer_that_requires_what_the_file_forbids_is_named() {
    let must = [par(), ("require_pushed_authorization_requests", json!(true))];
    let (sandbox, _front, issuer) = open(&format!("{CLIENT}par = false"), &must);
    let output = login(&sandbox, &[]).expect_code(64);
    assert!(output.stderr.contains("take `oauth.par` out"), "{}", output.stderr);
    assert!(issuer.seen(Endpoint::Authorize).is_empty());
}

#[test]
fn a_request_that_is_refused_opens_no_page() {
    for (reply, code, part) in [
        (Reply::error(400, "invalid_request"), 1, "`invalid_request`"),
        (Reply::error(401, "invalid_client"), 1, "`invalid_client`"),
        (Reply::text(200, "text/html", "<h1>Log in</h1>"), 1, "other than JSON"),
        (Reply::json(201, &json!({})), 1, "`request_uri`"),
        (Reply::json(201, &json!({"request_uri": "a b"})), 1, "`request_uri`"),
        (Reply::json(404, &json!({"request_uri": REFERENCE})), 1, "status 404"),
        (Reply::redirect(303, "https://elsewhere.example"), 1, "other than JSON"),
        (Reply::error(503, "temporarily_unavailable"), 3, "status 503"),
        (Reply::Drop, 3, "closed the connection"),
    ] {
        let (sandbox, front, _issuer) = open(CLIENT, &[par()]);
        front.page("/par", reply);
        let output = login(&sandbox, &[]);
        assert_eq!(output.code(), code, "{part}: {}", output.stderr);
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
        assert!(!output.stderr.contains("/authorize"), "{part}: {}", output.stderr);
    }
}

#[test]
fn a_client_is_made_with_the_redirect_that_its_logins_have() {
    let (sandbox, front, issuer) = open("", &[("registration_endpoint", json!("FRONT/register"))]);
    let mut paths = Vec::new();
    for _ in 0..2 {
        let waiting = Login::of(&sandbox);
        assert_eq!(waiting.field("client_id").as_deref(), Some(front.clients()[0].as_str()));
        let redirect = waiting.field("redirect_uri").unwrap();
        let (_, path) = redirect
            .strip_prefix("http://127.0.0.1:")
            .unwrap()
            .split_once('/')
            .unwrap();
        paths.push(format!("/{path}"));
        waiting.finish().1.expect_success();
    }
    let made = front.registrations();
    assert_eq!(made.len(), 1);
    assert_eq!(
        made[0]["redirect_uris"],
        json!([format!("http://127.0.0.1{}", paths[0])])
    );
    assert_eq!(paths[0], paths[1]);
    assert!(paths[0].len() > 20, "{paths:?}");
    assert!(issuer.valid_access(&sandbox.token()));
    // Another path for the same client would be refused by the issuer, so the file's own is registered.
    let text = super::provider(&front.url(), "redirect_path = \"/callback\"").replace("\"device\"", "\"browser\"");
    sandbox.write_provider("other", &text);
    let waiting = Login::start(sandbox.keyfob(&["login", "other", "--no-browser"]));
    assert!(waiting.field("redirect_uri").unwrap().ends_with("/callback"));
    waiting.finish().1.expect_success();
    let redirects = front.registrations()[1]["redirect_uris"].clone();
    assert_eq!(redirects, json!(["http://127.0.0.1/callback"]));
}

#[test]
fn an_issuer_that_promises_its_name_is_believed_only_with_it() {
    let promise = ("authorization_response_iss_parameter_supported", json!(true));
    let (sandbox, front, issuer) = open(CLIENT, &[promise]);
    let waiting = Login::of(&sandbox);
    for other in [
        None,
        Some("https://elsewhere.example".to_string()),
        Some(format!("{}/", front.url())),
    ] {
        issuer.script(|script| script.named = other);
        let back = get(&waiting.url).header("location").unwrap();
        assert_eq!(get(&back).status, 400);
    }
    assert!(issuer.seen(Endpoint::Token).is_empty());
    issuer.script(|script| script.named = Some(front.url()));
    waiting.finish().1.expect_success();
    assert!(issuer.valid_access(&sandbox.token()));
}

#[test]
fn a_code_is_bound_to_the_key_of_the_session() {
    let proofs = ("dpop_signing_alg_values_supported", json!(["ES256"]));
    let (sandbox, front, issuer) = open(&format!("{CLIENT}dpop = true"), &[par(), proofs]);
    let bound = std::sync::Arc::new(|reply: &mut Value| reply["token_type"] = json!("DPoP"));
    issuer.script(|script| script.mutate = Some(bound));
    let waiting = Login::of(&sandbox);
    let digest = field(&pushed(&front), "dpop_jkt").unwrap();
    approve(&front, &issuer, waiting).expect_success();
    let seen = front.seen();
    let asked = seen.iter().find(|request| request.path == "/par").unwrap();
    let redeemed = &issuer.seen(Endpoint::Token)[0].request;
    for request in [asked, redeemed] {
        let proof = read_proof(request.header("dpop").unwrap());
        assert_eq!(proof.key, digest);
        assert_eq!(proof.claims["htm"], "POST");
    }
}
