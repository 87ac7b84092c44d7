//! The device grant's errors and lies, one by one: what ends a login, with which code and words, and what does not.
//!
//! The pace of polling is in `flow.rs`, what is seen on a terminal in `screen.rs`. RFC 8628, sections 3.2 and 3.5.

use std::time::Duration;

use serde_json::{Value, json};

use crate::http_server::Reply;
use crate::issuer::{DeviceEnd, DeviceScript, Endpoint, Issuer, Script};
use crate::sandbox::{Output, Sandbox};

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

fn says(output: &Output, code: i32, part: &str, row: &dyn std::fmt::Debug) {
    assert_eq!(output.code(), code, "{row:?}: {}", output.stderr);
    assert!(output.stderr.contains(part), "{row:?}: {}", output.stderr);
    assert!(output.stderr.contains("keyfob: hint: "), "{row:?}: {}", output.stderr);
    assert!(output.stdout.is_empty(), "{row:?}");
}

/// Each error code of a poll, with the exit code and a part of the message.
const ERRORS: &[(&str, i32, &str)] = &[
    ("access_denied", 2, "the login was refused on the issuer's page"),
    ("expired_token", 2, "the code has expired before it was approved"),
    ("invalid_grant", 2, "does not know the code any more"),
    ("something_else", 2, "the issuer refused (`something_else`"),
    ("server_error", 3, "trouble of its own"),
    ("temporarily_unavailable", 3, "trouble of its own"),
    ("invalid_client", 64, "does not let this client id"),
    ("unauthorized_client", 64, "does not let this client id"),
    ("invalid_scope", 64, "does not know the scopes"),
    ("unsupported_grant_type", 64, "no device grant at this endpoint"),
];

#[test]
fn every_error_of_a_poll_ends_the_login_with_its_code_and_the_next_step() {
    std::thread::scope(|scope| {
        for row in ERRORS {
            scope.spawn(move || {
                let (code, exit, part) = *row;
                let (sandbox, issuer) = set(DeviceScript {
                    end: DeviceEnd::Error(code.into()),
                    ..DeviceScript::default()
                });
                says(&login(&sandbox), exit, part, row);
                let asked = (issuer.seen(Endpoint::Device).len(), issuer.seen(Endpoint::Token).len());
                assert_eq!(asked, (1, 1), "{row:?}");
            });
        }
    });
}

#[test]
fn every_error_instead_of_a_code_ends_the_login_without_a_poll() {
    for row in ERRORS.iter().filter(|(code, ..)| *code != "expired_token") {
        let (code, exit, part) = *row;
        let (sandbox, issuer) = set(DeviceScript::default());
        let body = json!({ "error": code, "error_description": "sorry\u{1b}[31m" });
        issuer.inject(Endpoint::Device, 1, &Reply::json(400, &body));
        let output = login(&sandbox);
        says(&output, exit, part, row);
        assert!(output.stderr.contains("it says “sorry”"), "{row:?}: {}", output.stderr);
        assert!(issuer.seen(Endpoint::Token).is_empty(), "{row:?}");
    }
}

#[test]
fn an_answer_that_is_no_code_ends_the_login_and_is_not_shown() {
    let good = json!({
        "device_code": "canary", "user_code": "AB-CD", "verification_uri": "https://acme.example/d", "expires_in": 600,
    });
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        Reply::json(200, &body)
    };
    for (reply, exit) in [
        (Reply::text(200, "text/html", "<h1>canary</h1>"), 1),
        (Reply::text(200, "application/json", "{\"user_code\":\"canary"), 1),
        (Reply::redirect(302, "https://elsewhere.example/canary"), 1),
        (Reply::json(404, &json!({ "message": "canary" })), 1),
        (Reply::error(429, "slow_down"), 3),
        (Reply::text(503, "text/html", "canary"), 3),
        (Reply::Drop, 3),
        (with("device_code", json!(null)), 1),
        (with("device_code", json!("canary canary")), 1),
        (with("user_code", json!(" ")), 1),
        (with("user_code", json!(7)), 1),
        (with("verification_uri", json!(null)), 1),
        (with("verification_uri", json!("http://acme.example/canary")), 1),
        (with("verification_uri", json!("javascript:canary")), 1),
        (with("verification_uri", json!("https://acme.example@evil.example/")), 1),
    ] {
        let (sandbox, issuer) = set(DeviceScript::default());
        issuer.inject(Endpoint::Device, 1, &reply);
        let output = login(&sandbox);
        assert_eq!(output.code(), exit, "{reply:?}: {}", output.stderr);
        assert!(issuer.seen(Endpoint::Token).is_empty(), "{reply:?}");
    }
}

#[test]
fn what_is_no_answer_of_the_issuer_only_slows_the_polling() {
    let rows = [
        Reply::text(200, "text/html", "<h1>hotel</h1>"),
        Reply::redirect(302, "https://hotel.example/"),
        Reply::text(500, "text/html", "oops"),
        Reply::text(511, "text/html", "log in to the hotel"),
        Reply::text(429, "text/plain", "slowly").with("Retry-After", "3"),
        Reply::json(404, &json!({ "message": "not found" })),
    ];
    std::thread::scope(|scope| {
        for reply in &rows {
            scope.spawn(move || {
                let (sandbox, issuer) = set(DeviceScript::default());
                issuer.inject(Endpoint::Token, 1, reply);
                let output = login(&sandbox).expect_success();
                assert!(
                    output.stderr.contains("keyfob: warning: what answers is no issuer"),
                    "{reply:?}: {}",
                    output.stderr
                );
                let polls = issuer.seen(Endpoint::Token);
                assert_eq!(polls.len(), 2, "{reply:?}");
                let least = if matches!(reply, Reply::Whole { status: 429, .. }) {
                    3
                } else {
                    2
                };
                let pause = polls[1].at - polls[0].at + Duration::from_millis(20);
                assert!(pause >= Duration::from_secs(least), "{reply:?}: {pause:?}");
            });
        }
    });
}

#[test]
fn tokens_that_cannot_be_used_end_the_login_and_the_message_says_why() {
    let (sandbox, issuer) = set(DeviceScript::default());
    issuer.script(|script| {
        script.mutate = Some(std::sync::Arc::new(|reply: &mut Value| {
            reply["access_token"] = json!("a canary")
        }));
    });
    let output = login(&sandbox);
    says(&output, 1, "an access token that no header can carry", &"spaces");
    assert_eq!(issuer.seen(Endpoint::Token).len(), 1, "the code is spent");
}

#[test]
fn a_page_with_the_code_of_another_host_is_not_opened() {
    let (mut sandbox, issuer) = set(DeviceScript {
        verification_uri: Some("https://acme.example/activate".into()),
        verification_uri_complete: Some("https://evil.example/activate?code=1".into()),
        ..DeviceScript::default()
    });
    let opened = browser(&mut sandbox);
    sandbox.keyfob(&["login", "acme"]).run().expect_success();
    assert_eq!(opened(1), ["https://acme.example/activate"]);
    drop(issuer);
}

#[test]
fn no_browser_is_opened_where_nobody_is_there_or_wants_one() {
    for (args, variable) in [
        (&["login", "acme"][..], Some("CI")),
        (&["login", "acme"], Some("KEYFOB_NO_INPUT")),
        (&["login", "acme", "--no-browser"], None),
    ] {
        let (mut sandbox, issuer) = set(DeviceScript::default());
        let opened = browser(&mut sandbox);
        if let Some(name) = variable {
            sandbox.set(name, "1");
        }
        let output = sandbox.keyfob(args).run().expect_success();
        assert!(output.stderr.contains("/activate"), "{args:?}: {}", output.stderr);
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(opened(0), [""; 0], "{args:?} {variable:?}");
        drop(issuer);
    }
}

#[test]
fn without_a_terminal_the_lines_are_whole_and_have_no_escapes() {
    let (mut sandbox, _issuer) = set(DeviceScript {
        user_code: Some("WDJB-MJHT".into()),
        verification_uri: Some("https://acme.example/activate".into()),
        verification_uri_complete: Some("https://acme.example/activate?code=WDJB-MJHT".into()),
        pendings: 1,
        ..DeviceScript::default()
    });
    sandbox.set("TERM", "xterm-256color");
    sandbox.set("LC_ALL", "C.UTF-8");
    let output = login(&sandbox).expect_success();
    for line in [
        "    https://acme.example/activate\n",
        "    WDJB-MJHT\n",
        "Waiting for the approval, 10 min at most.\n",
    ] {
        assert!(output.stderr.contains(line), "{}", output.stderr);
    }
    let control = |c: char| c.is_control() && c != '\n';
    assert!(!output.stderr.contains(control), "{:?}", output.stderr);
}

/// A browser that notes its page; what it was opened with, once it was so many times.
pub(crate) fn browser(sandbox: &mut Sandbox) -> impl Fn(usize) -> Vec<String> + use<> {
    use std::os::unix::fs::PermissionsExt;
    let log = sandbox.path().join("opened");
    let script = format!("#!/bin/sh\necho \"$1\" >> '{}'\n", log.display());
    let program = sandbox.write("bin/xdg-open", &script);
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let bin = program.parent().unwrap().display().to_string();
    sandbox.set("PATH", format!("{bin}:{path}"));
    sandbox.set("DISPLAY", ":0");
    move |count| {
        let lines = || -> Vec<String> {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        };
        // The program may still be on its way.
        for _ in 0..500 {
            if lines().len() >= count {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        lines()
    }
}
