//! The machine's own token as the grant: CI systems, containers, variables and files. RFC 8693 section 2.

use serde_json::json;

use super::machine::{CI_BEARER, CI_TOKEN, Machine};
use super::{set, token};
use crate::http_server::Reply;
use crate::sandbox::{Output, Sandbox};

/// A run of `keyfob token acme` in a job of GitHub Actions.
fn in_job(sandbox: &Sandbox, machine: &Machine) -> Output {
    let run = sandbox.keyfob(&["token", "acme"]);
    let run = run.env(
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        format!("{}/ci?api-version=2.0", machine.url()),
    );
    run.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", CI_BEARER).run()
}

fn github(grant: &str) -> (Sandbox, Machine) {
    set(
        "token-exchange",
        "",
        &format!("[grant]\nsubject_token = \"github-actions\"\n{grant}"),
    )
}

#[test]
fn a_job_of_github_actions_exchanges_its_own_token() {
    let (sandbox, machine) = github("audience = \"https://acme.example/?a&b\"");
    let output = in_job(&sandbox, &machine).expect_success();
    assert_eq!(output.text().trim_end(), machine.last());
    let asked = &machine.seen("/ci")[0];
    assert_eq!(asked.method, "GET");
    assert_eq!(
        asked.query,
        "api-version=2.0&audience=https%3A%2F%2Facme%2Eexample%2F%3Fa%26b"
    );
    let fields = machine.fields();
    assert_eq!(fields["grant_type"], "urn:ietf:params:oauth:grant-type:token-exchange");
    assert_eq!(fields["subject_token"], CI_TOKEN);
    assert_eq!(fields["subject_token_type"], "urn:ietf:params:oauth:token-type:jwt");
    assert!(!fields.contains_key("audience") && !fields.contains_key("client_id"));
    in_job(&sandbox, &machine).expect_success();
    assert_eq!((machine.seen("/ci").len(), machine.asked()), (1, 1));
    assert!(sandbox.files_with(CI_TOKEN).is_empty() && sandbox.files_with(CI_BEARER).is_empty());
}

#[test]
fn an_exchange_asks_for_what_its_file_says() {
    let oauth = "client_id = \"robot\"\nclient_secret_env = \"ACME_SECRET\"\nscopes = [\"a\"]\n\
                 audience = \"https://api.example\"";
    let grant = "[grant]\nsubject_token = \"env:JOB\"\nsubject_token_type = \"id_token\"\n\
                 requested_token_type = \"access_token\"";
    let (sandbox, machine) = set("token-exchange", oauth, grant);
    let run = sandbox.keyfob(&["token", "acme"]).env("JOB", "canary.job");
    run.run().expect_success();
    let fields = machine.fields();
    for (name, value) in [
        ("client_id", "robot"),
        ("subject_token", "canary.job"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("scope", "a"),
        ("audience", "https://api.example"),
    ] {
        assert_eq!(fields[name], value, "{name}");
    }
}

#[test]
fn a_token_comes_from_gitlab_a_variable_or_a_file() {
    for source in ["gitlab:ID_TOKEN", "env:ID_TOKEN", "file:~/token"] {
        let (sandbox, machine) = set("token-exchange", "", &format!("[grant]\nsubject_token = \"{source}\""));
        let missing = token(&sandbox).expect_code(2);
        let named = source.split(':').next_back().unwrap();
        assert!(missing.stderr.contains(named), "{source}: {}", missing.stderr);
        assert_eq!(
            missing.stderr.contains("`id_tokens`"),
            source.starts_with("gitlab"),
            "{}",
            missing.stderr
        );
        // What a container's platform puts there can be read by the programs in it.
        sandbox.write("token", "canary.own\n");
        let run = sandbox.keyfob(&["token", "acme"]);
        run.env("ID_TOKEN", "canary.own").run().expect_success();
        assert_eq!(machine.fields()["subject_token"], "canary.own", "{source}");
    }
}

#[test]
fn a_token_is_read_anew_at_each_exchange() {
    let (sandbox, machine) = set("token-exchange", "", "[grant]\nsubject_token = \"file:~/token\"");
    for own in ["canary.one", "canary.two"] {
        sandbox.write("token", own);
        token(&sandbox).expect_success();
        assert_eq!(machine.fields()["subject_token"], own);
        sandbox.ages(3600);
    }
}

#[test]
fn what_cannot_be_a_token_is_not_sent() {
    for text in ["canary a", "canary\ncanary", "\u{e4}canary", "", "\n"] {
        let (sandbox, machine) = set("token-exchange", "", "[grant]\nsubject_token = \"file:~/token\"");
        sandbox.write("token", text);
        token(&sandbox).expect_code(64);
        assert_eq!(machine.asked(), 0, "{text:?}");
    }
}

#[test]
fn a_job_without_the_permission_hears_what_to_give_it() {
    let (sandbox, machine) = github("");
    let output = token(&sandbox).expect_code(2);
    assert!(output.stderr.contains("`id-token: write`"), "{}", output.stderr);
    machine.inject("/ci", 1, &Reply::text(403, "text/html", "no"));
    let output = in_job(&sandbox, &machine).expect_code(2);
    assert!(output.stderr.contains("`id-token: write`"), "{}", output.stderr);
    assert_eq!(machine.asked(), 0);
}

#[test]
fn a_ci_machine_that_lies_is_not_believed() {
    for (reply, code) in [
        (Reply::text(200, "text/html", "<h1>hotel</h1>"), 3),
        (Reply::text(500, "text/plain", "no"), 3),
        (Reply::redirect(302, "https://elsewhere.example/"), 3),
        (Reply::Drop, 3),
        (Reply::json(200, &json!({"value": 42})), 3),
        (Reply::json(200, &json!({"count": 1})), 64),
        (Reply::json(200, &json!({"value": "canary with spaces"})), 64),
    ] {
        let (sandbox, machine) = github("");
        machine.inject("/ci", 9, &reply);
        in_job(&sandbox, &machine).expect_code(code);
        assert_eq!(machine.asked(), 0, "{reply:?}");
    }
}

#[test]
fn a_jobs_credential_goes_to_no_plain_http() {
    let (sandbox, machine) = github("");
    let run = sandbox.keyfob(&["token", "acme"]);
    let run = run.env("ACTIONS_ID_TOKEN_REQUEST_URL", "http://acme.example/ci");
    let output = run
        .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", CI_BEARER)
        .run()
        .expect_code(3);
    assert!(output.stderr.contains("neither https nor"), "{}", output.stderr);
    assert_eq!(machine.asked(), 0);
}

#[test]
fn an_answer_that_does_not_name_the_kind_of_its_token_is_not_taken() {
    for (issued, good) in [
        (json!("urn:ietf:params:oauth:token-type:access_token"), true),
        (json!("urn:ietf:params:oauth:token-type:saml2"), false),
        (json!(null), false),
        (json!(7), false),
    ] {
        let (sandbox, machine) = github("requested_token_type = \"access_token\"");
        machine.with(json!({"issued_token_type": issued}));
        let output = in_job(&sandbox, &machine);
        assert_eq!(output.code(), if good { 0 } else { 3 }, "{issued}: {}", output.stderr);
    }
}

#[test]
fn the_machines_token_may_be_the_statement_of_client_or_grant() {
    let (sandbox, machine) = set(
        "client-credentials",
        "client_id = \"robot\"\ntoken_auth = \"subject_token\"",
        "[grant]\nsubject_token = \"github-actions\"",
    );
    in_job(&sandbox, &machine).expect_success();
    assert_eq!(machine.fields()["client_assertion"], CI_TOKEN);
    let (sandbox, machine) = set("jwt-bearer", "", "[grant]\nsubject_token = \"github-actions\"");
    in_job(&sandbox, &machine).expect_success();
    assert_eq!(machine.fields()["assertion"], CI_TOKEN);
}
