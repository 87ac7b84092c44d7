//! Whom a credential speaks for: the provider's whoami, else the ID token that came with it.

use super::{Check, Run};
use crate::config::profile;
use crate::error::{Class, Context, Error, Result};
use crate::login::{self, Identity, Login, Obtained};
use crate::oauth::id_token::{self, Claims, Expected, Mistake};
use crate::report::message;
use crate::secret::Secret;

/// Whom a credential speaks for, and what else the server says of it.
#[derive(Default)]
pub(super) struct Known {
    /// The account; none where nobody says it, and for a credential that is kept whatever they say.
    pub subject: Option<String>,
    /// The server's answer; none where it was not asked.
    pub said: Option<Identity>,
    /// That the server refuses a credential which the issuer gave just now. It is kept, as it is given once.
    pub refusal: Option<Error>,
}

/// Finds out whom a credential speaks for.
///
/// # Errors
/// [`Class::Refused`] when the credential is another account's than the wanted one, or its ID token another login's: it
/// must not be used. Those of [`login::identity`] for a credential that the person has still.
pub(super) fn learn(run: &Run, login: &Login, obtained: &Obtained, check: Check) -> Result<Known> {
    let wanted = login.options.account.as_deref();
    let claims = claims(run, login, obtained, check)?;
    let (subject, said) = match (&obtained.subject, claims) {
        (Some(subject), _) => (Some(subject.clone()), more(login, obtained, check)),
        (None, Some(claims)) if login.mode.whoami.is_none() => {
            let name = match wanted {
                Some(wanted) if claims.is(wanted) => wanted.to_owned(),
                _ => claims.name,
            };
            (Some(name), more(login, obtained, check))
        }
        _ => match ask(run, login, obtained, check) {
            Err(error) if check == Check::Lenient && error.code.as_deref() == Some(login::UNAUTHORIZED) => {
                let refusal = Some(error);
                return Ok(Known {
                    refusal,
                    ..Known::default()
                });
            }
            said => {
                let said = said?;
                (said.as_ref().map(|said| said.subject.clone()), said)
            }
        },
    };
    match (wanted, &subject) {
        (Some(wanted), Some(subject)) if wanted != subject => Err(Error::refused(format!(
            "the login was for `{wanted}`, but the credential speaks for `{subject}`"
        ))
        .hint("log out in the browser, then log in with the account that you want")),
        _ => Ok(Known {
            subject,
            said,
            refusal: None,
        }),
    }
}

/// What the server says besides the name, where the provider file wants it. A login does not fail for it.
fn more(login: &Login, obtained: &Obtained, check: Check) -> Option<Identity> {
    let mode = login.mode;
    let whoami = mode.whoami.as_ref();
    let is_wanted = whoami.is_some_and(|whoami| whoami.scopes.is_some() || !whoami.fields.is_empty())
        || mode.workspace.as_ref().is_some_and(|kind| kind.default.is_some());
    if !is_wanted || check == Check::None {
        return None;
    }
    login::identity(login.http, mode, &obtained.tokens.access)
        .ok()
        .flatten()
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

fn ask(run: &Run, login: &Login, obtained: &Obtained, check: Check) -> Result<Option<Identity>> {
    if check == Check::None {
        return Ok(None);
    }
    match login::identity(login.http, login.mode, &obtained.tokens.access) {
        Err(error) if check == Check::Lenient && error.code.as_deref() == Some(login::UNAUTHORIZED) => Err(error),
        Err(error) if error.class == Class::Temporary || check == Check::Lenient => {
            unnamed(run, &message(&error));
            Ok(None)
        }
        Err(error) if error.class == Class::Login && error.hint.is_none() => {
            let profile = profile::show(&login.provider.name, &login.mode.name, wanted_of(login));
            Err(error.hint(format!(
                "nothing was kept; `keyfob set-token {profile} --no-check` keeps one that the server refuses now"
            )))
        }
        said => said,
    }
}

fn wanted_of<'a>(login: &'a Login) -> &'a str {
    login.options.account.as_deref().unwrap_or_default()
}

fn unnamed(run: &Run, why: &str) {
    run.note(&format!("keyfob: warning: {why}; the session is kept without a name\n"));
}
