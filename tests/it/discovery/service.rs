//! Everything from one URL: a service that names its issuer and its client.

use serde_json::{Value, json};

use super::front::Front;
use super::login;
use crate::http_server::Reply;
use crate::issuer::{Endpoint, Issuer, Script};
use crate::sandbox::Sandbox;

/// A home whose provider file names a service, as these lines say.
fn set(lines: impl FnOnce(&Front) -> String) -> (Sandbox, Front, Issuer) {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    let front = Front::start(&issuer);
    let lines = lines(&front);
    sandbox.write_provider(
        "acme",
        &format!(
            "format = 1\n[login]\nflow = \"device\"\n[service]\n{lines}\n[[target]]\nurl = \"https://acme.example\"\n"
        ),
    );
    (sandbox, front, issuer)
}

fn named(front: &Front) -> Value {
    json!({ "auth": { "url": front.url(), "client": "from-the-service" } })
}

const OWN: &str = "path = \"/cli.json\"\nissuer = \"/auth/url\"\nclient_id = \"/auth/client\"\n";

#[test]
fn issuer_and_client_come_from_the_service() {
    let (sandbox, front, issuer) = set(|front| format!("url = \"{}\"\n{OWN}", front.url()));
    front.page("/cli.json", Reply::json(200, &named(&front)));
    issuer.script(|script| script.life_secs = 1);
    let output = login(&sandbox, &[]).expect_success();
    assert!(output.stderr.contains("as its issuer"), "{}", output.stderr);
    issuer.script(|script| script.life_secs = 3600);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    sandbox.token();
    for seen in [issuer.seen(Endpoint::Device), issuer.seen(Endpoint::Token)].concat() {
        assert_eq!(seen.field("client_id").as_deref(), Some("from-the-service"));
    }
}

#[test]
fn the_document_of_the_standard_is_found_without_a_word() {
    let (sandbox, front, issuer) = set(|front| format!("url = \"{}/v1\"", front.url()));
    let document = json!({
        "resource": format!("{}/v1", front.url()),
        "authorization_servers": [front.url()],
        "client_id": "from-the-service",
    });
    front.page("/.well-known/oauth-protected-resource/v1", Reply::json(200, &document));
    login(&sandbox, &[]).expect_success();
    assert!(issuer.valid_access(&sandbox.token()));
}

#[test]
fn a_service_that_is_not_set_says_how_to_set_it() {
    let (mut sandbox, front, issuer) = set(|_| format!("variable = \"ACME_CLOUD_URL\"\n{OWN}"));
    front.page("/cli.json", Reply::json(200, &named(&front)));
    let output = login(&sandbox, &[]).expect_code(64);
    for part in ["`service.url`", "acme.toml", "ACME_CLOUD_URL", "--auth-url"] {
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
    }
    assert!(front.seen().is_empty());
    login(&sandbox, &["--auth-url", &front.url(), "--client-id", "mine"]).expect_success();
    assert_eq!(
        issuer.seen(Endpoint::Device)[0].field("client_id").as_deref(),
        Some("mine")
    );
    sandbox.set("ACME_CLOUD_URL", front.url());
    login(&sandbox, &[]).expect_success();
    assert_eq!(
        issuer.seen(Endpoint::Device)[1].field("client_id").as_deref(),
        Some("from-the-service")
    );
    // Found by itself, and the client pinned.
    login(&sandbox, &["--client-id", "mine"]).expect_success();
    assert_eq!(
        issuer.seen(Endpoint::Device)[2].field("client_id").as_deref(),
        Some("mine")
    );
}

#[test]
fn a_service_that_lies_is_not_believed() {
    for (name, code, reply) in [
        ("no issuer", 5, Reply::json(200, &json!({}))),
        (
            "http",
            5,
            Reply::json(200, &json!({"auth": {"url": "http://acme.example"}})),
        ),
        (
            "query",
            5,
            Reply::json(200, &json!({"auth": {"url": "https://acme.example?x"}})),
        ),
        (
            "other",
            5,
            Reply::json(
                200,
                &json!({"resource": "https://other.example", "auth": {"url": "https://x.example"}}),
            ),
        ),
        ("html", 64, Reply::text(200, "text/html", "<h1>Hi</h1>")),
        ("gone", 64, Reply::text(404, "text/html", "")),
        ("moved", 64, Reply::redirect(301, "https://acme.example/")),
        ("busy", 3, Reply::error(500, "server_error")),
    ] {
        let (sandbox, front, issuer) = set(|front| format!("url = \"{}\"\n{OWN}", front.url()));
        front.page("/cli.json", reply);
        let output = login(&sandbox, &[]);
        assert_eq!(output.code(), code, "{name}: {}", output.stderr);
        assert!(
            output.stderr.contains("asking the service"),
            "{name}: {}",
            output.stderr
        );
        assert!(issuer.seen(Endpoint::Device).is_empty(), "{name}");
    }
}

#[test]
fn a_mistake_in_the_table_is_reported_with_its_line() {
    for (line, part) in [
        ("url = \"http://acme.example\"", "service.url"),
        ("url = \"https://acme.example?x\"", "service.url"),
        ("path = \"cli.json\"", "service.path"),
        ("issuer = \"auth\"", "service.issuer"),
        ("colour = \"blue\"", "colour"),
    ] {
        let (sandbox, ..) = set(|_| line.into());
        let output = sandbox.keyfob(&["provider", "check", "acme"]).run().expect_code(64);
        assert!(
            output.stderr.contains("acme.toml:5") && output.stderr.contains(part),
            "{line}: {}",
            output.stderr
        );
    }
}
