//! Ending a session here that goes to another machine, so that it works in one place at every moment.
//!
//! The bundle is whole and flushed under a temporary name. Then each session is ended, and its record says which file
//! it is in; the file gets its name; the records are removed. Whoever finds such a record looks for the file: where it
//! is there the record is removed, else the session has never left.

use std::time::Duration;

use serde_json::json;

use super::super::bundle::Draft;
use super::super::{Run, session_of, workspace};
use crate::digest;
use crate::error::{Error, Result};
use crate::record::{Dead, Key, Record};
use crate::renew::MOVED;
use crate::resolve::Session;
use crate::store::{Locks, Stored};

/// How long a renewal or a change that is under way is waited for: a token request with its retries.
const PATIENCE: Duration = Duration::from_secs(30);

/// The member of a record on its way that names the bundle's file.
const MOVED_TO: &str = "moved_to";

/// The locks of all these records.
pub(super) fn locked(run: &Run, stored: &[Stored]) -> Result<Locks> {
    let keys = stored.iter().map(|stored| &stored.record.key);
    let locks = run
        .sources
        .stores
        .lock_all(keys, PATIENCE, &|pause| run.world.sleep(pause))?;
    locks.ok_or_else(|| Error::temporary("another keyfob is changing one of the sessions"))
}

/// The record as it is now, also where a full disk drove it elsewhere.
pub(super) fn current(run: &Run, locks: &Locks, key: &Key) -> Result<Option<Stored>> {
    let lock = locks.of(key);
    match run.sources.stores.rescued(lock, key) {
        Some(rescued) => Ok(Some(rescued)),
        None => Ok(run.sources.stores.get_locked(lock, key)?),
    }
}

/// Ends here what is moved, gives the bundle its name, and removes what was ended.
pub(super) fn carry_out(run: &Run, locks: &Locks, moved: &[Stored], draft: Draft, going: &Going) -> Result<()> {
    let mut marked = Vec::new();
    let mut done = Ok(());
    for stored in moved {
        let mut record = stored.record.clone();
        record.generation += 1;
        record.dead = Some(Dead {
            reason: MOVED.into(),
            at: run.world.now(),
            refresh_mark: None,
        });
        going.note(&mut record);
        done = run
            .sources
            .stores
            .put(locks.of(&record.key), &record, stored.store, None);
        if done.is_err() {
            break;
        }
        marked.push((record, stored));
    }
    let published = done.map_err(Error::from).and_then(|()| draft.publish());
    if let Err(error) = published {
        for (mut record, stored) in marked {
            record.generation += 1;
            record.dead.clone_from(&stored.record.dead);
            record.extra.clone_from(&stored.record.extra);
            run.sources
                .stores
                .put(locks.of(&record.key), &record, stored.store, None)?;
        }
        return Err(error);
    }
    forget(run, locks, moved)
}

/// Removes what was moved, now that the bundle is there.
pub(super) fn forget<'a>(run: &Run, locks: &Locks, moved: impl IntoIterator<Item = &'a Stored>) -> Result<()> {
    for stored in moved {
        let key = &stored.record.key;
        run.sources.stores.delete(locks.of(key), key)?;
        if let Some((provider, mode)) = session_of(&key.group) {
            let session = Session::kept(provider, mode, Some(key.account.clone()));
            workspace::forget(run, &session, &key.account);
        }
    }
    Ok(())
}

/// The bundle that a record is on its way to.
pub(super) struct Going {
    pub(super) file: String,
    /// The digest of the whole file, so that another of its name is not taken for it.
    digest: String,
}

impl Going {
    pub(super) fn of(output: &str, bytes: &[u8]) -> Result<Going> {
        let failed = |error: std::io::Error| Error::failure(format!("the path of the bundle: {}", error.kind()));
        let path = std::path::absolute(output).map_err(failed)?;
        let file = path
            .to_str()
            .ok_or_else(|| Error::usage("the path of the bundle is not UTF-8"))?;
        Ok(Going {
            file: file.to_owned(),
            digest: digest::hex(&[bytes]),
        })
    }

    fn note(&self, record: &mut Record) {
        let noted = json!({"file": self.file, "digest": self.digest});
        record.extra.insert(MOVED_TO.into(), noted);
    }

    /// Takes the note out of a record.
    pub(super) fn forget(record: &mut Record) {
        record.extra.remove(MOVED_TO);
    }

    /// Where a record was going when a move was cut off.
    pub(super) fn noted(record: &Record) -> Option<Going> {
        record.dead.as_ref().filter(|dead| dead.reason == MOVED)?;
        let noted = record.extra.get(MOVED_TO);
        let text = |member: &str| {
            let member = noted.and_then(|noted| noted[member].as_str());
            member.unwrap_or_default().to_owned()
        };
        Some(Going {
            file: text("file"),
            digest: text("digest"),
        })
    }

    pub(super) fn has_arrived(&self) -> bool {
        std::fs::read(&self.file).is_ok_and(|bytes| digest::hex(&[&bytes]) == self.digest)
    }
}
