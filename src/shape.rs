//! The requests and replies of a service that follows no specification, as its provider file describes them.
//!
//! A template becomes a body, a reply becomes tokens. It makes no call and asks nobody; `config/section/call.rs` has read
//! the description. Where a specification exists, `oauth/` implements it.

pub mod account;
pub mod otp;
pub mod poll;
pub mod refresh;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::config::{Call, Marks, Query, Slot, Template};
use crate::oauth::token::{self, TokenSet};
use crate::record;
use crate::secret::{Secret, Sent};

/// Everything but what a URL never escapes (RFC 3986, section 2.3), so that naive readers see the names they know.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What slots are filled with. A slot without a value is filled with nothing.
pub type Values<'a> = &'a [(Slot, &'a str)];

/// Where services put what they say to a person, most telling first.
const MESSAGES: [&str; 6] = [
    "/error_description",
    "/error/message",
    "/message",
    "/detail",
    "/title",
    "/error",
];

/// The URL of a call with its query.
pub fn url(call: &Call, values: Values) -> String {
    with_query(&call.url, &call.query, values)
}

/// A URL with more in its query, escaped so that nothing in a value separates.
pub fn with_query(url: &str, query: &Query, values: Values) -> String {
    let mut text = url.to_owned();
    for (name, part) in query {
        let value = match part {
            Template::Slot(slot) => value_of(*slot, values),
            Template::Fixed(Value::String(fixed)) => fixed,
            // The reader of provider files lets nothing else into a query.
            _ => continue,
        };
        text.push(if text.contains('?') { '&' } else { '?' });
        text.extend(utf8_percent_encode(name, QUERY));
        text.push('=');
        text.extend(utf8_percent_encode(value, QUERY));
    }
    text
}

/// The JSON that a call posts; none for a `GET`.
pub fn body(call: &Call, values: Values) -> Option<Zeroizing<Vec<u8>>> {
    let template = call.body.as_ref()?;
    let mut json = Zeroizing::new(String::with_capacity(1024));
    write(&mut json, template, values);
    Some(Zeroizing::new(std::mem::take(&mut *json).into_bytes()))
}

fn write(json: &mut String, template: &Template, values: Values) {
    match template {
        Template::Fixed(value) => *json += &value.to_string(),
        Template::Slot(slot) => write_text(json, value_of(*slot, values)),
        Template::List(parts) => {
            json.push('[');
            for (at, part) in parts.iter().enumerate() {
                *json += if at == 0 { "" } else { "," };
                write(json, part, values);
            }
            json.push(']');
        }
        Template::Table(members) => {
            json.push('{');
            for (at, (name, part)) in members.iter().enumerate() {
                *json += if at == 0 { "" } else { "," };
                write_text(json, name);
                json.push(':');
                write(json, part, values);
            }
            json.push('}');
        }
    }
}

fn write_text(json: &mut String, text: &str) {
    let text = Zeroizing::new(serde_json::to_string(text).expect("every text can be written as JSON"));
    *json += &text;
}

fn value_of<'a>(slot: Slot, values: Values<'a>) -> &'a str {
    values
        .iter()
        .find(|(name, _)| *name == slot)
        .map_or("", |(_, value)| *value)
}

/// One answer of a service.
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// The header `Content-Type`.
    pub content_type: &'a str,
    /// The header `Retry-After` in seconds.
    pub retry_after_secs: Option<i64>,
    /// The body.
    pub body: &'a [u8],
    /// The secrets that it answers to.
    pub sent: &'a Sent,
}

/// What a service gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Granted {
    /// The session, or the key as the access token of a set that nothing renews.
    pub tokens: TokenSet,
    /// Whom it speaks for, where the reply has it; not yet fit for a terminal.
    pub subject: Option<String>,
}

/// The JSON of a reply; null where the body is empty, or a refusal in plain text.
///
/// # Errors
/// Why what answered is not the service, with no value.
pub fn document(status: u16, content_type: &str, body: &[u8]) -> Result<Value, String> {
    let is_plain = content_type.is_empty() || content_type.starts_with("text/plain");
    if body.iter().all(u8::is_ascii_whitespace) || (is_plain && status >= 400) {
        return Ok(Value::Null);
    }
    if !token::is_json(content_type) {
        return Err(format!("status {status} and something other than JSON"));
    }
    serde_json::from_slice(body).map_err(|error| {
        format!(
            "status {status} and JSON that cannot be used: {}",
            record::place(&error)
        )
    })
}

/// Whether an answer that cannot be read came from the service all the same, which has acted then.
fn has_acted(answer: &Answer) -> bool {
    (200..300).contains(&answer.status) && token::is_json(answer.content_type)
}

/// Takes a session or a key out of the JSON of a reply. A key wins; where keys have a prefix, it must have it.
///
/// # Errors
/// What is wrong with it, with no value.
pub fn granted(call: &Call, mut document: Value, key_prefix: Option<&str>) -> Result<Granted, String> {
    let subject = text_at(&document, call.reply.subject.as_deref());
    let life = document.pointer(&call.reply.expires_in).and_then(token::life);
    let key = call.reply.key.as_deref().and_then(|at| take(&mut document, at));
    if let Some(key) = key {
        let pointer = call.reply.key.as_deref().unwrap_or_default();
        if !key.is_token() {
            return Err(format!("a key at `{pointer}` that no header can carry"));
        }
        if key_prefix.is_some_and(|prefix| !key.expose().starts_with(prefix)) {
            return Err(format!(
                "a key at `{pointer}` that does not begin as the provider's keys do"
            ));
        }
        let tokens = TokenSet::bare(key);
        return Ok(Granted { tokens, subject });
    }
    let access = take(&mut document, &call.reply.access_token).filter(Secret::is_token);
    let access = access.ok_or_else(|| {
        format!(
            "no token at `{}`, or one that no header can carry",
            call.reply.access_token
        )
    })?;
    let refresh = take(&mut document, &call.reply.refresh_token);
    if refresh.as_ref().is_some_and(|refresh| !refresh.is_token()) {
        return Err(format!(
            "a refresh token at `{}` that no request can carry",
            call.reply.refresh_token
        ));
    }
    if refresh.as_ref() == Some(&access) {
        return Err("a refresh token equal to the access token".into());
    }
    Ok(Granted {
        tokens: TokenSet {
            refresh,
            expires_in_secs: life,
            ..TokenSet::bare(access)
        },
        subject,
    })
}

/// What the service says to a person, without what was sent to it; not yet fit for a terminal.
pub fn message(call: &Call, answer: &Answer, document: &Value) -> Option<String> {
    let shown = |pointer: &str| answer.sent.words(text_at(document, Some(pointer)));
    match &call.reply.message {
        Some(pointer) => shown(pointer),
        None => MESSAGES.iter().find_map(|pointer| shown(pointer)),
    }
}

/// The word by which an answer is known: what stands at `pointer`, else the first of the usual places that has a word of
/// these marks.
fn word(document: &Value, pointer: Option<&str>, usual: &[&str], known: &[&Marks]) -> Option<String> {
    if pointer.is_some() {
        return text_at(document, pointer);
    }
    let is_known = |word: &String| known.iter().any(|marks| marks.words.contains(word));
    let mut words = usual.iter().filter_map(|pointer| text_at(document, Some(pointer)));
    words.find(is_known)
}

/// A text that is not empty, or a number as a text.
fn text_at(document: &Value, pointer: Option<&str>) -> Option<String> {
    match document.pointer(pointer?)? {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A text that is not empty, out of its document.
fn take(document: &mut Value, pointer: &str) -> Option<Secret> {
    match document.pointer_mut(pointer)?.take() {
        Value::String(text) if !text.is_empty() => Some(Secret::new(text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Pointers;

    pub(in crate::shape) fn call(body: Option<Template>) -> Call {
        Call {
            url: "https://acme.example/x?a=b".into(),
            method: crate::config::Method::Post,
            query: Vec::new(),
            body,
            reply: Pointers {
                access_token: "/access_token".into(),
                refresh_token: "/refresh_token".into(),
                expires_in: "/expires_in".into(),
                key: Some("/key".into()),
                subject: Some("/user/name".into()),
                message: None,
            },
        }
    }

    #[test]
    fn a_value_is_one_text_whatever_is_in_it() {
        let evil = "\",\"admin\":true,\"x\":\"{state}\\\n\u{1b}";
        let template = Template::Table(vec![
            ("e\"mail".into(), Template::Slot(Slot::Email)),
            (
                "list".into(),
                Template::List(vec![Template::Fixed(json!(1)), Template::Slot(Slot::State)]),
            ),
        ]);
        let body = body(&call(Some(template)), &[(Slot::Email, evil), (Slot::State, "s")]).unwrap();
        let read: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(read, json!({"e\"mail": evil, "list": [1, "s"]}));
    }

    #[test]
    fn a_query_keeps_what_was_there_and_escapes_what_separates() {
        let query = vec![
            ("st ate".to_owned(), Template::Slot(Slot::State)),
            ("m".to_owned(), Template::Fixed("S256".into())),
        ];
        let url = |base: &str| with_query(base, &query, &[(Slot::State, "a&b=#c")]);
        assert_eq!(
            url("https://a.example/p?k=v"),
            "https://a.example/p?k=v&st%20ate=a%26b%3D%23c&m=S256"
        );
        assert!(url("https://a.example/p").starts_with("https://a.example/p?st%20ate="));
    }

    #[test]
    fn a_key_wins_over_a_session_and_has_no_end() {
        let reply = json!({"key": "ak_canary", "access_token": "a", "refresh_token": "r", "expires_in": 9});
        let got = granted(&call(None), reply.clone(), Some("ak_")).unwrap();
        assert_eq!(got.tokens, TokenSet::bare(Secret::new("ak_canary".into())));
        let message = granted(&call(None), reply, Some("bk_")).unwrap_err();
        assert!(!message.contains("canary") && message.contains("/key"), "{message}");
    }

    #[test]
    fn a_session_is_found_where_the_pointers_say() {
        let reply = json!({"access_token": "a", "refresh_token": "r", "expires_in": "900", "user": {"name": 7}});
        let got = granted(&call(None), reply, Some("ak_")).unwrap();
        let refresh = got.tokens.refresh.map(|refresh| refresh.expose().to_owned());
        assert_eq!((refresh.as_deref(), got.tokens.expires_in_secs), (Some("r"), Some(900)));
        assert_eq!(got.subject.as_deref(), Some("7"));
    }

    #[test]
    fn what_no_header_can_carry_is_no_token() {
        let long = "a".repeat(64 * 1024 + 1);
        for bad in [
            json!(null),
            json!(42),
            json!(""),
            json!("a b"),
            json!("a\nb"),
            json!(["a"]),
            json!(long),
        ] {
            let refused = |reply: Value| granted(&call(None), reply, None).is_err();
            assert!(refused(json!({ "access_token": bad })), "{bad}");
        }
        for bad in [json!("a b"), json!("a\r"), json!("t")] {
            let reply = json!({"access_token": "t", "refresh_token": bad});
            assert!(granted(&call(None), reply, None).is_err(), "{bad}");
        }
        assert!(granted(&call(None), json!({"key": "a b"}), None).is_err());
        assert!(granted(&call(None), Value::Null, None).is_err());
    }

    #[test]
    fn a_page_is_no_document() {
        assert!(document(200, "text/html", b"<h1>").is_err());
        assert!(document(200, "application/json", b"{\"a\":").is_err());
        assert!(document(200, "text/plain", b"yes").is_err());
        assert_eq!(document(404, "text/plain", b"not found"), Ok(Value::Null));
        assert_eq!(document(204, "", b""), Ok(Value::Null));
        assert_eq!(document(200, "application/json", b"{}"), Ok(json!({})));
    }

    #[test]
    fn the_words_of_a_service_are_looked_for_where_services_put_them() {
        for (reply, text) in [
            (
                json!({"error": "invalid_code", "message": "Wrong code"}),
                Some("Wrong code"),
            ),
            (json!({"error": {"message": "Wrong"}}), Some("Wrong")),
            (json!({"error": "x"}), Some("x")),
            (json!({"error": true}), None),
            (Value::Null, None),
            (json!({"error": "x", "message": "canary-1 is wrong"}), Some("x")),
            (json!({"message": "canary is wrong"}), None),
        ] {
            let mut sent = Sent::default();
            sent.add("canary-1");
            let answer = Answer {
                status: 400,
                content_type: "application/json",
                retry_after_secs: None,
                body: b"",
                sent: &sent,
            };
            assert_eq!(message(&call(None), &answer, &reply).as_deref(), text, "{reply}");
        }
    }
}
