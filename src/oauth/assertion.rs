//! Statements of a client about itself, signed with its private key: RFC 7523, section 3, as JWT (RFC 7519) in the
//! compact form of RFC 7515, by RS256 or ES256 (RFC 7518, sections 3.3 and 3.4).
//!
//! It knows neither where a key is kept nor to whom a statement goes; the clock's time is given.

use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair as RsaKeyPair;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, Value, json};
use zeroize::{Zeroize, Zeroizing};

use crate::secret::Secret;
use crate::time::Timestamp;

/// How long a statement is good. The issuer's clock may be a minute before ours, and nobody who finds the statement in a
/// log can use it a coffee later; several issuers refuse one that is good for longer.
const LIFE_SECS: i64 = 300;

/// A private key, ready to sign.
#[derive(Debug)]
pub struct Signer {
    key: Key,
    id: Option<String>,
}

#[derive(Debug)]
enum Key {
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// What a statement says (RFC 7523, section 3).
#[derive(Debug, Clone, Copy)]
pub struct Claims<'a> {
    /// Who says it.
    pub issuer: &'a str,
    /// Of whom.
    pub subject: &'a str,
    /// To whom: the issuer's identifier.
    pub audience: &'a str,
    /// What else; none of the registered claims.
    pub others: &'a Map<String, Value>,
}

impl Signer {
    /// The first private key in a PEM text: PKCS#8, PKCS#1 or SEC 1, of RSA with 2048 to 8192 bits or of the curve P-256.
    ///
    /// `id` becomes the header parameter `kid`.
    ///
    /// # Errors
    /// What is wrong with the key, with no part of it.
    pub fn from_pem(pem: &[u8], id: Option<String>) -> Result<Signer, &'static str> {
        let mut der = PrivateKeyDer::from_pem_slice(pem)
            .map_err(|_| "it holds no PEM private key of the kinds PKCS#8, PKCS#1 or SEC 1 without a passphrase")?;
        let key = Signer::key(&der);
        der.zeroize();
        Ok(Signer { key: key?, id })
    }

    fn key(der: &PrivateKeyDer) -> Result<Key, &'static str> {
        let rsa = "its RSA key is damaged, or has less than 2048 or more than 8192 bits";
        let curve = "its key is neither RSA nor of the curve P-256 with its public half";
        let p256 = |pkcs8: &[u8]| {
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &SystemRandom::new()).map(Key::P256)
        };
        match der {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der())
                .map(Key::Rsa)
                .map_err(|_| rsa),
            PrivateKeyDer::Sec1(der) => p256(&wrap_sec1(der.secret_sec1_der()).ok_or(curve)?).map_err(|_| curve),
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                match RsaKeyPair::from_pkcs8(der) {
                    Ok(key) => Ok(Key::Rsa(key)),
                    Err(error) => p256(der).map_err(|_| {
                        // Of a key that is not RSA it says nothing else.
                        if error.to_string() == "WrongAlgorithm" {
                            curve
                        } else {
                            rsa
                        }
                    }),
                }
            }
            _ => Err(curve),
        }
    }

    /// The statement: good from `now` for five minutes, and under an identifier that no other has.
    pub fn sign(&self, claims: Claims, now: Timestamp, random: [u8; 16]) -> Secret {
        let mut header = json!({ "alg": self.algorithm(), "typ": "JWT" });
        if let Some(id) = &self.id {
            header["kid"] = json!(id);
        }
        let mut payload = claims.others.clone();
        for (name, value) in [
            ("iss", json!(claims.issuer)),
            ("sub", json!(claims.subject)),
            ("aud", json!(claims.audience)),
            ("iat", json!(now.unix())),
            ("exp", json!(now.plus(LIFE_SECS).unix())),
            ("jti", json!(BASE64URL_NOPAD.encode(&random))),
        ] {
            payload.insert(name.into(), value);
        }
        let part = |value: Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let mut text = format!("{}.{}", part(header), part(Value::Object(payload)));
        let signature = self.signature(text.as_bytes());
        text.push('.');
        text += &BASE64URL_NOPAD.encode(&signature);
        Secret::new(text)
    }

    fn algorithm(&self) -> &'static str {
        match self.key {
            Key::P256(_) => "ES256",
            Key::Rsa(_) => "RS256",
        }
    }

    fn signature(&self, text: &[u8]) -> Vec<u8> {
        // The one place of this module that is not pure: signatures and the defence of their key take random bytes.
        let random = SystemRandom::new();
        match &self.key {
            Key::P256(key) => {
                let signed = key.sign(&random, text);
                signed
                    .expect("the operating system gives random bytes")
                    .as_ref()
                    .to_vec()
            }
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                let signed = key.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature);
                signed.expect("a key that was read can sign, and the operating system gives random bytes");
                signature
            }
        }
    }
}

/// A key of RFC 5915 in the envelope of RFC 5208, which is the one that ring opens; none if it is longer than any of P-256.
fn wrap_sec1(sec1: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    /// Version 0, then the algorithm: id-ecPublicKey on prime256v1.
    const HEAD: [u8; 24] = [
        0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
        0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
    ];
    let length = u8::try_from(sec1.len()).ok()?;
    // Both lengths take one byte after a byte that says so; a shorter key has no public half, and is refused anyway.
    let inner: u8 = if length < 0x80 { 2 } else { 3 };
    let whole = length.checked_add(inner)?.checked_add(24)?;
    let mut der = Zeroizing::new(Vec::with_capacity(usize::from(whole) + 3));
    let put_length = |der: &mut Vec<u8>, tag: u8, length: u8| {
        der.push(tag);
        if length >= 0x80 {
            der.push(0x81);
        }
        der.push(length);
    };
    put_length(&mut der, 0x30, whole);
    der.extend_from_slice(&HEAD);
    put_length(&mut der, 0x04, length);
    der.extend_from_slice(sec1);
    Some(der)
}
