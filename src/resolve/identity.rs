//! The ID token of a session, for tools that prove with it who a person is (OpenID Connect Core, section 2).
//!
//! It is the one that the provider file has kept beside the access token; where none is, the token itself will do if it is
//! a JWT, as those of machines and of some services are.

use super::{Session, Sources};
use crate::error::{Error, Result};
use crate::model::Request;
use crate::oauth::id_token;
use crate::record::Record;
use crate::renew::{self, Wants};
use crate::secret::Secret;
use crate::time::Timestamp;

/// What a request needs of a token.
///
/// # Errors
/// When an ID token is wanted and the provider file cannot be read.
pub(super) fn wants(sources: &Sources, session: &Session, request: &Request) -> Result<Wants> {
    Ok(Wants {
        needed_secs: request.valid_for_secs,
        prefers_secs: request.prefers_secs,
        within_secs: request.within_secs,
        id_token: request.id_token && renew::keeps_id_token(sources, session)?,
    })
}

/// When a variable's token ends, if it is an ID token that still lives.
///
/// # Errors
/// [`crate::error::Class::Refused`] when it is something else.
pub(super) fn of_variable(sources: &Sources, name: &str, token: &Secret) -> Result<Timestamp> {
    let end = id_token::end(token).filter(|end| *end > sources.world.now());
    end.ok_or_else(|| {
        Error::refused(format!("the variable `{name}` holds no ID token that still lives"))
            .hint(format!("unset {name}, or set it to an ID token"))
    })
}

/// The ID token of a record, and when it ends.
///
/// # Errors
/// [`crate::error::Class::Login`] when there is none that still lives.
pub(super) fn token(sources: &Sources, session: &Session, record: &Record) -> Result<(Secret, Option<Timestamp>)> {
    let profile = session.show();
    let kept = renew::keeps_id_token(sources, session)?;
    let found = if kept { &record.id_token } else { &record.secret };
    let found = found
        .as_ref()
        .and_then(|token| id_token::end(token).map(|end| (token.clone(), Some(end))));
    match found {
        Some((token, end)) if end > Some(sources.world.now()) => Ok((token, end)),
        Some(_) => Err(Error::login(format!(
            "the ID token of `{profile}` has ended, and its issuer gives no other"
        ))
        .hint(format!("run `keyfob login {profile}`"))),
        None if kept => Err(
            Error::login(format!("the session `{profile}` came without an ID token")).hint(format!(
                "ask for the scope `openid` in the provider file, then run `keyfob login {profile}`"
            )),
        ),
        None => Err(
            Error::login(format!("the session `{profile}` keeps no ID token")).hint(format!(
                "say `id_token = true` under `[oauth]` in the provider file, then run `keyfob login {profile}`"
            )),
        ),
    }
}
