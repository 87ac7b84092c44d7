//! Which mode, account and workspace a person has chosen: a small file for each provider, `active/NAME.json` below the
//! state directory.
//!
//! It is read only where nothing else decides, and what cannot be read decides nothing: a tool's call goes on as if it
//! were not there, an own command says why. It holds names and no secret.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::disk;
use crate::error::{Error, Result};
use crate::world::World;

/// The longest file that is read: hundreds of accounts, each with a workspace.
const MAX_FILE: u64 = 64 * 1024;

/// The version of the file.
const FORMAT: u32 = 1;

/// How often a change looks for the lock, and the pause between; whoever has it holds it for milliseconds.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// What was chosen for one provider.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Active {
    format: u32,
    /// The mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// By mode, whose name is empty for the only one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub modes: BTreeMap<String, Chosen>,
    /// Fields of a newer keyfob, kept when the file is rewritten.
    #[serde(flatten)]
    extra: Map<String, Value>,
}

/// What was chosen in one mode.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Chosen {
    /// The account where there are several; empty: the session without a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The workspace of each account; that of a credential from a variable is under no name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub workspaces: BTreeMap<String, String>,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

impl Chosen {
    /// Whether nothing was chosen.
    pub fn is_empty(&self) -> bool {
        *self == Chosen::default()
    }
}

impl Active {
    /// What was chosen in a mode, to be changed.
    pub fn of_mode(&mut self, mode: &str) -> &mut Chosen {
        self.modes.entry(mode.into()).or_default()
    }
}

/// The file of a provider, whose name is a file's name.
pub(super) fn path(state: &Path, provider: &str) -> PathBuf {
    state.join("active").join(format!("{provider}.json"))
}

/// What was chosen; nothing where there is no file.
///
/// # Errors
/// Why it decides nothing.
pub(super) fn read(path: &Path) -> Result<Active, Unread> {
    let file = match disk::open(path, OFlags::NOFOLLOW) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Active::default());
        }
        Err(_) => return Err(Unread::Other("it cannot be read")),
    };
    let metadata = file.metadata().map_err(|_| Unread::Other("it cannot be read"))?;
    if !metadata.is_file() {
        return Err(Unread::Other("it is no file"));
    }
    if disk::check_owner(&metadata, path).is_err() {
        return Err(Unread::Other("another user owns it or can write it"));
    }
    let mut bytes = Vec::new();
    let read = file.take(MAX_FILE + 1).read_to_end(&mut bytes);
    read.map_err(|_| Unread::Other("it cannot be read"))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Unread::Other("it is longer than 64 KiB"));
    }
    let mut active: Active = serde_json::from_slice(&bytes).map_err(|_| Unread::Other("it is damaged"))?;
    if active.format > FORMAT {
        return Err(Unread::Newer);
    }
    for chosen in active.modes.values_mut() {
        // A word that fits no line would make an answer fail.
        chosen.workspaces.retain(|_, workspace| is_workspace(workspace));
    }
    Ok(active)
}

/// Whether a text can be the name of a workspace: 1 to 256 visible ASCII signs, so that a line and a header can carry it.
pub fn is_workspace(name: &str) -> bool {
    (1..=256).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic())
}

/// Why a file decides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// A newer keyfob wrote it.
    Newer,
    /// Whatever else, in a few words.
    Other(&'static str),
}

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Unread::Newer => "a newer keyfob wrote it",
            Unread::Other(why) => why,
        })
    }
}

/// Changes the file: under a lock, written whole, in place by one rename. What could not be read is replaced.
///
/// # Errors
/// [`crate::error::Class::Store`] when it cannot be written, or is of a newer keyfob; [`crate::error::Class::Temporary`]
/// when somebody else holds its lock for longer than seconds.
pub(super) fn change(world: &World, path: &Path, change: impl FnOnce(&mut Active)) -> Result<()> {
    let failed = |error: io::Error| Error::store(format!("writing {}: {}", path.display(), error.kind()));
    let directory = path.parent().expect("the file is below a directory");
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let mut options = File::options();
    let lock = options.write(true).create(true).truncate(false).mode(0o600);
    let lock = lock.open(path.with_extension("lock")).map_err(failed)?;
    let mut tries = 0;
    while lock.try_lock().is_err() {
        tries += 1;
        if tries == TRIES {
            return Err(Error::temporary(format!(
                "another keyfob holds the lock of {}",
                path.display()
            )));
        }
        world.sleep(PAUSE);
    }
    let old = match read(path) {
        Err(Unread::Newer) => return Err(Error::store(format!("writing {}: {}", path.display(), Unread::Newer))),
        old => old.unwrap_or_default(),
    };
    let mut new = old.clone();
    change(&mut new);
    new.format = FORMAT;
    new.modes.retain(|_, chosen| !chosen.is_empty());
    if new == old {
        return Ok(());
    }
    let bytes = serde_json::to_vec(&new).expect("there are only texts and numbers");
    write(path, &bytes).map_err(failed)
}

/// Replaces the file. The lock is held, so that what a killed writer left is nobody's.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut options = File::options();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(&temporary)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| std::fs::rename(&temporary, path));
    renamed.inspect_err(|_| drop(std::fs::remove_file(&temporary)))
}
