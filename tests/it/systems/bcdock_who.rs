//! bcdock, rows 2.26 to 2.31: who one is, leaving, and what is not kept; and a session at a shell.

use serde_json::Value;

use super::bcdock::{EMAIL, STAFF, logged_in, set};
use super::bcdock_login::secret;
use super::ccp;
use super::found::holding;
use super::recorded::Session;
use super::row::Row;

#[test]
fn row_2_26_whoami_shows_address_role_and_company() {
    let mut row = Row::new(
        "2.26",
        "`whoami` asks the service, once, and shows address, role and company.",
    );
    let (program, bcdock) = logged_in();
    let before = bcdock.seen("/api/v1/auth/whoami").len();
    let output = row.run(program.call(&["auth", "whoami"]));
    row.exit(&output, 0);
    assert_eq!(output.text().lines().next(), Some(EMAIL));
    for part in [EMAIL, "role", "company"] {
        row.says(&output, part);
    }
    assert_eq!(bcdock.seen("/api/v1/auth/whoami").len(), before + 1);
    row.held();
}

#[test]
fn row_2_27_the_same_as_json_says_more() {
    let mut row = Row::new(
        "2.27",
        "As JSON the same has the account's status too, and when it is to be deleted.",
    );
    let (program, bcdock) = logged_in();
    let output = row.run(program.call(&["me", "show"]));
    row.exit(&output, 0);
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let me = read(output.text());
    assert_eq!(
        (&me["subject"], &me["fields"]["status"]),
        (&EMAIL.into(), &"active".into())
    );
    assert_eq!(me["fields"]["deletionScheduledAt"], Value::Null);
    row.saw(format!("status {}", me["fields"]["status"]));
    bcdock.deletes_at("2026-12-24");
    let output = row.run(program.call(&["me", "show"]));
    let me = read(output.text());
    let fields = &me["fields"];
    assert_eq!(fields["deletionScheduledAt"], "2026-12-24");
    row.saw(format!(
        "status {}, deletionScheduledAt {}",
        fields["status"], fields["deletionScheduledAt"]
    ));
    assert_eq!(bcdock.seen("/api/v1/me").len(), 2);
    row.held();
}

#[test]
fn row_2_28_a_logout_needs_no_network() {
    let mut row = Row::new(
        "2.28",
        "A logout forgets what is here first, whatever the network does, and succeeds with that.",
    );
    let (program, bcdock) = logged_in();
    bcdock.is_down(true);
    let output = row.run(program.call(&["auth", "logout"]));
    row.exit(&output, 0);
    let left = holding(&program, "canary");
    assert!(left.is_empty(), "{left:?}");
    row.says(&output, "Logged out");
    row.saw(format!("{} files have something of it", left.len()));
    // A service that would have been told.
    let (other, service) = ccp::logged_in();
    drop(service);
    let output = row.run(other.call(&["auth", "logout"]));
    row.exit(&output, 0);
    row.says(&output, "the issuer could not be told");
    assert!(holding(&other, "canary").is_empty());
    row.held();
}

#[test]
fn row_2_29_what_is_elsewhere_is_ended_on_a_page() {
    let mut row = Row::new(
        "2.29",
        "A key that leaked elsewhere is ended on the service's page, which a logout names; nothing here changes by it.",
    );
    let (program, bcdock) = logged_in();
    bcdock.portal_revokes(&secret(&program, &[]));
    let output = row.run(program.call(&["auth", "whoami"]));
    row.exit(&output, 2);
    assert_eq!(holding(&program, "bdk_canary0").len(), 1);
    row.saw("the key is refused, and still here");
    let output = row.run(program.call(&["auth", "logout"]));
    row.exit(&output, 0);
    row.says(&output, "https://portal.bcdock.io/profile/api-keys");
    row.held();
}

#[test]
fn row_2_30_what_a_job_gets_by_a_variable_does_not_outlive_it() {
    let mut row = Row::new(
        "2.30",
        "A key that a job gets by the variable does not outlive it, and another one counts from the next call on.",
    );
    let (program, bcdock) = set();
    for number in 1..=2 {
        let key = bcdock.portal_key(EMAIL, &["env:read"]);
        let call = program.call(&["auth", "print-access-token"]).env("BCDOCK_TOKEN", &key);
        let output = row.run(call.env("CI", "true"));
        row.exit(&output, 0);
        assert_eq!(output.text().trim_end(), key);
        assert!(holding(&program, &key).is_empty());
        row.saw(format!("key {number}, in no file"));
    }
    row.held();
}

#[test]
fn row_2_31_a_variable_serves_where_there_is_no_home() {
    let mut row = Row::new(
        "2.31",
        "An agent in the cloud, which has no home but the image's provider file, is served by the variable, and so is one \
         command that is to have another key.",
    );
    let (program, bcdock) = logged_in();
    let other = bcdock.portal_key(STAFF, &["env:read"]);
    let output = row.run(program.call(&["auth", "whoami"]).env("BCDOCK_TOKEN", &other));
    row.exit(&output, 0);
    row.says(&output, STAFF);
    let output = row.run(program.call(&["auth", "whoami"]));
    row.says(&output, EMAIL);
    let (program, bcdock) = set();
    let key = bcdock.portal_key(EMAIL, &["env:read"]);
    let home = program.sandbox.path();
    std::fs::create_dir_all(home.join("image")).unwrap();
    std::fs::rename(program.sandbox.keyfob_home().join("config"), home.join("image/keyfob")).unwrap();
    std::fs::remove_dir_all(program.sandbox.keyfob_home()).unwrap();
    let image = format!("XDG_CONFIG_HOME={}/image", home.display());
    // A home below it cannot be made by anybody.
    let without = ["-u", "KEYFOB_HOME", "HOME=/proc/nowhere", &image, "bcdock", "auth"];
    for command in ["whoami", "print-access-token"] {
        let call = program.other("env", &[&without[..], &[command]].concat());
        let output = row.run(call.env("BCDOCK_TOKEN", &key));
        row.exit(&output, 0);
        let expected = if command == "whoami" { EMAIL } else { &key };
        assert_eq!(output.text().lines().next(), Some(expected));
        assert_eq!(output.stderr, "");
    }
    let left = holding(&program, &key).len();
    assert!(left == 0 && !program.sandbox.keyfob_home().exists());
    row.saw(format!("without a home too, and {left} files have the key"));
    row.held();
}

#[test]
fn a_key_is_handed_over_and_asked_about() {
    let (program, bcdock) = set();
    let key = bcdock.portal_key(EMAIL, &["env:read", "env:write"]);
    program.sandbox.write("key", &key);
    let session = Session {
        place: 1,
        title: "A key that was made on the page, and who one is with it",
        lines: &[
            "bcdock auth set-token < key",
            "bcdock auth whoami",
            "bcdock me show",
            &format!("bcdock auth set-token {key}"),
            "BCDOCK_TOKEN=wrong bcdock auth whoami; echo $?",
        ],
        hidden: &[(&key, "bdk_…")],
    };
    session.held(&program);
}
