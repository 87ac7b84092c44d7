#!/usr/bin/env bash
# What becomes of real tools when the session behind them has ended, when two fit, and when the store is locked: those whose
# own drivers have no session, which are git, docker, git's askpass, curl with a token or an entry of netrc, and ansible-vault.
# It knows how each tool is told to ask keyfob; it must not know how keyfob renews or keeps anything.
# By hand: KEYFOB=target/debug/keyfob tests/real/session.sh

# Programs given to an inner shell expand there.
# shellcheck disable=SC2016
# shellcheck source=../../.ci/lib.sh
. "$(dirname "$0")/../../.ci/lib.sh"
# shellcheck source=tool_lib.sh
. "$(dirname "$0")/tool_lib.sh"
need git git docker docker.io curl curl jq jq openssl openssl python3 python3
python_part ansible ansible-core==2.19.14
make_work session
lay_out_keyfob keyfob-askpass keyfob-client
start_servers
PATH=$PATH:$CI_DIR/ansible/bin
export DOCKER_CONFIG=$HOME/.docker DOCKER_CLI_HINTS=false DOCKER_HOST=unix://$WORK/no-daemon.sock GIT_CONFIG_NOSYSTEM=1
export GIT_SSL_CAINFO=$SSL_CERT_FILE CURL_CA_BUNDLE=$SSL_CERT_FILE
mkdir -p "$DOCKER_CONFIG"
printf '{"credsStore":"keyfob"}\n' >"$DOCKER_CONFIG/config.json"
# The same host by its other name, at which the token is a password.
PLACE=localhost:${HOST##*:}
BOTH=('[[target]]' "url = \"https://$PLACE\"" 'scheme = "basic"')

# Each `with_TOOL` fetches something; `from_TOOL` is what the tool is called in the table.
with_git() { GIT_ASKPASS='' git -c credential.helper="keyfob${1:-}" ls-remote "https://$PLACE/git/things.git" | grep -q refs/heads/main; }
with_askpass() { GIT_ASKPASS=$WORK/bin/keyfob-askpass git ls-remote "https://$PLACE/git/things.git" | grep -q refs/heads/main; }
# The one command of docker's that fetches without a daemon; it takes no authority of ours.
with_docker() { docker manifest inspect --insecure "$PLACE/things:1" | grep -q '"layers"'; }
with_token() { keyfob token "${1:-https://$HOST}" --header "${@:2}" | curl -sSf --noproxy '*' -H @- "https://$HOST/whoami" | grep -q ann; }
with_netrc() {
    local entry status=0
    entry=$(keyfob netrc "${1:-https://$PLACE}") || status=$?
    curl -sSf --noproxy '*' --netrc-file <(printf '%s\n' "$entry") "https://$PLACE/whoami" | grep -q ann || status=$?
    return $status
}
client_of() { case $1 in askpass) echo git ;; token | netrc) echo curl ;; *) echo "$1" ;; esac; }

# docker's command that fetches says nothing of why its helper had no credential.
words_of() { if [[ $1 == docker ]]; then echo 'no basic auth credentials'; else echo "$2"; fi; }

# `told TEXT command …`: the command fails, says this, and nobody was let in.
told() {
    local text=$1
    shift
    saw true
    if "$@" >"$WORK/told" 2>&1; then return 1; fi
    if ! { grep -qF -- "$text" "$WORK/told" && saw '.good == 0'; }; then
        cat "$WORK/told"
        return 1
    fi
}
# With a token that ends, and then: the next request is let in, with a token that was asked for once.
begins() { keyfob logout acme --local >/dev/null 2>&1; lives 1 && "with_$1" && ends_it; }
renews() {
    local before
    before=$(counts | jq .tokens)
    "with_$1" && saw ".good > 0 and .tokens == $before + 1"
}

say "$(git --version); $(docker --version); $(curl --version | head -n 1)"
for tool in git askpass docker token netrc; do
    client=$(client_of "$tool")
    ok "$tool · miss · $client: nothing is kept, and nobody is let in" eval "fails with_$tool && saw '.good == 0'"
done
provider acme "${BOTH[@]}"
for tool in git askpass docker token netrc; do
    client=$(client_of "$tool")
    saw true
    ok "$tool · hit · $client: a session lets it in" eval "with_$tool && saw '.good > 0'"
    ok 'a short session is begun, and ends' begins "$tool"
    ok "$tool · refreshed · $client: the next request has another token" renews "$tool"
done
ok 'the one that asks before it sends was never refused' eval 'saw true; with_token && with_netrc && saw ".good == 2 and .bad == 0"'
ok 'token · malformed · curl: a call that is none gives it nothing' told 'expected one profile' with_token "https://$HOST" more
ok 'git · malformed · git: words that mean nothing give it nothing' told 'could not read Username' with_git ' a b'
ok 'netrc · malformed · curl: what is no URL gives it nothing' told 'the URL has no scheme' with_netrc acme
# No server sees this token: a file that was encrypted with it opens with it.
encrypts() {
    printf 'canary text\n' >"$WORK/vaulted"
    ansible-vault encrypt --vault-id "acme@$WORK/bin/keyfob-client" "$WORK/vaulted" >/dev/null &&
        [[ $(ansible-vault view --vault-password-file <(keyfob token acme) "$WORK/vaulted") == 'canary text' ]]
}
encrypts_anew() {
    local before
    before=$(counts | jq .tokens)
    encrypts && saw ".tokens == $before + 1"
}
ok 'a short session is begun, and ends' eval 'keyfob logout acme --local 2>/dev/null; lives 1 && keyfob token acme >/dev/null && ends_it'
ok 'ansible · refreshed · ansible-vault: it encrypts with another token' encrypts_anew
provider other "${BOTH[@]}"
for tool in git askpass docker token netrc; do
    ok "$tool · two-accounts · $(client_of "$tool"): none of them is taken" told "$(words_of "$tool" 'both claim')" "with_$tool"
done
no_provider other
for tool in git askpass docker token netrc; do
    ok "$tool · locked · $(client_of "$tool"): nothing is given" locked told "$(words_of "$tool" 'keyfob unlock')" "with_$tool"
done
ok 'no secret is in what the tools keep or said' fails holds_canary "$HOME" "$WORK/told"
finish
