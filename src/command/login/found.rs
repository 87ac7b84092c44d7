//! A login with what is found out before it, and once more where the issuer has forgotten the client.

use super::Run;
use crate::error::{Context, Result};
use crate::login::discover::{self, Ask, Known};
use crate::login::{Login, LoginFlow, Obtained};
use crate::record::Learnt;
use crate::resolve::Session;

/// What the person named on the command line.
pub(super) struct Named<'a> {
    /// An issuer.
    pub auth_url: Option<&'a str>,
    /// A client.
    pub client_id: Option<&'a str>,
}

/// Finds out what is missing, and runs the flow with it.
///
/// # Errors
/// Those of [`discover::complete`] and of the flow.
pub(super) fn obtain(run: &Run, frame: &Login, flow: &LoginFlow, named: &Named) -> Result<(Known, Obtained)> {
    let before = known_before(run, frame);
    let mut ask = Ask {
        world: frame.world,
        http: frame.http,
        provider: frame.provider,
        mode: frame.mode,
        flow: flow.flow,
        scopes: &frame.scopes,
        auth_url: named.auth_url,
        client_id: named.client_id,
        before: before.as_ref(),
    };
    let doing = format!("logging in to `{}`", frame.provider.name);
    let known = discover::complete(&ask).doing(&doing)?;
    match (flow.run)(&frame.with(&known)) {
        Err(error) if known.reused && error.code.as_deref().is_some_and(is_client_refused) => {
            // The issuer has forgotten the client that an earlier login made.
            ask.before = None;
            let known = discover::complete(&ask).doing(&doing)?;
            let obtained = (flow.run)(&frame.with(&known))?;
            Ok((known, obtained))
        }
        obtained => Ok((known, obtained?)),
    }
}

/// What a session of this provider and mode, ended or not, learnt of its issuer when a client was registered.
fn known_before(run: &Run, frame: &Login) -> Option<Learnt> {
    let modes = &frame.provider.modes;
    let at = modes.iter().position(|mode| mode.name == frame.mode.name)?;
    // What cannot be read now does not hinder a login; another client is made then.
    let records = Session::named(frame.provider, at, None, None).records(run.sources);
    let learnt = records
        .unwrap_or_default()
        .into_iter()
        .filter_map(|stored| stored.record.learnt);
    learnt.into_iter().find(|learnt| learnt.registration.is_some())
}

/// The codes with which an issuer says that it does not know a client (RFC 6749, sections 4.1.2.1 and 5.2).
fn is_client_refused(code: &str) -> bool {
    matches!(code, "invalid_client" | "unauthorized_client")
}
