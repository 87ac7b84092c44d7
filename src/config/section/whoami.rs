//! `[whoami]`: a request that shows whom a credential speaks for.

use super::Text;
use crate::config::read::Reader;
use crate::error::Result;

words! {
    url: Text,
    subject: Text,
}

/// A request that shows whom a credential speaks for.
#[derive(Debug, Clone)]
pub struct Whoami {
    /// Asked with the credential as bearer token.
    pub url: String,
    /// JSON pointer (RFC 6901) to the subject in the reply.
    pub subject: String,
}

/// None where there is no URL.
pub(in crate::config) fn read(reader: &Reader, words: &Words) -> Result<Option<Whoami>> {
    let Some(url) = &words.url else { return Ok(None) };
    let subject = reader.pointer("whoami.subject", words.subject.as_ref(), "/sub")?;
    let url = reader.url("whoami.url", url)?;
    Ok(Some(Whoami { url, subject }))
}
