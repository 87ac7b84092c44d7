//! A file of age: header, then payload, under a file key that is made for it alone.
//!
//! It knows nothing of what is sealed. age-encryption.org/v1; the `age` tool reads what is written here, and the other
//! way round.

use zeroize::Zeroizing;

use super::header::{self, Header};
use super::party::{self, FileKey, Identity, Recipient};
use super::{Flaw, armor, stream};
use crate::secret::Secret;
use crate::world::random;

/// The cost of a try of a passphrase, as a power of two: about a second and 256 MiB, as the `age` tool asks for. At one
/// less a thief tries twice as many in a night, at two more a small machine has no memory for it.
pub const WORK_FACTOR: u8 = 18;

/// The least cost that is asked for: what a machine with a few megabytes can do.
pub const LEAST_WORK_FACTOR: u8 = 10;

/// The most that is tried: 4 GiB. A file says itself what it costs, and must not take the machine down.
pub const MAX_WORK_FACTOR: u8 = 22;

/// Bytes from which the payload's key is made.
const NONCE: usize = 16;

/// For whom a file is.
#[derive(Debug)]
pub enum Seal<'a> {
    /// Whoever knows this.
    Passphrase {
        /// Chosen by a person.
        passphrase: &'a Secret,
        /// The cost of a try, as a power of two.
        work_factor: u8,
    },
    /// The holders of these identities. Anybody can make such a file: it proves nothing about who did.
    Recipients(&'a [Recipient]),
}

/// With what a file is opened.
#[derive(Debug)]
pub enum Open<'a> {
    /// Any of these.
    Identities(&'a [Identity]),
    /// This.
    Passphrase(&'a Secret),
}

/// A file that was made, and the key with which it can be checked after it was written.
pub struct Sealed {
    /// The file.
    pub bytes: Vec<u8>,
    file_key: FileKey,
}

impl Sealed {
    /// Opens what is on the disk now with the key of this file.
    ///
    /// # Errors
    /// As [`open()`].
    pub fn check(&self, written: &[u8]) -> Result<Zeroizing<Vec<u8>>, Flaw> {
        let file = armor::decode(written)?;
        payload(&Header::read(&file)?, &self.file_key)
    }
}

/// Makes a file.
pub fn seal(plain: &[u8], to: &Seal) -> Sealed {
    let file_key = FileKey::new(random());
    let stanzas = match to {
        Seal::Passphrase {
            passphrase,
            work_factor,
        } => vec![party::wrap(passphrase, *work_factor, &file_key)],
        Seal::Recipients(recipients) => recipients.iter().map(|to| to.wrap(&file_key)).collect(),
    };
    let mut bytes = header::encode(&stanzas, &header_key(&file_key));
    let nonce = random::<NONCE>();
    bytes.extend(nonce);
    bytes.extend(stream::seal(&payload_key(&file_key, &nonce), plain));
    Sealed { bytes, file_key }
}

/// Whether a file opens with a passphrase; else it does with an identity.
///
/// # Errors
/// Those of its header.
pub fn is_for_passphrase(file: &[u8]) -> Result<bool, Flaw> {
    let file = armor::decode(file)?;
    let header = Header::read(&file)?;
    Ok(header.stanzas.iter().any(party::is_for_passphrase))
}

/// Opens a file, with armour or without.
///
/// # Errors
/// Any [`Flaw`] but those of a document. Nothing of the content is returned before all of it was checked.
pub fn open(file: &[u8], with: &Open) -> Result<Zeroizing<Vec<u8>>, Flaw> {
    let file = armor::decode(file)?;
    let header = Header::read(&file)?;
    let for_passphrase = header.stanzas.iter().any(party::is_for_passphrase);
    let file_key = match (with, for_passphrase, header.stanzas.as_slice()) {
        // Beside a passphrase nobody else may be: it would no longer prove who made the file.
        (Open::Passphrase(passphrase), true, [only]) => party::unwrap(passphrase, only)?,
        (_, true, [_, _, ..]) => return Err(Flaw::Altered("a passphrase beside other recipients")),
        (Open::Identities(_), true, _) => return Err(Flaw::ForPassphrase),
        (Open::Passphrase(_), ..) => return Err(Flaw::ForIdentity),
        (Open::Identities(identities), false, stanzas) => {
            let mut found = None;
            for (identity, stanza) in identities
                .iter()
                .flat_map(|own| stanzas.iter().map(move |row| (own, row)))
            {
                found = identity.unwrap(stanza)?;
                if found.is_some() {
                    break;
                }
            }
            found.ok_or(Flaw::OtherIdentity)?
        }
    };
    payload(&header, &file_key)
}

fn payload(header: &Header, file_key: &FileKey) -> Result<Zeroizing<Vec<u8>>, Flaw> {
    if !header.is_whole(&header_key(file_key)) {
        return Err(Flaw::Altered("its header"));
    }
    let (nonce, sealed) = header.payload.split_at_checked(NONCE).ok_or(Flaw::CutOff)?;
    stream::open(&payload_key(file_key, nonce), sealed)
}

fn header_key(file_key: &FileKey) -> Zeroizing<[u8; 32]> {
    party::derived(&**file_key, b"", b"header")
}

fn payload_key(file_key: &FileKey, nonce: &[u8]) -> Zeroizing<[u8; 32]> {
    party::derived(&**file_key, nonce, b"payload")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::party::tests::PAIR;
    use super::*;

    /// Made by the `age` tool, version 1.1.1, for the recipient of the pair.
    const BY_AGE: &str = "\
-----BEGIN AGE ENCRYPTED FILE-----
YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBkK0QvMDFsQ0h0djFDUFJH
Wno2UzEyWEVicG1Dem5DdUJneURaZUtuZFZVCkx5YWpWeUNFNFNoOGZnVG14cWhF
OUp5Q3FwY1ZFVlZ3b04wYUpZRnMyaTQKLS0tICtrNU4rL21vbUtyZ3Z3U0hkeGky
Qk9PWjV3UkpmaE9oK2oxamthWE94VHcKUi9Yt78uBcuycnlEjVp9kSUnp5hw4Ch7
Rb7XvcT2oCTv45PhhJfUjoH4+frRmv3eNfU+crDnymA=
-----END AGE ENCRYPTED FILE-----
";

    /// Made by another program from the specification alone, with the passphrase `canary-horse-battery` and the least
    /// work factor; the `age` tool opens it.
    const WITH_PASSPHRASE: &str = "\
-----BEGIN AGE ENCRYPTED FILE-----
YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCBaR1ZtWjJocGFtdHNiVzV2
Y0hGeWN3IDEwClhFTlBDNnpjZ2MvVjl2MkhPdkZmOG5vdE83c0NmSm5qdXRxUUky
SDcxencKLS0tIDVqbjhBb3NyNHpIVTlqYVJaZ3FPTEpzTWg1a1ppS3Y1bCt4MjVx
SXB2SFkKyMnKy8zNzs/Q0dLT1NXW1xKDRIwfJ4ij5IXVQq8+syNt8Y2lib33Qlvl
TMRS4LEJplL1V0Rgrnxk
-----END AGE ENCRYPTED FILE-----
";

    fn pair() -> (Vec<Recipient>, Vec<Identity>) {
        let (recipient, identity) = PAIR;
        (
            vec![Recipient::parse(recipient).unwrap()],
            vec![Identity::parse(identity).unwrap()],
        )
    }

    fn open_with(file: &[u8], identities: &[Identity]) -> Result<Vec<u8>, Flaw> {
        open(file, &Open::Identities(identities)).map(|plain| plain.to_vec())
    }

    fn other() -> Identity {
        let mut key = [9; 32];
        key[0] = 8;
        let hrp = bech32::Hrp::parse("age-secret-key-").unwrap();
        Identity::parse(&bech32::encode_upper::<bech32::Bech32>(hrp, &key).unwrap()).unwrap()
    }

    #[test]
    fn a_file_of_the_age_tool_opens() {
        let (_, identities) = pair();
        assert_eq!(
            open_with(BY_AGE.as_bytes(), &identities).unwrap(),
            b"canary from the age tool"
        );
        assert_eq!(is_for_passphrase(WITH_PASSPHRASE.as_bytes()), Ok(true));
        let passphrase = Secret::new("canary-horse-battery".into());
        let opened = open(WITH_PASSPHRASE.as_bytes(), &Open::Passphrase(&passphrase));
        assert_eq!(*opened.unwrap(), b"canary under a passphrase");
    }

    #[test]
    fn a_file_opens_with_each_identity_that_it_is_for_and_no_other() {
        let (mut recipients, identities) = pair();
        recipients.insert(0, Recipient::parse(PAIR.0).unwrap());
        let sealed = seal(b"canary", &Seal::Recipients(&recipients));
        assert_eq!(open_with(&sealed.bytes, &identities).unwrap(), b"canary");
        let both = [other(), identities[0].clone()];
        assert_eq!(open_with(&sealed.bytes, &both).unwrap(), b"canary");
        assert_eq!(open_with(&sealed.bytes, &[other()]), Err(Flaw::OtherIdentity));
        let with = Open::Passphrase(&Secret::new("canary".into()));
        assert_eq!(open(&sealed.bytes, &with), Err(Flaw::ForIdentity));
        assert_eq!(**sealed.check(&sealed.bytes).as_ref().unwrap(), *b"canary");
    }

    #[test]
    fn a_file_with_a_passphrase_opens_with_it_alone() {
        let passphrase = Secret::new("canary horse".into());
        let to = Seal::Passphrase {
            passphrase: &passphrase,
            work_factor: LEAST_WORK_FACTOR,
        };
        let sealed = seal(b"canary", &to);
        let armed = armor::encode(&sealed.bytes);
        for file in [&sealed.bytes[..], armed.as_bytes()] {
            assert_eq!(*open(file, &Open::Passphrase(&passphrase)).unwrap(), b"canary");
            let wrong = Secret::new("canary house".into());
            assert_eq!(open(file, &Open::Passphrase(&wrong)), Err(Flaw::WrongPassphrase));
            assert_eq!(open_with(file, &pair().1), Err(Flaw::ForPassphrase));
        }
    }

    #[test]
    fn a_passphrase_beside_a_recipient_is_refused() {
        let file_key = FileKey::new([1; 16]);
        let passphrase = Secret::new("canary".into());
        let stanzas = [party::wrap(&passphrase, 10, &file_key), pair().0[0].wrap(&file_key)];
        let file = header::encode(&stanzas, &header_key(&file_key));
        let flaw = Flaw::Altered("a passphrase beside other recipients");
        assert_eq!(open(&file, &Open::Passphrase(&passphrase)), Err(flaw));
        assert_eq!(open_with(&file, &pair().1), Err(flaw));
    }

    #[test]
    fn a_file_altered_at_any_byte_does_not_open() {
        let (recipients, identities) = pair();
        let sealed = seal(&[7; 100], &Seal::Recipients(&recipients));
        for place in 0..sealed.bytes.len() {
            let mut altered = sealed.bytes.clone();
            altered[place] ^= 1 << (place % 8);
            assert!(open_with(&altered, &identities).is_err(), "byte {place}");
            assert!(sealed.check(&altered).is_err(), "byte {place}");
        }
    }

    #[test]
    fn a_file_cut_off_at_any_length_does_not_open() {
        let (recipients, identities) = pair();
        let sealed = seal(&[7; 100], &Seal::Recipients(&recipients));
        let payload = sealed.bytes.len() - 116;
        for length in 1..sealed.bytes.len() {
            let flaw = open_with(&sealed.bytes[..length], &identities).unwrap_err();
            // Inside of a chunk nobody can tell the two apart.
            let wanted = match length < payload + 16 {
                true => Flaw::CutOff,
                false => Flaw::Altered("a chunk was altered, or is cut off"),
            };
            assert_eq!(flaw, wanted, "{length} bytes");
        }
    }

    #[test]
    fn two_files_of_the_same_content_have_nothing_in_common() {
        let (recipients, _) = pair();
        let make = || seal(b"canary", &Seal::Recipients(&recipients)).bytes;
        let (one, two) = (make(), make());
        assert_eq!(one.len(), two.len());
        let tail = one.len() - 38;
        assert!(one[tail..tail + 16] != two[tail..tail + 16] && one[tail + 16..] != two[tail + 16..]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_that_is_opened_panics(bytes: Vec<u8>, place: prop::sample::Index) {
            let (recipients, identities) = pair();
            let _ = open_with(&bytes, &identities);
            let mut file = seal(&bytes, &Seal::Recipients(&recipients)).bytes;
            prop_assert_eq!(open_with(&file, &identities), Ok(bytes.clone()));
            // Other bytes in the middle of it.
            let at = place.index(file.len());
            file.splice(at..at, bytes);
            let _ = open_with(&file, &identities);
        }
    }
}
