//! One question to another machine, bounded, and what its answer means.
//!
//! It knows no session: only a script, and the token of which no part is shown, whatever comes back.

use std::time::Duration;

use zeroize::Zeroizing;

use super::place::Place;
use super::script::ANSWER;
use crate::error::{Class, Error, Result};
use crate::report::{self, sanitise};
use crate::secret::Secret;
use crate::world::{Said, Unasked, World};

/// As much of a token as may come back without being taken for it: what two tokens begin with alike is no secret.
const PART: usize = 12;

/// What ssh itself ends with when there is no session, whatever the program there would have ended with.
const SSH_FAILED: i32 = 255;

/// What ssh says where another try would fail as well.
const SSH_REFUSED: [&str; 4] = [
    "Permission denied",
    "verification failed",
    "Too many authentication failures",
    "no matching",
];

/// A question to a shell.
pub(super) struct Question<'a> {
    pub place: &'a Place,
    /// The name of the program whose sign-in it is, under which a keyfob there may speak.
    pub program: &'a str,
    /// What runs the shell.
    pub command: &'a [String],
    pub script: Zeroizing<Vec<u8>>,
    /// The token in the script.
    pub secret: Option<&'a Secret>,
    /// The variables that no program is given.
    pub variables: &'a [String],
    pub patience: Duration,
}

impl Question<'_> {
    /// What the other machine says it did: the words behind [`ANSWER`].
    ///
    /// # Errors
    /// [`Class::Temporary`] when it did not answer, or says that another try may do; [`Class::Usage`] when the program
    /// that reaches it is not here; [`Class::Refused`] when the keyfob there refuses; else [`Class::Failure`].
    pub(super) fn ask(mut self, world: &World) -> Result<String> {
        let place = self.place;
        let name = self.command.first().map_or("", String::as_str);
        let said = match world.ask_program(
            self.command,
            std::mem::take(&mut self.script),
            self.variables,
            self.patience,
        ) {
            Ok(said) => said,
            Err(Unasked::NotStarted(why)) => {
                return Err(Error::usage(format!("running `{name}`: {why}")).context(format!("reaching {place}")));
            }
            Err(Unasked::TooSlow) => {
                let seconds = self.patience.as_secs();
                return Err(Error::temporary(format!("{place} did not answer within {seconds} s"))
                    .hint("try again, or give it more time with `--timeout`"));
            }
        };
        let stdout = String::from_utf8_lossy(&said.stdout);
        let answer = stdout.lines().find_map(|line| line.strip_prefix(ANSWER));
        match (said.code, answer) {
            (Some(0), Some(answer)) => Ok(answer.trim_end().to_owned()),
            _ => {
                let error = failure(place, &said, self.program, self.secret);
                Err(match self.hidden(world) {
                    Some(hint) => error.hint(hint),
                    None => error,
                })
            }
        }
    }

    /// What to do where a link to us has the name of the program that was meant, and is found first.
    fn hidden(&self, world: &World) -> Option<String> {
        let key = match self.place {
            Place::Container(_) => "sync.container.command",
            Place::Ssh { .. } => return None,
            Place::Vm(_) => "sync.vm.command",
        };
        let name = self.command.first()?;
        let found = world.find_program(name).filter(|path| world.is_self(path))?;
        Some(format!(
            "`{name}` is found as `{}`, which is keyfob itself: give `{key}` the full path of the program that is meant",
            found.display()
        ))
    }
}

fn failure(place: &Place, said: &Said, program: &str, secret: Option<&Secret>) -> Error {
    let text = Zeroizing::new(String::from_utf8_lossy(&said.stderr).into_owned());
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let ours = lines().find_map(|line| told(line, program));
    let line = ours.or_else(|| lines().next_back()).unwrap_or_default();
    let by_ssh = matches!(place, Place::Ssh { .. }) && said.code == Some(SSH_FAILED);
    let class = match (ours, said.code) {
        (Some(_), Some(code)) if code == i32::from(report::exit_code(Class::Temporary)) => Class::Temporary,
        (Some(_), Some(code)) if code == i32::from(report::exit_code(Class::Refused)) => Class::Refused,
        _ if by_ssh && !SSH_REFUSED.iter().any(|words| text.contains(words)) => Class::Temporary,
        _ => Class::Failure,
    };
    let what = match secret {
        _ if line.is_empty() => "it said nothing of why".to_owned(),
        Some(secret) if secret.has_part_in(line, PART) => {
            "what it said is not shown, since it has a part of the token".into()
        }
        _ => format!("it says “{}”", sanitise(line)),
    };
    let how = match said.code {
        _ if by_ssh => "ssh did not get there".to_owned(),
        Some(0) => "it did not do it".into(),
        Some(code) => format!("it failed with status {code}"),
        None => "it was ended by a signal".into(),
    };
    let error = Error::new(class, format!("{place}: {how}: {what}"));
    match place {
        Place::Ssh { .. } if by_ssh => error.hint(format!("see whether `{}` works", by_hand(place))),
        _ => error,
    }
}

/// What a keyfob says of a failure, under its own name or as somebody's sign-in.
fn told<'t>(line: &'t str, program: &str) -> Option<&'t str> {
    let rest = line.strip_prefix("keyfob").or_else(|| line.strip_prefix(program))?;
    rest.strip_prefix(": error: ")
}

/// The command by which a person sees what is wrong.
fn by_hand(place: &Place) -> String {
    let Place::Ssh { user, host, port } = place else {
        return String::new();
    };
    let port = port.map_or_else(String::new, |port| format!(" -p {port}"));
    let user = user.as_ref().map_or_else(String::new, |user| format!("{user}@"));
    format!("ssh{port} {user}{host} true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_token_is_taken_for_a_word() {
        let secret = Secret::new("canary-0123456789".into());
        for (text, expected) in [
            ("canary-0123456789", true),
            ("x: ary-01234567 y", true),
            ("can ary- 0123 45", true),
            ("canary-0123", false),
            ("", false),
        ] {
            assert_eq!(secret.has_part_in(text, PART), expected, "{text}");
        }
        assert!(Secret::new("ab".into()).has_part_in("a b", PART));
    }
}
