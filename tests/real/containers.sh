#!/usr/bin/env bash
# Debian's podman, buildah and skopeo after `keyfob install containers`, against two registries on the loopback: one with
# passwords, which they log in to, and one whose token service takes the token of a session.
# It knows their settings and the registry's; it must not know how keyfob stores anything.
# By hand: KEYFOB=target/debug/keyfob tests/real/containers.sh

# Checks of several steps are handed to `eval` as text on purpose.
# shellcheck disable=SC2016
# shellcheck source=../../.ci/lib.sh
. "$(dirname "$0")/../../.ci/lib.sh"
need podman podman buildah buildah skopeo skopeo docker-registry docker-registry htpasswd apache2-utils curl curl jq jq \
    openssl openssl python3 python3 unshare util-linux
make_work containers
lay_out_keyfob
# Making the link is what is tested.
rm "$WORK/bin/docker-credential-keyfob"

PASSWORD=canary-registry-$RANDOM$RANDOM
export HOME=$WORK/home KEYFOB_HOME=$WORK/keyfob KEYFOB_KEYCHAIN=off XDG_RUNTIME_DIR=$WORK/run
unset CONTAINERS_REGISTRIES_CONF CONTAINERS_REGISTRIES_CONF_OVERRIDE CONTAINERS_CONF HTTPS_PROXY https_proxy HTTP_PROXY \
    http_proxy ALL_PROXY all_proxy || true
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
mkdir -p "$HOME" "$WORK/run" "$WORK/server" "$KEYFOB_HOME/config/providers"
chmod 700 "$WORK/run"
cd "$WORK" || exit

# `start_registry NAME AUTH`: its address in $NAME.
start_registry() {
    local name=$1 auth=$2 port
    port=$(free_port)
    printf -v "${name^^}" '127.0.0.1:%s' "$port"
    mkdir -p "$WORK/$name"
    cat >"$WORK/$name/config.yml" <<END
version: 0.1
log: { level: warn, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: $WORK/$name/data } }
http: { addr: 127.0.0.1:$port, secret: not-a-secret-here }
auth: { $auth }
END
    serve "$name" docker-registry serve "$WORK/$name/config.yml"
    await bash -c "exec 3<>/dev/tcp/127.0.0.1/$port" || die "the registry did not start: $(cat "$WORK/$name.log")"
}
PASSWORDS='' TOKENS=''
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=keyfob test' -keyout server/key.pem -out server/cert.pem 2>/dev/null
serve servers python3 -B "$ROOT/tests/real/containers_server.py" "$WORK/server"
await test -s server/issuer || die "the servers did not start: $(cat servers.log)"
ISSUER=$(<server/issuer)
htpasswd -Bbn ann "$PASSWORD" >users
start_registry passwords "htpasswd: { realm: keyfob-test, path: $WORK/users }"
start_registry tokens "token: { realm: \"$(<server/realm)/\", service: tokens, issuer: keyfob test, rootcertbundle: $WORK/server/cert.pem }"

make_run
STORAGE=(--root "$WORK/storage" --runroot "$RUN" --storage-driver vfs)
# Without root podman begins in a namespace of its own, and needs what Debian installs for that; skopeo needs nothing.
podman() { command podman "${STORAGE[@]}" --cgroup-manager cgroupfs "$@"; }
buildah() { command buildah "${STORAGE[@]}" "$@"; }
logs_in() { printf %s "$2" | "$1" login --tls-verify=false --username ann --password-stdin "$PASSWORDS"; }
who() { [[ $("$1" login --get-login "${2:-$PASSWORDS}") == "${3:-ann}" ]]; }
pushes() { "$1" push --tls-verify=false "$PASSWORDS/things/one:1" "${2:-$PASSWORDS}/things/one:1"; }
# What is here already is not fetched.
pulls() { podman rmi -f "$2/things/one:1" >/dev/null 2>&1; "$1" pull --tls-verify=false "$2/things/one:1"; }
inspects() { skopeo inspect --tls-verify=false "docker://$1/things/one:1" >/dev/null; }
keeps() { keyfob list | grep -q "https://$PASSWORDS  *ann "; }
# No login lies in a file of theirs.
sealed() { ! grep -rqs '"auth"' "$WORK/run/containers" "$HOME/.config/containers" "$HOME/.docker"; }
makes_image() {
    printf 'FROM scratch\nCOPY hello /\n' >Containerfile && echo hello >hello &&
        buildah build --isolation chroot --tag "$PASSWORDS/things/one:1" --file Containerfile .
}
saw() {
    curl -sS --fail "$ISSUER/seen" >seen || return 1
    jq -e "$1" seen >/dev/null || { cat seen && return 1; }
}
# A session for the registry with tokens; nobody needs to log in.
session() {
    cat >"$KEYFOB_HOME/config/providers/$1.toml" <<END
format = 1
[login]
flow = "client-credentials"
[oauth]
token_endpoint = "$ISSUER/token"
client_id = "job"
client_secret_env = "JOB_SECRET"
[[target]]
url = "https://$TOKENS"
scheme = "basic"
END
    chmod -R go-rwx "$KEYFOB_HOME"
    export JOB_SECRET=canary-client
}
locked() {
    local status=0
    printf 'canary horse battery' | keyfob lock set --work-factor 12 --passphrase-file - >/dev/null 2>&1 || return 1
    keyfob lock >/dev/null 2>&1 || status=$?
    if ((status == 0)); then "$@" || status=$?; fi
    printf 'canary horse battery' | keyfob lock clear --plain --passphrase-file - >/dev/null 2>&1 || return 1
    return $status
}
beside() { cat >"$HOME/.config/containers/registries.conf.d/$1"; }
picture() { (cd "$WORK" && find home bin -printf '%y %m %p %l\n' | grep -v '/\.cache\|/\.local' | sort && find home -type f -path '*/containers/*' -exec sha256sum {} + | sort); }

say "$(podman --version); $(buildah --version); $(skopeo --version)"
picture >before
ok 'the tools are wired' keyfob install containers
ok 'containers · miss · podman: nothing is kept' eval 'fails who podman && fails pulls podman "$PASSWORDS"'
ok 'containers · malformed · podman: a login with a wrong password keeps nothing' eval 'fails logs_in podman canary-wrong && fails keeps'
ok 'containers · store · podman: a login is kept by keyfob' eval 'logs_in podman "$PASSWORD" && keeps'
ok 'and not in a file of podman'\''s' sealed
ok 'containers · hit · podman: it knows who is logged in' who podman
ok 'so does skopeo' who skopeo
ok 'containers · hit · buildah: it knows it too' who buildah
ok 'an image is made' makes_image
ok 'containers · hit · buildah: it is pushed' pushes buildah
ok 'containers · hit · podman: it is pulled' pulls podman "$PASSWORDS"
ok 'containers · hit · skopeo: it is inspected' inspects "$PASSWORDS"
ok 'buildah pulls it too' pulls buildah "$PASSWORDS"
ok 'containers · hit · podman: it is pushed' pushes podman
ok 'containers · erase · podman: a logout forgets it' eval 'podman logout "$PASSWORDS" && fails keeps && fails who podman'
ok 'containers · miss · buildah: nothing is pushed' fails pushes buildah
ok 'containers · store · buildah: a login is kept' eval 'logs_in buildah "$PASSWORD" && keeps && sealed && who podman'
ok 'containers · erase · buildah: a logout forgets it' eval 'buildah logout "$PASSWORDS" && fails keeps'

session acme
ok 'containers · hit · podman: a session pushes an image' eval 'pushes podman "$TOKENS" && saw ".tokens == 1 and .good > 0 and .bad == 0"'
ok 'and pulls it' eval 'pulls podman "$TOKENS" && saw ".tokens == 1 and .bad == 0"'
ok 'containers · hit · buildah: so it does with buildah' eval 'pulls buildah "$TOKENS" && saw ".good > 0 and .bad == 0"'
ok 'containers · locked · podman: behind a passphrase nothing is given' locked fails pulls podman "$TOKENS"
ok 'a login goes to podman'\''s own file meanwhile' locked eval 'logs_in podman "$PASSWORD" && fails sealed && podman logout "$PASSWORDS" && sealed'
session other
ok 'containers · two-accounts · podman: of two that fit none is taken' fails pulls podman "$TOKENS"
rm "$KEYFOB_HOME/config/providers/other.toml"
keyfob logout acme --local >/dev/null 2>&1
curl -sS --fail "$ISSUER/life?1" >/dev/null
ok 'a short session is begun' inspects "$TOKENS"
sleep 2
curl -sS --fail "$ISSUER/life?3600" >/dev/null
curl -sS --fail "$ISSUER/end" >/dev/null
ok 'containers · refreshed · podman: when it has ended, the next pull has another one' eval 'pulls podman "$TOKENS" && saw ".good > 0 and .bad == 0"'

# Who is asked, where others have said so too: what `podman` says of a login is the judge.
logs_in podman "$PASSWORD" >/dev/null 2>&1
beside 50-company.conf <<<'credential-helpers = ["containers-auth.json"]'
ok 'a file beside ours, read before it, changes nothing' who podman
ok 'wired again, its helper stands before ours' eval 'keyfob install containers && who podman && who buildah && who skopeo &&
    grep -qx '\''credential-helpers = \["containers-auth.json", "keyfob"\]'\'' "$HOME/.config/containers/registries.conf.d/zz-keyfob.conf"'
beside zzz.conf <<<'credential-helpers = ["containers-auth.json"]'
ok 'one that is read after it is asked instead' fails who podman
ok 'which `install` names' eval 'keyfob install containers 2>&1 | grep -q "zzz.conf. is read after"'
rm "$HOME"/.config/containers/registries.conf.d/{50-company,zzz}.conf
ok 'wherever the configurations are said to be' env XDG_CONFIG_HOME="$WORK/xdg" keyfob install containers
ok 'they ask keyfob' eval 'XDG_CONFIG_HOME="$WORK/xdg" who podman && who podman && XDG_CONFIG_HOME="$WORK/xdg" who skopeo'
printf 'credential-helpers = ["containers-auth.json"]\n' >named.conf
ok 'also where a variable names another configuration' eval 'CONTAINERS_REGISTRIES_CONF="$WORK/named.conf" who podman'
# The system's own directory, in a view of the files that nobody else has.
in_system() {
    unshare --mount bash -c 'mount -t tmpfs none /etc/containers/registries.conf.d &&
        printf %s\\n "credential-helpers = [\"secretservice\"]" >/etc/containers/registries.conf.d/50-system.conf && "$@"' _ "$@"
}
if in_system true 2>/dev/null; then
    ok 'the system'\''s helper stands before ours' eval 'in_system keyfob install containers &&
        grep -qx '\''credential-helpers = \["secretservice", "keyfob"\]'\'' "$HOME/.config/containers/registries.conf.d/zz-keyfob.conf"'
else
    skip 'another view of the files' 'this machine gives nobody one'
fi
ok 'with --replace it is keyfob alone' keyfob install containers --replace
ok 'so that behind a passphrase a login fails' locked eval 'fails logs_in podman "$PASSWORD" && sealed'
ok 'which podman asks' eval 'who podman && podman logout "$PASSWORDS" && fails who podman'
ok 'they are unwired' keyfob uninstall containers
ok 'containers · miss · skopeo: and ask nobody' fails inspects "$TOKENS"
ok 'every file is as it was, by hash and mode' eval 'picture >after && diff before after'
ok 'no secret is in a log or a file of theirs' eval '! holds_canary passwords.log tokens.log servers.log run home'
finish
