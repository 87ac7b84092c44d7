//! A session in a file at a fixed path, from its login to its logout.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::{at, login, mode, names, set, slots, write};
use crate::issuer::{Issuer, Outcome, Script};
use crate::sandbox::{Output, Running, Sandbox};

const PATH: &str = ".cmdop/token.json";

fn document(sandbox: &Sandbox, path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(sandbox.path().join(path)).unwrap()).unwrap()
}

#[test]
fn a_session_lies_at_its_path_and_nowhere_else() {
    for umask in ["000", "022", "0777"] {
        let (sandbox, issuer) = at("~/.cmdop/token.json");
        let login = format!("umask {umask}; exec \"$0\" login acme --no-browser");
        let keyfob = sandbox.keyfob_path().to_str().unwrap().to_owned();
        let output = sandbox.program("sh", &["-c", &login, &keyfob]).run().expect_success();
        let place = sandbox.path().join(PATH);
        assert!(output.stderr.contains(place.to_str().unwrap()), "{}", output.stderr);
        assert_eq!(mode(&place), 0o600, "{umask}");
        assert_eq!(mode(place.parent().unwrap()), 0o700, "{umask}");
        assert_eq!(names(place.parent().unwrap()), [".gitignore", "token.json"]);
        let ignored = std::fs::read(place.with_file_name(".gitignore")).unwrap();
        assert_eq!(ignored, b"*\n");

        let family = issuer.live_family().unwrap();
        let json = document(&sandbox, PATH);
        assert_eq!(json["record"]["refresh"], family.refresh.as_str());
        assert_eq!(json["record"]["secret"], family.access[0].0.as_str());
        assert!(sandbox.files_with(&family.refresh).is_empty(), "a second copy");
        assert!(sandbox.files_with(&family.access[0].0).is_empty(), "a second copy");
        assert!(issuer.valid_access(&sandbox.token()));
    }
}

#[test]
fn status_list_and_logout_find_it() {
    let (sandbox, _issuer) = at("~/.cmdop/token.json");
    login(&sandbox, "acme").expect_success();
    let place = sandbox.path().join(PATH);
    let status = sandbox.keyfob(&["status", "acme", "--json"]).run().expect_success();
    let status: Value = serde_json::from_str(status.text()).unwrap();
    let row = &status["sessions"][0];
    assert_eq!(row["place"], place.to_str().unwrap());
    assert_eq!((&row["store"], &row["state"]), (&"file".into(), &"valid".into()));
    let list = sandbox.keyfob(&["list"]).run().expect_success();
    assert!(list.text().contains("acme:ann"), "{}", list.text());
    sandbox.keyfob(&["logout", "acme"]).run().expect_success();
    assert_eq!(names(place.parent().unwrap()), [".gitignore"]);
    assert!(slots(&sandbox).is_empty());
}

#[test]
fn a_renewal_goes_to_the_same_place() {
    let (sandbox, issuer) = at("~/.cmdop/token.json");
    sandbox.login_expired(&issuer);
    let place = sandbox.path().join(PATH);
    assert!(issuer.valid_access(&sandbox.token()));
    assert_eq!(issuer.refreshes(), 1);
    let json = document(&sandbox, PATH);
    assert_eq!(
        json["record"]["refresh"],
        issuer.live_family().unwrap().refresh.as_str()
    );
    assert!(json["generation"].as_u64().unwrap() > 1);
    assert_eq!(names(place.parent().unwrap()), [".gitignore", "token.json"]);
    assert_eq!(mode(&place), 0o600);
}

#[test]
fn processes_at_once_renew_it_once() {
    let (sandbox, issuer) = at("~/.cmdop/token.json");
    sandbox.login_expired(&issuer);
    for output in sandbox.tokens_at_once(20) {
        assert!(issuer.valid_access(output.expect_success().text().trim_end()));
    }
    assert_eq!(issuer.refreshes(), 1);
}

#[test]
fn each_mode_has_its_own_file_and_session() {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    let tables = "[place]\nfile = \"~/.{provider}/token_{mode}.json\"\n[mode.prod]\n[mode.dev]\n";
    write(&sandbox, &issuer, "store = \"file\"", tables);
    login(&sandbox, "acme/prod").expect_success();
    login(&sandbox, "acme/dev").expect_success();
    let directory = sandbox.path().join(".acme");
    assert_eq!(names(&directory), [".gitignore", "token_dev.json", "token_prod.json"]);
    sandbox.keyfob(&["logout", "acme/dev"]).run().expect_success();
    assert_eq!(names(&directory), [".gitignore", "token_prod.json"]);
    sandbox.keyfob(&["token", "acme/prod"]).run().expect_success();
}

#[test]
fn a_path_without_the_account_has_room_for_one_and_one_with_it_for_all() {
    let (sandbox, issuer) = at("~/.cmdop/token.json");
    login(&sandbox, "acme").expect_success();
    issuer.script(|script| script.subject = "bob".into());
    let before = std::fs::read(sandbox.path().join(PATH)).unwrap();
    // Named, nobody is asked; unnamed, the new tokens are given back.
    let asked = issuer.families().len();
    let named = login(&sandbox, "acme:bob").expect_code(5);
    assert!(named.stderr.contains("keyfob logout acme:ann"), "{}", named.stderr);
    assert_eq!(issuer.families().len(), asked);
    login(&sandbox, "acme").expect_code(5);
    assert_eq!(issuer.families().len(), asked + 1);
    assert!(!issuer.families()[asked].live, "nobody has these tokens");
    assert_eq!(std::fs::read(sandbox.path().join(PATH)).unwrap(), before);

    let (sandbox, issuer) = at("~/.cmdop/{account}.json");
    login(&sandbox, "acme").expect_success();
    issuer.script(|script| script.subject = "../bob".into());
    login(&sandbox, "acme").expect_success();
    let directory = sandbox.path().join(".cmdop");
    assert_eq!(names(&directory), ["%2E.%2Fbob.json", ".gitignore", "ann.json"]);
}

#[test]
fn another_login_of_the_same_account_takes_the_place_of_the_first() {
    let (sandbox, issuer) = at("~/.cmdop/token.json");
    login(&sandbox, "acme").expect_success();
    login(&sandbox, "acme").expect_success();
    let json = document(&sandbox, PATH);
    assert_eq!(json["record"]["refresh"], issuer.families()[1].refresh.as_str());
    assert_eq!(slots(&sandbox).len(), 1);
}

#[test]
fn a_file_that_a_person_removed_is_a_session_that_has_ended() {
    let (sandbox, _issuer) = at("~/.cmdop/token.json");
    login(&sandbox, "acme").expect_success();
    std::fs::remove_dir_all(sandbox.path().join(".cmdop")).unwrap();
    let token = sandbox.keyfob(&["token", "acme"]).run().expect_code(2);
    assert!(token.stderr.contains("its secret was removed"), "{}", token.stderr);
    assert!(token.stderr.contains("keyfob login acme:ann"), "{}", token.stderr);
    let status = sandbox.keyfob(&["status", "acme"]).run();
    assert_eq!(status.code(), 2, "{}", status.stderr);
    assert!(
        status.text().contains("ended") && status.text().contains("removed"),
        "{}",
        status.text()
    );
    sandbox.keyfob(&["logout", "acme"]).run().expect_success();
    assert!(slots(&sandbox).is_empty());
    login(&sandbox, "acme").expect_success();
    sandbox.token();
}

#[test]
fn another_home_of_keyfob_does_not_move_it() {
    let (mut sandbox, issuer) = at("~/.cmdop/token.json");
    login(&sandbox, "acme").expect_success();
    let config = sandbox.keyfob_home().join("config");
    let other = sandbox.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::os::unix::fs::symlink(config, other.join("config")).unwrap();
    sandbox.set("KEYFOB_HOME", &other);
    sandbox.keyfob(&["token", "acme"]).run().expect_code(2);
    // It is the same account's, and this keyfob's from now on.
    login(&sandbox, "acme").expect_success();
    assert_eq!(names(&sandbox.path().join(".cmdop")), [".gitignore", "token.json"]);
    let json = document(&sandbox, PATH);
    assert_eq!(
        json["record"]["refresh"],
        issuer.live_family().unwrap().refresh.as_str()
    );
}

#[test]
fn a_session_moves_with_the_next_login_and_leaves_nothing_behind() {
    let (sandbox, issuer) = set("store = \"file\"", "");
    login(&sandbox, "acme").expect_success();
    let first = issuer.families()[0].refresh.clone();
    assert_eq!(sandbox.files_with(&first).len(), 1);
    write(
        &sandbox,
        &issuer,
        "store = \"file\"",
        "[place]\nfile = \"~/.one/token.json\"\n",
    );
    sandbox.keyfob(&["token", "acme"]).run().expect_success();
    assert!(
        !sandbox.path().join(".one").exists(),
        "it stays where it is until a login"
    );
    login(&sandbox, "acme").expect_success();
    assert!(sandbox.files_with(&first).is_empty());
    write(
        &sandbox,
        &issuer,
        "store = \"file\"",
        "[place]\nfile = \"~/.two/token.json\"\n",
    );
    login(&sandbox, "acme").expect_success();
    assert_eq!(names(&sandbox.path().join(".one")), [".gitignore"]);
    assert_eq!(names(&sandbox.path().join(".two")), [".gitignore", "token.json"]);
    write(&sandbox, &issuer, "store = \"file\"", "");
    login(&sandbox, "acme").expect_success();
    assert_eq!(names(&sandbox.path().join(".two")), [".gitignore"]);
    sandbox.token();
}

#[test]
fn without_a_provider_file_it_can_still_be_forgotten() {
    let (sandbox, _issuer) = at("~/.cmdop/token.json");
    login(&sandbox, "acme").expect_success();
    std::fs::remove_file(sandbox.keyfob_home().join("config/providers/acme.toml")).unwrap();
    sandbox.keyfob(&["logout", "acme", "--local"]).run().expect_success();
    assert_eq!(names(&sandbox.path().join(".cmdop")), [".gitignore"]);
}

/// Another home of the same person, with the same provider file, and logged in at the same place.
fn second_home(sandbox: &Sandbox) -> PathBuf {
    let home = sandbox.path().join("second");
    let copied = sandbox.program("cp", &["-r", "keyfob", "second"]).run();
    copied.expect_success();
    home
}

fn tokens_of_both(sandbox: &Sandbox, second: &Path, valid_for: &str) -> Vec<Output> {
    let started: Vec<_> = (0..20)
        .map(|number| {
            let args = ["token", "acme", "--valid-for", valid_for];
            let run = sandbox.keyfob(&args).deadline(Duration::from_secs(90));
            let run = if number % 2 == 0 {
                run
            } else {
                run.env("KEYFOB_HOME", second)
            };
            run.spawn()
        })
        .collect();
    started.into_iter().map(Running::wait).collect()
}

#[test]
fn two_homes_with_one_place_spend_each_refresh_token_once() {
    // Once as a copy of the first home, once by a login of its own.
    for copied in [true, false] {
        let (sandbox, issuer) = at("~/.cmdop/token.json");
        issuer.script(|script| script.life_secs = 1);
        let second = if copied {
            sandbox.login(&issuer);
            second_home(&sandbox)
        } else {
            let second = second_home(&sandbox);
            sandbox.login(&issuer);
            let login = sandbox.keyfob(&["login", "acme", "--no-browser"]);
            login.env("KEYFOB_HOME", &second).run().expect_success();
            second
        };
        std::thread::sleep(Duration::from_millis(1100));
        for (generation, hours, valid_for) in [(1, 1, "1m"), (2, 4, "2h")] {
            issuer.script(|script| {
                script.before_commit = Duration::from_millis(200);
                script.life_secs = hours * 3600;
            });
            for output in tokens_of_both(&sandbox, &second, valid_for) {
                assert!(issuer.valid_access(output.expect_success().text().trim_end()));
            }
            assert_eq!(issuer.refreshes(), generation, "copied: {copied}");
            let spent = issuer.redemptions();
            assert!(spent.iter().all(|spent| spent.outcome == Outcome::Redeemed));
        }
        let directory = sandbox.path().join(".cmdop");
        assert_eq!(names(&directory), [".gitignore", "token.json"], "no lock stays");
        // A logout in one home ends it in the other.
        sandbox.keyfob(&["logout", "acme"]).run().expect_success();
        assert_eq!(names(&directory), [".gitignore"]);
        let token = sandbox.keyfob(&["token", "acme"]).env("KEYFOB_HOME", &second).run();
        token.expect_code(2);
    }
}
