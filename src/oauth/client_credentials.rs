//! The client asks for itself: RFC 6749, section 4.4.

use super::{Client, Form};

/// The form of the request.
pub fn form(client: Client, scopes: &[String], audience: Option<&str>, resource: &[String]) -> Form {
    Form::new(client)
        .with("grant_type", "client_credentials")
        .wanting(scopes, audience, resource)
}
