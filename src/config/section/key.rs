//! `[key]`: how the keys of a provider look.

use super::Text;
use crate::config::read::Reader;
use crate::error::Result;

words! {
    prefix: Text,
}

/// What every key begins with.
pub(in crate::config) fn read(reader: &Reader, words: &Words) -> Result<Option<String>> {
    reader.visible_if("key.prefix", words.prefix.as_ref())
}
