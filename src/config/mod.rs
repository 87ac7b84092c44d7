//! What the user configured: providers, and which of them a target or a profile means.
//!
//! A tool's call is answered from the [`index`] of targets, without reading a provider file; the file itself is read
//! when a session must be renewed, and by the own commands.

pub mod index;
mod overlay;
pub mod preset;
pub mod profile;
pub mod provider;
mod read;
mod wire;

use std::path::PathBuf;

use crate::error::{Class, Context, Error, Result};
use crate::target::Target;
use crate::world::World;

pub use index::Claim;
pub use profile::Profile;
pub use provider::{Flow, Mode, Oauth, Provider, Scheme, Serves, Whoami};

/// The configuration of one user.
pub struct Config<'w> {
    world: &'w World,
    directory: PathBuf,
    index: PathBuf,
}

impl<'w> Config<'w> {
    /// The configuration in the directories of this world; reads nothing yet.
    ///
    /// # Errors
    /// When there is no home.
    pub fn open(world: &'w World) -> Result<Config<'w>> {
        let dirs = world.dirs()?;
        Ok(Config {
            world,
            directory: dirs.config.join("providers"),
            index: dirs.state.join("index"),
        })
    }

    /// Where provider files are.
    pub fn directory(&self) -> &std::path::Path {
        &self.directory
    }

    /// The claim on a target that a tool may use: the longest path wins, then an exact host over a wildcard.
    ///
    /// # Errors
    /// [`Class::Refused`] when two providers claim it equally well; when the provider files can be written by others.
    pub fn claim(&self, target: &Target, tool: &str) -> Result<Option<Claim>> {
        let Some(index) = index::Index::load(self.world, &self.directory, &self.index)? else {
            return Ok(None);
        };
        let mut claims = index.claims(target)?;
        if !claims.iter().all(|claim| index.is_current(claim)) {
            let index = index::Index::build(self.world, &self.directory, &self.index)?;
            claims = index.claims(target)?;
        }
        claims.retain(|claim| claim.tools.is_empty() || claim.tools.iter().any(|name| name == tool));
        let Some(best) = claims.iter().map(Claim::rank).max() else {
            return Ok(None);
        };
        claims.retain(|claim| claim.rank() == best);
        if let Some(other) = claims.iter().find(|claim| claim.provider != claims[0].provider) {
            let message = format!(
                "the providers `{}` and `{}` both claim {target}",
                claims[0].provider, other.provider
            );
            return Err(Error::refused(message).hint("take the target out of one of their files"));
        }
        let mode = self.wanted_mode(&claims[0].provider)?;
        let fits = |claim: &&Claim| match &mode {
            Some(mode) => claim.mode == *mode,
            None => claim.default_mode,
        };
        let chosen = claims.iter().find(fits).or_else(|| claims.first());
        Ok(chosen.cloned())
    }

    /// The mode that the environment asks for: `<PROVIDER>_MODE`, else `KEYFOB_MODE`.
    ///
    /// # Errors
    /// When the variable is not UTF-8.
    pub fn wanted_mode(&self, provider: &str) -> Result<Option<String>> {
        let own = format!("{}_MODE", provider.to_ascii_uppercase().replace(['-', '.', '+'], "_"));
        match self.world.var(&own)? {
            Some(mode) => Ok(Some(mode)),
            None => self.world.var("KEYFOB_MODE"),
        }
    }

    /// The provider of this name, from its file; a preset of that name where there is no file.
    ///
    /// # Errors
    /// [`Class::Usage`] when there is neither, or the file has a mistake.
    pub fn provider(&self, name: &str) -> Result<Provider> {
        profile::check_name("provider", name)?;
        let path = self.directory.join(format!("{name}.toml"));
        match std::fs::read_to_string(&path) {
            Ok(text) => Provider::parse(&text, name, &path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => match preset::find(name) {
                Some(text) => Provider::parse(text, name, &format!("preset {name}")),
                None => Err(Error::usage(format!("there is no provider `{name}`"))
                    .hint("run `keyfob provider list` to see those there are")),
            },
            Err(error) => Err(Error::usage(format!("reading {}: {}", path.display(), error.kind()))),
        }
    }

    /// The provider and the mode that a profile names; a mode that it leaves out comes from the environment, then from
    /// the provider file.
    ///
    /// # Errors
    /// As [`Config::provider`]; [`Class::Usage`] when there is no such mode.
    pub fn profile(&self, profile: &Profile) -> Result<(Provider, usize)> {
        let provider = self.provider(&profile.provider)?;
        let wanted = match &profile.mode {
            Some(mode) => Some(mode.clone()),
            None => self.wanted_mode(&profile.provider)?,
        };
        let at = match &wanted {
            None => 0,
            Some(mode) => provider.modes.iter().position(|row| row.name == *mode).ok_or_else(|| {
                let names: Vec<&str> = provider.modes.iter().map(|row| row.name.as_str()).collect();
                let message = format!(
                    "the provider `{}` has no mode `{mode}`, only: {}",
                    provider.name,
                    names.join(", ")
                );
                Error::new(Class::Usage, message)
            })?,
        };
        Ok((provider, at))
    }

    /// The names of all provider files, sorted.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for (stem, _) in index::files(&self.directory).doing("listing the provider files")? {
            names.push(stem);
        }
        names.sort();
        Ok(names)
    }

    /// Whether provider files were edited in place since the index was made; costs a look at each.
    pub fn outdated(&self) -> bool {
        self.directory.exists() && index::outdated(&self.directory, &self.index)
    }

    /// Makes the index again, whatever it says of its age.
    ///
    /// # Errors
    /// Never for a wrong provider file, which is left out and reported by `provider check`.
    pub fn refresh_index(&self) -> Result<()> {
        index::Index::build(self.world, &self.directory, &self.index).map(|_| ())
    }
}
