//! bcdock, rows 2.1 to 2.12: a key or a session, and the ways to one.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::bcdock::{Bcdock, EMAIL, STAFF, logged_in, set};
use super::client::request;
use super::family::claims;
use super::found::holding;
use super::program::Program;
use super::row::{Row, said};
use keyfob::time::Timestamp;

/// The seconds of a day.
const DAY: u32 = 24 * 60 * 60;

const EXCHANGE: &str = "/api/v1/auth/email/exchange";

/// The credential that a program is given.
pub fn secret(program: &Program, more: &[&str]) -> String {
    let output = program.done(&[more, &["auth", "print-access-token"]].concat());
    output.text().trim_end().into()
}

/// The status of the program's only session, as JSON.
pub fn session(program: &Program, more: &[&str]) -> Value {
    let output = program.done(&[more, &["auth", "status", "--json"]].concat());
    let status: Value = serde_json::from_str(output.text()).unwrap();
    assert_eq!(status["sessions"].as_array().unwrap().len(), 1, "{status}");
    status["sessions"][0].clone()
}

/// The status of a request with a credential.
pub fn asked(bcdock: &Bcdock, method: &str, path: &str, token: &str) -> u16 {
    request(method, &format!("{}{path}", bcdock.url()), token, &Value::Null).0
}

#[test]
fn row_2_1_a_credential_is_a_key_or_a_pair_of_tokens() {
    let mut row = Row::new(
        "2.1",
        "A login gives a key with a prefix; in the mode `session` it gives an access and a refresh token.",
    );
    let (program, bcdock) = set();
    for (more, kind) in [(&[][..], "a key"), (&["--mode", "session"], "a session")] {
        let code = bcdock.issue(EMAIL);
        let args = [more, &["auth", "login", "--email", EMAIL, "--code", &code]].concat();
        let output = row.run(program.call(&args).hiding(&code));
        row.exit(&output, 0);
        let secret = secret(&program, more);
        assert_eq!(secret.starts_with("bdk_"), kind == "a key", "{kind}");
        assert_eq!(claims(&secret).is_some(), kind == "a session", "{kind}");
        row.saw(match claims(&secret) {
            Some(claims) => format!("a JWT of {}", claims["sub"].as_str().unwrap()),
            None => format!("a key that begins with `{}`", &secret[..4]),
        });
    }
    assert!(!holding(&program, "canary-refresh-0").is_empty());
    row.held();
}

#[test]
fn row_2_2_a_key_is_bound_to_scopes_and_needs_no_renewal() {
    let mut row = Row::new(
        "2.2",
        "A key has scopes and no end, and nothing about it is ever renewed.",
    );
    let (program, bcdock) = logged_in();
    let output = row.run(program.call(&["auth", "status"]));
    row.exit(&output, 0);
    row.says(&output, "scopes");
    let status = session(&program, &[]);
    assert_eq!((&status["expires"], &status["renews"]), (&Value::Null, &json!(false)));
    assert!(!said(&output).contains("expires"));
    for _ in 0..5 {
        secret(&program, &[]);
    }
    let refreshes = bcdock.seen("/api/v1/auth/refresh").len();
    assert_eq!(refreshes, 0);
    row.saw(format!("no end; 5 calls later {refreshes} requests to renew it"));
    row.held();
}

#[test]
fn row_2_3_a_session_may_what_the_person_may() {
    let mut row = Row::new(
        "2.3",
        "In an interactive session the person's role counts: what needs the scope `admin` of a key needs none there.",
    );
    let (program, bcdock) = set();
    bcdock.log_in(&program, STAFF, &[]);
    bcdock.log_in(&program, STAFF, &["--mode", "session"]);
    for (more, kind, expected) in [(&["--mode", "session"][..], "session", 200), (&[], "key", 403)] {
        let output = row.run(program.call(&[more, &["auth", "print-access-token"]].concat()));
        let got = asked(&bcdock, "GET", "/api/v1/admin/environments", output.text().trim_end());
        assert_eq!(got, expected, "{kind}");
        row.saw(format!("the {kind}'s request is answered with {got}"));
    }
    row.held();
}

#[test]
fn row_2_4_each_kind_lives_as_long_as_the_service_says() {
    let mut row = Row::new(
        "2.4",
        "A key lives until it is revoked; an access token lives for 15 minutes, and is renewed by a refresh token of 7 days, \
         each of which gives another one.",
    );
    let (program, bcdock) = set();
    let with = ["--mode", "session"];
    bcdock.log_in(&program, EMAIL, &[]);
    bcdock.log_in(&program, EMAIL, &with);
    let output = row.run(program.call(&["--mode", "session", "auth", "status"]));
    row.exit(&output, 0);
    row.says(&output, "expires");
    let granted = bcdock.tokens()[1].end.unwrap();
    let shown = session(&program, &with)["expires"].clone();
    // By the clock of whoever was answered, a little later.
    let mut ends = (granted..granted + 60).map(|end| Timestamp::from_unix(end.cast_signed()).rfc3339());
    assert!(ends.any(|end| shown == end), "{shown}");
    assert_eq!(claims(&bcdock.tokens()[1].text).unwrap()["exp"], granted);
    let refreshes = |bcdock: &Bcdock| bcdock.seen("/api/v1/auth/refresh").len();
    let first = secret(&program, &with);
    assert_eq!(asked(&bcdock, "GET", "/api/v1/me", &first), 200);
    bcdock.passes(&program, 15 * 60);
    assert_eq!(asked(&bcdock, "GET", "/api/v1/me", &first), 401);
    row.saw("a quarter of an hour later the service does not take the token any more");
    for (days, when) in [(0, "then"), (6, "six days later"), (6, "and six days later")] {
        bcdock.passes(&program, days * DAY);
        let before = refreshes(&bcdock);
        let output = row.run(program.call(&["--mode", "session", "auth", "print-access-token"]));
        row.exit(&output, 0);
        assert_eq!(asked(&bcdock, "GET", "/api/v1/me", output.text().trim_end()), 200);
        row.saw(format!("{when} {} refresh", refreshes(&bcdock) - before));
    }
    bcdock.passes(&program, 8 * DAY);
    row.saw("eight days after the last");
    let output = row.run(program.call(&["--mode", "session", "auth", "print-access-token"]));
    row.exit(&output, 2);
    row.says(&output, "has ended");
    bcdock.passes(&program, 400 * DAY);
    row.saw("the key, more than a year later");
    let output = row.run(program.call(&["auth", "whoami"]));
    row.exit(&output, 0);
    row.says(&output, EMAIL);
    row.held();
}

#[test]
fn row_2_5_a_key_carries_no_role() {
    let mut row = Row::new(
        "2.5",
        "A key of somebody on the staff may no more than its scopes say; a key with the scope `admin` may.",
    );
    let (program, bcdock) = set();
    for scopes in [&["env:read", "env:write"][..], &["admin"]] {
        let key = bcdock.portal_key(STAFF, scopes);
        let output = row.run(program.call(&["auth", "set-token"]).stdin(&key));
        row.exit(&output, 0);
        let got = asked(&bcdock, "GET", "/api/v1/admin/environments", &secret(&program, &[]));
        assert_eq!(got == 200, scopes.contains(&"admin"));
        row.saw(format!("with {}: {got}", scopes.join(" ")));
    }
    row.held();
}

#[test]
fn row_2_6_status_shows_the_scopes_that_a_key_has() {
    let mut row = Row::new(
        "2.6",
        "`status` shows the scopes that the service says a key has; a session has no list, and may all that its person may.",
    );
    let (program, bcdock) = logged_in();
    let output = row.run(program.call(&["auth", "status"]));
    row.exit(&output, 0);
    row.says(&output, "scopes");
    assert_eq!(session(&program, &[])["scopes"], json!(["env:read", "env:write"]));
    program.done(&["auth", "logout"]);
    bcdock.log_in(&program, EMAIL, &["--mode", "session"]);
    assert_eq!(session(&program, &["--mode", "session"])["scopes"], json!([]));
    row.saw("the session's status names none");
    row.held();
}

#[test]
fn row_2_8_the_code_becomes_a_key_without_a_session_in_between() {
    let mut row = Row::new(
        "2.8",
        "The code is traded for the key itself, so that no access or refresh token is ever kept.",
    );
    let (program, bcdock) = set();
    let code = bcdock.issue(EMAIL);
    let call = program.call(&["auth", "login", "--email", EMAIL, "--code", &code]);
    let output = row.run(call.hiding(&code));
    row.exit(&output, 0);
    let exchanges = bcdock.seen(EXCHANGE).len();
    assert_eq!(exchanges, 1);
    for token in ["eyJ", "canary-refresh"] {
        assert!(holding(&program, token).is_empty(), "{token}");
    }
    assert_eq!(holding(&program, "bdk_canary0").len(), 1);
    row.saw(format!("{exchanges} exchange; one file has the key, none a token"));
    row.held();
}

#[test]
fn row_2_9_there_are_three_ways_to_a_credential() {
    let mut row = Row::new(
        "2.9",
        "A login, a key that is handed over, and a variable all end in the same identity.",
    );
    let (program, bcdock) = logged_in();
    let key = bcdock.portal_key(EMAIL, &["env:read"]);
    let logged_in = row.run(program.call(&["auth", "whoami"]));
    row.exit(&logged_in, 0);
    let variable = row.run(program.call(&["auth", "whoami"]).env("BCDOCK_TOKEN", &key));
    program.done(&["auth", "logout"]);
    let handed = row.run(program.call(&["auth", "set-token"]).stdin(&key));
    row.exit(&handed, 0);
    let handed = row.run(program.call(&["auth", "whoami"]));
    assert_eq!(logged_in.text(), variable.text());
    assert_eq!(logged_in.text(), handed.text());
    row.says(&handed, EMAIL);
    row.held();
}

#[test]
fn row_2_10_a_login_without_a_terminal_names_the_other_ways() {
    let mut row = Row::new(
        "2.10",
        "Where nobody is at a terminal a login asks nothing, ends with a code of its own, and names the other ways.",
    );
    let (program, bcdock) = set();
    let output = row.run(program.call(&["auth", "login"]));
    row.exit(&output, 64);
    row.says(&output, "hint: ");
    for way in ["set-token", "BCDOCK_TOKEN"] {
        assert!(output.stderr.contains(way), "{way}: {}", output.stderr);
    }
    assert!(bcdock.mails().is_empty());
    row.held();
}

#[test]
fn row_2_11_a_key_that_is_handed_over_is_kept_as_a_login_keeps_it() {
    let mut row = Row::new(
        "2.11",
        "`set-token` leaves what a login leaves, without a code. A key among the arguments is taken, with a warning.",
    );
    let (program, bcdock) = logged_in();
    let of_login = session(&program, &[]);
    program.done(&["auth", "logout"]);
    let key = bcdock.portal_key(EMAIL, &["env:read", "env:write"]);
    let output = row.run(program.call(&["auth", "set-token", &key]).hiding(&key));
    row.exit(&output, 0);
    row.says(&output, "warning: what is among the arguments");
    assert_eq!(session(&program, &[]), of_login);
    row.saw("`status --json` says what it said after a login");
    let (program, _bcdock) = (program, bcdock);
    let piped = row.run(program.call(&["auth", "set-token"]).stdin(&key));
    assert!(!piped.stderr.contains("warning"), "{}", piped.stderr);
    row.exit(&piped, 0);
    row.held();
}

#[test]
fn row_2_12_what_set_token_is_for() {
    let mut row = Row::new(
        "2.12",
        "A key that was made over HTTP with a session's token, one that is put back after everything was wiped, and one of \
         somebody else on the same machine: each is kept without a terminal.",
    );
    let (program, bcdock) = set();
    bcdock.log_in(&program, STAFF, &["--mode", "session"]);
    let session = secret(&program, &["--mode", "session"]);
    let url = format!("{}/api/v1/api-keys", bcdock.url());
    let (status, made) = request("POST", &url, &session, &json!({"scopes": ["admin"]}));
    assert_eq!(status, 201);
    let key = made["api_key"].as_str().unwrap();
    let output = row.run(program.call(&["auth", "set-token"]).stdin(key));
    row.exit(&output, 0);
    assert_eq!(
        asked(&bcdock, "GET", "/api/v1/admin/environments", &secret(&program, &[])),
        200
    );
    row.saw("the key with the scope admin is kept");
    std::fs::remove_dir_all(program.sandbox.keyfob_home().join("data")).unwrap();
    std::fs::remove_dir_all(program.sandbox.path().join(".config")).unwrap();
    let output = row.run(program.call(&["auth", "set-token"]).stdin(key));
    row.exit(&output, 0);
    assert_eq!(secret(&program, &[]), key);
    row.saw("so it is after a wipe");
    let other = bcdock.portal_key(EMAIL, &["env:read"]);
    let output = row.run(program.call(&["auth", "set-token"]).stdin(&other));
    // One file has room for one account, and nobody's is lost without a word.
    row.exit(&output, 5);
    row.says(&output, "bcdock auth logout");
    let output = row.run(program.call(&["auth", "logout"]));
    row.exit(&output, 0);
    let output = row.run(program.call(&["auth", "set-token"]).stdin(&other));
    row.exit(&output, 0);
    assert_eq!(secret(&program, &[]), other);
    row.saw("the other account's key is kept");
    row.held();
}

#[test]
fn row_2_7_a_credential_is_in_the_file_of_the_program() {
    let mut row = Row::new(
        "2.7",
        "The key is in the program's own file, which its owner alone can read, and in no other.",
    );
    let (program, bcdock) = logged_in();
    let output = row.run(program.call(&["auth", "status"]));
    row.exit(&output, 0);
    row.says(&output, ".config/bcdock/credentials.json");
    let place = program.sandbox.path().join(".config/bcdock/credentials.json");
    let mode = std::fs::metadata(&place).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (holding(&program, &bcdock.tokens()[0].text), mode),
        (vec![place], 0o600)
    );
    row.saw(format!("mode {mode:04o}"));
    row.held();
}
