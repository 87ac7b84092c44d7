//! How much is said on standard error: `KEYFOB_LOG_LEVEL`, and before it a program's own variable.
//!
//! It never changes what an answer is, and never more than what a person reads.

use crate::error::{Error, Result};
use crate::world::World;

/// How grave something must be to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Everything, and from where a credential came.
    Debug,
    /// Everything that a person may want to know; the usual one.
    Info,
    /// Warnings and failures.
    Warn,
    /// Failures.
    Error,
}

impl Level {
    /// The level that the first of these variables asks for.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] when it names none.
    pub(super) fn of(world: &World, names: &[String]) -> Result<Level> {
        for name in names {
            let Some(value) = world.var(name)? else { continue };
            return match value.as_str() {
                "debug" => Ok(Level::Debug),
                "info" => Ok(Level::Info),
                "warn" => Ok(Level::Warn),
                "error" => Ok(Level::Error),
                _ => Err(Error::usage(format!(
                    "the variable `{name}` is not `debug`, `info`, `warn` or `error`"
                ))),
            };
        }
        Ok(Level::Info)
    }

    /// Whether notes are said.
    pub(super) fn has_notes(self) -> bool {
        self <= Level::Info
    }
}
