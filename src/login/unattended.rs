//! A login that needs no person: the grant is asked at once, so that a mistake shows here and not at a tool's call.

use super::{Login, Obtained};
use crate::error::{Context, Error, Result};
use crate::renew;

pub(super) fn run(login: &Login) -> Result<Obtained> {
    let doing = format!("logging in to `{}`", login.provider.name);
    if login.scopes != login.mode.oauth.scopes {
        // The next token would be asked for without them.
        return Err(
            Error::usage("the scopes of a flow without a person are those of the provider file")
                .hint("add the scope to `oauth.scopes` there"),
        )
        .doing(doing);
    }
    let account = login.mode.grant.account.clone();
    if login.options.account.is_some() && login.options.account != account {
        return Err(
            Error::usage("the account of a flow without a person is the one of the provider file")
                .hint("say its name as `grant.account` there"),
        )
        .doing(doing);
    }
    let tokens = renew::ask(login.world, login.http, login.provider, login.mode).doing(doing)?;
    Ok(Obtained {
        subject: account,
        ..tokens.into()
    })
}
