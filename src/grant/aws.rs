//! A token of the machine, or of a session, for keys of AWS.
//!
//! It knows the service's one action and its answers in XML, and nothing of requests that are signed with the keys. The keys
//! are one secret: the JSON of `credential_process`, so that they are kept, sealed and renewed as any token is.
//! AWS Security Token Service API reference, `AssumeRoleWithWebIdentity`.

use roxmltree::{Document, Node};
use serde::Serialize;
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
        .with("WebIdentityToken", token.expose())
        .with_some("DurationSeconds", duration.as_deref()))
}

/// Reads the service's answer as one of a token endpoint.
pub(super) fn read(world: &World, reply: &Reply) -> token::Reply {
    let unusable = |why: &str| token::Reply::Unusable(format!("status {} and {why}", reply.status));
    let Ok(text) = std::str::from_utf8(&reply.body) else {
        return unusable("something other than XML");
    };
    let Ok(document) = Document::parse(text) else {
        return unusable("something other than XML");
    };
    if reply.status == 200 {
        let keys = child(document.root_element(), "AssumeRoleWithWebIdentityResult");
        return keys
            .and_then(|found| granted(found, world.now()))
            .unwrap_or_else(|| unusable("an answer without keys"));
    }
    let error = child(document.root_element(), "Error");
    let code = error.and_then(|error| text_of(error, "Code"));
    let plain = |code: &&str| (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric());
    match code.filter(plain) {
        Some(code) => token::Reply::Error {
            code: meaning(code).into(),
            description: error.and_then(|error| text_of(error, "Message")).map(Into::into),
            interval_secs: None,
        },
        None => unusable("no error code"),
    }
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

fn granted(result: Node, now: Timestamp) -> Option<token::Reply> {
    let found = child(result, "Credentials")?;
    let role = child(result, "AssumedRoleUser").and_then(|user| text_of(user, "Arn"));
    let keys = Keys {
        access_key_id: text_of(found, "AccessKeyId")?,
        secret_access_key: text_of(found, "SecretAccessKey")?,
        session_token: text_of(found, "SessionToken")?,
        account_id: role.and_then(|arn| arn.split(':').nth(4)).filter(|id| !id.is_empty()),
    };
    let end = Timestamp::parse(text_of(found, "Expiration")?)?;
    let mut json = Zeroizing::new(serde_json::to_string(&keys).ok()?);
    let secret = Secret::new(std::mem::take(&mut *json));
    Some(token::Reply::Granted(TokenSet {
        expires_in_secs: Some(end.since(now)).filter(|secs| *secs > 0),
        ..TokenSet::bare(secret.is_token().then_some(secret)?)
    }))
}

/// The first element of a name, whatever its namespace: the service's has a version in it.
fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.tag_name().name() == name)
}

fn text_of<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    child(node, name)?.text().map(str::trim).filter(|text| !text.is_empty())
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
    fn an_answer_with_less_than_all_keys_gives_none() {
        for (from, to) in [
            ("<AccessKeyId>ASIAcanary</AccessKeyId>", ""),
            ("canary/secret", " "),
            ("canary/token", "canary token"),
            ("2027-01-15T09:00:00Z", "soon"),
            ("</AssumeRoleWithWebIdentityResponse>", ""),
            ("AssumeRoleWithWebIdentityResult", "GetCallerIdentityResult"),
        ] {
            assert!(
                matches!(reply(200, &ANSWER.replace(from, to)), token::Reply::Unusable(_)),
                "{from}"
            );
        }
        assert!(matches!(reply(200, "{}"), token::Reply::Unusable(_)));
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
