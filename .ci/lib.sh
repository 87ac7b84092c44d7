# Shared by .ci/run and the drivers of real parts in tests/real/. Sourced by bash, never run.
# It knows how to get parts, how to lay keyfob out for a tool, and how to count; it must not know any tool's protocol.
# shellcheck shell=bash

set -euo pipefail

# A driver is never about the person who runs it: no token, no session bus, no proxy, no settings of theirs.
unset GIT_ASKPASS SSH_ASKPASS XDG_DATA_HOME XDG_STATE_HOME XDG_CONFIG_HOME XDG_CACHE_HOME DBUS_SESSION_BUS_ADDRESS \
    GIT_DIR GIT_WORK_TREE GIT_CONFIG_GLOBAL GIT_CONFIG_SYSTEM GIT_CONFIG_COUNT GIT_TOKEN GITHUB_TOKEN GH_TOKEN \
    GITLAB_TOKEN DOCKER_CONFIG DOCKER_AUTH_CONFIG DOCKER_HOST REGISTRY_AUTH_FILE KEYFOB_ATTACH PYTHONDONTWRITEBYTECODE || true
export LC_ALL=C.UTF-8 GIT_TERMINAL_PROMPT=0 CI=true

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Everything a run makes lies here, inside the checkout and ignored by git.
CI_DIR=$ROOT/target/ci
PASSED=0
FAILED=0
# A Python program that is not kept compiled compiles itself at each start, which takes aws two seconds.
export PYTHONPYCACHEPREFIX=$CI_DIR/pycache
# Ids of the processes this script started; only these are ever ended.
STARTED=()

say() { printf '%s\n' "$*"; }

# The end of the script with a reason; the parts it started are ended by the trap.
die() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# One check: `ok 'what must be true' command …`. The command's output is shown only when it fails. Inside it bash does not
# end at the first failure, so a function of several commands joins them with `&&`.
ok() {
    local name=$1 out
    shift
    if out=$("$@" 2>&1); then
        PASSED=$((PASSED + 1))
        say "ok - $name"
    else
        FAILED=$((FAILED + 1))
        say "not ok - $name"
        printf '%s\n' "$out" | sed 's/^/    /'
    fi
}

# `skip WHAT WHY`: what this machine cannot show. .ci/run repeats these lines at its end; a required part is `need`ed instead.
skip() { say "SKIPPED: $1: $2"; }

# The opposite: the command must fail.
fails() { ! "$@"; }

# The last line of a driver; its status is whether all checks passed.
finish() {
    say "$PASSED passed, $FAILED failed"
    ((FAILED == 0))
}

# A fresh directory below target/, gone when the script ends. Every script calls it once and gets $WORK.
make_work() {
    mkdir -p "$CI_DIR"
    WORK=$(mktemp -d "$CI_DIR/$1.XXXXXX")
    trap clean_up EXIT
}

# `make_run`: another one with a path short enough for podman, which takes no more than 50 characters; gone as well. $RUN.
make_run() { RUN=$(mktemp -d /tmp/keyfob.XXXXXX); }
RUN=

clean_up() {
    local status=$? id
    for id in "${STARTED[@]}"; do
        kill "$id" 2>/dev/null || true
    done
    for id in "${STARTED[@]}"; do
        wait "$id" 2>/dev/null || true
    done
    if [[ -n ${KEEP_WORK:-} ]]; then
        say "kept: $WORK"
    else
        rm -rf "$WORK" ${RUN:+"$RUN"}
    fi
    exit "$status"
}

# Starts a server in the background, its output in $WORK/NAME.log, and remembers it: `serve NAME command …`.
serve() {
    local name=$1
    shift
    "$@" >"$WORK/$name.log" 2>&1 </dev/null &
    STARTED+=($!)
}

# Waits up to ten seconds until a command succeeds.
await() {
    local i
    for ((i = 0; i < 100; i++)); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.1
    done
    return 1
}

# A free port on the loopback. Somebody else may take it before we do; a run that loses this race fails loudly.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# `need COMMAND PACKAGE …`: installs what is missing from Debian, or says which part cannot be had.
need() {
    local missing=() commands=() command package
    while (($# > 0)); do
        command=$1 package=$2
        shift 2
        has "$command" || { missing+=("$package") && commands+=("$command"); }
    done
    ((${#missing[@]} == 0)) && return 0
    local as_root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null || die "not root and no sudo; install by hand: ${missing[*]}"
        as_root=(sudo -n)
    fi
    say "installing: ${missing[*]}"
    mkdir -p "$CI_DIR"
    for package in "${missing[@]}"; do
        # RUNLEVEL=1: a package that brings a server must not start it here.
        if ! install_package "$package" "${as_root[@]}"; then
            tail -n 20 "$CI_DIR/apt.log" >&2
            die "cannot install $package"
        fi
    done
    for command in "${commands[@]}"; do has "$command" || die "there is no $command, though ${missing[*]} is installed"; done
}

has() {
    if [[ $1 == /* ]]; then [[ -e $1 ]]; else PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null; fi
}

install_package() {
    local package=$1
    shift
    local set=(env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$package")
    if "$@" "${set[@]}" >"$CI_DIR/apt.log" 2>&1; then return 0; fi
    # A list that is absent or out of date is the usual reason.
    "$@" apt-get update -qq >"$CI_DIR/apt.log" 2>&1 || true
    "$@" "${set[@]}" >>"$CI_DIR/apt.log" 2>&1
}

# `python_part NAME PACKAGE …`: PyPI packages in an environment of their own, $CI_DIR/NAME; its programs lie in bin/.
# `node_part NAME PACKAGE …`: the same with npm; the programs lie in node_modules/.bin/.
# A driver has each on a line of its own at its head, from where .ci/run takes them to fetch all while something else builds.
python_part() { part from_pypi "$@"; }
node_part() { part from_npm "$@"; }

# `part HOW NAME PACKAGE …`: what is there already stays; whoever wants what somebody else is fetching waits for it.
part() {
    local how=$1 name=$2 place=$CI_DIR/$2
    shift 2
    mkdir -p "$CI_DIR"
    (
        flock 9
        [[ -e $place/ready && $(<"$place/ready") == "$*" ]] && exit 0
        rm -rf "$place"
        mkdir "$place"
        "$how" "$place" "$@" >"$CI_DIR/$name.log" 2>&1 9>&- && printf '%s' "$*" >"$place/ready"
    ) 9>"$CI_DIR/$name.lock" && return 0
    tail -n 20 "$CI_DIR/$name.log" >&2
    die "cannot install $*"
}

# uv does in three seconds what takes pip a minute; where it cannot work, pip does.
from_pypi() {
    local place=$1 uv=$CI_DIR/uv/bin/uv
    shift
    python3 -c 'import ensurepip' || need /usr/share/doc/python3-venv python3-venv
    if [[ $place != "$CI_DIR/uv" ]] && python_part uv uv==0.13.9 && uv_installs "$place" "$@"; then return 0; fi
    rm -rf "$place"
    python3 -m venv "$place" && "$place/bin/pip" install --quiet --disable-pip-version-check --no-compile "$@"
}

uv_installs() {
    local place=$1 index
    shift
    # An index that somebody has set for pip is meant for everything.
    index=$(python3 -m pip config get global.index-url 2>/dev/null) || index=${PIP_INDEX_URL:-}
    export UV_CACHE_DIR=$CI_DIR/uv-cache UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$index} UV_NO_CONFIG=1 UV_PYTHON_DOWNLOADS=never
    [[ -n $UV_DEFAULT_INDEX ]] || unset UV_DEFAULT_INDEX
    "$uv" venv --quiet --allow-existing --python "$(python3 -c 'import sys; print(sys.executable)')" "$place" &&
        "$uv" pip install --quiet --python "$place/bin/python" "$@"
}

# verdaccio wants a tag of node-fetch that not every mirror of npm has; the version behind it is this one.
from_npm() {
    printf '{"private":true,"overrides":{"node-fetch":"2.7.0"}}\n' >"$1/package.json"
    npm install --silent --no-audit --no-fund --no-package-lock --prefix "$1" "${@:2}"
}

# The program under test: $KEYFOB, else the dev build. Lays it into $WORK/bin under the names that
# tools call: git's, docker's, and those that follow.
# shellcheck disable=SC2120
lay_out_keyfob() {
    local program=${KEYFOB:-$ROOT/target/debug/keyfob} name
    [[ $program == /* ]] || program=$PWD/$program
    [[ -x $program ]] || die "no program at $program (cargo build, or set KEYFOB)"
    KEYFOB=$program
    mkdir -p "$WORK/bin"
    for name in keyfob git-credential-keyfob docker-credential-keyfob "$@"; do
        ln -sf "$program" "$WORK/bin/$name"
    done
    export KEYFOB PATH=$WORK/bin:$PATH:/usr/sbin:/sbin
}

# Whether a canary lies in any of these files or directories: the check of "nothing leaked".
holds_canary() { grep -raq canary "$@" 2>/dev/null; }
