//! Where records live.
//!
//! Every record has one *slot*, a file that is replaced whole (`disk.rs`). A [`Store`] decides what lies in the slot: the
//! record itself, its ciphertext, or a pointer to another place. The slot's header names its store, so that a record is
//! always read from the store that wrote it, and a keychain that is away for an hour never turns a sealed record into
//! plain text.
//!
//! A new store is one file that implements the trait, and one line in [`TABLE`].

mod address;
mod also;
mod batch;
mod beside;
mod change;
mod disk;
mod document;
mod file;
mod fixed;
mod folder;
mod gate;
mod hold;
mod items;
mod kernel;
#[cfg(feature = "keychain")]
mod keychain;
mod memory;
mod parts;
mod rescue;
mod sealed;
pub mod session_file;
mod slot;
mod stores;
mod torn;

use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::error::{Class, Error};
use crate::record::{Key, Record};
use crate::time::Timestamp;

pub use address::Address;
pub use batch::Locks;
pub use change::Reserved;
pub use disk::Lock;
pub use gate::{Converted, LONGEST_SECS, Opened, Place, SHORTEST, Stage, State, WORK, WORK_RANGE};
pub use parts::Items;
pub use sealed::{DataKey, KeySource, NoSource};
pub use slot::Header;
pub use stores::{Chosen, Stored, Stores};
pub use torn::Torn;

/// One row of the table: a store's name, and how it is made.
pub struct Row {
    /// [`Store::name`].
    pub name: &'static str,
    build: fn(&Seat) -> Box<dyn Store>,
}

/// All stores, the best for a new record first.
pub const TABLE: &[Row] = &[
    Row {
        name: "sealed",
        build: sealed::build,
    },
    Row {
        name: "keychain",
        build: items::build,
    },
    Row {
        name: "file",
        build: file::build,
    },
    Row {
        name: "memory",
        build: memory::build,
    },
];

/// What stores get of the world, once.
pub struct Seat {
    /// The data directory.
    pub data: PathBuf,
    /// The user's directory in memory, if the session has one: the place for a record that could not be written.
    pub runtime: Option<PathBuf>,
    /// Keeps the data key of sealed records.
    pub source: Rc<dyn KeySource>,
    /// Keeps the records of the store `keychain`.
    pub items: Rc<dyn Items>,
    /// Waits.
    pub wait: Rc<dyn Fn(Duration)>,
    /// The wall clock; an answer that needs none does not ask it, because the first question takes a map of its own.
    pub now: Rc<dyn Fn() -> Timestamp>,
    /// Whether somebody is there who may be asked to unlock the keychain.
    pub person: bool,
    /// In a test the store `memory` can be used, and the kernel's keyring is left alone.
    pub test: bool,
    /// The descriptor from which this program's unlocked keys are read, where `unlock -- CMD` handed one down.
    pub handed: Option<u32>,
    /// The call at which the store `memory` fails.
    pub fail_at: Option<u32>,
}

/// Why a store did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// What was kept outside of the slot was removed by somebody else: the session is over.
    Absent(String),
    /// The slot holds this generation or a later one: somebody else has changed it.
    Changed(String),
    /// Access was refused by a person or by permissions.
    Denied(String),
    /// The content is not what was written: torn, altered, or of a wrong owner or mode.
    Damaged(String),
    /// The per-machine gate is closed; it is so far.
    Gated(Stage),
    /// A person must unlock it first.
    Locked(String),
    /// A newer keyfob wrote it; it is left alone.
    Newer(String),
    /// There is none here, or it does not answer.
    Unavailable(String),
    /// The system refused: disk full, read-only, too large.
    Failed(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StoreError::Gated(stage) => stage.refusal(),
            StoreError::Absent(text)
            | StoreError::Changed(text)
            | StoreError::Denied(text)
            | StoreError::Damaged(text)
            | StoreError::Locked(text)
            | StoreError::Newer(text)
            | StoreError::Unavailable(text)
            | StoreError::Failed(text) => text,
        })
    }
}

impl std::error::Error for StoreError {}

/// What stands between a record's place and its flaw.
const IS_DAMAGED: &str = " is damaged: ";

/// What to do about such a record: it is looked at by nobody who makes another.
const REPLACES: &str = "`keyfob login PROFILE` or `keyfob set-token PROFILE` puts another in its place";

/// How the command begins that a message ends with.
const COMMANDS: [&str; 2] = ["; if you trust it, run `", "; run `"];

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        let hint = match &error {
            StoreError::Gated(stage) => Some(stage.way_on()),
            StoreError::Locked(_) => Some("unlock the keychain, then try again"),
            StoreError::Newer(_) => Some("update keyfob"),
            StoreError::Damaged(text) if text.contains(IS_DAMAGED) => Some(REPLACES),
            _ => None,
        };
        let text = error.to_string();
        // A command is the next step, and must arrive whole.
        let failure = match COMMANDS.iter().find_map(|begins| text.find(begins)) {
            Some(at) => Error::new(Class::Store, &text[..at]).hint(&text[at + 2..]),
            None => Error::new(Class::Store, &text),
        };
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// A place outside of a slot, by what it is that two data directories may have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shared {
    /// A file at this path.
    File(PathBuf),
    /// An item of the user's keychain, by a digest of its names.
    Item(String),
}

/// Texts of the files or items of a place, none for one that is not there.
type Copies = Vec<Option<Zeroizing<Vec<u8>>>>;

/// What lies in the slot of a record.
pub trait Store {
    /// The name in the table, in the slot's header and for a person.
    fn name(&self) -> &'static str;

    /// Whether it can be used for a new record now.
    ///
    /// `person` says that somebody is there who may be asked to unlock it. A store that needs something set up before
    /// its first record does that here.
    ///
    /// # Errors
    /// Why not.
    fn ready(&self, person: bool) -> Result<(), StoreError>;

    /// Completes the header of a record that is new here, before anything is written. Defaults to doing nothing.
    fn address(&self, _header: &mut Header, _key: &Key) {}

    /// Makes sure that so many bytes can be written for this header now. Defaults to what [`Store::ready`] says.
    ///
    /// # Errors
    /// Why not; nothing may be spent then.
    fn prove(&self, _header: &Header, _size: usize) -> Result<(), StoreError> {
        Ok(())
    }

    /// Turns an encoded record into the body of its slot, which ends in a line feed.
    ///
    /// `header` is what will stand before it; `name` is the slot's name, which the body may be bound to.
    ///
    /// # Errors
    /// Any [`StoreError`]; the slot is then left as it is. [`StoreError::Changed`] where the record lies elsewhere, and
    /// what is there is not what this one is made from.
    fn seal(&self, name: &str, header: &mut Header, record: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError>;

    /// Turns the body of a slot back into an encoded record. Where that lies elsewhere and was changed by way of another
    /// data directory, `header` becomes that of what was found.
    ///
    /// # Errors
    /// Any [`StoreError`]; [`StoreError::Absent`] only of a record that [`Store::elsewhere`] names a place of.
    fn open(&self, name: &str, header: &mut Header, body: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError>;

    /// The same for a listing: an encoded record whose secrets may be empty. Defaults to [`Store::open`].
    ///
    /// # Errors
    /// As [`Store::open`].
    fn glance(&self, name: &str, header: &mut Header, body: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        self.open(name, header, body)
    }

    /// In words for a person, where the record lies if that is not in its slot, whose body is an outline then.
    ///
    /// Defaults to none.
    fn elsewhere(&self, _header: &Header) -> Option<String> {
        None
    }

    /// Notes in a header what is about to be written outside of the slot, where nothing else would tell it from somebody
    /// else's. Says whether the slot must carry that note first. Defaults to nothing.
    fn forewarn(&self, _header: &mut Header, _record: &Record) -> bool {
        false
    }

    /// Makes sure that what lies outside of this slot, if anything does, is what was written there for it. Defaults to that.
    ///
    /// # Errors
    /// [`StoreError::Denied`] when it is somebody else's; else any [`StoreError`].
    fn prove_own(&self, _name: &str, _header: &Header) -> Result<(), StoreError> {
        Ok(())
    }

    /// Whether what lies outside of this slot surely is somebody else's; in doubt it is not. Defaults to that.
    fn is_others(&self, _name: &str, _header: &Header) -> bool {
        false
    }

    /// The place outside of the slot that another data directory may share, and whose lock a change needs too.
    ///
    /// Defaults to none.
    fn shared(&self, _header: &Header) -> Option<Shared> {
        None
    }

    /// Removes what a change that was cut off left outside of the slot, whose lock is held. Defaults to doing nothing.
    ///
    /// # Errors
    /// Any [`StoreError`].
    fn sweep(&self, _header: &Header) -> Result<(), StoreError> {
        Ok(())
    }

    /// What lies now where this header puts a record outside of its slot, whatever it is. Defaults to nothing.
    ///
    /// # Errors
    /// Any [`StoreError`].
    fn copy(&self, _header: &Header) -> Result<Copies, StoreError> {
        Ok(Copies::new())
    }

    /// Puts that back, where something else is there by now. Defaults to doing nothing.
    ///
    /// # Errors
    /// Any [`StoreError`].
    fn put_back(&self, _header: &Header, _copies: &Copies) -> Result<(), StoreError> {
        Ok(())
    }

    /// Removes what the record has outside its slot. Called before the slot goes, which would be the only trace of it. The
    /// record of another key there is not its own, and stays.
    ///
    /// # Errors
    /// Any [`StoreError`]. Defaults to doing nothing.
    fn discard(&self, _name: &str, _header: &Header) -> Result<(), StoreError> {
        Ok(())
    }

    /// Takes data keys that a person has unlocked for this process. Defaults to doing nothing.
    fn learn(&self, _keys: &[(String, DataKey)]) {}

    /// In words for a person, what protects a record here.
    fn protection(&self) -> &'static str;
}

/// The body of a slot whose record lies elsewhere: the record without its secrets.
fn outline(header: &Header, record: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let record = Record::decode(record, header.family.clone(), header.generation).map_err(StoreError::Damaged)?;
    let mut body = record.outline().encode();
    body.push(b'\n');
    Ok(body)
}
