//! A call without a tool, for the tests of protocols.

use super::{Call, Found, find};
use crate::error::{Error, Result};
use crate::model::{Answer, Credential, Request, Source};
use crate::secret::Secret;
use crate::time::Timestamp;

/// What the clock of a call without a tool says.
pub(super) const NOW: i64 = 1_800_000_000;

/// What came of a call.
#[derive(Debug, PartialEq)]
pub(super) struct Served {
    pub(super) status: u8,
    pub(super) output: String,
    pub(super) errors: String,
}

/// One call: its first word is the program's name, all others are arguments.
pub(super) struct Desk<'a> {
    pub(super) words: &'a [&'a str],
    pub(super) input: &'a [u8],
    pub(super) vars: &'a [(&'a str, &'a str)],
}

impl Desk<'_> {
    /// Calls, and answers each request by `ask`.
    pub(super) fn serve(&self, ask: &mut dyn FnMut(&Request) -> Result<Answer>) -> Served {
        let (program, rest) = self.words.split_first().expect("a call has a program's name");
        let found = find(program, rest.first().copied());
        let Found { row, consumed, profile } = found.expect("the call is a protocol's");
        let args: Vec<String> = rest[consumed..].iter().map(|arg| arg.to_string()).collect();
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let var = |name: &str| {
            let found = self
                .vars
                .iter()
                .find(|(known, value)| *known == name && !value.is_empty());
            Ok(found.map(|(_, value)| value.to_string()))
        };
        let status = (row.serve)(&mut Call {
            args: &args,
            profile,
            var: &var,
            now: &|| Timestamp::from_unix(NOW),
            is_typed: &|| false,
            input: &mut &*self.input,
            output: &mut output,
            errors: &mut errors,
            prompt: &mut |_| Err(Error::usage("nobody may be asked")),
            ask,
        });
        let text = |bytes| String::from_utf8(bytes).expect("a protocol writes UTF-8");
        Served {
            status,
            output: text(output),
            errors: text(errors),
        }
    }
}

/// A credential that was found.
pub(super) fn credential(username: Option<&str>, secret: &str, authtype: Option<&str>) -> Credential {
    Credential {
        username: username.map(Into::into),
        secret: Secret::new(secret.into()),
        authtype: authtype.map(Into::into),
        is_token: false,
        refresh: None,
        expires_at: None,
        account: None,
        subject: None,
        workspace: None,
        source: Source::Environment("X".into()),
        mark: None,
        proof: None,
    }
}

/// The answer with such a credential.
pub(super) fn found(username: Option<&str>, secret: &str, authtype: Option<&str>) -> Answer {
    Answer::Found(Box::new(credential(username, secret, authtype)))
}
