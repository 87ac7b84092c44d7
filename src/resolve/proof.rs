//! The proof of possession that goes with a token which is bound to a key (RFC 9449), and the identity of a connection,
//! which is nothing to send in a header.

use super::{Session, Sources};
use crate::error::{Error, Result};
use crate::model::Request;
use crate::pem;
use crate::record::Record;
use crate::renew;
use crate::secret::Secret;

/// The proof that must go with a token that is bound to a key (RFC 9449); none where it is a bearer token.
///
/// # Errors
/// [`crate::error::Class::Refused`] when the tool can send bearer tokens only: the server would refuse it there, and a
/// private key that goes anywhere as a password speaks for the person from then on.
pub(super) fn of(sources: &Sources, session: &Session, request: &Request, record: &Record) -> Result<Option<Secret>> {
    let certificate = record.secret.as_ref().is_some_and(pem::is_in);
    // What tools bring and get back is their own business, and may be anything.
    if certificate && !session.keeps() && !request.understands.certificate {
        let profile = session.show();
        let message = format!(
            "what there is of `{profile}` is a client certificate, and `{}` sends none",
            request.tool
        );
        return Err(Error::refused(message).hint(format!("`keyfob kubectl {profile}` gives it to kubectl")));
    }
    let key = record.learnt.as_ref().and_then(|learnt| learnt.dpop_key.as_ref());
    let Some((key, token)) = key.zip(record.secret.as_ref()) else {
        return Ok(None);
    };
    let profile = session.show();
    let Some(proves) = request.proves.as_ref().filter(|_| request.understands.authtype) else {
        let message = format!(
            "the token of `{profile}` is bound to a key (DPoP), and what `{}` asks for is a bearer token",
            request.tool
        );
        return Err(Error::refused(message).hint(format!(
            "for one request, run `keyfob token {profile} --header --dpop-method GET --dpop-url URL`"
        )));
    };
    renew::prove(sources.world, key, proves, token).map(Some)
}
