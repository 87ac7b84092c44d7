//! clonit, rows 3.12 to 3.26: the session, what a login finds out by itself, and what goes wrong.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::client::request;
use super::clonit::{Clonit, EMAIL, logged_in, set};
use super::clonit_login::{login, token};
use super::found::holding;
use super::program::{Program, until};
use super::recorded::Session;
use super::row::{Row, said};

/// The session's file, below the home.
const CREDENTIALS: &str = ".config/clonit/credentials.json";

#[test]
fn row_3_12_whoami_shows_who_one_is_and_asks_whether_it_is_still_so() {
    let mut row = Row::new(
        "3.12",
        "`whoami` shows the identity, and asks the service whether the session still works.",
    );
    let (program, clonit) = logged_in();
    let before = clonit.seen("/oauth/userinfo").len();
    let output = row.run(program.call(&["whoami"]));
    row.exit(&output, 0);
    row.says(&output, EMAIL);
    assert_eq!(clonit.seen("/oauth/userinfo").len(), before + 1);
    clonit.ends_all();
    let output = row.run(program.call(&["whoami"]));
    row.exit(&output, 2);
    row.says(&output, "refuses");
    row.held();
}

#[test]
fn row_3_13_a_logout_clears_the_session() {
    let mut row = Row::new(
        "3.13",
        "A logout clears the session; what needs the cloud needs another login then.",
    );
    let (program, clonit) = logged_in();
    let output = row.run(program.call(&["logout"]));
    row.exit(&output, 0);
    assert_eq!(clonit.families()[0].ended, Some("revoked"));
    let output = row.run(program.call(&["print-access-token"]));
    row.exit(&output, 2);
    row.says(&output, "hint: ");
    assert!(holding(&program, "canary").is_empty());
    row.held();
}

#[test]
fn row_3_16_a_session_is_renewed_by_itself() {
    let mut row = Row::new(
        "3.16",
        "An access token that has ended is renewed by the next call; nobody logs in again.",
    );
    let (program, clonit) = set();
    clonit.life_secs(1);
    let phone = clonit.phone();
    program.done(&["login", "--no-browser"]);
    phone.put_away();
    clonit.life_secs(3600);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let output = row.run(program.call(&["print-access-token"]));
    row.exit(&output, 0);
    let url = format!("{}/api/v1/snapshots", clonit.url());
    let (status, _) = request("GET", &url, output.text().trim_end(), &Value::Null);
    assert_eq!(status, 200);
    let family = &clonit.families()[0];
    assert_eq!((family.refresh.len(), clonit.families().len()), (2, 1));
    row.saw(format!("one refresh, no login; the cloud answers {status}"));
    row.held();
}

#[test]
fn row_3_17_the_auth_service_can_be_pinned() {
    let mut row = Row::new(
        "3.17",
        "`--auth-url` names the auth service, and the cloud is not asked for it.",
    );
    let (program, clonit) = set();
    let url = clonit.auth_url();
    let call = program.call(&["login", "--no-browser", "--auth-url", &url, "--client-id", "clonit-cli"]);
    let output = login(&mut row, &clonit, call);
    row.exit(&output, 0);
    assert!(clonit.seen("/.well-known/clonit.json").is_empty());
    assert_eq!(clonit.subject(&token(&program)).as_deref(), Some(EMAIL));
    row.saw("the cloud's document was not asked for");
    row.held();
}

#[test]
fn row_3_18_the_client_can_be_pinned() {
    let mut row = Row::new(
        "3.18",
        "`--client-id` names the client, and the cloud's word for it does not count.",
    );
    let (program, clonit) = set();
    let output = login(
        &mut row,
        &clonit,
        program.call(&["login", "--no-browser", "--client-id", "acme-own"]),
    );
    row.exit(&output, 0);
    let device = &clonit.devices()[0];
    assert_eq!(device.client, "acme-own");
    row.saw(format!("the client of the login is {}", device.client));
    row.held();
}

#[test]
fn row_3_19_a_scope_more_can_be_asked_for() {
    let mut row = Row::new("3.19", "`--scope` asks for one more than the file does.");
    let (program, clonit) = set();
    let output = login(
        &mut row,
        &clonit,
        program.call(&["login", "--no-browser", "--scope", "snapshots:share"]),
    );
    row.exit(&output, 0);
    let scope = clonit.devices()[0].scope.clone();
    assert_eq!(scope, "openid offline_access snapshots:share");
    row.saw(format!("asked for: {scope}"));
    let status: Value = serde_json::from_str(program.done(&["status", "--json"]).text()).unwrap();
    assert!(status["sessions"][0]["scopes"].to_string().contains("snapshots:share"));
    row.held();
}

#[test]
fn row_3_20_everything_is_found_from_the_url_of_the_cloud() {
    let mut row = Row::new(
        "3.20",
        "Auth service, client and endpoints are found from the one URL; the options are for pinning them.",
    );
    let (program, clonit) = set();
    let output = login(&mut row, &clonit, program.call(&["login", "--no-browser"]));
    row.exit(&output, 0);
    row.says(&output, "as its issuer");
    for path in ["/.well-known/clonit.json", "/.well-known/openid-configuration"] {
        let count = clonit.seen(path).len();
        assert_eq!(count, 1, "{path}");
        row.saw(format!("{path} was asked for once"));
    }
    assert_eq!(clonit.devices()[0].client, "clonit-cli");
    row.held();
}

#[test]
fn row_3_21_a_login_is_for_people() {
    let mut row = Row::new(
        "3.21",
        "A tool never begins a login: without a session it gets nothing, at once, and the command for a person is named.",
    );
    let (program, clonit) = set();
    let request = format!("url={}/api/v1/snapshots\n", clonit.url());
    let run = program.sandbox.keyfob(&["get"]).stdin(request);
    row.ran("keyfob get");
    let output = run.env("CI", "true").run();
    row.exit(&output, 2);
    row.says(&output, "hint: ");
    assert!(output.text().is_empty() && clonit.all() == 0);
    row.saw(format!("{} requests", clonit.all()));
    row.held();
}

#[test]
fn row_3_22_a_cloud_that_is_not_named_is_told_with_how_to_name_it() {
    let mut row = Row::new(
        "3.22",
        "Where no cloud is named, the message says which setting lacks, and how it is set.",
    );
    let program = Program::new("clonit", &[]);
    let output = row.run(program.call(&["login", "--no-browser"]));
    row.exit(&output, 64);
    row.says(&output, "`cloud.url` is not set");
    row.says(&output, "clonit config set cloud.url https://");
    row.held();
}

#[test]
fn row_3_23_a_browser_that_does_not_open_is_no_hindrance() {
    let mut row = Row::new(
        "3.23",
        "Where the browser does not open, it is said, and the page stands there to be copied.",
    );
    let (program, clonit) = set();
    let call = program.call(&["login"]).env("BROWSER", "/nowhere/browser");
    let call = call.env("PATH", "/nowhere");
    let output = login(&mut row, &clonit, call);
    row.exit(&output, 0);
    row.says(&output, "No browser was opened");
    row.says(&output, "/activate");
    row.held();
}

#[test]
#[cfg(target_os = "linux")]
fn row_3_24_a_code_that_has_expired_is_followed_by_a_fresh_one() {
    let mut row = Row::new(
        "3.24",
        "Where the code has expired, a person on a terminal gets a fresh one with Enter; elsewhere the message names the \
         command for it, which works.",
    );
    let (mut program, clonit) = set();
    clonit.code_secs(1);
    let output = row.run(program.call(&["login", "--no-browser"]));
    row.exit(&output, 2);
    row.says(&output, "expired");
    row.says(&output, "hint: ");
    clonit.code_secs(600);
    let output = login(&mut row, &clonit, program.call(&["login", "--no-browser"]));
    row.exit(&output, 0);
    row.says(&output, "WDJB-MJH1");
    program.done(&["logout"]);
    clonit.code_secs(1);
    program.sandbox.set("TERM", "xterm");
    let mut terminal = program.terminal("clonit login --no-browser");
    terminal.shows("Press Enter for a fresh one");
    clonit.code_secs(600);
    let phone = clonit.phone();
    terminal.types("");
    let output = terminal.ends();
    assert_eq!(phone.put_away(), 1);
    row.ran("clonit login --no-browser");
    row.exit(&output, 0);
    let text = said(&output);
    let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("no {part}: {text}"));
    assert!(at("WDJB-MJH2") < at("Press Enter") && at("Press Enter") < at("WDJB-MJH3"));
    row.saw("“The code has expired. Press Enter for a fresh one”, and after that WDJB-MJH3");
    assert!(text.contains("Logged in to Clonit Cloud as"), "{text}");
    let codes = clonit.devices().len();
    assert_eq!(codes, 4);
    row.saw(format!("{codes} codes of all three logins"));
    row.held();
}

#[test]
#[cfg(target_os = "linux")]
fn row_3_25_how_long_a_code_lives_is_shown() {
    let mut row = Row::new(
        "3.25",
        "A code lives as short as the service says; a terminal shows what is left of it, and elsewhere a line says it.",
    );
    let (mut program, clonit) = set();
    clonit.code_secs(90);
    let output = login(&mut row, &clonit, program.call(&["login", "--no-browser"]));
    row.exit(&output, 0);
    row.says(&output, "at most");
    program.sandbox.set("TERM", "xterm");
    let mut terminal = program.terminal("clonit login --no-browser");
    terminal.shows(" left");
    let lives = |text: &str| {
        let mut lives: Vec<String> = text
            .split(" left")
            .filter_map(|before| before.rsplit(' ').next())
            .filter(|life| life.len() == 4 && life.as_bytes()[1] == b':')
            .map(str::to_owned)
            .collect();
        lives.dedup();
        lives
    };
    let seen = until("another life", || {
        Some(lives(&terminal.so_far())).filter(|lives| lives.len() > 1)
    });
    assert!(seen[0] > seen[1] && seen[0].as_str() <= "1:30", "{seen:?}");
    let phone = clonit.phone();
    let output = terminal.ends();
    phone.put_away();
    row.ran("clonit login --no-browser");
    row.exit(&output, 0);
    row.saw("on a terminal the seconds count down from a minute and a half");
    row.held();
}

#[test]
fn row_3_26_a_session_that_was_cleared_and_one_that_ended_are_told_apart() {
    let mut row = Row::new(
        "3.26",
        "Without a session `whoami` says whether there is none, or one that has ended for good; both name the login.",
    );
    let (program, clonit) = logged_in();
    program.done(&["logout"]);
    let output = row.run(program.call(&["whoami"]));
    row.exit(&output, 2);
    row.says(&output, "there is no session");
    clonit.life_secs(1);
    let phone = clonit.phone();
    program.done(&["login", "--no-browser"]);
    phone.put_away();
    clonit.ends_all();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let output = row.run(program.call(&["whoami"]));
    row.exit(&output, 2);
    row.says(&output, "has ended");
    row.says(&output, "hint: ");
    row.held();
}

#[test]
fn a_person_without_a_browser_logs_in_on_another_device() {
    let (program, clonit) = set();
    let phone = clonit.phone();
    let session = Session {
        place: 1,
        title: "A login on a machine without a browser",
        lines: &[
            "clonit whoami; echo $?",
            "clonit login --no-browser",
            "clonit whoami",
            "clonit logout",
        ],
        hidden: &[],
    };
    session.held(&program);
    assert_eq!(phone.put_away(), 1);
}

#[test]
fn row_3_14_a_session_is_an_access_and_a_refresh_token_in_one_file() {
    let mut row = Row::new(
        "3.14",
        "A session is an access token and a refresh token, in the one file that the program has for it.",
    );
    let (program, _clonit) = logged_in();
    let output = row.run(program.call(&["status"]));
    row.exit(&output, 0);
    row.says(&output, ".config/clonit/credentials.json");
    let text = std::fs::read_to_string(program.sandbox.path().join(CREDENTIALS)).unwrap();
    assert!(text.contains("canary-refresh") && text.contains("eyJ"));
    for token in ["canary-refresh", "eyJ"] {
        assert_eq!(holding(&program, token).len(), 1, "{token}");
    }
    row.saw("both tokens are in it, and in no other file");
    row.held();
}

#[test]
fn row_3_15_the_session_is_private_and_apart_from_the_configuration() {
    let mut row = Row::new(
        "3.15",
        "The file of the session can be read by its owner alone; the configuration, which may be shared, has no secret.",
    );
    let (program, _clonit) = logged_in();
    let mode = std::fs::metadata(program.sandbox.path().join(CREDENTIALS))
        .unwrap()
        .permissions()
        .mode()
        & 0o777;
    assert_eq!(mode, 0o600);
    row.ran("clonit login --no-browser");
    row.saw(format!("the session has mode {mode:04o}"));
    let config = program.sandbox.keyfob_home().join("config");
    let secrets = [holding(&program, "canary"), holding(&program, "eyJ")].concat();
    assert!(secrets.iter().all(|path| !path.starts_with(&config)), "{secrets:?}");
    row.saw("no file of the configuration has a token");
    row.held();
}

/// Whether a program of another cloud's session gets this one's: it does not.
#[test]
fn a_session_of_another_cloud_is_no_answer_for_this_one() {
    let (program, clonit) = logged_in();
    let own = Clonit::start();
    let url = format!("url={}/api/v1/snapshots\n", own.url());
    let output = program.sandbox.keyfob(&["get"]).stdin(url).run();
    assert!(output.text().is_empty(), "a token of one cloud goes to another");
    assert_eq!(own.all(), 0);
    drop(clonit);
}
