#!/usr/bin/env bash
# One login, nine tools: git, docker, cargo, kubectl, aws, pip, uv, pnpm and go fetch something each from services on the
# loopback, none of which answers without a token of the one session. One line a tool; 0 only if all have fetched, and if their
# files are as they were when keyfob is uninstalled.
# By hand: examples/one-login/run.sh, with the nine tools, python3, openssl and curl on PATH, and keyfob built or in $KEYFOB.

set -euo pipefail
export LC_ALL=C.UTF-8 GIT_TERMINAL_PROMPT=0
EXAMPLE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=setup.sh
. "$EXAMPLE/setup.sh"
KEYFOB=${KEYFOB:-$EXAMPLE/../../target/debug/keyfob}
KEYFOB=$(realpath "$KEYFOB")
WORK=$(mktemp -d)
STARTED=()
trap 'kill "${STARTED[@]}" 2>/dev/null; rm -rf "$WORK"' EXIT

start() {
    local name=$1
    shift
    "$@" >"$WORK/$name.log" 2>&1 </dev/null &
    STARTED+=($!)
}

BAD=0
# `tool NAME VERSION WHAT command …`: the command's output is shown only when it fails.
tool() {
    local name=$1 version=$2 what=$3
    shift 3
    if (cd "$WORK" && "$@") >"$WORK/out" 2>&1 </dev/null; then
        printf 'ok - %-8s %s (%s)\n' "$name" "$what" "$version"
    else
        BAD=$((BAD + 1))
        printf 'not ok - %s %s (%s)\n' "$name" "$what" "$version"
        sed 's/^/    /' "$WORK/out"
    fi
}

# The first line in which a program says its version, or that it is not here.
version() { { "$@" 2>/dev/null || echo 'not here'; } | grep -m 1 .; }

with_git() { git clone -q "$PASSWORDS/git/things.git" cloned && git -C cloned log --oneline | grep 'The first'; }
# The one command of docker's that fetches without a daemon; it takes no authority of ours.
with_docker() { docker manifest inspect --insecure "$PASSWORD_HOST/things:1" | grep '"layers"'; }
with_cargo() {
    mkdir -p crate/src && touch crate/src/lib.rs
    printf '[package]\nname = "it"\nversion = "0.1.0"\n[workspace]\n[dependencies]\nthings = { version = "0.1", registry = "acme" }\n' \
        >crate/Cargo.toml
    cargo fetch --manifest-path crate/Cargo.toml && ls "$CARGO_HOME"/registry/cache/*/things-0.1.0.crate
}
with_kubectl() { kubectl get pods -o name | grep -x pod/things; }
with_aws() { aws sts get-caller-identity --endpoint-url "$TOKENS/aws" --output text | grep assumed-role/developer/ann; }
with_pip() { pip download --no-input --no-deps --no-cache-dir -q --index-url "$INDEX" --dest wheels things && ls wheels/things-1.0-*; }
with_uv() { uv pip install -q --default-index "$INDEX" --target uv-things things && ls uv-things/things.py; }
with_pnpm() {
    mkdir node && printf '{"name": "it", "version": "1.0.0", "private": true}' >node/package.json
    (cd node && pnpm add --store-dir "$WORK/pnpm-store" --ignore-workspace @acme/things && ls node_modules/@acme/things)
}
with_go() {
    mkdir module && cd module && go mod init example.com/it && go get private.example/things@v1.0.0 &&
        ls "$GOPATH/pkg/mod/private.example/things@v1.0.0/things.go"
}

# What each file in the home holds.
picture() { (cd "$HOME" && find . -type f -exec sha256sum {} + | sort); }
# `back BEFORE`: what was there then is the same to the byte, what the tools made since names no program of keyfob's, and none
# but keyfob itself is left on PATH.
back() {
    keyfob uninstall --all && picture >"$WORK/after" && comm -23 "$1" "$WORK/after" | { ! grep .; } &&
        { ! grep -rIF "$WORK/bin/" "$HOME"; } && [[ $(ls "$WORK/bin") == keyfob ]]
}

mkdir "$WORK/bin" && chmod 755 "$WORK/bin"
ln -s "$KEYFOB" "$WORK/bin/keyfob"
PATH=$WORK/bin:$PATH
# cargo and rustup look below the home of whoever runs this.
export RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
make_certificates
make_repository
start_services
settle_down
furnish
picture >"$WORK/before"
wire

keyfob login acme --no-browser --no-qr
tool git "$(version git --version)" 'cloned a repository' with_git
tool docker "$(version docker --version)" 'fetched a manifest' with_docker
tool cargo "$(version cargo --version)" 'fetched a crate' with_cargo
tool kubectl "$(version kubectl version --client)" 'listed the pods' with_kubectl
tool aws "$(version aws --version)" 'knows its caller' with_aws
tool pip "$(version pip --version)" 'downloaded a wheel' with_pip
tool uv "$(version uv --version)" 'installed a wheel' with_uv
tool pnpm "$(version pnpm --version)" 'added a package' with_pnpm
tool go "$(version go version)" 'got a module' with_go

seen() { curl -sS --fail --noproxy '*' "$ISSUER/seen" | sed -E "s/.*\"$1\": ([0-9]+).*/\1/"; }
LOGINS=$(seen logins)
printf 'The issuer saw %s login and %s redemptions.\n' "$LOGINS" "$(seen redeemed)"
tool keyfob "$(version keyfob --version)" 'left every file as it was' back "$WORK/before"
((BAD == 0 && LOGINS == 1))
