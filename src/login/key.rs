//! A key or token that the person has: from standard input, or a hidden prompt. Whoever gives it among the arguments is
//! warned, since every user of the machine can read them.

use serde::de::IgnoredAny;

use super::{Login, Obtained};
use crate::config::{Flow, KeyForm};
use crate::error::{Error, Result};
use crate::oauth::token::TokenSet;
use crate::pem;
use crate::record::MAX_SECRET;
use crate::report::sanitise;
use crate::secret::Secret;

pub(super) fn run(login: &Login) -> Result<Obtained> {
    if let Some(token) = &login.options.token {
        login.world.write_stderr(
            "keyfob: warning: what is among the arguments can be read by every user of this machine, and stays\n\
             in the shell's history; next time give it on standard input\n",
        );
        check(login, token)?;
        return Ok(TokenSet::bare(token.clone()).into());
    }
    let secret = match (login.world.stdin_is_terminal(), login.world.person()) {
        (true, true) => ask(login)?,
        // Read like a file it would be shown as it is typed.
        (true, false) => {
            return Err(
                Error::usage("standard input is a terminal, and nobody may be asked").hint(format!(
                    "pipe the token in: `keyfob set-token {} < FILE`",
                    login.provider.name
                )),
            );
        }
        (false, _) => from_stdin(login)?,
    };
    check(login, &secret)?;
    Ok(TokenSet::bare(secret).into())
}

/// A hidden prompt on the terminal.
fn ask(login: &Login) -> Result<Secret> {
    if login.mode.key_form == KeyForm::Certificate {
        // A prompt takes one line.
        return Err(
            Error::usage("a client certificate is read from standard input, which is a terminal")
                .hint(format!("pipe it in: `keyfob set-token {} < FILE`", login.provider.name)),
        );
    }
    let register = login.provider.register.as_ref();
    let register = register.map_or_else(String::new, |url| format!(" (make one at {url})"));
    let title = sanitise(&login.provider.title);
    login
        .world
        .write_stderr(&format!("A token of {title} is needed{register}.\n"));
    login.world.ask_secret("token (not shown): ")
}

/// All of stdin, without the line end that `echo` adds.
fn from_stdin(login: &Login) -> Result<Secret> {
    let bytes = login.world.read_stdin()?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Error::usage("the token on standard input is not UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    let is_key = login.provider.flow != Flow::Static && login.mode.key_form != KeyForm::Certificate;
    Ok(Secret::new(
        compact(text).filter(|_| is_key).unwrap_or_else(|| text.to_owned()),
    ))
}

/// A JSON object without the white space between its parts: programs print keys of several parts on many lines, and a
/// token has none. None where it is something else.
fn compact(text: &str) -> Option<String> {
    if !text.starts_with('{') || serde_json::from_str::<IgnoredAny>(text).is_err() {
        return None;
    }
    let mut kept = String::with_capacity(text.len());
    let (mut inside, mut escaped) = (false, false);
    for c in text.chars() {
        if inside || !c.is_ascii_whitespace() {
            kept.push(c);
        }
        inside ^= c == '"' && !escaped;
        escaped = inside && c == '\\' && !escaped;
    }
    Some(kept)
}

fn check(login: &Login, secret: &Secret) -> Result<()> {
    if secret.is_empty() {
        return Err(Error::usage("standard input holds no token")
            .hint(format!("pipe it in: `keyfob set-token {} < FILE`", login.provider.name)));
    }
    if login.mode.key_form == KeyForm::Certificate {
        return check_certificate(secret);
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

/// A certificate that no tool could use is refused while the person has the file at hand.
fn check_certificate(secret: &Secret) -> Result<()> {
    if secret.len() > MAX_SECRET {
        return Err(Error::usage("what was given is longer than 64 KiB"));
    }
    pem::read(secret).map(drop).map_err(|why| {
        Error::usage(why)
            .context("reading the client certificate")
            .hint("give certificate and private key as one PEM text")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_json_object_loses_the_space_between_its_parts() {
        let printed = "{\n  \"Version\": 1,\n  \"Key\": \"can\\\" : \\\\\",\r\n\t\"b\": [ \"a b\" ]\n}\n";
        let expected = "{\"Version\":1,\"Key\":\"can\\\" : \\\\\",\"b\":[\"a b\"]}";
        assert_eq!(compact(printed).as_deref(), Some(expected));
        for other in ["canary", "", "{ canary", "[ 1 ]", "{\"a\": 1} x"] {
            assert_eq!(compact(other), None, "{other}");
        }
    }
}
