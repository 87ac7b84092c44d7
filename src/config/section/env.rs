//! `[env]`: environment variables that hold a credential.

use super::Text;
use crate::config::read::Reader;
use crate::error::Result;

words! {
    variables: Vec<Text>,
}

/// The names, in order.
pub(in crate::config) fn read(reader: &Reader, words: &Words) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for variable in words.variables.iter().flatten() {
        let name = variable.get_ref();
        let good = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !name.starts_with(|c: char| c.is_ascii_digit());
        if name.is_empty() || !good {
            return Err(reader.wrong_at(
                variable,
                "env.variables: expected names of letters, digits and `_`, found another",
            ));
        }
        names.push(name.clone());
    }
    Ok(names)
}
