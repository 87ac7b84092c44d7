//! OAuth without I/O: what to send, and what an answer means.
//!
//! One file a specification. Nothing here reads a clock, opens a connection or knows where a token is kept.

pub mod assertion;
pub mod client_credentials;
pub mod code;
pub mod device;
pub mod dpop;
pub mod exchange;
pub mod id_token;
pub mod jwt_bearer;
pub mod metadata;
pub mod par;
pub mod pkce;
pub mod refresh;
mod refusal;
pub mod register;
pub mod revoke;
pub mod service;
pub mod token;

pub use refusal::Refusal;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::secret::{Secret, Sent};

/// Everything but what `application/x-www-form-urlencoded` leaves as it is.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

/// The client's side of every request to an issuer.
#[derive(Debug, Clone)]
pub struct Client<'a> {
    /// RFC 6749, section 2.2.
    pub id: &'a str,
    /// How it proves that it is who it says; none for a public client.
    pub secret: Option<Proof>,
}

/// How a client proves who it is (RFC 6749, section 2.3).
#[derive(Debug, Clone)]
pub enum Proof {
    /// A signed statement, good for one request (RFC 7523, section 2.2).
    Assertion(Secret),
    /// The secret, as the password of HTTP Basic (RFC 6749, section 2.3.1).
    Basic(Secret),
    /// The secret, in the form.
    Body(Secret),
}

/// The kind of a signed statement in place of a secret (RFC 7523, section 2.2).
const CLIENT_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The body of a form post (RFC 6749, appendix B), and the header that goes with it.
pub struct Form {
    body: Zeroizing<String>,
    basic: Option<Zeroizing<String>>,
    secrets: Sent,
}

impl Form {
    /// A form that begins with the client's identity. With Basic that is in the header alone: a client shows itself in
    /// one way only (RFC 6749, section 2.3).
    pub fn new(client: Client) -> Form {
        let form = Form::anonymous();
        match client.secret {
            Some(Proof::Basic(_)) => form.proving(client),
            _ => form.with("client_id", client.id).proving(client),
        }
    }

    /// The same form with the proof of its client, whose name is in it already or is part of the proof.
    #[must_use]
    pub fn proving(self, client: Client) -> Form {
        let mut form = self;
        match client.secret {
            None => form,
            Some(Proof::Body(secret)) => form.with_secret("client_secret", &secret),
            Some(Proof::Assertion(assertion)) => form
                .with("client_assertion_type", CLIENT_ASSERTION)
                .with_secret("client_assertion", &assertion),
            Some(Proof::Basic(secret)) => {
                let mut pair = Zeroizing::new(String::with_capacity(client.id.len() + 3 * secret.len() + 1));
                pair.extend(utf8_percent_encode(client.id, FORM));
                pair.push(':');
                pair.extend(utf8_percent_encode(secret.expose(), FORM));
                let encoded = Zeroizing::new(data_encoding::BASE64.encode(pair.as_bytes()));
                form.secrets.add(secret.expose());
                form.secrets.add(&encoded);
                form.basic = Some(Zeroizing::new(format!("Basic {}", *encoded)));
                form
            }
        }
    }

    /// A form without a client, where the grant says enough (RFC 7523, section 3.1; RFC 8693, section 2.1).
    pub fn anonymous() -> Form {
        Form {
            body: Zeroizing::new(String::with_capacity(1024)),
            basic: None,
            secrets: Sent::default(),
        }
    }

    /// A form of this client, if there is one.
    pub fn of(client: Option<Client>) -> Form {
        client.map_or_else(Form::anonymous, Form::new)
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Form {
        if !self.body.is_empty() {
            self.body.push('&');
        }
        self.body.extend(utf8_percent_encode(name, FORM));
        self.body.push('=');
        self.body.extend(utf8_percent_encode(value, FORM));
        self
    }

    /// Adds a field that no answer may bring before a person.
    #[must_use]
    pub fn with_secret(mut self, name: &str, value: &Secret) -> Form {
        self.secrets.add(value.expose());
        self.with(name, value.expose())
    }

    /// Adds a field if there is a value.
    #[must_use]
    pub fn with_some(self, name: &str, value: Option<&str>) -> Form {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds what is asked for: scopes in one field, the audience, each resource in its own.
    #[must_use]
    pub fn wanting(self, scopes: &[String], audience: Option<&str>, resource: &[String]) -> Form {
        let form = match scopes {
            [] => self,
            scopes => self.with("scope", &scopes.join(" ")),
        };
        let form = form.with_some("audience", audience);
        let resource = resource.iter();
        resource.fold(form, |form, resource| form.with("resource", resource))
    }

    /// The encoded body.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// What in it is secret.
    pub fn secrets(&self) -> &Sent {
        &self.secrets
    }

    /// The header `Authorization` that goes with it.
    pub fn authorization(&self) -> Option<&str> {
        self.basic.as_ref().map(|basic| basic.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_escapes_everything_that_separates() {
        let form = Form::new(Client {
            id: "a b",
            secret: None,
        })
        .with("x", "1&2=3+4%\n~");
        assert_eq!(form.body(), "client_id=a%20b&x=1%262%3D3%2B4%25%0A%7E");
    }

    #[test]
    fn a_client_shows_itself_in_one_way_only() {
        let form = |secret| Form::new(Client { id: "a:b", secret });
        let secret = || Secret::new("c d+".into());
        assert_eq!(form(None).body(), "client_id=a%3Ab");
        let body = form(Some(Proof::Body(secret())));
        assert_eq!(body.body(), "client_id=a%3Ab&client_secret=c%20d%2B");
        assert_eq!(body.authorization(), None);
        let basic = form(Some(Proof::Basic(secret())));
        // `printf 'a%3Ab:c%20d%2B' | base64`
        assert_eq!(basic.authorization(), Some("Basic YSUzQWI6YyUyMGQlMkI="));
        assert_eq!(basic.body(), "");
        let assertion = form(Some(Proof::Assertion(Secret::new("x.y.z".into()))));
        assert!(assertion.body().ends_with("&client_assertion=x.y.z"));
        assert_eq!(assertion.authorization(), None);
    }
}
