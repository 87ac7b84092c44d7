//! Grants that need no person: what is sent to the issuer, made from what the machine has.
//!
//! One function a flow, one table. It makes no token request and keeps nothing: `renew/` does both. Secrets come from
//! variables and files (`place.rs`), the token of a CI job from the machine that runs it (`subject.rs`); a provider file
//! never makes a program run. RFC 6749, sections 2.3 and 4.4; RFC 7523; RFC 8693.

mod aws;
mod place;
mod subject;

use zeroize::Zeroizing;

use crate::config::{Flow, Mode, TokenAuth};
use crate::error::{Error, Result};
use crate::http::Reply;
use crate::oauth::assertion::{Claims, Signer};
use crate::oauth::token;
use crate::oauth::{Client, Form, Proof, client_credentials, exchange, jwt_bearer};
use crate::secret::Secret;
use crate::world::World;

/// One grant that needs no person.
struct Row {
    flow: Flow,
    form: fn(&World, &Mode) -> Result<Form>,
    /// Reads the answer, where it is not that of a token endpoint.
    read: Option<fn(&World, &Reply) -> token::Reply>,
}

const TABLE: &[Row] = &[
    Row {
        flow: Flow::AwsWebIdentity,
        form: aws::form,
        read: Some(aws::read),
    },
    Row {
        flow: Flow::ClientCredentials,
        form: client_credentials,
        read: None,
    },
    Row {
        flow: Flow::JwtBearer,
        form: jwt_bearer,
        read: None,
    },
    Row {
        flow: Flow::TokenExchange,
        form: exchange,
        read: None,
    },
];

fn row(flow: Flow) -> &'static Row {
    let row = TABLE.iter().find(|row| row.flow == flow);
    row.expect("only a flow without a person is asked for; a test checks the table")
}

/// The form of one token request. A statement in it is good once, so that each request needs its own.
///
/// # Errors
/// [`crate::error::Class::Login`] when the machine does not have what is needed; [`crate::error::Class::Usage`] when what
/// it has cannot be used; [`crate::error::Class::Store`] when others can read it; [`crate::error::Class::Temporary`] when
/// the CI machine does not answer.
pub fn form(world: &World, flow: Flow, mode: &Mode) -> Result<Form> {
    (row(flow).form)(world, mode)
}

/// What the answer to such a request means; `read` reads it as any answer of a token endpoint.
pub fn checked(
    world: &World,
    flow: Flow,
    mode: &Mode,
    reply: &Reply,
    read: impl Fn(&Mode, &Reply) -> token::Reply,
) -> token::Reply {
    if let Some(own) = row(flow).read {
        return own(world, reply).without(&reply.sent);
    }
    let requested = mode.grant.requested_token_type.as_deref();
    match read(mode, reply) {
        read @ token::Reply::Granted(_) if flow == Flow::TokenExchange => match exchange::check(&reply.body, requested)
        {
            Ok(()) => read,
            Err(why) => token::Reply::Unusable(why),
        },
        read => read,
    }
}

/// The client that a mode names, with what proves who it is; for one request.
///
/// # Errors
/// [`crate::error::Class::Usage`] when the provider file has no client id; else as [`form`].
pub fn client<'m>(world: &World, mode: &'m Mode) -> Result<Client<'m>> {
    let client = client_if_any(world, mode)?;
    client.ok_or_else(|| Error::usage("the provider file has no `oauth.client_id`"))
}

fn client_if_any<'m>(world: &World, mode: &'m Mode) -> Result<Option<Client<'m>>> {
    let Some(id) = mode.oauth.client_id.as_deref() else {
        return Ok(None);
    };
    let secret = place::client_secret(world, &mode.oauth)?;
    let needed = |secret: Option<Secret>| {
        secret.ok_or_else(|| Error::usage("the provider file does not say where the client's secret is"))
    };
    let proof = match (mode.oauth.token_auth, secret) {
        (None, secret) => secret.map(Proof::Body),
        (Some(TokenAuth::None), _) => None,
        (Some(TokenAuth::Body), secret) => Some(Proof::Body(needed(secret)?)),
        (Some(TokenAuth::Basic), secret) => Some(Proof::Basic(needed(secret)?)),
        (Some(TokenAuth::PrivateKeyJwt), _) => Some(Proof::Assertion(own_statement(world, mode, id)?)),
        (Some(TokenAuth::SubjectToken), _) => Some(Proof::Assertion(subject::token(world, &mode.grant)?)),
    };
    Ok(Some(Client { id, secret: proof }))
}

fn client_credentials(world: &World, mode: &Mode) -> Result<Form> {
    let (client, oauth) = (client(world, mode)?, &mode.oauth);
    let audience = oauth.audience.as_deref();
    Ok(client_credentials::form(
        client,
        &oauth.scopes,
        audience,
        &oauth.resource,
    ))
}

fn jwt_bearer(world: &World, mode: &Mode) -> Result<Form> {
    let client = client_that_proves(world, mode)?;
    let assertion = match &mode.grant.subject_token {
        Some(_) => subject::token(world, &mode.grant)?,
        None => statement(world, mode)?,
    };
    Ok(jwt_bearer::form(client, &assertion, &mode.oauth.scopes))
}

fn exchange(world: &World, mode: &Mode) -> Result<Form> {
    let (oauth, grant) = (&mode.oauth, &mode.grant);
    let client = client_if_any(world, mode)?;
    let subject = subject::token(world, grant)?;
    let exchange = exchange::Exchange {
        subject: &subject,
        subject_type: &grant.subject_token_type,
        requested_type: grant.requested_token_type.as_deref(),
    };
    let audience = oauth.audience.as_deref();
    Ok(exchange::form(
        client,
        exchange,
        &oauth.scopes,
        audience,
        &oauth.resource,
    ))
}

/// A client id alone may be meant as the statement's issuer; it goes with the form where the file says how it proves
/// itself, or that it does not.
fn client_that_proves<'m>(world: &World, mode: &'m Mode) -> Result<Option<Client<'m>>> {
    let client = client_if_any(world, mode)?;
    Ok(client.filter(|client| client.secret.is_some() || mode.oauth.token_auth.is_some()))
}

/// What a client says of itself to prove who it is: issuer and subject are its id (RFC 7523, section 3).
fn own_statement(world: &World, mode: &Mode, id: &str) -> Result<Secret> {
    let (signer, _) = signer(world, mode)?;
    let claims = Claims {
        issuer: id,
        subject: id,
        audience: issuer(mode)?,
        others: &serde_json::Map::new(),
    };
    Ok(signer.sign(claims, world.now(), world.random()))
}

/// The statement that is a grant itself.
fn statement(world: &World, mode: &Mode) -> Result<Secret> {
    let (signer, owner) = signer(world, mode)?;
    let grant = &mode.grant;
    let said = grant
        .issuer
        .as_deref()
        .or(owner.as_deref())
        .or(mode.oauth.client_id.as_deref());
    let said = said.ok_or_else(|| {
        Error::usage("the provider file does not say who signs the statement")
            .hint("add `grant.issuer`, the issuer's name for you")
    })?;
    let claims = Claims {
        issuer: said,
        subject: grant.subject.as_deref().unwrap_or(said),
        audience: match grant.audience.as_deref() {
            Some(audience) => audience,
            None => issuer(mode)?,
        },
        others: &grant.claims,
    };
    Ok(signer.sign(claims, world.now(), world.random()))
}

/// To whom a statement goes: the issuer's identifier, so that nobody else can use it; else its token endpoint.
fn issuer(mode: &Mode) -> Result<&str> {
    let oauth = &mode.oauth;
    let audience = oauth.issuer.as_deref().or(oauth.token_endpoint.as_deref());
    audience.ok_or_else(|| Error::usage("the provider file has neither `oauth.issuer` nor `oauth.token_endpoint`"))
}

/// The key of a mode, and its owner where the key's own file names it.
fn signer(world: &World, mode: &Mode) -> Result<(Signer, Option<String>)> {
    let place::Key { pem, id, owner, place } = place::key(world, &mode.signing)?;
    let id = mode.signing.key_id.clone().or(id);
    let pem: Zeroizing<Vec<u8>> = pem;
    let signer = Signer::from_pem(&pem, id);
    let signer = signer.map_err(|why| {
        Error::usage(format!("reading the private key in {place}: {why}"))
            .hint("convert it with `openssl pkcs8 -topk8 -nocrypt`, or take the right file")
    })?;
    Ok((signer, owner))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::provider::FLOWS;

    #[test]
    fn every_flow_without_a_person_has_one_row() {
        for row in FLOWS {
            let rows = TABLE.iter().filter(|known| known.flow == row.flow).count();
            assert_eq!(rows, usize::from(row.flow.is_unattended()), "{}", row.word);
        }
    }
}
