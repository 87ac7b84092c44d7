//! A seed as the URI that a QR code has: `otpauth://totp/ISSUER:ACCOUNT?secret=…&issuer=…`.
//!
//! There is no specification but the one page that the first app has published, "Key Uri Format"; this is what apps agree
//! on. Only codes by the clock are read: a counter would have to be written at every code.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use zeroize::Zeroizing;

use super::{Algorithm, DIGITS, PERIOD_SECS, Seed};

/// What a label and a value may have unescaped (RFC 3986, sections 2.3 and 3.3).
const PART: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'@');

const START: &str = "otpauth://totp/";

impl Seed {
    /// Reads the URI. Parameters that are not known here are left out.
    ///
    /// # Errors
    /// What is wrong with it, without the key.
    pub fn from_uri(uri: &str) -> Result<Seed, String> {
        let uri = uri.trim();
        let rest = match uri.get(..START.len()) {
            Some(start) if start.eq_ignore_ascii_case(START) => &uri[START.len()..],
            _ => return Err("a text that does not begin with `otpauth://totp/`".into()),
        };
        let (label, query) = rest.split_once('?').ok_or("a URI without parameters")?;
        let value = |wanted: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let found = pairs.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| decoded(value)).filter(|value| !value.is_empty())
        };
        let key = value("secret").ok_or("a URI without a key")?;
        let (algorithm, digits, period) = (value("algorithm"), value("digits"), value("period"));
        let text = |value: &'_ Option<Zeroizing<String>>| value.as_ref().map(|value| value.to_string());
        let seed = Seed::new(&key)?.with(
            text(&algorithm).as_deref(),
            text(&digits).as_deref(),
            text(&period).as_deref(),
        )?;
        // A colon inside a name is escaped, but some escape the one between the names too.
        let (before, account) = match label.split_once(':') {
            Some((before, account)) => (decoded(before), decoded(account)),
            None => {
                let label = decoded(label);
                let (before, account) = label.split_once(':').unwrap_or(("", &label));
                (Zeroizing::new(before.to_owned()), Zeroizing::new(account.to_owned()))
            }
        };
        let issuer = text(&value("issuer")).unwrap_or_else(|| before.trim().into());
        Ok(Seed {
            issuer,
            account: account.trim().into(),
            ..seed
        })
    }

    /// Writes the URI, as short as it can be, so that its QR code is small: what is usual is left out.
    pub fn uri(&self) -> Zeroizing<String> {
        let Seed {
            key,
            issuer,
            account,
            algorithm,
            digits,
            period_secs,
        } = self;
        let mut uri = Zeroizing::new(String::with_capacity(512));
        *uri += START;
        if !issuer.is_empty() {
            uri.extend(utf8_percent_encode(issuer, PART));
            uri.push(':');
        }
        uri.extend(utf8_percent_encode(account, PART));
        *uri += "?secret=";
        *uri += key.expose();
        if !issuer.is_empty() {
            *uri += "&issuer=";
            uri.extend(utf8_percent_encode(issuer, PART));
        }
        if *algorithm != Algorithm::default() {
            *uri += "&algorithm=";
            *uri += algorithm.word();
        }
        for (name, number, usual) in [("digits", digits, DIGITS), ("period", period_secs, PERIOD_SECS)] {
            if *number != usual {
                *uri += &format!("&{name}={number}");
            }
        }
        uri
    }
}

fn decoded(text: &str) -> Zeroizing<String> {
    Zeroizing::new(percent_decode_str(text).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_reads_back_from_its_uri() {
        for (issuer, account) in [
            ("Acme", "ann@acme.example"),
            ("", "ann"),
            ("Acme & Söhne: Ltd", "a?b#c=d&e+f%20"),
            ("", ""),
        ] {
            for parameters in [(None, None, None), (Some("SHA512"), Some("8"), Some("60"))] {
                let (algorithm, digits, period) = parameters;
                let seed = Seed::new("JBSWY3DPEHPK3PXP").unwrap();
                let seed = Seed {
                    issuer: issuer.into(),
                    account: account.into(),
                    ..seed.with(algorithm, digits, period).unwrap()
                };
                let uri = seed.uri();
                assert!(uri.bytes().all(|b| b.is_ascii_graphic()), "{}", *uri);
                assert_eq!(Seed::from_uri(&uri), Ok(seed), "{}", *uri);
            }
        }
    }

    #[test]
    fn what_is_usual_is_left_out_of_a_uri() {
        let seed = Seed {
            issuer: "Acme".into(),
            account: "ann@acme.example".into(),
            ..Seed::new("JBSWY3DPEHPK3PXP").unwrap()
        };
        let uri = "otpauth://totp/Acme:ann@acme.example?secret=JBSWY3DPEHPK3PXP&issuer=Acme";
        assert_eq!(&*seed.uri(), uri);
    }

    #[test]
    fn uris_of_others_are_read() {
        for (uri, issuer, account) in [
            ("otpauth://totp/Acme%3A%20ann?secret=jbswy3dp", "Acme", "ann"),
            (
                "OTPAUTH://TOTP/ann?Secret=JBSWY3DP&issuer=Acme%20Ltd&image=https%3A%2F%2Fx",
                "Acme Ltd",
                "ann",
            ),
            ("otpauth://totp/?secret=JBSWY3DP%3D%3D%3D%3D\n", "", ""),
            (
                "otpauth://totp/Old:ann?issuer=New&secret=JBSWY3DP&digits=&period=30",
                "New",
                "ann",
            ),
        ] {
            let seed = Seed::from_uri(uri).unwrap();
            assert_eq!(
                (seed.issuer.as_str(), seed.account.as_str()),
                (issuer, account),
                "{uri}"
            );
            assert_eq!(seed.key.expose(), "JBSWY3DP", "{uri}");
        }
    }

    #[test]
    fn a_uri_that_no_code_can_be_made_from_is_refused_without_its_key() {
        for uri in [
            "",
            "https://acme.example/?secret=CANARY",
            "otpauth://hotp/ann?secret=CANARY&counter=0",
            "otpauth://totp/ann",
            "otpauth://totp/ann?issuer=Acme",
            "otpauth://totp/ann?secret=",
            "otpauth://totp/ann?secret=CANARY10",
            "otpauth://totp/ann?secret=CANARY&digits=4",
            "otpauth://totp/ann?secret=CANARY&algorithm=MD5",
            "otpauth://totp/ann?secret=CANARY&period=0",
            "otpauth://tot\u{e4}/",
        ] {
            let message = Seed::from_uri(uri).unwrap_err();
            assert!(!message.contains("CANARY"), "{uri}: {message}");
        }
    }
}
