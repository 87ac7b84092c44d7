//! Where configuration, records, locks and the index are.
//!
//! `KEYFOB_HOME` puts everything below one directory. Else the XDG base directories, on macOS too, whose relative values
//! are ignored as the specification asks. Never the working directory and never the shared temporary one.

use std::path::{Path, PathBuf};

use super::World;
use crate::error::{Error, Result};

/// The directories of one user. None of them need exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    /// Provider files and settings; may be shared and versioned.
    pub config: PathBuf,
    /// Records and their locks.
    pub data: PathBuf,
    /// The index of providers, which can be made again, and what a person chose.
    pub state: PathBuf,
}

impl Dirs {
    /// The same configuration, and everything that is kept below a directory of a program's own.
    pub(super) fn kept_below(self, home: &Path) -> Dirs {
        Dirs {
            data: home.join("data"),
            state: home.join("state"),
            ..self
        }
    }

    pub(super) fn of(world: &World) -> Result<Dirs> {
        if let Some(home) = world.var_os("KEYFOB_HOME").map(PathBuf::from) {
            if !home.is_absolute() {
                return Err(Error::usage("the variable `KEYFOB_HOME` is not an absolute path"));
            }
            return Ok(Dirs {
                config: home.join("config"),
                data: home.join("data"),
                state: home.join("state"),
            });
        }
        let absolute = |name| world.var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let under = |name, below: &str| absolute(name).or_else(|| home(world).map(|home| home.join(below)));
        let dir = |name, below| {
            let base = under(name, below).ok_or_else(|| {
                let named = world.var_os("HOME").filter(|home| !home.is_empty());
                if named.is_some() {
                    return Error::usage("the variable `HOME` is not an absolute path");
                }
                Error::store("there is no home directory: neither `HOME` nor the password database names one")
                    .hint("set KEYFOB_HOME to a directory of yours")
            })?;
            Ok::<_, Error>(base.join("keyfob"))
        };
        Ok(Dirs {
            config: dir("XDG_CONFIG_HOME", ".config")?,
            data: dir("XDG_DATA_HOME", ".local/share")?,
            state: dir("XDG_STATE_HOME", ".local/state")?,
        })
    }
}

/// The user's home: `HOME`, else what the password database says.
pub(super) fn home(world: &World) -> Option<PathBuf> {
    let named = world.var_os("HOME").map(PathBuf::from);
    let named = named.filter(|path| path.is_absolute()).or_else(std::env::home_dir);
    named.filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn dirs(vars: &[(&str, &str)]) -> Result<Dirs> {
        let vars = vars.iter().map(|(name, value)| (name.to_string(), value.into()));
        World::fixed(vars, Timestamp::from_unix(0)).dirs()
    }

    #[test]
    fn relative_and_empty_values_are_ignored() {
        let plain = dirs(&[("HOME", "/h")]).unwrap();
        assert_eq!(plain.data, PathBuf::from("/h/.local/share/keyfob"));
        assert_eq!(
            dirs(&[("HOME", "/h"), ("XDG_DATA_HOME", "here"), ("XDG_STATE_HOME", "")]).unwrap(),
            plain
        );
        assert_eq!(
            dirs(&[("HOME", "/h"), ("XDG_DATA_HOME", "/d")]).unwrap().data,
            PathBuf::from("/d/keyfob")
        );
    }

    #[test]
    fn one_variable_moves_everything() {
        let moved = dirs(&[("HOME", "/h"), ("XDG_DATA_HOME", "/d"), ("KEYFOB_HOME", "/k")]).unwrap();
        assert_eq!(
            [moved.config, moved.data, moved.state],
            ["/k/config", "/k/data", "/k/state"].map(PathBuf::from)
        );
        assert!(dirs(&[("KEYFOB_HOME", "k")]).is_err());
    }

    #[test]
    fn a_relative_home_is_named() {
        // What the password database says counts only where there is no `HOME`.
        if home(&World::fixed([("HOME".into(), "rel".into())], Timestamp::from_unix(0))).is_none() {
            let error = dirs(&[("HOME", "rel")]).unwrap_err();
            assert!(error.to_string().contains("`HOME` is not an absolute path"), "{error}");
        }
    }
}
