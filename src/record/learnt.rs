//! What a login learnt of its issuer and could not read in the provider file, kept with the session that needs it.
//!
//! A renewal, a look and a logout go where the login went, with the client that the login was, also when the provider
//! file says only the issuer's name. It knows nothing of provider files: `renew/overlay.rs` puts the two together.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::secret::Secret;

/// The form of the member `learnt` of a record. One of another version is kept as it is and not used.
const VERSION: u64 = 1;

/// What was found by discovery, registration or the command line.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Learnt {
    /// The issuer's identifier.
    pub issuer: Option<String>,
    /// Whether the person named the issuer at the login, so that the provider file's endpoints do not count.
    #[serde(default)]
    pub issuer_named: bool,
    /// RFC 6749, section 3.1.
    pub authorization_endpoint: Option<String>,
    /// RFC 8628, section 3.1.
    pub device_authorization_endpoint: Option<String>,
    /// RFC 6749, section 3.2.
    pub token_endpoint: Option<String>,
    /// RFC 7009, section 2.
    pub revocation_endpoint: Option<String>,
    /// RFC 9126, section 5.
    pub pushed_authorization_request_endpoint: Option<String>,
    /// OpenID Connect Core, section 5.3.
    pub userinfo_endpoint: Option<String>,
    /// Whether every redirect names the issuer (RFC 9207, section 3).
    #[serde(default)]
    pub iss_parameter: bool,
    /// The client, where the provider file names none or the person named another.
    pub client_id: Option<String>,
    /// Its secret, where a registration gave one.
    pub client_secret: Option<Secret>,
    /// Whether the person named the client at the login, so that the provider file's does not count.
    #[serde(default)]
    pub client_named: bool,
    /// Whether the client is a setting of the person's, which may be another one by now.
    #[serde(default)]
    pub client_set: bool,
    /// The registration that made the client.
    pub registration: Option<Registration>,
    /// The key to which the tokens are bound (RFC 9449), as base64 of PKCS #8.
    pub dpop_key: Option<Secret>,
    /// Members of a newer keyfob.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A client that was made for this machine (RFC 7591).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Registration {
    /// The path of its redirects on the loopback interface; none for a flow without one.
    pub redirect_path: Option<String>,
    /// When its secret ends, in seconds since 1970; absent: never.
    pub secret_ends: Option<i64>,
    /// Where it can be looked at (RFC 7592, section 3).
    pub url: Option<String>,
    /// With which token.
    pub token: Option<Secret>,
}

#[derive(Serialize)]
pub(super) struct Out<'a> {
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'a str>,
    #[serde(skip_serializing_if = "is_false")]
    issuer_named: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_endpoint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_authorization_endpoint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_endpoint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revocation_endpoint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pushed_authorization_request_endpoint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    userinfo_endpoint: Option<&'a str>,
    #[serde(skip_serializing_if = "is_false")]
    iss_parameter: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
    #[serde(skip_serializing_if = "is_false")]
    client_named: bool,
    #[serde(skip_serializing_if = "is_false")]
    client_set: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration: Option<OutRegistration<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dpop_key: Option<&'a str>,
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
}

#[derive(Serialize)]
struct OutRegistration<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_ends: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Learnt {
    /// As a record has it.
    pub(super) fn out(&self) -> Out<'_> {
        let Learnt {
            issuer,
            issuer_named,
            authorization_endpoint,
            device_authorization_endpoint,
            token_endpoint,
            revocation_endpoint,
            pushed_authorization_request_endpoint,
            userinfo_endpoint,
            iss_parameter,
            client_id,
            client_secret,
            client_named,
            client_set,
            registration,
            dpop_key,
            extra,
        } = self;
        Out {
            version: VERSION,
            issuer: issuer.as_deref(),
            issuer_named: *issuer_named,
            authorization_endpoint: authorization_endpoint.as_deref(),
            device_authorization_endpoint: device_authorization_endpoint.as_deref(),
            token_endpoint: token_endpoint.as_deref(),
            revocation_endpoint: revocation_endpoint.as_deref(),
            pushed_authorization_request_endpoint: pushed_authorization_request_endpoint.as_deref(),
            userinfo_endpoint: userinfo_endpoint.as_deref(),
            iss_parameter: *iss_parameter,
            client_id: client_id.as_deref(),
            client_secret: client_secret.as_ref().map(Secret::expose),
            client_named: *client_named,
            client_set: *client_set,
            registration: registration.as_ref().map(Registration::out),
            dpop_key: dpop_key.as_ref().map(Secret::expose),
            extra,
        }
    }

    /// Reads the member; none where it is of another version.
    ///
    /// # Errors
    /// When a member of it is of another type than it should be.
    pub(super) fn read(value: &Value) -> Result<Option<Learnt>, serde_json::Error> {
        if value.get("version").and_then(Value::as_u64) != Some(VERSION) {
            return Ok(None);
        }
        let mut learnt = Learnt::deserialize(value)?;
        learnt.extra.remove("version");
        Ok(Some(learnt))
    }
}

impl Registration {
    fn out(&self) -> OutRegistration<'_> {
        let Registration {
            redirect_path,
            secret_ends,
            url,
            token,
        } = self;
        OutRegistration {
            redirect_path: redirect_path.as_deref(),
            secret_ends: *secret_ends,
            url: url.as_deref(),
            token: token.as_ref().map(Secret::expose),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_with_members_that_a_newer_keyfob_added() {
        let learnt = Learnt {
            issuer: Some("https://id.acme.example".into()),
            issuer_named: true,
            token_endpoint: Some("https://id.acme.example/t".into()),
            client_secret: Some(Secret::new("canary".into())),
            registration: Some(Registration {
                redirect_path: Some("/x".into()),
                secret_ends: Some(7),
                url: Some("https://id.acme.example/c".into()),
                token: Some(Secret::new("canary".into())),
            }),
            dpop_key: Some(Secret::new("canary".into())),
            extra: [("colour".to_string(), Value::from("blue"))].into_iter().collect(),
            ..Learnt::default()
        };
        let text = serde_json::to_value(learnt.out()).unwrap();
        assert_eq!(text["version"], 1);
        assert_eq!(Learnt::read(&text).unwrap(), Some(learnt));
    }

    #[test]
    fn another_version_is_not_read() {
        for text in ["{}", r#"{"version":2,"issuer":7}"#, "7", "null"] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(Learnt::read(&value).unwrap(), None, "{text}");
        }
        let wrong: Value = serde_json::from_str(r#"{"version":1,"issuer":7}"#).unwrap();
        assert!(Learnt::read(&wrong).is_err());
    }
}
