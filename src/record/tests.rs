//! Keys, unknown fields and damage.

use super::*;

fn key() -> Key {
    Key {
        group: Group::Origin("https://a.example:8443".into()),
        account: "ann b@c".into(),
        path: Some("x/y z".into()),
    }
}

#[test]
fn a_key_reads_back_from_its_text() {
    for account in ["", "ann", "a b", "a%20b", "ä\u{2028}", "a/b c:d@e"] {
        for path in [None, Some(String::new()), Some("a b/c".to_string())] {
            let key = Key {
                account: account.into(),
                path,
                ..key()
            };
            assert_eq!(key.to_string().parse(), Ok(key));
        }
    }
    let session = Group::Session {
        provider: "acme".into(),
        mode: String::new(),
    };
    let key = Key {
        group: session,
        account: "ann@acme.example".into(),
        path: None,
    };
    assert_eq!(key.to_string(), "session acme/ ann@acme.example");
    assert_eq!(key.to_string().parse(), Ok(key.clone()));
    let seed = Key {
        group: Group::Seed {
            provider: "acme".into(),
            mode: "dev".into(),
        },
        path: Some("pending".into()),
        ..key
    };
    assert_eq!(seed.to_string(), "seed acme/dev ann@acme.example pending");
    assert_eq!(seed.to_string().parse(), Ok(seed));
}

#[test]
fn unknown_fields_survive_a_rewrite() {
    let mut record = Record::new(key(), "f".into(), "git");
    record.secret = Some(Secret::new("s".into()));
    record.extra.insert("colour".into(), Value::from("blue"));
    record.extra.insert("learnt".into(), serde_json::json!({"version": 2}));
    let read = Record::decode(&record.encode(), "f".into(), 1).unwrap();
    assert_eq!(read, record);
}

#[test]
fn a_damaged_record_is_described_without_its_content() {
    let bytes = br#"{"key":"origin https://a u","tool":"git","secret":"s3cr3t","expires_at":"s3cr3t"}"#;
    let error = Record::decode(bytes, String::new(), 1).unwrap_err();
    assert!(
        error.starts_with("a field of another type than expected, line 1"),
        "{error}"
    );
}
