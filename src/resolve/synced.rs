//! The session that another machine put into a file here, where there was no keyfob to take it.

use std::path::PathBuf;

use super::{Session, Sources};
use crate::error::Result;
use crate::record::Synced;
use crate::store::{Stored, session_file};

/// What stands for a store's name.
const NAME: &str = "synced";

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
    Ok(record.map(|record| (Stored { record, store: NAME }, directory)))
}
