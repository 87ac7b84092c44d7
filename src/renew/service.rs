//! The calls of a service that follows no specification, made as its provider file describes them; and the one of them by
//! which a session is refreshed.
//!
//! What an answer means is `shape`'s business, what it means for a session that is kept is `renewal.rs`'s.

use std::time::Duration;

use super::attempt::Outcome;
use crate::config::{self, Refresh, Slot};
use crate::http::{Body, Call, Failure, Http, Reply};
use crate::secret::Secret;
use crate::shape::refresh::{Meaning, meaning};
use crate::shape::{self, Answer, Values};

/// Makes one call, once, in at most this time.
///
/// # Errors
/// [`Failure`], which says whether the service may have acted.
pub fn ask(http: &Http, call: &config::Call, values: Values, time: Duration) -> Result<Reply, Failure> {
    ask_as(http, call, values, Bearer::default(), time)
}

/// In whose name a call is made.
#[derive(Clone, Copy, Default)]
pub struct Bearer<'a> {
    /// The access token; none: in nobody's.
    pub token: Option<&'a Secret>,
    /// The key that the token is bound to (RFC 9449), if it is.
    pub key: Option<&'a Secret>,
}

/// The same with an access token.
///
/// # Errors
/// As [`ask`].
pub fn ask_as(
    http: &Http,
    call: &config::Call,
    values: Values,
    bearer: Bearer,
    time: Duration,
) -> Result<Reply, Failure> {
    let url = shape::url(call, values);
    let body = shape::body(call, values);
    let body = body.as_ref().map_or(Body::None, |json| Body::Json(json));
    http.send(&Call {
        time,
        method: Some(call.method.word()),
        bearer: bearer.token,
        key: bearer.key,
        secrets: values
            .iter()
            .filter(|(slot, _)| slot.is_secret())
            .map(|(_, value)| *value)
            .collect(),
        ..Call::new(&url, body)
    })
}

/// A reply in the words of those who know what it means.
pub fn answer(reply: &Reply) -> Answer<'_> {
    Answer {
        status: reply.status,
        content_type: &reply.content_type,
        retry_after_secs: reply.retry_after_secs,
        body: &reply.body,
        sent: &reply.sent,
    }
}

/// Sends a refresh token.
pub(super) fn send(http: &Http, refresh: &Refresh, token: &Secret, time: Duration) -> Result<Reply, Failure> {
    let values = [(Slot::RefreshToken, token.expose())];
    ask(http, &refresh.exchange, &values, time)
}

/// Asks for a token of a workspace with the session's own credential.
pub(super) fn reissue(
    http: &Http,
    exchange: &Refresh,
    credential: &Secret,
    workspace: &str,
    time: Duration,
) -> Result<Reply, Failure> {
    let values = [(Slot::Workspace, workspace)];
    let bearer = Bearer {
        token: Some(credential),
        key: None,
    };
    ask_as(http, &exchange.exchange, &values, bearer, time)
}

/// Sorts an answer that is not about patience.
pub(super) fn sort(refresh: &Refresh, reply: &Reply) -> Outcome {
    match meaning(refresh, &answer(reply)) {
        Meaning::Granted(tokens) => Outcome::Granted(tokens),
        Meaning::Nothing(why) => Outcome::NotIssuer(format!("what answered is not the service: {why}")),
        Meaning::Refused(status, description) => Outcome::Misconfigured {
            code: format!("status {status}"),
            description,
        },
        Meaning::Rejected => Outcome::Rejected { description: None },
        Meaning::Unusable(why) => Outcome::Unknown(format!("the service's answer cannot be used: it has {why}")),
    }
}
