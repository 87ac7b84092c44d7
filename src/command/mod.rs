//! keyfob's own commands, which a person meets a few times a year. One file a command.

mod account;
mod bundle;
mod caller;
mod child;
mod config;
mod export;
mod import;
mod install;
mod level;
mod lock;
mod login;
mod logout;
mod mfa;
mod mode;
mod password;
mod program;
mod provider;
mod receive;
mod register;
mod shell;
mod status;
mod sync;
mod text;
mod token;
mod voice;
mod whoami;
mod workspace;

use level::Level;
pub use program::introduce;

use crate::cli::{self, Command};
use crate::config::{Profile, Said, preset};
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
/// `link` is the program's name where it is none of keyfob's: then we are the sign-in of the program of that name.
///
/// # Errors
/// Those of the command; [`crate::error::Class::Usage`] when there is no such program.
pub fn run(world: &World, args: &[String], link: Option<&str>) -> Result<u8> {
    let called = program::called(world, args, link)?;
    let cli = match program::parse(&called) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => return Ok(usage(world, &called, &error)),
        Err(help) => {
            print(world, &world.spoken(&help.to_string()))?;
            return Ok(0);
        }
    };
    let mut sources = Sources::open(world)?;
    if called.provider.is_some() {
        sources.config = sources.config.of_program();
    }
    sources.config.say(Said {
        mode: cli.mode.clone(),
        account: cli.account.clone(),
        workspace: cli.workspace,
    })?;
    sources.config.notice();
    let run = Run {
        world,
        sources: &sources,
        program: called.provider.map(|provider| provider.program.name),
        level: called.level,
        provider: cli.provider,
        mode: cli.mode,
        account: cli.account,
    };
    let done = command(&run, cli.command);
    for trouble in sources.config.troubles() {
        run.note(&format!("keyfob: warning: {}\n", report::printable(&trouble)));
    }
    done
}

fn command(run: &Run, command: Command) -> Result<u8> {
    if !works_locked(&command) {
        // Before anything is asked of a person or begun at an issuer: what that gives could not be kept.
        run.sources.stores.unlocked()?;
    }
    match command {
        Command::Login(args) => login::login(run, args),
        Command::Logout(args) => logout::run(run, &args),
        Command::SetToken(args) => login::set_token(run, args),
        Command::Status(args) => status::status(run, &args),
        Command::Whoami(args) => whoami::run(run, &args),
        Command::List(args) => status::list(run, &args),
        Command::Provider(args) => provider::run(run, args),
        Command::Register(args) => register::run(run, &args),
        Command::Config(args) => config::run(run, args),
        Command::Mode(args) => mode::run(run, &args),
        Command::Account(args) => account::run(run, &args),
        Command::Workspace(args) => workspace::run(run, &args),
        Command::Lock(args) => lock::lock(run, args),
        Command::Unlock(args) => lock::unlock(run, &args),
        Command::Mfa(args) => mfa::run(run, args),
        Command::Password(args) => password::run(run, args),
        Command::Run(args) => child::run(run, &args),
        Command::Export(args) => export::run(run, &args),
        Command::Import(args) => import::run(run, &args),
        Command::Sync(args) => sync::sync(run, &args),
        Command::Desync(args) => sync::desync(run, &args),
        Command::Receive(args) => receive::run(run, &args),
        Command::Install(args) => install::install(run, args),
        Command::Uninstall(args) => install::uninstall(run, &args),
        Command::PrintAccessToken(args) => token::print(run, &args),
        Command::ExportAccessToken(args) => token::export(run, &args),
        Command::ShellSetup(args) => shell::setup(run, &args),
    }
}

/// Whether a command is of use on a machine that is locked: it hands nothing out and keeps nothing.
fn works_locked(command: &Command) -> bool {
    matches!(
        command,
        Command::Account(_)
            | Command::Desync(_)
            | Command::Install(_)
            | Command::Lock(_)
            | Command::Logout(_)
            | Command::Mode(_)
            | Command::Provider(cli::Provider::List { .. } | cli::Provider::Show { .. } | cli::Provider::Check { .. })
            // Else the sender would take this machine for one without a keyfob, and leave a file in clear.
            | Command::Receive(cli::Receive { probe: true, .. })
            | Command::ShellSetup(_)
            | Command::Uninstall(_)
            | Command::Unlock(_)
            | Command::Workspace(_)
    )
}

/// `keyfob auth login` is `keyfob login`, so that a program can hand its `auth` subtree over unchanged.
fn without_auth(args: &[String]) -> Vec<&str> {
    let at = program::first_word(args);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let is_auth = args.get(at) == Some(&"auth");
    args.into_iter()
        .enumerate()
        .filter(|(place, _)| !is_auth || *place != at)
        .map(|(_, arg)| arg)
        .collect()
}

/// What the arguments of `mode`, `account` or `workspace` mean.
struct Named {
    profile: Profile,
    /// The one to use from now on; none to show which is in use.
    name: Option<String>,
}

/// What every command works with.
pub(crate) struct Run<'a> {
    world: &'a World,
    sources: &'a Sources<'a>,
    /// The name of the program whose sign-in we are; none: we are keyfob.
    program: Option<String>,
    /// How much is said.
    level: Level,
    /// Given by `--provider`.
    provider: Option<String>,
    /// Given by `--mode`.
    mode: Option<String>,
    /// Given by `--account`.
    account: Option<String>,
}

impl Run<'_> {
    /// The profile of the arguments, of `--provider`, or of the only provider that is configured.
    fn profile(&self, given: Option<&str>) -> Result<Profile> {
        if let Some(text) = given.or(self.provider.as_deref()) {
            let profile = self.completed(Profile::parse(text)?)?;
            return self.is_ours(&profile.provider).map(|()| profile);
        }
        let names = self.sources.config.names()?;
        match names.as_slice() {
            [only] => self.completed(Profile::parse(only)?),
            [] => Err(Error::usage("no provider is named, and none is configured").hint("run `keyfob provider list`")),
            _ => Err(Error::usage("no provider is named, and several are configured")
                .hint(format!("name one of `{}` after the command", names.join("`, `")))),
        }
    }

    /// What one or two arguments mean: a profile, and a name of something of it. None: they, and the context, name none.
    ///
    /// One argument is the name with `--provider`, and where it is no provider's and there is but one; else the profile.
    fn named(&self, first: Option<&str>, second: Option<&str>) -> Result<Option<Named>> {
        let name = |name: Option<&str>| name.map(str::to_owned);
        let names = self.sources.config.names()?;
        let is_provider = |text: &str| {
            Profile::parse(text)
                .is_ok_and(|profile| names.contains(&profile.provider) || preset::find(&profile.provider).is_some())
        };
        let (profile, name) = match (first, second) {
            (Some(_), Some(_)) => (first, name(second)),
            (Some(text), None) if self.provider.is_some() || (names.len() == 1 && !is_provider(text)) => {
                (None, name(first))
            }
            (None, _) if self.provider.is_none() && names.len() != 1 => return Ok(None),
            _ => (first, None),
        };
        let profile = self.profile(profile)?;
        Ok(Some(Named { profile, name }))
    }

    /// Whether a provider is none of the program's whose sign-in we are.
    fn is_others(&self, provider: &str) -> bool {
        self.program.is_some() && self.provider.as_deref().is_some_and(|own| own != provider)
    }

    /// # Errors
    /// [`crate::error::Class::Usage`] when a provider is none of the program's whose sign-in we are.
    fn is_ours(&self, provider: &str) -> Result<()> {
        match &self.program {
            Some(program) if self.is_others(provider) => Err(Error::usage(format!(
                "`{program}` signs in to no other provider; the name of an account goes with `--account`"
            ))),
            _ => Ok(()),
        }
    }

    /// The failure of a command that needs one provider.
    fn several(&self) -> Error {
        let error = self.profile(None).err();
        error.unwrap_or_else(|| Error::failure("BUG: a provider is named"))
    }

    /// A profile with what `--mode` and `--account` say where it says nothing.
    fn completed(&self, mut profile: Profile) -> Result<Profile> {
        for (option, said, part) in [
            ("mode", &self.mode, &mut profile.mode),
            ("account", &self.account, &mut profile.account),
        ] {
            match (said, &part) {
                (Some(said), Some(named)) if said != named => {
                    return Err(Error::usage(format!("`--{option}` and the profile name two of them")));
                }
                (Some(said), None) => *part = Some(said.clone()),
                _ => (),
            }
        }
        Ok(profile)
    }

    /// The session that a profile means, and its record; one that needs no person is obtained if there is none.
    fn session(&self, profile: &Profile) -> Result<(Session, Stored)> {
        let session = self.meant(profile)?;
        let stored = session.records_or_new(self.sources)?;
        let stored = choose_account(self.sources, stored, session.account.as_deref(), &session)?;
        Ok((session, stored))
    }

    /// The session that a profile means, whether there is one or not.
    fn meant(&self, profile: &Profile) -> Result<Session> {
        let (provider, at) = self.sources.config.profile(profile)?;
        let account = match &profile.account {
            Some(account) => Some(account.clone()),
            None => self
                .sources
                .config
                .said_account(&provider.program.prefix)?
                .map(|(account, _)| account),
        };
        Ok(Session::named(&provider, at, None, account))
    }

    /// Goes on if the person says yes, or said so with `--yes`.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] when there is nobody to ask; [`crate::error::Class::Failure`] when the answer is no.
    fn confirm(&self, question: &str, yes: bool) -> Result<()> {
        if yes {
            return Ok(());
        }
        if !self.world.person() {
            return Err(Error::usage("nobody is at a terminal to be asked").hint("`--yes` says that you are sure"));
        }
        let answer = self.world.ask_line(&format!("{question} [y/N] "))?;
        if answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes") {
            return Ok(());
        }
        Err(Error::failure("nothing was done"))
    }

    /// Prints something for a person, which holds no secret.
    fn print(&self, text: &str) -> Result<()> {
        print(self.world, &self.world.spoken(text))
    }

    /// Prints something for a program: it is not looked at.
    fn print_whole(&self, text: &str) -> Result<()> {
        print(self.world, text)
    }

    /// Prints one line of JSON.
    fn print_json(&self, value: &serde_json::Value) -> Result<()> {
        self.print_whole(&format!("{}\n", report::json(&value.to_string())))
    }

    fn note(&self, text: &str) {
        self.world.write_stderr(voice::wanted(self.level, text, true));
    }

    /// Says something that only who looks for a mistake wants to know.
    fn debug(&self, text: &str) {
        if self.level == Level::Debug {
            self.note(&format!("keyfob: debug: {text}\n"));
        }
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
fn usage(world: &World, called: &program::Called, error: &clap::Error) -> u8 {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let known = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => vec![report::sanitise(text)],
        Some(ContextValue::Strings(texts)) => texts.iter().map(|text| report::sanitise(text)).collect(),
        _ => Vec::new(),
    };
    let what = match error.kind() {
        ErrorKind::UnknownArgument => "there is an argument that this command does not have".to_string(),
        ErrorKind::InvalidSubcommand => "there is no such command".to_string(),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "a command is missing".into()
        }
        // Here it is the definition's own name of an argument, and not what was given.
        kind => match known(ContextKind::InvalidArg).as_slice() {
            [] => format!("the arguments are wrong: {kind}"),
            named => format!("the arguments are wrong: {kind}: `{}`", named.join("`, `")),
        },
    };
    let help = format!("`keyfob{} --help`", program::command_of(&called.args));
    let similar = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg]
        .into_iter()
        .find_map(|kind| known(kind).into_iter().next());
    let own = match error.kind() {
        ErrorKind::InvalidSubcommand => program::beginning(called),
        _ => Vec::new(),
    };
    let hint = match (own.as_slice(), similar) {
        ([], None) => format!("run {help}"),
        ([], Some(name)) => format!("did you mean `{name}`? Else run {help}"),
        (own, _) => format!("run one of `{}`", own.join("`, `")),
    };
    world.write_stderr(&report::lines(&Error::usage(what).hint(hint)));
    report::exit_code(crate::error::Class::Usage)
}

/// The provider and mode of a session's group; none for the others.
fn session_of(group: &Group) -> Option<(&str, &str)> {
    match group {
        Group::Session { provider, mode } => Some((provider, mode)),
        Group::Origin(_) | Group::Seed { .. } => None,
    }
}
