//! `provider add`: a provider file from one URL, shown, written once, and tried.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::{Front, Issuer, Sandbox, set};
use crate::http_server::Reply;
use crate::issuer::Endpoint;
use crate::sandbox::Output;

/// A home without provider files, and an issuer with a device grant that makes clients.
fn open() -> (Sandbox, Front, Issuer) {
    let (sandbox, front, issuer) = set();
    std::fs::remove_dir_all(sandbox.keyfob_home().join("config")).unwrap();
    front.answer(&document(&front, &issuer));
    (sandbox, front, issuer)
}

fn document(front: &Front, issuer: &Issuer) -> Value {
    let mut document = front.document(issuer);
    document["registration_endpoint"] = json!(format!("{}/register", front.url()));
    document["scopes_supported"] = json!(["openid", "email", "offline_access"]);
    document
}

fn add(sandbox: &Sandbox, url: &str, more: &[&str]) -> Output {
    sandbox.keyfob(&[&["provider", "add", url], more].concat()).run()
}

fn files(sandbox: &Sandbox) -> usize {
    sandbox.files_with("format = 1").len()
}

#[test]
fn a_provider_is_shown_written_and_tried() {
    let (sandbox, front, issuer) = open();
    let more = [
        "--yes",
        "--flow",
        "device",
        "--no-browser",
        "--target",
        "https://api.acme.example",
    ];
    let output = add(&sandbox, &front.url(), &more).expect_success();
    for part in [
        "flow = \"device\"",
        &front.url(),
        "scopes = [\"openid\", \"offline_access\"]",
        "https://api.acme.example",
    ] {
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
    }
    let (token, client) = (format!("{}/token", issuer.url()), format!("{}/register", front.url()));
    for part in [token.as_str(), client.as_str(), "Wrote ", "Logged in"] {
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
    }
    let file = sandbox.keyfob_home().join("config/providers/issuer.toml");
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(output.stderr.contains(&written), "{written}");
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    let token = sandbox.keyfob(&["token", "issuer"]).run().expect_success();
    assert!(issuer.valid_access(token.text().trim_end()));
    sandbox.keyfob(&["provider", "check"]).run().expect_success();
    let shown = sandbox.keyfob(&["provider", "show", "issuer"]).run().expect_success();
    assert!(shown.text().contains(&front.url()), "{}", shown.text());
}

#[test]
fn a_file_is_never_replaced() {
    let (sandbox, front, _issuer) = open();
    let more = ["--yes", "--no-login", "--name", "acme"];
    add(&sandbox, &front.url(), &more).expect_success();
    let before = sandbox.files();
    let output = add(&sandbox, &front.url(), &more).expect_code(64);
    assert!(
        output.stderr.contains("exists already") && output.stderr.contains("--name"),
        "{}",
        output.stderr
    );
    assert_eq!(sandbox.files(), before);
}

#[test]
fn nothing_is_written_that_nobody_agreed_to() {
    let (sandbox, front, issuer) = open();
    let output = add(&sandbox, &front.url(), &[]).expect_code(64);
    assert!(output.stderr.contains("format = 1"), "it is shown all the same");
    assert!(output.stderr.contains("--yes"), "{}", output.stderr);
    assert_eq!(files(&sandbox), 0);
    assert!(issuer.seen(Endpoint::Device).is_empty() && front.registrations().is_empty());
}

#[test]
fn an_issuer_with_a_slash_at_its_end_is_found_without() {
    let (sandbox, front, issuer) = open();
    let mut slashed = document(&front, &issuer);
    slashed["issuer"] = json!(format!("{}/", front.url()));
    front.answer(&slashed);
    let output = add(&sandbox, &front.url(), &["--yes", "--flow", "device", "--no-browser"]).expect_success();
    assert!(
        output.stderr.contains(&format!("issuer = \"{}/\"", front.url())),
        "{}",
        output.stderr
    );
}

#[test]
fn a_service_that_names_its_issuer_is_added_as_a_service() {
    let (sandbox, front, issuer) = open();
    let service = Front::start(&issuer);
    let named = json!({ "issuer": front.url(), "client_id": "from-the-service" });
    service.only("/.well-known/oauth-protected-resource", &named);
    let more = ["--yes", "--flow", "device", "--no-browser", "--name", "cloud"];
    let output = add(&sandbox, &service.url(), &more).expect_success();
    assert!(
        output
            .stderr
            .contains(&format!("[service]\nurl = \"{}\"", service.url())),
        "{}",
        output.stderr
    );
    assert_eq!(
        issuer.seen(Endpoint::Device)[0].field("client_id").as_deref(),
        Some("from-the-service")
    );
}

#[test]
fn what_cannot_become_a_provider_is_said_and_not_written() {
    let (sandbox, front, issuer) = open();
    let url = front.url();
    let honest = document(&front, &issuer);
    let without = |members: &[&str]| {
        let mut document = honest.clone();
        for member in members {
            document.as_object_mut().unwrap().remove(*member);
        }
        front.answer(&document);
    };
    let told = |code: i32, url: &str, more: &[&str], part: &str| {
        let output = add(&sandbox, url, &[&["--yes", "--no-login"], more].concat());
        assert_eq!(output.code(), code, "{part}: {}", output.stderr);
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
        assert_eq!(files(&sandbox), 0, "{part}");
    };
    without(&["registration_endpoint"]);
    told(64, &url, &[], "--client-id");
    without(&["authorization_endpoint", "device_authorization_endpoint"]);
    told(64, &url, &[], "neither a page for a browser");
    without(&[]);
    told(64, &url, &["--name", "../x"], "the name of the provider");
    told(64, &url, &["--target", "http://api.acme.example"], "target.url");
    told(64, "http://acme.example", &[], "neither https");
    told(64, "acme", &[], "no scheme");
    front.page(super::front::OPENID, Reply::text(404, "text/html", ""));
    told(64, &url, &[], "no document at either well-known place");
    front.page(super::front::OPENID, Reply::error(503, "x"));
    told(3, &url, &[], "status 503");
    let mut lie = honest.clone();
    lie["issuer"] = json!("https://elsewhere.example");
    front.answer(&lie);
    told(5, &url, &[], "by another name");
    let mut lie = honest.clone();
    lie["token_endpoint"] = json!("http://acme.example/token");
    front.answer(&lie);
    told(5, &url, &[], "`token_endpoint`");
}

#[test]
fn a_client_id_cannot_break_out_of_its_line() {
    let (sandbox, front, _issuer) = open();
    let id = "a\"]\n[[target]]\nurl=\"https://evil.example";
    let more = ["--yes", "--no-login", "--name", "acme", "--client-id", id];
    let output = add(&sandbox, &front.url(), &more);
    assert_eq!(output.code(), 64, "{}", output.stderr);
    assert_eq!(files(&sandbox), 0);
    let more = ["--yes", "--no-login", "--name", "acme", "--client-id", "a\"b\\c"];
    add(&sandbox, &front.url(), &more).expect_success();
    let shown = sandbox.keyfob(&["provider", "show", "acme"]).run().expect_success();
    assert!(
        shown.text().contains("a\"b\\c") && !shown.text().contains("evil"),
        "{}",
        shown.text()
    );
}
