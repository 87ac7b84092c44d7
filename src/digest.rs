//! Names and checksums: BLAKE2b with 16 bytes (RFC 7693); SHA-256 for protocols.
//!
//! SHA-256 would do as well, but asks the processor for its features at each start, which a virtual machine answers
//! slowly. Nothing here protects a secret; sealing does.

use blake2::digest::consts::U16;
use blake2::{Blake2b, Digest};

/// The digits of a digest.
pub const HEX_LEN: usize = 32;

/// The digest of all parts, one after the other, in hex.
pub fn hex(parts: &[&[u8]]) -> String {
    let mut hash = Blake2b::<U16>::new();
    for part in parts {
        hash.update(part);
    }
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

/// SHA-256 (FIPS 180-4), where a protocol asks for it.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_the_published_function() {
        // The digest of nothing, as `b2sum --length 128` prints it.
        assert_eq!(super::hex(&[]), "cae66941d9efbd404e4d88758ea67670");
        assert_eq!(super::hex(&[b"a", b"b"]), super::hex(&[b"ab"]));
    }
}
