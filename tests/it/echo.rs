//! What a server repeats of what was sent to it is shown to nobody: the real program against servers that repeat it.

use serde_json::json;

use crate::http_server::Reply;
use crate::issuer::{Endpoint, Script};
use crate::mfa;
use crate::otp;
use crate::renewal::{expired, kept, token};
use crate::service::CODE;

#[test]
fn an_issuer_that_repeats_the_refresh_token_is_not_quoted() {
    let (sandbox, issuer) = expired(Script::default());
    let refresh = issuer.live_family().unwrap().refresh;
    let part = &refresh[..refresh.len() - 2];
    for (body, says) in [
        (
            json!({"error": "invalid_request", "error_description": "no way"}),
            "“no way”",
        ),
        (
            json!({"error": "invalid_request", "error_description": format!("your {refresh} is bad")}),
            "`invalid_request`\n",
        ),
        (
            json!({"error": "invalid_request", "error_description": format!("it begins with {part}")}),
            "`invalid_request`\n",
        ),
        (json!({"error": refresh}), "repeats what was sent"),
    ] {
        issuer.inject(Endpoint::Token, 1, &Reply::json(400, &body));
        let output = token(&sandbox);
        assert_ne!(output.code(), 0, "{body}");
        assert!(!output.stderr.contains(part), "{body}");
        assert!(output.stderr.contains(says), "{body}: {}", output.stderr);
        kept(&sandbox, &issuer, &body.to_string());
    }
}

#[test]
fn a_service_that_repeats_a_password_or_the_bearer_is_not_quoted() {
    let (sandbox, service) = mfa::set("");
    let bearer = sandbox.token();
    for words in ["new canary pass is weak", bearer.as_str()] {
        service.inject(
            "/password",
            &Reply::json(400, &json!({"message": words, "title": "Weak"})),
        );
        let given = sandbox.keyfob(&["password", "set", "acme"]);
        let output = given.stdin("old canary pass\nnew canary pass\n").run().expect_code(5);
        assert!(
            !output.stderr.contains(&bearer) && output.stderr.contains("“Weak”"),
            "{}",
            output.stderr
        );
    }
}

#[test]
fn a_service_that_repeats_a_code_is_not_quoted() {
    let (sandbox, service) = otp::set("");
    let says = json!({"message": format!("{CODE} is old")});
    service.inject("/exchange", 1, &Reply::json(400, &says));
    let args = ["login", "acme", "--email", "ann@acme.example", "--code", CODE];
    let output = sandbox.keyfob(&args).run().expect_code(2);
    assert!(output.stderr.contains("does not take the code\n"), "{}", output.stderr);
}

#[test]
fn a_token_is_nobodys_name() {
    let (sandbox, issuer) = expired(Script::default());
    issuer.inject(
        Endpoint::Userinfo,
        1,
        &Reply::json(200, &json!({"sub": "acme_canary_key", "email": "acme_canary_key"})),
    );
    let given = sandbox.keyfob(&["set-token", "acme"]).stdin("acme_canary_key").run();
    assert_ne!(given.code(), 0);
    assert!(given.stderr.contains("repeats the credential"), "{}", given.stderr);
}
