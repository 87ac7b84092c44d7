//! A scripted OAuth issuer on the loopback interface: device grant, rotating refresh tokens, revocation.
//!
//! It is strict about requests and obedient about answers: whatever a real issuer was seen doing can be scripted while
//! it runs, and everything that it was asked can be read afterwards. It knows nothing of keyfob.
//! It implements RFC 6749 sections 5 and 6, RFC 7009, RFC 7662 section 2 and RFC 8628 section 3, for public clients.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, VecDeque};
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http_server::{Reply, Request, Server, form};

pub use crate::issuer_script::{DeviceEnd, DeviceScript, Script};

#[path = "issuer_code.rs"]
mod code;

/// The grant type of RFC 8628 section 3.4.
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// `/authorize`
    Authorize,
    /// `/device`
    Device,
    /// `/token`
    Token,
    /// `/revoke`
    Revoke,
    /// `/userinfo`
    Userinfo,
    /// `/introspect`
    Introspect,
    /// Anything else.
    Other,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When it was read whole.
    pub at: Instant,
    /// What it asked.
    pub endpoint: Endpoint,
    /// The request.
    pub request: Request,
}

impl Seen {
    /// A field of the form.
    pub fn field(&self, name: &str) -> Option<String> {
        let fields = form(&self.request.body);
        fields
            .into_iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value)
    }
}

/// What became of a refresh token that was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was the live one: spent where the issuer rotates.
    Redeemed,
    /// It was spent, within the grace: the same successor again.
    Grace,
    /// It was spent: refused.
    Reused,
    /// It is unknown, or its family has ended: refused.
    Refused,
}

/// A refresh token that was presented.
#[derive(Debug, Clone)]
pub struct Redemption {
    /// When.
    pub at: Instant,
    /// The token.
    pub token: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// All tokens that come from one login.
#[derive(Debug, Clone)]
pub struct Family {
    /// Whether its tokens are honoured.
    pub live: bool,
    /// The refresh token that counts now.
    pub refresh: String,
    /// Access tokens, each with the moment of its end.
    pub access: Vec<(String, Instant)>,
    /// Spent refresh tokens, each with its moment and the answer.
    spent: Vec<(String, Instant, Value)>,
}

struct Device {
    code: String,
    user_code: String,
    script: DeviceScript,
    approved: bool,
    redeemed: bool,
}

#[derive(Default)]
struct State {
    script: Script,
    injected: BTreeMap<Endpoint, VecDeque<Reply>>,
    devices: Vec<Device>,
    codes: Vec<code::Code>,
    families: Vec<Family>,
    log: Vec<Seen>,
    redemptions: Vec<Redemption>,
    revoked: Vec<String>,
    violations: Vec<String>,
}

type Shared = Arc<Mutex<State>>;

/// The running issuer; dropping it closes its port.
pub struct Issuer {
    state: Shared,
    server: Server,
}

impl Issuer {
    /// Waits until nothing that was sent to it is waiting to be read, or being answered.
    pub fn settles(&self) {
        self.server.settles();
    }

    /// Starts on a port of the system's choice.
    pub fn start(script: Script) -> Issuer {
        let state = Shared::default();
        lock(&state).script = script;
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| answer(&shared, request));
        Issuer { state, server }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Changes how it behaves from now on.
    pub fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut lock(&self.state).script);
    }

    /// Gives this reply to the next `times` requests of an endpoint; nothing else happens to them.
    pub fn inject(&self, endpoint: Endpoint, times: usize, reply: &Reply) {
        let mut state = lock(&self.state);
        let queue = state.injected.entry(endpoint).or_default();
        queue.extend(std::iter::repeat_n(reply.clone(), times));
    }

    /// Forgets replies that were injected and not yet given.
    pub fn clear_injected(&self) {
        lock(&self.state).injected.clear();
    }

    /// Approves a device grant as the person would; false when no such code waits.
    pub fn approve(&self, user_code: &str) -> bool {
        let mut state = lock(&self.state);
        let waiting = state.devices.iter_mut().find(|device| device.user_code == user_code);
        waiting.map(|device| device.approved = true).is_some()
    }

    /// The requests of one endpoint, in order.
    pub fn seen(&self, endpoint: Endpoint) -> Vec<Seen> {
        let state = lock(&self.state);
        state
            .log
            .iter()
            .filter(|seen| seen.endpoint == endpoint)
            .cloned()
            .collect()
    }

    /// Requests of the token endpoint that presented a refresh token, whatever was answered.
    pub fn refreshes(&self) -> usize {
        let is_refresh = |seen: &&Seen| seen.field("grant_type").as_deref() == Some("refresh_token");
        self.seen(Endpoint::Token).iter().filter(is_refresh).count()
    }

    /// Refresh tokens that were presented, in order; injected replies do not count.
    pub fn redemptions(&self) -> Vec<Redemption> {
        lock(&self.state).redemptions.clone()
    }

    /// All families, in the order of their logins.
    pub fn families(&self) -> Vec<Family> {
        lock(&self.state).families.clone()
    }

    /// The last family that is alive.
    pub fn live_family(&self) -> Option<Family> {
        self.families().into_iter().rfind(|family| family.live)
    }

    /// Whether an access token is honoured now.
    pub fn valid_access(&self, token: &str) -> bool {
        lock(&self.state).valid_access(token)
    }

    /// A check of access tokens that a server in another thread can keep.
    pub fn checker(&self) -> impl Fn(&str) -> bool + Send + Sync + 'static {
        let state = Arc::clone(&self.state);
        move |token| lock(&state).valid_access(token)
    }

    /// Tokens whose revocation was asked and done, in order.
    pub fn revoked(&self) -> Vec<String> {
        lock(&self.state).revoked.clone()
    }

    /// Requests that no client should send, in words.
    pub fn violations(&self) -> Vec<String> {
        lock(&self.state).violations.clone()
    }
}

fn lock(state: &Shared) -> MutexGuard<'_, State> {
    state.lock().expect("no request panics while it holds the state")
}

/// A text that nobody guesses, with the mark by which leaks are found.
fn random(kind: &str) -> String {
    let number = || RandomState::new().build_hasher().finish();
    format!("acme_{kind}_canary_{:016x}{:016x}", number(), number())
}

fn answer(shared: &Shared, request: &Request) -> Reply {
    let endpoint = match request.path.as_str() {
        "/authorize" => Endpoint::Authorize,
        "/device" => Endpoint::Device,
        "/token" => Endpoint::Token,
        "/revoke" => Endpoint::Revoke,
        "/userinfo" => Endpoint::Userinfo,
        "/introspect" => Endpoint::Introspect,
        _ => Endpoint::Other,
    };
    let mut state = lock(shared);
    state.log.push(Seen {
        at: Instant::now(),
        endpoint,
        request: request.clone(),
    });
    if let Some(violation) = violation(endpoint, request) {
        state
            .violations
            .push(format!("{} {}: {violation}", request.method, request.path));
        return Reply::error(400, "invalid_request");
    }
    if let Some(reply) = state.injected.get_mut(&endpoint).and_then(VecDeque::pop_front) {
        return reply;
    }
    let fields: BTreeMap<String, String> = form(&request.body).into_iter().collect();
    let field = |name: &str| fields.get(name).map_or("", String::as_str);
    match endpoint {
        Endpoint::Authorize => state.authorize(&form(request.query.as_bytes())),
        Endpoint::Device => state.begin_device(request.header("host").unwrap_or_default()),
        Endpoint::Token => {
            let (before, after) = (state.script.before_commit, state.script.after_commit);
            drop(state);
            std::thread::sleep(before);
            let reply = match field("grant_type") {
                DEVICE_GRANT => lock(shared).poll_device(field("device_code")),
                "authorization_code" => lock(shared).redeem_code(&fields),
                "refresh_token" => lock(shared).refresh(field("refresh_token")),
                _ => Reply::error(400, "unsupported_grant_type"),
            };
            std::thread::sleep(after);
            reply
        }
        Endpoint::Revoke => state.revoke(field("token")),
        Endpoint::Userinfo => match request.authorization("bearer") {
            Some(token) if state.valid_access(token) => {
                let subject = &state.script.subject;
                Reply::json(
                    200,
                    &json!({ "sub": subject, "email": format!("{subject}@acme.example") }),
                )
            }
            _ => Reply::error(401, "invalid_token").with("WWW-Authenticate", "Bearer error=\"invalid_token\""),
        },
        Endpoint::Introspect => Reply::json(200, &json!({ "active": state.valid_access(field("token")) })),
        Endpoint::Other => Reply::text(404, "text/html", "<h1>Not Found</h1>"),
    }
}

/// What is wrong with a request, before anything is looked up.
fn violation(endpoint: Endpoint, request: &Request) -> Option<String> {
    if endpoint == Endpoint::Authorize {
        return code::violation(request);
    }
    if !request.query.is_empty() {
        return Some("parameters in the query".into());
    }
    match endpoint {
        Endpoint::Other => return Some("no such endpoint".into()),
        Endpoint::Userinfo => return None,
        _ => (),
    }
    if request.method != "POST" {
        return Some("not a POST".into());
    }
    let content_type = request.header("content-type").unwrap_or_default();
    if content_type.split(';').next() != Some("application/x-www-form-urlencoded") {
        return Some(format!("content type {content_type:?}"));
    }
    let fields = form(&request.body);
    let count = |name: &str| fields.iter().filter(|(field, _)| field == name).count();
    if let Some((twice, _)) = fields.iter().find(|(name, _)| count(name) > 1) {
        return Some(format!("{twice} twice"));
    }
    let needed: &[&str] = match endpoint {
        Endpoint::Device => &["client_id"],
        Endpoint::Token => &["client_id", "grant_type"],
        _ => &["client_id", "token"],
    };
    let missing = needed.iter().find(|name| count(name) == 0)?;
    Some(format!("no {missing}"))
}

impl State {
    fn valid_access(&self, token: &str) -> bool {
        let now = Instant::now();
        let mut live = self.families.iter().filter(|family| family.live);
        live.any(|family| family.access.iter().any(|(access, end)| access == token && now < *end))
    }

    fn begin_device(&mut self, host: &str) -> Reply {
        let script = self.script.device.clone();
        let number = RandomState::new().build_hasher().finish();
        let user_code = script.user_code.clone();
        let device = Device {
            code: random("dc"),
            user_code: user_code.unwrap_or_else(|| format!("{:04X}-{:04X}", number & 0xffff, number >> 48)),
            approved: script.end == DeviceEnd::Approved,
            redeemed: false,
            script,
        };
        let page = device.script.verification_uri.clone();
        let mut reply = json!({
            "device_code": device.code,
            "user_code": device.user_code,
            "verification_uri": page.unwrap_or_else(|| format!("http://{host}/activate")),
            "expires_in": device.script.expires_in,
        });
        if let Some(interval) = &device.script.interval {
            reply["interval"] = interval.clone();
        }
        if let Some(complete) = &device.script.verification_uri_complete {
            reply["verification_uri_complete"] = json!(complete);
        }
        self.devices.push(device);
        Reply::json(200, &reply)
    }

    fn poll_device(&mut self, code: &str) -> Reply {
        let Some(device) = self
            .devices
            .iter_mut()
            .find(|device| device.code == code && !device.redeemed)
        else {
            return Reply::error(400, "invalid_grant");
        };
        let counts = &mut device.script;
        for (left, reply) in [
            (&mut counts.slow_downs, Reply::error(400, "slow_down")),
            (&mut counts.drops, Reply::Drop),
            (&mut counts.pendings, Reply::error(400, "authorization_pending")),
        ] {
            if *left > 0 {
                *left -= 1;
                return reply;
            }
        }
        if let DeviceEnd::Error(code) = &device.script.end {
            return Reply::error(400, code);
        }
        if !device.approved {
            return Reply::error(400, "authorization_pending");
        }
        device.redeemed = true;
        self.begin_family()
    }

    fn begin_family(&mut self) -> Reply {
        self.families.push(Family {
            live: true,
            refresh: random("rt"),
            access: Vec::new(),
            spent: Vec::new(),
        });
        let newest = self.families.len() - 1;
        let reply = self.tokens(newest, true);
        Reply::json(200, &reply)
    }

    fn refresh(&mut self, token: &str) -> Reply {
        let (outcome, reply) = self.redeem(token);
        self.redemptions.push(Redemption {
            at: Instant::now(),
            token: token.into(),
            outcome,
        });
        let done = matches!(outcome, Outcome::Redeemed | Outcome::Grace);
        if done && self.script.dropped_answers > 0 {
            self.script.dropped_answers -= 1;
            return Reply::Drop;
        }
        reply
    }

    fn redeem(&mut self, token: &str) -> (Outcome, Reply) {
        let refused = Reply::error(400, "invalid_grant");
        let current = self
            .families
            .iter()
            .position(|family| family.live && family.refresh == token);
        if let Some(index) = current {
            let rotate = self.script.rotate;
            if rotate {
                self.families[index].refresh = random("rt");
            }
            let reply = self.tokens(index, rotate);
            if rotate {
                let family = &mut self.families[index];
                family.spent.push((token.into(), Instant::now(), reply.clone()));
            }
            return (Outcome::Redeemed, Reply::json(200, &reply));
        }
        let (grace, revoke) = (self.script.grace, self.script.revoke_family_on_reuse);
        for family in self.families.iter_mut().filter(|family| family.live) {
            let Some((_, at, reply)) = family.spent.iter().find(|(spent, ..)| spent == token) else {
                continue;
            };
            if at.elapsed() < grace {
                return (Outcome::Grace, Reply::json(200, reply));
            }
            family.live = !revoke;
            return (Outcome::Reused, refused);
        }
        (Outcome::Refused, refused)
    }

    /// A new access token of a family, as the answer that carries it.
    fn tokens(&mut self, index: usize, with_refresh: bool) -> Value {
        let script = &self.script;
        let access = script.access_token.clone().unwrap_or_else(|| random("at"));
        let family = &mut self.families[index];
        family
            .access
            .push((access.clone(), Instant::now() + Duration::from_secs(script.life_secs)));
        let mut reply = json!({
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": script.life_secs,
            "scope": "repo",
        });
        if with_refresh {
            reply["refresh_token"] = json!(family.refresh);
        }
        if let Some(mutate) = &script.mutate {
            mutate(&mut reply);
        }
        reply
    }

    /// RFC 7009 section 2.2: an unknown token is as good as revoked.
    fn revoke(&mut self, token: &str) -> Reply {
        for family in &mut self.families {
            let access = family.access.iter().any(|(access, _)| access == token);
            if family.refresh == token || access || family.spent.iter().any(|(spent, ..)| spent == token) {
                family.live = false;
            }
        }
        self.revoked.push(token.into());
        Reply::text(200, "text/plain", "")
    }
}
