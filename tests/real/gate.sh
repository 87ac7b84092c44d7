#!/usr/bin/env bash
# The passphrase of a machine, with the real kernel keyring, git and docker: unlocked until the time runs out, guessed,
# asked by fifty at once, and killed while it is set.
# It knows the kernel's keyring by its tool; of keyfob's files only that a record in clear shows its secret. It must not know
# how a key is wrapped.
# By hand: KEYFOB=target/debug/keyfob tests/real/gate.sh

# Programs given to an inner shell expand there.
# shellcheck disable=SC2016
# shellcheck source=../../.ci/lib.sh
. "$(dirname "$0")/../../.ci/lib.sh"
need keyctl keyutils git git docker docker.io python3 python3
make_work gate
lay_out_keyfob
export HOME=$WORK/home KEYFOB_KEYCHAIN=off
mkdir -p "$HOME"

PASSPHRASE='canary horse battery'
ASK=$'protocol=https\nhost=kept.example\n\n'

# `new_home NAME`: a home with three records in clear.
new_home() {
    export KEYFOB_HOME=$WORK/$1
    mkdir -p "$KEYFOB_HOME/config/providers"
    printf 'format = 1\n[login]\nflow = "key"\n[env]\nvariables = ["ACME_TOKEN"]\n' >"$KEYFOB_HOME/config/providers/acme.toml"
    chmod -R go-rwx "$KEYFOB_HOME"
    printf 'canary-key' | keyfob set-token acme 2>/dev/null
    local host
    for host in kept other; do
        printf 'protocol=https\nhost=%s.example\nusername=ann\npassword=canary-%s\n\n' "$host" "$host" | keyfob store
    done
}
# `typed PASSPHRASE command …`: what it says is in out and err, its status in STATUS.
typed() {
    local passphrase=$1
    shift
    STATUS=0
    printf '%s\n' "$passphrase" | "$@" >"$WORK/out" 2>"$WORK/err" || STATUS=$?
    cat "$WORK/out" "$WORK/err"
}
set_it() { typed "$PASSPHRASE" keyfob lock set --work-factor 12 --passphrase-file -; }
unlock() { typed "$PASSPHRASE" keyfob unlock --passphrase-file - "$@"; }
done_well() { "$@" && ((STATUS == 0)); }
ends() {
    local code=$1
    shift
    "$@"
    ((STATUS == code))
}
says() { grep -qF -- "$1" "$WORK/err"; }
kept() { [[ $(keyfob get <<<"$ASK" 2>/dev/null) == *password=canary-kept* ]]; }
# Refused with 4 and the command to run, and nothing on stdout.
locked() {
    local way=${1:-keyfob unlock} status=0
    keyfob get <<<"$ASK" >"$WORK/out" 2>"$WORK/err" || status=$?
    cat "$WORK/err"
    ((status == 4)) && [[ ! -s $WORK/out ]] && says 'this machine is locked' && says "$way"
}
in_clear() { holds_canary "$KEYFOB_HOME/data/records"; }
# The kernel's keyring may be closed to us, as it is in many containers; then only `unlock -- COMMAND` is shown.
has_keyring() { keyctl add user "keyfob-gate-sh:$$" try @u >/dev/null 2>&1 && keyctl purge user "keyfob-gate-sh:$$" >/dev/null 2>&1; }

setting() {
    new_home set
    ok 'records are in clear before' in_clear
    ok 'the passphrase is set' done_well set_it
    ok 'and none is after' fails in_clear
    ok 'nothing is answered' locked
    ok 'not from a variable either' eval 'ACME_TOKEN=canary-variable typed "" keyfob token acme; ((STATUS == 4)) && [[ ! -s $WORK/out ]]'
    ok 'one program is unlocked' done_well unlock -- keyfob token acme
    ok 'and has its token' grep -qx canary-key "$WORK/out"
    ok 'nobody beside it' locked
}

keyring() {
    if ! has_keyring; then
        skip 'unlocking for everybody' 'the kernel keeps no keys for us here'
        ok 'then unlocking for everybody is refused, with the other way' eval 'ends 4 unlock && says "keyfob unlock -- COMMAND"'
        return
    fi
    ok 'unlocked for two seconds' done_well unlock --for 2s
    ok 'everybody is answered' kept
    ok 'the key is in the keyring of the kernel' eval 'keyctl show @u 2>/dev/null | grep -q "keyfob:"'
    ok 'until the time has run out' await locked
    ok 'unlocked for an hour' done_well unlock --for 1h
    ok 'everybody is answered again' kept
    ok 'whatever clock somebody has' eval 'typed "" keyfob lock status && grep -q unlocked "$WORK/out"'
    ok 'locked at once' eval 'keyfob lock 2>/dev/null && locked'
    unlock --for 1h >/dev/null
    ok 'taking it away forgets the key' eval 'done_well typed "$PASSPHRASE" keyfob lock clear --plain --passphrase-file - && ! keyctl show @u 2>/dev/null | grep -q "keyfob-until:"'
    ok 'and everybody is answered' kept
    ok 'it is set again' done_well set_it
}

tools() {
    ok 'git is refused, and goes on to its own failure' eval '
        typed "$ASK" git -c credential.helper="!keyfob git" credential fill; ((STATUS != 0)) && says "this machine is locked" && ! says canary'
    ok 'a clone does not hang, nor ask' eval '
        typed "" timeout 20 git -c credential.helper="!keyfob git" clone "http://127.0.0.1:$PORT/x.git" "$WORK/clone"
        ((STATUS != 0 && STATUS != 124)) && says "this machine is locked"'
    mkdir -p "$WORK/docker"
    printf '{"credsStore":"keyfob"}' >"$WORK/docker/config.json"
    ok 'a docker login is told that its password cannot be kept' eval '
        typed canary-docker timeout 20 docker --config "$WORK/docker" login --username ann --password-stdin "localhost:$PORT"
        ((STATUS != 0 && STATUS != 124)) && says "this machine is locked"'
    ok 'and nothing has it' fails holds_canary "$WORK/docker" "$KEYFOB_HOME/data/records"
    ok 'its helper says why' eval 'typed https://kept.example docker-credential-keyfob get
        ((STATUS == 1)) && cat "$WORK/out" "$WORK/err" | grep -q "this machine is locked"'
}

# A server that asks for a password at every path, and takes any.
start_server() {
    PORT=$(free_port)
    serve server python3 -c "
import http.server
class Ask(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if 'Authorization' in self.headers else 401); self.send_header('WWW-Authenticate', 'Basic realm=\"x\"'); self.send_header('Content-Length', '0'); self.end_headers()
http.server.ThreadingHTTPServer(('127.0.0.1', $PORT), Ask).serve_forever()"
    await bash -c "exec 3<>/dev/tcp/127.0.0.1/$PORT" || die 'the server did not start'
    # Locked before it is asked: whose credential it would be does not matter then.
    printf 'format = 1\n[login]\nflow = "key"\n[[target]]\nurl = "http://127.0.0.1:%s"\n[env]\nvariables = ["SERVER_TOKEN"]\n' "$PORT" \
        >"$KEYFOB_HOME/config/providers/server.toml"
    chmod go-rwx "$KEYFOB_HOME/config/providers/server.toml"
    export SERVER_TOKEN=canary-server
}

guesses() {
    local i started refused=0
    for i in 1 2 3 4 5 6; do
        typed 'canary donkey' keyfob unlock --passphrase-file - >/dev/null
        if ((STATUS == 4)); then refused=$i; fi
    done
    ok 'wrong passphrases are refused' test "$refused" = 6
    ok 'the sixth said that the next waits' says 'the next try waits 2 s'
    started=$SECONDS
    ok 'the right one waits too' done_well unlock -- true
    ok 'for as long as was said' test $((SECONDS - started)) -ge 1
    ok 'and ends the counting' eval 'unlock -- true >/dev/null; ! says waiting'
}

# Fifty at once: each is answered, or refused cleanly; none hangs.
fifty() {
    local i ids=() failed=0
    for ((i = 0; i < 50; i++)); do
        (printf '%s' "$ASK" | timeout 30 keyfob git get >"$WORK/fifty.$i" 2>"$WORK/fifty.$i.err") &
        ids+=($!)
    done
    "$@" >/dev/null
    for i in "${!ids[@]}"; do
        if wait "${ids[$i]}"; then
            grep -q 'password=canary-kept' "$WORK/fifty.$i" || failed=$((failed + 1))
        else
            [[ ! -s $WORK/fifty.$i ]] && grep -q 'this machine is locked' "$WORK/fifty.$i.err" || failed=$((failed + 1))
        fi
    done
    ((failed == 0))
}

# Killed after so many milliseconds; whatever it had done, what is left answers as it should and the same command ends it.
killed() {
    local after=$1 id
    new_home "killed-$after"
    printf '%s\n' "$PASSPHRASE" >"$WORK/passphrase"
    keyfob lock set --work-factor 12 --passphrase-file "$WORK/passphrase" >/dev/null 2>&1 &
    id=$!
    sleep "0.$after"
    kill -KILL "$id" 2>/dev/null || true
    wait "$id" 2>/dev/null || true
    if [[ -e $KEYFOB_HOME/data/gate.json ]]; then
        if in_clear; then locked 'keyfob lock set' || return 1; else locked keyfob || return 1; fi
    else
        kept || return 1
    fi
    if [[ $(keyfob lock status --json) != *'"finished":true,'*'"set":true'* ]]; then done_well set_it || return 1; fi
    locked && ! in_clear && done_well unlock -- keyfob token acme && grep -qx canary-key "$WORK/out"
}

setting
start_server
keyring
tools
guesses
ok 'fifty that ask a locked machine get their miss' fifty true
ok 'fifty that ask while it is unlocked get the secret or their miss' fifty unlock --for 10s
keyfob lock 2>/dev/null || true
ok 'fifty that ask while it is taken away too' fifty typed "$PASSPHRASE" keyfob lock clear --plain --passphrase-file -
ok 'and fifty while it is set' fifty set_it
ok 'nothing is in clear then' fails in_clear
for after in 010 020 030 050 080 120 160 200 250 300; do
    ok "killed after ${after#0} ms" killed "$after"
done
finish
