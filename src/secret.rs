//! Bytes that must not leak.
//!
//! A [`Secret`] can be read from outside but never written: it has no `Display` and no `Serialize`, and its `Debug` is a
//! fixed word. The one way out is [`Secret::expose`], which a reviewer can search for.

mod sent;

use std::fmt;

pub use sent::{NOTHING, Sent};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::digest;

/// A password, token or key; wiped when dropped.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a secret over; the caller keeps no copy.
    pub fn new(text: String) -> Self {
        Secret(Zeroizing::new(text))
    }

    /// The secret itself.
    ///
    /// Only an encoder for a wire or a store may call it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it is `1*VSCHAR` (RFC 6749, appendix A.12) of at most 64 KiB, as every token of an issuer must be.
    ///
    /// Nothing that passes can break out of a header, a line or a shell word in single quotes.
    pub fn is_token(&self) -> bool {
        !self.is_empty() && self.len() <= MAX_TOKEN && self.0.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b' ')
    }

    /// The first eight bytes of the digest, in hex: enough to tell two tokens apart, useless to whoever reads it.
    ///
    /// Made for tokens with the entropy that RFC 6749, section 10.10 asks for, never for passwords.
    pub fn mark(&self) -> String {
        let mut mark = digest::hex(&[self.0.as_bytes()]);
        mark.truncate(16);
        mark
    }
}

/// The longest token that is believed: what the largest known issuers give out is under 16 KiB.
pub const MAX_TOKEN: usize = 64 * 1024;

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Compares in a time that depends on the lengths alone.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (self.0.as_bytes(), other.0.as_bytes());
        a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |all, (x, y)| all | (x ^ y))) == 0
    }
}

impl Eq for Secret {}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Secret::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_a_fixed_word() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".into())), "[redacted]");
    }

    #[test]
    fn equality_needs_every_byte() {
        let secret = Secret::new("abc".into());
        assert_eq!(secret, Secret::new("abc".into()));
        assert_ne!(secret, Secret::new("abd".into()));
        assert_ne!(secret, Secret::new("ab".into()));
    }

    #[test]
    fn a_token_is_visible_ascii_of_a_bounded_length() {
        assert!(Secret::new("gho_A-1~".into()).is_token());
        for bad in ["", "a b", "a\nb", "a\rb", "a\0b", "tök", "\u{7f}"] {
            assert!(!Secret::new(bad.into()).is_token(), "{bad:?}");
        }
        assert!(!Secret::new("a".repeat(MAX_TOKEN + 1)).is_token());
    }
}
