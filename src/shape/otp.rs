//! A code that a person was sent: how it is typed, and what the service's answers to it mean.

use super::{Answer, Granted, document, granted, has_acted, message};
use crate::config::{Call, Otp};
use crate::secret::Secret;

/// The longest code that is believed, in characters; longer ones are links, which are opened and not typed.
const MAX_CODE: usize = 64;

/// The longest address: RFC 5321, section 4.5.3.1.3, without its brackets.
const MAX_ADDRESS: usize = 254;

/// What an answer to either call means.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<T> {
    /// Done.
    Done(T),
    /// The service wants a pause, of these seconds where it names them.
    Limited(Option<i64>),
    /// Not the service, or out of order. The text says why, with no value.
    Nothing(String),
    /// No, with the service's words, not yet fit for a terminal.
    Refused(Option<String>),
    /// An answer that means neither yes nor no. The text says why, also in the service's words, not yet fit for a terminal.
    Unusable(String),
}

impl<T> Outcome<T> {
    pub(super) fn then<U>(self, next: impl FnOnce(T) -> Outcome<U>) -> Outcome<U> {
        match self {
            Outcome::Done(value) => next(value),
            Outcome::Limited(after_secs) => Outcome::Limited(after_secs),
            Outcome::Nothing(why) => Outcome::Nothing(why),
            Outcome::Refused(words) => Outcome::Refused(words),
            Outcome::Unusable(why) => Outcome::Unusable(why),
        }
    }
}

/// What became of the request for a code.
pub fn sent(otp: &Otp, answer: &Answer) -> Outcome<()> {
    sorted(&otp.send, answer).then(|_| Outcome::Done(()))
}

/// What the service gives for address and code.
pub fn exchanged(otp: &Otp, answer: &Answer, key_prefix: Option<&str>) -> Outcome<Granted> {
    let take = |reply| granted(&otp.exchange, reply, key_prefix).map_or_else(Outcome::Unusable, Outcome::Done);
    sorted(&otp.exchange, answer).then(take)
}

/// What any call of a service became that may be refused for what a person said.
pub(super) fn sorted(call: &Call, answer: &Answer) -> Outcome<serde_json::Value> {
    let status = answer.status;
    match status {
        429 => return Outcome::Limited(answer.retry_after_secs),
        503 if answer.retry_after_secs.is_some() => return Outcome::Limited(answer.retry_after_secs),
        200..=299 | 400..=499 => (),
        _ => return Outcome::Nothing(format!("status {status}")),
    }
    let reply = match document(status, answer.content_type, answer.body) {
        Ok(reply) => reply,
        Err(why) if has_acted(answer) => return Outcome::Unusable(why),
        Err(why) => return Outcome::Nothing(why),
    };
    match status {
        200..=299 => Outcome::Done(reply),
        // What a service says of a code that is wrong, used or old; anything else is about the request itself.
        400 | 401 | 403 | 404 | 409 | 410 | 422 => Outcome::Refused(message(call, answer, &reply)),
        _ => {
            let words = message(call, answer, &reply).map(|text| format!(": {text}"));
            Outcome::Unusable(format!("status {status}{}", words.unwrap_or_default()))
        }
    }
}

/// The code in what a person typed or pasted: without spaces, dashes and what a terminal would act on. None where no
/// code is left, or what is left cannot be one.
pub fn code(typed: &str) -> Option<Secret> {
    let dashes = [
        '-', '\u{2010}', '\u{2011}', '\u{2012}', '\u{2013}', '\u{2014}', '\u{2212}',
    ];
    let hidden = ['\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{feff}'];
    let kept = typed.chars().filter(|c| {
        let dropped = c.is_whitespace() || dashes.contains(c) || hidden.contains(c);
        !dropped
    });
    let code: String = kept.collect();
    let good = !code.is_empty() && code.len() <= MAX_CODE && code.bytes().all(|b| b.is_ascii_graphic());
    good.then(|| Secret::new(code))
}

/// Whether a text can be an address to which a code is sent. What it is worth only the service knows.
pub fn is_address(text: &str) -> bool {
    let parts = text.rsplit_once('@');
    let whole = parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    whole && text.len() <= MAX_ADDRESS && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_in_whatever_was_pasted() {
        for typed in [
            "123456",
            " 123 456 ",
            "123-456",
            "123\u{2013}456\n",
            "12\u{200b}34\u{a0}56",
            "1 2 3 4 5 6",
        ] {
            let found = code(typed).map(|code| code.expose().to_owned());
            assert_eq!(found.as_deref(), Some("123456"), "{typed:?}");
        }
        assert_eq!(code("ab-CD").unwrap().expose(), "abCD");
        for none in ["", " - ", "12\u{1b}[31m34", "№1", &"1".repeat(65)] {
            assert_eq!(code(none), None, "{none:?}");
        }
    }

    #[test]
    fn an_address_has_something_on_both_sides() {
        for good in ["ann@acme.example", "a@b@c", "ä@acme.example"] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "",
            "ann",
            "@acme.example",
            "ann@",
            "a b@c",
            "a@b\u{1b}",
            &format!("{}@b", "a".repeat(254)),
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
