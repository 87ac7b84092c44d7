#!/bin/sh
# A program in shell whose sign-in is keyfob's: `wrapper.sh auth login`, `wrapper.sh get URL`.
#
# PROVIDER names the provider file, ~/.config/keyfob/providers/PROVIDER.toml; a `[program]` in it gives messages the
# program's own name. KEYFOB names the program if it is not on the path.
set -eu

keyfob=${KEYFOB:-keyfob}
provider=${PROVIDER:-acme}

case ${1-} in
auth)
    # Unchanged, so that `auth login --email …` and whatever comes later need no line here.
    exec "$keyfob" --provider "$provider" "$@"
    ;;
get)
    url=${2:?the URL is missing}
    # keyfob has said on stderr what to do. 2: log in first; 3: try again; the rest is in its table of exit codes.
    token=$("$keyfob" --provider "$provider" auth print-access-token) || exit
    # A secret is never an argument: printf is built into the shell, and curl reads its options from the pipe.
    printf 'header = "Authorization: Bearer %s"\n' "$token" | curl --config - --silent --show-error --fail "$url"
    ;;
*)
    echo "usage: wrapper.sh auth …|get URL" >&2
    exit 64
    ;;
esac
