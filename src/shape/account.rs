//! What a service's answers say of an account: a second factor that was begun, backup codes, whether something is set.

use serde_json::Value;

pub use super::otp::Outcome;
use super::{Answer, otp, text_at, word};
use crate::config::{Call, Found, Marks};
use crate::secret::Secret;
use crate::totp::Seed;

/// The most backup codes that are believed; services give eight to twenty.
const MAX_CODES: usize = 100;

/// The longest backup code, in bytes.
const MAX_CODE: usize = 128;

/// Where services put these, most telling first.
const URIS: &[&str] = &[
    "/otpauth_url",
    "/otpauth_uri",
    "/provisioning_uri",
    "/totp_uri",
    "/barcode_uri",
    "/totp/uri",
    "/uri",
];
const SECRETS: &[&str] = &["/secret", "/totp/secret", "/shared_secret", "/secret_key"];
const ISSUERS: &[&str] = &["/issuer"];
const ACCOUNTS: &[&str] = &["/account", "/account_name", "/email"];
const ALGORITHMS: &[&str] = &["/algorithm"];
const DIGITS: &[&str] = &["/digits"];
const PERIODS: &[&str] = &["/period"];
const FACTORS: &[&str] = &["/factor_id", "/id"];
const CODES: &[&str] = &["/backup_codes", "/recovery_codes", "/backupCodes", "/recoveryCodes"];
const LEFT: &[&str] = &[
    "/backup_codes_left",
    "/backup_codes_remaining",
    "/recovery_codes_left",
    "/recovery_codes_remaining",
    "/backup_codes",
    "/recovery_codes",
];
const STATES: &[&str] = &[
    "/enabled",
    "/active",
    "/mfa_enabled",
    "/has_password",
    "/is_set",
    "/set",
    "/status",
    "/state",
];

/// The texts that mean yes; every other means no.
const YES: &[&str] = &["true", "yes", "on", "enabled", "active", "enrolled", "verified", "set"];

/// The words of an error code, where services put them.
const ERRORS: &[&str] = &[
    "/error",
    "/error/code",
    "/code",
    "/error/message",
    "/message",
    "/detail",
];

/// A second factor that was begun and must be confirmed.
#[derive(Debug, Clone, PartialEq)]
pub struct Begun {
    /// What codes are made from.
    pub seed: Seed,
    /// The service's name for it; not yet fit for a terminal.
    pub factor: Option<String>,
    /// The codes that the service gave already.
    pub backup_codes: Vec<Secret>,
}

/// What became of a call that is made for an account.
pub fn answered(call: &Call, answer: &Answer) -> Outcome<Value> {
    otp::sorted(call, answer)
}

/// Takes a second factor out of the reply to the call that begins it.
///
/// # Errors
/// What is wrong with it, without a value.
pub fn begun(found: &Found, reply: &Value) -> Result<Begun, String> {
    let at = |pointer: &Option<String>, usual: &[&str]| at(reply, pointer.as_deref(), usual);
    let seed = match (at(&found.uri, URIS), at(&found.secret, SECRETS)) {
        (Some(uri), _) => Seed::from_uri(&uri)?,
        (None, Some(key)) => {
            let seed = Seed::new(&key)?.with(
                at(&found.algorithm, ALGORITHMS).as_deref(),
                at(&found.digits, DIGITS).as_deref(),
                at(&found.period, PERIODS).as_deref(),
            )?;
            Seed {
                issuer: at(&found.issuer, ISSUERS).unwrap_or_default(),
                account: at(&found.account, ACCOUNTS).unwrap_or_default(),
                ..seed
            }
        }
        (None, None) => return Err("neither a URI nor a key of a seed".into()),
    };
    Ok(Begun {
        seed,
        factor: at(&found.factor, FACTORS),
        backup_codes: backup_codes(found, reply),
    })
}

/// The backup codes in a reply: a list of texts, numbers or tables with a `code`, or one text with a code in each line.
/// What a terminal would act on is none.
pub fn backup_codes(found: &Found, reply: &Value) -> Vec<Secret> {
    let of = |value: &Value| match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(_) => text_at(value, Some("/code")),
        _ => None,
    };
    let texts: Vec<String> = match value_at(reply, found.backup_codes.as_deref(), CODES) {
        Some(Value::Array(list)) => list.iter().filter_map(of).collect(),
        Some(Value::String(text)) => text.lines().map(|line| line.trim().to_owned()).collect(),
        _ => Vec::new(),
    };
    let good = |text: &String| {
        let shown = |b: u8| b.is_ascii_graphic() || b == b' ';
        !text.is_empty() && text.len() <= MAX_CODE && text.bytes().all(shown)
    };
    let texts = texts.into_iter().filter(good).take(MAX_CODES);
    texts.map(Secret::new).collect()
}

/// How many backup codes are left, where the reply says it.
pub fn backup_codes_left(found: &Found, reply: &Value) -> Option<u64> {
    match value_at(reply, found.backup_codes_left.as_deref(), LEFT)? {
        Value::Array(list) => u64::try_from(list.len()).ok(),
        value => value.as_u64(),
    }
}

/// Whether something is there: yes, a number other than 0, a list with something in it, or a word that means yes.
///
/// # Errors
/// Where there should have been one.
pub fn is_on(pointer: Option<&str>, reply: &Value) -> Result<bool, String> {
    match value_at(reply, pointer, STATES) {
        Some(Value::Bool(on)) => Ok(*on),
        Some(Value::Number(number)) => Ok(number.as_f64() != Some(0.0)),
        Some(Value::Array(list)) => Ok(!list.is_empty()),
        Some(Value::String(text)) => Ok(YES.contains(&text.to_ascii_lowercase().as_str())),
        Some(Value::Null) => Ok(false),
        _ => Err(match pointer {
            Some(pointer) => format!("nothing at `{pointer}` that says yes or no"),
            None => "nothing in the usual places that says yes or no".into(),
        }),
    }
}

/// Whether an answer says that a second factor must be enrolled first.
pub fn wants_factor(required: &Marks, status: u16, reply: &Value) -> bool {
    status >= 400 && (required.statuses.contains(&status) || word(reply, None, ERRORS, &[required]).is_some())
}

fn at(reply: &Value, pointer: Option<&str>, usual: &[&str]) -> Option<String> {
    match pointer {
        Some(pointer) => text_at(reply, Some(pointer)),
        None => usual.iter().find_map(|pointer| text_at(reply, Some(pointer))),
    }
}

fn value_at<'a>(reply: &'a Value, pointer: Option<&str>, usual: &[&str]) -> Option<&'a Value> {
    match pointer {
        Some(pointer) => reply.pointer(pointer),
        None => usual.iter().find_map(|pointer| reply.pointer(pointer)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const URI: &str = "otpauth://totp/Acme:ann?secret=CANARYCANARY2345&issuer=Acme";

    fn texts(codes: &[Secret]) -> Vec<&str> {
        codes.iter().map(Secret::expose).collect()
    }

    #[test]
    fn a_seed_is_found_as_a_uri_or_in_its_parts() {
        let uri = begun(&Found::default(), &json!({"otpauth_url": URI, "id": 7})).unwrap();
        assert_eq!((uri.seed.account.as_str(), uri.factor.as_deref()), ("ann", Some("7")));
        let parts = json!({"secret": "canary canary 2345", "issuer": "Acme", "account": "ann"});
        assert_eq!(begun(&Found::default(), &parts).unwrap().seed, uri.seed);
        let found = Found {
            secret: Some("/data/key".into()),
            digits: Some("/data/length".into()),
            ..Found::default()
        };
        let deep = json!({"secret": "x", "data": {"key": "CANARYCANARY2345", "length": 8}});
        let deep = begun(&found, &deep).unwrap().seed;
        assert_eq!((deep.digits, deep.issuer.as_str()), (8, ""));
    }

    #[test]
    fn a_seed_that_makes_no_codes_is_refused_without_its_key() {
        for bad in [
            json!({}),
            json!(null),
            json!({"secret": 7}),
            json!({"secret": "CANARY018"}),
            json!({"otpauth_url": "https://acme.example/CANARY"}),
            json!({"secret": "CANARY", "digits": 12}),
        ] {
            let message = begun(&Found::default(), &bad).unwrap_err();
            assert!(!message.contains("CANARY"), "{bad}: {message}");
        }
    }

    #[test]
    fn backup_codes_come_in_many_forms_and_none_that_a_terminal_acts_on() {
        let found = Found::default();
        for (reply, expected) in [
            (json!({"backup_codes": ["a-1", " b-2 "]}), &["a-1", "b-2"][..]),
            (
                json!({"recovery_codes": [{"code": "a-1", "used": false}, 12345]}),
                &["a-1", "12345"],
            ),
            (json!({"backup_codes": "a-1\r\nb-2\n\n"}), &["a-1", "b-2"]),
            (
                json!({"backup_codes": ["a\u{1b}[31m", "", null, "ä", "x".repeat(129)]}),
                &[],
            ),
            (json!({"backup_codes": 8}), &[]),
            (json!({}), &[]),
        ] {
            assert_eq!(texts(&backup_codes(&found, &reply)), expected, "{reply}");
        }
        let elsewhere = Found {
            backup_codes: Some("/codes".into()),
            ..found
        };
        let reply = json!({"backup_codes": ["a"], "codes": ["b"]});
        assert_eq!(texts(&backup_codes(&elsewhere, &reply)), ["b"]);
        let many: Vec<u32> = (0..1000).collect();
        assert_eq!(backup_codes(&elsewhere, &json!({ "codes": many })).len(), MAX_CODES);
    }

    #[test]
    fn yes_and_no_are_known_in_many_forms() {
        for (reply, expected) in [
            (json!({"enabled": true}), Ok(true)),
            (json!({"enabled": false}), Ok(false)),
            (json!({"mfa_enabled": 1}), Ok(true)),
            (json!({"set": 0}), Ok(false)),
            (json!({"status": "Enabled"}), Ok(true)),
            (json!({"status": "none"}), Ok(false)),
            (json!({"enabled": null}), Ok(false)),
            (json!({"enabled": {}}), Err(())),
            (json!({}), Err(())),
        ] {
            assert_eq!(is_on(None, &reply).map_err(|_| ()), expected, "{reply}");
        }
        let factors = json!({"factors": [1], "enabled": false});
        assert_eq!(is_on(Some("/factors"), &factors), Ok(true));
        assert!(is_on(Some("/none"), &factors).unwrap_err().contains("/none"));
        assert_eq!(
            backup_codes_left(&Found::default(), &json!({"backup_codes_left": 7})),
            Some(7)
        );
        assert_eq!(
            backup_codes_left(&Found::default(), &json!({"backup_codes": [1, 2]})),
            Some(2)
        );
        assert_eq!(backup_codes_left(&Found::default(), &json!({"enabled": true})), None);
    }

    #[test]
    fn only_a_refusal_wants_a_factor() {
        let marks = Marks::of(&[428], &["mfa_required"]);
        assert!(wants_factor(&marks, 403, &json!({"error": "mfa_required"})));
        assert!(wants_factor(&marks, 400, &json!({"error": {"code": "mfa_required"}})));
        assert!(wants_factor(&marks, 428, &Value::Null));
        assert!(!wants_factor(&marks, 403, &json!({"error": "forbidden"})));
        assert!(!wants_factor(&marks, 200, &json!({"error": "mfa_required"})));
    }
}
