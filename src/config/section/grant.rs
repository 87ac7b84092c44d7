//! `[grant]`: what a flow without a person asks with.
//!
//! It names places of secrets and holds none. RFC 7523, section 3; RFC 8693, section 2.1.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Text;
use super::oauth::{Oauth, TokenAuth};
use super::signing::Signing;
use crate::config::read::Reader;
use crate::config::{Flow, Profile};
use crate::error::Result;
use crate::secret::Secret;

words! {
    account: Text,
    subject_token: Text,
    subject_token_type: Text,
    requested_token_type: Text,
    issuer: Text,
    subject: Text,
    audience: Text,
    claims: BTreeMap<Text, Value>,
}

/// What a flow without a person asks with.
#[derive(Debug, Clone, Default)]
pub struct Grant {
    /// The name of the session's account. Absent: it has none.
    pub account: Option<String>,
    /// Where the machine's own token is.
    pub subject_token: Option<TokenSource>,
    /// The machine's own token itself, where it is another session's; never in a file.
    pub given: Option<Secret>,
    /// What kind of token that is (RFC 8693, section 3). Defaults to a JWT.
    pub subject_token_type: String,
    /// What kind of token is asked for (RFC 8693, section 2.1).
    pub requested_token_type: Option<String>,
    /// The claim `iss` of the statement. Absent: the client id, or whom the key's own file names.
    pub issuer: Option<String>,
    /// The claim `sub` of the statement. Absent: its issuer.
    pub subject: Option<String>,
    /// For whom the statement, or the token that a CI machine is asked for, is meant. Absent: the issuer's identifier,
    /// else the token endpoint, of a statement; the CI machine's own default of a token.
    pub audience: Option<String>,
    /// Further claims of the statement.
    pub claims: Map<String, Value>,
}

/// Where the machine's own token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// In this environment variable.
    Env(String),
    /// In this file, which somebody renews: absolute, or below the home after `~/`.
    File(String),
    /// GitHub Actions, or what speaks like it, is asked for one.
    GithubActions,
    /// In the variable of this name under `id_tokens` of a GitLab job.
    Gitlab(String),
    /// The ID token of this profile's session.
    Profile(String),
}

impl std::fmt::Display for TokenSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TokenSource::Env(name) => write!(f, "env:{name}"),
            TokenSource::File(path) => write!(f, "file:{path}"),
            TokenSource::GithubActions => f.write_str("github-actions"),
            TokenSource::Gitlab(name) => write!(f, "gitlab:{name}"),
            TokenSource::Profile(name) => write!(f, "profile:{name}"),
        }
    }
}

/// The short words for kinds of tokens (RFC 8693, section 3).
const TOKEN_TYPES: [&str; 4] = ["access_token", "id_token", "jwt", "saml2"];

/// Claims that this program sets itself (RFC 7523, section 3).
const OWN_CLAIMS: [&str; 7] = ["aud", "exp", "iat", "iss", "jti", "nbf", "sub"];

/// Reads the table; what a flow needs of it is [`lack`]'s business.
pub(in crate::config) fn read(reader: &Reader, words: &Words) -> Result<Grant> {
    let visible = |key: &str, text: &Option<Text>| reader.visible_if(&format!("grant.{key}"), text.as_ref());
    let kind = |key: &str, text: &Option<Text>| visible(key, text).map(|kind| kind.map(|kind| token_type(&kind)));
    let source = words.subject_token.as_ref().map(|text| source(reader, text));
    Ok(Grant {
        account: visible("account", &words.account)?,
        subject_token: source.transpose()?,
        given: None,
        subject_token_type: kind("subject_token_type", &words.subject_token_type)?.unwrap_or_else(|| token_type("jwt")),
        requested_token_type: kind("requested_token_type", &words.requested_token_type)?,
        issuer: visible("issuer", &words.issuer)?,
        subject: visible("subject", &words.subject)?,
        audience: visible("audience", &words.audience)?,
        claims: claims(reader, words)?,
    })
}

/// What a flow needs of a provider file that this one does not have, in the words of a mistake.
pub(in crate::config) fn lack(flow: Flow, oauth: &Oauth, grant: &Grant, signing: &Signing) -> Option<String> {
    let proves = match oauth.token_auth {
        Some(TokenAuth::PrivateKeyJwt) if !signing.has_key() => {
            return Some("signing.key_file: expected by `private_key_jwt`, or `key_env`, found nothing".into());
        }
        Some(TokenAuth::SubjectToken) if grant.subject_token.is_none() => {
            return Some("grant.subject_token: expected by the way of `oauth.token_auth`, found nothing".into());
        }
        Some(TokenAuth::PrivateKeyJwt | TokenAuth::SubjectToken) => true,
        Some(TokenAuth::None) => false,
        Some(TokenAuth::Basic | TokenAuth::Body) | None => oauth.has_secret(),
    };
    let word = flow.word();
    if flow.is_unattended() && oauth.dpop == Some(true) {
        return Some(format!("oauth.dpop: expected no key for the flow `{word}`, found one"));
    }
    match flow {
        Flow::ClientCredentials if !proves => Some(format!(
            "oauth.client_secret_env: expected by the flow `{word}`, or another `oauth.token_auth`, found nothing"
        )),
        Flow::JwtBearer if !signing.has_key() && grant.subject_token.is_none() => Some(format!(
            "signing.key_file: expected by the flow `{word}`, or `grant.subject_token`, found nothing"
        )),
        Flow::AwsWebIdentity | Flow::TokenExchange if grant.subject_token.is_none() => Some(format!(
            "grant.subject_token: expected by the flow `{word}`, found nothing"
        )),
        _ => None,
    }
}

fn token_type(word: &str) -> String {
    if TOKEN_TYPES.contains(&word) {
        format!("urn:ietf:params:oauth:token-type:{word}")
    } else {
        word.to_owned()
    }
}

fn source(reader: &Reader, text: &Text) -> Result<TokenSource> {
    const KEY: &str = "grant.subject_token";
    let part = |rest: &str| Text::new(text.span(), rest.to_owned());
    match text.get_ref().split_once(':') {
        None if text.get_ref() == "github-actions" => Ok(TokenSource::GithubActions),
        Some(("env", name)) => reader.variable(KEY, &part(name)).map(TokenSource::Env),
        Some(("file", path)) => reader.path(KEY, &part(path)).map(TokenSource::File),
        Some(("gitlab", name)) => reader.variable(KEY, &part(name)).map(TokenSource::Gitlab),
        Some(("profile", name)) => match Profile::parse(name) {
            Ok(_) => Ok(TokenSource::Profile(name.to_owned())),
            Err(error) => Err(reader.wrong_at(text, format!("{KEY}: {error}"))),
        },
        _ => {
            let message = format!(
                "{KEY}: expected `github-actions`, or `profile:`, `gitlab:`, `env:` or `file:` with a name, found another"
            );
            Err(reader.wrong_at(text, message))
        }
    }
}

fn claims(reader: &Reader, words: &Words) -> Result<Map<String, Value>> {
    let mut claims = Map::new();
    for (name, value) in words.claims.iter().flatten() {
        if OWN_CLAIMS.contains(&name.get_ref().as_str()) {
            let message = "grant.claims: expected claims other than those that keyfob sets, found one of them";
            return Err(reader.wrong_at(name, message));
        }
        if is_date(value) {
            return Err(reader.wrong_at(name, "grant.claims: expected a text, number, list or table, found a date"));
        }
        claims.insert(name.get_ref().clone(), value.clone());
    }
    Ok(claims)
}

/// Whether there is a date in it, which JSON cannot say and the TOML reader hands over as a table with a key of its own.
fn is_date(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.iter().any(is_date),
        Value::Object(table) => table.iter().any(|(key, value)| key.starts_with("$__toml") || is_date(value)),
        _ => false,
    }
}
