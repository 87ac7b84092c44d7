//! What protocols share whose tools put a credential into the headers of HTTP requests.
//!
//! It knows no tool. Implements `protocol.md`, section "Terms": what is a place, and what a header can carry.

use zeroize::Zeroizing;

use super::{Call, Protocol, read, say_profile};
use crate::error::{Error, Result};
use crate::model::{Action, Credential, IDENTITY_TOKEN, Request};
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

/// The value of the `Authorization` header that sends a credential.
///
/// The scheme of the credential; else Basic (RFC 7617) with a user name; else Bearer (RFC 6750, section 2.1).
///
/// # Errors
/// [`crate::error::Class::Refused`] when a part would break out of the header or could not come out of it again: the
/// scheme is no token (RFC 9110, section 11.1), the value is empty or has anything else than visible ASCII and spaces, or
/// what Basic encodes has a colon in the user name or a control character. So is docker's identity token, which no header
/// may carry.
pub(super) fn authorization(credential: &Credential) -> Result<Secret> {
    let secret = credential.secret.expose();
    let scheme = credential.authtype.as_deref();
    let line = match (scheme, credential.username.as_deref()) {
        (None, Some(IDENTITY_TOKEN)) => {
            return Err(Error::refused(
                "the secret is an identity token of docker's, and no password",
            ));
        }
        (None, Some(username)) => {
            if username.contains(':') {
                return Err(Error::refused("the user name has a colon, which Basic cannot carry"));
            }
            if username.chars().chain(secret.chars()).any(char::is_control) {
                return Err(unsendable());
            }
            let pair = Zeroizing::new(format!("{username}:{secret}"));
            let encoded = Zeroizing::new(data_encoding::BASE64.encode(pair.as_bytes()));
            format!("Basic {}", *encoded)
        }
        (Some(scheme), _) if !is_scheme(scheme) => {
            return Err(Error::refused(
                "the scheme of the credential is no word that a header can carry",
            ));
        }
        (scheme, _) => {
            let visible = secret.bytes().all(|b| (b' '..0x7f).contains(&b));
            if !visible || secret.trim_ascii().is_empty() {
                return Err(unsendable());
            }
            format!("{} {secret}", scheme.unwrap_or("Bearer"))
        }
    };
    Ok(Secret::new(line))
}

fn unsendable() -> Error {
    Error::refused("the secret is empty or has characters that no header can carry")
}

/// Whether it is a `token` (RFC 9110, section 5.6.2), as the name of each scheme is.
fn is_scheme(text: &str) -> bool {
    let of_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(of_token)
}

/// User names that say "a token is the password" and name nobody: of PyPI, of the registries of Google and Azure, and
/// those that the presets have.
pub(super) const NOBODY: [&str; 8] = [
    "__token__",
    "hf_user",
    "oauth2",
    "oauth2accesstoken",
    "token",
    "VssSessionToken",
    "x-access-token",
    "x-token-auth",
];

/// Whether it is somebody's password, which only Basic sends: it has a user name that names somebody, and no scheme, and
/// is not known to be a token.
pub(super) fn is_password(credential: &Credential) -> bool {
    let user = credential.username.as_deref().filter(|name| !name.is_empty());
    !credential.is_token && credential.authtype.is_none() && user.is_some_and(|name| !NOBODY.contains(&name))
}

/// The bare token, for a tool that writes `Bearer ` before it itself.
///
/// # Errors
/// [`crate::error::Class::Refused`] when it is the value of another scheme or somebody's password, or has characters that
/// no token has.
pub(super) fn bearer(credential: &Credential) -> Result<&str> {
    let scheme = credential.authtype.as_deref().unwrap_or("Bearer");
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Error::refused("the credential is of another scheme than Bearer"));
    }
    if is_password(credential) {
        return Err(Error::refused("the credential is somebody's password, and no token"));
    }
    if !credential.secret.is_token() {
        return Err(Error::refused("the secret has characters that no token has"));
    }
    Ok(credential.secret.expose())
}

/// The request of a tool that keeps a token of its own for a server, and what it writes.
///
/// That is read to its end also where the rest is refused: who writes it would fail otherwise, and not tell why. The
/// token is kept with the scheme in which its server takes it, so that a provider may keep it too, and apart: it is no
/// password, and to git it would be the answer for all that is there.
pub(super) fn of_own_token(
    call: &mut Call,
    row: &Protocol,
    action: Action,
    profile: Option<&str>,
) -> Result<(Request, Zeroizing<Vec<u8>>)> {
    let input = match action {
        Action::Store => read(call.input)?,
        _ => Zeroizing::default(),
    };
    let mut request = call.request(action, row);
    say_profile(&mut request, profile);
    request.authtype = Some("Bearer".into());
    request.apart = true;
    Ok((request, input))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;
    use crate::protocol::desk;

    #[test]
    fn a_header_carries_its_parts_whole_or_not_at_all() {
        let value = |username, secret: &str, scheme| authorization(&desk::credential(username, secret, scheme));
        for (username, secret, scheme, expected) in [
            (None, "canary", None, "Bearer canary"),
            (None, "can ary", Some("Digest"), "Digest can ary"),
            (Some("ann"), "canäry", None, "Basic YW5uOmNhbsOkcnk="),
            (Some("key"), "", None, "Basic a2V5Og=="),
        ] {
            let value = value(username, secret, scheme).unwrap();
            assert_eq!(value.expose(), expected);
        }
        for (username, secret, scheme) in [
            (None, "", None),
            (None, " ", Some("Bearer")),
            (None, "canäry", None),
            (None, "canary\u{7f}", None),
            (None, "canary", Some("X: y")),
            (None, "canary", Some("X y")),
            (None, "canary", Some("")),
            (None, "canary", Some("Bärer")),
            (Some("ann:b"), "canary", None),
            (Some("ann"), "can\nary", None),
            (Some("<token>"), "canary", None),
        ] {
            let error = value(username, secret, scheme).expect_err(secret);
            assert_eq!(error.class, Class::Refused);
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }
}
