#!/usr/bin/env bash
# docker's command line and skopeo against a real registry on the loopback, with keyfob as their credential helper.
# It knows docker's helper protocol and the registry's API; it must not know how keyfob stores anything.
# By hand: KEYFOB=target/debug/keyfob tests/real/docker.sh

# shellcheck source=../../.ci/lib.sh
. "$(dirname "$0")/../../.ci/lib.sh"
need docker docker.io docker-registry docker-registry htpasswd apache2-utils skopeo skopeo curl curl jq jq
make_work docker
lay_out_keyfob

PASSWORD=canary-registry-$RANDOM$RANDOM
PORT=$(free_port)
REGISTRY=127.0.0.1:$PORT
IMAGE=$REGISTRY/things/empty:1

export HOME=$WORK/home DOCKER_CONFIG=$WORK/docker KEYFOB_HOME=$WORK/keyfob KEYFOB_KEYCHAIN=off
# An address where no daemon is: nothing here may need one.
export DOCKER_HOST=unix://$WORK/no-daemon.sock DOCKER_CLI_HINTS=false XDG_RUNTIME_DIR=$WORK/run
mkdir -p "$HOME" "$DOCKER_CONFIG" "$WORK/registry" "$WORK/run"
printf '{"credsStore":"keyfob"}\n' >"$DOCKER_CONFIG/config.json"

start_registry() {
    htpasswd -Bbn ann "$PASSWORD" >"$WORK/registry/htpasswd"
    cat >"$WORK/registry/config.yml" <<EOF
version: 0.1
log: { level: warn, accesslog: { disabled: true } }
storage:
  filesystem: { rootdirectory: $WORK/registry/data }
  delete: { enabled: true }
http: { addr: $REGISTRY, secret: not-a-secret-here }
auth:
  htpasswd: { realm: keyfob-test, path: $WORK/registry/htpasswd }
EOF
    serve registry docker-registry serve "$WORK/registry/config.yml"
    await bash -c "exec 3<>/dev/tcp/127.0.0.1/$PORT" || die "the registry did not start: $(cat "$WORK/registry.log")"
}

helper() { docker-credential-keyfob "$1"; }
ask() { printf '%s' "$REGISTRY" | helper get; }

login() { printf '%s' "$1" | docker login --username ann --password-stdin "$REGISTRY"; }

# The exact sentence is how docker tells "nothing stored" from a failure: on stdout, with status 1.
not_found() {
    local out status=0
    out=$(ask 2>"$WORK/not-found.err") || status=$?
    [[ $status == 1 && $out == 'credentials not found in native keychain' && ! -s $WORK/not-found.err ]]
}

answers_as_json() {
    ask >"$WORK/answer.json" 2>"$WORK/answer.err" &&
        jq -e --arg password "$PASSWORD" '.Username == "ann" and .Secret == $password' "$WORK/answer.json" >/dev/null &&
        [[ ! -s $WORK/answer.err ]]
}

lists_it() { [[ $(helper list </dev/null | jq -r --arg host "$REGISTRY" 'to_entries[] | select(.key | endswith($host)) | .value') == ann ]]; }

config_is_clean() {
    local auth
    ! holds_canary "$DOCKER_CONFIG" || return 1
    auth=$(printf 'ann:%s' "$PASSWORD" | base64 -w0)
    ! grep -rqF "$auth" "$DOCKER_CONFIG"
}

# curl with what the helper gave, as docker would use it; the password stays off the command line.
registry() {
    local method=$1 path=$2
    shift 2
    jq -r '"user = \"" + .Username + ":" + .Secret + "\""' "$WORK/answer.json" |
        curl -sS --fail --noproxy '*' -K - -X "$method" "http://$REGISTRY/v2/things/empty/$path" "$@"
}

put_blob() {
    local file=$1 digest place
    digest=sha256:$(sha256sum "$file" | cut -d' ' -f1)
    place=$(registry POST blobs/uploads/ -D - -o /dev/null | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
    place=${place#*/v2/things/empty/}
    registry PUT "$place&digest=$digest" --data-binary "@$file" -H 'Content-Type: application/octet-stream' >/dev/null
    printf '%s' "$digest"
}

# An image of no layers' content: a configuration, one empty archive, and the manifest that names them.
push_image() {
    local config layer type=application/vnd.docker
    tar -cf - -T /dev/null | gzip -n >"$WORK/layer.tar.gz"
    layer=$(put_blob "$WORK/layer.tar.gz")
    jq -nc --arg diff "sha256:$(gzip -dc "$WORK/layer.tar.gz" | sha256sum | cut -d' ' -f1)" \
        '{architecture: "amd64", os: "linux", config: {}, rootfs: {type: "layers", diff_ids: [$diff]}}' >"$WORK/config.json"
    config=$(put_blob "$WORK/config.json")
    jq -nc --arg type "$type" --arg config "$config" --arg layer "$layer" \
        --argjson csize "$(stat -c %s "$WORK/config.json")" --argjson lsize "$(stat -c %s "$WORK/layer.tar.gz")" \
        '{schemaVersion: 2, mediaType: ($type + ".distribution.manifest.v2+json"),
          config: {mediaType: ($type + ".container.image.v1+json"), size: $csize, digest: $config},
          layers: [{mediaType: ($type + ".image.rootfs.diff.tar.gzip"), size: $lsize, digest: $layer}]}' >"$WORK/manifest.json"
    registry PUT manifests/1 --data-binary "@$WORK/manifest.json" -H "Content-Type: $type.distribution.manifest.v2+json"
}

# The one command of docker's that fetches from a registry without a daemon.
docker_fetches() { docker manifest inspect --insecure "$IMAGE" | jq -e '.layers | length == 1' >/dev/null; }

# Erasing what is not there must not fail: docker's logout erases up to four spellings.
erases_nothing_quietly() { printf 'http://nowhere.invalid' | helper erase; }

with_skopeo() {
    printf 'unqualified-search-registries = []\ncredential-helpers = ["keyfob"]\n' >"$WORK/registries.conf"
    skopeo --registries-conf "$WORK/registries.conf" inspect --tls-verify=false "docker://$IMAGE" |
        jq -e '.Layers | length == 1' >/dev/null
}

# The containers family: by the list of helpers, and by a helper of one registry.
by_list() { skopeo --registries-conf "$WORK/registries.conf" "$@"; }
skopeo_login() { printf '%s' "$1" | by_list login --tls-verify=false --username ann --password-stdin "$REGISTRY"; }
skopeo_copies() {
    rm -rf "$WORK/copied" && by_list copy --src-tls-verify=false "docker://$IMAGE" "dir:$WORK/copied" && [[ -s $WORK/copied/manifest.json ]]
}
skopeo_forgets() { by_list logout "$REGISTRY" && not_found; }
skopeo_keeps() { skopeo_login "$PASSWORD" && answers_as_json; }
by_registry() {
    mkdir -p "$WORK/run/containers"
    printf '{"credHelpers":{"%s":"keyfob"}}\n' "$REGISTRY" >"$WORK/run/containers/auth.json"
    # Without docker's own configuration, which names the helper too.
    DOCKER_CONFIG=$WORK/none skopeo inspect --tls-verify=false "docker://$IMAGE" | jq -e '.Layers | length == 1' >/dev/null
}
# What docker keeps for its hub serves those who call it `docker.io`.
hub_is_one() {
    printf '{"ServerURL":"https://index.docker.io/v1/","Username":"ann","Secret":"canary-hub"}' | helper store &&
        printf docker.io | helper get | jq -e '.Secret == "canary-hub"' >/dev/null && printf docker.io | helper erase &&
        fails eval 'printf https://index.docker.io/v1/ | helper get'
}

start_registry
say "$(docker --version); registry $(docker-registry --version 2>/dev/null | awk '{print $3}'); $(skopeo --version)"
ok 'get of what is not there says docker'\''s own sentence' not_found
ok 'erase of what is not there succeeds' erases_nothing_quietly
ok 'a login with a wrong password fails' fails login canary-wrong
ok 'and leaves nothing' not_found
ok "docker · store · docker: a login with the right one works" login "$PASSWORD"
ok 'the credential is with keyfob' answers_as_json
ok 'list names it' lists_it
ok 'docker'\''s config.json does not hold it' config_is_clean
ok 'a second login with the same password works' login "$PASSWORD"
ok 'an image is pushed with what the helper gives' push_image
ok "docker · hit · docker: it fetches the manifest with the stored credential" docker_fetches
ok 'containers · hit · skopeo: it is fetched with the same credential' with_skopeo
ok 'containers · hit · skopeo: by the helper of one registry' by_registry
ok 'containers · erase · skopeo: logout forgets it' skopeo_forgets
ok 'containers · miss · skopeo: it is refused' fails with_skopeo
ok 'containers · malformed · skopeo: a login with a wrong password keeps nothing' eval 'fails skopeo_login canary-wrong && not_found'
ok 'containers · store · skopeo: a login keeps the password' skopeo_keeps
ok 'containers · hit · skopeo: an image is copied' skopeo_copies
ok 'containers · hit · keyfob: Docker Hub has one entry under all its names' hub_is_one
ok "docker · erase · docker: logout works" docker logout "$REGISTRY"
ok 'afterwards there is nothing' not_found
ok "docker · miss · docker: it is refused then" fails docker_fetches
ok 'so is skopeo' fails with_skopeo
ok 'no secret in the registry'\''s log, docker'\''s directory or the home directory' \
    fails holds_canary "$WORK/registry.log" "$DOCKER_CONFIG" "$HOME" "$WORK/run"
finish
