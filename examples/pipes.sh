#!/bin/sh
# keyfob in a shell script, with pipes only: sh examples/pipes.sh
#
# No secret is ever an argument: every user of the machine can list those, and shells keep them in their history.
# printf and read are built into the shell, so that no process carries the secret in its command line either.
# KEYFOB names the program if it is not on the path. The script works in a home of its own and leaves nothing.
set -eu

keyfob=${KEYFOB:-keyfob}
KEYFOB_HOME=$(mktemp -d)
KEYFOB_KEYCHAIN=off
export KEYFOB_HOME KEYFOB_KEYCHAIN
trap 'rm -rf "$KEYFOB_HOME"' EXIT

# The lines that every request begins with; an empty line ends a request.
target() {
    printf 'protocol=https\nhost=acme.example\nusername=ann\n'
}

echo '1. Keep a password. Here the script knows it; a person would type it, or another program would write it.'
{ target; printf 'password=%s\n\n' 'a-canary-password'; } | "$keyfob" store

echo '2. Ask for it.'
password=
while IFS='=' read -r name value; do
    case $name in
    password) password=$value ;;
    username | source) echo "   $name is $value" ;;
    esac
done <<EOT
$({ target; echo; } | "$keyfob" get)
EOT
echo "   password has ${#password} characters"

echo '3. Give it to curl: the header goes through a pipe as configuration, not as an argument.'
header=$("$keyfob" token --header https://acme.example)
if command -v curl >/dev/null; then
    # --version only shows that curl took it; a real script has the URL here.
    printf 'header = "%s"\n' "$header" | curl --config - --version | head -n 1 | cut -d ' ' -f 1,2 | sed 's/^/   /'
else
    echo "   curl is not installed; the header has ${#header} characters"
fi

echo '4. Forget it. keyfob does so only if it is still this very password.'
{ target; printf 'password=%s\n\n' "$password"; } | "$keyfob" erase
if { target; echo; } | "$keyfob" get 2>/dev/null | grep -q '^password='; then
    echo '   it is still there' >&2
    exit 1
fi
echo '   gone'
