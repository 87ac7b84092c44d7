//! Workspaces: a word that goes along with the same token, or a token of each workspace's own.

use serde_json::{Value, json};

use crate::http_server::Reply;
use crate::issuer::{Endpoint, Issuer, Script};
use crate::sandbox::{Output, Sandbox, oauth_part};

/// A session of `ann` whose server calls `w-home` her own workspace, with this `[context]`.
fn session(context: &str) -> (Sandbox, Issuer) {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    let target = "[[target]]\nurl = \"https://acme.example\"\nusername = \"oauth2\"\n";
    sandbox.write_provider(
        "acme",
        &format!("{}[context]\n{context}\n{target}", oauth_part(&issuer.url())),
    );
    login(&sandbox, &issuer, &[]).expect_success();
    (sandbox, issuer)
}

fn login(sandbox: &Sandbox, issuer: &Issuer, more: &[&str]) -> Output {
    let reply = json!({"sub": "ann", "home": {"workspace": "w-home"}});
    issuer.inject(Endpoint::Userinfo, 2, &Reply::json(200, &reply));
    let output = sandbox
        .keyfob(&[&["login", "acme", "--no-browser"], more].concat())
        .run();
    issuer.clear_injected();
    output
}

const HEADER: &str = "kind = \"header\"\nheader = \"X-Acme-Workspace\"\ndefault = \"/home/workspace\"";
const REISSUE: &str = "kind = \"reissue\"\nparameter = \"company\"\ndefault = \"/home/workspace\"";

fn run(sandbox: &Sandbox, args: &[&str]) -> Output {
    sandbox.keyfob(args).run()
}

fn shown(sandbox: &Sandbox) -> String {
    run(sandbox, &["workspace", "acme"])
        .expect_success()
        .text()
        .trim_end()
        .into()
}

fn native(sandbox: &Sandbox, more: &[&str]) -> Output {
    let run = sandbox.keyfob(&[more, &["get"]].concat());
    run.stdin("url=https://acme.example\n").run()
}

fn attribute(output: &Output, name: &str) -> Option<String> {
    let mut lines = output.text().lines().filter_map(|line| line.split_once('='));
    lines.find(|(key, _)| *key == name).map(|(_, value)| value.into())
}

/// The field `name` of each refresh that the issuer saw.
fn sent(issuer: &Issuer, name: &str) -> Vec<Option<String>> {
    let seen = issuer.seen(Endpoint::Token).into_iter();
    seen.filter(|seen| seen.field("grant_type").as_deref() == Some("refresh_token"))
        .map(|seen| seen.field(name))
        .collect()
}

#[test]
fn the_accounts_own_workspace_is_chosen_by_the_login() {
    let (sandbox, issuer) = session(HEADER);
    assert_eq!(shown(&sandbox), "w-home");
    run(&sandbox, &["workspace", "acme", "w2"]).expect_success();
    login(&sandbox, &issuer, &[]).expect_success();
    assert_eq!(
        shown(&sandbox),
        "w2",
        "another login of the same account changes nothing"
    );
    let named = login(&sandbox, &issuer, &["--workspace", "w3"]).expect_success();
    assert!(named.stderr.contains("Its workspace is `w3`.\n"), "{}", named.stderr);
    assert_eq!(shown(&sandbox), "w3");
    run(&sandbox, &["logout", "acme"]).expect_success();
    login(&sandbox, &issuer, &[]).expect_success();
    assert_eq!(shown(&sandbox), "w-home");
}

#[test]
fn a_server_without_a_default_or_with_a_strange_one_stops_no_login() {
    for reply in [
        Reply::json(200, &json!({"sub": "ann"})),
        Reply::json(200, &json!({"sub": "ann", "home": {"workspace": {"id": 1}}})),
        Reply::json(
            200,
            &json!({"sub": "ann", "home": {"workspace": "a\nhost=evil.example"}}),
        ),
        Reply::json(200, &json!({"sub": "ann", "home": {"workspace": "w".repeat(300)}})),
    ] {
        let (sandbox, issuer) = session(HEADER);
        run(&sandbox, &["logout", "acme"]).expect_success();
        issuer.inject(Endpoint::Userinfo, 2, &reply);
        run(&sandbox, &["login", "acme", "--no-browser"]).expect_success();
        assert_eq!(shown(&sandbox), "", "{reply:?}");
        assert_eq!(attribute(&native(&sandbox, &[]), "workspace"), None);
    }
}

#[test]
fn a_header_workspace_goes_along_with_the_same_token() {
    let (mut sandbox, issuer) = session(HEADER);
    let token = sandbox.token();
    run(&sandbox, &["workspace", "acme", "w2"]).expect_success();
    let answer = native(&sandbox, &[]).expect_success();
    assert_eq!(attribute(&answer, "password"), Some(token.clone()));
    assert_eq!(attribute(&answer, "workspace").as_deref(), Some("w2"));
    assert_eq!(
        attribute(&answer, "workspace_header").as_deref(),
        Some("X-Acme-Workspace: w2")
    );
    assert!(sent(&issuer, "grant_type").is_empty(), "no request was made");
    let env = run(&sandbox, &["token", "acme", "--format", "env", "--variable", "T"]).expect_success();
    assert_eq!(env.text(), format!("T={token}\nT_WORKSPACE=w2\n"));
    assert_eq!(run(&sandbox, &["token", "acme"]).text(), format!("{token}\n"));
    let git = sandbox
        .keyfob(&["git", "get"])
        .stdin("url=https://acme.example\n")
        .run();
    assert!(!git.text().contains("workspace"), "git has no such attribute");
    // Options, then the provider's variable, then the general one, then what was chosen.
    sandbox.set("KEYFOB_WORKSPACE", "w-any");
    assert_eq!(shown(&sandbox), "w-any");
    sandbox.set("ACME_WORKSPACE", "w-acme");
    assert_eq!(
        attribute(&native(&sandbox, &[]), "workspace").as_deref(),
        Some("w-acme")
    );
    assert_eq!(
        attribute(&native(&sandbox, &["--workspace=w-said"]), "workspace").as_deref(),
        Some("w-said")
    );
    let status: Value = serde_json::from_str(run(&sandbox, &["status", "--json"]).text()).unwrap();
    assert_eq!(status["sessions"][0]["workspace"], "w-acme");
    let whoami = run(&sandbox, &["--workspace", "w-said", "whoami", "acme", "--json"]).expect_success();
    let whoami: Value = serde_json::from_str(whoami.text()).unwrap();
    assert_eq!((&whoami["workspace"], &whoami["schema"]), (&json!("w-said"), &json!(1)));
    let hidden = run(&sandbox, &["workspace", "acme", "w4"]).expect_success();
    assert!(
        hidden.stderr.contains("`ACME_WORKSPACE` names another"),
        "{}",
        hidden.stderr
    );
}

#[test]
fn a_key_from_a_variable_has_a_workspace_of_its_own() {
    let (mut sandbox, _issuer) = session(HEADER);
    sandbox.set("ACME_TOKEN", "acme_canary");
    assert_eq!(shown(&sandbox), "");
    let answer = native(&sandbox, &["--workspace", "w9"]).expect_success();
    assert_eq!(attribute(&answer, "workspace").as_deref(), Some("w9"));
    run(&sandbox, &["workspace", "acme", "w-key"]).expect_success();
    assert_eq!(attribute(&native(&sandbox, &[]), "workspace").as_deref(), Some("w-key"));
    sandbox.unset("ACME_TOKEN");
    assert_eq!(shown(&sandbox), "w-home");
}

#[test]
fn a_reissued_workspace_has_a_token_of_its_own_that_stays_its_own_when_it_is_renewed() {
    let (sandbox, issuer) = session(REISSUE);
    let first = sandbox.token();
    assert_eq!(shown(&sandbox), "w-home");
    // The one that is issued now ends soon, so that the next call renews it.
    issuer.script(|script| script.life_secs = 1);
    run(&sandbox, &["workspace", "acme", "w2"]).expect_success();
    issuer.script(|script| script.life_secs = 3600);
    assert_eq!(shown(&sandbox), "w2");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let answer = native(&sandbox, &[]).expect_success();
    assert_eq!(attribute(&answer, "workspace").as_deref(), Some("w2"));
    let renewed = attribute(&answer, "password").unwrap();
    assert!(issuer.valid_access(&renewed) && renewed != first);
    assert_eq!(sent(&issuer, "company"), [Some("w2".into()), Some("w2".into())]);
    let family = issuer.live_family().expect("the session lives");
    assert!(
        !sandbox.files_with(&family.refresh).is_empty(),
        "the refresh token is kept"
    );
    // The same again asks nobody.
    run(&sandbox, &["workspace", "acme", "w2"]).expect_success();
    assert_eq!(sent(&issuer, "company").len(), 2);
}

#[test]
fn a_token_for_another_workspace_than_is_wanted_is_not_handed_out() {
    let (mut sandbox, issuer) = session(REISSUE);
    sandbox.set("ACME_WORKSPACE", "w2");
    for args in [
        &["token", "acme"][..],
        &["print-access-token"],
        &["run", "acme", "--", "true"],
    ] {
        let refused = run(&sandbox, args).expect_code(5);
        assert!(
            refused.stderr.contains("run `keyfob workspace acme w2`"),
            "{}",
            refused.stderr
        );
    }
    assert_eq!(native(&sandbox, &[]).expect_code(5).text(), "");
    run(&sandbox, &["workspace", "acme", "w2"]).expect_success();
    assert!(issuer.valid_access(&sandbox.token()));
}

#[test]
fn a_workspace_that_the_issuer_refuses_leaves_the_session_as_it_was() {
    for (reply, code) in [
        (Reply::error(400, "invalid_grant"), 5),
        (Reply::error(400, "access_denied"), 1),
        (Reply::error(400, "invalid_target"), 1),
        (Reply::text(404, "text/html", "<h1>hotel</h1>"), 3),
        (Reply::error(429, "slow_down").with("Retry-After", "1"), 3),
    ] {
        let (sandbox, issuer) = session(REISSUE);
        let before = sandbox.token();
        issuer.inject(Endpoint::Token, 1, &reply);
        run(&sandbox, &["workspace", "acme", "w2"]).expect_code(code);
        assert_eq!(
            (sandbox.token(), shown(&sandbox)),
            (before, "w-home".into()),
            "{reply:?}"
        );
        assert!(issuer.live_family().is_some());
    }
}

#[test]
fn ten_switches_at_once_spend_no_refresh_token_twice() {
    let (sandbox, issuer) = session(REISSUE);
    let started: Vec<_> = (0..10)
        .map(|number| {
            let run = sandbox.keyfob(&["workspace", "acme", &format!("w{}", number % 2)]);
            run.deadline(std::time::Duration::from_secs(60)).spawn()
        })
        .collect();
    for running in started {
        running.wait().expect_success();
    }
    let outcomes = issuer.redemptions().into_iter().map(|redemption| redemption.outcome);
    assert!(
        outcomes
            .clone()
            .all(|outcome| outcome == crate::issuer::Outcome::Redeemed)
    );
    assert!((1..=10).contains(&outcomes.count()));
    assert!(issuer.valid_access(&sandbox.token()));
    assert!(["w0", "w1"].contains(&shown(&sandbox).as_str()));
}

#[test]
fn a_switch_that_cannot_be_says_why() {
    let (sandbox, _issuer) = session(REISSUE);
    run(&sandbox, &["workspace", "acme", "--clear"]).expect_code(64);
    run(&sandbox, &["workspace", "acme", "a b"]).expect_code(64);
    run(&sandbox, &["workspace", "acme", ""]).expect_code(64);
    run(&sandbox, &["--workspace", "a\nb", "workspace", "acme"]).expect_code(64);
    let bad = sandbox.keyfob(&["token", "acme"]).env("KEYFOB_WORKSPACE", "a b").run();
    assert!(bad.expect_code(64).stderr.contains("`KEYFOB_WORKSPACE`"));
    let from = sandbox
        .keyfob(&["workspace", "acme", "w2"])
        .env("ACME_TOKEN", "acme_canary")
        .run();
    assert!(from.expect_code(5).stderr.contains("comes from a variable"));
    run(&sandbox, &["logout", "acme"]).expect_success();
    run(&sandbox, &["workspace", "acme", "w2"]).expect_code(2);
    let key = sandbox
        .keyfob(&["set-token", "acme:ann", "--no-check"])
        .stdin("acme_canary");
    key.run().expect_success();
    let alone = run(&sandbox, &["workspace", "acme", "w2"]).expect_code(5);
    assert!(alone.stderr.contains("no refresh token"), "{}", alone.stderr);
    assert_eq!(sandbox.token(), "acme_canary");
    sandbox.write_provider("plain", "format = 1\n[login]\nflow = \"key\"\n");
    let none = run(&sandbox, &["workspace", "plain"]).expect_code(64);
    assert!(none.stderr.contains("has no workspaces"), "{}", none.stderr);
}

#[test]
fn a_wrong_context_is_told_with_its_line_and_key() {
    let sandbox = Sandbox::new();
    for (context, told) in [
        ("kind = \"cookie\"", "6: context.kind: expected header or reissue"),
        ("header = \"X\"", "6: context.header: expected `context.kind`"),
        (
            "kind = \"header\"\nheader = \"X: y\"",
            "7: context.header: expected the name of a header",
        ),
        ("kind = \"header\"\nheader = \"Authorization\"", "7: context.header: "),
        ("kind = \"reissue\"\nparameter = \"a b\"", "7: context.parameter: "),
        (
            "kind = \"header\"\ndefault = \"home\"",
            "7: context.default: expected a JSON pointer",
        ),
        ("kind = 3", "context.kind: expected a text"),
        (
            "kind = \"reissue\"\n[refresh.exchange]\nurl = \"https://acme.example/r\"",
            "6: context.kind: expected header beside `[refresh]`",
        ),
        ("what = \"x\"", "context.what: expected "),
        (
            "kind = \"header\"\n[context.exchange]\nurl = \"https://acme.example/c\"",
            "6: context.kind: expected reissue beside `context.exchange`",
        ),
        (
            "kind = \"reissue\"\n[context.exchange]\nurl = \"https://acme.example/c\"\nbody = { a = \"b\" }",
            "9: context.exchange.body: expected the slot `{workspace}`",
        ),
    ] {
        sandbox.write_provider(
            "acme",
            &format!("format = 1\n[login]\nflow = \"key\"\n\n[context]\n{context}\n").replace("\n\n[", "\n["),
        );
        let output = run(&sandbox, &["provider", "check", "acme"]).expect_code(64);
        let told = told.split_once(": ").map_or(told, |(_, key)| key);
        assert!(output.stderr.contains(told), "{context}: {}", output.stderr);
    }
}
