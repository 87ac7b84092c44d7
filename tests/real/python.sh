#!/usr/bin/env bash
# Real pip (old and new), uv, twine and poetry against a private index on the loopback, with keyfob as their keyring.
# It knows their options and what the index checks; it must not know how keyfob keeps or renews a session.
# By hand: KEYFOB=target/debug/keyfob tests/real/python.sh

# shellcheck source=../../.ci/lib.sh
. "$(dirname "$0")/../../.ci/lib.sh"
need curl curl jq jq python3 python3 script bsdutils
python_part pip-old pip==23.2.1
python_part pip-new pip==26.3
python_part uv uv==0.13.9
python_part python-keyring keyring==25.7.0 twine==7.0.0 poetry==2.5.1 pip==26.3 'setuptools>=68'
make_work python
lay_out_keyfob keyring
mkdir -p "$WORK/server" "$WORK/home"
export HOME=$WORK/home KEYFOB_HOME=$WORK/keyfob KEYFOB_KEYCHAIN=off JOB_SECRET=canary-client
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_CONFIG_FILE=/dev/null UV_NO_CACHE=1 UV_NO_CONFIG=1
export POETRY_CACHE_DIR=$WORK/poetry-cache POETRY_CONFIG_DIR=$WORK/poetry-config POETRY_VIRTUALENVS_CREATE=false
unset HTTPS_PROXY https_proxy HTTP_PROXY http_proxy ALL_PROXY all_proxy VIRTUAL_ENV PIP_INDEX_URL UV_INDEX_URL || true
cd "$WORK" || exit

serve servers python3 "$ROOT/tests/real/python_server.py" "$WORK/server"
await test -s server/port || die "the servers did not start: $(cat servers.log)"
PORT=$(<server/port)
BASE=http://127.0.0.1:$PORT

# `provider NAME FLOW LINE …`: a provider file of this flow.
provider() {
    local name=$1
    shift
    mkdir -p "$KEYFOB_HOME/config/providers"
    { printf 'format = 1\n'; printf '%s\n' "$@"; } >"$KEYFOB_HOME/config/providers/$name.toml"
    chmod -R go-rwx "$KEYFOB_HOME"
}
provider acme '[login]' 'flow = "client-credentials"' '[oauth]' "token_endpoint = \"$BASE/token\"" 'client_id = "job"' \
    'client_secret_env = "JOB_SECRET"' '[[target]]' "url = \"$BASE/session\"" 'username = "oauth2"'

lives() { curl -sSf "$BASE/life?secs=$1" >/dev/null; }
# `saw FILTER`: what the servers counted since the last time is so, in jq's words.
saw() { curl -sSf "$BASE/counts" >counts && { jq -e "$1" counts >/dev/null || { cat counts; return 1; }; }; }

# `installs TOOL URL …`: the one package of the index, with the tool's own options behind the URL.
installs() {
    local tool=$1 url=$2
    shift 2
    rm -rf "$WORK/site"
    case $tool in
        uv) "$CI_DIR/uv/bin/uv" pip install --quiet --no-deps --target "$WORK/site" --python "$(command -v python3)" \
            --keyring-provider subprocess "$@" --index-url "$url" hello-keyfob ;;
        *) "$CI_DIR/$tool/bin/pip" install --quiet --no-deps --target "$WORK/site" --no-input \
            --keyring-provider subprocess "$@" --index-url "$url" hello-keyfob ;;
    esac && [[ -f $WORK/site/hello_keyfob.py ]]
}
# `as_user URL USER`: the URL with the user name that old pip and uv must know.
as_user() { printf '%s' "${1/:\/\//:\/\/$2@}"; }
# `misses TOOL URL`: refused by the index, with nobody's credential sent to it.
misses() { fails installs "$@" && saw '.good == 0 and .bad == 0'; }

SESSION=$BASE/session/simple/ STATIC=$BASE/static/simple/
say "$("$CI_DIR/pip-old/bin/pip" --version); $("$CI_DIR/pip-new/bin/pip" --version); $("$CI_DIR/uv/bin/uv" --version)"
saw true

for tool in pip-old pip-new uv; do
    client=${tool/-/ }
    known=$(as_user "$SESSION" oauth2)
    ok "keyring · miss · $client: nothing is sent where there is nothing" misses "$tool" "$(as_user "$STATIC" ann)"
    ok "keyring · hit · $client: the session's token opens the index" installs "$tool" "$known"
    ok "$client sent no credential that was refused" saw '.good > 0 and .bad == 0 and .who == "oauth2"'
done
ok 'keyring · hit · pip new: without a user name it is told that too' installs pip-new "$SESSION"
ok 'the index knows who it was' saw '.bad == 0 and .who == "oauth2"'
cat >uv.toml <<END
[[index]]
url = "$SESSION"
default = true
authenticate = "always"
END
uv_asks_for_both() {
    (unset UV_NO_CONFIG && "$CI_DIR/uv/bin/uv" pip install --quiet --no-deps --target both --python "$(command -v python3)" \
        --keyring-provider subprocess --config-file uv.toml hello-keyfob) && [[ -f both/hello_keyfob.py ]]
}
ok 'keyring · hit · uv: without a user name, where the index always wants one' uv_asks_for_both

# Each tool comes back when the token has ended.
refreshed() {
    local before
    keyfob logout --local acme >/dev/null 2>&1
    lives 1 && installs "$1" "$2" || return 1
    before=$(curl -sSf "$BASE/counts" | jq .tokens)
    sleep 2.2
    lives 3600 && installs "$1" "$2" && saw ".tokens == $before + 1 and .bad == 0"
}
for tool in pip-old pip-new uv; do
    ok "keyring · refreshed · ${tool/-/ }: an ended token is renewed first" refreshed "$tool" "$(as_user "$SESSION" oauth2)"
done

# pip asks a person, who is at a terminal, and then whether to save it.
cat >person.py <<'END'
import os
import pty
import sys

answers = {b"User for": b"ann\n", b"Password:": b"canary-ann\n", b"[y/N]": b"y\n"}
child, terminal = pty.fork()
if child == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
seen = b""
while True:
    try:
        data = os.read(terminal, 4096)
    except OSError:
        break
    if not data:
        break
    seen += data
    for question, answer in list(answers.items()):
        if question in seen:
            os.write(terminal, answer)
            del answers[question]
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) or len(answers))
END
pip_saves() {
    rm -rf site
    python3 person.py "$CI_DIR/$1/bin/pip" install --no-deps --target site --keyring-provider subprocess --index-url "$STATIC" hello-keyfob
}
# pip keeps it for the host.
forget() { keyring del "127.0.0.1:$PORT" "$1" && fails keyring get "127.0.0.1:$PORT" "$1"; }
for tool in pip-old pip-new; do
    ok "keyring · store · ${tool/-/ }: what a person typed is kept" pip_saves "$tool"
    ok 'and serves' installs "$tool" "$(as_user "$STATIC" ann)"
    ok "keyring · erase · keyfob: what ${tool/-/ } kept is forgotten" forget ann
done

keep() { printf 'canary-%s\n' "$1" | keyring set "$STATIC" "$1"; }
ok 'two passwords for one index' eval 'keep ann && keep bob'
saw true
# `who_is TOOL USER`: the index is opened by this one.
who_is() { installs "$1" "$(as_user "$STATIC" "$2")" && saw ".who == \"$2\" and .bad == 0"; }
ok 'keyring · two-accounts · pip old: the password of the one that is named' who_is pip-old ann
ok 'keyring · two-accounts · pip new: the password of the one that is named' who_is pip-new bob
provider two '[login]' 'flow = "key"' '[[target]]' "url = \"$BASE/static\""
for user in ann bob; do printf 'canary-%s' "$user" | keyfob set-token "two:$user" --no-check 2>/dev/null; done
# `told TEXT command …`: the command fails and says this.
told() {
    local text=$1
    shift
    if "$@" >told.log 2>&1; then return 1; fi
    grep -q -- "$text" told.log || { cat told.log; return 1; }
}
ok 'keyring · two-accounts · pip new: neither is guessed and sent' misses pip-new "$STATIC"
ok 'keyring · two-accounts · uv: the one that is named' installs uv "$(as_user "$STATIC" bob)"
ok 'it was that one' saw '.who == "bob"'

# The module, for those who never run the command. Built elsewhere: a build leaves files beside its source.
cp -r "$ROOT/contrib/python-keyring" backend
BIN=$CI_DIR/python-keyring/bin
ok 'the backend of the module keyring is installed' \
    "$BIN/pip" install --quiet --no-deps --no-build-isolation --force-reinstall ./backend
ok 'keyring · hit · keyring: its own tests, of every operation' "$BIN/python" -B -m unittest discover backend/tests

twine() { "$BIN/twine" upload --non-interactive --disable-progress-bar --repository-url "$1" server/hello_keyfob-1.0-py3-none-any.whl; }
uploads() { rm -f "server/uploaded-$1" && twine "$BASE/$1/legacy/" && grep -aq hello_keyfob "server/uploaded-$1"; }
ok 'keyring · hit · twine: a package is uploaded with the session'\''s token' uploads session
ok 'the index knows who it was' saw '.who == "oauth2" and .bad == 0'
ok 'keyring · two-accounts · twine: neither is guessed' told 'several accounts fit' uploads static
twine_refreshed() {
    local before
    keyfob logout --local acme >/dev/null 2>&1
    lives 1 && uploads session || return 1
    before=$(curl -sSf "$BASE/counts" | jq .tokens)
    sleep 2.2
    lives 3600 && uploads session && saw ".tokens == $before + 1 and .bad == 0"
}
ok 'keyring · refreshed · twine: an ended token is renewed first' twine_refreshed
rm "$KEYFOB_HOME/config/providers/two.toml"
keyring del "$STATIC" ann && keyring del "$STATIC" bob
ok 'keyring · miss · twine: nothing is kept for the index' fails uploads static

mkdir project
cat >project/pyproject.toml <<END
[project]
name = "user-of-hello"
version = "1.0"
requires-python = ">=3.9"
dependencies = ["hello-keyfob"]
[tool.poetry]
packages = [{ include = "user_of_hello.py" }]
[[tool.poetry.source]]
name = "acme"
url = "$SESSION"
priority = "primary"
END
printf 'WORD = "user"\n' >project/user_of_hello.py
poetry() { "$BIN/poetry" --directory "$WORK/project" --no-interaction "$@"; }
locks() { rm -f project/poetry.lock && poetry lock --no-cache && grep -q hello_keyfob project/poetry.lock; }
ok 'keyring · hit · poetry: a private source is read with the session'\''s token' locks
ok 'the index knows who it was' saw '.who == "oauth2" and .bad == 0'
publishes() {
    rm -f server/uploaded-static
    poetry config repositories.static "$BASE/static/legacy/" && poetry config http-basic.static ann canary-ann &&
        ! holds_canary "$WORK/poetry-config" && poetry publish --build --repository static && [[ -s server/uploaded-static ]]
}
ok 'keyring · store · poetry: the password of a repository is with keyfob, and a package is published with it' publishes
ok 'it was published by the one who was named' saw '.who == "ann" and .bad == 0'
unset_it() { poetry config --unset http-basic.static && fails keyring get poetry-repository-static ann; }
ok 'keyring · erase · poetry: it is forgotten' unset_it

# Last, because nothing is answered from here on.
printf 'canary horse battery' | keyfob lock set --work-factor 12 --passphrase-file - >/dev/null 2>&1
keyfob lock >/dev/null 2>&1
saw true
for tool in pip-new uv; do
    ok "keyring · locked · ${tool/-/ }: nothing is sent" misses "$tool" "$(as_user "$SESSION" oauth2)"
done
ok 'keyring · locked · twine: the command to run is shown' told 'keyfob unlock' uploads session
ok 'no secret in a log, a configuration or the home directory' \
    fails holds_canary servers.log counts told.log "$WORK/poetry-config" "$WORK/home" project
finish
