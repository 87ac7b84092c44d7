//! The other changes of a session, under the same lock: kept at login, rejected by a server, forgotten at logout.

use std::time::Duration;

use super::place::place;
use super::{PATIENCE, attempt, mode_of, show};
use crate::config::{self, Persist};
use crate::error::{Error, Result};
use crate::http::Http;
use crate::oauth::revoke;
use crate::record::{Key, Record};
use crate::resolve::{Session, Sources};
use crate::secret::Secret;
use crate::store::{Lock, StoreError, Stored, Torn};
use crate::time::Timestamp;

/// Puts a new record in place, or a new family over an old one. What login, `set-token` and a tool's `store` end in.
///
/// # Errors
/// [`crate::error::Class::Store`] when it cannot be written; [`crate::error::Class::Temporary`] when a renewal holds the lock for too long.
pub fn keep(
    sources: &Sources,
    session: &Session,
    account: &str,
    tool: &str,
    fill: impl FnOnce(&mut Record),
) -> Result<Stored> {
    let key = Key {
        group: session.group(),
        account: account.into(),
        path: None,
    };
    let lock = locked(sources, session, &key)?;
    let old = match sources.stores.get_locked(&lock, &key) {
        Ok(old) => old,
        Err(StoreError::Damaged(_) | StoreError::Unavailable(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let provider = sources.config.provider(&session.provider)?;
    let mode = provider.modes.iter().find(|mode| mode.name == session.mode);
    let mode = mode.ok_or_else(|| Error::usage(format!("`{}` is no mode of the provider", session.mode)))?;
    let mut place = place(sources.world, &provider, mode, account)?;
    let store = match (&provider.store, &old) {
        (None, Some(old)) => old.store,
        (wanted, _) => choose(sources, wanted.as_deref(), tool)?,
    };
    let family = data_encoding::HEXLOWER.encode(&sources.world.random::<16>());
    let mut record = Record::new(key, family, tool);
    fill(&mut record);
    // One that was synced here is nothing but its access token, whatever is kept of a login.
    let persist = match record.synced_at {
        Some(_) => Persist::Both,
        None => provider.persist,
    };
    place.refresh_only &= persist == Persist::Refresh;
    match persist {
        Persist::Nothing => {
            return Ok(Stored {
                record,
                store: "memory",
            });
        }
        Persist::Key => record.refresh = None,
        Persist::Refresh if record.refresh.is_none() => {
            let message = format!(
                "`{}` keeps refresh tokens alone, and was given none",
                show(session, &record.key)
            );
            return Err(Error::refused(message).hint("ask for a scope such as `offline_access` in `oauth.scopes`"));
        }
        _ => (),
    }
    let beside = newest_beside(sources, session, &record.key);
    if let Some(old) = &old {
        record.extra.clone_from(&old.record.extra);
        let same =
            record.secret == old.record.secret && record.refresh == old.record.refresh && old.record.dead.is_none();
        let alike = record.synced_at.is_some() == old.record.synced_at.is_some();
        // Only in keyfob's own place: what lies elsewhere may have to move.
        let stays = mode.place == config::Place::default() && provider.store.is_none_or(|wanted| wanted == old.store);
        let is_newest = beside.is_none() || old.record.obtained_at > beside;
        if same && alike && stays && is_newest && record.expires_at == old.record.expires_at {
            return Ok(Stored {
                record: old.record.clone(),
                store: old.store,
            });
        }
    }
    // The one that was given last is the newest, also within a second.
    record.obtained_at = beside.map(|newest| newest.plus(1)).max(Some(sources.world.now()));
    if let Some(left) = sources.stores.put_at(&lock, &record, store, &place)? {
        let name = show(session, &record.key);
        let told = format!("keyfob: warning: an earlier secret of `{name}` could not be removed: {left}\n");
        sources.world.write_stderr(&told);
    }
    Ok(Stored { record, store })
}

/// When the newest of the other accounts was brought; none where their order is nothing to anybody.
fn newest_beside(sources: &Sources, session: &Session, key: &Key) -> Option<Timestamp> {
    if !session.keeps() {
        return None;
    }
    // What cannot be read keeps back a get, and nothing that is to be kept.
    let kin = sources.stores.readable(&key.group, Torn::Leave).unwrap_or_default();
    let others = kin.iter().filter(|stored| stored.record.key != *key);
    others.filter_map(|stored| stored.record.obtained_at).max()
}

/// The store for a session. Where the keychain that it should be in is away, a person is told each time.
fn choose(sources: &Sources, wanted: Option<&str>, tool: &str) -> Result<&'static str> {
    // A tool's call opens no dialog, wherever its person sits.
    let person = tool == "keyfob" && sources.world.person();
    let chosen = sources.stores.choose(wanted, person)?;
    // A tool's call says nothing of it: a line on stderr would be taken for a failure.
    if let Some(reason) = chosen.fallback_reason.filter(|_| wanted.is_some() && tool == "keyfob") {
        let told = format!("keyfob: warning: the keychain is unavailable, so the session goes to a file: {reason}\n");
        sources.world.write_stderr(&told);
    }
    Ok(chosen.store)
}

/// Takes in that a server refused a secret: with a refresh token it is renewed at the next call, without it is forgotten.
///
/// # Errors
/// As [`keep`].
pub fn reject(sources: &Sources, session: &Session, stored: &Stored, secret: &Secret) -> Result<()> {
    let key = &stored.record.key;
    let lock = locked(sources, session, key)?;
    let Some(mut current) = sources.stores.get_locked(&lock, key)? else {
        return Ok(());
    };
    if current.record.secret.as_ref() != Some(secret) {
        return Ok(());
    }
    if current.record.refresh.is_none() || session.keeps() {
        sources.stores.delete(&lock, key)?;
        return Ok(());
    }
    current.record.secret = None;
    current.record.generation += 1;
    Ok(sources.stores.put(&lock, &current.record, current.store, None)?)
}

/// Puts a session's own credential back in the place of a token that it got for a workspace. False where there is none.
///
/// # Errors
/// As [`keep`].
pub fn restore(sources: &Sources, session: &Session, stored: &Stored) -> Result<bool> {
    let key = &stored.record.key;
    let lock = locked(sources, session, key)?;
    let Some(mut current) = sources.stores.get_locked(&lock, key)? else {
        return Ok(false);
    };
    if mode_of(sources, session, &current.record)?.exchange.is_none() {
        return Ok(false);
    }
    let record = &mut current.record;
    let Some(own) = record.refresh.take().filter(|_| record.workspace.is_some()) else {
        return Ok(false);
    };
    record.secret = Some(own);
    (record.workspace, record.expires_at, record.intent) = (None, None, None);
    record.generation += 1;
    sources.stores.put(&lock, &current.record, current.store, None)?;
    Ok(true)
}

/// What [`forget`] found.
#[derive(Debug)]
pub enum Forgotten {
    /// There was nothing.
    Nothing,
    /// This record, so that the issuer can be told.
    Record(Box<Record>),
    /// A record that could not be read.
    Unread,
}

/// Forgets a session, readable or not.
///
/// # Errors
/// [`crate::error::Class::Temporary`] when a renewal holds the lock for too long; [`crate::error::Class::Store`].
pub fn forget(sources: &Sources, session: &Session, key: &Key) -> Result<Forgotten> {
    let lock = locked(sources, session, key)?;
    // A renewed record that a full disk drove elsewhere has the token that the issuer honours.
    let record = match sources.stores.rescued(&lock, key) {
        Some(rescued) => Ok(Some(rescued)),
        None => sources.stores.get_locked(&lock, key),
    };
    let was_there = sources.stores.delete(&lock, key)?;
    Ok(match record {
        Ok(Some(stored)) => Forgotten::Record(Box::new(stored.record)),
        Err(_) if was_there => Forgotten::Unread,
        _ => Forgotten::Nothing,
    })
}

/// Tells the issuer that a session is over (RFC 7009): the refresh token first, then the access token, whatever became of
/// the first. Takes at most `time`, or twice the 8 s of a call if that is less.
///
/// None where the provider has no revocation endpoint.
///
/// # Errors
/// Why the issuer could not be told of one of them.
pub fn revoke(sources: &Sources, session: &Session, record: &Record, time: Duration) -> Result<Option<()>> {
    let mode = mode_of(sources, session, record)?;
    if mode.oauth.revocation_endpoint.is_none() {
        return Ok(None);
    }
    let http = Http::new(sources.world)?;
    let start = sources.world.now();
    let tokens = [
        (&record.refresh, revoke::Hint::Refresh),
        (&record.secret, revoke::Hint::Access),
    ];
    let mut failed = None;
    for (token, hint) in tokens {
        let Some(token) = token else { continue };
        // A clock that was set back gives no more time than there was.
        let used = sources.world.now().since(start).clamp(0, 3600).unsigned_abs();
        let left = time.saturating_sub(Duration::from_secs(used));
        let told = if left.is_zero() {
            Err(Error::temporary("there was no time left to tell it"))
        } else {
            attempt::revoke(sources.world, &http, &mode, token, hint, left)
        };
        failed = failed.or(told.err());
    }
    failed.map_or(Ok(Some(())), Err)
}

fn locked(sources: &Sources, session: &Session, key: &Key) -> Result<Lock> {
    let lock = sources
        .stores
        .lock(key, PATIENCE, &|pause| sources.world.sleep(pause))?;
    lock.ok_or_else(|| Error::temporary(format!("another keyfob is refreshing `{}`", show(session, key))))
}
