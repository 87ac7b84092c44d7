//! One setting of a program's own configuration, which a person has written already: YAML, of which JSON is a part.
//!
//! It is no secret, but decides where a person is sent to log in: whoever else can write the file is not believed.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use rustix::fs::OFlags;
use saphyr_parser::{Event, Parser};

use crate::config::Setting;
use crate::error::{Error, Result};
use crate::world::World;

/// The longest configuration that is read.
const MAX_FILE: u64 = 1024 * 1024;

/// The value of the setting; none where the file, or the setting in it, is not there or empty.
///
/// # Errors
/// [`crate::error::Class::Usage`] when the file cannot be read, is no YAML, or can be written by others.
pub(super) fn read(world: &World, setting: &Setting) -> Result<Option<String>> {
    let Setting { file: path, name } = setting;
    let wrong = |why: &dyn std::fmt::Display| Error::usage(format!("reading `{name}` in {path}: {why}"));
    // A pipe in its place must not make us wait.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let opened = File::options().read(true).custom_flags(flags).open(world.expand(path)?);
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|error| wrong(&error.kind()))?,
    };
    let metadata = file.metadata().map_err(|error| wrong(&error.kind()))?;
    let own = rustix::process::geteuid().as_raw();
    if !metadata.is_file() || (metadata.uid() != own && metadata.uid() != 0) || metadata.mode() & 0o022 != 0 {
        return Err(wrong(&"it is no file of yours, or others can write it").hint(format!("run `chmod go-w {path}`")));
    }
    let mut text = String::new();
    file.take(MAX_FILE)
        .read_to_string(&mut text)
        .map_err(|error| wrong(&error.kind()))?;
    let found = find(&text, name).map_err(|line| wrong(&format!("line {line} is no YAML")))?;
    Ok(found.filter(|value| !value.is_empty()))
}

/// Where in the text a reader of it is: within a table, at the value of a key or at the next key; or within a list.
struct Level {
    is_table: bool,
    key: Option<String>,
}

/// The text at a name with dots between its words; references to other parts of the text lead nowhere.
///
/// # Errors
/// The line that is no YAML.
fn find(text: &str, name: &str) -> Result<Option<String>, usize> {
    let mut levels: Vec<Level> = Vec::new();
    let words: Vec<&str> = name.split('.').collect();
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|error| error.marker().line())?;
        match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => levels.push(Level {
                is_table: matches!(event, Event::MappingStart(..)),
                key: None,
            }),
            Event::MappingEnd | Event::SequenceEnd => {
                levels.pop();
                passed(&mut levels, String::new());
            }
            Event::Alias(_) => passed(&mut levels, String::new()),
            Event::Scalar(value, ..) => {
                let is_here = levels.len() == words.len()
                    && levels
                        .iter()
                        .zip(&words)
                        .all(|(level, word)| level.is_table && level.key.as_deref() == Some(*word));
                if is_here {
                    return Ok(Some(value.into_owned()));
                }
                passed(&mut levels, value.into_owned());
            }
            // A file has one document.
            Event::DocumentEnd => break,
            _ => (),
        }
    }
    Ok(None)
}

/// One whole key or value of the innermost table was read.
fn passed(levels: &mut [Level], text: String) {
    if let Some(level) = levels.last_mut().filter(|level| level.is_table) {
        level.key = match level.key {
            None => Some(text),
            Some(_) => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn a_setting_is_found_where_its_name_says_and_nowhere_else() {
        let url = |text: &str| find(text, "cloud.url").map(|found| found.unwrap_or_default());
        for text in [
            "cloud:\n  url: \"https://a.example\"\n",
            "# mine\nurl: https://b.example\nother:\n  cloud:\n    url: https://c.example\ncloud: {url: 'https://a.example'}",
            "{\"cloud\": {\"list\": [{\"url\": 1}], \"url\": \"https://a.example\"}}",
            "list:\n- cloud:\n    url: x\n? [a, b]\n: c\ncloud:\n  name: &n x\n  same: *n\n  url: https://a.example",
        ] {
            assert_eq!(url(text).as_deref(), Ok("https://a.example"), "{text}");
        }
        for text in [
            "",
            "cloud:",
            "cloud: https://b.example",
            "cloud:\n- url: x",
            "--- a\n---\ncloud: {url: x}",
        ] {
            assert_eq!(url(text).as_deref(), Ok(""), "{text}");
        }
        assert!(url("cloud: [").is_err() && url("a: b: c: d").is_err());
    }
}
