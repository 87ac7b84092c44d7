#!/usr/bin/env bash
# A session on its way to another machine: Debian's OpenSSH on the loopback, with hosts that have a keyfob, none, another
# shell, a full disk, another key; and Debian's podman, with a container that has a keyfob, and none.
# It knows ssh's and podman's settings and the processes of a machine; it must not know what keyfob writes on the wire.
# By hand: KEYFOB=target/debug/keyfob tests/real/sync.sh

# Programs given to an inner shell expand there.
# shellcheck disable=SC2016
# shellcheck source=../../.ci/lib.sh
. "$(dirname "$0")/../../.ci/lib.sh"
need sshd openssh-server ssh openssh-client curl curl python3 python3 git git busybox busybox mksh mksh fish fish pgrep procps \
    podman podman /usr/sbin/runc runc jq jq
make_work sync
trap leave EXIT
lay_out_keyfob
export HOME=$WORK/home KEYFOB_HOME=$WORK/keyfob KEYFOB_KEYCHAIN=off
mkdir -p "$HOME" "$WORK/hosts"
chmod 755 "$WORK"
unset SSH_AUTH_SOCK

SSHD=$(PATH=$PATH:/usr/sbin command -v sshd)
SSH=$(command -v ssh)
MADE_RUN=

# What a run made outside of its directory goes with it, also where it was cut off.
leave() {
    local status=$?
    set +e
    umount -l "$WORK/hosts/full/home" 2>/dev/null
    if [[ -e $WORK/engine/podman ]]; then "$WORK/engine/podman" rm -af -t 0 >/dev/null 2>&1; fi
    if [[ -n $MADE_RUN ]]; then rmdir /run/sshd; fi
    (exit "$status")
    clean_up
}

start_issuer() {
    serve issuer python3 "$ROOT/tests/real/terminal_issuer.py" "$WORK/issuer"
    await test -s "$WORK/issuer" || die "the issuer did not start: $(cat "$WORK/issuer.log")"
    ISSUER=$(<"$WORK/issuer")
}

# `host NAME [SHELL [LOGIN-SHELL]]`: a machine of this name, behind a key of its own, with a home of its own.
host() {
    local name=$1 shell=${2:-/bin/sh} outer=${3:-/bin/sh} root=$WORK/hosts/$1
    mkdir -p "$root/home" "$root/bin"
    ln -sf "$shell" "$root/bin/sh"
    ln -sf "$KEYFOB" "$root/bin/keyfob"
    printf '%s\n' "$outer" >"$root/outer"
    ssh-keygen -q -t ed25519 -N '' -f "$WORK/key-$name"
    printf 'command="%s %s" %s\n' "$WORK/enter" "$name" "$(<"$WORK/key-$name.pub")" >>"$WORK/authorized_keys"
    client "$name" "$PORT" known "$WORK/key-$name"
}

# `client NAME PORT KNOWN KEY`: how ssh gets there.
client() {
    printf 'Host %s\nHostName 127.0.0.1\nPort %s\nHostKeyAlias %s\nIdentityFile %s\n' "$@" >>"$WORK/ssh_config"
}

start_sshd() {
    PORT=$(free_port)
    # sshd wants this directory when root starts it; without systemd nobody has made it.
    if ((EUID == 0)) && [[ ! -d /run/sshd ]]; then
        mkdir -p /run/sshd
        MADE_RUN=1
    fi
    ssh-keygen -q -t ed25519 -N '' -f "$WORK/host_key"
    ssh-keygen -q -t ed25519 -N '' -f "$WORK/other_key"
    printf 'known %s\nchanged %s\n' "$(cut -d' ' -f1,2 "$WORK/host_key.pub")" "$(cut -d' ' -f1,2 "$WORK/other_key.pub")" \
        >"$WORK/known_hosts"
    cat >"$WORK/enter" <<END
#!/bin/sh
# What a login on a host is: its home, its programs, and nothing of this machine's.
root=$WORK/hosts/\$1
if [ -e "\$root/hold" ]; then sleep 1; fi
exec env -i HOME="\$root/home" PATH="\$root/bin:/usr/bin:/bin" KEYFOB_KEYCHAIN=off "\$(cat "\$root/outer")" -c "\$SSH_ORIGINAL_COMMAND"
END
    cat >"$WORK/sshd_config" <<END
Port $PORT
ListenAddress 127.0.0.1
HostKey $WORK/host_key
AuthorizedKeysFile $WORK/authorized_keys
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
PrintMotd no
END
    cat >"$WORK/bin/ssh" <<END
#!/bin/sh
echo ran >>"$WORK/ssh-runs"
exec "$SSH" -F "$WORK/ssh_config" "\$@"
END
    chmod 755 "$WORK/enter" "$WORK/bin/ssh"
    cat >"$WORK/ssh_config" <<END
IdentitiesOnly yes
UserKnownHostsFile $WORK/known_hosts
GlobalKnownHostsFile /dev/null
StrictHostKeyChecking yes
END
    : >"$WORK/authorized_keys"
    serve sshd "$SSHD" -D -e -f "$WORK/sshd_config"
    await bash -c "exec 3<>/dev/tcp/127.0.0.1/$PORT" || die "sshd did not start: $(cat "$WORK/sshd.log")"
}

write_provider() {
    mkdir -p "$KEYFOB_HOME/config/providers"
    cat >"$KEYFOB_HOME/config/providers/$1.toml" <<END
format = 1
title = "Acme"
[login]
flow = "device"
[oauth]
device_authorization_endpoint = "$ISSUER/device"
token_endpoint = "$ISSUER/token"
client_id = "acme-cli"
[whoami]
url = "$ISSUER/userinfo"
[env]
variables = ["ACME_SESSION_TOKEN"]
[[target]]
url = "https://$1.example"
username = "oauth2"
$2
END
    chmod -R go-rwx "$KEYFOB_HOME"
}

log_in() {
    keyfob login "$1" --no-browser >"$WORK/login.out" 2>&1 &
    local id=$! i
    for ((i = 0; i < 100; i++)); do
        curl -sf -o /dev/null "$ISSUER/approve"
        if ! kill -0 "$id" 2>/dev/null; then break; fi
        sleep 0.1
    done
    wait "$id" || die "the login failed: $(cat "$WORK/login.out")"
}

# `far HOST COMMAND …`: a command on a host, as its user would type it there.
far() {
    local root=$WORK/hosts/$1
    shift
    env -i HOME="$root/home" PATH="$root/bin:/usr/bin:/bin" KEYFOB_KEYCHAIN=off "$@"
}
far_token() { [[ $(far "$1" keyfob token "${2:-acme}") == "$TOKEN" ]]; }
# `ends CODE NAME command …`: the command ends so; what it said is in NAME.err, and no secret is in it.
ends() {
    local code=$1 name=$2 status=0
    shift 2
    "$@" >"$WORK/$name.out" 2>"$WORK/$name.err" </dev/null || status=$?
    cat "$WORK/$name.err"
    ((status == code)) && ! holds_canary "$WORK/$name.err" "$WORK/$name.out"
}
says() { grep -qF -- "$2" "$WORK/$1.err"; }
sync() { keyfob sync "ssh://$1" "${2:-acme}"; }
desync() { keyfob desync "ssh://$1" "${2:-acme}"; }
empty() { ! holds_canary "$WORK/hosts/$1/home"; }
no_listing() { far "$1" keyfob list | grep -qx 'Nothing is kept.' && far "$1" keyfob status | grep -q '^There are no sessions.'; }
mode_600() { [[ $(stat -c %a "$1") == 600 ]]; }

the_way() {
    ok 'the session comes to a host by SSH' ends 0 sync sync far
    ok 'what remains of its life is told, and that nobody renews it there' eval 'says sync "valid for" && says sync "not renewed"'
    ok 'so is that it is the person who acts there' says sync 'all your rights'
    ok 'the token there is the one here' far_token far
    ok 'git there gets it' eval 'printf "protocol=https\nhost=acme.example\n\n" |
        far far git -c credential.helper="!keyfob git" credential fill | grep -qxF "password=$TOKEN"'
    ok 'whoami there asks the server and says that it was synced' ends 0 whoami far far keyfob whoami acme
    ok 'whoami says so on stderr alone' eval '[[ $(<"$WORK/whoami.out") == ann@acme.example ]] && says whoami "synced here"'
    ok 'no listing there has it' no_listing far
    ok 'the refresh token is on no host' eval '! grep -raq "$REFRESH" "$WORK/hosts"'
    ok 'another one replaces it' ends 0 again sync far
    ok 'it is taken back' ends 0 desync desync far
    ok 'nothing is left there' empty far
    ok 'the second time it is gone already, which is no failure' ends 0 gone desync far
    ok 'and said to be' says gone 'There is no synced session'
    ok 'the session here goes on' eval '[[ $(keyfob token acme) == "$TOKEN" ]]'
}

# Looks at all processes again and again while a session is on its way, held for a second on the other side.
watch_processes() {
    local seen=$WORK/seen id
    : >"$seen"
    : >"$WORK/found"
    (
        while [[ ! -e $WORK/enough ]]; do
            cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' ' >>"$seen" || true
            grep -alF -f "$WORK/token" /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null >>"$WORK/found" || true
        done
    ) &
    id=$!
    touch "$WORK/hosts/far/hold"
    local i status=0
    for i in 1 2 3; do sync far >/dev/null 2>&1 || status=$i; done
    rm "$WORK/hosts/far/hold"
    touch "$WORK/enough"
    wait "$id" || true
    cat "$WORK/found"
    ((status == 0)) && [[ ! -s $WORK/found ]]
}
saw() { grep -aqF -- "$1" "$WORK/seen"; }

processes() {
    printf '%s\n' "$TOKEN" >"$WORK/token"
    # The far keyfob is held as well, with the session on its standard input.
    rm "$WORK/hosts/far/bin/keyfob"
    printf '#!/bin/sh\n[ "$*" = receive ] && sleep 1\nexec "%s" "$@"\n' "$KEYFOB" >"$WORK/hosts/far/bin/keyfob"
    chmod 755 "$WORK/hosts/far/bin/keyfob"
    ok 'no process of either side has the token in its arguments or environment' watch_processes
    ok 'the processes were seen: keyfob here' saw 'keyfob sync ssh://far acme'
    ok 'ssh' saw 'BatchMode=yes'
    ok 'and the keyfob there' saw 'keyfob receive'
    desync far 2>/dev/null
}

shells() {
    local name
    for name in dash bash busybox mksh; do
        host "as-$name" "$(command -v "$name")"
        ok "a POSIX shell that is $name takes it" ends 0 "as-$name" sync "as-$name"
        ok "and has it" far_token "as-$name"
        ok "and $name takes it back" eval "desync as-$name 2>/dev/null && empty as-$name"
    done
    host as-fish /bin/sh "$(command -v fish)"
    ok 'a person whose login shell is fish has it too' eval 'ends 0 as-fish sync as-fish && far_token as-fish'
}

refusals() {
    ssh-keygen -q -t ed25519 -N '' -f "$WORK/key-stranger"
    client stranger "$PORT" known "$WORK/key-stranger"
    ok 'a key that the host does not know is a failure' ends 1 stranger sync stranger
    ok 'and told as ssh tells it' says stranger 'Permission denied'
    client changed "$PORT" changed "$WORK/key-far"
    ok 'a host whose key has changed gets nothing' ends 1 changed sync changed
    ok 'and is told' says changed 'verification failed'
    client unknown "$PORT" unknown "$WORK/key-far"
    ok 'nor does one whose key nobody has seen' ends 1 unknown sync unknown
    client dead "$(free_port)" known "$WORK/key-far"
    ok 'a host that is down is worth another try' ends 3 dead sync dead
    ok 'with the command by which a person sees why' says dead '`ssh dead true`'
    local quiet
    quiet=$(free_port)
    serve quiet python3 -c "
import socket, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('127.0.0.1', $quiet)); s.listen(8); time.sleep(600)"
    await bash -c "exec 3<>/dev/tcp/127.0.0.1/$quiet"
    client quiet "$quiet" known "$WORK/key-far"
    ok 'one that accepts and says nothing is given up' ends 3 quiet keyfob sync ssh://quiet acme --timeout 2
    ok 'no ssh is left of it' eval '! pgrep -f -- "-- quiet sh" >/dev/null'
    rm -f "$WORK/ssh-runs"
    ok 'a host that would be an option reaches no ssh' eval 'ends 64 option keyfob sync ssh://-oProxyCommand=id acme && [[ ! -e $WORK/ssh-runs ]]'
    ok 'nothing came to the host meanwhile' empty far
}

without_keyfob() {
    host bare
    rm "$WORK/hosts/bare/bin/keyfob"
    printf '#!/bin/sh\necho what? >&2\nexit 2\n' >"$WORK/hosts/bare/bin/keyfob"
    chmod 755 "$WORK/hosts/bare/bin/keyfob"
    local file=$WORK/hosts/bare/home/.config/acme/session
    ok 'a host without a keyfob has the session in a file' ends 0 bare sync bare
    ok 'that nobody else can read' mode_600 "$file"
    ok 'with the token and no refresh token' eval "grep -qF '$TOKEN' '$file' && ! grep -q refresh '$file'"
    ok 'it is taken back with its directory' eval "desync bare 2>/dev/null && [[ ! -e ${file%/session} ]]"
    file=$WORK/hosts/bare/home/.config/hidden/session
    ok 'where the provider file says so it is a variable' ends 0 hidden sync bare hidden
    ok 'that a shell there reads' eval "[[ \$(far bare sh -c '. ~/.config/hidden/session; echo \$ACME_SESSION_TOKEN') == \$(keyfob token hidden) ]]"
    ok 'and that a keyfob there reads' eval \
        'write_far_provider bare && [[ $(far bare "$KEYFOB" token hidden) == $(keyfob token hidden) ]]'
    ok 'no listing there has it' eval '! far bare "$KEYFOB" list | grep -q hidden'
    ok 'it is taken back too' eval "desync bare hidden 2>/dev/null && [[ ! -e $file ]] && empty bare"
}
# The provider file that the program there brings.
write_far_provider() {
    local directory=$WORK/hosts/$1/home/.config/keyfob/providers
    mkdir -p "$directory" && cp "$KEYFOB_HOME/config/providers/hidden.toml" "$directory/" && chmod -R go-w "$directory"
}

full_disks() {
    host blocked
    rm "$WORK/hosts/blocked/bin/keyfob"
    : >"$WORK/hosts/blocked/home/.config"
    ok 'a home that cannot be written to is a failure' ends 1 blocked sync blocked
    ok 'that says so' says blocked '.config'
    host full
    if ((EUID != 0)) || ! mount -t tmpfs -o size=64k,mode=0700 tmpfs "$WORK/hosts/full/home" 2>/dev/null; then
        skip 'a full disk' 'it needs root, and a file system that can be mounted'
        return
    fi
    dd if=/dev/zero of="$WORK/hosts/full/home/filler" bs=1k count=64 2>/dev/null || true
    ok 'a full disk is a failure with a keyfob there' ends 1 full sync full
    rm "$WORK/hosts/full/bin/keyfob"
    ok 'and without one' ends 1 full-bare sync full
    ok 'neither leaves half a session' eval '! holds_canary "$WORK/hosts/full/home"'
    ok 'taking back what never came succeeds' ends 0 full-desync desync full
    umount "$WORK/hosts/full/home"
}

# `bring PROGRAM PATH`: a program of this machine in the container, with what it is linked to.
bring() {
    local root=$WORK/box lib
    mkdir -p "$root/$(dirname "$2")"
    cp -L "$1" "$root/$2"
    while read -r lib; do
        mkdir -p "$root/$(dirname "$lib")"
        cp -L "$lib" "$root/$lib"
    done < <(ldd "$1" 2>/dev/null | grep -o '/[^ )]*' || true)
}

# A container without a network and without an image: its files are those of a directory. Says why there is none.
start_container() {
    local root=$WORK/box name
    mkdir -p "$root"/{proc,sys,dev,tmp,etc,root} "$WORK/engine"
    bring "$(command -v busybox)" bin/busybox
    while read -r name; do
        if [[ $name != busybox ]]; then ln -s busybox "$root/bin/$name"; fi
    done < <(busybox --list)
    # A machine that is a container itself may not raise a limit, and podman always names some.
    cat >"$WORK/runc" <<'END'
#!/bin/bash
for ((at = 1; at < $#; at++)); do
    next=$((at + 1))
    case ${!at} in
    --bundle | -b) file=${!next}/config.json part=.process ;;
    --process | -p) file=${!next} part= ;;
    *) continue ;;
    esac
    jq "del($part.rlimits, $part.oomScoreAdj)" "$file" >"$file.new" && cat "$file.new" >"$file"
done
exec /usr/sbin/runc "$@"
END
    printf '[engine]\nruntime = "runc"\n[engine.runtimes]\nrunc = ["%s"]\n' "$WORK/runc" >"$WORK/containers.conf"
    make_run
    cat >"$WORK/engine/podman" <<END
#!/bin/sh
PATH=$PATH:/usr/sbin
export PATH CONTAINERS_CONF=$WORK/containers.conf
exec $(command -v podman) --root $WORK/images --runroot $RUN --storage-driver vfs --cgroup-manager cgroupfs "\$@"
END
    chmod 755 "$WORK/runc" "$WORK/engine/podman"
    # docker would come first.
    ln -s "$KEYFOB" "$WORK/engine/keyfob"
    "$WORK/engine/podman" run -d --name box --network none --security-opt seccomp=unconfined --env HOME=/root \
        --rootfs "$root" /bin/sleep 3600 >"$WORK/engine.log" 2>&1
}
boxed() {
    local verb=$1
    shift
    PATH=$WORK/engine "$WORK/engine/keyfob" "$verb" --container "$@"
}
in_box() { "$WORK/engine/podman" exec -i box "$@"; }
empty_box() { ! holds_canary "$WORK/box/root"; }

containers() {
    if ((EUID != 0)) || ! start_container; then
        skip 'a container' "it needs root, and a machine that can have one: $(tail -n 1 "$WORK/engine.log" 2>/dev/null)"
        return
    fi
    local file=$WORK/box/root/.config/acme/session
    ok 'a container without a keyfob has the session in a file' ends 0 box boxed sync box acme
    ok 'that nobody else can read' mode_600 "$file"
    ok 'with the token and no refresh token' eval "grep -qF '$TOKEN' '$file' && ! grep -q refresh '$file'"
    ok 'no token is in what the engine tells of the container' eval '! "$WORK/engine/podman" inspect box | grep -qF "$TOKEN"'
    ok 'it is taken back' eval "boxed desync box acme 2>/dev/null && [[ ! -e $file ]] && empty_box"
    bring "$KEYFOB" bin/keyfob
    ok 'a container with a keyfob has the session in that' ends 0 box boxed sync box acme
    ok 'the token there is the one here' eval '[[ $(in_box env KEYFOB_KEYCHAIN=off keyfob token acme) == "$TOKEN" ]]'
    ok 'no listing there has it' eval 'in_box env KEYFOB_KEYCHAIN=off keyfob list | grep -qx "Nothing is kept."'
    ok 'it is taken back from there' eval 'boxed desync box acme 2>/dev/null && empty_box'
    ok 'the second time it is gone already, which is no failure' ends 0 gone-box boxed desync box acme
    ok 'a container that is not there is a failure' ends 1 no-box boxed sync no-box acme
    ok 'and told as the engine tells it' says no-box 'no such container'
    "$WORK/engine/podman" stop -t 0 box >/dev/null 2>&1
    ok 'so is one that does not run' ends 1 stopped boxed sync box acme
    ok 'which has nothing' empty_box
}

# Ctrl-C in the middle of the way. A shell's background job ignores it, so that is taken back first.
interrupted() {
    local id status=0
    touch "$WORK/hosts/far/hold"
    env --default-signal=INT keyfob sync ssh://far acme >"$WORK/interrupted.out" 2>&1 &
    id=$!
    await eval 'pgrep -f -- "-- far sh" >/dev/null' || true
    kill -INT "$id"
    wait "$id" || status=$?
    ok 'an interrupt ends it, as an interrupt does' test "$status" = 130
    ok 'no ssh is left of it' await eval '! pgrep -f -- "-- far sh" >/dev/null'
    rm "$WORK/hosts/far/hold"
    ok 'no script is left there' await eval '! pgrep -f -- "$WORK/enter far" >/dev/null'
    ok 'and nothing, or a whole session, is there' eval 'empty far || far_token far'
    desync far 2>/dev/null
}

start_issuer
start_sshd
host far
write_provider acme ''
write_provider hidden $'[sync]\nas = "variable"'
log_in acme
log_in hidden
TOKEN=$(keyfob token acme)
REFRESH=$(grep -raoh '"refresh":"[^"]*"' "$KEYFOB_HOME/data" | head -n 1 | cut -d'"' -f4)
[[ $TOKEN == canary-* && $REFRESH == canary-* ]] || die 'the login gave no tokens'
say "$("$SSH" -V 2>&1)"
the_way
processes
shells
refusals
without_keyfob
full_disks
containers
interrupted
ok "ssh's own log and ours have no token" fails holds_canary "$WORK/sshd.log" "$WORK/issuer.log" "$WORK"/*.err
finish
