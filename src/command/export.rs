//! `export`: credentials in one encrypted file.
//!
//! A refresh token that is good once works in one place only. A session with such a token is left out, or goes without
//! it, or is moved. A move never lets two places have it: the file is written, flushed and read back under a temporary
//! name; then the session is ended here, durably; then the file gets its name; then the record is removed. Killed
//! before the end, the record says where it was going, and the next `export --move` takes it from there.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use zeroize::Zeroizing;

use super::bundle::{Draft, check_free, new_passphrase, read_recipients, shown};
use super::{Run, session_of, workspace};
use crate::bundle::{Document, Provider, age, armor};
use crate::cli;
use crate::config::Profile;
use crate::error::{Error, Result};
use crate::record::{Dead, Key, Record};
use crate::report::{printable, sanitise};
use crate::resolve::Session;
use crate::store::{Locks, Stored};
use crate::time::Timestamp;

/// How long a renewal or a change that is under way is waited for: a token request with its retries.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a session is dead that is on its way to a bundle.
const MOVED: &str = "moved";
/// The member of such a record that names the bundle's file.
const MOVED_TO: &str = "moved_to";

pub(super) fn run(run: &Run, args: &cli::Export) -> Result<u8> {
    let wanted = wanted(run, args)?;
    check_output(run, args)?;
    let stored = selected(run, args, &wanted)?;
    let mut plan = Plan::default();
    let locks = match args.moving {
        true => Some(locked(run, &stored)?),
        false => None,
    };
    for stored in stored {
        plan.add(run, args, locks.as_ref(), stored)?;
    }
    plan.tell(run);
    if plan.records.is_empty() {
        return Err(nothing_left(&plan));
    }
    let document = Document::new(
        run.world.now(),
        plan.records.clone(),
        providers(run, args, &plan.records)?,
    );
    let sealed = sealed(run, args, &document)?;
    let bytes = match args.armor {
        true => armor(&sealed.bytes).into_bytes(),
        false => sealed.bytes.clone(),
    };
    if args.output == "-" {
        let written = run.world.write_stdout(&bytes);
        written.map_err(|error| Error::failure(format!("writing to standard output: {}", error.kind())))?;
    } else {
        let draft = Draft::write(Path::new(&args.output), &bytes)?;
        // Who finds out that a bundle does not open finds out when it is needed.
        if Document::decode(&sealed.check(&bytes)?)? != document {
            return Err(Error::failure("BUG: what was written is not what was to be written"));
        }
        if let Some(locks) = &locks {
            plan.end(run, locks, &args.output)?;
        }
        draft.publish()?;
        if let Some(locks) = &locks {
            plan.forget(run, locks)?;
        }
    }
    say_done(run, args, &document);
    Ok(0)
}

/// What the arguments name. `--provider` names one too, so that a program can hand its own `export` over.
fn wanted(run: &Run, args: &cli::Export) -> Result<Vec<Profile>> {
    let named = args
        .profiles
        .iter()
        .chain(run.provider.iter().filter(|_| args.profiles.is_empty()));
    let wanted: Result<Vec<Profile>> = named.map(|text| run.completed(Profile::parse(text)?)).collect();
    let wanted = wanted?;
    if wanted.is_empty() && !args.all && !args.origins {
        let mut text = String::new();
        for stored in run.sources.stores.list()?.into_iter().flatten() {
            text += &format!("  {}\n", shown(&stored.record.key));
        }
        if !text.is_empty() {
            run.note(&format!("What is kept:\n{text}"));
        }
        return Err(Error::usage("nothing was named to export").hint("name profiles, or give `--static` or `--all`"));
    }
    Ok(wanted)
}

/// What would fail at the end fails before anybody types a passphrase.
fn check_output(run: &Run, args: &cli::Export) -> Result<()> {
    if args.output != "-" {
        return check_free(Path::new(&args.output));
    }
    if args.moving {
        return Err(Error::usage(
            "`--move` needs a file, which is read back before a session is ended here",
        ));
    }
    if run.world.stdout_is_terminal() && !args.armor {
        return Err(Error::usage("a bundle is not for a terminal").hint("name a file, or give `--armor`"));
    }
    Ok(())
}

/// The records that are meant. One that cannot be read fails the run: whoever makes a backup must know.
fn selected(run: &Run, args: &cli::Export, wanted: &[Profile]) -> Result<Vec<Stored>> {
    let mut found = vec![false; wanted.len()];
    let (mut selected, mut unread) = (Vec::new(), None);
    for stored in run.sources.stores.list()? {
        let stored = match stored {
            Ok(stored) => stored,
            Err(error) => {
                unread = Some(error);
                continue;
            }
        };
        let key = &stored.record.key;
        let mut is_meant = args.all || (args.origins && session_of(&key.group).is_none());
        for (profile, found) in wanted.iter().zip(&mut found) {
            let fits = is_of(profile, key);
            *found |= fits;
            is_meant |= fits;
        }
        if is_meant {
            selected.push(stored);
        }
    }
    if let Some(error) = unread {
        return Err(Error::from(error).context("reading what is to be exported"));
    }
    if let Some((profile, _)) = wanted.iter().zip(&found).find(|(_, found)| !**found) {
        return Err(
            Error::login(format!("there is no session of `{profile}`")).hint("run `keyfob list` to see what is kept")
        );
    }
    selected.sort_by(|a, b| a.record.key.cmp(&b.record.key));
    Ok(selected)
}

fn is_of(profile: &Profile, key: &Key) -> bool {
    let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
    session_of(&key.group).is_some_and(|(provider, mode)| {
        profile.provider == provider && is(&profile.mode, mode) && is(&profile.account, &key.account)
    })
}

fn locked(run: &Run, stored: &[Stored]) -> Result<Locks> {
    let keys = stored.iter().map(|stored| &stored.record.key);
    let locks = run
        .sources
        .stores
        .lock_all(keys, PATIENCE, &|pause| run.world.sleep(pause))?;
    locks.ok_or_else(|| Error::temporary("another keyfob is changing one of the sessions"))
}

/// What becomes of each record.
#[derive(Default)]
struct Plan {
    /// Those that go into the bundle, as they are in it.
    records: Vec<Record>,
    /// Those of them that end here.
    moved: Vec<Stored>,
    /// Those that do not, and why.
    left: Vec<(Key, &'static str)>,
    /// Those that an earlier run had moved already.
    gone: Vec<(Stored, String)>,
}

const SINGLE_USE: &str = "its refresh token is good once, and this machine uses it";
const ENDED: &str = "it has ended";

impl Plan {
    fn add(&mut self, run: &Run, args: &cli::Export, locks: Option<&Locks>, stored: Stored) -> Result<()> {
        let stored = match locks {
            // Somebody else may have renewed it since it was listed.
            Some(locks) => match current(run, locks, &stored.record.key)? {
                Some(stored) => stored,
                None => return Ok(()),
            },
            None => stored,
        };
        let now = run.world.now();
        let mut record = clean(&stored.record);
        let moving = moving_to(&stored.record);
        match (moving, args.moving) {
            (Some(place), true) if Path::new(&place).exists() => {
                self.gone.push((stored, place));
                return Ok(());
            }
            // It did not get there: nobody else has it.
            (Some(_), true) => record.dead = None,
            (Some(_), false) => {
                self.left.push((record.key, "it was being moved: give `--move` again"));
                return Ok(());
            }
            (None, _) => (),
        }
        let kind = kind(run, &record, now);
        match (kind, args) {
            (Kind::Copied, _) => (),
            (Kind::Left(why), _) => {
                self.left.push((record.key, why));
                return Ok(());
            }
            (Kind::SingleUse, cli::Export { moving: true, .. }) => self.moved.push(stored),
            (
                Kind::SingleUse,
                cli::Export {
                    without_refresh: true, ..
                },
            ) => {
                if record.secret.is_none() || has_ended(&record, now) {
                    let why = "its access token has ended, and its refresh token is good once";
                    self.left.push((record.key, why));
                    return Ok(());
                }
                without_refresh(&mut record);
            }
            (Kind::SingleUse, _) => {
                self.left.push((record.key, SINGLE_USE));
                return Ok(());
            }
        }
        self.records.push(record);
        Ok(())
    }

    /// Says what is left out, before a passphrase is asked for.
    fn tell(&self, run: &Run) {
        for (key, why) in &self.left {
            let name = shown(key);
            let login = match session_of(&key.group) {
                Some(_) => format!("    Log in there: keyfob login {name}\n"),
                None => String::new(),
            };
            run.note(&format!("Left out `{name}`: {why}.\n{login}"));
        }
        for (stored, place) in &self.gone {
            let name = shown(&stored.record.key);
            run.note(&format!("`{name}` was moved to {} already.\n", printable(place)));
        }
    }

    /// Ends here what is moved, so that a copy that is found is the only one that works.
    fn end(&self, run: &Run, locks: &Locks, output: &str) -> Result<()> {
        let path = std::path::absolute(output)
            .map_err(|error| Error::failure(format!("the path of the bundle: {}", error.kind())))?;
        for stored in &self.moved {
            let mut record = stored.record.clone();
            record.generation += 1;
            record.dead = Some(Dead {
                reason: MOVED.into(),
                at: run.world.now(),
                refresh_mark: None,
            });
            let place = Value::from(path.to_string_lossy().into_owned());
            record.extra.insert(MOVED_TO.into(), place);
            run.sources
                .stores
                .put(locks.of(&record.key), &record, stored.store, None)?;
        }
        Ok(())
    }

    /// Removes what was moved, now that the bundle is there.
    fn forget(&self, run: &Run, locks: &Locks) -> Result<()> {
        let gone = self.gone.iter().map(|(stored, _)| stored);
        for stored in self.moved.iter().chain(gone) {
            let key = &stored.record.key;
            run.sources.stores.delete(locks.of(key), key)?;
            if let Some((provider, mode)) = session_of(&key.group) {
                let session = Session::kept(provider, mode, Some(key.account.clone()));
                workspace::forget(run, &session, &key.account);
            }
        }
        Ok(())
    }
}

/// The record as it is now, also where a full disk drove it elsewhere.
fn current(run: &Run, locks: &Locks, key: &Key) -> Result<Option<Stored>> {
    let lock = locks.of(key);
    match run.sources.stores.rescued(lock, key) {
        Some(rescued) => Ok(Some(rescued)),
        None => Ok(run.sources.stores.get_locked(lock, key)?),
    }
}

/// Where a record was going when a move was cut off.
fn moving_to(record: &Record) -> Option<String> {
    let dead = record.dead.as_ref().filter(|dead| dead.reason == MOVED)?;
    let _ = dead;
    Some(record.extra.get(MOVED_TO)?.as_str()?.to_owned())
}

/// What can be done with a record.
enum Kind {
    /// It works in two places at once.
    Copied,
    /// It is of no use elsewhere.
    Left(&'static str),
    /// Its refresh token does not.
    SingleUse,
}

fn kind(run: &Run, record: &Record, now: Timestamp) -> Kind {
    let unattended = session_of(&record.key.group).is_some_and(|(provider, _)| {
        let provider = run.sources.config.provider(provider);
        provider.is_ok_and(|provider| provider.flow.is_unattended())
    });
    match (&record.dead, &record.refresh, &record.secret) {
        _ if unattended => Kind::Left("it needs no person, and a tool's call begins another one there"),
        (Some(_), ..) | (None, None, None) => Kind::Left(ENDED),
        (None, Some(_), _) => Kind::SingleUse,
        (None, None, Some(_)) if has_ended(record, now) => Kind::Left(ENDED),
        (None, None, Some(_)) => Kind::Copied,
    }
}

fn has_ended(record: &Record, now: Timestamp) -> bool {
    record.expires_at.is_some_and(|end| end <= now)
}

/// The record without what belongs to this store alone.
fn clean(record: &Record) -> Record {
    let mut record = record.clone();
    record.family = String::new();
    record.generation = 1;
    if record.extra.contains_key(MOVED_TO) {
        record.extra.remove(MOVED_TO);
    }
    record
}

/// What is left of a session whose renewals stay here: neither the token, nor what could change the client.
fn without_refresh(record: &mut Record) {
    record.refresh = None;
    record.intent = None;
    record.cooldown_until = None;
    if let Some(learnt) = &mut record.learnt {
        learnt.registration = None;
        learnt.client_secret = None;
    }
}

/// The files of the providers of these records; a preset has none.
fn providers(run: &Run, args: &cli::Export, records: &[Record]) -> Result<Vec<Provider>> {
    if !args.with_providers {
        return Ok(Vec::new());
    }
    let mut names: Vec<&str> = records
        .iter()
        .filter_map(|record| session_of(&record.key.group).map(|(provider, _)| provider))
        .collect();
    names.sort_unstable();
    names.dedup();
    let mut providers = Vec::new();
    for name in names {
        if let Some(text) = run.sources.config.text(name)? {
            providers.push(Provider {
                name: name.to_owned(),
                text,
            });
        }
    }
    Ok(providers)
}

fn nothing_left(plan: &Plan) -> Error {
    let error = Error::refused("nothing of it can be exported");
    if plan.left.iter().any(|(_, why)| *why == SINGLE_USE) {
        return error
            .hint("`--move` takes such a session and ends it here; `--without-refresh` takes its access token");
    }
    error
}

fn sealed(run: &Run, args: &cli::Export, document: &Document) -> Result<age::Sealed> {
    let recipients = read_recipients(run, &args.recipient, &args.recipients_file)?;
    let plain: Zeroizing<Vec<u8>> = document.encode();
    if !recipients.is_empty() {
        return Ok(age::seal(&plain, &age::Seal::Recipients(&recipients)));
    }
    let passphrase = new_passphrase(run, args.passphrase_file.as_deref())?;
    let to = age::Seal::Passphrase {
        passphrase: &passphrase,
        work_factor: args.work_factor,
    };
    Ok(age::seal(&plain, &to))
}

fn say_done(run: &Run, args: &cli::Export, document: &Document) {
    let place = match args.output.as_str() {
        "-" => "standard output".into(),
        path => printable(path),
    };
    let mut text = format!("Wrote {place}, with\n");
    for record in &document.records {
        text += &format!("  {}\n", shown(&record.key));
    }
    for provider in &document.providers {
        text += &format!("  the provider file of {}\n", sanitise(&provider.name));
    }
    run.note(&text);
}
