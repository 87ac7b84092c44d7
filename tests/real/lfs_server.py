"""A git server with large files on the loopback, for tests/real/askpass.sh.

It knows git's http-backend and the batch API of git-lfs, and no keyfob. Run with a directory that holds `repo.git`: it
writes `port` there, and a line `METHOD PATH STATUS` in `seen` for each request. It takes ann with `canary-ann` by Basic.
"""

import base64
import http.server
import json
import os
import pathlib
import subprocess
import sys
import urllib.parse

PLACE = pathlib.Path(sys.argv[1])
WELCOME = "Basic " + base64.b64encode(b"ann:canary-ann").decode()


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, data, kind, **headers):
        with (PLACE / "seen").open("a", encoding="ascii") as seen:
            seen.write(f"{self.command} {self.path} {status}\n")
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        data = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def serve(self):
        body = self.body()
        url = urllib.parse.urlsplit(self.path)
        # Objects are fetched with what the batch said, which is nothing more than the address.
        objects = url.path.startswith("/objects/")
        if self.headers.get("Authorization") != WELCOME and not objects:
            self.answer(401, b"{}", "application/json", WWW_Authenticate='Basic realm="git"')
        elif objects:
            file = PLACE / "objects" / pathlib.Path(url.path).name
            if self.command == "PUT":
                file.parent.mkdir(exist_ok=True)
                file.write_bytes(body)
                self.answer(200, b"", "text/plain")
            else:
                self.answer(200, file.read_bytes(), "application/octet-stream")
        elif url.path.endswith("/info/lfs/objects/batch"):
            self.batch(json.loads(body))
        elif "/info/lfs/" in url.path:
            self.answer(404, b"{}", "application/vnd.git-lfs+json")
        else:
            self.git(url, body)

    def batch(self, asked):
        rows = []
        for row in asked["objects"]:
            there = (PLACE / "objects" / row["oid"]).exists()
            link = {asked["operation"]: {"href": f"http://{self.headers['Host']}/objects/{row['oid']}"}}
            needed = asked["operation"] == "download" or not there
            rows.append({**row, "authenticated": True, **({"actions": link} if needed else {})})
        self.answer(200, json.dumps({"transfer": "basic", "objects": rows}).encode(), "application/vnd.git-lfs+json")

    def git(self, url, body):
        env = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(PLACE), "GIT_HTTP_EXPORT_ALL": "1", "REMOTE_USER": "ann",
            "PATH_INFO": url.path, "QUERY_STRING": url.query, "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "HTTP_GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=env, stdout=subprocess.PIPE, check=False)
        head, _, data = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        status = int(headers.pop("Status", "200 OK").split()[0])
        kind = headers.pop("Content-Type", "text/plain")
        self.answer(status, data, kind, **headers)

    do_GET = do_POST = do_PUT = serve


class Threads(http.server.ThreadingHTTPServer):
    daemon_threads = True


server = Threads(("127.0.0.1", 0), Server)
(PLACE / "port.part").write_text(str(server.server_address[1]), encoding="ascii")
(PLACE / "port.part").rename(PLACE / "port")
server.serve_forever()
