//! Ending a session here that goes to another machine, so that it works in one place at every moment.
//!
//! The bundle is whole and flushed under a temporary name, as a draft. Then each session is ended, and its record says
//! which draft it is in and which file that will be; the draft gets its name; the records are removed. Whoever finds such
//! a record looks for both: where the file is there the record is removed; where the draft is there the session has never
//! left. Where neither is, somebody took the file elsewhere or lost it, and only a person can say which.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::super::bundle::{Draft, Trouble, flush_name};
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
pub(super) fn carry_out(run: &Run, locks: &Locks, moved: &[Stored], mut draft: Draft, going: &Going) -> Result<()> {
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
        // Also when that fails: it may have been written nevertheless.
        marked.push((record, stored));
        let (record, _) = &marked[marked.len() - 1];
        done = run
            .sources
            .stores
            .put(locks.of(&record.key), record, stored.store, None);
        if done.is_err() {
            break;
        }
    }
    let published = done
        .map_err(|error| Trouble::Unnamed(error.into()))
        .and_then(|()| draft.publish());
    match published {
        Ok(()) => forget(run, locks, moved),
        // What was ended stays so: the bundle has it.
        Err(Trouble::Unsure(error)) => Err(error.hint(
            "the bundle may be whole, and its sessions have ended here: see to the disk, then run `keyfob export --move` \
             again",
        )),
        Err(Trouble::Unnamed(error)) => {
            // Without it nobody could tell that they have never left.
            put_back(run, locks, marked).inspect_err(|_| draft.keep())?;
            Err(error)
        }
    }
}

/// Makes what was ended what it was before.
fn put_back(run: &Run, locks: &Locks, marked: Vec<(Record, &Stored)>) -> Result<()> {
    let mut done = Ok(());
    for (mut record, stored) in marked {
        record.generation += 1;
        record.dead.clone_from(&stored.record.dead);
        record.extra.clone_from(&stored.record.extra);
        let put = run
            .sources
            .stores
            .put(locks.of(&record.key), &record, stored.store, None);
        done = done.and(put.map_err(Error::from));
    }
    done
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

/// The names of the drafts that records are on their way in.
pub(super) fn noted_drafts(run: &Run) -> Result<Vec<OsString>> {
    let listed = run.sources.stores.list()?.into_iter().flatten();
    let noted = listed.filter_map(|stored| Going::noted(&stored.record));
    let names = noted.filter_map(|going| Path::new(&going.draft).file_name().map(Into::into));
    Ok(names.collect())
}

/// Removes drafts whose sessions went in another bundle, unless one is in them still.
pub(super) fn remove_drafts(run: &Run, drafts: &[String]) -> Result<()> {
    let noted = noted_drafts(run)?;
    for draft in drafts.iter().map(Path::new) {
        if draft
            .file_name()
            .is_some_and(|name| !noted.iter().any(|noted| noted == name))
        {
            let _ = std::fs::remove_file(draft);
        }
    }
    Ok(())
}

/// The bundle that a record is on its way to.
pub(super) struct Going {
    pub(super) file: String,
    /// The draft of the file, which is there as long as it has not got its name.
    pub(super) draft: String,
    /// The digest of the whole file, so that another of its name is not taken for it.
    digest: String,
}

/// How far a move came that was cut off.
pub(super) enum Way {
    /// The bundle has got its name.
    Arrived,
    /// Neither the bundle nor its draft is where it was.
    Lost,
    /// The bundle has never got its name.
    NotBegun,
}

impl Going {
    pub(super) fn of(draft: &Draft, bytes: &[u8]) -> Result<Going> {
        let failed = |error: std::io::Error| Error::failure(format!("the path of the bundle: {}", error.kind()));
        let text = |path: &Path| -> Result<String> {
            let path = std::path::absolute(path).map_err(failed)?;
            let text = path.to_str().map(str::to_owned);
            text.ok_or_else(|| Error::usage("the path of the bundle is not UTF-8"))
        };
        Ok(Going {
            file: text(draft.path())?,
            draft: text(draft.temporary())?,
            digest: digest::hex(&[bytes]),
        })
    }

    fn note(&self, record: &mut Record) {
        let noted = json!({"file": self.file, "draft": self.draft, "digest": self.digest});
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
            draft: text("draft"),
            digest: text("digest"),
        })
    }

    pub(super) fn way(&self) -> Way {
        if std::fs::read(&self.file).is_ok_and(|bytes| digest::hex(&[&bytes]) == self.digest) {
            return Way::Arrived;
        }
        match std::fs::symlink_metadata(&self.draft) {
            Ok(_) => Way::NotBegun,
            Err(_) => Way::Lost,
        }
    }

    /// Makes the name of the bundle that arrived outlive a power failure; the run that gave it may not have got so far.
    pub(super) fn flush(&self) -> Result<()> {
        flush_name(Path::new(&self.file))
    }
}
