//! How a person obtains a credential: one file a flow, one table.
//!
//! A flow ends in a token set; keeping it is `command/login.rs`'s business.

mod browser;
mod device;
pub mod discover;
mod email_otp;
mod key;
mod notice;
mod poll;
mod pushed;
mod qr;
mod register;
mod service;
mod unattended;
mod waiting;

use crate::config::active::is_workspace;
use crate::config::{Flow, Mode, Provider, profile};
use crate::error::{Context, Error, Result};
use crate::http::{Body, Call, Http};
use crate::oauth::token::{TokenSet, is_json};
use crate::oauth::{Refusal, id_token};
use crate::record::Learnt;
use crate::report::{sanitise, wrap};
use crate::secret::Secret;
use crate::world::World;

pub use browser::Visitor;
pub use qr::Qr;
pub use waiting::Waiting;

/// What a flow works with.
pub struct Login<'a> {
    /// The door to everything outside.
    pub world: &'a World,
    /// The client for the issuer.
    pub http: &'a Http<'a>,
    /// Whom to log in to.
    pub provider: &'a Provider,
    /// In which mode, with everything that was discovered.
    pub mode: &'a Mode,
    /// What to ask for.
    pub scopes: Vec<String>,
    /// What was discovered, for the record of the session.
    pub learnt: Option<Learnt>,
    /// What the person said on the command line.
    pub options: &'a Options,
}

impl<'a> Login<'a> {
    /// The session that is to be made, as a person types it.
    pub fn profile(&self) -> String {
        let account = self.options.account.as_deref().unwrap_or_default();
        profile::show(&self.provider.name, &self.mode.name, account)
    }

    /// The same login with what was found out.
    #[must_use]
    pub fn with(&self, known: &'a discover::Known) -> Login<'a> {
        Login {
            mode: &known.mode,
            learnt: known.learnt.clone(),
            scopes: self.scopes.clone(),
            ..*self
        }
    }

    /// Writes a paragraph for the person, as wide as the screen.
    fn say(&self, words: &str) {
        let columns = notice::columns(self.world.screen());
        self.world.write_stderr(&wrap(columns, "", words));
    }
}

/// What a person may say of a login; a flow takes what concerns it.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether a browser may be opened.
    pub browser: bool,
    /// Whether a QR code may be drawn.
    pub qr: bool,
    /// Whether the person brings the address of the last page, because no browser can come back to this machine.
    pub manual: bool,
    /// The account that is wanted, by the issuer's name for it.
    pub account: Option<String>,
    /// Whether there is a session of another account already, so that the browser may know that one alone.
    pub other_account: bool,
    /// The address to which a code is sent.
    pub email: Option<String>,
    /// The code that was sent before; no other is sent then. `-` means that it is on standard input.
    pub code: Option<Secret>,
    /// The key or token that was given on the command line.
    pub token: Option<Secret>,
}

/// What a login ends in.
pub struct Obtained {
    /// The tokens, or the key as the access token of a set.
    pub tokens: TokenSet,
    /// Whom they speak for, where the flow learnt it.
    pub subject: Option<String>,
    /// What the ID token must repeat (OpenID Connect Core, section 3.1.3.7), where one was asked for.
    pub nonce: Option<Secret>,
    /// Whom else to tell how the login ended, when the tokens are kept or could not be.
    pub visitor: Option<Visitor>,
}

impl From<TokenSet> for Obtained {
    fn from(tokens: TokenSet) -> Obtained {
        Obtained {
            tokens,
            subject: None,
            nonce: None,
            visitor: None,
        }
    }
}

/// One login flow.
pub struct LoginFlow {
    /// Which one.
    pub flow: Flow,
    /// Whether the issuer makes the credential during the login, so that it is lost if it is not kept; else the person
    /// brings it.
    pub makes: bool,
    /// Obtains the credential.
    pub run: fn(&Login) -> Result<Obtained>,
}

/// All login flows.
pub const TABLE: &[LoginFlow] = &[
    LoginFlow {
        flow: Flow::Browser,
        makes: true,
        run: browser::run,
    },
    LoginFlow {
        flow: Flow::ClientCredentials,
        makes: true,
        run: unattended::run,
    },
    LoginFlow {
        flow: Flow::Device,
        makes: true,
        run: device::run,
    },
    LoginFlow {
        flow: Flow::EmailOtp,
        makes: true,
        run: email_otp::run,
    },
    LoginFlow {
        flow: Flow::JwtBearer,
        makes: true,
        run: unattended::run,
    },
    LoginFlow {
        flow: Flow::Key,
        makes: false,
        run: key::run,
    },
    LoginFlow {
        flow: Flow::Poll,
        makes: true,
        run: poll::run,
    },
    LoginFlow {
        flow: Flow::Static,
        makes: false,
        run: key::run,
    },
    LoginFlow {
        flow: Flow::TokenExchange,
        makes: true,
        run: unattended::run,
    },
];

/// The flow of a provider, or the one that takes a token that the person has.
pub fn find(flow: Flow) -> &'static LoginFlow {
    TABLE
        .iter()
        .find(|row| row.flow == flow)
        .expect("every flow has a row; a test checks it")
}

/// An issuer's no, with its code and its words.
fn refused(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Code { code, description } => {
            let says = description.map(|text| format!(": the issuer says \u{201c}{}\u{201d}", sanitise(&text)));
            Error::failure(format!("the issuer answered `{code}`{}", says.unwrap_or_default())).code(code)
        }
        Refusal::Unusable(why) => Error::failure(sanitise(&why)),
    }
}

/// What a server says of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Whom it speaks for.
    pub subject: String,
    /// The workspace that is the account's own, where the provider file says where to look.
    pub workspace: Option<String>,
}

/// Asks whom a token speaks for: by the provider file's `whoami`, else at the userinfo endpoint that was found. None where
/// there is neither.
///
/// # Errors
/// As [`identity`].
pub fn whoami(http: &Http, mode: &Mode, token: &Secret) -> Result<Option<String>> {
    Ok(identity(http, mode, token)?.map(|identity| identity.subject))
}

/// Asks the same for all that is of use in the answer.
///
/// # Errors
/// [`crate::error::Class::Login`] when the token is refused; [`crate::error::Class::Temporary`] when nobody answers.
pub fn identity(http: &Http, mode: &Mode, token: &Secret) -> Result<Option<Identity>> {
    let (url, pointer) = match (&mode.whoami, &mode.oauth.userinfo_endpoint) {
        (Some(whoami), _) => (&whoami.url, Some(whoami.subject.as_str())),
        (None, Some(url)) => (url, None),
        (None, None) => return Ok(None),
    };
    let doing = "asking whom the credential speaks for";
    let call = Call {
        bearer: Some(token),
        key: mode.oauth.dpop_key.as_ref(),
        ..Call::new(url, Body::None)
    };
    let reply = http.send(&call).map_err(Error::temporary).doing(doing)?;
    match reply.status {
        200 if is_json(&reply.content_type) => {
            let subject = subject(&reply.body, pointer).doing(doing)?;
            let workspace = own_workspace(mode, &reply.body);
            Ok(Some(Identity { subject, workspace }))
        }
        401 | 403 => Err(Error::login("the server refuses the credential")).doing(doing),
        status => {
            let message = format!("the server answered with status {status} and no JSON that could be used");
            Err(Error::temporary(message)).doing(doing)
        }
    }
}

/// The workspace in an answer: at the provider file's pointer, where that names one.
fn own_workspace(mode: &Mode, body: &[u8]) -> Option<String> {
    let pointer = mode.workspace.as_ref()?.default.as_deref()?;
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let name = match body.pointer(pointer)? {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some(name).filter(|name| is_workspace(name))
}

/// The name in an answer: at the pointer, or by the claims of OpenID Connect.
fn subject(body: &[u8], pointer: Option<&str>) -> Result<String> {
    let Some(pointer) = pointer else {
        let claims = id_token::userinfo(body).ok_or_else(|| Error::failure("the server's answer names no subject"))?;
        return Ok(sanitise(&claims.name));
    };
    let body: serde_json::Value = serde_json::from_slice(body)
        .map_err(|error| Error::temporary(format!("in the server's answer {}", crate::record::place(&error))))?;
    let subject = match body.pointer(pointer) {
        Some(serde_json::Value::String(text)) => sanitise(text),
        Some(serde_json::Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    if subject.is_empty() {
        let message = format!("the server's answer has no text at `{pointer}`");
        return Err(Error::failure(message).hint("correct `whoami.subject` in the provider file"));
    }
    Ok(subject)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::provider::{FLOWS, FlowRow};

    #[test]
    fn every_flow_has_one_row() {
        for FlowRow { flow, .. } in FLOWS {
            assert_eq!(TABLE.iter().filter(|row| row.flow == *flow).count(), 1, "{flow:?}");
        }
        assert_eq!(TABLE.len(), FLOWS.len());
    }
}
