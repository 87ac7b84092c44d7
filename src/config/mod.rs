//! What the user configured: providers, and which of them a target or a profile means.
//!
//! A tool's call is answered from the [`index`] of targets, without reading a provider file; the file itself is read
//! when a session must be renewed, and by the own commands.

pub mod active;
mod address;
mod choice;
mod disk;
mod held;
pub mod index;
mod instance;
mod mistake;
pub mod preset;
pub mod profile;
pub mod provider;
mod read;
mod section;
mod setting;
mod variable;

use std::cell::RefCell;
use std::path::PathBuf;

use setting::Settings;

use crate::error::{Class, Context, Error, NO_PROVIDER, Result};
use crate::target::Target;
use crate::world::World;

pub use address::plain_mode;
pub use choice::{By, Said};
pub use index::Claim;
pub use profile::Profile;
pub use provider::{Flow, Mode, Persist, Provider, Scheme, Serves};
pub use section::call::{Call, Marks, Method, Pointers, Query, Slot, Template};
pub use section::context::{Switch, Workspace};
pub use section::env::is_variable;
pub use section::grant::{Grant, TokenSource};
pub use section::key::KeyForm;
pub use section::mfa::{Enrolment, Found, Mfa};
pub use section::oauth::{Oauth, TokenAuth};
pub use section::otp::Otp;
pub use section::password::Password;
pub use section::place::Place;
pub use section::poll::Poll;
pub use section::program::{Address, Alias, Program, Setting, SettingKey, is_program};
pub use section::redirect::{Redirect, RedirectHost};
pub use section::refresh::Refresh;
pub use section::service::Service;
pub use section::signing::Signing;
pub use section::sync::{SYNC_ID, Sync, SyncedAs};
pub use section::whoami::Whoami;

/// How a mistake names the provider file that a program brings.
const BROUGHT: &str = "the provider file in this program";

/// The configuration of one user.
pub struct Config<'w> {
    world: &'w World,
    directory: PathBuf,
    index: PathBuf,
    state: PathBuf,
    settings: PathBuf,
    said: Said,
    is_program: bool,
    troubles: RefCell<Vec<String>>,
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
            state: dirs.state,
            settings: dirs.config.join("settings"),
            said: Said::default(),
            is_program: false,
            troubles: RefCell::default(),
        })
    }

    /// Where provider files are.
    pub fn directory(&self) -> &std::path::Path {
        &self.directory
    }

    /// The claim on a target that a tool may use: the longest path wins, then an exact host over a wildcard.
    ///
    /// Where several modes of the provider claim it equally well, the one in use.
    ///
    /// # Errors
    /// [`Class::Refused`] when two providers or modes claim it equally well; [`Class::Usage`] when the provider has no
    /// such mode; [`Class::Store`] when the file that claims it best has a mistake, or the provider files can be written by
    /// others.
    pub fn claim(&self, target: &Target, tool: &str) -> Result<Option<Claim>> {
        let mut claims = self.claims(target, tool, Claim::covers)?;
        let Some(best) = claims.iter().map(Claim::rank).max() else {
            return Ok(None);
        };
        claims.retain(|claim| claim.rank() == best);
        if let Some(wrong) = claims.iter().find(|claim| claim.mistaken) {
            return Err(self.mistake(&wrong.provider));
        }
        if let Some(other) = claims.iter().find(|claim| claim.provider != claims[0].provider) {
            let message = format!(
                "the providers `{}` and `{}` both claim {target}",
                claims[0].provider, other.provider
            );
            return Err(Error::refused(message).hint("take the target out of one of their files"));
        }
        self.of_mode(claims, target).map(Some)
    }

    /// The best claim on a target in a mode that was named.
    ///
    /// # Errors
    /// When the provider files can be written by others.
    pub fn claim_of(&self, target: &Target, tool: &str, provider: &str, mode: &str) -> Result<Option<Claim>> {
        let mut claims = self.claims(target, tool, Claim::covers)?;
        claims.retain(|claim| claim.provider == provider && claim.mode == mode);
        let best = claims.iter().map(Claim::rank).max();
        Ok(claims.into_iter().find(|claim| Some(claim.rank()) == best))
    }

    /// The roots of all claims at a target's origin that a tool may use; only those of a provider and mode where one is
    /// named.
    ///
    /// # Errors
    /// When the provider files can be written by others.
    pub fn places(&self, target: &Target, tool: &str, of: Option<(&str, &str)>) -> Result<Vec<Target>> {
        let mut claims = self.claims(target, tool, Claim::shares)?;
        claims.retain(|claim| of.is_none_or(|of| of == (claim.provider.as_str(), claim.mode.as_str())));
        Ok(claims.iter().map(|claim| claim.root.with_host_of(target)).collect())
    }

    /// All claims that fit a target and that a tool may use, from an index that is neither old nor damaged.
    fn claims(&self, target: &Target, tool: &str, fits: fn(&Claim, &Target) -> bool) -> Result<Vec<Claim>> {
        let mut claims = match index::Index::load(self.world, &self.directory, &self.index)? {
            None => Vec::new(),
            Some(index) => match index.claims(target, fits).filter(|claims| index.is_current(claims)) {
                Some(claims) => claims,
                None => index::Index::build(self.world, &self.directory, &self.index)?
                    .claims(target, fits)
                    .ok_or_else(|| Error::failure("BUG: the index just made is damaged"))?,
            },
        };
        self.set_right(&mut claims, |claim| fits(claim, target));
        if let Some((name, text)) = self.brought() {
            let provider = Provider::parse(text, name, BROUGHT)?;
            let own = provider::claims(&provider, disk::Stamp::default()).into_iter();
            claims.extend(own.filter(|claim| fits(claim, target)));
        }
        claims.retain(|claim| claim.tools.is_empty() || claim.tools.iter().any(|name| name == tool));
        Ok(claims)
    }

    /// Puts the claims of a file that lacks nothing but what a person has set in the place of those that it holds.
    fn set_right(&self, claims: &mut Vec<Claim>, fits: impl Fn(&Claim) -> bool) {
        let mut held: Vec<Claim> = claims.extract_if(.., |claim| claim.mistaken).collect();
        while let Some(claim) = held.pop() {
            let Ok(provider) = self.as_set(&claim.provider) else {
                claims.push(claim);
                continue;
            };
            held.retain(|other| other.provider != claim.provider);
            claims.extend(provider::claims(&provider, claim.stamp).into_iter().filter(&fits));
        }
    }

    /// The provider of this name as a person has set it, from its file.
    fn as_set(&self, name: &str) -> Result<Provider> {
        let text = self.text(name)?.unwrap_or_default();
        let settings = Settings::read(&self.setting_file(name))?;
        let path = self.directory.join(format!("{name}.toml"));
        Provider::parse_with(&text, name, &path.display().to_string(), &settings)
    }

    /// The failure for the sake of a place that a file with a mistake holds.
    fn mistake(&self, provider: &str) -> Error {
        let why = match self.as_set(provider) {
            Err(error) => error.to_string(),
            Ok(_) => format!("the provider file of `{provider}` has just changed"),
        };
        // The beginning of a long message is what is shown, so the file comes first.
        Error::store(why).hint("correct it, then run `keyfob provider check`")
    }

    /// Whether there is a provider file of this name, right or wrong, or this program brings one.
    pub fn has_file(&self, name: &str) -> bool {
        let is_there = || self.directory.join(format!("{name}.toml")).exists();
        profile::check_name("provider", name).is_ok()
            && (self.world.brought().is_some_and(|(own, _)| own == name) || is_there())
    }

    /// The provider file that this program brings, where the user has none of that name.
    fn brought(&self) -> Option<(&'w str, &'w str)> {
        let brought = self.world.brought();
        brought.filter(|(name, _)| !self.directory.join(format!("{name}.toml")).exists())
    }

    /// The provider of this name, from its file; a preset of that name where there is no file.
    ///
    /// # Errors
    /// [`Class::Usage`] when there is neither, or the file has a mistake.
    pub fn provider(&self, name: &str) -> Result<Provider> {
        profile::check_name("provider", name)?;
        let path = self.directory.join(format!("{name}.toml"));
        disk::directory_stamp(&self.directory)?;
        if let Some((text, _)) = disk::read(&path)? {
            return self.read(&text, name, &path.display().to_string());
        }
        if let Some((_, text)) = self.brought().filter(|(own, _)| *own == name) {
            return self.read(text, name, BROUGHT);
        }
        match preset::find(name) {
            // As a file would take it into use.
            Some(_) => Provider::parse(&preset::file(name), name, &format!("preset {name}"))
                .map_err(|error| preset::lacks(name, &error)),
            None => Err(Error::usage(format!("there is no provider `{name}`"))
                .code(NO_PROVIDER)
                .hint("run `keyfob provider list` to see those there are")),
        }
    }

    /// The text of the provider file of this name; none where there is no file.
    ///
    /// # Errors
    /// [`Class::Usage`] when it is not text; [`Class::Store`] when others could have written it.
    pub fn text(&self, name: &str) -> Result<Option<String>> {
        profile::check_name("provider", name)?;
        disk::directory_stamp(&self.directory)?;
        let read = disk::read(&self.directory.join(format!("{name}.toml")))?;
        Ok(read.map(|(text, _)| text))
    }

    /// The same configuration for a program whose sign-in we are: the variable of `[program.address]` counts.
    #[must_use]
    pub fn of_program(mut self) -> Config<'w> {
        self.is_program = true;
        self
    }

    fn read(&self, text: &str, name: &str, place: &str) -> Result<Provider> {
        let provider = Provider::parse(text, name, place);
        let set = match &provider {
            Ok(provider) if provider.program.settings.is_empty() => Settings::NONE,
            // What is wrong may be what is not set.
            _ => Settings::read(&self.setting_file(name))?,
        };
        let provider = if set.is_empty() {
            provider?
        } else {
            Provider::parse_with(text, name, place, &set)?
        };
        let Some(address) = provider.program.address.as_ref().filter(|_| self.is_program) else {
            return Ok(provider);
        };
        let Some(value) = self.world.var(&address.variable)? else {
            return Ok(provider);
        };
        let (base, called) = address::read(&address.variable, &value)?;
        if address.replaces.contains(&base) {
            return Ok(provider);
        }
        let mut there = Provider::parse_with(&address::replace(text, address, &base), name, place, &set)?;
        address::rename(&mut there, &address.variable, &called)?;
        Ok(there)
    }

    /// The file of what a person has set for a provider.
    pub fn setting_file(&self, provider: &str) -> PathBuf {
        self.settings.join(format!("{provider}.toml"))
    }

    /// What a person has set: the value of a setting.
    ///
    /// # Errors
    /// [`Class::Usage`] when the file of the settings is wrong.
    pub fn setting(&self, provider: &Provider, name: &str) -> Result<Option<String>> {
        let settings = Settings::read(&self.setting_file(&provider.name))?;
        Ok(settings.get(name).map(str::to_owned))
    }

    /// Sets what a person may set, or takes it away; a value with which the provider file would be wrong is not kept.
    ///
    /// # Errors
    /// [`Class::Usage`] for such a value; [`Class::Store`] when the file cannot be written.
    pub fn set(&self, provider: &Provider, name: &str, value: Option<&str>) -> Result<()> {
        let path = self.setting_file(&provider.name);
        let text = Settings::read(&path)?.with(name, value);
        setting::check(&text, provider)?;
        setting::write(&path, &text)
    }

    /// The provider in a file that a person named, which need not be one of ours; it is only to be looked at.
    ///
    /// # Errors
    /// [`Class::Usage`] when it cannot be read or has a mistake.
    pub fn provider_at(&self, path: &str) -> Result<Provider> {
        let text = disk::read_named(path.as_ref())?;
        let stem = std::path::Path::new(path).file_stem().and_then(|stem| stem.to_str());
        Provider::parse(&text, stem.unwrap_or_default(), path)
    }

    /// The provider and the mode that a profile names; a mode that it leaves out is the one in use.
    ///
    /// # Errors
    /// As [`Config::provider`]; [`Class::Usage`] when there is no such mode.
    pub fn profile(&self, profile: &Profile) -> Result<(Provider, usize)> {
        self.with_mode(self.provider(&profile.provider)?, profile)
    }

    /// The same with a provider that was read already.
    ///
    /// # Errors
    /// [`Class::Usage`] when there is no such mode.
    pub fn with_mode(&self, provider: Provider, profile: &Profile) -> Result<(Provider, usize)> {
        let at = match &profile.mode {
            Some(mode) => mode_at(&provider, mode)?,
            None => self.mode_in_use(&provider)?.0,
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
        names.extend(self.brought().map(|(name, _)| name.to_owned()));
        names.sort();
        Ok(names)
    }

    /// The files beside them whose names are no provider's, so that they are passed over; sorted.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn misnamed(&self) -> Result<Vec<PathBuf>> {
        let mut files = index::all_files(&self.directory).doing("listing the provider files")?;
        files.retain(|(stem, _)| profile::check_name("provider", stem).is_err());
        let mut paths: Vec<PathBuf> = files.into_iter().map(|(_, path)| path).collect();
        paths.sort();
        Ok(paths)
    }

    /// Whether provider files were edited in place since the index was made; costs a look at each.
    pub fn outdated(&self) -> bool {
        self.directory.exists() && index::outdated(&self.directory, &self.index)
    }

    /// Makes the index again if a provider file was edited in place since: for the tools that ask after an own command.
    ///
    /// What keeps it from being made is told by the call that needs it.
    pub fn notice(&self) {
        if self.index.exists() && self.outdated() {
            let _ = self.refresh_index();
        }
    }

    /// Makes the index again, whatever it says of its age.
    ///
    /// # Errors
    /// Never for a wrong provider file, which holds its places and is reported by `provider check`.
    pub fn refresh_index(&self) -> Result<()> {
        index::Index::build(self.world, &self.directory, &self.index).map(|_| ())
    }
}

/// The place of a mode in its provider.
///
/// # Errors
/// [`Class::Usage`] when there is none of this name.
fn mode_at(provider: &Provider, mode: &str) -> Result<usize> {
    let found = provider
        .modes
        .iter()
        .position(|row| address::is_called(&row.name, mode));
    found.ok_or_else(|| {
        let names: Vec<&str> = provider.modes.iter().map(|row| row.name.as_str()).collect();
        let names = if names == [""] {
            "it has none".into()
        } else {
            format!("only: {}", names.join(", "))
        };
        let message = format!("the provider `{}` has no mode `{mode}`, {names}", provider.name);
        Error::new(Class::Usage, message)
    })
}
