"""An issuer and the token service of a registry on the loopback, for tests/real/containers.sh.

It knows OAuth's client credentials (RFC 6749, section 4.4) and the registry's token protocol, and no keyfob.
Run with a directory: it reads key.pem (RSA) and cert.pem there, and writes `realm` and `issuer`, both http addresses.
Who shows the service a password that the issuer gave out, and that has not ended, gets a signed token for what it asks for.
GET at the issuer: /life?N is what it says of the life of the next tokens; /end ends all that it gave out, which no clock
does, so that a slow machine is as good as a fast one; /seen counts what was given out, and what the service saw since then.
"""

import base64
import json
import pathlib
import secrets
import subprocess
import sys
import threading
import time
import urllib.parse

import issuing

PLACE = pathlib.Path(sys.argv[1])
STATE = {"life": 3600, "tokens": 0, "good": 0, "bad": 0}
GOOD = set()


def part(value):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(claims):
    """A token with the certificate of its key, which is all that the registry trusts."""
    lines = (PLACE / "cert.pem").read_text(encoding="ascii").splitlines()
    head = {"typ": "JWT", "alg": "RS256", "x5c": ["".join(line for line in lines if "-" not in line)]}
    text = part(head) + "." + part(claims)
    sign = ["openssl", "dgst", "-sha256", "-sign", PLACE / "key.pem"]
    return text + "." + part(subprocess.run(sign, input=text.encode(), capture_output=True, check=True).stdout)


class Issuer(issuing.Handler):
    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/life":
            STATE["life"] = int(url.query)
        elif url.path == "/end":
            GOOD.clear()
        self.answer(200, STATE)
        STATE["good"] = STATE["bad"] = 0

    def do_POST(self):
        form = dict(urllib.parse.parse_qsl(self.body().decode()))
        if form.get("grant_type") != "client_credentials":
            self.answer(400, {"error": "unsupported_grant_type"})
            return
        token = "canary-" + secrets.token_hex(12)
        STATE["tokens"] += 1
        GOOD.add(token)
        self.answer(200, {"access_token": token, "token_type": "Bearer", "expires_in": STATE["life"]})


class Realm(issuing.Handler):
    def do_GET(self):
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        basic = self.headers.get("Authorization", "").removeprefix("Basic ")
        user, _, password = base64.b64decode(basic).decode().partition(":")
        is_good = password in GOOD
        STATE["good" if is_good else "bad"] += 1
        if not is_good:
            self.answer(401, {"errors": [{"code": "UNAUTHORIZED", "message": "who are you?"}]})
            return
        access = []
        if asked.get("scope"):
            kind, name, actions = asked["scope"].split(":")
            access = [{"type": kind, "name": name, "actions": actions.split(",")}]
        now = int(time.time())
        self.answer(200, {"token": signed({
            "iss": "keyfob test", "sub": user, "aud": asked["service"], "exp": now + 300, "nbf": now - 60, "iat": now,
            "jti": secrets.token_hex(8), "access": access})})


for name, handler in (("realm", Realm), ("issuer", Issuer)):
    (PLACE / "part").write_text(issuing.listen(handler), encoding="ascii")
    (PLACE / "part").rename(PLACE / name)
threading.Event().wait()
