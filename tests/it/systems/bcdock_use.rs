//! bcdock, rows 2.13 to 2.25: the variable, what a login may give, scopes, and companies.

use serde_json::json;

use super::bcdock::{ACCESS_SECS, Bcdock, EMAIL, PLATFORM, STAFF, TOOLING, logged_in, set};
use super::bcdock_login::{asked, secret, session};
use super::family::claims;
use super::found::holding;
use super::row::{Row, said};

const ENVIRONMENTS: &str = "/api/v1/environments";

#[test]
fn row_2_13_a_variable_is_for_one_process_and_written_nowhere() {
    let mut row = Row::new(
        "2.13",
        "The variable serves one process; nothing is written, and nothing is left when it ends.",
    );
    let (program, bcdock) = set();
    let key = bcdock.portal_key(EMAIL, &["env:read"]);
    let output = row.run(program.call(&["auth", "whoami"]).env("BCDOCK_TOKEN", &key));
    row.exit(&output, 0);
    row.says(&output, EMAIL);
    let left = holding(&program, &key);
    assert!(left.is_empty() && !program.sandbox.keyfob_home().join("data").exists());
    row.saw(format!("{} files have the key", left.len()));
    program.call(&["auth", "whoami"]).run.run().expect_code(2);
    row.saw("the next process without it ends with 2");
    row.held();
}

#[test]
fn row_2_14_a_variable_wins_and_status_says_so() {
    let mut row = Row::new(
        "2.14",
        "A variable that is set wins over what is kept, and `status` says so.",
    );
    let (program, bcdock) = logged_in();
    let key = bcdock.portal_key(EMAIL, &["env:read"]);
    let output = row.run(program.call(&["auth", "print-access-token"]).env("BCDOCK_TOKEN", &key));
    row.exit(&output, 0);
    assert_eq!(output.text().trim_end(), key);
    row.saw("the variable's key");
    let output = row.run(program.call(&["auth", "status"]).env("BCDOCK_TOKEN", &key));
    row.says(&output, "The variable `BCDOCK_TOKEN` is set");
    assert_ne!(secret(&program, &[]), key);
    row.held();
}

#[test]
fn row_2_15_a_key_that_is_kept_on_a_ci_machine_is_warned_of() {
    let mut row = Row::new("2.15", "`set-token` in a CI job warns, and says what to do instead.");
    let (program, bcdock) = set();
    let key = bcdock.portal_key(EMAIL, &["env:read"]);
    let output = row.run(program.call(&["auth", "set-token"]).stdin(&key).env("CI", "true"));
    row.exit(&output, 0);
    row.says(&output, "warning: this keeps a secret on a CI machine");
    let output = program
        .call(&["auth", "set-token"])
        .stdin(&key)
        .run
        .run()
        .expect_success();
    assert!(!output.stderr.contains("CI machine"), "{}", output.stderr);
    row.held();
}

#[test]
fn row_2_16_a_login_that_is_used_all_day_is_kept() {
    let mut row = Row::new(
        "2.16",
        "A login is kept: later calls, of whatever shell and on whatever day, ask neither the person nor the service.",
    );
    let (program, bcdock) = logged_in();
    let before = bcdock.all();
    for number in 0..20 {
        if number == 10 {
            bcdock.passes(&program, 30 * 24 * 60 * 60);
        }
        let output = row.run(program.call(&["auth", "print-access-token"]));
        assert_eq!(output.text().trim_end(), bcdock.tokens()[0].text);
        assert_eq!(output.stderr, "");
    }
    let requests = bcdock.all() - before;
    assert_eq!((requests, bcdock.mails().len()), (0, 0));
    row.saw(format!(
        "10 calls, and 10 a month later: the same key, and {requests} requests"
    ));
    row.held();
}

#[test]
fn row_2_17_the_steps_of_a_login() {
    let mut row = Row::new(
        "2.17",
        "Address, a code on its way, the code, a key made and kept; no refresh token.",
    );
    let (program, bcdock) = set();
    let lines = format!("{EMAIL}\n{}\n", Bcdock::next_code());
    let output = row.run(program.typed(&["auth", "login"], &lines));
    row.exit(&output, 0);
    let text = said(&output);
    let mut at = 0;
    for step in [
        "Email: ",
        "Sending a code",
        "Look for a code",
        "Code (r sends",
        "Logged in",
        "Kept in",
    ] {
        let found = text[at..]
            .find(step)
            .unwrap_or_else(|| panic!("{step} is not next: {text}"));
        at += found;
        row.saw(format!("“{}”", step.trim()));
    }
    assert_eq!(bcdock.mails(), [EMAIL]);
    assert!(holding(&program, "canary-refresh").is_empty());
    row.saw("no refresh token is kept");
    row.held();
}

#[test]
fn row_2_18_one_exchange_gives_the_key_for_address_and_code() {
    let mut row = Row::new("2.18", "One request has address and code, and its reply the key.");
    let (program, bcdock) = set();
    let code = bcdock.issue(EMAIL);
    let call = program.call(&["auth", "login", "--email", EMAIL, "--code", &code]);
    let output = row.run(call.hiding(&code));
    row.exit(&output, 0);
    let seen = bcdock.seen("/api/v1/auth/email/exchange");
    let body: serde_json::Value = serde_json::from_slice(&seen[0].body).unwrap();
    // A dash in a code is for the eye.
    assert_eq!(body, json!({"email": EMAIL, "code": code.replace('-', "")}));
    assert_eq!((seen.len(), seen[0].method.as_str()), (1, "POST"));
    let names: Vec<&String> = body.as_object().unwrap().keys().collect();
    row.saw(format!("{} {} with {names:?}", seen[0].method, seen[0].path));
    assert_eq!(secret(&program, &[]), bcdock.tokens()[0].text);
    row.held();
}

#[test]
fn row_2_19_a_key_of_a_login_may_read_and_write_environments() {
    let mut row = Row::new(
        "2.19",
        "The key of a login has the scopes to read and to write environments.",
    );
    let (program, bcdock) = logged_in();
    let output = row.run(program.call(&["auth", "status"]));
    row.exit(&output, 0);
    row.says(&output, "env:read env:write");
    let key = secret(&program, &[]);
    for method in ["GET", "POST"] {
        assert_eq!(asked(&bcdock, method, ENVIRONMENTS, &key), 200);
    }
    row.held();
}

#[test]
fn row_2_20_a_login_never_gives_the_scope_admin() {
    let mut row = Row::new(
        "2.20",
        "No login gives the scope `admin`, also not to the staff, and also not when it is asked for.",
    );
    let (program, bcdock) = set();
    bcdock.log_in(&program, STAFF, &[]);
    assert_eq!(session(&program, &[])["scopes"], json!(["env:read", "env:write"]));
    let got = asked(&bcdock, "GET", "/api/v1/admin/environments", &secret(&program, &[]));
    assert_eq!(got, 403);
    let asks = [
        "auth", "login", "--email", STAFF, "--code", "123456", "--scope", "admin",
    ];
    let output = row.run(program.call(&asks));
    row.exit(&output, 64);
    row.says(&output, "`--scope` has no effect");
    row.saw(format!("the staff's key gets {got}"));
    row.held();
}

#[test]
fn row_2_21_nobody_counts_scopes() {
    let mut row = Row::new(
        "2.21",
        "The scopes are those that the service names, be it one, two or three; no number is expected.",
    );
    let (program, bcdock) = set();
    for scopes in [
        &["env:read"][..],
        &["env:read", "env:write"],
        &["env:logs", "env:read", "env:write"],
    ] {
        let key = bcdock.portal_key(EMAIL, scopes);
        let output = row.run(program.call(&["auth", "set-token"]).stdin(&key));
        row.exit(&output, 0);
        let status = session(&program, &[]);
        assert_eq!(status["scopes"], json!(scopes));
        row.saw(format!("{} scopes", status["scopes"].as_array().unwrap().len()));
    }
    row.held();
}

#[test]
fn row_2_22_scopes_are_chosen_where_a_key_is_made() {
    let mut row = Row::new(
        "2.22",
        "A login gives fixed scopes, so that asking for others there is a mistake that names the page where they are \
         chosen; a key of that page has them.",
    );
    let (program, bcdock) = set();
    let asks = [
        "auth", "login", "--email", EMAIL, "--code", "123456", "--scope", "env:read",
    ];
    let output = row.run(program.call(&asks));
    row.exit(&output, 64);
    row.says(&output, "https://portal.bcdock.io/profile/api-keys");
    assert!(
        bcdock.seen("/api/v1/auth/email/exchange").is_empty(),
        "the code is not spent"
    );
    let key = bcdock.portal_key(EMAIL, &["env:read"]);
    let output = row.run(program.call(&["auth", "set-token"]).stdin(&key));
    row.exit(&output, 0);
    assert_eq!(session(&program, &[])["scopes"], json!(["env:read"]));
    row.saw("the key's scope is env:read");
    row.held();
}

#[test]
fn row_2_23_what_each_scope_allows() {
    let mut row = Row::new(
        "2.23",
        "With `env:read` a program reads environments; making, changing and deleting them takes `env:write`.",
    );
    let (program, bcdock) = set();
    for (scopes, expected) in [
        (&["env:read"][..], [200, 403]),
        (&["env:read", "env:write"], [200, 200]),
    ] {
        let key = bcdock.portal_key(EMAIL, scopes);
        program
            .call(&["auth", "set-token"])
            .stdin(&key)
            .run
            .run()
            .expect_success();
        let output = row.run(program.call(&["auth", "print-access-token"]));
        let key = output.text().trim_end();
        let got = ["GET", "POST"].map(|method| asked(&bcdock, method, ENVIRONMENTS, key));
        assert_eq!(got, expected);
        row.saw(format!(
            "with {}: reading {}, writing {}",
            scopes.join(" "),
            got[0],
            got[1]
        ));
    }
    row.held();
}

#[test]
fn row_2_24_another_company_has_a_short_lived_token_of_its_own() {
    let mut row = Row::new(
        "2.24",
        "Choosing another company gets a short-lived token of that company with the key, which stays and gets the next one.",
    );
    let (program, bcdock) = logged_in();
    let key = secret(&program, &[]);
    // The first one ends at once, so that the next call needs another.
    bcdock.life_secs(1);
    let output = row.run(program.call(&["companies", "switch", "Beta"]));
    row.exit(&output, 0);
    bcdock.life_secs(ACCESS_SECS);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let token = claims(&secret(&program, &[])).expect("it is a JWT");
    assert_eq!((&token["company"], &token["sub"]), (&json!("Beta"), &json!(EMAIL)));
    assert_eq!(bcdock.seen("/api/v1/companies/switch").len(), 2);
    row.saw(format!(
        "a JWT of {}, and another one when it has ended",
        token["company"].as_str().unwrap()
    ));
    let output = row.run(program.call(&["companies", "switch", "Gamma"]));
    row.exit(&output, 5);
    row.says(&output, "you do not belong to Gamma");
    let output = row.run(program.call(&["companies", "switch", "--clear"]));
    row.exit(&output, 0);
    assert_eq!(secret(&program, &[]), key);
    row.saw("the key again");
    row.held();
}

#[test]
fn row_2_25_what_the_staff_does_is_not_for_this_program() {
    let mut row = Row::new(
        "2.25",
        "Nothing of the platform's own administration is a command, and no key of a customer with whatever scope, and no \
         session, opens it.",
    );
    let (program, bcdock) = set();
    for what in PLATFORM {
        let output = row.run(program.call(&[what, "list"]));
        row.exit(&output, 64);
        row.says(&output, "there is no such command");
        row.saw(what);
    }
    bcdock.log_in(&program, EMAIL, &["--mode", "session"]);
    let session = secret(&program, &["--mode", "session"]);
    let key = bcdock.portal_key(EMAIL, &["env:read", "env:write", "admin", "platform", "*"]);
    program
        .call(&["auth", "set-token"])
        .stdin(&key)
        .run
        .run()
        .expect_success();
    let key = secret(&program, &[]);
    let codes = |token: &str| PLATFORM.map(|what| asked(&bcdock, "GET", &format!("/api/v1/platform/{what}"), token));
    // The places are there.
    assert_eq!(codes(TOOLING), [200; 5]);
    for (token, who) in [(key, "a key with every scope"), (session, "a session")] {
        let got = codes(&token);
        assert_eq!(got, [403; 5]);
        row.saw(format!("{who} gets {got:?} there"));
    }
    row.held();
}
