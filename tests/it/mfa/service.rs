//! A scripted service with second factors and passwords. It checks codes by its own reading of RFC 6238.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE32_NOPAD;
use ring::hmac;
use serde_json::{Value, json};

use crate::http_server::{Reply, Request, Server};

/// The access token that a login gives, and the one that a refresh gives.
pub const TOKENS: [&str; 2] = ["at1_canary", "at2_canary"];

/// The key of every seed, in base32.
pub const KEY: &str = "CANARYCANARYCANARYCANARY22345672";

/// The backup codes.
pub const BACKUP: [&str; 3] = ["canary-0001", "canary-0002", "canary-0003"];

/// The password in use at the beginning.
pub const PASSWORD: &str = "old canary pass";

/// What the service knows and did.
pub struct State {
    injected: BTreeMap<String, VecDeque<Reply>>,
    log: Vec<Request>,
    /// The access token that is good now.
    pub good: String,
    /// Seconds of life of the access token that a login gives.
    pub life_secs: i64,
    /// The seed was confirmed.
    pub enabled: bool,
    /// Loses the next answers to a confirmation after it was done.
    pub lost: u32,
    /// The hash, digits and period of codes.
    pub kind: (&'static str, u32, u64),
    /// The password in use.
    pub password: Option<String>,
}

/// The running service; dropping it closes its port.
pub struct Service {
    state: Arc<Mutex<State>>,
    server: Server,
}

impl Service {
    pub fn start() -> Service {
        let state = Arc::new(Mutex::new(State {
            injected: BTreeMap::new(),
            log: Vec::new(),
            good: TOKENS[0].into(),
            life_secs: 3600,
            enabled: false,
            lost: 0,
            kind: ("SHA1", 6, 30),
            password: Some(PASSWORD.into()),
        }));
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| answer(&mut lock(&shared), request));
        Service { state, server }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The state, to be looked at or changed.
    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Gives this reply to the next request of a path; nothing else happens to it.
    pub fn inject(&self, path: &str, reply: &Reply) {
        let mut state = lock(&self.state);
        state.injected.entry(path.into()).or_default().push_back(reply.clone());
    }

    /// The requests of one method and path, in order.
    pub fn seen(&self, what: &str) -> Vec<Request> {
        let state = lock(&self.state);
        let is_meant = |request: &&Request| format!("{} {}", request.method, request.path) == what;
        state.log.iter().filter(is_meant).cloned().collect()
    }

    /// The JSON bodies of the requests of one method and path, in order.
    pub fn bodies(&self, what: &str) -> Vec<Value> {
        let read = |request: &Request| serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        self.seen(what).iter().map(read).collect()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no request panics while it holds the state")
}

/// The code of the seed `steps` steps from now.
pub fn code(kind: (&str, u32, u64), steps: i64) -> String {
    let (hash, digits, period) = kind;
    let hash = match hash {
        "SHA1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "SHA256" => hmac::HMAC_SHA256,
        _ => hmac::HMAC_SHA512,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let step = (now / period).checked_add_signed(steps).unwrap();
    let key = BASE32_NOPAD.decode(KEY.as_bytes()).unwrap();
    let tag = hmac::sign(&hmac::Key::new(hash, &key), &step.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(*tag.last().unwrap() % 16);
    let number = tag[at..at + 4]
        .iter()
        .fold(0_u64, |all, byte| all << 8 | u64::from(*byte))
        & 0x7fff_ffff;
    format!("{:0>1$}", number % 10_u64.pow(digits), digits as usize)
}

fn answer(state: &mut State, request: &Request) -> Reply {
    state.log.push(request.clone());
    if let Some(reply) = state.injected.get_mut(&request.path).and_then(VecDeque::pop_front) {
        return reply;
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    match request.path.as_str() {
        "/exchange" => {
            let life = state.life_secs;
            let tokens = json!({"access_token": TOKENS[0], "refresh_token": "rt_canary", "expires_in": life});
            return Reply::json(200, &tokens);
        }
        "/refresh" => {
            state.good = TOKENS[1].into();
            return Reply::json(200, &json!({"access_token": TOKENS[1], "expires_in": 3600}));
        }
        _ if request.authorization("bearer") != Some(state.good.as_str()) => {
            return Reply::error(401, "invalid_token");
        }
        _ => (),
    }
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/mfa/enroll") => {
            let (hash, digits, period) = state.kind;
            let uri = format!(
                "otpauth://totp/Acme:ann@acme.example?secret={KEY}&issuer=Acme&algorithm={hash}&digits={digits}&period={period}"
            );
            Reply::json(200, &json!({"otpauth_url": uri, "id": "factor-7"}))
        }
        ("POST", "/mfa/confirm") => {
            let right = (-1..=1).any(|steps| code(state.kind, steps) == text("code"));
            if !right {
                return Reply::json(400, &json!({"error": "invalid_code", "message": "Wrong code"}));
            }
            state.enabled = true;
            if state.lost > 0 {
                state.lost -= 1;
                return Reply::Drop;
            }
            Reply::json(200, &json!({ "backup_codes": BACKUP }))
        }
        ("GET", "/mfa/status") => Reply::json(200, &json!({"enabled": state.enabled, "backup_codes_left": 3})),
        ("POST", "/mfa/disable") => {
            let right = (-1..=1).any(|steps| code(state.kind, steps) == text("code"));
            if !right {
                return Reply::json(400, &json!({"message": "Wrong code"}));
            }
            state.enabled = false;
            Reply::text(204, "", "")
        }
        ("PUT", "/password") => state.set_password(&text("password"), &text("current")),
        ("DELETE", "/password") => {
            state.password = None;
            Reply::text(204, "", "")
        }
        ("GET", "/password") => Reply::json(200, &json!({"has_password": state.password.is_some()})),
        _ => Reply::text(404, "text/html", "<h1>Not Found</h1>"),
    }
}

impl State {
    fn set_password(&mut self, password: &str, current: &str) -> Reply {
        if self.password.as_deref().unwrap_or_default() != current {
            return Reply::json(401, &json!({"message": "Wrong password"}));
        }
        if password.len() < 12 {
            return Reply::json(422, &json!({"message": "Too short\u{1b}[31m: 12 letters at least"}));
        }
        self.password = Some(password.into());
        Reply::json(200, &json!({ "ok": true }))
    }
}
