//! The payload of a file of age: chunks that can be neither altered nor swapped, the last of which says that it is.
//!
//! It knows no header. age-encryption.org/v1, section "Payload"; the construction is STREAM of Hoang, Reyhanitabar,
//! Rogaway and Vizár (2015) with ChaCha20-Poly1305 (RFC 8439).

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use zeroize::Zeroizing;

use super::Flaw;

/// Bytes of a chunk before it is sealed.
const CHUNK: usize = 64 * 1024;
/// Bytes that sealing adds.
const TAG: usize = 16;

fn nonce(counter: usize, is_last: bool) -> Nonce {
    let mut bytes = [0; 12];
    bytes[3..11].copy_from_slice(&(counter as u64).to_be_bytes());
    bytes[11] = is_last.into();
    bytes.into()
}

/// Seals the plain text in chunks, of which there is at least one.
pub(super) fn seal(key: &[u8; 32], plain: &[u8]) -> Vec<u8> {
    let cipher = ChaCha20Poly1305::new(&(*key).into());
    let mut sealed = Vec::with_capacity(plain.len() + (plain.len() / CHUNK + 1) * TAG);
    let mut rest = plain;
    for counter in 0.. {
        let (chunk, more) = rest.split_at(rest.len().min(CHUNK));
        let is_last = more.is_empty();
        let chunk = cipher.encrypt(&nonce(counter, is_last), chunk);
        sealed.extend(chunk.expect("a chunk is shorter than what the cipher takes"));
        if is_last {
            break;
        }
        rest = more;
    }
    sealed
}

/// Opens what [`seal`] made.
///
/// # Errors
/// [`Flaw::CutOff`] when it ends after a chunk that is not the last; [`Flaw::Altered`] when a chunk was altered, or cut
/// off inside.
pub(super) fn open(key: &[u8; 32], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Flaw> {
    let cipher = ChaCha20Poly1305::new(&(*key).into());
    let mut plain = Zeroizing::new(Vec::with_capacity(sealed.len()));
    let mut rest = sealed;
    for counter in 0.. {
        let (chunk, more) = rest.split_at(rest.len().min(CHUNK + TAG));
        let is_last = more.is_empty();
        if chunk.len() < TAG {
            return Err(Flaw::CutOff);
        }
        let opened = cipher.decrypt(&nonce(counter, is_last), chunk).map(Zeroizing::new);
        let opened = opened.map_err(|_| {
            let has_a_next = is_last && cipher.decrypt(&nonce(counter, false), chunk).is_ok();
            match has_a_next {
                true => Flaw::CutOff,
                false => Flaw::Altered("a chunk was altered, or is cut off"),
            }
        })?;
        // An empty last chunk would be another way to write the same.
        if opened.is_empty() && counter > 0 {
            return Err(Flaw::Altered("its last chunk is empty"));
        }
        plain.extend_from_slice(&opened);
        if is_last {
            break;
        }
        rest = more;
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [3; 32];

    fn text(length: usize) -> Vec<u8> {
        (0..length).map(|at| u8::try_from(at % 253).unwrap()).collect()
    }

    #[test]
    fn texts_of_lengths_around_a_chunk_come_back() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1] {
            let sealed = seal(&KEY, &text(length));
            let chunks = length.div_ceil(CHUNK).max(1);
            assert_eq!(sealed.len(), length + chunks * TAG, "{length}");
            assert_eq!(*open(&KEY, &sealed).unwrap(), text(length), "{length}");
        }
    }

    #[test]
    fn a_payload_that_ends_early_is_never_taken_for_whole() {
        let sealed = seal(&KEY, &text(100));
        for length in 0..sealed.len() {
            assert!(open(&KEY, &sealed[..length]).is_err(), "{length}");
        }
        let sealed = seal(&KEY, &text(2 * CHUNK + 5));
        for chunks in 1..3 {
            let at_a_border = open(&KEY, &sealed[..chunks * (CHUNK + TAG)]);
            assert_eq!(at_a_border, Err(Flaw::CutOff));
        }
        assert!(open(&KEY, &sealed[..CHUNK + TAG + 7]).is_err());
    }

    #[test]
    fn chunks_can_be_neither_altered_nor_swapped_nor_added() {
        let sealed = seal(&KEY, &text(2 * CHUNK + 5));
        for place in [0, CHUNK, CHUNK + TAG, 2 * (CHUNK + TAG), sealed.len() - 1] {
            let mut altered = sealed.clone();
            altered[place] ^= 1;
            assert!(open(&KEY, &altered).is_err(), "{place}");
        }
        let (first, rest) = sealed.split_at(CHUNK + TAG);
        let (second, last) = rest.split_at(CHUNK + TAG);
        assert!(open(&KEY, &[second, first, last].concat()).is_err());
        assert!(open(&KEY, &[first, last].concat()).is_err());
        assert!(open(&KEY, &[&sealed, last].concat()).is_err());
    }

    #[test]
    fn an_empty_chunk_at_the_end_is_refused() {
        let cipher = ChaCha20Poly1305::new(&KEY.into());
        let mut sealed = cipher.encrypt(&nonce(0, false), text(CHUNK).as_slice()).unwrap();
        sealed.extend(cipher.encrypt(&nonce(1, true), [].as_slice()).unwrap());
        assert_eq!(open(&KEY, &sealed), Err(Flaw::Altered("its last chunk is empty")));
    }
}
