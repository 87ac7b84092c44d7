//! EngFlow's protocol of credential helpers, which Bazel, Buck2 and Siso speak.
//!
//! It knows nothing of where credentials come from. The tool asks for every URL that it is about to fetch, and a failure
//! ends the build: so a place that is nobody's gets an empty answer.
//! Implements `protocol.md`, section "bazel".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::model::{Action, Answer, Credential};
use crate::protocol::{self, Call, Protocol, headers};
use crate::time::Timestamp;

/// Bazel's protocol.
pub(super) const BAZEL: Protocol = Protocol {
    name: "bazel",
    programs: &["bazel-credential-keyfob"],
    serve,
};

const USAGE: &str = "usage: bazel-credential-keyfob [PROFILE] get\n";

/// Bazel and Buck2 end a helper after ten seconds, and show nothing of what it said until then.
const WITHIN_SECS: u32 = 9;

/// The specification's word for "no credentials".
const NONE: &[u8] = b"{\"headers\":{}}\n";

/// Bazel reads the answer when the process has ended, so it has to fit into a pipe: Linux keeps 64 KiB there.
const MAX_ANSWER: usize = 64 * 1024;

/// The last moment that Bazel's pattern for a time can read.
const LAST_YEAR_ENDS: Timestamp = Timestamp::from_unix(253_402_300_799);

fn serve(call: &mut Call) -> u8 {
    if protocol::wants_help(call.args) {
        return u8::from(!protocol::write(call.output, USAGE.as_bytes()));
    }
    if call.args.is_empty() {
        protocol::tell(call.errors, USAGE);
        return 1;
    }
    let answered = answer(call);
    protocol::finish(call, answered, |_| 1)
}

fn answer(call: &mut Call) -> Result<Zeroizing<Vec<u8>>> {
    let words: Vec<&str> = call.args.iter().map(String::as_str).collect();
    let profile = match words[..] {
        ["get"] => None,
        [profile, "get"] => Some(profile),
        _ => {
            return Err(Error::usage("the command is not `get`")
                .context("reading the command line")
                .hint("run `keyfob bazel --help`"));
        }
    };
    let input = protocol::read(call.input)?;
    let Some(target) = protocol::fetched(&decode(&input)?) else {
        return Ok(Zeroizing::new(NONE.to_vec()));
    };
    let mut request = call.request(Action::Get, &BAZEL);
    protocol::say_profile(&mut request, profile);
    request.target = Some(target);
    request.wide = true;
    request.within_secs = Some(WITHIN_SECS);
    request.understands.authtype = true;
    match (call.ask)(&request)? {
        Answer::Found(credential) => encode(&credential).map_err(|error| error.context("answering Bazel")),
        _ => Ok(Zeroizing::new(NONE.to_vec())),
    }
}

/// The URI of a request; members beside it are nobody's business.
fn decode(input: &[u8]) -> Result<String> {
    #[derive(Deserialize)]
    struct Question {
        uri: String,
    }
    let question: Question = serde_json::from_slice(input)
        .map_err(|_| Error::usage("reading the request: expected a JSON object with the text `uri`"))?;
    if !question.uri.contains("://") {
        return Err(Error::usage("reading the request: `uri` has no scheme and `://`"));
    }
    Ok(question.uri)
}

fn encode(credential: &Credential) -> Result<Zeroizing<Vec<u8>>> {
    #[derive(Serialize)]
    struct Reply<'a> {
        headers: BTreeMap<&'a str, [&'a str; 1]>,
        #[serde(skip_serializing_if = "Option::is_none")]
        expires: Option<String>,
    }
    let headers = headers(credential)?;
    let named = headers.iter().map(|(name, value)| (*name, [value.expose()]));
    let reply = protocol::json_line(&Reply {
        headers: named.collect(),
        // Without one the tool asks again after half an hour.
        expires: credential
            .expires_at
            .filter(|end| *end <= LAST_YEAR_ENDS)
            .map(Timestamp::rfc3339),
    });
    if reply.len() >= MAX_ANSWER {
        return Err(Error::refused(
            "the answer is longer than 64 KiB, which the tool cannot read",
        ));
    }
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::super::desk::{Desk, NOW, Served, credential, found};
    use super::*;
    use crate::model::{Request, Workspace};

    fn served(args: &[&str], input: &str, ask: &mut dyn FnMut(&Request) -> Result<Answer>) -> Served {
        let words: Vec<&str> = ["bazel-credential-keyfob"]
            .into_iter()
            .chain(args.iter().copied())
            .collect();
        let desk = Desk {
            words: &words,
            input: input.as_bytes(),
            vars: &[],
        };
        desk.serve(ask)
    }

    fn asked(uri: &str) -> Option<String> {
        let mut seen = None;
        let input = format!("{{\"uri\":\"{uri}\"}}");
        let served = served(&["get"], &input, &mut |request| {
            assert!(request.wide && request.understands.authtype);
            seen = request.target.as_ref().map(ToString::to_string);
            Ok(Answer::Absent)
        });
        assert_eq!((served.status, served.output.as_bytes()), (0, NONE), "{uri}");
        seen
    }

    #[test]
    fn the_uri_is_the_target_without_its_query() {
        for (uri, target) in [
            ("https://cache.example/a/b", "https://cache.example/a/b"),
            ("https://cache.example/a?b=c#d", "https://cache.example/a"),
            (
                "grpcs://remote.example:8980/build.Service/Do",
                "https://remote.example:8980/build.Service/Do",
            ),
            ("grpcs://remote.example", "https://remote.example"),
            (
                "grpc://127.0.0.1:8980/build.Service/Do",
                "http://127.0.0.1:8980/build.Service/Do",
            ),
            ("HTTPS://Cache.Example:443/A", "https://cache.example/A"),
        ] {
            assert_eq!(asked(uri).as_deref(), Some(target), "{uri}");
        }
    }

    #[test]
    fn a_path_that_servers_read_in_two_ways_is_no_place_below_the_host() {
        for path in ["a/../b", "a/%2e%2e/b", "a//b", "projects/a%2Fb/raw", "./a", "a/%00"] {
            let target = asked(&format!("https://cache.example/{path}"));
            assert_eq!(target.as_deref(), Some("https://cache.example"), "{path}");
        }
    }

    #[test]
    fn what_can_be_nobodys_place_gets_nothing() {
        for uri in [
            "s3://bucket/x",
            "file:///etc/passwd",
            "https://my;bucket.example/x",
            "https://ann:pw@cache.example/x",
            "https:///x",
            "ftp://cache.example",
        ] {
            assert_eq!(asked(uri), None, "{uri}");
        }
    }

    #[test]
    fn header_values_are_lists_and_the_end_has_whole_seconds() {
        let mut bearer = credential(None, "canary", Some("Bearer"));
        bearer.expires_at = Some(Timestamp::from_unix(NOW));
        bearer.workspace = Some(Workspace {
            name: "team".into(),
            header: Some("X-Workspace".into()),
        });
        let served = served(&["get"], "{\"uri\":\"https://a.example\",\"more\":1}", &mut |_| {
            Ok(Answer::Found(Box::new(bearer.clone())))
        });
        assert_eq!(
            served.output,
            "{\"headers\":{\"Authorization\":[\"Bearer canary\"],\"X-Workspace\":[\"team\"]},\
             \"expires\":\"2027-01-15T08:00:00Z\"}\n"
        );
        assert_eq!((served.status, served.errors.as_str()), (0, ""));
    }

    #[test]
    fn a_password_goes_as_basic_and_has_no_end() {
        let served = served(&["acme", "get"], "{\"uri\":\"https://a.example\"}", &mut |request| {
            assert_eq!(request.profile.as_deref(), Some("acme"));
            Ok(found(Some("u"), "canary", None))
        });
        assert_eq!(
            served.output,
            "{\"headers\":{\"Authorization\":[\"Basic dTpjYW5hcnk=\"]}}\n"
        );
    }

    #[test]
    fn an_end_beyond_all_calendars_is_left_out() {
        let mut late = credential(None, "canary", None);
        late.expires_at = Some(Timestamp::from_unix(i64::MAX));
        let reply = encode(&late).unwrap();
        assert_eq!(&reply[..], b"{\"headers\":{\"Authorization\":[\"Bearer canary\"]}}\n");
    }

    #[test]
    fn what_no_header_or_pipe_can_carry_is_refused() {
        let long = "c".repeat(MAX_ANSWER);
        for secret in ["can\nary", long.as_str()] {
            let served = served(&["get"], "{\"uri\":\"https://a.example\"}", &mut |_| {
                Ok(found(None, secret, Some("Bearer")))
            });
            assert_eq!((served.status, served.output.as_str()), (1, ""));
            assert!(
                served.errors.starts_with("keyfob: error: answering Bazel"),
                "{}",
                served.errors
            );
        }
    }

    #[test]
    fn a_malformed_request_or_another_command_fails() {
        let nobody = &mut |_: &Request| -> Result<Answer> { panic!("nothing is asked") };
        for input in ["", "x", "{}", "[]", "{\"uri\":1}", "{\"uri\":\"canary.example\"}"] {
            let served = served(&["get"], input, nobody);
            assert_eq!((served.status, served.output.as_str()), (1, ""), "{input}");
            assert!(!served.errors.contains("canary"), "{}", served.errors);
        }
        for args in [&["get-all"][..], &["store"], &["get", "more"], &["a", "b", "get"]] {
            assert_eq!(served(args, "{}", nobody).status, 1, "{args:?}");
        }
        let none = served(&[], "", nobody);
        assert_eq!(
            (none.status, none.output.as_str(), none.errors.as_str()),
            (1, "", USAGE)
        );
    }
}
