"""A small scripted issuer for tests/real/terminal.sh: the device grant and the code grant, a code by mail, and a page that
is asked about, as a person meets them.

It knows OAuth's wire (RFC 6749, RFC 8628), two plain JSON services, and no keyfob. Everything that it gives out contains `canary`.
Run with the file for its address as argument. What a person does at its pages is done by GET:
/approve and /deny answer all codes that wait; /codes?life=SECONDS sets how long the next ones live;
The code by mail is 314159, and is sent once a minute at most. /authorize leads the browser straight back, as if the person had agreed.
"""

import http.server
import json
import secrets
import sys
import urllib.parse

CODES = {}
STATE = {"life": 600, "count": 0, "mailed": False}
WORDS = ["WDJB-MJHT", "QKRT-BLZX", "HNPW-CVDF"]


class Issuer(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, body, headers=None):
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path in ("/approve", "/deny"):
            for code in CODES:
                CODES[code] = url.path[1:]
            self.answer(200, {})
        elif url.path == "/codes":
            STATE["life"] = int(query["life"])
            self.answer(200, {})
        elif url.path == "/authorize":
            back = {"code": "canary-" + secrets.token_hex(8), "state": query["state"]}
            self.send_response(302)
            self.send_header("Location", query["redirect_uri"] + "?" + urllib.parse.urlencode(back))
            self.end_headers()
        elif url.path == "/userinfo" and self.headers.get("Authorization", "").startswith("Bearer canary"):
            self.answer(200, {"sub": "ann@acme.example"})
        else:
            self.answer(404, {"error": "not_found"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        form = dict(urllib.parse.parse_qsl(body))
        if self.path == "/device":
            self.device()
        elif self.path == "/token":
            self.token(form)
        elif self.path == "/mail":
            again = STATE["mailed"]
            STATE["mailed"] = True
            self.answer(429 if again else 200, {}, {"Retry-After": "60"} if again else {})
        elif self.path == "/exchange":
            if json.loads(body)["code"] == "314159":
                self.answer(200, {"key": "canary-" + secrets.token_hex(16), "email": json.loads(body)["email"]})
            else:
                self.answer(400, {"error": "invalid_code", "message": "Wrong code"})
        elif self.path == "/asked":
            if CODES.setdefault("page", "pending") == "approve":
                self.answer(200, {"token": "canary-" + secrets.token_hex(16), "name": "ann"})
            else:
                self.answer(202, {"status": "pending"})
        elif self.path == "/revoke":
            self.answer(200, {})
        else:
            self.answer(404, {"error": "not_found"})

    def device(self):
        code, word = "canary-" + secrets.token_hex(8), WORDS[STATE["count"] % len(WORDS)]
        STATE["count"] += 1
        CODES[code] = "pending"
        page = "http://" + self.headers["Host"] + "/device"
        self.answer(200, {
            "device_code": code, "user_code": word, "verification_uri": page,
            "verification_uri_complete": page + "?user_code=" + word, "expires_in": STATE["life"], "interval": 1,
        })

    def token(self, form):
        state = CODES.get(form.get("device_code"), "approve" if "code" in form else "unknown")
        if state == "approve":
            self.answer(200, {
                "access_token": "canary-" + secrets.token_hex(16), "refresh_token": "canary-" + secrets.token_hex(16),
                "token_type": "Bearer", "expires_in": 3600,
            })
        else:
            errors = {"pending": "authorization_pending", "deny": "access_denied"}
            self.answer(400, {"error": errors.get(state, "invalid_grant")})


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
with open(sys.argv[1], "w", encoding="ascii") as file:
    file.write(f"http://127.0.0.1:{server.server_address[1]}")
server.serve_forever()
