//! The messages of NuGet's plugin protocol, one line of JSON each.
//!
//! It knows nothing of what is asked. Of a payload only what is used is read: another part may be a password.
//! Implements `protocol.md`, section "nuget", "What it sends and what we answer".

use std::time::Duration;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::protocol::json_line;
use crate::secret::Secret;

/// The one version that is spoken.
const VERSION: &str = "2.0.0";

/// How long NuGet waits for an answer where its greeting does not say; its own default.
pub(super) const USUAL_PATIENCE: Duration = Duration::from_secs(5);

/// A message of NuGet's.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Message {
    pub(super) request_id: String,
    #[serde(rename = "Type")]
    pub(super) kind: String,
    pub(super) method: String,
    #[serde(default, deserialize_with = "or_nothing")]
    pub(super) payload: Payload,
}

/// What is read of the payloads of all methods. As in the library that NuGet reads and writes with, null is absent.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Payload {
    pub(super) uri: Option<String>,
    is_retry: Option<bool>,
    pub(super) response_code: Option<String>,
    pub(super) package_source_repository: Option<String>,
    pub(super) service_index: Option<IgnoredAny>,
    request_timeout: Option<String>,
    protocol_version: Option<String>,
    minimum_protocol_version: Option<String>,
}

fn or_nothing<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Payload, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Payload {
    /// Whether the feed refused what it was given last.
    pub(super) fn is_retry(&self) -> bool {
        self.is_retry.unwrap_or_default()
    }

    /// How long NuGet waits for an answer, as .NET writes a time span of less than a day.
    pub(super) fn patience(&self) -> Option<Duration> {
        let [hours, minutes, seconds] = self.request_timeout.as_deref()?.split(':').collect::<Vec<_>>()[..] else {
            return None;
        };
        let whole = |text: &str| text.parse::<u32>().ok().map(f64::from);
        let seconds = seconds.parse::<f64>().ok()?;
        Duration::try_from_secs_f64(whole(hours)? * 3600.0 + whole(minutes)? * 60.0 + seconds).ok()
    }

    /// Whether version 2.0.0 lies between what the greeting names.
    pub(super) fn speaks_ours(&self) -> bool {
        let parts = |text: &Option<String>| -> Option<Vec<u32>> {
            let text = text.as_deref()?.split(['-', '+']).next()?;
            text.split('.').map(|part| part.parse().ok()).collect()
        };
        let (highest, least) = (parts(&self.protocol_version), parts(&self.minimum_protocol_version));
        let ours = [2, 0, 0];
        highest.is_some_and(|highest| highest.as_slice() >= &ours[..])
            && least.is_some_and(|least| least.as_slice() <= &ours[..])
    }
}

/// Reads a line.
pub(super) fn read(line: &[u8]) -> Result<Message> {
    // The reason is left out: it would quote a value.
    serde_json::from_slice(line).map_err(|_| {
        Error::usage("reading a message: expected a JSON object with `RequestId`, `Type`, `Method` and `Payload`")
    })
}

/// How an answer ends a request.
#[derive(Clone, Copy, Serialize)]
pub(super) enum Code {
    Success,
    Error,
    NotFound,
}

/// The answer to `GetAuthenticationCredentials`.
pub(super) struct Credentials {
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) message: Option<String>,
    pub(super) code: Code,
}

impl Credentials {
    pub(super) fn without(code: Code, message: Option<String>) -> Credentials {
        Credentials {
            username: None,
            password: None,
            message,
            code,
        }
    }
}

/// What is answered.
pub(super) enum Reply {
    Done,
    Handshake(bool),
    Claims(bool),
    Credentials(Credentials),
    Progress,
    Fault,
}

/// A message of ours.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Line<'a> {
    request_id: &'a str,
    #[serde(rename = "Type")]
    kind: &'a str,
    method: &'a str,
    payload: Body<'a>,
}

/// The payloads of ours.
#[derive(Serialize)]
#[serde(untagged)]
enum Body<'a> {
    #[serde(rename_all = "PascalCase")]
    Greeting {
        protocol_version: &'a str,
        minimum_protocol_version: &'a str,
    },
    #[serde(rename_all = "PascalCase")]
    Handshake {
        response_code: Code,
        #[serde(skip_serializing_if = "Option::is_none")]
        protocol_version: Option<&'a str>,
    },
    #[serde(rename_all = "PascalCase")]
    Done {
        response_code: Code,
    },
    #[serde(rename_all = "PascalCase")]
    Claims {
        claims: &'a [&'a str],
    },
    #[serde(rename_all = "PascalCase")]
    Credentials {
        username: Option<&'a str>,
        #[serde(serialize_with = "exposed")]
        password: Option<&'a Secret>,
        message: Option<&'a str>,
        authentication_types: Option<[&'a str; 1]>,
        response_code: Code,
    },
    Progress {},
    #[serde(rename_all = "PascalCase")]
    Fault {
        message: &'a str,
    },
}

fn exposed<S: Serializer>(secret: &Option<&Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.map(Secret::expose).serialize(serializer)
}

/// Our greeting, which NuGet waits for beside the answer to its own.
pub(super) fn greeting() -> Zeroizing<Vec<u8>> {
    json_line(&Line {
        request_id: "keyfob",
        kind: "Request",
        method: "Handshake",
        payload: Body::Greeting {
            protocol_version: VERSION,
            minimum_protocol_version: VERSION,
        },
    })
}

/// The line that answers a message.
pub(super) fn line(message: &Message, reply: &Reply) -> Zeroizing<Vec<u8>> {
    let payload = match reply {
        Reply::Done => Body::Done {
            response_code: Code::Success,
        },
        Reply::Handshake(good) => Body::Handshake {
            response_code: if *good { Code::Success } else { Code::Error },
            protocol_version: good.then_some(VERSION),
        },
        Reply::Claims(authentication) => Body::Claims {
            claims: if *authentication { &["Authentication"] } else { &[] },
        },
        Reply::Credentials(found) => Body::Credentials {
            username: found.username.as_deref(),
            password: found.password.as_ref(),
            message: found.message.as_deref(),
            authentication_types: found.password.is_some().then_some(["Basic"]),
            response_code: found.code,
        },
        Reply::Progress => Body::Progress {},
        Reply::Fault => Body::Fault {
            message: "keyfob: the method is not known",
        },
    };
    json_line(&Line {
        request_id: &message.request_id,
        kind: match reply {
            Reply::Fault => "Fault",
            Reply::Progress => "Progress",
            _ => "Response",
        },
        method: &message.method,
        payload,
    })
}

/// The answer to a question on the command line.
pub(super) fn pair(username: &str, password: &str) -> Zeroizing<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Pair<'a> {
        username: &'a str,
        password: &'a str,
    }
    json_line(&Pair { username, password })
}
