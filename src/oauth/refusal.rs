//! An issuer's no, wherever it says it: RFC 6749, section 5.2 and the specifications that borrow its form.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::token;
use crate::record;
use crate::secret::Sent;

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

/// The members by which any endpoint says no.
#[derive(Deserialize)]
struct No {
    error: Option<Value>,
    error_description: Option<Value>,
}

/// The members of an answer that is JSON, no refusal, and of one of these statuses.
///
/// # Errors
/// [`Refusal`].
pub(super) fn granted<T: DeserializeOwned>(
    status: u16,
    content_type: &str,
    body: &[u8],
    good: &[u16],
) -> Result<T, Refusal> {
    if !token::is_json(content_type) {
        return Err(Refusal::not_json(status));
    }
    let unreadable = |error| Refusal::Unusable(format!("in its answer {}", record::place(&error)));
    let no: No = serde_json::from_slice(body).map_err(unreadable)?;
    if let Some(error) = &no.error {
        return Err(Refusal::of(error, no.error_description.as_ref()));
    }
    if !good.contains(&status) {
        return Err(Refusal::Unusable(format!("it answered with status {status}")));
    }
    serde_json::from_slice(body).map_err(unreadable)
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

    /// The same without the words that repeat what was sent. A code that does is none.
    #[must_use]
    pub fn without(self, sent: &Sent) -> Refusal {
        match self {
            Refusal::Code { code, .. } if !sent.is_code(&code) => {
                "it answered with an error whose code repeats what was sent".into()
            }
            Refusal::Code { code, description } => Refusal::Code {
                code,
                description: sent.words(description),
            },
            other => other,
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
