//! keyfob's own commands, which a person meets a few times a year. One file a command.

mod login;
mod logout;
mod provider;
mod status;
mod text;
mod whoami;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::config::Profile;
use crate::error::{Error, Result};
use crate::record::Group;
use crate::report;
use crate::resolve::{Session, Sources, choose_account};
use crate::store::Stored;
use crate::world::World;

/// The version of every JSON answer. It changes when a field goes or means something else, not when one is added.
pub const SCHEMA: u32 = 1;

/// Parses the arguments and runs the command; returns the exit code.
///
/// # Errors
/// Those of the command.
pub fn run(world: &World, args: &[String]) -> Result<u8> {
    let cli = match Cli::try_parse_from(without_auth(args)) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => return Ok(usage(world, &error)),
        Err(help) => {
            print(world, &help.to_string())?;
            return Ok(0);
        }
    };
    let sources = Sources::open(world)?;
    let run = Run {
        world,
        sources: &sources,
        provider: cli.provider,
    };
    match cli.command {
        Command::Login(args) => login::login(&run, args),
        Command::Logout(args) => logout::run(&run, &args),
        Command::SetToken(args) => login::set_token(&run, args),
        Command::Status(args) => status::status(&run, &args),
        Command::Whoami(args) => whoami::run(&run, &args),
        Command::List(args) => status::list(&run, &args),
        Command::Provider(args) => provider::run(&run, args),
    }
}

/// `keyfob auth login` is `keyfob login`, so that a program can hand its `auth` subtree over unchanged.
fn without_auth(args: &[String]) -> Vec<&str> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let at = match args.get(1) {
        Some(&"--provider") => 3,
        Some(first) if first.starts_with("--provider=") => 2,
        _ => 1,
    };
    let is_auth = args.get(at) == Some(&"auth");
    args.into_iter()
        .enumerate()
        .filter(|(place, _)| !is_auth || *place != at)
        .map(|(_, arg)| arg)
        .collect()
}

/// What every command works with.
pub(crate) struct Run<'a> {
    world: &'a World,
    sources: &'a Sources<'a>,
    /// Given by `--provider`.
    provider: Option<String>,
}

impl Run<'_> {
    /// The profile of the arguments, of `--provider`, or of the only provider that is configured.
    fn profile(&self, given: Option<&str>) -> Result<Profile> {
        if let Some(text) = given.or(self.provider.as_deref()) {
            return Profile::parse(text);
        }
        let names = self.sources.config.names()?;
        match names.as_slice() {
            [only] => Profile::parse(only),
            [] => Err(Error::usage("no provider is named, and none is configured").hint("run `keyfob provider list`")),
            _ => Err(Error::usage("no provider is named, and several are configured")
                .hint(format!("name one of `{}` after the command", names.join("`, `")))),
        }
    }

    /// The session that a profile means, and its record; one that needs no person is obtained if there is none.
    fn session(&self, profile: &Profile) -> Result<(Session, Stored)> {
        let session = self.meant(profile)?;
        let stored = session.records_or_new(self.sources)?;
        let stored = choose_account(stored, session.account.as_deref(), &session)?;
        Ok((session, stored))
    }

    /// The session that a profile means, whether there is one or not.
    fn meant(&self, profile: &Profile) -> Result<Session> {
        let (provider, at) = self.sources.config.profile(profile)?;
        let account = match &profile.account {
            Some(account) => Some(account.clone()),
            None => self.world.var("KEYFOB_ACCOUNT")?,
        };
        Ok(Session::named(&provider, at, None, account))
    }

    fn print(&self, text: &str) -> Result<()> {
        print(self.world, text)
    }

    /// Prints one line of JSON.
    fn print_json(&self, value: &serde_json::Value) -> Result<()> {
        self.print(&format!("{}\n", report::json(&value.to_string())))
    }

    fn note(&self, text: &str) {
        self.world.write_stderr(text);
    }
}

/// Writes to stdout. Somebody who stops reading has seen enough.
fn print(world: &World, text: &str) -> Result<()> {
    match world.write_stdout(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::failure(format!("writing to standard output: {}", error.kind())))
        }
        _ => Ok(()),
    }
}

/// What was wrong with the arguments. clap would show the values, one of which may be a secret.
fn usage(world: &World, error: &clap::Error) -> u8 {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let known = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(report::sanitise(text)),
        Some(ContextValue::Strings(texts)) => texts.first().map(|text| report::sanitise(text)),
        _ => None,
    };
    let what = match error.kind() {
        ErrorKind::UnknownArgument => "there is an argument that this command does not have".to_string(),
        ErrorKind::InvalidSubcommand => "there is no such command".to_string(),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "a command is missing".into()
        }
        kind => format!("the arguments are wrong: {kind}"),
    };
    let similar = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg]
        .into_iter()
        .find_map(known);
    let hint = similar.map_or("run `keyfob --help`".into(), |name| {
        format!("did you mean `{name}`? Else run `keyfob --help`")
    });
    world.write_stderr(&report::lines(&Error::usage(what).hint(hint)));
    report::exit_code(crate::error::Class::Usage)
}

/// The provider and mode of a session's group; none for an origin.
fn session_of(group: &Group) -> Option<(&str, &str)> {
    match group {
        Group::Session { provider, mode } => Some((provider, mode)),
        Group::Origin(_) => None,
    }
}
