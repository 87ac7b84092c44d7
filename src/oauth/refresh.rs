//! Renewing an access token: RFC 6749, section 6.

use super::{Client, Form};
use crate::secret::Secret;

/// The form of a refresh. It never asks for a scope, so that the server keeps what was granted.
pub fn form(client: Client, refresh: &Secret, resource: &[String]) -> Form {
    let form = Form::new(client)
        .with("grant_type", "refresh_token")
        .with_secret("refresh_token", refresh);
    resource
        .iter()
        .fold(form, |form, resource| form.with("resource", resource))
}
