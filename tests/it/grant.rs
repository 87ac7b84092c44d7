//! Grants that need no person: the real program against an issuer for machines, CI systems included.
//!
//! Statements and their signatures are in `grant/signed.rs`, the machine's own token in `grant/subject.rs`, mistakes in
//! the provider file in `grant/mistake.rs`. RFC 6749 sections 2.3 and 4.4, RFC 7523, RFC 8693.

mod key;
mod machine;
mod mistake;
mod signed;
mod subject;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::http_server::Reply;
use crate::sandbox::{Output, Sandbox};
use machine::Machine;

const SECRET: &str = "canary secret+/%";

/// A home with the provider `acme` of this flow, these further lines of `[oauth]`, and these tables after it.
fn set(flow: &str, oauth: &str, tables: &str) -> (Sandbox, Machine) {
    let (mut sandbox, machine) = (Sandbox::new(), Machine::start());
    sandbox.set("ACME_SECRET", SECRET);
    write(&sandbox, &machine, flow, oauth, tables);
    (sandbox, machine)
}

fn write(sandbox: &Sandbox, machine: &Machine, flow: &str, oauth: &str, tables: &str) {
    let url = machine.url();
    let text = format!(
        "format = 1\ntitle = \"Acme\"\n[login]\nflow = \"{flow}\"\n[oauth]\ntoken_endpoint = \"{url}/token\"\n\
         {oauth}\n{tables}\n[[target]]\nurl = \"https://acme.example\"\nusername = \"oauth2\"\n"
    );
    sandbox.write_provider("acme", &text);
}

/// A client with its secret in the environment.
fn client() -> (Sandbox, Machine) {
    set(
        "client-credentials",
        "client_id = \"robot\"\nclient_secret_env = \"ACME_SECRET\"",
        "",
    )
}

fn token(sandbox: &Sandbox) -> Output {
    sandbox
        .keyfob(&["token", "acme"])
        .deadline(Duration::from_secs(60))
        .run()
}

fn git(sandbox: &Sandbox) -> Output {
    sandbox
        .keyfob(&["git", "get"])
        .stdin("protocol=https\nhost=acme.example\n\n")
        .run()
}

#[test]
fn a_tools_call_obtains_the_token_without_a_login_and_keeps_it() {
    let (sandbox, machine) = client();
    let answer = git(&sandbox).expect_success();
    assert!(answer.text().contains(&format!("password={}\n", machine.last())));
    assert_eq!(answer.stderr, "");
    let fields = machine.fields();
    assert_eq!(fields["grant_type"], "client_credentials");
    assert_eq!(
        (fields["client_id"].as_str(), fields["client_secret"].as_str()),
        ("robot", SECRET)
    );
    assert!(!fields.contains_key("scope") && !fields.contains_key("audience"));
    assert_eq!(git(&sandbox).stdout, answer.stdout);
    assert_eq!(machine.asked(), 1, "the second call is answered from the store");
    assert!(sandbox.files_with("canary secret").is_empty(), "the secret is not kept");
}

#[test]
fn scopes_audience_and_resources_are_asked_for_each_time() {
    let oauth = "client_id = \"robot\"\nclient_secret_env = \"ACME_SECRET\"\nscopes = [\"b\", \"a\"]\n\
                 audience = \"https://api.example\"\nresource = [\"https://r.example/\"]";
    let (sandbox, machine) = set("client-credentials", oauth, "");
    token(&sandbox).expect_success();
    sandbox.ages(3600);
    token(&sandbox).expect_success();
    for request in machine.seen("/token") {
        let body = String::from_utf8(request.body).unwrap();
        assert!(body.contains("&scope=b%20a&audience=https%3A%2F%2Fapi.example&resource=https%3A%2F%2Fr.example%2F"));
    }
    assert_eq!(machine.asked(), 2);
}

#[test]
fn a_client_proves_itself_in_the_way_of_its_file() {
    let basic = "Basic cm9ib3Q6Y2FuYXJ5JTIwc2VjcmV0JTJCJTJGJTI1";
    for (auth, header, body) in [
        ("", None, true),
        ("token_auth = \"body\"", None, true),
        ("token_auth = \"basic\"", Some(basic), false),
    ] {
        let oauth = format!("client_id = \"robot\"\nclient_secret_env = \"ACME_SECRET\"\n{auth}");
        let (sandbox, machine) = set("client-credentials", &oauth, "");
        token(&sandbox).expect_success();
        assert_eq!(machine.seen("/token")[0].header("authorization"), header, "{auth}");
        let fields = machine.fields();
        assert_eq!(fields.contains_key("client_secret"), body, "{auth}");
        assert_eq!(fields.contains_key("client_id"), body, "{auth}");
    }
}

#[test]
fn a_secret_in_a_file_is_read_if_nobody_else_can() {
    let oauth = "client_id = \"robot\"\nclient_secret_file = \"~/secret\"";
    let (sandbox, machine) = set("client-credentials", oauth, "");
    token(&sandbox).expect_code(2);
    let path = sandbox.write("secret", &format!("{SECRET}\n"));
    let refused = token(&sandbox).expect_code(4);
    assert!(refused.stderr.contains("chmod 600 ~/secret"), "{}", refused.stderr);
    only_ours(&path);
    token(&sandbox).expect_success();
    assert_eq!(machine.fields()["client_secret"], SECRET);
    assert_eq!(machine.asked(), 1);
}

/// Lets nobody else read a file.
fn only_ours(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn fifty_processes_at_once_make_one_request_and_one_more_when_the_token_has_ended() {
    let (sandbox, machine) = client();
    machine.pause(200);
    let one = || {
        let asked = machine.asked();
        let outputs = sandbox.tokens_at_once(50);
        let tokens: BTreeSet<String> = outputs
            .into_iter()
            .map(|output| output.expect_success().text().into())
            .collect();
        (tokens.len(), machine.asked() - asked)
    };
    assert_eq!(one(), (1, 1));
    sandbox.keyfob(&["logout", "acme", "--local"]).run().expect_success();
    token(&sandbox).expect_success();
    sandbox.ages(3600);
    assert_eq!(one(), (1, 1));
}

#[test]
fn a_refusal_is_told_by_its_code_and_not_asked_again_by_those_who_waited() {
    for (reply, code, says, hint) in [
        (
            Reply::error(401, "invalid_client"),
            2,
            "`invalid_client`",
            "right secret or key",
        ),
        (
            Reply::error(400, "invalid_grant"),
            2,
            "`invalid_grant`",
            "right secret or key",
        ),
        (
            Reply::error(400, "unauthorized_client"),
            2,
            "`unauthorized_client`",
            "right secret",
        ),
        (
            Reply::error(400, "invalid_scope"),
            1,
            "`invalid_scope`",
            "check the provider file",
        ),
        (
            Reply::error(400, "invalid_target"),
            1,
            "`invalid_target`",
            "check the provider file",
        ),
        (
            Reply::error(400, "unsupported_grant_type"),
            1,
            "`unsupported_grant_type`",
            "check the",
        ),
    ] {
        let (sandbox, machine) = client();
        machine.inject("/token", 99, &reply);
        let output = token(&sandbox).expect_code(code);
        for part in [says, hint, "asking for a token of `acme`"] {
            assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
        }
        assert_eq!(machine.asked(), 1, "a refusal is asked once");
        let at_once = sandbox.tokens_at_once(8);
        let same = at_once.iter().filter(|output| output.stderr.contains(says)).count();
        assert_eq!(same, 8, "those who are not asked for hear why");
        assert!(machine.asked() <= 4, "{}: {}", says, machine.asked());
        // Git goes on to its next helper.
        assert!(git(&sandbox).stdout.is_empty());
    }
}

#[test]
fn a_refusal_is_over_when_the_secret_is_right() {
    let (sandbox, machine) = client();
    machine.inject("/token", 1, &Reply::error(401, "invalid_client"));
    token(&sandbox).expect_code(2);
    // A login asks at once, whatever was noted.
    sandbox.keyfob(&["login", "acme"]).run().expect_success();
    assert_eq!(token(&sandbox).expect_success().text().trim_end(), machine.last());
}

#[test]
fn trouble_on_the_way_is_temporary_and_costs_no_token_that_lives() {
    let html = Reply::text(200, "text/html", "<h1>hotel</h1>");
    for (reply, says) in [
        (Reply::Drop, "closed the connection"),
        (html, "no issuer"),
        (Reply::text(502, "text/html", "bad"), "status 502"),
        (Reply::error(503, "busy").with("Retry-After", "30"), "wait 30 s"),
        (Reply::text(429, "text/plain", "slow"), "wait 30 s"),
        (Reply::redirect(302, "https://elsewhere.example/"), "no issuer"),
        (
            Reply::json(200, &serde_json::json!({"token_type": "Bearer"})),
            "cannot be used",
        ),
        (
            Reply::json(
                200,
                &serde_json::json!({"access_token": "a canary", "token_type": "Bearer"}),
            ),
            "cannot be used",
        ),
    ] {
        let (sandbox, machine) = client();
        machine.inject("/token", 99, &reply);
        let output = token(&sandbox).expect_code(3);
        assert!(output.stderr.contains(says), "{says}: {}", output.stderr);
        assert!(output.stdout.is_empty());
        assert!(machine.asked() <= 2, "{says}");
    }
}

#[test]
fn a_token_in_its_last_minutes_is_served_while_no_other_is_given() {
    for reply in [
        Reply::Drop,
        Reply::text(503, "text/html", "bad"),
        Reply::error(401, "invalid_client"),
        Reply::error(400, "invalid_grant"),
    ] {
        let (sandbox, machine) = client();
        let first = token(&sandbox).expect_success();
        crate::window::age(&sandbox, 3600 - 150);
        machine.inject("/token", 99, &reply);
        for _ in 0..3 {
            assert_eq!(token(&sandbox).expect_success().stdout, first.stdout, "{reply:?}");
        }
        assert!((2..=3).contains(&machine.asked()), "{reply:?}: {}", machine.asked());
        // When it has ended the refusal is told.
        crate::window::age(&sandbox, 200);
        assert_ne!(token(&sandbox).code(), 0, "{reply:?}");
        machine.clear();
        crate::window::age(&sandbox, 3600);
        let renewed = sandbox.keyfob(&["login", "acme"]).run();
        renewed.expect_success();
        assert_ne!(token(&sandbox).expect_success().stdout, first.stdout, "{reply:?}");
    }
}

#[test]
fn a_token_that_must_live_longer_than_any_is_not_asked_for_again_and_again() {
    let (sandbox, machine) = client();
    machine.life(600);
    let output = sandbox
        .keyfob(&["token", "acme", "--valid-for", "45m"])
        .run()
        .expect_code(1);
    assert!(
        output.stderr.contains("live shorter than the 2700 s"),
        "{}",
        output.stderr
    );
    assert!(machine.asked() <= 2);
    token(&sandbox).expect_success();
}

#[test]
fn a_login_shows_whom_and_a_logout_ends_the_token_until_the_next_call() {
    let (sandbox, machine) = client();
    let url = machine.url();
    let oauth =
        format!("client_id = \"robot\"\nclient_secret_env = \"ACME_SECRET\"\nrevocation_endpoint = \"{url}/revoke\"");
    let whoami = format!("[whoami]\nurl = \"{url}/userinfo\"");
    write(&sandbox, &machine, "client-credentials", &oauth, &whoami);
    let output = sandbox.keyfob(&["login", "acme"]).run().expect_success();
    assert!(
        output.stderr.contains("Logged in to Acme as `robot`."),
        "{}",
        output.stderr
    );
    assert!(output.stderr.contains("renewed by itself"), "{}", output.stderr);
    assert_eq!(machine.asked(), 1);
    let first = token(&sandbox).expect_success();
    let whoami = sandbox.keyfob(&["whoami", "acme"]).run().expect_success();
    assert_eq!(whoami.text(), "robot\n");
    let status = sandbox.keyfob(&["status", "--json"]).run().expect_success();
    assert!(status.text().contains("\"renews\":true"), "{}", status.text());
    let logout = sandbox.keyfob(&["logout", "acme"]).run().expect_success();
    assert!(
        logout.stderr.contains("begins another session of `acme`"),
        "{}",
        logout.stderr
    );
    let revoked = machine.seen("/revoke");
    assert_eq!(revoked.len(), 1, "there is no refresh token to revoke");
    assert!(String::from_utf8_lossy(&revoked[0].body).contains("token=acme_canary_1"));
    assert!(sandbox.files_with("acme_canary").is_empty());
    assert_ne!(token(&sandbox).expect_success().stdout, first.stdout);
    assert_eq!(machine.asked(), 2);
}

#[test]
fn login_and_first_use_keep_one_session_of_one_name() {
    let (sandbox, machine) = client();
    let oauth = "client_id = \"robot\"\nclient_secret_env = \"ACME_SECRET\"";
    write(
        &sandbox,
        &machine,
        "client-credentials",
        oauth,
        "[grant]\naccount = \"ci\"",
    );
    token(&sandbox).expect_success();
    let login = sandbox.keyfob(&["login", "acme"]).run().expect_success();
    assert!(login.stderr.contains("as `ci`"), "{}", login.stderr);
    let list = sandbox.keyfob(&["list", "--json"]).run().expect_success();
    assert_eq!(list.text().matches("acme:ci").count(), 1, "{}", list.text());
    token(&sandbox).expect_success();
    sandbox.keyfob(&["token", "acme:ci"]).run().expect_success();
    let other = sandbox.keyfob(&["token", "acme:ann"]).run().expect_code(2);
    assert!(other.stderr.contains("no session of `acme:ann`"), "{}", other.stderr);
    sandbox
        .keyfob(&["login", "acme", "--account", "ann"])
        .run()
        .expect_code(64);
    sandbox
        .keyfob(&["login", "acme", "--scope", "more"])
        .run()
        .expect_code(64);
    assert_eq!(machine.asked(), 2);
}

#[test]
fn a_token_that_the_server_rejected_is_not_offered_again() {
    let (sandbox, machine) = client();
    let first = git(&sandbox).expect_success();
    let rejected = format!(
        "protocol=https\nhost=acme.example\nusername=oauth2\npassword={}\n\n",
        machine.last()
    );
    sandbox.keyfob(&["git", "erase"]).stdin(rejected).run().expect_success();
    let second = git(&sandbox).expect_success();
    assert_ne!(first.stdout, second.stdout);
    assert_eq!(machine.asked(), 2);
}

#[test]
fn a_refresh_token_that_comes_with_it_is_neither_kept_nor_sent() {
    let (sandbox, machine) = client();
    machine.with(serde_json::json!({"refresh_token": "acme_rt_canary"}));
    token(&sandbox).expect_success();
    assert!(sandbox.files_with("acme_rt_canary").is_empty());
    sandbox.ages(3600);
    token(&sandbox).expect_success();
    assert_eq!(machine.fields()["grant_type"], "client_credentials");
}

#[test]
fn a_secret_that_is_not_set_is_named_and_nothing_is_asked() {
    let (mut sandbox, machine) = client();
    for value in [None, Some("")] {
        match value {
            None => sandbox.unset("ACME_SECRET"),
            Some(value) => sandbox.set("ACME_SECRET", value),
        }
        let output = token(&sandbox).expect_code(2);
        assert!(
            output
                .stderr
                .contains("`ACME_SECRET` with the client's secret is not set"),
            "{}",
            output.stderr
        );
        assert!(output.stderr.contains("hint: set ACME_SECRET"), "{}", output.stderr);
    }
    assert_eq!(machine.asked(), 0);
}

#[test]
fn a_damaged_record_is_replaced() {
    let (sandbox, machine) = client();
    token(&sandbox).expect_success();
    let path = sandbox.files_with("acme_canary_1").remove(0);
    let content = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, content.replacen("\"family\":\"", "\"family\":\"x", 1)).unwrap();
    let output = token(&sandbox);
    assert_eq!(output.code(), 4, "what is damaged is told: {}", output.stderr);
    sandbox.keyfob(&["login", "acme"]).run().expect_success();
    token(&sandbox).expect_success();
    assert_eq!(machine.asked(), 2);
}
