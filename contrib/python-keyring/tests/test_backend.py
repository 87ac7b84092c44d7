"""The backend against a real keyfob, in a home of its own."""

import os
import pathlib
import subprocess
import tempfile
import unittest

import keyring
import keyring.backend
from keyring.errors import KeyringError, KeyringLocked, PasswordDeleteError, PasswordSetError

import keyring_keyfob

INDEX = "https://pypi.example/simple/"

PROVIDER = """format = 1
[login]
flow = "key"
[[target]]
url = "https://pypi.acme.example"
"""


class Backend(unittest.TestCase):
    def setUp(self):
        home = tempfile.TemporaryDirectory()
        self.addCleanup(home.cleanup)
        self.home = pathlib.Path(home.name)
        before = dict(os.environ)
        self.addCleanup(lambda: (os.environ.clear(), os.environ.update(before)))
        os.environ.update(KEYFOB_HOME=home.name, KEYFOB_KEYCHAIN="off")
        os.environ["KEYFOB"] = os.path.abspath(os.environ.get("KEYFOB", "target/debug/keyfob"))
        self.keyring = keyring_keyfob.Keyring()

    def keyfob(self, *words, stdin=""):
        subprocess.run([os.environ["KEYFOB"], *words], input=stdin.encode(), check=True, capture_output=True)

    def provide(self):
        place = self.home / "config" / "providers"
        place.mkdir(parents=True)
        (place / "acme.toml").write_text(PROVIDER, encoding="ascii")

    def test_what_was_set_is_got_and_deleted(self):
        for service in (INDEX, "poetry-repository-acme", "my app", "-x", "häuser"):
            for password in ("canary", "canary\nof two lines\n", "can ary ü"):
                self.keyring.set_password(service, "ann", password)
                self.assertEqual(self.keyring.get_password(service, "ann"), password)
            pair = self.keyring.get_credential(service, None)
            self.assertEqual((pair.username, pair.password), ("ann", "can ary ü"))
            self.assertIsNone(self.keyring.get_password(service, "bob"))
            self.keyring.delete_password(service, "ann")
            self.assertIsNone(self.keyring.get_password(service, "ann"))

    def test_a_miss_is_none(self):
        self.assertIsNone(self.keyring.get_password(INDEX, "ann"))
        self.assertIsNone(self.keyring.get_credential(INDEX, None))
        self.assertIsNone(self.keyring.get_credential("python-poetry-check", "python-poetry"))

    def test_to_delete_nothing_is_its_own_error(self):
        with self.assertRaises(PasswordDeleteError):
            self.keyring.delete_password(INDEX, "ann")

    def test_a_session_is_a_password_and_is_not_overwritten(self):
        self.provide()
        service = "https://pypi.acme.example/legacy/"
        with self.assertRaisesRegex(KeyringError, "keyfob login acme"):
            self.keyring.get_password(service, "__token__")
        self.keyfob("set-token", "acme:ann", "--no-check", stdin="canary-k")
        self.assertEqual(self.keyring.get_password(service, "__token__"), "canary-k")
        self.assertEqual(self.keyring.get_credential(service, None).username, "ann")
        with self.assertRaises(PasswordSetError) as raised:
            self.keyring.set_password(service, "ann", "canary-other")
        self.assertNotIn("canary", str(raised.exception))
        with self.assertRaisesRegex(PasswordDeleteError, "keyfob logout acme:ann"):
            self.keyring.delete_password(service, "ann")
        self.keyfob("set-token", "acme:bob", "--no-check", stdin="canary-b")
        with self.assertRaisesRegex(KeyringError, "several accounts fit"):
            self.keyring.get_credential(service, None)
        self.assertEqual(self.keyring.get_password(service, "bob"), "canary-b")

    def test_what_cannot_be_kept_is_an_error_without_the_password(self):
        for service, username, password in (
            (INDEX, "ann", ""),
            (INDEX, "a\nb", "canary"),
            ("a\0b", "ann", "canary"),
            ("", "ann", "canary"),
            (INDEX, "ann", "canary" * 20000),
        ):
            with self.assertRaises(PasswordSetError) as raised:
                self.keyring.set_password(service, username, password)
            self.assertNotIn("canary", str(raised.exception))

    def test_a_program_that_fails_or_is_killed_has_kept_and_found_nothing(self):
        program = self.home / "program"
        os.environ["KEYFOB"] = str(program)
        program.write_text("no program", encoding="ascii")
        program.chmod(0o755)
        with self.assertRaises(PasswordSetError):
            self.keyring.set_password(INDEX, "ann", "canary")
        for last in ("kill -9 $$", "exit 3", "exit 1"):
            program.write_text(f"#!/bin/sh\ncat >/dev/null\n{last}\n", encoding="ascii")
            with self.assertRaises(PasswordSetError) as raised:
                self.keyring.set_password(INDEX, "ann", "canary")
            self.assertNotIn("canary", str(raised.exception))
            if last == "exit 1":
                continue
            with self.assertRaises(KeyringError):
                self.keyring.get_password(INDEX, "ann")
            with self.assertRaises(PasswordDeleteError):
                self.keyring.delete_password(INDEX, "ann")

    def test_a_locked_machine_is_a_locked_keyring(self):
        self.keyring.set_password(INDEX, "ann", "canary")
        passphrase = "canary horse battery"
        self.keyfob("lock", "set", "--work-factor", "12", "--passphrase-file", "-", stdin=passphrase)
        self.keyfob("lock")
        with self.assertRaises(KeyringLocked):
            self.keyring.get_password(INDEX, "ann")

    def test_it_is_found_by_its_entry_point_and_only_where_there_is_a_keyfob(self):
        self.assertIn(keyring_keyfob.Keyring, [type(row) for row in keyring.backend.get_all_keyring()])
        self.assertTrue(keyring_keyfob.Keyring.viable)
        os.environ["KEYFOB"] = str(self.home / "nowhere")
        self.assertFalse(keyring_keyfob.Keyring.viable)
        with self.assertRaisesRegex(KeyringError, "no keyfob"):
            self.keyring.get_password(INDEX, "ann")


if __name__ == "__main__":
    unittest.main()
