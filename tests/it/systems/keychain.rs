//! A keychain of the test's own: the Secret Service on a bus that lives as long as one line of a shell.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::program::{Call, Program};

/// How the keychain of a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keychain {
    /// Unlocked, as after a person has logged in to the desktop.
    Open,
    /// Nobody has unlocked it.
    Locked,
    /// Unlocked, and this user's programs may not ask it: the bus refuses.
    Denied,
}

/// Runs `$LINE` where a keychain answers that nobody else has; its files stay in the home.
const SCRIPT: &str = r#"
unset KEYFOB_KEYCHAIN
if [ "$UNLOCK" ]; then
    printf %s passphrase | gnome-keyring-daemon --foreground --unlock --components=secrets >/dev/null 2>&1 &
else
    gnome-keyring-daemon --foreground --components=secrets >/dev/null 2>&1 </dev/null &
fi
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

/// A bus on which nobody may speak to a keychain.
const DENYING: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:tmpdir=/tmp</listen>
  <policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
    <deny send_destination="org.freedesktop.secrets"/>
  </policy>
</busconfig>
"#;

/// A line for a shell beside such a keychain; none where this machine has no keychain to start.
pub fn call(program: &Program, keychain: Keychain, line: &str) -> Option<Call> {
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
    let config = program.sandbox.write("bus.conf", DENYING);
    let config = format!("--config-file={}", config.display());
    let mut args = vec!["--", "sh", "-c", SCRIPT];
    if keychain == Keychain::Denied {
        args.insert(0, &config);
    }
    let run = program.sandbox.program("dbus-run-session", &args);
    let run = run.env("LINE", line).env("XDG_RUNTIME_DIR", runtime);
    let unlock = if keychain == Keychain::Locked { "" } else { "yes" };
    Some(Call {
        run: run.env("UNLOCK", unlock).deadline(Duration::from_secs(120)),
        shown: line.into(),
        words: program.words.clone(),
    })
}
