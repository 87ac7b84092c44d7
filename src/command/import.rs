//! `import`: what is in a bundle is kept here, all of it or nothing.
//!
//! Everything is opened, checked and compared before anything is written, under the locks of all the records. A record
//! that is here already with the same content is left as it is, so that an import that was killed is simply run again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Run;
use super::bundle::{known_passphrase, provider_of, read_bundle, read_identities, shown};
use super::login::{private_dir, write_new};
use super::text::wrap;
use crate::bundle::{Document, Provider, age};
use crate::cli;
use crate::config::{self, profile};
use crate::error::{Context, Error, Result};
use crate::record::{Group, Key, Record};
use crate::renew;
use crate::report::sanitise;
use crate::seed;
use crate::store::{Address, Locks, StoreError};

/// How long a renewal or a change that is under way is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn run(run: &Run, args: &cli::Import) -> Result<u8> {
    let document = opened(run, args)?;
    for record in &document.records {
        check_key(&record.key)?;
        let own = provider_of(&record.key.group).is_some_and(|(provider, _)| !run.is_others(provider));
        if run.program.is_some() && !own {
            return Err(Error::refused("the bundle has credentials of others than this program"));
        }
    }
    let files = files(run, args, &document.providers)?;
    let keys = document.records.iter().map(|record| &record.key);
    let locks = run
        .sources
        .stores
        .lock_all(keys, PATIENCE, &|pause| run.world.sleep(pause))?;
    let locks = locks.ok_or_else(|| Error::temporary("another keyfob is changing one of the records"))?;
    let found = Found::of(run, &locks, &document.records)?;
    if args.dry_run {
        found.tell(run, "Would keep");
        say_files(run, &files, "Would write");
        return Ok(0);
    }
    if !found.differ.is_empty() && !args.replace {
        let names: Vec<String> = found
            .differ
            .iter()
            .map(|(record, _)| format!("  {}\n", shown(&record.key)))
            .collect();
        run.note(&format!("Here already, with another content:\n{}", names.concat()));
        let message = format!("{} of the records are here already", found.differ.len());
        return Err(Error::refused(message).hint("`--replace` puts those of the bundle in their place"));
    }
    let stores = found.write(run, &locks)?;
    // A provider file serves nobody without its session, and a session works without it after `provider add`.
    for file in &files {
        write_file(run, file)?;
    }
    found.tell(run, "Kept");
    say_files(run, &files, "Wrote");
    for (store, count) in stores {
        let protection = run.sources.stores.protection(store);
        let what = if count == 1 {
            "1 record is".into()
        } else {
            format!("{count} records are")
        };
        run.note(&wrap("", &format!("{what} in the store `{store}`: {protection}.")));
    }
    say_missing(run, &document.records)?;
    Ok(0)
}

fn opened(run: &Run, args: &cli::Import) -> Result<Document> {
    let inputs = args.identity.iter().chain(&args.passphrase_file).chain([&args.input]);
    if inputs.filter(|path| *path == "-").count() > 1 {
        return Err(Error::usage("only one thing can come from standard input"));
    }
    let file = read_bundle(run, &args.input)?;
    let doing = format!("importing `{}`", args.input);
    let is_for_passphrase = age::is_for_passphrase(&file).map_err(Error::from).doing(&doing)?;
    let plain = if is_for_passphrase && args.identity.is_empty() {
        let passphrase = known_passphrase(run, args.passphrase_file.as_deref())?;
        age::open(&file, &age::Open::Passphrase(&passphrase))
    } else {
        let identities = read_identities(run, &args.identity)?;
        if identities.is_empty() {
            return Err(Error::from(crate::bundle::Flaw::ForIdentity).context(doing));
        }
        age::open(&file, &age::Open::Identities(&identities))
    };
    let plain = plain.map_err(Error::from).doing(&doing)?;
    Document::decode(&plain).map_err(Error::from).doing(&doing)
}

/// A key names files here, so it must be one that this keyfob would have made.
fn check_key(key: &Key) -> Result<()> {
    let Key { group, account, path } = key;
    if let Some((provider, mode)) = provider_of(group) {
        profile::check_name("provider", provider)?;
        if !mode.is_empty() {
            profile::check_name("mode", mode)?;
        }
    }
    let good = match group {
        Group::Session { .. } => path.is_none(),
        Group::Seed { .. } => path.as_deref().is_none_or(seed::is_pending),
        Group::Origin(_) => key.target().is_some_and(|target| Group::origin(&target) == *group),
    };
    if good && !account.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::store("the bundle has a record whose name is not one"))
}

/// What is here of what is in the bundle.
struct Found<'a> {
    /// With the store of the ended one whose place they take.
    new: Vec<(&'a Record, Option<&'static str>)>,
    same: Vec<&'a Record>,
    /// With the store that has the other one, where it can be read.
    differ: Vec<(&'a Record, Option<&'static str>)>,
}

impl<'a> Found<'a> {
    fn of(run: &Run, locks: &Locks, records: &'a [Record]) -> Result<Found<'a>> {
        let mut found = Found {
            new: Vec::new(),
            same: Vec::new(),
            differ: Vec::new(),
        };
        for record in records {
            match run.sources.stores.get_locked(locks.of(&record.key), &record.key) {
                Ok(None) => match placed(run, record)? {
                    // Another home's, or left by one: only the same content is in nobody's way.
                    Some((here, store)) if comparable(&here) != comparable(record) => {
                        found.differ.push((record, Some(store)));
                    }
                    _ => found.new.push((record, None)),
                },
                Ok(Some(here)) if is_in_nobodys_way(&here.record, record) => found.new.push((record, Some(here.store))),
                Ok(Some(here)) if comparable(&here.record) == comparable(record) => found.same.push(record),
                Ok(Some(here)) => found.differ.push((record, Some(here.store))),
                Err(StoreError::Damaged(_) | StoreError::Unavailable(_)) => found.differ.push((record, None)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found)
    }

    /// Writes what is new or takes another's place; says how many are in which store.
    fn write(&self, run: &Run, locks: &Locks) -> Result<BTreeMap<&'static str, usize>> {
        let mut stores = BTreeMap::new();
        let mut records = Vec::new();
        for (record, here) in self.new.iter().chain(&self.differ).copied() {
            let store = store_of(run, record, here)?;
            let address = address_of(run, record)?;
            *stores.entry(store).or_default() += 1;
            let mut record = record.clone();
            // Another family: a renewal that began before this has lost.
            record.generation = 1;
            record.family = data_encoding::HEXLOWER.encode(&run.world.random::<16>());
            records.push((record, store, address));
        }
        for left in run.sources.stores.put_all(locks, &records)? {
            run.note(&format!(
                "keyfob: warning: an earlier secret could not be removed: {}\n",
                sanitise(&left.to_string())
            ));
        }
        Ok(stores)
    }

    fn tell(&self, run: &Run, done: &str) {
        let mut text = String::new();
        for (record, _) in &self.new {
            text += &format!("{done} `{}`.\n", shown(&record.key));
        }
        for (record, _) in &self.differ {
            text += &format!("{done} `{}`, in the place of another.\n", shown(&record.key));
        }
        for record in &self.same {
            text += &format!("`{}` is here already.\n", shown(&record.key));
        }
        if text.is_empty() {
            text = "There is no record in it.\n".into();
        }
        run.note(&text);
    }
}

/// The record without what each store has of its own.
fn comparable(record: &Record) -> Record {
    let mut record = record.clone();
    record.family = String::new();
    record.generation = 1;
    record.intent = None;
    record.cooldown_until = None;
    record
}

/// Whether what is here has ended. What was on its way to a bundle may not have got there: only what it was itself takes
/// its place.
fn is_in_nobodys_way(here: &Record, coming: &Record) -> bool {
    match &here.dead {
        None => false,
        Some(dead) if dead.reason == renew::MOVED => {
            let mut here = comparable(here);
            super::export::come_back(&mut here);
            here == comparable(coming)
        }
        Some(_) => true,
    }
}

/// The store that the provider file wants; else the one that has the other; else the best that answers.
fn store_of(run: &Run, record: &Record, here: Option<&'static str>) -> Result<&'static str> {
    let provider = provider_of(&record.key.group).map(|(provider, _)| run.sources.config.provider(provider));
    let wanted = match provider {
        Some(Ok(provider)) => provider.store,
        _ => None,
    };
    match (wanted, here) {
        (None, Some(here)) => Ok(here),
        (wanted, _) => Ok(run.sources.stores.choose(wanted.as_deref(), run.world.person())?.store),
    }
}

/// The record of the same key at the place that the provider file fixes, and the store that it would be in.
fn placed(run: &Run, record: &Record) -> Result<Option<(Record, &'static str)>> {
    let Some(address) = address_of(run, record)? else {
        return Ok(None);
    };
    if address.file.is_none() && address.item.is_none() {
        return Ok(None);
    }
    let store = store_of(run, record, None)?;
    let here = run.sources.stores.at(&record.key, store, &address)?;
    Ok(here.map(|here| (here, store)))
}

/// Where the provider file wants the session to lie; none for what is no session, or of no provider that is here.
fn address_of(run: &Run, record: &Record) -> Result<Option<Address>> {
    let Group::Session { provider, mode } = &record.key.group else {
        return Ok(None);
    };
    let Ok(provider) = run.sources.config.provider(provider) else {
        return Ok(None);
    };
    let mode = provider.modes.iter().find(|row| row.name == *mode);
    let address = mode.map(|mode| renew::place(run.world, &provider, mode, &record.key.account));
    address.transpose()
}

/// The provider files that are to be written; those that are here already with the same text are not.
///
/// They say where secrets go, and a bundle for a recipient may be anybody's: they are written only where that is asked
/// for, and never over another.
fn files<'a>(run: &Run, args: &cli::Import, providers: &'a [Provider]) -> Result<Vec<&'a Provider>> {
    if !args.with_providers {
        let names: Vec<String> = providers.iter().map(|provider| sanitise(&provider.name)).collect();
        if !names.is_empty() {
            let names = names.join("`, `");
            run.note(&wrap(
                "",
                &format!("The provider files of `{names}` are in it too; `--with-providers` writes them."),
            ));
        }
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for provider in providers {
        profile::check_name("provider", &provider.name)?;
        let place = format!("the provider file `{}` in the bundle", provider.name);
        config::Provider::parse(&provider.text, &provider.name, &place)?;
        match run.sources.config.text(&provider.name)? {
            None => files.push(provider),
            Some(text) if text == provider.text => (),
            Some(_) => {
                let message = format!("the provider file of `{}` here says something else", provider.name);
                return Err(Error::refused(message).hint("leave `--with-providers` out, or move the file away"));
            }
        }
    }
    Ok(files)
}

fn write_file(run: &Run, provider: &Provider) -> Result<()> {
    let directory = run.sources.config.directory();
    let path = directory.join(format!("{}.toml", provider.name));
    let written = private_dir(directory).and_then(|()| write_new(&path, provider.text.as_bytes()));
    written.map_err(|error| Error::failure(format!("writing {}: {}", path.display(), error.kind())))
}

fn say_files(run: &Run, files: &[&Provider], done: &str) {
    for provider in files {
        run.note(&format!(
            "{done} the provider file of `{}`.\n",
            sanitise(&provider.name)
        ));
    }
}

/// Names the providers of sessions that nothing here describes.
fn say_missing(run: &Run, records: &[Record]) -> Result<()> {
    let own = run.sources.config.names()?;
    let mut missing: Vec<&str> = records
        .iter()
        .filter_map(|record| provider_of(&record.key.group).map(|(provider, _)| provider))
        .filter(|provider| !own.iter().any(|own| own == provider))
        .collect();
    missing.sort_unstable();
    missing.dedup();
    for provider in missing {
        run.note(&format!(
            "keyfob: warning: there is no provider file of `{provider}` here, so that its session answers nobody yet\n"
        ));
    }
    Ok(())
}
