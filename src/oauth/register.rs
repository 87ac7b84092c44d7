//! Dynamic client registration: RFC 7591, and asking whether a client is still known, RFC 7592.
//!
//! The client is a native, public one (RFC 8252, section 8.4): it has no secret unless the issuer insists on one.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Refusal;
use super::metadata;
use super::refusal::granted;
use crate::secret::Secret;

/// What the client will do.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// The redirects of the code flow; none for a flow without one.
    pub redirects: &'a [String],
    /// Whether it asks for device codes.
    pub device: bool,
    /// What it may ask for.
    pub scopes: &'a [String],
    /// Whether its tokens are to be bound to a key (RFC 9449, section 5.2).
    pub dpop: bool,
}

/// A client that the issuer made.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    /// RFC 6749, section 2.2.
    pub id: String,
    /// Given although none was asked for.
    pub secret: Option<Secret>,
    /// When the secret ends, in seconds since 1970; absent: never.
    pub secret_ends: Option<i64>,
    /// Where the client can be looked at, and with which token (RFC 7592, section 3).
    pub manage: Option<(String, Secret)>,
    /// Whether the issuer wants every token request proved (RFC 9449, section 5.2).
    pub dpop: bool,
}

#[derive(Deserialize)]
struct Wire {
    client_id: Option<String>,
    client_secret: Option<Secret>,
    client_secret_expires_at: Option<Value>,
    registration_client_uri: Option<String>,
    registration_access_token: Option<Secret>,
    dpop_bound_access_tokens: Option<bool>,
}

/// The JSON that asks for a client (RFC 7591, section 3.1).
pub fn request(wish: &Wish) -> Vec<u8> {
    let mut grants = vec!["refresh_token"];
    if !wish.redirects.is_empty() {
        grants.push("authorization_code");
    }
    if wish.device {
        grants.push("urn:ietf:params:oauth:grant-type:device_code");
    }
    let responses: &[&str] = if wish.redirects.is_empty() { &[] } else { &["code"] };
    let mut body = json!({
        "client_name": "keyfob",
        "application_type": "native",
        "token_endpoint_auth_method": "none",
        "grant_types": grants,
        "response_types": responses,
        "redirect_uris": wish.redirects,
    });
    if !wish.scopes.is_empty() {
        body["scope"] = wish.scopes.join(" ").into();
    }
    if wish.dpop {
        body["dpop_bound_access_tokens"] = true.into();
    }
    body.to_string().into_bytes()
}

/// Reads the answer (RFC 7591, section 3.2). `near`: the issuer is on the loopback interface.
///
/// # Errors
/// [`Refusal`].
pub fn read(status: u16, content_type: &str, body: &[u8], near: bool) -> Result<Registered, Refusal> {
    let wire: Wire = granted(status, content_type, body, &[200, 201])?;
    let id = wire.client_id.filter(|id| is_name(id));
    let secret = wire.client_secret.filter(|secret| !secret.is_empty());
    if secret.as_ref().is_some_and(|secret| !secret.is_token()) {
        return Err("its answer has a client secret that no form can carry".into());
    }
    let manage = wire.registration_client_uri.zip(wire.registration_access_token);
    Ok(Registered {
        id: id.ok_or("its answer has no client id")?,
        secret,
        secret_ends: wire
            .client_secret_expires_at
            .and_then(|end| end.as_i64())
            .filter(|end| *end > 0),
        manage: manage.filter(|(url, token)| metadata::is_endpoint(url, near) && token.is_token()),
        dpop: wire.dpop_bound_access_tokens == Some(true),
    })
}

/// Whether the answer to a look at the client says that it is gone (RFC 7592, section 2.1).
pub fn is_gone(status: u16) -> bool {
    matches!(status, 401 | 403 | 404 | 410)
}

/// Visible ASCII of a length that fits a form and a line.
fn is_name(text: &str) -> bool {
    (1..=512).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Result<Registered, Refusal> {
        read(201, "application/json", body.as_bytes(), false)
    }

    #[test]
    fn a_public_native_client_is_asked_for() {
        let redirects = ["http://127.0.0.1/abc".to_string()];
        let wish = Wish {
            redirects: &redirects,
            device: false,
            scopes: &["openid".into(), "email".into()],
            dpop: true,
        };
        let sent: Value = serde_json::from_slice(&request(&wish)).unwrap();
        assert_eq!(sent["token_endpoint_auth_method"], "none");
        assert_eq!(sent["application_type"], "native");
        assert_eq!(sent["redirect_uris"], json!(redirects));
        assert_eq!(sent["grant_types"], json!(["refresh_token", "authorization_code"]));
        assert_eq!(
            (&sent["scope"], &sent["dpop_bound_access_tokens"]),
            (&json!("openid email"), &json!(true))
        );
        let device = Wish {
            redirects: &[],
            device: true,
            scopes: &[],
            dpop: false,
        };
        let sent: Value = serde_json::from_slice(&request(&device)).unwrap();
        assert_eq!(
            (&sent["redirect_uris"], &sent["response_types"]),
            (&json!([]), &json!([]))
        );
        assert!(sent.get("scope").is_none() && sent.get("dpop_bound_access_tokens").is_none());
    }

    #[test]
    fn a_secret_ends_when_the_issuer_says_so_and_zero_is_never() {
        let ends = |end: &str| {
            let body = format!(r#"{{"client_id":"c","client_secret":"canary","client_secret_expires_at":{end}}}"#);
            answer(&body).unwrap().secret_ends
        };
        assert_eq!(
            (ends("0"), ends("-1"), ends("null"), ends("1900000000")),
            (None, None, None, Some(1_900_000_000))
        );
    }

    #[test]
    fn a_client_is_looked_at_only_where_a_request_may_go() {
        let manage = |url: &str| {
            let body = format!(
                r#"{{"client_id":"c","registration_client_uri":"{url}","registration_access_token":"canary"}}"#
            );
            answer(&body).unwrap().manage.is_some()
        };
        assert!(manage("https://id.acme.example/reg/c"));
        assert!(!manage("http://id.acme.example/reg/c") && !manage("https://127.0.0.1/c"));
    }

    #[test]
    fn a_refusal_has_a_code_and_all_else_cannot_be_used() {
        let refused = read(
            400,
            "application/json",
            br#"{"error":"invalid_redirect_uri","error_description":"no loopback"}"#,
            false,
        );
        assert_eq!(
            refused,
            Err(Refusal::Code {
                code: "invalid_redirect_uri".into(),
                description: Some("no loopback".into())
            })
        );
        for (status, kind, body) in [
            (201, "text/html", r#"{"client_id":"c"}"#),
            (201, "application/json", "<html>"),
            (201, "application/json", "{}"),
            (201, "application/json", r#"{"client_id":""}"#),
            (201, "application/json", r#"{"client_id":"a b"}"#),
            (201, "application/json", r#"{"client_id":"c","client_secret":"a\nb"}"#),
            (401, "application/json", r#"{"client_id":"c"}"#),
            (400, "application/json", r#"{"error":7}"#),
        ] {
            let read = read(status, kind, body.as_bytes(), false);
            assert!(matches!(read, Err(Refusal::Unusable(_))), "{status} {kind} {body}");
        }
    }
}
