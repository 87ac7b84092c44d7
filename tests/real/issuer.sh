#!/usr/bin/env bash
# keyfob's logins and the life of its sessions at a certified OpenID provider, with a real browser at its pages.
# It knows the provider's clients and what a person sees; it must not know how keyfob keeps a session.
# By hand: KEYFOB=target/debug/keyfob tests/real/issuer.sh; the pages that were met are pictures in target/ci/pages.

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

by_device
lost_with_grace
page_in_between
renewal
lost_without_grace
logout
ok 'the session whose answers were lost has recovered' recovers patient
ok 'and so has the one with a page in between' recovers portal
ok 'no token and no password is in what keyfob said' no_leak
finish
