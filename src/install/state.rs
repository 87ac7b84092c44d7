//! What lies at a path, and putting something else there so that it is whole at every moment.
//!
//! It knows neither tools nor journals. A file keeps its mode, owner and attributes, and one that is reached through a symbolic link
//! is changed where it lies, so that the link stays. What belongs to somebody else is never written.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, OFlags};
use serde::{Deserialize, Serialize};

use super::attributes;
use crate::error::{Error, Result};

/// The longest configuration that is changed, in bytes. The longest kubeconfig that is known of is a tenth of it, and the
/// journal keeps each several times.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// How many symbolic links may lead from one to the next, as the system counts.
const MAX_LINKS: usize = 40;

/// What to do where a disk is full.
pub(super) const MAKE_SPACE: &str = "make space on the disk, then run the same command again";

/// The mode of a file that we make: configurations hold secrets now and then.
pub(super) const OWN_MODE: u32 = 0o600;

/// What lies at a path. It may hold somebody's secrets, so nothing prints it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// Nothing.
    Nothing,
    /// A file.
    File {
        /// All of it.
        #[serde(with = "base64")]
        bytes: Vec<u8>,
        /// Its permissions.
        mode: u32,
    },
    /// A symbolic link to this path.
    Link(String),
}

impl State {
    /// The content of a file; nothing of anything else.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            State::File { bytes, .. } => bytes,
            State::Nothing | State::Link(_) => &[],
        }
    }

    /// A file with this content and the mode that this one has, or that new ones get.
    pub(super) fn with_bytes(&self, bytes: Vec<u8>) -> State {
        let mode = match self {
            State::File { mode, .. } => *mode,
            State::Nothing | State::Link(_) => OWN_MODE,
        };
        State::File { bytes, mode }
    }
}

mod base64 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&data_encoding::BASE64.encode(bytes))
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        data_encoding::BASE64.decode(text.as_bytes()).map_err(D::Error::custom)
    }
}

/// The machine's files, with some of them as they will be.
#[derive(Clone, Default)]
pub(super) struct Seen(BTreeMap<PathBuf, State>);

impl Seen {
    /// What lies at a path, which is no link to a file: [`resolve`] has followed that.
    ///
    /// # Errors
    /// As [`look`].
    pub(super) fn look(&self, path: &Path) -> Result<State> {
        match self.0.get(path) {
            Some(state) => Ok(state.clone()),
            None => look(path),
        }
    }

    /// From now on this lies there.
    pub(super) fn put(&mut self, path: &Path, state: State) {
        self.0.insert(path.into(), state);
    }

    /// Every path that will not be as it is.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }
}

fn failed(doing: &str, path: &Path, error: &io::Error) -> Error {
    let text = format!("{doing} `{}`: {error}", path.display());
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::store(text).hint(MAKE_SPACE),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Error::refused(text),
        _ => Error::failure(text),
    }
}

/// Whether it belongs to the user that we are.
fn is_ours(metadata: &Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw()
}

fn others(path: &Path, what: &str) -> Error {
    let hint = "run keyfob as the user whose configuration it is";
    Error::refused(format!("`{}` {what}", path.display())).hint(hint)
}

/// The path at which a configuration really lies: a symbolic link is followed, and the file at its end need not exist.
///
/// # Errors
/// [`crate::error::Class::Refused`] when a link on the way, or what it leads to, belongs to another user.
pub(super) fn resolve(path: &Path) -> Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_symlink() => {
                if !is_ours(&metadata) {
                    return Err(others(&path, "is a link that another user made"));
                }
                let target = std::fs::read_link(&path).map_err(|error| failed("reading the link", &path, &error))?;
                let directory = path.parent().unwrap_or(Path::new("/"));
                path = directory.join(target);
            }
            _ => return in_place(&path),
        }
    }
    Err(Error::refused(format!(
        "`{}` is a link that leads in a circle",
        path.display()
    )))
}

/// The same path without links in its directories, so that one file has one name.
fn in_place(path: &Path) -> Result<PathBuf> {
    let (mut there, mut missing) = (path, Vec::new());
    let there = loop {
        match there.canonicalize() {
            Ok(found) if missing.is_empty() => break found,
            Ok(found) => {
                check_directory(&found)?;
                break found;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => (),
            Err(error) => return Err(failed("looking at", there, &error)),
        }
        let (Some(parent), Some(name)) = (there.parent(), there.file_name()) else {
            return Err(Error::usage(format!("`{}` is no path of a file", path.display())));
        };
        missing.push(name);
        there = parent;
    };
    Ok(missing.into_iter().rev().fold(there, |path, name| path.join(name)))
}

/// Whether a directory is one that only we, or the system, can change.
///
/// # Errors
/// [`crate::error::Class::Refused`] when it is not.
pub(super) fn check_directory(path: &Path) -> Result<()> {
    let metadata = path.metadata().map_err(|error| failed("looking at", path, &error))?;
    let root = metadata.uid() == 0;
    let mode = metadata.permissions().mode();
    if !is_ours(&metadata) && !root {
        return Err(others(path, "is a directory of another user"));
    }
    // A sticky one, such as the shared temporary directory, lets nobody replace what is ours.
    if mode & 0o002 != 0 && mode & 0o1000 == 0 {
        return Err(others(path, "is a directory that everybody can write"));
    }
    Ok(())
}

/// Whether a directory is one of ours, in which only we can write.
pub(super) fn is_own_directory(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| is_ours(&metadata) && metadata.permissions().mode() & 0o222 == 0o200)
}

/// What lies at a path, which is not followed if it is a link.
///
/// # Errors
/// [`crate::error::Class::Refused`] when it is no file, belongs to another user, or has a second name;
/// [`crate::error::Class::Failure`] when it cannot be read or is longer than 4 MiB.
pub(super) fn look(path: &Path) -> Result<State> {
    let reading = |error: io::Error| failed("reading", path, &error);
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(State::Nothing);
        }
        Err(error) => return Err(reading(error)),
    };
    if metadata.is_symlink() {
        let target = std::fs::read_link(path).map_err(reading)?;
        let target = target.into_os_string().into_string();
        return target.map(State::Link).map_err(|_| {
            Error::refused(format!(
                "the link `{}` leads to a path that is not UTF-8",
                path.display()
            ))
        });
    }
    let file = open(path).map_err(reading)?;
    let metadata = file.metadata().map_err(reading)?;
    check_file(path, &metadata)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(reading)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Error::failure(format!("`{}` is longer than 4 MiB", path.display())));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    Ok(State::File { bytes, mode })
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    options.read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

fn check_file(path: &Path, metadata: &Metadata) -> Result<()> {
    let refused = |what: &str| Err(Error::refused(format!("`{}` {what}", path.display())));
    if !metadata.is_file() {
        return refused("is no regular file");
    }
    if !is_ours(metadata) {
        return Err(others(path, "belongs to another user"));
    }
    // A rename would leave the other name with the old content.
    if metadata.nlink() > 1 {
        return refused("has a second name (a hard link)");
    }
    check_directory(path.parent().unwrap_or(Path::new("/")))
}

/// The directories that are missing above a path, the outermost first.
pub(super) fn missing_above(path: &Path) -> Vec<PathBuf> {
    let mut missing: Vec<PathBuf> = path
        .ancestors()
        .skip(1)
        .take_while(|directory| !directory.exists())
        .map(PathBuf::from)
        .collect();
    missing.reverse();
    missing
}

/// The name under which the next content of a path is written; whoever has the lock may remove it.
fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.keyfob-tmp"))
}

/// Removes what a killed writer left beside a path.
pub(super) fn sweep(path: &Path) {
    let temporary = temporary(path);
    if temporary.symlink_metadata().is_ok_and(|metadata| is_ours(&metadata)) {
        let _ = std::fs::remove_file(temporary);
    }
}

/// Makes a state lie at a path: the directories above it, then the whole new content by one rename.
///
/// # Errors
/// [`crate::error::Class::Refused`] when that is forbidden, [`crate::error::Class::Store`] when the disk is full, else
/// [`crate::error::Class::Failure`]; then the old state lies there still.
pub(super) fn put(path: &Path, state: &State) -> Result<()> {
    sweep(path);
    let written = match state {
        State::Nothing => remove(path),
        State::File { bytes, mode } => above(path).and_then(|()| write(path, bytes, *mode)),
        State::Link(target) => above(path).and_then(|()| link(path, target)),
    };
    let kept = written.and_then(|()| flush(path));
    kept.map_err(|error| {
        sweep(path);
        failed("writing", path, &error)
    })
}

fn above(path: &Path) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let temporary = temporary(path);
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut options = File::options();
    let options = options.write(true).create_new(true).mode(OWN_MODE);
    let mut file = options.custom_flags(flags.bits().cast_signed()).open(&temporary)?;
    file.write_all(bytes)?;
    match open(path) {
        Ok(old) => keep(&old, &file, mode)?,
        Err(error) if error.kind() == ErrorKind::NotFound => (),
        // A link has nothing to keep, and goes.
        Err(_) if path.is_symlink() => (),
        Err(error) => return Err(error),
    }
    // After owner and access list, which change bits of it.
    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)
}

/// Gives the new file the group and the attributes of the one that it replaces.
fn keep(old: &File, new: &File, mode: u32) -> io::Result<()> {
    let (group, own) = (old.metadata()?.gid(), new.metadata()?.gid());
    if group != own {
        let given = rustix::fs::fchown(new, None, Some(rustix::fs::Gid::from_raw(group)));
        // To another group its bits would give what they gave to this one.
        if given.is_err() && mode & 0o070 != 0 {
            let text = format!("its group {group} cannot be kept by a user who is not in it");
            return Err(io::Error::new(ErrorKind::PermissionDenied, text));
        }
    }
    attributes::carry_over(old, new)
}

fn link(path: &Path, target: &str) -> io::Result<()> {
    let temporary = temporary(path);
    std::os::unix::fs::symlink(target, &temporary)?;
    std::fs::rename(&temporary, path)
}

/// Makes the new name outlive a power failure, where the file system can.
fn flush(path: &Path) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    match File::open(directory).and_then(|directory| directory.sync_all()) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => Err(error),
        _ => Ok(()),
    }
}

/// Removes a directory if nothing is left in it.
pub(super) fn prune(path: &Path) {
    let _ = rustix::fs::unlinkat(CWD, path, AtFlags::REMOVEDIR);
}
