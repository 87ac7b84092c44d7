//! Refreshing a session at a service that has its own way: one refresh, and nothing is lost on doubt.

use std::time::Duration;

use serde_json::json;

use crate::http_server::Reply;
use crate::sandbox::Sandbox;
use crate::service::{ACCESS, CODE, REFRESH, RENEWED, Service};

/// A home with a session of the provider `acme` that has ended, and the service. `more` is in `[refresh]`.
fn set(more: &str) -> (Sandbox, Service) {
    let (sandbox, service) = (Sandbox::new(), Service::start());
    let url = service.url();
    sandbox.write_provider(
        "acme",
        &format!(
            "format = 1\n[login]\nflow = \"email-otp\"\n\
             [otp.send]\nurl = \"{url}/send\"\n[otp.exchange]\nurl = \"{url}/exchange\"\n\
             [refresh]\n{more}\n[refresh.exchange]\nurl = \"{url}/refresh\"\n\
             [[target]]\nurl = \"https://acme.example\"\nscheme = \"bearer\"\n"
        ),
    );
    service.grants(json!({"access_token": ACCESS, "refresh_token": REFRESH, "expires_in": 1}));
    let args = ["login", "acme", "--email", "ann@acme.example", "--code", CODE];
    let login = sandbox.keyfob(&args).run().expect_success();
    assert!(login.stderr.contains("renewed by itself"), "{}", login.stderr);
    std::thread::sleep(Duration::from_millis(1100));
    (sandbox, service)
}

#[test]
fn twenty_processes_send_one_refresh_token_and_get_one_session() {
    let (sandbox, service) = set("");
    for output in sandbox.tokens_at_once(20) {
        assert_eq!(output.expect_success().text().trim_end(), RENEWED[0]);
    }
    assert_eq!(service.bodies("/refresh"), [json!({ "refresh_token": REFRESH })]);
    assert_eq!(sandbox.files_with(RENEWED[1]).len(), 1);
    assert!(sandbox.files_with(REFRESH).is_empty());
}

#[test]
fn a_rejected_refresh_token_ends_the_session_and_is_not_sent_again() {
    let (sandbox, service) = set("rejected = [418, \"gone\"]\nstate = \"/why\"");
    service.inject("/refresh", 1, &Reply::json(400, &json!({ "why": "gone" })));
    for _ in 0..2 {
        let output = sandbox.keyfob(&["token", "acme"]).run().expect_code(2);
        assert!(output.stderr.contains("run `keyfob login acme"), "{}", output.stderr);
    }
    assert_eq!(service.seen("/refresh").len(), 1);
}

#[test]
fn whatever_else_answers_costs_nothing() {
    let rows = [
        Reply::text(200, "text/html", "<h1>hotel</h1>"),
        Reply::text(401, "text/html", "<h1>hotel</h1>"),
        Reply::text(401, "", ""),
        Reply::redirect(302, "https://elsewhere.example/"),
        Reply::error(403, "forbidden"),
        Reply::error(400, "something_else"),
        Reply::error(503, "busy"),
        Reply::json(429, &json!({})).with("Retry-After", "1"),
        Reply::Drop,
        Reply::json(200, &json!({})),
    ];
    std::thread::scope(|scope| {
        for reply in rows {
            scope.spawn(move || {
                let (sandbox, service) = set("");
                // A lost answer is asked for once more.
                service.inject("/refresh", 2, &reply);
                let output = sandbox.keyfob(&["token", "acme"]).run();
                assert!(matches!(output.code(), 1 | 3), "{reply:?}: {}", output.stderr);
                assert_eq!(sandbox.files_with(REFRESH).len(), 1, "{reply:?}");
            });
        }
    });
}

#[test]
fn a_service_that_gives_no_other_refresh_token_is_asked_with_the_same_one_again() {
    let (sandbox, service) = set("");
    service.inject(
        "/refresh",
        1,
        &Reply::json(200, &json!({"access_token": ACCESS, "expires_in": 1})),
    );
    assert_eq!(sandbox.token(), ACCESS);
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(sandbox.token(), RENEWED[0]);
    assert_eq!(service.bodies("/refresh")[1]["refresh_token"], REFRESH);
}
