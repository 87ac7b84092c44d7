"""A WebDAV folder, an SMTP and an IMAP server on the loopback that take one secret, for tests/real/plain.sh.

They know as much of RFC 4918, RFC 5321 with RFC 4954, and RFC 3501 as one client command of each needs, and no keyfob.
Run with the secret in the variable SECRET and a directory: `dav`, `smtp` and `imap` there get the ports, and `mails` the mails.
"""

import base64
import http.server
import os
import pathlib
import socketserver
import sys
import threading

SECRET = os.environ["SECRET"]
PLACE = pathlib.Path(sys.argv[1])
LISTING = """<?xml version="1.0"?><d:multistatus xmlns:d="DAV:">
<d:response><d:href>/</d:href><d:propstat><d:prop><d:resourcetype><d:collection/></d:resourcetype></d:prop>
<d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>
<d:response><d:href>/hello.txt</d:href><d:propstat><d:prop><d:resourcetype/><d:getcontentlength>5</d:getcontentlength></d:prop>
<d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>"""


class Dav(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_PROPFIND(self):
        basic = base64.b64encode(f"ann:{SECRET}".encode()).decode()
        good = self.headers.get("Authorization") in ("Bearer " + SECRET, "Basic " + basic)
        body = LISTING.encode() if good else b""
        self.send_response(207 if good else 401)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Smtp(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self):
        known = False
        self.say("220 loopback ESMTP")
        for line in self.rfile:
            word, _, rest = line.decode().strip().partition(" ")
            if word.upper() in ("EHLO", "HELO"):
                self.say("250-loopback")
                self.say("250 AUTH PLAIN")
            elif word.upper() == "AUTH":
                known = base64.b64decode(rest.split()[1]).split(b"\0")[2].decode() == SECRET
                self.say("235 welcome" if known else "535 no")
            elif word.upper() in ("MAIL", "RCPT"):
                self.say("250 ok" if known else "530 who are you?")
            elif word.upper() == "DATA":
                self.say("354 go on")
                text = []
                for part in self.rfile:
                    if part.strip() == b".":
                        break
                    text.append(part)
                (PLACE / "mails").write_bytes(b"".join(text))
                self.say("250 taken")
            elif word.upper() == "QUIT":
                self.say("221 bye")
                return


class Imap(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self):
        self.say("* OK [CAPABILITY IMAP4rev1] loopback")
        for line in self.rfile:
            tag, _, rest = line.decode().strip().partition(" ")
            word = rest.split(" ")[0].upper()
            if word == "LOGIN" and rest.split(" ")[2].strip('"') != SECRET:
                self.say(tag + " NO no")
                continue
            if word == "CAPABILITY":
                self.say("* CAPABILITY IMAP4rev1")
            elif word == "LIST":
                self.say('* LIST () "/" INBOX')
                self.say('* LIST () "/" Kept')
            elif word == "LOGOUT":
                self.say("* BYE bye")
            self.say(tag + " OK done")
            if word == "LOGOUT":
                return


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


for name, kind in (("dav", Dav), ("smtp", Smtp), ("imap", Imap)):
    server = Server(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever).start()
    (PLACE / name).write_text(str(server.server_address[1]), encoding="ascii")
