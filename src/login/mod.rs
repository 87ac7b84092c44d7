//! How a person obtains a credential: one file a flow, one table.
//!
//! A flow ends in a token set; keeping it is `command/login.rs`'s business.

mod browser;
mod device;
pub mod discover;
mod email_otp;
mod identity;
mod key;
mod notice;
mod poll;
mod pushed;
mod qr;
mod register;
mod service;
mod unattended;
mod waiting;

use crate::config::{Flow, Mode, Provider, profile};
use crate::error::{Error, Result};
use crate::http::{Http, Reply};
use crate::oauth::Refusal;
use crate::oauth::token::TokenSet;
use crate::record::Learnt;
use crate::report::{sanitise, wrap};
use crate::secret::{Secret, Sent};
use crate::shape;
use crate::world::World;

pub use browser::Visitor;
pub use identity::{Identity, UNAUTHORIZED, details, identity};
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
        flow: Flow::AwsWebIdentity,
        makes: true,
        run: unattended::run,
    },
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

/// An issuer's no, with its code and its words, to what was sent.
fn refused(refusal: Refusal, sent: &Sent) -> Error {
    match refusal.without(sent) {
        Refusal::Code { code, description } => {
            let says = description.map(|text| format!(": the issuer says \u{201c}{}\u{201d}", sanitise(&text)));
            Error::failure(format!("the issuer answered `{code}`{}", says.unwrap_or_default())).code(code)
        }
        Refusal::Unusable(why) => Error::failure(sanitise(&why)),
    }
}

/// The code of a failure by which a service says that a second factor must be enrolled first.
const WANTS_FACTOR: &str = "a second factor";

/// The failure of an answer that says, by the words of the provider file, that a second factor must be enrolled first;
/// none where it says something else.
pub fn wants_factor(mode: &Mode, reply: &Reply) -> Option<Error> {
    let mfa = mode.mfa.as_ref()?;
    let document = shape::document(reply.status, &reply.content_type, &reply.body).ok()?;
    let wants = shape::account::wants_factor(&mfa.required, reply.status, &document);
    let message = "the service wants a second factor to be enrolled first";
    wants.then(|| Error::refused(message).code(WANTS_FACTOR))
}

/// Adds to such a failure, or an issuer's with one of those words, what helps: the page where there is no session to enrol
/// with (`profile` is none), else the command.
#[must_use]
pub fn factor_hint(mode: &Mode, profile: Option<&str>, error: Error) -> Error {
    let (Some(mfa), Some(code)) = (&mode.mfa, &error.code) else {
        return error;
    };
    match mfa.hint(profile) {
        Some(hint) if code == WANTS_FACTOR || mfa.wants(code) => error.hint(hint),
        _ => error,
    }
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
