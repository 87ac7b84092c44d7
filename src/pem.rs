//! A client certificate and its private key as one text, in the textual form of RFC 7468.
//!
//! It takes the text apart and knows nothing of what is inside: no signature, no name and no date is looked at.
//! Implements RFC 7468, sections 2 (general considerations), 5 (certificates) and 10 (private keys).

use zeroize::Zeroizing;

use crate::secret::Secret;

/// What begins every part.
const BEGIN: &str = "-----BEGIN ";

/// The parts of a text.
pub struct Identity {
    /// The certificate, and those that lead to its issuer, as they stood.
    pub certificates: String,
    /// The private key.
    pub key: Secret,
}

/// Whether a line of a text begins a part. No token has lines, and a key inside of JSON begins none.
pub fn is_in(secret: &Secret) -> bool {
    secret.expose().lines().any(|line| line.starts_with(BEGIN))
}

/// Takes certificates and private key out of a text. What stands between parts, and parts of other kinds, are left out.
///
/// # Errors
/// Which part is not as it must be: at least one certificate, and exactly one private key that needs no passphrase.
pub fn read(secret: &Secret) -> Result<Identity, &'static str> {
    let (mut certificates, mut key) = (String::new(), None);
    let mut rest = secret.expose();
    while let Some(at) = rest.find(BEGIN) {
        let (label, part, after) = part(&rest[at..]).ok_or("a part has no end, or is not Base64")?;
        rest = after;
        match label {
            "CERTIFICATE" => certificates += &format!("{part}\n"),
            "ENCRYPTED PRIVATE KEY" => return Err("the private key needs a passphrase, which no tool could give"),
            _ if !label.ends_with("PRIVATE KEY") => (),
            _ if part.contains("ENCRYPTED") => {
                return Err("the private key needs a passphrase, which no tool could give");
            }
            _ if key.is_some() => return Err("there is more than one private key"),
            _ => key = Some(Secret::new(format!("{part}\n"))),
        }
    }
    match key {
        Some(_) if certificates.is_empty() => Err("there is no certificate"),
        Some(key) => Ok(Identity { certificates, key }),
        None => Err("there is no private key"),
    }
}

/// The label of the first part of a text, the part, and what follows it.
fn part(text: &str) -> Option<(&str, &str, &str)> {
    let (label, inside) = text.strip_prefix(BEGIN)?.split_once("-----")?;
    let end = format!("-----END {label}-----");
    let at = inside.find(&end)?;
    let length = text.len() - inside.len() + at + end.len();
    // A key of OpenSSL's older form has lines with a colon before its Base64.
    let body = inside[..at].lines().filter(|line| !line.contains(':'));
    let body: Zeroizing<String> = Zeroizing::new(body.flat_map(str::split_whitespace).collect());
    let decoded = data_encoding::BASE64.decode(body.as_bytes()).map(Zeroizing::new).ok()?;
    (!decoded.is_empty()).then(|| (label, &text[..length], &text[length..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nY2VydA==\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nY2Fu\nYXJ5\n-----END PRIVATE KEY-----\n";

    fn parts(text: &str) -> Result<(String, String), &'static str> {
        let secret = Secret::new(text.into());
        read(&secret).map(|identity| (identity.certificates, identity.key.expose().to_owned()))
    }

    #[test]
    fn parts_are_found_in_any_order_and_others_left_out() {
        let expected = Ok((CERTIFICATE.repeat(2), KEY.to_owned()));
        let other = "Bag Attributes\n-----BEGIN EC PARAMETERS-----\nBgU=\n-----END EC PARAMETERS-----\n";
        assert_eq!(parts(&format!("{KEY}{other}{CERTIFICATE}{CERTIFICATE}")), expected);
        assert_eq!(
            parts(&format!("{CERTIFICATE}text\n{KEY}{other}{CERTIFICATE}")),
            expected
        );
        let crlf = format!("{CERTIFICATE}{KEY}").replace('\n', "\r\n");
        assert!(parts(&crlf).is_ok());
        for label in ["RSA PRIVATE KEY", "EC PRIVATE KEY"] {
            let key = KEY.replace("PRIVATE KEY", label);
            assert_eq!(parts(&format!("{CERTIFICATE}{key}")), Ok((CERTIFICATE.into(), key)));
        }
    }

    #[test]
    fn half_an_identity_is_none() {
        let encrypted = KEY.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let older = KEY.replace("KEY-----\nY", "KEY-----\nProc-Type: 4,ENCRYPTED\n\nY");
        for text in [
            String::new(),
            "canary".into(),
            CERTIFICATE.into(),
            KEY.into(),
            format!("{CERTIFICATE}{KEY}{KEY}"),
            format!("{CERTIFICATE}{encrypted}"),
            format!("{CERTIFICATE}{older}"),
            format!("{CERTIFICATE}{}", KEY.replace("-----END", "----END")),
            format!("{CERTIFICATE}{}", KEY.replace("Y2Fu", "!")),
            format!("{CERTIFICATE}{}", KEY.replace("Y2Fu\nYXJ5\n", "")),
        ] {
            assert!(parts(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn no_token_is_taken_for_an_identity() {
        assert!(is_in(&Secret::new(format!("x\n{KEY}"))));
        for text in [
            "canary",
            "canary-----BEGIN PRIVATE KEY-----",
            "{\"key\": \"-----BEGIN PRIVATE KEY-----\\n\"}",
        ] {
            assert!(!is_in(&Secret::new(text.into())), "{text}");
        }
    }
}
