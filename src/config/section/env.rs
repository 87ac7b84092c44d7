//! `[env]`: environment variables that hold a credential.

use super::Text;
use crate::config::read::Reader;
use crate::error::Result;

words! {
    variables: Vec<Text>,
}

/// The names, in order.
pub(in crate::config) fn read(reader: &Reader, words: &Words) -> Result<Vec<String>> {
    let names = words.variables.iter().flatten();
    names.map(|name| reader.variable("env.variables", name)).collect()
}
