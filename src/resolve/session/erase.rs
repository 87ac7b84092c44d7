//! What a tool can forget of a provider's credentials.

use std::time::Duration;

use super::{Session, Sources};
use crate::error::Result;
use crate::model::{Answer, Request};
use crate::record::Record;
use crate::renew;
use crate::store::Torn;

/// How long an erase waits for who is at work on a record that cannot be read; each holds its lock for milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server rejected the secret: an access token is not offered again, but its session stays; a key without a
/// refresh token is forgotten. Without a secret a tool forgets what it brought itself; a session ends by `keyfob logout`.
pub(super) fn erase(sources: &Sources, session: &Session, request: &Request) -> Result<Answer> {
    let wait = |pause| sources.world.sleep(pause);
    // What a tool brought it may forget unread; an issuer's may be put right by a login.
    let torn = match &request.secret {
        None if session.keeps => Torn::Remove(PATIENCE, &wait),
        _ => Torn::Leave,
    };
    for stored in sources.stores.readable(&session.group(), torn)? {
        let record = &stored.record;
        if session.keeps && !is_meant(session, request, record) {
            continue;
        }
        match &request.secret {
            Some(secret) if record.secret.as_ref() == Some(secret) => renew::reject(sources, session, &stored, secret)?,
            None if session.keeps && record.tool == request.tool => {
                renew::forget(sources, session, &record.key)?;
            }
            _ => (),
        }
    }
    Ok(Answer::Done)
}

/// Whether a request to erase means this account: it names it, or names none.
fn is_meant(session: &Session, request: &Request, record: &Record) -> bool {
    let account = record.key.account.as_str();
    let user = request.username.as_deref();
    let named = user.is_none_or(|user| user == account || session.username.as_deref() == Some(user));
    named && session.account.as_deref().is_none_or(|name| name == account)
}
