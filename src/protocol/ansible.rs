//! The protocol of Ansible's vault password clients.
//!
//! It knows nothing of where credentials come from. The tool wants one line, and a status of its own where nothing is
//! known about the id.
//! Implements `protocol.md`, section "ansible".

use zeroize::Zeroizing;

use crate::error::{Class, Error, NO_PROVIDER, Result};
use crate::model::{Action, Answer};
use crate::protocol::{self, Call, Protocol, fits_line};

/// Ansible's protocol. It tells a client by the end of the file's name.
pub(super) const ANSIBLE: Protocol = Protocol {
    name: "ansible",
    programs: &["keyfob-client"],
    serve,
};

const USAGE: &str = "usage: keyfob-client --vault-id PROFILE|URL\n";

fn serve(call: &mut Call) -> u8 {
    if protocol::wants_help(call.args) {
        return u8::from(!protocol::write(call.output, USAGE.as_bytes()));
    }
    let answered = answer(call);
    protocol::finish(call, answered, status)
}

/// Ansible tells an id that is not known from all other failures by its status 2.
fn status(class: Class) -> u8 {
    match class {
        Class::Login => 2,
        _ => 1,
    }
}

fn answer(call: &mut Call) -> Result<Zeroizing<Vec<u8>>> {
    let words: Vec<&str> = call.args.iter().map(String::as_str).collect();
    let id = match words[..] {
        ["--vault-id", id] => Some(id),
        [word] => word.strip_prefix("--vault-id="),
        _ => None,
    };
    let id = id.filter(|id| !id.is_empty()).ok_or_else(|| {
        Error::usage("expected `--vault-id` and an id")
            .context("reading the command line")
            .hint("run `keyfob ansible --help`")
    })?;
    let mut request = call.request(Action::Get, &ANSIBLE);
    let id = protocol::name(&mut request, id)?;
    request.understands.authtype = true;
    let credential = match (call.ask)(&request) {
        Ok(Answer::Found(credential)) => credential,
        Ok(_) => return Err(protocol::nothing(&request, id)),
        Err(error) if error.code.as_deref() == Some(NO_PROVIDER) => {
            return Err(Error {
                class: Class::Login,
                ..error
            });
        }
        Err(error) => return Err(error),
    };
    let secret = &credential.secret;
    if secret.is_empty() || !fits_line(secret.expose()) {
        return Err(Error::refused(
            "answering Ansible: the secret is empty, or has a line end or NUL",
        ));
    }
    let mut line = Zeroizing::new(Vec::with_capacity(secret.len() + 1));
    line.extend_from_slice(secret.expose().as_bytes());
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::super::desk::{Desk, Served, found};
    use super::*;
    use crate::model::Request;

    fn served(line: &str, ask: &mut dyn FnMut(&Request) -> Result<Answer>) -> Served {
        let words: Vec<&str> = line.split_whitespace().collect();
        let desk = Desk {
            words: &words,
            input: b"",
            vars: &[],
        };
        desk.serve(ask)
    }

    #[test]
    fn the_id_is_the_profile() {
        for line in [
            "keyfob-client --vault-id acme/prod:ann",
            "keyfob-client.exe --vault-id=acme/prod:ann",
            "keyfob ansible --vault-id acme/prod:ann",
        ] {
            let served = served(line, &mut |request| {
                assert_eq!(request.profile.as_deref(), Some("acme/prod:ann"));
                Ok(found(None, "canary with spaces", Some("Bearer")))
            });
            assert_eq!((served.status, served.output.as_str()), (0, "canary with spaces\n"));
            assert_eq!(served.errors, "");
        }
    }

    #[test]
    fn an_id_that_is_not_known_has_the_status_two() {
        let line = "keyfob-client --vault-id acme";
        for answer in [
            Ok(Answer::Absent),
            Ok(Answer::Declined),
            Err(Error::usage("there is no provider `acme`").code(NO_PROVIDER)),
            Err(Error::login("there is no session of `acme`")),
        ] {
            let mut answer = Some(answer);
            let served = served(line, &mut |_| answer.take().unwrap());
            assert_eq!((served.status, served.output.as_str()), (2, ""));
            assert!(served.errors.contains("acme"), "{}", served.errors);
        }
    }

    #[test]
    fn every_other_failure_has_the_status_one() {
        for error in [
            Error::store("x"),
            Error::temporary("x"),
            Error::refused("x"),
            Error::failure("x"),
            Error::usage("reading the provider file: x"),
        ] {
            let mut error = Some(error);
            let served = served("keyfob-client --vault-id acme", &mut |_| Err(error.take().unwrap()));
            assert_eq!((served.status, served.output.as_str()), (1, ""));
        }
        for secret in ["", "can\nary", "can\0ary"] {
            let served = served("keyfob-client --vault-id acme", &mut |_| Ok(found(None, secret, None)));
            assert_eq!((served.status, served.output.as_str()), (1, ""));
        }
    }

    #[test]
    fn a_malformed_call_asks_nothing() {
        for line in [
            "keyfob-client",
            "keyfob-client --vault-id",
            "keyfob-client --vault-id=",
            "keyfob-client acme",
            "keyfob-client --vault-id a b",
        ] {
            let served = served(line, &mut |_| panic!("nothing is asked"));
            assert_eq!((served.status, served.output.as_str()), (1, ""), "{line}");
        }
    }
}
