//! Issuers that lie, or are none: nothing of them is believed, and no request goes where they point.

use serde_json::{Value, json};

use super::{Front, login, set};
use crate::http_server::Reply;
use crate::issuer::{Endpoint, Issuer};

/// Refuses that the login ends well, or that the device endpoint was asked.
fn refused(name: &str, code: i32, lie: impl FnOnce(&Front, &Issuer, &mut Value)) -> String {
    let (sandbox, front, issuer) = set();
    let mut document = front.document(&issuer);
    front.answer(&Value::Null);
    lie(&front, &issuer, &mut document);
    if !document.is_null() {
        front.answer(&document);
    }
    let output = login(&sandbox, &[]);
    assert_eq!(output.code(), code, "{name}: {}", output.stderr);
    assert!(output.stdout.is_empty(), "{name}");
    assert!(issuer.seen(Endpoint::Device).is_empty(), "{name}");
    assert!(sandbox.files_with("canary").is_empty(), "{name}");
    output.stderr
}

#[test]
fn an_issuer_by_another_name_is_refused() {
    for (name, how) in [
        ("URL/", "with a slash at the end"),
        ("https://elsewhere.example", "by another name"),
        ("", "by another name"),
        ("HTTP://127.0.0.1", "by another name"),
    ] {
        let told = refused(name, 5, |front, _, document| {
            document["issuer"] = json!(name.replace("URL", &front.url()));
        });
        assert!(told.contains(how), "{name}: {told}");
        assert!(
            !told.contains("elsewhere"),
            "what the document says is not shown: {told}"
        );
    }
}

#[test]
fn an_endpoint_at_a_host_that_the_file_does_not_know_is_refused_and_named() {
    for key in ["token_endpoint", "device_authorization_endpoint", "revocation_endpoint"] {
        let told = refused(key, 5, |_, _, document| {
            document[key] = json!("https://tokens.other.example/here");
        });
        assert!(told.contains("hosts = [\"tokens.other.example\"]"), "{key}: {told}");
    }
    let (sandbox, front, issuer) = set();
    let mut document = front.document(&issuer);
    document["revocation_endpoint"] = json!("https://tokens.other.example/here");
    front.answer(&document);
    let known = "client_id = \"acme-cli\"\nhosts = [\"tokens.other.example\"]";
    sandbox.write_provider("acme", &super::provider(&front.url(), known));
    let output = login(&sandbox, &[]).expect_success();
    assert!(output.stderr.contains("tokens.other.example"), "{}", output.stderr);
}

#[test]
fn an_endpoint_that_is_no_safe_url_is_refused() {
    for bad in [
        "http://acme.example/device",
        "http://127.0.0.1.acme.example/device",
        "ISSUER/device#fragment",
        "https://user@acme.example/device",
        "https://acme.example\\@evil.example/device",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "-x",
        "",
        "https://acme.example/\u{1b}[2J",
    ] {
        let told = refused(bad, 5, |_, issuer, document| {
            document["device_authorization_endpoint"] = json!(bad.replace("ISSUER", &issuer.url()));
        });
        assert!(told.contains("`device_authorization_endpoint`"), "{bad}: {told}");
    }
}

#[test]
fn what_is_no_document_is_not_taken_for_one() {
    let json = "application/json";
    let moved = |front: &Front| Reply::redirect(302, &format!("{}/elsewhere", front.url()));
    let told = refused("redirect", 64, |front, issuer, document| {
        front.page("/elsewhere", Reply::json(200, &front.document(issuer)));
        front.page(super::front::OPENID, moved(front));
        *document = Value::Null;
    });
    assert!(told.contains("a redirect is not followed"), "{told}");
    for (name, code, reply) in [
        ("html", 64, Reply::text(200, "text/html", "<h1>Welcome</h1>")),
        ("a portal", 64, Reply::text(511, "text/html", "log in")),
        ("nothing", 64, Reply::text(404, "text/html", "")),
        ("no issuer", 64, Reply::json(200, &json!({}))),
        ("null", 5, Reply::text(200, json, "null")),
        ("text", 5, Reply::text(200, json, "<html>")),
        ("cut", 5, Reply::text(200, json, "{\"issuer\":\"")),
        ("deep", 5, Reply::text(200, json, &"[".repeat(10_000))),
        ("a list", 5, Reply::text(200, json, "[]")),
        ("busy", 3, Reply::error(503, "temporarily_unavailable")),
        ("limited", 3, Reply::error(429, "slow_down")),
        ("dropped", 3, Reply::Drop),
        ("junk", 3, Reply::Bytes(b"SSH-2.0-OpenSSH\r\n".to_vec())),
    ] {
        let code = if name == "a portal" { 3 } else { code };
        let told = refused(name, code, |front, _, document| {
            front.page(super::front::OPENID, reply);
            *document = Value::Null;
        });
        assert!(told.contains("finding the endpoints of the issuer"), "{name}: {told}");
    }
}

#[test]
fn a_huge_document_is_not_kept() {
    for length in [300 * 1024, 2 * 1024 * 1024] {
        let (sandbox, front, issuer) = set();
        let mut document = front.document(&issuer);
        document["padding"] = json!("x".repeat(length));
        front.answer(&document);
        assert_ne!(login(&sandbox, &[]).code(), 0, "{length}");
        assert!(issuer.seen(Endpoint::Device).is_empty());
    }
}

#[test]
fn members_of_another_type_count_as_absent() {
    let (sandbox, front, issuer) = set();
    let mut document = front.document(&issuer);
    for (member, value) in [
        ("revocation_endpoint", json!(7)),
        ("scopes_supported", json!("openid")),
        ("registration_endpoint", json!([])),
        ("dpop_signing_alg_values_supported", json!({})),
        ("require_pushed_authorization_requests", json!("yes")),
    ] {
        document[member] = value;
    }
    front.answer(&document);
    login(&sandbox, &[]).expect_success();
    assert!(issuer.valid_access(&sandbox.token()));
}

#[test]
fn an_issuer_without_safe_codes_is_refused() {
    let told = refused("plain", 5, |_, _, document| {
        document["code_challenge_methods_supported"] = json!(["plain"]);
    });
    assert!(told.contains("S256"), "{told}");
}

#[test]
fn a_document_at_the_second_place_does_not_mend_a_lie_at_the_first() {
    let told = refused("first", 5, |front, issuer, document| {
        let honest = front.document(issuer);
        front.page("/.well-known/oauth-authorization-server", Reply::json(200, &honest));
        let mut lie = honest;
        lie["issuer"] = json!("https://elsewhere.example");
        front.page(super::front::OPENID, Reply::json(200, &lie));
        *document = Value::Null;
    });
    assert!(told.contains("by another name"), "{told}");
}
