//! myclaude, rows 4.13, 4.14 and 4.17 to 4.34: tokens of an hour, the variable, and what goes wrong.

use std::time::Duration;

use keyfob::time::Timestamp;
use serde_json::Value;

use super::ccp;
use super::client::request;
use super::family::{claims, jwt, now};
use super::found::holding;
use super::myclaude::{HANDLE, Myclaude, logged_in, login, set, set_with, sign_in};
use super::myclaude_store::MEMORY;
use super::program::Program;
use super::row::{Row, said};

const REFRESH: &str = "/api/cli/auth/refresh";

/// A session whose ID token has ended, and later ones live for an hour.
fn ended() -> (Program, Myclaude) {
    let (program, myclaude) = set();
    myclaude.life_secs(1);
    let mut running = program.call(&["login", "--no-browser"]).run.spawn();
    sign_in(&mut running, 1);
    running.wait().expect_success();
    myclaude.life_secs(3600);
    std::thread::sleep(Duration::from_millis(1100));
    (program, myclaude)
}

#[test]
fn row_4_14_who_one_is_is_no_secret_and_known_without_asking() {
    let mut row = Row::new(
        "4.14",
        "User id, address and handle are kept as plain text beside the session until a logout, and shown without asking.",
    );
    let (program, myclaude) = logged_in();
    let before = myclaude.all();
    let output = row.run(program.call(&["status"]));
    row.exit(&output, 0);
    for part in ["uid", "email", "identity"] {
        row.says(&output, part);
    }
    assert_eq!(myclaude.all(), before);
    let uid = format!("uid-{HANDLE}");
    assert!(!holding(&program, &uid).is_empty());
    program.done(&["logout"]);
    assert!(holding(&program, &uid).is_empty());
    row.saw(format!(
        "{} requests; after a logout no file has it",
        myclaude.all() - before
    ));
    row.held();
}

#[test]
fn row_4_17_an_id_token_is_fetched_when_it_is_needed() {
    let mut row = Row::new(
        "4.17",
        "Our rule: commands share the ID token that is kept; the one that finds it about to end renews it, without a word. \
         With `persist = \"refresh\"` in the file each asks for one of its own.",
    );
    let (program, myclaude) = logged_in();
    // What is renewed is in its last five minutes, or four: each process draws.
    for (age, when, expected) in [(0, "at first", 0), (3200, "later", 0), (200, "in its last minutes", 1)] {
        program.ages(age);
        let before = myclaude.seen(REFRESH).len();
        for _ in 0..3 {
            let output = row.run(program.call(&["print-access-token"]));
            assert_eq!((output.code(), output.stderr.as_str()), (0, ""));
        }
        let refreshes = myclaude.seen(REFRESH).len() - before;
        assert_eq!(refreshes, expected, "{when}");
        row.saw(format!("{when} 3 commands, {refreshes} refresh"));
    }
    let (program, myclaude) = set_with(&[MEMORY]);
    login(&mut row, program.call(&["login", "--no-browser"])).expect_success();
    for _ in 0..3 {
        let output = row.run(program.call(&["print-access-token"]));
        assert_eq!((output.code(), output.stderr.as_str()), (0, ""));
    }
    let refreshes = myclaude.seen(REFRESH).len();
    assert_eq!(refreshes, 3);
    row.saw(format!("without a cache 3 commands, {refreshes} refreshes"));
    row.held();
}

#[test]
fn row_4_18_many_at_once_send_one_request() {
    let mut row = Row::new(
        "4.18",
        "Processes that find the same ended token at once send one request; of tokens that still live, each process draws \
         when in the last five minutes it begins to renew, so that not all machines do at the same moment.",
    );
    let (program, myclaude) = ended();
    let runs: Vec<_> = (0..12)
        .map(|_| row.start(program.call(&["print-access-token"])))
        .collect();
    let mut secrets: Vec<String> = runs
        .into_iter()
        .map(|run| run.wait().expect_success().text().to_owned())
        .collect();
    secrets.dedup();
    let refreshes = myclaude.seen(REFRESH).len();
    assert_eq!((secrets.len(), refreshes), (1, 1));
    assert!(myclaude.families()[0].ended.is_none());
    row.saw(format!("12 at once: {refreshes} refresh, one token"));
    // Where one of two processes would renew, by its draw. That all of them do the same is once in a hundred million runs.
    let half_way = 270;
    let (mut renewals, tries) = (0, 30);
    for _ in 0..tries {
        program.ages(left(&program) - half_way);
        let before = myclaude.seen(REFRESH).len();
        program.done(&["print-access-token"]);
        renewals += myclaude.seen(REFRESH).len() - before;
    }
    assert!(0 < renewals && renewals < tries, "{renewals}");
    row.ran("myclaude print-access-token # four and a half minutes before the end");
    row.saw(format!(
        "of {tries} processes at the same distance some renew, and some do not"
    ));
    row.held();
}

/// The seconds until the kept ID token ends.
fn left(program: &Program) -> i64 {
    let place = program.sandbox.path().join(".myclaude/credentials");
    let text = std::fs::read_to_string(place).unwrap();
    let (_, rest) = text.split_once("\"expires_at\":").expect("it ends");
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap();
    rest[..end].parse::<i64>().unwrap() - now().cast_signed()
}

#[test]
fn row_4_19_a_network_error_ends_no_session() {
    let mut row = Row::new(
        "4.19",
        "Our rule: only the service's own no to the refresh token ends a session; a network error costs nothing.",
    );
    let (program, myclaude) = ended();
    myclaude.is_down(true);
    let output = row.run(program.call(&["print-access-token"]));
    row.exit(&output, 3);
    myclaude.is_down(false);
    assert!(!holding(&program, "canary-refresh").is_empty(), "the session is kept");
    row.saw("without a network the session is kept");
    // A lost answer may have rotated the token; it is not asked again at once.
    let (program, myclaude) = ended();
    myclaude.ends_all();
    let output = row.run(program.call(&["print-access-token"]));
    row.exit(&output, 2);
    row.says(&output, "has ended");
    assert!(holding(&program, "canary-refresh").is_empty());
    row.held();
}

#[test]
fn row_4_20_an_id_token_lives_for_an_hour() {
    let mut row = Row::new(
        "4.20",
        "An ID token lives for an hour, which `status` shows; after that there is another one, for an hour again.",
    );
    let (program, myclaude) = logged_in();
    let mut first = None;
    for refreshes in 0..2 {
        let token = program.done(&["print-access-token"]).text().trim_end().to_owned();
        assert_ne!(first.replace(token.clone()).as_ref(), Some(&token));
        let claims = claims(&token).unwrap();
        let end = claims["exp"].as_u64().unwrap();
        assert!((end - 3600..=end).contains(&now()), "{end}");
        let output = row.run(program.call(&["status", "--json"]));
        row.exit(&output, 0);
        let status: Value = serde_json::from_str(output.text()).unwrap();
        let shown = &status["sessions"][0]["expires"];
        // A renewal's life is counted from when it was asked for, a login's from when its page was done: a little before
        // the service's own clock or a little after.
        let mut ends = (end - 60..end + 60).map(|end| Timestamp::from_unix(end.cast_signed()).rfc3339());
        assert!(ends.any(|end| *shown == *end), "{shown}");
        assert_eq!(myclaude.seen(REFRESH).len(), refreshes);
        row.saw("the end that it shows is the token's own, an hour after it was given");
        program.ages(3600);
    }
    row.held();
}

#[test]
fn row_4_22_a_variable_is_the_way_of_ci() {
    let mut row = Row::new("4.22", "A job has its token in the variable, and no login.");
    let (program, myclaude) = set();
    let token = jwt(&serde_json::json!({"sub": HANDLE}), 1);
    let call = program
        .call(&["print-access-token"])
        .env("MYCLAUDE_TOKEN", &token)
        .env("CI", "true");
    let output = row.run(call);
    row.exit(&output, 0);
    assert_eq!(output.text().trim_end(), token);
    assert_eq!((output.stderr.as_str(), myclaude.all()), ("", 0));
    row.saw("the variable's token, and no request");
    row.held();
}

#[test]
fn row_4_25_whoami_tells_by_its_exit_code() {
    let mut row = Row::new(
        "4.25",
        "`whoami` ends with 0 where there is a session, with 2 where there is none.",
    );
    let (program, _myclaude) = logged_in();
    let output = row.run(program.call(&["whoami"]));
    row.exit(&output, 0);
    program.done(&["logout"]);
    let output = row.run(program.call(&["whoami"]));
    row.exit(&output, 2);
    let (program, myclaude) = logged_in();
    myclaude.is_down(true);
    let output = row.run(program.call(&["whoami"]));
    row.exit(&output, 3);
    row.saw("without a network");
    row.held();
}

#[test]
fn row_4_26_whoami_or_login_works_in_a_shell() {
    let mut row = Row::new(
        "4.26",
        "A shell logs in where `whoami` fails, and not where it does not.",
    );
    let (mut program, myclaude) = set();
    let visits = super::myclaude::browser(&mut program, 1);
    for _ in 0..2 {
        let output = row.run(program.shell("myclaude whoami || myclaude login"));
        row.exit(&output, 0);
    }
    assert_eq!(visits.join().unwrap().len(), 1);
    let sessions = myclaude.families().len();
    assert_eq!(sessions, 1);
    row.saw(format!("run twice, {sessions} login"));
    row.held();
}

#[test]
fn row_4_27_a_logout_forgets_here() {
    let mut row = Row::new(
        "4.27",
        "A logout forgets everything here. It tells a service that can end a session, unless `--local` forbids it; this one \
         cannot, and hears nothing.",
    );
    for args in [&["logout"][..], &["logout", "--local"]] {
        let (program, myclaude) = logged_in();
        let before = myclaude.all();
        let output = row.run(program.call(args));
        row.exit(&output, 0);
        assert_eq!(myclaude.all(), before);
        assert!(holding(&program, "canary").is_empty());
        row.saw(format!(
            "{} requests, and no file has anything of it",
            myclaude.all() - before
        ));
    }
    for (args, ended) in [
        (&["auth", "logout", "--local"][..], None),
        (&["auth", "logout"], Some("revoked")),
    ] {
        let (other, service) = ccp::logged_in();
        let output = row.run(other.call(args));
        row.exit(&output, 0);
        assert_eq!(service.families()[0].ended, ended);
        assert!(holding(&other, "canary").is_empty());
    }
    row.saw("at the service the first session lives, and the second is revoked");
    row.held();
}

#[test]
fn row_4_34_a_job_without_the_variable_is_told_its_name() {
    let mut row = Row::new(
        "4.34",
        "What works where a person is and fails in a job, because the variable is not set, says so.",
    );
    let (program, _myclaude) = set();
    let output = row.run(program.call(&["print-access-token"]).env("CI", "true"));
    row.exit(&output, 2);
    row.says(&output, "set MYCLAUDE_TOKEN");
    let output = program.call(&["print-access-token"]).run.run();
    assert!(!said(&output).contains("MYCLAUDE_TOKEN"));
    row.held();
}

#[test]
fn row_4_21_a_token_is_fetched_used_and_served() {
    let mut row = Row::new(
        "4.21",
        "A call reads the refresh token, gets an ID token for it, hands that out, and ends.",
    );
    let (program, myclaude) = ended();
    let output = row.run(program.call(&["print-access-token"]));
    row.exit(&output, 0);
    let (status, _) = request(
        "POST",
        &format!("{}/api/publish", myclaude.url()),
        output.text().trim_end(),
        &Value::Null,
    );
    assert_eq!((status, myclaude.seen(REFRESH).len()), (200, 1));
    row.saw(format!("one refresh; what publishes with it is answered with {status}"));
    row.held();
}
