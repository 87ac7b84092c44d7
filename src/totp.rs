//! One-time codes by the clock: the seed that a service and a person share, and the code of a moment.
//!
//! It knows no service, no store and no clock. RFC 6238 (TOTP) over RFC 4226 (HOTP), base32 of RFC 4648, section 6, and the
//! URI `otpauth://totp/…` that authenticator apps read from a QR code.

mod uri;

use data_encoding::{BASE32_NOPAD, Specification};
use ring::hmac;
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::time::Timestamp;

/// The digits of a code where nobody says how many (RFC 6238, section 5.3 of RFC 4226).
const DIGITS: u32 = 6;

/// The seconds of a step where nobody says how many (RFC 6238, section 4.1).
const PERIOD_SECS: u32 = 30;

/// The longest step that is believed: a day.
const MAX_PERIOD_SECS: u32 = 86_400;

/// The longest key, in bytes: the block of SHA-512, beyond which a key is hashed and no better.
const MAX_KEY: usize = 128;

/// The hash of a seed (RFC 6238, section 1.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// What all apps know, and some alone.
    #[default]
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// The algorithms by their words in a URI.
const ALGORITHMS: [(Algorithm, &str); 3] = [
    (Algorithm::Sha1, "SHA1"),
    (Algorithm::Sha256, "SHA256"),
    (Algorithm::Sha512, "SHA512"),
];

impl Algorithm {
    /// The word for it.
    pub fn word(self) -> &'static str {
        let row = ALGORITHMS.iter().find(|(algorithm, _)| *algorithm == self);
        row.expect("every algorithm has a row; a test checks it").1
    }

    /// The algorithm of a word in any case, also as `HMAC-SHA-1` or `HmacSHA1`.
    pub fn of(word: &str) -> Option<Algorithm> {
        let plain = word.to_ascii_uppercase().replace('-', "");
        let plain = plain.strip_prefix("HMAC").unwrap_or(&plain);
        ALGORITHMS.iter().find(|(_, word)| *word == plain).map(|row| row.0)
    }
}

/// What a service and a person share, and how codes are made from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// The key, in base32 of capitals without padding.
    pub key: Secret,
    /// The service, for the list of an app; may be empty.
    pub issuer: String,
    /// The account, for the same list; may be empty.
    pub account: String,
    /// Defaults to [`Algorithm::Sha1`].
    pub algorithm: Algorithm,
    /// The digits of a code, 6 to 8. Defaults to 6.
    pub digits: u32,
    /// The seconds of a step, up to a day. Defaults to 30.
    pub period_secs: u32,
}

/// The code of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Its digits, with zeros in front.
    pub digits: Secret,
    /// The seconds until there is another one, from 1.
    pub left_secs: u32,
}

impl Seed {
    /// The seed of a key in base32 and the usual parameters. Spaces, dashes, small letters and padding do not matter.
    ///
    /// # Errors
    /// What is wrong with the key, without it.
    pub fn new(key: &str) -> Result<Seed, String> {
        let bytes = decode(key)?;
        Ok(Seed {
            key: Secret::new(BASE32_NOPAD.encode(&bytes)),
            issuer: String::new(),
            account: String::new(),
            algorithm: Algorithm::default(),
            digits: DIGITS,
            period_secs: PERIOD_SECS,
        })
    }

    /// The same with other parameters; what is none stays.
    ///
    /// # Errors
    /// Which of them no code can be made with.
    pub fn with(
        self,
        algorithm: Option<&str>,
        digits: Option<&str>,
        period_secs: Option<&str>,
    ) -> Result<Seed, String> {
        let algorithm = match algorithm {
            None => self.algorithm,
            Some(word) => Algorithm::of(word).ok_or("an algorithm other than SHA1, SHA256 and SHA512")?,
        };
        let number = |text: Option<&str>, usual: u32| text.map_or(Some(usual), |text| text.trim().parse().ok());
        let digits = number(digits, self.digits).filter(|digits| (6..=8).contains(digits));
        let period_secs = number(period_secs, self.period_secs).filter(|secs| (1..=MAX_PERIOD_SECS).contains(secs));
        Ok(Seed {
            algorithm,
            digits: digits.ok_or("a number of digits other than 6, 7 and 8")?,
            period_secs: period_secs.ok_or("a period that is not 1 to 86400 seconds")?,
            ..self
        })
    }

    /// The code of a moment. Before 1970 there was one step.
    pub fn code(&self, now: Timestamp) -> Code {
        let period = u64::from(self.period_secs);
        let seconds = u64::try_from(now.unix()).unwrap_or(0);
        let left = period - seconds % period;
        Code {
            digits: self.at_step(seconds / period),
            left_secs: u32::try_from(left).unwrap_or(self.period_secs),
        }
    }

    /// RFC 4226, section 5.3, with the step as its counter (RFC 6238, section 4.2).
    fn at_step(&self, step: u64) -> Secret {
        let algorithm = match self.algorithm {
            Algorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::Sha256 => hmac::HMAC_SHA256,
            Algorithm::Sha512 => hmac::HMAC_SHA512,
        };
        let key = decode(self.key.expose()).expect("the key of a seed was read before");
        let tag = hmac::sign(&hmac::Key::new(algorithm, &key), &step.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag[tag.len() - 1] & 0x0f);
        let four = tag[offset..offset + 4]
            .try_into()
            .expect("the shortest tag has 20 bytes");
        let number = (u32::from_be_bytes(four) & 0x7fff_ffff) % 10_u32.pow(self.digits);
        let width = self.digits as usize;
        Secret::new(format!("{number:0width$}"))
    }

    /// The key in groups of four, as a person types it.
    pub fn grouped(&self) -> Zeroizing<String> {
        let key = self.key.expose();
        let mut text = Zeroizing::new(String::with_capacity(key.len() * 2));
        for (at, letter) in key.chars().enumerate() {
            if at > 0 && at % 4 == 0 {
                text.push(' ');
            }
            text.push(letter);
        }
        text
    }
}

/// The bytes of a key. Bits that are left over at its end are dropped, as apps do.
fn decode(key: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut alphabet = Specification::new();
    alphabet.symbols.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
    alphabet.translate.from.push_str("abcdefghijklmnopqrstuvwxyz");
    alphabet.translate.to.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    alphabet.ignore.push_str(" \t\r\n-");
    alphabet.check_trailing_bits = false;
    let base32 = alphabet.encoding().expect("the alphabet is RFC 4648's");
    let bytes = base32.decode(key.trim().trim_end_matches('=').as_bytes());
    let bytes = Zeroizing::new(bytes.map_err(|_| "a key that is not base32")?);
    match bytes.len() {
        0 => Err("an empty key".into()),
        1..=MAX_KEY => Ok(bytes),
        _ => Err(format!("a key longer than {MAX_KEY} bytes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys of RFC 6238, appendix B: the same digits, as long as each hash is.
    fn published(algorithm: Algorithm) -> Seed {
        let length = match algorithm {
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
            Algorithm::Sha512 => 64,
        };
        let key: Vec<u8> = b"1234567890".iter().copied().cycle().take(length).collect();
        let seed = Seed::new(&BASE32_NOPAD.encode(&key)).unwrap();
        seed.with(Some(algorithm.word()), Some("8"), None).unwrap()
    }

    #[test]
    fn every_published_code_is_made() {
        for (seconds, sha1, sha256, sha512) in [
            (59, "94287082", "46119246", "90693936"),
            (1_111_111_109, "07081804", "68084774", "25091201"),
            (1_111_111_111, "14050471", "67062674", "99943326"),
            (1_234_567_890, "89005924", "91819424", "93441116"),
            (2_000_000_000, "69279037", "90698825", "38618901"),
            (20_000_000_000, "65353130", "77737706", "47863826"),
        ] {
            let rows = [
                (Algorithm::Sha1, sha1),
                (Algorithm::Sha256, sha256),
                (Algorithm::Sha512, sha512),
            ];
            for (algorithm, expected) in rows {
                let code = published(algorithm).code(Timestamp::from_unix(seconds));
                assert_eq!(code.digits.expose(), expected, "{algorithm:?} at {seconds}");
            }
        }
    }

    #[test]
    fn every_published_code_of_a_counter_is_made() {
        let seed = published(Algorithm::Sha1).with(None, Some("6"), None).unwrap();
        let codes = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489",
        ];
        for (step, expected) in (0..).zip(codes) {
            assert_eq!(seed.at_step(step).expose(), expected, "{step}");
        }
    }

    #[test]
    fn a_code_lasts_to_the_end_of_its_step() {
        let seed = published(Algorithm::Sha1).with(None, None, Some("60")).unwrap();
        let left = |seconds| seed.code(Timestamp::from_unix(seconds)).left_secs;
        assert_eq!([left(0), left(59), left(60), left(61)], [60, 1, 60, 59]);
        assert_eq!(seed.code(Timestamp::from_unix(60)), seed.code(Timestamp::from_unix(60)));
        let digits = |seconds| seed.code(Timestamp::from_unix(seconds)).digits;
        assert_eq!(digits(60), digits(119));
        assert_ne!(digits(60), digits(120));
        assert_eq!(digits(-5), digits(0));
    }

    #[test]
    fn a_key_is_read_however_it_is_written() {
        let plain = Seed::new("JBSWY3DPEHPK3PXP").unwrap();
        for same in [
            "jbswy3dpehpk3pxp",
            " JBSW Y3DP EHPK 3PXP\n",
            "jbsw-y3dp-ehpk-3pxp",
            "JBSWY3DPEHPK3PXP======",
        ] {
            assert_eq!(Seed::new(same), Ok(plain.clone()), "{same}");
        }
        assert_eq!(&*plain.grouped(), "JBSW Y3DP EHPK 3PXP");
        assert_eq!(Seed::new("ME").unwrap().key.expose(), "ME");
        // Bits that are left over are no reason to refuse a key that apps take.
        assert_eq!(Seed::new("MF").unwrap().key.expose(), "ME");
        for wrong in ["", " ", "====", "0189", "J!", "A", &"A".repeat(300)] {
            let message = Seed::new(wrong).unwrap_err();
            assert!(wrong.len() < 4 || !message.contains(wrong), "{message}");
        }
    }

    #[test]
    fn parameters_that_no_code_can_have_are_refused() {
        let seed = || Seed::new("JBSWY3DPEHPK3PXP").unwrap();
        for (algorithm, digits, period) in [
            (Some("MD5"), None, None),
            (None, Some("5"), None),
            (None, Some("9"), None),
            (None, Some("six"), None),
            (None, None, Some("0")),
            (None, None, Some("86401")),
            (None, None, Some("-30")),
        ] {
            assert!(
                seed().with(algorithm, digits, period).is_err(),
                "{algorithm:?} {digits:?} {period:?}"
            );
        }
        let good = seed().with(Some("hmac-sha-256"), Some("7"), Some("86400")).unwrap();
        assert_eq!(
            (good.algorithm, good.digits, good.period_secs),
            (Algorithm::Sha256, 7, 86_400)
        );
    }

    #[test]
    fn every_algorithm_has_one_row() {
        for algorithm in [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512] {
            assert_eq!(Algorithm::of(algorithm.word()), Some(algorithm));
            assert_eq!(ALGORITHMS.iter().filter(|(row, _)| *row == algorithm).count(), 1);
        }
    }
}
