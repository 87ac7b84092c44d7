//! cmdop, rows 1.1 to 1.9: logging in with a browser, and where the session is.

use super::cmdop::{EMAIL, logged_in, set};
use super::person::Person;
use super::recorded::Session;
use super::row::{Row, said};

#[test]
fn row_1_1_a_login_opens_the_consent_page_in_a_browser() {
    let mut row = Row::new(
        "1.1",
        "A login opens the service's consent page in the browser of this machine.",
    );
    let (mut program, prod, _dev) = set();
    let person = Person::sits_down(&mut program);
    let output = row.run(program.call(&["login"]));
    row.exit(&output, 0);
    row.says(&output, "/oauth/authorize");
    assert_eq!((person.leaves(), prod.count("/oauth/authorize")), (1, 1));
    row.saw("one page was opened");
    row.held();
}

#[test]
fn row_1_2_the_approval_becomes_a_token_here() {
    let mut row = Row::new(
        "1.2",
        "When the person has approved, the program has the token, and nobody copied it.",
    );
    let (mut program, prod, _dev) = set();
    let person = Person::sits_down(&mut program);
    let output = row.run(program.call(&["login"]));
    row.exit(&output, 0);
    person.leaves();
    let token = program.done(&["print-access-token"]).text().trim_end().to_owned();
    assert_eq!(prod.subject(&token).as_deref(), Some(EMAIL));
    assert!(!said(&output).contains(&token));
    row.says(&output, "Logged in");
    row.saw(format!("the token speaks for {EMAIL}"));
    row.held();
}

#[test]
fn row_1_3_the_accounts_own_workspace_is_in_use_after_the_login() {
    let mut row = Row::new(
        "1.3",
        "The workspace that the account has as its default is in use after the login.",
    );
    let (program, _prod, _dev) = logged_in();
    let output = row.run(program.call(&["workspace"]));
    row.exit(&output, 0);
    assert_eq!(output.text(), "acme-prod\n");
    row.says(&output, "acme-prod");
    row.held();
}

#[test]
fn a_person_logs_in_and_looks_and_goes_to_the_other_mode() {
    let (mut program, _prod, _dev) = set();
    let person = Person::sits_down(&mut program);
    let session = Session {
        place: 1,
        title: "A login in the browser, and the other mode",
        lines: &[
            "cmdop login && cmdop auth status",
            "cmdop mode toggle || cmdop login",
            "cmdop mode toggle",
            "cmdop mode",
        ],
        hidden: &[],
    };
    session.held(&program);
    assert_eq!(person.leaves(), 2);
}
