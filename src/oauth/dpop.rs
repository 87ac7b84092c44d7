//! Proof of possession: RFC 9449, with ES256 alone.
//!
//! A token that is bound to a key is worth nothing to whoever has no key: each request carries a fresh signature over its
//! method, its URL and the moment. The key lives and dies with the session's tokens. Signing takes randomness from the
//! cryptographic library; the moment and the proof's name are the caller's.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::token;
use crate::digest;
use crate::secret::Secret;
use crate::time::Timestamp;

/// The longest nonce that is sent back, in bytes.
const MAX_NONCE: usize = 1024;

/// What one proof speaks for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method, in upper case.
    pub method: &'a str,
    /// Where the request goes; query and fragment are left out of the proof.
    pub url: &'a str,
    /// The access token that goes with it; none at the token endpoint.
    pub token: Option<&'a Secret>,
    /// What this server gave to be sent back (section 8).
    pub nonce: Option<&'a str>,
}

/// Why there is no proof: the key is damaged, or the system has no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unusable;

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the key of the session cannot sign")
    }
}

/// A new key, as base64 of PKCS #8.
///
/// # Errors
/// When the system has no randomness.
pub fn generate() -> Result<Secret, Unusable> {
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    let key = key.map_err(|_| Unusable)?;
    Ok(Secret::new(BASE64.encode(key.as_ref())))
}

/// The key's digest (RFC 7638), sent as `dpop_jkt` so that a code is bound to it (section 10).
///
/// # Errors
/// When the key is damaged.
pub fn thumbprint(key: &Secret) -> Result<String, Unusable> {
    let (x, y) = point(&pair(key)?)?;
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    Ok(BASE64URL_NOPAD.encode(&digest::sha256(canonical.as_bytes())))
}

/// The proof for one request (section 4.2), good once. `id` is random.
///
/// # Errors
/// [`Unusable`].
pub fn proof(key: &Secret, request: &Request, id: [u8; 16], now: Timestamp) -> Result<Zeroizing<String>, Unusable> {
    let pair = pair(key)?;
    let (x, y) = point(&pair)?;
    let header = json!({
        "typ": "dpop+jwt",
        "alg": "ES256",
        "jwk": {"kty": "EC", "crv": "P-256", "x": x, "y": y},
    });
    let url = request.url.split(['?', '#']).next().unwrap_or(request.url);
    let mut claims = json!({
        "jti": BASE64URL_NOPAD.encode(&id),
        "htm": request.method,
        "htu": url,
        "iat": now.unix(),
    });
    if let Some(nonce) = request.nonce {
        claims["nonce"] = nonce.into();
    }
    if let Some(token) = request.token {
        let digest = digest::sha256(token.expose().as_bytes());
        claims["ath"] = BASE64URL_NOPAD.encode(&digest).into();
    }
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let mut text = Zeroizing::new(format!("{}.{}", part(&header), part(&claims)));
    let signature = pair.sign(&SystemRandom::new(), text.as_bytes()).map_err(|_| Unusable)?;
    text.push('.');
    text.push_str(&BASE64URL_NOPAD.encode(signature.as_ref()));
    Ok(text)
}

/// Whether an answer refuses a request only because its proof had no nonce, or an old one (sections 8 and 9): nothing
/// was spent.
pub fn asks_for_nonce(status: u16, content_type: &str, body: &[u8], challenge: &str) -> bool {
    if status == 401 && challenge.contains("use_dpop_nonce") {
        return true;
    }
    matches!(status, 400 | 401)
        && matches!(token::read(status, content_type, body), token::Reply::Error { code, .. } if code == "use_dpop_nonce")
}

/// A nonce that can be sent back, if the text is one (section 8.1).
pub fn nonce(text: &str) -> Option<&str> {
    let good =
        (1..=MAX_NONCE).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
    good.then_some(text)
}

fn pair(key: &Secret) -> Result<EcdsaKeyPair, Unusable> {
    let bytes = Zeroizing::new(BASE64.decode(key.expose().as_bytes()).map_err(|_| Unusable)?);
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &bytes, &SystemRandom::new()).map_err(|_| Unusable)
}

/// The coordinates of the public key, in base64url.
fn point(pair: &EcdsaKeyPair) -> Result<(String, String), Unusable> {
    // An uncompressed point (SEC 1, section 2.3.3): a byte that says so, then 32 bytes each.
    match pair.public_key().as_ref() {
        [4, rest @ ..] if rest.len() == 64 => {
            let (x, y) = rest.split_at(32);
            Ok((BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y)))
        }
        _ => Err(Unusable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_900_000_000);

    fn claims(text: &str) -> Value {
        let part = text.split('.').nth(1).unwrap();
        serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn a_proof_names_its_request_and_is_signed_by_its_key() {
        let key = generate().unwrap();
        let request = Request {
            method: "POST",
            url: "https://id.acme.example/token?x=1#y",
            token: None,
            nonce: None,
        };
        let text = proof(&key, &request, [7; 16], NOW).unwrap();
        let sent = claims(&text);
        assert_eq!(
            (&sent["htm"], &sent["htu"]),
            (&json!("POST"), &json!("https://id.acme.example/token"))
        );
        assert_eq!(
            (&sent["iat"], &sent["jti"]),
            (&json!(1_900_000_000), &json!("BwcHBwcHBwcHBwcHBwcHBw"))
        );
        assert!(sent.get("nonce").is_none() && sent.get("ath").is_none());
        let (signed, signature) = text.rsplit_once('.').unwrap();
        let public = pair(&key).unwrap().public_key().as_ref().to_vec();
        let public = ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_FIXED, public);
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
        public.verify(signed.as_bytes(), &signature).unwrap();
        assert!(public.verify(b"another", &signature).is_err());
    }

    #[test]
    fn the_digest_of_a_token_is_that_of_the_specification() {
        // RFC 9449, section 7.1, figure 12.
        let token = Secret::new("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU".into());
        let request = Request {
            method: "GET",
            url: "https://resource.example.org/protectedresource",
            token: Some(&token),
            nonce: Some("n"),
        };
        let sent = claims(&proof(&generate().unwrap(), &request, [0; 16], NOW).unwrap());
        assert_eq!(sent["ath"], "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
        assert_eq!(sent["nonce"], "n");
    }

    #[test]
    fn only_a_refusal_for_the_nonce_is_asked_again() {
        let json = "application/json";
        let error = br#"{"error":"use_dpop_nonce"}"#;
        assert!(asks_for_nonce(400, json, error, ""));
        assert!(asks_for_nonce(401, "text/plain", b"", "DPoP error=\"use_dpop_nonce\""));
        assert!(!asks_for_nonce(400, json, br#"{"error":"invalid_grant"}"#, ""));
        assert!(!asks_for_nonce(200, json, error, ""));
        assert!(!asks_for_nonce(400, "text/html", error, ""));
        assert!(!asks_for_nonce(500, json, error, ""));
    }

    #[test]
    fn a_damaged_key_signs_nothing_and_a_strange_nonce_is_not_sent_back() {
        assert_eq!(thumbprint(&Secret::new("canary".into())), Err(Unusable));
        assert_eq!(thumbprint(&generate().unwrap()).map(|text| text.len()), Ok(43));
        assert_eq!(nonce("eyJ.7-A~"), Some("eyJ.7-A~"));
        for bad in ["", "a b", "a\"b", "a\r", &"a".repeat(MAX_NONCE + 1)] {
            assert_eq!(nonce(bad), None, "{bad:?}");
        }
    }
}
