#!/usr/bin/env bash
# keyfob's logins and the life of its sessions at a certified OpenID provider, with a real browser at its pages.
# It knows the provider's clients and what a person sees; it must not know how keyfob keeps a session.
# By hand: KEYFOB=target/debug/keyfob tests/real/issuer.sh; with arguments, only the functions named (`by_browser`).
# The pages that were met are pictures in target/ci/pages.

# Programs given to an inner shell expand there, and the names of commands in sentences are no commands.
# shellcheck disable=SC2016
# shellcheck source=../../.ci/lib.sh
. "$(dirname "$0")/../../.ci/lib.sh"
# shellcheck source=issuer/lib.sh
. "$(dirname "$0")/issuer/lib.sh"
need curl curl jq jq node nodejs npm npm chromium chromium xdg-open xdg-utils \
    /usr/share/fonts/truetype/dejavu fonts-dejavu-core
make_work issuer
lay_out_keyfob
lay_out_parts
export HOME=$WORK/home KEYFOB_HOME=$WORK/keyfob KEYFOB_KEYCHAIN=off
mkdir -p "$HOME"
rm -rf "$SHOTS"
start_issuer
say "node $(node --version), oidc-provider $(jq -r .version "$PARTS/node_modules/oidc-provider/package.json"), $(chromium --version 2>/dev/null)"

# The name under which the issuer counts a grant.
REDEEMED='.granted.refresh_token'

ends_well() { page "$1" '.foreign == [] and .wide == []'; }

by_device() {
    local lines
    lines=$(endpoints device device_authorization=/device/auth)
    provider acme device "$lines"
    person device
    ok 'a person signs in at the page of a device code' login 0 device acme
    ok 'keyfob names who signed in' says device 'as `ann`'
    ok 'the person met the code, the sign-in and the consent' page device '.pages == ["confirm", "login", "consent", "done"]'
    ok 'no page is too wide for a phone or wants anything from elsewhere' ends_well device
    ok 'the session speaks for the account' exits 0 whoami keyfob whoami acme
    ok 'the token that is served is the one that the issuer gave' eval 'serves acme && served_the_newest acme-served device'
    ok 'the issuer honours it' honours access device
    ok 'the code can be typed at the page' code_login 0 typed acme type_code typed
    ok 'the page took the typed code' page typed '.pages == ["code", "confirm", "login", "consent", "done"]'
    person device-denied --answer no
    ok 'a person who says no ends the login' login 2 device-denied acme
    ok 'the refusal is told' says device-denied access_denied
    ok 'the session from before is still there' serves acme
    ok 'another account than the one asked for is refused' eval 'mark device && code_login 5 other acme:bob approve'
    ok 'its tokens are ended at the issuer' honours_none_since_the_mark device
    ok 'and it is not kept' exits 2 other-token keyfob token acme:bob
}

# `web NAME CLIENT [LINE …]`: a provider whose login is in a browser; without `prompt` this issuer gives nothing to renew with.
web() {
    local name=$1 client=$2 lines
    shift 2
    lines=$(endpoints "$client" authorization=/auth)
    provider "$name" browser "$lines" "issuer = \"$ISSUER\"" 'redirect_issuer = true' \
        'parameters = { prompt = "consent" }' "$@"
}

# The page that keyfob shows at the end: who is logged in, that it may be closed, and no code left in the address.
ends_at_our_page() {
    page "$1" '.pages == ["login", "consent", "end"] and (.url | startswith("http://127.0.0.1:")) and
        (.text | test("Logged in to Acme") and test("ann") and test("close this page"))' && ends_well "$1"
}
no_code_in_the_address() { page "$1" '.url | test("code=|state=") | not'; }

by_browser() {
    web web browser 'redirect_path = "/callback"'
    person web
    ok 'a person signs in at the browser that keyfob opened' login 0 web web
    ok 'and ends at our page, which is good on a phone and wants nothing from elsewhere' ends_at_our_page web
    ok 'in whose address the code is no more' no_code_in_the_address web
    ok 'keyfob names who signed in, too' says web 'as `ann`'
    ok 'the token that is served is the one that the issuer gave, here too' \
        eval 'serves web && served_the_newest web-served browser'
    ok 'which honours it' honours access browser
    order reset
    ok 'the session renews' eval 'order "set?access=7200" && exits 0 web-renewal keyfob token web --valid-for 90m'
    ok 'with one redemption of its refresh token' seen 1 "$REDEEMED"
    order 'set?access=3600'

    web web-any browser-any-path
    person web-any
    ok 'a random path works where the issuer allows any' login 0 web-any web-any
    ok 'and ends at our page' ends_at_our_page web-any

    person web-denied --answer no
    mark browser
    ok 'a person who says no at the consent ends the login' login 2 web-denied web
    ok 'the terminal says so' says web-denied 'access_denied'
    ok 'and so does the page' page web-denied '.pages == ["login", "consent", "end"] and (.text | test("close this page"))'
    ok 'which is good on a phone and wants nothing from elsewhere, too' ends_well web-denied
    ok 'no token was given' none_since_the_mark browser
    ok 'the session from before is still there, and good' serves web

    person web-closed --answer close
    ok 'a login that a person leaves and interrupts ends' interrupted web-closed web
    ok 'and the session from before is good still' serves web
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Ctrl-C while the browser is away: the program ends by the signal, and nobody listens any more.
interrupted() {
    local id status=0 port
    # A shell's background jobs ignore the signal that a terminal sends.
    env -u CI python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])' keyfob login "$2" >"$WORK/$1.out" 2>"$WORK/$1.err" </dev/null &
    id=$!
    page "$1" '.pages == ["login"]' || return 1
    port=$(grep -oE '127\.0\.0\.1%3A[0-9]+%2Fcallback' "$WORK/$1.err" | sed -n '1s/.*%3A\([0-9]*\)%2F.*/\1/p')
    listens "$port" || { echo "nobody listens at port $port"; return 1; }
    kill -INT "$id"
    wait "$id" || status=$?
    [[ $status == 130 ]] || { echo "status $status"; return 1; }
    fails listens "$port" || { echo "somebody listens at port $port"; return 1; }
}

# Ten at once, as when ten tools find that a session has ended: one asks the person, the others take what came.
by_ten() {
    web ten browser 'redirect_path = "/callback"'
    person ten
    order reset
    ok 'ten logins at once end well' ten_logins
    ok 'for one browser' [ "$(wc -l <"$WORK/ten.opened")" = 1 ]
    ok 'and one grant' seen 1 .granted.authorization_code
    ok 'whose session is good' serves ten
}
ten_logins() {
    local at ids=() failed=0
    for ((at = 0; at < 10; at++)); do
        timeout 120 env -u CI keyfob login ten >"$WORK/ten-$at.out" 2>"$WORK/ten-$at.err" </dev/null &
        ids+=($!)
    done
    for at in "${ids[@]}"; do wait "$at" || failed=$((failed + 1)); done
    ((failed == 0)) || { echo "$failed of 10 failed"; cat "$WORK"/ten-*.err; return 1; }
}

# What the issuer says of itself is found, and nothing of it is in the provider file.
by_discovery() {
    local scopes="scopes = $SCOPES" prompt='parameters = { prompt = "consent" }'
    bare_provider found browser "issuer = \"$ISSUER\"" 'client_id = "browser"' 'redirect_path = "/callback"' "$scopes" "$prompt"
    person found
    order reset
    ok 'a login needs no more than issuer and client' login 0 found found
    ok 'and ends at our page, which knows the account' ends_at_our_page found
    ok 'its request was pushed, as the issuer takes it' seen 1 .pushed
    ok 'whom the session speaks for is asked where the issuer says' exits 0 whoami keyfob whoami found
    order reset
    ok 'the session renews where the issuer says' eval 'order "set?access=7200" && exits 0 next keyfob token found --valid-for 90m'
    ok 'with one redemption' seen 1 "$REDEEMED"
    order 'set?access=3600'
    ok 'and logs out there' eval 'exits 0 logout keyfob logout found && seen 1 .ended'

    bare_provider made device "issuer = \"$ISSUER\"" "$scopes"
    ok 'a program that has no client makes one' code_login 0 made made approve
    ok 'once' seen 1 .registered
    ok 'and its token is honoured' eval 'exits 0 made-token keyfob token made && tr -d "\n" <"$WORK/made-token.out" | active'
    ok 'the next login has the same client' eval 'code_login 0 made made approve && seen 1 .registered'
    ok 'and a renewal, too' eval 'order "set?access=7200" && exits 0 next keyfob token made --valid-for 90m'
    order 'set?access=3600'

    bare_provider made-web browser "issuer = \"$ISSUER\"" "$scopes" "$prompt"
    person made-web
    ok 'a client for a browser is made with the path that comes back' login 0 made-web made-web
    ok 'to our page' ends_at_our_page made-web
}

# A whole set-up from one URL.
by_url() {
    person added
    ok 'a provider is added from an issuer alone, with a login to try it' \
        exits 0 added env -u CI keyfob provider add "$ISSUER" --name added --yes --target "$ISSUER/me"
    ok 'which ends at our page' page added '.pages == ["login", "consent", "end"] and (.text | test("as ann"))'
    ok 'the page is good on a phone and wants nothing from elsewhere' ends_well added
    ok 'the file that was written is good' exits 0 check keyfob provider check added
    ok 'the token that is served is honoured' eval 'serves added && tr -d "\n" <"$WORK/added-served.out" | active'
    ok 'it renews, because consent was asked for' \
        eval 'order "set?access=7200" && exits 0 next keyfob token added --valid-for 90m'
    order 'set?access=3600'
}

by_pushed_request() {
    web pushed browser-pushed 'redirect_path = "/callback"' \
        "pushed_authorization_request_endpoint = \"$ISSUER/request\""
    person pushed
    order reset
    ok 'a request is pushed to an issuer that demands it' login 0 pushed pushed
    ok 'once' seen 1 .pushed
    ok 'and ends at our page' ends_at_our_page pushed
    ok 'the address that was shown says nothing else' fails says pushed 'scope=\|challenge='
}

# A token for one resource and no other (RFC 8707), also after a renewal.
by_resource() {
    local lines audience='.aud == "https://api.acme.example" and .scope == "repo"'
    lines=$(SCOPES='["openid", "offline_access", "repo"]' endpoints device device_authorization=/device/auth)
    bare_provider resource device "$lines" 'resource = ["https://api.acme.example"]'
    ok 'a session is for one resource' eval 'code_login 0 resource resource approve && serves resource'
    ok 'as the issuer says' says_of_the_token device "$audience"
    ok 'it renews' eval 'order "set?access=7200" && exits 0 next keyfob token resource --valid-for 90m'
    order 'set?access=3600'
    ok 'and is for that resource still' says_of_the_token device "$audience"
}

# A client whose tokens are bound to a key, at an issuer that wants its own nonce in each proof.
by_proof() {
    local lines
    lines=$(endpoints device-dpop device_authorization=/device/auth)
    provider bound device "$lines" 'dpop = true'
    order 'set?nonce=1'
    ok 'a session is bound to a key' code_login 0 bound bound approve
    ok 'as the issuer says' says_of_the_token device-dpop '.token_type == "DPoP"'
    ok 'the issuer is asked with a proof whom it speaks for' exits 0 whoami keyfob whoami bound
    order reset
    ok 'it renews' eval 'order "set?access=7200" && exits 0 next keyfob token bound --valid-for 90m --header --dpop-url "$ISSUER/me"'
    ok 'with one redemption, nonces and all' seen 1 "$REDEEMED"
    order 'set?access=3600'
    order 'set?nonce=0'
    ok 'a script that proves its request is let in' opens_with_proof bound
    ok 'one that only has the token is not' fails opens_without_proof bound
    ok 'a tool that knows no proofs gets nothing' exits 5 unproved keyfob token bound
    ok 'logout ends it' eval 'exits 0 logout keyfob logout bound && ! honours refresh device-dpop'
}
proved() { keyfob token "$1" --header --dpop-url "$ISSUER/me"; }
opens_with_proof() { proved "$1" | http -H @- "$ISSUER/me" | grep -q '"sub":"ann"'; }
opens_without_proof() { proved "$1" | grep '^Authorization' | http -H @- "$ISSUER/me"; }

# Machines: nobody logs in.
by_machine() {
    local name lines audience="audience = \"$ISSUER\""
    export JOB_SECRET='canary secret:of/a+job%&'
    printf %s "$JOB_SECRET" | private "$WORK/job.secret"
    lines=$(printf 'token_endpoint = "%s/token"\nscopes = ["repo"]' "$ISSUER")
    bare_provider job client-credentials "$lines" 'client_id = "job"' 'client_secret_env = "JOB_SECRET"'
    bare_provider job-basic client-credentials "$lines" 'client_id = "job-basic"' \
        "client_secret_file = \"$WORK/job.secret\"" 'token_auth = "basic"'
    bare_provider job-rsa client-credentials "$lines" 'client_id = "job-rsa"' 'token_auth = "private_key_jwt"' \
        '[signing]' "key_file = \"$WORK/keys/rsa.pem\"" 'key_id = "rsa"' '[grant]' "$audience"
    bare_provider job-curve client-credentials "$lines" 'client_id = "job-curve"' 'token_auth = "private_key_jwt"' \
        '[signing]' "key_file = \"$WORK/keys/curve.pem\"" 'key_id = "curve"' '[grant]' "$audience"
    for name in job job-basic job-rsa job-curve; do
        ok "$name: the first call gets a token" exits 0 "$name" keyfob token "$name"
        ok "$name: it is the one that the issuer gave" served_the_newest "$name" "$name"
        ok "$name: which honours it for what was asked" says_of_the_token "$name" '.scope == "repo"'
    done
    ok 'the second call asks nobody' eval 'order reset && exits 0 job keyfob token job && seen 0 ".granted.client_credentials"'
    export JOB_SECRET=canary-wrong
    ok 'a wrong secret is refused, and told as such' \
        eval 'exits 0 logout keyfob logout job && exits 2 wrong keyfob token job && says wrong invalid_client'
    unset JOB_SECRET
}

storm() {
    local at ids=() failed=0
    rm -rf "$WORK/storm" && mkdir "$WORK/storm"
    for ((at = 0; at < 50; at++)); do
        keyfob token "$1" --valid-for 10m >"$WORK/storm/$at.out" 2>"$WORK/storm/$at.err" </dev/null &
        ids+=($!)
    done
    for at in "${ids[@]}"; do wait "$at" || failed=$((failed + 1)); done
    ((failed == 0)) || { echo "$failed of 50 failed"; cat "$WORK"/storm/*.err; return 1; }
}
all_the_same() { [[ $(cat "$WORK"/storm/*.out | sort -u) == "$(newest access device)" ]]; }

renewal() {
    ok 'a session is made for a storm' aged_session acme
    ok 'fifty processes at once are all served' storm acme
    ok 'with the same token, the newest' all_the_same
    ok 'for one redemption' seen 1 "$REDEEMED"
    ok 'and the issuer refused nothing' seen 0 '.refused | length'
    ok 'the new refresh token is honoured' honours refresh device
    ok 'it is good for the next renewal' eval 'order "set?access=7200" && exits 0 next keyfob token acme --valid-for 90m'
    ok 'which redeemed it' seen 2 "$REDEEMED"

    ok 'a session is made for an issuer that rests' aged_session acme
    order 'fault?path=/token&kind=unavailable&seconds=3'
    ok 'status 503 means to try again' needs_ten_minutes 3 acme
    ok 'what still lives is served meanwhile' serves acme
    ok 'nobody asks before the time that the issuer named' eval 'needs_ten_minutes 3 acme && seen 1 ".requests.\"POST /token\""'
    ok 'after it the session renews' await needs_ten_minutes 0 acme
    ok 'with one redemption' seen 1 "$REDEEMED"
}

killed_while_it_waits() {
    local id
    order 'fault?path=/token&kind=slow&seconds=3'
    keyfob token "$1" --valid-for 10m >"$WORK/killed.out" 2>"$WORK/killed.err" </dev/null &
    id=$!
    await seen 1 "$REDEEMED" && kill -KILL "$id" && ! wait "$id" && [[ ! -s $WORK/killed.out ]]
}

# An issuer that repeats its answer for a while, as most that rotate do.
lost_with_grace() {
    local lines
    lines=$(endpoints device-grace device_authorization=/device/auth)
    provider patient device "$lines"
    ok 'a session is made for one lost answer' aged_session patient
    order 'fault?path=/token&kind=drop'
    ok 'an answer that is lost once is asked for again at once' needs_ten_minutes 0 patient
    ok 'which the issuer counts as two redemptions of one token' seen 2 "$REDEEMED"
    ok 'and the new refresh token is honoured' honours refresh device-grace
    ok 'a session is made for a sudden end' aged_session patient
    ok 'a process is killed while the issuer answers' killed_while_it_waits patient
    ok 'the next one has the session renewed' needs_ten_minutes 0 patient
    ok 'and the new refresh token is honoured, too' honours refresh device-grace
    ok 'a session is made for two lost answers' aged_session patient
    order 'fault?path=/token&kind=drop&times=2'
    ok 'an answer that is lost twice means to try again' needs_ten_minutes 3 patient
    ok 'and what still lives is served' serves patient
}

# A captive portal, or a gateway whose issuer is away.
page_in_between() {
    local lines
    lines=$(endpoints device-grace device_authorization=/device/auth)
    provider portal device "$lines"
    ok 'a session is made for a page in between' aged_session portal
    order 'fault?path=/token&kind=page'
    ok 'a page that is no answer of an issuer means to try again' needs_ten_minutes 3 portal
    ok 'and what still lives is served, too' serves portal
}

# After such trouble the issuer is left alone for up to half a minute, which the other checks have filled.
recovers() {
    local at
    for ((at = 0; at < 40; at++)); do
        needs_ten_minutes 0 "$1" >/dev/null && return 0
        sleep 1
    done
    needs_ten_minutes 0 "$1"
}

# An issuer that ends the whole family when a refresh token comes twice.
lost_without_grace() {
    ok 'a session is made for a lost answer at a strict issuer' aged_session acme
    order 'fault?path=/token&kind=drop'
    ok 'the issuer takes the second request for theft, and a person must log in' needs_ten_minutes 2 acme
    ok 'the issuer has ended the family' seen 1 .ended
    ok 'what to run is said' says acme-renewal 'keyfob login acme'
    ok 'the session is not forgotten' eval 'exits 0 kept keyfob list && grep -q acme "$WORK/kept.out"'
    ok 'a login brings it back' aged_session acme
    ok 'and it renews' needs_ten_minutes 0 acme
}

logout() {
    ok 'a session is made to log out of' eval 'mark device && aged_session acme && needs_ten_minutes 0 acme'
    ok 'logout tells the issuer' exits 0 logout keyfob logout acme
    ok 'which honours none of its access and refresh tokens any more' honours_none_since_the_mark device
    ok 'nothing is served after it' exits 2 gone keyfob token acme
    ok 'a session is made for an issuer that is away at logout' aged_session acme
    order 'fault?path=/token/revocation&kind=unavailable&times=2'
    ok 'logout without the issuer succeeds' exits 0 logout-alone keyfob logout acme
    ok 'and says that the token may still be honoured' says logout-alone 'may still honour'
    ok 'as it is' honours refresh device
    ok 'nothing is served after it, either' exits 2 gone keyfob token acme
}

# Nothing that the issuer ever gave out, and no password, is in what keyfob said.
no_leak() {
    tokens '' >"$WORK/tokens"
    [[ -s $WORK/tokens ]] && ! grep -rqFf "$WORK/tokens" "$WORK" --include='*.err' && ! holds_canary "$WORK"/*.err
}

recovered() {
    ok 'the session whose answers were lost has recovered' recovers patient
    ok 'and so has the one with a page in between' recovers portal
}

if (($# == 0)); then
    set -- \
        by_device by_browser by_ten by_discovery by_url by_pushed_request by_resource by_proof by_machine \
        lost_with_grace page_in_between renewal lost_without_grace logout recovered
fi
for section; do "$section"; done
ok 'no token and no password is in what keyfob said' no_leak
finish
