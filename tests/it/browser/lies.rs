//! What comes instead of the answer, beside it and after it.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::{Login, Page, connect, follow, get, is_closed, read, send, set, split};
use crate::http_server::Reply;
use crate::issuer::{Endpoint, Issuer, Script};
use crate::sandbox::Sandbox;

#[test]
fn what_is_not_the_answer_is_refused_and_the_login_goes_on() {
    let (sandbox, issuer) = set("");
    let login = Login::of(&sandbox);
    let (redirect, state) = (login.redirect_uri(), login.field("state").unwrap());
    let (host, path) = split(&redirect);
    let (host, good) = (host.to_owned(), format!("state={state}"));
    let port = host.rsplit(':').next().unwrap();
    let line = |first: &str, headers: &str| read(send(&host, format!("{first} HTTP/1.1\r\n{headers}\r\n").as_bytes()));
    let ours = format!("Host: {host}\r\n");
    for (target, status) in [
        ("/".to_owned(), 404),
        ("/favicon.ico".into(), 404),
        (format!("{path}/?code=x&{good}"), 404),
        (format!("/callback?code=x&{good}"), 404),
        (path.into(), 400),
        (format!("{path}?code=x"), 400),
        (format!("{path}?code=x&state="), 400),
        (format!("{path}?code=x&state={}", "A".repeat(43)), 400),
        (format!("{path}?code=x&{good}&{good}"), 400),
        (format!("{path}?error=access_denied"), 400),
        (format!("{path}?error=access_denied&state=x"), 400),
        (format!("{path}?code=x&code=y&{good}"), 400),
        (format!("{path}?code=x&error=access_denied&{good}"), 400),
        (format!("{path}?code=x%0d%0aHost:%20evil&{good}"), 400),
        (format!("{path}?{good}"), 400),
        (format!("http://{host}{path}?code=x&{good}"), 404),
        (format!("/{}", "a".repeat(1024 * 1024)), 431),
    ] {
        let page = line(&format!("GET {target}"), &ours);
        assert_eq!(page.status, status, "{}", &target[..target.len().min(200)]);
        assert!(page.body.contains("may close this page"), "{}", page.body);
    }
    let target = format!("{path}?code=x&{good}");
    for (method, headers, status) in [
        ("POST", format!("{ours}Content-Length: 0\r\n"), 405),
        ("HEAD", ours.clone(), 405),
        ("GET", String::new(), 400),
        ("GET", format!("Host: evil.example:{port}\r\n"), 400),
        ("GET", format!("Host: localhost:{port}\r\n"), 400),
        ("GET", "Host: 127.0.0.1\r\n".into(), 400),
        ("GET", format!("{ours}Origin: https://evil.example\r\n"), 400),
    ] {
        let page = line(&format!("{method} {target}"), &headers);
        assert_eq!(page.status, status, "{method} {headers}");
    }
    for junk in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"\r\n\r\n\0\xff\n\n",
        b"SSH-2.0-x\r\n",
    ] {
        drop(send(&host, junk));
    }
    assert!(
        issuer.seen(Endpoint::Token).is_empty(),
        "a code of somebody else was redeemed"
    );
    login.finish().1.expect_success();
    assert_eq!(issuer.seen(Endpoint::Token).len(), 1);
}

#[test]
fn a_login_completes_among_idle_and_slow_connections() {
    let (sandbox, _issuer) = set("");
    let login = Login::of(&sandbox);
    let redirect = login.redirect_uri();
    let host = split(&redirect).0.to_owned();
    let mut idle: Vec<TcpStream> = (0..200).map(|_| connect(&host)).collect();
    for stream in idle.iter_mut().rev().take(20) {
        let _ = stream.write_all(b"GET /");
    }
    for _ in 0..100 {
        assert_eq!(get(&format!("http://{host}/favicon.ico")).status, 404);
    }
    let (page, output) = login.finish();
    assert_eq!(page.status, 200);
    output.expect_success();
}

#[test]
fn an_answer_must_name_its_issuer_as_promised() {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    let more = format!("issuer = \"{}\"\nredirect_issuer = true", issuer.url());
    super::provider(&sandbox, &issuer, &more);
    let login = Login::of(&sandbox);
    let state = login.field("state").unwrap();
    let redirect = login.redirect_uri();
    for answer in [
        format!("code=x&state={state}"),
        format!("code=x&state={state}&iss=https://evil.example"),
        format!("code=x&state={state}&iss={}/", issuer.url()),
        format!("error=access_denied&state={state}"),
    ] {
        assert_eq!(get(&format!("{redirect}?{answer}")).status, 400, "{answer}");
    }
    issuer.script(|script| script.named = Some(issuer.url()));
    let (_, output) = login.finish();
    let output = output.expect_success();
    assert!(output.stderr.contains("does not name the issuer"), "{}", output.stderr);
    assert_eq!(issuer.seen(Endpoint::Token).len(), 1);
}

#[test]
fn an_issuer_that_names_another_is_refused_although_it_promised_nothing() {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    super::provider(&sandbox, &issuer, &format!("issuer = \"{}\"", issuer.url()));
    let login = Login::of(&sandbox);
    issuer.script(|script| script.named = Some("https://evil.example".into()));
    assert_eq!(get(&login.approve()).status, 400);
    issuer.script(|script| script.named = None);
    login.finish().1.expect_success();
}

#[test]
fn a_refusal_in_the_browser_ends_the_login_and_says_why_without_what_a_terminal_acts_on() {
    for (code, exit) in [
        ("access_denied", 2),
        ("server_error", 3),
        ("temporarily_unavailable", 3),
        ("invalid_scope", 64),
        ("unauthorized_client", 64),
        ("invalid_request", 1),
        ("login_required", 2),
        ("something_else", 1),
    ] {
        let (sandbox, issuer) = set("");
        let login = Login::of(&sandbox);
        let (redirect, state) = (login.redirect_uri(), login.field("state").unwrap());
        let says = "error_description=%1b]0;t%07no%1b[31m+<b>way</b>%e2%80%ae%0d%0a";
        let page = follow(&format!("{redirect}?error={code}&{says}&state={state}"));
        let output = login.running.wait().expect_code(exit);
        assert!(page.body.contains("Not logged in to Acme"), "{}", page.body);
        assert!(
            page.body.contains("no &lt;b&gt;way&lt;/b&gt;") && !page.body.contains('\u{1b}'),
            "{}",
            page.body
        );
        assert!(
            output
                .stderr
                .contains(&format!("(`{code}`): the issuer says “no <b>way</b>”")),
            "{}",
            output.stderr
        );
        assert!(
            !output.stderr.contains('\u{1b}') && !output.stderr.contains('\u{202e}'),
            "{}",
            output.stderr
        );
        assert!(output.stderr.contains("keyfob: hint: "), "{}", output.stderr);
        assert!(issuer.seen(Endpoint::Token).is_empty() && is_closed(&redirect));
    }
}

#[test]
fn a_code_is_redeemed_once_whatever_the_token_endpoint_does() {
    let html = Reply::text(200, "text/html", "<h1>hotel</h1>");
    for (reply, exit, says) in [
        (html, 3, "spent"),
        (
            Reply::text(503, "text/html", "<h1>busy</h1>").with("Retry-After", "1"),
            3,
            "spent",
        ),
        (Reply::Drop, 3, "spent"),
        (Reply::redirect(302, "http://127.0.0.1:9/token"), 3, "spent"),
        (Reply::error(400, "invalid_grant"), 2, "again"),
        (Reply::error(401, "invalid_client"), 64, "oauth.client_id"),
    ] {
        let (sandbox, issuer) = set("");
        issuer.inject(Endpoint::Token, 9, &reply);
        let (page, output) = Login::of(&sandbox).finish();
        let output = output.expect_code(exit);
        assert!(output.stderr.contains(says), "{reply:?}: {}", output.stderr);
        assert!(page.body.contains("Not logged in"), "{reply:?}: {}", page.body);
        assert_eq!(issuer.seen(Endpoint::Token).len(), 1, "{reply:?}");
        assert!(sandbox.files_with("canary").is_empty(), "{reply:?}");
    }
}

#[test]
fn the_answer_is_good_once_and_a_second_time_the_page_says_that_it_is_over() {
    let (sandbox, issuer) = set("");
    let login = Login::of(&sandbox);
    let back = login.approve();
    let first = get(&back);
    assert_eq!(first.status, 303);
    let second = get(&back);
    assert_eq!(second.status, 410);
    assert!(second.body.contains("This login is over"), "{}", second.body);
    let last = format!("http://{}{}", split(&back).0, first.header("location").unwrap());
    assert_eq!(get(&last).status, 200);
    login.running.wait().expect_success();
    assert_eq!(issuer.seen(Endpoint::Token).len(), 1);
}

#[test]
fn a_browser_that_never_comes_to_the_last_page_holds_nobody_up() {
    let (sandbox, _issuer) = set("");
    let login = Login::of(&sandbox);
    let back = login.approve();
    assert_eq!(get(&back).status, 303);
    login.running.wait().expect_success();
    assert!(is_closed(&back));
}

/// Lets the issuer send an ID token with this nonce.
fn with_id_token(issuer: &Issuer, nonce: Option<String>) {
    let url = issuer.url();
    issuer.script(|script| {
        script.mutate = Some(Arc::new(move |answer| {
            let end = SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap()
                .as_secs()
                + 600;
            let claims = json!({"iss": url, "sub": "ann", "aud": "acme-cli", "exp": end, "nonce": nonce});
            let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
            answer["id_token"] = format!("{}.{}.canary", part(&json!({"alg": "RS256"})), part(&claims)).into();
        }));
    });
}

#[test]
fn an_id_token_of_another_login_is_refused_and_its_tokens_are_given_back() {
    let scopes = ["login", "acme", "--no-browser", "--scope", "openid"];
    for right in [true, false] {
        let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
        super::provider(&sandbox, &issuer, &format!("issuer = \"{}\"", issuer.url()));
        let login = Login::start(sandbox.keyfob(&scopes));
        let nonce = login.field("nonce").filter(|_| right);
        with_id_token(&issuer, nonce);
        let (page, output) = login.finish();
        output.expect_code(if right { 0 } else { 5 });
        assert_eq!(page.body.contains("Not logged in"), !right, "{}", page.body);
        assert_eq!(issuer.live_family().is_some(), right);
    }
}

#[test]
fn tokens_that_cannot_be_kept_are_told_to_the_browser_too() {
    let (sandbox, issuer) = set("");
    let (page, output): (Page, _) = Login::start(sandbox.keyfob(&["login", "acme:somebody", "--no-browser"])).finish();
    output.expect_code(5);
    assert!(
        page.body.contains("Not logged in") && page.body.contains("somebody"),
        "{}",
        page.body
    );
    assert!(issuer.live_family().is_none());
}

#[test]
#[cfg(unix)]
fn an_interrupt_ends_it_by_the_signal_with_the_port_closed_and_nothing_kept() {
    use std::os::unix::process::ExitStatusExt;
    let (sandbox, issuer) = set("");
    let login = Login::of(&sandbox);
    let redirect = login.redirect_uri();
    assert!(!is_closed(&redirect));
    let id = rustix::process::Pid::from_raw(login.running.id().cast_signed()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let output = login.running.wait();
    assert_eq!(output.status.signal(), Some(2), "{}", output.stderr);
    assert!(is_closed(&redirect));
    std::thread::sleep(Duration::from_millis(50));
    assert!(issuer.seen(Endpoint::Token).is_empty() && sandbox.files_with("canary").is_empty());
}
