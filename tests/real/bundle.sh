#!/usr/bin/env bash
# The `age` tool at the other end of a bundle: it opens what keyfob sealed, and keyfob keeps what it sealed.
# It knows age's options and what is in a bundle; it must not know how the envelope is made.
# By hand: KEYFOB=target/debug/keyfob tests/real/bundle.sh.

# Programs given to the shell expand there.
# shellcheck disable=SC2016
# shellcheck source=../../.ci/lib.sh
. "$(dirname "$0")/../../.ci/lib.sh"
need age age age-keygen age script bsdutils jq jq
make_work bundle
lay_out_keyfob
export KEYFOB_KEYCHAIN=off
cd "$WORK" || exit

age-keygen -o key.txt 2>/dev/null
age-keygen -o other.txt 2>/dev/null
RECIPIENT=$(age-keygen -y key.txt)
PASSPHRASE='canary horse battery'
printf '%s\n' "$PASSPHRASE" >passphrase

# `at HOME command …`: keyfob with the records of this home.
at() {
    local home=$1
    shift
    KEYFOB_HOME=$WORK/$home keyfob "$@" 2>>keyfob.log
}
# `typed command`: on a terminal of its own, where the passphrase is typed whenever it is asked for.
typed() {
    { while sleep 0.5; do printf '%s\n' "$PASSPHRASE"; done; } | timeout 300 script -qec "$1" /dev/null >typed.log 2>&1
    local status=("${PIPESTATUS[@]}")
    ((status[1] == 0)) || { cat typed.log; return 1; }
}
same() { [[ $(at "$1" list --json) == "$(at first list --json)" ]] || { at "$1" list; return 1; }; }
secrets() { jq -r '.records[].secret' "$1" | sort; }

for number in 1 2 3; do
    printf 'protocol=https\nhost=host-%d.example\nusername=ann\npassword=canary-%d\n\n' $number $number | at first store
done
secrets <(printf '{"records":[{"secret":"canary-1"},{"secret":"canary-2"},{"secret":"canary-3"}]}') >wanted

opened_by_age() {
    at first export --all --recipient "$RECIPIENT" --output recipient.age || return 1
    at first export --all --recipient "$RECIPIENT" --armor --output armed.age || return 1
    for file in recipient.age armed.age; do
        age -d -i other.txt -i key.txt -o "$file.json" "$file" || return 1
        secrets "$file.json" | cmp - wanted || return 1
    done
    if age -d -i other.txt recipient.age 2>/dev/null >nobodys; then return 1; fi
    [[ ! -s nobodys ]]
}
opened_with_a_passphrase() {
    at first export --all --passphrase-file passphrase --work-factor 12 --output passphrase.age || return 1
    typed 'age -d -o passphrase.json passphrase.age' && secrets passphrase.json | cmp - wanted
}
sealed_by_age() {
    age -r "$(age-keygen -y other.txt)" -R <(age-keygen -y key.txt) -o by-age.age recipient.age.json || return 1
    age -a -r "$RECIPIENT" -o by-age.txt recipient.age.json || return 1
    at second import by-age.age --identity key.txt && same second &&
        at third import - --identity key.txt <by-age.txt && same third
}
# The tool asks for a work factor of 18, which takes a build for debugging a minute.
sealed_with_a_passphrase() {
    typed 'age -p -a -o by-age-passphrase.age recipient.age.json' || return 1
    at fourth import by-age-passphrase.age --passphrase-file passphrase && same fourth
}
large_ones() {
    local length said
    # Two chunks of 64 KiB and some more, and one that ends at the border of a chunk.
    for length in 150000 65536 131072 1; do
        head -c "$length" /dev/zero | tr '\0' x >large
        age -r "$RECIPIENT" -o large.age large || return 1
        # It opens, and is no bundle: 64 with those words, and not the code of a damaged one.
        said=$(KEYFOB_HOME=$WORK/first keyfob import large.age --identity key.txt 2>&1)
        if (($? != 64)) || [[ $said != *'holds no bundle of keyfob'* ]]; then
            printf '%s\n' "$said"
            return 1
        fi
    done
}
no_secret_is_said() { ! grep canary keyfob.log; }

ok 'age opens a bundle for a recipient, with armour and without' opened_by_age
ok 'age opens a bundle with a passphrase' opened_with_a_passphrase
ok 'a bundle that age sealed for recipients is kept' sealed_by_age
ok 'a bundle that age sealed with a passphrase is kept' sealed_with_a_passphrase
ok 'chunks of age are read up to their borders' large_ones
ok 'no secret is on standard error' no_secret_is_said
finish
