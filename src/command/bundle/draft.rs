//! A bundle on its way to its file: whole under its name, or not there.
//!
//! It knows bytes and a path, not what they mean. The file is made for its owner alone, is flushed and read back before
//! it gets its name, and never takes the place of another.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};

use crate::error::{Error, Result};

/// A file beside the one that it will be; removed when dropped.
#[derive(Debug)]
pub(in crate::command) struct Draft {
    path: PathBuf,
    temporary: PathBuf,
    /// Locked as long as the process lives, so that the next one can tell a draft from what a killed one left.
    _file: File,
    is_named: bool,
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

impl Draft {
    /// Writes the bytes beside the path, flushes them, and reads them back.
    ///
    /// # Errors
    /// [`crate::error::Class::Refused`] when there is something at the path; [`crate::error::Class::Failure`] with what
    /// the system refused, or when what was read is not what was written.
    pub(in crate::command) fn write(path: &Path, bytes: &[u8]) -> Result<Draft> {
        check_free(path)?;
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| Error::usage(format!("`{}` is not the name of a file", path.display())))?;
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        sweep(directory, name);
        let random = data_encoding::HEXLOWER.encode(&crate::world::random::<8>());
        let temporary = directory.join(format!(".{name}.{random}.tmp"));
        let mut options = File::options();
        let file = options.write(true).create_new(true).mode(0o600).open(&temporary);
        let file = file.map_err(|error| failed("writing", path, &error))?;
        let draft = Draft {
            path: path.to_owned(),
            temporary,
            _file: file,
            is_named: false,
        };
        let mut file = &draft._file;
        let _ = file.try_lock();
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        written.map_err(|error| failed("writing", path, &error))?;
        let back = std::fs::read(&draft.temporary).map_err(|error| failed("reading", path, &error))?;
        if back != bytes {
            let message = format!("`{}` is not on the disk as it was written", path.display());
            return Err(Error::failure(message));
        }
        Ok(draft)
    }

    /// Gives it its name, and makes that outlive a power failure.
    ///
    /// # Errors
    /// As [`Draft::write`]; the file is not there then.
    pub(in crate::command) fn publish(mut self) -> Result<()> {
        let renamed = rustix::fs::renameat_with(CWD, &self.temporary, CWD, &self.path, RenameFlags::NOREPLACE);
        let named = match renamed {
            Ok(()) => Ok(true),
            // A file system that cannot rename in this way can perhaps give a second name.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
                std::fs::hard_link(&self.temporary, &self.path).map(|()| false)
            }
            Err(errno) => Err(errno.into()),
        };
        self.is_named = named.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => exists_already(&self.path),
            _ => failed("writing", &self.path, &error),
        })?;
        let directory = self.temporary.parent().unwrap_or(Path::new("."));
        if let Ok(directory) = File::open(directory) {
            // Some file systems cannot, and have nothing to flush.
            let _ = directory.sync_all();
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_named {
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

/// Removes the drafts of this file that killed processes left.
fn sweep(directory: &Path, name: &str) {
    let ours = |left: &str| {
        let middle = left.strip_prefix('.').and_then(|rest| rest.strip_prefix(name));
        let middle = middle.and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".tmp"));
        middle.is_some_and(|random| random.len() == 16 && random.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(ours)
            && let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
