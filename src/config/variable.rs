//! The variables of one program: what its own begin with, and before which others they come.

/// What the variables of a provider begin with where its file says nothing: its name in capitals.
pub(super) fn prefix(provider: &str) -> String {
    provider.to_ascii_uppercase().replace(['-', '.', '+'], "_")
}

/// The variable of one program for a purpose, such as `ACME_MODE`.
pub(super) fn named(prefix: &str, purpose: &str) -> String {
    format!("{prefix}_{purpose}")
}
