"""A backend of Python's keyring that asks keyfob.

It knows the command line that keyfob has in common with `keyring`, and nothing of where credentials come from.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess

from keyring.backend import KeyringBackend
from keyring.compat import properties
from keyring.credentials import Credential, SimpleCredential
from keyring.errors import KeyringError, KeyringLocked, PasswordDeleteError, PasswordSetError

# A login's renewal may take a while; a program that never ends must not hold an upload for ever.
PATIENCE_SECS = 120

# How keyfob ends, without a word, where it has no such entry.
ABSENT = 1

# What keyfob tells a person to do about a locked machine, and about nothing else.
UNLOCK = "`keyfob unlock`"


def _program() -> str | None:
    """The path of keyfob, by the variable KEYFOB or on PATH."""
    return shutil.which(os.environ.get("KEYFOB") or "keyfob")


class Keyring(KeyringBackend):
    """What keyfob has for a service, by its URL or its name."""

    @properties.classproperty
    def priority(cls) -> float:
        """Before the keychains of the desktop, where there is a keyfob."""
        if _program() is None:
            raise RuntimeError("there is no keyfob on PATH")
        return 9

    @properties.classproperty
    def name(cls) -> str:
        return "keyfob Keyring"

    def get_password(self, service: str, username: str) -> str | None:
        found = self._run(KeyringError, "get", service, username, "--output", "json")
        return None if found is None else json.loads(found)["password"]

    def get_credential(self, service: str, username: str | None) -> Credential | None:
        found = self._run(KeyringError, "get", service, username, "--mode", "creds", "--output", "json")
        if found is None:
            return None
        pair = json.loads(found)
        return SimpleCredential(pair["username"], pair["password"])

    def set_password(self, service: str, username: str, password: str) -> None:
        # keyfob takes one line end for the end of the input.
        self._run(PasswordSetError, "set", service, username, password=password + "\n")

    def delete_password(self, service: str, username: str) -> None:
        if self._run(PasswordDeleteError, "del", service, username) is None:
            raise PasswordDeleteError("there is no such password")

    def _run(self, failure, operation, service, username, *options, password=None) -> str | None:
        """What keyfob printed; none where it has no such entry. Raises `failure`, or that the keyring is locked."""
        program = _program()
        if program is None:
            raise failure("there is no keyfob on PATH")
        words = [service] if username is None else [service, username]
        command = [program, "keyring", operation, *options, "--", *words]
        try:
            done = subprocess.run(
                command,
                input=None if password is None else password.encode(),
                stdin=subprocess.DEVNULL if password is None else None,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                timeout=PATIENCE_SECS,
                check=False,
            )
        # A NUL among the words is a ValueError.
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            # The error's own text would quote the command, and its cause hold the password.
            raise failure(f"keyfob could not be run: {type(error).__name__}") from None
        if done.returncode == 0:
            return done.stdout.decode()
        told = done.stderr.decode(errors="replace").strip()
        # What is to be kept is kept or not; and who was killed has not looked.
        if done.returncode == ABSENT and not told and password is None:
            return None
        raise (KeyringLocked if UNLOCK in told else failure)(told or f"keyfob ended with {done.returncode}")
