//! What a person sets of a provider file: a few of its keys, under the program's names for them, in a file of their own.
//!
//! The file `settings/NAME.toml` is configuration like the provider file, and may be shared like it: it has no secret.
//! Which settings there are is said in `[program.settings]`; others in the file are kept and mean nothing.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;

use super::Provider;
use super::disk;
use super::read::Reader;
use super::section::program::{Setting, SettingKey};
use super::section::{File, Text};
use crate::error::{Error, Result};

/// What a person has set for one provider, with the text of the file for the places of mistakes.
#[derive(Debug)]
pub(super) struct Settings {
    text: String,
    place: String,
    values: BTreeMap<Text, Text>,
}

impl Settings {
    /// Nothing is set.
    pub(super) const NONE: Settings = Settings {
        text: String::new(),
        place: String::new(),
        values: BTreeMap::new(),
    };

    /// Reads the file; nothing is set where there is none.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] when it is no table of texts; [`crate::error::Class::Store`] when others could
    /// have written it.
    pub(super) fn read(path: &Path) -> Result<Settings> {
        let Some((text, _)) = disk::read(path)? else {
            return Ok(Settings::NONE);
        };
        let place = path.display().to_string();
        let values = toml::from_str(&text).map_err(|error: toml::de::Error| {
            let at = error.span().map(|span| span.start);
            let reader = Reader::plain(&text, &place);
            reader.wrong(
                at,
                "expected settings such as `\"cloud.url\" = \"https://cloud.example\"`, found another text",
            )
        })?;
        Ok(Settings { text, place, values })
    }

    /// Whether nothing is set.
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The value of a setting.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        Some(self.find(name)?.get_ref())
    }

    fn find(&self, name: &str) -> Option<&Text> {
        let found = self.values.iter().find(|(key, _)| key.get_ref() == name);
        found.map(|(_, value)| value)
    }

    /// The file with another value of a setting, or without it.
    pub(super) fn with(&self, name: &str, value: Option<&str>) -> String {
        let others = self
            .values
            .iter()
            .map(|(key, value)| (key.get_ref().as_str(), value.get_ref().as_str()));
        let mut values: BTreeMap<&str, &str> = others.collect();
        match value {
            Some(value) => values.insert(name, value),
            None => values.remove(name),
        };
        // A text of JSON is one of TOML, but for a sign that TOML wants escaped as well.
        let quoted = |text: &str| serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f");
        let lines = values.iter();
        lines
            .map(|(name, value)| format!("{} = {}\n", quoted(name), quoted(value)))
            .collect()
    }

    /// Puts the values into a provider file that has these settings.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`], at its place, for a value that cannot be.
    pub(super) fn fill(&self, settings: &[Setting], file: &mut File) -> Result<()> {
        let reader = Reader::plain(&self.text, &self.place);
        for Setting { name, key } in settings {
            let Some(value) = self.find(name) else { continue };
            let good = value_of(&reader, name, *key, value);
            let slot = match key {
                SettingKey::ClientId => &mut file.oauth.client_id,
                SettingKey::Issuer => &mut file.oauth.issuer,
                SettingKey::Service => &mut file.service.url,
            };
            // A mistake that shows only beside the rest of the file is told at the place of the whole.
            *slot = Some(Spanned::new(0..0, good?));
        }
        Ok(())
    }
}

/// Whether a file of settings says only what can be.
///
/// # Errors
/// [`crate::error::Class::Usage`] for the first value that cannot.
pub(super) fn check(text: &str, provider: &Provider) -> Result<()> {
    let values: BTreeMap<Text, Text> = toml::from_str(text).expect("it was just written");
    let settings = Settings {
        values,
        ..Settings::NONE
    };
    for Setting { name, key } in &provider.program.settings {
        let Some(value) = settings.find(name) else { continue };
        // The place in a file that is not written yet would help nobody.
        let good = value_of(&Reader::plain("", ""), name, *key, value);
        good.map_err(|error| Error::usage(error.to_string().trim_start_matches(":1: ")))?;
    }
    Ok(())
}

fn value_of(reader: &Reader, name: &str, key: SettingKey, value: &Text) -> Result<String> {
    match key {
        SettingKey::ClientId => reader.visible(name, value),
        SettingKey::Issuer | SettingKey::Service => reader.url(name, value),
    }
}

/// Writes the file, whole or not at all.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    let failed = |error: std::io::Error| Error::store(format!("writing {}: {}", path.display(), error.kind()));
    let directory = path.parent().expect("the file is below a directory");
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(directory).map_err(failed)?;
    // Two that write at the same time must not write into one file.
    let number = u64::from_le_bytes(crate::world::random());
    let temporary = path.with_extension(format!("new-{number:016x}"));
    let mut options = std::fs::File::options();
    let written = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&temporary);
        failed(error)
    })
}
