//! The data directory: where the slots are, how its directories are made, and the locks.
//!
//! It knows names and bytes, not records. Layout: `records/<2 hex>/<30 hex>/<32 hex>`, where the first two make up the
//! group's digest, so that a lookup opens one directory however many groups there are; `locks/`; `.gitignore`.
//! Security review, sections 3c and 4a.

use std::cell::RefCell;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Uid;

use super::StoreError;
use super::beside::Beside;
use super::folder::{Folder, check_directory, refusal};
use crate::record::Group;
use crate::world::random;

/// The data directory; nothing is touched before a method is called.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    data: PathBuf,
}

/// The right to change what a lock file stands for; given back when dropped, or when the process ends in any way.
#[derive(Debug)]
pub struct Lock {
    /// Of the places outside of the slot, which another data directory may share. Given back first.
    pub(super) places: RefCell<Vec<Rc<Beside>>>,
    file: File,
    name: String,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.places.get_mut().clear();
        // A program that another thread is starting has the file too until it runs, and closing ours would not do.
        let _ = self.file.unlock();
    }
}

impl Lock {
    /// Whether it is the lock of this name.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name
    }
}

/// How often a directory is made again when somebody who found it empty removes it at the same time.
const TRIES: usize = 16;

/// Waits between two tries for a lock, in milliseconds: short against a token request, long against a file's rename,
/// and random so that fifty waiters do not try in step. Half as long only costs wake-ups, twice as long shows.
const NAP_MILLIS: std::ops::Range<u64> = 5..50;

/// Waits before another try for a lock, at most for what is left of the patience, and says how long.
pub(super) fn nap(left: Duration, wait: &dyn Fn(Duration)) -> Duration {
    let span = NAP_MILLIS.end - NAP_MILLIS.start;
    let millis = NAP_MILLIS.start + u64::from_le_bytes(random()) % span;
    let nap = Duration::from_millis(millis).min(left);
    wait(nap);
    nap
}

/// The lock of a slot: its own for a session or seed, one of 256 shared ones for origins, of which there may be a million.
pub(super) fn lock_name(group: &Group, slot: &str) -> String {
    match group {
        Group::Origin(_) => format!("origin-{}.lock", &group.digest()[..2]),
        Group::Seed { .. } | Group::Session { .. } => format!("{slot}.lock"),
    }
}

impl Disk {
    pub(super) fn new(data: PathBuf) -> Disk {
        Disk { data }
    }

    /// The directory of a group.
    pub(super) fn path(&self, digest: &str) -> PathBuf {
        let (first, rest) = digest.split_at(2);
        let mut path = self.data.join("records");
        path.push(first);
        path.push(rest);
        path
    }

    /// Opens the directory of a group; none if there is none.
    ///
    /// The directories between it and the data directory are checked only before a change: with the two checked, all
    /// that another user could do there is to move a directory of ours, and every record knows its own place.
    pub(super) fn folder(&self, digest: &str) -> Result<Option<Folder>, StoreError> {
        let folder = Folder::open(&self.path(digest), false)?;
        if let Some(folder) = &folder {
            self.check(folder.user())?;
        }
        Ok(folder)
    }

    /// Makes sure that the data directory is this user's and nobody else can change it.
    fn check(&self, user: Uid) -> Result<(), StoreError> {
        let stat = rustix::fs::statat(CWD, &self.data, AtFlags::empty());
        let stat = stat.map_err(|errno| refusal("looking at", &self.data, errno))?;
        check_directory(&self.data, &stat, user)
    }

    /// Opens the directory of a group, and does `first` in it; makes it, and makes it again if it vanishes meanwhile.
    pub(super) fn make_folder<T>(
        &self,
        digest: &str,
        first: impl Fn(&Rc<Folder>) -> Result<T, Errno>,
    ) -> Result<(Rc<Folder>, T), StoreError> {
        let path = self.path(digest);
        for _ in 0..TRIES {
            self.make_data()?;
            let Some(folder) = self.make_levels(&path)? else {
                continue;
            };
            let folder = Rc::new(folder);
            match first(&folder) {
                Ok(done) => return Ok((folder, done)),
                Err(Errno::NOENT) => (),
                Err(errno) => return Err(refusal("writing in", &path, errno)),
            }
        }
        Err(refusal("making", &path, Errno::NOENT))
    }

    /// Makes and checks the directories from `records` down; none when one of them was removed meanwhile.
    fn make_levels(&self, path: &Path) -> Result<Option<Folder>, StoreError> {
        let mut levels: Vec<&Path> = path.ancestors().take(3).collect();
        levels.reverse();
        let mut folder = None;
        for level in levels {
            folder = if make(level)? {
                Folder::open(level, false)?
            } else {
                None
            };
            if folder.is_none() {
                break;
            }
        }
        Ok(folder)
    }

    /// Removes the directory of a group if nothing is left in it.
    pub(super) fn prune(&self, digest: &str) {
        let _ = rustix::fs::unlinkat(CWD, self.path(digest), AtFlags::REMOVEDIR);
    }

    /// The data directory itself, for what is in no group.
    pub(super) fn make_data(&self) -> Result<Rc<Folder>, StoreError> {
        if let Some(folder) = Folder::open(&self.data, true)? {
            return Ok(Rc::new(folder));
        }
        check_parent(&self.data)?;
        make(&self.data)?;
        let folder = Folder::open(&self.data, true)?;
        let folder = Rc::new(folder.ok_or_else(|| refusal("making", &self.data, Errno::NOENT))?);
        // Records are no matter for a version control system that keeps the home directory.
        folder.note(".gitignore", b"*\n");
        Ok(folder)
    }

    /// Whether the data directory has a file of this name; one that cannot be seen counts as there.
    pub(super) fn has(&self, name: &str) -> bool {
        let seen = rustix::fs::statat(CWD, self.data.join(name), AtFlags::SYMLINK_NOFOLLOW);
        !matches!(seen, Err(Errno::NOENT))
    }

    /// The data directory if it is there.
    pub(super) fn data(&self) -> Result<Option<Folder>, StoreError> {
        Folder::open(&self.data, true)
    }

    /// Takes a lock, waiting at most `patience`; none when somebody else holds it all that time.
    ///
    /// Only the naps count, so that a test's `wait` may return at once.
    pub(super) fn lock(
        &self,
        name: &str,
        patience: Duration,
        wait: &dyn Fn(Duration),
    ) -> Result<Option<Lock>, StoreError> {
        self.lock_by(name, patience, wait, File::try_lock)
    }

    /// The same for a lock that several may have at once, as long as nobody has it alone.
    pub(super) fn lock_shared(
        &self,
        name: &str,
        patience: Duration,
        wait: &dyn Fn(Duration),
    ) -> Result<Option<Lock>, StoreError> {
        self.lock_by(name, patience, wait, File::try_lock_shared)
    }

    fn lock_by(
        &self,
        name: &str,
        patience: Duration,
        wait: &dyn Fn(Duration),
        take: fn(&File) -> Result<(), TryLockError>,
    ) -> Result<Option<Lock>, StoreError> {
        let file = self.lock_file(name, wait)?;
        let mut waited = Duration::ZERO;
        loop {
            match take(&file) {
                Ok(()) => {
                    return Ok(Some(Lock {
                        places: RefCell::default(),
                        file,
                        name: name.into(),
                    }));
                }
                Err(TryLockError::WouldBlock) if waited < patience => waited += nap(patience - waited, wait),
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => {
                    let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                    return Err(refusal("locking", &self.data.join("locks").join(name), errno));
                }
            }
        }
    }

    fn lock_file(&self, name: &str, wait: &dyn Fn(Duration)) -> Result<File, StoreError> {
        let data = self.make_data()?;
        let locks = data.place("locks");
        make(&locks)?;
        Folder::open(&locks, false)?;
        let path = locks.join(name);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let open = || rustix::fs::openat(CWD, &path, flags, Mode::RUSR | Mode::WUSR);
        let fd = open().or_else(|errno| {
            // Another process may have made it a moment ago under a umask that denies all, and is about to mend that.
            if errno != Errno::ACCESS {
                return Err(errno);
            }
            wait(Duration::from_millis(NAP_MILLIS.start));
            open()
        });
        let fd = fd.map_err(|errno| refusal("opening", &path, errno))?;
        let stat = rustix::fs::fstat(&fd).map_err(|errno| refusal("looking at", &path, errno))?;
        if stat.st_mode & 0o777 != 0o600 {
            let _ = rustix::fs::fchmod(&fd, Mode::RUSR | Mode::WUSR);
        }
        Ok(File::from(fd))
    }

    /// The directories of all groups.
    pub(super) fn folders(&self) -> Result<Vec<Folder>, StoreError> {
        let Some(data) = self.data()? else {
            return Ok(Vec::new());
        };
        let mut level = vec![data.place("records")];
        for _ in 0..2 {
            let mut below = Vec::new();
            for path in &level {
                if let Some(folder) = Folder::open(path, false)? {
                    let names = folder.names()?;
                    let ours = names.iter().filter(|name| name.bytes().all(|b| b.is_ascii_hexdigit()));
                    below.extend(ours.map(|name| folder.place(name)));
                }
            }
            level = below;
        }
        level
            .iter()
            .filter_map(|path| Folder::open(path, false).transpose())
            .collect()
    }
}

/// With another user's `HOME`, root would make directories there that the user cannot enter.
pub(super) fn check_parent(path: &Path) -> Result<(), StoreError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let parent = path.ancestors().skip(1).find_map(|path| {
        let stat = rustix::fs::statat(CWD, path, AtFlags::empty()).ok()?;
        Some((path, stat.st_uid))
    });
    match parent {
        Some((path, uid)) if uid != 0 => Err(StoreError::Denied(format!(
            "the directory `{}` belongs to another user, and root would lock them out; run keyfob as that user",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// Makes a directory that only we can enter, whatever the umask, and its parents.
///
/// False when a parent of it was removed meanwhile.
pub(super) fn make(path: &Path) -> Result<bool, StoreError> {
    match rustix::fs::mkdirat(CWD, path, Mode::RWXU) {
        Ok(()) => (),
        Err(Errno::EXIST) => return Ok(true),
        Err(Errno::NOENT) => {
            let parent = path.parent().ok_or_else(|| refusal("making", path, Errno::NOENT))?;
            make(parent)?;
            match rustix::fs::mkdirat(CWD, path, Mode::RWXU) {
                Ok(()) => (),
                Err(Errno::EXIST) => return Ok(true),
                Err(Errno::NOENT) => return Ok(false),
                Err(errno) => return Err(refusal("making", path, errno)),
            }
        }
        Err(errno) => return Err(refusal("making", path, errno)),
    }
    match rustix::fs::chmodat(CWD, path, Mode::RWXU, AtFlags::empty()) {
        Ok(()) => (),
        Err(Errno::NOENT) => return Ok(false),
        Err(errno) => return Err(refusal("making", path, errno)),
    }
    if let Some(Ok(Some(parent))) = path.parent().map(|parent| Folder::open(parent, true)) {
        let _ = parent.sync();
    }
    Ok(true)
}
