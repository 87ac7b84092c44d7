#!/usr/bin/env bash
# git's own battery for credential helpers, t0303, run against keyfob; git's two own helpers run beside it as a control.
# It knows git's test library; it must not know how keyfob stores anything.
# By hand: KEYFOB=target/debug/keyfob tests/real/git-suite.sh

# shellcheck source=../../.ci/lib.sh
. "$(dirname "$0")/../../.ci/lib.sh"
need perl perl xz xz-utils git git
make_work git-suite
lay_out_keyfob

# The releases of Debian whose git source is tried, newest first: the newest tree asks the most.
RELEASES=${GIT_SUITE_RELEASES:-sid trixie bookworm}
# The mirror is the machine's own; apt and not the shell reads the format.
# shellcheck disable=SC2016
MIRROR=${GIT_SUITE_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
    grep -v security | sort -u | head -n 1)}
TREE=$WORK/tree
# Fewer than these mean that the battery did not run as it should.
LEAST_PLAIN=21
LEAST_TIMEOUT=22
LEAST_AUTHTYPE=7

# apt with lists of its own: the machine's are neither needed nor changed.
private_apt() {
    local tool=$1 release=$2
    shift 2
    local own=$WORK/apt-$release
    "$tool" -o Dir::Etc::sourcelist="$own/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$own/lists" -o Dir::Cache="$own" -o APT::Sandbox::User= \
        -o Acquire::Languages=none -o Acquire::Retries=2 "$@"
}

# Fetches one release's git source and lays out its t/ only.
fetch_tree() {
    local release=$1 own=$WORK/apt-$1 archive
    mkdir -p "$own/lists/partial" "$own/archives/partial" "$own/source"
    printf 'deb-src %s %s main\n' "$MIRROR" "$release" >"$own/sources.list"
    private_apt apt-get "$release" update -qq || return 1
    (cd "$own/source" && private_apt apt-get "$release" source -qq --download-only git) || return 1
    archive=$(find "$own/source" -name 'git_*.orig.tar.*' ! -name '*.asc' | head -n 1)
    [[ -n $archive ]] || return 1
    rm -rf "$TREE" && mkdir -p "$TREE"
    tar -xf "$archive" -C "$TREE" --strip-components=1 --wildcards '*/t/*.sh' '*/t/*.pl' '*/t/*.perl' || return 1
    [[ -f $TREE/t/t0303-credential-external.sh && -f $TREE/t/lib-credential.sh ]] || return 1
    grep -q helper_test_authtype "$TREE/t/lib-credential.sh" || say "(the tree of $release has no authtype group)"
    rm -rf "$own"
}

# What a build of git would have left in the tree, so that nothing of git has to be compiled.
prepare_tree() {
    mkdir -p "$TREE/templates/blt" "$TREE/t/helper"
    cat >"$TREE/GIT-BUILD-OPTIONS" <<EOF
SHELL_PATH='/bin/sh'
TEST_SHELL_PATH='/bin/sh'
PERL_PATH='$(command -v perl)'
DIFF='diff'
GIT_TEST_CMP='diff -u'
PYTHON_PATH=''
TAR='tar'
NO_PERL=''
NO_PTHREADS=''
NO_PYTHON='1'
NO_REGEX=''
NO_UNIX_SOCKETS=''
PAGER_ENV='LESS=FRX LV=-c'
X=''
GIT_TEST_TEMPLATE_DIR='$TREE/templates/blt'
EOF
    # The library asks this program for little: a truth value, a file's size, whether time is wide.
    cat >"$TREE/t/helper/test-tool" <<'EOF'
#!/bin/sh
case "$1 $2" in
"path-utils file-size") exec stat -c %s "$3" ;;
"date is64bit" | "date time_t-is64bit") exit 0 ;;
"env-helper "*)
    shift
    default=false
    for word; do
        case $word in
        --default=*) default=${word#--default=} ;;
        --*) ;;
        *) name=$word ;;
        esac
    done
    eval "value=\${$name:-$default}"
    case $value in true | yes | on | 1) exit 0 ;; *) exit 1 ;; esac
    ;;
esac
exit 1
EOF
    chmod +x "$TREE/t/helper/test-tool"
    # t0303 leaves the authtype group out; this is its frame with that group inside.
    cat >"$TREE/t/t0399-authtype-external.sh" <<'EOF'
#!/bin/sh
test_description='authtype group against an external helper'
. ./test-lib.sh
. "$TEST_DIRECTORY"/lib-credential.sh
test -z "$GIT_TEST_CREDENTIAL_HELPER_SETUP" || eval "$GIT_TEST_CREDENTIAL_HELPER_SETUP"
helper_test_clean "$GIT_TEST_CREDENTIAL_HELPER"
helper_test_authtype "$GIT_TEST_CREDENTIAL_HELPER"
test_done
EOF
    # An expired credential is not an answer: a store whose entries live one second stands in for a helper with a
    # timeout of its own.
    cat >"$WORK/keyfob-one-second" <<'EOF'
#!/bin/sh
if test "$1" = store; then
    { echo "password_expiry_utc=$(($(date +%s) + 1))"; cat; } | git-credential-keyfob "$1"
else
    exec git-credential-keyfob "$1"
fi
EOF
    # `git credential-cache` under a path without spaces, as the battery demands.
    printf '#!/bin/sh\nexec git credential-cache --timeout=1 "$@"\n' >"$WORK/cache-one-second"
    chmod +x "$WORK/keyfob-one-second" "$WORK/cache-one-second"
}

# `battery LABEL SCRIPT HELPER [TIMEOUT-HELPER]`: one run in a home of its own; sets GOOD and ALL.
battery() {
    local label=$1 script=$2 helper=$3 timeout=${4:-} log=$WORK/$1.log home=$WORK/home-$1
    mkdir -p "$home"
    (
        cd "$TREE/t"
        export KEYFOB_HOME=$home KEYFOB_KEYCHAIN=off XDG_RUNTIME_DIR="$home"
        export GIT_TEST_INSTALLED GIT_TEST_CREDENTIAL_HELPER=$helper GIT_TEST_DEFAULT_HASH=sha1
        export GIT_TEST_CHAIN_LINT=0 GIT_TEST_EXT_CHAIN_LINT=0
        [[ -z $timeout ]] || export GIT_TEST_CREDENTIAL_HELPER_TIMEOUT=$timeout
        sh "./$script" --root="$WORK/trash-$label"
    ) >"$log" 2>&1 || true
    # A failed test leaves the cache's daemon behind.
    find "$WORK/trash-$label" -type s -path '*credential/socket' -exec git credential-cache --socket={} exit \; 2>/dev/null || true
    GOOD=$(grep -c '^ok ' "$log" || true)
    ALL=$(grep -cE '^(not )?ok ' "$log" || true)
    printf '%-24s %s of %s\n' "$label" "$GOOD" "$ALL"
    COUNTS[$label]=$GOOD
}

# keyfob's run: nothing may fail, and not fewer tests than `least` may have run.
judge() {
    local label=$1 least=$2
    if ((GOOD == ALL && ALL >= least)); then
        PASSED=$((PASSED + 1))
    else
        FAILED=$((FAILED + 1))
        grep -E '^not ok|^error|FATAL' "$WORK/$label.log" | sed 's/^/    /' || tail -n 20 "$WORK/$label.log"
        ((ALL > 0)) || tail -n 20 "$WORK/$label.log"
    fi
}

# Only what the git client itself prevents is forgiven: the tests that git's own cache fails on the same git.
judge_beside_control() {
    local label=$1 control=$2 least=$3 unforgiven
    unforgiven=$(comm -23 <(failed_tests "$label") <(failed_tests "$control"))
    if ((ALL >= least)) && [[ -z $unforgiven ]]; then
        PASSED=$((PASSED + 1))
        ((GOOD == ALL)) || say "    (what is missing fails with $control too: this git cannot pass it)"
    else
        FAILED=$((FAILED + 1))
        printf '%s\n' "$unforgiven" | sed 's/^/    not ok: /'
    fi
}

failed_tests() { sed -n 's/^not ok \([0-9]*\).*/\1/p' "$WORK/$1.log" | sort; }

declare -A COUNTS
GIT_TEST_INSTALLED=$(dirname "$(command -v git)")
say "git: $(git --version)"
for release in $RELEASES; do
    if fetch_tree "$release" >"$WORK/fetch.log" 2>&1; then
        TREE_FROM=$release
        break
    fi
    say "(no git source from $release: $(tail -n 1 "$WORK/fetch.log"))"
done
[[ -n ${TREE_FROM:-} ]] || die "no git source to be had from $MIRROR ($RELEASES)"
say "battery: git's source in Debian $TREE_FROM"
prepare_tree

NEW_GIT=yes
git_minor=$(git version | sed 's/^git version 2\.\([0-9]*\).*/\1/')
if ((git_minor < 46)); then
    NEW_GIT=
    say "this git is older than 2.46: it has no authtype, and does not pass every field on; the cache is the measure"
fi

battery cache-plain t0303-credential-external.sh cache
battery store-plain t0303-credential-external.sh store
battery keyfob-plain t0303-credential-external.sh keyfob
if [[ -n $NEW_GIT ]]; then judge keyfob-plain $LEAST_PLAIN; else judge_beside_control keyfob-plain cache-plain 16; fi
battery cache-timeout t0303-credential-external.sh cache "$WORK/cache-one-second"
battery keyfob-timeout t0303-credential-external.sh keyfob "$WORK/keyfob-one-second"
if [[ -n $NEW_GIT ]]; then judge keyfob-timeout $LEAST_TIMEOUT; else judge_beside_control keyfob-timeout cache-timeout 17; fi
# A longer buffer: one line of 64 KiB must not be cut.
if [[ -n $NEW_GIT ]]; then
    export GIT_TEST_LONG_CRED_BUFFER=65000
    battery keyfob-long t0303-credential-external.sh keyfob
    unset GIT_TEST_LONG_CRED_BUFFER
    judge keyfob-long $LEAST_PLAIN
    battery cache-authtype t0399-authtype-external.sh cache
    battery store-authtype t0399-authtype-external.sh store
    battery keyfob-authtype t0399-authtype-external.sh keyfob
    judge_beside_control keyfob-authtype cache-authtype $LEAST_AUTHTYPE
fi
ok 'the control is in order: git credential-cache passes what it passes' test "${COUNTS[cache-plain]}" -ge 16
finish
