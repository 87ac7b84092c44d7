//! The file of a session that was synced to a machine without a keyfob: `session` in the directory of a program's own.
//!
//! It is no record and in no store: whoever reads it is the program that it is for. It knows bytes alone. The directory is
//! the program's, and may be open to others; the file may not.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::StoreError;

/// What stands for a store's name where the session in the file is shown.
pub const STORE: &str = "synced";

/// In words for a person, what protects it.
pub const PROTECTION: &str = "not encrypted; only this user's programs, and root, can read the file";

/// The longest that is read: the longest token, and as much again for what is known of it.
const MAX: u64 = 128 * 1024;

/// Where the file of a program's directory is.
pub fn place(directory: &Path) -> PathBuf {
    directory.join("session")
}

/// What the file in this directory holds; none if there is none.
///
/// # Errors
/// [`StoreError::Denied`] when it is no plain file of ours that nobody else can read or change; [`StoreError::Failed`]
/// when it cannot be read or is too long.
pub fn read(directory: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    let path = place(directory);
    let failed = |error: &io::Error| StoreError::Failed(format!("reading `{}`: {}", path.display(), error.kind()));
    // A pipe in its place must not make us wait.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = match File::options().read(true).custom_flags(flags).open(&path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(failed(&error)),
    };
    let metadata = file.metadata().map_err(|error| failed(&error))?;
    let own = rustix::process::geteuid().as_raw();
    if !metadata.is_file() || metadata.uid() != own || metadata.nlink() > 1 || metadata.mode() & 0o077 != 0 {
        return Err(StoreError::Denied(format!(
            "`{}` is not a file that you alone can read and change; remove it",
            path.display()
        )));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    file.take(MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(&error))?;
    if bytes.len() as u64 > MAX {
        return Err(StoreError::Failed(format!("`{}` is too long", path.display())));
    }
    Ok(Some(bytes))
}

/// Removes the file, and says whether it was there.
///
/// # Errors
/// What the system refused.
pub fn remove(directory: &Path) -> Result<bool, StoreError> {
    let path = place(directory);
    match std::fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(StoreError::Failed(format!(
            "removing `{}`: {}",
            path.display(),
            error.kind()
        ))),
    }
}
