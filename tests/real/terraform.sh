#!/usr/bin/env bash
# Terraform with keyfob as its credentials helper, against a registry on the loopback that checks the token.
# It knows Terraform's configuration and commands; it must not know how keyfob stores anything.
# By hand: KEYFOB=target/debug/keyfob tests/real/terraform.sh. Terraform comes in no package source that the project's
# checks may use: where it is not installed, the driver says so and ends; the protocol's other tests run everywhere.

# Programs given to an inner shell expand there.
# shellcheck disable=SC2016
# shellcheck source=../../.ci/lib.sh
. "$(dirname "$0")/../../.ci/lib.sh"
# shellcheck source=tool_lib.sh
. "$(dirname "$0")/tool_lib.sh"
if ! command -v terraform >/dev/null; then
    skip terraform 'it is not installed; what was proved here is what its documented messages prove'
    exit 0
fi
need curl curl jq jq openssl openssl python3 python3 script bsdutils
make_work terraform
lay_out_keyfob
start_servers
export TF_CLI_CONFIG_FILE=$WORK/terraformrc CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1

# `configured [PROFILE]`: the helper, for this profile or for all.
configured() { keyfob install terraform "$@" >"$WORK/wired" 2>&1 || die "terraform was not wired: $(cat "$WORK/wired")"; }
# Fetches a module from the registry, which only answers who has a token.
fetches() {
    rm -rf "$WORK/project"
    mkdir "$WORK/project"
    printf 'module "hello" {\n  source  = "%s/acme/hello/local"\n  version = "1.0.0"\n}\n' "$HOST" >"$WORK/project/main.tf"
    terraform -chdir="$WORK/project" init -input=false -no-color >"$WORK/init.out" 2>&1 || { cat "$WORK/init.out"; return 1; }
}
helper() { "$HOME/.terraform.d/plugins/terraform-credentials-keyfob" "$@"; }
quiet() { "$@" 2>"$WORK/quiet.err" && [[ ! -s $WORK/quiet.err ]]; }
fails_with() {
    local text=$1
    shift
    if "$@" >"$WORK/fails.out" 2>"$WORK/fails.err"; then return 1; fi
    [[ ! -s $WORK/fails.out ]] && grep -qF -- "$text" "$WORK/fails.err" && ! holds_canary "$WORK/fails.err"
}
# Terraform's own login: it waits for a browser, which curl is here.
logs_in() {
    rm -f "$WORK/login.out"
    {
        sleep 1
        printf 'yes\n'
        for ((i = 0; i < 100; i++)); do
            url=$(tr -d '\r' <"$WORK/login.out" | grep -ao 'https://127.0.0.1:[0-9]*/authz[^[:space:]]*' | head -n 1) && break
            sleep 0.1
        done
        curl -sSL --cacert "$SSL_CERT_FILE" -o "$WORK/page" "$url"
        sleep 2
    } | BROWSER=true timeout 60 script -qefc "env TERM=dumb terraform login -no-color $HOST" "$WORK/login.out" >/dev/null 2>&1
}

configured
say "$(terraform version | head -n 1), with TLS from $SSL_CERT_FILE"
ok 'terraform · miss · terraform: a host that nobody knows is asked for without a token, and refused there' \
    eval 'fails fetches && saw ".good == 0 and .bad > 0"'
ok 'the helper says {} and nothing else' eval '[[ $(quiet helper get "$HOST") == "{}" ]]'
ok 'forgetting what is not there succeeds' quiet helper forget "$HOST"
ok 'terraform · store · terraform: `terraform login` gives keyfob the token' eval 'logs_in &&
    [[ $(helper get "$HOST") == "{\"token\":\"canary-static\"}" ]]'
ok 'and none to its own file' eval '! holds_canary "$HOME/.terraform.d"'
ok 'the module is fetched with it' eval 'fetches && saw ".good > 0 and .bad == 0"'
ok 'terraform · erase · terraform: `terraform logout` takes it back' \
    eval 'terraform logout -no-color "$HOST" >/dev/null && [[ $(quiet helper get "$HOST") == "{}" ]]'
ok 'the module is refused then' fails fetches
saw true
provider acme
ok 'terraform · hit · terraform: a session fetches the module' eval 'fetches && saw ".good > 0 and .bad == 0 and .tokens == 1"'
configured acme
ok 'so it does with the profile as an argument' eval 'fetches && saw ".bad == 0 and .tokens == 1"'
ok 'for another host the profile has nothing' eval '[[ $(quiet helper acme get registry.example) == "{}" ]]'
configured
ok 'a session is not replaced by a login of Terraform'\''s' eval '! logs_in && fetches'
ok 'terraform · locked · terraform: behind a passphrase nothing is given' \
    locked eval 'fails fetches && fails_with "locked" helper get "$HOST"'
provider other
ok 'terraform · two-accounts · terraform: two that fit are named, and none of them is taken' \
    eval 'fails fetches && fails_with "both claim" helper get "$HOST"'
no_provider other
# `install` would not write it.
cp -p "$TF_CLI_CONFIG_FILE" "$WORK/wiring"
printf 'credentials_helper "keyfob" {\n  args = ["a b"]\n}\n' >"$TF_CLI_CONFIG_FILE"
saw true
ok 'terraform · malformed · terraform: an argument that is none gives it nothing' eval 'fails fetches && saw ".good == 0"'
cp -p "$WORK/wiring" "$TF_CLI_CONFIG_FILE"
ok 'another operation fails with a message' fails_with 'keyfob: error:' helper list "$HOST"
ok 'an object with more than a token is read and refused' eval \
    'printf %s "{\"token\":\"canary\",\"client_key\":\"canary\"}" | fails_with "nothing else" helper store h.example'
keyfob logout acme --local >/dev/null 2>&1
lives 1
ok 'a short session is begun' fetches
ends_it
ok 'terraform · refreshed · terraform: when it has ended, the next fetch has another one' \
    eval 'fetches && saw ".good > 0 and .bad == 0"'
ok 'no secret is in Terraform'\''s directories or outputs' \
    eval '! holds_canary "$HOME" "$WORK/project" "$WORK/init.out" "$WORK/login.out" "$TF_CLI_CONFIG_FILE"'
ok 'it is unwired' keyfob uninstall terraform
ok 'and asks nobody' eval 'fails fetches && [[ ! -e $TF_CLI_CONFIG_FILE && ! -e $HOME/.terraform.d/plugins ]]'
finish
