//! Handing an authorization request to the issuer before the browser: RFC 9126.
//!
//! It is done wherever the issuer takes one: then nobody who sees the browser's address can read or change what is asked
//! for. `oauth.par = false` leaves it to the browser, at issuers whose endpoint is for others.

use super::{Login, refused};
use crate::error::{Context, Error, Result};
use crate::http::CALL;
use crate::oauth::{Form, dpop, par};
use crate::renew::{self, client};

/// What the browser carries: a reference, or the parameters themselves, with the digest of the session's key so that the
/// code is bound to it (RFC 9449, section 10).
///
/// # Errors
/// When the issuer refuses the request, as it would in the browser; [`crate::error::Class::Temporary`].
pub(super) fn push(login: &Login, parameters: Form) -> Result<Form> {
    let oauth = &login.mode.oauth;
    let digest = oauth.dpop_key.as_ref().map(dpop::thumbprint).transpose();
    let digest = digest.map_err(Error::failure)?;
    let parameters = parameters.with_some("dpop_jkt", digest.as_deref());
    let endpoint = oauth.pushed_authorization_request_endpoint.as_deref();
    let Some(url) = endpoint.filter(|_| oauth.par) else {
        return Ok(parameters);
    };
    let doing = "handing the request to the issuer";
    let client = client(login.world, login.mode)?;
    // The parameters begin with the client's name; only its proof is missing (RFC 9126, section 2).
    let id = client.id;
    let form = parameters.proving(client);
    let reply = renew::post(login.http, login.mode, url, &form, CALL);
    let reply = reply.map_err(Error::temporary).doing(doing)?;
    if matches!(reply.status, 429 | 500..=599) {
        return Err(Error::temporary(format!("it answered with status {}", reply.status))).doing(doing);
    }
    let reference = par::read(reply.status, &reply.content_type, &reply.body);
    let reference = reference
        .map_err(|refusal| refused(refusal, &reply.sent))
        .doing(doing)?;
    Ok(par::reference(id, &reference))
}
