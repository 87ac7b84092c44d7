//! The device authorization grant (RFC 8628): a person approves on any device, this one polls.
//!
//! Code and page are always shown, also when the browser was opened, and a line warns who did not start this login
//! (section 5.4). The device code is never shown. A new code is asked for only when a person wants one (section 3.5).

use std::time::Duration;

use super::notice;
use super::waiting::Waiting;
use super::{Login, Obtained};
use crate::error::{Class, Context, Error, Result};
use crate::http;
use crate::oauth::Refusal;
use crate::oauth::device::{self, Grant, Next, Pace};
use crate::oauth::token::{self, Reply, TokenSet};
use crate::renew::{self, client};
use crate::report::{message, sanitise};

/// For how long a person is waited for who may want a fresh code. A prompt that nobody answers must end by itself,
/// because other logins wait for this one.
const PATIENCE: Duration = Duration::from_secs(600);

/// What came of one code.
enum End {
    Granted(TokenSet),
    /// With what was in the way at the end, if anything.
    Expired(Option<String>),
}

pub(super) fn run(login: &Login) -> Result<Obtained> {
    loop {
        let grant = start(login).doing(format!("asking the issuer of `{}` for a code", login.provider.name))?;
        show(login, &grant);
        match poll(login, &grant).doing(format!("logging in to `{}`", login.provider.name))? {
            End::Granted(tokens) => return Ok(tokens.into()),
            End::Expired(_) if wants_another(login) => (),
            End::Expired(trouble) => return Err(expired(login, trouble)),
        }
    }
}

fn start(login: &Login) -> Result<Grant> {
    let oauth = &login.mode.oauth;
    let url = oauth.device_authorization_endpoint.as_deref();
    let url = url.ok_or_else(|| Error::usage("the provider file has no `oauth.device_authorization_endpoint`"))?;
    let form = device::start(
        client(login.world, login.mode)?,
        &login.scopes,
        oauth.audience.as_deref(),
        &oauth.resource,
    );
    let reply = login.http.post(url, &form).map_err(Error::temporary)?;
    match reply.status {
        429 | 500..=599 => Err(Error::temporary(format!("it answered with status {}", reply.status))),
        status => device::read(status, &reply.content_type, &reply.body).map_err(|refusal| {
            match refusal.without(&reply.sent) {
                Refusal::Code { code, description } => refused(login, &code, description.as_deref()),
                Refusal::Unusable(why) => Error::failure(sanitise(&why))
                    .hint("check `oauth.device_authorization_endpoint` in the provider file"),
            }
        }),
    }
}

fn show(login: &Login, grant: &Grant) {
    let world = login.world;
    let text = notice::text(&login.provider.title, grant, world.screen(), login.options.qr);
    world.write_stderr(&text);
    if login.options.browser {
        let page = grant
            .verification_uri_complete
            .as_deref()
            .unwrap_or(&grant.verification_uri);
        // Whoever has no browser has the page and the code already.
        let line = match world.open_browser(page, &login.provider.secret_variables()) {
            Ok(()) => "The page is being opened in your browser.".to_owned(),
            Err(error) => format!("No browser was opened: {}.", message(&error)),
        };
        login.say(&line);
    }
}

fn poll(login: &Login, grant: &Grant) -> Result<End> {
    let url = login.mode.oauth.token_endpoint.as_deref();
    let url = url.ok_or_else(|| Error::usage("the provider file has no `oauth.token_endpoint`"))?;
    let end = login
        .world
        .now()
        .plus(i64::try_from(grant.expires_in_secs).unwrap_or(i64::MAX));
    let mut pace = Pace::new(grant.interval_secs);
    let mut waiting = Waiting::new(login.world, "Waiting for the approval", end);
    let (mut wait_secs, mut trouble) = (pace.wait_secs(), None);
    loop {
        let left = u64::try_from(end.since(login.world.now())).unwrap_or(0);
        waiting.pause(Duration::from_secs(wait_secs.min(left)));
        if login.world.now() >= end {
            return Ok(End::Expired(trouble));
        }
        // A statement with which the client proves itself is good for one request.
        let form = device::poll(
            client(login.world, login.mode)?,
            &grant.device_code,
            &login.mode.oauth.resource,
        );
        let sent = renew::post(login.http, login.mode, url, &form, http::CALL);
        let rest_secs = sent.as_ref().ok().and_then(rest_secs);
        let next = match sent.as_ref().map(|reply| renew::read(login.mode, reply)) {
            Ok(Reply::Unusable(why)) if sent.as_ref().is_ok_and(is_final) => {
                let why = format!("the issuer's answer cannot be used: {why}");
                return Err(Error::failure(why).hint(again(login)));
            }
            Ok(Reply::Unusable(why)) => {
                trouble = Some(format!("what answers is no issuer: {why}"));
                pace.lost()
            }
            // Some send their `slow_down` with 429.
            Ok(Reply::Error { code, .. }) if code != "slow_down" && sent.as_ref().is_ok_and(is_overloaded) => {
                trouble = Some("the issuer cannot answer now".into());
                pace.lost()
            }
            Ok(reply) => {
                trouble = None;
                pace.answered(reply)
            }
            Err(failure) => {
                trouble = Some(failure.to_string());
                pace.lost()
            }
        };
        waiting.trouble(trouble.as_deref());
        wait_secs = pace.wait_secs().max(rest_secs.unwrap_or(0));
        match next {
            Next::Poll => (),
            Next::Done(tokens) => return Ok(End::Granted(tokens)),
            Next::Expired => return Ok(End::Expired(None)),
            Next::Refused(code, description) => return Err(refused(login, &code, description.as_deref())),
        }
    }
}

/// Whether an answer that cannot be used came from the issuer all the same: the code is spent then.
fn is_final(reply: &http::Reply) -> bool {
    reply.status == 200 && token::is_json(&reply.content_type)
}

/// Whether an answer says nothing of the code, but that the issuer is in trouble.
fn is_overloaded(reply: &http::Reply) -> bool {
    matches!(reply.status, 429 | 500..=599)
}

/// How long an issuer wants to be left alone that is overloaded.
fn rest_secs(reply: &http::Reply) -> Option<u64> {
    let overloaded = matches!(reply.status, 429 | 503);
    let seconds = reply.retry_after_secs.filter(|_| overloaded)?;
    u64::try_from(seconds).ok()
}

/// Whether a person at the terminal asks for another code.
fn wants_another(login: &Login) -> bool {
    let prompt = "The code has expired. Press Enter for a fresh one, or Ctrl-C to stop: ";
    login.world.screen().is_some() && login.world.person() && login.world.ask_enter(prompt, PATIENCE)
}

fn expired(login: &Login, trouble: Option<String>) -> Error {
    let message = match trouble {
        Some(why) => format!("the code has expired, and could not be asked about at the end: {why}"),
        None => "the code has expired before it was approved".into(),
    };
    Error::login(message).hint(again(login))
}

fn again(login: &Login) -> String {
    format!("run `keyfob login {}` again for a fresh code", login.profile())
}

/// An error of the issuer as a sentence, with what to do about it: RFC 8628, section 3.5 and RFC 6749, section 5.2.
fn refused(login: &Login, code: &str, description: Option<&str>) -> Error {
    let name = &login.provider.name;
    let provider_file = format!("check the provider file with `keyfob provider show {name}`");
    let (class, why, hint) = match code {
        "access_denied" => (
            Class::Login,
            "the login was refused on the issuer's page",
            format!(
                "if that was a mistake, run `keyfob login {}` and approve it",
                login.profile()
            ),
        ),
        "invalid_grant" => (Class::Login, "the issuer does not know the code any more", again(login)),
        "invalid_client" | "unauthorized_client" => (
            Class::Usage,
            "the issuer does not let this client id log in with a code",
            format!("check `oauth.client_id` with `keyfob provider show {name}`, and the app's settings at the issuer"),
        ),
        "invalid_scope" => (
            Class::Usage,
            "the issuer does not know the scopes that were asked for",
            format!("check `oauth.scopes` with `keyfob provider show {name}`, and `--scope`"),
        ),
        "unsupported_grant_type" => (
            Class::Usage,
            "the issuer has no device grant at this endpoint",
            provider_file,
        ),
        "server_error" | "temporarily_unavailable" => {
            (Class::Temporary, "the issuer has trouble of its own", again(login))
        }
        _ => (Class::Login, "the issuer refused", provider_file),
    };
    let says = description.map_or_else(String::new, |text| {
        format!(": it says \u{201c}{}\u{201d}", sanitise(text))
    });
    Error::new(class, format!("{why} (`{}`{says})", sanitise(code)))
        .hint(hint)
        .code(code)
}
