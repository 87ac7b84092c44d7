//! The reply of a token endpoint: RFC 6749, sections 5.1 and 5.2.
//!
//! Real servers spell lifetimes as numbers, floats and texts, and some answer an error with status 200; everything that
//! could break a header or a line is refused.

use serde::Deserialize;
use serde_json::Value;

use crate::record;
use crate::secret::{Secret, Sent};

/// The lifetime taken for a token whose reply names none, or none that can be read, and that can be refreshed.
/// Ten minutes is short enough that a token which in truth ends in an hour is only refreshed more often than needed.
pub const ASSUMED_LIFE_SECS: i64 = 600;

/// The longest lifetime that is believed: 400 days.
const MAX_LIFE_SECS: i64 = 400 * 86_400;

/// The longest list of scopes that is noted, in bytes; a longer one would take the room of the tokens in the record.
const MAX_SCOPES: usize = 64 * 1024;

/// What a token endpoint gave.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenSet {
    /// The access token, `1*VSCHAR`.
    pub access: Secret,
    /// The refresh token; absent when the one that was sent stays good (RFC 6749, section 6).
    pub refresh: Option<Secret>,
    /// Seconds to live, from 1 to 400 days; absent when the reply names none.
    pub expires_in_secs: Option<i64>,
    /// The granted scopes, sorted, where the reply names them.
    pub scopes: Option<Vec<String>>,
    /// The ID token (OpenID Connect Core, section 3.1.3.3), `1*VSCHAR`; `id_token.rs` reads its claims.
    pub id_token: Option<Secret>,
}

impl TokenSet {
    /// The same with the ID token only where it is to be kept.
    #[must_use]
    pub fn with_id_token(mut self, kept: bool) -> TokenSet {
        self.id_token = self.id_token.filter(|_| kept);
        self
    }

    /// An access token of which nothing else is known.
    pub fn bare(access: Secret) -> TokenSet {
        TokenSet {
            access,
            refresh: None,
            expires_in_secs: None,
            scopes: None,
            id_token: None,
        }
    }
}

/// What an answer means for whoever asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Tokens.
    Granted(TokenSet),
    /// A definite answer of the issuer, by its RFC 6749 code (or RFC 8628, section 3.5).
    Error {
        /// The code: printable ASCII of at most 64 bytes.
        code: String,
        /// Text for a person, not yet fit for a terminal.
        description: Option<String>,
        /// RFC 8628 allows none, but some servers say their new interval here.
        interval_secs: Option<u64>,
    },
    /// Not an answer of an issuer, or one that cannot be used. The text says why, with no value.
    Unusable(String),
}

impl Reply {
    /// The same without the words that repeat what was sent. A code that does is none.
    #[must_use]
    pub fn without(self, sent: &Sent) -> Reply {
        match self {
            Reply::Error { code, .. } if !sent.is_code(&code) => {
                Reply::Unusable("an error whose code repeats what was sent".into())
            }
            Reply::Error {
                code,
                description,
                interval_secs,
            } => Reply::Error {
                code,
                description: sent.words(description),
                interval_secs,
            },
            other => other,
        }
    }
}

#[derive(Deserialize)]
struct Wire {
    access_token: Option<Value>,
    token_type: Option<Value>,
    refresh_token: Option<Value>,
    expires_in: Option<Value>,
    scope: Option<Value>,
    id_token: Option<Value>,
    error: Option<Value>,
    error_description: Option<Value>,
    interval: Option<Value>,
}

/// Reads the reply to a token request: bearer tokens alone.
pub fn read(status: u16, content_type: &str, body: &[u8]) -> Reply {
    read_as("bearer", status, content_type, body)
}

/// Reads the reply to a token request with a proof of possession (RFC 9449, section 5): tokens that are bound to its key
/// alone, so that nobody takes the binding away on the road.
pub fn read_bound(status: u16, content_type: &str, body: &[u8]) -> Reply {
    read_as("DPoP", status, content_type, body)
}

fn read_as(kind: &'static str, status: u16, content_type: &str, body: &[u8]) -> Reply {
    if !is_json(content_type) {
        return Reply::Unusable(format!("status {status} and something other than JSON"));
    }
    let wire: Wire = match serde_json::from_slice(body) {
        Ok(wire) => wire,
        Err(error) => {
            return Reply::Unusable(format!(
                "status {status} and JSON that cannot be used: {}",
                record::place(&error)
            ));
        }
    };
    if let Some(error) = wire.error {
        let code = error
            .as_str()
            .filter(|code| (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_graphic()));
        return match code {
            Some(code) => Reply::Error {
                code: code.into(),
                description: wire.error_description.and_then(|text| text.as_str().map(Into::into)),
                interval_secs: wire.interval.and_then(|number| number.as_u64()),
            },
            None => Reply::Unusable(format!("status {status} and an error without a code")),
        };
    }
    if status != 200 {
        return Reply::Unusable(format!("status {status} without an error code"));
    }
    granted(wire, kind).unwrap_or_else(Reply::Unusable)
}

fn granted(wire: Wire, kind: &str) -> Result<Reply, String> {
    let text = |value: Option<Value>| match value {
        Some(Value::String(text)) => Some(Secret::new(text)),
        _ => None,
    };
    let access = text(wire.access_token)
        .filter(Secret::is_token)
        .ok_or("an access token that no header can carry, or none")?;
    match &wire.token_type {
        Some(Value::String(found)) if found.eq_ignore_ascii_case(kind) => (),
        Some(_) => return Err(format!("a token type other than `{kind}`")),
        None => return Err("no token type".into()),
    }
    let refresh = match text(wire.refresh_token).filter(|token| !token.is_empty()) {
        Some(token) if !token.is_token() => return Err("a refresh token that no form can carry".into()),
        Some(token) if token == access => return Err("a refresh token equal to the access token".into()),
        token => token,
    };
    let scopes = wire.scope.as_ref().and_then(Value::as_str);
    let scopes = scopes.filter(|scopes| scopes.len() <= MAX_SCOPES).map(|scopes| {
        let mut scopes: Vec<String> = scopes
            .split([' ', ','])
            .filter(|s| !s.is_empty())
            .map(Into::into)
            .collect();
        scopes.sort();
        scopes.dedup();
        scopes
    });
    Ok(Reply::Granted(TokenSet {
        access,
        refresh,
        expires_in_secs: wire.expires_in.as_ref().and_then(life),
        scopes,
        id_token: text(wire.id_token).filter(Secret::is_token),
    }))
}

/// A number of seconds: an integer, or a float without a fraction.
pub fn seconds(value: &Value) -> Option<i64> {
    let Value::Number(number) = value else { return None };
    number.as_i64().or_else(|| {
        let whole = number
            .as_f64()
            .filter(|seconds| seconds.is_finite() && seconds.fract() == 0.0);
        #[expect(clippy::cast_possible_truncation, reason = "beyond the range it becomes its end")]
        whole.map(|seconds| seconds as i64)
    })
}

/// A lifetime in seconds: an integer, an integral float, or a text of digits; beyond the bounds it is clamped.
pub fn life(value: &Value) -> Option<i64> {
    let seconds = match value {
        Value::Number(number) => match number.as_i64() {
            Some(seconds) => seconds,
            None => number
                .as_f64()
                .filter(|seconds| seconds.is_finite() && seconds.fract() == 0.0)?
                .clamp(-1.0, 1e10) as i64,
        },
        Value::String(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
            text.parse().unwrap_or(MAX_LIFE_SECS)
        }
        _ => return None,
    };
    (seconds >= 0).then(|| seconds.clamp(1, MAX_LIFE_SECS))
}

/// `application/json`, `text/json` and `…+json`, with parameters.
pub fn is_json(content_type: &str) -> bool {
    let kind = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    kind == "application/json" || kind == "text/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(body: &str) -> Option<TokenSet> {
        match read(200, "application/json;charset=UTF-8", body.as_bytes()) {
            Reply::Granted(tokens) => Some(tokens),
            _ => None,
        }
    }

    #[test]
    fn a_token_must_be_visible_ascii() {
        for bad in [
            "null",
            "42",
            "\"\"",
            r#""a\nb""#,
            r#""a b""#,
            r#""a\r""#,
            r#""a\u0000""#,
            "\"🔑\"",
            "[]",
        ] {
            assert_eq!(
                granted(&format!(r#"{{"access_token":{bad},"token_type":"bearer"}}"#)),
                None,
                "{bad}"
            );
        }
        let long = |len| format!(r#"{{"access_token":"{}","token_type":"bearer"}}"#, "a".repeat(len));
        assert!(granted(&long(64 * 1024)).is_some() && granted(&long(64 * 1024 + 1)).is_none());
        assert_eq!(granted("{}"), None);
    }

    #[test]
    fn only_bearer_tokens_are_taken() {
        for (kind, good) in [
            ("\"bearer\"", true),
            ("\"BEARER\"", true),
            ("\"mac\"", false),
            ("\"DPoP\"", false),
            ("1", false),
        ] {
            assert_eq!(
                granted(&format!(r#"{{"access_token":"a","token_type":{kind}}}"#)).is_some(),
                good,
                "{kind}"
            );
        }
        assert_eq!(granted(r#"{"access_token":"a"}"#), None);
    }

    #[test]
    fn only_bound_tokens_are_taken_for_a_proof() {
        for (kind, good) in [("DPoP", true), ("dpop", true), ("bearer", false), ("mac", false)] {
            let body = format!(r#"{{"access_token":"a","token_type":"{kind}"}}"#);
            let reply = read_bound(200, "application/json", body.as_bytes());
            assert_eq!(matches!(reply, Reply::Granted(_)), good, "{kind}");
        }
    }

    #[test]
    fn a_missing_or_empty_refresh_token_means_keep_the_old_one() {
        for absent in ["", r#","refresh_token":null"#, r#","refresh_token":"""#] {
            let tokens = granted(&format!(r#"{{"access_token":"a","token_type":"bearer"{absent}}}"#)).unwrap();
            assert_eq!(tokens.refresh, None, "{absent}");
        }
        assert_eq!(
            granted(r#"{"access_token":"a","token_type":"bearer","refresh_token":"a"}"#),
            None
        );
    }

    #[test]
    fn lifetimes_are_read_as_servers_spell_them() {
        let cases = [
            ("3600", Some(3600)),
            ("\"3600\"", Some(3600)),
            ("3600.0", Some(3600)),
            ("0", Some(1)),
            ("1e300", Some(400 * 86_400)),
            ("99999999999999999999", Some(400 * 86_400)),
            ("\"99999999999999999999\"", Some(400 * 86_400)),
            ("-1", None),
            ("3600.5", None),
            ("\"1h\"", None),
            ("\"\"", None),
            ("null", None),
            ("{}", None),
        ];
        for (text, seconds) in cases {
            let tokens = granted(&format!(
                r#"{{"access_token":"a","token_type":"bearer","expires_in":{text}}}"#
            ));
            assert_eq!(tokens.unwrap().expires_in_secs, seconds, "{text}");
        }
    }

    #[test]
    fn a_list_of_scopes_takes_no_more_room_than_the_tokens() {
        let scopes = |len| {
            let body = format!(
                r#"{{"access_token":"a","token_type":"bearer","scope":"{}"}}"#,
                "s".repeat(len)
            );
            granted(&body).unwrap().scopes
        };
        assert!(scopes(64 * 1024).is_some() && scopes(64 * 1024 + 1).is_none());
    }

    #[test]
    fn an_error_is_an_error_at_any_status() {
        for status in [200, 400, 401, 403] {
            let reply = read(
                status,
                "application/json",
                br#"{"error":"invalid_grant","access_token":"a"}"#,
            );
            assert!(
                matches!(reply, Reply::Error { ref code, .. } if code == "invalid_grant"),
                "{status}"
            );
        }
    }

    #[test]
    fn what_is_no_answer_of_an_issuer_is_never_believed() {
        for (status, kind, body) in [
            (200, "text/html", r#"{"access_token":"a","token_type":"bearer"}"#),
            (200, "application/json", "<html>"),
            (200, "", "{}"),
            (404, "application/json", r#"{"message":"not found"}"#),
            (400, "application/json", r#"{"error":""}"#),
            (400, "application/json", r#"{"error":{"a":1}}"#),
            (302, "application/json", r#"{"access_token":"a","token_type":"bearer"}"#),
        ] {
            assert!(
                matches!(read(status, kind, body.as_bytes()), Reply::Unusable(_)),
                "{status} {kind} {body}"
            );
        }
    }
}
