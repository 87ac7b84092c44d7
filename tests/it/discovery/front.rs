//! A server for documents and clients in front of the scripted issuer, with a log.
//!
//! It answers at the well-known places what it is told to, makes clients (RFC 7591) and forgets them (RFC 7592).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use crate::http_server::{Reply, Request, Server};
use crate::issuer::Issuer;

/// The place that OpenID Connect Discovery gives the document of an issuer without a path.
pub const OPENID: &str = "/.well-known/openid-configuration";

#[derive(Default)]
struct State {
    pages: BTreeMap<String, Reply>,
    clients: Vec<String>,
    refused: Option<Reply>,
    seen: Vec<Request>,
}

type Shared = Arc<Mutex<State>>;

/// The running server.
pub struct Front {
    state: Shared,
    server: Server,
}

impl Front {
    /// Starts it with the document of this issuer, which has all endpoints.
    pub fn start(issuer: &Issuer) -> Front {
        let state = Shared::default();
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| answer(&shared, request));
        let front = Front { state, server };
        front.answer(&front.document(issuer));
        front
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What an honest issuer says, whose endpoints are those of `issuer`.
    pub fn document(&self, issuer: &Issuer) -> Value {
        let at = |path: &str| json!(format!("{}{path}", issuer.url()));
        json!({
            "issuer": self.url(),
            "device_authorization_endpoint": at("/device"),
            "token_endpoint": at("/token"),
            "revocation_endpoint": at("/revoke"),
            "userinfo_endpoint": at("/userinfo"),
            "authorization_endpoint": at("/authorize"),
            "code_challenge_methods_supported": ["S256"],
            "jwks_uri": at("/jwks"),
        })
    }

    /// Answers with this document where OpenID Connect Discovery looks first.
    pub fn answer(&self, document: &Value) {
        self.only(OPENID, document);
    }

    /// Answers with this document here and with 404 elsewhere.
    pub fn only(&self, path: &str, document: &Value) {
        let mut state = self.lock();
        state.pages.clear();
        state.pages.insert(path.into(), Reply::json(200, document));
    }

    /// Answers so here.
    pub fn page(&self, path: &str, reply: Reply) {
        self.lock().pages.insert(path.into(), reply);
    }

    /// Refuses to make clients with this answer; none makes them again.
    pub fn refuse_clients(&self, reply: Option<Reply>) {
        self.lock().refused = reply;
    }

    /// The clients that were made and not forgotten.
    pub fn clients(&self) -> Vec<String> {
        self.lock().clients.clone()
    }

    /// Forgets all clients.
    pub fn forget_clients(&self) {
        self.lock().clients.clear();
    }

    /// All requests, in order.
    pub fn seen(&self) -> Vec<Request> {
        self.lock().seen.clone()
    }

    /// The bodies of the requests for a client.
    pub fn registrations(&self) -> Vec<Value> {
        let seen = self.seen();
        let asked = seen.iter().filter(|request| request.path == "/register");
        asked
            .map(|request| serde_json::from_slice(&request.body).unwrap())
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no request panics while it holds the state")
    }
}

fn answer(shared: &Shared, request: &Request) -> Reply {
    let mut state = shared.lock().expect("no request panics while it holds the state");
    state.seen.push(request.clone());
    if let Some(reply) = state.pages.get(&request.path) {
        return reply.clone();
    }
    if request.path == "/register" {
        if let Some(reply) = &state.refused {
            return reply.clone();
        }
        let id = format!("made-{}", state.seen.len());
        state.clients.push(id.clone());
        let host = request.header("host").unwrap_or_default();
        return Reply::json(
            201,
            &json!({
                "client_id": id,
                "registration_client_uri": format!("http://{host}/client/{id}"),
                "registration_access_token": "canary-registration",
            }),
        );
    }
    if let Some(id) = request.path.strip_prefix("/client/") {
        let known = state.clients.iter().any(|client| client == id);
        let allowed = request.authorization("bearer") == Some("canary-registration");
        return if known && allowed {
            Reply::json(200, &json!({ "client_id": id }))
        } else {
            Reply::error(401, "invalid_token")
        };
    }
    Reply::text(404, "text/html", "<h1>Not Found</h1>")
}
