//! `[whoami]`: a request that shows whom a credential speaks for, and what else of its answer a person wants to see.

use std::collections::BTreeMap;

use super::Text;
use crate::config::read::Reader;
use crate::error::Result;

words! {
    url: Text,
    json_url: Text,
    subject: Text,
    scopes: Text,
    fields: BTreeMap<Text, Text>,
}

/// A request that shows whom a credential speaks for.
#[derive(Debug, Clone)]
pub struct Whoami {
    /// Asked with the credential as bearer token.
    pub url: String,
    /// Asked instead by `whoami --json`, where the service has a place that says more.
    pub json_url: Option<String>,
    /// JSON pointer (RFC 6901) to the subject in the reply.
    pub subject: String,
    /// JSON pointer to the scopes that the credential has: a list, or a text with spaces between them.
    pub scopes: Option<String>,
    /// What else is shown: names, each with the JSON pointer to it.
    pub fields: Vec<(String, String)>,
}

/// None where there is no URL.
pub(in crate::config) fn read(reader: &Reader, words: &Words) -> Result<Option<Whoami>> {
    let Some(url) = &words.url else { return Ok(None) };
    let scopes = words.scopes.as_ref();
    let fields = words.fields.iter().flatten();
    Ok(Some(Whoami {
        url: reader.url("whoami.url", url)?,
        json_url: reader.url_if("whoami.json_url", words.json_url.as_ref())?,
        subject: reader.pointer("whoami.subject", words.subject.as_ref(), "/sub")?,
        scopes: scopes
            .map(|text| reader.pointer("whoami.scopes", Some(text), ""))
            .transpose()?,
        fields: fields
            .map(|(name, pointer)| field(reader, name, pointer))
            .collect::<Result<_>>()?,
    }))
}

/// A name that is one word on a terminal and in JSON.
fn field(reader: &Reader, name: &Text, pointer: &Text) -> Result<(String, String)> {
    let word = name.get_ref();
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if word.is_empty() || word.len() > 32 || !word.bytes().all(good) {
        let message = "whoami.fields: expected names of letters, digits, `_` and `-`, found another";
        return Err(reader.wrong_at(name, message));
    }
    let pointer = reader.pointer(&format!("whoami.fields.{word}"), Some(pointer), "")?;
    Ok((word.clone(), pointer))
}
