//! What a login finds out by itself: issuers that describe themselves, services that name their issuer, clients that are
//! made on the spot; and every lie that each of them can tell.
//!
//! RFC 8414, OpenID Connect Discovery 1.0, RFC 9728, RFC 7591. The documents come from `front.rs`, the tokens from the
//! scripted issuer at another port, which is another host to a client.

mod add;
mod bound;
mod client;
mod front;
mod lie;
mod pushed;
mod readme;
mod service;
mod setting;

use serde_json::json;

use crate::issuer::{Endpoint, Issuer, Script};
use crate::sandbox::{Output, Sandbox};
use front::Front;

/// A home whose provider file names nothing but the issuer and the client, and both servers.
fn set() -> (Sandbox, Front, Issuer) {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    let front = Front::start(&issuer);
    sandbox.write_provider("acme", &provider(&front.url(), "client_id = \"acme-cli\""));
    (sandbox, front, issuer)
}

/// A provider file with these lines in its table `oauth`, besides the issuer.
fn provider(issuer: &str, lines: &str) -> String {
    format!(
        "format = 1\n[login]\nflow = \"device\"\n[oauth]\nissuer = \"{issuer}\"\nscopes = [\"repo\"]\n{lines}\n\
         [[target]]\nurl = \"https://acme.example\"\nusername = \"oauth2\"\n"
    )
}

fn login(sandbox: &Sandbox, more: &[&str]) -> Output {
    sandbox
        .keyfob(&[&["login", "acme", "--no-browser"], more].concat())
        .run()
}

#[test]
fn a_login_renewal_and_logout_go_where_the_issuer_says() {
    let (sandbox, front, issuer) = set();
    issuer.script(|script| script.life_secs = 1);
    let output = login(&sandbox, &[]).expect_success();
    let host = issuer.url().replace("http://", "");
    assert!(
        output.stderr.contains(&format!("has endpoints at {host}")),
        "{}",
        output.stderr
    );
    assert_eq!(
        issuer.seen(Endpoint::Device)[0].field("client_id").as_deref(),
        Some("acme-cli")
    );
    issuer.script(|script| script.life_secs = 3600);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let asked = front.seen().len();
    assert!(issuer.valid_access(&sandbox.token()));
    assert_eq!(issuer.refreshes(), 1);
    sandbox.keyfob(&["logout", "acme"]).run().expect_success();
    assert!(issuer.live_family().is_none(), "the issuer was told of the logout");
    assert_eq!(front.seen().len(), asked, "a session remembers what was found");
    assert_eq!(issuer.violations(), [""; 0]);
}

#[test]
fn both_layouts_are_found() {
    let standard = "/.well-known/oauth-authorization-server";
    for (below, place) in [
        ("", "/.well-known/openid-configuration".to_string()),
        ("", standard.into()),
        ("/tenant", "/tenant/.well-known/openid-configuration".into()),
        ("/tenant", format!("{standard}/tenant")),
        ("/tenant", "/.well-known/openid-configuration/tenant".into()),
    ] {
        let (sandbox, front, issuer) = set();
        let name = format!("{}{below}", front.url());
        let mut document = front.document(&issuer);
        document["issuer"] = json!(name);
        front.only(&place, &document);
        sandbox.write_provider("acme", &provider(&name, "client_id = \"acme-cli\""));
        login(&sandbox, &[]).expect_success();
        assert!(issuer.valid_access(&sandbox.token()), "{place}");
    }
}

#[test]
fn what_the_file_says_itself_is_never_asked_for() {
    let (sandbox, front, issuer) = set();
    let own = format!(
        "client_id = \"acme-cli\"\ndevice_authorization_endpoint = \"{0}/device\"\ntoken_endpoint = \"{0}/token\"",
        issuer.url()
    );
    sandbox.write_provider("acme", &provider(&front.url(), &own));
    login(&sandbox, &[]).expect_success();
    assert!(front.seen().is_empty(), "{:?}", front.seen());
}

#[test]
fn an_endpoint_of_the_file_wins_over_a_found_one() {
    let (sandbox, front, issuer) = set();
    let other = Issuer::start(Script::default());
    let own = format!(
        "client_id = \"acme-cli\"\nrevocation_endpoint = \"{}/revoke\"",
        other.url()
    );
    sandbox.write_provider("acme", &provider(&front.url(), &own));
    login(&sandbox, &[]).expect_success();
    sandbox.keyfob(&["logout", "acme"]).run().expect_success();
    assert!(issuer.seen(Endpoint::Revoke).is_empty());
    assert!(!other.seen(Endpoint::Revoke).is_empty());
}

#[test]
fn the_person_can_name_another_issuer_and_another_client() {
    let (sandbox, front, issuer) = set();
    let (mine, other) = (Issuer::start(Script::default()), Issuer::start(Script::default()));
    let own = format!(
        "client_id = \"acme-cli\"\nclient_secret = \"canary-of-the-file\"\ndevice_authorization_endpoint = \"{0}/device\"\n\
         token_endpoint = \"{0}/token\"",
        other.url()
    );
    sandbox.write_provider("acme", &provider("https://nowhere.invalid", &own));
    front.answer(&front.document(&mine));
    mine.script(|script| script.life_secs = 1);
    login(&sandbox, &["--auth-url", &front.url(), "--client-id", "my-own"]).expect_success();
    mine.script(|script| script.life_secs = 3600);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert!(mine.valid_access(&sandbox.token()), "the renewal goes there too");
    for seen in [mine.seen(Endpoint::Device), mine.seen(Endpoint::Token)].concat() {
        assert_eq!(seen.field("client_id").as_deref(), Some("my-own"));
        assert_eq!(
            seen.field("client_secret"),
            None,
            "the file's secret is of another client"
        );
    }
    for unasked in [&issuer, &other] {
        assert!(unasked.seen(Endpoint::Device).is_empty() && unasked.seen(Endpoint::Token).is_empty());
    }
    login(&sandbox, &["--auth-url", "http://acme.example"]).expect_code(64);
    login(&sandbox, &["--client-id", "a b"]).expect_code(64);
}

#[test]
fn a_flow_that_the_issuer_does_not_have_is_named() {
    let (sandbox, front, issuer) = set();
    let mut document = front.document(&issuer);
    document
        .as_object_mut()
        .unwrap()
        .remove("device_authorization_endpoint");
    front.answer(&document);
    let output = login(&sandbox, &[]).expect_code(64);
    assert!(
        output.stderr.contains("has no `device_authorization_endpoint`"),
        "{}",
        output.stderr
    );
    assert!(issuer.seen(Endpoint::Device).is_empty());
}

#[test]
fn a_resource_is_named_at_each_step() {
    let (sandbox, front, issuer) = set();
    let own = "client_id = \"acme-cli\"\nresource = [\"https://api.acme.example\"]";
    sandbox.write_provider("acme", &provider(&front.url(), own));
    sandbox.login_expired(&issuer);
    sandbox.token();
    let asked = [issuer.seen(Endpoint::Device), issuer.seen(Endpoint::Token)].concat();
    assert!(asked.len() >= 3, "{asked:?}");
    for seen in asked {
        assert_eq!(seen.field("resource").as_deref(), Some("https://api.acme.example"));
    }
}

#[test]
fn a_session_of_an_older_keyfob_works_as_before() {
    let (sandbox, _front, issuer) = set();
    // A file that says everything leaves nothing to remember, as it was before there was discovery.
    sandbox.provider(&issuer);
    sandbox.login_expired(&issuer);
    assert!(sandbox.files_with("\"learnt\"").is_empty());
    assert!(issuer.valid_access(&sandbox.token()));
}
