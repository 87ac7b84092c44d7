//! The header of a file of age: for whom it is, each with the file key as only they can read it.
//!
//! It knows lines, not keys: `party.rs` makes and reads what a stanza holds. Only the one way to write a header is read.
//! age-encryption.org/v1, section "Header".

use data_encoding::BASE64_NOPAD;
use ring::hmac;

use super::Flaw;

const VERSION: &str = "age-encryption.org/v1";
const FAMILY: &[u8] = b"age-encryption.org/";
/// Letters of a whole line of a body.
const COLUMNS: usize = 64;

/// The longest header that is read: more recipients than anybody has. At ten times as much, each costing a try of every
/// identity, a file that somebody sends could keep a machine busy for minutes.
pub(super) const MAX_HEADER: usize = 128 * 1024;

/// The line that a recipient is in, and what is in its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stanza {
    /// The kind, then what belongs to it.
    pub(super) words: Vec<String>,
    pub(super) body: Vec<u8>,
}

/// A header that was read, and where it ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header<'a> {
    pub(super) stanzas: Vec<Stanza>,
    /// What the authentication code is over.
    signed: &'a [u8],
    mac: Vec<u8>,
    /// What follows the header.
    pub(super) payload: &'a [u8],
}

/// The header for these stanzas, whose authentication code is made with this key.
pub(super) fn encode(stanzas: &[Stanza], key: &[u8; 32]) -> Vec<u8> {
    let mut text = format!("{VERSION}\n");
    for Stanza { words, body } in stanzas {
        text += &format!("-> {}\n", words.join(" "));
        let body = BASE64_NOPAD.encode(body);
        // The last line is shorter than the others, and empty where they come out even.
        let mut rest = body.as_str();
        while rest.len() >= COLUMNS {
            let (line, more) = rest.split_at(COLUMNS);
            text += &format!("{line}\n");
            rest = more;
        }
        text += &format!("{rest}\n");
    }
    text += "---";
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
    text += &format!(" {}\n", BASE64_NOPAD.encode(mac.as_ref()));
    text.into_bytes()
}

impl<'a> Header<'a> {
    /// Reads the header at the front of a file.
    ///
    /// # Errors
    /// [`Flaw::NotAge`], [`Flaw::NewerAge`]; [`Flaw::CutOff`] when the file ends in it; [`Flaw::Altered`].
    pub(super) fn read(file: &'a [u8]) -> Result<Header<'a>, Flaw> {
        let whole = format!("{VERSION}\n");
        if !file.starts_with(whole.as_bytes()) {
            return Err(match file {
                [] => Flaw::NotAge,
                _ if whole.as_bytes().starts_with(file) => Flaw::CutOff,
                _ if file.starts_with(FAMILY) => Flaw::NewerAge,
                _ => Flaw::NotAge,
            });
        }
        let mut lines = Lines { file, at: whole.len() };
        let mut stanzas = Vec::new();
        loop {
            let begun = lines.at;
            let line = lines.next()?;
            if let Some(mac) = line.strip_prefix("---") {
                let mac = mac.strip_prefix(' ').ok_or(ALTERED)?;
                let mac = BASE64_NOPAD.decode(mac.as_bytes()).map_err(|_| ALTERED)?;
                let signed = &file[..begun + "---".len()];
                let payload = &file[lines.at..];
                return Ok(Header {
                    stanzas,
                    signed,
                    mac,
                    payload,
                });
            }
            let words = line.strip_prefix("-> ").ok_or(ALTERED)?;
            let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
            let visible = |word: &String| !word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic());
            if !words.iter().all(visible) {
                return Err(ALTERED);
            }
            let body = lines.body()?;
            stanzas.push(Stanza { words, body });
        }
    }

    /// Whether its authentication code is the one that this key makes.
    pub(super) fn is_whole(&self, key: &[u8; 32]) -> bool {
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), self.signed, &self.mac).is_ok()
    }
}

struct Lines<'a> {
    file: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<&'a str, Flaw> {
        let end = self.file.len().min(MAX_HEADER);
        let rest = &self.file[self.at.min(end)..end];
        let Some(length) = rest.iter().position(|b| *b == b'\n') else {
            return Err(match self.file.len() > MAX_HEADER {
                true => Flaw::Altered("its header is longer than any"),
                false => Flaw::CutOff,
            });
        };
        self.at += length + 1;
        std::str::from_utf8(&rest[..length]).map_err(|_| ALTERED)
    }

    fn body(&mut self) -> Result<Vec<u8>, Flaw> {
        let mut body = Vec::new();
        loop {
            let line = self.next()?;
            if line.len() > COLUMNS {
                return Err(ALTERED);
            }
            body.extend(BASE64_NOPAD.decode(line.as_bytes()).map_err(|_| ALTERED)?);
            if line.len() < COLUMNS {
                return Ok(body);
            }
        }
    }
}

const ALTERED: Flaw = Flaw::Altered("its header");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stanza(words: &[&str], length: usize) -> Stanza {
        Stanza {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            body: vec![7; length],
        }
    }

    #[test]
    fn a_header_reads_back_with_bodies_of_every_length() {
        for length in 0..150 {
            let stanzas = [stanza(&["X25519", "abc"], length), stanza(&["other"], 32)];
            let mut file = encode(&stanzas, &[1; 32]);
            file.extend(b"payload");
            let header = Header::read(&file).unwrap();
            assert_eq!(header.stanzas, stanzas);
            assert_eq!(header.payload, b"payload");
            assert!(header.is_whole(&[1; 32]) && !header.is_whole(&[2; 32]));
        }
    }

    #[test]
    fn a_header_that_ends_early_is_cut_off_at_every_length() {
        let file = encode(&[stanza(&["X25519", "abc"], 100)], &[1; 32]);
        for length in 1..file.len() {
            assert_eq!(Header::read(&file[..length]), Err(Flaw::CutOff), "{length}");
        }
        assert_eq!(Header::read(b""), Err(Flaw::NotAge));
    }

    #[test]
    fn other_files_are_told_apart() {
        assert_eq!(Header::read(b"age-encryption.org/v2\n-> x\n"), Err(Flaw::NewerAge));
        assert_eq!(Header::read(b"PK\x03\x04"), Err(Flaw::NotAge));
    }

    #[test]
    fn a_header_without_end_is_not_read_to_its_end() {
        let mut file = format!("{VERSION}\n").into_bytes();
        while file.len() <= MAX_HEADER {
            file.extend(b"-> grease\n\n");
        }
        assert_eq!(Header::read(&file), Err(Flaw::Altered("its header is longer than any")));
        file.truncate(VERSION.len() + 1);
        file.resize(2 * MAX_HEADER, b'-');
        assert!(Header::read(&file).is_err());
    }

    #[test]
    fn a_header_altered_at_any_byte_is_another_or_none() {
        let file = encode(&[stanza(&["X25519", "abc"], 40)], &[1; 32]);
        for place in 0..file.len() {
            for bit in [1, 2, 32, 128] {
                let mut altered = file.clone();
                altered[place] ^= bit;
                let whole = Header::read(&altered).is_ok_and(|header| header.is_whole(&[1; 32]));
                assert!(!whole, "byte {place}, bit {bit}");
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_read_panics(tail in "(-> ([a-zA-Z0-9 ]{0,9})|[A-Za-z0-9+/]{0,66}|---( [A-Za-z0-9+/]{43})?|\n){0,12}") {
            let _ = Header::read(format!("{VERSION}\n{tail}").as_bytes());
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let mut file = format!("{VERSION}\n").into_bytes();
            let _ = Header::read(&bytes);
            file.extend(bytes);
            let _ = Header::read(&file);
        }
    }
}
