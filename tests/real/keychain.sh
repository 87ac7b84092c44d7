#!/usr/bin/env bash
# keyfob beside a real keychain in private session buses: unlocked, locked, absent, and one that never answers.
# It knows the Secret Service and the kernel's keyring by their tools; of keyfob's files only that a slot's first line names
# its store. It must not know how a record is sealed.
# By hand: KEYFOB=target/debug/keyfob tests/real/keychain.sh

# Programs given to an inner shell expand there.
# shellcheck disable=SC2016
# shellcheck source=../../.ci/lib.sh
. "$(dirname "$0")/../../.ci/lib.sh"
need gnome-keyring-daemon gnome-keyring dbus-run-session dbus keyctl keyutils python3 python3 secret-tool libsecret-tools
PYTHON=
for candidate in python3 /usr/bin/python3; do
    "$candidate" -c 'import dbus, dbus.service' 2>/dev/null && PYTHON=$candidate && break
done
if [[ -z $PYTHON ]]; then
    need /usr/lib/python3/dist-packages/dbus/__init__.py python3-dbus
    PYTHON=/usr/bin/python3
fi
make_work keychain
lay_out_keyfob
unset KEYFOB_KEYCHAIN

SECRET=canary-keychain-$RANDOM$RANDOM
ASK=$'protocol=https\nhost=kept.example\n\n'
GIVE=$'protocol=https\nhost=kept.example\nusername=ann\npassword='$SECRET$'\n\n'
export HOME=$WORK/home XDG_RUNTIME_DIR=$WORK/run
mkdir -p "$HOME" "$XDG_RUNTIME_DIR"
chmod 700 "$HOME" "$XDG_RUNTIME_DIR"

# Only keys that keyfob cached are forgotten; whatever else lies in the keyring is not ours.
forget_cache() {
    local id
    while read -r id; do
        keyctl unlink "0x$id" @u || keyctl unlink "0x$id" @s || keyctl revoke "0x$id" || true
    done < <(awk '/ keyfob:/ { print $1 }' /proc/keys) 2>/dev/null >&2
}

# Runs a command, then ends the daemon that this bus knows as the keychain: it would outlive the bus.
with_keychain() {
    local status=0 id
    "$@" || status=$?
    id=$(dbus-send --session --print-reply --dest=org.freedesktop.DBus / \
        org.freedesktop.DBus.GetConnectionUnixProcessID string:org.freedesktop.secrets | awk '/uint32/ { print $2 }')
    [[ -z $id ]] || kill "$id"
    return $status
}

# Sets up one kind of session around a command: `session KIND command …`. The keychain's own files outlive the session.
session() {
    local kind=$1
    shift
    case $kind in
    unlocked) dbus-run-session -- bash -c '
        printf %s keychain-passphrase | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1 &&
            with_keychain "$@"' - "$@" ;;
    # A daemon that nobody gave the passphrase: the collection exists and is locked.
    locked) dbus-run-session -- bash -c '
        gnome-keyring-daemon --start --components=secrets >/dev/null 2>&1 </dev/null
        with_keychain "$@"' - "$@" ;;
    # Nothing on the bus that could be started either.
    no-service) dbus-run-session --config-file="$WORK/bare-bus.conf" -- "$@" ;;
    no-bus) env -u DBUS_SESSION_BUS_ADDRESS DISPLAY= "$@" ;;
    # The mark of an earlier stub would be taken for this one's.
    silent) rm -f "$WORK/silent.ready"
        dbus-run-session --config-file="$WORK/bare-bus.conf" -- bash -c '
        "$0" "$1" & stub=$!
        for _ in $(seq 100); do [[ -e $2 ]] && break; sleep 0.1; done
        status=0; "${@:3}" || status=$?
        kill $stub; exit $status' "$PYTHON" "$WORK/silent.py" "$WORK/silent.ready" "$@" ;;
    esac
}

# For the shell below `timeout`, which starts programs only.
export -f session with_keychain
export WORK PYTHON

write_parts() {
    cat >"$WORK/bare-bus.conf" <<'EOF'
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:tmpdir=/tmp</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
EOF
    cat >"$WORK/silent.py" <<EOF
# Owns the Secret Service's name and answers nothing.
import pathlib, time, dbus, dbus.bus
bus = dbus.SessionBus()
bus.request_name('org.freedesktop.secrets', dbus.bus.NAME_FLAG_DO_NOT_QUEUE)
pathlib.Path('$WORK/silent.ready').touch()
time.sleep(120)
EOF
}

# `timed SECONDS command …`: runs it, keeps its stdout in $WORK/out, and fails when it took longer. The command itself puts
# keyfob's stderr into $WORK/err: the bus and the keychain write to the common one.
timed() {
    local limit=$1 from now
    shift
    from=$(date +%s%N)
    STATUS=0
    : >"$WORK/err"
    timeout 30 bash -c '"$@"' - "$@" >"$WORK/out" 2>"$WORK/session.err" || STATUS=$?
    now=$(date +%s%N)
    TOOK_MS=$(((now - from) / 1000000))
    if ((TOOK_MS > limit * 1000)); then
        echo "took $TOOK_MS ms, status $STATUS"
        cat "$WORK/err"
        return 1
    fi
}

# The session's own start costs up to a second here; it is allowed for.
give() {
    if timed 6 session "$1" sh -c 'printf %s "$0" | keyfob store 2>"$WORK/err"' "$GIVE" && [[ $STATUS == 0 && ! -s $WORK/out ]]; then
        return 0
    fi
    echo "status $STATUS after $TOOK_MS ms"
    cat "$WORK/out" "$WORK/err"
    return 1
}
ask() { timed "${2:-4}" session "$1" sh -c 'printf %s "$0" | keyfob get 2>"$WORK/err"' "$ASK"; }
answers() { ask "$1" "${2:-4}" && [[ $STATUS == 0 ]] && grep -qx "password=$SECRET" "$WORK/out"; }
# Nothing on stdout, a status that says so, and the secret nowhere.
declines() {
    if ask "$1" && [[ $STATUS != 0 && ! -s $WORK/out ]] && ! holds_canary "$WORK/err"; then return 0; fi
    echo "status $STATUS after $TOOK_MS ms"
    cat "$WORK/out" "$WORK/err"
    return 1
}

slots() { find "$KEYFOB_HOME/data/records" -type f 2>/dev/null || true; }
stored_in() { slots | head -n 1 | xargs -d '\n' head -n 1 | grep -q "\"store\" *: *\"$1\""; }
fingerprint() { slots | sort | xargs -d '\n' sha256sum; }
untouched() { [[ $(fingerprint) == "$BEFORE" ]]; }
hidden() { ! holds_canary "$KEYFOB_HOME" "$XDG_RUNTIME_DIR"; }
only_mine() { [[ -z $(find "$KEYFOB_HOME" -type f -perm /077) ]]; }

new_home() { export KEYFOB_HOME=$WORK/keyfob-$1; forget_cache; }

write_parts
say "the keychain is unlocked"
new_home unlocked
ok 'a new credential is stored' give unlocked
ok 'sealed' stored_in sealed
ok 'no file holds it in plain text' hidden
ok 'nobody else may read a file' only_mine
BEFORE=$(fingerprint)
ok 'get answers' answers unlocked
forget_cache
ok 'get answers after the cached data key is gone' answers unlocked

say "the same record later"
for kind in locked no-service no-bus silent; do
    forget_cache
    ok "$kind: get gives nothing, in time, and leaks nothing" declines "$kind"
    sed 's/^/    keyfob says: /' "$WORK/err"
    ok "$kind: the record is untouched" untouched
done
forget_cache
ok 'unlocked again: get answers' answers unlocked
ok 'no bus, but the data key is in the kernel'\''s keyring: get answers' answers no-bus 2
ok 'no bus: a new value for the sealed record stays sealed' give no-bus
ok 'it is still sealed' stored_in sealed
ok 'and still hidden' hidden

for kind in locked no-service no-bus silent; do
    say "a new record while the keychain is: $kind"
    new_home "$kind"
    ok "$kind: a new credential is stored in time" give "$kind"
    ok "$kind: in a plain file, since no keychain answers" stored_in file
    ok "$kind: which nobody else may read" only_mine
    ok "$kind: a tool's call says nothing about it" test ! -s "$WORK/err"
    ok "$kind: get answers, without asking any keychain" answers "$kind"
    ok "$kind: and answers alike when the keychain is back" answers unlocked
done
forget_cache

# The store of the keychain's own items: a key in one of them, under names that a provider file fixes.
provider() {
    mkdir -p "$KEYFOB_HOME/config/providers"
    chmod -R go-w "$KEYFOB_HOME"
    printf 'format = 1\nstore = "keychain"\n[login]\nflow = "key"\n[env]\nvariables = ["ACME_TOKEN"]\n%s\n' "$1" \
        >"$KEYFOB_HOME/config/providers/acme.toml"
}
# `in_session KIND SECONDS command …`: the command's stderr goes to $WORK/err.
in_session() { timed "$2" session "$1" sh -c '"$@" 2>"$WORK/err"' - "${@:3}"; }
keep() { in_session "$1" 6 sh -c 'printf %s "$0" | keyfob set-token acme:ann' "${2:-$SECRET}"; }
kept() { keep "$@" && [[ $STATUS == 0 ]]; }
gives() { in_session "$1" 4 keyfob token acme && [[ $STATUS == 0 && $(cat "$WORK/out") == "${2:-$SECRET}" ]]; }
refuses() { in_session "$1" 4 "${@:4}" && [[ $STATUS == "$2" && ! -s $WORK/out ]] && grep -q "$3" "$WORK/err"; }
item() { in_session unlocked 6 secret-tool lookup service "$1" username "$2"; }
lists() { in_session "$1" 4 keyfob status && [[ $STATUS == 0 ]] && grep -q 'vault-marketplace' "$WORK/out"; }

say "a session in an item of the keychain"
new_home items
provider $'[place]\nservice = "vault-marketplace"\naccount = "{account}"\nvalue = "refresh"'
ok 'a key is kept' kept unlocked
ok 'in the keychain' stored_in keychain
ok 'and in no file' hidden
ok 'another program reads it under the fixed names' item vault-marketplace ann
ok 'it is the key and nothing else' test "$(cat "$WORK/out")" = "$SECRET"
ok 'token gives it' gives unlocked
BEFORE=$(fingerprint)
for kind in locked no-service no-bus silent; do
    case $kind in
    locked) message='the keychain is locked' ;;
    silent) message='the keychain does not answer' ;;
    *) message='there is no keychain here' ;;
    esac
    ok "$kind: token says so in time" refuses "$kind" 4 "$message" keyfob token acme
    sed 's/^/    keyfob says: /' "$WORK/err"
    ok "$kind: a logout that cannot reach it forgets nothing" refuses "$kind" 4 "$message" keyfob logout acme:ann --local
    ok "$kind: status asks no keychain" lists "$kind"
    ok "$kind: the slot is untouched" untouched
    export ACME_TOKEN=canary-variable
    ok "$kind: a variable is answered at once" gives "$kind" canary-variable
    unset ACME_TOKEN
done
ok 'unlocked again: token gives it' gives unlocked
LONG=canary-$(head -c 45000 /dev/urandom | base64 -w 0 | tr -d '+/=')
ok 'a long key is kept' kept unlocked "$LONG"
ok 'whole' gives unlocked "$LONG"
ok 'a person removes the item in the keychain' in_session unlocked 6 secret-tool clear service vault-marketplace username ann
ok 'and the session is over' refuses unlocked 2 'was removed' keyfob token acme
ok 'another login' kept unlocked
ok 'logout' in_session unlocked 6 keyfob logout acme --local
ok 'removes the item' eval 'item vault-marketplace ann; [[ $STATUS != 0 && ! -s $WORK/out ]]'
ok 'and the slot' test -z "$(slots)"

say "a whole session under a name of its own"
new_home record
provider ''
ok 'a key is kept' kept unlocked
ok 'in the keychain' stored_in keychain
ok 'as JSON' eval 'item keyfob acme:ann && "$PYTHON" -c "import json, sys; json.load(sys.stdin)[\"record\"]" <"$WORK/out"'
ok 'token gives it' gives unlocked
ok 'logout' in_session unlocked 6 keyfob logout acme --local
ok 'removes the item' eval 'item keyfob acme:ann; [[ $STATUS != 0 ]]'

say "a new session while the keychain is away"
for kind in no-service no-bus silent; do
    new_home "items-$kind"
    provider $'[place]\nservice = "vault-marketplace"\nfile = "~/.acme/credentials"'
    ok "$kind: it goes to the file" kept "$kind"
    ok "$kind: with a warning" grep -q 'warning: the keychain is unavailable' "$WORK/err"
    ok "$kind: at its place" grep -q "$SECRET" "$HOME/.acme/credentials"
    ok "$kind: token gives it" gives "$kind"
    ok "$kind: also when the keychain is back" gives unlocked
    ok "$kind: the next login goes to the keychain" kept unlocked
    ok "$kind: and the file is gone" test ! -e "$HOME/.acme/credentials"
    ok "$kind: logout" in_session unlocked 6 keyfob logout acme --local
done
new_home items-locked
provider ''
ok 'locked: a key is not put elsewhere' eval 'keep locked && [[ $STATUS == 4 ]]'
ok 'locked: and nothing is kept' test -z "$(slots)"
forget_cache
finish
