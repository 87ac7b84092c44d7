//! One login at a time for each provider and mode: ten that begin at once ask a person once.
//!
//! Whoever comes second waits for the first, and then has its session where that is the wanted one. When the first fails
//! or is killed, the next takes its turn.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Run;
use crate::error::{Error, Result};
use crate::login::Waiting;
use crate::resolve::Session;
use crate::store::{Lock, Stored};

/// How long another login is waited for: the longest life of a code, and the time that a person has to ask for another.
const PATIENCE_SECS: i64 = 2400;

/// Between two looks whether the line that a person sees is to be written again.
const LOOK: Duration = Duration::from_secs(1);

/// Whose turn it is.
pub(super) enum Turn {
    /// Ours, until the lock is dropped.
    Mine(Lock),
    /// It was another's, who made this session meanwhile.
    Adopted(Box<Stored>),
}

/// Waits for our turn. `scopes` are those that this login wants beside the provider's own.
///
/// # Errors
/// [`crate::error::Class::Temporary`] when another login takes all the time that one may; [`crate::error::Class::Store`]
/// when there can be no lock.
pub(super) fn take(run: &Run, session: &Session, scopes: &[String]) -> Result<Turn> {
    let before = families(run, session);
    let stores = &run.sources.stores;
    let try_for = |time| stores.login_lock(&session.group(), time, &|nap| run.world.sleep(nap));
    if let Some(lock) = try_for(Duration::ZERO)? {
        return Ok(Turn::Mine(lock));
    }
    let name = session.show();
    let what = format!("Waiting for another login of `{}`", crate::report::sanitise(&name));
    let end = run.world.now().plus(PATIENCE_SECS);
    let mut waiting = Waiting::without_end(run.world, &what);
    let lock = loop {
        waiting.tick();
        if let Some(lock) = try_for(LOOK)? {
            break lock;
        }
        if run.world.now() >= end {
            let message = format!("another login of `{name}` has not ended in {} min", PATIENCE_SECS / 60);
            return Err(Error::temporary(message).hint(format!("end it, then run `keyfob login {name}` again")));
        }
    };
    drop(waiting);
    Ok(
        match before.and_then(|before| made_since(run, session, &before, scopes)) {
            Some(stored) => Turn::Adopted(Box::new(stored)),
            None => Turn::Mine(lock),
        },
    )
}

/// The logins that there were; none where they cannot be read, so that a new one cannot be told from an old one.
fn families(run: &Run, session: &Session) -> Option<BTreeSet<String>> {
    let records = run.sources.stores.group(&session.group()).ok()?;
    Some(records.into_iter().map(|stored| stored.record.family).collect())
}

/// The newest session of another login that serves this one as well.
fn made_since(run: &Run, session: &Session, before: &BTreeSet<String>, scopes: &[String]) -> Option<Stored> {
    let now = run.world.now();
    let records = run.sources.stores.group(&session.group()).ok()?;
    let serves = |stored: &Stored| {
        let record = &stored.record;
        let wanted = session.account.as_ref();
        let lives = record.refresh.is_some() || record.expires_at.is_none_or(|end| end > now);
        !before.contains(&record.family)
            && record.dead.is_none()
            && record.secret.is_some()
            && lives
            && wanted.is_none_or(|account| *account == record.key.account)
            && scopes.iter().all(|scope| record.scopes.contains(scope))
    };
    let fitting = records.into_iter().filter(serves);
    fitting.max_by_key(|stored| stored.record.obtained_at)
}
