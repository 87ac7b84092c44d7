//! Seeds of one-time codes in the stores: one record for each account of a provider and mode, beside its session.
//!
//! A seed is kept as *pending* before the service is given its first code, and becomes the account's own when the service
//! has taken it: whoever is killed between the two has lost nothing. It knows no service; `totp.rs` makes the codes.

use std::time::Duration;

use crate::config::profile;
use crate::error::{Error, Result};
use crate::record::{Group, Key, Record};
use crate::resolve::{Session, Sources};
use crate::secret::Secret;
use crate::store::{Lock, StoreError, Stored};
use crate::totp::Seed;

/// The word in the key of a record of which nobody knows whether the service took it.
const PENDING: &str = "pending";

/// The member of a pending seed's record that says whether a second factor was enrolled before.
const BEFORE: &str = "enrolled_before";

/// How long another process that writes the same seed is waited for; it takes a few writes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The group of the seeds of a session's provider and mode.
pub fn group(session: &Session) -> Group {
    Group::Seed {
        provider: session.provider.clone(),
        mode: session.mode.clone(),
    }
}

/// The key of an account's seed.
pub fn key(session: &Session, account: &str, pending: bool) -> Key {
    Key {
        group: group(session),
        account: account.into(),
        path: pending.then(|| PENDING.into()),
    }
}

/// Whether the path in a key is that of a seed of which nobody knows whether the service took it.
pub fn is_pending(path: &str) -> bool {
    path == PENDING
}

/// The record of the seed of an account, of the account in use where none is named, or the only one.
///
/// # Errors
/// [`crate::error::Class::Login`] when there is none; [`crate::error::Class::Refused`] when several fit;
/// [`crate::error::Class::Store`].
pub fn find(sources: &Sources, session: &Session, pending: bool) -> Result<Stored> {
    if let Some(account) = &session.account {
        let found = sources.stores.get(&key(session, account, pending))?;
        return found.ok_or_else(|| none(&session.show(), pending));
    }
    let mut all = sources.stores.group(&group(session))?;
    all.retain(|stored| stored.record.key.path.is_some() == pending);
    if all.len() > 1
        && let Some(active) = sources.config.active_account(&session.provider, &session.mode)
    {
        all.retain(|stored| stored.record.key.account == active);
    }
    if all.len() > 1 {
        let show = |stored: &Stored| profile::show(&session.provider, &session.mode, &stored.record.key.account);
        let mut names: Vec<String> = all.iter().map(show).collect();
        names.sort();
        return Err(
            Error::refused(format!("several accounts fit: {}", names.join(", "))).hint(format!(
                "name one, or set {}",
                sources.config.account_variable(&session.provider)
            )),
        );
    }
    all.pop().ok_or_else(|| none(&session.show(), pending))
}

fn none(name: &str, pending: bool) -> Error {
    if pending {
        return Error::login(format!("no enrolment of `{name}` waits for an answer"));
    }
    Error::login(format!("no seed of `{name}` is kept")).hint(format!(
        "run `keyfob mfa enroll {name}`, or `keyfob mfa add {name}` with one that you have"
    ))
}

/// The seed of a record.
///
/// # Errors
/// [`crate::error::Class::Store`] when it has none.
pub fn read(stored: &Stored) -> Result<Seed> {
    let secret = stored.record.secret.as_ref().map_or("", Secret::expose);
    Seed::from_uri(secret).map_err(|why| Error::store(format!("a seed is damaged: it has {why}")))
}

/// The store in which a new seed will be: that of the seed that is replaced, else the one for new records.
///
/// # Errors
/// [`crate::error::Class::Store`] when it cannot be used now.
pub fn store_for(sources: &Sources, session: &Session, key: &Key) -> Result<&'static str> {
    let wanted = sources.config.provider(&session.provider)?.store;
    if wanted.is_none()
        && let Ok(Some(old)) = sources.stores.get(key)
    {
        return Ok(old.store);
    }
    Ok(sources.stores.choose(wanted.as_deref(), sources.world.person())?.store)
}

/// Keeps a seed under a key, in the place of another, in this store.
///
/// # Errors
/// [`crate::error::Class::Store`] when it cannot be written; [`crate::error::Class::Temporary`] when another process is at
/// work on it for too long.
pub fn keep(sources: &Sources, key: &Key, seed: &Seed, store: &str) -> Result<()> {
    keep_with(sources, key, seed, store, &|_| ())
}

/// Keeps a seed of which nobody knows whether the service takes it, and whether a second factor was enrolled `before`; none:
/// that is not known.
///
/// # Errors
/// As [`keep`].
pub fn keep_pending(sources: &Sources, key: &Key, seed: &Seed, store: &str, before: Option<bool>) -> Result<()> {
    keep_with(sources, key, seed, store, &|record| {
        record.extra.remove(BEFORE);
        record
            .extra
            .extend(before.map(|before| (BEFORE.to_owned(), before.into())));
    })
}

/// Whether a second factor was enrolled before this pending seed was made; none where nobody knows.
pub fn enrolled_before(pending: &Stored) -> Option<bool> {
    pending.record.extra.get(BEFORE)?.as_bool()
}

fn keep_with(sources: &Sources, key: &Key, seed: &Seed, store: &str, change: &dyn Fn(&mut Record)) -> Result<()> {
    let lock = locked(sources, key)?;
    let old = match sources.stores.get_locked(&lock, key) {
        Ok(old) => old,
        Err(StoreError::Damaged(_) | StoreError::Unavailable(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let family = data_encoding::HEXLOWER.encode(&sources.world.random::<16>());
    let mut record = Record::new(key.clone(), family, "keyfob");
    record.secret = Some(Secret::new(seed.uri().to_string()));
    record.obtained_at = Some(sources.world.now());
    if let Some(old) = old {
        record.extra = old.record.extra;
    }
    change(&mut record);
    Ok(sources.stores.put(&lock, &record, store, None)?)
}

/// Makes the pending seed of an account its own, since the service has taken it.
///
/// # Errors
/// As [`keep`]; the pending one is still there then.
pub fn settle(sources: &Sources, session: &Session, account: &str) -> Result<Stored> {
    let (from, to) = (key(session, account, true), key(session, account, false));
    let pending = sources.stores.get(&from)?;
    let pending = pending.ok_or_else(|| Error::store("the seed of the enrolment is not there any more"))?;
    keep(sources, &to, &read(&pending)?, pending.store)?;
    forget(sources, &from)?;
    let kept = sources.stores.get(&to)?;
    kept.ok_or_else(|| Error::store("the seed was taken away while it was kept"))
}

/// Forgets a seed, readable or not. Says whether it was there.
///
/// # Errors
/// As [`keep`].
pub fn forget(sources: &Sources, key: &Key) -> Result<bool> {
    let lock = locked(sources, key)?;
    Ok(sources.stores.delete(&lock, key)?)
}

fn locked(sources: &Sources, key: &Key) -> Result<Lock> {
    let lock = sources
        .stores
        .lock(key, PATIENCE, &|pause| sources.world.sleep(pause))?;
    lock.ok_or_else(|| Error::temporary("another keyfob is at work on the seed"))
}
