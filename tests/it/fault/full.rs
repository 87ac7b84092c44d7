//! No room, no right to write: a disk that is really full, a limit on files, a directory of which one can only read.
//!
//! Security review, section 8, S5 and S6.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::time::Duration;

use super::home::{Home, assert_whole, key, stores, temporaries};
use crate::issuer::Script;
use crate::part::is_root;
use crate::sandbox::{Run, Sandbox};

/// The user that is nobody.
const NOBODY: u32 = 65534;

/// Fills the file system of a sandbox, but for so many bytes.
fn fill(sandbox: &Sandbox, left: usize) {
    let room = sandbox.write("room", &"x".repeat(left));
    let all = ["if=/dev/zero", "of=ballast", "bs=1024", "status=none"];
    let output = sandbox.program("dd", &all).run();
    assert!(output.stderr.contains("No space left"), "{}", output.stderr);
    std::fs::remove_file(room).unwrap();
}

fn make_room(sandbox: &Sandbox) {
    std::fs::remove_file(sandbox.path().join("ballast")).unwrap();
}

/// A session on a small file system, with a directory in memory beside it.
fn small(script: Script) -> Option<(Home, Sandbox)> {
    let mut sandbox = Sandbox::tiny(512)?;
    let runtime = Sandbox::new();
    std::fs::set_permissions(runtime.path(), PermissionsExt::from_mode(0o700)).unwrap();
    sandbox.set("XDG_RUNTIME_DIR", runtime.path());
    Some((Home::within(sandbox, script), runtime))
}

#[test]
fn on_a_full_disk_no_token_is_spent_and_one_that_still_lives_is_served() {
    for left in [0, 8, 60] {
        let Some((home, _runtime)) = small(Script::default()) else {
            return;
        };
        home.nearly_expire();
        fill(&home.sandbox, left * 1024);
        let served = home.token();
        assert_eq!(served.code(), 0, "{left} KiB: {}", served.stderr);
        make_room(&home.sandbox);
        home.expire();
        fill(&home.sandbox, left * 1024);
        let refused = home.token().expect_code(4);
        assert!(refused.stderr.contains("No space left"), "{}", refused.stderr);
        assert_eq!(home.issuer.refreshes(), 0, "{left} KiB");
        assert!(temporaries(&home.sandbox).is_empty(), "{left} KiB");
        make_room(&home.sandbox);
        assert_eq!(home.token().code(), 0);
        assert_eq!(home.issuer.refreshes(), 1);
        assert_whole(&home.sandbox, "once there is room");
    }
}

#[test]
fn a_disk_that_fills_up_during_the_request_still_takes_the_answer() {
    let slow = Script {
        before_commit: Duration::from_millis(700),
        ..Script::default()
    };
    let Some((home, _runtime)) = small(slow) else { return };
    home.expire();
    let renewing = home.sandbox.keyfob(&["token", "acme"]).spawn();
    while home.issuer.refreshes() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    fill(&home.sandbox, 0);
    let output = renewing.wait().expect_success();
    assert_eq!(output.stderr, "");
    assert!(home.holds_live(), "it was written into the space that was reserved");
    assert_eq!(home.token().stdout, output.stdout);
    assert_whole(&home.sandbox, "while the disk is full");
}

#[test]
fn an_answer_larger_than_the_reserve_is_kept_in_memory_until_there_is_room() {
    let slow = Script {
        before_commit: Duration::from_millis(700),
        access_token: Some("acme_canary_".repeat(5000)),
        ..Script::default()
    };
    let Some((home, runtime)) = small(slow) else { return };
    home.issuer.script(|script| {
        let long = "acme_canary_".repeat(5000);
        script.mutate = Some(std::sync::Arc::new(move |reply| {
            reply["scope"] = format!("repo {long}").into()
        }));
    });
    home.expire();
    let renewing = home.sandbox.keyfob(&["token", "acme"]).spawn();
    while home.issuer.refreshes() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    fill(&home.sandbox, 0);
    let output = renewing.wait().expect_success();
    assert!(output.stderr.contains("XDG_RUNTIME_DIR"), "{}", output.stderr);
    assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
    assert!(temporaries(&home.sandbox).is_empty());
    let again = home.token();
    assert_eq!((again.code(), &again.stdout), (0, &output.stdout), "{}", again.stderr);
    make_room(&home.sandbox);
    assert_eq!(home.token().stdout, output.stdout);
    assert!(home.holds_live(), "it came home");
    assert_eq!(home.issuer.refreshes(), 1);
    let left = std::fs::read_dir(runtime.path().join("keyfob")).unwrap().count();
    assert_eq!(left, 0, "no copy is left");
    assert_whole(&home.sandbox, "after the rescue");
}

#[test]
fn a_logout_after_a_rescue_ends_the_token_that_was_rescued() {
    let slow = Script {
        before_commit: Duration::from_millis(700),
        access_token: Some("acme_canary_".repeat(5000)),
        ..Script::default()
    };
    let Some((home, runtime)) = small(slow) else { return };
    let long = "acme_canary_".repeat(5000);
    home.issuer.script(|script| {
        script.mutate = Some(std::sync::Arc::new(move |reply| reply["scope"] = long.clone().into()));
    });
    home.expire();
    let renewing = home.sandbox.keyfob(&["token", "acme"]).spawn();
    while home.issuer.refreshes() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    fill(&home.sandbox, 0);
    renewing.wait().expect_success();
    assert!(!home.holds_live());
    let live = home.issuer.live_family().unwrap().refresh;
    home.sandbox.keyfob(&["logout", "acme"]).run().expect_success();
    assert!(
        home.issuer.revoked().contains(&live),
        "the token that lives is the one to end"
    );
    assert_eq!(std::fs::read_dir(runtime.path().join("keyfob")).unwrap().count(), 0);
    assert!(home.sandbox.files_with("canary").is_empty());
}

#[test]
fn a_limit_on_the_size_of_files_is_like_a_full_disk() {
    let home = Home::new(Script::default());
    home.expire();
    let limited = |arguments: &str| {
        let script = format!("ulimit -f 0; exec {} {arguments}", home.sandbox.keyfob_path().display());
        home.sandbox.program("sh", &["-c", &script])
    };
    let refused = limited("token acme").run().expect_code(4);
    assert!(refused.stderr.contains("File too large"), "{}", refused.stderr);
    assert_eq!(home.issuer.refreshes(), 0);
    let request = "protocol=https\nhost=new.example\nusername=ann\npassword=canary\n\n";
    assert_ne!(limited("store").stdin(request).run().code(), 0);
    limited("set-token acme --account ann --no-check")
        .stdin("acme_canary\n")
        .run()
        .expect_code(4);
    assert_whole(&home.sandbox, "under the limit");
    assert_eq!(home.token().code(), 0);
}

/// Gives a directory and all in it to nobody, with these modes.
fn give_away(path: &Path, dir: u32, file: u32) {
    let is_dir = path.is_dir();
    if is_dir {
        for entry in std::fs::read_dir(path).unwrap() {
            give_away(&entry.unwrap().path(), dir, file);
        }
    }
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(if is_dir { dir } else { file })).unwrap();
}

/// `keyfob` with these arguments as nobody.
fn as_nobody(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    // The program under test may lie where nobody cannot go.
    let copy = sandbox.path().join("keyfob-copy");
    if !copy.exists() {
        std::fs::copy(sandbox.keyfob_path(), &copy).unwrap();
    }
    let id = NOBODY.to_string();
    let mut all = vec!["--reuid", &id, "--regid", &id, "--clear-groups", "--"];
    all.push(copy.to_str().unwrap());
    all.extend(arguments);
    sandbox.program("setpriv", &all)
}

#[test]
fn where_nothing_can_be_written_what_lives_is_served_and_nothing_is_spent() {
    if !is_root() {
        return;
    }
    let home = Home::new(Script::default());
    let live = home.token();
    let read_only = || give_away(&home.sandbox.keyfob_home(), 0o500, 0o400);
    // The test itself is root and is refused another user's files.
    let ours = || {
        drop(
            home.sandbox
                .program("chown", &["-R", "0", "keyfob"])
                .run()
                .expect_success(),
        )
    };
    std::fs::set_permissions(home.sandbox.path(), PermissionsExt::from_mode(0o755)).unwrap();
    read_only();
    let token = || as_nobody(&home.sandbox, &["token", "acme"]).run();
    assert_eq!(token().expect_success().stdout, live.stdout);
    ours();
    home.nearly_expire();
    read_only();
    assert_eq!(token().expect_success().stdout, live.stdout);
    ours();
    home.expire();
    read_only();
    token().expect_code(4);
    as_nobody(&home.sandbox, &["logout", "acme", "--local"])
        .run()
        .expect_code(4);
    let request = "protocol=https\nhost=new.example\nusername=ann\npassword=canary\n\n";
    let store = as_nobody(&home.sandbox, &["store"]).stdin(request).run();
    assert_ne!(store.code(), 0);
    assert_eq!(home.issuer.refreshes(), 0);
    ours();
    assert!(stores(&home.sandbox).get(&key()).unwrap().is_some());
    assert_whole(&home.sandbox, "where nothing could be written");
}
