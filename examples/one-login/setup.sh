# What run.sh sets up before the one login: certificates, the services, two provider files, and each tool's own settings.
# Sourced, never run; it wants `$WORK`, an empty directory of its own, and keyfob's links first on PATH. What it starts it
# hands to `start NAME command …` of whoever sources it.
# shellcheck shell=bash

# An authority, and a certificate of it for the loopback.
make_certificates() {
    local key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2)
    openssl req -x509 "${key[@]}" -subj '/CN=the example' -addext 'basicConstraints=critical,CA:TRUE' \
        -keyout "$WORK/ca.key" -out "$WORK/ca.pem" 2>/dev/null &&
        openssl req -x509 "${key[@]}" -subj '/CN=127.0.0.1' -addext 'subjectAltName=IP:127.0.0.1' \
            -addext 'basicConstraints=critical,CA:FALSE' -CA "$WORK/ca.pem" -CAkey "$WORK/ca.key" \
            -keyout "$WORK/key.pem" -out "$WORK/cert.pem" 2>/dev/null
}

make_repository() {
    git init -q --bare -b main "$WORK/git/things.git" &&
        git -C "$WORK/git/things.git" -c user.name=ann -c user.email=ann@acme.example \
            commit-tree -m 'The first' "$(git -C "$WORK/git/things.git" hash-object -w -t tree --stdin </dev/null)" |
        xargs git -C "$WORK/git/things.git" update-ref refs/heads/main
}

# With `--grace=SECONDS` or without.
start_services() {
    start services python3 -B "$EXAMPLE/services.py" "$WORK" "$@"
    local i
    for ((i = 0; i < 200; i++)); do
        [[ -s $WORK/addresses ]] && break
        sleep 0.1
    done
    read -r ISSUER PASSWORDS TOKENS <"$WORK/addresses"
    PASSWORD_HOST=${PASSWORDS#https://} TOKEN_HOST=${TOKENS#https://}
}

# A home that has nothing but this example in it.
settle_down() {
    export HOME=$WORK/home KEYFOB_HOME=$WORK/keyfob KEYFOB_KEYCHAIN=off NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
    export SSL_CERT_FILE=$WORK/ca.pem XDG_CONFIG_HOME=$HOME/.config XDG_CACHE_HOME=$HOME/.cache XDG_DATA_HOME=$HOME/.local/share
    unset HTTPS_PROXY https_proxy HTTP_PROXY http_proxy ALL_PROXY all_proxy
    # Each of them would win over what the tools are told below.
    unset REQUESTS_CA_BUNDLE CURL_CA_BUNDLE GIT_SSL_CAINFO GIT_SSL_CAPATH GIT_CONFIG_GLOBAL CARGO_HTTP_CAINFO \
        NODE_EXTRA_CA_CERTS PIP_FIND_LINKS PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_NO_INDEX UV_FIND_LINKS UV_INDEX_URL
    mkdir -p "$HOME" "$KEYFOB_HOME/config/providers"
    local name
    for name in acme acme-aws; do
        sed -e "s|ISSUER|$ISSUER|; s|PASSWORDS|$PASSWORDS|; s|TOKENS|$TOKENS|" "$EXAMPLE/$name.toml" \
            >"$KEYFOB_HOME/config/providers/$name.toml"
    done
}

# What each tool is told, once.
wire() {
    git config --global credential.helper keyfob
    git config --global http.sslCAInfo "$WORK/ca.pem"

    export DOCKER_CONFIG=$HOME/.docker DOCKER_CLI_HINTS=false DOCKER_CLI_EXPERIMENTAL=enabled
    mkdir -p "$DOCKER_CONFIG"
    printf '{"credsStore": "keyfob"}\n' >"$DOCKER_CONFIG/config.json"

    export CARGO_HOME=$HOME/.cargo
    mkdir -p "$CARGO_HOME"
    cat >"$CARGO_HOME/config.toml" <<END_OF_CARGO
[registry]
global-credential-providers = ["cargo-credential-keyfob"]
[registries.acme]
index = "sparse+$TOKENS/crates/"
[http]
cainfo = "$WORK/ca.pem"
END_OF_CARGO

    export KUBECONFIG=$HOME/kubeconfig
    cat >"$KUBECONFIG" <<END_OF_KUBECTL
apiVersion: v1
kind: Config
current-context: acme
contexts: [{name: acme, context: {cluster: acme, user: me}}]
clusters: [{name: acme, cluster: {server: "$TOKENS", certificate-authority: "$WORK/ca.pem"}}]
users:
- name: me
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      command: keyfob
      args: [kubectl]
      interactiveMode: Never
      provideClusterInfo: true
END_OF_KUBECTL

    export AWS_CONFIG_FILE=$HOME/aws AWS_CA_BUNDLE=$WORK/ca.pem AWS_EC2_METADATA_DISABLED=true AWS_PAGER=
    unset AWS_PROFILE AWS_REGION AWS_DEFAULT_REGION AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
    printf '[default]\nregion = eu-central-1\ncredential_process = %s aws acme-aws\n' "$(command -v keyfob)" >"$AWS_CONFIG_FILE"

    # Two tools that run `keyring`, which is keyfob here; they ask it for a user of the index's URL.
    INDEX=https://__token__@$PASSWORD_HOST/simple/
    export PIP_KEYRING_PROVIDER=subprocess PIP_CERT=$WORK/ca.pem PIP_CONFIG_FILE=/dev/null PIP_DISABLE_PIP_VERSION_CHECK=1
    export UV_KEYRING_PROVIDER=subprocess UV_NO_CONFIG=1

    export NPM_CONFIG_USERCONFIG=$HOME/.npmrc npm_config_update_notifier=false npm_config_manage_package_manager_versions=false
    printf '@acme:registry=%s/npm/\n//%s/npm/:tokenHelper=%s\ncafile=%s\n' \
        "$TOKENS" "$TOKEN_HOST" "$(command -v pnpm-credential-keyfob-acme)" "$WORK/ca.pem" >"$HOME/.npmrc"

    export GOAUTH='keyfob goauth acme' GOPROXY=$TOKENS/go GOSUMDB=off GOENV=off GOTOOLCHAIN=local GOFLAGS=-modcacherw
    export GOPATH=$HOME/go GOCACHE=$HOME/.cache/go
}
