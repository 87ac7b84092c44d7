//! Opening the files that decide where secrets go: they must be ours or the system's, and writable by nobody else.
//!
//! It knows neither TOML nor the index. Security review, sections 1c and 4a.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The longest provider file that is read: ten thousand targets. At ten times as much, one file costs each rebuild of
/// the index a second.
const MAX_FILE: u64 = 1024 * 1024;

/// What tells that a file or directory is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// Nanoseconds since the Unix epoch.
    pub(super) mtime: i64,
    pub(super) size: u64,
    pub(super) inode: u64,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Stamp {
        let mtime = metadata
            .mtime()
            .saturating_mul(1_000_000_000)
            .saturating_add(metadata.mtime_nsec());
        Stamp {
            mtime,
            size: metadata.size(),
            inode: metadata.ino(),
        }
    }
}

/// The text of a provider file and its state before the first byte was read; none where there is no such file.
///
/// # Errors
/// [`crate::error::Class::Store`] when others could have written it; [`crate::error::Class::Usage`], naming the place,
/// when it is no file, too long, or not text.
pub(super) fn read(path: &Path) -> Result<Option<(String, Stamp)>> {
    match read_bytes(path)? {
        Some((bytes, stamp)) => text(bytes, path).map(|text| Some((text, stamp))),
        None => Ok(None),
    }
}

/// The same of a file that may not be text.
///
/// # Errors
/// As [`read`].
pub(super) fn read_bytes(path: &Path) -> Result<Option<(Vec<u8>, Stamp)>> {
    let place = path.display();
    let failed = |error: &io::Error| Error::usage(format!("reading {place}: {}", error.kind()));
    let file = match open(path, OFlags::empty()) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&error)),
    };
    let metadata = file.metadata().map_err(|error| failed(&error))?;
    if !metadata.is_file() {
        return Err(Error::usage(format!(
            "{place}:1: expected a file, found something else"
        )));
    }
    check_owner(&metadata, path)?;
    all(file, metadata.len(), path).map(|bytes| Some((bytes, Stamp::of(&metadata))))
}

/// The text of a file that a person named.
///
/// # Errors
/// [`crate::error::Class::Usage`], naming the place, when it cannot be read, is too long, or not text.
pub(super) fn read_named(path: &Path) -> Result<String> {
    let file = open(path, OFlags::empty());
    let file = file.map_err(|error| Error::usage(format!("reading {}: {}", path.display(), error.kind())))?;
    text(all(file, 0, path)?, path)
}

/// Opens a file for reading. A pipe in its place must not make us wait.
pub(super) fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = (flags | OFlags::NONBLOCK).bits().cast_signed();
    File::options().read(true).custom_flags(flags).open(path)
}

/// All of a file that had `len` bytes a moment ago.
fn all(file: File, len: u64, path: &Path) -> Result<Vec<u8>> {
    let place = path.display();
    // With room for them, and for more as it is asked for, the file is read in one piece and found to be at its end.
    let room = usize::try_from(len.min(MAX_FILE)).unwrap_or_default() + 64;
    let mut bytes = Vec::with_capacity(room);
    let read = file.take(MAX_FILE + 1).read_to_end(&mut bytes);
    read.map_err(|error| Error::usage(format!("reading {place}: {}", error.kind())))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Error::usage(format!("{place}:1: expected at most 1 MiB, found more")));
    }
    Ok(bytes)
}

fn text(bytes: Vec<u8>, path: &Path) -> Result<String> {
    let place = path.display();
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|b| **b == b'\n').count() + 1;
        Error::usage(format!("{place}:{line}: expected UTF-8, found other bytes"))
    })
}

/// The state of the directory of provider files; none where there is none.
///
/// # Errors
/// [`crate::error::Class::Store`] when others can change what is in it.
pub(super) fn directory_stamp(directory: &Path) -> Result<Option<Stamp>> {
    match std::fs::metadata(directory) {
        Ok(metadata) => {
            check_owner(&metadata, directory)?;
            Ok(Some(Stamp::of(&metadata)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::store(format!(
            "reading {}: {}",
            directory.display(),
            error.kind()
        ))),
    }
}

/// What decides where secrets go must be ours or the system's, and writable by nobody else.
pub(super) fn check_owner(metadata: &Metadata, path: &Path) -> Result<()> {
    let own = rustix::process::geteuid().as_raw();
    if metadata.uid() != own && metadata.uid() != 0 {
        return Err(Error::store(format!("{} belongs to another user", path.display())));
    }
    if metadata.mode() & 0o022 != 0 {
        let message = format!("{} can be written by other users", path.display());
        return Err(Error::store(message).hint(format!("run `chmod go-w {}`", path.display())));
    }
    Ok(())
}
