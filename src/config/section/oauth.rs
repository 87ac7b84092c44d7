//! `[oauth]`: the endpoints of an issuer and the names of a client (RFC 6749).

use std::collections::BTreeMap;

use toml::Spanned;

use super::Text;
use super::redirect::{self, Redirect};
use crate::config::read::Reader;
use crate::error::Result;
use crate::secret::Secret;

words! {
    issuer: Text,
    authorization_endpoint: Text,
    device_authorization_endpoint: Text,
    token_endpoint: Text,
    revocation_endpoint: Text,
    registration_endpoint: Text,
    pushed_authorization_request_endpoint: Text,
    par: bool,
    dpop: bool,
    id_token: bool,
    client_id: Text,
    client_secret: Text,
    client_secret_env: Text,
    client_secret_file: Text,
    token_auth: Text,
    scopes: Vec<Text>,
    audience: Text,
    resource: Vec<Text>,
    hosts: Vec<Text>,
    parameters: BTreeMap<Text, Text>,
    redirect_host: Text,
    redirect_path: Text,
    redirect_ports: Vec<Spanned<u32>>,
    redirect_issuer: bool,
}

/// The endpoints and names of an OAuth client (RFC 6749).
#[derive(Debug, Clone, Default)]
pub struct Oauth {
    /// The issuer's identifier (RFC 8414, section 2); endpoints that the file does not name are discovered from it.
    pub issuer: Option<String>,
    /// RFC 6749, section 3.1.
    pub authorization_endpoint: Option<String>,
    /// RFC 8628, section 3.1.
    pub device_authorization_endpoint: Option<String>,
    /// RFC 6749, section 3.2.
    pub token_endpoint: Option<String>,
    /// RFC 7009, section 2.
    pub revocation_endpoint: Option<String>,
    /// RFC 7591, section 3; asked only where there is no client id.
    pub registration_endpoint: Option<String>,
    /// RFC 9126, section 2.
    pub pushed_authorization_request_endpoint: Option<String>,
    /// Whether an authorization request is pushed where the issuer takes one. Defaults to yes.
    pub par: bool,
    /// Whether tokens are bound to a key (RFC 9449). Absent: only if the issuer wants it of a client that it made.
    pub dpop: Option<bool>,
    /// Whether the ID token of a session is kept beside its access token, for tools that want it. Defaults to no.
    pub id_token: bool,
    /// The key to which they are bound, as base64 of PKCS #8; never in a file.
    pub dpop_key: Option<Secret>,
    /// OpenID Connect Core, section 5.3; never in a file, which has `whoami` for it.
    pub userinfo_endpoint: Option<String>,
    /// RFC 6749, section 2.2.
    pub client_id: Option<String>,
    /// In a file, the secret of a client that cannot keep one (RFC 8252, section 8.5), known to everybody who has the
    /// file; or one that a registration gave.
    pub client_secret: Option<Secret>,
    /// The environment variable with the secret of a client that can keep one.
    pub client_secret_env: Option<String>,
    /// The file with it: absolute, or below the home after `~/`.
    pub client_secret_file: Option<String>,
    /// How the client proves who it is. Absent: [`TokenAuth::Body`] where there is a secret, else [`TokenAuth::None`].
    pub token_auth: Option<TokenAuth>,
    /// What to ask for.
    pub scopes: Vec<String>,
    /// A request parameter that several issuers want.
    pub audience: Option<String>,
    /// RFC 8707, section 2.
    pub resource: Vec<String>,
    /// Hosts besides the issuer's at which discovered endpoints may be.
    pub hosts: Vec<String>,
    /// What the authorization URL says besides, such as `access_type`; none of it is set by the flow itself.
    pub parameters: Vec<(String, String)>,
    /// Where the browser comes back to.
    pub redirect: Redirect,
    /// Whether the issuer promises to name itself in each redirect (RFC 9207, section 3). Defaults to no.
    pub redirect_issuer: bool,
}

/// How a client proves to a token endpoint who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenAuth {
    /// Its secret as the password of HTTP Basic (RFC 6749, section 2.3.1).
    Basic,
    /// Its secret in the form (RFC 6749, section 2.3.1).
    Body,
    /// Not at all: a public client.
    None,
    /// A statement that it signs (RFC 7523, section 2.2).
    PrivateKeyJwt,
    /// The machine's own token in place of such a statement, as federated identities want it.
    SubjectToken,
}

impl TokenAuth {
    /// All, by their words in a provider file.
    const WORDS: [(&str, TokenAuth); 5] = [
        ("basic", TokenAuth::Basic),
        ("body", TokenAuth::Body),
        ("none", TokenAuth::None),
        ("private_key_jwt", TokenAuth::PrivateKeyJwt),
        ("subject_token", TokenAuth::SubjectToken),
    ];
}

impl Oauth {
    /// Whether the file says where a secret of the client is.
    pub(in crate::config) fn has_secret(&self) -> bool {
        self.client_secret.is_some() || self.client_secret_env.is_some() || self.client_secret_file.is_some()
    }

    /// Whether a key that a flow needs is there; the key is one of [`crate::config::provider::FlowRow::needs`].
    pub fn has(&self, key: &str) -> bool {
        match key {
            "authorization_endpoint" => self.authorization_endpoint.is_some(),
            "client_id" => self.client_id.is_some(),
            "device_authorization_endpoint" => self.device_authorization_endpoint.is_some(),
            "token_endpoint" => self.token_endpoint.is_some(),
            _ => false,
        }
    }
}

/// Reads the table; which keys a flow needs is not its business.
pub(in crate::config) fn read(reader: &Reader, words: &Words) -> Result<Oauth> {
    let url = |key: &str, text: &Option<Text>| reader.url_if(&format!("oauth.{key}"), text.as_ref());
    let visible = |key: &str, text: &Option<Text>| reader.visible_if(&format!("oauth.{key}"), text.as_ref());
    let list = |key: &str, texts: &Option<Vec<Text>>| {
        let key = format!("oauth.{key}");
        let texts = texts.iter().flatten();
        texts.map(|text| reader.visible(&key, text)).collect::<Result<Vec<_>>>()
    };
    let token_auth = words.token_auth.as_ref().map(|text| {
        let found = TokenAuth::WORDS.iter().find(|(word, _)| word == text.get_ref());
        let names = TokenAuth::WORDS.map(|(word, _)| word).join(", ");
        found.map(|(_, auth)| *auth).ok_or_else(|| {
            reader.wrong_at(text, format!("oauth.token_auth: expected one of {names}, found another"))
        })
    });
    let places = [&words.client_secret, &words.client_secret_env, &words.client_secret_file];
    if let Some(second) = places.into_iter().flatten().nth(1) {
        let message = "oauth.client_secret: expected in one place of the file, `_env` or `_file`, found in two";
        return Err(reader.wrong_at(second, message));
    }
    let secret_env = words.client_secret_env.as_ref();
    let secret_file = words.client_secret_file.as_ref();
    Ok(Oauth {
        issuer: url("issuer", &words.issuer)?,
        authorization_endpoint: url("authorization_endpoint", &words.authorization_endpoint)?,
        device_authorization_endpoint: url("device_authorization_endpoint", &words.device_authorization_endpoint)?,
        token_endpoint: url("token_endpoint", &words.token_endpoint)?,
        revocation_endpoint: url("revocation_endpoint", &words.revocation_endpoint)?,
        client_id: visible("client_id", &words.client_id)?,
        registration_endpoint: url("registration_endpoint", &words.registration_endpoint)?,
        pushed_authorization_request_endpoint: url(
            "pushed_authorization_request_endpoint",
            &words.pushed_authorization_request_endpoint,
        )?,
        par: words.par.unwrap_or(true),
        dpop: words.dpop,
        id_token: words.id_token.unwrap_or_default(),
        dpop_key: None,
        userinfo_endpoint: None,
        client_secret: visible("client_secret", &words.client_secret)?.map(Secret::new),
        client_secret_env: secret_env
            .map(|name| reader.variable("oauth.client_secret_env", name))
            .transpose()?,
        client_secret_file: secret_file
            .map(|path| reader.path("oauth.client_secret_file", path))
            .transpose()?,
        token_auth: token_auth.transpose()?,
        scopes: list("scopes", &words.scopes)?,
        audience: visible("audience", &words.audience)?,
        resource: list("resource", &words.resource)?,
        hosts: list("hosts", &words.hosts)?,
        parameters: redirect::parameters(reader, words.parameters.as_ref())?,
        redirect: redirect::read(
            reader,
            words.redirect_host.as_ref(),
            words.redirect_path.as_ref(),
            words.redirect_ports.as_deref().unwrap_or_default(),
        )?,
        redirect_issuer: words.redirect_issuer.unwrap_or_default(),
    })
}
