"""An issuer for machines (RFC 6749, section 4.4), for the servers of the drivers beside it: they check what it gave.

It knows no keyfob and no tool. Everything that it gives out contains `canary`.
GET /set?life=SECONDS sets how long the next tokens live; GET /count says how many were given.
"""

import http.server
import json
import secrets
import threading
import time
import urllib.parse


class Tokens:
    """What was given, each with its end."""

    def __init__(self):
        self.lock = threading.Lock()
        self.ends = {}
        self.life = 3600

    def give(self):
        with self.lock:
            token = "canary-" + secrets.token_hex(12)
            self.ends[token] = time.monotonic() + self.life
            return {"access_token": token, "token_type": "Bearer", "expires_in": self.life}

    def good(self, token):
        with self.lock:
            return self.ends.get(token, 0) > time.monotonic()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers in JSON, and is silent."""

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
        self.wfile.write(data)


def start(tokens):
    """Serves on a port of the system's choice, and says where."""

    class Issuer(Handler):
        def do_GET(self):
            url = urllib.parse.urlsplit(self.path)
            if url.path == "/set":
                tokens.life = int(dict(urllib.parse.parse_qsl(url.query))["life"])
            self.answer(200, len(tokens.ends))

        def do_POST(self):
            form = dict(urllib.parse.parse_qsl(self.body().decode()))
            if self.path == "/token" and form.get("grant_type") == "client_credentials":
                self.answer(200, tokens.give())
            else:
                self.answer(400, {"error": "invalid_request"})

    return listen(Issuer)


def listen(handler, context=None):
    """Serves on a port of the system's choice, over TLS with a context, and says where."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return "%s://127.0.0.1:%d" % ("https" if context else "http", server.server_address[1])
