//! The provider file that takes a preset into use: written when a login has succeeded, and not before.
//!
//! A file that claims the targets of a service hides what was kept for them, so that one without a session would take a
//! credential away. It knows nothing of how the login is made.

use std::path::PathBuf;

use super::super::Run;
use super::{private_dir, write_new, write_over};
use crate::config::{Profile, Provider, preset};
use crate::error::{Context, Error, Result};
use crate::report::printable;

/// A provider file that is to be.
pub(super) struct Draft {
    name: String,
    text: String,
    /// The file that it takes the place of: one that an earlier login wrote.
    before: Option<String>,
}

impl Draft {
    /// What the arguments of a login ask for; none where they ask for nothing that a file says.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] when they cannot stand in a file, or there is one already that says something else.
    pub(super) fn of(run: &Run, name: &str, client_id: Option<&str>, set: &[String]) -> Result<Option<Draft>> {
        if preset::find(name).is_none() {
            return match set {
                [] => Ok(None),
                _ => Err(Error::usage(format!("`--set` is for presets, and `{name}` is none"))),
            };
        }
        if client_id.is_none() && set.is_empty() {
            return Ok(None);
        }
        if client_id.is_some_and(|id| !is_plain(id, b"")) {
            return Err(Error::usage(
                "the client id has characters other than letters, digits, `.`, `_`, `-` and `:`",
            ));
        }
        let mut said = Said {
            set: pairs(set)?,
            client_id: client_id.map(str::to_owned),
        };
        let before = run.sources.config.text(name)?;
        if let Some(text) = &before {
            let path = path_of(run, name);
            let shown = printable(&path.display().to_string());
            let Some(own) = Said::of(name, text) else {
                return match set {
                    [] => not_another(name, text, client_id, &shown).map(|()| None),
                    _ => Err(Error::usage(format!("{shown} exists already")).hint("change what it says there")),
                };
            };
            if said.set.is_empty() {
                said.set = own.set;
            }
            said.client_id = said.client_id.or(own.client_id);
        }
        let text = said.text(name);
        if before.as_ref() == Some(&text) {
            return Ok(None);
        }
        // A file that is wrong would be in the way of the next try.
        let page = format!("`keyfob provider show {name}` says what it must be told");
        Provider::parse(&text, name, "the new provider file").map_err(|error| error.hint(page))?;
        let name = name.to_owned();
        Ok(Some(Draft { name, text, before }))
    }

    /// The file that says nothing but the preset's name.
    pub(super) fn bare(name: &str) -> Draft {
        Draft {
            name: name.into(),
            text: preset::file(name),
            before: None,
        }
    }

    /// The provider, as if the file were there, and the mode that a profile means.
    pub(super) fn provider(&self, run: &Run, profile: &Profile) -> Result<(Provider, usize)> {
        let provider = Provider::parse(&self.text, &self.name, "the new provider file")?;
        run.sources.config.with_mode(provider, profile)
    }

    /// Whether somebody has written the same file meanwhile.
    pub(super) fn is_there(&self, run: &Run) -> bool {
        let text = run.sources.config.text(&self.name);
        text.is_ok_and(|text| text.as_ref() == Some(&self.text))
    }

    /// Writes the file, for as long as what is given back lives.
    pub(super) fn write(&self, run: &Run) -> Result<Written> {
        let path = path_of(run, &self.name);
        let mut written = Written {
            path: path.clone(),
            before: self.before.clone(),
            stays: self.is_there(run),
        };
        if written.stays {
            return Ok(written);
        }
        // Nothing is taken back that was not done.
        written.stays = true;
        let write = match self.before {
            Some(_) => write_over,
            None => write_new,
        };
        let done = private_dir(run.sources.config.directory()).and_then(|()| write(&path, self.text.as_bytes()));
        let shown = printable(&path.display().to_string());
        match done {
            Ok(()) => {
                written.stays = false;
                Ok(written)
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(Error::usage(format!("{shown} exists already")).hint("change what it says there"))
            }
            Err(error) => Err(Error::failure(error.kind())).doing(format!("writing {shown}")),
        }
    }
}

/// A file that is taken back unless it is to stay.
pub(super) struct Written {
    path: PathBuf,
    before: Option<String>,
    stays: bool,
}

impl Written {
    /// Keeps the file, and says so.
    pub(super) fn stays(mut self, run: &Run) {
        if !self.stays {
            run.note(&format!("Wrote {}.\n", printable(&self.path.display().to_string())));
        }
        self.stays = true;
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        // What cannot be taken back is a file that the person sees; the failure that is told matters more.
        let _ = match &self.before {
            Some(text) => write_over(&self.path, text.as_bytes()),
            None => std::fs::remove_file(&self.path),
        };
    }
}

/// What a login writes into a provider file.
struct Said {
    set: Vec<(String, String)>,
    client_id: Option<String>,
}

impl Said {
    fn text(&self, name: &str) -> String {
        let mut text = preset::file(name);
        if !self.set.is_empty() {
            text += "\n[instance]\n";
        }
        for (key, value) in &self.set {
            text += &format!("{key} = \"{value}\"\n");
        }
        if let Some(id) = &self.client_id {
            text += &format!("\n[oauth]\nclient_id = \"{id}\"\n");
        }
        text
    }

    /// Of a file that a login has written, and nobody has changed since; none of any other.
    fn of(name: &str, text: &str) -> Option<Said> {
        let mut said = Said {
            set: Vec::new(),
            client_id: None,
        };
        for line in text.strip_prefix(&preset::file(name))?.lines() {
            match line.strip_suffix('"').and_then(|line| line.split_once(" = \"")) {
                Some(("client_id", id)) => said.client_id = Some(id.into()),
                Some((key, value)) => said.set.push((key.into(), value.into())),
                None => (),
            }
        }
        (said.text(name) == text).then_some(said)
    }
}

fn pairs(set: &[String]) -> Result<Vec<(String, String)>> {
    let pair = |pair: &String| {
        let pair = pair.split_once('=');
        let pair = pair.filter(|(key, value)| is_plain(key, b"") && is_plain(value, b"/"));
        let (key, value) = pair.ok_or_else(|| {
            Error::usage("`--set` is not a name, `=`, and a value of letters, digits, `.`, `_`, `-`, `:` and `/`")
        })?;
        Ok((key.to_owned(), value.to_owned()))
    };
    set.iter().map(pair).collect()
}

/// Whether a text needs no quoting in a file, whatever stands around it.
fn is_plain(text: &str, more: &[u8]) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"._-:".contains(&b) || more.contains(&b);
    !text.is_empty() && text.bytes().all(good)
}

/// A file that a person wrote says which client it is; another one on the command line would be passed over.
fn not_another(name: &str, text: &str, client_id: Option<&str>, shown: &str) -> Result<()> {
    // What is wrong in the file is told by whoever reads it.
    let provider = Provider::parse(text, name, shown).ok();
    let own = provider.and_then(|provider| provider.modes.first()?.oauth.client_id.clone());
    match (own, client_id) {
        (Some(own), Some(id)) if own != id => Err(Error::usage(format!("{shown} names another client id")).hint(
            format!("change `oauth.client_id` in {shown}, then run `keyfob login {name}`"),
        )),
        _ => Ok(()),
    }
}

fn path_of(run: &Run, name: &str) -> PathBuf {
    run.sources.config.directory().join(format!("{name}.toml"))
}
