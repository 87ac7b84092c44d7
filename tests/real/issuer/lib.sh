# What tests/real/issuer.sh does its checks with: the issuer, the person at the browser, and keyfob's provider files.
# It knows the issuer's control port (issuer.mjs) and the browser's driver (browser.mjs); it must not know keyfob's files
# other than the provider files that it writes. Sourced after .ci/lib.sh, never run.
# shellcheck shell=bash

PARTS=$CI_DIR/issuer
# Pictures of every page that was met; they stay, to be looked at.
SHOTS=$CI_DIR/pages
DEVICE_GRANT=urn:ietf:params:oauth:grant-type:device_code

# Installs what package-lock.json names, once for each version of it, and never into the source tree.
lay_out_parts() {
    local source=$ROOT/tests/real/issuer sum
    sum=$(cat "$source/package.json" "$source/package-lock.json" | sha256sum)
    node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' ||
        die "the issuer needs Node.js 20 or newer ($(node --version) here)"
    # An address in it would tie everybody to one registry.
    ! grep -q '"resolved"' "$source/package-lock.json" || die 'package-lock.json names addresses'
    mkdir -p "$PARTS"
    cp "$source"/*.mjs "$source/package.json" "$source/package-lock.json" "$source/.npmrc" "$PARTS"
    [[ $(cat "$PARTS/installed" 2>/dev/null) == "$sum" ]] && return 0
    (cd "$PARTS" && npm ci >"$CI_DIR/npm.log" 2>&1) || die "npm could not install the issuer: $(tail -n 20 "$CI_DIR/npm.log")"
    printf '%s\n' "$sum" >"$PARTS/installed"
}

start_issuer() {
    (umask 077 && mkdir -p "$WORK/keys")
    serve issuer node "$PARTS/issuer.mjs" "$WORK/keys"
    await grep -q '^{' "$WORK/issuer.log" || die "the issuer did not start: $(cat "$WORK/issuer.log")"
    ISSUER=$(grep -m 1 '^{' "$WORK/issuer.log" | jq -r .issuer)
    CONTROL=$(grep -m 1 '^{' "$WORK/issuer.log" | jq -r .control)
    printf 'user = "watcher:canary-secret-of-watcher"\n' >"$WORK/watcher"
}

http() { curl -sS --fail --noproxy '*' --max-time 20 "$@"; }

# `order 'fault?path=/token&kind=drop'`: what the issuer is to do from now on.
order() { http -X POST "$CONTROL/$1"; }

# `state '.granted.refresh_token'`: what the issuer has seen, by a filter of jq.
state() { http "$CONTROL/state" | jq -r "$1"; }
tokens() { http "$CONTROL/tokens?$1"; }
# `seen 1 '.granted.refresh_token'`
seen() {
    local found
    found=$(state "$2 // 0")
    [[ $found == "$1" ]] || { echo "$2 is $found and not $1"; return 1; }
}

# Whether the issuer's own introspection (RFC 7662) honours the token on standard input.
active() {
    http -K "$WORK/watcher" --data-urlencode token@- "$ISSUER/token/introspection" >"$WORK/introspection.json" &&
        jq -e '.active == true' "$WORK/introspection.json" >/dev/null
}
newest() { tokens "kind=$1&client=$2" | tail -n 1 | tr -d '\n'; }
honours() { newest "$1" "$2" | active; }
# `mark CLIENT`, and later: every token that the client was given since is refused, and there are some.
mark() { tokens "client=$1" | wc -l >"$WORK/mark"; }
honours_none_since_the_mark() {
    local token count=0
    while read -r token; do
        count=$((count + 1))
        if printf %s "$token" | active; then echo "token $count since the mark is honoured"; return 1; fi
    done < <(tokens "client=$1" | tail -n +$(($(cat "$WORK/mark") + 1)))
    ((count > 0)) || { echo "no token since the mark"; return 1; }
}
none_since_the_mark() { [[ $(tokens "client=$1" | wc -l) == "$(cat "$WORK/mark")" ]]; }

# `bare_provider NAME FLOW [LINE …]`: a provider file; the lines go into its part `oauth`.
bare_provider() {
    local name=$1 flow=$2
    shift 2
    mkdir -p "$KEYFOB_HOME/config/providers"
    cat >"$KEYFOB_HOME/config/providers/$name.toml" <<END
format = 1
name = "$name"
title = "Acme"
[login]
flow = "$flow"
[[target]]
url = "$ISSUER/me"
scheme = "bearer"
[oauth]
$(printf '%s\n' "$@")
END
}

# The same, with the place where to ask whom a session speaks for.
provider() {
    bare_provider "$@"
    printf '[whoami]\nurl = "%s"\nsubject = "/sub"\n' "$ISSUER/me" >>"$KEYFOB_HOME/config/providers/$1.toml"
}

# The lines of a client at endpoints that are named one by one: `endpoints CLIENT [NAME=PATH …]`, for these scopes.
SCOPES='["openid", "offline_access"]'
endpoints() {
    local client=$1 pair
    shift
    printf 'client_id = "%s"\nscopes = %s\n' "$client" "$SCOPES"
    for pair in token=/token revocation=/token/revocation "$@"; do
        printf '%s_endpoint = "%s%s"\n' "${pair%%=*}" "$ISSUER" "${pair#*=}"
    done
}

# `run NAME command …`: a program with its output in $WORK/NAME.out and .err, where the search for leaks finds it.
run() {
    local name=$1 status=0
    shift
    timeout 120 "$@" >"$WORK/$name.out" 2>"$WORK/$name.err" </dev/null || status=$?
    return $status
}

# `exits CODE NAME command …`: the same, and how it must end.
exits() {
    local wanted=$1 name=$2 status=0
    shift 2
    run "$name" "$@" || status=$?
    [[ $status == "$wanted" ]] && return 0
    echo "status $status and not $wanted"
    cat "$WORK/$name.err"
    return 1
}

says() {
    grep -q -- "$2" "$WORK/$1.err" || { echo "no word of: $2"; cat "$WORK/$1.err"; return 1; }
}

# `person NAME [OPTION …]`: from now on whoever opens $BROWSER meets a person who acts as browser.mjs is told.
person() {
    local name=$1
    shift
    rm -f "$WORK/$name.page" "$WORK/$name.opened"
    cat >"$WORK/person" <<END
#!/bin/sh
echo opened >>'$WORK/$name.opened'
node '$PARTS/browser.mjs' --shots '$SHOTS' --name '$name' $* "\$1" >'$WORK/$name.seen' 2>'$WORK/$name.browser-log'
mv '$WORK/$name.seen' '$WORK/$name.page'
END
    chmod +x "$WORK/person"
    export BROWSER=$WORK/person
}

# A file that only its owner may read.
private() { (umask 077 && cat >"$1"); }

# `page NAME FILTER`: what jq says of the last page that the person saw.
page() {
    local at
    # A browser on a loaded machine takes its time.
    for ((at = 0; at < 6; at++)); do await test -e "$WORK/$1.page" && break; done
    [[ -s $WORK/$1.page ]] || { echo "no page: $(cat "$WORK/$1.browser-log")"; return 1; }
    jq -e "$2" "$WORK/$1.page" >/dev/null || { cat "$WORK/$1.page"; return 1; }
}

# `login STATUS NAME PROFILE [OPTION …]`: a login whose browser is the person's.
login() {
    local wanted=$1 name=$2
    shift 2
    exits "$wanted" "$name" env -u CI keyfob login "$@"
}

# A login by the device grant whose code somebody else types: `code_login STATUS NAME PROFILE command …` gets the code as
# `$CODE` and the page as `$PAGE`.
code_login() {
    local wanted=$1 name=$2 profile=$3 id status=0
    shift 3
    rm -f "$WORK/$name.err"
    timeout 60 keyfob login --no-browser "$profile" >"$WORK/$name.out" 2>"$WORK/$name.err" </dev/null &
    id=$!
    await grep -qE '^ +[A-Z]{4}-[A-Z]{4}$' "$WORK/$name.err" || { cat "$WORK/$name.err"; return 1; }
    CODE=$(grep -m 1 -oE '^ +[A-Z]{4}-[A-Z]{4}$' "$WORK/$name.err" | tr -d ' ')
    PAGE=$(grep -m 1 -oE 'http://[^ ]+' "$WORK/$name.err")
    "$@" || return 1
    wait "$id" || status=$?
    [[ $status == "$wanted" ]] && return 0
    echo "status $status and not $wanted"
    cat "$WORK/$name.err"
    return 1
}
approve() { order "approve?code=$CODE"; }
type_code() {
    node "$PARTS/browser.mjs" --shots "$SHOTS" --name "$1" --code "$CODE" "$PAGE" >"$WORK/$1.page" 2>"$WORK/$1.browser-log"
}

# A session whose token has a minute left, at an issuer that gives an hour from now on: whoever needs ten minutes renews.
aged_session() {
    order 'set?access=60' && code_login 0 "$1-login" "$1" approve && order 'set?access=3600' && order reset
}
needs_ten_minutes() { exits "$1" "$2-renewal" keyfob token "$2" --valid-for 10m; }
serves() { exits 0 "$1-served" keyfob token "$1"; }
# What the introspection says of the newest access token: `says_of_the_token CLIENT '.cnf.jkt'`.
says_of_the_token() { honours access "$1" && jq -e "$2" "$WORK/introspection.json" >/dev/null || { cat "$WORK/introspection.json"; return 1; }; }
# The token that keyfob printed last is the newest that the issuer gave.
served_the_newest() { [[ $(cat "$WORK/$1.out") == "$(newest access "$2")" ]]; }
