//! Whom a login speaks for where the provider has no whoami: the ID token's word, and every lie that it may tell.
//!
//! OpenID Connect Core 1.0, section 3.1.3.7.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::issuer::{Issuer, Script};
use crate::sandbox::{Output, Sandbox, oauth_part};

/// A home with a provider that names its issuer and has no whoami, and an issuer that sends these claims.
fn set(claims: &Value) -> (Sandbox, Issuer) {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    let text = oauth_part(&issuer.url());
    let (before, after) = text.split_once("[whoami]").unwrap();
    let (_, after) = after.split_once("[env]").unwrap();
    let text = format!("{before}[env]{after}").replace("[oauth]", "[oauth]\nissuer = \"https://id.example\"");
    sandbox.write_provider("acme", &text);
    send(&issuer, &token(claims));
    (sandbox, issuer)
}

fn send(issuer: &Issuer, token: &str) {
    let token = token.to_owned();
    issuer.script(|script| {
        script.mutate = Some(Arc::new(move |reply: &mut Value| reply["id_token"] = json!(token)));
    });
}

fn token(claims: &Value) -> String {
    let part = |text: &str| data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
    format!("{}.{}.canary", part("{\"alg\":\"RS256\"}"), part(&claims.to_string()))
}

fn good() -> Value {
    json!({
        "iss": "https://id.example", "aud": "acme-cli", "exp": 4_000_000_000_i64, "sub": "248289761001",
        "email": "ann@acme.example", "email_verified": true,
    })
}

fn login(sandbox: &Sandbox, profile: &str) -> Output {
    sandbox.keyfob(&["login", profile, "--no-browser"]).run()
}

#[test]
fn the_id_token_names_the_account() {
    let (sandbox, issuer) = set(&good());
    let output = login(&sandbox, "acme").expect_success();
    assert!(
        output.stderr.contains("Logged in to Acme as `ann@acme.example`"),
        "{}",
        output.stderr
    );
    for profile in ["acme:ann@acme.example", "acme:248289761001"] {
        login(&sandbox, profile).expect_success();
        let token = sandbox.keyfob(&["token", profile]).run().expect_success();
        assert!(issuer.valid_access(token.text().trim_end()), "{profile}");
    }
    let kept = sandbox.files_with(&token(&good()));
    assert!(kept.is_empty(), "the ID token is kept: {kept:?}");
}

#[test]
fn tokens_with_the_id_token_of_somebody_else_are_given_back() {
    for (name, value) in [
        ("iss", json!("https://evil.example")),
        ("aud", json!("other")),
        ("aud", json!(["acme-cli", "other"])),
        ("azp", json!("other")),
    ] {
        let mut claims = good();
        claims[name] = value.clone();
        let (sandbox, issuer) = set(&claims);
        let output = login(&sandbox, "acme").expect_code(5);
        assert!(
            output.stderr.contains("the ID token that the issuer sent"),
            "{}",
            output.stderr
        );
        assert!(sandbox.files_with("canary").is_empty(), "{name} {value}");
        assert!(issuer.live_family().is_none(), "{name} {value}");
    }
}

#[test]
fn tokens_of_another_account_than_the_id_token_names_are_given_back() {
    let (sandbox, issuer) = set(&good());
    let output = login(&sandbox, "acme:bob").expect_code(5);
    assert!(
        output.stderr.contains("speaks for `ann@acme.example`"),
        "{}",
        output.stderr
    );
    assert!(sandbox.files_with("canary").is_empty() && issuer.live_family().is_none());
}

#[test]
fn a_session_is_kept_without_a_name_where_the_id_token_says_nothing() {
    let mut ended = good();
    ended["exp"] = json!(1_000_000_000);
    for (text, why) in [
        (token(&ended), "is the clock of this machine right?"),
        ("a.b.c.d.canary".into(), "is encrypted or no token"),
        ("canary".into(), "is encrypted or no token"),
        (".".repeat(60_000), "is encrypted or no token"),
        ("a.canary.c".into(), "is damaged"),
    ] {
        let (sandbox, issuer) = set(&good());
        send(&issuer, &text);
        let output = login(&sandbox, "acme").expect_success();
        assert!(output.stderr.contains(why), "{}", output.stderr);
        assert!(output.stderr.contains("kept without a name"), "{}", output.stderr);
        assert!(issuer.valid_access(&sandbox.token()));
    }
}

#[test]
fn what_an_id_token_shows_commands_no_terminal() {
    let mut claims = good();
    claims["email"] = json!("ann\u{1b}]0;x\u{7}\u{202e}@acme.example");
    let (sandbox, _issuer) = set(&claims);
    let output = login(&sandbox, "acme").expect_success();
    let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!output.stderr.contains(bad), "{:?}", output.stderr);
}

#[test]
fn where_the_provider_has_a_whoami_the_id_token_is_not_asked() {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    sandbox.provider(&issuer);
    send(
        &issuer,
        &token(&json!({ "iss": "https://evil.example", "aud": "other" })),
    );
    let output = login(&sandbox, "acme").expect_success();
    assert!(
        output.stderr.contains("Logged in to Acme as `ann`"),
        "{}",
        output.stderr
    );
}
