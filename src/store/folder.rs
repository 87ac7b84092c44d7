//! One open directory of ours: which names it has, reading a file, replacing a file whole.
//!
//! It knows neither slots nor records, only bytes. Every file in it is checked before a byte is believed, and every
//! change is temporary file, flush, rename, flush of the directory. Security review, section 4a.

use std::cell::Cell;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::process::Uid;
use zeroize::Zeroizing;

use super::StoreError;
use crate::world::random;

/// An open directory that passed the checks.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
    listed: Cell<bool>,
    /// Who we were when it was opened.
    user: Uid,
}

const WRITABLE_BY_OTHERS: u32 = 0o022;
const OPEN_TO_OTHERS: u32 = 0o077;

impl Folder {
    /// Opens a directory; none if there is none. `follow` lets its last name be a symbolic link.
    pub(super) fn open(path: &Path, follow: bool) -> Result<Option<Folder>, StoreError> {
        let mut flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        flags.set(OFlags::NOFOLLOW, !follow);
        let fd = match rustix::fs::openat(CWD, path, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(refusal("opening", path, errno)),
        };
        let stat = rustix::fs::fstat(&fd).map_err(|errno| refusal("looking at", path, errno))?;
        let user = rustix::process::geteuid();
        check_directory(path, &stat, user)?;
        Ok(Some(Folder {
            fd,
            path: path.to_owned(),
            listed: Cell::new(false),
            user,
        }))
    }

    /// Whether it is the same directory as another one, by whatever paths the two were opened.
    pub(super) fn is_same(&self, other: &Folder) -> bool {
        let seen = |folder: &Folder| rustix::fs::fstat(&folder.fd).map(|stat| (stat.st_dev, stat.st_ino));
        matches!((seen(self), seen(other)), (Ok(one), Ok(other)) if one == other)
    }

    /// Whose it is: this user.
    pub(super) fn user(&self) -> Uid {
        self.user
    }

    /// The path of a name in it.
    pub(super) fn place(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// All names that are text, sorted; none once the directory was removed by somebody who found it empty.
    pub(super) fn names(&self) -> Result<Vec<String>, StoreError> {
        if self.listed.replace(true) {
            let start = rustix::fs::seek(&self.fd, rustix::fs::SeekFrom::Start(0));
            start.map_err(|errno| refusal("reading", &self.path, errno))?;
        }
        let mut names = Vec::new();
        let seen = self.each_name(|name| {
            if let Some(name) = name.to_str().ok().filter(|name| !matches!(*name, "." | "..")) {
                names.push(name.to_owned());
            }
        });
        match seen {
            Ok(()) | Err(Errno::NOENT) => (),
            Err(errno) => return Err(refusal("reading", &self.path, errno)),
        }
        names.sort_unstable();
        Ok(names)
    }

    #[cfg(target_os = "linux")]
    fn each_name(&self, mut see: impl FnMut(&std::ffi::CStr)) -> Result<(), Errno> {
        // A name takes at most 280 bytes, a folder holds a handful, and each fresh page of stack is a page fault.
        let mut buffer = [std::mem::MaybeUninit::uninit(); 2048];
        let mut entries = rustix::fs::RawDir::new(&self.fd, &mut buffer);
        while let Some(entry) = entries.next() {
            see(entry?.file_name());
        }
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    fn each_name(&self, mut see: impl FnMut(&std::ffi::CStr)) -> Result<(), Errno> {
        for entry in rustix::fs::Dir::read_from(&self.fd)? {
            see(entry?.file_name());
        }
        Ok(())
    }

    /// The content of a file of at most `limit` bytes; none if there is none.
    ///
    /// # Errors
    /// [`StoreError::Denied`] when it is not a plain file of ours that only we can write; what others can read is
    /// closed to them without a word. [`StoreError::Damaged`] when it is longer than `limit`.
    pub(super) fn read(&self, name: &str, limit: usize) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let failed = |errno| refusal("reading", &self.place(name), errno);
        let fd = match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(failed(errno)),
        };
        let stat = rustix::fs::fstat(&fd).map_err(failed)?;
        self.check_file(name, &stat)?;
        if mode(&stat) & OPEN_TO_OTHERS != 0 {
            let _ = rustix::fs::fchmod(&fd, Mode::RUSR | Mode::WUSR);
        }
        let size = usize::try_from(stat.st_size).unwrap_or(usize::MAX);
        if size > limit {
            let place = self.place(name);
            return Err(StoreError::Damaged(format!("`{}` is too long", place.display())));
        }
        let mut bytes = Zeroizing::new(vec![0; size]);
        let read = File::from(fd).read_exact(&mut bytes);
        match read {
            Ok(()) => Ok(Some(bytes)),
            Err(error) => Err(failed(Errno::from_io_error(&error).unwrap_or(Errno::IO))),
        }
    }

    fn check_file(&self, name: &str, stat: &Stat) -> Result<(), StoreError> {
        let wrong = |how: &str| {
            let place = self.place(name);
            Err(StoreError::Denied(format!("`{}` {how}", place.display())))
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return wrong("is not a regular file; remove it");
        }
        if stat.st_uid != self.user.as_raw() {
            return wrong("belongs to another user; remove it");
        }
        // None is what a file has that was replaced since it was opened: it is as whole as the new one.
        if stat.st_nlink > 1 {
            return wrong("has a second name (a hard link); remove it");
        }
        if mode(stat) & WRITABLE_BY_OTHERS != 0 {
            let place = self.place(name);
            return wrong(&format!(
                "can be written by other users; if you trust it, run `chmod 600 {}`",
                place.display()
            ));
        }
        Ok(())
    }

    /// An empty temporary file for what will be called `name`.
    ///
    /// # Errors
    /// [`Errno::NOENT`] when the directory was removed meanwhile: make it again.
    pub(super) fn temporary(self: &Rc<Self>, name: &str) -> Result<Temporary, Errno> {
        let temporary = format!(".{name}.{}.tmp", data_encoding::HEXLOWER.encode(&random::<8>()));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, &temporary, flags, Mode::RUSR | Mode::WUSR)?;
        let made = Temporary {
            folder: Rc::clone(self),
            name: temporary,
            of: name.to_owned(),
            file: File::from(fd),
            kept: false,
        };
        // A umask can take rights away that we need for the next change.
        rustix::fs::fchmod(&made.file, Mode::RUSR | Mode::WUSR)?;
        Ok(made)
    }

    /// Replaces or makes a file.
    pub(super) fn replace(self: &Rc<Self>, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let temporary = self.temporary(name);
        let temporary = temporary.map_err(|errno| refusal("writing", &self.place(name), errno))?;
        temporary.commit(name, bytes)
    }

    /// Makes a file without a secret, if there is none.
    pub(super) fn note(&self, name: &str, bytes: &[u8]) {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if let Ok(fd) = rustix::fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR) {
            let _ = rustix::fs::fchmod(&fd, Mode::RUSR | Mode::WUSR);
            let _ = File::from(fd).write_all(bytes);
        }
    }

    /// Removes the temporary files that changes of `name` left behind when they were cut off.
    ///
    /// The caller holds the lock under which `name` is changed.
    pub(super) fn sweep(&self, name: &str) -> Result<(), StoreError> {
        for left in self.names()?.iter().filter(|left| is_temporary_of(left, name)) {
            self.remove(left)?;
        }
        Ok(())
    }

    /// Gives a file another name in the same directory.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        rustix::fs::renameat(&self.fd, from, &self.fd, to)
            .map_err(|errno| refusal("renaming", &self.place(from), errno))
    }

    /// Removes a file and says whether it was there.
    pub(super) fn remove(&self, name: &str) -> Result<bool, StoreError> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(refusal("removing", &self.place(name), errno)),
        }
    }

    /// Makes changes of names outlive a power failure, where the file system can.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        match rustix::fs::fsync(&self.fd) {
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(errno) => Err(refusal("flushing", &self.path, errno)),
        }
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The name for which [`Folder::temporary`] made this one; none if it did not.
pub(super) fn temporary_of(name: &str) -> Option<&str> {
    let (of, _) = name.strip_prefix('.')?.strip_suffix(".tmp")?.rsplit_once('.')?;
    Some(of)
}

/// Whether a name is one that [`Folder::temporary`] made for this one.
pub(super) fn is_temporary_of(name: &str, of: &str) -> bool {
    temporary_of(name) == Some(of)
}

/// A file that is not yet under its name; removed when dropped.
#[derive(Debug)]
pub(super) struct Temporary {
    folder: Rc<Folder>,
    name: String,
    of: String,
    file: File,
    kept: bool,
}

impl Temporary {
    /// The directory that it is in.
    pub(super) fn folder(&self) -> &Rc<Folder> {
        &self.folder
    }

    /// Takes `size` bytes of disk now, so that a full disk shows before it matters.
    pub(super) fn reserve(&mut self, size: usize) -> Result<(), StoreError> {
        let taken = match rustix::fs::fallocate(&self.file, rustix::fs::FallocateFlags::empty(), 0, size as u64) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => self.file.write_all(&vec![0; size]),
            other => other.map_err(Into::into),
        };
        let taken = taken.and_then(|()| self.file.sync_all());
        taken.map_err(|error| self.failed("reserving space for", &error))
    }

    /// Writes the content, flushes it and gives it its name.
    pub(super) fn commit(mut self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.write(bytes)?;
        let renamed = rustix::fs::renameat(&self.folder.fd, &self.name, &self.folder.fd, name);
        renamed.map_err(|errno| refusal("replacing", &self.folder.place(name), errno))?;
        self.kept = true;
        self.folder.sync()
    }

    /// Writes the content and flushes it, and leaves it under the name that is returned.
    pub(super) fn keep(mut self, bytes: &[u8]) -> Result<String, StoreError> {
        self.write(bytes)?;
        self.kept = true;
        Ok(std::mem::take(&mut self.name))
    }

    fn write(&self, bytes: &[u8]) -> Result<(), StoreError> {
        let write = || -> std::io::Result<()> {
            let mut file = &self.file;
            file.rewind()?;
            // First, so that one who is killed right after the write leaves a whole successor behind.
            file.set_len(bytes.len() as u64)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|error| self.failed("writing", &error))
    }

    fn failed(&self, doing: &str, error: &std::io::Error) -> StoreError {
        let errno = Errno::from_io_error(error).unwrap_or(Errno::IO);
        refusal(doing, &self.folder.place(&self.of), errno)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            let _ = self.folder.remove(&self.name);
        }
    }
}

/// The permission bits. The type of the field differs between systems.
#[allow(clippy::unnecessary_cast, reason = "not unnecessary on macOS")]
fn mode(stat: &Stat) -> u32 {
    stat.st_mode as u32
}

/// Whether a directory is this user's and nobody else can change it.
pub(super) fn check_directory(path: &Path, stat: &Stat, user: Uid) -> Result<(), StoreError> {
    let path = path.display();
    if stat.st_uid != user.as_raw() {
        let how = if user.is_root() {
            "belongs to another user, and root would lock them out; run keyfob as that user"
        } else {
            "belongs to another user"
        };
        return Err(StoreError::Denied(format!("the directory `{path}` {how}")));
    }
    if mode(stat) & WRITABLE_BY_OTHERS != 0 {
        return Err(StoreError::Denied(format!(
            "the directory `{path}` can be written by other users; run `chmod 700 {path}`"
        )));
    }
    Ok(())
}

/// What the system refused, as a sentence with the path.
pub(super) fn refusal(doing: &str, path: &Path, errno: Errno) -> StoreError {
    let path = path.display();
    match errno {
        Errno::ACCESS | Errno::PERM | Errno::ROFS => {
            StoreError::Denied(format!("{doing} `{path}`: {}", std::io::Error::from(errno)))
        }
        Errno::LOOP => StoreError::Denied(format!("`{path}` is a symbolic link; remove it")),
        _ => StoreError::Failed(format!("{doing} `{path}`: {}", std::io::Error::from(errno))),
    }
}
