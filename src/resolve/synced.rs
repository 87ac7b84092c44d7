//! Sessions that another machine put here: into a file, where there was no keyfob to take one; and which is meant where
//! there are others.

use std::path::PathBuf;

use super::session::lives;
use super::{Session, Sources};
use crate::error::Result;
use crate::record::Synced;
use crate::store::{Stored, session_file};
use crate::time::Timestamp;

/// The session in the file of this program, and the file's directory; none where there is none of this provider and mode,
/// or of another account than the one that was named.
///
/// # Errors
/// [`crate::error::Class::Store`] when others can read or change the file.
pub(super) fn find(sources: &Sources, session: &Session, program: &str) -> Result<Option<(Stored, PathBuf)>> {
    let Ok(directory) = sources.world.expand(&format!("~/.config/{program}")) else {
        return Ok(None);
    };
    let Some(bytes) = session_file::read(&directory)? else {
        return Ok(None);
    };
    let found = Synced::in_file(&bytes, &session.provider, &session.mode, session.variables());
    let record = found.map(|synced| synced.record(sources.world.now()));
    let record = record.filter(|record| {
        let account = session.account.as_ref();
        account.is_none_or(|name| record.key.account.is_empty() || record.key.account == *name)
    });
    Ok(record.map(|record| {
        (
            Stored {
                record,
                store: session_file::STORE,
            },
            directory,
        )
    }))
}

/// Of several sessions the one that was synced here is meant, since somebody has just said so; when it has ended it is
/// none of them.
pub(super) fn first(stored: &mut Vec<Stored>, now: Timestamp) {
    let lives = |stored: &Stored| lives(&stored.record, now);
    let is_synced = |stored: &Stored| stored.record.synced_at.is_some();
    if stored.iter().filter(|row| is_synced(row) && lives(row)).count() == 1 {
        stored.retain(|row| is_synced(row) && lives(row));
    } else if stored.iter().any(|row| !is_synced(row)) {
        stored.retain(|row| !is_synced(row) || lives(row));
    }
}
