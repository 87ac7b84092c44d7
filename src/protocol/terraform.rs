//! The protocol of Terraform's and OpenTofu's credentials helpers.
//!
//! It knows nothing of where credentials come from. Terraform passes over a helper that fails when it looks up a
//! registry, and takes `{}` for "none"; it never says which account it means.
//! Implements `protocol.md`, section "terraform".

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::model::{Action, Answer, Request};
use crate::protocol::{self, Call, Protocol, bearer, is_password, of_own_token};
use crate::secret::{MAX_TOKEN, Secret};
use crate::target::Target;

/// Terraform's protocol.
pub(super) const TERRAFORM: Protocol = Protocol {
    name: "terraform",
    programs: &["terraform-credentials-keyfob"],
    serve,
};

const USAGE: &str = "usage: terraform-credentials-keyfob [PROFILE] get|store|forget HOST\n";

/// Terraform's word for "there is none".
const NONE: &[u8] = b"{}\n";

fn serve(call: &mut Call) -> u8 {
    if protocol::wants_help(call.args) {
        return u8::from(!protocol::write(call.output, USAGE.as_bytes()));
    }
    let answered = answer(call);
    protocol::finish(call, answered, |_| 1)
}

fn answer(call: &mut Call) -> Result<Zeroizing<Vec<u8>>> {
    let words: Vec<&str> = call.args.iter().map(String::as_str).collect();
    let (profile, verb, host) = match words[..] {
        [verb, host] => (None, verb, host),
        [profile, verb, host] => (Some(profile), verb, host),
        _ => return Err(usage("expected an operation and a host")),
    };
    let action = match verb {
        "get" => Action::Get,
        "store" => Action::Store,
        "forget" => Action::Erase,
        _ => return Err(usage("the operation is not `get`, `store` or `forget`")),
    };
    let (mut request, input) = of_own_token(call, &TERRAFORM, action, profile)?;
    let target = Target::from_parts("https", host, None);
    request.target = Some(target.map_err(|error| Error::usage(error).context("reading the host"))?);
    // One helper is asked for all hosts, most of which are nobody's; what cannot be kept is the only thing to say so.
    request.wide = action != Action::Store;
    match action {
        Action::Get => get(call, request),
        Action::Store => store(call, request, &input),
        _ => (call.ask)(&request).map(|_| Zeroizing::default()),
    }
}

fn get(call: &mut Call, mut request: Request) -> Result<Zeroizing<Vec<u8>>> {
    #[derive(Serialize)]
    struct Token<'a> {
        token: &'a str,
    }
    request.understands.authtype = true;
    let Answer::Found(credential) = (call.ask)(&request)? else {
        return Ok(Zeroizing::new(NONE.to_vec()));
    };
    if is_password(&credential) {
        // The provider serves another tool there.
        return Ok(Zeroizing::new(NONE.to_vec()));
    }
    let token = bearer(&credential).map_err(|error| error.context("answering Terraform"))?;
    Ok(protocol::json_line(&Token { token }))
}

/// Keeps the token. An object with anything else in it is refused, because it would not come back whole.
fn store(call: &mut Call, mut request: Request, input: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Object {
        token: Secret,
    }
    // The reason is left out: it would quote the value.
    let object: Object = serde_json::from_slice(input).map_err(|_| {
        Error::refused("reading the request: expected a JSON object with the text `token` and nothing else")
    })?;
    if !object.token.is_token() {
        let message = format!(
            "storing the token: it is not 1 to {} KiB of visible ASCII",
            MAX_TOKEN / 1024
        );
        return Err(Error::refused(message));
    }
    request.secret = Some(object.token);
    protocol::keep_token(call, request)?;
    Ok(Zeroizing::default())
}

fn usage(what: &str) -> Error {
    Error::usage(what)
        .context("reading the command line")
        .hint("run `keyfob terraform --help`")
}

#[cfg(test)]
mod tests {
    use super::super::desk::{Desk, Served, credential, found};
    use super::*;

    fn served(line: &str, input: &str, ask: &mut dyn FnMut(&Request) -> Result<Answer>) -> Served {
        let words: Vec<&str> = ["terraform-credentials-keyfob"]
            .into_iter()
            .chain(line.split_whitespace())
            .collect();
        let desk = Desk {
            words: &words,
            input: input.as_bytes(),
            vars: &[],
        };
        desk.serve(ask)
    }

    #[test]
    fn a_token_goes_out_bare_whatever_it_was_kept_as() {
        for answer in [
            found(None, "canary", Some("Bearer")),
            found(Some("oauth2"), "canary", None),
            found(None, "canary", Some("bearer")),
        ] {
            let served = served("get app.terraform.example", "", &mut |_| Ok(answer.clone()));
            assert_eq!((served.status, served.output.as_str()), (0, "{\"token\":\"canary\"}\n"));
            assert_eq!(served.errors, "");
        }
    }

    #[test]
    fn the_host_and_the_profile_are_what_is_asked() {
        let mut seen = Vec::new();
        for line in ["get xn--bcher-kva.example:8443", "acme/dev:ann get registry.example"] {
            served(line, "", &mut |request| {
                let target = request.target.as_ref().unwrap().to_string();
                seen.push((target, request.profile.clone(), request.wide));
                Ok(Answer::Absent)
            });
        }
        assert_eq!(seen[0], ("https://xn--bcher-kva.example:8443".into(), None, true));
        assert_eq!(
            seen[1],
            ("https://registry.example".into(), Some("acme/dev:ann".into()), true)
        );
    }

    #[test]
    fn whatever_is_no_credential_is_an_empty_object() {
        for answer in [Answer::Absent, Answer::Declined, found(Some("ann"), "canary", None)] {
            let served = served("get registry.example", "", &mut |_| Ok(answer.clone()));
            assert_eq!((served.status, served.output.as_str()), (0, "{}\n"));
        }
    }

    #[test]
    fn another_scheme_or_a_line_end_is_a_failure_without_a_value() {
        for (secret, scheme) in [("canary", Some("Token")), ("can\nary", None), ("", None)] {
            let served = served("get registry.example", "", &mut |_| Ok(found(None, secret, scheme)));
            assert_eq!((served.status, served.output.as_str()), (1, ""));
            assert!(
                served.errors.starts_with("keyfob: error: ") && !served.errors.contains("canary"),
                "{}",
                served.errors
            );
        }
    }

    #[test]
    fn a_token_is_stored_as_bearer_and_forgotten_as_such() {
        let mut seen = Vec::new();
        for (line, input) in [("store h.example", "{\"token\":\"canary\"}"), ("forget h.example", "")] {
            let served = served(line, input, &mut |request| {
                let secret = request.secret.as_ref().map(|secret| secret.expose().to_owned());
                assert!(request.apart && request.wide == (request.action == Action::Erase));
                seen.push((request.action, request.authtype.clone(), secret));
                Ok(Answer::Done)
            });
            assert_eq!((served.status, served.output, served.errors), (0, "".into(), "".into()));
        }
        let bearer = Some("Bearer".to_string());
        assert_eq!(
            seen,
            [
                (Action::Store, bearer.clone(), Some("canary".into())),
                (Action::Erase, bearer, None)
            ]
        );
    }

    #[test]
    fn an_object_that_cannot_be_kept_whole_is_read_and_refused() {
        for input in [
            "",
            "{}",
            "null",
            "[]",
            "{\"token\":null}",
            "{\"token\":1}",
            "{\"token\":\"\"}",
            "{\"token\":\"canary\",\"client_cert\":\"x\"}",
            "{\"token\":\"canary\",\"token\":\"canary\"}",
            "{\"token\":\"can\\nary\"}",
            "{\"token\":\"canary\"} x",
        ] {
            let served = served("store h.example", input, &mut |_| panic!("nothing is asked"));
            assert_eq!((served.status, served.output.as_str()), (1, ""), "{input}");
            assert!(
                !served.errors.is_empty() && !served.errors.contains("canary"),
                "{input}"
            );
        }
        let store = |kept: Answer| {
            served("store h.example", "{\"token\":\"canary\"}", &mut |request| {
                Ok(match request.action {
                    Action::Get => kept.clone(),
                    _ => Answer::Declined,
                })
            })
        };
        // Terraform logged in with what it got here.
        assert_eq!(store(found(None, "canary", Some("Bearer"))).status, 0);
        let declined = store(found(None, "another", Some("Bearer")));
        assert_eq!(declined.status, 1);
        assert!(declined.errors.contains("keyfob login"), "{}", declined.errors);
    }

    #[test]
    fn the_input_is_read_to_its_end_also_where_the_host_is_refused() {
        let words = ["keyfob", "terraform", "store", "my;host"].map(String::from);
        let mut input = &b"{\"token\":\"canary\"}"[..];
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let status = serve(&mut Call {
            args: &words[2..],
            profile: None,
            var: &|_| Ok(None),
            is_typed: &|| false,
            now: &|| crate::time::Timestamp::from_unix(0),
            prompt: &mut |_| panic!("prompted"),
            input: &mut input,
            output: &mut output,
            errors: &mut errors,
            ask: &mut |_| panic!("nothing is asked"),
        });
        assert_eq!((status, input, output.len()), (1, &b""[..], 0));
    }

    #[test]
    fn an_operation_that_is_not_known_fails_with_a_message() {
        for line in [
            "",
            "get",
            "list h.example",
            "GET h.example",
            "a b get h.example",
            "get a/b",
        ] {
            let served = served(line, "", &mut |_| {
                Ok(Answer::Found(Box::new(credential(None, "canary", None))))
            });
            assert_eq!((served.status, served.output.as_str()), (1, ""), "{line}");
            assert!(served.errors.starts_with("keyfob: error: "), "{line}");
        }
        let help = served("--help", "", &mut |_| panic!("nothing is asked"));
        assert_eq!((help.status, help.output.as_str()), (0, USAGE));
    }
}
