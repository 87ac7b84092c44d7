//! What of a session is kept: `persist`.

use super::{at, login, set, write};
use crate::http_server::Reply;
use crate::issuer::{Endpoint, Issuer, Script};
use crate::sandbox::Sandbox;

#[test]
fn with_refresh_alone_no_access_token_touches_a_disk() {
    let (sandbox, issuer) = set(
        "store = \"file\"\npersist = \"refresh\"",
        "[place]\nfile = \"~/.acme/session\"\n",
    );
    login(&sandbox, "acme").expect_success();
    let token = sandbox.token();
    assert!(issuer.valid_access(&token));
    assert_ne!(sandbox.token(), token, "each call gets its own");
    assert_eq!(issuer.refreshes(), 2);
    let place = std::fs::read_to_string(sandbox.path().join(".acme/session")).unwrap();
    let family = issuer.live_family().unwrap();
    assert!(place.contains(&family.refresh));
    for (access, _) in &family.access {
        assert!(!place.contains(access));
        assert!(sandbox.files_with(access).is_empty());
    }
    let status = sandbox.keyfob(&["status", "acme"]).run().expect_success();
    assert!(status.text().contains("renews at the next use"), "{}", status.text());
    sandbox.keyfob(&["whoami", "acme"]).run().expect_success();
}

#[test]
fn processes_at_once_each_get_a_token_and_the_session_lives() {
    let (sandbox, issuer) = set("store = \"file\"\npersist = \"refresh\"", "");
    login(&sandbox, "acme").expect_success();
    for output in sandbox.tokens_at_once(6) {
        assert!(issuer.valid_access(output.expect_success().text().trim_end()));
    }
    assert_eq!(issuer.refreshes(), 6);
    assert!(issuer.violations().is_empty(), "{:?}", issuer.violations());
}

#[test]
fn a_login_without_a_refresh_token_keeps_nothing_and_says_so() {
    let (sandbox, issuer) = set("store = \"file\"\npersist = \"refresh\"", "");
    issuer.script(|script| {
        script.mutate = Some(std::sync::Arc::new(|answer| {
            answer.as_object_mut().unwrap().remove("refresh_token");
        }));
    });
    let output = login(&sandbox, "acme").expect_code(5);
    assert!(
        output.stderr.contains("keeps refresh tokens alone"),
        "{}",
        output.stderr
    );
    sandbox.keyfob(&["token", "acme"]).run().expect_code(2);
}

#[test]
fn with_the_key_alone_nothing_renews_it() {
    let (sandbox, issuer) = set("store = \"file\"\npersist = \"key\"", "");
    sandbox.login_expired(&issuer);
    let refresh = issuer.families()[0].refresh.clone();
    assert!(sandbox.files_with(&refresh).is_empty());
    sandbox.keyfob(&["token", "acme"]).run().expect_code(2);
    assert_eq!(issuer.refreshes(), 0);
}

#[test]
fn what_persists_is_remembered_by_the_record_until_the_next_login() {
    let (sandbox, issuer) = at("~/.acme/session");
    login(&sandbox, "acme").expect_success();
    let access = issuer.families()[0].access[0].0.clone();
    assert_eq!(sandbox.token(), access);
    let place = "[place]\nfile = \"~/.acme/session\"\n";
    write(&sandbox, &issuer, "store = \"file\"\npersist = \"refresh\"", place);
    login(&sandbox, "acme").expect_success();
    let text = std::fs::read_to_string(sandbox.path().join(".acme/session")).unwrap();
    assert!(!text.contains("\"secret\""), "no access token");
}

#[test]
fn a_machine_that_keeps_nothing_asks_each_time() {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    let url = issuer.url();
    sandbox.write_provider(
        "acme",
        &format!(
            "format = 1\npersist = \"none\"\n[login]\nflow = \"client-credentials\"\n[oauth]\nclient_id = \"robot\"\n\
             client_secret = \"hush\"\ntoken_endpoint = \"{url}/token\"\n"
        ),
    );
    for number in 1..=2 {
        let token = format!("canary-{number}");
        let reply = serde_json::json!({"access_token": token, "token_type": "bearer", "expires_in": 3600});
        issuer.inject(Endpoint::Token, 1, &Reply::json(200, &reply));
        assert_eq!(sandbox.token(), token);
    }
    let reply = serde_json::json!({"access_token": "canary-3", "token_type": "bearer"});
    issuer.inject(Endpoint::Token, 1, &Reply::json(200, &reply));
    let login = login(&sandbox, "acme").expect_success();
    assert!(login.stderr.contains("`memory`"), "{}", login.stderr);
    assert!(sandbox.files_with("canary").is_empty() && !sandbox.keyfob_home().join("data/records").exists());
}
