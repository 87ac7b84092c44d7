//! A double of the service of `myclaude`: a page with a state and a challenge, which posts the tokens of the person who is
//! signed in there; a question that gives them once, to whoever has the verifier; ID tokens of an hour.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::client;
use super::family::{Families, Family};
use super::program::{Call, Program};
use super::row::Row;
use crate::http_server::{Reply, Request, Server, form};
use crate::run::{Output, Running};

/// The handle of the person who is signed in in the browser.
pub const HANDLE: &str = "ann-codes";

/// The host of the example's file.
pub const SITE: &str = "https://myclaude.sh";

/// How long the service keeps the tokens of a page.
const PAGE_SECS: u64 = 300;

#[derive(Default)]
struct State {
    families: Families,
    /// What pages have posted: by state, the challenge, the tokens and when.
    waiting: BTreeMap<String, (String, Value, Instant)>,
    log: Vec<Request>,
    handle: Option<String>,
    /// How many answers with tokens are lost on the way.
    lost: u32,
    down: bool,
    silent: bool,
    /// Whether what pages post is not given to anybody yet.
    holds: bool,
}

/// The running double; dropping it closes its port.
pub struct Myclaude {
    state: Arc<Mutex<State>>,
    server: Server,
}

/// The program at a double of its service.
pub fn set() -> (Program, Myclaude) {
    set_with(&[])
}

/// The same with other words for some in its file, such as a shorter limit.
pub fn set_with(changed: &[(&str, &str)]) -> (Program, Myclaude) {
    let myclaude = Myclaude::start();
    let url = myclaude.server.url();
    let hosts = [
        &[(SITE, url.as_str()), ("interval_secs = 2", "interval_secs = 1")],
        changed,
    ]
    .concat();
    let program = Program::new("myclaude", &hosts);
    (program, myclaude)
}

/// The same, where the person has logged in.
pub fn logged_in() -> (Program, Myclaude) {
    let (program, myclaude) = set();
    let mut running = program.call(&["login", "--no-browser"]).run.spawn();
    sign_in(&mut running, 1);
    running.wait().expect_success();
    (program, myclaude)
}

/// The person opens the page that is shown as the so-many-th, and signs in there. The page.
pub fn sign_in(running: &mut Running, number: usize) -> String {
    let page = shown(running, number);
    visit(&page);
    page
}

/// Starts a login, and the person signs in on its page.
pub fn login(row: &mut Row, call: Call) -> Output {
    let mut running = row.start(call);
    sign_in(&mut running, 1);
    running.wait()
}

/// The page that a login shows as the so-many-th.
pub fn shown(running: &mut Running, number: usize) -> String {
    loop {
        let text = format!("{}{}", running.stderr_so_far(), running.stdout_so_far());
        let mut pages = text.split_whitespace().filter(|word| word.contains("/cli/auth?"));
        // The next line is there, so the page is there whole.
        if let Some(page) = pages.nth(number - 1).filter(|page| !text.ends_with(*page)) {
            return page.to_owned();
        }
        assert!(running.is_running(), "{text}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A field of a page's query.
pub fn field(page: &str, name: &str) -> String {
    let fields = form(page.split_once('?').expect("a page has a query").1.as_bytes());
    let found = fields.into_iter().find(|(field, _)| field == name);
    found.unwrap_or_else(|| panic!("no {name} in {page}")).1
}

/// A browser in which the person is signed in: it opens the page, whose script posts what it says.
pub fn visit(page: &str) {
    let (status, body) = client::page("GET", page, "", &Value::Null);
    assert_eq!(status, 200, "{body}");
    let (_, script) = body
        .split_once("<script type=\"application/json\">")
        .expect("the page has a script");
    let post: Value = serde_json::from_str(script.split("</script>").next().unwrap()).unwrap();
    let site = page.split("/cli/auth").next().unwrap();
    let (status, _) = client::request("POST", &format!("{site}/api/cli/auth/session"), "", &post);
    assert_eq!(status, 201);
}

/// A browser of the machine, which `BROWSER` names: it visits every page that it is given, so many times.
pub fn browser(program: &mut Program, times: usize) -> JoinHandle<Vec<String>> {
    use std::os::unix::fs::PermissionsExt;
    let script = "#!/bin/sh\nprintf '%s' \"$1\" > \"$HOME/page.new\"\nmv \"$HOME/page.new\" \"$HOME/page\"\n";
    let browser = program.sandbox.write("bin/browser", script);
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).unwrap();
    program.sandbox.set("BROWSER", &browser);
    let page = program.sandbox.path().join("page");
    std::thread::spawn(move || {
        let mut pages = Vec::new();
        let until = Instant::now() + Duration::from_secs(60);
        while pages.len() < times && Instant::now() < until {
            if let Ok(url) = std::fs::read_to_string(&page) {
                std::fs::remove_file(&page).unwrap();
                visit(&url);
                pages.push(url);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        pages
    })
}

impl Myclaude {
    fn start() -> Myclaude {
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| lock(&shared).answer(request));
        Myclaude { state, server }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The requests of a path, in order.
    pub fn seen(&self, path: &str) -> Vec<Request> {
        let state = lock(&self.state);
        let mine = state.log.iter().filter(|request| request.path == path);
        mine.cloned().collect()
    }

    /// The JSON bodies of the requests of a path, in order.
    pub fn bodies(&self, path: &str) -> Vec<Value> {
        let read = |request: &Request| serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        self.seen(path).iter().map(read).collect()
    }

    /// How many requests there were.
    pub fn all(&self) -> usize {
        lock(&self.state).log.len()
    }

    /// All sessions.
    pub fn families(&self) -> Vec<Family> {
        lock(&self.state).families.all().to_vec()
    }

    /// Whom an ID token speaks for, if it is good.
    pub fn subject(&self, token: &str) -> Option<String> {
        lock(&self.state).families.subject(token)
    }

    /// Who is signed in in the browser from now on.
    pub fn is_used_by(&self, handle: &str) {
        lock(&self.state).handle = Some(handle.into());
    }

    /// The service ends all sessions.
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

    /// How long the ID tokens live that are given from now on.
    pub fn life_secs(&self, life: u64) {
        lock(&self.state).families.life_secs = Some(life);
    }

    /// Whether the connection of every request ends without an answer from now on.
    pub fn is_down(&self, down: bool) {
        lock(&self.state).down = down;
    }

    /// Whether requests are taken and neither acted on nor answered from now on.
    pub fn is_silent(&self, silent: bool) {
        lock(&self.state).silent = silent;
    }

    /// The next answers with tokens are lost after the tokens were given.
    pub fn loses(&self, answers: u32) {
        lock(&self.state).lost = answers;
    }

    /// Whether the service is slow with what a page posts: whoever asks with the verifier is told to wait.
    pub fn holds(&self, holds: bool) {
        lock(&self.state).holds = holds;
    }

    /// Asks as the program does.
    pub fn poll(&self, state: &str, verifier: &str) -> (u16, Value) {
        let url = format!("{}/api/cli/auth/poll", self.url());
        client::request("POST", &url, "", &json!({"state": state, "codeVerifier": verifier}))
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no request panics while it holds the state")
}

impl State {
    fn answer(&mut self, request: &Request) -> Reply {
        self.log.push(request.clone());
        if self.down {
            return Reply::Drop;
        }
        if self.silent {
            return Reply::Silence(Vec::new());
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        match request.path.as_str() {
            "/cli/auth" => self.page(&request.query),
            "/api/cli/auth/session" => {
                let session = (text("codeChallenge"), body["session"].clone(), Instant::now());
                self.waiting.insert(text("state"), session);
                Reply::json(201, &json!({}))
            }
            "/api/cli/auth/poll" => self.poll(&text("state"), &text("codeVerifier")),
            "/api/cli/auth/refresh" => match self.families.refresh(&text("refreshToken")) {
                Some(tokens) => Reply::json(200, &renamed(&tokens)),
                None => Reply::json(400, &json!({ "error": "INVALID_REFRESH_TOKEN" })),
            },
            "/api/cli/me" | "/api/publish" => {
                let token = request.authorization("bearer").unwrap_or_default();
                match self.families.subject(token) {
                    Some(handle) => Reply::json(200, &user(&handle)),
                    None => Reply::error(401, "INVALID_ID_TOKEN"),
                }
            }
            _ => Reply::text(404, "text/html", "<h1>Not Found</h1>"),
        }
    }

    /// The page after the website's own sign-in. Its script has the tokens of the person, and the program's challenge.
    fn page(&mut self, query: &str) -> Reply {
        let fields: BTreeMap<String, String> = form(query.as_bytes()).into_iter().collect();
        let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let (state, challenge) = (field("state"), field("code_challenge"));
        if state.len() != 43 || challenge.len() != 43 {
            return Reply::text(400, "text/html", "<h1>This link is wrong</h1>");
        }
        let handle = self.handle.clone().unwrap_or_else(|| HANDLE.into());
        let mut session = renamed(&self.families.begin(&handle));
        session["user"] = user(&handle);
        let post = json!({"state": state, "codeChallenge": challenge, "session": session});
        let page = format!("<h1>Go back</h1><script type=\"application/json\">{post}</script>");
        Reply::text(200, "text/html", &page)
    }

    /// The tokens are given once, to whoever has the verifier, and not after the time of the page.
    fn poll(&mut self, state: &str, verifier: &str) -> Reply {
        let hashed = BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()));
        match self.waiting.get(state) {
            // It does not tell a page that is not done from one whose tokens were fetched.
            None => Reply::error(404, "not_found"),
            Some((.., at)) if at.elapsed() > Duration::from_secs(PAGE_SECS) => {
                self.waiting.remove(state);
                Reply::json(410, &json!({ "status": "expired" }))
            }
            Some((challenge, ..)) if *challenge != hashed => Reply::json(403, &json!({ "status": "denied" })),
            Some(_) if self.holds => Reply::error(404, "not_found"),
            Some(_) => {
                let (_, session, _) = self.waiting.remove(state).expect("it was there");
                if self.lost > 0 {
                    self.lost -= 1;
                    return Reply::Drop;
                }
                Reply::json(200, &session)
            }
        }
    }
}

fn user(handle: &str) -> Value {
    json!({"uid": format!("uid-{handle}"), "username": handle, "email": format!("{handle}@acme.example")})
}

/// The tokens under the service's own names.
fn renamed(tokens: &Value) -> Value {
    json!({
        "idToken": tokens["access_token"],
        "refreshToken": tokens["refresh_token"],
        "expiresIn": tokens["expires_in"],
    })
}
