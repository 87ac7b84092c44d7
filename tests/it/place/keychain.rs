//! The keychain beside a bus that the test holds: when it is asked, when it is not, and what takes its place.
//!
//! `tests/real/keychain.sh` has the same with a real keychain.

use std::os::unix::net::UnixListener;

use super::{login, names, set, slots};
use crate::sandbox::Sandbox;

/// A session bus on which nobody answers; it counts who comes.
struct Bus {
    listener: UnixListener,
}

impl Bus {
    /// Made before the programs of the sandbox, which know it from then on.
    fn start(sandbox: &mut Sandbox) -> Bus {
        let path = sandbox.path().join("bus");
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        sandbox.set("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", path.display()));
        sandbox.unset("KEYFOB_KEYCHAIN");
        Bus { listener }
    }

    /// How many have come since the last time; each is sent away.
    fn visits(&self) -> usize {
        std::iter::from_fn(|| self.listener.accept().ok()).count()
    }
}

/// Ends with a session at the store `keychain` that went to a file, since nobody answers.
const PLACE: &str = "[place]\nservice = \"vault-marketplace\"\nvalue = \"refresh\"\nfile = \"~/.acme/credentials\"\n";

#[test]
#[cfg(target_os = "linux")]
fn a_variable_that_is_set_keeps_everybody_from_the_keychain() {
    let (mut sandbox, _issuer) = set("store = \"keychain\"", PLACE);
    let bus = Bus::start(&mut sandbox);
    sandbox.set("ACME_TOKEN", "canary-of-a-step");
    for args in [
        &["token", "acme"][..],
        &["print-access-token", "acme"],
        &["export-access-token", "acme", "--shell", "bash"],
        &["status"],
        &["list"],
        &["run", "acme", "--", "true"],
    ] {
        sandbox.keyfob(args).run().expect_success();
        assert_eq!(bus.visits(), 0, "{args:?}");
    }
    for tool in ["get", "git"] {
        let args = if tool == "get" { vec!["get"] } else { vec!["git", "get"] };
        let request = "protocol=https\nhost=acme.example\n\n";
        sandbox.keyfob(&args).stdin(request).run();
        assert_eq!(bus.visits(), 0, "{tool}");
    }
    // The bus is one that would be asked.
    sandbox.unset("ACME_TOKEN");
    login(&sandbox, "acme");
    assert!(bus.visits() > 0);
}

#[test]
fn a_keychain_that_is_away_is_replaced_by_the_file_with_a_warning_each_time() {
    let (sandbox, issuer) = set("store = \"keychain\"\npersist = \"refresh\"", PLACE);
    for _ in 0..2 {
        let output = login(&sandbox, "acme").expect_success();
        let warnings = output
            .stderr
            .matches("keyfob: warning: the keychain is unavailable")
            .count();
        assert_eq!(warnings, 1, "{}", output.stderr);
        assert!(output.stderr.contains(".acme/credentials"), "{}", output.stderr);
    }
    assert_eq!(names(&sandbox.path().join(".acme")), [".gitignore", "credentials"]);
    // A tool's call says nothing of it, also where it writes.
    let token = sandbox.keyfob(&["token", "acme"]).run().expect_success();
    assert!(token.stderr.is_empty() && issuer.valid_access(token.text().trim_end()));
    let status = sandbox.keyfob(&["status"]).run().expect_success();
    assert!(status.text().contains("not encrypted"), "{}", status.text());
    sandbox.keyfob(&["logout", "acme"]).run().expect_success();
    assert!(slots(&sandbox).is_empty());
    assert_eq!(names(&sandbox.path().join(".acme")), [".gitignore"]);
}

#[test]
fn without_a_place_for_a_file_the_slot_is_one() {
    let (sandbox, issuer) = set("store = \"keychain\"", "[place]\nservice = \"vault-marketplace\"\n");
    login(&sandbox, "acme").expect_success();
    assert_eq!(sandbox.files_with(&issuer.families()[0].refresh).len(), 1);
    assert!(issuer.valid_access(&sandbox.token()));
}

/// A dialog of the keychain may take a minute, in which a tool waits; a call that opens none gives up within seconds.
#[test]
#[cfg(target_os = "linux")]
fn a_tools_call_opens_no_dialog_also_where_a_person_sits() {
    let mut sandbox = Sandbox::new();
    let target = "[[target]]\nurl = \"https://acme.example\"\n";
    let text = format!("format = 1\nstore = \"keychain\"\n[login]\nflow = \"static\"\n{target}");
    sandbox.write_provider("acme", &text);
    let bus = Bus::start(&mut sandbox);
    sandbox.write(
        "request",
        "protocol=https\nhost=acme.example\nusername=ann\npassword=canary-1\n\n",
    );
    let command = format!("{} git store < request", sandbox.keyfob_path().display());
    let run = sandbox.program("script", &["-qec", &command, "/dev/null"]).stdin_held();
    run.deadline(std::time::Duration::from_secs(45)).run().expect_success();
    assert!(bus.visits() > 0, "the keychain was not asked");
    assert_eq!(slots(&sandbox).len(), 1, "it is kept in a file");
}
