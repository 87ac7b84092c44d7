"""Sparse registries of cargo's on the loopback, each of which answers nobody without the right header.

They know cargo's registry API and its index, and no keyfob. Run with the file for the addresses as argument: the
registries' and the issuer's. `/one` takes the issuer's tokens as bearer tokens, `/two` and `/three` one text each.
Every request is a line on standard output: its registry, what it asked, and whether it was answered.
"""

import hashlib
import json
import struct
import sys

import issuing

TOKENS = issuing.Tokens()
WHOLE = {"two": "canary-two", "three": "Bearer canary-ann"}
# The lines of each registry's index, and the packages, by registry and name.
INDEX, CRATES, OWNERS = {}, {}, {}


def right(registry, header):
    if registry == "one":
        scheme, _, token = header.partition(" ")
        return scheme == "Bearer" and TOKENS.good(token)
    return header == WHOLE.get(registry)


class Registry(issuing.Handler):
    def do(self):
        body = self.body()
        _, registry, *path = self.path.split("?")[0].split("/")
        good = right(registry, self.headers.get("Authorization", ""))
        print(registry, self.command, "/".join(path), "answered" if good else "refused", flush=True)
        if not good:
            login = 'Cargo login_url="%s/%s/me"' % (ADDRESS, registry)
            self.answer(401, {"errors": [{"detail": "who are you"}]}, WWW_Authenticate=login)
        elif path == ["index", "config.json"]:
            here = "%s/%s" % (ADDRESS, registry)
            self.answer(200, {"dl": here + "/dl/{crate}/{version}", "api": here, "auth-required": True})
        elif path[0] == "index":
            lines = INDEX.get((registry, path[-1]), {}).values()
            text = "".join(json.dumps(line) + "\n" for line in lines)
            self.answer(200 if text else 404, text.encode())
        elif path[0] == "dl":
            self.answer(200, CRATES[registry, path[1]])
        else:
            self.api(registry, path[3:], body)

    do_GET = do_PUT = do_DELETE = do

    def api(self, registry, path, body):
        if path == ["new"]:
            self.publish(registry, body)
        elif path[-1] == "owners":
            owners = OWNERS.setdefault((registry, path[0]), ["ann"])
            for name in json.loads(body or b"{}").get("users", []):
                owners.append(name) if self.command == "PUT" else owners.remove(name)
            users = [{"id": at, "login": name} for at, name in enumerate(owners)]
            self.answer(200, {"users": users, "ok": True, "msg": "done"})
        else:
            INDEX[registry, path[0]][path[1]]["yanked"] = path[2] == "yank"
            self.answer(200, {"ok": True})

    def publish(self, registry, body):
        (length,) = struct.unpack_from("<I", body)
        about, crate = json.loads(body[4 : 4 + length]), body[8 + length :]
        line = {"name": about["name"], "vers": about["vers"], "deps": [], "features": {}, "yanked": False}
        line["cksum"] = hashlib.sha256(crate).hexdigest()
        INDEX.setdefault((registry, about["name"]), {})[about["vers"]] = line
        CRATES[registry, about["name"]] = crate
        self.answer(200, {"warnings": {"invalid_categories": [], "invalid_badges": [], "other": []}})


ADDRESS = issuing.listen(Registry)
with open(sys.argv[1], "w") as file:
    file.write("%s %s\n" % (ADDRESS, issuing.start(TOKENS)))
issuing.threading.Event().wait()
