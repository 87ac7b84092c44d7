//! keyfob answers any tool that asks for a credential, from environment, keychain and file, and renews what has ended.
//!
//! The library is the program: `main.rs` only calls [`main`]. It is also what a program embeds that wants
//! sign-in of its own; until version 1 its interface may change with each release.
//!
//! # The map
//!
//! The road is one way. A [`protocol`] turns a tool's bytes into a [`model::Request`]; [`resolve`] finds the answer in the
//! environment, a [`store`] or by [`renew`]ing it at the issuer; the protocol turns the [`model::Answer`] into bytes.
//! A login is a flow of [`login`], which speaks [`oauth`], or what a provider file says in the terms of [`shape`].
//! A [`seed`] makes the one-time codes of a second factor by [`totp`]; its record is no tool's.
//! Only `protocol` knows tools, only [`http`] and [`loopback`] know the network, only [`world`] knows the machine.
//!
//! | to add | write one file in | and one line in |
//! |---|---|---|
//! | a tool's protocol | `protocol/` | `protocol::TABLE` |
//! | a store | `store/` | `store::TABLE` |
//! | how a tool is wired | `install/` | `install::TABLE` |
//! | a login flow | `login/`, or `grant/` if it needs no person | `login::TABLE` |
//! | a well-known provider | `config/presets/` | the table of `config::preset` |
//! | an own command | `command/` | `cli::Command` |
//!
//! A test holds which module may use which.

pub mod bundle;
pub mod cli;
pub mod command;
pub mod config;
pub mod digest;
pub mod error;
pub mod grant;
pub mod http;
pub mod hygiene;
pub mod install;
pub mod login;
pub mod loopback;
pub mod model;
pub mod oauth;
pub mod pem;
pub mod protocol;
pub mod record;
pub mod renew;
pub mod report;
pub mod resolve;
pub mod secret;
pub mod seed;
pub mod shape;
pub mod store;
pub mod target;
pub mod time;
pub mod totp;
pub mod world;

use config::Said;
use error::{Error, Result};
use model::{Answer, Request};
use protocol::{Call, Found};
use world::World;

/// The program's `main`: [`run_process`], and its exit code as Rust returns it.
///
/// A program that carries keyfob inside calls it where it was started under one of keyfob's names.
pub fn main() -> std::process::ExitCode {
    run_process(&World::process()).into()
}

/// All that a process does whose world this is: hardens itself, runs, and returns the exit code.
pub fn run_process(world: &World) -> u8 {
    let called = world.args.first().cloned().unwrap_or_default();
    world::quiet_panics(called, |program| protocol::link(program).unwrap_or("keyfob"));
    if let Err(why) = hygiene::harden(world.var_os("KEYFOB_ATTACH").is_some()) {
        introduce(world);
        return fail(world, &Error::refused(why));
    }
    run(world)
}

/// Runs one call of a tool or one own command, and returns the exit code.
pub fn run(world: &World) -> u8 {
    let mut args = Vec::with_capacity(world.args.len());
    for arg in &world.args {
        match arg.to_str() {
            Some(arg) => args.push(arg.to_owned()),
            None => return unread(world),
        }
    }
    if args.get(1).is_some_and(|word| word == "help") {
        says_help(&mut args);
    }
    let program = world::program_name(args.first().map(String::as_str));
    let (said, at, found) = asked(program, &args);
    if let Some(found) = found {
        let rest = &args[(at + found.consumed).min(args.len())..];
        return serve(world, found, rest, &said);
    }
    own(world, &args, protocol::link(program))
}

/// What many programs take for `--help` is one for us too, where we are called by our own name.
fn says_help(args: &mut Vec<String>) {
    let program = world::program_name(args.first().map(String::as_str));
    if program.trim_end_matches(".exe") == "keyfob" {
        args.remove(1);
        args.push("--help".into());
    }
}

/// What stands before the protocol's name, where the rest begins, and the protocol that a tool speaks; none for an own
/// command.
fn asked(program: &str, args: &[String]) -> (Said, usize, Option<Found>) {
    let (said, at) = match protocol::stands_in(program) {
        true => (Said::default(), 1),
        false => said(args),
    };
    // Another name is a program's whose sign-in we are; it has commands, and no tool calls it.
    let first = args.get(at).filter(|_| protocol::link(program).is_none());
    let found = protocol::find(program, first.map(String::as_str));
    (said, at, found)
}

/// Fails because an argument is no text: as the protocol does that would have read it, where it does so on stdout.
fn unread(world: &World) -> u8 {
    introduce(world);
    let error = Error::usage("an argument is not UTF-8");
    let args: Vec<String> = world
        .args
        .iter()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let program = world::program_name(args.first().map(String::as_str));
    let (_, _, found) = asked(program, &args);
    let told = found.and_then(|found| found.row.refuse(&error, &mut world.stdout()));
    told.unwrap_or_else(|| fail(world, &error))
}

/// Runs one command of a program's sign-in in that program, and returns the exit code; `args` come after `auth`.
///
/// It is what a link of the program's name to keyfob does: messages have the program's name, and its variables count. The
/// provider file of this name must be there.
pub fn sign_in(world: &World, program: &str, args: &[String]) -> u8 {
    let args = [&[program.to_owned()], args].concat();
    own(world, &args, Some(program))
}

/// Speaks from now on in the name of the program as whose sign-in we were called, before its arguments are looked at.
fn introduce(world: &World) {
    let program = world::program_name(world.args.first().and_then(|name| name.to_str()));
    if let Some(link) = protocol::link(program) {
        command::introduce(world, link);
    }
}

fn own(world: &World, args: &[String], link: Option<&str>) -> u8 {
    match command::run(world, args, link) {
        Ok(code) => code,
        Err(error) => fail(world, &error),
    }
}

/// What `--mode`, `--account` and `--workspace` say before a protocol's name, and where the rest begins.
fn said(args: &[String]) -> (Said, usize) {
    let (mut said, mut at) = (Said::default(), 1);
    while let Some(option) = args.get(at).and_then(|arg| arg.strip_prefix("--")) {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (option, args.get(at + 1).cloned()),
        };
        let slot = match name {
            "account" => &mut said.account,
            "mode" => &mut said.mode,
            "workspace" => &mut said.workspace,
            // The rest is an own command's, or nobody's.
            _ => break,
        };
        *slot = value;
        at += if option.contains('=') { 1 } else { 2 };
    }
    (said, at)
}

fn serve(world: &World, found: Found, args: &[String], said: &Said) -> u8 {
    if found.row.reads_stderr() {
        world.speak(Box::new(|_, _| String::new()));
    }
    let mut ask = |request: &Request| -> Result<Answer> {
        let mut sources = resolve::Sources::open(world)?;
        sources.config.say(said.clone())?;
        sources.resolve(request)
    };
    (found.row.serve)(&mut Call {
        args,
        profile: found.profile,
        var: &|name| world.var(name),
        is_typed: &|| world.stdin_is_terminal(),
        now: &|| world.now(),
        input: &mut world.stdin(),
        output: &mut world.stdout(),
        errors: &mut world.stderr(),
        prompt: &mut |prompt| match world.person() {
            true => world.ask_secret(prompt),
            false => Err(Error::usage("nobody may be asked")),
        },
        ask: &mut ask,
    })
}

fn fail(world: &World, error: &Error) -> u8 {
    world.write_stderr(&report::lines(error));
    report::exit_code(error.class)
}
