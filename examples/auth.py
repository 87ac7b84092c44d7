"""A program in Python whose sign-in is keyfob's: `python3 auth.py auth login`, `python3 auth.py get URL`.

PROVIDER names the provider file, ~/.config/keyfob/providers/PROVIDER.toml; a `[program]` in it gives messages the
program's own name. KEYFOB names the program if it is not on the path. Python's standard library is all it needs.
"""

import os
import subprocess
import sys
import urllib.error
import urllib.request

KEYFOB = os.environ.get("KEYFOB", "keyfob")
PROVIDER = os.environ.get("PROVIDER", "acme")


class SignInError(Exception):
    """keyfob has no token, and has said on stderr why and what to run. `code` is its exit code."""

    def __init__(self, code):
        super().__init__("no token (exit code %d)" % code)
        self.code = code


class LoginNeeded(SignInError):
    """Exit code 2: a person must log in."""


class TryAgain(SignInError):
    """Exit code 3: network, rate limit or a lock; nobody has to log in."""


def access_token():
    """The access token, renewed if it was about to end. Ask again for each request; it costs a process start."""
    command = [KEYFOB, "--provider", PROVIDER, "auth", "print-access-token"]
    # stdout is a pipe of ours, stderr is the person's; the token is no argument and in no environment.
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
    if done.returncode == 0:
        return done.stdout.decode("ascii").rstrip("\n")
    raise {2: LoginNeeded, 3: TryAgain}.get(done.returncode, SignInError)(done.returncode)


def get(url):
    """One request with the token, which goes nowhere but to this URL."""
    request = urllib.request.Request(url)
    # Not sent again where a redirect leads.
    request.add_unredirected_header("Authorization", "Bearer " + access_token())
    with urllib.request.urlopen(request, timeout=30) as reply:
        return reply.read().decode("utf-8", "replace")


def main(args):
    if args[:1] == ["auth"]:
        # The whole subtree as it was typed, on our own terminal.
        return subprocess.call([KEYFOB, "--provider", PROVIDER] + args)
    if len(args) == 2 and args[0] == "get":
        try:
            print(get(args[1]))
        except SignInError as error:
            return error.code
        except urllib.error.URLError as error:
            print("auth.py: %s" % error, file=sys.stderr)
            return 1
        return 0
    print("usage: auth.py auth …|get URL", file=sys.stderr)
    return 64


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
