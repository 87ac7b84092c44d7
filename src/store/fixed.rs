//! A file at a path that a provider file fixes, with one record in it.
//!
//! The slot stays where all slots are and points to it, so that locks, listing and lookup know nothing of the path. The
//! file is written before the slot: one that was cut off in between is found newer than its slot, which is no damage.
//! What is there and was not written here is never replaced. Security review, section 4a.

use std::path::Path;
use std::rc::Rc;

use zeroize::Zeroizing;

use super::disk::{check_parent, make};
use super::folder::Folder;
use super::slot::{Flaw, MAX_SLOT};
use super::{Header, StoreError, document};
use crate::record::{Key, Record};

/// Puts a record there, and makes the directory if there is none. The caller holds the locks of the record and of the path.
///
/// # Errors
/// [`StoreError::Denied`] when something else is there, [`StoreError::Changed`] when it was changed since it was read; else
/// what the system refused. The file is as it was.
pub(super) fn write(path: &Path, slot: &str, header: &Header, record: &[u8]) -> Result<(), StoreError> {
    let (folder, name) = folder_of(path, true)?.ok_or_else(|| nowhere(path))?;
    if own(path, &folder, name, slot)?.is_some_and(|found| !follows(&found, header)) {
        let path = path.display();
        return Err(StoreError::Changed(format!("`{path}` was changed by another keyfob")));
    }
    folder.sweep(name)?;
    folder.replace(name, &document::encode(header, record))
}

/// Makes sure that there is nothing, or a record of this slot.
///
/// # Errors
/// [`StoreError::Denied`] when something else is there; else what the system refused.
pub(super) fn prove_own(path: &Path, slot: &str) -> Result<(), StoreError> {
    match folder_of(path, false)? {
        Some((folder, name)) => own(path, &folder, name, slot).map(|_| ()),
        None => Ok(()),
    }
}

/// Whether something is there, can be read, and is no record of this slot.
pub(super) fn is_others(path: &Path, slot: &str) -> bool {
    let Ok(Some((folder, name))) = folder_of(path, false) else {
        return false;
    };
    match found(&folder, name) {
        Ok(Found::Record(header, bytes)) => !is_of(&header, record_of(&bytes), slot),
        Ok(Found::Flawed(Flaw::Damaged(_))) => true,
        Ok(Found::Nothing | Found::Flawed(Flaw::Newer)) | Err(_) => false,
    }
}

/// The header of the record that is there, which is one of this slot.
fn own(path: &Path, folder: &Folder, name: &str, slot: &str) -> Result<Option<Header>, StoreError> {
    match found(folder, name)? {
        Found::Nothing => Ok(None),
        Found::Record(found, bytes) if is_of(&found, record_of(&bytes), slot) => Ok(Some(found)),
        Found::Record(..) => Err(another(path)),
        Found::Flawed(flaw @ Flaw::Newer) => Err(flaw.at(path)),
        Found::Flawed(Flaw::Damaged(_)) => Err(foreign(path)),
    }
}

/// The encoded record that is there. The header follows it: another data directory may have renewed the session, or
/// logged in anew.
///
/// # Errors
/// [`StoreError::Absent`] when there is none; [`StoreError::Damaged`] when it is an older one than the slot says.
pub(super) fn read(path: &Path, header: &mut Header) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let gone = || StoreError::Absent(format!("`{}` is gone", path.display()));
    let (folder, name) = folder_of(path, false)?.ok_or_else(gone)?;
    let bytes = match found(&folder, name)? {
        Found::Nothing => return Err(gone()),
        Found::Flawed(flaw) => return Err(flaw.at(path)),
        Found::Record(now, _) if is_older(&now, header) => {
            let path = path.display();
            return Err(StoreError::Damaged(format!("`{path}` is older than it was")));
        }
        Found::Record(now, bytes) => {
            adopt(header, now);
            bytes
        }
    };
    let record = record_of(&bytes);
    Ok(Zeroizing::new(record.to_vec()))
}

/// Removes the file, and what was cut off on its way there. The record of another key has taken the place, and is left.
///
/// # Errors
/// [`StoreError::Denied`] when something else is there by now, which is left.
pub(super) fn remove(path: &Path, slot: &str) -> Result<(), StoreError> {
    let Some((folder, name)) = folder_of(path, false)? else {
        return Ok(());
    };
    folder.sweep(name)?;
    match found(&folder, name)? {
        Found::Nothing => Ok(()),
        Found::Record(header, bytes) if is_of(&header, record_of(&bytes), slot) => {
            folder.remove(name)?;
            folder.sync()
        }
        Found::Record(..) => Ok(()),
        Found::Flawed(_) => {
            let path = path.display();
            Err(StoreError::Denied(format!(
                "`{path}` is not as keyfob wrote it and is left; it may hold a secret, remove it yourself"
            )))
        }
    }
}

/// The bytes that are there, whatever they are.
pub(super) fn copy(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    match folder_of(path, false)? {
        Some((folder, name)) => folder.read(name, MAX_SLOT),
        None => Ok(None),
    }
}

/// Puts there what was there before a change that is taken back, if that was begun. The caller holds the locks of record and
/// path.
pub(super) fn put_back(path: &Path, bytes: Option<&Zeroizing<Vec<u8>>>) -> Result<(), StoreError> {
    if copy(path)?.as_ref() == bytes {
        return Ok(());
    }
    let (folder, name) = folder_of(path, true)?.ok_or_else(|| nowhere(path))?;
    match bytes {
        Some(bytes) => folder.replace(name, bytes),
        None => folder.remove(name).map(|_| ()),
    }
}

/// Removes what was cut off on its way there. The caller holds the lock of the record.
pub(super) fn sweep(path: &Path) -> Result<(), StoreError> {
    match folder_of(path, false)? {
        Some((folder, name)) => folder.sweep(name),
        None => Ok(()),
    }
}

/// Makes sure that a record can be written there now.
pub(super) fn prove(path: &Path, size: usize) -> Result<(), StoreError> {
    let (folder, name) = folder_of(path, true)?.ok_or_else(|| nowhere(path))?;
    let temporary = folder.temporary(name);
    temporary
        .map_err(|errno| super::folder::refusal("writing", path, errno))?
        .reserve(size)
}

/// The key of the record that is there; none where there is nothing.
///
/// # Errors
/// [`StoreError::Denied`] when something else is there, or not for this user alone.
pub(super) fn holder(path: &Path) -> Result<Option<Key>, StoreError> {
    let Some((folder, name)) = folder_of(path, false)? else {
        return Ok(None);
    };
    match found(&folder, name)? {
        Found::Nothing => Ok(None),
        Found::Flawed(Flaw::Damaged(_)) => Err(foreign(path)),
        Found::Flawed(flaw) => Err(flaw.at(path)),
        Found::Record(header, bytes) => {
            let record = Record::decode(record_of(&bytes), header.family, header.generation);
            record.map(|record| Some(record.key)).map_err(|_| foreign(path))
        }
    }
}

enum Found {
    Nothing,
    Record(Header, Zeroizing<Vec<u8>>),
    Flawed(Flaw),
}

fn found(folder: &Folder, name: &str) -> Result<Found, StoreError> {
    let Some(bytes) = folder.read(name, MAX_SLOT)? else {
        return Ok(Found::Nothing);
    };
    let decoded = document::decode(&bytes).map(|(header, _)| header);
    Ok(match decoded {
        Ok(header) => Found::Record(header, bytes),
        Err(flaw) => Found::Flawed(flaw),
    })
}

/// The encoded record of a document that was decoded before.
fn record_of(bytes: &[u8]) -> &[u8] {
    document::decode(bytes).map_or(b"".as_slice(), |(_, record)| record)
}

/// Whether a record belongs to a slot.
pub(super) fn is_of(header: &Header, record: &[u8], slot: &str) -> bool {
    let record = Record::decode(record, header.family.clone(), header.generation);
    record.is_ok_and(|record| record.key.digest() == slot)
}

/// Whether a record may take the place of what was found: the next one of the same login, or the first of a new one.
///
/// Any other was made from something that is not there any more, as when two data directories share the place.
pub(super) fn follows(found: &Header, next: &Header) -> bool {
    if found.family == next.family {
        found.generation < next.generation
    } else {
        next.generation == FIRST
    }
}

/// The generation of a login's first record.
const FIRST: u64 = 1;

/// Makes the header of a slot that of what was found in its place.
pub(super) fn adopt(header: &mut Header, found: Header) {
    (header.family, header.generation) = (found.family, found.generation);
}

/// Whether what was found is of the same login as a slot, and from before the slot's last change.
pub(super) fn is_older(found: &Header, slot: &Header) -> bool {
    found.family == slot.family && found.generation < slot.generation
}

/// The directory of a path and the name in it; none if there is no directory.
pub(super) fn folder_of(path: &Path, to_write: bool) -> Result<Option<(Rc<Folder>, &str)>, StoreError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Err(nowhere(path));
    };
    if let Some(folder) = Folder::open(parent, true)? {
        return Ok(Some((Rc::new(folder), name)));
    }
    if !to_write {
        return Ok(None);
    }
    check_parent(parent)?;
    make(parent)?;
    let folder = Folder::open(parent, false)?;
    if let Some(folder) = &folder {
        // Secrets are no matter for a version control system that keeps the home directory.
        folder.note(".gitignore", b"*\n");
    }
    Ok(folder.map(|folder| (Rc::new(folder), name)))
}

fn nowhere(path: &Path) -> StoreError {
    StoreError::Failed(format!("`{}` is no place for a file", path.display()))
}

fn foreign(path: &Path) -> StoreError {
    let path = path.display();
    StoreError::Denied(format!(
        "`{path}` is not as keyfob writes it and is left as it is; move it away"
    ))
}

fn another(path: &Path) -> StoreError {
    StoreError::Denied(format!(
        "`{}` has the session of another account or provider, and room for one",
        path.display()
    ))
}
