//! `[key]`: how the keys of a provider look.

use super::Text;
use crate::config::provider::Flow;
use crate::config::read::Reader;
use crate::error::Result;

words! {
    prefix: Text,
    form: Text,
}

/// What a key is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyForm {
    /// One word, for a header.
    #[default]
    Token,
    /// A client certificate with its private key, for whoever opens the connection.
    Certificate,
}

/// What every key begins with.
pub(in crate::config) fn prefix(reader: &Reader, words: &Words) -> Result<Option<String>> {
    reader.visible_if("key.prefix", words.prefix.as_ref())
}

/// What every key is. A certificate is brought by a person, begins as all do, and is nothing that a page is asked with.
pub(in crate::config) fn form(reader: &Reader, words: &Words, flow: Flow, asked: bool) -> Result<KeyForm> {
    let word = reader.one_of("key.form", words.form.as_ref(), &["certificate", "token"])?;
    if word.as_deref() != Some("certificate") {
        return Ok(KeyForm::Token);
    }
    let beside = match (flow, &words.prefix) {
        (Flow::Key, Some(_)) => "key.prefix",
        (Flow::Key, None) if asked => "whoami.url",
        (Flow::Key, None) => return Ok(KeyForm::Certificate),
        _ => "another flow than `key`",
    };
    let message = format!("key.form: expected `token` beside {beside}, found `certificate`");
    Err(words.form.as_ref().map_or_else(
        || reader.wrong(None, &message),
        |word| reader.wrong_at(word, &message),
    ))
}
