//! The protocol of docker's credential helpers, which podman, buildah, skopeo and others speak too.
//!
//! It knows nothing of where credentials come from. Unlike all others it says why it failed on stdout, and three of its
//! sentences are part of the protocol.
//! Implements `protocol.md`, section "docker".

pub(super) mod key;

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::model::{Action, Answer, Credential};
use crate::protocol::{self, Call, Protocol};
use crate::report;
use crate::secret::{MAX_TOKEN, Secret};
use crate::target::Target;

/// docker's protocol.
pub(super) const DOCKER: Protocol = Protocol {
    name: "docker",
    programs: &["docker-credential-keyfob"],
    serve,
};

/// The caller takes this for "no credential", so no failure may say it.
const NOT_FOUND: &str = "credentials not found in native keychain";
const NO_SERVER: &str = "no credentials server URL";
const NO_USERNAME: &str = "no credentials username";

/// The user name beside a token that comes without one; docker refuses an empty one.
///
/// Not `<token>`: that would send an access token to the registry's refresh endpoint. Most registries look at the
/// password alone, and those that look at the name know this one.
pub(super) const ANY_USERNAME: &str = "oauth2";

const USAGE: &str = "usage: docker-credential-keyfob get|store|erase|list|version\n";
const VERSION: &str = concat!("docker-credential-keyfob (keyfob) ", env!("CARGO_PKG_VERSION"), "\n");

/// How a call ends without an answer.
enum Stop {
    /// One of the sentences of the protocol.
    Sentence(&'static str),
    /// Anything else.
    Failure(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Failure(error)
    }
}

fn serve(call: &mut Call) -> u8 {
    let operation = match call.args {
        [operation] => operation.as_str(),
        _ => "",
    };
    let answered = match operation {
        "get" => get(call),
        "store" => store(call),
        "erase" => erase(call),
        "list" => list(call),
        "version" | "--version" | "-v" => Ok(Zeroizing::new(VERSION.into())),
        "help" | "--help" | "-h" => Ok(Zeroizing::new(USAGE.into())),
        _ => {
            protocol::write(call.output, USAGE.as_bytes());
            return 1;
        }
    };
    match answered {
        Ok(reply) if reply.is_empty() => 0,
        Ok(reply) => u8::from(!protocol::write(call.output, &reply)),
        Err(stop) => {
            protocol::write(call.output, sentence(&stop).as_bytes());
            1
        }
    }
}

/// The line that docker shows, or tests for.
fn sentence(stop: &Stop) -> String {
    match stop {
        Stop::Sentence(text) => format!("{text}\n"),
        Stop::Failure(error) => {
            let hint = report::hint(error);
            let hint = hint.map_or_else(String::new, |hint| format!("; {hint}"));
            format!("keyfob: {}{hint}\n", report::message(error))
        }
    }
}

type Reply = Result<Zeroizing<Vec<u8>>, Stop>;

fn get(call: &mut Call) -> Reply {
    let input = protocol::read(call.input)?;
    let (key, target) = read_key(&input)?;
    let mut request = call.wired(Action::Get, &DOCKER);
    request.target = Some(target);
    request.newest = true;
    request.understands.identity_token = true;
    match (call.ask)(&request)? {
        // A ready header value is no password, and docker has no place for it.
        Answer::Found(credential) if credential.authtype.is_none() => Ok(encode(key, &credential)),
        _ => Err(Stop::Sentence(NOT_FOUND)),
    }
}

fn store(call: &mut Call) -> Reply {
    let input = protocol::read(call.input)?;
    let Body {
        server,
        username,
        secret,
    } = decode(&input)?;
    if server.is_empty() {
        return Err(Stop::Sentence(NO_SERVER));
    }
    if username.is_empty() {
        return Err(Stop::Sentence(NO_USERNAME));
    }
    if secret.len() > MAX_TOKEN {
        return Err(Error::refused("storing the credential: `Secret` is longer than 64 KiB").into());
    }
    let mut request = call.wired(Action::Store, &DOCKER);
    request.target = Some(key::to_target(&server)?);
    request.username = Some(username);
    request.secret = Some(secret);
    if (call.ask)(&request)? == Answer::Declined {
        // docker would believe that it is kept. It logs in with what it got, and brings that back.
        protocol::declined(call, request)?;
    }
    Ok(Zeroizing::default())
}

/// Whether or not there was anything, it is gone; a caller fails its whole logout on anything else.
fn erase(call: &mut Call) -> Reply {
    let input = protocol::read(call.input)?;
    let mut request = call.wired(Action::Erase, &DOCKER);
    request.target = Some(read_key(&input)?.1);
    (call.ask)(&request)?;
    Ok(Zeroizing::default())
}

/// Names what `get` finds, each with the name that it says. The input is a placeholder, and nobody's terminal has to end it.
fn list(call: &mut Call) -> Reply {
    let mut request = call.request(Action::List, &DOCKER);
    // As in a get, which docker asks for each of them.
    request.newest = true;
    request.understands.identity_token = true;
    let answer = (call.ask)(&request)?;
    let Answer::Listed(rows) = answer else {
        return Ok(Zeroizing::new(b"{}\n".to_vec()));
    };
    let named = rows
        .into_iter()
        .filter_map(|(target, username)| Some((key::from_target(&target)?, username)));
    let rows: BTreeMap<String, String> = named.collect();
    Ok(protocol::json_line(&rows))
}

/// The key as it was asked for, and what it means. One line end may follow it; all else belongs to it.
fn read_key(input: &[u8]) -> Result<(&str, Target), Stop> {
    let text = std::str::from_utf8(input).map_err(|_| Error::usage("reading the request: the key is not UTF-8"))?;
    let text = text
        .strip_suffix('\n')
        .map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.trim().is_empty() {
        return Err(Stop::Sentence(NO_SERVER));
    }
    Ok((text, key::to_target(text)?))
}

/// The object of a store.
#[derive(Default)]
struct Body {
    server: String,
    username: String,
    secret: Secret,
}

/// Reads the first JSON value as Go's decoder does: names in any case, the last of equal ones, null for nothing.
fn decode(input: &[u8]) -> Result<Body> {
    let mut reader = serde_json::Deserializer::from_slice(input);
    // The reason is left out: it would quote the value.
    Body::deserialize(&mut reader).map_err(|_| {
        Error::usage("reading the request: expected a JSON object with the texts `ServerURL`, `Username` and `Secret`")
    })
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Body;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body, A::Error> {
                let mut body = Body::default();
                while let Some(name) = map.next_key::<String>()? {
                    match name.to_ascii_lowercase().as_str() {
                        "serverurl" => body.server = map.next_value::<Option<String>>()?.unwrap_or_default(),
                        "username" => body.username = map.next_value::<Option<String>>()?.unwrap_or_default(),
                        "secret" => body.secret = map.next_value::<Option<Secret>>()?.unwrap_or_default(),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(body)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

fn encode(key: &str, credential: &Credential) -> Zeroizing<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Out<'a> {
        #[serde(rename = "ServerURL")]
        server: &'a str,
        username: &'a str,
        secret: &'a str,
    }
    protocol::json_line(&Out {
        server: key,
        username: credential.username.as_deref().unwrap_or(ANY_USERNAME),
        secret: credential.secret.expose(),
    })
}

#[cfg(test)]
mod tests;
