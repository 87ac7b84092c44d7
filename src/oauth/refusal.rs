//! An issuer's no, wherever it says it: RFC 6749, section 5.2 and the specifications that borrow its form.

use serde_json::Value;

/// Why an issuer gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The issuer said no.
    Code {
        /// Printable ASCII of at most 64 bytes.
        code: String,
        /// Text for a person, not yet fit for a terminal.
        description: Option<String>,
    },
    /// Something that cannot be used came back; the text has no value of it.
    Unusable(String),
}

impl Refusal {
    /// From the members `error` and `error_description`.
    pub(super) fn of(error: &Value, description: Option<&Value>) -> Refusal {
        let good = |code: &&str| (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_graphic());
        match error.as_str().filter(good) {
            Some(code) => Refusal::Code {
                code: code.into(),
                description: description.and_then(Value::as_str).map(Into::into),
            },
            None => "it answered with an error without a code".into(),
        }
    }

    /// Of an answer that is no JSON.
    pub(super) fn not_json(status: u16) -> Refusal {
        Refusal::Unusable(format!(
            "it answered with status {status} and something other than JSON"
        ))
    }
}

impl From<&str> for Refusal {
    fn from(why: &str) -> Refusal {
        Refusal::Unusable(why.into())
    }
}
