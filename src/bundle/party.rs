//! Who can open a file of age: recipients, the identities that they belong to, and passphrases.
//!
//! Each turns the file key into a stanza, or a stanza back into the file key. It knows nothing of headers and payloads.
//! age-encryption.org/v1, sections "The X25519 recipient type" and "The scrypt recipient type"; BIP 173 for the letters.

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32, Hrp};
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use data_encoding::BASE64_NOPAD;
use ring::hkdf;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::Flaw;
use super::age::MAX_WORK_FACTOR;
use super::header::Stanza;
use crate::secret::Secret;
use crate::world::random;

/// The key of one file.
pub(super) type FileKey = Zeroizing<[u8; 16]>;

/// Somebody's public key: `age1…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient(PublicKey);

/// The private key to it: `AGE-SECRET-KEY-1…`.
#[derive(Clone)]
pub struct Identity(StaticSecret);

const X25519: &str = "X25519";
const SCRYPT: &str = "scrypt";
const X25519_INFO: &[u8] = b"age-encryption.org/v1/X25519";
const SCRYPT_SALT: &[u8] = b"age-encryption.org/v1/scrypt";
const RECIPIENT: &str = "age";
const IDENTITY: &str = "age-secret-key-";
const ALTERED: Flaw = Flaw::Altered("the line of a recipient");

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Recipient {
    /// Reads `age1…`; none where the text is anything else.
    pub fn parse(text: &str) -> Option<Recipient> {
        letters(RECIPIENT, text).map(|key| Recipient(PublicKey::from(*key)))
    }

    /// The stanza from which the holder of the identity gets the file key.
    pub(super) fn wrap(&self, file_key: &FileKey) -> Stanza {
        let ephemeral = StaticSecret::from(random::<32>());
        let share = PublicKey::from(&ephemeral);
        let key = agreed(&ephemeral, &self.0, &share, &self.0).expect("a recipient is read from its letters");
        Stanza {
            words: vec![X25519.into(), BASE64_NOPAD.encode(share.as_bytes())],
            body: sealed(&key, file_key),
        }
    }
}

impl Identity {
    /// Reads `AGE-SECRET-KEY-1…`; none where the text is anything else.
    pub fn parse(text: &str) -> Option<Identity> {
        // The letters are those of a recipient in capitals.
        let lower = Zeroizing::new(text.to_ascii_lowercase());
        let capital = !text.bytes().any(|b| b.is_ascii_lowercase());
        let key = letters(IDENTITY, &lower).filter(|_| capital)?;
        Some(Identity(StaticSecret::from(*key)))
    }

    /// The file key in a stanza; none where the stanza is for somebody else.
    ///
    /// # Errors
    /// [`Flaw::Altered`] when it is a stanza of this kind and malformed.
    pub(super) fn unwrap(&self, stanza: &Stanza) -> Result<Option<FileKey>, Flaw> {
        let [kind, share] = stanza.words.as_slice() else {
            return Ok(None);
        };
        if kind != X25519 {
            return Ok(None);
        }
        let share = BASE64_NOPAD.decode(share.as_bytes()).map_err(|_| ALTERED)?;
        let share = PublicKey::from(<[u8; 32]>::try_from(share).map_err(|_| ALTERED)?);
        let own = PublicKey::from(&self.0);
        let key = agreed(&self.0, &share, &share, &own).ok_or(ALTERED)?;
        opened(&key, &stanza.body)
    }
}

/// The key with which a file key is wrapped; none for a share that every secret agrees on the same with.
fn agreed(
    mine: &StaticSecret,
    other: &PublicKey,
    share: &PublicKey,
    recipient: &PublicKey,
) -> Option<Zeroizing<[u8; 32]>> {
    let secret = mine.diffie_hellman(other);
    let salt = [share.to_bytes(), recipient.to_bytes()].concat();
    secret
        .was_contributory()
        .then(|| derived(secret.as_bytes(), &salt, X25519_INFO))
}

/// The stanza from which whoever knows the passphrase gets the file key, at a cost of two to the power of the factor.
pub(super) fn wrap(passphrase: &Secret, work_factor: u8, file_key: &FileKey) -> Stanza {
    let salt = random::<16>();
    let key = stretched(passphrase, &salt, work_factor);
    Stanza {
        words: vec![SCRYPT.into(), BASE64_NOPAD.encode(&salt), work_factor.to_string()],
        body: sealed(&key, file_key),
    }
}

/// Whether a stanza is for a passphrase.
pub(super) fn is_for_passphrase(stanza: &Stanza) -> bool {
    stanza.words[0] == SCRYPT
}

/// The file key in the stanza of a passphrase.
///
/// # Errors
/// [`Flaw::TooCostly`], before anything is tried; [`Flaw::WrongPassphrase`]; [`Flaw::Altered`].
pub(super) fn unwrap(passphrase: &Secret, stanza: &Stanza) -> Result<FileKey, Flaw> {
    let [_, salt, factor] = stanza.words.as_slice() else {
        return Err(ALTERED);
    };
    let salt = BASE64_NOPAD.decode(salt.as_bytes()).map_err(|_| ALTERED)?;
    let digits = factor.bytes().all(|b| b.is_ascii_digit()) && !factor.is_empty() && !factor.starts_with('0');
    if salt.len() != 16 || !digits {
        return Err(ALTERED);
    }
    let factor = factor.parse().unwrap_or(u8::MAX);
    if factor > MAX_WORK_FACTOR {
        return Err(Flaw::TooCostly(factor));
    }
    let key = stretched(passphrase, &salt, factor);
    opened(&key, &stanza.body)?.ok_or(Flaw::WrongPassphrase)
}

fn stretched(passphrase: &Secret, salt: &[u8], factor: u8) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let params = scrypt::Params::new(factor, 8, 1).expect("the factor is within its bounds");
    let salt = [SCRYPT_SALT, salt].concat();
    scrypt::scrypt(passphrase.expose().as_bytes(), &salt, &params, &mut *key).expect("32 bytes are asked for");
    key
}

/// A key is used once, so the nonce may be the same for all.
fn sealed(key: &[u8; 32], file_key: &FileKey) -> Vec<u8> {
    let sealed = ChaCha20Poly1305::new(&(*key).into()).encrypt(&Nonce::default(), file_key.as_slice());
    sealed.expect("a file key is shorter than what the cipher takes")
}

fn opened(key: &[u8; 32], body: &[u8]) -> Result<Option<FileKey>, Flaw> {
    // Of another length it could be made to open with two keys.
    if body.len() != 32 {
        return Err(ALTERED);
    }
    let opened = ChaCha20Poly1305::new(&(*key).into()).decrypt(&Nonce::default(), body);
    let Ok(opened) = opened.map(Zeroizing::new) else {
        return Ok(None);
    };
    let mut file_key = FileKey::default();
    file_key.copy_from_slice(&opened);
    Ok(Some(file_key))
}

/// HKDF-SHA256 (RFC 5869), 32 bytes of it.
pub(super) fn derived(secret: &[u8], salt: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let info = [info];
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    let filled = extracted.expand(&info, hkdf::HKDF_SHA256);
    let filled = filled.and_then(|expanded| expanded.fill(&mut *key));
    filled.expect("32 bytes are one block");
    key
}

/// The 32 bytes behind these letters, if they are written in the one way that there is, in small letters.
fn letters(kind: &str, text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let read = CheckedHrpstring::new::<Bech32>(text).ok()?;
    let bytes: Zeroizing<Vec<u8>> = Zeroizing::new(read.byte_iter().collect());
    let key = Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).ok()?);
    let hrp = Hrp::parse(kind).expect("the kinds are letters");
    let again = Zeroizing::new(bech32::encode_lower::<Bech32>(hrp, &*key).ok()?);
    (again.as_str() == text).then_some(key)
}

/// The recipients in a file: one a line, without blank lines and those that begin with `#`.
///
/// # Errors
/// The number of the first line that is something else.
pub fn recipients(text: &str) -> Result<Vec<Recipient>, usize> {
    listed(text, Recipient::parse)
}

/// The identities in a file, as `age-keygen` writes it.
///
/// # Errors
/// As [`recipients`].
pub fn identities(text: &str) -> Result<Vec<Identity>, usize> {
    listed(text, Identity::parse)
}

fn listed<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, usize> {
    let lines = text.lines().map(str::trim).enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(at, line)| parse(line).ok_or(at + 1)).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A pair that `age-keygen` made for these tests.
    pub(in crate::bundle) const PAIR: (&str, &str) = (
        "age1jyf85azk4n8nlq9zd2u8keq3d2nykqxtcnc06c9jwg5xjspj83pq5ggehn",
        "AGE-SECRET-KEY-17M4TQNL3RA7LCCG3SKTMYC9QQ4ZJVH3S387G9CE7QQ8MVTLNK8GSTT9QGK",
    );

    #[test]
    fn the_letters_of_a_pair_belong_together() {
        let recipient = Recipient::parse(PAIR.0).unwrap();
        let identity = Identity::parse(PAIR.1).unwrap();
        assert_eq!(PublicKey::from(&identity.0), recipient.0);
        assert_eq!(format!("{identity:?}"), "[redacted]");
    }

    #[test]
    fn letters_altered_anywhere_are_refused() {
        for place in 0..PAIR.0.len() {
            for other in ["q", "z", "1", "b", "A", " ", ""] {
                let mut text = PAIR.0.to_owned();
                text.replace_range(place..=place, other);
                assert!(text == PAIR.0 || Recipient::parse(&text).is_none(), "{text}");
            }
        }
        assert!(Recipient::parse(&PAIR.0.to_uppercase()).is_none());
        assert!(Identity::parse(&PAIR.1.to_lowercase()).is_none());
        assert!(Recipient::parse(PAIR.1).is_none() && Identity::parse(PAIR.0).is_none());
    }

    #[test]
    fn a_list_names_the_line_that_is_something_else() {
        let text = format!("# mine\n\n{}\r\n  {}\n", PAIR.0, PAIR.0);
        assert_eq!(recipients(&text).map(|all| all.len()), Ok(2));
        assert_eq!(recipients(&format!("{text}ssh-ed25519 AAAA\n")), Err(5));
        assert_eq!(
            identities(&format!("# created\n{}\n", PAIR.1)).map(|all| all.len()),
            Ok(1)
        );
    }

    #[test]
    fn a_share_that_agrees_with_everybody_is_refused() {
        let identity = Identity::parse(PAIR.1).unwrap();
        let stanza = Stanza {
            words: vec![X25519.into(), BASE64_NOPAD.encode(&[0; 32])],
            body: vec![0; 32],
        };
        assert_eq!(identity.unwrap(&stanza), Err(ALTERED));
    }

    #[test]
    fn a_work_factor_that_would_eat_the_machine_is_refused_untried() {
        let passphrase = Secret::new("canary".into());
        let with = |factor: &str| Stanza {
            words: vec![SCRYPT.into(), BASE64_NOPAD.encode(&[0; 16]), factor.into()],
            body: vec![0; 32],
        };
        for (factor, flaw) in [
            ("23", Flaw::TooCostly(23)),
            ("64", Flaw::TooCostly(64)),
            ("99999999999999999999", Flaw::TooCostly(255)),
            ("010", ALTERED),
            ("+10", ALTERED),
            ("0", ALTERED),
            ("", ALTERED),
            ("10", Flaw::WrongPassphrase),
        ] {
            assert_eq!(unwrap(&passphrase, &with(factor)), Err(flaw), "{factor}");
        }
    }
}
