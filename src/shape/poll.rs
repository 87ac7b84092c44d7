//! What the answer to one poll means for a login on a page.
//!
//! The tokens are given once: whoever cannot tell whether an answer was lost must not wait for another.

use serde_json::Value;

use super::{Answer, Granted, document, granted, has_acted, message, word};
use crate::config::{Marks, Poll};

/// Where services put the word that says how far a login is.
const STATES: [&str; 3] = ["/status", "/state", "/error"];

/// What to do after one poll.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// The person or the service said no; with the service's words, not yet fit for a terminal.
    Denied(Option<String>),
    /// The person is done.
    Done(Granted),
    /// The time is over, or the service does not know this login any more.
    Expired,
    /// Not the service, or out of order; asked again later. The text says why, with no value.
    Nothing(String),
    /// The person is not done. `surely` is false for a status that a service also has for a login that it forgot.
    Pending {
        /// Whether the service knows this login.
        surely: bool,
    },
    /// Something else than a login is wrong: the text says what, with the service's words, not yet fit for a terminal.
    Refused(String),
    /// The service wants to be asked less often.
    Slower {
        /// Seconds to wait, where it names them.
        after_secs: Option<i64>,
    },
    /// A success that cannot be used. The text says why, with no value.
    Unusable(String),
}

/// Sorts an answer to a poll of which the challenge is known.
pub fn next(poll: &Poll, answer: &Answer, challenge: &str, key_prefix: Option<&str>) -> Next {
    let status = answer.status;
    match status {
        429 => {
            return Next::Slower {
                after_secs: answer.retry_after_secs,
            };
        }
        300..=399 | 500..=599 => return Next::Nothing(format!("status {status}")),
        _ => (),
    }
    let reply = match document(status, answer.content_type, answer.body) {
        Ok(reply) => reply,
        Err(why) if has_acted(answer) => return Next::Unusable(why),
        Err(why) => return Next::Nothing(why),
    };
    let call = &poll.retrieve;
    let known = [&poll.pending, &poll.denied, &poll.expired];
    let word = word(&reply, poll.state.as_deref(), &STATES, &known);
    let says = |marks: &&Marks| word.as_ref().is_some_and(|word| marks.words.contains(word));
    // A word says more than a status, which many answers share.
    let mark = known.iter().position(says);
    let by_status = || known.iter().position(|marks| marks.statuses.contains(&status));
    match (mark.or_else(by_status), status) {
        (Some(0), _) => Next::Pending {
            surely: mark.is_some() || status != 404,
        },
        (Some(1), _) => Next::Denied(message(call, answer, &reply)),
        (Some(_), _) => Next::Expired,
        (None, 200..=299) if is_foreign(&reply, challenge) => {
            Next::Unusable("it belongs to another login: its challenge is not the one that was sent".into())
        }
        (None, 200..=299) => granted(call, reply, key_prefix).map_or_else(Next::Unusable, Next::Done),
        (None, _) => {
            let words = message(call, answer, &reply).map(|text| format!(": {text}"));
            Next::Refused(format!("status {status}{}", words.unwrap_or_default()))
        }
    }
}

/// Whether a reply names a challenge, and not ours. Most name none: the service has compared it.
fn is_foreign(reply: &Value, challenge: &str) -> bool {
    let named = ["/code_challenge", "/codeChallenge", "/challenge"];
    let mut named = named.iter().filter_map(|pointer| reply.pointer(pointer)?.as_str());
    named.any(|named| named != challenge)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Template;

    fn poll() -> Poll {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Poll {
            page: "https://acme.example/cli".into(),
            query: Vec::new(),
            retrieve: super::super::tests::call(Some(Template::Table(Vec::new()))),
            state: None,
            pending: Marks {
                statuses: vec![202, 404, 428],
                words: words(&["pending"]),
            },
            denied: Marks {
                statuses: vec![403],
                words: words(&["denied"]),
            },
            expired: Marks {
                statuses: vec![410],
                words: words(&["expired"]),
            },
            interval_secs: 2,
            limit_secs: 300,
        }
    }

    fn sorted(status: u16, reply: &Value) -> Next {
        let body = reply.to_string();
        let answer = Answer {
            status,
            content_type: "application/json",
            retry_after_secs: Some(7),
            body: body.as_bytes(),
            sent: &crate::secret::NOTHING,
        };
        next(&poll(), &answer, "ours", None)
    }

    #[test]
    fn a_word_says_more_than_a_status() {
        assert_eq!(
            sorted(200, &json!({"status": "pending"})),
            Next::Pending { surely: true }
        );
        assert_eq!(
            sorted(404, &json!({"status": "pending"})),
            Next::Pending { surely: true }
        );
        assert_eq!(sorted(404, &json!({"error": "expired"})), Next::Expired);
        assert_eq!(
            sorted(404, &json!({"error": "no such"})),
            Next::Pending { surely: false }
        );
        assert_eq!(sorted(428, &json!(null)), Next::Pending { surely: true });
        assert_eq!(sorted(410, &json!({})), Next::Expired);
        let denied = Next::Denied(Some("Not you".into()));
        assert_eq!(sorted(403, &json!({"message": "Not you"})), denied);
    }

    #[test]
    fn a_state_that_says_it_is_done_does_not_hide_the_tokens() {
        let reply = json!({"status": "complete", "access_token": "a"});
        assert!(matches!(sorted(200, &reply), Next::Done(_)));
    }

    #[test]
    fn tokens_of_another_login_are_not_taken() {
        let reply = |challenge: &str| json!({"access_token": "a", "code_challenge": challenge});
        assert!(matches!(sorted(200, &reply("theirs")), Next::Unusable(_)));
        assert!(matches!(sorted(200, &reply("ours")), Next::Done(_)));
    }

    #[test]
    fn what_is_not_the_service_is_asked_again() {
        for status in [301, 302, 500, 503, 511] {
            assert!(matches!(
                sorted(status, &json!({"access_token": "a"})),
                Next::Nothing(_)
            ));
        }
        assert_eq!(sorted(429, &json!({})), Next::Slower { after_secs: Some(7) });
        let page = Answer {
            status: 200,
            content_type: "text/html",
            retry_after_secs: None,
            body: b"<h1>hotel</h1>",
            sent: &crate::secret::NOTHING,
        };
        assert!(matches!(next(&poll(), &page, "ours", None), Next::Nothing(_)));
        assert!(matches!(
            sorted(400, &json!({"error": "bad verifier"})),
            Next::Refused(_)
        ));
        assert!(matches!(
            sorted(200, &json!({"access_token": "a b"})),
            Next::Unusable(_)
        ));
    }
}
