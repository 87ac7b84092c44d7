//! ccp, rows 0.1 to 0.14: logging in with a code from the mail, and out.

use super::ccp::{Ccp, EMAIL, logged_in, set};
use super::recorded::Session;
use super::row::{Row, said};

/// The path to which a request for a code goes, and the one that takes the code.
const SEND: &str = "/v1/auth/otp/send";
const VERIFY: &str = "/v1/auth/otp/verify";

#[test]
fn row_0_1_a_login_is_a_code_from_the_mail_and_no_password() {
    let mut row = Row::new(
        "0.1",
        "A code from the mail is the login; nobody is asked for a password.",
    );
    let (program, ccp) = set();
    let lines = format!("{EMAIL}\n{}\n", Ccp::next_code());
    let output = row.run(program.typed(&["auth", "login"], &lines));
    row.exit(&output, 0);
    assert!(!said(&output).to_lowercase().contains("password"), "{}", said(&output));
    assert_eq!(ccp.mails(), [(EMAIL.into(), Ccp::next_code().into())]);
    row.saw(format!("{} mail with a code, and one session", ccp.mails().len()));
    assert_eq!(ccp.families().len(), 1);
    row.held();
}

#[test]
fn row_0_3_a_login_asks_for_the_address_first() {
    let mut row = Row::new("0.3", "Without `--email` the address is the first question.");
    let (program, ccp) = set();
    let lines = format!("{EMAIL}\n{}\n", Ccp::next_code());
    let output = row.run(program.typed(&["auth", "login"], &lines));
    row.exit(&output, 0);
    row.says(&output, "Email: ");
    let text = said(&output);
    assert!(text.find("Email: ") < text.find("Code"), "{text}");
    assert_eq!(ccp.mails()[0].0, EMAIL);
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
