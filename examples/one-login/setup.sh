# What run.sh sets up before the one login: certificates, the services, two provider files, a home with each tool's own
# settings in it, and the nine lines that make those tools ask keyfob.
# Sourced, never run; it wants `$WORK`, an empty directory of its own, and keyfob first on PATH. What it starts it
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
    # Each of them would win over what the tools' own files say.
    unset REQUESTS_CA_BUNDLE CURL_CA_BUNDLE GIT_SSL_CAINFO GIT_SSL_CAPATH GIT_CONFIG_GLOBAL CARGO_HTTP_CAINFO \
        NODE_EXTRA_CA_CERTS PIP_CERT PIP_FIND_LINKS PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_NO_INDEX PIP_CONFIG_FILE \
        PIP_KEYRING_PROVIDER UV_CONFIG_FILE UV_NO_CONFIG UV_KEYRING_PROVIDER UV_FIND_LINKS UV_INDEX_URL GOENV GOAUTH GOPROXY \
        GOSUMDB GONOSUMDB GOPRIVATE GOTOOLCHAIN GOFLAGS AWS_PROFILE AWS_REGION AWS_DEFAULT_REGION AWS_ACCESS_KEY_ID \
        AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_SHARED_CREDENTIALS_FILE npm_config_userconfig
    export DOCKER_CONFIG=$HOME/.docker DOCKER_CLI_HINTS=false DOCKER_CLI_EXPERIMENTAL=enabled
    export CARGO_HOME=$HOME/.cargo KUBECONFIG=$HOME/.kube/config NPM_CONFIG_USERCONFIG=$HOME/.npmrc
    export AWS_CONFIG_FILE=$HOME/.aws/config AWS_CA_BUNDLE=$WORK/ca.pem AWS_EC2_METADATA_DISABLED=true AWS_PAGER=
    export npm_config_update_notifier=false npm_config_manage_package_manager_versions=false
    export GOPATH=$HOME/go GOCACHE=$HOME/.cache/go
    # Two tools that ask for a password of the user in the index's URL.
    INDEX=https://__token__@$PASSWORD_HOST/simple/
    mkdir -p "$HOME" "$KEYFOB_HOME/config/providers"
    local name
    for name in acme acme-aws; do
        sed -e "s|ISSUER|$ISSUER|; s|PASSWORDS|$PASSWORDS|; s|TOKENS|$TOKENS|" "$EXAMPLE/$name.toml" \
            >"$KEYFOB_HOME/config/providers/$name.toml"
    done
}

# `file NAME`: a file in the home, from standard input.
file() {
    mkdir -p "$HOME/$(dirname "$1")"
    cat >"$HOME/$1"
}

# What the tools know of Acme, as the company's own page may say it: where things are, and whose certificates they have.
# Nothing of it says who anybody is.
furnish() {
    file .gitconfig <<<"[http]
	sslCAInfo = $WORK/ca.pem # Acme's"
    file .docker/config.json <<<'{"detachKeys": "ctrl-e,e"}'
    file .cargo/config.toml <<<"[registries] # Acme's
acme = { index = \"sparse+$TOKENS/crates/\" }
[http]
cainfo = \"$WORK/ca.pem\""
    file .kube/config <<<"apiVersion: v1
kind: Config
current-context: acme # the only one
contexts: [{name: acme, context: {cluster: acme}}]
clusters: [{name: acme, cluster: {server: \"$TOKENS\", certificate-authority: \"$WORK/ca.pem\"}}]"
    file .aws/config <<<'[default]
region = eu-central-1'
    file .config/pip/pip.conf <<<"[global]
disable-pip-version-check = yes
cert = $WORK/ca.pem"
    file .config/uv/uv.toml <<<'no-cache = true # the packages change often'
    file .npmrc <<<"@acme:registry=$TOKENS/npm/
cafile=$WORK/ca.pem"
    file .config/go/env <<<"GOPROXY=$TOKENS/go
GOSUMDB=off
GOTOOLCHAIN=local
GOFLAGS=-modcacherw"
}

# All of it, in one line a tool. What says which place it asks for needs no profile.
wire() {
    keyfob install git &&
        keyfob install docker &&
        keyfob install cargo &&
        keyfob install kubectl &&
        keyfob install aws acme-aws --name default &&
        keyfob install pip &&
        keyfob install uv &&
        keyfob install pnpm acme --url "$TOKENS/npm/" &&
        keyfob install goauth acme
}
