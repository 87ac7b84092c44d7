//! What tools bring back for a provider: a credential to keep, and one that a server refused.

use std::time::Duration;

use super::{Session, Sources, session};
use crate::error::{Error, Result};
use crate::model::{Answer, Request};
use crate::record::{MAX_SECRET, Record};
use crate::renew;
use crate::store::Torn;

/// How long an erase waits for who is at work on a record that cannot be read; each holds its lock for milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// A tool brings back what it got, or another helper's secret: neither is written. Only a provider whose credentials
/// are brought by tools keeps it.
pub(super) fn store(sources: &Sources, session: &Session, request: &Request) -> Result<Answer> {
    // What one tool alone can send, whole as it is, would come back with a scheme in front.
    if !session.keeps() || (request.apart && request.authtype.is_none()) {
        return Ok(Answer::Declined);
    }
    let Some(secret) = request.secret.clone() else {
        return Ok(Answer::Done);
    };
    let scheme = request.authtype.as_deref();
    if scheme.is_some_and(|scheme| !(session.bearer && scheme.eq_ignore_ascii_case("bearer"))) {
        // A ready header value would come back as somebody's password.
        return Ok(Answer::Declined);
    }
    let ended = request.expires_at.is_some_and(|end| end <= sources.world.now());
    if request.ephemeral || ended || session.variable(sources)?.is_some() {
        return Ok(Answer::Done);
    }
    if secret.len() > MAX_SECRET {
        return Err(Error::refused(format!(
            "the secret for `{}` is longer than 64 KiB",
            session.provider
        )));
    }
    let account = request
        .username
        .clone()
        .or_else(|| session.account.clone())
        .unwrap_or_default();
    renew::keep(sources, session, &account, request.tool, |record| {
        record.secret = Some(secret);
        record.expires_at = request.expires_at;
        record.refresh.clone_from(&request.refresh);
    })?;
    Ok(Answer::Done)
}

/// The server rejected the secret: an access token is not offered again, but its session stays; a key without a
/// refresh token is forgotten. Without a secret a tool forgets what it brought itself; a session ends by `keyfob logout`.
pub(super) fn erase(sources: &Sources, session: &Session, request: &Request) -> Result<Answer> {
    let wait = |pause| sources.world.sleep(pause);
    // What a tool brought it may forget unread; an issuer's may be put right by a login.
    let torn = match &request.secret {
        None if session.keeps() => Torn::Remove(PATIENCE, &wait),
        _ => Torn::Leave,
    };
    for stored in sources.stores.readable(&session.group(), torn)? {
        let record = &stored.record;
        // Two accounts may have the same secret, or a tool the wrong one: no field of the request is passed over.
        if !is_meant(session, request, record) {
            continue;
        }
        match &request.secret {
            Some(secret) if record.secret.as_ref() == Some(secret) => renew::reject(sources, session, &stored, secret)?,
            None if session.keeps() && record.tool == request.tool => {
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
    let named = user.is_none_or(|user| user == account || session::name(session, account.is_empty()) == Some(user));
    named && session.account.as_deref().is_none_or(|name| name == account)
}
