//! The protocol of Vault's and OpenBao's token helpers.
//!
//! It knows nothing of where credentials come from. The tool passes no address: the variable that it takes its own from
//! says which server is meant.
//! Implements `protocol.md`, section "vault".

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::model::{Action, Answer, Request};
use crate::protocol::{self, Call, Protocol, bearer, of_own_token};
use crate::secret::Secret;
use crate::target::{Malformed, Target};

/// Vault's protocol.
pub(super) const VAULT: Protocol = Protocol {
    name: "vault",
    programs: &["vault-credential-keyfob"],
    serve,
};

const USAGE: &str = "usage: vault-credential-keyfob [PROFILE] get|store|erase\n";

/// The variables that name the server. OpenBao's program reads both, its own first, and Vault's the other alone.
const ADDRESSES: [&str; 2] = ["BAO_ADDR", "VAULT_ADDR"];

/// The server where no variable names one, which is what the tool takes then.
const USUAL_ADDRESS: &str = "https://127.0.0.1:8200";

fn serve(call: &mut Call) -> u8 {
    if protocol::wants_help(call.args) {
        return u8::from(!protocol::write(call.output, USAGE.as_bytes()));
    }
    let answered = answer(call);
    protocol::finish(call, answered, |_| 1)
}

fn answer(call: &mut Call) -> Result<Zeroizing<Vec<u8>>> {
    let words: Vec<&str> = call.args.iter().map(String::as_str).collect();
    let (profile, operation) = match words[..] {
        [operation] => (None, operation),
        [profile, operation] => (Some(profile), operation),
        _ => return Err(usage("expected one operation")),
    };
    let action = match operation {
        "get" => Action::Get,
        "store" => Action::Store,
        "erase" => Action::Erase,
        _ => return Err(usage("the operation is not `get`, `store` or `erase`")),
    };
    let (mut request, input) = of_own_token(call, &VAULT, action, profile)?;
    request.wired = true;
    request.target = Some(server(call)?);
    match action {
        Action::Get => get(call, request),
        Action::Store => store(call, request, &input),
        _ => (call.ask)(&request).map(|_| Zeroizing::default()),
    }
}

/// The server that the tool will reach; its path says nothing about the token.
///
/// Which of the two programs asks is not said, so that two variables must mean one server.
fn server(call: &Call) -> Result<Target> {
    let mut said: Option<Target> = None;
    for name in ADDRESSES {
        let Some(address) = (call.var)(name)? else {
            continue;
        };
        let server = origin(&address);
        let server = server.map_err(|error| Error::usage(error).context(format!("reading the variable `{name}`")))?;
        if said.as_ref().is_some_and(|other| *other != server) {
            let [first, second] = ADDRESSES;
            let message = format!("the variables `{first}` and `{second}` name two servers");
            return Err(Error::refused(message).hint(format!("unset {first} for Vault, or {second} for OpenBao")));
        }
        said = Some(server);
    }
    Ok(said.unwrap_or_else(|| origin(USUAL_ADDRESS).expect("the usual address is a URL")))
}

fn origin(address: &str) -> Result<Target, Malformed> {
    Target::from_url(address).map(|target| target.without_path())
}

/// The token without a line end, which the tool would send along.
fn get(call: &mut Call, mut request: Request) -> Result<Zeroizing<Vec<u8>>> {
    request.understands.authtype = true;
    let Answer::Found(credential) = (call.ask)(&request)? else {
        return Ok(Zeroizing::default());
    };
    let token = bearer(&credential).map_err(|error| error.context("answering Vault"))?;
    Ok(Zeroizing::new(token.as_bytes().to_vec()))
}

fn store(call: &mut Call, mut request: Request, input: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let text = std::str::from_utf8(input).unwrap_or_default();
    // A person who tries it by hand ends the line.
    let token = Secret::new(text.strip_suffix('\n').unwrap_or(text).to_owned());
    if !token.is_token() {
        return Err(Error::refused(
            "storing the token: the input is not a token of visible ASCII, at most 64 KiB long",
        ));
    }
    request.secret = Some(token);
    protocol::keep_token(call, request)?;
    Ok(Zeroizing::default())
}

fn usage(what: &str) -> Error {
    Error::usage(what)
        .context("reading the command line")
        .hint("run `keyfob vault --help`")
}

#[cfg(test)]
mod tests {
    use super::super::desk::{Desk, Served, found};
    use super::*;

    const ADDRESS: &[(&str, &str)] = &[("VAULT_ADDR", "https://vault.example:8200/")];

    fn served(
        line: &str,
        input: &str,
        vars: &[(&str, &str)],
        ask: &mut dyn FnMut(&Request) -> Result<Answer>,
    ) -> Served {
        let words: Vec<&str> = line.split_whitespace().collect();
        let desk = Desk {
            words: &words,
            input: input.as_bytes(),
            vars,
        };
        desk.serve(ask)
    }

    #[test]
    fn the_token_comes_without_a_line_end() {
        for (username, scheme) in [(None, Some("Bearer")), (Some("oauth2"), None)] {
            let served = served("vault-credential-keyfob get", "", ADDRESS, &mut |request| {
                assert_eq!(
                    request.target.as_ref().unwrap().to_string(),
                    "https://vault.example:8200"
                );
                Ok(found(username, "canary", scheme))
            });
            assert_eq!(
                (served.status, served.output.as_str(), served.errors.as_str()),
                (0, "canary", "")
            );
        }
    }

    #[test]
    fn the_server_is_the_one_that_the_tool_takes() {
        for (vars, expected) in [
            (&[][..], "https://127.0.0.1:8200"),
            (&[("VAULT_ADDR", "")], "https://127.0.0.1:8200"),
            (&[("VAULT_ADDR", "http://127.0.0.1:8200/v1/")], "http://127.0.0.1:8200"),
            (
                &[
                    ("VAULT_ADDR", "https://b.example/v1"),
                    ("BAO_ADDR", "https://b.example:443"),
                ],
                "https://b.example",
            ),
            (
                &[("BAO_ADDR", "https://b.example"), ("VAULT_ADDR", "")],
                "https://b.example",
            ),
        ] {
            let served = served("keyfob vault get", "", vars, &mut |request| {
                assert_eq!(request.target.as_ref().unwrap().to_string(), expected);
                Ok(Answer::Absent)
            });
            assert_eq!((served.status, served.output, served.errors), (0, "".into(), "".into()));
        }
    }

    #[test]
    fn a_token_is_stored_and_erased_and_nothing_is_said() {
        for (line, input, secret) in [
            ("vault-credential-keyfob-acme store", "canary", Some("canary")),
            ("vault-credential-keyfob-acme store", "canary\n", Some("canary")),
            ("vault-credential-keyfob acme erase", "", None),
        ] {
            let served = served(line, input, ADDRESS, &mut |request| {
                assert_eq!(request.secret.as_ref().map(Secret::expose), secret);
                assert_eq!((request.authtype.as_deref(), request.apart), (Some("Bearer"), true));
                assert_eq!(request.profile.as_deref(), Some("acme"));
                Ok(Answer::Done)
            });
            assert_eq!((served.status, served.output, served.errors), (0, "".into(), "".into()));
        }
    }

    #[test]
    fn what_is_no_token_or_not_kept_is_a_failure() {
        for input in ["", "\n", "can ary", "can\nary", "canary\n\n"] {
            let served = served("keyfob vault store", input, ADDRESS, &mut |_| {
                panic!("nothing is asked")
            });
            assert_eq!((served.status, served.output.as_str()), (1, ""), "{input:?}");
            assert!(!served.errors.contains("canary"), "{}", served.errors);
        }
        let declined = served("keyfob vault store", "canary", ADDRESS, &mut |_| Ok(Answer::Declined));
        assert_eq!(declined.status, 1);
        for (username, secret) in [(None, "can\nary"), (Some("ann"), "canary")] {
            let spoilt = served("keyfob vault get", "", ADDRESS, &mut |_| {
                Ok(found(username, secret, None))
            });
            assert_eq!((spoilt.status, spoilt.output.as_str()), (1, ""));
        }
    }

    #[test]
    fn another_call_or_address_fails_with_a_message() {
        for (line, vars) in [
            ("keyfob vault", ADDRESS),
            ("keyfob vault list", ADDRESS),
            ("keyfob vault a b get", ADDRESS),
            ("keyfob vault get", &[("VAULT_ADDR", "unix:///run/vault.sock")]),
            ("keyfob vault get", &[("VAULT_ADDR", "vault.example")]),
            (
                "keyfob vault get",
                &[("VAULT_ADDR", "https://a.example"), ("BAO_ADDR", "https://b.example")],
            ),
            (
                "keyfob vault get",
                &[("VAULT_ADDR", "https://a.example"), ("BAO_ADDR", "http://a.example")],
            ),
        ] {
            let served = served(line, "", vars, &mut |_| panic!("nothing is asked"));
            assert_eq!((served.status, served.output.as_str()), (1, ""), "{line}");
            assert!(served.errors.starts_with("keyfob: error: "), "{}", served.errors);
        }
    }
}
