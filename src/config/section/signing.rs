//! `[signing]`: the private key that signs what a client says of itself (RFC 7523).
//!
//! The key itself is never in the file. It knows neither PEM nor algorithms.

use super::Text;
use crate::config::read::Reader;
use crate::error::Result;

words! {
    key_file: Text,
    key_env: Text,
    key_id: Text,
}

/// Where the private key is, and how the issuer calls it.
#[derive(Debug, Clone, Default)]
pub struct Signing {
    /// The file with it: absolute, or below the home after `~/`.
    pub key_file: Option<String>,
    /// The environment variable with it.
    pub key_env: Option<String>,
    /// The header parameter `kid` (RFC 7515, section 4.1.4).
    pub key_id: Option<String>,
}

impl Signing {
    /// Whether the file says where a key is.
    pub fn has_key(&self) -> bool {
        self.key_file.is_some() || self.key_env.is_some()
    }
}

/// Reads the table; whether there is such a file or variable shows when it is needed.
pub(in crate::config) fn read(reader: &Reader, words: &Words) -> Result<Signing> {
    let (file, variable) = (words.key_file.as_ref(), words.key_env.as_ref());
    if let (Some(_), Some(second)) = (file, variable) {
        let message = "signing.key_env: expected instead of `key_file`, found beside it";
        return Err(reader.wrong_at(second, message));
    }
    Ok(Signing {
        key_file: file.map(|path| reader.path("signing.key_file", path)).transpose()?,
        key_env: variable.map(|name| reader.variable("signing.key_env", name)).transpose()?,
        key_id: reader.visible_if("signing.key_id", words.key_id.as_ref())?,
    })
}
