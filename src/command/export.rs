//! `export`: credentials in one encrypted file.
//!
//! A refresh token that is good once works in one place only. A session with such a token is left out, or goes without
//! it, or is moved. A move never lets two places have it: the file is written, flushed and read back under a temporary
//! name; then the session is ended here, durably; then the file gets its name; then the record is removed. Killed
//! before the end, the record says where it was going, and the next `export --move` takes it from there. Where it finds
//! nothing any more it takes nothing, until `--again` says that the bundle is lost.

mod moving;

use std::path::Path;

use moving::{Going, Way, carry_out, current, forget, locked, noted_drafts, remove_drafts};

use super::bundle::{Draft, check_free, new_passphrase, provider_of, read_recipients, shown};
use super::{Run, session_of};
use crate::bundle::{Document, Provider, Recipient, age, armor};
use crate::cli;
use crate::config::Profile;
use crate::error::{Error, Result};
use crate::record::{self, Record};
use crate::renew::MOVED;
use crate::report::{printable, sanitise};
use crate::secret::Secret;
use crate::store::{Locks, Stored};

pub(super) fn run(run: &Run, args: &cli::Export) -> Result<u8> {
    let wanted = wanted(run, args)?;
    check_output(run, args)?;
    let stored = selected(run, args, &wanted)?;
    let plan = Plan::of(run, args, None, &stored)?;
    if args.moving && !plan.records.is_empty() {
        check_free(Path::new(&args.output))?;
    }
    plan.tell(run);
    if plan.records.is_empty() && plan.gone.is_empty() {
        return Err(nothing_left(&plan));
    }
    let key = match plan.records.is_empty() {
        true => None,
        false => Some(Key::of(run, args)?),
    };
    if !args.moving {
        let key = key.expect("there is something to seal");
        return write(run, args, &plan, &key, None);
    }
    // Nobody waits for a person who types a passphrase: locked and looked at again only now.
    let locks = locked(run, &stored)?;
    let plan = Plan::of(run, args, Some(&locks), &stored)?;
    match key {
        Some(key) if !plan.records.is_empty() => {
            write(run, args, &plan, &key, Some(&locks))?;
            remove_drafts(run, &plan.drafts)?;
        }
        None if !plan.records.is_empty() => {
            return Err(Error::temporary(
                "another program changed the sessions or the bundle meanwhile",
            ));
        }
        _ => (),
    }
    for (_, going) in &plan.gone {
        going.flush()?;
    }
    forget(run, &locks, plan.gone.iter().map(|(stored, _)| stored))?;
    Ok(0)
}

/// With what the bundle is sealed.
enum Key {
    Passphrase(Secret),
    Recipients(Vec<Recipient>),
}

impl Key {
    fn of(run: &Run, args: &cli::Export) -> Result<Key> {
        let recipients = read_recipients(run, &args.recipient, &args.recipients_file)?;
        if !recipients.is_empty() {
            return Ok(Key::Recipients(recipients));
        }
        new_passphrase(run, args.passphrase_file.as_deref()).map(Key::Passphrase)
    }

    fn seal(&self, plain: &[u8], work_factor: u8) -> age::Sealed {
        match self {
            Key::Recipients(recipients) => age::seal(plain, &age::Seal::Recipients(recipients)),
            Key::Passphrase(passphrase) => age::seal(
                plain,
                &age::Seal::Passphrase {
                    passphrase,
                    work_factor,
                },
            ),
        }
    }
}

/// Makes the bundle, checks that it opens, and puts it where it belongs.
fn write(run: &Run, args: &cli::Export, plan: &Plan, key: &Key, locks: Option<&Locks>) -> Result<u8> {
    let providers = providers(run, args, &plan.records)?;
    let document = Document::new(run.world.now(), plan.records.clone(), providers);
    let sealed = key.seal(&document.encode(), args.work_factor);
    let bytes = match args.armor {
        true => armor(&sealed.bytes).into_bytes(),
        false => sealed.bytes.clone(),
    };
    // Who finds out that a bundle does not open finds out when it is needed.
    if Document::decode(&sealed.check(&bytes)?)? != document {
        return Err(Error::failure("BUG: the bundle does not read back"));
    }
    if args.output == "-" {
        let written = run.world.write_stdout(&bytes);
        written.map_err(|error| Error::failure(format!("writing to standard output: {}", error.kind())))?;
    } else {
        let mut draft = Draft::write(Path::new(&args.output), &bytes, &noted_drafts(run)?)?;
        match locks {
            Some(locks) => {
                let going = Going::of(&draft, &bytes)?;
                carry_out(run, locks, &plan.moved, draft, &going)?;
            }
            None => draft.publish()?,
        }
    }
    say_done(run, args, &document);
    Ok(0)
}

/// What the arguments name. `--provider` names one too, so that a program can hand its own `export` over.
fn wanted(run: &Run, args: &cli::Export) -> Result<Vec<Profile>> {
    if args.origins && run.program.is_some() {
        return Err(Error::usage(
            "`--static` is for what tools gave to keep, which is nobody's sign-in",
        ));
    }
    let implied = run
        .provider
        .iter()
        .filter(|_| args.profiles.is_empty() && !args.all && !args.origins);
    let named = args.profiles.iter().chain(implied);
    let wanted: Result<Vec<Profile>> = named.map(|text| run.profile(Some(text))).collect();
    let wanted = wanted?;
    if wanted.is_empty() && !args.all && !args.origins {
        let kept = run.sources.stores.list()?.into_iter().flatten();
        let kept = kept.filter(|stored| stored.record.synced_at.is_none());
        let mut names: Vec<String> = kept
            .map(|stored| format!("  {}\n", shown(&stored.record.key)))
            .collect();
        names.sort();
        if !names.is_empty() {
            run.note(&format!("What is kept:\n{}", names.concat()));
        }
        return Err(Error::usage("nothing was named to export").hint("name profiles, or give `--static` or `--all`"));
    }
    Ok(wanted)
}

/// What would fail at the end fails before anybody types a passphrase.
fn check_output(run: &Run, args: &cli::Export) -> Result<()> {
    if args.output != "-" {
        // A move that is only to be finished writes nothing.
        return match args.moving {
            true => Ok(()),
            false => check_free(Path::new(&args.output)),
        };
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
        let provider = provider_of(&key.group);
        let is_mine = run.program.is_none() || provider.is_some_and(|(provider, _)| !run.is_others(provider));
        let mut is_meant = (args.all && is_mine) || (args.origins && provider.is_none());
        for (profile, found) in wanted.iter().zip(&mut found) {
            let fits = is_of(profile, key);
            *found |= fits;
            is_meant |= fits;
        }
        if is_meant {
            // A listing asks no keychain, and so has no secret that lies in an item of one.
            match run.sources.stores.get(key) {
                Ok(whole) => selected.extend(whole),
                Err(error) => unread = Some(error),
            }
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

fn is_of(profile: &Profile, key: &record::Key) -> bool {
    let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
    provider_of(&key.group).is_some_and(|(provider, mode)| {
        profile.provider == provider && is(&profile.mode, mode) && is(&profile.account, &key.account)
    })
}

/// What becomes of each record.
#[derive(Default)]
struct Plan {
    /// Those that go into the bundle, as they are in it.
    records: Vec<Record>,
    /// Those of them that end here.
    moved: Vec<Stored>,
    /// Those that do not, and why.
    left: Vec<(record::Key, String)>,
    /// Those that an earlier run had moved already.
    gone: Vec<(Stored, Going)>,
    /// The drafts of earlier runs that never became a bundle.
    drafts: Vec<String>,
}

const SINGLE_USE: &str = "its refresh token is good once, and this machine uses it";
const ENDED: &str = "it has ended";
const CUT_OFF: &str = "an earlier `--move` of it was cut off";

/// Why one is left out whose bundle is not where it was: whoever has that has the session.
fn lost(going: &Going) -> String {
    format!(
        "{CUT_OFF}, and its bundle {} is not there any more",
        printable(&going.file)
    )
}
const STALE: &str = "its access token has ended, and its refresh token is good once";

impl Plan {
    /// What becomes of these; with their locks of what they are now.
    fn of(run: &Run, args: &cli::Export, locks: Option<&Locks>, stored: &[Stored]) -> Result<Plan> {
        let mut plan = Plan::default();
        for stored in stored {
            // Somebody else may have renewed it since it was listed.
            let now = match locks {
                Some(locks) => current(run, locks, &stored.record.key)?,
                None => Some(stored.clone()),
            };
            if let Some(stored) = now {
                plan.add(run, args, stored);
            }
        }
        Ok(plan)
    }

    fn add(&mut self, run: &Run, args: &cli::Export, stored: Stored) {
        // One that was synced here is in no listing, and nobody's who does not name it.
        if args.all && stored.record.synced_at.is_some() {
            return;
        }
        let mut record = clean(&stored.record);
        if let Some(going) = Going::noted(&stored.record).filter(|_| args.moving) {
            match going.way() {
                Way::Arrived => return self.gone.push((stored, going)),
                Way::Lost if !args.again => return self.left.push((record.key, lost(&going))),
                Way::Lost | Way::NotBegun => self.drafts.push(going.draft),
            }
            // It did not get there: nobody else has it.
            record.dead = None;
        }
        match Fate::of(run, args, &record) {
            Fate::Left(why) => return self.left.push((record.key, why.into())),
            Fate::Moved => self.moved.push(stored),
            Fate::WithoutRefresh => without_refresh(&mut record),
            Fate::Copied => (),
        }
        self.records.push(record);
    }

    /// Says what is left out, before a passphrase is asked for.
    fn tell(&self, run: &Run) {
        for (key, why) in &self.left {
            let name = shown(key);
            let login = match session_of(&key.group) {
                Some(_) => format!("    Log in there with `keyfob login {name}`.\n"),
                None => String::new(),
            };
            run.note(&format!("Left out `{name}`: {why}.\n{login}"));
        }
        for (stored, going) in &self.gone {
            let name = shown(&stored.record.key);
            let place = printable(&going.file);
            run.note(&format!("`{name}` was moved to {place} already.\n"));
        }
    }
}

/// What becomes of a record.
enum Fate {
    /// It goes, and works in two places.
    Copied,
    /// It does not go.
    Left(&'static str),
    /// It goes, and ends here.
    Moved,
    /// It goes without what works in one place only.
    WithoutRefresh,
}

impl Fate {
    fn of(run: &Run, args: &cli::Export, record: &Record) -> Fate {
        let has_ended = record.expires_at.is_some_and(|end| end <= run.world.now());
        match (&record.dead, &record.refresh, &record.secret) {
            _ if is_unattended(run, record) => Fate::Left("it needs no person: a tool's call begins another one there"),
            (Some(dead), ..) if dead.reason == MOVED => Fate::Left("it is on its way to a bundle: give `--move` again"),
            _ if record.synced_at.is_some() => Fate::Left("it is another machine's, which synced it to here"),
            (Some(_), ..) | (None, None, None) => Fate::Left(ENDED),
            (None, None, Some(_)) if has_ended => Fate::Left(ENDED),
            (None, None, Some(_)) => Fate::Copied,
            (None, Some(_), _) if args.moving => Fate::Moved,
            (None, Some(_), _) if !args.without_refresh => Fate::Left(SINGLE_USE),
            (None, Some(_), Some(_)) if !has_ended => Fate::WithoutRefresh,
            (None, Some(_), _) => Fate::Left(STALE),
        }
    }
}

fn is_unattended(run: &Run, record: &Record) -> bool {
    session_of(&record.key.group).is_some_and(|(provider, _)| {
        let provider = run.sources.config.provider(provider);
        provider.is_ok_and(|provider| provider.flow.is_unattended())
    })
}

/// Makes a record that is on its way to a bundle what it was before.
pub(super) fn come_back(record: &mut Record) {
    record.dead = None;
    Going::forget(record);
}

/// The record without what belongs to this store alone.
fn clean(record: &Record) -> Record {
    let mut record = record.clone();
    record.family = String::new();
    record.generation = 1;
    Going::forget(&mut record);
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
        .filter_map(|record| provider_of(&record.key.group).map(|(provider, _)| provider))
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
    if plan.left.iter().any(|(_, why)| why.starts_with(CUT_OFF)) {
        return error.hint(
            "`keyfob import` takes it out of the bundle, wherever that is now; `--again` takes it once more if the bundle \
             is lost",
        );
    }
    if plan.left.iter().any(|(_, why)| why == SINGLE_USE) {
        return error
            .hint("`--move` takes such a session and ends it here; `--without-refresh` takes its access token");
    }
    if plan.left.iter().any(|(_, why)| *why == STALE) {
        return error.hint("any use of the session renews it: run it again then; or `--move` takes it whole");
    }
    error
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
