//! The device authorization grant: RFC 8628.

use serde::Deserialize;
use serde_json::Value;

use super::refusal::granted;
use super::token::{Reply, TokenSet};
use super::{Client, Form, Refusal};
use crate::secret::Secret;
use crate::target::Target;

/// The seconds between polls where the issuer names none (RFC 8628, section 3.2).
const INTERVAL_SECS: u64 = 5;

/// The longest wait between polls; an issuer that asks for more than a minute would outlive most codes.
const MAX_INTERVAL_SECS: u64 = 60;

/// The life of a code whose reply names none that can be read; the specification makes it required.
const LIFE_SECS: u64 = 600;

/// The longest that a login waits for a person.
const MAX_LIFE_SECS: u64 = 1800;

/// What a person needs to approve the login, and what the poll needs.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Sent with each poll; never shown.
    pub device_code: Secret,
    /// What the person types, not yet fit for a terminal.
    pub user_code: String,
    /// Where the person types it.
    pub verification_uri: String,
    /// The same with the code in it.
    pub verification_uri_complete: Option<String>,
    /// Seconds until the code ends, from 1 to 1800.
    pub expires_in_secs: u64,
    /// Seconds between polls, from 1 to 60.
    pub interval_secs: u64,
}

#[derive(Deserialize)]
struct Wire {
    device_code: Option<Secret>,
    user_code: Option<String>,
    #[serde(alias = "verification_url")]
    verification_uri: Option<String>,
    #[serde(alias = "verification_url_complete")]
    verification_uri_complete: Option<String>,
    expires_in: Option<Value>,
    interval: Option<Value>,
}

/// The form that asks for a code (RFC 8628, section 3.1).
pub fn start(client: Client, scopes: &[String], audience: Option<&str>, resource: &[String]) -> Form {
    let scope = scopes.join(" ");
    let form = Form::new(client).with_some("scope", Some(scope.as_str()).filter(|scope| !scope.is_empty()));
    let form = form.with_some("audience", audience);
    resource
        .iter()
        .fold(form, |form, resource| form.with("resource", resource))
}

/// Reads the reply with the code (RFC 8628, section 3.2).
///
/// # Errors
/// [`Refusal`].
pub fn read(status: u16, content_type: &str, body: &[u8]) -> Result<Grant, Refusal> {
    let wire: Wire = granted(status, content_type, body, &[200])?;
    let uri = wire.verification_uri.ok_or("its answer has no verification URI")?;
    let complete = wire.verification_uri_complete.and_then(|uri| page(&uri));
    Ok(Grant {
        device_code: wire
            .device_code
            .filter(Secret::is_token)
            .ok_or("its answer has no device code")?,
        user_code: wire
            .user_code
            .filter(|code| !code.trim().is_empty())
            .ok_or("its answer has no user code")?,
        verification_uri: page(&uri).ok_or("its verification URI is not an https URL")?,
        // A person sees the plain one, and must not be sent anywhere else by a picture or a browser.
        verification_uri_complete: complete.filter(|complete| same_origin(complete, &uri)),
        expires_in_secs: number(wire.expires_in).unwrap_or(LIFE_SECS).clamp(1, MAX_LIFE_SECS),
        interval_secs: number(wire.interval)
            .unwrap_or(INTERVAL_SECS)
            .clamp(1, MAX_INTERVAL_SECS),
    })
}

/// A whole number of seconds, also as a text; negative and fractional ones count as absent.
fn number(value: Option<Value>) -> Option<u64> {
    match value? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// The scheme, host and port of a URI.
fn target(uri: &str) -> Option<Target> {
    Target::from_url(uri.split(['?', '#']).next().unwrap_or(uri)).ok()
}

fn same_origin(one: &str, other: &str) -> bool {
    let origin = |uri| target(uri).map(|target| target.origin());
    origin(one).is_some() && origin(one) == origin(other)
}

/// A page that a browser may be sent to: https, or http to a loopback literal, with no byte that a shell could read.
fn page(uri: &str) -> Option<String> {
    let target = target(uri)?;
    let safe = target.scheme() == "https" || (target.scheme() == "http" && target.is_loopback());
    let visible = uri.len() <= 2048
        && uri
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"\\<>\"{}|^`'".contains(&b));
    (safe && visible).then(|| uri.to_owned())
}

/// The form of one poll (RFC 8628, section 3.4; RFC 8707, section 2.2).
pub fn poll(client: Client, device_code: &Secret, resource: &[String]) -> Form {
    let grant = "urn:ietf:params:oauth:grant-type:device_code";
    let form = Form::new(client)
        .with("grant_type", grant)
        .with_secret("device_code", device_code);
    resource
        .iter()
        .fold(form, |form, resource| form.with("resource", resource))
}

/// What to do after one poll.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Wait the interval, then poll.
    Poll,
    /// The person approved.
    Done(TokenSet),
    /// The code ended before that.
    Expired,
    /// The person or the issuer said no; the text is the error code, with the issuer's description.
    Refused(String, Option<String>),
}

/// The pace of polling: RFC 8628, section 3.5.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Seconds to wait at least before each poll.
    pub interval_secs: u64,
    /// Answers that were lost one after the other until now.
    pub lost: u32,
}

impl Pace {
    /// The pace that an issuer asks for.
    pub fn new(interval_secs: u64) -> Pace {
        Pace { interval_secs, lost: 0 }
    }

    /// Seconds to wait before the next poll: twice as long after each answer that was lost, up to a minute.
    pub fn wait_secs(&self) -> u64 {
        let longest = MAX_INTERVAL_SECS.max(self.interval_secs);
        let factor = 1_u64 << self.lost.min(6);
        self.interval_secs.saturating_mul(factor).min(longest)
    }

    /// Takes in the answer to a poll.
    pub fn answered(&mut self, reply: Reply) -> Next {
        let lost = std::mem::take(&mut self.lost);
        match reply {
            Reply::Granted(tokens) => Next::Done(tokens),
            Reply::Error {
                code,
                description,
                interval_secs,
            } => match code.as_str() {
                "authorization_pending" => Next::Poll,
                "slow_down" => {
                    let slower = self.interval_secs + 5;
                    self.interval_secs = interval_secs
                        .unwrap_or(slower)
                        .clamp(slower, slower.max(MAX_INTERVAL_SECS));
                    Next::Poll
                }
                "expired_token" => Next::Expired,
                _ => Next::Refused(code, description),
            },
            Reply::Unusable(_) => {
                self.lost = lost;
                self.lost()
            }
        }
    }

    /// Takes in that there was no answer: half the frequency each time, as the section recommends, until there is one.
    pub fn lost(&mut self) -> Next {
        self.lost = self.lost.saturating_add(1);
        Next::Poll
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(extra: &str) -> Result<Grant, Refusal> {
        let body =
            format!(r#"{{"device_code":"d","user_code":"AB-CD","verification_uri":"https://a.example/d"{extra}}}"#);
        read(200, "application/json", body.as_bytes())
    }

    fn error(code: &str) -> Reply {
        Reply::Error {
            code: code.into(),
            description: None,
            interval_secs: None,
        }
    }

    #[test]
    fn intervals_outside_reason_are_brought_inside() {
        let cases = [
            ("", 5),
            ("0", 1),
            ("1", 1),
            ("7", 7),
            ("1000000000", 60),
            ("-1", 5),
            ("\"9\"", 9),
            ("null", 5),
        ];
        for (text, seconds) in cases {
            let extra = if text.is_empty() {
                String::new()
            } else {
                format!(",\"interval\":{text}")
            };
            assert_eq!(grant(&extra).unwrap().interval_secs, seconds, "{text}");
        }
    }

    #[test]
    fn slow_down_adds_five_seconds_each_time() {
        let mut pace = Pace::new(5);
        for seconds in [10, 15, 20] {
            assert_eq!(pace.answered(error("slow_down")), Next::Poll);
            assert_eq!(pace.interval_secs, seconds);
        }
        assert_eq!(pace.answered(error("authorization_pending")), Next::Poll);
        assert_eq!(pace.interval_secs, 20);
    }

    #[test]
    fn every_other_error_ends_it() {
        let mut pace = Pace::new(5);
        assert_eq!(pace.answered(error("expired_token")), Next::Expired);
        for code in ["access_denied", "invalid_client", "whatever"] {
            assert_eq!(pace.answered(error(code)), Next::Refused(code.into(), None));
        }
    }

    #[test]
    fn lost_answers_double_the_wait_until_there_is_one() {
        let mut pace = Pace::new(5);
        for seconds in [10, 20, 40, 60, 60, 60, 60, 60] {
            assert_eq!(pace.answered(Reply::Unusable("HTML".into())), Next::Poll);
            assert_eq!(pace.wait_secs(), seconds);
        }
        assert_eq!(pace.answered(error("authorization_pending")), Next::Poll);
        assert_eq!(pace.wait_secs(), 5);
        pace.lost();
        assert_eq!(pace.answered(error("slow_down")), Next::Poll);
        assert_eq!(pace.wait_secs(), 10);
        assert_eq!(Pace::new(600).wait_secs(), 600);
    }

    #[test]
    fn a_complete_page_of_another_origin_is_not_used() {
        for (complete, same) in [
            ("https://a.example/d?user_code=AB-CD", true),
            ("https://A.example:443/other", true),
            ("https://evil.example/d?user_code=AB-CD", false),
            ("https://a.example:8443/d", false),
            ("https://a.example.evil.example/d", false),
        ] {
            let grant = grant(&format!(r#","verification_uri_complete":"{complete}""#)).unwrap();
            assert_eq!(grant.verification_uri_complete.is_some(), same, "{complete}");
        }
    }

    #[test]
    fn a_refusal_keeps_its_code_and_its_words() {
        let body = br#"{"error":"invalid_scope","error_description":"no"}"#;
        let refusal = Refusal::Code {
            code: "invalid_scope".into(),
            description: Some("no".into()),
        };
        assert_eq!(read(400, "application/json", body).unwrap_err(), refusal);
        let html = read(200, "text/html", b"<html>").unwrap_err();
        assert!(matches!(html, Refusal::Unusable(_)));
    }

    #[test]
    fn only_safe_pages_are_shown_or_opened() {
        for bad in [
            "javascript:x",
            "file:///x",
            "http://a.example/",
            "-x",
            "https://x/|calc",
            "a:$(id)",
            "https://u@a/",
            "https://a/\\u001b",
        ] {
            let body = format!(r#"{{"device_code":"d","user_code":"A","verification_uri":"{bad}"}}"#);
            assert!(read(200, "application/json", body.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(
            grant(r#","verification_uri_complete":"https://a/'x""#)
                .unwrap()
                .verification_uri_complete,
            None
        );
    }
}
