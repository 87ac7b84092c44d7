"""A small Kubernetes API over TLS on the loopback, which knows a person by a bearer token or a client certificate.

It knows the few answers that `kubectl get` needs, and no keyfob. Run with the directory of its certificates (`ca.pem`,
`server.pem`, `server.key`) and the file for the addresses as arguments: the API's and the issuer's.
Every request is a line on standard output: what it asked and by what it was known.
"""

import ssl
import sys

import issuing

TOKENS = issuing.Tokens()
PODS = {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ["get", "list"]}
POD = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "the-pod", "namespace": "default"}}
ANSWERS = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [PODS]},
    "/api/v1/namespaces/default/pods": {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [POD]},
}


class Api(issuing.Handler):
    def known(self):
        certificate = self.connection.getpeercert()
        if certificate:
            return "certificate"
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return "token" if scheme == "Bearer" and TOKENS.good(token) else None

    def do_GET(self):
        path = self.path.split("?")[0]
        by = self.known()
        print(path, by, flush=True)
        if by is None:
            self.answer(401, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 401})
        elif path == "/whoami":
            self.answer(200, {"by": by})
        else:
            self.answer(200 if path in ANSWERS else 404, ANSWERS.get(path, {"kind": "Status", "code": 404}))


def context(directory):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(directory + "/server.pem", directory + "/server.key")
    # A certificate may be shown; one that this authority has not signed ends the connection.
    made.load_verify_locations(directory + "/ca.pem")
    made.verify_mode = ssl.CERT_OPTIONAL
    return made


API = issuing.listen(Api, context(sys.argv[1]))
with open(sys.argv[2], "w") as file:
    file.write("%s %s\n" % (API, issuing.start(TOKENS)))
issuing.threading.Event().wait()
