"""The services of this example, on two hosts of the loopback: what git, docker, cargo, kubectl, aws, pip, uv, pnpm and go fetch.

Nothing is answered without a token of the one session: as a password at the first host, as a bearer token at the second,
and to aws for keys that the issuer gave for the session's ID token. No tool is told from another by anything but its path.
Run with a directory that has cert.pem, key.pem and the bare repository git/things.git; `addresses` is written there: the
issuer's, the first host's and the second host's. With the option --grace=SECONDS a token is taken for so long after its end.
Each request is a line on standard output, without a secret: `answered`, `late` (within that time), `refused`, or `asked` where
it had no token; and how many seconds after the end of its token it came.
"""

import base64
import hashlib
import io
import json
import os
import pathlib
import ssl
import subprocess
import sys
import tarfile
import time
import urllib.parse
import zipfile

import issuer

PLACE = pathlib.Path(sys.argv[1])
GRACE = float(sys.argv[2].removeprefix("--grace=")) if len(sys.argv) > 2 else 0
SESSION = issuer.Session()


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


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


# One thing of each kind, all called `things`.
MODULE = "module private.example/things\n\ngo 1.20\n"
MODULE_ZIP = zipped({"private.example/things@v1.0.0/go.mod": MODULE,
                     "private.example/things@v1.0.0/things.go": "package things\n"})
WHEEL = zipped({"things.py": "WORD = 'hello'\n",
                "things-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: things\nVersion: 1.0\n",
                "things-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
                "things-1.0.dist-info/RECORD": "things.py,,\nthings-1.0.dist-info/METADATA,,\n"
                                               "things-1.0.dist-info/WHEEL,,\nthings-1.0.dist-info/RECORD,,\n"})
PACKAGE = packed({"package/package.json": '{"name": "@acme/things", "version": "1.0.0"}', "package/index.js": ""})
CRATE = packed({"things-0.1.0/Cargo.toml": '[package]\nname = "things"\nversion = "0.1.0"\nedition = "2021"\n',
                "things-0.1.0/src/lib.rs": ""})
LAYER = packed({})
DOCKER = "application/vnd.docker"
CONFIG = json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                     "rootfs": {"type": "layers", "diff_ids": [digest(LAYER)]}}).encode()
MANIFEST = json.dumps({
    "schemaVersion": 2, "mediaType": DOCKER + ".distribution.manifest.v2+json",
    "config": {"mediaType": DOCKER + ".container.image.v1+json", "size": len(CONFIG), "digest": digest(CONFIG)},
    "layers": [{"mediaType": DOCKER + ".image.rootfs.diff.tar.gzip", "size": len(LAYER), "digest": digest(LAYER)}],
}).encode()
POD = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "things", "namespace": "default"}}
KUBERNETES = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [
        {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ["get", "list"]}]},
    "/api/v1/namespaces/default/pods": {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [POD]},
}
CALLER = """<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:sts::123456789012:assumed-role/developer/ann</Arn><UserId>AROACANARY:ann</UserId><Account>123456789012</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>"""


class Service(issuer.Handler):
    """What both hosts do: let nobody in without a token, and say what was fetched."""

    def is_welcome(self, token, kind="tokens"):
        past = time.time() - SESSION.end(token, kind)
        good = past < GRACE
        word = ("late" if past >= 0 else "answered") if good else "refused" if token else "asked"
        print(word, self.command, self.path.split("?")[0], "%+.1f" % min(past, 1e6), flush=True)
        return good

    def credentials(self, wanted):
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        return value if scheme == wanted else ""


class WithPassword(Service):
    """git, docker, pip and uv: the token is the password, whatever the user's name is."""

    def do(self):
        given = base64.b64decode(self.credentials("Basic"), validate=False).decode(errors="replace")
        path = urllib.parse.unquote(self.path.split("?")[0])
        body = self.body()
        if not self.is_welcome(given.partition(":")[2]):
            self.answer(401, {"errors": [{"code": "UNAUTHORIZED"}]}, WWW_Authenticate='Basic realm="example"')
        elif path.startswith("/git/"):
            self.git(path.removeprefix("/git"), body)
        elif path.startswith("/v2/"):
            self.registry(path.removeprefix("/v2"))
        elif path == "/simple/things/":
            link = '<a href="/files/things-1.0-py3-none-any.whl#sha256=%s">things-1.0-py3-none-any.whl</a>'
            self.answer(200, (link % hashlib.sha256(WHEEL).hexdigest()).encode(), "text/html")
        elif path == "/files/things-1.0-py3-none-any.whl":
            self.answer(200, WHEEL, "application/zip")
        else:
            self.answer(404, {})

    do_GET = do_HEAD = do_POST = do

    def git(self, path, body):
        """What git's own program for the web answers (RFC 3875)."""
        environment = {
            **os.environ, "GIT_PROJECT_ROOT": str(PLACE / "git"), "GIT_HTTP_EXPORT_ALL": "", "PATH_INFO": path,
            "QUERY_STRING": urllib.parse.urlsplit(self.path).query, "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "REMOTE_USER": "ann",
            "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
        }
        ran = subprocess.run(["git", "http-backend"], input=body, env=environment, stdout=subprocess.PIPE, check=True)
        head, _, data = ran.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(fields.pop("Status", "200 OK").split()[0])
        self.answer(status, data, fields.pop("Content-Type", "text/plain"), **fields)

    def registry(self, path):
        blobs = {digest(CONFIG): CONFIG, digest(LAYER): LAYER}
        kind, _, name = path.removeprefix("/things").lstrip("/").partition("/")
        if path == "/":
            self.answer(200, {}, Docker_Distribution_Api_Version="registry/2.0")
        elif kind == "manifests" and name in ("1", digest(MANIFEST)):
            self.answer(200, MANIFEST, DOCKER + ".distribution.manifest.v2+json", Docker_Content_Digest=digest(MANIFEST))
        elif kind == "blobs" and name in blobs:
            self.answer(200, blobs[name], "application/octet-stream")
        else:
            self.answer(404, {"errors": [{"code": "NAME_UNKNOWN"}]})


class WithBearer(Service):
    """cargo, kubectl, pnpm and go, by the same token; and aws, by keys that were given for it."""

    def do(self):
        path = urllib.parse.unquote(self.path.split("?")[0])
        body = self.body()
        if path in ("/aws", "/aws/"):
            self.aws(body)
        elif not self.is_welcome(self.credentials("Bearer")):
            self.answer(401, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 401})
        elif path.startswith("/crates/"):
            self.crates(path.removeprefix("/crates"))
        elif path.startswith("/npm/"):
            self.npm(path.removeprefix("/npm"))
        elif path.startswith("/go/"):
            self.module(path.removeprefix("/go/private.example/things/@v/"))
        else:
            self.answer(200 if path in KUBERNETES else 404, KUBERNETES.get(path, {"kind": "Status", "code": 404}))

    do_GET = do_POST = do

    def aws(self, body):
        asked = dict(urllib.parse.parse_qsl(body.decode())).get("Action")
        if asked == "GetCallerIdentity" and self.is_welcome(self.headers.get("X-Amz-Security-Token"), "keys"):
            self.answer(200, CALLER.encode(), "text/xml")
        else:
            self.answer(403, issuer.REFUSED, "text/xml")

    def crates(self, path):
        here = "https://%s/crates" % self.headers["Host"]
        line = {"name": "things", "vers": "0.1.0", "deps": [], "features": {}, "yanked": False,
                "cksum": hashlib.sha256(CRATE).hexdigest()}
        # The answer to a search, of which cargo has one in the interface of a registry.
        known = {"/api/v1/crates": b'{"crates": [], "meta": {"total": 0}}', "/config.json": json.dumps({"dl": here + "/dl/{crate}", "api": here, "auth-required": True}).encode(),
                 "/th/in/things": json.dumps(line).encode() + b"\n", "/dl/things": CRATE}
        self.answer(200 if path in known else 404, known.get(path, b""), "application/octet-stream")

    def npm(self, path):
        if path == "/@acme/things/-/things-1.0.0.tgz":
            self.answer(200, PACKAGE, "application/octet-stream")
            return
        dist = {"tarball": "https://%s/npm/@acme/things/-/things-1.0.0.tgz" % self.headers["Host"],
                "integrity": "sha512-" + base64.b64encode(hashlib.sha512(PACKAGE).digest()).decode()}
        version = {"name": "@acme/things", "version": "1.0.0", "dist": dist}
        known = {"name": "@acme/things", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
        self.answer(200 if path == "/@acme/things" else 404, known if path == "/@acme/things" else {})

    def module(self, name):
        known = {"list": b"v1.0.0\n", "v1.0.0.info": b'{"Version": "v1.0.0", "Time": "2024-01-01T00:00:00Z"}',
                 "v1.0.0.mod": MODULE.encode(), "v1.0.0.zip": MODULE_ZIP}
        self.answer(200 if name in known else 404, known.get(name, b""), "application/octet-stream")


def start(service):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PLACE / "cert.pem", PLACE / "key.pem")
    server = issuer.Server(("127.0.0.1", 0), service)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return "https://127.0.0.1:%d" % server.start()


ADDRESSES = issuer.start(SESSION), start(WithPassword), start(WithBearer)
(PLACE / "addresses.new").write_text(" ".join(ADDRESSES) + "\n")
(PLACE / "addresses.new").rename(PLACE / "addresses")
while True:
    time.sleep(3600)
