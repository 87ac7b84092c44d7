//! git's credential protocol, and keyfob's own, which is the same lines with more attributes.
//!
//! It knows nothing of where credentials come from. What differs between the two is the status of a failure and the
//! attributes that only keyfob has.
//! Implements `protocol.md`, sections "The native protocol" and "git"; git's own description is gitcredentials(7) and
//! git-credential(1), section "Input/Output format".

mod decode;
mod encode;
mod line;

use crate::error::{Class, Error, Result};
use crate::model::{Action, Answer};
use crate::protocol::{self, Call, Protocol};
use crate::report;

use decode::Question;

/// keyfob's own protocol.
pub(super) const NATIVE: Protocol = Protocol {
    name: "keyfob",
    programs: &[],
    serve: |call| serve(call, Dialect::Native),
};

/// git's protocol.
pub(super) const GIT: Protocol = Protocol {
    name: "git",
    programs: &["git-credential-keyfob"],
    serve: |call| serve(call, Dialect::Git),
};

/// Whose rules hold where the two differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Git,
    Native,
}

impl Dialect {
    fn tool(self) -> &'static str {
        match self {
            Dialect::Git => GIT.name,
            Dialect::Native => NATIVE.name,
        }
    }

    /// git takes any failure for "ask the next helper"; to miss a login is not even that.
    fn status(self, class: Class) -> u8 {
        match (self, class) {
            (Dialect::Native, class) => report::exit_code(class),
            (Dialect::Git, Class::Login) => 0,
            (Dialect::Git, _) => 1,
        }
    }
}

const USAGE: &str = "usage: git-credential-keyfob get|store|erase|capability\n";

/// What a caller may offer and expect (git-credential(1), section "Capability input/output format").
const CAPABILITIES: &str = "version 0\ncapability authtype\ncapability state\n";

/// The scheme of a user name and a password in one ready value (RFC 7617).
const BASIC: &str = "Basic";

/// Asks git for no other helper and no prompt (git-credential(1), the attribute `quit`).
const QUIT: &[u8] = b"quit=1\n";

fn serve(call: &mut Call, dialect: Dialect) -> u8 {
    // git appends the operation to whatever words its configuration has.
    let Some((operation, before)) = call.args.split_last() else {
        protocol::tell(call.errors, USAGE);
        return 1;
    };
    let action = match operation.as_str() {
        "get" => Action::Get,
        "store" => Action::Store,
        "erase" => Action::Erase,
        "capability" => return u8::from(!protocol::write(call.output, CAPABILITIES.as_bytes())),
        // Future operations are to be ignored in silence.
        _ => return 0,
    };
    let unexpected = (!before.is_empty()).then(|| Error::usage("expected one operation, found more arguments"));
    let served = unexpected.map_or_else(|| answer(call, action, dialect), Err);
    match served {
        Ok(arrived) => u8::from(!arrived),
        Err(error) => {
            protocol::tell(call.errors, &report::lines(&error));
            if error.last && action == Action::Get && !protocol::write(call.output, QUIT) {
                return 1;
            }
            dialect.status(error.class)
        }
    }
}

/// Reads, asks and writes; whether the answer arrived.
fn answer(call: &mut Call, action: Action, dialect: Dialect) -> Result<bool> {
    let input = protocol::read(call.input)?;
    let Question::Ask(mut request) = decode::decode(&input, action, dialect)? else {
        return Ok(true);
    };
    if request.profile.is_none() {
        request.profile.clone_from(&call.profile);
    }
    match (action, (call.ask)(&request)?) {
        (Action::Get, Answer::Found(credential)) => {
            let passing = encode::is_passing(&credential, request.target.as_ref(), dialect);
            let reply = encode::encode(&credential, request.understands, dialect, passing)?;
            Ok(reply.is_empty() || protocol::write(call.output, &reply))
        }
        (Action::Store, Answer::Declined) if dialect == Dialect::Native => {
            Err(Error::refused("storing the credential: it is not kept for this target"))
        }
        _ => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::desk::Desk;
    use crate::time::Timestamp;

    fn call(name: &str, args: &[&str], input: &str, ask: &mut dyn FnMut() -> Result<Answer>) -> (u8, String, String) {
        let program = if name == GIT.name { GIT.programs[0] } else { name };
        let words = [&[program], args].concat();
        let served = Desk {
            words: &words,
            input: input.as_bytes(),
            vars: &[],
        }
        .serve(&mut |_| ask());
        (served.status, served.output, served.errors)
    }

    const HOST: &str = "protocol=https\nhost=a.example\n";

    #[test]
    fn an_unknown_operation_changes_nothing_and_succeeds() {
        for word in ["list", "GET", "", "--help"] {
            let answered = call("git", &[word], HOST, &mut || panic!("asked"));
            assert_eq!(answered, (0, String::new(), String::new()), "{word:?}");
        }
    }

    #[test]
    fn only_a_login_that_nobody_can_replace_ends_the_question() {
        let login = || Error::login("the session has ended");
        let (status, output, errors) = call("git", &["get"], HOST, &mut || Err(login().last()));
        assert_eq!((status, output.as_str()), (0, "quit=1\n"));
        assert_eq!(errors, "keyfob: error: the session has ended\n");
        let (_, output, _) = call("git", &["get"], HOST, &mut || Err(login()));
        assert_eq!(output, "");
    }

    #[test]
    fn no_operation_is_a_usage_error_without_reading() {
        let (status, output, errors) = call("git", &[], HOST, &mut || panic!("asked"));
        assert_eq!((status, output.as_str()), (1, ""));
        assert!(errors.starts_with("usage: "));
    }

    #[test]
    fn a_failure_has_a_status_in_each_dialect() {
        for (class, git, native) in [
            (Class::Failure, 1, 1),
            (Class::Login, 0, 2),
            (Class::Temporary, 1, 3),
            (Class::Store, 1, 4),
            (Class::Refused, 1, 5),
            (Class::Usage, 1, 64),
        ] {
            let mut fail = || Err(Error::new(class, "doing it").hint("do that"));
            for (name, expected) in [("git", git), ("keyfob", native)] {
                let (status, output, errors) = call(name, &["get"], HOST, &mut fail);
                assert_eq!((status, output.as_str()), (expected, ""), "{name} {class:?}");
                assert_eq!(errors, "keyfob: error: doing it\nkeyfob: hint: do that\n");
            }
        }
    }

    #[test]
    fn a_miss_is_silent() {
        for answer in [Answer::Absent, Answer::Declined, Answer::Done] {
            for name in ["git", "keyfob"] {
                let answered = call(name, &["get"], HOST, &mut || Ok(answer.clone()));
                assert_eq!(answered, (0, String::new(), String::new()));
            }
        }
    }

    #[test]
    fn only_the_native_caller_learns_that_nothing_was_kept() {
        let input = format!("{HOST}username=u\npassword=canary\n");
        assert_eq!(call("git", &["store"], &input, &mut || Ok(Answer::Declined)).0, 0);
        assert_eq!(call("keyfob", &["store"], &input, &mut || Ok(Answer::Declined)).0, 5);
    }

    #[test]
    fn a_closed_output_is_a_failure() {
        struct Closed;
        impl std::io::Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut errors = Vec::new();
        let status = (GIT.serve)(&mut Call {
            args: &["capability".to_string()],
            profile: None,
            var: &|_| Ok(None),
            is_typed: &|| false,
            now: &|| Timestamp::from_unix(0),
            input: &mut std::io::empty(),
            output: &mut Closed,
            errors: &mut errors,
            prompt: &mut |_| panic!("prompted"),
            ask: &mut |_| panic!("asked"),
        });
        assert_eq!((status, errors.len()), (1, 0));
    }
}
