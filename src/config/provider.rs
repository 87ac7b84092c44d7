//! A provider: a service that gives out credentials, described by one TOML file of format 1.
//!
//! A provider file never makes keyfob run a program, but where a person says `sync`; and its credentials go to nothing but
//! its own targets.
//! `read.rs` makes these values from the file.

use super::disk::Stamp;
use super::index;
use super::read::Reader;
use super::section::aws::Aws;
use super::section::context::Workspace;
use super::section::grant::{Grant, TokenSource};
use super::section::key::KeyForm;
use super::section::mfa::Mfa;
use super::section::oauth::Oauth;
use super::section::otp::Otp;
use super::section::password::Password;
use super::section::place::Place;
use super::section::poll::Poll;
use super::section::program::Program;
use super::section::refresh::Refresh;
use super::section::service::Service;
use super::section::signing::Signing;
use super::section::sync::{Sync, SyncedAs};
use super::section::whoami::Whoami;
use super::setting::Settings;
use crate::error::{Error, Result};
use crate::target::Target;

/// How a credential of a provider is obtained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// A token that the machine or a session has is exchanged for keys of AWS (STS `AssumeRoleWithWebIdentity`).
    AwsWebIdentity,
    /// OAuth authorization code grant with PKCE, in a browser that comes back to this machine (RFC 8252).
    Browser,
    /// The client asks for itself (RFC 6749, section 4.4).
    ClientCredentials,
    /// OAuth device authorization grant (RFC 8628).
    Device,
    /// A code that is sent to the person's address, and given with it for a session or a key.
    EmailOtp,
    /// A signed statement is the grant (RFC 7523, section 2.1).
    JwtBearer,
    /// A key or token that the person brings.
    Key,
    /// A page with a proof key (RFC 7636), and a question to the service whether the person is done there.
    Poll,
    /// A user name and password that a tool or the person brings.
    Static,
    /// A token that the machine has is exchanged for another (RFC 8693).
    TokenExchange,
}

/// What a provider file says of a flow.
#[derive(Debug)]
pub struct FlowRow {
    /// The flow.
    pub flow: Flow,
    /// The word for it in `login.flow`.
    pub word: &'static str,
    /// The keys of `[oauth]` without which it cannot begin.
    pub needs: &'static [&'static str],
}

/// All flows, by their words.
pub const FLOWS: &[FlowRow] = &[
    FlowRow {
        flow: Flow::AwsWebIdentity,
        word: "aws-web-identity",
        needs: &["token_endpoint"],
    },
    FlowRow {
        flow: Flow::Browser,
        word: "browser",
        needs: &["client_id", "authorization_endpoint", "token_endpoint"],
    },
    FlowRow {
        flow: Flow::ClientCredentials,
        word: "client-credentials",
        needs: &["client_id", "token_endpoint"],
    },
    FlowRow {
        flow: Flow::Device,
        word: "device",
        needs: &["client_id", "device_authorization_endpoint", "token_endpoint"],
    },
    FlowRow {
        flow: Flow::EmailOtp,
        word: "email-otp",
        needs: &[],
    },
    FlowRow {
        flow: Flow::JwtBearer,
        word: "jwt-bearer",
        needs: &["token_endpoint"],
    },
    FlowRow {
        flow: Flow::Key,
        word: "key",
        needs: &[],
    },
    FlowRow {
        flow: Flow::Poll,
        word: "poll",
        needs: &[],
    },
    FlowRow {
        flow: Flow::Static,
        word: "static",
        needs: &[],
    },
    FlowRow {
        flow: Flow::TokenExchange,
        word: "token-exchange",
        needs: &["token_endpoint"],
    },
];

impl Flow {
    /// The word for it in a provider file.
    pub fn word(self) -> &'static str {
        let row = FLOWS.iter().find(|row| row.flow == self);
        row.expect("every flow has a row; a test checks it").word
    }

    /// Whether it needs no person, so that a tool's call may begin it and the end of a token is no end of anything.
    pub fn is_unattended(self) -> bool {
        use Flow::{AwsWebIdentity, ClientCredentials, JwtBearer, TokenExchange};
        matches!(self, AwsWebIdentity | ClientCredentials | JwtBearer | TokenExchange)
    }

    /// Whether what it ends in is a token of an issuer, and not what a person or a tool brings, or a pair of keys.
    pub fn obtains_tokens(self) -> bool {
        !matches!(self, Flow::AwsWebIdentity | Flow::Key | Flow::Static)
    }
}

/// What of a session is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Persist {
    /// The access token and what renews it.
    #[default]
    Both,
    /// What was given at the login, and nothing that renews it.
    Key,
    /// What renews it; each call gets an access token of its own, in memory.
    Refresh,
    /// Nothing; each call asks anew, without a person.
    Nothing,
}

impl Persist {
    /// All words for it in a provider file.
    pub(super) const WORDS: [&str; 4] = ["both", "key", "none", "refresh"];

    /// What is kept, in words for a person; nothing where it is what is always kept.
    pub fn meaning(self) -> &'static str {
        match self {
            Persist::Both => "",
            Persist::Key => "the token of the login, and nothing to renew it with",
            Persist::Refresh => "the refresh token alone; each call gets an access token of its own",
            Persist::Nothing => "nothing; each call gets a token of its own",
        }
    }

    /// What a word means.
    pub(super) fn of(word: &str) -> Persist {
        match word {
            "key" => Persist::Key,
            "none" => Persist::Nothing,
            "refresh" => Persist::Refresh,
            _ => Persist::Both,
        }
    }
}

/// How the credential is sent to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// As the password beside a user name.
    Basic,
    /// As a bearer token (RFC 6750).
    Bearer,
}

/// A service that gives out credentials.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its name, which is the file's.
    pub name: String,
    /// Its name for a person. Defaults to `name`.
    pub title: String,
    /// The preset that its file is based on.
    pub preset: Option<String>,
    /// How to log in.
    pub flow: Flow,
    /// The store for its records. Defaults to the best that answers.
    pub store: Option<String>,
    /// What is kept there.
    pub persist: Persist,
    /// The page where a person registers or makes a key.
    pub register: Option<String>,
    /// The page where a person ends credentials that are elsewhere.
    pub revoke: Option<String>,
    /// The program whose sign-in it is.
    pub program: Program,
    /// Its modes, the default one first; one without a name where the file has none.
    pub modes: Vec<Mode>,
}

/// A named environment of a provider.
#[derive(Debug, Clone)]
pub struct Mode {
    /// Its name; empty for the only one.
    pub name: String,
    /// What it may serve.
    pub targets: Vec<Serves>,
    /// The endpoints of its issuer.
    pub oauth: Oauth,
    /// What a flow without a person asks with.
    pub grant: Grant,
    /// Where its sessions lie, if not where keyfob keeps all others.
    pub place: Place,
    /// The private key that signs what the client says.
    pub signing: Signing,
    /// From where issuer and client are found.
    pub service: Option<Service>,
    /// The role, where the flow is [`Flow::AwsWebIdentity`].
    pub aws: Option<Aws>,
    /// How a code is sent and taken, where the flow is [`Flow::EmailOtp`].
    pub otp: Option<Otp>,
    /// The page and its question, where the flow is [`Flow::Poll`].
    pub poll: Option<Poll>,
    /// How a session is refreshed, where the service has a way of its own.
    pub refresh: Option<Refresh>,
    /// How to ask who one is.
    pub whoami: Option<Whoami>,
    /// How a second factor is enrolled; none where the file says nothing of it.
    pub mfa: Option<Mfa>,
    /// How the account's password is set.
    pub password: Password,
    /// Environment variables with a credential, in order.
    pub variables: Vec<String>,
    /// The variable under which a shell gets the credential. Defaults to `TOKEN`.
    pub export: Option<String>,
    /// What a workspace is; none where there are none.
    pub workspace: Option<Workspace>,
    /// How a token of a workspace is got for the session's own credential; none where it is by a refresh.
    pub exchange: Option<Refresh>,
    /// What every key of this provider begins with.
    pub key_prefix: Option<String>,
    /// What every key is. Defaults to a token.
    pub key_form: KeyForm,
    /// How a session reaches another machine.
    pub sync: Sync,
}

/// A place that a provider's credential may go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serves {
    /// Its root.
    pub root: Target,
    /// Whether it means all subdomains of the root's host instead of the host itself.
    pub subdomains: bool,
    /// How the credential is sent.
    pub scheme: Scheme,
    /// The user name that goes with it. Defaults to the account.
    pub username: Option<String>,
    /// The only tools that may have it; empty: all.
    pub tools: Vec<String>,
    /// Whether a tool without a credential of this provider is to ask nobody else.
    pub exclusive: bool,
}

impl Serves {
    /// Whether a URL that a person names is a place, with stars for subdomains: a part of one, and none, would mean every
    /// host to some tools.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] when it is not.
    pub fn check_place(url: &str) -> Result<()> {
        let url = url.trim_end_matches('/').replace("*.", "");
        match Target::from_url_with_user(&url) {
            Ok(_) => Ok(()),
            Err(why) => Err(Error::usage(format!("`--url` is no place: {why}")).hint("name it as `https://HOST`")),
        }
    }

    /// Whether it means the place of this URL.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] when that is no target.
    pub fn means(&self, url: &str) -> Result<bool> {
        let target = Target::from_url(url.trim_end_matches('/'));
        let target = target.map_err(|why| Error::usage(format!("`--url` is no place: {why}")))?;
        Ok(super::index::covers(&self.root, self.subdomains, &target))
    }

    /// As a provider file spells it.
    pub fn url(&self) -> String {
        let root = self.root.to_string();
        if self.subdomains {
            root.replacen("://", "://*.", 1)
        } else {
            root
        }
    }
}

impl Mode {
    /// The variable that holds a session on a machine to which it is synced as one.
    pub fn synced_variable(&self) -> Option<&str> {
        let named = self.sync.variable.as_ref().or(self.variables.first());
        named
            .filter(|_| self.sync.form == SyncedAs::Variable)
            .map(String::as_str)
    }
}

impl Provider {
    /// The environment variables that may hold a secret of it, in any mode: what no program that keyfob starts may have
    /// unless it was asked for.
    pub fn secret_variables(&self) -> Vec<String> {
        let mut names = Vec::new();
        for mode in &self.modes {
            names.extend(mode.variables.iter().cloned());
            names.extend(mode.oauth.client_secret_env.clone());
            names.extend(mode.signing.key_env.clone());
            if let Some(TokenSource::Env(name) | TokenSource::Gitlab(name)) = &mode.grant.subject_token {
                names.push(name.clone());
            }
        }
        names
    }

    /// Reads a provider file. `place` names it in a message.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`]: `PLACE:LINE: KEY: expected X, found Y`.
    pub fn parse(text: &str, name: &str, place: &str) -> Result<Provider> {
        Provider::parse_with(text, name, place, &Settings::NONE)
    }

    /// The same with what a person has set.
    pub(super) fn parse_with(text: &str, name: &str, place: &str, settings: &Settings) -> Result<Provider> {
        Reader { text, place, settings }.provider(name)
    }
}

/// Whether a target's URL means all subdomains, and the URL without the sign for it.
pub(super) fn split_url(url: &str) -> (bool, String) {
    match url.split_once("://*.") {
        Some((scheme, rest)) => (true, format!("{scheme}://{rest}")),
        None => (false, url.to_owned()),
    }
}

/// Whether a target may have this root.
pub(super) fn is_root(root: &Target, subdomains: bool) -> bool {
    !root.host().ends_with('.') && (!subdomains || (root.host().contains('.') && !root.is_loopback()))
}

/// The claims that a provider's file makes, for the index or where there is no index of it.
pub(super) fn claims(provider: &Provider, stamp: Stamp) -> Vec<index::Claim> {
    let mut claims = Vec::new();
    for (at, mode) in provider.modes.iter().enumerate() {
        for serves in &mode.targets {
            claims.push(index::Claim {
                provider: provider.name.clone(),
                mode: mode.name.clone(),
                default_mode: at == 0,
                keeps: provider.flow == Flow::Static,
                unattended: provider.flow.is_unattended(),
                prefix: Some(&provider.program.prefix)
                    .filter(|prefix| **prefix != super::variable::prefix(&provider.name))
                    .cloned(),
                root: serves.root.clone(),
                subdomains: serves.subdomains,
                bearer: serves.scheme == Scheme::Bearer,
                username: serves.username.clone(),
                tools: serves.tools.clone(),
                exclusive: serves.exclusive,
                variables: mode.variables.clone(),
                workspace: mode.workspace.clone(),
                hidden: mode.synced_variable().map(|_| provider.program.name.clone()),
                mistaken: false,
                stamp,
            });
        }
    }
    claims
}
