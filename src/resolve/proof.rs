//! The proof of possession that goes with a token which is bound to a key (RFC 9449).

use super::{Session, Sources};
use crate::error::{Error, Result};
use crate::model::Request;
use crate::record::Record;
use crate::renew;
use crate::secret::Secret;

/// The proof that must go with a token that is bound to a key (RFC 9449); none where it is a bearer token.
///
/// # Errors
/// [`crate::error::Class::Refused`] when the tool can send bearer tokens only: the server would refuse it there.
pub(super) fn of(sources: &Sources, session: &Session, request: &Request, record: &Record) -> Result<Option<Secret>> {
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
