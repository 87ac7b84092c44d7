//! `[env]`: environment variables that hold a credential, and the one that a shell is given.

use super::Text;
use crate::config::read::Reader;
use crate::error::Result;

words! {
    variables: Vec<Text>,
    export: Text,
}

/// The names, in order.
pub(in crate::config) fn read(reader: &Reader, words: &Words) -> Result<Vec<String>> {
    let names = words.variables.iter().flatten();
    names.map(|name| reader.variable("env.variables", name)).collect()
}

/// The name under which a shell gets the credential.
pub(in crate::config) fn export(reader: &Reader, words: &Words) -> Result<Option<String>> {
    match &words.export {
        Some(name) if !is_variable(name.get_ref()) => Err(reader.wrong_at(
            name,
            "env.export: expected a name of letters, digits and `_`, found another",
        )),
        name => Ok(name.as_ref().map(|name| name.get_ref().clone())),
    }
}

/// Whether a text is the name of a variable in every shell: letters, digits and `_`, with no digit in front.
pub fn is_variable(name: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !name.is_empty() && name.bytes().all(good) && !name.starts_with(|c: char| c.is_ascii_digit())
}
