#!/usr/bin/env bash
# Many keyfobs at once on one expired session whose record is sealed with a key in a real keychain, in a private session bus.
# It makes the session; what must hold is tests/it/fault/storm.rs, which has the issuer. It must not know keyfob's files.
# By hand: tests/real/sealed-storm.sh

# Programs given to an inner shell expand there.
# shellcheck disable=SC2016
# shellcheck source=../../.ci/lib.sh
. "$(dirname "$0")/../../.ci/lib.sh"
need gnome-keyring-daemon gnome-keyring dbus-run-session dbus keyctl keyutils
make_work sealed-storm
unset KEYFOB_KEYCHAIN
export XDG_RUNTIME_DIR=$WORK/run
mkdir -p "$WORK/home" "$XDG_RUNTIME_DIR"
chmod 700 "$WORK/home" "$XDG_RUNTIME_DIR"
cd "$ROOT"

# Runs a command in a session with an unlocked keychain, then ends its daemon, which would outlive the bus.
in_session() {
    dbus-run-session -- bash -c '
        printf %s keychain-passphrase | HOME=$WORK/home gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1
        status=0
        "$@" || status=$?
        id=$(dbus-send --session --print-reply --dest=org.freedesktop.DBus / \
            org.freedesktop.DBus.GetConnectionUnixProcessID string:org.freedesktop.secrets | awk "/uint32/ { print \$2 }")
        [[ -z $id ]] || kill "$id"
        exit $status' - "$@"
}

storm() {
    export RUST_BACKTRACE=0
    export KEYFOB_REAL_KEYCHAIN=1 WORK
    in_session cargo test --locked --test it -- fault::storm --nocapture --test-threads=1 2>&1 | tee "$WORK/storm.log"
    grep -q '^test result: ok. 3 passed' "$WORK/storm.log"
}

figures() { grep -ho 'store sealed.*' "$WORK/storm.log"; }

ok 'one request each time, and the same token for all' storm
figures
finish
