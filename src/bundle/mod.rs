//! A bundle: credentials in one encrypted file, to keep or to carry to another machine.
//!
//! [`age`] is the envelope, which the `age` tool opens and makes as well; [`Document`] is what lies in it. It knows
//! neither stores nor files nor a person: the commands `export` and `import` have those. Format of the envelope:
//! age-encryption.org/v1, with passphrases and X25519 recipients.

pub mod age;
mod armor;
mod document;
mod header;
mod party;
mod stream;

use std::fmt;

use crate::error::{Class, Error};

pub use armor::encode as armor;
pub use document::{Document, Provider};
pub use party::{Identity, Recipient, identities, recipients};

/// The longest bundle that is read: ten thousand records, of which a few are as long as one may be.
pub const MAX_BUNDLE: usize = 64 * 1024 * 1024;

/// Why bytes are not a bundle that can be used. No text in it comes from the bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// It is not what was written; the text says where.
    Altered(&'static str),
    /// It is for the holder of an identity, and a passphrase was given.
    ForIdentity,
    /// It is for whoever knows the passphrase, and an identity was given.
    ForPassphrase,
    /// It ends before its end.
    CutOff,
    /// A newer keyfob wrote it.
    Newer,
    /// It is a file of another version of age.
    NewerAge,
    /// It is no file of age.
    NotAge,
    /// The file of age holds something else.
    NotBundle,
    /// None of the identities is one that it is for.
    OtherIdentity,
    /// To try a passphrase would take more than [`age::MAX_WORK_FACTOR`]: this much.
    TooCostly(u8),
    /// The passphrase is not its passphrase.
    WrongPassphrase,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Altered(place) => write!(f, "the bundle is not as it was written: {place}"),
            Flaw::CutOff => f.write_str("the bundle is cut off"),
            Flaw::ForIdentity => f.write_str("the bundle is for a recipient, and opens with an identity"),
            Flaw::ForPassphrase => f.write_str("the bundle opens with a passphrase, not with an identity"),
            Flaw::Newer => f.write_str("the bundle was written by a newer keyfob"),
            Flaw::NewerAge => f.write_str("the bundle is a file of another version of age than v1"),
            Flaw::NotAge => f.write_str("it is not a file of age"),
            Flaw::NotBundle => f.write_str("the file of age holds no bundle of keyfob"),
            Flaw::OtherIdentity => f.write_str("the bundle is for none of these identities"),
            Flaw::TooCostly(factor) => write!(
                f,
                "to try a passphrase on the bundle costs 2^{factor}, and more than 2^{} is not tried",
                age::MAX_WORK_FACTOR
            ),
            Flaw::WrongPassphrase => f.write_str("the passphrase is not that of the bundle"),
        }
    }
}

impl std::error::Error for Flaw {}

/// What is damaged or newer is so as a record in a store is.
impl From<Flaw> for Error {
    fn from(flaw: Flaw) -> Error {
        let (class, hint) = match flaw {
            Flaw::Altered(_) | Flaw::CutOff => (Class::Store, Some("copy it again from where it was made")),
            Flaw::Newer => (Class::Store, Some("update keyfob")),
            Flaw::NewerAge => (Class::Store, Some("write it as v1 with the `age` tool")),
            Flaw::ForIdentity => (Class::Usage, Some("name the identity's file with `--identity FILE`")),
            Flaw::ForPassphrase => (Class::Usage, Some("leave `--identity` out")),
            Flaw::NotAge | Flaw::NotBundle => (Class::Usage, None),
            Flaw::OtherIdentity | Flaw::TooCostly(_) | Flaw::WrongPassphrase => (Class::Refused, None),
        };
        let error = Error::new(class, flaw);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}
