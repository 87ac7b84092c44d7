//! The device authorization grant (RFC 8628): a person approves on any device, this one polls.
//!
//! Code and page are always shown, also when the browser was opened, and a line warns who did not start this login
//! (section 5.4). The device code is never shown.

use std::time::Duration;

use super::waiting::Waiting;
use super::{Login, Obtained};
use crate::error::{Context, Error, Result};
use crate::oauth::device::{self, Grant, Next, Pace};
use crate::oauth::token::{self, TokenSet};
use crate::renew::client;
use crate::report::sanitise;

pub(super) fn run(login: &Login) -> Result<Obtained> {
    let grant = start(login).doing(format!("asking the issuer of `{}` for a code", login.provider.name))?;
    show(login, &grant);
    let tokens = poll(login, &grant).doing(format!("logging in to `{}`", login.provider.name))?;
    Ok(tokens.into())
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
        status => device::read(status, &reply.content_type, &reply.body).map_err(|why| Error::failure(sanitise(&why))),
    }
}

fn show(login: &Login, grant: &Grant) {
    let minutes = grant.expires_in_secs.div_ceil(60);
    let text = format!(
        "To log in to {}, open this page on any device:\n\n    {}\n\nand enter the code:\n\n    {}\n\n\
         Go on only if you started this login yourself.\nThe code is good for {minutes} min.\n\n",
        sanitise(&login.provider.title),
        sanitise(&grant.verification_uri),
        sanitise(&grant.user_code),
    );
    login.world.write_stderr(&text);
    if login.options.browser {
        let page = grant
            .verification_uri_complete
            .as_deref()
            .unwrap_or(&grant.verification_uri);
        // Whoever has no browser has the page and the code already.
        let _ = login.world.open_browser(page, &login.mode.variables);
    }
}

fn poll(login: &Login, grant: &Grant) -> Result<TokenSet> {
    let again = || format!("run `keyfob login {}` again for a fresh code", login.provider.name);
    let url = login.mode.oauth.token_endpoint.as_deref();
    let url = url.ok_or_else(|| Error::usage("the provider file has no `oauth.token_endpoint`"))?;
    let form = device::poll(client(login.world, login.mode)?, &grant.device_code);
    let expired = || Error::login("the code was not approved in time").hint(again());
    let end = login
        .world
        .now()
        .plus(i64::try_from(grant.expires_in_secs).unwrap_or(i64::MAX));
    let mut pace = Pace {
        interval_secs: grant.interval_secs,
    };
    let mut waiting = Waiting::new(login.world, "Waiting for the approval", end);
    loop {
        waiting.tick();
        let left = u64::try_from(end.since(login.world.now())).unwrap_or(0);
        login.world.sleep(Duration::from_secs(pace.interval_secs.min(left)));
        if login.world.now() >= end {
            return Err(expired());
        }
        let next = match login.http.post(url, &form) {
            Ok(reply) => pace.answered(token::read(reply.status, &reply.content_type, &reply.body)),
            Err(_) => pace.lost(),
        };
        match next {
            Next::Poll => (),
            Next::Done(tokens) => return Ok(tokens),
            Next::Expired => return Err(expired()),
            Next::Refused(code, description) => {
                let says = description
                    .map(|text| format!(": the issuer says “{}”", sanitise(&text)))
                    .unwrap_or_default();
                return Err(Error::login(format!("the issuer answered `{}`{says}", sanitise(&code))).hint(again()));
            }
        }
    }
}
