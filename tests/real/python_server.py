"""An issuer and a private package index on the loopback, for tests/real/python.sh.

It knows OAuth's client credentials (RFC 6749, section 4.4), the simple API of Python's indexes (PEP 503) and the upload of
twine, and no keyfob. Run with a directory: it writes `port` there, and what was uploaded.
The index /session/simple/ takes whoever sends a token that the issuer gave out and that has not ended, with the user name
`oauth2`; /static/simple/ takes ann and bob by their passwords. Uploads go to /session/legacy/ and /static/legacy/.
GET /life?secs=N is how long the next tokens live, and the end of all others; /counts says how many tokens were given out (`tokens`), and how many
requests were answered and refused since the last time (`good`, `bad`), and who was let in last (`who`).
"""

import base64
import hashlib
import http.server
import io
import json
import pathlib
import secrets
import sys
import time
import urllib.parse
import zipfile

PLACE = pathlib.Path(sys.argv[1])
STATE = {"life": 3600, "tokens": 0, "good": 0, "bad": 0, "who": ""}
ENDS = {}
PASSWORDS = {"ann": "canary-ann", "bob": "canary-bob"}
WHEEL = "hello_keyfob-1.0-py3-none-any.whl"


def wheel():
    info = "hello_keyfob-1.0.dist-info"
    files = {
        "hello_keyfob.py": "WORD = 'hello'\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: hello-keyfob\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: keyfob\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        "{},sha256={},{}\n".format(
            name, base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode(), len(text)
        )
        for name, text in files.items()
    )
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return data.getvalue()


BYTES = wheel()
PAGE = f'<!DOCTYPE html><a href="../../files/{WHEEL}#sha256={hashlib.sha256(BYTES).hexdigest()}">{WHEEL}</a>'


class Index(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, kind="application/json", **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def is_welcome(self, area):
        scheme, _, encoded = self.headers.get("Authorization", "").partition(" ")
        try:
            user, _, password = base64.b64decode(encoded).decode().partition(":")
        except ValueError:
            user = password = ""
        if area == "session":
            # Grace, because a slow tool may use what was good when it took it; /life ends all that there are.
            good = user == "oauth2" and ENDS.get(password, 0) + 60 > time.time()
        else:
            good = password != "" and PASSWORDS.get(user) == password
        good = good and scheme == "Basic"
        if good:
            STATE["good"] += 1
            STATE["who"] = user
        elif password:
            # A user name alone, from a URL, is what tools send first.
            STATE["bad"] += 1
        return good

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        words = url.path.strip("/").split("/")
        if url.path == "/life":
            STATE["life"] = int(urllib.parse.parse_qs(url.query)["secs"][0])
            ENDS.clear()
            self.answer(200, STATE)
        elif url.path == "/counts":
            self.answer(200, STATE)
            STATE.update(good=0, bad=0, who="")
        elif words[0] not in ("session", "static"):
            self.answer(404, {})
        elif not self.is_welcome(words[0]):
            self.answer(401, {}, WWW_Authenticate='Basic realm="index"')
        elif words[1:] == ["simple", "hello-keyfob"]:
            self.answer(200, PAGE.encode(), "text/html")
        elif words[1:] == ["files", WHEEL]:
            self.answer(200, BYTES, "application/octet-stream")
        else:
            self.answer(404, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        words = self.path.strip("/").split("/")
        if words == ["token"]:
            form = dict(urllib.parse.parse_qsl(body.decode()))
            if form.get("grant_type") != "client_credentials" or form.get("client_secret") != "canary-client":
                self.answer(400, {"error": "invalid_client"})
                return
            token = "canary-" + secrets.token_hex(16)
            STATE["tokens"] += 1
            ENDS[token] = time.time() + STATE["life"]
            self.answer(200, {"access_token": token, "token_type": "Bearer", "expires_in": STATE["life"]})
        elif words[0] in ("session", "static") and words[1:] == ["legacy"] and self.is_welcome(words[0]):
            (PLACE / f"uploaded-{words[0]}").write_bytes(body)
            self.answer(200, b"", "text/plain")
        else:
            self.answer(401, {}, WWW_Authenticate='Basic realm="index"')


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


(PLACE / WHEEL).write_bytes(BYTES)
server = Server(("127.0.0.1", 0), Index)
(PLACE / "port.part").write_text(str(server.server_address[1]), encoding="ascii")
(PLACE / "port.part").rename(PLACE / "port")
server.serve_forever()
