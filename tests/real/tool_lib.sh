# Parts of the drivers of tools that fetch over https from a registry that takes bearer tokens. Sourced, never run.
# It knows tests/real/tool_server.py and a provider that needs no person; it must not know any tool.
# shellcheck shell=bash

# A host with TLS, an authority made for it, and an issuer; `$HOST` is `127.0.0.1:PORT`.
start_servers() {
    mkdir -p "$WORK/server" "$WORK/home"
    local key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2)
    # The authority and the host are two: some clients take no authority for a host.
    openssl req -x509 "${key[@]}" -subj '/CN=keyfob test' -addext 'basicConstraints=critical,CA:TRUE' \
        -keyout "$WORK/server/ca.key" -out "$WORK/server/ca.pem" 2>/dev/null
    openssl req -x509 "${key[@]}" -subj '/CN=127.0.0.1' -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' \
        -addext 'basicConstraints=critical,CA:FALSE' -CA "$WORK/server/ca.pem" -CAkey "$WORK/server/ca.key" \
        -keyout "$WORK/server/key.pem" -out "$WORK/server/cert.pem" 2>/dev/null
    serve servers python3 "$ROOT/tests/real/tool_server.py" "$WORK/server"
    await test -s "$WORK/server/host" || die "the servers did not start: $(cat "$WORK/servers.log")"
    ISSUER=$(<"$WORK/server/issuer")
    HOST=$(<"$WORK/server/host")
    export HOME=$WORK/home KEYFOB_HOME=$WORK/keyfob KEYFOB_KEYCHAIN=off SSL_CERT_FILE=$WORK/server/ca.pem
    unset HTTPS_PROXY https_proxy HTTP_PROXY http_proxy ALL_PROXY all_proxy || true
    export NO_PROXY=localhost,127.0.0.1 no_proxy=localhost,127.0.0.1
}

# `provider NAME [LINE …]`: a session at the issuer that needs no person, for the host. The lines belong to the target.
provider() {
    local name=$1
    shift
    mkdir -p "$KEYFOB_HOME/config/providers"
    {
        printf 'format = 1\n[login]\nflow = "client-credentials"\n[oauth]\ntoken_endpoint = "%s/token"\n' "$ISSUER"
        printf 'client_id = "job"\nclient_secret_env = "JOB_SECRET"\n'
        printf '[[target]]\nurl = "https://%s"\nscheme = "bearer"\n' "$HOST"
        printf '%s\n' "$@"
    } >"$KEYFOB_HOME/config/providers/$name.toml"
    chmod -R go-rwx "$KEYFOB_HOME"
    export JOB_SECRET=canary-client
}
no_provider() { rm "$KEYFOB_HOME/config/providers/$1.toml"; }

lives() { curl -sSf "$ISSUER/life?secs=$1" >/dev/null; }
# The short session has ended, here by the clock and there for good; the next one is a long one.
ends_it() {
    sleep 2
    lives 3600
    curl -sSf "$ISSUER/end" >/dev/null
    saw true
}
counts() { curl -sSf "$ISSUER/counts"; }
# `saw FILTER`: what the servers counted since the last time is so, in jq's words.
saw() {
    counts >"$WORK/counts" || return 1
    jq -e "$1" "$WORK/counts" >/dev/null || { cat "$WORK/counts"; return 1; }
}

# `locked command …`: while the store is behind a passphrase that nobody typed.
locked() {
    local status=0
    printf 'canary horse battery' | keyfob lock set --work-factor 12 --passphrase-file - >/dev/null 2>&1 || return 1
    keyfob lock >/dev/null 2>&1 || status=$?
    if ((status == 0)); then "$@" || status=$?; fi
    printf 'canary horse battery' | keyfob lock clear --plain --passphrase-file - >/dev/null 2>&1 || return 1
    return $status
}
