//! What a login ends in at a service that follows no specification.

use super::{Login, Obtained};
use crate::report::sanitise;
use crate::shape::Granted;

/// A refresh token that nothing could ever send is not kept: it would only be there to be stolen.
pub(super) fn obtained(login: &Login, granted: Granted) -> Obtained {
    let Granted { mut tokens, subject } = granted;
    if login.mode.oauth.token_endpoint.is_none() && login.mode.refresh.is_none() {
        tokens.refresh = None;
    }
    Obtained {
        subject: subject.map(|subject| sanitise(&subject)),
        ..Obtained::from(tokens)
    }
}
