//! myclaude, rows 4.1 to 4.11 and 4.29 to 4.33: the page, the proof key, and the question.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::found::holding;
use super::myclaude::{HANDLE, Myclaude, SITE, browser, field, logged_in, login, set, set_with, shown, sign_in, visit};
use super::recorded::Session;
use super::row::{Row, said};
use crate::run::Running;

const POLL: &str = "/api/cli/auth/poll";

/// Starts with a page, so that the person is at it: the arguments of most rows.
const LOGIN: [&str; 2] = ["login", "--no-browser"];

#[test]
fn row_4_1_a_login_is_a_page_with_a_proof_key_and_no_password() {
    let mut row = Row::new(
        "4.1",
        "A login is a page in the browser, bound to the program by a proof key of S256; no password is typed here.",
    );
    let (program, myclaude) = set();
    let mut running = row.start(program.call(&LOGIN));
    let page = sign_in(&mut running, 1);
    let output = running.wait();
    row.exit(&output, 0);
    let polls = myclaude.bodies(POLL);
    let verifier = polls.last().unwrap()["codeVerifier"].as_str().unwrap();
    let hashed = BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()));
    assert_eq!(field(&page, "code_challenge"), hashed);
    assert!(!said(&output).to_lowercase().contains("password"));
    row.saw("the page's challenge is the SHA-256 of the verifier that was sent");
    row.says(&output, "Logged in");
    row.held();
}

#[test]
fn row_4_2_state_and_verifier_are_random_and_long() {
    let mut row = Row::new(
        "4.2",
        "Each login has a state and a verifier of 256 random bits, and the challenge of that.",
    );
    let (program, myclaude) = set();
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut running = row.start(program.call(&LOGIN));
        let page = sign_in(&mut running, 1);
        row.exit(&running.wait(), 0);
        let verifier = myclaude.bodies(POLL).pop().unwrap()["codeVerifier"].clone();
        let texts = [
            field(&page, "state"),
            field(&page, "code_challenge"),
            verifier.as_str().unwrap().into(),
        ];
        for text in texts {
            assert_eq!(BASE64URL_NOPAD.decode(text.as_bytes()).unwrap().len(), 32);
            assert!(!seen.contains(&text), "{text} twice");
            seen.push(text);
        }
    }
    row.saw(format!("{} texts of 32 bytes, all different", seen.len()));
    row.held();
}

#[test]
#[cfg(target_os = "linux")]
fn row_4_3_the_browser_gets_a_page_of_the_site_and_nobody_listens_here() {
    let mut row = Row::new(
        "4.3",
        "The page is the site's, with state and challenge in its address; the program opens no port.",
    );
    let (program, _myclaude) = set();
    let mut running = row.start(program.call(&LOGIN));
    let page = shown(&mut running, 1);
    let names: Vec<String> = crate::http_server::form(page.split_once('?').unwrap().1.as_bytes())
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["code_challenge", "state"]);
    // The sockets that listen, of which none may be among the program's.
    let tcp = std::fs::read_to_string(format!("/proc/{}/net/tcp", running.id())).unwrap();
    let listens: Vec<&str> = tcp
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.get(3) == Some(&"0A"))
        .map(|words| words[9])
        .collect();
    assert!(!listens.is_empty(), "the double's own is there");
    let files = std::fs::read_dir(format!("/proc/{}/fd", running.id()))
        .unwrap()
        .flatten();
    let sockets: Vec<String> = files
        .filter_map(|file| std::fs::read_link(file.path()).ok())
        .map(|link| link.display().to_string())
        .collect();
    let own = listens
        .iter()
        .filter(|inode| sockets.contains(&format!("socket:[{inode}]")))
        .count();
    assert_eq!(own, 0);
    visit(&page);
    let output = running.wait();
    row.exit(&output, 0);
    row.says(&output, "/cli/auth?");
    row.saw(format!("{own} ports are open"));
    row.held();
}

#[test]
fn row_4_4_the_person_signs_in_as_on_the_website() {
    let mut row = Row::new(
        "4.4",
        "Who the session speaks for is who is signed in on the website; the program asks for no name.",
    );
    let (program, myclaude) = set();
    for handle in [HANDLE, "bob-codes"] {
        myclaude.is_used_by(handle);
        let output = login(&mut row, program.call(&LOGIN));
        row.exit(&output, 0);
        row.says(&output, &format!("as `{handle}`"));
        program.done(&["logout"]);
    }
    row.held();
}

#[test]
fn row_4_5_the_page_hands_the_tokens_to_the_server() {
    let mut row = Row::new(
        "4.5",
        "It is the page that hands tokens and challenge to the service; nothing comes to the program but by its own question.",
    );
    let (program, myclaude) = set();
    let mut running = row.start(program.call(&LOGIN));
    let page = sign_in(&mut running, 1);
    let output = running.wait();
    row.exit(&output, 0);
    let posts = myclaude.bodies("/api/cli/auth/session");
    assert_eq!(posts.len(), 1);
    assert_eq!(
        posts[0]["codeChallenge"].as_str().unwrap(),
        field(&page, "code_challenge")
    );
    assert!(posts[0]["session"]["refreshToken"].is_string() && posts[0]["codeVerifier"].is_null());
    row.saw("one post of the page: state, challenge, session");
    row.held();
}

#[test]
fn row_4_6_the_program_asks_with_state_and_verifier() {
    let mut row = Row::new(
        "4.6",
        "The program asks with state and verifier, again and again, until the person is done.",
    );
    let (program, myclaude) = set();
    let mut running = row.start(program.call(&LOGIN));
    while running.is_running() && myclaude.seen(POLL).is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    sign_in(&mut running, 1);
    let output = running.wait();
    row.exit(&output, 0);
    let polls = myclaude.bodies(POLL);
    assert!(polls.len() >= 2);
    for poll in &polls {
        let names: Vec<&String> = poll.as_object().unwrap().keys().collect();
        assert_eq!(names, ["codeVerifier", "state"]);
    }
    row.saw("each question has codeVerifier and state, the first was too early");
    row.held();
}

#[test]
fn row_4_7_the_tokens_go_to_whoever_has_the_verifier() {
    let mut row = Row::new(
        "4.7",
        "The service gives the tokens only for a verifier whose SHA-256 is the challenge of the page.",
    );
    let (program, myclaude) = set();
    myclaude.holds(true);
    let mut running = row.start(program.call(&LOGIN));
    let page = sign_in(&mut running, 1);
    let before = asked(&myclaude, &mut running, 1);
    let (status, reply) = myclaude.poll(&field(&page, "state"), &field(&page, "code_challenge"));
    assert_eq!((status, &reply["idToken"]), (403, &Value::Null));
    row.saw(format!("while the program asks another verifier gets {status}"));
    // Its own question of a verifier, and one more of the program.
    asked(&myclaude, &mut running, before + 2);
    myclaude.holds(false);
    let output = running.wait();
    row.exit(&output, 0);
    let verifier = myclaude.bodies(POLL).pop().unwrap()["codeVerifier"].clone();
    let hashed = BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_str().unwrap().as_bytes()));
    assert_eq!(field(&page, "code_challenge"), hashed);
    row.says(&output, "Logged in");
    row.held();
}

/// Waits until the service was asked so many times; how often it was by then.
fn asked(myclaude: &Myclaude, running: &mut Running, times: usize) -> usize {
    loop {
        let seen = myclaude.seen(POLL).len();
        if seen >= times {
            return seen;
        }
        assert!(running.is_running(), "{}", running.stderr_so_far());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn row_4_8_a_state_alone_is_worth_nothing() {
    let mut row = Row::new(
        "4.8",
        "Whoever learns the state alone gets nothing with it, before the person is done and after, and does not hinder the \
         login.",
    );
    let (program, myclaude) = set();
    myclaude.holds(true);
    let mut running = row.start(program.call(&LOGIN));
    let page = shown(&mut running, 1);
    let thief = |verifier: &str| myclaude.poll(&field(&page, "state"), verifier);
    assert_eq!(thief(&"a".repeat(43)).0, 404);
    visit(&page);
    let before = asked(&myclaude, &mut running, 1);
    for verifier in ["", &"a".repeat(43), &field(&page, "state")] {
        let (status, reply) = thief(verifier);
        assert_eq!((status, &reply["idToken"]), (403, &Value::Null));
    }
    row.saw("three verifiers of a thief get 403 while the program asks");
    asked(&myclaude, &mut running, before + 4);
    myclaude.holds(false);
    let output = running.wait();
    row.exit(&output, 0);
    row.says(&output, "Logged in");
    row.held();
}

#[test]
fn row_4_9_the_verifier_goes_to_the_service_alone() {
    let mut row = Row::new(
        "4.9",
        "Our rule: the verifier leaves the program with the question alone, in a body and never in a URL; it is shown \
         nowhere, kept nowhere, and worth nothing after the answer.",
    );
    let (program, myclaude) = set();
    let mut running = row.start(program.call(&LOGIN));
    let page = sign_in(&mut running, 1);
    let output = running.wait();
    row.exit(&output, 0);
    let verifier = myclaude.bodies(POLL).pop().unwrap()["codeVerifier"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(!page.contains(&verifier) && !said(&output).contains(&verifier));
    assert!(holding(&program, &verifier).is_empty());
    assert!(myclaude.seen(POLL).iter().all(|request| request.query.is_empty()));
    let (status, _) = myclaude.poll(&field(&page, "state"), &verifier);
    assert_eq!(status, 404);
    row.saw(format!("in no URL, no message, no file; asked again with it: {status}"));
    row.held();
}

#[test]
fn row_4_10_a_success_names_the_handle_and_the_real_place() {
    let mut row = Row::new(
        "4.10",
        "A success names the handle, and the place where the session really is.",
    );
    let (program, _myclaude) = set();
    let output = login(&mut row, program.call(&LOGIN));
    row.exit(&output, 0);
    row.says(&output, HANDLE);
    let status: Value = serde_json::from_str(program.done(&["status", "--json"]).text()).unwrap();
    let place = status["sessions"][0]["place"].as_str().unwrap();
    assert!(said(&output).contains(place), "{}", said(&output));
    assert!(std::path::Path::new(place).exists());
    row.says(&output, place);
    row.saw("`status` names the same, and there is a file");
    row.held();
}

#[test]
fn row_4_11_whoever_has_no_account_gets_a_link() {
    let mut row = Row::new(
        "4.11",
        "`register` shows the page where an account is made, and does no more.",
    );
    let (program, myclaude) = set();
    let output = row.run(program.call(&["register", "--no-browser"]));
    row.exit(&output, 0);
    assert_eq!(output.text().lines().count(), 1);
    row.says(&output, "/signup");
    assert_eq!(myclaude.all(), 0);
    let (mut program, myclaude) = set();
    let opened = crate::device::browser(&mut program.sandbox);
    let output = row.run(program.call(&["register"]));
    row.exit(&output, 0);
    let page = opened(1)[0].replace(&myclaude.url(), SITE);
    row.saw(format!("a browser was opened with {page}"));
    row.held();
}

#[test]
fn row_4_29_what_was_given_once_is_not_given_again() {
    let mut row = Row::new(
        "4.29",
        "The service gives the tokens once. Where that answer is lost, the program says so and begins again.",
    );
    let (program, myclaude) = set();
    myclaude.loses(1);
    let mut running = row.start(program.call(&LOGIN));
    let first = sign_in(&mut running, 1);
    let second = sign_in(&mut running, 2);
    assert_ne!(field(&first, "state"), field(&second, "state"));
    let output = running.wait();
    row.exit(&output, 0);
    row.says(&output, "lost on the way");
    row.saw("another page, with another state");
    row.held();
}

#[test]
fn row_4_30_a_page_is_good_for_five_minutes() {
    let mut row = Row::new(
        "4.30",
        "A login has five minutes, which are shown; after its time it ends cleanly and names the next step.",
    );
    let (program, _myclaude) = set();
    let output = login(&mut row, program.call(&LOGIN));
    row.exit(&output, 0);
    let text = said(&output);
    assert!(text.contains("The page is good for 5 min"), "{text}");
    row.saw("five minutes are promised");
    let (program, myclaude) = set_with(&[("limit_secs = 300", "limit_secs = 2")]);
    let output = row.run(program.call(&LOGIN));
    row.exit(&output, 2);
    row.says(&output, "hint: ");
    assert!(myclaude.families().is_empty() && holding(&program, "canary").is_empty());
    row.held();
}

#[test]
fn row_4_32_the_page_is_shown_also_where_a_browser_opens() {
    let mut row = Row::new(
        "4.32",
        "The page stands on the terminal also where a browser was opened with it.",
    );
    let (mut program, _myclaude) = set();
    let visits = browser(&mut program, 1);
    let output = row.run(program.call(&["login"]));
    row.exit(&output, 0);
    let opened = visits.join().unwrap();
    assert!(said(&output).contains(&opened[0]));
    row.says(&output, "/cli/auth?");
    row.says(&output, "The page is being opened");
    row.held();
}

#[test]
fn row_4_33_another_account_needs_no_logout() {
    let mut row = Row::new(
        "4.33",
        "A session of the wrong account is left with a logout and a login. Where its place has room for more, both accounts \
         have a session, and each is named.",
    );
    let (program, myclaude) = logged_in();
    let output = row.run(program.call(&["whoami"]));
    row.says(&output, HANDLE);
    myclaude.is_used_by("bob-codes");
    let output = row.run(program.call(&["logout"]));
    row.exit(&output, 0);
    let output = login(&mut row, program.call(&LOGIN));
    row.exit(&output, 0);
    row.says(&output, "bob-codes");
    let (program, myclaude) = set_with(&[("~/.myclaude/credentials", "~/.myclaude/{account}")]);
    for handle in ["bob-codes", HANDLE] {
        myclaude.is_used_by(handle);
        let output = login(&mut row, program.call(&LOGIN));
        row.exit(&output, 0);
    }
    for handle in ["bob-codes", HANDLE] {
        let output = row.run(program.call(&["whoami", "--account", handle]));
        assert_eq!(output.text().lines().next(), Some(handle));
        row.says(&output, handle);
    }
    row.held();
}

#[test]
fn a_person_logs_in_where_there_is_no_session() {
    let (mut program, _myclaude) = set();
    let visits = browser(&mut program, 1);
    let session = Session {
        place: 1,
        title: "Log in unless there is a session",
        lines: &[
            "myclaude whoami || myclaude login",
            "myclaude whoami || myclaude login",
            "myclaude status | head -4",
            "myclaude logout",
        ],
        hidden: &[],
    };
    session.held(&program);
    assert_eq!(visits.join().unwrap().len(), 1);
}
