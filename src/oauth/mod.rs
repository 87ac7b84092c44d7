//! OAuth without I/O: what to send, and what an answer means.
//!
//! One file a specification. Nothing here reads a clock, opens a connection or knows where a token is kept.

pub mod code;
pub mod device;
pub mod dpop;
pub mod id_token;
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

/// Everything but what `application/x-www-form-urlencoded` leaves as it is.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

/// The client's side of every request to an issuer.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// RFC 6749, section 2.2.
    pub id: &'a str,
    /// RFC 6749, section 2.3.1, sent in the body; none for a public client.
    pub secret: Option<&'a str>,
}

/// The body of a form post (RFC 6749, appendix B).
pub struct Form(Zeroizing<String>);

impl Form {
    /// A form that begins with the client's identity.
    pub fn new(client: Client) -> Form {
        let form = Form(Zeroizing::new(String::with_capacity(1024)));
        let form = form.with("client_id", client.id);
        match client.secret {
            Some(secret) => form.with("client_secret", secret),
            None => form,
        }
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Form {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        self.0.extend(utf8_percent_encode(value, FORM));
        self
    }

    /// Adds a field if there is a value.
    #[must_use]
    pub fn with_some(self, name: &str, value: Option<&str>) -> Form {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The encoded body.
    pub fn body(&self) -> &str {
        &self.0
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
}
