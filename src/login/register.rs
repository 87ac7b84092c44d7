//! A client for this machine, where neither file nor person names one: RFC 7591, and RFC 7592 for whether it still is.
//!
//! A client that an earlier login made is used again, so that an issuer does not gather one for each login.

use super::discover::Ask;
use crate::config::{Mode, Redirect};
use crate::error::{Context, Error, Result};
use crate::http::{Body, Call};
use crate::oauth::Refusal;
use crate::oauth::metadata::Metadata;
use crate::oauth::register::{self, Wish};
use crate::record::{Learnt, Registration};
use crate::report::sanitise;
use crate::secret::{Secret, Sent};
use crate::target::Target;

/// A client to log in with.
pub(super) struct Client {
    id: String,
    secret: Option<Secret>,
    registration: Registration,
    /// Whether the issuer wants its requests proved (RFC 9449).
    pub dpop: bool,
    /// Whether an earlier login made it.
    pub reused: bool,
}

impl Client {
    /// Puts it where the session remembers it.
    pub(super) fn into_learnt(self, learnt: &mut Learnt) {
        learnt.client_id = Some(self.id);
        learnt.client_secret = self.secret;
        learnt.registration = Some(self.registration);
    }
}

/// The client of an earlier login, or a new one.
///
/// # Errors
/// [`crate::error::Class::Usage`] when the issuer makes none, so that the person must bring one;
/// [`crate::error::Class::Temporary`].
pub(super) fn client(ask: &Ask, mode: &Mode, found: Option<&Metadata>) -> Result<Client> {
    let code = !super::discover::is_device(ask.flow);
    if let Some(client) = ask.before.and_then(|before| earlier(ask, mode, before, code)) {
        return Ok(client);
    }
    let own = mode.oauth.registration_endpoint.as_deref();
    let endpoint = own.or_else(|| found?.registration_endpoint.as_deref());
    let issuer = sanitise(mode.oauth.issuer.as_deref().unwrap_or_default());
    let Some(endpoint) = endpoint else {
        let name = &ask.provider.name;
        let register = ask.provider.register.as_ref();
        let register = register.map_or_else(String::new, |url| format!("; register one at {url}"));
        return Err(Error::usage(format!(
            "there is no client id, and the issuer {issuer} makes none for programs that ask"
        ))
        .hint(format!("run `keyfob login {name} --client-id ID`{register}")));
    };
    let path = code.then(|| redirect_path(ask));
    let redirects = path
        .as_deref()
        .map_or_else(Vec::new, |path| redirects(&mode.oauth.redirect, path));
    let wish = Wish {
        redirects: &redirects,
        device: mode.oauth.device_authorization_endpoint.is_some(),
        scopes: ask.scopes,
        dpop: mode.oauth.dpop == Some(true),
    };
    let doing = format!("registering a client at the issuer {issuer}");
    let body = register::request(&wish);
    let reply = ask.http.send(&Call::new(endpoint, Body::Json(&body)));
    let reply = reply.map_err(Error::temporary).doing(&doing)?;
    if matches!(reply.status, 429 | 500..=599) {
        let message = format!("it answered with status {}", reply.status);
        return Err(Error::temporary(message)).doing(&doing);
    }
    let near =
        Target::from_url(endpoint.split('?').next().unwrap_or(endpoint)).is_ok_and(|target| target.is_loopback());
    let made = register::read(reply.status, &reply.content_type, &reply.body, near);
    let made = made
        .map_err(|refusal| refused(ask, refusal, &reply.sent))
        .doing(&doing)?;
    let (url, token) = made.manage.unzip();
    Ok(Client {
        id: made.id,
        secret: made.secret,
        registration: Registration {
            redirect_path: path,
            secret_ends: made.secret_ends,
            url,
            token,
        },
        dpop: made.dpop,
        reused: false,
    })
}

/// The client of an earlier login at the same issuer, unless its secret has ended or the issuer says that it is gone.
fn earlier(ask: &Ask, mode: &Mode, before: &Learnt, code: bool) -> Option<Client> {
    let registration = before.registration.clone()?;
    let fits = before.issuer == mode.oauth.issuer && (!code || registration.redirect_path.is_some());
    let ended = registration
        .secret_ends
        .is_some_and(|end| end <= ask.world.now().unix());
    if !fits || ended {
        return None;
    }
    if let Some((url, token)) = registration.url.as_deref().zip(registration.token.as_ref()) {
        let call = Call {
            bearer: Some(token),
            ..Call::new(url, Body::None)
        };
        // What cannot be asked is tried: the issuer refuses it at the login if it must.
        if ask.http.send(&call).is_ok_and(|reply| register::is_gone(reply.status)) {
            return None;
        }
    }
    Some(Client {
        id: before.client_id.clone()?,
        secret: before.client_secret.clone(),
        registration,
        dpop: before.dpop_key.is_some(),
        reused: true,
    })
}

/// The file's path, or one that no other program's redirects have; the issuer knows it, so it must stay the same.
fn redirect_path(ask: &Ask) -> String {
    let own = ask.mode.oauth.redirect.path.clone();
    own.unwrap_or_else(|| format!("/{}", data_encoding::HEXLOWER.encode(&ask.world.random::<16>())))
}

/// The redirects of a client: without a port, as an issuer must allow any (RFC 8252, section 7.3), or with the file's.
fn redirects(redirect: &Redirect, path: &str) -> Vec<String> {
    let host = redirect.host.text();
    if redirect.ports.is_empty() {
        return vec![format!("http://{host}{path}")];
    }
    let ports = redirect.ports.iter();
    ports.map(|port| format!("http://{host}:{port}{path}")).collect()
}

fn refused(ask: &Ask, refusal: Refusal, sent: &Sent) -> Error {
    let name = &ask.provider.name;
    super::refused(refusal, sent).hint(format!(
        "run `keyfob login {name} --client-id ID` with a client of your own"
    ))
}
