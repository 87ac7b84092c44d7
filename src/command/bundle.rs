//! What `export` and `import` have in common: files that a person names, passphrases, and the names of records.

mod draft;

use std::io::{ErrorKind, Read};

use zeroize::Zeroizing;

use super::Run;
use crate::bundle::{Identity, MAX_BUNDLE, Recipient, identities, recipients};
use crate::config::profile;
use crate::error::{Error, Result};
use crate::record::{Group, Key};
use crate::report::sanitise;
use crate::secret::Secret;

pub(super) use draft::{Draft, Trouble, check_free, flush_name};

/// The longest file of recipients or identities, or with a passphrase.
const MAX_KEYS: usize = 1024 * 1024;

/// Letters of the shortest passphrase that seals a bundle: a thief tries for ever, and at a second a try eight random
/// small letters still fall to a thousand machines within years. At twice as many a person writes it on the lid.
const LEAST_LETTERS: usize = 10;

/// All of a file, or of standard input for `-`.
fn read(run: &Run, what: &str, path: &str, limit: usize) -> Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let limit_and_one = limit as u64 + 1;
    let (place, done) = if path == "-" {
        if run.world.stdin_is_terminal() {
            return Err(Error::usage(format!("{what} cannot come from a terminal")));
        }
        let done = run.world.stdin().take(limit_and_one).read_to_end(&mut bytes);
        ("standard input".to_owned(), done)
    } else {
        let opened = std::fs::File::open(path);
        let done = opened.and_then(|file| file.take(limit_and_one).read_to_end(&mut bytes));
        (format!("`{path}`"), done)
    };
    done.map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::usage(format!("reading {what} from {place}: there is no such file"))
            .hint(format!("name the file that has {what}, or `-` for standard input")),
        kind => Error::usage(format!("reading {what} from {place}: {kind}")),
    })?;
    if bytes.len() > limit {
        let mib = limit / 1024 / 1024;
        return Err(Error::usage(format!("{what} in {place} is longer than {mib} MiB")));
    }
    Ok(bytes)
}

fn read_text(run: &Run, what: &str, path: &str) -> Result<Zeroizing<String>> {
    let bytes = read(run, what, path, MAX_KEYS)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Error::usage(format!("{what} in `{path}` is not UTF-8")))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The file that is to be imported.
pub(super) fn read_bundle(run: &Run, path: &str) -> Result<Zeroizing<Vec<u8>>> {
    read(run, "the bundle", path, MAX_BUNDLE)
}

/// The recipients that the arguments name. What is none is not shown: it may be an identity.
pub(super) fn read_recipients(run: &Run, named: &[String], files: &[String]) -> Result<Vec<Recipient>> {
    let mut all = Vec::new();
    for text in named {
        let recipient = Recipient::parse(text);
        all.push(
            recipient
                .ok_or_else(|| Error::usage("a recipient is not `age1` and 58 letters, as age-keygen prints it"))?,
        );
    }
    for path in files {
        let text = read_text(run, "the recipients", path)?;
        let found = recipients(&text).map_err(|line| {
            Error::usage(format!(
                "{path}:{line}: expected a recipient `age1…`, found something else"
            ))
        })?;
        if found.is_empty() {
            return Err(Error::usage(format!("there is no recipient in `{path}`")));
        }
        all.extend(found);
    }
    Ok(all)
}

/// The identities in these files.
pub(super) fn read_identities(run: &Run, files: &[String]) -> Result<Vec<Identity>> {
    let mut all = Vec::new();
    for path in files {
        let text = read_text(run, "the identity", path)?;
        let found = identities(&text).map_err(|line| {
            Error::usage(format!(
                "{path}:{line}: expected an identity `AGE-SECRET-KEY-1…`, found something else"
            ))
        })?;
        if found.is_empty() {
            return Err(Error::usage(format!("there is no identity in `{path}`")));
        }
        all.extend(found);
    }
    Ok(all)
}

/// The passphrase of a bundle: the first line of a file, else what a person types.
///
/// It is never taken from an argument or a variable, which others can read.
fn passphrase(run: &Run, file: Option<&str>) -> Result<Secret> {
    if let Some(path) = file {
        let text = read_text(run, "the passphrase", path)?;
        return Ok(Secret::new(text.lines().next().unwrap_or_default().to_owned()));
    }
    if !run.world.person() {
        return Err(Error::usage("there is no terminal to ask for the passphrase on")
            .hint("name a file that has it with `--passphrase-file FILE`"));
    }
    run.world.ask_secret("Passphrase of the bundle: ")
}

/// The passphrase of a bundle that is there.
pub(super) fn known_passphrase(run: &Run, file: Option<&str>) -> Result<Secret> {
    let known = passphrase(run, file)?;
    if known.is_empty() {
        return Err(Error::usage("the passphrase is empty"));
    }
    Ok(known)
}

/// The passphrase of a new bundle: long enough, and typed twice.
pub(super) fn new_passphrase(run: &Run, file: Option<&str>) -> Result<Secret> {
    let new = passphrase(run, file)?;
    if new.expose().chars().count() < LEAST_LETTERS {
        let message = format!("the passphrase has fewer than {LEAST_LETTERS} letters");
        return Err(Error::usage(message).hint("take a few words that nobody would guess together"));
    }
    if file.is_none() && run.world.ask_secret("The same again: ")? != new {
        return Err(Error::usage("the two passphrases are not the same"));
    }
    Ok(new)
}

/// The provider and mode whose sign-in a record belongs to: those of a session, and of a seed of codes.
pub(super) fn provider_of(group: &Group) -> Option<(&str, &str)> {
    match group {
        Group::Seed { provider, mode } | Group::Session { provider, mode } => Some((provider, mode)),
        Group::Origin(_) => None,
    }
}

/// A record as a person knows it.
pub(super) fn shown(key: &Key) -> String {
    let name = match &key.group {
        Group::Session { provider, mode } => profile::show(provider, mode, &key.account),
        Group::Seed { provider, mode } => {
            let name = profile::show(provider, mode, &key.account);
            let pending = key.path.as_ref().map_or("", |_| "pending ");
            format!("the {pending}seed of {name}")
        }
        Group::Origin(origin) => {
            let target = key.target().map_or_else(|| origin.clone(), |target| target.to_string());
            match key.account.as_str() {
                "" => target,
                account => format!("{account} at {target}"),
            }
        }
    };
    sanitise(&name)
}
