//! What a service's answers say of an account: a second factor that was begun, backup codes, whether something is set.

use serde_json::Value;

pub use super::otp::Outcome;
use super::{Answer, otp, text_at, word};
use crate::config::{Call, Found, Marks};
use crate::secret::Secret;
use crate::totp::Seed;

/// The most backup codes that are taken; services give eight to twenty.
const MAX_CODES: usize = 100;

/// The longest backup code, in bytes; a person writes it down.
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

/// Says of a text whether a terminal shows it as it is.
pub type Fits = fn(&str) -> bool;

/// A second factor that was begun and must be confirmed.
#[derive(Debug, Clone, PartialEq)]
pub struct Begun {
    /// What codes are made from.
    pub seed: Seed,
    /// The service's name for it; not yet fit for a terminal.
    pub factor: Option<String>,
    /// The codes that the service gave already.
    pub backup_codes: BackupCodes,
}

/// The backup codes in a reply.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BackupCodes {
    /// Those that can be shown as they are.
    pub good: Vec<Secret>,
    /// How many are beside them that cannot, and why not; none is left out of this count.
    pub bad: Option<(usize, &'static str)>,
}

/// What became of a call that is made for an account.
pub fn answered(call: &Call, answer: &Answer) -> Outcome<Value> {
    otp::sorted(call, answer)
}

/// Takes a second factor out of the reply to the call that begins it.
///
/// # Errors
/// What is wrong with it, without a value.
pub fn begun(found: &Found, reply: &Value, fits: Fits) -> Result<Begun, String> {
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
        backup_codes: backup_codes(found, reply, fits),
    })
}

/// The backup codes in a reply: a list of texts, numbers or tables with a `code`, or one text with a code in each line.
/// Whatever a terminal would show as it is can be one, which `fits` says; of the rest it is told how many there are.
pub fn backup_codes(found: &Found, reply: &Value, fits: Fits) -> BackupCodes {
    let of = |value: &Value| match value {
        Value::String(text) => Ok(text.trim().to_owned()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Object(_) => text_at(value, Some("/code")).ok_or("they are no texts"),
        _ => Err("they are no texts"),
    };
    let texts: Vec<Result<String, &'static str>> = match value_at(reply, found.backup_codes.as_deref(), CODES) {
        Some(Value::Array(list)) => list.iter().map(of).collect(),
        Some(Value::String(text)) => text.lines().map(|line| Ok(line.trim().to_owned())).collect(),
        Some(value @ Value::Object(_)) => vec![of(value)],
        _ => Vec::new(),
    };
    let mut codes = BackupCodes::default();
    // An empty line is nothing that anybody could lose.
    for text in texts.into_iter().filter(|text| *text != Ok(String::new())) {
        let good = text.and_then(|text| match text {
            _ if codes.good.len() == MAX_CODES => Err("no more than 100 are taken"),
            text if text.len() > MAX_CODE => Err("they are longer than 128 bytes"),
            text if !fits(&text) => Err("they have characters that a terminal acts on"),
            text => Ok(Secret::new(text)),
        });
        match (good, &mut codes.bad) {
            (Ok(code), _) => codes.good.push(code),
            (Err(_), Some((count, _))) => *count += 1,
            (Err(why), bad) => *bad = Some((1, why)),
        }
    }
    codes
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

    fn fits(text: &str) -> bool {
        !text.chars().any(char::is_control)
    }

    fn texts(codes: &[Secret]) -> Vec<&str> {
        codes.iter().map(Secret::expose).collect()
    }

    #[test]
    fn a_seed_is_found_as_a_uri_or_in_its_parts() {
        let uri = begun(&Found::default(), &json!({"otpauth_url": URI, "id": 7}), fits).unwrap();
        assert_eq!((uri.seed.account.as_str(), uri.factor.as_deref()), ("ann", Some("7")));
        let parts = json!({"secret": "canary canary 2345", "issuer": "Acme", "account": "ann"});
        assert_eq!(begun(&Found::default(), &parts, fits).unwrap().seed, uri.seed);
        let found = Found {
            secret: Some("/data/key".into()),
            digits: Some("/data/length".into()),
            ..Found::default()
        };
        let deep = json!({"secret": "x", "data": {"key": "CANARYCANARY2345", "length": 8}});
        let deep = begun(&found, &deep, fits).unwrap().seed;
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
            let message = begun(&Found::default(), &bad, fits).unwrap_err();
            assert!(!message.contains("CANARY"), "{bad}: {message}");
        }
    }

    #[test]
    fn backup_codes_come_in_many_forms_and_scripts() {
        let found = Found::default();
        for (reply, expected) in [
            (json!({"backup_codes": ["a-1", " b-2 "]}), &["a-1", "b-2"][..]),
            (
                json!({"recovery_codes": [{"code": "a-1", "used": false}, 12345]}),
                &["a-1", "12345"],
            ),
            (json!({"backup_codes": "a-1\r\nb-2\n\n"}), &["a-1", "b-2"]),
            (json!({"backup_codes": ["ä-1", "", "二-2"]}), &["ä-1", "二-2"]),
            (json!({"backup_codes": 8}), &[]),
            (json!({}), &[]),
        ] {
            let codes = backup_codes(&found, &reply, fits);
            assert_eq!((texts(&codes.good), codes.bad), (expected.to_vec(), None), "{reply}");
        }
        let elsewhere = Found {
            backup_codes: Some("/codes".into()),
            ..found
        };
        let reply = json!({"backup_codes": ["a"], "codes": ["b"]});
        assert_eq!(texts(&backup_codes(&elsewhere, &reply, fits).good), ["b"]);
    }

    #[test]
    fn no_backup_code_is_left_out_uncounted() {
        let many: Vec<u32> = (0..103).collect();
        for (codes, good, bad) in [
            (json!(many), MAX_CODES, (3, "no more than 100 are taken")),
            (
                json!(["a", "b\u{1b}[31m"]),
                1,
                (1, "they have characters that a terminal acts on"),
            ),
            (
                json!(["a", "x".repeat(129), "y".repeat(200)]),
                1,
                (2, "they are longer than 128 bytes"),
            ),
            (json!([null, "a", ["b"], {"codes": "c"}]), 1, (3, "they are no texts")),
            (json!({"a": "b"}), 0, (1, "they are no texts")),
            (
                json!("a\nb\u{7}\n"),
                1,
                (1, "they have characters that a terminal acts on"),
            ),
        ] {
            let found = backup_codes(&Found::default(), &json!({ "backup_codes": codes }), fits);
            assert_eq!((found.good.len(), found.bad), (good, Some(bad)));
        }
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
