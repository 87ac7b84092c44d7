//! What protocols share whose tools put a credential into the headers of HTTP requests.
//!
//! It knows no tool. Implements `protocol.md`, section "Terms": what is a place, and what a header can carry.

use crate::error::{Error, Result};
use crate::model::Credential;
use crate::protocol::authorization;
use crate::secret::Secret;
use crate::target::Target;

/// Where a URL that a tool fetches leads; none where it can be no place that a credential is for.
///
/// Query and fragment say nothing about the place. A path that two servers could read in two ways leaves the host alone,
/// so that no credential for a part of it is given. What goes by gRPC with TLS goes to where https goes.
pub(super) fn fetched(url: &str) -> Option<Target> {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (scheme, place) = url[..end].split_once("://")?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "https" | "grpcs" => "https",
        "http" | "grpc" => "http",
        _ => return None,
    };
    let url = format!("{scheme}://{place}");
    Target::from_url(&url).ok().or_else(|| {
        let host = place.split('/').next().unwrap_or(place);
        Target::from_parts(scheme, host, None).ok()
    })
}

/// The bare token, for a tool that writes `Bearer ` before it itself.
///
/// # Errors
/// [`crate::error::Class::Refused`] when it is the value of another scheme, or has characters that no token has.
pub(super) fn bearer(credential: &Credential) -> Result<&str> {
    let scheme = credential.authtype.as_deref().unwrap_or("Bearer");
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Error::refused("the credential is of another scheme than Bearer"));
    }
    if !credential.secret.is_token() {
        return Err(Error::refused("the secret has characters that no token has"));
    }
    Ok(credential.secret.expose())
}

/// The headers that send a credential: `Authorization`, and that of the workspace where there is one.
///
/// # Errors
/// As [`authorization`].
pub(super) fn headers(credential: &Credential) -> Result<Vec<(&str, Secret)>> {
    let mut headers = vec![("Authorization", authorization(credential)?)];
    if let Some(workspace) = &credential.workspace
        && let Some(name) = &workspace.header
    {
        headers.push((name, Secret::new(workspace.name.clone())));
    }
    Ok(headers)
}
