#!/usr/bin/env bash
# What a person sees of each interactive login, in a real terminal (tmux) of several sizes; the screens are kept.
# It knows what must be on a screen and what must be as it was afterwards; it must not know how a login works.
# By hand: KEYFOB=target/debug/keyfob tests/real/terminal.sh, then read target/ci/screens/.

# Programs given to the shell in the terminal expand there, and the names of commands in sentences are no commands.
# shellcheck disable=SC2016
# shellcheck source=../../.ci/lib.sh
. "$(dirname "$0")/../../.ci/lib.sh"
need tmux tmux python3 python3 curl curl
make_work terminal
lay_out_keyfob

SCREENS=$CI_DIR/screens
rm -rf "$SCREENS"
mkdir -p "$SCREENS" "$WORK/home"
export HOME=$WORK/home KEYFOB_HOME=$WORK/keyfob KEYFOB_KEYCHAIN=off
# A person is here, and no browser.
unset CI KEYFOB_NO_INPUT DISPLAY WAYLAND_DISPLAY BROWSER NO_COLOR TMUX
unset SSH_CONNECTION SSH_TTY SSH_CLIENT

start_issuer() {
    serve issuer python3 "$ROOT/tests/real/terminal_issuer.py" "$WORK/issuer"
    await test -s "$WORK/issuer" || die "the issuer did not start: $(cat "$WORK/issuer.log")"
    ISSUER=$(<"$WORK/issuer")
}
issuer() { curl -sf -o /dev/null "$ISSUER$1"; }

# `provider NAME FLOW`: the issuer as a provider of this name.
provider() {
    mkdir -p "$KEYFOB_HOME/config/providers"
    chmod -R go-rwx "$KEYFOB_HOME"
    cat >"$KEYFOB_HOME/config/providers/$1.toml" <<END
format = 1
name = "$1"
title = "Acme"
[login]
flow = "$2"
[oauth]
authorization_endpoint = "$ISSUER/authorize"
device_authorization_endpoint = "$ISSUER/device"
token_endpoint = "$ISSUER/token"
revocation_endpoint = "$ISSUER/revoke"
client_id = "acme-cli"
[whoami]
url = "$ISSUER/userinfo"
[key]
prefix = "canary"
END
}

# `service NAME FLOW`, with the rest of the provider file on stdin.
service() {
    {
        printf 'format = 1\nname = "%s"\ntitle = "Acme"\n[login]\nflow = "%s"\n' "$1" "$2"
        cat
    } >"$KEYFOB_HOME/config/providers/$1.toml"
}

# One tmux server for this run; it is ended by its own command.
term() { tmux -u -L "$SOCKET" -f /dev/null "$@"; }
SOCKET=keyfob-$$
end_terminals() { term kill-server 2>/dev/null || true; }
trap 'end_terminals; clean_up' EXIT

# `open_terminal NAME COLUMNS ROWS [NAME=VALUE …]`: a shell on a terminal of this size, with these variables.
open_terminal() {
    local name=$1 columns=$2 rows=$3
    shift 3
    term new-session -d -s "$name" -x "$columns" -y "$rows" \
        "env PS1='\$ ' $* bash --norc --noprofile -i"
    term set-option -t "$name" status off >/dev/null
    term resize-window -t "$name" -x "$columns" -y "$rows"
    await has "$name" '$' || die "no shell came up on the terminal"
}
# Types a line, with Enter.
type_line() { term send-keys -t "$1" -l -- "$2" && term send-keys -t "$1" Enter; }
press() { term send-keys -t "$1" "$2"; }
# What is on the screen now; with a second word, kept under that name.
screen() { term capture-pane -p -t "$1" | if [[ -n ${2:-} ]]; then tee "$SCREENS/$2.txt"; else cat; fi; }
# With what has scrolled away.
scrolled() { term capture-pane -p -S - -t "$1"; }
# Without -q, which would end tmux before it has written everything.
has() { screen "$1" | grep -F -- "$2" >/dev/null; }
# Waits for a text on the screen, then keeps the screen: `shows SESSION TEXT [NAME]`.
shows() {
    await has "$1" "$2" || { screen "$1"; return 1; }
    screen "$1" "${3:-}" >/dev/null
}
lacks() { ! has "$1" "$2" || { screen "$1"; return 1; }; }
counts() { [[ $(screen "$1" | grep -cF -- "$2") == "$3" ]] || { screen "$1"; return 1; }; }
left() { screen "$1" | grep -oE '[0-9]+:[0-9]{2} left' | tail -n 1; }
moves() {
    local before
    before=$(left "$1")
    if [[ -n $before ]] && sleep 2.2 && [[ $(left "$1") != "$before" ]]; then return 0; fi
    screen "$1"
    return 1
}
fits() { ! screen "$1" | grep -E "^.{$(($2 + 1))}"; }

# Around something that changes the terminal: the modes before and after are one.
modes() { type_line "$1" "stty -a >'$WORK/$1.$2'; echo noted-$2" && shows "$1" "noted-$2"; }
same_modes() { cmp "$WORK/$1.before" "$WORK/$1.after"; }
no_secret() { ! scrolled "$1" | grep canary; }

a_device_login() {
    say "a device login, 80x24"
    open_terminal device 80 24
    type_line device 'keyfob login acme'
    ok 'the code is on the screen' shows device 'WDJB-MJHT' device-80x24
    ok 'the whole page is' shows device "    $ISSUER/device"
    ok 'a QR code is drawn' shows device '█▀▀▀▀▀█'
    ok 'a line warns who did not start it' shows device 'Go on only if you started this login'
    ok 'it says that no browser was opened, and why' shows device 'No browser was opened'
    ok 'the countdown is there' shows device 'left'
    ok 'and moves, on one line' eval 'moves device && counts device "Waiting" 1'
    term resize-window -t device -x 60 -y 24
    ok 'after a resize too' eval 'sleep 1.5; moves device'
    term resize-window -t device -x 80 -y 24
    issuer /approve
    ok 'approved: it says who is logged in' shows device 'Logged in to Acme as `ann@acme.example`.' device-done
    ok 'and the countdown is gone' lacks device 'Waiting'
    ok 'no secret is on the screen' no_secret device
}

narrow_and_plain() {
    say "other screens"
    open_terminal narrow 40 24
    type_line narrow 'keyfob login acme'
    ok '40 columns: the code is on the screen' shows narrow 'enter the code' device-40x24
    ok '40 columns: no QR code that would be torn' lacks narrow '▀'
    ok '40 columns: nothing is wider' fits narrow 40
    ok '40 columns: the countdown moves, on one line' eval 'moves narrow && counts narrow "Waiting" 1'
    press narrow C-c
    open_terminal tall 64 50
    type_line tall 'keyfob login acme'
    ok 'narrow and tall: a QR code is drawn above the text' shows tall '█▀▀▀▀▀█' device-64x50
    ok 'narrow and tall: the countdown moves' moves tall
    press tall C-c
    open_terminal plain 80 24 TERM=dumb
    type_line plain 'keyfob login acme'
    ok 'TERM=dumb: whole lines' shows plain 'Waiting for the approval, 10 min at most.' device-dumb
    press plain C-c
    open_terminal ascii 80 24 LC_ALL=C
    type_line ascii 'keyfob login acme'
    ok 'no UTF-8: the countdown in ASCII' shows ascii 'Waiting for the approval ... ' device-ascii
    ok 'no UTF-8: no blocks' lacks ascii '▀'
    press ascii C-c
    open_terminal mono 80 24 NO_COLOR=1
    type_line mono 'keyfob login acme'
    ok 'NO_COLOR: a QR code without colours' shows mono '▀' device-no-color
    ok 'NO_COLOR: no colour on the screen' eval '! term capture-pane -e -p -t mono | grep "\[[0-9;]*m"'
    press mono C-c
}

codes_that_end() {
    say "codes that end, are refused, or are given up"
    open_terminal ends 80 24
    issuer '/codes?life=3'
    type_line ends 'keyfob login acme --no-browser --no-qr'
    ok 'an expired code: a fresh one is offered' shows ends 'Press Enter for a fresh one' device-expired
    issuer '/codes?life=600'
    press ends Enter
    ok 'Enter brings it' eval 'await counts ends "enter the code" 2'
    issuer /deny
    ok 'a refusal is said, with what to do' shows ends 'the login was refused on the issuer' device-denied
    modes ends before
    type_line ends 'clear; keyfob login acme --no-qr'
    ok 'a login waits' shows ends left
    press ends C-c
    sleep 0.5
    type_line ends 'echo "status $?"'
    ok 'Ctrl-C ends it, as Ctrl-C does' shows ends 'status 130' device-ctrl-c
    ok 'the countdown is gone' lacks ends 'Waiting'
    modes ends after
    ok 'the terminal is as it was' same_modes ends
    ok 'nothing is kept' eval '! keyfob token acme:nobody'
}

two_at_once() {
    say "two logins at once"
    open_terminal first 80 24
    open_terminal second 80 24
    type_line first 'keyfob login acme --no-qr'
    ok 'the first asks' shows first 'enter the code'
    type_line second 'keyfob login acme'
    ok 'the second waits for it' shows second 'Waiting for another login of `acme`' second-waits
    issuer /approve
    ok 'both are logged in' eval 'shows first "Logged in" && shows second "Logged in to Acme" second-adopts'
}

a_hidden_prompt() {
    say "a hidden prompt"
    open_terminal hidden 80 24
    modes hidden before
    type_line hidden 'clear; keyfob set-token acme'
    ok 'it asks' shows hidden 'token (not shown):' set-token
    press hidden C-c
    sleep 0.5
    type_line hidden 'echo "status $?"'
    ok 'Ctrl-C ends it' shows hidden 'status 130'
    modes hidden after
    ok 'the echo is back' same_modes hidden
    type_line hidden 'clear; keyfob set-token acme'
    shows hidden 'token (not shown):' >/dev/null
    sleep 0.3
    type_line hidden 'canary-typed-by-hand'
    ok 'a token is kept' shows hidden 'Logged in to Acme as `ann@acme.example`' set-token-done
    ok 'and was never on the screen' no_secret hidden
}

without_a_terminal() {
    say "no terminal at all"
    setsid -w keyfob login acme >"$WORK/none.out" 2>"$WORK/none.err" </dev/null &
    local id=$! status=0
    ok 'page and code are written as lines' await grep -q 'Waiting for the approval, 10 min at most' "$WORK/none.err"
    issuer /approve
    wait "$id" || status=$?
    ok 'it ends by itself' test "$status" = 0
    ok 'no escape was written' fails grep -q "$(printf '\033')" "$WORK/none.err"
    cp "$WORK/none.err" "$SCREENS/device-no-terminal.txt"
    issuer '/codes?life=2'
    setsid -w keyfob login acme >"$WORK/none.out" 2>"$WORK/late.err" </dev/null || status=$?
    ok 'an expired code ends it with 2' test "$status" = 2
    issuer '/codes?life=600'
    cp "$WORK/late.err" "$SCREENS/device-no-terminal-expired.txt"
}

# The person's browser: it opens the page that stands on the screen and follows where it leads.
page_of() { term capture-pane -J -p -S - -t "$1" | grep -oE "$ISSUER/authorize\?[^ ]+" | tail -n 1; }
# Where the page leads back to.
address_of() { curl -s -o /dev/null -w '%{redirect_url}' "$(page_of "$1")"; }

a_browser_here() {
    say "a browser on this machine"
    # It takes its time, so that the wait can be seen.
    printf '#!/bin/sh\n(sleep 4; exec curl -sL -o "%s" "$1") &\n' "$WORK/page.html" >"$WORK/bin/person"
    chmod +x "$WORK/bin/person"
    open_terminal here 80 24 DISPLAY=:0 BROWSER="$WORK/bin/person"
    type_line here 'keyfob login web'
    ok 'the browser is named' shows here 'in your browser.'
    ok 'the page is on the screen too' test -n "$(page_of here)"
    ok 'the wait has a countdown' shows here 'Waiting for the browser' browser-here
    ok 'the browser comes back and logs in' shows here 'Logged in to Acme as `ann@acme.example`' browser-done
    ok 'the countdown is gone' lacks here 'Waiting'
    ok 'no secret is on the screen' no_secret here
}

a_browser_elsewhere() {
    say "a browser on another machine"
    open_terminal ssh 80 24 SSH_CONNECTION="'192.0.2.7 50000 192.0.2.1 22'" USER=ann
    type_line ssh 'clear; keyfob login web'
    ok 'the line for the other machine is there' shows ssh 'ssh -N -L' browser-ssh
    ok 'the device grant is offered' shows ssh 'type `d` and Enter'
    press ssh d
    press ssh Enter
    ok 'and comes' shows ssh 'enter the code' browser-to-device
    issuer /approve
    ok 'and logs in' shows ssh 'Logged in to Acme'
    type_line ssh 'clear; keyfob login web --manual'
    ok 'the address may be pasted instead' shows ssh 'paste it here' browser-manual
    type_line ssh "$(address_of ssh)"
    ok 'which logs in too' shows ssh 'Logged in to Acme as `ann@acme.example`' browser-manual-done
}

a_code_by_mail() {
    say "a code by mail"
    open_terminal mail 80 24
    modes mail before
    type_line mail 'clear; keyfob login mail'
    ok 'it asks for the address' shows mail 'Email:' otp-address
    type_line mail 'ann@acme.example'
    ok 'it says where to look' shows mail 'Look for a code in the mail of ann@acme.example' otp-sent
    ok 'and asks for the code' shows mail 'Code (r sends another):'
    type_line mail '271 828'
    ok 'a wrong code is said, with the tries that are left' shows mail '2 tries are left' otp-wrong
    type_line mail r
    ok 'another code is sent when the service allows it' shows mail 'at the earliest' otp-again
    type_line mail '314-159'
    ok 'the right one, with a dash, logs in' shows mail 'Logged in to Acme as `ann@acme.example`' otp-done
    ok 'no secret is on the screen' no_secret mail
    type_line mail 'clear; keyfob login mail --email bob@acme.example'
    ok 'a pause that the service wants is said' shows mail 'the service wants a pause' otp-limited
    modes mail after
    ok 'the terminal is as it was, here too' same_modes mail
}

a_page_that_is_asked_about() {
    say "a page that is asked about"
    open_terminal page 80 24
    type_line page 'clear; keyfob login page'
    ok 'the page is on the screen' shows page "$ISSUER/cli?" poll-page
    ok 'the wait has a countdown' shows page 'left'
    ok 'that moves, on one line' eval 'moves page && counts page "Waiting" 1'
    issuer '/approve'
    ok 'approved: it says who is logged in' shows page 'Logged in to Acme as `ann`' poll-done
    ok 'the countdown is gone' lacks page 'Waiting'
}

start_issuer
provider acme device
provider web browser
service mail email-otp <<END
[otp.send]
url = "$ISSUER/mail"
body = { email = "{email}" }
[otp.exchange]
url = "$ISSUER/exchange"
body = { email = "{email}", code = "{code}" }
[otp.exchange.reply]
key = "/key"
subject = "/email"
END
service page poll <<END
[poll]
page = "$ISSUER/cli"
[poll.retrieve]
url = "$ISSUER/asked"
body = { state = "{state}", verifier = "{verifier}" }
[poll.retrieve.reply]
access_token = "/token"
subject = "/name"
END
a_device_login
narrow_and_plain
codes_that_end
two_at_once
a_hidden_prompt
without_a_terminal
a_browser_here
a_browser_elsewhere
a_code_by_mail
a_page_that_is_asked_about
say "the screens: ${SCREENS#"$ROOT"/}"
finish
