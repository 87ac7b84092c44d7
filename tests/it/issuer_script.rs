//! How the scripted issuer behaves: the knobs, without the machine.
//!
//! `issuer.rs` obeys them. Their defaults are an issuer as the best current practice wants it: short-lived access tokens,
//! refresh tokens that are good once, and a family that ends when one is used again (RFC 9700 section 2.2.2).

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

/// Changes the JSON of an answer before it is sent.
pub type Mutation = Arc<dyn Fn(&mut Value) + Send + Sync>;

/// How the issuer behaves; may be changed while it runs, through [`Issuer::script`].
#[derive(Clone)]
pub struct Script {
    /// How long an access token lives, and what `expires_in` says; in seconds. Defaults to an hour.
    pub life_secs: u64,
    /// Whether a refresh gives a new refresh token. Without, the answer has none. Defaults to yes.
    pub rotate: bool,
    /// For how long a spent refresh token is answered with its same successor. Defaults to not at all.
    pub grace: Duration,
    /// Whether a spent refresh token ends the whole family. Defaults to yes.
    pub revoke_family_on_reuse: bool,
    /// A pause of the token endpoint before anything changes.
    pub before_commit: Duration,
    /// A pause of the token endpoint after the change and before the answer.
    pub after_commit: Duration,
    /// How many of the next refreshes end the connection after the change, without an answer.
    pub dropped_answers: u32,
    /// What is done to an answer with tokens.
    pub mutate: Option<Mutation>,
    /// The text of the next access tokens, instead of a random one.
    pub access_token: Option<String>,
    /// The device grant.
    pub device: DeviceScript,
    /// The issuer's name in its redirects (RFC 9207). Defaults to none.
    pub named: Option<String>,
    /// Who logs in, as `/userinfo` says it.
    pub subject: String,
}

impl Default for Script {
    fn default() -> Script {
        Script {
            life_secs: 3600,
            rotate: true,
            grace: Duration::ZERO,
            revoke_family_on_reuse: true,
            before_commit: Duration::ZERO,
            after_commit: Duration::ZERO,
            dropped_answers: 0,
            mutate: None,
            access_token: None,
            device: DeviceScript::default(),
            named: None,
            subject: "ann".into(),
        }
    }
}

/// How the device grant goes.
#[derive(Clone)]
pub struct DeviceScript {
    /// The member of the answer; none leaves it out. Defaults to 1.
    pub interval: Option<Value>,
    /// The member of the answer. Defaults to 600.
    pub expires_in: Value,
    /// How many polls are answered `slow_down`, before all others.
    pub slow_downs: u32,
    /// How many polls end the connection without an answer, after those.
    pub drops: u32,
    /// How many polls are answered `authorization_pending`, after those.
    pub pendings: u32,
    /// What comes then.
    pub end: DeviceEnd,
    /// Shown to the person; none makes a random one.
    pub user_code: Option<String>,
    /// Where the person goes; none means a page of this issuer.
    pub verification_uri: Option<String>,
    /// The same with the code in it; none leaves it out.
    pub verification_uri_complete: Option<String>,
}

impl Default for DeviceScript {
    fn default() -> DeviceScript {
        DeviceScript {
            interval: Some(json!(1)),
            expires_in: json!(600),
            slow_downs: 0,
            drops: 0,
            pendings: 0,
            end: DeviceEnd::Approved,
            user_code: None,
            verification_uri: None,
            verification_uri_complete: None,
        }
    }
}

/// How the device grant ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceEnd {
    /// With tokens.
    Approved,
    /// With tokens, once somebody calls [`Issuer::approve`]; until then it is pending.
    ByPerson,
    /// With this error code, such as `access_denied` or `expired_token`.
    Error(String),
}
