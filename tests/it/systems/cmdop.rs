//! A double of the service of `cmdop`: OAuth in a browser, a workspace of each account, API keys of one workspace. There are
//! two of it, `prod` and `dev`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::client::request_with;
use super::family::{Families, Family, claims, now};
use super::person::Person;
use super::program::Program;
use crate::http_server::{Reply, Request, Server, form};

/// The address of the only person.
pub const EMAIL: &str = "ann@acme.example";

/// The workspaces that the person is in; the token of a login is for the second.
const WORKSPACES: [&str; 4] = ["acme", "acme-prod", "acme-staging", "acme-other"];

/// A key of the workspace `acme`, as the service's page gives it out.
pub const KEY: &str = "cmd_acme_canary1";

/// The seed of every second factor: the one of RFC 6238, appendix B, in base32.
pub const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// How a backup code begins; they are numbered.
pub const BACKUP: &str = "canary-backup-";

/// The hosts of the example's file, for each mode.
pub const PROD: &str = "https://api.cmdop.com";
pub const DEV: &str = "https://api-dev.cmdop.com";

#[derive(Default)]
struct State {
    families: Families,
    /// Codes that the page gave: challenge and redirect.
    codes: BTreeMap<String, (String, String)>,
    log: Vec<Request>,
    /// The account's password.
    password: Option<String>,
    factor: Factor,
    /// Whether nothing is answered before a second factor is enrolled.
    wants_factor: bool,
}

/// A second factor: none, begun, or enrolled with the backup codes that are left.
#[derive(Default)]
enum Factor {
    #[default]
    None,
    Begun,
    Enrolled(usize),
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

/// The same, where the person has logged in to both modes; `prod` is in use.
pub fn in_both() -> (Program, Cmdop, Cmdop) {
    let (mut program, prod, dev) = logged_in();
    let person = Person::sits_down(&mut program);
    program.done(&["login", "--mode", "dev"]);
    assert_eq!(person.leaves(), 1);
    (program, prod, dev)
}

/// A command of the program that lists machines: it asks for a credential, and sends that with the header that goes along.
/// The status, and the workspace that it was in.
pub fn machines(program: &Program, service: &Cmdop, options: &[&str], key: Option<&str>) -> (u16, String) {
    let request = format!("capability[]=authtype\nurl={}/v1/machines\n\n", service.url());
    let run = program.sandbox.keyfob(&[options, &["get"]].concat()).stdin(request);
    let run = key.into_iter().fold(run, |run, key| run.env("CMDOP_API_KEY", key));
    let answer = run.run().expect_success();
    let word = |name: &str| {
        let mut lines = answer.text().lines();
        lines.find_map(|line| line.strip_prefix(name).map(str::to_owned))
    };
    let header = word("workspace_header=").unwrap_or_else(|| "Accept: */*".into());
    let url = format!("{}/v1/machines", service.url());
    let (status, reply) = request_with(&header, &url, &word("credential=").unwrap());
    (status, reply["workspace"].as_str().unwrap_or_default().into())
}

impl Cmdop {
    /// One on its own.
    pub fn start() -> Cmdop {
        let state = Arc::<Mutex<State>>::default();
        lock(&state).families.workspace = Some("acme-prod");
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

    /// The account's password, if it has one.
    pub fn password(&self) -> Option<String> {
        lock(&self.state).password.clone()
    }

    /// Whether a second factor is enrolled.
    pub fn has_factor(&self) -> bool {
        matches!(lock(&self.state).factor, Factor::Enrolled(_))
    }

    /// From now on nothing is answered before a second factor is enrolled.
    pub fn wants_a_factor(&self) {
        lock(&self.state).wants_factor = true;
    }

    /// How many backup codes are good, of a second factor that is enrolled.
    pub fn backup_codes(&self) -> usize {
        match lock(&self.state).factor {
            Factor::Enrolled(left) => left,
            _ => 0,
        }
    }

    /// Ends all sessions.
    pub fn ends_all(&self) {
        lock(&self.state).families.end_all();
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
        "/v1/machines" => state.machines(request),
        path if path.starts_with("/v1/account/") => state.account(request),
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
        if self.wants_factor && !matches!(self.factor, Factor::Enrolled(_)) {
            return Reply::error(403, "mfa_required");
        }
        if token == KEY {
            return Reply::json(200, &json!({ "email": EMAIL, "default_workspace": "acme" }));
        }
        match self.families.subject(token) {
            Some(email) => Reply::json(200, &json!({ "email": email, "default_workspace": "acme-prod" })),
            None => Reply::error(401, "invalid_token"),
        }
    }

    /// The machines of the workspace that a request is in: the header's, else the one that the token or key is for.
    fn machines(&self, request: &Request) -> Reply {
        let token = request.authorization("bearer").unwrap_or_default();
        let own = match (token == KEY, self.families.subject(token)) {
            (true, _) => "acme".to_owned(),
            (false, Some(_)) => claims(token).expect("it is one of ours")["workspace"]
                .as_str()
                .unwrap()
                .into(),
            (false, None) => return Reply::error(401, "invalid_token"),
        };
        let workspace = request.header("x-cmdop-workspace").map_or(own, str::to_owned);
        if WORKSPACES.contains(&workspace.as_str()) {
            Reply::json(200, &json!({ "workspace": workspace, "machines": [] }))
        } else {
            Reply::error(403, "not_a_member")
        }
    }
}

impl State {
    /// Password and second factor, for whoever has a good access token.
    fn account(&mut self, request: &Request) -> Reply {
        let token = request.authorization("bearer").unwrap_or_default();
        if token == KEY {
            let words = format!("the key {token} is of a workspace and not of an account");
            return Reply::json(403, &json!({ "error": "forbidden", "message": words }));
        }
        if self.families.subject(token).is_none() {
            return Reply::error(401, "invalid_token");
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let done = Reply::json(200, &json!({ "ok": true }));
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/v1/account/password") => Reply::json(200, &json!({ "enabled": self.password.is_some() })),
            ("POST", "/v1/account/password") => {
                self.password = Some(text("password"));
                done
            }
            ("POST", "/v1/account/password/clear") => {
                self.password = None;
                done
            }
            ("GET", "/v1/account/mfa") => {
                let left = if let Factor::Enrolled(left) = self.factor {
                    left
                } else {
                    0
                };
                Reply::json(200, &json!({ "enabled": left > 0, "backup_codes_left": left }))
            }
            ("POST", "/v1/account/mfa/enroll") => {
                self.factor = Factor::Begun;
                let uri = format!("otpauth://totp/CMDOP:{EMAIL}?secret={SEED}&issuer=CMDOP");
                Reply::json(200, &json!({ "otpauth_uri": uri }))
            }
            ("POST", "/v1/account/mfa/confirm") if is_code(&text("code")) => {
                let codes: Vec<String> = (1..=8).map(|number| format!("{BACKUP}{number}")).collect();
                self.factor = Factor::Enrolled(codes.len());
                Reply::json(200, &json!({ "backup_codes": codes }))
            }
            ("POST", "/v1/account/mfa/confirm") => Reply::error(422, "wrong_code"),
            _ => Reply::text(404, "text/html", "<h1>Not Found</h1>"),
        }
    }
}

/// Whether a code is that of this step, or of the one before or after it.
fn is_code(code: &str) -> bool {
    let step = now() / 30;
    (step - 1..=step + 1).any(|step| self::code(step) == code)
}

/// The code that an app shows at this moment, and the one that it showed half a minute ago.
pub fn codes_now() -> [String; 2] {
    let step = now() / 30;
    [code(step), code(step - 1)]
}

/// RFC 6238 with SHA-1 and six digits, over the seed of this service.
fn code(step: u64) -> String {
    let seed = data_encoding::BASE32.decode(SEED.as_bytes()).unwrap();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &seed);
    let tag = ring::hmac::sign(&key, &step.to_be_bytes());
    let bytes = tag.as_ref();
    let at = usize::from(bytes[bytes.len() - 1] & 15);
    let number = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}
