"""An issuer and registries on the loopback, for tests/real/terraform.sh, go.sh, pnpm.sh and session.sh.

It knows OAuth's client credentials (RFC 6749, section 4.4), what Terraform, go, npm, git and docker fetch, and no keyfob.
Run with a directory: it reads cert.pem and key.pem there, and writes `issuer` (an http address) and `host` (of https).
The registries answer whoever sends a token that the issuer gave out and has not ended, and the token `canary-static`: as a
bearer token, or as a password, whatever the user's name is.
GET at the issuer: /life?secs=N is what it says of the life of the next tokens; /end ends all tokens that it gave out, which
no clock does, so that a slow machine is as good as a fast one; /counts says how many tokens were given out (`tokens`),
and how many requests were answered and refused since the last time (`good`, `bad`).
"""

import base64
import hashlib
import io
import json
import pathlib
import secrets
import ssl
import sys
import tarfile
import urllib.parse
import zipfile

import issuing

PLACE = pathlib.Path(sys.argv[1])
STATE = {"life": 3600, "tokens": 0, "good": 0, "bad": 0}
GOOD = {"canary-static"}
MODULE = "private.example/hello"
PACKAGE = "@acme/hello"


def zipped(files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return data.getvalue()


def packed(files):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return data.getvalue()


MOD = f"module {MODULE}\n\ngo 1.24\n"
ZIP = zipped({f"{MODULE}@v1.0.0/go.mod": MOD, f"{MODULE}@v1.0.0/hello.go": "package hello\n\nconst Word = \"hello\"\n"})
# Of git the list of branches is enough, and of docker what says that an image has no layers.
BRANCHES = b"%s\trefs/heads/main\n" % hashlib.sha1(b"one").hexdigest().encode()
DOCKER = "application/vnd.docker."
CONFIG = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}).encode()
MANIFEST = json.dumps({
    "schemaVersion": 2, "mediaType": DOCKER + "distribution.manifest.v2+json", "layers": [],
    "config": {"mediaType": DOCKER + "container.image.v1+json", "size": len(CONFIG),
               "digest": "sha256:" + hashlib.sha256(CONFIG).hexdigest()},
}).encode()
TGZ = packed({"package/package.json": json.dumps({"name": PACKAGE, "version": "1.0.0"}), "package/index.js": ""})


class Issuer(issuing.Handler):
    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/life":
            STATE["life"] = int(urllib.parse.parse_qs(url.query)["secs"][0])
        elif url.path == "/end":
            GOOD.intersection_update({"canary-static"})
        self.answer(200, STATE)
        STATE["good"] = STATE["bad"] = 0

    def do_POST(self):
        form = dict(urllib.parse.parse_qsl(self.body().decode()))
        if form.get("grant_type") != "client_credentials" or form.get("client_secret") != "canary-client":
            self.answer(400, {"error": "invalid_client"})
            return
        token = "canary-" + secrets.token_hex(16)
        STATE["tokens"] += 1
        GOOD.add(token)
        self.answer(200, {"access_token": token, "token_type": "Bearer", "expires_in": STATE["life"]})


class Registry(issuing.Handler):
    def is_welcome(self):
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            token = base64.b64decode(token).decode(errors="replace").partition(":")[2]
        good = scheme in ("Basic", "Bearer") and token in GOOD
        STATE["good" if good else "bad"] += 1
        return good

    def challenge(self, path):
        """git and docker send nothing before they are asked."""
        return {"WWW_Authenticate": 'Basic realm="things"'} if path.startswith(("/git/", "/v2/")) else {}

    def do_GET(self):
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        host = self.headers["Host"]
        if path == "/.well-known/terraform.json":
            self.answer(200, {"modules.v1": "/modules/", "login.v1": {
                "client": "cli", "grant_types": ["authz_code"], "authz": "/authz", "token": "/login",
                "ports": [10000, 10100]}})
        elif path == "/authz":
            query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
            back = query["redirect_uri"] + "?" + urllib.parse.urlencode({"code": "canary-code", "state": query["state"]})
            self.answer(302, {}, Location=back)
        elif not self.is_welcome():
            # A registry that hides what there is from whoever may not see it.
            self.answer(404 if path.startswith("/go/") else 401, {"errors": ["who are you?"]}, **self.challenge(path))
        elif path == "/whoami":
            self.answer(200, {"name": "ann"})
        elif path == "/git/things.git/info/refs":
            self.answer(200, BRANCHES, "text/plain")
        elif path == "/v2/":
            self.answer(200, {})
        elif path == "/v2/things/manifests/1":
            self.answer(200, MANIFEST, DOCKER + "distribution.manifest.v2+json")
        elif path == "/v2/things/blobs/sha256:" + hashlib.sha256(CONFIG).hexdigest():
            self.answer(200, CONFIG, "application/octet-stream")
        elif path == "/modules/acme/hello/local/versions":
            self.answer(200, {"modules": [{"versions": [{"version": "1.0.0"}]}]})
        elif path == "/modules/acme/hello/local/1.0.0/download":
            self.answer(204, b"", X_Terraform_Get=f"file://{PLACE}/module")
        elif path == f"/go/{MODULE}/@v/list":
            self.answer(200, b"v1.0.0\n", "text/plain")
        elif path == f"/go/{MODULE}/@v/v1.0.0.info":
            self.answer(200, {"Version": "v1.0.0", "Time": "2024-01-01T00:00:00Z"})
        elif path == f"/go/{MODULE}/@v/v1.0.0.mod":
            self.answer(200, MOD.encode(), "text/plain")
        elif path == f"/go/{MODULE}/@v/v1.0.0.zip":
            self.answer(200, ZIP, "application/zip")
        elif path == f"/npm/{PACKAGE}":
            self.answer(200, {"name": PACKAGE, "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": {
                "name": PACKAGE, "version": "1.0.0", "dist": {
                    "tarball": f"https://{host}/npm/{PACKAGE}/-/hello-1.0.0.tgz",
                    "integrity": "sha512-" + base64.b64encode(hashlib.sha512(TGZ).digest()).decode()}}}})
        elif path == f"/npm/{PACKAGE}/-/hello-1.0.0.tgz":
            self.answer(200, TGZ, "application/octet-stream")
        elif path == "/npm/-/whoami":
            self.answer(200, {"username": "ann"})
        else:
            self.answer(404, {"errors": ["not found"]})

    def do_POST(self):
        self.body()
        if urllib.parse.urlsplit(self.path).path == "/login":
            self.answer(200, {"access_token": "canary-static", "token_type": "bearer"})
        else:
            self.answer(404, {})

    def do_PUT(self):
        body = self.body()
        if self.path.startswith("/npm/") and self.is_welcome():
            (PLACE / "published").write_text(json.loads(body)["name"], encoding="ascii")
            self.answer(201, {"ok": True})
        else:
            self.answer(401, {})


(PLACE / "module").mkdir(exist_ok=True)
(PLACE / "module" / "main.tf").write_text('output "word" {\n  value = "hello"\n}\n', encoding="ascii")
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(PLACE / "cert.pem", PLACE / "key.pem")
(PLACE / "issuer").write_text(issuing.listen(Issuer), encoding="ascii")
(PLACE / "host.part").write_text(issuing.listen(Registry, context).removeprefix("https://"), encoding="ascii")
(PLACE / "host.part").rename(PLACE / "host")
issuing.threading.Event().wait()
