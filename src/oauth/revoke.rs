//! Ending a token at the issuer: RFC 7009, section 2.1.

use super::{Client, Form};
use crate::secret::Secret;

/// What kind of token is meant (RFC 7009, section 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// An access token.
    Access,
    /// A refresh token; most servers end its whole family.
    Refresh,
}

/// The form of a revocation.
pub fn form(client: Client, token: &Secret, hint: Hint) -> Form {
    let hint = match hint {
        Hint::Access => "access_token",
        Hint::Refresh => "refresh_token",
    };
    Form::new(client)
        .with_secret("token", token)
        .with("token_type_hint", hint)
}
