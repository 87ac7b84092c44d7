//! A key or token that the person has: from standard input, or a hidden prompt. Never from the arguments, which every
//! user of the machine can read.

use super::Login;
use crate::config::Flow;
use crate::error::{Error, Result};
use crate::oauth::token::TokenSet;
use crate::record::MAX_SECRET;
use crate::secret::Secret;

pub(super) fn run(login: &Login) -> Result<TokenSet> {
    let secret = if login.world.stdin_is_terminal() && login.world.person() {
        let register = login
            .provider
            .register
            .as_ref()
            .map(|url| format!(" (make one at {url})"));
        login.world.write_stderr(&format!(
            "A token of {} is needed{}.\n",
            login.provider.title,
            register.unwrap_or_default()
        ));
        login.world.ask_secret("token (not shown): ")?
    } else {
        from_stdin(login)?
    };
    check(login, &secret)?;
    Ok(TokenSet {
        access: secret,
        refresh: None,
        expires_in_secs: None,
        scopes: None,
    })
}

/// All of stdin, without the line end that `echo` adds.
fn from_stdin(login: &Login) -> Result<Secret> {
    let bytes = login.world.read_stdin()?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Error::usage("the token on standard input is not UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    Ok(Secret::new(text.strip_suffix('\r').unwrap_or(text).to_owned()))
}

fn check(login: &Login, secret: &Secret) -> Result<()> {
    if secret.is_empty() {
        return Err(Error::usage("standard input holds no token")
            .hint(format!("pipe it in: `keyfob set-token {} < FILE`", login.provider.name)));
    }
    let is_password = login.provider.flow == Flow::Static;
    let fits = secret.len() <= MAX_SECRET && !secret.expose().contains(['\n', '\r', '\0']);
    if !fits || !(is_password || secret.is_token()) {
        return Err(Error::usage(
            "what was given cannot be a token: it is longer than 64 KiB, or has spaces or line ends",
        ));
    }
    match &login.mode.key_prefix {
        Some(prefix) if !secret.expose().starts_with(prefix.as_str()) => Err(Error::usage(format!(
            "what was given does not begin with `{prefix}` as every key of {} does",
            login.provider.title
        ))),
        _ => Ok(()),
    }
}
