//! Whom a credential speaks for: the provider's whoami, else the ID token that came with it.

use super::{Check, Run};
use crate::error::{Class, Context, Error, Result};
use crate::login::{self, Login, Obtained};
use crate::oauth::id_token::{self, Claims, Expected, Mistake};
use crate::report::message;
use crate::secret::Secret;

/// The account; none where nobody says it, and for a credential that is kept whatever they say.
///
/// # Errors
/// [`Class::Refused`] when the credential is another account's than the wanted one, or its ID token another login's: it
/// must not be used. Those of [`login::whoami`] for a credential that the person has still.
pub(super) fn subject(run: &Run, login: &Login, obtained: &Obtained, check: Check) -> Result<Option<String>> {
    let wanted = login.options.account.as_deref();
    let claims = claims(run, login, obtained, check)?;
    let subject = match (&obtained.subject, claims) {
        (Some(subject), _) => Some(subject.clone()),
        (None, Some(claims)) if login.mode.whoami.is_none() => Some(match wanted {
            Some(wanted) if claims.is(wanted) => wanted.to_owned(),
            _ => claims.name,
        }),
        _ => ask(run, login, obtained, check)?,
    };
    match (wanted, &subject) {
        (Some(wanted), Some(subject)) if wanted != subject => Err(Error::refused(format!(
            "the login was for `{wanted}`, but the credential speaks for `{subject}`"
        ))
        .hint("log out in the browser, then log in with the account that you want")),
        _ => Ok(subject),
    }
}

/// The claims of the ID token, where it is what names the account, or must answer a nonce.
fn claims(run: &Run, login: &Login, obtained: &Obtained, check: Check) -> Result<Option<Claims>> {
    let needed = obtained.nonce.is_some() || (login.mode.whoami.is_none() && obtained.subject.is_none());
    let Some(token) = obtained.tokens.id_token.as_ref().filter(|_| needed) else {
        return Ok(None);
    };
    let expected = Expected {
        issuer: login.mode.oauth.issuer.as_deref(),
        client_id: login.mode.oauth.client_id.as_deref().unwrap_or_default(),
        nonce: obtained.nonce.as_ref().map(Secret::expose),
        now: run.world.now(),
    };
    match id_token::read(token, &expected) {
        Ok(claims) => Ok(Some(claims)),
        Err(Mistake::Foreign(why)) => Err(Error::refused(format!("the ID token that the issuer sent {why}"))
            .hint("check `oauth.issuer` and `oauth.client_id` in the provider file, then log in again"))
        .doing("learning whom the credential speaks for"),
        Err(Mistake::Unusable(why)) => {
            if login.mode.whoami.is_none() && check != Check::None {
                unnamed(run, &format!("the ID token that the issuer sent {why}"));
            }
            Ok(None)
        }
    }
}

fn ask(run: &Run, login: &Login, obtained: &Obtained, check: Check) -> Result<Option<String>> {
    if check == Check::None {
        return Ok(None);
    }
    match login::whoami(login.http, login.mode, &obtained.tokens.access) {
        Err(error) if error.class == Class::Temporary || check == Check::Lenient => {
            unnamed(run, &message(&error));
            Ok(None)
        }
        subject => subject,
    }
}

fn unnamed(run: &Run, why: &str) {
    run.note(&format!("keyfob: warning: {why}; the session is kept without a name\n"));
}
