//! Proof key for code exchange: RFC 7636, with S256 alone.

use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use crate::digest;
use crate::secret::Secret;

/// A verifier and its challenge.
#[derive(Debug, Clone)]
pub struct Pkce {
    /// Sent once, with the request that must prove who asked (section 4.1): 43 characters of base64url.
    pub verifier: Secret,
    /// Sent through the browser (section 4.2): 43 characters of base64url.
    pub challenge: String,
}

impl Pkce {
    /// The pair that belongs to 32 random bytes.
    pub fn of(random: [u8; 32]) -> Pkce {
        let random = Zeroizing::new(random);
        let verifier = Secret::new(BASE64URL_NOPAD.encode(&*random));
        let challenge = BASE64URL_NOPAD.encode(&digest::sha256(verifier.expose().as_bytes()));
        Pkce { verifier, challenge }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_specification() {
        // RFC 7636, appendix B, gives these bytes, their verifier and its challenge.
        let random = [
            116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186, 22, 212, 37, 77, 105, 214, 191,
            240, 91, 88, 5, 88, 83, 132, 141, 121,
        ];
        let pair = Pkce::of(random);
        assert_eq!(pair.verifier.expose(), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(pair.challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
