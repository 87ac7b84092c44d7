//! The lock of a place that several data directories may share: a file at a fixed path, or an item of the keychain.
//!
//! It is an empty file beside the place, there only while somebody changes what lies in the place; one that a kill left is
//! taken over, and removed, by the next one. It knows names in a directory, not what they stand for. Security review,
//! section 3c.

use std::fs::{File, TryLockError};
use std::rc::Rc;
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::StoreError;
use super::disk::nap;
use super::folder::{Folder, refusal};

/// The right to change what has this name in this directory; given back when dropped, or when the process ends in any way.
#[derive(Debug)]
pub(super) struct Beside {
    folder: Rc<Folder>,
    name: String,
    file: String,
    _locked: File,
}

impl Beside {
    /// Takes it, waiting at most `patience`; none when somebody else has it all that time.
    ///
    /// # Errors
    /// When the file cannot be made: what lies beside it could not be changed either.
    pub(super) fn take(
        folder: &Rc<Folder>,
        name: &str,
        patience: Duration,
        wait: &dyn Fn(Duration),
    ) -> Result<Option<Beside>, StoreError> {
        let file = format!(".{name}.keyfob-lock");
        let failed = |errno| refusal("locking", &folder.place(&file), errno);
        let mut waited = Duration::ZERO;
        loop {
            match try_lock(folder, &file) {
                Ok(Some(locked)) => {
                    return Ok(Some(Beside {
                        folder: Rc::clone(folder),
                        name: name.to_owned(),
                        file,
                        _locked: locked,
                    }));
                }
                // Whoever had it has removed it meanwhile: what we locked is nobody's lock any more.
                Ok(None) => (),
                Err(Errno::WOULDBLOCK) if waited >= patience => return Ok(None),
                // It is another user's; or somebody is replacing it this moment.
                Err(Errno::WOULDBLOCK | Errno::ACCESS) if waited < patience => waited += nap(patience - waited, wait),
                Err(errno) => return Err(failed(errno)),
            }
        }
    }

    /// Whether it is the lock of this name in this directory, by whatever path that was reached.
    pub(super) fn is_of(&self, folder: &Folder, name: &str) -> bool {
        self.name == name && self.folder.is_same(folder)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // Before it is unlocked: one who waits for it then finds that it is gone, and makes another.
        let _ = self.folder.remove(&self.file);
    }
}

/// One try; none when the file is not the one of that name any more.
fn try_lock(folder: &Folder, name: &str) -> Result<Option<File>, Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let open = || rustix::fs::openat(folder, name, flags, Mode::RUSR | Mode::WUSR);
    let fd = match open() {
        Err(Errno::ACCESS) if give_rights(folder, name)? => open()?,
        fd => fd?,
    };
    let ours = rustix::fs::fstat(&fd)?;
    if FileType::from_raw_mode(ours.st_mode) != FileType::RegularFile {
        return Err(Errno::EXIST);
    }
    // A umask that denies all must keep nobody out whom a kill leaves it to.
    if ours.st_mode & 0o777 != 0o600 {
        let _ = rustix::fs::fchmod(&fd, Mode::RUSR | Mode::WUSR);
    }
    let file = File::from(fd);
    match file.try_lock() {
        Ok(()) => (),
        Err(TryLockError::WouldBlock) => return Err(Errno::WOULDBLOCK),
        Err(TryLockError::Error(error)) => return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
    }
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(there) if (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino) => Ok(Some(file)),
        Ok(_) | Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Gives a file of ours the rights that one who was killed right after making it had no time to give. Says whether it is ours.
fn give_rights(folder: &Folder, name: &str) -> Result<bool, Errno> {
    let there = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(there) => there,
        // It is free by now.
        Err(Errno::NOENT) => return Ok(true),
        Err(errno) => return Err(errno),
    };
    let is_file = FileType::from_raw_mode(there.st_mode) == FileType::RegularFile;
    if !is_file || there.st_uid != rustix::process::geteuid().as_raw() {
        return Ok(false);
    }
    match rustix::fs::chmodat(folder, name, Mode::RUSR | Mode::WUSR, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(errno) => Err(errno),
    }
}
