//! Tokens that are bound to a key: proofs of possession (RFC 9449) at the issuer and for what a script calls.
//!
//! The issuer's token endpoint stands behind `Prover`, which checks each proof's signature itself and wants a nonce.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::{Front, login, provider};
use crate::http_server::{Reply, Request, Server};
use crate::issuer::{Endpoint, Issuer, Script};
use crate::sandbox::Sandbox;

/// A proof that was sent, with a signature that is good.
#[derive(Debug, Clone)]
pub struct Proof {
    /// Its claims.
    pub claims: Value,
    /// The digest of its key (RFC 7638).
    pub key: String,
}

/// Reads a proof.
///
/// # Panics
/// When it is not as RFC 9449 section 4.2 wants it, or its signature is of another key.
pub fn read_proof(text: &str) -> Proof {
    let parts: Vec<&str> = text.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        panic!("not three parts")
    };
    let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).unwrap();
    let header: Value = serde_json::from_slice(&decode(header)).unwrap();
    assert_eq!((&header["typ"], &header["alg"]), (&json!("dpop+jwt"), &json!("ES256")));
    let jwk = &header["jwk"];
    assert_eq!(jwk.as_object().unwrap().len(), 4, "the private part is not in it");
    let coordinate = |name: &str| decode(jwk[name].as_str().unwrap());
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_FIXED, point);
    let signed = text.rsplit_once('.').unwrap().0;
    key.verify(signed.as_bytes(), &decode(signature))
        .expect("the signature is good");
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, jwk["x"], jwk["y"]);
    Proof {
        claims: serde_json::from_slice(&decode(claims)).unwrap(),
        key: BASE64URL_NOPAD.encode(ring::digest::digest(&ring::digest::SHA256, canonical.as_bytes()).as_ref()),
    }
}

/// How the prover behaves, and what it saw.
#[derive(Default)]
struct State {
    /// The nonce that a proof must have; none: any proof will do.
    nonce: Option<String>,
    /// Whether each answer brings another nonce.
    turning: bool,
    /// Whether no proof is ever good enough.
    never: bool,
    proofs: Vec<Proof>,
    /// Names of proofs that were taken, each good once.
    taken: HashSet<String>,
}

/// Stands before the token endpoint of an issuer.
struct Prover {
    state: Arc<Mutex<State>>,
    server: Server,
}

impl Prover {
    fn start(issuer: &Issuer, state: State) -> Prover {
        let state = Arc::new(Mutex::new(state));
        let (shared, behind) = (Arc::clone(&state), issuer.url());
        let server = Server::start(move |request| answer(&mut shared.lock().unwrap(), &behind, request));
        Prover { state, server }
    }

    fn proofs(&self) -> Vec<Proof> {
        self.state.lock().unwrap().proofs.clone()
    }
}

fn answer(state: &mut State, behind: &str, request: &Request) -> Reply {
    let Some(text) = request.header("dpop") else {
        return Reply::error(400, "invalid_dpop_proof");
    };
    let proof = read_proof(text);
    let host = request.header("host").unwrap();
    assert_eq!(proof.claims["htm"], json!(request.method));
    assert_eq!(proof.claims["htu"], json!(format!("http://{host}{}", request.path)));
    let wanted = state.nonce.clone();
    let good = wanted.as_ref().is_none_or(|nonce| proof.claims["nonce"] == **nonce) && !state.never;
    state.proofs.push(proof.clone());
    if state.turning {
        state.nonce = Some(format!("nonce-{}", state.proofs.len()));
    }
    let mut reply = if good {
        let fresh = state.taken.insert(proof.claims["jti"].to_string());
        assert!(fresh, "a proof is good once");
        forward(behind, request)
    } else {
        Reply::error(400, "use_dpop_nonce")
    };
    if let Some(nonce) = &state.nonce {
        reply = reply.with("DPoP-Nonce", nonce);
    }
    reply
}

/// What the issuer itself answers.
fn forward(behind: &str, request: &Request) -> Reply {
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .new_agent();
    let sent = agent.post(format!("{behind}{}", request.path));
    let sent = sent
        .header("content-type", "application/x-www-form-urlencoded")
        .send(&request.body[..]);
    let mut sent = sent.unwrap();
    let status = sent.status().as_u16();
    Reply::text(status, "application/json", &sent.body_mut().read_to_string().unwrap())
}

/// A home whose provider wants bound tokens, and the servers.
fn set(state: State) -> (Sandbox, Prover, Front, Issuer) {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    issuer.script(|script| script.mutate = Some(Arc::new(|reply| reply["token_type"] = json!("DPoP"))));
    let front = Front::start(&issuer);
    let prover = Prover::start(&issuer, state);
    let mut document = front.document(&issuer);
    document["token_endpoint"] = json!(format!("{}/token", prover.server.url()));
    document["dpop_signing_alg_values_supported"] = json!(["ES256"]);
    front.answer(&document);
    sandbox.write_provider("acme", &provider(&front.url(), "client_id = \"acme-cli\"\ndpop = true"));
    (sandbox, prover, front, issuer)
}

/// The two lines of a header for a request, as name and value.
fn headers(sandbox: &Sandbox, more: &[&str]) -> (String, String) {
    let output = sandbox.keyfob(&[&["token", "acme", "--header"], more].concat()).run();
    let text = output.expect_success().text().to_string();
    let lines: Vec<&str> = text.lines().collect();
    let [authorization, proof] = lines[..] else {
        panic!("{text}")
    };
    let value = |line: &str, name: &str| line.strip_prefix(name).unwrap().to_string();
    (value(authorization, "Authorization: DPoP "), value(proof, "DPoP: "))
}

const REQUEST: &[&str] = &["--dpop-method", "POST", "--dpop-url", "https://api.acme.example/me?x=1"];

#[test]
fn one_key_proves_login_renewal_and_what_a_script_calls() {
    let (sandbox, prover, _front, issuer) = set(State::default());
    issuer.script(|script| script.life_secs = 1);
    login(&sandbox, &[]).expect_success();
    issuer.script(|script| script.life_secs = 3600);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let (token, proof) = headers(&sandbox, REQUEST);
    let proof = read_proof(&proof);
    assert_eq!(issuer.refreshes(), 1);
    assert!(
        issuer
            .live_family()
            .unwrap()
            .access
            .iter()
            .any(|(access, _)| *access == token)
    );
    assert_eq!(proof.claims["htm"], "POST");
    assert_eq!(proof.claims["htu"], "https://api.acme.example/me");
    let digest = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
    assert_eq!(proof.claims["ath"], json!(BASE64URL_NOPAD.encode(digest.as_ref())));
    let sent = prover.proofs();
    assert_eq!(sent.len(), 2);
    assert!(
        sent.iter()
            .all(|sent| sent.key == proof.key && sent.claims.get("ath").is_none())
    );
    let nonce = [REQUEST, &["--dpop-nonce", "n-1"]].concat();
    assert_eq!(read_proof(&headers(&sandbox, &nonce).1).claims["nonce"], "n-1");
}

#[test]
fn a_new_login_has_a_new_key() {
    let (sandbox, prover, _front, _issuer) = set(State::default());
    login(&sandbox, &[]).expect_success();
    login(&sandbox, &[]).expect_success();
    let sent = prover.proofs();
    assert_ne!(sent[0].key, sent[1].key);
}

#[test]
fn a_nonce_is_sent_back_once_and_then_kept_for_the_run() {
    let (sandbox, prover, _front, issuer) = set(State {
        nonce: Some("first".into()),
        ..State::default()
    });
    issuer.script(|script| {
        script.life_secs = 1;
        script.device.pendings = 1;
    });
    login(&sandbox, &[]).expect_success();
    let nonces: Vec<Value> = prover
        .proofs()
        .iter()
        .map(|proof| proof.claims["nonce"].clone())
        .collect();
    assert_eq!(
        nonces,
        [Value::Null, json!("first"), json!("first")],
        "asked, pending, granted"
    );
    issuer.script(|script| script.life_secs = 3600);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    headers(&sandbox, REQUEST);
    assert_eq!(prover.proofs().len(), 5);
    assert_eq!(issuer.refreshes(), 1, "a refused proof spent nothing");
    assert_eq!(issuer.violations(), [""; 0]);
}

#[test]
fn a_nonce_that_changes_with_each_answer_is_followed() {
    let (sandbox, prover, _front, issuer) = set(State {
        nonce: Some("first".into()),
        turning: true,
        ..State::default()
    });
    issuer.script(|script| script.life_secs = 1);
    // The nonce of the refusal is the one that is wanted next.
    login(&sandbox, &[]).expect_success();
    issuer.script(|script| script.life_secs = 3600);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    headers(&sandbox, REQUEST);
    assert_eq!(issuer.refreshes(), 1);
    assert_eq!(prover.proofs().len(), 4);
}

#[test]
fn an_issuer_that_is_never_content_with_the_nonce_is_asked_twice() {
    let (sandbox, prover, _front, issuer) = set(State::default());
    sandbox.login_expired(&issuer);
    let before = prover.proofs().len();
    prover.state.lock().unwrap().never = true;
    prover.state.lock().unwrap().nonce = Some("again".into());
    sandbox
        .keyfob(&[&["token", "acme", "--header"], REQUEST].concat())
        .run()
        .expect_code(1);
    assert_eq!(prover.proofs().len(), before + 2);
    prover.state.lock().unwrap().never = false;
    headers(&sandbox, REQUEST);
    assert_eq!(issuer.refreshes(), 1, "the session is alive");
}

#[test]
fn fifty_at_once_refresh_once_with_proofs() {
    let (sandbox, _prover, _front, issuer) = set(State {
        nonce: Some("first".into()),
        ..State::default()
    });
    sandbox.login_expired(&issuer);
    let args = [&["token", "acme", "--header"], REQUEST].concat();
    let started: Vec<_> = (0..20)
        .map(|_| {
            sandbox
                .keyfob(&args)
                .deadline(std::time::Duration::from_secs(90))
                .spawn()
        })
        .collect();
    for run in started {
        run.wait().expect_success();
    }
    assert_eq!(issuer.refreshes(), 1);
    assert!(issuer.live_family().is_some());
}

#[test]
fn a_tool_that_sends_bearer_tokens_gets_none_that_is_bound() {
    let (sandbox, _prover, _front, _issuer) = set(State::default());
    login(&sandbox, &[]).expect_success();
    let request = b"protocol=https\nhost=acme.example\n\n";
    let refused = "is bound to a key (DPoP)";
    for (args, input) in [
        (&["token", "acme"][..], &b""[..]),
        (&["token", "acme", "--header"], b""),
        (&["token", "https://acme.example"], b""),
        (&["git", "get"], request),
        (&["get"], request),
        (&["docker", "get"], b"https://acme.example"),
    ] {
        let output = sandbox.keyfob(args).stdin(input).run();
        assert_ne!(output.code(), 0, "{args:?}");
        let told = format!("{}{}", output.stderr, String::from_utf8_lossy(&output.stdout));
        assert!(told.contains(refused), "{args:?}: {told}");
        assert!(!told.contains("acme_at_canary"), "{args:?}");
    }
}

#[test]
fn the_native_protocol_gives_the_proof_beside_the_token() {
    let (sandbox, _prover, _front, _issuer) = set(State::default());
    login(&sandbox, &[]).expect_success();
    let request = "capability[]=authtype\nprofile=acme\ndpop_url=https://api.acme.example/me\n\n";
    let output = sandbox
        .keyfob(&["get"])
        .stdin(request.as_bytes())
        .run()
        .expect_success();
    let field = |name: &str| {
        let text = output.text();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name}: {text}")).to_string()
    };
    assert_eq!(field("authtype="), "DPoP");
    assert_eq!(read_proof(&field("dpop=")).claims["htm"], "GET");
    for bad in [
        "dpop_url=http://acme.example",
        "dpop_url=x",
        "dpop_url=https://a.example\ndpop_method=get",
        "dpop_url=https://a.example\ndpop_nonce=",
    ] {
        let request = format!("capability[]=authtype\nprofile=acme\n{bad}\n\n");
        sandbox.keyfob(&["get"]).stdin(request.as_bytes()).run().expect_code(64);
    }
}

#[test]
fn a_token_that_lost_its_binding_on_the_road_is_not_taken() {
    let (sandbox, _prover, _front, issuer) = set(State::default());
    issuer.script(|script| script.mutate = None);
    assert_ne!(login_fast(&sandbox).code(), 0);
    assert!(sandbox.files_with("acme_at_canary").is_empty());
}

#[test]
fn a_bound_token_that_nobody_asked_for_is_not_taken() {
    let (sandbox, _prover, front, issuer) = set(State::default());
    front.answer(&front.document(&issuer));
    sandbox.write_provider("acme", &provider(&front.url(), "client_id = \"acme-cli\""));
    assert_ne!(login_fast(&sandbox).code(), 0);
    assert!(sandbox.files_with("acme_at_canary").is_empty());
}

/// A login that ends when its code does, as tokens that cannot be used are waited for no longer.
fn login_fast(sandbox: &Sandbox) -> crate::sandbox::Output {
    let run = sandbox.keyfob(&["login", "acme", "--no-browser"]);
    run.deadline(std::time::Duration::from_secs(60)).run()
}

#[test]
fn an_issuer_that_takes_no_proofs_is_named() {
    let (sandbox, _prover, front, issuer) = set(State::default());
    front.answer(&front.document(&issuer));
    let output = login(&sandbox, &[]).expect_code(64);
    assert!(
        output.stderr.contains("takes no proof of possession"),
        "{}",
        output.stderr
    );
    assert!(issuer.seen(Endpoint::Device).is_empty());
}

#[test]
fn a_client_that_was_made_for_proofs_gives_them() {
    let (sandbox, prover, front, issuer) = set(State::default());
    let mut document = front.document(&issuer);
    document["token_endpoint"] = json!(format!("{}/token", prover.server.url()));
    document["dpop_signing_alg_values_supported"] = json!(["ES256"]);
    document["registration_endpoint"] = json!(format!("{}/register", front.url()));
    front.answer(&document);
    let made = json!({"client_id": "made", "dpop_bound_access_tokens": true});
    front.page("/register", Reply::json(201, &made));
    sandbox.write_provider("acme", &provider(&front.url(), ""));
    login(&sandbox, &[]).expect_success();
    headers(&sandbox, REQUEST);
    assert_eq!(prover.proofs().len(), 1);
}
