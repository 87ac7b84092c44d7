"""The issuer of this example: a device grant that nobody needs to approve, and tokens that are good once (RFC 8628, RFC 6749).

It knows OAuth's wire and what AWS's token service answers, and no tool and no keyfob. Everything secret contains `canary`.
A refresh token is good for one redemption; who shows it again ends the whole session, as careful issuers do.
GET /seen tells what it counted, GET /end when the bearer's token ends; GET /life?SECONDS sets how long what it gives lives
from then on.
"""

import base64
import json
import secrets
import threading
import time
import urllib.parse
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers, and is silent."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status, value, kind="application/json", **headers):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def start(self):
        """Serves beside the caller, and says on which port of the loopback."""
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self.server_address[1]


class Session:
    """The one session: what was given for it, until when, and how often."""

    def __init__(self):
        self.lock = threading.RLock()
        self.address = ""
        self.life = 3600
        self.refresh = None
        self.spent = set()
        # What was given, each with its end.
        self.tokens, self.id_tokens, self.keys = {}, {}, {}
        self.seen = {"logins": 0, "redeemed": 0, "generation": 0, "replayed": 0, "unknown": 0, "exchanged": 0}

    def give(self):
        """The next generation."""
        self.seen["generation"] += 1
        self.refresh = "canary-refresh-" + secrets.token_hex(8)
        token, end = "canary-access-" + secrets.token_hex(8), time.time() + self.life
        id_token = signed_by_nobody({"iss": self.address, "sub": "ann", "aud": "example", "exp": int(end),
                                     "jti": secrets.token_hex(4)})
        self.tokens[token] = self.id_tokens[id_token] = end
        return {"access_token": token, "token_type": "Bearer", "expires_in": self.life, "refresh_token": self.refresh,
                "id_token": id_token}

    def redeem(self, refresh):
        """None if the session has ended, now or before."""
        if refresh != self.refresh:
            self.seen["replayed" if refresh in self.spent else "unknown"] += 1
            self.refresh = None
            self.tokens.clear()
            return None
        self.spent.add(refresh)
        self.seen["redeemed"] += 1
        return self.give()

    def keys_for(self, id_token):
        """Keys of AWS for an ID token, which live as long as a token does; None if it has ended."""
        if self.id_tokens.get(id_token, 0) <= time.time():
            return None
        self.seen["exchanged"] += 1
        # AWS says the end of keys in whole seconds.
        identity, token = "ASIACANARY" + secrets.token_hex(5).upper(), "canary-session-" + secrets.token_hex(8)
        self.keys[token] = int(time.time()) + self.life
        return identity, "canary-" + secrets.token_hex(20), token, self.keys[token]

    def end(self, token, kind="tokens"):
        """When a token ends; 0 if it was never given, or its session was ended."""
        with self.lock:
            return getattr(self, kind).get(token, 0)


def signed_by_nobody(claims):
    """An ID token (OpenID Connect Core, section 2) as it looks; nobody in this example looks at a signature."""
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return part({"alg": "none"}) + "." + part(claims) + ".canary"


STS = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey>
<SessionToken>%s</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""
REFUSED = b"<ErrorResponse><Error><Code>ExpiredTokenException</Code><Message>it has ended</Message></Error></ErrorResponse>"


def start(session):
    """Serves the issuer, and says where."""

    class Issuer(Handler):
        def do_GET(self):
            url = urllib.parse.urlsplit(self.path)
            with session.lock:
                if url.path == "/life":
                    session.life = int(url.query)
                token = self.headers.get("Authorization", "").removeprefix("Bearer ")
                self.answer(200, session.end(token) if url.path == "/end" else session.seen)

        def do_POST(self):
            form = dict(urllib.parse.parse_qsl(self.body().decode()))
            with session.lock:
                {"/device": self.device, "/token": self.token, "/sts": self.sts}[self.path](form)

        def device(self, _form):
            page = "http://%s/activate" % self.headers["Host"]
            self.answer(200, {"device_code": "canary-device", "user_code": "WDJB-MJHT", "verification_uri": page,
                              "expires_in": 60, "interval": 1})

        def token(self, form):
            if form["grant_type"] == "refresh_token":
                given = session.redeem(form["refresh_token"])
            else:
                session.seen["logins"] += 1
                given = session.give()
            self.answer(200 if given else 400, given or {"error": "invalid_grant"})

        def sts(self, form):
            given = session.keys_for(form["WebIdentityToken"])
            if given is None:
                self.answer(400, REFUSED, "text/xml")
                return
            *keys, end = given
            end = datetime.fromtimestamp(end, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            self.answer(200, (STS % (*keys, end)).encode(), "text/xml")

    session.address = "http://127.0.0.1:%d" % Server(("127.0.0.1", 0), Issuer).start()
    return session.address
