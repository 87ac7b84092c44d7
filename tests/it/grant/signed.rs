//! Statements that are signed with a private key, read as an issuer reads them: RFC 7523 section 3.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::key::{self, TestKey};
use super::{only_ours, set, token};

const SIGNED: &str = "client_id = \"robot\"\ntoken_auth = \"private_key_jwt\"";

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// The times of a statement made just now: good for five minutes.
fn is_fresh(claims: &Value) {
    let (from, end) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert!((from - now()).abs() < 60 && end - from == 300, "{claims}");
    assert!(claims["jti"].as_str().unwrap().len() >= 22, "{claims}");
}

#[test]
fn a_client_signs_who_it_is_with_every_kind_of_key() {
    for key in [key::rsa(), key::p256()] {
        for (kind, pem) in &key.pem {
            let (sandbox, machine) = set(
                "client-credentials",
                SIGNED,
                "[signing]\nkey_file = \"~/key.pem\"\nkey_id = \"k1\"",
            );
            only_ours(&sandbox.write("key.pem", pem));
            token(&sandbox).expect_success();
            let fields = machine.fields();
            assert_eq!(fields["client_id"], "robot");
            assert_eq!(
                fields["client_assertion_type"],
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            );
            let (header, claims) = key.verified(&fields["client_assertion"]);
            assert_eq!(
                (&header["kid"], &header["typ"]),
                (&json!("k1"), &json!("JWT")),
                "{kind}"
            );
            assert_eq!((&claims["iss"], &claims["sub"]), (&json!("robot"), &json!("robot")));
            assert_eq!(claims["aud"], json!(format!("{}/token", machine.url())));
            is_fresh(&claims);
            assert!(!fields.contains_key("client_secret"));
        }
    }
}

#[test]
fn each_request_has_a_statement_of_its_own_for_the_issuer_by_name() {
    let key = key::p256();
    let oauth = format!("{SIGNED}\nissuer = \"https://issuer.example/\"");
    let (sandbox, machine) = set("client-credentials", &oauth, "[signing]\nkey_env = \"ACME_KEY\"");
    // An answer that is lost, and one that is no use: the second try of each is signed again.
    machine.inject("/token", 1, &crate::http_server::Reply::Drop);
    let run = sandbox.keyfob(&["token", "acme"]).env("ACME_KEY", key.pem[0].1.clone());
    run.run().expect_success();
    let mut marks = BTreeSet::new();
    for request in machine.seen("/token") {
        let form = crate::http_server::form(&request.body);
        let statement = &form.iter().find(|(name, _)| name == "client_assertion").unwrap().1;
        let (header, claims) = key.verified(statement);
        assert_eq!(claims["aud"], "https://issuer.example/");
        assert!(header.get("kid").is_none());
        marks.insert(claims["jti"].to_string());
    }
    assert_eq!(marks.len(), 2);
}

/// The statement of a bearer grant, with this table `[grant]`.
fn bearer(key: &TestKey, oauth: &str, grant: &str) -> (Value, Value) {
    let tables = format!("[signing]\nkey_file = \"~/key.pem\"\n[grant]\n{grant}");
    let (sandbox, machine) = set("jwt-bearer", oauth, &tables);
    only_ours(&sandbox.write("key.pem", &key.pem[0].1));
    token(&sandbox).expect_success();
    let fields = machine.fields();
    assert_eq!(fields["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    assert!(!fields.contains_key("client_id") && !fields.contains_key("client_assertion"));
    key.verified(&fields["assertion"])
}

#[test]
fn a_statement_says_what_the_provider_file_says() {
    let key = key::rsa();
    let grant = "issuer = \"robot@acme.example\"\nsubject = \"ann@acme.example\"\naudience = \"https://aud.example\"\n\
                 claims = { scope = \"a b\", level = 3, groups = [\"x\", \"y\"], deep = { on = true } }";
    let (_, claims) = bearer(&key, "", grant);
    is_fresh(&claims);
    for (name, value) in [
        ("iss", json!("robot@acme.example")),
        ("sub", json!("ann@acme.example")),
        ("aud", json!("https://aud.example")),
        ("scope", json!("a b")),
        ("level", json!(3)),
        ("groups", json!(["x", "y"])),
        ("deep", json!({"on": true})),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
}

#[test]
fn a_statement_without_more_is_the_clients_about_itself() {
    let (_, claims) = bearer(&key::p256(), "client_id = \"robot\"", "");
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("robot"), &json!("robot")));
}

#[test]
fn the_key_file_of_a_service_account_names_its_owner() {
    let key = key::rsa();
    let account = json!({
        "type": "service_account",
        "private_key": key.pem[0].1,
        "private_key_id": "k7",
        "client_email": "robot@acme.example",
    });
    let (sandbox, machine) = set("jwt-bearer", "", "[signing]\nkey_file = \"~/account.json\"");
    only_ours(&sandbox.write("account.json", &account.to_string()));
    token(&sandbox).expect_success();
    let (header, claims) = key.verified(&machine.fields()["assertion"]);
    assert_eq!(header["kid"], "k7");
    assert_eq!(
        (&claims["iss"], &claims["sub"]),
        (&json!("robot@acme.example"), &json!("robot@acme.example"))
    );
}

#[test]
fn a_key_that_cannot_be_used_is_told_without_a_part_of_it() {
    let rsa = key::rsa();
    let encrypted = key::pem("ENCRYPTED PRIVATE KEY", b"canary");
    let cut = rsa.pem[0].1[..400].to_owned();
    let wrong = key::pem("PRIVATE KEY", b"canary canary canary");
    for (text, says) in [
        ("canary", "no PEM private key"),
        ("", "no PEM private key"),
        (encrypted.as_str(), "without a passphrase"),
        (cut.as_str(), "no PEM private key"),
        (wrong.as_str(), "RSA"),
        (r#"{"type":"canary"}"#, "JSON without a `private_key`"),
    ] {
        let (sandbox, machine) = set("client-credentials", SIGNED, "[signing]\nkey_file = \"~/key.pem\"");
        only_ours(&sandbox.write("key.pem", text));
        let output = token(&sandbox).expect_code(64);
        assert!(output.stderr.contains(says), "{says}: {}", output.stderr);
        assert!(output.stderr.contains("~/key.pem"), "{}", output.stderr);
        assert_eq!(machine.asked(), 0);
    }
}

#[test]
fn a_key_file_that_others_can_read_or_write_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let key = key::p256();
    for (mode, command) in [
        (0o644, "chmod 600"),
        (0o640, "chmod 600"),
        (0o620, "chmod go-w"),
        (0o602, "chmod go-w"),
    ] {
        let (sandbox, machine) = set("client-credentials", SIGNED, "[signing]\nkey_file = \"~/key.pem\"");
        let path = sandbox.write("key.pem", &key.pem[0].1);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let output = token(&sandbox).expect_code(4);
        assert!(output.stderr.contains(command), "{mode:o}: {}", output.stderr);
        assert_eq!(machine.asked(), 0);
    }
    let (sandbox, _machine) = set("client-credentials", SIGNED, "[signing]\nkey_file = \"~/key.pem\"");
    let output = token(&sandbox).expect_code(2);
    assert!(
        output.stderr.contains("there is no file `~/key.pem`"),
        "{}",
        output.stderr
    );
    std::fs::create_dir(sandbox.path().join("key.pem")).unwrap();
    token(&sandbox).expect_code(64);
}
