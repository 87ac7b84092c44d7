//! A keychain of the test's own: the Secret Service on a bus that lives as long as one line of a shell.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::program::{Call, Program};

/// Runs `$LINE` where a keychain answers that nobody else has, unlocked; its files stay in the home.
const SCRIPT: &str = r#"
unset KEYFOB_KEYCHAIN
printf %s passphrase | gnome-keyring-daemon --foreground --unlock --components=secrets >/dev/null 2>&1 &
keychain=$!
tries=0
until dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner \
    string:org.freedesktop.secrets 2>/dev/null | grep -q 'boolean true'; do
    tries=$((tries + 1))
    [ $tries -lt 600 ] || break
    sleep 0.05
done
sh -c "$LINE"
status=$?
kill $keychain
exit $status
"#;

/// A line for a shell beside a keychain; none where this machine has no keychain to start.
pub fn call(program: &Program, line: &str) -> Option<Call> {
    let there = |name: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|directory| directory.join(name).exists())
    };
    if !["dbus-run-session", "dbus-send", "gnome-keyring-daemon"]
        .iter()
        .all(|name| there(name))
    {
        return None;
    }
    let runtime = program.sandbox.path().join("run");
    std::fs::create_dir_all(&runtime).unwrap();
    std::fs::set_permissions(&runtime, std::fs::Permissions::from_mode(0o700)).unwrap();
    let run = program.sandbox.program("dbus-run-session", &["--", "sh", "-c", SCRIPT]);
    let run = run.env("LINE", line).env("XDG_RUNTIME_DIR", runtime);
    Some(Call {
        run: run.deadline(Duration::from_secs(120)),
        shown: line.into(),
        words: program.words.clone(),
    })
}
