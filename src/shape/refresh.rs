//! What the answer to a refresh token means, at a service that has its own way to give another session.
//!
//! A session ends by a definite rejection alone: whatever may come from something in between is none.

use super::{Answer, document, granted, has_acted, message, word};
use crate::config::Refresh;
use crate::oauth::token::TokenSet;

/// Where services put the word that says what is wrong, most telling first.
const STATES: [&str; 5] = ["/error", "/error/code", "/error/message", "/error/status", "/code"];

/// What an answer means for the refresh token that was sent. Statuses that ask for patience are sorted out before.
#[derive(Debug, Clone, PartialEq)]
pub enum Meaning {
    /// Another session; without a refresh token the old one stays good.
    Granted(TokenSet),
    /// Not the service. The text says why, with no value.
    Nothing(String),
    /// A no that says nothing of the token: status, and the service's words, not yet fit for a terminal.
    Refused(u16, Option<String>),
    /// The refresh token is not good any more.
    Rejected,
    /// A success that cannot be used, after which the token may be spent. The text says why, with no value.
    Unusable(String),
}

/// Sorts an answer.
pub fn meaning(refresh: &Refresh, answer: &Answer) -> Meaning {
    let status = answer.status;
    let reply = match document(status, answer.content_type, answer.body) {
        Ok(reply) => reply,
        Err(why) if has_acted(answer) => return Meaning::Unusable(why),
        Err(why) => return Meaning::Nothing(why),
    };
    let rejected = &refresh.rejected;
    match status {
        200..=299 => match granted(&refresh.exchange, reply, None) {
            Ok(granted) => Meaning::Granted(granted.tokens),
            Err(why) => Meaning::Unusable(why),
        },
        400..=499 if reply.is_object() => {
            let word = word(&reply, refresh.state.as_deref(), &STATES, &[rejected]);
            let is_word = word.is_some_and(|word| rejected.words.contains(&word));
            if is_word || rejected.statuses.contains(&status) {
                Meaning::Rejected
            } else {
                Meaning::Refused(status, message(&refresh.exchange, answer, &reply))
            }
        }
        400..=499 => Meaning::Refused(status, None),
        _ => Meaning::Nothing(format!("status {status}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::Marks;

    fn sorted(status: u16, content_type: &str, reply: &Value) -> Meaning {
        let refresh = Refresh {
            exchange: super::super::tests::call(None),
            rejected: Marks::of(&[401], &["TOKEN_EXPIRED"]),
            state: None,
        };
        let body = reply.to_string();
        let answer = Answer {
            status,
            content_type,
            retry_after_secs: None,
            body: body.as_bytes(),
            sent: &crate::secret::NOTHING,
        };
        meaning(&refresh, &answer)
    }

    #[test]
    fn only_json_of_the_service_ends_a_session() {
        let json = "application/json";
        let expired = json!({"error": {"code": 400, "message": "TOKEN_EXPIRED"}});
        assert_eq!(sorted(400, json, &expired), Meaning::Rejected);
        assert_eq!(sorted(401, json, &json!({})), Meaning::Rejected);
        assert_eq!(sorted(401, json, &Value::Null), Meaning::Refused(401, None));
        assert_eq!(sorted(401, "text/plain", &json!({})), Meaning::Refused(401, None));
        assert!(matches!(sorted(401, "text/html", &json!({})), Meaning::Nothing(_)));
        assert!(matches!(sorted(302, json, &expired), Meaning::Nothing(_)));
        assert_eq!(
            sorted(400, json, &json!({"error": "other"})),
            Meaning::Refused(400, Some("other".into()))
        );
        // A success is no rejection, whatever it says.
        assert!(matches!(sorted(200, json, &expired), Meaning::Unusable(_)));
        assert!(matches!(sorted(200, "text/html", &expired), Meaning::Nothing(_)));
    }

    #[test]
    fn a_session_without_a_refresh_token_leaves_the_old_one() {
        let Meaning::Granted(tokens) = sorted(200, "application/json", &json!({"access_token": "a"})) else {
            panic!("it is a session")
        };
        assert_eq!(tokens.refresh, None);
    }
}
