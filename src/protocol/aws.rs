//! `credential_process` of the AWS command line and SDKs.
//!
//! It knows nothing of how keys are obtained. They are a credential whose secret is the JSON of all of them, or one whose
//! account is the id of the key and whose secret is the key.
//! Implements `protocol.md`, section "aws".

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::model::{Action, Answer, Credential};
use crate::protocol::{self, Call, Protocol};
use crate::report;
use crate::secret::Secret;

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
    account_id: Option<String>,
}

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
            encode(&credential).map_err(|error| error.context(format!("the keys of `{what}`")))
        }
        _ => Err(protocol::nothing(&request, &what)),
    }
}

fn encode(credential: &Credential) -> Result<Zeroizing<Vec<u8>>> {
    let keys = keys(credential)?;
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
        expiration: credential.expires_at.map(|end| end.rfc3339()),
        account_id: keys.account_id.as_deref().filter(|id| !id.is_empty()),
    };
    Ok(protocol::json_line(&reply))
}

fn keys(credential: &Credential) -> Result<Keys> {
    let secret = &credential.secret;
    if secret.expose().trim_start().starts_with('{') {
        // The reason is left out: it would quote the value.
        return serde_json::from_str(secret.expose())
            .map_err(|_| Error::refused("the secret is JSON without the texts `AccessKeyId` and `SecretAccessKey`"));
    }
    let id = credential.account.as_ref().or(credential.username.as_ref());
    let id = id.filter(|id| id.starts_with("AKIA") || id.starts_with("ASIA"));
    let id = id.ok_or_else(|| {
        Error::refused("the secret is no pair of keys").hint(
            "keep it with the id of the key as account: `keyfob set-token PROFILE:AKIA…`, or as the JSON that \
             `aws configure export-credentials` prints",
        )
    })?;
    Ok(Keys {
        access_key_id: Secret::new(id.clone()),
        secret_access_key: secret.clone(),
        session_token: None,
        account_id: None,
    })
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
