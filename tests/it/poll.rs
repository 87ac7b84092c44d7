//! Logging in on a page of a service that is asked whether the person is done: the real program, the scripted service.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http_server::Reply;
use crate::run::{Output, Running};
use crate::sandbox::Sandbox;
use crate::service::{ACCESS, REFRESH, Service};

/// A home with the provider file `acme`, with these lines more in `[poll]`, and the service.
fn set(more: &str) -> (Sandbox, Service) {
    let (sandbox, service) = (Sandbox::new(), Service::start());
    let url = service.url();
    sandbox.write_provider(
        "acme",
        &format!(
            "format = 1\ntitle = \"Acme\"\n[login]\nflow = \"poll\"\nregister = \"https://acme.example/join\"\n\
             [poll]\npage = \"https://acme.example/cli/auth?v=1\"\ninterval_secs = 1\n{more}\n\
             [poll.retrieve]\nurl = \"{url}/poll\"\n[poll.retrieve.reply]\nsubject = \"/user/email\"\n\
             [oauth]\ntoken_endpoint = \"{url}/token\"\nclient_id = \"acme-cli\"\n\
             [[target]]\nurl = \"https://acme.example\"\nscheme = \"bearer\"\n"
        ),
    );
    (sandbox, service)
}

fn start(sandbox: &Sandbox) -> Running {
    let run = sandbox.keyfob(&["login", "acme", "--no-browser"]);
    run.deadline(Duration::from_secs(60)).spawn()
}

fn login(sandbox: &Sandbox) -> Output {
    start(sandbox).wait()
}

/// The pages that a login shows, once there are so many.
fn pages(login: &mut Running, count: usize) -> Vec<String> {
    loop {
        let text = login.stderr_so_far();
        let words = text.split_whitespace().map(str::to_owned);
        let pages: Vec<String> = words.filter(|word| word.contains("/cli/auth")).collect();
        if pages.len() >= count && text.contains("is good for") {
            return pages;
        }
        assert!(login.is_running(), "{text}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn field(page: &str, name: &str) -> String {
    let fields = crate::http_server::form(page.split_once('?').unwrap().1.as_bytes());
    fields.into_iter().find(|(field, _)| field == name).unwrap().1
}

#[test]
fn a_person_who_is_done_on_the_page_is_logged_in_by_the_handle_of_the_reply() {
    let (sandbox, service) = set("");
    let mut login = start(&sandbox);
    let page = pages(&mut login, 1).remove(0);
    assert!(page.starts_with("https://acme.example/cli/auth?v=1&state="), "{page}");
    assert!(service.visit(&page), "{page}");
    let output = login.wait().expect_success();
    assert!(
        output.stderr.contains("Logged in to Acme as `ann@acme.example`"),
        "{}",
        output.stderr
    );
    assert!(
        output.stderr.contains("begin at https://acme.example/join"),
        "{}",
        output.stderr
    );
    let kept = sandbox.files_with(REFRESH);
    assert_eq!(kept.len(), 1);
    assert!(
        output.stderr.contains(kept[0].parent().unwrap().to_str().unwrap()),
        "{}",
        output.stderr
    );
    assert_eq!(sandbox.token(), ACCESS);
}

#[test]
fn the_verifier_goes_to_the_question_alone_and_the_state_is_new_each_time() {
    let (sandbox, service) = set("");
    let mut states = Vec::new();
    for _ in 0..2 {
        let mut login = start(&sandbox);
        let page = pages(&mut login, 1).remove(0);
        service.visit(&page);
        let output = login.wait().expect_success();
        let poll = service.bodies("/poll").pop().unwrap();
        let verifier = poll["code_verifier"].as_str().unwrap().to_owned();
        assert_eq!(
            (verifier.len(), poll["state"].as_str()),
            (43, Some(&*field(&page, "state")))
        );
        assert!(!output.stderr.contains(&verifier), "the verifier is shown");
        assert!(sandbox.files_with(&verifier).is_empty(), "the verifier is kept");
        let last = service.seen("/poll").pop().unwrap();
        assert_eq!((last.method.as_str(), last.query.as_str()), ("POST", ""));
        states.push((field(&page, "state"), field(&page, "code_challenge")));
    }
    assert!(states[0].0 != states[1].0 && states[0].1 != states[1].1);
}

#[test]
fn a_page_is_asked_about_until_its_time_is_over() {
    let (sandbox, service) = set("limit_secs = 3");
    let begun = Instant::now();
    let output = login(&sandbox).expect_code(2);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert!((1..=3).contains(&service.seen("/poll").len()));
    assert!(output.stderr.contains("was not finished in 1 min"), "{}", output.stderr);
    assert!(
        output.stderr.contains("hint: run `keyfob login acme` again"),
        "{}",
        output.stderr
    );
    sandbox.keyfob(&["token", "acme"]).run().expect_code(2);
}

#[test]
fn every_way_to_say_not_yet_goes_on_and_every_way_to_say_no_ends_it() {
    let word = |status: u16, word: &str| Reply::json(status, &json!({ "status": word }));
    let (sandbox, service) = set("");
    for reply in [
        Reply::json(202, &json!({})),
        Reply::text(204, "", ""),
        Reply::error(404, "not_found"),
        Reply::error(428, "authorization_pending"),
        word(200, "pending"),
        word(400, "pending"),
    ] {
        if matches!(&reply, Reply::Whole { status: 204, .. }) {
            continue;
        }
        service.inject("/poll", 1, &reply);
    }
    service.inject(
        "/poll",
        1,
        &Reply::json(200, &json!({"access_token": ACCESS, "status": "complete"})),
    );
    login(&sandbox).expect_success();
    assert_eq!(service.seen("/poll").len(), 6);
    let rows = [
        (word(200, "denied"), 2, "was refused on the page"),
        (Reply::json(403, &json!({"message": "not today"})), 2, "“not today”"),
        (word(200, "expired"), 2, "time is over"),
        (Reply::text(410, "", ""), 2, "time is over"),
        (Reply::error(400, "invalid_verifier"), 1, "status 400: invalid_verifier"),
        (Reply::error(401, "unauthorized"), 1, "status 401: unauthorized"),
    ];
    for (reply, code, says) in rows {
        let (sandbox, service) = set("");
        service.inject("/poll", 1, &reply);
        let output = login(&sandbox).expect_code(code);
        assert!(output.stderr.contains(says), "{reply:?}: {}", output.stderr);
        assert_eq!(service.seen("/poll").len(), 1, "{reply:?}");
    }
}

#[test]
fn what_answers_for_the_service_is_not_believed_and_asked_again() {
    let rows = [
        Reply::text(200, "text/html", "<h1>hotel</h1>"),
        Reply::redirect(302, "https://elsewhere.example/"),
        Reply::text(511, "text/html", "pay first"),
        Reply::error(503, "busy"),
        Reply::Bytes(b"SSH-2.0-x\r\n".to_vec()),
        Reply::Silence(Vec::new()),
        Reply::json(200, &json!({"x": "x".repeat(2 * 1024 * 1024)})),
    ];
    std::thread::scope(|scope| {
        for reply in rows {
            scope.spawn(move || {
                let (sandbox, service) = set("pending = [202]\nlimit_secs = 60");
                service.inject("/poll", 1, &reply);
                service.inject("/poll", 1, &Reply::text(202, "application/json", "{}"));
                service.inject("/poll", 1, &Reply::json(200, &json!({ "access_token": ACCESS })));
                login(&sandbox).expect_success();
                assert_eq!(service.seen("/poll").len(), 3, "{reply:?}");
            });
        }
    });
}

#[test]
fn a_service_that_never_answers_rightly_is_a_temporary_failure_that_names_the_last_answer() {
    let (sandbox, service) = set("limit_secs = 3");
    service.inject("/poll", 9, &Reply::text(200, "text/html", "<h1>hotel</h1>"));
    let output = login(&sandbox).expect_code(3);
    assert!(output.stderr.contains("something other than JSON"), "{}", output.stderr);
}

#[test]
fn tokens_that_cannot_be_used_are_not_kept() {
    for reply in [
        json!({}),
        json!({"access_token": "a canary"}),
        json!({"access_token": "canary\r\nX: y"}),
        json!({"access_token": ACCESS, "code_challenge": "that-of-somebody-else"}),
        json!({"access_token": ACCESS, "refresh_token": ACCESS}),
    ] {
        let (sandbox, service) = set("");
        service.inject("/poll", 1, &Reply::json(200, &reply));
        let output = login(&sandbox).expect_code(1);
        assert!(output.stderr.contains("cannot be used"), "{reply}: {}", output.stderr);
        assert!(sandbox.files_with("svc_at").is_empty() && sandbox.files_with("canary").is_empty());
    }
}

#[test]
fn a_lost_answer_is_said_and_the_login_begins_again_with_another_page() {
    let (sandbox, service) = set("");
    service.drop_answers(1);
    let mut login = start(&sandbox);
    let first = pages(&mut login, 1).remove(0);
    service.visit(&first);
    let second = pages(&mut login, 2).remove(1);
    assert_ne!(field(&first, "state"), field(&second, "state"));
    assert_ne!(field(&first, "code_challenge"), field(&second, "code_challenge"));
    service.visit(&second);
    let output = login.wait().expect_success();
    assert!(output.stderr.contains("given only once"), "{}", output.stderr);
    assert_eq!(sandbox.token(), ACCESS);
}

#[test]
fn a_connection_that_breaks_before_the_person_is_done_loses_nothing() {
    let (sandbox, service) = set("pending = [202]");
    service.inject("/poll", 1, &Reply::Drop);
    service.inject("/poll", 1, &Reply::text(202, "application/json", "{}"));
    let mut login = start(&sandbox);
    service.visit(&pages(&mut login, 1).remove(0));
    let output = login.wait().expect_success();
    assert_eq!(output.stderr.matches("/cli/auth").count(), 1, "{}", output.stderr);
}

#[test]
fn a_wish_for_fewer_questions_is_met() {
    let (sandbox, service) = set("");
    let busy = Reply::json(429, &json!({})).with("Retry-After", "3");
    service.inject("/poll", 1, &busy);
    service.inject("/poll", 1, &Reply::json(200, &json!({ "access_token": ACCESS })));
    let begun = Instant::now();
    login(&sandbox).expect_success();
    assert!(begun.elapsed() >= Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[test]
fn names_and_places_of_another_service_are_those_of_its_file() {
    let (sandbox, service) = (Sandbox::new(), Service::start());
    let url = service.url();
    sandbox.write_provider(
        "acme",
        &format!(
            r#"format = 1
[login]
flow = "poll"
[poll]
page = "https://acme.example/cli/auth"
query = {{ s = "{{state}}", c = "{{challenge}}", from = "cli & co" }}
interval_secs = 1
state = "/phase"
pending = ["warming", 200]
[poll.retrieve]
url = "{url}/poll?k=v"
query = {{ id = "{{state}}" }}
body = {{ proof = {{ v = "{{verifier}}", kind = "S256", n = 1 }} }}
[poll.retrieve.reply]
access_token = "/data/0/idToken"
refresh_token = "/data/0/refreshToken"
expires_in = "/data/0/expiresIn"
subject = "/data/0/handle"
[oauth]
token_endpoint = "{url}/token"
client_id = "acme-cli"
[[target]]
url = "https://acme.example"
"#
        ),
    );
    service.inject("/poll", 1, &Reply::json(404, &json!({ "phase": "warming" })));
    let data = json!({"idToken": ACCESS, "refreshToken": REFRESH, "expiresIn": "900", "handle": "@ann\u{1b}[31m"});
    service.inject("/poll", 1, &Reply::json(201, &json!({ "data": [data] })));
    let mut login = start(&sandbox);
    let page = pages(&mut login, 1).remove(0);
    assert_eq!(
        (field(&page, "from").as_str(), field(&page, "c").len()),
        ("cli & co", 43)
    );
    let output = login.wait().expect_success();
    assert!(output.stderr.contains("as `@ann`"), "{}", output.stderr);
    assert!(output.stderr.contains("renewed by itself"), "{}", output.stderr);
    let polls = service.seen("/poll");
    assert_eq!(polls[0].query, format!("k=v&id={}", field(&page, "s")));
    let body: Value = serde_json::from_slice(&polls[0].body).unwrap();
    assert_eq!(
        (&body["proof"]["kind"], &body["proof"]["n"]),
        (&json!("S256"), &json!(1))
    );
}

#[test]
fn nothing_that_a_service_says_commands_the_terminal() {
    let evil = "A\u{1b}]0;title\u{7}\u{9b}2J\u{202e}\u{200b}B";
    for reply in [
        Reply::json(403, &json!({ "message": evil })),
        Reply::json(400, &json!({ "error": evil })),
        Reply::json(200, &json!({"access_token": ACCESS, "user": {"email": evil}})),
    ] {
        let (sandbox, service) = set("");
        service.inject("/poll", 1, &reply);
        let output = login(&sandbox);
        let bad = |c: &char| (c.is_control() && *c != '\n') || matches!(c, '\u{200b}'..='\u{202e}');
        let found: Vec<char> = output.stderr.chars().filter(bad).collect();
        // The marks around a service's words are ours.
        let found: Vec<&char> = found.iter().filter(|c| !"“”…".contains(**c)).collect();
        assert!(found.is_empty(), "{:?}", output.stderr);
    }
}
