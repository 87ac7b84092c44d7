//! A bundle on its way to its file: whole under its name, or not there.
//!
//! It knows bytes and a path, not what they mean. The file is made for its owner alone, is flushed and read back before
//! it gets its name, and never takes the place of another.

use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};

use crate::error::{Error, Result};

/// A file beside the one that it will be; removed when dropped, unless it has its name or is kept.
#[derive(Debug)]
pub(in crate::command) struct Draft {
    path: PathBuf,
    temporary: PathBuf,
    /// Locked as long as the process lives, so that the next one can tell a draft from what a killed one left.
    file: File,
    stays: bool,
}

/// Why a draft is not the file that it should be.
#[derive(Debug)]
pub(in crate::command) enum Trouble {
    /// It did not get its name, and never will.
    Unnamed(Error),
    /// It has its name, or may have; whether a power failure leaves it so, nobody knows.
    Unsure(Error),
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Error {
        match trouble {
            Trouble::Unnamed(error) | Trouble::Unsure(error) => error,
        }
    }
}

fn failed(doing: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::failure(format!("{doing} `{}`: {}", path.display(), error.kind()))
}

fn exists_already(path: &Path) -> Error {
    Error::refused(format!("`{}` exists already", path.display())).hint("name a file that does not")
}

/// Refuses a path where something is, before anybody is asked for a passphrase.
pub(in crate::command) fn check_free(path: &Path) -> Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Err(exists_already(path)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("looking at", path, &error)),
    }
}

/// Makes the names in a directory outlive a power failure.
///
/// # Errors
/// What the system refused; not that a file system has nothing to flush, or that a directory cannot be opened to be
/// flushed.
fn flush(directory: &Path) -> std::io::Result<()> {
    let opened = match File::open(directory) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(()),
        opened => opened?,
    };
    match opened.sync_all() {
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        done => done,
    }
}

/// Makes the name of a file that is there outlive a power failure.
///
/// # Errors
/// [`crate::error::Class::Failure`] with what the system refused.
pub(in crate::command) fn flush_name(path: &Path) -> Result<()> {
    flush(directory_of(path)).map_err(|error| failed("flushing the directory of", path, &error))
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

impl Draft {
    /// Writes the bytes beside the path, flushes them, and reads them back. Drafts of that path which killed processes
    /// left are removed, but for those whose name is in `noted`.
    ///
    /// # Errors
    /// [`crate::error::Class::Refused`] when there is something at the path; [`crate::error::Class::Failure`] with what
    /// the system refused, or when what was read is not what was written.
    pub(in crate::command) fn write(path: &Path, bytes: &[u8], noted: &[OsString]) -> Result<Draft> {
        check_free(path)?;
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| Error::usage(format!("`{}` is not the name of a file", path.display())))?;
        let directory = directory_of(path);
        sweep(directory, name, noted);
        let random = data_encoding::HEXLOWER.encode(&crate::world::random::<8>());
        let temporary = directory.join(format!(".{name}.{random}.tmp"));
        let mut options = File::options();
        let file = options.write(true).create_new(true).mode(0o600).open(&temporary);
        let file = file.map_err(|error| failed("writing", path, &error))?;
        let draft = Draft {
            path: path.to_owned(),
            temporary,
            file,
            stays: false,
        };
        let mut file = &draft.file;
        let _ = file.try_lock();
        // Its name too: whoever looks for it after a power failure learns from it that it was never published.
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        let written = written.and_then(|()| flush(directory));
        written.map_err(|error| failed("writing", path, &error))?;
        let back = std::fs::read(&draft.temporary).map_err(|error| failed("reading", path, &error))?;
        if back != bytes {
            let message = format!("`{}` is not on the disk as it was written", path.display());
            return Err(Error::failure(message));
        }
        Ok(draft)
    }

    /// The file that it will be.
    pub(in crate::command) fn path(&self) -> &Path {
        &self.path
    }

    /// The file that it is now.
    pub(in crate::command) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Leaves it where it is, also without a name.
    pub(in crate::command) fn keep(&mut self) {
        self.stays = true;
    }

    /// Gives it its name, and makes that outlive a power failure. It is never at both names.
    ///
    /// # Errors
    /// [`Trouble::Unnamed`] as [`Draft::write`]; [`Trouble::Unsure`] when the name could not be flushed.
    pub(in crate::command) fn publish(&mut self) -> Result<(), Trouble> {
        let renamed = rustix::fs::renameat_with(CWD, &self.temporary, CWD, &self.path, RenameFlags::NOREPLACE);
        let named = match renamed {
            Ok(()) => Ok(()),
            // The file system cannot tell whether something is there.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => self.replace_own(),
            Err(errno) => Err(errno.into()),
        };
        if let Err(error) = named {
            let trouble = match error.kind() {
                ErrorKind::AlreadyExists => exists_already(&self.path),
                _ => failed("writing", &self.path, &error),
            };
            // A server of files may have done it, and its answer was lost.
            if self.temporary.symlink_metadata().is_ok() {
                return Err(Trouble::Unnamed(trouble));
            }
            self.stays = true;
            return Err(Trouble::Unsure(trouble));
        }
        self.stays = true;
        let flushed = self.file.sync_all().and_then(|()| flush(directory_of(&self.path)));
        flushed.map_err(|error| Trouble::Unsure(failed("flushing", &self.path, &error)))
    }

    /// Takes the place of an empty file that was made just now, so that no other is replaced. A second name for the
    /// draft would not do: cut off between the two, nobody could tell it from one that was never published.
    fn replace_own(&self) -> std::io::Result<()> {
        let mut options = File::options();
        let placeholder = options.write(true).create_new(true).mode(0o600).open(&self.path)?;
        std::fs::rename(&self.temporary, &self.path).inspect_err(|_| remove_placeholder(&self.path, &placeholder))
    }
}

/// Removes the empty file again, unless what is there now is the bundle: a server of files may have renamed it although
/// its answer was lost. The file is opened to be looked at, since such a server is then asked and not what is remembered.
fn remove_placeholder(path: &Path, placeholder: &File) {
    let id = |file: &File| {
        file.metadata()
            .map(|found| (found.dev(), found.ino(), found.len()))
            .ok()
    };
    let (there, made) = (File::open(path).ok().and_then(|file| id(&file)), id(placeholder));
    if there.is_some() && there == made && made.is_some_and(|(.., length)| length == 0) {
        let _ = std::fs::remove_file(path);
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.stays {
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

/// Removes the drafts of this file that killed processes left, but for those that are noted.
fn sweep(directory: &Path, name: &str, noted: &[OsString]) {
    let ours = |left: &str| {
        let middle = left.strip_prefix('.').and_then(|rest| rest.strip_prefix(name));
        let middle = middle.and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".tmp"));
        middle.is_some_and(|random| random.len() == 16 && random.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(ours)
            && !noted.contains(&entry.file_name())
            && let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_rename_takes_away_the_empty_file_and_nothing_else() {
        let random = data_encoding::HEXLOWER.encode(&crate::world::random::<8>());
        let directory = std::env::temp_dir().join(format!("keyfob-draft-{random}"));
        std::fs::create_dir(&directory).unwrap();
        let path = directory.join("bundle.age");
        let mut draft = Draft::write(&path, b"canary", &[]).unwrap();
        // The draft has gone, so the rename fails with the placeholder in its place.
        std::fs::remove_file(draft.temporary()).unwrap();
        draft.replace_own().unwrap_err();
        assert!(path.symlink_metadata().is_err());

        // It was renamed, and its answer was lost.
        draft = Draft::write(&path, b"canary", &[]).unwrap();
        let placeholder = File::create(&path).unwrap();
        std::fs::rename(draft.temporary(), &path).unwrap();
        remove_placeholder(&path, &placeholder);
        assert_eq!(std::fs::read(&path).unwrap(), b"canary");

        // Another empty file is not ours either.
        let other = File::create(directory.join("other")).unwrap();
        std::fs::write(&path, "").unwrap();
        remove_placeholder(&path, &other);
        assert!(path.exists());
        drop(draft);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
