#!/usr/bin/env bash
# Real git, git-lfs, ssh and ssh-add, which ask keyfob where they would ask a person.
# It knows their variables and what the servers check; it must not know how keyfob keeps anything.
# By hand: KEYFOB=target/debug/keyfob tests/real/askpass.sh

# Checks of several steps are handed to `eval` as text on purpose.
# shellcheck disable=SC2016
# shellcheck source=../../.ci/lib.sh
. "$(dirname "$0")/../../.ci/lib.sh"
need git git git-lfs git-lfs sshd openssh-server ssh openssh-client ssh-add openssh-client python3 python3 busybox busybox
make_work askpass
lay_out_keyfob keyfob-askpass
mkdir -p "$WORK/server" "$WORK/home/.ssh"
export HOME=$WORK/home KEYFOB_HOME=$WORK/keyfob KEYFOB_KEYCHAIN=off GIT_CONFIG_NOSYSTEM=1
unset SSH_AUTH_SOCK HTTPS_PROXY https_proxy HTTP_PROXY http_proxy ALL_PROXY all_proxy || true
cd "$WORK" || exit
MADE_RUN=
AGENT=

# What a run made outside of its directory goes with it, also where it was cut off.
leave() {
    local status=$?
    set +e
    if [[ -n $AGENT ]]; then kill "$AGENT"; fi
    if [[ -n $MADE_RUN ]]; then rmdir /run/sshd; fi
    (exit "$status")
    clean_up
}
trap leave EXIT

git config --global user.name ann
git config --global user.email ann@git.example
git config --global init.defaultBranch main
git config --global advice.detachedHead false
git lfs install --skip-repo >/dev/null
git init -q --bare server/repo.git
git -C server/repo.git config http.receivepack true
serve server python3 "$ROOT/tests/real/lfs_server.py" "$WORK/server"
await test -s server/port || die "the server did not start: $(cat server.log)"
GIT=http://127.0.0.1:$(<server/port)

keep() { printf '%s\n' "$@" | keyfob store; }
# As git: where keyfob is the askpass program, and no helper.
git_asks() { GIT_ASKPASS=$WORK/bin/keyfob-askpass git "$@"; }
# As a helper, and no askpass program.
git_helper() { GIT_ASKPASS='' git -c credential.helper=keyfob "$@"; }
last_status() { [[ $(tail -n 1 server/seen) == *" $1" ]]; }

say "$(git --version); $(git lfs version); $(ssh -V 2>&1)"
ok 'askpass · miss · git: nothing is kept, and git is refused' fails git_asks ls-remote "$GIT/repo.git"
ok 'the server was sent nothing that it took' last_status 401
ok 'a password is kept' keep protocol=http "host=${GIT#http://}" username=ann password=canary-ann
ok 'askpass · hit · git: user name and password' git_asks ls-remote "$GIT/repo.git"
ok 'askpass · hit · git: the password of a user whom the URL names' git_asks ls-remote "${GIT/\/\//\/\/ann@}/repo.git"
ok 'askpass · miss · git: another user of the URL gets nothing' fails git_asks ls-remote "${GIT/\/\//\/\/bob@}/repo.git"

make_large() {
    git init -q large && cd large && git lfs track '*.bin' && head -c 100000 /dev/urandom >a.bin &&
        git add -A && git commit -qm large && git remote add origin "$GIT/repo.git"
}
# `with HOW PLACE`: clones, with the large file.
clones() { rm -rf "$2" && "$1" clone -q "$GIT/repo.git" "$2" && cmp large/a.bin "$2/a.bin"; }
batches() { (($(grep -c "POST /repo.git/info/lfs/objects/batch 200" server/seen) >= $1)); }
ok 'a repository with a large file' eval '(make_large)'
ok 'askpass · hit · git-lfs: a large file is pushed' git_asks -C large push -q origin main
ok 'git-lfs asked for itself, and was let in' batches 1
ok 'askpass · hit · git-lfs: it is fetched' clones git_asks by-askpass
ok 'git · hit · git-lfs: it is fetched by the helper' clones git_helper by-helper
ok 'git-lfs was let in each time' batches 3

# Keys of ssh, a server that takes one of them, and an agent.
ssh-keygen -q -t ed25519 -N canary-key -f home/.ssh/id
ssh-keygen -q -t ed25519 -N canary-other -f home/.ssh/other
ssh-keygen -q -t ed25519 -N '' -f host_key
cp home/.ssh/id.pub authorized_keys
PORT=$(free_port)
if ((EUID == 0)) && [[ ! -d /run/sshd ]]; then
    mkdir -p /run/sshd
    MADE_RUN=1
fi
cat >sshd_config <<END
Port $PORT
ListenAddress 127.0.0.1
HostKey $WORK/host_key
AuthorizedKeysFile $WORK/authorized_keys
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
END
printf '[127.0.0.1]:%s %s\n' "$PORT" "$(cut -d' ' -f1,2 host_key.pub)" >known_hosts
serve sshd "$(PATH=$PATH:/usr/sbin command -v sshd)" -D -e -f "$WORK/sshd_config"
await bash -c "exec 3<>/dev/tcp/127.0.0.1/$PORT" || die "sshd did not start: $(cat sshd.log)"
asked() { SSH_ASKPASS=$WORK/bin/keyfob-askpass SSH_ASKPASS_REQUIRE=force "$@"; }
# `logs_in WORD …`: ssh's words for where the key is.
logs_in() {
    [[ $(asked ssh -F none -p "$PORT" "$@" -o UserKnownHostsFile="$WORK/known_hosts" \
        -o PreferredAuthentications=publickey 127.0.0.1 echo in) == in ]]
}
with_key() { logs_in -i "$1" -o IdentitiesOnly=yes; }
ok 'askpass · miss · ssh: the passphrase of the key is not there' fails with_key "$WORK/home/.ssh/id"
keep_file() { keep protocol=cert host= "path=$WORK/home/.ssh/$1" username= "password=$2"; }
ok 'two passphrases are kept' eval 'keep_file id canary-key && keep_file other canary-wrong'
ok 'askpass · hit · ssh: the key is opened' with_key "$WORK/home/.ssh/id"
ok 'askpass · malformed · ssh: a key that it cannot tell the place of' fails with_key home/.ssh/id

# By `keyfob install askpass`: git's own setting, and the environment that systemd makes of a file for what it starts.
GENERATOR=/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator
picture() { (cd "$WORK" && find home bin -printf '%y %m %p %l\n' | sort && find home -type f -exec sha256sum {} + | sort); }
# Without a terminal, which is what ssh looks for before it asks a program.
detached_ssh() {
    env DISPLAY=:0 "SSH_ASKPASS=$1" setsid -w ssh -F none -p "$PORT" -i "$WORK/home/.ssh/id" -o IdentitiesOnly=yes \
        -o UserKnownHostsFile="$WORK/known_hosts" -o PreferredAuthentications=publickey 127.0.0.1 echo in </dev/null
}
# At a terminal a person is asked, whatever the variable says.
ssh_at_terminal() {
    timeout 20 script -qefc "$(declare -p PORT WORK); DISPLAY=:0 SSH_ASKPASS=$1 ssh -F none -p $PORT -i $WORK/home/.ssh/id \
        -o IdentitiesOnly=yes -o UserKnownHostsFile=$WORK/known_hosts -o PreferredAuthentications=publickey \
        127.0.0.1 echo in" /dev/null <<<'' >terminal.out 2>&1 || true
    grep -q 'Enter passphrase for key' terminal.out
}
# What the user manager gives to what it starts.
environment() { env -i HOME="$HOME" XDG_RUNTIME_DIR="$XDG_RUNTIME_DIR" "$GENERATOR" | sed -n "s/^$1=//p"; }
after_install() {
    mkdir -p run/systemd && export XDG_RUNTIME_DIR=$WORK/run
    rm bin/keyfob-askpass
    picture >before
    ok 'git and ssh are wired' keyfob install askpass
    ok 'askpass · hit · git: it asks keyfob by its own setting' env -u GIT_ASKPASS git ls-remote "$GIT/repo.git"
    if [[ -x $GENERATOR ]]; then
        ok 'systemd makes the variable of the file' eval '[[ $(environment SSH_ASKPASS) == "$WORK/bin/keyfob-askpass" ]]'
    else
        say 'skipped: no systemd is here'
    fi
    ok 'askpass · hit · ssh: without a terminal it asks keyfob' eval '[[ $(detached_ssh "$WORK/bin/keyfob-askpass") == in ]]'
    ok 'and not without the variable' eval 'fails detached_ssh ""'
    ok 'at a terminal it asks the person' ssh_at_terminal "$WORK/bin/keyfob-askpass"
    ok 'both are unwired' keyfob uninstall askpass
    ok 'every file is as it was' eval 'picture >after && diff before after'
    ln -s "$KEYFOB" bin/keyfob-askpass
}
after_install

eval "$(asked ssh-agent -s)" >/dev/null
AGENT=$SSH_AGENT_PID
has_key() { [[ $(ssh-add -l | wc -l) == 1 ]]; }
ok 'askpass · hit · ssh-add: the key is added' asked ssh-add -q "$WORK/home/.ssh/id"
ok 'the agent has it' has_key
wrong_key() { fails asked timeout 20 ssh-add -q "$WORK/home/.ssh/other" && has_key; }
ok 'askpass · malformed · ssh-add: a wrong passphrase is told once, and not without end' wrong_key
ssh-add -q -D
confirmed() {
    # ssh-add repeats what the agent does, and asks for the passphrase in other words.
    asked ssh-add -c "$WORK/home/.ssh/id" && has_key && fails logs_in -o IdentityAgent="$SSH_AUTH_SOCK"
}
ok 'a question with yes or no is a person'\''s' confirmed

# Last, because nothing is answered from here on.
printf 'canary horse battery' | keyfob lock set --work-factor 12 --passphrase-file - >/dev/null 2>&1
keyfob lock >/dev/null 2>&1
ok 'askpass · locked · git: it is refused' fails git_asks ls-remote "$GIT/repo.git"
ok 'no secret in a log or a configuration' fails holds_canary server.log sshd.log server/seen home/.gitconfig large/.git/config
finish
