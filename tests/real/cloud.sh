#!/usr/bin/env bash
# The real AWS command line and Google's library, each with the ID token of one keyfob session.
# It knows their configuration and what their services check; it must not know how keyfob keeps or renews a session.
# By hand: KEYFOB=target/debug/keyfob tests/real/cloud.sh.

# Programs given to an inner shell expand there.
# shellcheck disable=SC2016
# shellcheck source=../../.ci/lib.sh
. "$(dirname "$0")/../../.ci/lib.sh"
need curl curl jq jq python3 python3
python_part cloud 'moto[server]==5.2.5' awscli==1.46.3 google-auth==2.62.2 requests==2.34.2
make_work cloud
lay_out_keyfob
export KEYFOB_KEYCHAIN=off KEYFOB_HOME=$WORK/keyfob HOME=$WORK PATH=$CI_DIR/cloud/bin:$PATH
unset AWS_PROFILE AWS_REGION AWS_DEFAULT_REGION AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN || true
cd "$WORK" || exit

MOTO=http://127.0.0.1:$(free_port)
serve moto moto_server -H 127.0.0.1 -p "${MOTO##*:}"
await curl -sf "$MOTO/moto-api/" || die "moto does not answer: $(cat moto.log)"
serve issuer python3 "$ROOT/tests/real/cloud_server.py" "$WORK/port" "$MOTO"
await test -s port || die "the issuer does not answer: $(cat issuer.log)"
ISSUER=http://127.0.0.1:$(<port)

mkdir -p keyfob/config/providers .aws
# `acme` and `other` are sessions with ID tokens; `role` and `job` are a role's keys for that of `acme`.
for name in acme other; do
    cat >"keyfob/config/providers/$name.toml" <<END
format = 1
[login]
flow = "device"
[oauth]
device_authorization_endpoint = "$ISSUER/device"
token_endpoint = "$ISSUER/token"
client_id = "acme-cli"
scopes = ["openid"]
id_token = true
END
done
for name in role job; do
    cat >"keyfob/config/providers/$name.toml" <<END
format = 1
[login]
flow = "aws-web-identity"
[oauth]
token_endpoint = "$ISSUER/sts"
[aws]
role = "arn:aws:iam::123456789012:role/developer"
session_name = "ann"
duration_secs = 900
[grant]
subject_token = "profile:acme"
END
done
printf 'format = 1\n[login]\nflow = "key"\n' >keyfob/config/providers/keys.toml
cat >.aws/config <<END
[profile role]
region = eu-central-1
credential_process = $WORK/bin/keyfob aws role
[profile keys]
region = eu-central-1
credential_process = $WORK/bin/keyfob aws keys
END
# `asks_google WORDS`: what the library runs.
asks_google() {
    cat >google.json <<END
{"type": "external_account", "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k",
 "subject_token_type": "urn:ietf:params:oauth:token-type:id_token", "token_url": "$ISSUER/exchange",
 "credential_source": {"executable": {"command": "$WORK/bin/keyfob google $*", "timeout_millis": 30000}}}
END
}
asks_google acme

who() { aws sts get-caller-identity --endpoint-url "$MOTO" --profile "$1" --output json; }
is() {
    who "$1" >who.json || return 1
    [[ $(jq -r .Arn who.json) == "$2" ]] || { cat who.json; return 1; }
}
count() { curl -sf "$ISSUER/count" | jq ".$1"; }
life() { curl -sf "$ISSUER/life?$1" >/dev/null; }
google() {
    GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1 python3 - <<'END'
from google.auth.pluggable import Credentials
from google.auth.transport.requests import Request

credentials = Credentials.from_file("google.json", scopes=["openid"])
credentials.refresh(Request())
assert credentials.token == "canary-google", "another token"
END
}
# `told TEXT command …`: the command fails and says this.
told() {
    local text=$1
    shift
    if "$@" >told.log 2>&1; then return 1; fi
    grep -q -- "$text" told.log || { cat told.log; return 1; }
}

ROLE=arn:aws:sts::123456789012:assumed-role/developer/ann
ok 'aws · miss · aws-cli: without a login the reason and the command are shown' told 'keyfob login acme' who role
ok 'google · miss · google-auth: without a login the reason and the command are shown' told 'keyfob login acme' google
ok 'a login with an ID token' keyfob login acme --no-browser --no-qr
ok 'aws · hit · aws-cli: keys of the role for the session' is role "$ROLE"
ok 'google · hit · google-auth: the ID token is taken for an access token' google
kept() { is role "$ROLE" && (($(count keys) == 1)); }
ok 'aws · hit · aws-cli: keys are kept between runs' kept
set_key() { printf %s "$2" | keyfob set-token "keys:$1" --no-check; }
ok 'keys that last' set_key AKIACANARY canary-key
ok 'aws · hit · aws-cli: keys that last' who keys
set_key AKIAOTHER canary-key 2>/dev/null
ok 'aws · two-accounts · aws-cli: neither is guessed' told 'several accounts fit' who keys
set_key ann canary 2>/dev/null
keyfob account keys ann 2>/dev/null
ok 'aws · malformed · aws-cli: what is no pair of keys is refused' told 'no pair of keys' who keys

# An ID token of two accounts, which no clock ends.
printf 'format = 1\n[login]\nflow = "key"\n' >keyfob/config/providers/pair.toml
for name in ann bob; do printf 'eyJhbGciOiJub25lIn0.eyJleHAiOjQwMDAwMDAwMDB9.canary' | keyfob set-token "pair:$name" --no-check 2>/dev/null; done
asks_google pair
ok 'google · two-accounts · google-auth: neither is guessed' told 'several accounts fit' google
asks_google acme more
ok 'google · malformed · google-auth: a call that is none says so' told 'expected one profile' google
asks_google other

# Everything now ends after twenty seconds, of which the AWS client wants all it can get. It is waited for once.
life 20
keyfob logout --local acme 2>/dev/null
keyfob logout --local role 2>/dev/null
ok 'a login with a short life' keyfob login acme --no-browser --no-qr
ok 'aws · hit · aws-cli: keys of a short life' is role "$ROLE"
ok 'another login, and other keys' eval 'keyfob login other --no-browser --no-qr && keyfob aws job'
sleep 20
life 3600
# `more COUNTED NUMBER …`: so many more than before were given.
more() {
    while (($# > 0)); do
        (($(count "$1") == ${BEFORE[$1]} + $2)) || { echo "$1: $(count "$1") after ${BEFORE[$1]}"; return 1; }
        shift 2
    done
}
declare -A BEFORE=()
remember() { BEFORE=([keys]=$(count keys) [id_tokens]=$(count id_tokens)); }
remember
ok 'aws · refreshed · aws-cli: ended keys are asked for anew, with an ID token that is renewed first' \
    eval 'is role "$ROLE" && more keys 1 id_tokens 1'
remember
ok 'google · refreshed · google-auth: an ended ID token is renewed' eval 'google && more keys 0 id_tokens 1'

# Twenty at once, with ended keys: each gets some, and they are asked for once.
remember
at_once() {
    local i ids=()
    for i in {1..20}; do keyfob aws job >"once.$i" & ids+=($!); done
    for i in "${ids[@]}"; do wait "$i" || return 1; done
    (($(cat once.* | sort -u | wc -l) == 1)) && more keys 1 id_tokens 0
}
ok 'twenty at once are one request' at_once

# Last, because nothing is answered from here on.
printf 'canary horse battery' | keyfob lock set --work-factor 12 --passphrase-file - >/dev/null 2>&1
keyfob lock >/dev/null 2>&1
ok 'aws · locked · aws-cli: the command that opens it is shown' told 'keyfob unlock' who role
ok 'google · locked · google-auth: the command that opens it is shown' told 'keyfob unlock' google
finish
