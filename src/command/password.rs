//! `password`: the account's password at the service, rarely needed from a command line.
//!
//! It is typed at a hidden prompt or read from standard input, never an argument, and never kept.

use serde_json::json;

use super::caller::{Answered, Caller};
use super::{Run, SCHEMA, mfa, text};
use crate::cli;
use crate::config::{Call, Slot};
use crate::error::{Context, Error, Result};
use crate::report::sanitise;
use crate::secret::Secret;
use crate::shape::account;

/// The longest password, in bytes; a service that takes longer ones is not known.
const MAX_PASSWORD: usize = 4096;

pub(super) fn run(run: &Run, args: cli::Password) -> Result<u8> {
    match args {
        cli::Password::Set(args) => set(run, &args),
        cli::Password::Clear(args) => clear(run, &args),
        cli::Password::Status(args) => status(run, &args),
        cli::Password::Mfa(args) => mfa::enroll(run, &args),
        cli::Password::Export(args) => super::export::run(run, &args),
    }
}

fn set(run: &Run, args: &cli::SetPassword) -> Result<u8> {
    let mut caller = Caller::new(run, &run.profile(args.profile.as_deref())?)?;
    let Some(call) = caller.mode.password.set.clone() else {
        return Err(caller.lacks("password.set", None));
    };
    let command = format!("password set {}", caller.name());
    let mut source = Source::open(run, args.stdin, &command)?;
    let current = source.current(&call)?;
    let password = source.new_password()?;
    source.ended()?;
    let values = [(Slot::Current, current.expose()), (Slot::Password, password.expose())];
    send(run, &mut caller, &call, &values, "setting the password")?;
    run.note(&format!("The password of `{}` is set.\n", sanitise(&caller.name())));
    Ok(0)
}

fn clear(run: &Run, args: &cli::ClearPassword) -> Result<u8> {
    let mut caller = Caller::new(run, &run.profile(args.profile.as_deref())?)?;
    let Some(call) = caller.mode.password.clear.clone() else {
        return Err(caller.lacks("password.clear", None));
    };
    let name = sanitise(&caller.name());
    run.confirm(
        &format!("Take the password of `{name}` at {} away?", caller.title()),
        args.yes,
    )?;
    let current = if wants_current(&call) {
        let command = format!("password clear {} --yes", caller.name());
        let mut source = Source::open(run, args.stdin, &command)?;
        let current = source.current(&call)?;
        source.ended()?;
        current
    } else {
        Secret::default()
    };
    let values = [(Slot::Current, current.expose())];
    send(run, &mut caller, &call, &values, "taking the password away")?;
    run.note(&format!("`{name}` has no password any more.\n"));
    Ok(0)
}

fn status(run: &Run, args: &cli::Show) -> Result<u8> {
    let doing = "asking the service about the password";
    let mut caller = Caller::new(run, &run.profile(args.profile.as_deref())?)?;
    let Some(call) = caller.mode.password.status.clone() else {
        return Err(caller.lacks("password.status", None));
    };
    let reply = caller.look(&call, doing)?;
    let is_set = account::is_on(caller.mode.password.state.as_deref(), &reply).map_err(|why| {
        Error::failure(format!("its answer has {why}")).hint("correct `password.state` in the provider file")
    });
    let is_set = is_set.doing(doing)?;
    if args.json {
        let answer = json!({"schema": SCHEMA, "profile": caller.name(), "password": is_set});
        return run.print_json(&answer).map(|()| 0);
    }
    let name = sanitise(&caller.name());
    run.print(&if is_set {
        format!("`{name}` has a password.\n")
    } else {
        format!("`{name}` has no password.\n")
    })?;
    Ok(0)
}

/// Makes a call that changes something.
fn send(run: &Run, caller: &mut Caller, call: &Call, values: crate::shape::Values, doing: &str) -> Result<()> {
    if let Some(variable) = caller.variable() {
        run.note(&format!(
            "The token of the variable `{variable}` says whose password it is.\n"
        ));
    }
    match caller.ask(call, values, doing)? {
        Answered::Yes(_) => Ok(()),
        Answered::No(status, says) => {
            Err(Error::refused(format!("the service answered with status {status}{says}")).context(doing))
        }
        Answered::Unknown(error) => Err(match caller.mode.password.status {
            Some(_) => error.hint(format!(
                "it may have been done: run `keyfob password status {}`",
                caller.name()
            )),
            None => error.hint("it may have been done"),
        }),
    }
}

fn wants_current(call: &Call) -> bool {
    call.body.as_ref().is_some_and(|body| body.has(Slot::Current))
}

/// From where passwords come.
enum Source<'a> {
    Person(&'a Run<'a>),
    /// One a line: the one in use first, if it is needed.
    Lines(std::vec::IntoIter<Secret>),
}

impl<'a> Source<'a> {
    /// Standard input where it is wanted or no terminal; else the person.
    fn open(run: &'a Run<'a>, stdin: bool, command: &str) -> Result<Source<'a>> {
        let is_terminal = run.world.stdin_is_terminal();
        if is_terminal && run.world.person() && !stdin {
            return Ok(Source::Person(run));
        }
        if is_terminal {
            // Read like a file it would be shown as it is typed.
            return Err(
                Error::usage("standard input is a terminal, and what is typed there would be seen")
                    .hint(format!("pipe it in: `keyfob {command} --stdin < FILE`")),
            );
        }
        let all = text::from_stdin(run.world, "the password")?;
        let lines = all.expose().split('\n');
        let lines = lines.map(|line| Secret::new(line.strip_suffix('\r').unwrap_or(line).to_owned()));
        Ok(Source::Lines(lines.collect::<Vec<_>>().into_iter()))
    }

    /// The one in use, where the call wants it; empty where there is none.
    fn current(&mut self, call: &Call) -> Result<Secret> {
        if !wants_current(call) {
            return Ok(Secret::default());
        }
        match self {
            Source::Person(run) => run
                .world
                .ask_secret("Password in use (Enter if there is none; not shown): "),
            Source::Lines(lines) => {
                let missing =
                    || Error::usage("standard input holds no password").hint("the one in use is its first line");
                lines.next().ok_or_else(missing)
            }
        }
    }

    fn new_password(&mut self) -> Result<Secret> {
        let password = match self {
            Source::Person(run) => {
                let first = run.world.ask_secret("New password (not shown): ")?;
                if !first.is_empty() && run.world.ask_secret("Once more: ")? != first {
                    return Err(Error::usage("the two passwords are not the same; nothing was changed"));
                }
                first
            }
            Source::Lines(lines) => lines.next().unwrap_or_default(),
        };
        if password.is_empty() {
            return Err(Error::usage("the password is empty; nothing was changed"));
        }
        if password.len() > MAX_PASSWORD || password.expose().contains(char::is_control) {
            return Err(Error::usage(
                "the password is longer than 4096 bytes, or has control characters",
            ));
        }
        Ok(password)
    }

    /// A line too many is a misunderstanding, and no password is set for one.
    fn ended(&mut self) -> Result<()> {
        let left = match self {
            Source::Person(_) => false,
            Source::Lines(lines) => lines.any(|line| !line.is_empty()),
        };
        if left {
            return Err(Error::usage(
                "standard input has more lines than passwords are wanted; nothing was changed",
            ));
        }
        Ok(())
    }
}
