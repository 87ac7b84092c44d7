//! The calls of a service that follows no specification, made as its provider file describes them.

use std::time::Duration;

use super::{Login, Obtained};
use crate::config;
use crate::http::{Body, Call, Failure, Reply};
use crate::report::sanitise;
use crate::shape::{self, Answer, Granted, Values};

/// Makes one call, once, in at most this time.
///
/// # Errors
/// [`Failure`], which says whether the service may have acted.
pub(super) fn ask(login: &Login, call: &config::Call, values: Values, time: Duration) -> Result<Reply, Failure> {
    let url = shape::url(call, values);
    let body = shape::body(call, values);
    let body = body.as_ref().map_or(Body::None, |json| Body::Json(json));
    login.http.send(&Call {
        time,
        ..Call::new(&url, body)
    })
}

/// A reply in the words of those who know what it means.
pub(super) fn answer(reply: &Reply) -> Answer<'_> {
    Answer {
        status: reply.status,
        content_type: &reply.content_type,
        retry_after_secs: reply.retry_after_secs,
        body: &reply.body,
    }
}

/// What a login ends in. A refresh token that nothing could ever send is not kept: it would only be there to be stolen.
pub(super) fn obtained(login: &Login, granted: Granted) -> Obtained {
    let Granted { mut tokens, subject } = granted;
    if login.mode.oauth.token_endpoint.is_none() {
        tokens.refresh = None;
    }
    Obtained {
        subject: subject.map(|subject| sanitise(&subject)),
        ..Obtained::from(tokens)
    }
}
