//! pnpm's `tokenHelper`: the value of the `Authorization` header on one line.
//!
//! It knows nothing of where credentials come from. pnpm never says which registry it means, and its versions take the
//! line differently; with the scheme in front it is right for all of them.
//! Implements `protocol.md`, section "pnpm".

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::model::{Action, Answer, Credential, Source};
use crate::protocol::{self, Call, Protocol, authorization, bearer, is_password};
use crate::report;
use crate::secret::Secret;

/// pnpm's protocol.
pub(super) const PNPM: Protocol = Protocol {
    name: "pnpm",
    programs: &["pnpm-credential-keyfob"],
    serve,
};

const USAGE: &str = "usage: keyfob pnpm PROFILE|URL\n       pnpm-credential-keyfob-PROFILE\n";

fn serve(call: &mut Call) -> u8 {
    if protocol::wants_help(call.args) {
        return u8::from(!protocol::write(call.output, USAGE.as_bytes()));
    }
    let answered = answer(call);
    protocol::finish(call, answered, report::exit_code)
}

fn answer(call: &mut Call) -> Result<Zeroizing<Vec<u8>>> {
    let what = match call.args {
        [] => None,
        [what] => Some(what.as_str()),
        _ => return Err(usage("expected one profile or URL")),
    };
    let mut request = call.request(Action::Get, &PNPM);
    let what = what.map(|what| protocol::name(&mut request, what)).transpose()?;
    let Some(named) = what.or(call.profile.as_deref()).filter(|named| !named.is_empty()) else {
        return Err(usage(
            "expected a profile or URL, or a program's name with a profile behind it",
        ));
    };
    request.wide = true;
    request.understands.authtype = true;
    match (call.ask)(&request)? {
        Answer::Found(credential) => {
            let value = value(&credential).map_err(|error| error.context("answering pnpm"))?;
            let mut line = Zeroizing::new(Vec::with_capacity(value.len() + 1));
            line.extend_from_slice(value.expose().as_bytes());
            line.push(b'\n');
            Ok(line)
        }
        _ => Err(protocol::nothing(&request, named)),
    }
}

/// A registry takes tokens as Bearer, also beside a user name that only says so. What a tool kept with a user name came
/// from a server that had it as Basic.
fn value(credential: &Credential) -> Result<Secret> {
    let is_kept = matches!(credential.source, Source::Store { profile: None, .. });
    let is_user = credential.username.as_ref().is_some_and(|name| !name.is_empty());
    if credential.authtype.is_some() || is_password(credential) || (is_kept && is_user) {
        return authorization(credential);
    }
    bearer(credential).map(|token| Secret::new(format!("Bearer {token}")))
}

fn usage(what: &str) -> Error {
    Error::usage(what)
        .context("reading the command line")
        .hint("run `keyfob pnpm --help`")
}

#[cfg(test)]
mod tests {
    use super::super::desk::{Desk, Served, credential, found};
    use super::*;
    use crate::model::Request;

    fn served(words: &[&str], ask: &mut dyn FnMut(&Request) -> Result<Answer>) -> Served {
        let desk = Desk {
            words,
            input: b"",
            vars: &[],
        };
        desk.serve(ask)
    }

    #[test]
    fn a_token_has_its_scheme_in_front() {
        for (username, scheme) in [(None, Some("Bearer")), (Some("oauth2"), None), (None, None)] {
            let served = served(&["keyfob", "pnpm", "acme"], &mut |_| {
                Ok(found(username, "canary", scheme))
            });
            assert_eq!((served.status, served.output.as_str()), (0, "Bearer canary\n"));
            assert_eq!(served.errors, "");
        }
    }

    #[test]
    fn somebodys_password_is_basic() {
        let mut kept = credential(Some("u"), "canary", None);
        kept.source = Source::Store {
            store: "file",
            profile: None,
        };
        let by_url = served(&["keyfob", "pnpm", "https://npm.example/team/"], &mut |request| {
            assert_eq!(request.target.as_ref().unwrap().to_string(), "https://npm.example/team");
            Ok(Answer::Found(Box::new(kept.clone())))
        });
        assert_eq!(by_url.output, "Basic dTpjYW5hcnk=\n");
        let of_provider = served(&["keyfob", "pnpm", "acme"], &mut |_| {
            Ok(found(Some("u"), "canary", None))
        });
        assert_eq!(of_provider.output, "Basic dTpjYW5hcnk=\n");
    }

    #[test]
    fn a_sessions_token_is_bearer_whatever_goes_to_the_first_target_with_it() {
        let mut token = credential(Some("ann"), "canary", None);
        token.is_token = true;
        let answer = Answer::Found(Box::new(token));
        let served = served(&["keyfob", "pnpm", "acme"], &mut |_| Ok(answer.clone()));
        assert_eq!(served.output, "Bearer canary\n");
    }

    #[test]
    fn the_profile_may_stand_in_the_programs_name() {
        let served = served(&["pnpm-credential-keyfob-acme~dev@ann"], &mut |request| {
            assert_eq!(request.profile.as_deref(), Some("acme/dev:ann"));
            Ok(found(None, "canary", None))
        });
        assert_eq!(served.output, "Bearer canary\n");
    }

    #[test]
    fn nothing_found_is_a_failure_that_names_the_next_step() {
        let served = served(&["keyfob", "pnpm", "acme"], &mut |_| Ok(Answer::Absent));
        assert_eq!((served.status, served.output.as_str()), (2, ""));
        assert!(served.errors.contains("run `keyfob login acme`"), "{}", served.errors);
    }

    #[test]
    fn what_no_header_can_carry_is_refused() {
        for secret in ["can\nary", "can ary", "canäry"] {
            let served = served(&["keyfob", "pnpm", "acme"], &mut |_| Ok(found(None, secret, None)));
            assert_eq!((served.status, served.output.as_str()), (5, ""));
        }
    }

    #[test]
    fn a_call_that_names_nothing_is_malformed() {
        for words in [
            &["pnpm-credential-keyfob"][..],
            &["keyfob", "pnpm", "a", "b"],
            &["keyfob", "pnpm", "http://"],
        ] {
            let served = served(words, &mut |_| panic!("nothing is asked"));
            assert_eq!((served.status, served.output.as_str()), (64, ""), "{words:?}");
        }
    }
}
