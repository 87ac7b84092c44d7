//! A double of the two services of `clonit`: a cloud, whose document names the auth service and the client, and that auth
//! service: the device grant, a page that hands the person on to the company's own sign-in, rotation and revocation.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client;
use super::family::{Families, Family};
use super::program::Program;
use crate::http_server::{Reply, Request, Server, form};

/// The address of the only person.
pub const EMAIL: &str = "ann@acme.example";

/// The URL of the example's file.
pub const CLOUD: &str = "https://cloud.clonit.ai";

/// Stands for the auth service on the page; the file does not name it.
pub const AUTH: &str = "https://auth.clonit.ai";

/// One login that began.
#[derive(Debug, Clone)]
pub struct Device {
    pub code: String,
    pub user_code: String,
    pub client: String,
    pub scope: String,
    end: Instant,
    state: Pending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pending {
    Waits,
    Approved,
    Denied,
    Spent,
}

#[derive(Default)]
struct State {
    families: Families,
    devices: Vec<Device>,
    log: Vec<Request>,
    /// The pages that a browser was on.
    visited: Vec<String>,
    life_secs: Option<u64>,
    auth_url: String,
    /// When each question for a session came, and whether it was too fast; how many of the next ones are.
    polls: Vec<(Instant, bool)>,
    hurried: u32,
}

/// The running doubles; dropping them closes their ports.
pub struct Clonit {
    state: Arc<Mutex<State>>,
    cloud: Server,
    auth: Server,
}

/// The program at doubles of its services.
pub fn set() -> (Program, Clonit) {
    let clonit = Clonit::start();
    let mut program = Program::new("clonit", &[(CLOUD, &clonit.cloud.url())]);
    program.done(&["config", "set", "cloud.url", &clonit.cloud.url()]);
    program.words.push((clonit.auth.url(), AUTH.into()));
    // A message names a service by its host alone.
    program.words.push((clonit.cloud.host(), CLOUD.replace("https://", "")));
    program.words.push((clonit.auth.host(), AUTH.replace("https://", "")));
    (program, clonit)
}

/// The same, where the person has logged in.
pub fn logged_in() -> (Program, Clonit) {
    let (program, clonit) = set();
    let phone = clonit.phone();
    program.done(&["login", "--no-browser"]);
    assert_eq!(phone.put_away(), 1);
    (program, clonit)
}

impl Clonit {
    pub fn start() -> Clonit {
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let auth = Server::start(move |request| lock(&shared).auth(request));
        lock(&state).auth_url = auth.url();
        let shared = Arc::clone(&state);
        let cloud = Server::start(move |request| lock(&shared).cloud(request));
        Clonit { state, cloud, auth }
    }

    pub fn url(&self) -> String {
        self.cloud.url()
    }

    pub fn auth_url(&self) -> String {
        self.auth.url()
    }

    /// The requests of a path of either service, in order.
    pub fn seen(&self, path: &str) -> Vec<Request> {
        let state = lock(&self.state);
        let mine = state.log.iter().filter(|request| request.path == path);
        mine.cloned().collect()
    }

    /// How many requests there were, pages included.
    pub fn all(&self) -> usize {
        lock(&self.state).log.len()
    }

    /// The logins that began.
    pub fn devices(&self) -> Vec<Device> {
        lock(&self.state).devices.clone()
    }

    /// The pages that a browser was on, in order.
    pub fn visited(&self) -> Vec<String> {
        lock(&self.state).visited.clone()
    }

    /// All sessions.
    pub fn families(&self) -> Vec<Family> {
        lock(&self.state).families.all().to_vec()
    }

    /// Whom an access token speaks for, if it is good.
    pub fn subject(&self, access: &str) -> Option<String> {
        lock(&self.state).families.subject(access)
    }

    /// The administrator ends all sessions.
    pub fn ends_all(&self) {
        let mut state = lock(&self.state);
        let tokens: Vec<String> = state
            .families
            .all()
            .iter()
            .flat_map(|family| family.refresh.clone())
            .collect();
        tokens.iter().for_each(|token| state.families.revoke(token));
    }

    /// How long the access tokens live that are given from now on.
    pub fn life_secs(&self, life: u64) {
        lock(&self.state).families.life_secs = Some(life);
    }

    /// How long the codes live that are given from now on.
    pub fn code_secs(&self, life: u64) {
        lock(&self.state).life_secs = Some(life);
    }

    /// The next question for a session is too fast for the service, and is told so.
    pub fn is_hurried(&self) {
        lock(&self.state).hurried += 1;
    }

    /// How long it was from each question for a session to the next one, and whether that was after a `slow_down`, be it
    /// the last one or an earlier one.
    pub fn pauses(&self) -> Vec<(Duration, bool)> {
        let polls = &lock(&self.state).polls;
        let first = polls.iter().position(|(_, hurried)| *hurried);
        let pause = |at: usize| (polls[at + 1].0 - polls[at].0, first.is_some_and(|first| at >= first));
        (0..polls.len().saturating_sub(1)).map(pause).collect()
    }

    /// The person says no to every code that waits.
    pub fn denies(&self) {
        for device in &mut lock(&self.state).devices {
            device.state = Pending::Denied;
        }
    }

    /// A person with a browser on another device, who types every code that is shown and approves it.
    pub fn phone(&self) -> Phone {
        let (state, auth) = (Arc::clone(&self.state), self.auth.url());
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopped);
        let thread = std::thread::spawn(move || {
            let mut typed = 0;
            while !stop.load(Ordering::SeqCst) {
                let code = lock(&state).waiting();
                if let Some(code) = code {
                    browse(&format!("{auth}/activate?code={code}"));
                    typed += 1;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            typed
        });
        Phone {
            stopped,
            thread: Some(thread),
        }
    }
}

/// A person with another device, until dropped.
pub struct Phone {
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<usize>>,
}

impl Phone {
    /// How many codes were typed.
    pub fn put_away(mut self) -> usize {
        self.stopped.store(true, Ordering::SeqCst);
        let thread = self.thread.take().expect("it is put away once");
        thread.join().expect("every page was as it should be")
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
    }
}

/// A browser: opens a page and follows its links to the last one.
pub fn browse(page: &str) {
    let mut next = Some(page.to_owned());
    while let Some(url) = next {
        let (status, body) = client::page("GET", &url, "", &Value::Null);
        assert_eq!(status, 200, "{url}: {body}");
        next = body
            .split_once("href=\"")
            .map(|(_, rest)| rest.split('"').next().unwrap().to_owned());
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no request panics while it holds the state")
}

fn html(text: &str) -> Reply {
    Reply::text(200, "text/html", text)
}

impl State {
    fn cloud(&mut self, request: &Request) -> Reply {
        self.log.push(request.clone());
        let subject = request
            .authorization("bearer")
            .and_then(|token| self.families.subject(token));
        match (request.path.as_str(), subject) {
            ("/.well-known/clonit.json", _) => {
                let auth = json!({"url": self.auth_url, "client_id": "clonit-cli"});
                Reply::json(200, &json!({ "name": "Clonit Cloud", "auth": auth }))
            }
            ("/api/v1/snapshots", Some(_)) => Reply::json(200, &json!([])),
            ("/api/v1/snapshots", None) => Reply::error(401, "invalid_token"),
            _ => Reply::text(404, "text/html", "<h1>Not Found</h1>"),
        }
    }

    fn auth(&mut self, request: &Request) -> Reply {
        self.log.push(request.clone());
        let at = |path: &str| format!("{}{path}", self.auth_url);
        let fields: BTreeMap<String, String> = form(&request.body).into_iter().collect();
        let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let query: BTreeMap<String, String> = form(request.query.as_bytes()).into_iter().collect();
        let code = query.get("code").cloned().unwrap_or_default();
        match request.path.as_str() {
            "/.well-known/openid-configuration" => Reply::json(
                200,
                &json!({
                    "issuer": self.auth_url,
                    "device_authorization_endpoint": at("/oauth/device"),
                    "token_endpoint": at("/oauth/token"),
                    "revocation_endpoint": at("/oauth/revoke"),
                    "userinfo_endpoint": at("/oauth/userinfo"),
                    "jwks_uri": at("/oauth/jwks"),
                }),
            ),
            "/oauth/device" => self.begin(&field("client_id"), &field("scope")),
            "/oauth/token" => match field("grant_type").as_str() {
                "refresh_token" => match self.families.refresh(&field("refresh_token")) {
                    Some(tokens) => Reply::json(200, &tokens),
                    None => Reply::error(400, "invalid_grant"),
                },
                _ => self.poll(&field("device_code"), &field("client_id")),
            },
            "/oauth/revoke" => {
                self.families.revoke(&field("token"));
                Reply::text(200, "application/json", "{}")
            }
            "/oauth/userinfo" => {
                let token = request.authorization("bearer").unwrap_or_default();
                match self.families.subject(token) {
                    Some(email) => Reply::json(200, &json!({"sub": email, "email": email})),
                    None => Reply::error(401, "invalid_token"),
                }
            }
            // The page where a code is typed sends a person of a company to the company's own sign-in.
            "/activate" => {
                self.visited.push("the page for the code".into());
                html(&format!(
                    "<a href=\"{}\">Acme's sign-in</a>",
                    at(&format!("/sso/acme?code={code}"))
                ))
            }
            "/sso/acme" => {
                self.visited.push("the company's sign-in".into());
                html(&format!(
                    "<a href=\"{}\">Approve</a>",
                    at(&format!("/activate/done?code={code}"))
                ))
            }
            "/activate/done" => self.approve(&code),
            _ => Reply::text(404, "text/html", "<h1>Not Found</h1>"),
        }
    }

    /// A code that somebody may type now.
    fn waiting(&self) -> Option<String> {
        // Not in its last moment, in which a browser is too slow.
        let soon = Instant::now() + Duration::from_millis(500);
        let mut devices = self.devices.iter();
        let waits = devices.find(|device| device.state == Pending::Waits && device.end > soon);
        waits.map(|device| device.user_code.clone())
    }

    fn begin(&mut self, client: &str, scope: &str) -> Reply {
        let number = self.devices.len();
        let life = self.life_secs.unwrap_or(600);
        let device = Device {
            code: format!("canary-device-{number}"),
            user_code: format!("WDJB-MJH{number}"),
            client: client.into(),
            scope: scope.into(),
            end: Instant::now() + Duration::from_secs(life),
            state: Pending::Waits,
        };
        let page = format!("{}/activate", self.auth_url);
        let reply = json!({
            "device_code": device.code,
            "user_code": device.user_code,
            "verification_uri": page,
            "verification_uri_complete": format!("{page}?code={}", device.user_code),
            "expires_in": life,
            "interval": 1,
        });
        self.devices.push(device);
        Reply::json(200, &reply)
    }

    fn approve(&mut self, code: &str) -> Reply {
        self.visited.push("the approval".into());
        let device = self.devices.iter_mut().find(|device| device.user_code == code);
        match device {
            Some(device) if device.state == Pending::Waits && device.end > Instant::now() => {
                device.state = Pending::Approved;
                html("<h1>Approved</h1>")
            }
            _ => Reply::text(410, "text/html", "<h1>This code is over</h1>"),
        }
    }

    /// Tokens are given once, to the client that began (RFC 8628, section 3.5).
    fn poll(&mut self, code: &str, client: &str) -> Reply {
        self.polls.push((Instant::now(), self.hurried > 0));
        if self.hurried > 0 {
            self.hurried -= 1;
            return Reply::error(400, "slow_down");
        }
        let of = |device: &&mut Device| device.code == code && device.client == client;
        let Some(device) = self.devices.iter_mut().find(of) else {
            return Reply::error(400, "invalid_grant");
        };
        match device.state {
            Pending::Denied => Reply::error(400, "access_denied"),
            Pending::Spent => Reply::error(400, "invalid_grant"),
            _ if device.end <= Instant::now() => Reply::error(400, "expired_token"),
            Pending::Waits => Reply::error(400, "authorization_pending"),
            Pending::Approved => {
                device.state = Pending::Spent;
                let mut tokens = self.families.begin(EMAIL);
                tokens["scope"] = json!(device.scope);
                Reply::json(200, &tokens)
            }
        }
    }
}
