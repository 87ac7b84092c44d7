//! A double of the service of `cmdop`: OAuth in a browser, a workspace of each account, API keys of one workspace. There are
//! two of it, `prod` and `dev`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use data_encoding::BASE64URL_NOPAD;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::family::{Families, Family};
use super::person::Person;
use super::program::Program;
use crate::http_server::{Reply, Request, Server, form};

/// The address of the only person.
pub const EMAIL: &str = "ann@acme.example";

/// A key of the workspace `acme`, as the service's page gives it out.
pub const KEY: &str = "cmd_acme_canary1";

/// The hosts of the example's file, for each mode.
const PROD: &str = "https://api.cmdop.com";
const DEV: &str = "https://api-dev.cmdop.com";

#[derive(Default)]
struct State {
    families: Families,
    /// Codes that the page gave: challenge and redirect.
    codes: BTreeMap<String, (String, String)>,
    log: Vec<Request>,
}

/// The running double of one mode; dropping it closes its port.
pub struct Cmdop {
    state: Arc<Mutex<State>>,
    server: Server,
}

/// The program at the doubles of its two modes.
pub fn set() -> (Program, Cmdop, Cmdop) {
    let (prod, dev) = (Cmdop::start(), Cmdop::start());
    let hosts = [(PROD, prod.server.url()), (DEV, dev.server.url())];
    let hosts = hosts.each_ref().map(|(real, double)| (*real, double.as_str()));
    (Program::new("cmdop", &hosts), prod, dev)
}

/// The same, where the person has logged in to `prod`.
pub fn logged_in() -> (Program, Cmdop, Cmdop) {
    let (mut program, prod, dev) = set();
    let person = Person::sits_down(&mut program);
    program.done(&["login"]);
    assert_eq!(person.leaves(), 1);
    (program, prod, dev)
}

impl Cmdop {
    fn start() -> Cmdop {
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| answer(&mut lock(&shared), request));
        Cmdop { state, server }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// How many requests a path had.
    pub fn count(&self, path: &str) -> usize {
        self.seen(path).len()
    }

    /// How many requests there were.
    pub fn all(&self) -> usize {
        lock(&self.state).log.len()
    }

    /// The requests of a path, in order.
    pub fn seen(&self, path: &str) -> Vec<Request> {
        let state = lock(&self.state);
        let mine = state.log.iter().filter(|request| request.path == path);
        mine.cloned().collect()
    }

    /// All sessions.
    pub fn families(&self) -> Vec<Family> {
        lock(&self.state).families.all().to_vec()
    }

    /// Whom an access token speaks for, if it is good.
    pub fn subject(&self, access: &str) -> Option<String> {
        lock(&self.state).families.subject(access)
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
    let fields: BTreeMap<String, String> = form(&request.body).into_iter().collect();
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    match request.path.as_str() {
        "/oauth/authorize" => state.consent(&request.query),
        "/oauth/token" if field("grant_type") == "authorization_code" => {
            state.redeem(&field("code"), &field("code_verifier"), &field("redirect_uri"))
        }
        "/oauth/token" => match state.families.refresh(&field("refresh_token")) {
            Some(tokens) => Reply::json(200, &tokens),
            None => Reply::error(400, "invalid_grant"),
        },
        "/oauth/revoke" => {
            state.families.revoke(&field("token"));
            Reply::text(200, "application/json", "{}")
        }
        "/v1/me" => state.me(request),
        _ => Reply::text(404, "text/html", "<h1>Not Found</h1>"),
    }
}

impl State {
    /// The page on which the person approves, who does so at once.
    fn consent(&mut self, query: &str) -> Reply {
        let fields: BTreeMap<String, String> = form(query.as_bytes()).into_iter().collect();
        let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let redirect = field("redirect_uri");
        let good = field("response_type") == "code"
            && field("client_id") == "cmdop-cli"
            && field("code_challenge_method") == "S256"
            && redirect.starts_with("http://127.0.0.1:");
        if !good {
            return Reply::text(400, "text/html", "<h1>This request is wrong</h1>");
        }
        let code = format!("canary-code-{}", self.codes.len());
        let back = format!("{redirect}?code={code}&state={}", field("state"));
        self.codes.insert(code, (field("code_challenge"), redirect));
        Reply::redirect(303, &back)
    }

    /// A code is good once, for whoever has the verifier.
    fn redeem(&mut self, code: &str, verifier: &str, redirect: &str) -> Reply {
        let hashed = BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()));
        match self.codes.remove(code) {
            Some((challenge, to)) if challenge == hashed && to == redirect => {
                Reply::json(200, &self.families.begin(EMAIL))
            }
            _ => Reply::error(400, "invalid_grant"),
        }
    }

    /// Whom a token or key speaks for. A key is of the workspace that its text names.
    fn me(&self, request: &Request) -> Reply {
        let token = request.authorization("bearer").unwrap_or_default();
        if token == KEY {
            return Reply::json(200, &json!({ "email": EMAIL, "default_workspace": "acme" }));
        }
        match self.families.subject(token) {
            Some(email) => Reply::json(200, &json!({ "email": email, "default_workspace": "acme-prod" })),
            None => Reply::error(401, "invalid_token"),
        }
    }
}
