//! A signed statement is the grant: RFC 7523, section 2.1.
//!
//! What such a statement says, and how it is signed, is `assertion.rs`.

use super::{Client, Form};
use crate::secret::Secret;

/// The grant type (RFC 7523, section 2.1).
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The form of the request. The statement says who asks, so that a client is not needed.
pub fn form(client: Option<Client>, assertion: &Secret, scopes: &[String]) -> Form {
    Form::of(client)
        .with("grant_type", GRANT)
        .with_secret("assertion", assertion)
        .wanting(scopes, None, &[])
}
