//! A double of the service of `bcdock`: a code from the mail is given for an API key, or for a session of an access token
//! of 15 minutes and a refresh token of 7 days; keys have scopes, sessions have the person's role.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::family::jwt;
use super::program::Program;
use crate::http_server::{Reply, Request, Server};

/// The platform's own administration: for the staff's tooling inside the house, and for no token of this service.
pub const PLATFORM: [&str; 5] = ["images", "pools", "billing", "waitlist", "invites"];

/// What that tooling has.
pub const TOOLING: &str = "canary-of-the-tooling";

/// A customer, who belongs to two companies.
pub const EMAIL: &str = "ann@acme.example";

/// Somebody of the service's own staff.
pub const STAFF: &str = "sue@bcdock.io";

/// The host of the example's file.
const API: &str = "https://api.bcdock.io";

/// The seconds that an access token lives.
pub const ACCESS_SECS: u64 = 15 * 60;

/// The seconds that a refresh token lives.
pub const REFRESH_SECS: u64 = 7 * 24 * 60 * 60;

/// What a bearer token is.
#[derive(Debug, Clone)]
pub struct Token {
    pub text: String,
    pub subject: String,
    pub company: String,
    /// A key's; a session has none, and may do what the person may.
    pub scopes: Option<Vec<String>>,
    /// When it ends, in Unix seconds; a key does not.
    pub end: Option<u64>,
    pub revoked: bool,
}

#[derive(Default)]
struct State {
    codes: BTreeMap<String, String>,
    mails: Vec<String>,
    tokens: Vec<Token>,
    /// Refresh tokens, each with whom it is for, whether it is unspent, and when it ends.
    refresh: Vec<(String, String, bool, u64)>,
    /// By how much the service's clock is ahead.
    ahead_secs: u64,
    log: Vec<Request>,
    deletion: Option<String>,
    down: bool,
    life_secs: Option<u64>,
}

/// The running double; dropping it closes its port.
pub struct Bcdock {
    state: Arc<Mutex<State>>,
    server: Server,
}

/// The program at a double of its service.
pub fn set() -> (Program, Bcdock) {
    let bcdock = Bcdock::start();
    (Program::new("bcdock", &[(API, &bcdock.server.url())]), bcdock)
}

/// The same, where the person has logged in and has a key.
pub fn logged_in() -> (Program, Bcdock) {
    let (program, bcdock) = set();
    bcdock.log_in(&program, EMAIL, &[]);
    (program, bcdock)
}

impl Bcdock {
    fn start() -> Bcdock {
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| answer(&mut lock(&shared), request));
        Bcdock { state, server }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Logs somebody in with a code that was sent before.
    pub fn log_in(&self, program: &Program, email: &str, more: &[&str]) {
        let code = self.issue(email);
        let args = ["auth", "login", "--email", email, "--code", &code];
        program.done(&[&args[..], more].concat());
    }

    /// A code for an address that nobody asked for by this program.
    pub fn issue(&self, email: &str) -> String {
        lock(&self.state).issue(email)
    }

    /// The code that the next mail brings, for a person who types before it is sent.
    pub fn next_code() -> &'static str {
        "canary-201"
    }

    /// The addresses to which codes were sent.
    pub fn mails(&self) -> Vec<String> {
        lock(&self.state).mails.clone()
    }

    /// How many requests there were.
    pub fn all(&self) -> usize {
        lock(&self.state).log.len()
    }

    /// So much time passes, here and where the program keeps what it has.
    pub fn passes(&self, program: &Program, seconds: u32) {
        lock(&self.state).ahead_secs += u64::from(seconds);
        program.ages(seconds.into());
    }

    /// The requests of a path, in order.
    pub fn seen(&self, path: &str) -> Vec<Request> {
        let state = lock(&self.state);
        state
            .log
            .iter()
            .filter(|request| request.path == path)
            .cloned()
            .collect()
    }

    /// All bearer tokens that were given, keys and others.
    pub fn tokens(&self) -> Vec<Token> {
        lock(&self.state).tokens.clone()
    }

    /// A key that the portal makes for somebody.
    pub fn portal_key(&self, email: &str, scopes: &[&str]) -> String {
        lock(&self.state).key(email, scopes)
    }

    /// The portal ends a key.
    pub fn portal_revokes(&self, key: &str) {
        let mut state = lock(&self.state);
        let token = state.tokens.iter_mut().find(|token| token.text == key);
        token.expect("the portal lists it").revoked = true;
    }

    /// The portal ends all keys and sessions.
    pub fn ends_all(&self) {
        let mut state = lock(&self.state);
        state.tokens.iter_mut().for_each(|token| token.revoked = true);
        state.refresh.iter_mut().for_each(|(_, _, good, _)| *good = false);
    }

    /// The person has asked for the end of the account, which comes at this time.
    pub fn deletes_at(&self, time: &str) {
        lock(&self.state).deletion = Some(time.into());
    }

    /// Whether every request is answered with a failure from now on.
    pub fn is_down(&self, down: bool) {
        lock(&self.state).down = down;
    }

    /// How long the access tokens live that are given from now on.
    pub fn life_secs(&self, life: u64) {
        lock(&self.state).life_secs = Some(life);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no request panics while it holds the state")
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("the clock is past 1970").as_secs()
}

fn forbidden(why: &str) -> Reply {
    Reply::json(403, &json!({ "error": "forbidden", "message": why }))
}

fn answer(state: &mut State, request: &Request) -> Reply {
    state.log.push(request.clone());
    if state.down {
        return Reply::error(503, "maintenance");
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let call = (request.method.as_str(), request.path.as_str());
    if let Some(what) = request.path.strip_prefix("/api/v1/platform/") {
        let allowed = request.authorization("bearer") == Some(TOOLING) && PLATFORM.contains(&what);
        return if allowed {
            Reply::json(200, &json!([]))
        } else {
            forbidden("this is for the platform's tooling")
        };
    }
    match call {
        ("POST", "/api/v1/auth/email/send") => {
            state.issue(&text("email"));
            state.mails.push(text("email"));
            return Reply::json(200, &json!({ "sent": true }));
        }
        ("POST", "/api/v1/auth/email/exchange") => return state.exchange(&body),
        ("POST", "/api/v1/auth/refresh") => return state.refresh(&text("refresh_token")),
        _ => (),
    }
    let Some(token) = state.token(request) else {
        return Reply::error(401, "invalid_token");
    };
    match call {
        ("GET", "/api/v1/auth/whoami") => Reply::json(200, &who(&token)),
        ("GET", "/api/v1/me") => {
            let mut me = who(&token);
            let status = if state.deletion.is_some() {
                "pending_deletion"
            } else {
                "active"
            };
            me["status"] = json!(status);
            me["deletionScheduledAt"] = json!(state.deletion);
            Reply::json(200, &me)
        }
        ("POST", "/api/v1/companies/switch") => state.switch(&token, &text("company")),
        ("POST", "/api/v1/api-keys") => state.make_key(&token, &body["scopes"]),
        ("GET", "/api/v1/environments") => allowed(&token, "env:read"),
        ("POST", "/api/v1/environments") => allowed(&token, "env:write"),
        ("GET", "/api/v1/admin/environments") => allowed(&token, "admin"),
        _ => Reply::json(404, &json!({ "error": "not_found" })),
    }
}

fn is_staff(email: &str) -> bool {
    email.ends_with("@bcdock.io")
}

fn who(token: &Token) -> Value {
    let role = if is_staff(&token.subject) { "staff" } else { "member" };
    let mut who = json!({"email": token.subject, "role": role, "company": {"name": token.company}});
    if let Some(scopes) = &token.scopes {
        who["scopes"] = json!(scopes);
    }
    who
}

/// A key needs the scope; a session may do what the person may.
fn allowed(token: &Token, scope: &str) -> Reply {
    let allowed = match &token.scopes {
        Some(scopes) => scopes.iter().any(|own| own == scope),
        None => scope != "admin" || is_staff(&token.subject),
    };
    if allowed {
        Reply::json(200, &json!([]))
    } else {
        forbidden(&format!("the scope {scope} is needed"))
    }
}

impl State {
    fn issue(&mut self, email: &str) -> String {
        let code = format!("canary-{}", 201 + self.codes.len());
        self.codes.insert(email.into(), code.clone());
        code
    }

    fn now(&self) -> u64 {
        now() + self.ahead_secs
    }

    /// The token of a request, if it is good.
    fn token(&self, request: &Request) -> Option<Token> {
        let text = request.authorization("bearer")?;
        let token = self.tokens.iter().find(|token| token.text == text)?;
        let good = !token.revoked && token.end.is_none_or(|end| end > self.now());
        good.then(|| token.clone())
    }

    fn key(&mut self, email: &str, scopes: &[&str]) -> String {
        let text = format!("bdk_canary{}", self.tokens.len());
        self.tokens.push(Token {
            text: text.clone(),
            subject: email.into(),
            company: "Acme".into(),
            scopes: Some(scopes.iter().map(|scope| (*scope).to_owned()).collect()),
            end: None,
            revoked: false,
        });
        text
    }

    fn access(&mut self, email: &str, company: &str) -> Value {
        let life = self.life_secs.unwrap_or(ACCESS_SECS);
        let end = self.now() + life;
        let number = u32::try_from(self.tokens.len()).unwrap();
        let mut claims = json!({"sub": email, "company": company, "exp": end});
        if is_staff(email) {
            claims["platform_role"] = json!("staff");
        }
        let text = jwt(&claims, number);
        self.tokens.push(Token {
            text: text.clone(),
            subject: email.into(),
            company: company.into(),
            scopes: None,
            end: Some(end),
            revoked: false,
        });
        json!({"access_token": text, "expires_in": life})
    }

    /// The pair of a session.
    fn pair(&mut self, email: &str) -> Value {
        let mut reply = self.access(email, "Acme");
        let refresh = format!("canary-refresh-{}", self.refresh.len());
        let end = self.now() + REFRESH_SECS;
        self.refresh.push((refresh.clone(), email.into(), true, end));
        reply["refresh_token"] = json!(refresh);
        reply["refresh_expires_in"] = json!(REFRESH_SECS);
        reply
    }

    /// A code is good once, for the address that it was sent to.
    fn exchange(&mut self, body: &Value) -> Reply {
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        let plain = |code: &str| code.replace('-', "");
        let email = text("email");
        if self
            .codes
            .get(email)
            .is_none_or(|good| plain(good) != plain(text("code")))
        {
            let reply = json!({"error": "invalid_code", "message": "That code is not valid."});
            return Reply::json(401, &reply);
        }
        self.codes.remove(email);
        let mut reply = match text("credential") {
            "session" => self.pair(email),
            _ => json!({"api_key": self.key(email, &["env:read", "env:write"])}),
        };
        reply["user"] = json!({ "email": email });
        Reply::json(200, &reply)
    }

    fn refresh(&mut self, token: &str) -> Reply {
        let now = self.now();
        let is_good = |(text, _, good, end): &&mut (String, String, bool, u64)| text == token && *good && *end > now;
        let Some((_, email, good, _)) = self.refresh.iter_mut().find(is_good) else {
            return Reply::error(401, "invalid_refresh_token");
        };
        *good = false;
        let email = email.clone();
        Reply::json(200, &self.pair(&email))
    }

    /// Ann belongs to two companies; nobody gets into another one.
    fn switch(&mut self, token: &Token, company: &str) -> Reply {
        if !["Acme", "Beta"].contains(&company) {
            return forbidden(&format!("you do not belong to {company}"));
        }
        let subject = token.subject.clone();
        Reply::json(200, &self.access(&subject, company))
    }

    /// Only a session makes keys, and only staff's one with the scope `admin`.
    fn make_key(&mut self, token: &Token, scopes: &Value) -> Reply {
        let scopes: Vec<&str> = scopes
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if token.scopes.is_some() {
            return forbidden("a key makes no keys");
        }
        if scopes.contains(&"admin") && !is_staff(&token.subject) {
            return forbidden("the scope admin is for staff");
        }
        let key = self.key(&token.subject.clone(), &scopes);
        Reply::json(201, &json!({ "api_key": key, "scopes": scopes }))
    }
}
