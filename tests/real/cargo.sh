#!/usr/bin/env bash
# cargo against sparse registries on the loopback that answer nobody without a token, with keyfob as its credential provider.
# It knows cargo's commands and settings; it must not know how keyfob keeps anything.
# By hand: KEYFOB=target/debug/keyfob tests/real/cargo.sh

# shellcheck source=../../.ci/lib.sh
. "$(dirname "$0")/../../.ci/lib.sh"
need python3 python3 curl curl script bsdutils
command -v cargo >/dev/null || die 'there is no cargo'
# Where cargo is a link of rustup's, that looks below the home of whoever runs this.
RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
make_work cargo
lay_out_keyfob cargo-credential-keyfob
export RUSTUP_HOME HOME=$WORK/home CARGO_HOME=$WORK/cargo KEYFOB_HOME=$WORK/keyfob KEYFOB_KEYCHAIN=off
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1 ROBOT_SECRET=canary-robot
unset CARGO_REGISTRY_TOKEN CARGO_REGISTRY_DEFAULT CARGO_INCREMENTAL
mkdir -p "$HOME" "$CARGO_HOME" "$KEYFOB_HOME/config/providers"
CARGO="cargo $(cargo --version | cut -d' ' -f2)"

start_registries() {
    serve registries python3 "$ROOT/tests/real/cargo_server.py" "$WORK/addresses"
    await test -s "$WORK/addresses" || die "the registries did not start: $(cat "$WORK/registries.log")"
    read -r REGISTRIES ISSUER <"$WORK/addresses"
    local name
    # The last provider is asked first.
    printf '[registry]\nglobal-credential-providers = ["cargo:token", "cargo-credential-keyfob"]\n' >"$CARGO_HOME/config.toml"
    for name in one two three; do
        printf '[registries.%s]\nindex = "sparse+%s/%s/index/"\n' "$name" "$REGISTRIES" "$name" >>"$CARGO_HOME/config.toml"
    done
}

# `one` needs no person; `three` has two accounts.
write_providers() {
    cat >"$KEYFOB_HOME/config/providers/acme.toml" <<END
format = 1
[login]
flow = "client-credentials"
[oauth]
token_endpoint = "$ISSUER/token"
client_id = "robot"
client_secret_env = "ROBOT_SECRET"
[[target]]
url = "$REGISTRIES/one"
scheme = "bearer"
END
    cat >"$KEYFOB_HOME/config/providers/many.toml" <<END
format = 1
[login]
flow = "key"
[[target]]
url = "$REGISTRIES/three"
scheme = "bearer"
END
    local name
    for name in ann bob; do printf 'canary-%s' "$name" | keyfob set-token "many:$name" 2>/dev/null || return; done
}

package() {
    mkdir -p "$WORK/$1/src"
    printf '[package]\nname = "%s"\nversion = "0.1.0"\nedition = "2021"\ndescription = "d"\nlicense = "MIT"\n\n[workspace]\n\n[dependencies]\n%s\n' \
        "$1" "${2:-}" >"$WORK/$1/Cargo.toml"
    : >"$WORK/$1/src/lib.rs"
}

in_package() { (cd "$WORK/$1" && shift && "$@"); }
owners() { in_package things cargo owner --registry "$1" --list things; }
publish() { in_package things cargo publish --registry "$1" --no-verify --allow-dirty; }
given() { curl -sS --fail --noproxy '*' "$ISSUER/${1:-count}"; }

# Reads the index and downloads what is there.
fetches() { in_package user cargo fetch && [[ -n $(find "$CARGO_HOME/registry/cache" -name 'things-0.1.0.crate') ]]; }
answered() { grep -q "^$1 $2 $3.* answered\$" "$WORK/registries.log"; }
yank() { in_package things cargo yank --registry one --version 0.1.0 "$@"; }
changes_owners() {
    in_package things cargo owner --registry one --add bob things && owners one | grep -q '^bob' &&
        in_package things cargo owner --registry one --remove bob things && ! owners one | grep -q '^bob'
}

# A command that fails, and says this.
says() {
    local words=$1 out
    shift
    if out=$("$@" 2>&1); then
        echo "it succeeded: $out"
        return 1
    fi
    [[ $out == *"$words"* ]] || { echo "$out" && return 1; }
}

# On a terminal, where the person types a token once it is asked for.
login_at_a_terminal() {
    local id status=0
    mkfifo "$WORK/keys"
    env -u CI script -qefc "cd $WORK/things && cargo login --registry two" "$WORK/screen" <"$WORK/keys" >/dev/null 2>&1 &
    id=$!
    exec 9>"$WORK/keys"
    await grep -q 'not shown' "$WORK/screen" || { cat "$WORK/screen"; kill "$id"; return 1; }
    printf 'canary-two\n' >&9
    wait "$id" || status=$?
    exec 9>&-
    if ((status != 0)) || grep -q canary "$WORK/screen"; then
        cat "$WORK/screen"
        return 1
    fi
}

# With a token that has ended, eight at once: all work, and one token was asked for.
at_once() {
    local before id ids=() bad=0 i
    expire || return 1
    before=$(given)
    for i in 1 2 3 4 5 6 7 8; do
        owners one >"$WORK/parallel-$i" 2>&1 &
        ids+=($!)
    done
    for id in "${ids[@]}"; do wait "$id" || bad=1; done
    ((bad == 0)) || { cat "$WORK"/parallel-*; return 1; }
    (($(given) == before + 1)) || { echo "$(given) tokens after $before"; return 1; }
}

# The next token is a short one, and has ended.
expire() {
    keyfob logout acme --local >/dev/null 2>&1
    given 'set?life=2' && keyfob token acme >/dev/null && given 'set?life=3600' && sleep 2.2
}
refreshed() { expire && owners one; }

start_registries
write_providers || die 'the providers could not be set up'
package things
package user "things = { version = \"0.1\", registry = \"one\" }"
say "$CARGO"

ok "a package is published with a session's token" publish one
ok "cargo · hit · $CARGO: the index is read and a package downloaded with a session's token" fetches
ok 'the registry gave both to nobody else' eval 'answered one GET index/th/in/things && answered one GET dl/things'
ok 'a version is yanked' eval 'yank && answered one DELETE api/v1/crates/things/0.1.0/yank'
ok 'and given back' yank --undo
ok 'owners are listed and changed' changes_owners
ok "cargo · refreshed · $CARGO: a token that has ended is replaced before it is sent" refreshed
ok 'eight at once ask for one token' at_once
ok 'one token on stdout serves cargo as well' \
    env CARGO_REGISTRIES_ONE_CREDENTIAL_PROVIDER='cargo:token-from-stdout keyfob cargo get' bash -c \
    "cd $WORK/things && cargo owner --registry one --list things"
ok 'also with a profile and the index as an argument' \
    env CARGO_REGISTRIES_ONE_CREDENTIAL_PROVIDER='cargo:token-from-stdout keyfob cargo get {index_url}' bash -c \
    "cd $WORK/things && cargo owner --registry one --list things"
ok 'a profile among the arguments is taken' \
    env CARGO_REGISTRIES_ONE_CREDENTIAL_PROVIDER='cargo-credential-keyfob acme' bash -c \
    "cd $WORK/things && cargo owner --registry one --list things"
ok "cargo · malformed · $CARGO: arguments that mean nothing are refused in words" \
    env CARGO_REGISTRIES_ONE_CREDENTIAL_PROVIDER='cargo-credential-keyfob a b' bash -c \
    "$(declare -f says); cd $WORK/things && says 'expected one profile or URL' cargo owner --registry one --list things"
ok "cargo · miss · $CARGO: the next provider is asked" \
    env CARGO_REGISTRIES_TWO_TOKEN=canary-two bash -c "cd $WORK/things && cargo owner --registry two --list things"
ok 'without one cargo says what to do' says 'cargo login' owners two
ok 'cargo login refuses what keyfob has a session for, and names the command' \
    says 'keyfob login acme' cargo login --registry one canary-mine
ok "cargo · store · $CARGO: a token that is typed at a terminal is kept" login_at_a_terminal
ok 'it goes out as it was given' publish two
ok 'no other tool gets it' \
    bash -c "[[ -z \$(printf 'protocol=http\nhost=${REGISTRIES#http://}\n\n' | git-credential-keyfob get) ]]"
ok "cargo · erase · $CARGO: logout forgets it" in_package things cargo logout --registry two
ok 'then nothing is published any more' fails publish two
ok 'a second logout has nothing to do' in_package things cargo logout --registry two
ok 'a token among the arguments is kept too' in_package things cargo login --registry two canary-two
ok 'and serves' owners two
ok "cargo · two-accounts · $CARGO: both are named" says 'many:ann, many:bob' owners three
ok 'the environment chooses one' env KEYFOB_ACCOUNT=ann bash -c "cd $WORK/things && cargo owner --registry three --list things"
ok 'this machine is locked' bash -c "printf 'canary horse battery' | keyfob lock set --work-factor 12 --passphrase-file -"
ok "cargo · locked · $CARGO: the command that opens it is named" says 'keyfob unlock' owners one
ok 'no secret lies in what cargo keeps, nor in the log of the registries' \
    fails holds_canary "$CARGO_HOME" "$HOME" "$WORK/things" "$WORK/user" "$WORK/registries.log"
finish
