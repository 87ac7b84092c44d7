#!/usr/bin/env bash
# kubectl and the Python client against a Kubernetes API over TLS on the loopback, with keyfob as their exec credential
# plugin. Debian's kubectl is older than version v1 of the plugins' API, which the Python client speaks everywhere.
# It knows kubeconfig and the plugins' API; it must not know how keyfob keeps anything.
# By hand: KEYFOB=target/debug/keyfob tests/real/kubectl.sh

# The names of commands in sentences are no commands.
# shellcheck disable=SC2016
# shellcheck source=../../.ci/lib.sh
. "$(dirname "$0")/../../.ci/lib.sh"
need python3 python3 openssl openssl curl curl kubectl kubernetes-client jq jq
python_part kubernetes kubernetes==37.0.2
make_work kubectl
lay_out_keyfob
export HOME=$WORK/home KEYFOB_HOME=$WORK/keyfob KEYFOB_KEYCHAIN=off ROBOT_SECRET=canary-robot
export TMPDIR=$WORK/tmp
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1 KUBECONFIG=$WORK/kubeconfig
mkdir -p "$HOME" "$TMPDIR" "$WORK/tls" "$KEYFOB_HOME/config/providers"
VERSION=$(kubectl version --client -o json | jq -r '.clientVersion.gitVersion')
CLIENT="kubectl $VERSION"
PYTHON="the Python client $("$CI_DIR/kubernetes/bin/python" -c 'import kubernetes; print(kubernetes.__version__)')"

# `signed NAME SUBJECT EXTENSION`: a key and a certificate of the authority's.
signed() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" \
        -keyout "$WORK/tls/$1.key" -out "$WORK/tls/$1.csr" 2>/dev/null &&
        openssl x509 -req -in "$WORK/tls/$1.csr" -CA "$WORK/tls/ca.pem" -CAkey "$WORK/tls/ca.key" -CAcreateserial \
            -days 2 -extfile <(printf '%s\n' "$3") -out "$WORK/tls/$1.pem" 2>/dev/null
}

make_certificates() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=the authority' -days 2 \
        -keyout "$WORK/tls/ca.key" -out "$WORK/tls/ca.pem" 2>/dev/null &&
        signed server 127.0.0.1 'subjectAltName=IP:127.0.0.1' && signed ann ann 'extendedKeyUsage=clientAuth'
}

start_api() {
    serve api python3 "$ROOT/tests/real/kubectl_server.py" "$WORK/tls" "$WORK/addresses"
    await test -s "$WORK/addresses" || die "the API did not start: $(cat "$WORK/api.log")"
    read -r API ISSUER <"$WORK/addresses"
}

# `acme` needs no person, `cert` has certificates, `many` two accounts.
write_providers() {
    cat >"$KEYFOB_HOME/config/providers/acme.toml" <<END
format = 1
[login]
flow = "client-credentials"
[oauth]
token_endpoint = "$ISSUER/token"
client_id = "robot"
client_secret_env = "ROBOT_SECRET"
[[target]]
url = "$API"
scheme = "bearer"
END
    printf 'format = 1\n[login]\nflow = "key"\n[key]\nform = "certificate"\n' >"$KEYFOB_HOME/config/providers/cert.toml"
    printf 'format = 1\n[login]\nflow = "key"\n' >"$KEYFOB_HOME/config/providers/many.toml"
    local name
    for name in ann bob; do printf 'canary-%s' "$name" | keyfob set-token "many:$name" 2>/dev/null || return; done
}

# `kubeconfig API-VERSION CLUSTER-INFO ARGUMENT …`
kubeconfig() {
    local version=$1 info=$2 args=kubectl
    shift 2
    (($# == 0)) || args+=$(printf ', "%s"' "$@")
    cat >"$KUBECONFIG" <<END
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: here, user: me}}]
clusters: [{name: here, cluster: {server: "$API", certificate-authority: "$WORK/tls/ca.pem"}}]
users:
- name: me
  user:
    exec:
      apiVersion: client.authentication.k8s.io/$version
      command: keyfob
      args: [$args]
      interactiveMode: Never
      provideClusterInfo: $info
END
}

whoami() { [[ $(kubectl get --raw /whoami | jq -r .by) == "$1" ]]; }
# The same question by the Python client, which knows no `Never`: its output is no terminal.
python_whoami() {
    [[ $("$CI_DIR/kubernetes/bin/python" -c '
import json
from kubernetes import client, config
config.load_kube_config()
api = client.ApiClient()
answer = api.call_api(*api.param_serialize("GET", "/whoami", auth_settings=["BearerToken"]))
print(json.loads(answer.read())["by"])' </dev/null) == "$1" ]]
}
pods() { [[ $(kubectl get pods -o name) == pod/the-pod ]]; }
given() { curl -sS --fail --noproxy '*' "$ISSUER/${1:-count}"; }
expire() {
    keyfob logout acme --local >/dev/null 2>&1
    given 'set?life=2' && keyfob token acme >/dev/null && given 'set?life=3600' && sleep 2.2
}
refreshed() { expire && whoami token; }

# With a token that has ended, eight at once: all work, and one token was asked for.
at_once() {
    local before id ids=() bad=0
    expire || return 1
    before=$(given)
    for _ in 1 2 3 4 5 6 7 8; do
        whoami token &
        ids+=($!)
    done
    for id in "${ids[@]}"; do wait "$id" || bad=1; done
    ((bad == 0)) || return 1
    (($(given) == before + 1)) || { echo "$(given) tokens after $before"; return 1; }
}

# A command that fails, and says this.
says() {
    local words=$1 out
    shift
    if out=$("$@" 2>&1); then
        echo "it succeeded: $out"
        return 1
    fi
    [[ $out == *"$words"* ]] || { echo "$out" && return 1; }
}

silent() { [[ -z $(kubectl get --raw /whoami 2>&1 >/dev/null) ]]; }
keeps_certificate() { cat "$WORK/tls/ann.key" "$WORK/tls/ann.pem" | keyfob set-token cert; }
lock() { printf 'canary horse battery' | keyfob lock set --work-factor 12 --passphrase-file -; }

make_certificates || die 'openssl makes no certificates'
start_api
write_providers || die 'the providers could not be set up'
say "$CLIENT"

VERSIONS=(v1 v1beta1)
# The first version that has v1 is 1.22; an older one is shown what it knows.
if [[ $VERSION == v1.1?.* || $VERSION == v1.2[01].* ]]; then
    skip "version v1 of kubectl's plugins" "$CLIENT does not know it"
    VERSIONS=(v1beta1)
fi
for version in "${VERSIONS[@]}"; do
    kubeconfig "$version" true
    ok "kubectl · hit · $CLIENT: $version, for the server of the cluster" whoami token
    ok "$version: keyfob and kubectl say nothing beside the answer" silent
    kubeconfig "$version" false acme
    ok "$version: for a profile among the arguments" pods
    kubeconfig "$version" true acme
    ok "$version: for a profile that serves this server" whoami token
    kubeconfig "$version" false cert
    ok "$version: a missing certificate is told" says 'run `keyfob login cert`' kubectl get --raw /whoami
    ok "$version: a certificate and its key are kept" keeps_certificate
    ok "kubectl · hit · $CLIENT: $version, a client certificate" whoami certificate
    keyfob logout cert >/dev/null 2>&1 || true
done
for version in v1 v1beta1; do
    kubeconfig "$version" true
    ok "kubectl · hit · $PYTHON: $version, for the server of the cluster" python_whoami token
    keeps_certificate 2>/dev/null || die 'the certificate is not kept'
    kubeconfig "$version" false cert
    ok "kubectl · hit · $PYTHON: $version, a client certificate" python_whoami certificate
done
keyfob logout cert >/dev/null 2>&1 || true
version=${VERSIONS[0]}
kubeconfig "$version" true
ok "kubectl · refreshed · $CLIENT: a token that has ended is replaced before it is sent" refreshed
ok 'eight at once ask for one token' at_once
kubeconfig "$version" true many:ann
ok 'a profile that does not serve this server is refused' says 'does not serve https://127.0.0.1' kubectl get pods
kubeconfig "$version" true https://elsewhere.example
ok 'so is another place' says 'another place than https://127.0.0.1' kubectl get pods
kubeconfig "$version" false
ok "kubectl · malformed · $CLIENT: a plugin that is told nothing says what to write" says provideClusterInfo kubectl get pods
kubeconfig "$version" false nobody
ok "kubectl · miss · $CLIENT: the reason is on stderr, and kubectl fails" says nobody kubectl get pods
kubeconfig "$version" false many
ok "kubectl · two-accounts · $CLIENT: both are named" says 'many:ann, many:bob' kubectl get pods
kubeconfig "$version" true
ok 'this machine is locked' lock
ok "kubectl · locked · $CLIENT: the command that opens it is named" says 'keyfob unlock' kubectl get pods
ok 'no secret lies in what kubectl keeps, nor in the log of the API' fails holds_canary "$HOME" "$KUBECONFIG" "$WORK/api.log"
finish
