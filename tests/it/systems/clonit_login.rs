//! clonit, rows 3.1 to 3.11: what a login is, and what is needed for it.

use super::clonit::{Clonit, EMAIL, browse, set};
use super::found::holding;
use super::program::{Call, Program};
use super::row::{Row, said};
use crate::run::Running;
use crate::sandbox::Output;

/// Logs in with `--no-browser`, and a phone on which the person approves.
pub fn login(row: &mut Row, clonit: &Clonit, call: Call) -> Output {
    let phone = clonit.phone();
    let output = row.run(call);
    phone.put_away();
    output
}

/// The access token that a program of the service is given.
pub fn token(program: &Program) -> String {
    program.done(&["print-access-token"]).text().trim_end().into()
}

#[test]
fn row_3_1_nothing_but_a_login_logs_in() {
    let mut row = Row::new(
        "3.1",
        "What needs no cloud works without a session. What needs one ends with a code and the command that helps, and a tool \
         gets nothing: none begins a login or asks the network.",
    );
    let (program, clonit) = set();
    for args in [
        &["shell-setup", "--shell", "bash"][..],
        &["config", "list"],
        &["list"],
        &["logout"],
    ] {
        let output = row.run(program.call(args));
        row.exit(&output, 0);
    }
    let export = &["export-access-token", "--shell", "bash"][..];
    for args in [
        &["print-access-token"][..],
        export,
        &["whoami"],
        &["status"],
        &["run", "--name", "T", "--", "true"],
    ] {
        let output = row.run(program.call(args));
        row.exit(&output, 2);
        assert!(
            said(&output).contains("run `clonit login`"),
            "{args:?}: {}",
            said(&output)
        );
    }
    row.saw("each of these names `clonit login`");
    let helper = format!("credential.helper=!'{}' git", program.sandbox.keyfob_path().display());
    let git = program.other("git", &["-c", &helper, "credential", "fill"]);
    let asks = format!("url={}/team.git\n\n", clonit.url());
    let output = git.run.stdin(asks).run();
    row.ran("echo url=https://cloud.clonit.ai/team.git | git credential fill");
    assert!(output.code() != 0 && output.stdout.is_empty(), "{}", said(&output));
    row.says(&output, "hint: run `keyfob login clonit`");
    assert_eq!(clonit.all(), 0);
    row.saw(format!("{} requests", clonit.all()));
    row.held();
}

#[test]
fn row_3_2_no_password_and_no_key_is_typed() {
    let mut row = Row::new(
        "3.2",
        "A login on a terminal asks for no password and no key; nothing is typed at all.",
    );
    let (program, clonit) = set();
    let output = login(&mut row, &clonit, program.typed(&["login", "--no-browser"], ""));
    row.exit(&output, 0);
    let text = said(&output).to_lowercase();
    let asks = ["password", "a token of", "not shown", "api key"];
    assert!(!asks.iter().any(|word| text.contains(word)), "{text}");
    row.says(&output, "Logged in");
    row.held();
}

#[test]
fn row_3_3_a_login_is_the_device_grant_at_the_auth_service() {
    let mut row = Row::new(
        "3.3",
        "A login asks one auth service for a device code and polls it with that, as RFC 8628 has it.",
    );
    let (program, clonit) = set();
    let output = login(&mut row, &clonit, program.call(&["login", "--no-browser"]));
    row.exit(&output, 0);
    let token = clonit.seen("/oauth/token");
    let fields = crate::http_server::form(&token[0].body);
    let grant = fields.iter().find(|(name, _)| name == "grant_type").unwrap();
    assert_eq!(grant.1, "urn:ietf:params:oauth:grant-type:device_code");
    let begun = clonit.seen("/oauth/device").len();
    assert_eq!(begun, 1);
    row.saw(format!("{begun} request for a code; polled with {}", grant.1));
    row.held();
}

#[test]
fn row_3_4_a_code_and_a_page_are_asked_for() {
    let mut row = Row::new(
        "3.4",
        "The service gives a short code and the page where it is entered.",
    );
    let (program, clonit) = set();
    let output = login(&mut row, &clonit, program.call(&["login", "--no-browser"]));
    row.exit(&output, 0);
    let device = &clonit.devices()[0];
    assert_eq!(device.client, "clonit-cli");
    row.says(&output, "/activate");
    row.says(&output, &device.user_code);
    row.held();
}

#[test]
fn row_3_5_code_and_page_are_shown_also_where_a_browser_opens() {
    let mut row = Row::new(
        "3.5",
        "Code and page are shown also where a browser is opened with them.",
    );
    let (mut program, clonit) = set();
    let opened = crate::device::browser(&mut program.sandbox);
    let output = login(&mut row, &clonit, program.call(&["login"]));
    row.exit(&output, 0);
    row.says(&output, "/activate");
    row.says(&output, "WDJB-MJH0");
    assert_eq!(opened(1).len(), 1);
    row.saw("a browser was opened");
    row.held();
}

#[test]
fn row_3_6_the_page_is_opened_unless_it_is_not_wanted() {
    let mut row = Row::new(
        "3.6",
        "The page is opened in the browser, and with `--no-browser` it is not.",
    );
    for (args, pages) in [(&["login"][..], 1), (&["login", "--no-browser"], 0)] {
        let (mut program, clonit) = set();
        let opened = crate::device::browser(&mut program.sandbox);
        let output = login(&mut row, &clonit, program.call(args));
        row.exit(&output, 0);
        let there = opened(pages);
        assert_eq!(there.len(), pages, "{args:?}");
        row.saw(format!("{} pages opened", there.len()));
    }
    row.held();
}

#[test]
fn row_3_7_the_person_signs_in_in_the_browser_with_the_companys_own_sign_in() {
    let mut row = Row::new(
        "3.7",
        "The person signs in and approves in the browser, over the company's own sign-in; the program sees none of it.",
    );
    let (program, clonit) = set();
    let mut running = row.start(program.call(&["login", "--no-browser"]));
    while running.is_running() && clonit.devices().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let device = clonit.devices()[0].clone();
    browse(&format!("{}/activate?code={}", clonit.auth_url(), device.user_code));
    let output = running.wait();
    row.exit(&output, 0);
    assert_eq!(
        clonit.visited(),
        ["the page for the code", "the company's sign-in", "the approval"]
    );
    row.saw(format!("the browser was at {}", clonit.visited().join(", ")));
    row.held();
}

#[test]
fn row_3_8_it_polls_until_the_approval_and_keeps_the_session() {
    let mut row = Row::new(
        "3.8",
        "It asks at the service's pace until the person has approved, five seconds slower from the moment when the service \
         says `slow_down`, and keeps the session then.",
    );
    let (program, clonit) = set();
    let mut running = row.start(program.call(&["login", "--no-browser"]));
    let asked = |running: &mut Running, times: usize| {
        while running.is_running() && clonit.seen("/oauth/token").len() < times {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    };
    asked(&mut running, 2);
    assert!(clonit.families().is_empty());
    assert!(holding(&program, "canary-refresh").is_empty());
    clonit.is_hurried();
    // Of a fast machine the third is told so, of a slow one perhaps a later one.
    let so_far = clonit.seen("/oauth/token").len();
    asked(&mut running, so_far + 1);
    let phone = clonit.phone();
    let output = running.wait();
    phone.put_away();
    row.exit(&output, 0);
    let pauses = clonit.pauses();
    let (slow, usual): (Vec<_>, Vec<_>) = pauses.iter().partition(|(_, slow)| *slow);
    assert!(
        !usual.is_empty() && usual.iter().all(|(pause, _)| pause.as_secs() >= 1),
        "{pauses:?}"
    );
    assert!(
        !slow.is_empty() && slow.iter().all(|(pause, _)| pause.as_secs() >= 6),
        "{pauses:?}"
    );
    row.saw("at least a second between two questions, and six after the `slow_down`");
    assert_eq!(clonit.subject(&token(&program)).as_deref(), Some(EMAIL));
    row.saw("asked before the approval, and again after it; the session is kept");
    row.held();
}

#[test]
fn row_3_9_the_program_has_no_sign_in_of_its_own() {
    let mut row = Row::new(
        "3.9",
        "The program offers no way to hand it a password: it shows a page of the auth service, and gets a session back.",
    );
    let (program, clonit) = set();
    let output = row.run(program.call(&["login", "--password", "x"]));
    row.exit(&output, 64);
    row.says(&output, "does not have");
    let output = login(&mut row, &clonit, program.call(&["login", "--no-browser"]));
    row.exit(&output, 0);
    let bodies: Vec<_> = clonit
        .seen("/oauth/token")
        .into_iter()
        .map(|request| request.body)
        .collect();
    let names = |body: &Vec<u8>| {
        let fields = crate::http_server::form(body);
        fields.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    let mut sent = names(&bodies[0]);
    sent.sort();
    assert_eq!(sent, ["client_id", "device_code", "grant_type"]);
    row.saw(format!("what it sends for a session: {}", sent.join(", ")));
    row.held();
}

#[test]
fn row_3_11_on_a_machine_without_a_browser_any_device_will_do() {
    let mut row = Row::new(
        "3.11",
        "Over SSH and in a shell without a display the page is opened on any other device; `--no-browser` says so, and \
         without the option it is noticed.",
    );
    let ssh = ("SSH_CONNECTION", "198.51.100.7 50000 203.0.113.5 22");
    for (args, variable, says) in [
        (&["login", "--no-browser"][..], None, "/activate"),
        (&["login"], Some(ssh), "the other end of SSH"),
        (&["login"], None, "there is no display for a browser"),
    ] {
        let (mut program, clonit) = set();
        let opened = crate::device::browser(&mut program.sandbox);
        if says.contains("display") {
            program.sandbox.unset("DISPLAY");
        }
        let call = program.call(args);
        let call = variable
            .into_iter()
            .fold(call, |call, (name, value)| call.env(name, value));
        let output = login(&mut row, &clonit, call);
        row.exit(&output, 0);
        row.says(&output, says);
        row.says(&output, "/activate");
        assert_eq!(opened(0), [""; 0], "{args:?}");
    }
    row.saw("no browser was opened");
    row.held();
}

#[test]
fn row_3_10_the_url_of_the_cloud_is_all_that_must_be_said() {
    let mut row = Row::new(
        "3.10",
        "`cloud.url` is all that a login needs; a person sets it once, and a variable names another one for one call.",
    );
    let (program, clonit) = set();
    let (own, other) = (Clonit::start(), Clonit::start());
    let output = login(&mut row, &clonit, program.call(&["login", "--no-browser"]));
    row.exit(&output, 0);
    assert_eq!(clonit.subject(&token(&program)).as_deref(), Some(EMAIL));
    program.done(&["logout"]);
    let call = program
        .call(&["login", "--no-browser"])
        .env("CLONIT_CLOUD_URL", own.url());
    let output = login(&mut row, &own, call);
    assert_eq!((own.families().len(), clonit.families().len()), (1, 1));
    row.exit(&output, 0);
    row.saw("a session of another cloud, from the variable");
    program.done(&["logout"]);
    let output = row.run(
        program
            .call(&["config", "set", "cloud.url", &other.url()])
            .hiding(&other.url()),
    );
    row.exit(&output, 0);
    let output = login(&mut row, &other, program.call(&["login", "--no-browser"]));
    row.exit(&output, 0);
    assert_eq!(other.families().len(), 1);
    row.saw("and of a third, from the setting");
    row.held();
}
