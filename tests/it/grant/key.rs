//! Private keys of the tests, in the three PEM kinds, and how what they sign is verified.
//!
//! The RSA key was made for these tests and guards nothing; ring makes none. The curve's key is new in each run.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair as RsaKeyPair;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_2048_8192_SHA256,
    UnparsedPublicKey,
};
use serde_json::Value;

/// RFC 8017, appendix A.1.2.
const RSA: &str = "\
    MIIEpAIBAAKCAQEAuLro6VciBbF1vqK6R0gSWx9fBmgLKoHRnb2rave8gSh/Kdcp/TekrMffCBkhzfdVVk1eblZgKmO73nhintx9\
    oBgEEJzvc1x7lJEmChWQHouPhW8difoTveqn894t8Dio5hCS+9leh3ZOlFOCtA1iablrKFdH9QGnXjQIbZAlVbD3NLjG+1Fc+Hby\
    wtPdj7DcBaX/gja3CkAC9Bedt+KvQyHxytGj+NFAUdhL1HLsQrlX9Drz4Toxaq2z2rToIMosMq6s56XvAvnPfwuAtgpzjfuw/u99\
    Y0kGCGyGDZlrv6HOSahgKhc//WnX1e2K5gcChcYvZO1b9L6jYNgWWHcR9wIDAQABAoIBAFkTuBActgksw2xDp7OLq15JSFccgJXk\
    t6Fqvmf8Qee+EWOpn1O9Kyktz/xlsglRhNLyx+BIwmJuaT8jqdqU0/cI3ZztMAHezLCdNUyTjUVNYs2jAQlxj2d66bYMovY9PCSE\
    RXwwGwcTI10ez93mvlfg0y1GuSoJvB0O1imO4pHoy+bDHyNF1xgTGAP4tbXjMoEed9p6aiLqpSkrxaFBbdWsPAK//we3AQgvAf6Z\
    3W1wV+aKHFT+EUC8iJWzzTG+YFSvmFVyyxjIuI8gJpojcSuUWnTRrkyRMyVIkotYRmAGF/BWkaQDy+YslW+Fvz9lYQ6sBqmkcP0+\
    uz6kTCiGlTECgYEA3eGhp64bwCLD0Xg6OouY9UvW13Haq2K/CvdDE2AgDaTvJTcRBysLQbq0fIdB4B6dSVc9xuWfQTDVlx/1YUIM\
    lVp/T9/zD7hz4Mf2uJXVaPZOD87CJowmjYMghJNch/LolKFdaePVoG9fHSMzZ+aZ3ixaHo+4CFvvVv3lfTIGedMCgYEA1SLRV9uc\
    3KMRiRX4xkxLzscFkcmKZJ9IhaONaMf6wr2524HI7PigSZwlVM4brWqe0yWE2zRz/OviX48Mr/X1+Em1pkCfJox7IaNCz/svt3hy\
    EpbYTf4J3O8Hu+itSC6LYBFStN0+JACddAri2EiJ5V+mo7wN+/MFol979t6D7M0CgYEAqF9EEL5qiI7ZEeeuKCcu11XJnovjaBLy\
    7htcZyOWr0PtxcvXvBzJ2gMYWzc4oh4ZNUJiusAc7ZdlPd0ek8NPUTbvTWmgRNmv9W9IpiHtZE0kR5Kaei34Q4Kx9mjs2q1WGROq\
    k2Q1BB3/i1je9YVkVdhKOs7M1GsPYHAi6bJAf8kCgYA/2J49Y1wp++9U0XAkdtZ+qr/QXD9IxS5EWioSKVXE4HC8gLRfyFq7sjq8\
    nMFNwZKyTZruz1evfDnjxkZWr6dvKSVxGAqU0aBRA0cQZn50x2/kgatqMZ9iv3fhomHGLasyq/3KkDv9LPH9wQUTJSepvm18vuix\
    gKs/aLsJyL5cQQKBgQDWRGBfRcK8/7DJPsZfyxQDZPEEFloKaCGswoy6/PCG42osHYzkBaoxPLm3sFXKVJ+KGtrHPA2kPhMVbUVb\
    c1wdyrMYb94qbxDhgbVjkxYrItK+FYTlRRHmcB1d/rRL3K7T7JZ2didOhNGkiYo3DkVJXbkugMUIYvgtar6gNbougg==";

/// What stands before the RSA key in RFC 5208's envelope.
const RSA_HEAD: [u8; 26] = [
    0x30, 0x82, 0x04, 0xbe, 0x02, 0x01, 0x00, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
    0x01, 0x05, 0x00, 0x04, 0x82, 0x04, 0xa8,
];

/// A private key and its public half.
pub struct TestKey {
    algorithm: &'static str,
    public: Vec<u8>,
    /// PEM, by the name of its kind.
    pub pem: Vec<(&'static str, String)>,
}

/// The RSA key: PKCS#8 and PKCS#1.
pub fn rsa() -> TestKey {
    let pkcs1 = BASE64.decode(RSA.as_bytes()).unwrap();
    let pkcs8 = [RSA_HEAD.as_slice(), &pkcs1].concat();
    TestKey {
        algorithm: "RS256",
        public: RsaKeyPair::from_der(&pkcs1).unwrap().public_key().as_ref().to_vec(),
        pem: vec![
            ("PKCS#8", pem("PRIVATE KEY", &pkcs8)),
            ("PKCS#1", pem("RSA PRIVATE KEY", &pkcs1)),
        ],
    }
}

/// A key of the curve P-256: PKCS#8 and SEC 1.
pub fn p256() -> TestKey {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pkcs8 = pkcs8.as_ref();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &random).unwrap();
    // The inner key begins after the envelope's head of fixed length.
    let sec1 = &pkcs8[29..];
    TestKey {
        algorithm: "ES256",
        public: pair.public_key().as_ref().to_vec(),
        pem: vec![
            ("PKCS#8", pem("PRIVATE KEY", pkcs8)),
            ("SEC 1", pem("EC PRIVATE KEY", sec1)),
        ],
    }
}

impl TestKey {
    /// Header and claims of a statement that this key signed.
    pub fn verified(&self, statement: &str) -> (Value, Value) {
        let (signed, signature) = statement.rsplit_once('.').unwrap();
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
        let verified = match self.algorithm {
            "RS256" => {
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public).verify(signed.as_bytes(), &signature)
            }
            _ => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.public).verify(signed.as_bytes(), &signature),
        };
        verified.expect("the signature is this key's");
        let part = |text: &str| serde_json::from_slice(&BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()).unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let header: Value = part(header);
        assert_eq!(header["alg"], self.algorithm);
        (header, part(claims))
    }
}

/// Text of a kind around DER (RFC 7468).
pub fn pem(kind: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
}
