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
# Between keyfob and the tools that are wired to it: what it says, as it says it, and with the moment into a file.
record() {
    local link
    mkdir "$WORK/said"
    mv "$WORK/bin" "$WORK/real"
    mkdir "$WORK/bin"
    cat >"$WORK/bin/keyfob" <<END
#!/usr/bin/env bash
"$WORK/real/\${0##*/}" "\$@" | while IFS= read -r line || [[ -n \$line ]]; do
    printf '%s %s\\n' "\$EPOCHREALTIME" "\$line" >>"$WORK/said/\$\$"
    printf '%s\\n' "\$line"
done
exit "\${PIPESTATUS[0]}"
END
    chmod +x "$WORK/bin/keyfob"
    for link in "$WORK/real"/*; do
        [[ ${link##*/} != keyfob ]] || continue
        ln -sf keyfob "$link"
        ln -s keyfob "$WORK/bin/${link##*/}"
    done
}
make_certificates
make_repository
# keyfob answers for the moment at which it hands a token out, which is held to the second below; what a stumbling machine takes
# to bring it is the tool's. With GRACE=0 nothing is taken that has ended.
GRACE=${GRACE:-2}
start_services "--grace=$GRACE"
settle_down
furnish
wire >"$WORK/wired" || die "the tools were not wired: $(cat "$WORK/wired")"
record

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
        kubectl cargo git docker; do
        number=$((number + 1))
        loop "$number" "$tool" &
        ids+=($!)
    done
    for id in "${ids[@]}"; do wait "$id" || return 1; done
}
# How much life each token and each set of keys had when it was handed out: `HOW-MANY ENDED LEAST-SECONDS`.
handed_out() {
    python3 - "$ISSUER" "$WORK/said" <<'END'
import datetime, json, pathlib, re, sys, urllib.request

ends, left = {}, []


def end(token):
    request = urllib.request.Request(sys.argv[1] + "/end", headers={"Authorization": "Bearer " + token})
    return float(urllib.request.urlopen(request).read())


for line in "".join(path.read_text() for path in pathlib.Path(sys.argv[2]).iterdir()).splitlines():
    moment, _, said = line.partition(" ")
    token, keys = re.search(r"canary-access-\w+", said), re.search(r'"Expiration": ?"([^"]+)"', said)
    if token:
        ends[token[0]] = ends.get(token[0]) or end(token[0])
        left.append(ends[token[0]] - float(moment))
    elif keys:
        left.append(datetime.datetime.fromisoformat(keys[1].replace("Z", "+00:00")).timestamp() - float(moment))
print(len(left), sum(life <= 0 for life in left), "%.2f" % min(left))
END
}
# Of many, and the issuer knows what was handed out.
none_had_ended() {
    local many ended least
    read -r many ended least <<<"$1"
    ((many > 50 && ended == 0)) || { echo "of $many that were handed out $ended had ended; the least life was $least s"; return 1; }
}
count() { grep -c "^$1" "$WORK/services.log" || true; }
ran() { awk -v tool="$1" '$1 == tool { sum += $2 } END { print sum + 0 }' "$WORK"/loops/*/runs; }
# `works TOOL LEAST`: it ran so often at least, and never failed.
works() { ! cat "$WORK"/loops/*/"failed.$1" 2>/dev/null | grep . && (($(ran "$1") >= $2)); }

order "life?$LIFE" >/dev/null
ok 'a login' keyfob login acme --no-browser --no-qr
ok "twenty processes of kubectl, aws and cargo for $FIRE_SECS s" fire
for tool in kubectl aws cargo git docker; do say "$tool ran $(ran "$tool") times"; done
HANDED_OUT=$(handed_out)
say "the issuer: $(order seen); handed out, of them ended, the least life in seconds: $HANDED_OUT"
say "at the services $(count answered) in time, $(count late) late, the latest $(awk '/^late/ { print $4 }' "$WORK/services.log" | sort -n | tail -n 1)"
for tool in kubectl aws cargo git docker; do
    client=$tool
    [[ $tool != aws ]] || client=aws-cli
    # One process of git and of docker, and more than five of the others.
    least=6
    [[ $tool != git && $tool != docker ]] || least=2
    ok "$tool · refreshed · $client: no command failed, and it ran several times" works "$tool" "$least"
done
ok 'nothing was handed out that had ended' none_had_ended "$HANDED_OUT"
ok 'no service refused a token' fails grep '^refused' "$WORK/services.log"
ok 'the session was renewed over and over' is_seen ".redeemed >= $((FIRE_SECS / LIFE / 2))"
# A token is renewed at the earliest in its last two seconds.
ok 'there was one redemption for each life of a token, and no more' is_seen ".redeemed <= $((FIRE_SECS / (LIFE - 2) + 2))"
ok 'no refresh token was shown twice, and none that is unknown' is_seen '.replayed == 0 and .unknown == 0'
ok 'nobody had to log in again' is_seen '.logins == 1'
ok 'no secret is in what the tools said' fails holds_canary "$WORK"/loops/*/all "$WORK"/loops/*/failed.* "$WORK/services.log"
finish
