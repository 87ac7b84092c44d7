//! Called as somebody's sign-in: under a provider's name, or with `--provider` of a file that has `[program]`.
//!
//! It decides whose name messages have, which words of the program mean which command, and where its variables put
//! things. The commands themselves do not know. Implements `protocol.md`, "Being a program's sign-in".

use clap::{CommandFactory, FromArgMatches};

use super::level::Level;
use super::text::table;
use super::voice::{Usual, Voice, wanted};
use crate::cli::{Cli, TOOLS};
use crate::config::{Alias, Config, Profile, Program, Provider};
use crate::error::{Error, Result};
use crate::record::{Group, Key};
use crate::report;
use crate::store::Stores;
use crate::world::World;

/// Who is called.
pub(super) struct Called {
    /// The provider whose sign-in we are; none: we are keyfob.
    pub(super) provider: Option<Provider>,
    /// The arguments in our own words.
    pub(super) args: Vec<String>,
    /// How much is said.
    pub(super) level: Level,
}

/// Finds out who is called, and speaks in that name from now on.
///
/// `link` is the name of the program where it is none of keyfob's.
///
/// # Errors
/// [`crate::error::Class::Usage`] when there is no provider of that name, its file is wrong, its words lead to no
/// command, or a variable of its cannot be.
pub(super) fn called(world: &World, args: &[String], link: Option<&str>) -> Result<Called> {
    let provider = match link {
        // A session that comes to a program without its file brings one.
        Some(name) if is_receive(args) && !Config::open(world)?.has_file(name) => None,
        Some(name) => Some(linked(world, name)?),
        None => declared(world, args),
    };
    let mut args = args.to_vec();
    let mut variables = vec!["KEYFOB_LOG_LEVEL".to_owned()];
    if let Some(provider) = &provider {
        let prefix = &provider.program.prefix;
        speak(world, provider, Level::Info);
        if let Some(home) = world.var_os(&format!("{prefix}_HOME")) {
            world.keep_below(home.into(), &format!("{prefix}_HOME"))?;
        }
        check(provider)?;
        let names_one = |arg: &String| arg == "--provider" || arg.starts_with("--provider=");
        if link.is_some() && args.iter().take_while(|arg| *arg != "--").any(names_one) {
            let name = &provider.program.name;
            return Err(Error::usage(format!(
                "`{name}` signs in to one provider alone, which `--provider` must not name"
            ))
            .hint("leave `--provider` away, or call `keyfob` itself"));
        }
        args = expanded(&args, provider);
        if link.is_some() {
            let option = [String::from("--provider"), provider.name.clone()];
            args.splice(1.min(args.len())..1.min(args.len()), option);
        }
        variables.insert(0, format!("{prefix}_LOG_LEVEL"));
    }
    let level = Level::of(world, &variables)?;
    match &provider {
        Some(provider) => speak(world, provider, level),
        None => world.speak(Box::new(move |_, text| wanted(level, text, false).to_owned())),
    }
    Ok(Called { provider, args, level })
}

fn is_receive(args: &[String]) -> bool {
    args.get(1).is_some_and(|word| word == "receive")
}

/// Speaks from now on in the name of the program of a link, also where its file is wrong or nobody has looked yet.
pub fn introduce(world: &World, link: &str) {
    let Ok(config) = Config::open(world) else { return };
    if Profile::parse(link).is_err() || !config.has_file(link) {
        return;
    }
    match config.provider(link) {
        Ok(provider) => speak(world, &provider, Level::Info),
        // What the file would call it, nobody knows; a person called it so.
        Err(_) => say_as(world, Program::of(link), link, (Vec::new(), Level::Info)),
    }
}

/// The provider of a link's name.
fn linked(world: &World, name: &str) -> Result<Provider> {
    let unknown = |place: &str| {
        Error::usage(format!(
            "called as `{}`, which is no name of keyfob, and no provider file{place} has it",
            report::sanitise(name)
        ))
        .hint("call it `keyfob`, or write the provider file")
    };
    let config = Config::open(world)?;
    if Profile::parse(name).is_err() || !config.has_file(name) {
        let place = config.directory().display().to_string();
        return Err(unknown(&format!(" in {}", report::printable(&place))));
    }
    config.provider(name).inspect_err(|_| introduce(world, name))
}

/// The provider of `--provider`, where its file declares a program. A wrong file is the command's business.
fn declared(world: &World, args: &[String]) -> Option<Provider> {
    let mut words = args.iter().skip(1).take_while(|arg| *arg != "--");
    let mut name = None;
    while let Some(arg) = words.next() {
        match arg.strip_prefix("--provider") {
            Some("") => name = words.next().map(String::as_str),
            Some(rest) if rest.starts_with('=') => name = rest.strip_prefix('='),
            _ => (),
        }
    }
    let provider = Config::open(world).ok()?.provider(name?).ok()?;
    Some(provider).filter(|provider| provider.program.is_declared)
}

/// Whether the words of a program lead to commands that there are.
///
/// # Errors
/// [`crate::error::Class::Usage`] for the first that does not.
pub(super) fn check(provider: &Provider) -> Result<()> {
    let verbs = verbs();
    let leads = |own: &[String]| {
        let own = own.strip_prefix(&["auth".to_owned()]).unwrap_or(own);
        own.first().is_some_and(|verb| verbs.contains(verb))
    };
    match provider.program.aliases.iter().find(|alias| !leads(&alias.own)) {
        None => Ok(()),
        Some(alias) => Err(Error::usage(format!(
            "program.commands of the provider file `{}`: `{}` leads to no command of keyfob",
            provider.name,
            alias.words.join(" ")
        ))
        .hint("correct it, then run `keyfob provider check`")),
    }
}

fn verbs() -> Vec<String> {
    let command = Cli::command();
    let verbs = command.get_subcommands().map(|command| command.get_name().to_owned());
    verbs.collect()
}

/// The place of the first argument that is no option of all commands.
pub(super) fn first_word(args: &[String]) -> usize {
    let mut at = 1;
    while let Some(option) = args.get(at).filter(|arg| arg.starts_with("--") && arg.len() > 2) {
        at += if option.contains('=') { 1 } else { 2 };
    }
    at
}

/// The commands of a program's own words that begin with the first of these arguments, as they are typed.
pub(super) fn beginning(called: &Called) -> Vec<String> {
    let word = called.args.get(first_word(&called.args));
    let (Some(word), Some(provider)) = (word.filter(|word| *word != "auth"), &called.provider) else {
        return Vec::new();
    };
    let program = &provider.program;
    let fit = program.aliases.iter().filter(|alias| alias.words.first() == Some(word));
    fit.map(|alias| format!("{} {}", program.name, alias.words.join(" ")))
        .collect()
}

/// The words with which the arguments begin that name a command of ours, each after a space.
pub(super) fn command_of(args: &[String]) -> String {
    let mut words = super::without_auth(args).into_iter().skip(first_word(args));
    let (mut command, mut named) = (Cli::command(), String::new());
    while let Some(below) = words.next().and_then(|word| command.find_subcommand(word).cloned()) {
        named += &format!(" {}", below.get_name());
        command = below;
    }
    named
}

/// The arguments with a program's words, the longest that fit, in ours.
fn expanded(args: &[String], provider: &Provider) -> Vec<String> {
    let at = first_word(args).min(args.len());
    let aliases = provider.program.aliases.iter();
    let fit = aliases.filter(|alias| args[at..].starts_with(&alias.words));
    let Some(alias) = fit.max_by_key(|alias| alias.words.len()) else {
        return args.to_vec();
    };
    [&args[..at], &alias.own, &args[at + alias.words.len()..]].concat()
}

/// From now on everything that a person reads is in the program's name.
fn speak(world: &World, provider: &Provider, level: Level) {
    let prefixes = provider.modes.iter().filter_map(|mode| mode.key_prefix.clone());
    say_as(
        world,
        provider.program.clone(),
        &provider.name,
        (prefixes.collect(), level),
    );
}

/// `keys` is how the provider's keys begin, which are cut where a message has one.
fn say_as(world: &World, program: Program, provider: &str, (keys, level): (Vec<String>, Level)) {
    let voice = Voice {
        program,
        provider: provider.to_owned(),
        verbs: verbs(),
        keys,
    };
    world.speak(Box::new(move |world, text| {
        let text = wanted(level, text, false);
        voice.put(text, &|profile| usual(world, profile).unwrap_or_default())
    }));
}

/// What of a profile a call without it would mean, whatever this call's options are. A variable may be there for this call
/// alone, so what it says is never left out.
fn usual(world: &World, profile: &Profile) -> Result<Usual> {
    let config = Config::open(world)?.of_program();
    let provider = config.provider(&profile.provider)?;
    let prefix = &provider.program.prefix;
    let (at, _) = config.mode_in_use(&provider)?;
    let mode = &provider.modes[at].name;
    let is_usual = profile.mode.as_ref().is_none_or(|named| named == mode);
    let key = Key {
        group: Group::Session {
            provider: provider.name.clone(),
            mode: profile.mode.clone().unwrap_or_else(|| mode.clone()),
        },
        account: profile.account.clone().unwrap_or_default(),
        path: None,
    };
    let chosen = config.active_account(&provider.name, mode);
    Ok(Usual {
        mode: is_usual && config.said_mode(prefix)?.is_none(),
        account: config.said_account(prefix)?.is_none()
            && match chosen {
                Some(chosen) => chosen == key.account,
                None => is_only(&Stores::open(world)?, &key),
            },
    })
}

/// Whether a session is the only one of its provider and mode, by the names of files alone: nothing is unlocked.
fn is_only(stores: &Stores, key: &Key) -> bool {
    let place = stores.place(key);
    let entries = place.parent().and_then(|group| std::fs::read_dir(group).ok());
    let names: Vec<_> = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    names == [place]
}

/// The arguments as clap reads them, with its help in the program's name.
pub(super) fn parse(called: &Called) -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    if let Some(provider) = &called.provider {
        command = help(command, provider);
    }
    let mut matches = command.try_get_matches_from(super::without_auth(&called.args))?;
    Cli::from_arg_matches_mut(&mut matches)
}

/// The help of a program's sign-in: no other provider, no profile, nothing that it has no use for, and what the file adds.
fn help(command: clap::Command, provider: &Provider) -> clap::Command {
    let program = &provider.program;
    let called = if program.auth {
        format!("{} auth", program.name)
    } else {
        program.name.clone()
    };
    let also = |alias: &Alias| {
        [
            format!("  {} {}", program.name, alias.words.join(" ")),
            alias.own.join(" "),
        ]
    };
    let also = table(&program.aliases.iter().map(also).collect::<Vec<_>>());
    let also = if also.is_empty() {
        also
    } else {
        format!("In other words:\n{also}\n")
    };
    without_profiles(command)
        .bin_name(called)
        .display_name("keyfob")
        .about(format!("Sign-in to {}", report::sanitise(&provider.title)))
        .after_help(also + TOOLS.rsplit("\n\n").next().unwrap_or_default())
        .mut_subcommands(|below| {
            let is_of_use = match below.get_name() {
                "config" => !program.settings.is_empty(),
                "install" | "list" | "provider" | "receive" | "uninstall" => false,
                "mode" => provider.modes.len() > 1,
                "workspace" => provider.modes.iter().any(|mode| mode.workspace.is_some()),
                _ => true,
            };
            below.hide(!is_of_use)
        })
}

/// The help of a command and those below it where the provider is known.
fn without_profiles(command: clap::Command) -> clap::Command {
    let second = command.get_arguments().find(|arg| arg.get_id() == "second").cloned();
    let value_name = |arg: &clap::Arg| arg.get_value_names().and_then(|names| names.first()).cloned();
    command
        .mut_args(|arg| match (arg.get_id().as_str(), &second) {
            ("profile" | "provider" | "second", _) => arg.hide(true),
            // What is alone there is no provider.
            ("first", Some(second)) => arg
                .help(second.get_help().cloned().unwrap_or_default())
                .value_name(value_name(second).unwrap_or_default()),
            _ => arg,
        })
        .mut_subcommands(without_profiles)
}
