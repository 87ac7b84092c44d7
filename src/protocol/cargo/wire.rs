//! cargo's messages: one line of JSON each way.
//!
//! It knows nothing of what is done about them. Unknown names are ignored, and no message says a value.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::protocol;
use crate::secret::Secret;
use crate::time::Timestamp;

/// The only version that there is.
const VERSION: u32 = 1;

/// The kinds of requests that are served.
const KINDS: [&str; 3] = ["get", "login", "logout"];

/// A request. What is done with the token, `operation` and what comes with it, says nothing of which token it is.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Asked {
    pub(super) kind: String,
    pub(super) registry: Registry,
    #[serde(default)]
    pub(super) args: Vec<String>,
    pub(super) token: Option<Secret>,
    pub(super) login_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Registry {
    pub(super) index_url: String,
    pub(super) name: Option<String>,
}

/// What is answered; a token has [`found`].
pub(super) enum Reply {
    Login,
    Logout,
    Err(Refusal),
}

/// Why nothing was done, in the ways that cargo tells apart.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum Refusal {
    NotFound,
    OperationNotSupported,
    #[serde(rename_all = "kebab-case")]
    Other {
        message: String,
        caused_by: [&'static str; 0],
    },
    UrlNotSupported,
}

impl Refusal {
    pub(super) fn other(message: String) -> Refusal {
        Refusal::Other { message, caused_by: [] }
    }
}

/// All answers as they are written.
#[derive(Serialize)]
enum Out<'a> {
    Err(&'a Refusal),
    Ok(Done<'a>),
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Done<'a> {
    Get {
        token: &'a str,
        cache: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        expiration: Option<i64>,
        // The one name with an underscore; cargo knows no other spelling.
        #[serde(rename = "operation_independent")]
        operation_independent: bool,
    },
    Login,
    Logout,
}

/// Reads a request; none where its kind is one that is not served, whatever else it has.
pub(super) fn read(line: &[u8]) -> Result<Option<Asked>> {
    #[derive(Deserialize)]
    struct Kind {
        kind: String,
    }
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    // The reasons are left out: they would quote what was found.
    let malformed = |what| Error::usage(format!("reading the request: expected {what}"));
    let Version { v } = serde_json::from_slice(line).map_err(|_| malformed("one line of JSON with the number `v`"))?;
    if v != VERSION {
        return Err(malformed("version 1 of cargo's protocol, found another"));
    }
    let incomplete = |_| malformed("`kind`, and `registry` with `index-url`");
    let Kind { kind } = serde_json::from_slice(line).map_err(incomplete)?;
    if !KINDS.contains(&kind.as_str()) {
        return Ok(None);
    }
    serde_json::from_slice(line).map(Some).map_err(incomplete)
}

/// The answer with a token, which is good for every operation.
pub(super) fn found(token: &Secret, end: Option<Timestamp>) -> Zeroizing<Vec<u8>> {
    protocol::json_line(&Out::Ok(Done::Get {
        token: token.expose(),
        cache: if end.is_some() { "expires" } else { "session" },
        expiration: end.map(Timestamp::unix),
        operation_independent: true,
    }))
}

/// Any other answer.
pub(super) fn encode(reply: &Reply) -> Zeroizing<Vec<u8>> {
    protocol::json_line(&match reply {
        Reply::Login => Out::Ok(Done::Login),
        Reply::Logout => Out::Ok(Done::Logout),
        Reply::Err(refusal) => Out::Err(refusal),
    })
}
