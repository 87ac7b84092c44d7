#!/usr/bin/env bash
# Refresh under fire: twenty processes of kubectl, aws and cargo in loops, and one of git and of docker, while the tokens of
# their one session live for five seconds and its refresh tokens are good once. The issuer and the services are those of
# examples/one-login/.
# It knows what the tools run and what the issuer counts; it must not know how keyfob renews a session.
# By hand: KEYFOB=target/debug/keyfob tests/real/fire.sh

# shellcheck source=../../.ci/lib.sh
. "$(dirname "$0")/../../.ci/lib.sh"
need git git docker docker.io kubectl kubernetes-client curl curl jq jq openssl openssl python3 python3
command -v cargo >/dev/null || die 'there is no cargo'
python_part cloud 'moto[server]==5.2.5' awscli==1.46.3 google-auth==2.62.2 requests==2.34.2
EXAMPLE=$ROOT/examples/one-login
# shellcheck source=../../examples/one-login/setup.sh
. "$EXAMPLE/setup.sh"
start() { serve "$@"; }
make_work fire
lay_out_keyfob
export RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup} PATH=$PATH
mkdir "$WORK/tools" "$WORK/loops"
ln -s "$CI_DIR/cloud/bin/aws" "$WORK/tools/aws"
PATH=$WORK/tools:$PATH
make_certificates
make_repository
# keyfob answers for the moment at which it is asked, and not for how long a busy machine takes to bring the answer to the
# service: that looks away for a while. What keyfob gave is held to the second by the witness.
start_services --grace=60
settle_down
furnish
wire >"$WORK/wired" || die "the tools were not wired: $(cat "$WORK/wired")"

LIFE=5
FIRE_SECS=${FIRE_SECS:-40}
order() { curl -sS --fail --noproxy "*" "$ISSUER/$1" "${@:2}"; }
seen() { order seen | jq "$1"; }
is_seen() { [[ $(order seen | tee "$WORK/seen" | jq "$1") == true ]] || { cat "$WORK/seen"; return 1; }; }

run_kubectl() { kubectl get --raw /api/v1/namespaces/default/pods; }
run_git() { git ls-remote "$PASSWORDS/git/things.git"; }
run_docker() { docker manifest inspect --insecure "$PASSWORD_HOST/things:1"; }
run_aws() { aws sts get-caller-identity --endpoint-url "$TOKENS/aws" --output json; }
run_cargo() { cargo search --registry acme things; }
# What is served must not have ended before it was asked for, whatever the tools make of it.
run_witness() {
    local from=$EPOCHREALTIME token end
    token=$(keyfob token acme) && end=$(printf 'Authorization: Bearer %s' "$token" | order end -H @-) || return 1
    awk -v from="$from" -v end="$end" 'BEGIN { exit !(end > from) }' || { echo "it was asked for at $from and ended at $end"; return 1; }
}

# `loop NUMBER TOOL`: runs it until the time is over, and counts; what failed is kept.
loop() {
    local place=$WORK/loops/$1 tool=$2 runs=0
    mkdir "$place"
    # cargo lets no two of its processes into one home.
    cp -r "$CARGO_HOME" "$place/cargo"
    export CARGO_HOME=$place/cargo
    while ((SECONDS < UNTIL)); do
        "run_$tool" >"$place/out" 2>&1 || { printf 'at %s\n' "$EPOCHREALTIME" && cat "$place/out"; } >>"$place/failed.$tool"
        cat "$place/out" >>"$place/all"
        runs=$((runs + 1))
    done
    printf '%s %d\n' "$tool" "$runs" >"$place/runs"
}

fire() {
    local number=0 tool id ids=()
    UNTIL=$((SECONDS + FIRE_SECS))
    for tool in kubectl aws cargo kubectl aws cargo kubectl aws cargo kubectl aws cargo kubectl aws cargo kubectl aws cargo \
        kubectl cargo git docker witness; do
        number=$((number + 1))
        loop "$number" "$tool" &
        ids+=($!)
    done
    for id in "${ids[@]}"; do wait "$id" || return 1; done
}
# `looked_away`: what the services took after its end is less than one in a hundred of what they took in time.
count() { grep -c "^$1" "$WORK/services.log" || true; }
looked_away() { (($(count late) * 100 < $(count answered))) || { echo "late $(count late), answered $(count answered)"; return 1; }; }
ran() { awk -v tool="$1" '$1 == tool { sum += $2 } END { print sum + 0 }' "$WORK"/loops/*/runs; }
works() { ! cat "$WORK"/loops/*/"failed.$1" 2>/dev/null | grep . && (($(ran "$1") > 4)); }

order "life?$LIFE" >/dev/null
ok 'a login' keyfob login acme --no-browser --no-qr
ok "twenty processes of kubectl, aws and cargo for $FIRE_SECS s" fire
for tool in kubectl aws cargo git docker witness; do say "$tool ran $(ran "$tool") times"; done
say "the issuer: $(order seen); at the services $(count answered) in time, $(count late) late"
for tool in kubectl aws cargo git docker; do
    client=$tool
    [[ $tool != aws ]] || client=aws-cli
    ok "$tool · refreshed · $client: no command failed, and it ran several times" works "$tool"
done
ok 'nothing was served that had ended' works witness
ok 'no service refused a token' fails grep '^refused' "$WORK/services.log"
ok 'hardly one came to a service after its end' looked_away
ok 'the session was renewed over and over' is_seen ".redeemed >= $((FIRE_SECS / LIFE / 2))"
# A token is renewed at the earliest in its last two seconds.
ok 'there was one redemption for each life of a token, and no more' is_seen ".redeemed <= $((FIRE_SECS / (LIFE - 2) + 2))"
ok 'no refresh token was shown twice, and none that is unknown' is_seen '.replayed == 0 and .unknown == 0'
ok 'nobody had to log in again' is_seen '.logins == 1'
ok 'no secret is in what the tools said' fails holds_canary "$WORK"/loops/*/all "$WORK"/loops/*/failed.* "$WORK/services.log"
finish
