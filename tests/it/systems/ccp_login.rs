//! ccp, rows 0.1 to 0.14: logging in with a code from the mail, and out.

use super::ccp::{Ccp, EMAIL, logged_in, set};
use super::found::holding;
use super::keychain::{self, Keychain};
use super::program::Program;
use super::recorded::Session;
use super::row::{Row, root, said};
use crate::sandbox::Output;

/// The path to which a request for a code goes, and the one that takes the code.
const SEND: &str = "/v1/auth/otp/send";
const VERIFY: &str = "/v1/auth/otp/verify";

/// A login of which a person types address and code.
fn typed(row: &mut Row) -> (Program, Ccp, Output) {
    let (program, ccp) = set();
    let lines = format!("{EMAIL}\n{}\n", Ccp::next_code());
    let output = row.run(program.typed(&["auth", "login"], &lines));
    row.exit(&output, 0);
    (program, ccp, output)
}

#[test]
fn row_0_1_a_login_is_a_code_from_the_mail_and_no_password() {
    let mut row = Row::new(
        "0.1",
        "A code from the mail is the login; nobody is asked for a password.",
    );
    let (_program, ccp, output) = typed(&mut row);
    assert!(!said(&output).to_lowercase().contains("password"), "{}", said(&output));
    assert_eq!(ccp.mails(), [(EMAIL.into(), Ccp::next_code().into())]);
    assert_eq!(ccp.families().len(), 1);
    row.saw(format!(
        "{} mail with a code, and {} session",
        ccp.mails().len(),
        ccp.families().len()
    ));
    row.held();
}

#[test]
fn row_0_2_a_session_is_under_the_key_of_the_keychain() {
    let mut row = Row::new(
        "0.2",
        "Where the platform's keychain answers it holds the key, and the session is sealed with it.",
    );
    let (program, ccp) = set();
    let code = ccp.issue(EMAIL);
    let line = format!("ccp auth login --email {EMAIL} --code {code} && ccp auth print-access-token > token");
    // What the keychain has of keyfob, without what it holds.
    let looks = "secret-tool search --all service keyfob 2>/dev/null | grep -c ^label > items";
    let shows = program.sandbox.program("sh", &["-c", "command -v secret-tool"]).run();
    let beside = keychain::call(&program, Keychain::Open, &format!("{line} && {looks}"));
    let Some(mut call) = beside.filter(|_| shows.code() == 0) else {
        return row.skipped("a session under the key of a keychain");
    };
    call.shown = line;
    let output = row.run(call.hiding(&code));
    row.exit(&output, 0);
    row.says(&output, "Kept in the store `sealed`");
    let token = std::fs::read_to_string(program.sandbox.path().join("token")).unwrap();
    assert_eq!(ccp.subject(token.trim_end()).as_deref(), Some(EMAIL));
    std::fs::remove_file(program.sandbox.path().join("token")).unwrap();
    let plain = holding(&program, "canary");
    assert!(plain.is_empty(), "{plain:?}");
    row.saw(format!("{} files with a readable token", plain.len()));
    let items = std::fs::read_to_string(program.sandbox.path().join("items")).unwrap();
    assert_eq!(items, "1\n");
    row.saw("the keychain has 1 item of keyfob");
    row.held();
}

#[test]
fn row_0_3_a_login_asks_for_the_address_first() {
    let mut row = Row::new("0.3", "Without `--email` the address is the first question.");
    let (_program, ccp, output) = typed(&mut row);
    let text = said(&output);
    assert!(text.find("Email: ") < text.find("Code (r sends another): "), "{text}");
    row.says(&output, "Email: ");
    assert_eq!(ccp.mails()[0].0, EMAIL);
    row.held();
}

#[test]
fn row_0_4_a_login_says_to_whom_a_code_is_sent() {
    let mut row = Row::new(
        "0.4",
        "While a code is being sent, a line says so and names the address.",
    );
    let (_program, _ccp, output) = typed(&mut row);
    row.says(&output, "Sending a code to ann@acme.example");
    row.held();
}

#[test]
fn row_0_5_a_login_says_where_to_look_for_the_code() {
    let mut row = Row::new("0.5", "Then a line says where to look for it.");
    let (_program, _ccp, output) = typed(&mut row);
    row.says(&output, "Look for a code in the mail of ann@acme.example");
    row.held();
}

#[test]
fn row_0_6_a_code_may_be_pasted_with_what_is_between() {
    let mut row = Row::new(
        "0.6",
        "The code is asked for, and taken as it was pasted: spaces and dashes do not matter.",
    );
    let (program, ccp) = set();
    let code = Ccp::next_code().replace('-', "");
    let (a, b) = code.split_at(4);
    let output = row.run(program.typed(&["auth", "login"], &format!("{EMAIL}\n {a} {b}-\n")));
    row.exit(&output, 0);
    assert!(said(&output).contains("Code (r sends another): "), "{}", said(&output));
    assert_eq!((ccp.count(SEND), ccp.count(VERIFY)), (1, 1));
    row.saw(format!(
        "the code with a space in it was taken at the {}. try",
        ccp.count(VERIFY)
    ));
    row.held();
}

#[test]
fn row_0_7_a_line_with_a_sign_says_that_it_is_done() {
    let mut row = Row::new(
        "0.7",
        "One line says that the login is done, with a sign on a terminal that can show it and without one elsewhere; \
         where the session is and until when follows.",
    );
    let (program, ccp) = set();
    let typed = format!("{EMAIL}\n{}\n", Ccp::next_code());
    let call = program.typed(&["auth", "login"], &typed).env("LC_ALL", "C.UTF-8");
    let output = row.run(call.env("TERM", "xterm"));
    row.exit(&output, 0);
    row.says(&output, "\u{2713} Logged in to CCP as `ann@acme.example`.");
    let code = ccp.issue(EMAIL);
    let call = program.call(&["auth", "login", "--email", EMAIL, "--code", &code]);
    let plain = row.run(call.hiding(&code));
    assert!(plain.stderr.is_ascii(), "{}", plain.stderr);
    row.says(&plain, "Logged in to CCP as `ann@acme.example`.");
    row.held();
}

#[test]
fn row_0_8_an_address_on_the_command_line_is_not_asked_for() {
    let mut row = Row::new("0.8", "With `--email` the address is not asked for.");
    let (program, ccp) = set();
    let args = ["auth", "login", "--email", EMAIL];
    let output = row.run(program.typed(&args, &format!("{}\n", Ccp::next_code())));
    row.exit(&output, 0);
    assert!(!said(&output).contains("Email: "), "{}", said(&output));
    assert_eq!(ccp.mails()[0].0, EMAIL);
    row.saw(format!(
        "no question for it; {} code was sent to {EMAIL}",
        ccp.mails().len()
    ));
    row.held();
}

#[test]
fn row_0_9_a_login_without_a_person_needs_address_and_code() {
    let mut row = Row::new(
        "0.9",
        "Without a terminal a login needs both; one of them alone is an error of usage that names the other.",
    );
    let (program, ccp) = set();
    for (args, says) in [
        (&["auth", "login", "--code", "000000"][..], "`--code` needs `--email`"),
        (&["auth", "login", "--email", EMAIL], "--email ADDRESS --code CODE"),
    ] {
        let output = row.run(program.call(args));
        row.exit(&output, 64);
        row.says(&output, says);
    }
    assert_eq!((ccp.count(SEND), ccp.count(VERIFY)), (0, 0));
    row.held();
}

#[test]
fn row_0_10_a_given_code_has_none_sent() {
    let mut row = Row::new(
        "0.10",
        "With `--code` no code is sent: the address has one already, and that one is taken.",
    );
    let (program, ccp) = set();
    let code = ccp.issue(EMAIL);
    let call = program.call(&["auth", "login", "--email", EMAIL, "--code", &code]);
    let output = row.run(call.hiding(&code));
    row.exit(&output, 0);
    assert_eq!((ccp.count(SEND), ccp.count(VERIFY)), (0, 1));
    row.saw(format!(
        "{} requests to send one, {} to take it",
        ccp.count(SEND),
        ccp.count(VERIFY)
    ));
    row.held();
}

#[test]
fn row_0_11_a_job_or_an_agent_logs_in_by_a_script() {
    let mut row = Row::new(
        "0.11",
        "A CI job, a virtual machine or an agent logs in without a terminal, with the code on standard input too.",
    );
    let (program, ccp) = set();
    let code = ccp.issue(EMAIL);
    let call = program.call(&["auth", "login", "--email", EMAIL, "--code", "-"]);
    let output = row.run(call.stdin(&code).env("CI", "true"));
    row.exit(&output, 0);
    row.says(&output, "Logged in to CCP as");
    let token = program
        .done(&["auth", "print-access-token"])
        .text()
        .trim_end()
        .to_owned();
    row.saw(format!("its token speaks for {}", ccp.subject(&token).unwrap()));
    row.held();
}

#[test]
fn row_0_12_a_token_in_a_variable_is_the_session_of_a_headless_machine() {
    let mut row = Row::new(
        "0.12",
        "`CCP_SESSION_TOKEN` is the session where nobody can log in; it is used as it is, and nothing is kept.",
    );
    let (program, ccp) = logged_in();
    let token = program
        .done(&["auth", "print-access-token"])
        .text()
        .trim_end()
        .to_owned();
    std::fs::remove_dir_all(program.sandbox.keyfob_home().join("data")).unwrap();
    let call = program
        .call(&["auth", "whoami"])
        .env("CCP_SESSION_TOKEN", token.as_str());
    let output = row.run(call);
    row.exit(&output, 0);
    row.says(&output, &ccp.subject(&token).unwrap());
    let left = program.sandbox.files_with("canary");
    assert!(left.is_empty(), "{left:?}");
    row.saw(format!("{} files hold something of it", left.len()));
    row.held();
}

#[test]
fn row_0_13_headless_use_has_a_page_of_its_own_whose_lines_run() {
    let mut row = Row::new(
        "0.13",
        "There is a page on headless use, and what it says to run is run here.",
    );
    let (program, ccp) = logged_in();
    let page = std::fs::read_to_string(root().join("docs/headless.md")).unwrap();
    let blocks: Vec<&str> = page
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(blocks.len() >= 3, "{}", blocks.len());
    let token = program
        .done(&["auth", "print-access-token"])
        .text()
        .trim_end()
        .to_owned();
    for block in &blocks {
        let code = ccp.issue(EMAIL);
        let script = format!("set -eu\n{block}")
            .replace("you@acme.example", EMAIL)
            .replace("123456", &code);
        let run = program
            .shell(&script)
            .run
            .env("SAVED_TOKEN", token.as_str())
            .env("SHELL", "/bin/bash");
        run.run().expect_success();
    }
    row.ran("sh < docs/headless.md");
    row.saw(format!("exit 0 of each of its {} blocks", blocks.len()));
    row.held();
}

#[test]
fn row_0_14_a_logout_ends_the_session_and_forgets_it() {
    let mut row = Row::new(
        "0.14",
        "A logout ends the session at the service, and leaves nothing of it here.",
    );
    let (program, ccp) = logged_in();
    let output = row.run(program.call(&["auth", "logout"]));
    row.exit(&output, 0);
    let family = &ccp.families()[0];
    assert_eq!(family.ended, Some("revoked"));
    let left = program.sandbox.files_with("canary");
    assert!(left.is_empty(), "{left:?}");
    row.saw(format!(
        "the session is {}, and {} files hold something of it",
        family.ended.unwrap(),
        left.len()
    ));
    row.held();
}

#[test]
fn a_person_logs_in_with_a_code_and_a_script_with_the_session() {
    let (program, ccp) = set();
    let code = ccp.issue(EMAIL);
    let session = Session {
        place: 1,
        title: "A code that was sent before, and a token for a script",
        lines: &[
            &format!("ccp auth login --email {EMAIL} --code {code}"),
            "eval $(ccp auth export-access-token)",
            "echo ${TOKEN:+the token is in TOKEN}",
        ],
        hidden: &[(&code, "123456")],
    };
    session.held(&program);
}
