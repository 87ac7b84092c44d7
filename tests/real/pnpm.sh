#!/usr/bin/env bash
# pnpm 10 and the newest with keyfob as tokenHelper, against a registry on the loopback that checks the token, and verdaccio.
# It knows pnpm's settings; it must not know how keyfob stores anything.
# By hand: KEYFOB=target/debug/keyfob tests/real/pnpm.sh

# Programs given to an inner shell expand there.
# shellcheck disable=SC2016
# shellcheck source=../../.ci/lib.sh
. "$(dirname "$0")/../../.ci/lib.sh"
# shellcheck source=tool_lib.sh
. "$(dirname "$0")/tool_lib.sh"
need curl curl jq jq openssl openssl python3 python3 node nodejs npm npm
node_part pnpm10 pnpm@10.34.9
node_part pnpm12 pnpm@12.21.0
node_part verdaccio verdaccio@6.2.0
make_work pnpm
lay_out_keyfob pnpm-credential-keyfob pnpm-credential-keyfob-acme pnpm-credential-keyfob-nobody pnpm-credential-keyfob-verdaccio
start_servers
export NODE_EXTRA_CA_CERTS=$SSL_CERT_FILE NPM_CONFIG_USERCONFIG=$HOME/.npmrc XDG_CONFIG_HOME=$HOME/.config
export npm_config_update_notifier=false npm_config_manage_package_manager_versions=false COREPACK_ENABLE_STRICT=0

# `configured URL WORDS …`: the registry, and the command for its token.
configured() {
    local url=$1
    shift
    printf '@acme:registry=%s\n%s:tokenHelper=%s\ncafile=%s\nfetch-retries=0\n' "$url" "${url#*:}" "$*" "$SSL_CERT_FILE" \
        >"$HOME/.npmrc"
}
pnpm_of() { "$CI_DIR/pnpm$1/node_modules/.bin/pnpm" "${@:2}"; }
# `fetches VERSION`: installs the package anew, with nothing kept from before.
fetches() {
    rm -rf "$WORK/project" "$HOME/.local" "$HOME/.cache" "$WORK/pnpm-store"
    mkdir "$WORK/project"
    printf '{"name":"it","version":"1.0.0","private":true}' >"$WORK/project/package.json"
    (cd "$WORK/project" && timeout 60 "$CI_DIR/pnpm$1/node_modules/.bin/pnpm" add --store-dir "$WORK/pnpm-store" --ignore-workspace "@acme/hello@${2:-1.0.0}") \
        >"$WORK/add.out" 2>&1 </dev/null || { cat "$WORK/add.out"; return 1; }
    [[ -e $WORK/project/node_modules/@acme/hello/package.json ]]
}
publishes() {
    rm -rf "$WORK/published" "$WORK/server/published"
    mkdir "$WORK/published"
    printf '{"name":"@acme/hello","version":"1.1.0","main":"index.js"}' >"$WORK/published/package.json"
    : >"$WORK/published/index.js"
    (cd "$WORK/published" && timeout 60 "$CI_DIR/pnpm$1/node_modules/.bin/pnpm" publish --no-git-checks --ignore-scripts) \
        >"$WORK/publish.out" 2>&1 </dev/null || { cat "$WORK/publish.out"; return 1; }
}
ends() {
    local code=$1 text=$2 status=0
    shift 2
    "$@" >"$WORK/ends.out" 2>"$WORK/ends.err" </dev/null || status=$?
    cat "$WORK/ends.err"
    ((status == code)) && [[ ! -s $WORK/ends.out ]] && grep -qF -- "$text" "$WORK/ends.err" && ! holds_canary "$WORK/ends.err"
}

one_version() {
    local version=$1 helper=$WORK/bin/pnpm-credential-keyfob-acme client
    client="pnpm $(pnpm_of "$version" --version)"
    configured "https://$HOST/npm/" "$WORK/bin/pnpm-credential-keyfob-nobody"
    ok "pnpm · miss · $client: without a credential nothing is fetched" eval "fails fetches $version && saw '.good == 0'"
    configured "https://$HOST/npm/" "$helper"
    ok "pnpm · hit · $client: a session fetches the package" eval "fetches $version && saw '.good > 0 and .bad == 0'"
    ok "$client publishes with it" eval "publishes $version && [[ \$(<$WORK/server/published) == @acme/hello ]] && saw '.bad == 0'"
    keyfob logout acme --local >/dev/null 2>&1
    lives 1
    ok 'a short session is begun' fetches "$version"
    ends_it
    ok "pnpm · refreshed · $client: when it has ended, the next command has another one" eval "fetches $version && saw '.good > 0 and .bad == 0'"
    ok "pnpm · locked · $client: behind a passphrase nothing is given" locked eval "fails fetches $version && saw '.good == 0'"
    rm -rf "$HOME/.local" "$HOME/.cache"
    ok "no secret is in the files of $client" eval '! holds_canary "$HOME" "$WORK/project" "$WORK/add.out" "$WORK/publish.out"'
}

start_verdaccio() {
    local port
    port=$(free_port)
    VERDACCIO=127.0.0.1:$port
    mkdir -p "$WORK/verdaccio"
    cat >"$WORK/verdaccio/config.yaml" <<EOF
storage: $WORK/verdaccio/storage
auth: { htpasswd: { file: $WORK/verdaccio/htpasswd } }
uplinks: {}
packages: { '**': { access: \$authenticated, publish: \$authenticated } }
log: { type: stdout, format: pretty, level: warn }
EOF
    serve verdaccio "$CI_DIR/verdaccio/node_modules/.bin/verdaccio" --config "$WORK/verdaccio/config.yaml" --listen "$VERDACCIO"
    local i
    for ((i = 0; i < 30; i++)); do await curl -sf "http://$VERDACCIO/-/ping" && return 0; done
    die "verdaccio did not start: $(cat "$WORK/verdaccio.log")"
}
# The token is verdaccio's own: a person's, which `npm login` would have put into .npmrc.
keeps_its_token() {
    printf 'format = 1\n[login]\nflow = "key"\n[[target]]\nurl = "http://%s"\nscheme = "bearer"\n' "$VERDACCIO" \
        >"$KEYFOB_HOME/config/providers/verdaccio.toml"
    chmod 600 "$KEYFOB_HOME/config/providers/verdaccio.toml"
    curl -sf -X PUT -H 'Content-Type: application/json' -d '{"name":"ann","password":"canary-password"}' \
        "http://$VERDACCIO/-/user/org.couchdb.user:ann" | jq -r .token | keyfob set-token verdaccio --no-check
}

say "node $(node --version), pnpm $(pnpm_of 10 --version) and $(pnpm_of 12 --version)"
provider acme
one_version 10
one_version 12
configured "https://$HOST/npm/" "keyfob pnpm https://$HOST/npm/"
ok 'the newest takes a command with arguments, here a URL' fetches 12
ok 'there is no word for a miss' ends 2 'there is none' keyfob pnpm https://elsewhere.example
ok 'a name without a profile is no call' ends 64 'expected a profile' pnpm-credential-keyfob
saw true
provider other
ok 'two that fit are named, and none of them is taken' ends 5 'both claim' keyfob pnpm "https://$HOST/npm/"
ok "pnpm · two-accounts · pnpm $(pnpm_of 12 --version): nothing is sent" eval "fails fetches 12 && saw '.good == 0'"
no_provider other
configured "https://$HOST/npm/" "keyfob pnpm acme more"
ok "pnpm · malformed · pnpm $(pnpm_of 12 --version): a call that is none gives it nothing" eval "fails fetches 12 && saw '.good == 0'"
start_verdaccio
ok 'verdaccio gives a token, and keyfob keeps it' keeps_its_token
configured "http://$VERDACCIO/" "$WORK/bin/pnpm-credential-keyfob-verdaccio"
ok 'verdaccio takes a package that pnpm 10 publishes with it' publishes 10
ok 'and gives it to pnpm 12' fetches 12 1.1.0
configured "http://$VERDACCIO/" "$WORK/bin/pnpm-credential-keyfob-nobody"
ok 'but not to whoever has no token' fails fetches 12
finish
