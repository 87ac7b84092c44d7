//! Before a login: what the provider file does not say is found out, so that a flow sees a complete mode.
//!
//! In this order: the issuer that the person named, the file's, the one that the service names; its endpoints by RFC 8414
//! or OpenID Connect Discovery; a client by RFC 7591. What the file says itself is never asked for. The credentials go to
//! the file's targets all the same: nothing that is found here adds one.

use super::register;
use crate::config::{Flow, Mode, Provider, Service, SettingKey, provider};
use crate::error::{Context, Error, Result};
use crate::http::{Body, Call, Http};
use crate::oauth::dpop;
use crate::oauth::metadata::{self, Metadata, Wrong};
use crate::oauth::service::{self, Named};
use crate::record::Learnt;
use crate::renew::overlay;
use crate::report::sanitise;
use crate::target::Target;
use crate::world::World;

/// What is known before.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// The door to everything outside.
    pub world: &'a World,
    /// The client for issuer and service.
    pub http: &'a Http<'a>,
    /// Whom to log in to.
    pub provider: &'a Provider,
    /// In which mode, as its file has it.
    pub mode: &'a Mode,
    /// The flow that is to run.
    pub flow: Flow,
    /// What will be asked for.
    pub scopes: &'a [String],
    /// The issuer that the person named; it takes the place of the file's.
    pub auth_url: Option<&'a str>,
    /// The client that the person named; it takes the place of the file's.
    pub client_id: Option<&'a str>,
    /// What an earlier login learnt, whose client is used again if the issuer still knows it.
    pub before: Option<&'a Learnt>,
}

/// What is known then.
pub struct Known {
    /// The mode with everything that the flow needs.
    pub mode: Mode,
    /// What the session must remember; none where the file said everything.
    pub learnt: Option<Learnt>,
    /// Whether the client is that of an earlier login, which the issuer may have forgotten.
    pub reused: bool,
}

/// Finds out what the flow needs and the file does not say.
///
/// # Errors
/// [`crate::error::Class::Usage`] when something is missing that only the person can say;
/// [`crate::error::Class::Refused`] when issuer or service must not be believed; [`crate::error::Class::Temporary`].
pub fn complete(ask: &Ask) -> Result<Known> {
    let needs = needs(ask.flow);
    let mut learnt = named(ask)?;
    let with = |learnt: &Learnt| {
        let mut mode = ask.mode.clone();
        overlay(&mut mode, learnt);
        mode
    };
    if needs.is_empty() {
        return Ok(Known {
            mode: ask.mode.clone(),
            learnt: None,
            reused: false,
        });
    }
    let mut mode = with(&learnt);
    if mode.oauth.issuer.is_none() && mode.service.is_some() {
        by_service(ask, &mut learnt)?;
        mode = with(&learnt);
    }
    let client_missing = mode.oauth.client_id.is_none() && mode.oauth.registration_endpoint.is_none();
    let endpoint_missing = missing(&mode, needs).is_some_and(|key| key != "client_id");
    let issuer = mode.oauth.issuer.clone();
    let found = match &issuer {
        Some(issuer) if client_missing || endpoint_missing => Some(by_issuer(ask.http, issuer)?),
        _ => None,
    };
    if let Some(found) = &found {
        take(&mut learnt, found, ask.scopes);
        mode = with(&learnt);
        check_hosts(ask, &mode)?;
    }
    if let Some(key) = missing(&mode, needs).filter(|key| *key != "client_id") {
        let issuer = issuer.unwrap_or_default();
        return Err(Error::usage(format!(
            "the issuer {issuer} has no `{key}`, which the flow `{}` needs",
            ask.flow.word()
        ))
        .hint("choose another `login.flow` in the provider file"));
    }
    if !mode.oauth.par && found.as_ref().is_some_and(|found| found.pushed_only) {
        let issuer = issuer.unwrap_or_default();
        return Err(Error::usage(format!(
            "the issuer {issuer} takes no request that was not pushed (RFC 9126)"
        ))
        .hint("take `oauth.par` out of the provider file"));
    }
    if mode.oauth.dpop == Some(true) && found.as_ref().is_some_and(|found| !found.dpop) {
        let issuer = issuer.unwrap_or_default();
        return Err(
            Error::usage(format!("the issuer {issuer} takes no proof of possession with ES256"))
                .hint("take `oauth.dpop` out of the provider file"),
        );
    }
    let mut bound = mode.oauth.dpop == Some(true);
    let mut reused = false;
    if mode.oauth.client_id.is_none() {
        let client = register::client(ask, &mode, found.as_ref())?;
        reused = client.reused;
        bound |= client.dpop && mode.oauth.dpop.is_none();
        client.into_learnt(&mut learnt);
    }
    if learnt.client_id.is_none() && ask.provider.program.setting(SettingKey::ClientId).is_some() {
        learnt.client_id.clone_from(&mode.oauth.client_id);
        learnt.client_set = true;
    }
    if bound {
        learnt.dpop_key = Some(dpop::generate().map_err(Error::failure)?);
    }
    let mode = with(&learnt);
    let learnt = Some(learnt).filter(|learnt| *learnt != Learnt::default());
    Ok(Known { mode, learnt, reused })
}

/// The keys of `[oauth]` without which a flow cannot begin.
fn needs(flow: Flow) -> &'static [&'static str] {
    let row = provider::FLOWS.iter().find(|row| row.flow == flow);
    row.map_or(&[], |row| row.needs)
}

/// Whether a flow asks for device codes, and has no redirect.
pub(super) fn is_device(flow: Flow) -> bool {
    !needs(flow).contains(&"authorization_endpoint")
}

/// The first key that is missing; the client last, as it is registered with the endpoints at hand.
fn missing(mode: &Mode, needs: &[&'static str]) -> Option<&'static str> {
    let (clients, endpoints): (Vec<&str>, Vec<&str>) = needs.iter().copied().partition(|key| *key == "client_id");
    endpoints.into_iter().chain(clients).find(|key| !mode.oauth.has(key))
}

/// What the person named on the command line.
fn named(ask: &Ask) -> Result<Learnt> {
    if let Some(url) = ask.auth_url {
        metadata::places(url).map_err(|why| Error::usage(format!("`--auth-url` is no issuer: {why}")))?;
    }
    let good = |id: &str| (1..=256).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    if ask.client_id.is_some_and(|id| !good(id)) {
        return Err(Error::usage(
            "`--client-id` is not visible ASCII of at most 256 characters",
        ));
    }
    Ok(Learnt {
        issuer: ask.auth_url.map(Into::into),
        issuer_named: ask.auth_url.is_some(),
        client_id: ask.client_id.map(Into::into),
        client_named: ask.client_id.is_some(),
        ..Learnt::default()
    })
}

/// Asks the service for its issuer and its client.
fn by_service(ask: &Ask, learnt: &mut Learnt) -> Result<()> {
    let Some(service) = &ask.mode.service else {
        return Ok(());
    };
    let from_variable = match &service.variable {
        Some(variable) => ask.world.var(variable)?,
        None => None,
    };
    if let (Some(variable), Some(url)) = (&service.variable, &from_variable) {
        // One in the file or among the settings was looked at when it was read.
        metadata::places(url).map_err(|why| {
            Error::usage(format!("the variable `{variable}` is no URL of a service: {why}"))
                .hint(format!("unset {variable}, or set it to https://\u{2026}"))
        })?;
    }
    let url = from_variable.or_else(|| service.url.clone()).ok_or_else(|| {
        let provider = &ask.provider.name;
        if let Some(name) = ask.provider.program.setting(SettingKey::Service) {
            let hint = format!("run `keyfob config set {name} https://\u{2026} --provider {provider}`");
            return Error::usage(format!("`{name}` is not set: it is the URL of the service")).hint(hint);
        }
        let variable = service.variable.as_ref();
        let or = variable.map_or_else(String::new, |name| format!(" or set {name} to it,"));
        let message = "the URL of the service is not set (`service.url` of the provider file)";
        Error::usage(message).hint(format!(
            "put `url = \"https://\u{2026}\"` below `[service]` in {}.toml,{or} or give `--auth-url` and `--client-id`",
            ask.provider.name
        ))
    })?;
    let found = named_by_service(ask.http, &url, Some(service))?;
    ask.world.write_stderr(&format!(
        "{} names {} as its issuer.\n",
        sanitise(&host(&url).unwrap_or_default()),
        sanitise(&found.issuer)
    ));
    learnt.issuer = Some(found.issuer);
    if !learnt.client_named {
        learnt.client_id = found.client_id;
    }
    Ok(())
}

/// Asks a service for its issuer and its client; without a table of a provider file, where RFC 9728 has them.
///
/// # Errors
/// As [`by_issuer`].
pub fn named_by_service(http: &Http, url: &str, table: Option<&Service>) -> Result<Named> {
    let doing = format!("asking the service {} for its issuer", sanitise(url));
    Target::from_url(url).map_err(Error::usage).doing(&doing)?;
    let pointers = service::Pointers {
        issuer: table.and_then(|table| table.issuer.as_deref()),
        client_id: table.and_then(|table| table.client_id.as_deref()),
    };
    let place = service::place(url, table.and_then(|table| table.path.as_deref()));
    let reply = http.send(&Call::new(&place, Body::None));
    let reply = reply.map_err(Error::temporary).doing(&doing)?;
    let found = service::read(url, pointers, reply.status, &reply.content_type, &reply.body);
    found.map_err(told).doing(&doing)
}

/// Asks an issuer for its endpoints, at each place where its document may be.
///
/// # Errors
/// [`crate::error::Class::Usage`] when there is no document; [`crate::error::Class::Refused`] when it must not be
/// believed; [`crate::error::Class::Temporary`] when the issuer does not answer.
pub fn by_issuer(http: &Http, issuer: &str) -> Result<Metadata> {
    let doing = format!("finding the endpoints of the issuer {}", sanitise(issuer));
    let places = metadata::places(issuer).map_err(Error::usage).doing(&doing)?;
    let mut first = None;
    for place in places {
        let reply = http.send(&Call::new(&place, Body::None));
        let reply = reply.map_err(Error::temporary).doing(&doing)?;
        match metadata::read(issuer, reply.status, &reply.content_type, &reply.body) {
            Ok(found) => return Ok(found),
            Err(Wrong::Absent(why)) => first = first.or(Some(why)),
            Err(wrong) => return Err(told(wrong)).doing(&doing),
        }
    }
    let why = first.unwrap_or_default();
    Err(
        Error::usage(format!("there is no document at either well-known place: {why}"))
            .hint("check the issuer's URL, or name its endpoints in the provider file"),
    )
    .doing(&doing)
}

fn told(wrong: Wrong) -> Error {
    match wrong {
        Wrong::Absent(why) => Error::usage(why),
        Wrong::Busy(why) => Error::temporary(why),
        Wrong::Refused(why) => Error::refused(why).hint("check the URL; it must be the issuer's own spelling"),
    }
}

/// Keeps what a renewal, a look or a logout will need.
fn take(learnt: &mut Learnt, found: &Metadata, scopes: &[String]) {
    let Metadata {
        issuer,
        authorization_endpoint,
        token_endpoint,
        device_authorization_endpoint,
        revocation_endpoint,
        registration_endpoint: _,
        pushed_authorization_request_endpoint,
        userinfo_endpoint,
        pushed_only: _,
        iss_parameter,
        dpop: _,
        scopes: _,
    } = found;
    learnt.issuer = Some(issuer.clone());
    learnt.authorization_endpoint.clone_from(authorization_endpoint);
    learnt.token_endpoint.clone_from(token_endpoint);
    learnt
        .device_authorization_endpoint
        .clone_from(device_authorization_endpoint);
    learnt.revocation_endpoint.clone_from(revocation_endpoint);
    learnt
        .pushed_authorization_request_endpoint
        .clone_from(pushed_authorization_request_endpoint);
    learnt.iss_parameter = *iss_parameter;
    // It answers whoever asked for `openid`, and gets the token only where the person sent it anyway.
    let own = |url: &&String| {
        host(url) == host(issuer) || token_endpoint.as_ref().is_some_and(|token| host(url) == host(token))
    };
    if scopes.iter().any(|scope| scope == "openid") {
        learnt.userinfo_endpoint = userinfo_endpoint.as_ref().filter(own).cloned();
    }
}

/// The hosts of a mode's endpoints that are not the issuer's, sorted.
pub fn other_hosts(mode: &Mode) -> Vec<String> {
    let oauth = &mode.oauth;
    let issuer = oauth.issuer.as_deref().and_then(host);
    let endpoints = [
        &oauth.authorization_endpoint,
        &oauth.device_authorization_endpoint,
        &oauth.token_endpoint,
        &oauth.revocation_endpoint,
        &oauth.pushed_authorization_request_endpoint,
        &oauth.userinfo_endpoint,
    ];
    let hosts = endpoints.into_iter().flatten().filter_map(|url| host(url));
    let mut hosts: Vec<String> = hosts.filter(|host| Some(host) != issuer.as_ref()).collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

/// The host of a URL, with its port unless that is the default.
pub fn host(url: &str) -> Option<String> {
    let target = Target::from_url(url.split('?').next().unwrap_or(url));
    target.ok().map(|target| target.host_and_port())
}

/// Says where an issuer's endpoints are, if they are not at the issuer itself, and refuses those at hosts that neither
/// the issuer's name nor the provider file knows: a document may not choose alone where codes and secrets go.
fn check_hosts(ask: &Ask, mode: &Mode) -> Result<()> {
    let issuer = mode.oauth.issuer.as_deref().unwrap_or_default();
    let others = other_hosts(mode);
    if others.is_empty() {
        return Ok(());
    }
    let mut named: Vec<String> = [ask.mode, mode].into_iter().flat_map(known_hosts).collect();
    named.extend(other_hosts(ask.mode).iter().map(|host| bare(host).to_owned()));
    let strange: Vec<&str> = others
        .iter()
        .map(|host| bare(host))
        .filter(|host| !named.iter().any(|known| known == host))
        .collect();
    if !strange.is_empty() {
        let list = strange
            .iter()
            .map(|host| format!("{:?}", sanitise(host)))
            .collect::<Vec<_>>()
            .join(", ");
        return Err(Error::refused(format!(
            "the issuer {} has endpoints at hosts that the provider file does not know: {list}",
            sanitise(issuer)
        ))
        .hint(format!(
            "if they belong to it, put `hosts = [{list}]` into the table `[oauth]` of the provider file"
        )));
    }
    ask.world.write_stderr(&format!(
        "The issuer {} has endpoints at {}.\n",
        sanitise(issuer),
        sanitise(&others.join(", "))
    ));
    Ok(())
}

/// The hosts that a provider file vouches for, without their ports.
fn known_hosts(mode: &Mode) -> Vec<String> {
    let oauth = &mode.oauth;
    let issuer = oauth.issuer.as_deref().and_then(host);
    let listed = oauth.hosts.iter().map(|host| bare(host).to_ascii_lowercase());
    issuer.iter().map(|host| bare(host).to_owned()).chain(listed).collect()
}

/// A host without its port: another port of a host is that host's own business.
pub fn bare(host: &str) -> &str {
    let port = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    port.map_or(host, |(name, _)| name)
}
