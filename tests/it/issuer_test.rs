//! The scripted issuer, tested itself by a client of a few lines: a test that trusts a wrong issuer proves nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http_server::Reply;
use crate::issuer::{Endpoint, Issuer, Outcome, Script};

/// Status and JSON body; nothing if the connection ends without an answer.
fn post(issuer: &Issuer, path: &str, body: &str) -> Option<(u16, Value)> {
    let url = issuer.url();
    let host = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all((head + body).as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

fn login(issuer: &Issuer) -> Value {
    let (_, device) = post(issuer, "/device", "client_id=acme-cli").unwrap();
    let code = device["device_code"].as_str().unwrap();
    let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code";
    let body = format!("client_id=acme-cli&grant_type={grant}&device_code={code}");
    loop {
        let (status, tokens) = post(issuer, "/token", &body).unwrap();
        if status == 200 {
            return tokens;
        }
        assert_eq!(tokens["error"], "authorization_pending");
    }
}

fn refresh(issuer: &Issuer, token: &Value) -> Option<(u16, Value)> {
    let token = token.as_str().unwrap();
    let body = format!("grant_type=refresh_token&client_id=acme-cli&refresh_token={token}");
    post(issuer, "/token", &body)
}

fn outcomes(issuer: &Issuer) -> Vec<Outcome> {
    issuer
        .redemptions()
        .iter()
        .map(|redemption| redemption.outcome)
        .collect()
}

#[test]
fn the_issuer_ends_a_family_whose_spent_token_comes_again() {
    let issuer = Issuer::start(Script::default());
    issuer.script(|script| script.device.pendings = 2);
    let first = login(&issuer);
    assert_eq!(issuer.seen(Endpoint::Token).len(), 3);
    let (status, second) = refresh(&issuer, &first["refresh_token"]).unwrap();
    assert_eq!(status, 200);
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert!(issuer.valid_access(second["access_token"].as_str().unwrap()));
    let (status, refused) = refresh(&issuer, &first["refresh_token"]).unwrap();
    assert_eq!((status, &refused["error"]), (400, &json!("invalid_grant")));
    assert!(issuer.live_family().is_none());
    assert!(!issuer.valid_access(second["access_token"].as_str().unwrap()));
    assert_eq!(outcomes(&issuer), [Outcome::Redeemed, Outcome::Reused]);
}

#[test]
fn the_issuer_repeats_the_same_successor_within_its_grace() {
    let issuer = Issuer::start(Script {
        grace: Duration::from_secs(60),
        ..Script::default()
    });
    issuer.script(|script| script.dropped_answers = 1);
    let first = login(&issuer);
    assert!(refresh(&issuer, &first["refresh_token"]).is_none());
    let (_, again) = refresh(&issuer, &first["refresh_token"]).unwrap();
    assert_eq!(again["refresh_token"], issuer.live_family().unwrap().refresh);
    assert_eq!(outcomes(&issuer), [Outcome::Redeemed, Outcome::Grace]);
}

#[test]
fn the_issuer_revokes_the_family_of_a_token() {
    let issuer = Issuer::start(Script::default());
    let tokens = login(&issuer);
    let body = format!("client_id=acme-cli&token={}", tokens["refresh_token"].as_str().unwrap());
    assert_eq!(post(&issuer, "/revoke", &body).unwrap().0, 200);
    assert!(issuer.live_family().is_none());
    assert_eq!(issuer.revoked().len(), 1);
}

#[test]
fn the_issuer_notes_what_no_client_should_send() {
    let issuer = Issuer::start(Script::default());
    for (path, body) in [
        ("/token", "grant_type=refresh_token"),
        ("/token?client_id=x", "client_id=x&grant_type=y"),
        ("/token", "client_id=x&client_id=x&grant_type=y"),
        ("/elsewhere", ""),
    ] {
        assert_eq!(post(&issuer, path, body).unwrap().0, 400);
    }
    assert_eq!(issuer.violations().len(), 4);
}

#[test]
fn injected_replies_come_first_and_change_nothing() {
    let issuer = Issuer::start(Script::default());
    let tokens = login(&issuer);
    issuer.inject(Endpoint::Token, 1, &Reply::error(503, "temporarily_unavailable"));
    issuer.inject(Endpoint::Token, 1, &Reply::Drop);
    issuer.inject(Endpoint::Token, 1, &Reply::Bytes(b"garbage".to_vec()));
    assert_eq!(refresh(&issuer, &tokens["refresh_token"]).unwrap().0, 503);
    assert!(refresh(&issuer, &tokens["refresh_token"]).is_none());
    assert!(refresh(&issuer, &tokens["refresh_token"]).is_none());
    assert!(issuer.redemptions().is_empty());
    assert_eq!(refresh(&issuer, &tokens["refresh_token"]).unwrap().0, 200);
    assert_eq!((issuer.refreshes(), issuer.violations().len()), (4, 0));
}
