//! A token that the machine has is exchanged for another: RFC 8693, section 2.

use serde::Deserialize;

use super::{Client, Form};
use crate::secret::Secret;

/// The grant type (RFC 8693, section 2.1).
const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// What is given, and what is asked for (RFC 8693, section 2.1).
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// The token that is given.
    pub subject: &'a Secret,
    /// Its kind, a URI of section 3.
    pub subject_type: &'a str,
    /// The kind that is asked for; absent: the issuer decides.
    pub requested_type: Option<&'a str>,
}

/// The form of the request. Many issuers know the subject token's owner, and want no client.
pub fn form(
    client: Option<Client>,
    exchange: Exchange,
    scopes: &[String],
    audience: Option<&str>,
    resource: &[String],
) -> Form {
    Form::of(client)
        .with("grant_type", GRANT)
        .with_secret("subject_token", exchange.subject)
        .with("subject_token_type", exchange.subject_type)
        .with_some("requested_token_type", exchange.requested_type)
        .wanting(scopes, audience, resource)
}

#[derive(Deserialize)]
struct Wire {
    issued_token_type: Option<String>,
}

/// Whether the answer with a token says what kind of token it is, as it must (section 2.2.1), and the one asked for.
///
/// # Errors
/// What is wrong, with no value.
pub fn check(body: &[u8], requested: Option<&str>) -> Result<(), String> {
    let wire: Wire = serde_json::from_slice(body).map_err(|error| crate::record::place(&error))?;
    match (wire.issued_token_type, requested) {
        (None, _) => Err("no `issued_token_type`".into()),
        (Some(issued), Some(requested)) if issued != requested => {
            Err("a token of another kind than `grant.requested_token_type`".into())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_must_name_the_kind_that_was_asked_for() {
        let jwt = "urn:ietf:params:oauth:token-type:jwt";
        let body = format!(r#"{{"access_token":"a","issued_token_type":"{jwt}"}}"#);
        assert_eq!(check(body.as_bytes(), None), Ok(()));
        assert_eq!(check(body.as_bytes(), Some(jwt)), Ok(()));
        assert!(check(body.as_bytes(), Some("urn:other")).is_err());
        for bad in [
            "{}",
            r#"{"issued_token_type":null}"#,
            r#"{"issued_token_type":1}"#,
            "<html>",
        ] {
            assert!(check(bad.as_bytes(), None).is_err(), "{bad}");
        }
    }
}
