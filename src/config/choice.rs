//! Which mode, account and workspace is meant where a call names none: the command line's, a variable's, the one that was
//! chosen, the provider file's, in that order.
//!
//! The file of what was chosen is read only where there is something to choose and nothing before it decides.

use super::active::{self, Active, is_workspace};
use super::address::{is_called, plain_mode};
use super::{Claim, Config, Provider, mode_at, variable};
use crate::error::{Error, Result};
use crate::target::Target;

/// What the command line says for a whole call.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// `--mode`
    pub mode: Option<String>,
    /// `--account`
    pub account: Option<String>,
    /// `--workspace`
    pub workspace: Option<String>,
}

/// By what something was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// The file of what was chosen, by `mode`, `account` or `workspace`.
    Active,
    /// Nothing: the provider file's first, or the only one there is.
    Default,
    /// An option of the command line.
    Option,
    /// This variable.
    Variable(String),
}

/// As `--json` shows it.
impl std::fmt::Display for By {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            By::Active => f.write_str("active"),
            By::Default => f.write_str("default"),
            By::Option => f.write_str("option"),
            By::Variable(name) => write!(f, "env:{name}"),
        }
    }
}

impl Config<'_> {
    /// Takes in what the command line says.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] when it names a workspace as no workspace can be called.
    pub fn say(&mut self, said: Said) -> Result<()> {
        if said.workspace.as_deref().is_some_and(|name| !is_workspace(name)) {
            return Err(Error::usage("`--workspace` is not 1 to 256 visible ASCII characters"));
        }
        self.said = said;
        Ok(())
    }

    /// The mode that the command line or a variable asks for: `--mode`, `<PREFIX>_MODE`, `KEYFOB_MODE`.
    ///
    /// # Errors
    /// When the variable is not UTF-8.
    pub fn said_mode(&self, prefix: &str) -> Result<Option<(String, By)>> {
        match &self.said.mode {
            Some(mode) => Ok(Some((mode.clone(), By::Option))),
            None => self.variable(&[&variable::named(prefix, "MODE"), "KEYFOB_MODE"]),
        }
    }

    /// The place of the mode that is meant where a profile names none, and by what.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] when there is no mode as the command line or a variable says.
    pub fn mode_in_use(&self, provider: &Provider) -> Result<(usize, By)> {
        if provider.modes.iter().all(|mode| plain_mode(&mode.name).is_empty()) {
            // A variable is said to all providers, and one without modes has nothing to choose.
            let said = self.said.mode.as_deref();
            return said
                .map_or(Ok(0), |mode| mode_at(provider, mode))
                .map(|at| (at, By::Default));
        }
        if let Some((mode, by)) = self.said_mode(&provider.program.prefix)? {
            return Ok((mode_at(provider, &mode)?, by));
        }
        Ok(match self.active_mode(provider) {
            Some(at) => (at, By::Active),
            None => (0, By::Default),
        })
    }

    /// The place of the mode that was chosen, whatever the command line and variables say.
    pub fn active_mode(&self, provider: &Provider) -> Option<usize> {
        if provider.modes.len() < 2 {
            return None;
        }
        let mode = self.active(&provider.name).mode?;
        let at = provider.modes.iter().position(|row| is_called(&row.name, &mode));
        if at.is_none() {
            self.trouble(&provider.name, "the provider file does not have the mode that it names");
        }
        at
    }

    /// The account that the command line or a variable names: `--account`, `<PREFIX>_ACCOUNT`, `KEYFOB_ACCOUNT`.
    ///
    /// # Errors
    /// When the variable is not UTF-8.
    pub fn said_account(&self, prefix: &str) -> Result<Option<(String, By)>> {
        match &self.said.account {
            Some(account) => Ok(Some((account.clone(), By::Option))),
            None => self.variable(&[&variable::named(prefix, "ACCOUNT"), "KEYFOB_ACCOUNT"]),
        }
    }

    /// The variable by which a person names an account of a provider: the program's own where we are its sign-in.
    pub fn account_variable(&self, provider: &str) -> String {
        match self.provider(provider) {
            Ok(provider) if self.is_program => variable::named(&provider.program.prefix, "ACCOUNT"),
            _ => "KEYFOB_ACCOUNT".into(),
        }
    }

    /// The account that was chosen in a mode.
    pub fn active_account(&self, provider: &str, mode: &str) -> Option<String> {
        self.active(provider).modes.remove(mode)?.account
    }

    /// The workspace that the command line or a variable asks for: `--workspace`, `<PREFIX>_WORKSPACE`,
    /// `KEYFOB_WORKSPACE`.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] when no workspace can be called as the variable says.
    pub fn said_workspace(&self, prefix: &str) -> Result<Option<(String, By)>> {
        if let Some(name) = &self.said.workspace {
            return Ok(Some((name.clone(), By::Option)));
        }
        let found = self.variable(&[&variable::named(prefix, "WORKSPACE"), "KEYFOB_WORKSPACE"])?;
        match &found {
            Some((name, By::Variable(variable))) if !is_workspace(name) => Err(Error::usage(format!(
                "the variable `{variable}` is not 1 to 256 visible ASCII characters"
            ))),
            _ => Ok(found),
        }
    }

    /// The workspace that was chosen for an account.
    pub fn active_workspace(&self, provider: &str, mode: &str, account: &str) -> Option<String> {
        self.active(provider).modes.remove(mode)?.workspaces.remove(account)
    }

    /// What was chosen for a provider. A file that cannot be read decides nothing, and is one of [`Config::troubles`].
    pub fn active(&self, provider: &str) -> Active {
        active::read(&active::path(&self.state, provider)).unwrap_or_else(|why| {
            self.trouble(provider, &why.to_string());
            Active::default()
        })
    }

    /// Changes what was chosen for a provider.
    ///
    /// # Errors
    /// [`crate::error::Class::Store`] when it cannot be written; [`crate::error::Class::Temporary`] when another change
    /// takes too long.
    pub fn choose(&self, provider: &str, change: impl FnOnce(&mut Active)) -> Result<()> {
        active::change(self.world, &active::path(&self.state, provider), change)
    }

    /// What was found wrong with the files of what was chosen, each once, for a person to read.
    pub fn troubles(&self) -> Vec<String> {
        self.troubles.borrow().clone()
    }

    fn trouble(&self, provider: &str, why: &str) {
        let place = active::path(&self.state, provider);
        let text = format!("{} is ignored: {why}", place.display());
        let mut troubles = self.troubles.borrow_mut();
        if !troubles.contains(&text) {
            troubles.push(text);
        }
    }

    /// The first of these variables that is set.
    fn variable(&self, names: &[&str]) -> Result<Option<(String, By)>> {
        for name in names {
            if let Some(value) = self.world.var(name)? {
                return Ok(Some((value, By::Variable((*name).into()))));
            }
        }
        Ok(None)
    }

    /// One of several claims of one provider that differ in their modes.
    pub(super) fn of_mode(&self, claims: Vec<Claim>, target: &Target) -> Result<Claim> {
        let first = &claims[0];
        let one_mode = claims.iter().all(|claim| claim.mode == first.mode);
        let said = match first.mode.as_str() {
            "" => None,
            _ => self.said_mode(&first.prefix())?,
        };
        let chosen = match said {
            Some((mode, _)) => {
                let chosen = claims.iter().find(|claim| claim.mode == mode);
                if chosen.is_none() {
                    mode_at(&self.provider(&first.provider)?, &mode)?;
                }
                chosen
            }
            // What only one mode claims is that mode's, whichever is in use.
            None if one_mode => Some(first),
            None => self.of_active_mode(&claims)?,
        };
        if let Some(chosen) = chosen.or_else(|| one_mode.then_some(first)) {
            return Ok(chosen.clone());
        }
        let mut names: Vec<&str> = claims.iter().map(|claim| claim.mode.as_str()).collect();
        names.dedup();
        let message = format!(
            "several modes of the provider `{}` claim {target}: {}",
            first.provider,
            names.join(", ")
        );
        let variable = variable::named(&first.prefix(), "MODE");
        Err(Error::refused(message).hint(format!("set {variable} to one of them")))
    }

    /// The claim of the mode that was chosen; of the default one where none was.
    fn of_active_mode<'a>(&self, claims: &'a [Claim]) -> Result<Option<&'a Claim>> {
        let default = claims.iter().find(|claim| claim.default_mode);
        let provider = &claims[0].provider;
        let Some(mode) = self.active(provider).mode else {
            return Ok(default);
        };
        let chosen = claims.iter().find(|claim| claim.mode == mode);
        if chosen.is_some() || self.active_mode(&self.provider(provider)?).is_some() {
            // A mode that is in use and does not claim the target leaves no other to be guessed.
            return Ok(chosen);
        }
        Ok(default)
    }
}
