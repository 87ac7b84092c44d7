//! A token of the machine, or of a session, for keys of AWS.
//!
//! It knows the service's one action and its answers, and nothing of requests that are signed with the keys. The keys
//! are one secret: the JSON of `credential_process`, so that they are kept, sealed and renewed as any token is.
//! AWS Security Token Service API reference, `AssumeRoleWithWebIdentity`.

use roxmltree::{Document, Node};
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::subject;
use crate::config::Mode;
use crate::error::{Error, Result};
use crate::http::Reply;
use crate::oauth::Form;
use crate::oauth::token::{self, TokenSet};
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::world::World;

/// The version of the service's interface, the only one there is.
const VERSION: &str = "2011-06-15";

/// How deep an answer is read; the service's have four levels.
const DEPTH: usize = 8;

/// The keys as one secret, in the names that `credential_process` has for them.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Keys<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    session_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
}

pub(super) fn form(world: &World, mode: &Mode) -> Result<Form> {
    let aws = mode.aws.as_ref();
    let aws = aws.ok_or_else(|| Error::usage("the provider file has no `aws.role`"))?;
    let token = subject::token(world, &mode.grant)?;
    let duration = aws.duration_secs.map(|secs| secs.to_string());
    Ok(Form::of(None)
        .with("Action", "AssumeRoleWithWebIdentity")
        .with("Version", VERSION)
        .with("RoleArn", &aws.role)
        .with("RoleSessionName", &aws.session_name)
        .with_secret("WebIdentityToken", &token)
        .with_some("DurationSeconds", duration.as_deref()))
}

/// Reads the service's answer as one of a token endpoint.
pub(super) fn read(world: &World, reply: &Reply) -> token::Reply {
    let unusable = |why: &str| token::Reply::Unusable(format!("status {} and {why}", reply.status));
    let Some(answer) = tree(reply) else {
        return unusable("neither JSON nor XML");
    };
    if reply.status == 200 {
        let result = answer.pointer("/AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult");
        return result
            .and_then(|found| granted(found, world.now()))
            .unwrap_or_else(|| unusable("an answer without keys"));
    }
    let error = answer
        .pointer("/ErrorResponse/Error")
        .or_else(|| answer.pointer("/Error"));
    let code = error.and_then(|error| text(error, "/Code"));
    let plain = |code: &&str| (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric());
    match code.filter(plain) {
        Some(code) => token::Reply::Error {
            code: meaning(code).into(),
            description: error.and_then(|error| text(error, "/Message")).map(Into::into),
            interval_secs: None,
        },
        None => unusable("no error code"),
    }
}

/// The answer as one tree, in whichever of the two forms it came: the service has JSON for those who ask for it, and what
/// speaks like the service has XML alone.
fn tree(reply: &Reply) -> Option<Value> {
    if let Ok(value) = serde_json::from_slice(&reply.body) {
        return Some(value);
    }
    let document = Document::parse(std::str::from_utf8(&reply.body).ok()?).ok()?;
    let root = document.root_element();
    Some(Value::Object(
        [(root.tag_name().name().to_owned(), value(root, DEPTH))]
            .into_iter()
            .collect(),
    ))
}

/// An element: its text, or its children by their names without a namespace, which has the service's version in it.
fn value(node: Node, depth: usize) -> Value {
    let mut children = node.children().filter(Node::is_element).peekable();
    if depth == 0 || children.peek().is_none() {
        return Value::String(node.text().unwrap_or_default().trim().to_owned());
    }
    let named = children.map(|child| (child.tag_name().name().to_owned(), value(child, depth - 1)));
    Value::Object(named.collect())
}

/// The code of RFC 6749, section 5.2, that means the same; else the service's own.
fn meaning(code: &str) -> &str {
    match code {
        "ExpiredTokenException" | "InvalidIdentityToken" | "IDPRejectedClaim" => "invalid_grant",
        "AccessDenied" => "access_denied",
        "IDPCommunicationError" | "ServiceUnavailable" | "Throttling" | "ThrottlingException" => {
            "temporarily_unavailable"
        }
        "InternalFailure" => "server_error",
        code => code,
    }
}

fn granted(result: &Value, now: Timestamp) -> Option<token::Reply> {
    let role = visible(result, "/AssumedRoleUser/Arn");
    let keys = Keys {
        access_key_id: visible(result, "/Credentials/AccessKeyId")?,
        secret_access_key: visible(result, "/Credentials/SecretAccessKey")?,
        session_token: visible(result, "/Credentials/SessionToken")?,
        account_id: role.and_then(|arn| arn.split(':').nth(4)).filter(|id| !id.is_empty()),
    };
    let end = match result.pointer("/Credentials/Expiration")? {
        Value::String(text) => Timestamp::parse(text)?,
        number => Timestamp::from_unix(token::seconds(number)?),
    };
    let mut json = Zeroizing::new(serde_json::to_string(&keys).ok()?);
    let secret = Secret::new(std::mem::take(&mut *json));
    if end <= now {
        // Without an end they would be kept for good.
        let why = "keys that have ended; is the clock of this machine right?";
        return Some(token::Reply::Unusable(why.into()));
    }
    Some(token::Reply::Granted(TokenSet {
        expires_in_secs: token::life(&Value::from(end.since(now))),
        ..TokenSet::bare(secret.is_token().then_some(secret)?)
    }))
}

/// A text of visible ASCII, which all parts of keys are; as JSON any other would pass for a token.
fn visible<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    text(value, pointer).filter(|text| text.bytes().all(|b| b.is_ascii_graphic()))
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>ann</SubjectFromWebIdentityToken>
    <AssumedRoleUser>
      <Arn>arn:aws:sts::123456789012:assumed-role/build/keyfob</Arn>
      <AssumedRoleId>AROA:keyfob</AssumedRoleId>
    </AssumedRoleUser>
    <Credentials>
      <SessionToken>canary/token+==</SessionToken>
      <SecretAccessKey>canary/secret</SecretAccessKey>
      <Expiration>2027-01-15T09:00:00Z</Expiration>
      <AccessKeyId>ASIAcanary</AccessKeyId>
    </Credentials>
  </AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"#;

    fn reply(status: u16, body: &str) -> token::Reply {
        let world = World::fixed([], Timestamp::parse("2027-01-15T08:00:00Z").unwrap());
        let reply = Reply {
            status,
            content_type: "text/xml".into(),
            retry_after_secs: None,
            dpop_nonce: None,
            challenge: String::new(),
            body: Zeroizing::new(body.as_bytes().to_vec()),
            sent: crate::secret::Sent::default(),
        };
        read(&world, &reply)
    }

    #[test]
    fn the_keys_become_one_secret_with_an_end() {
        let token::Reply::Granted(tokens) = reply(200, ANSWER) else {
            panic!("no keys");
        };
        assert_eq!(tokens.expires_in_secs, Some(3600));
        assert_eq!(
            tokens.access.expose(),
            r#"{"AccessKeyId":"ASIAcanary","SecretAccessKey":"canary/secret","SessionToken":"canary/token+==","AccountId":"123456789012"}"#
        );
    }

    #[test]
    fn an_answer_in_json_is_the_same() {
        let answer = r#"{"AssumeRoleWithWebIdentityResponse":{"AssumeRoleWithWebIdentityResult":{"Credentials":{
            "AccessKeyId":"ASIAcanary","SecretAccessKey":"canary","SessionToken":"canary","Expiration":1.8000036E9}}}}"#;
        let token::Reply::Granted(tokens) = reply(200, answer) else {
            panic!("no keys");
        };
        assert_eq!(tokens.expires_in_secs, Some(3600));
        let refused = reply(400, r#"{"Error":{"Code":"ExpiredTokenException","Message":"late"}}"#);
        assert!(matches!(refused, token::Reply::Error { ref code, .. } if code == "invalid_grant"));
    }

    #[test]
    fn an_answer_with_less_than_all_keys_gives_none() {
        for (from, to) in [
            ("<AccessKeyId>ASIAcanary</AccessKeyId>", ""),
            ("canary/secret", " "),
            ("canary/token", "canary token"),
            ("2027-01-15T09:00:00Z", "soon"),
            ("2027-01-15T09:00:00Z", "2027-01-15T08:00:00Z"),
            ("</AssumeRoleWithWebIdentityResponse>", ""),
            ("AssumeRoleWithWebIdentityResult", "GetCallerIdentityResult"),
        ] {
            assert!(
                matches!(reply(200, &ANSWER.replace(from, to)), token::Reply::Unusable(_)),
                "{from}"
            );
        }
        assert!(matches!(reply(200, "{}"), token::Reply::Unusable(_)));
        let deep = "<a>".repeat(2000) + &"</a>".repeat(2000);
        assert!(matches!(reply(200, &deep), token::Reply::Unusable(_)));
    }

    #[test]
    fn a_refusal_has_the_code_that_means_the_same() {
        for (status, code, expected) in [
            (400, "ExpiredTokenException", Some("invalid_grant")),
            (403, "AccessDenied", Some("access_denied")),
            (400, "IDPCommunicationError", Some("temporarily_unavailable")),
            (400, "PackedPolicyTooLarge", Some("PackedPolicyTooLarge")),
            (400, "a b", None),
            (400, "", None),
        ] {
            let body = format!("<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code></Error></ErrorResponse>");
            let found = match reply(status, &body) {
                token::Reply::Error { code, .. } => Some(code),
                _ => None,
            };
            assert_eq!(found.as_deref(), expected, "{code}");
        }
    }
}
