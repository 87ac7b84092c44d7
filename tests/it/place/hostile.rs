//! What may lie at a fixed path already, and what a kill leaves there.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::process::Command;

use super::{at, login, names, slots};
use crate::part::{is_root, strace};

const FOREIGN: &str = "{\"access_token\":\"canary-of-another-program\"}\n";

#[test]
fn what_was_not_written_here_is_never_replaced_and_nobody_is_asked_for_it() {
    let (sandbox, issuer) = at("~/.cmdop/token.json");
    for content in [FOREIGN, "", "{\"keyfob\":2}\n", "{\"keyfob\":1,\"store\":\"file\"}\n"] {
        let place = sandbox.write(".cmdop/token.json", content);
        let output = login(&sandbox, "acme").expect_code(4);
        assert!(output.stderr.contains(".cmdop/token.json"), "{}", output.stderr);
        assert_eq!(fs::read_to_string(&place).unwrap(), content);
        assert_eq!(names(place.parent().unwrap()), ["token.json"]);
    }
    assert!(issuer.families().is_empty(), "nobody logged in for nothing");
}

#[test]
fn what_replaced_our_file_is_neither_read_nor_written_nor_removed() {
    let (sandbox, issuer) = at("~/.cmdop/token.json");
    login(&sandbox, "acme").expect_success();
    let place = sandbox.path().join(".cmdop/token.json");
    fs::write(&place, FOREIGN).unwrap();
    sandbox.keyfob(&["token", "acme"]).run().expect_code(4);
    login(&sandbox, "acme").expect_code(4);
    let logout = sandbox.keyfob(&["logout", "acme:ann", "--local"]).run().expect_code(4);
    assert!(logout.stderr.contains("remove it yourself"), "{}", logout.stderr);
    assert_eq!(fs::read_to_string(&place).unwrap(), FOREIGN);
    assert_eq!(issuer.families().len(), 1);
    fs::remove_file(&place).unwrap();
    sandbox
        .keyfob(&["logout", "acme:ann", "--local"])
        .run()
        .expect_success();
    assert!(slots(&sandbox).is_empty());
}

#[test]
fn links_pipes_and_open_directories_are_refused() {
    let (sandbox, issuer) = at("~/.cmdop/token.json");
    let directory = sandbox.path().join(".cmdop");
    fs::create_dir(&directory).unwrap();
    let place = directory.join("token.json");
    let aside = sandbox.write("aside.json", FOREIGN);

    symlink(&aside, &place).unwrap();
    login(&sandbox, "acme").expect_code(4);
    fs::remove_file(&place).unwrap();
    fs::hard_link(&aside, &place).unwrap();
    login(&sandbox, "acme").expect_code(4);
    fs::remove_file(&place).unwrap();
    assert!(Command::new("mkfifo").arg(&place).status().unwrap().success());
    login(&sandbox, "acme").expect_code(4);
    fs::remove_file(&place).unwrap();
    fs::create_dir(&place).unwrap();
    login(&sandbox, "acme").expect_code(4);
    fs::remove_dir(&place).unwrap();
    fs::set_permissions(&directory, Permissions::from_mode(0o777)).unwrap();
    let output = login(&sandbox, "acme").expect_code(4);
    assert!(output.stderr.contains("chmod 700"), "{}", output.stderr);
    assert!(names(&directory).is_empty());
    fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
    assert_eq!(fs::read_to_string(&aside).unwrap(), FOREIGN);
    assert!(issuer.families().is_empty());

    // A directory of ours that others can look into, or a link to it, is fine; it is not ours to write a note into.
    login(&sandbox, "acme").expect_success();
    assert_eq!(names(&directory), ["token.json"]);
    fs::rename(&directory, sandbox.path().join("moved")).unwrap();
    symlink("moved", &directory).unwrap();
    sandbox.token();
    login(&sandbox, "acme").expect_success();
}

#[test]
fn what_belongs_to_another_user_is_refused() {
    if !is_root() {
        return;
    }
    let (sandbox, issuer) = at("~/.cmdop/token.json");
    login(&sandbox, "acme").expect_success();
    let place = sandbox.path().join(".cmdop/token.json");
    for path in [place.as_path(), place.parent().unwrap()] {
        chown(path, Some(12345), None).unwrap();
        sandbox.keyfob(&["token", "acme"]).run().expect_code(4);
        login(&sandbox, "acme").expect_code(4);
        chown(path, Some(0), None).unwrap();
    }
    assert_eq!(issuer.families().len(), 1);
    sandbox.token();
}

#[test]
fn two_providers_that_name_one_path_are_refused_by_check_and_at_use() {
    let (sandbox, issuer) = at("~/.cmdop/token.json");
    login(&sandbox, "acme").expect_success();
    let file = sandbox.keyfob_home().join("config/providers/acme.toml");
    let text = fs::read_to_string(file).unwrap().replace("name = \"acme\"", "");
    sandbox.write_provider("other", &text);
    for args in [&["provider", "check"][..], &["provider", "check", "other"]] {
        let check = sandbox.keyfob(args).run();
        assert_eq!(check.code(), 64, "{}", check.stderr);
        assert!(
            check.stderr.contains("`acme` and `other` both want")
                || check.stderr.contains("`other` and `acme` both want"),
            "{}",
            check.stderr
        );
    }
    let output = login(&sandbox, "other").expect_code(5);
    assert!(
        output.stderr.contains("has the session `acme:ann`"),
        "{}",
        output.stderr
    );
    assert_eq!(issuer.families().len(), 1);
    sandbox.token();
}

/// Every step of a change at which a process can die, as strace names it.
const STEPS: &[&str] = &[
    "fsync:signal=KILL:when=1",
    "fsync:signal=KILL:when=2",
    "fsync:signal=KILL:when=3",
    "fsync:signal=KILL:when=4",
    "fsync:signal=KILL:when=5",
    "rename,renameat,renameat2:signal=KILL:when=1",
    "rename,renameat,renameat2:signal=KILL:when=2",
    "rename,renameat,renameat2:signal=KILL:when=3",
];

#[test]
fn a_login_that_is_killed_anywhere_leaves_nothing_that_the_next_one_does_not_clean() {
    if !strace() {
        return;
    }
    let mut killed = 0;
    for step in STEPS {
        let (sandbox, issuer) = at("~/.cmdop/token.json");
        let run = sandbox.keyfob(&["login", "acme", "--no-browser"]).injected(step);
        killed += usize::from(!run.run().status.success());
        login(&sandbox, "acme").expect_success();
        assert!(issuer.valid_access(&sandbox.token()), "{step}");
        assert_eq!(
            names(&sandbox.path().join(".cmdop")),
            [".gitignore", "token.json"],
            "{step}"
        );
        assert_eq!(slots(&sandbox).len(), 1, "{step}");
        sandbox.keyfob(&["logout", "acme"]).run().expect_success();
        assert_eq!(names(&sandbox.path().join(".cmdop")), [".gitignore"], "{step}");
    }
    assert!(killed >= 5, "{killed}");
}

#[test]
fn a_renewal_that_is_killed_anywhere_loses_nothing_that_was_kept() {
    if !strace() {
        return;
    }
    let mut killed = 0;
    for step in STEPS {
        let (sandbox, issuer) = at("~/.cmdop/token.json");
        // A reply that was lost on the way is answered again.
        issuer.script(|script| script.grace = std::time::Duration::from_secs(3600));
        sandbox.login_expired(&issuer);
        let run = sandbox.keyfob(&["token", "acme"]).injected(step);
        killed += usize::from(!run.run().status.success());
        assert!(issuer.valid_access(&sandbox.token()), "{step}");
        assert_eq!(
            names(&sandbox.path().join(".cmdop")),
            [".gitignore", "token.json"],
            "{step}"
        );
        assert_eq!(slots(&sandbox).len(), 1, "{step}");
    }
    assert!(killed >= 5, "{killed}");
}

#[test]
fn a_file_that_is_newer_than_its_slot_is_no_damage_and_an_older_one_is() {
    let (sandbox, issuer) = at("~/.cmdop/token.json");
    sandbox.login_expired(&issuer);
    let place = sandbox.path().join(".cmdop/token.json");
    let before = (slots(&sandbox), fs::read(&place).unwrap());
    sandbox.token();
    let (slot, content) = &before.0[0];
    let after = fs::read(slot).unwrap();
    fs::write(slot, content).unwrap();
    assert!(
        issuer.valid_access(&sandbox.token()),
        "the file was renewed, the slot not yet"
    );

    fs::write(slot, after).unwrap();
    fs::write(&place, &before.1).unwrap();
    let output = sandbox.keyfob(&["token", "acme"]).run().expect_code(4);
    assert!(output.stderr.contains("is older than it was"), "{}", output.stderr);
    assert_eq!(issuer.refreshes(), 1, "a token that was spent is not sent again");
}
