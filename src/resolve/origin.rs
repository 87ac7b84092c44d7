//! Credentials that tools gave us for an origin that no provider claims: what git-credential-store does.
//!
//! Every field of the request must equal the stored one; a user name that is absent matches all, and so does a path for
//! a tool that means it so (gitcredentials(7)). A request for something that a tool fetches matches what was kept for a
//! place at or above it.

use std::cmp::Reverse;
use std::time::Duration;

use super::Sources;
use crate::error::{Error, Result};
use crate::model::{Action, Answer, Credential, IDENTITY_TOKEN, Request, Source};
use crate::record::{Group, Key, MAX_SECRET, Record};
use crate::secret::Secret;
use crate::store::{Lock, StoreError, Stored, Torn};
use crate::target::Target;
use crate::time::Timestamp;

/// The names of the protocols that a person speaks, and git's: what came by them is for everything at its origin.
const NATIVE: &str = "keyfob";
const GIT: &str = "git";

/// How long a store or erase waits for another one; each holds the lock for milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is rarer than a `get` is kept out of it: the stack that it takes is a page fault for each 4 KiB.
pub(super) fn answer(sources: &Sources, target: &Target, request: &Request) -> Result<Answer> {
    match request.action {
        Action::Get => get(sources, target, request),
        Action::Store => store(sources, target, request),
        Action::Erase => erase(sources, target, request),
        Action::List | Action::Places => Ok(Answer::Declined),
    }
}

fn get(sources: &Sources, target: &Target, request: &Request) -> Result<Answer> {
    let found = sources
        .stores
        .group(&Group::origin(target))
        .map_err(|error| torn(error, target))?;
    Ok(match choose(sources, found, target, request)? {
        Some(stored) => Answer::Found(Box::new(credential(stored))),
        None => Answer::Absent,
    })
}

/// A record that cannot be read keeps back all that is kept for its origin, until it is forgotten.
fn torn(error: StoreError, target: &Target) -> Error {
    let damaged = matches!(error, StoreError::Damaged(_));
    let error = Error::from(error);
    if !damaged {
        return error;
    }
    error.hint(format!(
        "forget it and log in again: run `keyfob erase` with `url={target}` on stdin"
    ))
}

/// The one of these records that a request gets.
///
/// # Errors
/// [`crate::error::Class::Refused`] when several users' fit.
pub(super) fn choose(
    sources: &Sources,
    mut found: Vec<Stored>,
    target: &Target,
    request: &Request,
) -> Result<Option<Stored>> {
    let margin = request.valid_for_secs.map_or(0, i64::from);
    let lives = |end: Timestamp| end > sources.world.now().plus(margin);
    found.retain(|stored| {
        let record = &stored.record;
        matches(record, target, request)
            && record.secret.is_some()
            && record.expires_at.is_none_or(lives)
            && (record.authtype.is_none() || request.understands.authtype)
            && (record.key.account != IDENTITY_TOKEN || request.understands.identity_token)
    });
    newest_first(&mut found);
    if request.wide {
        // What was kept for a place nearer to the target is meant more.
        found.sort_by_key(|stored| Reverse(stored.record.key.path.as_ref().map_or(0, String::len)));
    }
    if !request.newest {
        only_one(target, &found)?;
    }
    if let Some(first) = found.first().filter(|_| request.any_port) {
        only_port(sources, target, &first.record)?;
    }
    Ok(found.into_iter().next())
}

/// The newest first, then by name, so that the same request has the same answer.
pub(super) fn newest_first(found: &mut [Stored]) {
    found.sort_by(|a, b| (b.record.obtained_at, &a.record.key).cmp(&(a.record.obtained_at, &b.record.key)));
}

/// Whose credential it is must be known where the tool cannot say it, and has no order of its own.
fn only_one(target: &Target, found: &[Stored]) -> Result<()> {
    let [first, rest @ ..] = found else { return Ok(()) };
    let at = |stored: &&Stored| stored.record.key.path == first.record.key.path;
    let others = rest.iter().filter(at).map(|stored| &stored.record.key.account);
    let mut names: Vec<&str> = others.map(String::as_str).collect();
    if names.is_empty() {
        return Ok(());
    }
    names.push(&first.record.key.account);
    names.sort_unstable();
    let shown = names
        .iter()
        .map(|name| if name.is_empty() { "(no user name)" } else { *name });
    let shown = shown.collect::<Vec<_>>().join(", ");
    let message = format!("several users' credentials are kept for {target}: {shown}");
    Err(Error::refused(message).hint("forget all but one: run `keyfob erase` with `url=` and `username=` on stdin"))
}

/// Which port is meant must be known where the tool cannot say it, or make no difference.
fn only_port(sources: &Sources, target: &Target, first: &Record) -> Result<()> {
    let mut places = vec![target.origin()];
    for stored in sources.stores.list()?.into_iter().flatten() {
        let key = &stored.record.key;
        let is_other = key.account == first.key.account
            && key
                .target()
                .is_some_and(|place| place.with_port_of(target) == *target && place.origin() != target.origin());
        // A list has no secret that lies in the keychain.
        if is_other
            && sources
                .stores
                .get(key)?
                .is_some_and(|other| other.record.secret != first.secret)
        {
            places.extend(key.target().map(|place| place.origin()));
        }
    }
    if places.len() == 1 {
        return Ok(());
    }
    places[1..].sort_unstable();
    let message = format!(
        "the port is not said, and different secrets are kept: {}",
        places.join(", ")
    );
    Err(Error::refused(message).hint("keep the same for all of them, or forget all but one: run `keyfob erase`"))
}

fn credential(stored: Stored) -> Credential {
    let Stored { record, store } = stored;
    Credential {
        username: Some(record.key.account).filter(|name| record.authtype.is_none() || !name.is_empty()),
        secret: record.secret.unwrap_or_default(),
        authtype: record.authtype,
        is_token: false,
        refresh: record.refresh,
        expires_at: record.expires_at,
        account: None,
        subject: None,
        workspace: None,
        source: Source::Store { store, profile: None },
        // A store-back is recognised by its value; a mark would only tell a tool how often the record changed.
        mark: None,
        proof: None,
    }
}

#[inline(never)]
fn store(sources: &Sources, target: &Target, request: &Request) -> Result<Answer> {
    let Some(secret) = request.secret.clone() else {
        return Ok(Answer::Done);
    };
    let now = sources.world.now();
    if request.ephemeral || request.expires_at.is_some_and(|end| end <= now) {
        return Ok(Answer::Done);
    }
    let refresh_len = request.refresh.as_ref().map_or(0, Secret::len);
    if secret.len() > MAX_SECRET || refresh_len > MAX_SECRET {
        return Err(Error::refused(format!("the secret for {target} is longer than 64 KiB")));
    }
    let account = request.username.clone().unwrap_or_default();
    let key = Key {
        group: Group::origin(target),
        account,
        path: target.path().map(Into::into),
    };
    let lock = lock(sources, &key)?;
    let old = match sources.stores.get(&key) {
        Ok(old) => old,
        // A damaged record is set aside by the write; nothing of it can be kept.
        Err(StoreError::Damaged(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let family = data_encoding::HEXLOWER.encode(&sources.world.random::<16>());
    let (mut record, place) = match old {
        Some(Stored { record, store }) => {
            let mut next = record.clone();
            next.generation += 1;
            (next, store)
        }
        None => (
            Record::new(key, family, request.tool),
            sources.stores.choose(None, request.interactive)?.store,
        ),
    };
    let before = record.clone();
    record.secret = Some(secret);
    record.authtype.clone_from(&request.authtype);
    record.refresh.clone_from(&request.refresh);
    record.expires_at = request.expires_at;
    // What cannot be read keeps back a get, and nothing that is to be kept.
    let kin = sources.stores.readable(&record.key.group, Torn::Leave);
    let kin = kin.unwrap_or_default();
    let others = kin.iter().filter(|stored| stored.record.key != record.key);
    let newest = others.filter_map(|stored| stored.record.obtained_at).max();
    if record == before && is_answer(sources, kin, target, request, &record.key)? {
        // The store-back that follows each get: nothing to write, not even a new generation.
        return Ok(Answer::Done);
    }
    if (&record.secret, &record.authtype) != (&before.secret, &before.authtype) {
        // Who brings back what another brought, as git does after each get, does not take it over.
        record.tool = request.tool.into();
    }
    // The one that was given last is the newest, also within a second.
    record.obtained_at = newest.map(|newest| newest.plus(1)).max(Some(now));
    sources.stores.put(&lock, &record, place, None)?;
    Ok(Answer::Done)
}

/// Whether nothing newer hides this record from a request that names no user.
fn is_answer(sources: &Sources, kin: Vec<Stored>, target: &Target, request: &Request, key: &Key) -> Result<bool> {
    let anybody = Request {
        username: None,
        any_port: false,
        newest: true,
        ..request.clone()
    };
    let first = choose(sources, kin, target, &anybody)?;
    Ok(first.is_none_or(|first| first.record.key == *key))
}

/// Forgets all that match; with a secret in the request only those that hold this very one, so that a fresh token is
/// not lost because a stale one was rejected. Without one a tool means what it brought itself, and a person all; what
/// cannot be read any more goes too: nobody can tell whose it is.
#[inline(never)]
fn erase(sources: &Sources, target: &Target, request: &Request) -> Result<Answer> {
    let group = Group::origin(target);
    let fits = |record: &Record| {
        let same = match &request.secret {
            Some(secret) => record.secret.as_ref() == Some(secret),
            None => request.apart || request.tool == NATIVE || record.tool == request.tool,
        };
        matches(record, target, request) && same
    };
    let wait = |pause| sources.world.sleep(pause);
    let torn = match &request.secret {
        None => Torn::Remove(PATIENCE, &wait),
        Some(_) => Torn::Leave,
    };
    for stored in sources.stores.readable(&group, torn)? {
        if !fits(&stored.record) {
            continue;
        }
        let lock = lock(sources, &stored.record.key)?;
        if sources
            .stores
            .get(&stored.record.key)?
            .is_some_and(|now| fits(&now.record))
        {
            sources.stores.delete(&lock, &stored.record.key)?;
        }
    }
    Ok(Answer::Done)
}

fn matches(record: &Record, target: &Target, request: &Request) -> bool {
    let path = match target.path() {
        _ if request.wide => record.key.target().is_some_and(|kept| target.is_within(&kept)),
        None if request.any_path && is_for_all(record, request) => true,
        path => record.key.path.as_deref() == path,
    };
    let scheme = request.authtype.as_ref().is_none_or(|only| {
        let kept = record.authtype.as_ref();
        kept.is_some_and(|kept| kept.eq_ignore_ascii_case(only))
    });
    path && scheme && request.username.as_ref().is_none_or(|name| record.key.account == *name)
}

/// Whether what was kept for a path is meant by its host alone too. Another tool's path is an API's or a registry's, and
/// its password would fail at what git asks for, and be forgotten for it.
fn is_for_all(record: &Record, request: &Request) -> bool {
    request.tool == NATIVE || [GIT, NATIVE].contains(&record.tool.as_str())
}

fn lock(sources: &Sources, key: &Key) -> Result<Lock> {
    let lock = sources
        .stores
        .lock(key, PATIENCE, &|pause| sources.world.sleep(pause))?;
    lock.ok_or_else(|| Error::temporary("another keyfob holds the lock of this origin"))
}
