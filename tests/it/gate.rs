//! The per-machine gate: what is answered while it is closed, how it is opened, and what a person types.
//!
//! Kills and keychains are in `gate/crash.rs` and `gate/library.rs`, sessions at other places in `gate/place.rs`,
//! and what others do meanwhile in `gate/race.rs`. Where the kernel has no keyring for us, which is so in
//! many containers, the other road is the one that is shown, and said.

mod crash;
mod library;
mod person;
mod place;
mod race;

use std::time::Duration;

use serde_json::Value;

use crate::issuer::{Endpoint, Issuer, Script};
use crate::part::strace;
use crate::sandbox::{Output, Run, Running, Sandbox};

/// The passphrase of every gate here.
pub(crate) const PASSPHRASE: &str = "canary horse battery";

/// A guess in the program under test, which nobody has optimised, takes a third of a second with this.
const WORK: &str = "12";

const KEPT: &str = "protocol=https\nhost=kept.example\n\n";

/// What strace says of a kernel without keyrings.
const NO_KEYRING: &str = "keyctl,add_key,request_key:error=ENOSYS";

/// A home with a key of `acme`, a kept password and a session at an issuer, all of them plain files.
pub(crate) fn home() -> (Sandbox, Issuer) {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    sandbox.provider(&issuer);
    sandbox.login(&issuer);
    let text = "format = 1\n[login]\nflow = \"key\"\n[env]\nvariables = [\"OTHER_TOKEN\"]\n";
    sandbox.write_provider("other", text);
    run(&sandbox, &["set-token", "other"], "canary-other").expect_success();
    run(
        &sandbox,
        &["store"],
        &format!("{}username=ann\npassword=canary-kept\n\n", &KEPT[..KEPT.len() - 1]),
    )
    .expect_success();
    (sandbox, issuer)
}

fn run(sandbox: &Sandbox, args: &[&str], stdin: &str) -> Output {
    sandbox.keyfob(args).stdin(stdin).run()
}

pub(crate) fn set(sandbox: &Sandbox) -> Output {
    run(
        sandbox,
        &["lock", "set", "--work-factor", WORK, "--passphrase-file", "-"],
        PASSPHRASE,
    )
    .expect_success()
}

/// `keyfob unlock` with the right passphrase.
fn unlock(sandbox: &Sandbox, more: &[&str]) -> Run {
    let mut args = vec!["unlock", "--passphrase-file", "-"];
    args.extend(more);
    sandbox.keyfob(&args).stdin(PASSPHRASE)
}

/// Unlocks for all of this user's programs; false, loudly, where the kernel has no keyring for us.
fn unlock_all(sandbox: &Sandbox) -> bool {
    let output = unlock(sandbox, &["--for", "10m"]).run();
    let usable = output.code() == 0;
    if usable {
        eprintln!("the kernel's keyring has the unlocked key");
    } else {
        eprintln!(
            "there is no kernel keyring here; `unlock -- COMMAND` alone is shown: {}",
            output.stderr
        );
        output.expect_code(4);
    }
    usable
}

/// A shell that alone is unlocked, in which `$0` is keyfob.
fn unlocked(sandbox: &Sandbox, script: &str) -> Output {
    let keyfob = sandbox.keyfob_path().to_str().unwrap();
    unlock(sandbox, &["--", "sh", "-c", script, keyfob]).run()
}

fn status(sandbox: &Sandbox) -> Value {
    let output = run(sandbox, &["lock", "status", "--json"], "").expect_success();
    serde_json::from_str(output.text()).unwrap()
}

fn is_locked(output: &Output) -> bool {
    assert!(
        output.stderr.contains("keyfob unlock"),
        "`{}`: {}",
        output.name,
        output.stderr
    );
    let secret = String::from_utf8_lossy(&output.stdout).contains("canary");
    assert!(!secret, "`{}` answers", output.name);
    output.stderr.contains("this machine is locked")
}

#[test]
fn a_locked_machine_answers_nothing_whoever_asks() {
    let (mut sandbox, issuer) = home();
    sandbox.login_expired(&issuer);
    set(&sandbox);
    let asked = issuer.seen(Endpoint::Token).len();
    let acme = "protocol=https\nhost=acme.example\n\n";
    for variable in [None, Some("ACME_TOKEN"), Some("OTHER_TOKEN")] {
        if let Some(name) = variable {
            sandbox.set(name, "acme_canary");
        }
        for (args, stdin, code) in [
            (&["get"][..], KEPT, 4),
            (&["get"], acme, 4),
            (&["git", "get"], KEPT, 1),
            (&["git", "get"], acme, 1),
            (&["token", "acme"], "", 4),
            (&["token", "other"], "", 4),
            (&["print-access-token", "acme"], "", 4),
            (&["export-access-token", "other", "--shell", "bash"], "", 4),
            (&["run", "other", "--", "env"], "", 4),
            (&["whoami", "acme"], "", 4),
            (&["whoami", "other"], "", 4),
            (&["status"], "", 4),
            (&["status", "--json"], "", 4),
            (&["list"], "", 4),
            (&["mfa", "status", "acme"], "", 4),
            (&["mfa", "enroll", "acme"], "", 4),
            (&["password", "status", "acme"], "", 4),
            (&["export", "--output", "bundle"], "", 4),
            (&["import", "bundle"], "", 4),
            (&["sync", "acme", "--container", "c"], "", 4),
            (&["logout", "--all"], "", 4),
            (&["login", "acme", "--no-browser"], "", 4),
            (&["login", "other", "--with-token"], "canary-new", 4),
            (&["set-token", "other"], "canary-new", 4),
        ] {
            let output = run(&sandbox, args, stdin).expect_code(code);
            assert!(is_locked(&output), "{args:?}, {variable:?}: {}", output.stderr);
            assert!(output.stdout.is_empty(), "{args:?}");
        }
    }
    assert_eq!(issuer.seen(Endpoint::Token).len(), asked, "no issuer was asked");
    assert!(
        issuer.seen(Endpoint::Userinfo).len() <= 2,
        "nor whom a token speaks for"
    );
}

#[test]
fn docker_gets_its_failure_and_a_miss_stays_a_miss() {
    let (sandbox, _issuer) = home();
    set(&sandbox);
    for (action, stdin) in [("get", "https://kept.example"), ("list", "")] {
        let output = run(&sandbox, &["docker", action], stdin);
        assert_eq!(output.code(), 1);
        assert!(
            output.text().contains("this machine is locked") || is_locked(&output),
            "{action}"
        );
    }
    let miss = run(&sandbox, &["git", "get"], "protocol=https\nhost=nobody.example\n\n").expect_success();
    assert_eq!((miss.text(), miss.stderr.as_str()), ("", ""));
}

#[test]
fn nothing_new_is_kept_while_the_machine_is_locked() {
    let (sandbox, _issuer) = home();
    set(&sandbox);
    let before = sandbox.files();
    let request = "username=bob\npassword=canary-new\n\n";
    for host in ["kept.example", "new.example"] {
        let request = format!("protocol=https\nhost={host}\n{request}");
        let output = run(&sandbox, &["git", "store"], &request);
        assert!(is_locked(&output));
        let output = run(&sandbox, &["store"], &request).expect_code(4);
        assert!(is_locked(&output));
    }
    let records = |files: &std::collections::BTreeMap<std::path::PathBuf, Vec<u8>>| {
        let mut files = files.clone();
        files.retain(|path, _| path.to_string_lossy().contains("/records/"));
        files
    };
    assert!(records(&before) == records(&sandbox.files()));
}

#[test]
fn setting_it_seals_every_plain_record_and_clearing_it_gives_them_back() {
    let (sandbox, _issuer) = home();
    assert_eq!(sandbox.files_with("canary").len(), 3);
    let said = set(&sandbox);
    assert!(said.stderr.contains("3 records were in clear"), "{}", said.stderr);
    assert!(sandbox.files_with("canary").is_empty());
    assert_eq!(status(&sandbox)["locked"], true);
    let cleared = run(
        &sandbox,
        &["lock", "clear", "--plain", "--passphrase-file", "-"],
        PASSPHRASE,
    )
    .expect_success();
    assert!(
        cleared.stderr.contains("keyfob: warning: there is no keychain here"),
        "{}",
        cleared.stderr
    );
    assert_eq!(sandbox.files_with("canary").len(), 3);
    assert_eq!(status(&sandbox)["set"], false);
    assert!(run(&sandbox, &["get"], KEPT).text().contains("canary-kept"));
    assert!(!sandbox.token().is_empty());
    let again = run(&sandbox, &["lock", "clear"], "").expect_success();
    assert!(again.stderr.contains("has no passphrase"), "{}", again.stderr);
}

#[test]
fn without_a_keychain_it_stays_set_until_somebody_asks_for_plain_files() {
    let (sandbox, _issuer) = home();
    set(&sandbox);
    let before = sandbox.files();
    let output = run(&sandbox, &["lock", "clear", "--passphrase-file", "-"], PASSPHRASE).expect_code(4);
    assert!(
        output.stderr.contains("`keyfob lock clear --plain`"),
        "{}",
        output.stderr
    );
    let mut after = sandbox.files();
    // What a try leaves: that there was none that was wrong, and whose turn it was.
    after.retain(|path, _| before.contains_key(path));
    assert!(after == before && sandbox.files_with("canary").is_empty());
    assert_eq!(status(&sandbox)["finished"], true);
    assert!(is_locked(&run(&sandbox, &["token", "other"], "")));
}

#[test]
fn an_unlocked_machine_answers_until_it_is_locked() {
    let (sandbox, issuer) = home();
    sandbox.login_expired(&issuer);
    set(&sandbox);
    if !unlock_all(&sandbox) {
        return;
    }
    let seen = status(&sandbox);
    assert_eq!((&seen["locked"], &seen["failed"]), (&false.into(), &0.into()));
    assert!(seen["until"].is_string(), "{seen}");
    assert!(run(&sandbox, &["get"], KEPT).text().contains("canary-kept"));
    assert_eq!(
        run(&sandbox, &["token", "other"], "").expect_success().text(),
        "canary-other\n"
    );
    let before = issuer.refreshes();
    let renewed = sandbox.token();
    assert!(
        issuer.valid_access(&renewed) && issuer.refreshes() == before + 1,
        "it is renewed too"
    );
    let new = "protocol=https\nhost=new.example\nusername=ann\npassword=canary-new\n\n";
    run(&sandbox, &["store"], new).expect_success();
    assert!(sandbox.files_with("canary").is_empty(), "what is new is sealed");
    let list = run(&sandbox, &["list"], "").expect_success();
    assert_eq!(list.text().matches("  sealed  ").count(), 4, "{}", list.text());
    let closed = run(&sandbox, &["lock"], "").expect_success();
    assert_eq!(closed.stderr, "This machine is locked.\n");
    assert!(is_locked(&run(&sandbox, &["get"], KEPT)));
    assert_eq!(status(&sandbox)["locked"], true);
}

#[test]
fn an_unlocking_ends_by_itself() {
    let (sandbox, _issuer) = home();
    set(&sandbox);
    if unlock(&sandbox, &["--for", "1s"]).run().code() != 0 {
        eprintln!("there is no kernel keyring here, and so no time after which it forgets");
        return;
    }
    std::thread::sleep(Duration::from_millis(1500));
    assert!(is_locked(&run(&sandbox, &["token", "other"], "")));
}

#[test]
fn without_a_keyring_only_one_program_is_unlocked() {
    if !strace() {
        return;
    }
    let (sandbox, _issuer) = home();
    set(&sandbox);
    let output = unlock(&sandbox, &[]).injected(NO_KEYRING).run().expect_code(4);
    assert!(
        output.stderr.contains("`keyfob unlock -- COMMAND`"),
        "{}",
        output.stderr
    );
    let keyfob = sandbox.keyfob_path().to_str().unwrap();
    let script = "$0 token other && sh -c \"$0 token other\" && $0 lock status --json && exit 7";
    let output = unlock(&sandbox, &["--", "sh", "-c", script, keyfob])
        .injected(NO_KEYRING)
        .run();
    assert_eq!(output.code(), 7, "{}", output.stderr);
    assert_eq!(output.text().matches("canary-other\n").count(), 2, "{}", output.text());
    assert!(output.text().contains("\"locked\":false"), "{}", output.text());
}

#[test]
fn without_a_keyring_setting_it_says_how_it_is_opened_and_with_no_way_it_is_not_set() {
    if !strace() {
        return;
    }
    let (sandbox, _issuer) = home();
    let before = sandbox.files();
    let args = ["lock", "set", "--work-factor", WORK, "--passphrase-file", "-"];
    let set = |calls: &str| sandbox.keyfob(&args).stdin(PASSPHRASE).injected(calls).run();
    let refused = set("keyctl,add_key,request_key,memfd_create:error=ENOSYS").expect_code(4);
    assert!(
        refused.stderr.contains("nothing here can hold an unlocked key"),
        "{}",
        refused.stderr
    );
    assert!(before == sandbox.files());
    let said = set(NO_KEYRING).expect_success();
    assert!(said.stderr.contains("`keyfob unlock -- COMMAND`"), "{}", said.stderr);
}

#[test]
fn the_key_for_one_program_is_in_neither_its_environment_nor_its_arguments() {
    let (sandbox, _issuer) = home();
    set(&sandbox);
    let seen = unlocked(&sandbox, "env; cat /proc/$$/cmdline | tr '\\0' '\\n'; $0 token other");
    let seen = seen.expect_success();
    let variable = seen.text().lines().find(|line| line.starts_with("KEYFOB_UNLOCKED="));
    let number = variable.unwrap().strip_prefix("KEYFOB_UNLOCKED=").unwrap();
    assert!(number.parse::<u32>().is_ok(), "{number}");
    let key = |line: &str| line.split(['=', ' ']).any(|word| word.len() == 64);
    assert!(!seen.text().lines().any(key), "{}", seen.text());
    assert!(seen.text().ends_with("canary-other\n"));
    // Nobody beside it is unlocked, and who closes the descriptor is locked again.
    assert!(is_locked(&run(&sandbox, &["token", "other"], "")));
    let closed = unlocked(&sandbox, &format!("exec {number}<&-; $0 token other")).expect_code(4);
    assert!(is_locked(&closed));
}

#[test]
fn a_descriptor_that_is_not_ours_opens_nothing() {
    let (sandbox, _issuer) = home();
    set(&sandbox);
    let (stranger, _other) = home();
    set(&stranger);
    for number in ["0", "1", "2", "99", "-1", "4294967296", "three", " 3"] {
        let output = sandbox
            .keyfob(&["token", "other"])
            .env("KEYFOB_UNLOCKED", number)
            .run()
            .expect_code(4);
        assert!(is_locked(&output), "{number}");
    }
    // Of another gate, which would seal what nobody here can open.
    let home = sandbox.keyfob_home();
    let script = format!("KEYFOB_HOME={} $0 set-token other <&-", home.display());
    let output = unlocked(&stranger, &script).expect_code(4);
    assert!(is_locked(&output));
}

#[test]
fn fifty_that_ask_while_the_machine_is_locked_all_get_their_miss() {
    let (sandbox, _issuer) = home();
    set(&sandbox);
    let ask = |_| {
        sandbox
            .keyfob(&["git", "get"])
            .stdin(KEPT)
            .deadline(Duration::from_secs(60))
            .spawn()
    };
    let started: Vec<Running> = (0..50).map(ask).collect();
    for output in started.into_iter().map(Running::wait) {
        assert!(output.code() == 1 && is_locked(&output));
    }
}

#[test]
fn fifty_that_ask_while_it_is_unlocked_get_the_secret_or_their_miss() {
    let (sandbox, _issuer) = home();
    set(&sandbox);
    let opening = unlock(&sandbox, &["--for", "10m"])
        .deadline(Duration::from_secs(60))
        .spawn();
    let ask = |_| {
        sandbox
            .keyfob(&["git", "get"])
            .stdin(KEPT)
            .deadline(Duration::from_secs(60))
            .spawn()
    };
    let started: Vec<Running> = (0..50).map(ask).collect();
    let usable = opening.wait().code() == 0;
    for output in started.into_iter().map(Running::wait) {
        let found = output.code() == 0 && output.text().contains("password=canary-kept");
        assert!(
            (found && usable) || (output.code() == 1 && is_locked(&output)),
            "{}",
            output.stderr
        );
    }
    run(&sandbox, &["lock"], "").expect_success();
}

#[test]
fn a_session_can_be_forgotten_unread_where_its_account_is_named() {
    let (sandbox, issuer) = home();
    set(&sandbox);
    let output = run(&sandbox, &["logout", "acme"], "").expect_code(4);
    assert!(
        output.stderr.contains("`keyfob logout acme:ACCOUNT`"),
        "{}",
        output.stderr
    );
    let output = run(&sandbox, &["logout", "acme:ann"], "").expect_success();
    assert!(
        output.stderr.contains("could not be read; the issuer was not told"),
        "{}",
        output.stderr
    );
    assert!(issuer.revoked().is_empty());
    run(
        &sandbox,
        &["lock", "clear", "--plain", "--passphrase-file", "-"],
        PASSPHRASE,
    )
    .expect_success();
    run(&sandbox, &["token", "acme"], "").expect_code(2);
    run(&sandbox, &["token", "other"], "").expect_success();
}

#[test]
fn a_gate_that_cannot_be_understood_opens_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let (sandbox, _issuer) = home();
    set(&sandbox);
    let place = sandbox.keyfob_home().join("data/gate.json");
    let whole = std::fs::read_to_string(&place).unwrap();
    for bad in [
        String::new(),
        "{}".into(),
        whole[..whole.len() / 2].into(),
        whole.replace("\"format\":1", "\"format\":2"),
        whole.replace("\"work\":12", "\"work\":40"),
        whole.replace("\"work\":12", "\"work\":1"),
        whole.replace("\"stage\":\"set\"", "\"stage\":\"ajar\""),
    ] {
        std::fs::write(&place, &bad).unwrap();
        for args in [
            &["token", "other"][..],
            &["status"],
            &["lock", "status"],
            &["lock", "clear"],
        ] {
            run(&sandbox, args, "").expect_code(4);
        }
        unlock(&sandbox, &[]).run().expect_code(4);
        assert_eq!(std::fs::read_to_string(&place).unwrap(), bad, "it is left alone");
    }
    std::fs::write(&place, &whole).unwrap();
    std::fs::set_permissions(&place, PermissionsExt::from_mode(0o622)).unwrap();
    run(&sandbox, &["token", "other"], "").expect_code(4);
}

#[test]
fn without_a_gate_a_stored_answer_looks_for_one_once_and_locks_nothing() {
    if !strace() {
        return;
    }
    let (sandbox, _issuer) = home();
    for (args, stdin) in [(&["token", "acme"][..], ""), (&["git", "get"], KEPT)] {
        // It meddles with a call that nobody makes.
        let run = sandbox
            .keyfob(args)
            .stdin(stdin)
            .injected("openat,newfstatat,statx,access,flock,sync:error=EIO:when=9999");
        run.run().expect_success();
        let seen = std::fs::read_to_string(sandbox.path().join("strace.log")).unwrap();
        let looks: Vec<&str> = seen.lines().filter(|line| line.contains("gate")).collect();
        assert!(
            matches!(looks[..], [look] if look.contains("gate.json") && look.contains("ENOENT")),
            "{args:?}: {looks:?}"
        );
        assert!(seen.contains("records") && !seen.contains("/locks"), "{args:?}: {seen}");
    }
}
