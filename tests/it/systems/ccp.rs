//! A double of the service of `ccp`: codes by mail, access tokens of an hour, refresh tokens that are good once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use super::family::{Families, Family};
use super::program::Program;
use crate::http_server::{Reply, Request, Server, form};

/// The address of the only person.
pub const EMAIL: &str = "ann@acme.example";

/// The host of the example's file.
pub const API: &str = "https://api.ccp.example";

#[derive(Default)]
struct State {
    families: Families,
    /// The code that is good for each address.
    codes: BTreeMap<String, String>,
    mails: Vec<(String, String)>,
    log: Vec<Request>,
    silent: bool,
}

/// The running double; dropping it closes its port.
pub struct Ccp {
    state: Arc<Mutex<State>>,
    server: Server,
}

/// The program at a double of its service.
pub fn set() -> (Program, Ccp) {
    let ccp = Ccp::start();
    (Program::new("ccp", &[(API, &ccp.server.url())]), ccp)
}

/// The same, where the person has logged in.
pub fn logged_in() -> (Program, Ccp) {
    let (program, ccp) = set();
    let code = ccp.issue(EMAIL);
    program.done(&["auth", "login", "--email", EMAIL, "--code", &code]);
    (program, ccp)
}

impl Ccp {
    fn start() -> Ccp {
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| answer(&mut lock(&shared), request));
        Ccp { state, server }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// A code for an address that nobody asked for by this program.
    pub fn issue(&self, email: &str) -> String {
        lock(&self.state).issue(email)
    }

    /// The code that the next mail brings, for a person who types before it is sent.
    pub fn next_code() -> &'static str {
        "canary-101"
    }

    /// The mails that were sent: address and code.
    pub fn mails(&self) -> Vec<(String, String)> {
        lock(&self.state).mails.clone()
    }

    /// How many requests a path had.
    pub fn count(&self, path: &str) -> usize {
        let state = lock(&self.state);
        state.log.iter().filter(|request| request.path == path).count()
    }

    /// All sessions.
    pub fn families(&self) -> Vec<Family> {
        lock(&self.state).families.all().to_vec()
    }

    /// Whom an access token speaks for, if it is good.
    pub fn subject(&self, access: &str) -> Option<String> {
        lock(&self.state).families.subject(access)
    }

    /// The service ends all sessions.
    pub fn ends_all(&self) {
        lock(&self.state).families.end_all();
    }

    /// Whether nothing is answered.
    pub fn is_silent(&self, silent: bool) {
        lock(&self.state).silent = silent;
    }

    /// How long the access tokens live that are given from now on.
    pub fn life_secs(&self, life: u64) {
        lock(&self.state).families.life_secs = Some(life);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no request panics while it holds the state")
}

fn answer(state: &mut State, request: &Request) -> Reply {
    state.log.push(request.clone());
    if state.silent {
        return Reply::Silence(Vec::new());
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let fields: BTreeMap<String, String> = form(&request.body).into_iter().collect();
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    match request.path.as_str() {
        "/v1/auth/otp/send" => {
            let code = state.issue(&text("email"));
            state.mails.push((text("email"), code));
            Reply::json(200, &json!({ "sent": true }))
        }
        "/v1/auth/otp/verify" => state.verify(&text("email"), &text("code")),
        "/v1/auth/token" if field("grant_type") == "refresh_token" => {
            match state.families.refresh(&field("refresh_token")) {
                Some(tokens) => Reply::json(200, &tokens),
                None => Reply::error(400, "invalid_grant"),
            }
        }
        "/v1/auth/revoke" => {
            state.families.revoke(&field("token"));
            Reply::text(200, "application/json", "{}")
        }
        "/v1/me" | "/v1/deployments" => {
            let token = request.authorization("bearer").unwrap_or_default();
            match state.families.subject(token) {
                Some(email) => Reply::json(200, &json!({ "email": email })),
                None => Reply::error(401, "invalid_token"),
            }
        }
        _ => Reply::text(404, "text/html", "<h1>Not Found</h1>"),
    }
}

impl State {
    fn issue(&mut self, email: &str) -> String {
        let code = format!("canary-{}", 101 + self.codes.len());
        self.codes.insert(email.into(), code.clone());
        code
    }

    /// A code is good once, for the address that it was sent to.
    fn verify(&mut self, email: &str, code: &str) -> Reply {
        let plain = |code: &str| code.replace('-', "");
        let good = self.codes.get(email).is_some_and(|good| plain(good) == plain(code));
        if !good {
            return Reply::json(
                401,
                &json!({ "error": "invalid_code", "message": "That code is not valid." }),
            );
        }
        self.codes.remove(email);
        let mut reply = self.families.begin(email);
        reply["user"] = json!({ "email": email });
        Reply::json(200, &reply)
    }
}
