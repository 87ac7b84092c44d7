//! A scripted service that follows no specification: codes by mail, and a page with a proof key that is asked about.
//!
//! Like `issuer.rs` it is strict about requests and obedient about answers, and remembers what it was asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::http_server::{Reply, Request, Server, form};

/// The only code that is taken.
pub const CODE: &str = "canary123";

/// The access token of a session.
pub const ACCESS: &str = "svc_at_canary";

/// The refresh token of a session.
pub const REFRESH: &str = "svc_rt_canary";

/// What a refresh gives: another access token, and another refresh token.
pub const RENEWED: [&str; 2] = ["svc_at2_canary", "svc_rt2_canary"];

#[derive(Default)]
struct State {
    injected: BTreeMap<String, VecDeque<Reply>>,
    log: Vec<Request>,
    /// Logins by their state: the challenge, and whether the tokens wait.
    pages: BTreeMap<String, (String, bool)>,
    /// How many answers with tokens are lost on the way.
    dropped: u32,
    granted: Option<Value>,
}

/// The running service; dropping it closes its port.
pub struct Service {
    state: Arc<Mutex<State>>,
    server: Server,
}

impl Service {
    /// Starts on a port of the system's choice.
    pub fn start() -> Service {
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| answer(&mut lock(&shared), request));
        Service { state, server }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Gives this reply to the next requests of a path; nothing else happens to them.
    pub fn inject(&self, path: &str, times: usize, reply: &Reply) {
        let mut state = lock(&self.state);
        let queue = state.injected.entry(path.into()).or_default();
        queue.extend(std::iter::repeat_n(reply.clone(), times));
    }

    /// What is given for a right code, and for a page on which the person is done.
    pub fn grants(&self, reply: Value) {
        lock(&self.state).granted = Some(reply);
    }

    /// Loses the next answers with tokens after they were given.
    pub fn drop_answers(&self, times: u32) {
        lock(&self.state).dropped = times;
    }

    /// The person logs in on the page of this URL: false where the page does not take it.
    pub fn visit(&self, url: &str) -> bool {
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let fields: BTreeMap<String, String> = form(query.as_bytes()).into_iter().collect();
        let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let (state, challenge) = (field("state"), field("code_challenge"));
        let good = state.len() == 43 && challenge.len() == 43 && field("code_challenge_method") == "S256";
        if good {
            lock(&self.state).pages.insert(state, (challenge, true));
        }
        good
    }

    /// The requests of one path, in order.
    pub fn seen(&self, path: &str) -> Vec<Request> {
        let state = lock(&self.state);
        state
            .log
            .iter()
            .filter(|request| request.path == path)
            .cloned()
            .collect()
    }

    /// The JSON bodies of the requests of one path, in order.
    pub fn bodies(&self, path: &str) -> Vec<Value> {
        let read = |request: &Request| serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        self.seen(path).iter().map(read).collect()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no request panics while it holds the state")
}

fn answer(state: &mut State, request: &Request) -> Reply {
    state.log.push(request.clone());
    if let Some(reply) = state.injected.get_mut(&request.path).and_then(VecDeque::pop_front) {
        return reply;
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    match request.path.as_str() {
        "/send" if text("email").contains('@') => Reply::json(200, &json!({ "sent": true })),
        "/exchange" if text("code") == CODE => state.grant(),
        "/exchange" => Reply::json(401, &json!({ "error": "invalid_code", "message": "Wrong code" })),
        "/poll" => state.poll(&text("state"), &text("code_verifier")),
        "/refresh" if text("refresh_token") == REFRESH => {
            let [access, refresh] = RENEWED;
            let reply = json!({"access_token": access, "refresh_token": refresh, "expires_in": 3600});
            Reply::json(200, &reply)
        }
        "/refresh" => Reply::error(401, "invalid_refresh_token"),
        "/me" => match request.authorization("bearer") {
            Some(token) if token.contains("canary") => Reply::json(200, &json!({ "email": "ann@acme.example" })),
            _ => Reply::error(401, "invalid_token"),
        },
        _ => Reply::text(404, "text/html", "<h1>Not Found</h1>"),
    }
}

impl State {
    fn grant(&mut self) -> Reply {
        let usual = json!({
            "access_token": ACCESS,
            "refresh_token": REFRESH,
            "expires_in": 3600,
            "user": { "email": "ann@acme.example" },
        });
        let reply = self.granted.clone().unwrap_or(usual);
        if self.dropped > 0 {
            self.dropped -= 1;
            return Reply::Drop;
        }
        Reply::json(200, &reply)
    }

    /// The tokens are given once, to whoever has the verifier.
    fn poll(&mut self, state: &str, verifier: &str) -> Reply {
        let hashed = BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()));
        match self.pages.get_mut(state) {
            Some((challenge, _)) if *challenge != hashed => Reply::error(400, "invalid_verifier"),
            Some((_, waiting @ true)) => {
                *waiting = false;
                self.grant()
            }
            _ => Reply::error(404, "not_found"),
        }
    }
}
