//! `credential_process` of the AWS command line and SDKs.
//!
//! It knows nothing of how keys are obtained. They are a credential whose secret is the JSON of all of them, or one whose
//! account is the id of the key and whose secret is the key.
//! Implements `protocol.md`, section "aws".

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::model::{Action, Answer, Credential};
use crate::protocol::{self, Call, Protocol};
use crate::report;
use crate::secret::Secret;
use crate::time::Timestamp;

/// AWS's protocol.
pub(super) const AWS: Protocol = Protocol {
    name: "aws",
    programs: &["aws-credential-keyfob"],
    serve,
};

const USAGE: &str = "usage: keyfob aws PROFILE|URL\n";

/// With less left the SDKs ask again at each call: botocore's advisory refresh. The half minute is for the call itself.
const PREFERS_SECS: u32 = 15 * 60 + 30;

/// Keys as one secret, in the names of the answer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    access_key_id: Secret,
    secret_access_key: Secret,
    session_token: Option<Secret>,
    /// Their end (RFC 3339).
    expiration: Option<String>,
    account_id: Option<String>,
}

/// The members of that JSON, and whether there are no keys without them.
const MEMBERS: [(&str, bool); 5] = [
    ("AccessKeyId", true),
    ("SecretAccessKey", true),
    ("SessionToken", false),
    ("Expiration", false),
    ("AccountId", false),
];

/// What is absent is left out: an empty text or null crashes botocore.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply<'a> {
    version: u8,
    access_key_id: &'a str,
    secret_access_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
}

fn serve(call: &mut Call) -> u8 {
    if protocol::wants_help(call.args) {
        return u8::from(!protocol::write(call.output, USAGE.as_bytes()));
    }
    let answered = answer(call);
    protocol::finish(call, answered, report::exit_code)
}

fn answer(call: &mut Call) -> Result<Zeroizing<Vec<u8>>> {
    let mut request = call.request(Action::Get, &AWS);
    let what = protocol::named(call, &mut request, USAGE)?;
    request.prefers_secs = Some(PREFERS_SECS);
    match (call.ask)(&request)? {
        Answer::Found(credential) => {
            encode(&credential, (call.now)()).map_err(|error| error.context(format!("the keys of `{what}`")))
        }
        _ => Err(protocol::nothing(&request, &what)),
    }
}

fn encode(credential: &Credential, now: Timestamp) -> Result<Zeroizing<Vec<u8>>> {
    let keys = keys(credential)?;
    let temporary = keys.access_key_id.expose().starts_with("ASIA");
    if temporary && keys.session_token.is_none() {
        return Err(Error::refused(
            "the id begins with `ASIA`, and such keys are none without their session token",
        ));
    }
    let end = end(credential, &keys, now)?;
    let mut texts = [&keys.access_key_id, &keys.secret_access_key]
        .into_iter()
        .chain(&keys.session_token);
    if !texts.all(Secret::is_token) {
        return Err(Error::refused(
            "a part of them is empty, or has characters that no key has",
        ));
    }
    let reply = Reply {
        version: 1,
        access_key_id: keys.access_key_id.expose(),
        secret_access_key: keys.secret_access_key.expose(),
        session_token: keys.session_token.as_ref().map(Secret::expose),
        // A year that the text has no place for is as good as none.
        expiration: end.map(Timestamp::rfc3339).filter(|text| text.contains('T')),
        account_id: keys.account_id.as_deref().filter(|id| !id.is_empty()),
    };
    Ok(protocol::json_line(&reply))
}

/// When they end, as the store knows it or else they themselves. Keys that were kept as they came have no other end.
fn end(credential: &Credential, keys: &Keys, now: Timestamp) -> Result<Option<Timestamp>> {
    let (None, Some(text)) = (credential.expires_at, &keys.expiration) else {
        return Ok(credential.expires_at);
    };
    let end = moment(text).ok_or_else(|| Error::refused("`Expiration` is no time of RFC 3339"))?;
    if end <= now {
        let message = format!("they ended at {}", end.rfc3339());
        return Err(Error::login(message).hint("run `keyfob set-token PROFILE` with new ones on stdin"));
    }
    Ok(Some(end))
}

/// A time with `Z`, or with the offset that the AWS command line writes for it.
fn moment(text: &str) -> Option<Timestamp> {
    let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let ahead = match offset.strip_prefix(['+', '-']) {
        None => return Timestamp::parse(text),
        Some(ahead) => ahead,
    };
    let (hours, minutes) = ahead.split_once(':')?;
    let number = |digits: &str, end: i64| {
        let all = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
        let number = digits.parse().ok().filter(|_| all);
        number.filter(|number: &i64| *number < end)
    };
    let seconds = number(hours, 24)? * 3600 + number(minutes, 60)? * 60;
    // The reader of the rest takes a second `Z` for none.
    let utc = Timestamp::parse(&format!("{local}Z")).filter(|_| !local.ends_with('Z'))?;
    Some(utc.plus(if offset.starts_with('+') { -seconds } else { seconds }))
}

fn keys(credential: &Credential) -> Result<Keys> {
    let secret = &credential.secret;
    if secret.expose().trim_start().starts_with('{') {
        // The reason of the reader is left out: it would quote the value.
        return serde_json::from_str(secret.expose()).map_err(|_| Error::refused(misfit(secret.expose())));
    }
    let id = credential.account.as_ref().or(credential.username.as_ref());
    let id = id.filter(|id| id.starts_with("AKIA") || id.starts_with("ASIA"));
    let id = id.ok_or_else(|| {
        Error::refused("the secret is no pair of keys").hint(
            "keep it with the id of the key as account: `keyfob set-token PROFILE:AKIA…`, or as JSON: \
             `aws configure export-credentials | keyfob set-token PROFILE`",
        )
    })?;
    Ok(Keys {
        access_key_id: Secret::new(id.clone()),
        secret_access_key: secret.clone(),
        session_token: None,
        expiration: None,
        account_id: None,
    })
}

/// Why JSON is no pair of keys.
fn misfit(text: &str) -> String {
    let Ok(members) = serde_json::from_str::<BTreeMap<String, Kind>>(text) else {
        return "the secret begins as JSON does, and is none".into();
    };
    for (name, is_needed) in MEMBERS {
        match members.get(name) {
            None | Some(Kind::Null) if is_needed => return format!("the secret is JSON without the text `{name}`"),
            Some(Kind::Other) => return format!("the secret is JSON whose `{name}` is no text"),
            _ => (),
        }
    }
    "the secret is JSON in which a member stands twice".into()
}

/// What JSON has for a member. Its value is kept nowhere.
enum Kind {
    Null,
    Other,
    Text,
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
        struct Kinds;
        impl<'de> Visitor<'de> for Kinds {
            type Value = Kind;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Kind, E> {
                Ok(Kind::Null)
            }

            fn visit_str<E>(self, _: &str) -> Result<Kind, E> {
                Ok(Kind::Text)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Kind, E> {
                Ok(Kind::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Kind, E> {
                Ok(Kind::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Kind, E> {
                Ok(Kind::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Kind, E> {
                Ok(Kind::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, all: A) -> Result<Kind, A::Error> {
                IgnoredAny.visit_seq(all).map(|_| Kind::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, all: A) -> Result<Kind, A::Error> {
                IgnoredAny.visit_map(all).map(|_| Kind::Other)
            }
        }
        deserializer.deserialize_any(Kinds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;
    use crate::protocol::desk::{Desk, NOW, Served, credential};
    use crate::time::Timestamp;

    const JSON: &str = r#"{"AccessKeyId":"ASIAcanary","SecretAccessKey":"canary/x","SessionToken":"canary+y"}"#;

    fn call(words: &[&str], ask: &mut dyn FnMut() -> Result<Answer>) -> Served {
        let words = [&["keyfob", "aws"], words].concat();
        Desk {
            words: &words,
            input: b"",
            vars: &[],
        }
        .serve(&mut |request| {
            assert_eq!(
                (request.profile.as_deref(), request.prefers_secs),
                (Some("prod"), Some(930))
            );
            ask()
        })
    }

    fn keys_of(account: Option<&str>, secret: &str, end: Option<i64>) -> Served {
        let mut found = credential(None, secret, Some("Bearer"));
        found.account = account.map(Into::into);
        found.expires_at = end.map(|secs| Timestamp::from_unix(NOW).plus(secs));
        call(&["prod"], &mut || Ok(Answer::Found(Box::new(found.clone()))))
    }

    #[test]
    fn temporary_keys_have_a_token_and_an_end() {
        let served = keys_of(None, JSON, Some(3600));
        let expected = r#"{"Version":1,"AccessKeyId":"ASIAcanary","SecretAccessKey":"canary/x","SessionToken":"canary+y","Expiration":"2027-01-15T09:00:00Z"}"#;
        assert_eq!(
            (served.status, served.output.trim_end(), served.errors.as_str()),
            (0, expected, "")
        );
    }

    #[test]
    fn permanent_keys_leave_out_what_they_have_not() {
        let served = keys_of(Some("AKIAcanary"), "canary/x", None);
        let expected = r#"{"Version":1,"AccessKeyId":"AKIAcanary","SecretAccessKey":"canary/x"}"#;
        assert_eq!((served.status, served.output.trim_end()), (0, expected));
    }

    #[test]
    fn keys_that_name_their_own_end_end_then() {
        let keys = |end: &str| JSON.replace('}', &format!(r#","Expiration":"{end}"}}"#));
        for (own, stored, expected) in [
            (
                "2027-01-15T09:00:00+00:00",
                None,
                r#""Expiration":"2027-01-15T09:00:00Z""#,
            ),
            (
                "2027-01-15T14:30:00.25+05:30",
                None,
                r#""Expiration":"2027-01-15T09:00:00Z""#,
            ),
            (
                "2027-01-15T08:00:00-01:00",
                None,
                r#""Expiration":"2027-01-15T09:00:00Z""#,
            ),
            ("2027-01-15T09:00:00Z", None, r#""Expiration":"2027-01-15T09:00:00Z""#),
            (
                "2027-01-15T09:00:00.5Z",
                Some(60),
                r#""Expiration":"2027-01-15T08:01:00Z""#,
            ),
        ] {
            let served = keys_of(None, &keys(own), stored);
            assert_eq!(served.status, 0, "{}", served.errors);
            assert!(served.output.contains(expected), "{}", served.output);
        }
        let ended = keys_of(None, &keys("2027-01-15T08:00:00Z"), None);
        assert_eq!((ended.status, ended.output.as_str()), (2, ""));
        assert!(ended.errors.contains("run `keyfob set-token"), "{}", ended.errors);
        for end in [
            "",
            "soon",
            "2027-01-15T09:00:00",
            "2027-01-15",
            "2027-01-15T09:00:00+0:000",
            "2027-01-15T09:00:00Z+00:00",
            "2027-01-15T09:00:00+99:00",
        ] {
            let served = keys_of(None, &keys(end), None);
            assert_eq!((served.status, served.output.as_str()), (5, ""), "{end}");
        }
    }

    #[test]
    fn a_year_of_five_digits_is_left_out() {
        let served = keys_of(None, JSON, Some(253_402_300_800));
        assert_eq!(served.status, 0);
        assert!(!served.output.contains("Expiration"), "{}", served.output);
    }

    #[test]
    fn what_is_no_pair_of_keys_is_refused() {
        for (account, secret) in [
            (None, "canary"),
            (Some("ann"), "canary"),
            (None, "{}"),
            (None, r#"{"AccessKeyId":"","SecretAccessKey":"canary"}"#),
            (None, r#"{"AccessKeyId":"AKIA","SecretAccessKey":"can ary"}"#),
            (
                None,
                r#"{"AccessKeyId":"AKIA","SecretAccessKey":"canary","SessionToken":""}"#,
            ),
            (Some("AKIAcanary"), "can\nary"),
            (Some("ASIAcanary"), "canary"),
            (None, r#"{"AccessKeyId":"ASIAcanary","SecretAccessKey":"canary"}"#),
        ] {
            let served = keys_of(account, secret, None);
            assert_eq!((served.status, served.output.as_str()), (5, ""), "{secret:?}");
            assert!(!served.errors.contains("canary"), "{}", served.errors);
        }
    }

    #[test]
    fn a_miss_and_a_failure_are_told_on_stderr() {
        let served = call(&["prod"], &mut || Ok(Answer::Absent));
        assert_eq!((served.status, served.output.as_str()), (2, ""));
        assert!(served.errors.contains("keyfob login prod"), "{}", served.errors);
        let served = call(&["prod"], &mut || Err(Error::new(Class::Temporary, "doing it")));
        assert_eq!((served.status, served.output.as_str()), (3, ""));
        let served = Desk {
            words: &["keyfob", "aws", "a", "b"],
            input: b"",
            vars: &[],
        }
        .serve(&mut |_| panic!("asked"));
        assert_eq!((served.status, served.output.as_str()), (64, ""));
    }
}
