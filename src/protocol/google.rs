//! The executable that Google's libraries run for a subject token (AIP-4117, "Determining the subject token").
//!
//! It knows nothing of the exchange that follows. One of the callers reads stdout and stderr as one text, so that nothing is
//! ever said on stderr: a failure is an answer too.
//! Implements `protocol.md`, section "google".

use std::io::Write;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::error::{Class, Error, Result};
use crate::model::{Action, Answer, Credential};
use crate::protocol::{self, Call, Protocol};
use crate::report;

/// Google's protocol.
pub(super) const GOOGLE: Protocol = Protocol {
    name: "google",
    programs: &["google-credential-keyfob"],
    serve,
};

const USAGE: &str = "usage: keyfob google PROFILE|URL\n";

/// The kinds of subject tokens that a session can give (RFC 8693, section 3); the first where the caller names none.
const TYPES: [&str; 2] = [
    "urn:ietf:params:oauth:token-type:id_token",
    "urn:ietf:params:oauth:token-type:jwt",
];

#[derive(Serialize)]
struct Token<'a> {
    version: u8,
    success: bool,
    token_type: &'a str,
    id_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_time: Option<i64>,
}

#[derive(Serialize)]
struct Failure<'a> {
    version: u8,
    success: bool,
    code: &'a str,
    message: &'a str,
}

fn serve(call: &mut Call) -> u8 {
    if protocol::wants_help(call.args) {
        return u8::from(!protocol::write(call.output, USAGE.as_bytes()));
    }
    match answer(call) {
        Ok(reply) => u8::from(!protocol::write(call.output, &reply)),
        Err(error) => refuse(&error, call.output),
    }
}

/// Ends a call that fails.
pub(super) fn refuse(error: &Error, output: &mut dyn Write) -> u8 {
    u8::from(!protocol::write(output, &refusal(error)))
}

fn answer(call: &mut Call) -> Result<Zeroizing<Vec<u8>>> {
    let mut request = call.request(Action::Get, &GOOGLE);
    let what = protocol::named(call, &mut request, USAGE)?;
    let is_set = |name: &str| (call.var)(name).map(|value| value.is_some_and(|value| value == "1"));
    if is_set("GOOGLE_EXTERNAL_ACCOUNT_REVOKE")? {
        return Err(Error::usage("a session does not end by this").hint(format!("run `keyfob logout {what}`")));
    }
    if is_set("GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE")? {
        // The caller then reads a file that we would have to leave the token in.
        return Err(Error::usage("a login is not part of this").hint(format!(
            "run `keyfob login {what}`, and leave out `interactive_timeout_millis`"
        )));
    }
    let wanted = (call.var)("GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE")?;
    let kind = match wanted {
        None => TYPES[0],
        Some(wanted) => {
            let known = TYPES.into_iter().find(|kind| *kind == wanted);
            known.ok_or_else(|| Error::usage("the kind of token is neither `id_token` nor `jwt`"))?
        }
    };
    request.id_token = true;
    match (call.ask)(&request)? {
        Answer::Found(credential) => encode(&credential, kind),
        _ => Err(protocol::nothing(&request, &what)),
    }
}

fn encode(credential: &Credential, kind: &str) -> Result<Zeroizing<Vec<u8>>> {
    if !credential.secret.is_token() {
        return Err(Error::refused("the secret has characters that no token has"));
    }
    Ok(protocol::json_line(&Token {
        version: 1,
        success: true,
        token_type: kind,
        id_token: credential.secret.expose(),
        expiration_time: credential.expires_at.map(|end| end.unix()),
    }))
}

/// The answer that says why there is none.
fn refusal(error: &Error) -> Zeroizing<Vec<u8>> {
    let code = match error.class {
        Class::Login => "LOGIN_REQUIRED",
        Class::Temporary => "TEMPORARY",
        Class::Store => "STORE",
        Class::Refused => "REFUSED",
        Class::Usage => "USAGE",
        _ => "FAILURE",
    };
    let hint = error.hint.as_deref().map(report::sanitise);
    let hint = hint.map_or_else(String::new, |hint| format!("; {hint}"));
    protocol::json_line(&Failure {
        version: 1,
        success: false,
        code,
        message: &format!("keyfob: {}{hint}", report::message(error)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Request;
    use crate::protocol::desk::{Desk, NOW, credential};
    use crate::time::Timestamp;

    const JWT: (&str, &str) = ("GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE", TYPES[1]);

    fn call(args: &[&str], vars: &[(&str, &str)], ask: &mut dyn FnMut(&Request) -> Result<Answer>) -> String {
        let words = [&["keyfob", "google"], args].concat();
        let served = Desk {
            words: &words,
            input: b"",
            vars,
        }
        .serve(ask);
        assert_eq!((served.status, served.errors.as_str()), (0, ""));
        served.output
    }

    #[test]
    fn the_id_token_is_asked_for_and_named_as_the_caller_wants() {
        let mut found = credential(None, "canary.a.b", Some("Bearer"));
        found.expires_at = Some(Timestamp::from_unix(NOW));
        for (vars, kind) in [(&[][..], TYPES[0]), (&[JWT][..], TYPES[1])] {
            let output = call(&["work"], vars, &mut |request| {
                assert!(request.id_token);
                assert_eq!(request.profile.as_deref(), Some("work"));
                Ok(Answer::Found(Box::new(found.clone())))
            });
            let expected = format!(
                "{{\"version\":1,\"success\":true,\"token_type\":\"{kind}\",\"id_token\":\"canary.a.b\",\
                 \"expiration_time\":{NOW}}}\n"
            );
            assert_eq!(output, expected);
        }
    }

    #[test]
    fn each_failure_is_an_answer_with_a_code() {
        let saml = (
            "GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE",
            "urn:ietf:params:oauth:token-type:saml2",
        );
        let on = |name| [(name, "1")];
        for (args, vars, answer, code) in [
            (&["work"][..], &[][..], Some(Answer::Absent), "LOGIN_REQUIRED"),
            (&[], &[], None, "USAGE"),
            (&["a", "b"], &[], None, "USAGE"),
            (&["work"], &[saml], None, "USAGE"),
            (&["work"], &on("GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE"), None, "USAGE"),
            (&["work"], &on("GOOGLE_EXTERNAL_ACCOUNT_REVOKE"), None, "USAGE"),
        ] {
            let output = call(args, vars, &mut |_| Ok(answer.clone().expect("asked")));
            let start = format!("{{\"version\":1,\"success\":false,\"code\":\"{code}\",\"message\":\"keyfob: ");
            assert!(output.starts_with(&start), "{output}");
        }
        let output = call(&["work"], &[], &mut |_| {
            Ok(Answer::Found(Box::new(credential(None, "can\nary", None))))
        });
        assert!(output.contains("\"REFUSED\""), "{output}");
        let output = call(&["work"], &[], &mut |_| {
            Err(Error::new(Class::Temporary, "doing it").hint("wait"))
        });
        assert!(output.contains("keyfob: doing it; wait"), "{output}");
    }
}
