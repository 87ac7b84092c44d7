//! What protocols share whose tools give something to keep that is not kept.
//!
//! It knows no tool but docker, which has a setting of its own for it. Implements `protocol.md`, section "Terms".

use super::{Call, docker};
use crate::error::{Error, Result};
use crate::model::{Action, Answer, Request, Source};

/// The failure of a store for a place whose provider declined it: it has sessions, or takes passwords alone.
pub(super) fn not_kept(call: &mut Call, request: &Request) -> Error {
    let profile = request.profile.as_deref().unwrap_or("PROFILE").to_owned();
    not_kept_by(call, request, &profile)
}

fn not_kept_by(call: &mut Call, request: &Request, profile: &str) -> Error {
    let place = request.target.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut password = request.clone();
    (password.secret, password.authtype, password.apart) = (None, None, false);
    if matches!((call.ask)(&password), Ok(Answer::Done)) {
        let message = format!("storing the token for {place}: its provider keeps passwords there, and no tokens");
        return Error::refused(message).hint("set `scheme = \"bearer\"` for the target in the provider file");
    }
    let message =
        format!("storing the secret for {place}: its provider has sessions, and keeps nothing that a tool brings");
    Error::refused(message).hint(format!("run `keyfob login {profile}`"))
}

/// What a declined store comes to. To bring back what would be answered anyway is nothing to refuse: the tool has logged
/// in with it, and will get it again.
///
/// # Errors
/// [`crate::error::Class::Refused`] where it is another secret, or the place is none of the profile that the tool is wired for.
pub(super) fn declined(call: &mut Call, mut request: Request) -> Result<()> {
    let brought = request.secret.take();
    request.action = Action::Get;
    request.username = None;
    match (call.ask)(&request) {
        Ok(Answer::Found(credential)) if Some(&credential.secret) == brought.as_ref() => Ok(()),
        Ok(Answer::Declined) => Err(elsewhere(&request)),
        answer => {
            request.action = Action::Store;
            Err(match whose(answer) {
                Some(profile) => not_kept_by(call, &request, &profile),
                None => not_kept(call, &request),
            })
        }
    }
}

/// Keeps the token that a tool brings, whose success the tool would believe.
///
/// # Errors
/// Those of the store, and those of [`declined`].
pub(super) fn keep_token(call: &mut Call, mut request: Request) -> Result<()> {
    if (call.ask)(&request)? == Answer::Declined {
        request.understands.authtype = true;
        declined(call, request)?;
    }
    Ok(())
}

/// The profile of the session that was answered.
fn whose(answer: Result<Answer>) -> Option<String> {
    match answer {
        Ok(Answer::Found(found)) => match found.source {
            Source::Store { profile, .. } => profile,
            Source::Environment(_) => None,
        },
        _ => None,
    }
}

/// The failure of a store for a place that is none of the profile that the tool is wired for.
fn elsewhere(request: &Request) -> Error {
    let profile = request.profile.as_deref().unwrap_or("PROFILE");
    let place = request.target.as_ref().map(ToString::to_string).unwrap_or_default();
    let tool = request.tool;
    Error::refused(format!(
        "storing the secret for {place}: {tool} is wired for `{profile}` alone, which does not serve it"
    ))
    .hint(match tool == docker::DOCKER.name {
        // docker has no second place for a login where one helper is named for all.
        true => {
            "run `keyfob install docker` without a profile, or name the helper under `credHelpers` for its registries"
                .into()
        }
        false => format!("`keyfob install {tool}` without a profile wires it for all places"),
    })
}
