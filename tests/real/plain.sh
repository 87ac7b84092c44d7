#!/usr/bin/env bash
# Programs that run a command for one secret: restic, borg, rclone, msmtp, isync, mutt, curl, and Ansible's vault.
# It knows how each is told to, as docs/tools.md says; it must not know how keyfob stores anything.
# By hand: KEYFOB=target/debug/keyfob tests/real/plain.sh

# Programs given to an inner shell expand there.
# shellcheck disable=SC2016
# shellcheck source=../../.ci/lib.sh
. "$(dirname "$0")/../../.ci/lib.sh"
# shellcheck source=tool_lib.sh
. "$(dirname "$0")/tool_lib.sh"
need python3 python3 curl curl jq jq restic restic borg borgbackup rclone rclone msmtp msmtp mbsync isync mutt mutt script bsdutils
python_part ansible ansible-core==2.19.14
make_work plain
lay_out_keyfob keyfob-client
export HOME=$WORK/home KEYFOB_HOME=$WORK/keyfob KEYFOB_KEYCHAIN=off
export PATH=$PATH:$CI_DIR/ansible/bin
mkdir -p "$HOME" "$WORK/server" "$WORK/data" "$KEYFOB_HOME/config/providers"
printf 'canary data\n' >"$WORK/data/file"

SECRET=canary-$RANDOM$RANDOM
for name in backup other many; do
    printf 'format = 1\n[login]\nflow = "key"\n' >"$KEYFOB_HOME/config/providers/$name.toml"
done
chmod -R go-rwx "$KEYFOB_HOME"
printf '%s\n' "$SECRET" | keyfob set-token backup --no-check 2>/dev/null
printf 'canary-other\n' | keyfob set-token other --no-check 2>/dev/null
SECRET=$SECRET serve servers python3 "$ROOT/tests/real/plain_server.py" "$WORK/server"
await test -s "$WORK/server/imap" || die "the servers did not start: $(cat "$WORK/servers.log")"
port() { cat "$WORK/server/$1"; }

# Each `with_NAME COMMAND` uses the tool with this command for its secret, where COMMAND has no quotes.
with_restic() { RESTIC_PASSWORD_COMMAND=$1 restic -r "$WORK/restic" --no-cache "${@:2}"; }
makes_restic() {
    with_restic 'keyfob token backup' init && with_restic 'keyfob token backup' backup "$WORK/data" &&
        with_restic 'keyfob token backup' restore latest --target "$WORK/restored" && cmp "$WORK/data/file" "$WORK/restored$WORK/data/file"
}
with_borg() { BORG_BASE_DIR=$WORK/borg-home BORG_RELOCATED_REPO_ACCESS_IS_OK=yes BORG_PASSCOMMAND=$1 borg "${@:2}"; }
makes_borg() {
    with_borg 'keyfob token backup' init -e repokey "$WORK/borg" && with_borg 'keyfob token backup' create "$WORK/borg::one" "$WORK/data" &&
        with_borg 'keyfob token backup' list "$WORK/borg::one" | grep -q file
}
# The configuration is encrypted with the secret that the command gives.
makes_rclone() {
    printf '[kept]\ntype = alias\nremote = %s\n' "$WORK/data" >"$WORK/rclone.conf"
    # It takes a new password from a terminal alone.
    for word in '' s a "$SECRET" "$SECRET" q q; do
        sleep 0.5
        printf '%s\n' "$word"
    done | timeout 60 script -qec "rclone --config '$WORK/rclone.conf' config" /dev/null >/dev/null 2>&1
    grep -q RCLONE_ENCRYPT_V0 "$WORK/rclone.conf"
}
with_rclone() { rclone --config "$WORK/rclone.conf" --ask-password=false --password-command "$1" lsf kept:; }
with_webdav() { rclone --config /dev/null --retries 1 --low-level-retries 1 --webdav-url "http://127.0.0.1:$(port dav)" --webdav-bearer-token-command "$1" lsf :webdav:; }
with_msmtp() {
    printf 'defaults\nauth plain\ntls off\naccount default\nhost 127.0.0.1\nport %s\nfrom ann@acme.example\nuser ann\npasswordeval "%s"\n' \
        "$(port smtp)" "$1" >"$HOME/.msmtprc"
    chmod 600 "$HOME/.msmtprc"
    rm -f "$WORK/server/mails"
    printf 'Subject: hello\n\nhello\n' | msmtp -C "$HOME/.msmtprc" bob@acme.example && grep -q hello "$WORK/server/mails"
}
with_mbsync() {
    printf 'IMAPAccount a\nHost 127.0.0.1\nPort %s\nUser ann\nPassCmd "%s"\nSSLType None\nAuthMechs LOGIN\n\n' "$(port imap)" "$1" >"$WORK/mbsyncrc"
    printf 'IMAPStore far\nAccount a\n\nMaildirStore near\nPath %s/mail/\nInbox %s/mail/INBOX\nSubFolders Verbatim\n\nChannel c\nFar :far:\nNear :near:\nPatterns *\n' \
        "$WORK" "$WORK" >>"$WORK/mbsyncrc"
    mkdir -p "$WORK/mail"
    mbsync -c "$WORK/mbsyncrc" --list c | grep -q Kept
}
with_mutt() {
    printf 'set smtp_pass="`%s`"\n' "$1" >"$WORK/muttrc"
    mutt -n -F "$WORK/muttrc" -Q smtp_pass | grep -qF "$SECRET"
}
with_curl() {
    keyfob token "$1" --header | curl -sSf --noproxy '*' -H @- -X PROPFIND "http://127.0.0.1:$(port dav)/" | grep -q hello.txt
}
# `with_netrc URL PATH`: curl has the entry of the one for the other, which is at the same host.
with_netrc() {
    local entry
    entry=$(keyfob netrc "$1") || return
    curl -sSf --noproxy '*' --netrc-file <(printf '%s\n' "$entry") -X PROPFIND "$2" | grep -q hello.txt
}
with_ansible() {
    printf 'canary text\n' >"$WORK/vaulted"
    ansible-vault encrypt --vault-id "backup@$WORK/bin/keyfob-client" "$WORK/vaulted" &&
        grep -q '^\$ANSIBLE_VAULT;1.2;AES256;backup' "$WORK/vaulted" &&
        [[ $(ansible-vault view --vault-id "backup@$WORK/bin/keyfob-client" "$WORK/vaulted") == 'canary text' ]]
}
# An id that keyfob does not know, and one that it knows and has another password of.
ansible_fails() {
    ! ansible-vault view --vault-id "$1@$WORK/bin/keyfob-client" "$WORK/vaulted" >"$WORK/ansible.out" 2>"$WORK/ansible.err" &&
        grep -q "$2" "$WORK/ansible.err"
}
# `both WITH`: the right secret works, and no other does; nothing at all is a failure too.
both() {
    local name=$1
    ok "token · hit · $2: it has the secret" "$name" 'keyfob token backup' "${@:3}"
    ok 'another secret is refused' fails "$name" 'keyfob token other' "${@:3}"
    ok "token · miss · $2: none is a failure" fails "$name" 'keyfob token nobody' "${@:3}"
}

say "$(restic version | cut -d' ' -f1,2), $(borg --version), $(rclone --version | sed -n 1p), $(msmtp --version | sed -n 1p), $(mbsync --version), $(mutt -v | sed -n 1p), $(ansible-vault --version | sed -n 1p)"
ok 'restic makes a repository, a backup, and brings it back' makes_restic
both with_restic restic snapshots
ok 'borg makes a repository and an archive' makes_borg
both with_borg borg list "$WORK/borg"
ok 'rclone encrypts its configuration' makes_rclone
both with_rclone rclone
both with_webdav 'rclone webdav'
both with_msmtp msmtp
both with_mbsync isync
ok 'token · hit · mutt: it has the secret' with_mutt 'keyfob token backup'
ok 'curl sends the header' with_curl backup
ok 'and another one is refused' fails with_curl other
DAV=http://127.0.0.1:$(port dav)/
printf 'url=%s\nusername=ann\npassword=%s\n' "${DAV}kept" "$SECRET" | keyfob store
ok 'netrc · hit · curl: it logs in with the entry' with_netrc "${DAV}kept" "$DAV"
ok 'netrc · miss · curl: without an entry nothing is sent' fails with_netrc "${DAV}other" "$DAV"
ok 'ansible · hit · ansible-vault: it encrypts and decrypts with the id' with_ansible
ok 'ansible · miss · ansible-vault: an id that is not known is told as such' ansible_fails nobody 'did not find a secret for vault-id=nobody'
ok 'another password does not decrypt it' ansible_fails other 'Decryption failed'
ok 'ansible · locked · ansible-vault: behind a passphrase nothing is given' locked ansible_fails backup 'keyfob unlock'
ok 'token · locked · restic: neither is it to others' locked fails with_restic 'keyfob token backup' snapshots
ok 'token · malformed · restic: a call that is none is a failure' fails with_restic 'keyfob token backup more' snapshots
ok 'which has a status of its own' eval 'keyfob token 2>/dev/null; [[ $? == 64 ]]'
for name in ann bob; do printf 'canary-%s\n' "$name" | keyfob set-token "many:$name" --no-check 2>/dev/null; done
ok 'token · two-accounts · restic: neither is guessed' eval 'fails with_restic "keyfob token many" snapshots 2>&1 | grep -q "several accounts fit"'
ok 'ansible · two-accounts · ansible-vault: neither is guessed' ansible_fails many 'several accounts fit'
ok 'ansible · malformed · ansible-vault: an id that is no name of a profile' ansible_fails 'a b' 'keyfob: error'
ok 'no secret is in what the tools wrote' eval '! grep -raqF "$SECRET" "$HOME" "$WORK/restic" "$WORK/borg" "$WORK/borg-home" "$WORK/rclone.conf" "$WORK/mbsyncrc" "$WORK/muttrc" "$WORK"/ansible.*'
finish
