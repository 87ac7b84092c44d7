"""The other side of `cloud.sh`: an issuer with ID tokens, and in front of moto's token service a clerk that checks them.

It listens on a free port of the loopback, writes it to the file that it is given, and counts what it gave: `/count` says how
many ID tokens, keys and exchanges. What `/life?SECONDS` sets is the life of what it gives from then on.
"""

import base64
import json
import os
import re
import sys
import time
import urllib.parse
import urllib.request
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MOTO = sys.argv[2]
STATE = {"life": 3600, "given": 0, "refresh": set(), "id_tokens": {}, "keys": 0, "exchanges": 0}


def id_token():
    """An ID token that ends when its access token does; nobody on this side looks at a signature."""
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    end = int(time.time()) + STATE["life"]
    claims = {"iss": f"http://127.0.0.1:{PORT}", "sub": "ann", "aud": "acme-cli", "exp": end,
              "jti": str(STATE["given"])}
    token = part({"alg": "none"}) + "." + part(claims) + ".canary"
    STATE["id_tokens"][token] = end
    return token


def lives(token):
    return STATE["id_tokens"].get(token, 0) > time.time()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body, kind="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path == "/life":
            STATE["life"] = int(query)
        self.reply(200, {"id_tokens": len(STATE["id_tokens"]), "keys": STATE["keys"],
                         "exchanges": STATE["exchanges"]})

    def do_POST(self):
        text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        form = {key: values[0] for key, values in urllib.parse.parse_qs(text).items()}
        {"/device": self.device, "/token": self.token, "/sts": self.sts, "/exchange": self.exchange}[self.path](
            form, text)

    def device(self, _form, _text):
        self.reply(200, {"device_code": "canary-device", "user_code": "ABCD", "expires_in": 60, "interval": 1,
                         "verification_uri": f"http://127.0.0.1:{PORT}/activate"})

    def token(self, form, _text):
        """A refresh token is good once, whosever it is."""
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] not in STATE["refresh"]:
                return self.reply(400, {"error": "invalid_grant"})
            STATE["refresh"].remove(form["refresh_token"])
        STATE["given"] += 1
        number = STATE["given"]
        STATE["refresh"].add(f"canary-refresh-{number}")
        return self.reply(200, {"access_token": f"canary-access-{number}", "token_type": "Bearer", "id_token": id_token(),
                                "expires_in": STATE["life"], "refresh_token": f"canary-refresh-{number}"})

    def sts(self, form, text):
        """Passes the request on to moto if its token is one of ours, and makes the keys end when the token does."""
        if not lives(form["WebIdentityToken"]):
            body = "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>no</Message></Error></ErrorResponse>"
            return self.reply(400, body.encode(), "text/xml")
        with urllib.request.urlopen(urllib.request.Request(MOTO, data=text.encode())) as answer:
            body = answer.read().decode()
        STATE["keys"] += 1
        end = datetime.fromtimestamp(time.time() + STATE["life"], timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = re.sub("<Expiration>.*</Expiration>", f"<Expiration>{end}</Expiration>", body)
        return self.reply(200, body.encode(), "text/xml")

    def exchange(self, form, _text):
        """The token service of Google, as far as the library looks at it (RFC 8693)."""
        if not lives(form["subject_token"]):
            return self.reply(400, {"error": "invalid_grant"})
        STATE["exchanges"] += 1
        return self.reply(200, {"access_token": "canary-google", "token_type": "Bearer", "expires_in": 3600,
                                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"})


SERVER = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
PORT = SERVER.server_address[1]
with open(sys.argv[1] + ".new", "w", encoding="ascii") as file:
    file.write(str(PORT))
os.rename(sys.argv[1] + ".new", sys.argv[1])
SERVER.serve_forever()
