//! An issuer for machines on the loopback interface: it gives a token for any grant, notes what it was asked, and lies
//! when it is told to. It also stands in for the machine that runs a CI job (`/ci`), as GitHub documents it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::http_server::{Reply, Request, Server, form};

/// The job's own credential for `/ci`.
pub const CI_BEARER: &str = "canary-ci-bearer";

/// The token that `/ci` gives.
pub const CI_TOKEN: &str = "canary.ci.token";

#[derive(Default)]
struct State {
    seen: Vec<Request>,
    replies: VecDeque<(String, Reply)>,
    life_secs: u64,
    issued: Vec<String>,
    pause_ms: u64,
    extra: Value,
}

/// The running issuer; dropping it closes its port.
pub struct Machine {
    state: Arc<Mutex<State>>,
    server: Server,
}

impl Machine {
    /// Starts with tokens that live for an hour.
    pub fn start() -> Machine {
        let state = Arc::new(Mutex::new(State {
            life_secs: 3600,
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| {
            let pause_ms = shared.lock().unwrap().pause_ms;
            if request.path == "/token" {
                std::thread::sleep(std::time::Duration::from_millis(pause_ms));
            }
            shared.lock().unwrap().answer(request)
        });
        Machine { state, server }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// How long later tokens live.
    pub fn life(&self, seconds: u64) {
        self.state.lock().unwrap().life_secs = seconds;
    }

    /// A pause before each token.
    pub fn pause(&self, milliseconds: u64) {
        self.state.lock().unwrap().pause_ms = milliseconds;
    }

    /// Members that later answers with a token have besides.
    pub fn with(&self, extra: Value) {
        self.state.lock().unwrap().extra = extra;
    }

    /// Gives this reply to the next request of a path, as often.
    pub fn inject(&self, path: &str, times: usize, reply: &Reply) {
        let replies = std::iter::repeat_n((path.to_owned(), reply.clone()), times);
        self.state.lock().unwrap().replies.extend(replies);
    }

    /// Forgets replies that were not given.
    pub fn clear(&self) {
        self.state.lock().unwrap().replies.clear();
    }

    /// The requests of a path, in order.
    pub fn seen(&self, path: &str) -> Vec<Request> {
        let state = self.state.lock().unwrap();
        state
            .seen
            .iter()
            .filter(|request| request.path == path)
            .cloned()
            .collect()
    }

    /// The number of token requests.
    pub fn asked(&self) -> usize {
        self.seen("/token").len()
    }

    /// The fields of the last token request; each stands once.
    pub fn fields(&self) -> BTreeMap<String, String> {
        let body = self
            .seen("/token")
            .last()
            .expect("there was a token request")
            .body
            .clone();
        let fields = form(&body);
        let count = fields.len();
        let map: BTreeMap<String, String> = fields.into_iter().collect();
        assert_eq!(map.len(), count, "no field stands twice");
        map
    }

    /// The last token that was given.
    pub fn last(&self) -> String {
        self.state.lock().unwrap().issued.last().cloned().unwrap_or_default()
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Reply {
        self.seen.push(request.clone());
        if let Some(at) = self.replies.iter().position(|(path, _)| *path == request.path) {
            return self.replies.remove(at).unwrap().1;
        }
        match request.path.as_str() {
            "/token" if request.method == "POST" && request.query.is_empty() => self.token(),
            "/userinfo" => Reply::json(200, &json!({ "sub": "robot" })),
            "/revoke" => Reply::text(200, "text/plain", ""),
            "/ci" if request.authorization("bearer") == Some(CI_BEARER) => {
                Reply::json(200, &json!({ "count": 1, "value": CI_TOKEN }))
            }
            "/ci" => Reply::text(403, "text/html", "no"),
            _ => Reply::text(404, "text/html", "<h1>Not Found</h1>"),
        }
    }

    fn token(&mut self) -> Reply {
        let token = format!("acme_canary_{}", self.issued.len() + 1);
        self.issued.push(token.clone());
        let mut reply = json!({
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self.life_secs,
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        });
        for (name, value) in self.extra.as_object().into_iter().flatten() {
            reply[name] = value.clone();
        }
        Reply::json(200, &reply)
    }
}
