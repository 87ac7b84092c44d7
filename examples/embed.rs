//! A program that has keyfob inside instead of starting it.
//!
//! Its subtree `auth` is keyfob's: `cargo run --example embed -- auth login`, `auth status`, `auth whoami`, `auth logout`.
//! Its own work begins with a credential: `cargo run --example embed -- https://acme.example/api`. That finds what
//! `keyfob get` finds, in the same configuration and the same stores, and renews it in the same way.
//! A program in another language, or one that does not want to be built again with each keyfob, starts keyfob instead:
//! see `wrapper.sh`, `auth.py` and `host_tool.rs`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is a program of its own")]

use std::process::ExitCode;

use keyfob::error::{Error, Result};
use keyfob::model::{Action, Answer, Credential, Request};
use keyfob::resolve::Sources;
use keyfob::target::Target;
use keyfob::world::World;
use keyfob::{hygiene, report};

// Parsers and growing buffers copy what they are given; with this allocator nothing of it stays in freed memory.
#[global_allocator]
static ALLOCATOR: hygiene::Wiping = hygiene::Wiping;

/// The provider file, which comes with the program; one of that name in `~/.config/keyfob/providers` wins.
const PROVIDER: (&str, &str) = ("acme", include_str!("providers/acme.toml"));

fn main() -> ExitCode {
    // No core file and no reader beside it, before the first secret is here.
    if let Err(why) = hygiene::harden(false) {
        eprintln!("embed: {why}");
        return ExitCode::FAILURE;
    }
    // Arguments, environment, clock and terminal of this process. A test builds its own with `World::fixed`.
    let world = World::process().with_provider(PROVIDER.0, PROVIDER.1);
    let args = world.args.iter().skip(1);
    let args: Vec<String> = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
    match args.split_first() {
        // Messages have the name that the provider file gives the program in `[program]`.
        Some((first, rest)) if first == "auth" => ExitCode::from(keyfob::sign_in(&world, PROVIDER.0, rest)),
        Some((url, _)) => work(&world, url),
        None => {
            eprintln!("usage: embed auth …|URL");
            ExitCode::from(64)
        }
    }
}

fn work(world: &World, url: &str) -> ExitCode {
    match credential(world, url) {
        Ok(Some(credential)) => {
            let who = credential.subject.or(credential.username);
            let who = who.as_deref().map_or("somebody".into(), report::sanitise);
            // Here a program would call its server. `credential.secret.expose()` is the one door to the secret.
            println!("{url}: as {who}, from {}", credential.source);
            ExitCode::SUCCESS
        }
        Ok(None) => {
            println!("{url}: there is no credential");
            ExitCode::from(2)
        }
        Err(error) => {
            eprint!("{}", report::lines(&error));
            ExitCode::from(report::exit_code(error.class))
        }
    }
}

/// The credential for a URL; none if there is none.
fn credential(world: &World, url: &str) -> Result<Option<Credential>> {
    let target = Target::from_url(url).map_err(|error| Error::usage(error).context("reading the URL"))?;
    // The name by which a provider file may give a target to this program alone.
    let mut request = Request::new(Action::Get, "embed");
    request.target = Some(target);
    // This program can send a bearer token as well as user name and password.
    request.understands.authtype = true;
    match Sources::open(world)?.resolve(&request)? {
        Answer::Found(credential) => Ok(Some(*credential)),
        _ => Ok(None),
    }
}
