//! What was wired, and everything that is needed to take it back: one file, `install/journal.json` below the state
//! directory.
//!
//! It holds the whole text of each configuration before and after, with the secrets of whoever wrote them there; so only
//! its owner can read it, and so it is gone when the last tool is unwired. It is written before anything else is, and a
//! change that was cut off stands in it as pending. It does not know what a tool is.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::format::Format;
use super::state::{self, Seen, State};
use crate::error::{Error, Result};
use crate::world::World;

/// The version of the file.
const FORMAT: u32 = 1;

/// The longest journal that is read, in bytes: a few dozen configurations of the longest kind.
const MAX_FILE: u64 = 256 * 1024 * 1024;

/// How often the lock is looked for, and the pause between: half a minute, in which a whole `install --all` on a slow
/// disk is done.
const TRIES: u32 = 600;
const PAUSE: Duration = Duration::from_millis(50);

/// What one path was, and what it became.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    /// The absolute path, at which no link leads on.
    pub(super) path: PathBuf,
    /// The path by which the tool knows it, where that is another: links may lead elsewhere one day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) named: Option<PathBuf>,
    /// How it is written; none: lines are all that is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<Format>,
    pub(super) before: State,
    pub(super) after: State,
}

impl Change {
    /// One of which no more is known.
    pub(super) fn new(path: &Path, before: State, after: State) -> Change {
        Change {
            path: path.into(),
            named: None,
            format: None,
            before,
            after,
        }
    }
}

/// One tool that was wired.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wired {
    /// The tool's name.
    pub(super) tool: String,
    /// What it was wired with.
    pub(super) options: Options,
    /// In the order in which they were made.
    pub(super) changes: Vec<Change>,
    /// The directories that did not exist before, the outermost first.
    pub(super) made: Vec<PathBuf>,
    /// The path of this program, as it was named. A journal of before does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) program: Option<PathBuf>,
    /// What the list tells a person of it. A journal of before has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
}

impl Wired {
    /// Its configurations, as far as links are none.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let files = self.changes.iter();
        let files = files.filter(|change| !matches!(change.after, State::Link(_)));
        files.map(|change| &change.path)
    }

    /// Whether it can be beside one that edits these files: it is in others alone, one of which is there still.
    pub(super) fn is_elsewhere(&self, files: &[PathBuf], seen: &Seen) -> bool {
        let is_there = |path: &PathBuf| matches!(seen.look(path), Ok(State::File { .. }));
        !files.is_empty() && self.files().all(|path| !files.contains(path)) && self.files().any(is_there)
    }
}

/// What a person says of how a tool is to be wired.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// The profile, as a person types it; none: whichever fits.
    pub profile: Option<String>,
    /// What the tool is to call it, where it has a name for such a thing.
    pub name: Option<String>,
    /// The places that it is for, where the tool must be told. Defaults to the targets of the profile's provider.
    pub urls: Vec<String>,
    /// Whether a person named these places. A journal of before does not know.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub named: bool,
    /// Whether other helpers of the tool are taken out.
    pub replace: bool,
}

/// A change that was begun.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Pending {
    /// What it changes.
    pub(super) changes: Vec<Change>,
    /// The directories that it makes, the outermost first.
    pub(super) made: Vec<PathBuf>,
    /// The directories that it removes, the outermost first.
    pub(super) gone: Vec<PathBuf>,
    /// What is wired when it is done.
    pub(super) wired: Vec<Wired>,
}

/// All of it.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Journal {
    format: u32,
    /// In the order in which they were wired.
    pub(super) wired: Vec<Wired>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pending: Option<Pending>,
    /// Fields of a newer keyfob, kept when the file is rewritten.
    #[serde(flatten)]
    extra: Map<String, Value>,
}

/// Where the journal of this user is.
///
/// # Errors
/// As [`World::dirs`].
pub(super) fn place(world: &World) -> Result<PathBuf> {
    Ok(world.dirs()?.state.join("install").join("journal.json"))
}

/// The right to change the journal and what it stands for, until it is dropped.
pub(super) struct Lock {
    _file: File,
}

/// Waits for the lock.
///
/// # Errors
/// [`crate::error::Class::Temporary`] when somebody else holds it for half a minute.
pub(super) fn lock(world: &World, journal: &Path) -> Result<Lock> {
    let directory = journal.parent().unwrap_or(Path::new("/"));
    let failed = |error: std::io::Error| Error::store(format!("making `{}`: {error}", directory.display()));
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(directory).map_err(failed)?;
    state::check_directory(directory)?;
    let mut options = File::options();
    let options = options.write(true).create(true).truncate(false).mode(0o600);
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = options
        .custom_flags(flags.bits().cast_signed())
        .open(directory.join("lock"))
        .map_err(failed)?;
    let mut tries = 0;
    while file.try_lock().is_err() {
        tries += 1;
        if tries == TRIES {
            let error = Error::temporary("another keyfob is wiring a tool");
            return Err(error.hint("try again when it has ended"));
        }
        world.sleep(PAUSE);
    }
    Ok(Lock { _file: file })
}

impl Journal {
    /// Reads it; an empty one where there is none.
    ///
    /// # Errors
    /// [`crate::error::Class::Store`] when it is damaged, belongs to another user or was written by a newer keyfob.
    pub(super) fn read(path: &Path) -> Result<Journal> {
        let wrong = |why: &str| {
            let hint = format!(
                "nothing was changed; to go on without it, move `{}` away, and what it would take back is yours to undo",
                path.display()
            );
            Error::store(format!("the journal `{}` {why}", path.display())).hint(hint)
        };
        let mut options = File::options();
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = options.read(true).custom_flags(flags.bits().cast_signed()).open(path);
        let file = match file {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Journal::default()),
            Err(error) => return Err(wrong(&format!("cannot be read: {error}"))),
        };
        let metadata = file
            .metadata()
            .map_err(|error| wrong(&format!("cannot be read: {error}")))?;
        let is_ours = metadata.uid() == rustix::process::geteuid().as_raw();
        if !metadata.is_file() || !is_ours || metadata.permissions().mode() & 0o022 != 0 {
            return Err(wrong("could have been written by somebody else"));
        }
        let mut bytes = Vec::new();
        let read = file.take(MAX_FILE + 1).read_to_end(&mut bytes);
        read.map_err(|error| wrong(&format!("cannot be read: {error}")))?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(wrong("is too long"));
        }
        let format = serde_json::from_slice::<Value>(&bytes).ok();
        let format = format.as_ref().and_then(|value| value["format"].as_u64());
        match format {
            None => Err(wrong("is damaged")),
            Some(format) if format > u64::from(FORMAT) => Err(Error::store(format!(
                "a newer keyfob wrote the journal `{}`",
                path.display()
            ))
            .hint("update keyfob")),
            // Why is not said: the message of the reader shows parts of what it read.
            Some(_) => serde_json::from_slice(&bytes).map_err(|_| wrong("is damaged")),
        }
    }

    /// Replaces it; one in which nothing stands is removed.
    ///
    /// # Errors
    /// As [`state::put`].
    pub(super) fn write(&mut self, path: &Path) -> Result<()> {
        self.format = FORMAT;
        let empty = self.wired.is_empty() && self.pending.is_none() && self.extra.is_empty();
        let state = match empty {
            true => State::Nothing,
            false => State::File {
                bytes: serde_json::to_vec(self).expect("there are only texts and numbers"),
                mode: 0o600,
            },
        };
        state::put(path, &state)
    }
}
