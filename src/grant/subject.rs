//! The machine's own token: a CI job's, a container's, or whatever a variable or file holds.
//!
//! It is asked for anew at each grant and never kept. It knows the two CI systems by what they document: GitHub Actions
//! (which Forgejo's speak like) hands it out over HTTP to a job with the permission, GitLab puts it into a variable.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::place::{self, Readers};
use crate::config::{Grant, TokenSource};
use crate::error::{Context, Error, Result};
use crate::http::{Body, Call, Http};
use crate::oauth::token::is_json;
use crate::secret::Secret;
use crate::world::World;

/// Names it in messages.
const WHAT: &str = "the machine's own token";

/// The answer of GitHub Actions.
#[derive(Deserialize)]
struct Wire {
    value: Option<Secret>,
}

/// The token.
///
/// # Errors
/// [`crate::error::Class::Login`] when the machine gives none; [`crate::error::Class::Temporary`] when it does not answer;
/// [`crate::error::Class::Usage`] when what is there cannot be a token.
pub(super) fn token(world: &World, grant: &Grant) -> Result<Secret> {
    if let Some(given) = &grant.given {
        return checked(given.clone(), "the session that is named");
    }
    let source = grant.subject_token.as_ref();
    let source = source.ok_or_else(|| Error::usage("the provider file has no `grant.subject_token`"))?;
    let secret = match source {
        TokenSource::Env(name) => place::variable(world, name, WHAT)?,
        TokenSource::File(path) => place::text(place::file(world, path, WHAT, Readers::Any)?, path, WHAT)?,
        TokenSource::Profile(name) => {
            return Err(Error::usage(format!(
                "the token of `{name}` can be given by a session alone"
            )));
        }
        TokenSource::GithubActions => return github(world, grant.audience.as_deref()),
        TokenSource::Gitlab(name) => place::variable(world, name, WHAT).map_err(|error| {
            error.hint(format!(
                "declare `{name}` under `id_tokens` of the job, with the audience that the issuer wants"
            ))
        })?,
    };
    checked(secret, &format!("what `{source}` holds"))
}

fn checked(secret: Secret, holder: &str) -> Result<Secret> {
    if secret.is_token() {
        Ok(secret)
    } else {
        Err(Error::usage(format!(
            "{holder} cannot be a token: it is longer than 64 KiB, or has spaces or line ends"
        )))
    }
}

/// Asks the machine that runs the job, with the job's own credential for that.
fn github(world: &World, audience: Option<&str>) -> Result<Secret> {
    let doing = "asking the CI machine for the job's token";
    let names = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN");
    let (Some(url), Some(bearer)) = (
        world.var("ACTIONS_ID_TOKEN_REQUEST_URL")?,
        world.var("ACTIONS_ID_TOKEN_REQUEST_TOKEN")?,
    ) else {
        return Err(
            Error::login(format!("the variables `{}` and `{}` are not set", names.0, names.1))
                .hint("give the job the permission `id-token: write`"),
        )
        .doing(doing);
    };
    let bearer = Secret::new(bearer);
    if !bearer.is_token() {
        return Err(Error::usage(format!("the variable `{}` cannot be a token", names.1))).doing(doing);
    }
    let mut url = Zeroizing::new(url);
    if let Some(audience) = audience {
        let separator = if url.contains('?') { '&' } else { '?' };
        url.push(separator);
        url.push_str("audience=");
        url.extend(utf8_percent_encode(audience, NON_ALPHANUMERIC));
    }
    let call = Call {
        bearer: Some(&bearer),
        ..Call::new(&url, Body::None)
    };
    let reply = Http::new(world)?.send(&call).map_err(Error::temporary).doing(doing)?;
    match reply.status {
        200 if is_json(&reply.content_type) => (),
        401 | 403 => {
            let refused = Error::login(format!("it refuses with status {}", reply.status));
            return Err(refused.hint("give the job the permission `id-token: write`")).doing(doing);
        }
        status => {
            return Err(Error::temporary(format!(
                "it answered with status {status} and no token"
            )))
            .doing(doing);
        }
    }
    let wire: Wire = serde_json::from_slice(&reply.body)
        .map_err(|error| Error::temporary(format!("in its answer {}", crate::record::place(&error))))
        .doing(doing)?;
    checked(wire.value.unwrap_or_default(), "what it answered").doing(doing)
}
