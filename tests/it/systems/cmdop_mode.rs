//! cmdop, rows 1.6 to 1.16: how long a session lives, its mode and its workspace.

use serde_json::Value;

use super::cmdop::{Cmdop, EMAIL, in_both, logged_in, machines, set};
use super::family::claims;
use super::person::Person;
use super::program::Program;
use super::row::{Row, said};

/// The token that the program gives to a script.
fn token(program: &Program) -> String {
    let output = program.done(&["print-access-token"]);
    output.text().trim_end().to_owned()
}

/// What `status --json` says of the only session in use.
fn status(program: &Program) -> Value {
    let output = program.done(&["status", "--json"]);
    let all: Value = serde_json::from_str(output.text()).unwrap();
    let sessions = all["sessions"].as_array().unwrap();
    let used: Vec<&Value> = sessions.iter().filter(|row| row["in_use"] == true).collect();
    assert_eq!(used.len(), 1, "{all}");
    used[0].clone()
}

/// The requests for tokens that a mode saw.
fn asked(service: &Cmdop) -> usize {
    service.count("/oauth/token")
}

#[test]
fn row_1_6_a_token_is_renewed_five_minutes_before_its_end_by_whoever_asks() {
    let mut row = Row::new(
        "1.6",
        "There is no daemon: whoever asks for a token in its last five minutes has it renewed, once.",
    );
    let (program, prod, _dev) = logged_in();
    let first = token(&program);
    // The usual share of the last minutes is drawn, so that not all machines refresh in the same second.
    for (age, renewals) in [(3290, 0), (80, 1)] {
        program.ages(age);
        let output = row.run(program.call(&["print-access-token"]));
        row.exit(&output, 0);
        assert_eq!(
            (asked(&prod), output.text().trim_end() == first),
            (1 + renewals, renewals == 0)
        );
        let when = if renewals == 0 { "before" } else { "in" };
        row.saw(format!("{} renewals {when} the last five minutes", asked(&prod) - 1));
    }
    assert_ne!(token(&program), first);
    assert_eq!(asked(&prod), 2);
    row.held();
}

#[test]
fn row_1_7_a_status_says_who_where_and_until_when() {
    let mut row = Row::new(
        "1.7",
        "The status has identity, workspace, mode, the place of the token and its end (RFC 3339, UTC), and says what \
         answers.",
    );
    let (program, _prod, _dev) = logged_in();
    let output = row.run(program.call(&["auth", "status"]));
    row.exit(&output, 0);
    for part in ["identity", "workspace", "mode", "place", "expires", "store"] {
        row.says(&output, &format!("  {part} "));
    }
    let status = status(&program);
    assert_eq!(status["identity"].as_str().or(status["subject"].as_str()), Some(EMAIL));
    assert_eq!(
        (&status["workspace"], &status["mode"]),
        (&"acme-prod".into(), &"prod".into())
    );
    row.held();
}

#[test]
fn row_1_8_there_are_two_modes() {
    let mut row = Row::new("1.8", "The modes are `prod` and `dev`; the file has a table of each.");
    let (program, _prod, _dev) = logged_in();
    let output = row.run(program.call(&["mode", "--json"]));
    row.exit(&output, 0);
    let modes: Value = serde_json::from_str(output.text()).unwrap();
    let names: Vec<&str> = modes["modes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        names.contains(&"prod") && names.contains(&"dev") && names.len() == 2,
        "{names:?}"
    );
    row.saw(format!("{} in use of {}", modes["mode"], modes["modes"]));
    row.held();
}

#[test]
fn row_1_9_each_mode_has_its_session_its_workspace_and_its_endpoints() {
    let mut row = Row::new(
        "1.9",
        "Each mode has its own session, workspace and endpoints; none sees the other's.",
    );
    let (program, prod, dev) = in_both();
    program.done(&["workspace", "acme-other"]);
    let of = |mode: &str| {
        let token = program
            .done(&["print-access-token", "--mode", mode])
            .text()
            .trim_end()
            .to_owned();
        let workspace = program
            .done(&["workspace", "--mode", mode])
            .text()
            .trim_end()
            .to_owned();
        (token, workspace)
    };
    let ((one, here), (other, there)) = (of("prod"), of("dev"));
    assert_ne!(one, other);
    assert_eq!(
        (prod.subject(&one).is_some(), prod.subject(&other).is_some()),
        (true, false)
    );
    assert_eq!(
        (dev.subject(&other).is_some(), dev.subject(&one).is_some()),
        (true, false)
    );
    row.ran("cmdop print-access-token --mode prod");
    row.ran("cmdop print-access-token --mode dev");
    row.saw("two tokens, each good at its own endpoint alone");
    row.saw(format!("the workspaces are {here} and {there}"));
    row.held();
}

#[test]
fn row_1_10_the_endpoints_differ_by_mode() {
    let mut row = Row::new("1.10", "The mode decides which host is spoken to.");
    let (program, prod, dev) = in_both();
    let before = (prod.all(), dev.all());
    for mode in ["prod", "dev"] {
        let output = row.run(program.call(&["whoami", "--mode", mode]));
        row.exit(&output, 0);
    }
    let after = (prod.all() - before.0, dev.all() - before.1);
    assert_eq!(after, (1, 1));
    row.saw(format!(
        "{} request to {}, {} to {}",
        after.0,
        prod.url(),
        after.1,
        dev.url()
    ));
    row.held();
}

#[test]
fn row_1_11_a_mode_is_shown_chosen_and_toggled() {
    let mut row = Row::new(
        "1.11",
        "`mode` shows which one is in use, a name chooses it, `toggle` takes the other.",
    );
    let (program, _prod, _dev) = in_both();
    let mode = |row: &mut Row, args: &[&str], now: &str| {
        let output = row.run(program.call(args));
        assert_eq!(output.code(), 0, "{}", said(&output));
        let shown = program.done(&["mode"]).text().trim_end().to_owned();
        assert_eq!(shown, now);
        row.saw(shown);
    };
    mode(&mut row, &["mode"], "prod");
    mode(&mut row, &["mode", "toggle"], "dev");
    mode(&mut row, &["mode", "prod"], "prod");
    mode(&mut row, &["mode", "dev"], "dev");
    row.held();
}

#[test]
fn row_1_12_a_switch_between_two_sessions_asks_nobody() {
    let mut row = Row::new(
        "1.12",
        "Where both modes have a session, a switch asks no person and no server.",
    );
    let (program, prod, dev) = in_both();
    let before = prod.all() + dev.all();
    let output = row.run(program.call(&["mode", "toggle"]));
    row.exit(&output, 0);
    row.says(&output, "`dev`");
    let after = prod.all() + dev.all();
    assert_eq!(after, before);
    row.saw(format!("{} requests", after - before));
    row.held();
}

#[test]
#[cfg(target_os = "linux")]
fn row_1_13_a_mode_without_a_session_asks_whether_to_log_in() {
    let mut row = Row::new(
        "1.13",
        "Where the other mode has no session, a person is asked whether to log in to it, and does so with Enter; a script is \
         not asked, and gets exit code 2.",
    );
    let (mut program, _prod, dev) = logged_in();
    let output = row.run(program.call(&["mode", "dev"]));
    row.exit(&output, 2);
    row.says(&output, "hint: run `cmdop login`");
    program.done(&["mode", "prod"]);
    let question = "There is no session of `cmdop/dev` yet. Log in now? [Y/n]";
    let person = Person::sits_down(&mut program);
    for (answer, sessions) in [("n", 0), ("", 1)] {
        let mut terminal = program.terminal("cmdop mode dev");
        terminal.shows(question);
        assert_eq!(dev.all(), 0, "nothing is asked before the answer");
        terminal.types(answer);
        let output = terminal.ends();
        row.ran("cmdop mode dev");
        row.exit(&output, 0);
        row.says(&output, question);
        row.says(&output, ["run `cmdop login`", "Logged in to CMDOP"][sessions]);
        assert_eq!(dev.families().len(), sessions);
        assert_eq!(program.done(&["mode"]).text(), "dev\n");
        program.done(&["mode", "prod"]);
    }
    assert_eq!(person.leaves(), 1);
    row.saw("no page was opened for the first, and one for the second");
    row.held();
}

#[test]
fn row_1_14_a_session_begins_in_a_workspace() {
    let mut row = Row::new(
        "1.14",
        "A token is issued for a workspace, the account's own, and works in that from the login on; a login with \
         `--workspace` begins in another one.",
    );
    let (program, prod, _dev) = logged_in();
    let output = row.run(program.call(&["workspace", "--json"]));
    row.exit(&output, 0);
    let shown: Value = serde_json::from_str(output.text()).unwrap();
    let bound = claims(&token(&program)).expect("it is a JWT")["workspace"].clone();
    assert_eq!(
        (&shown["workspace"], &bound),
        (&"acme-prod".into(), &shown["workspace"])
    );
    row.saw(format!("workspace {}, chosen {}", shown["workspace"], shown["by"]));
    row.saw(format!("the token itself is for {bound}"));
    assert_eq!(machines(&program, &prod, &[], None), (200, "acme-prod".into()));
    let (mut program, prod, _dev) = set();
    let person = Person::sits_down(&mut program);
    let output = row.run(program.call(&["--workspace=acme-staging", "login"]));
    row.exit(&output, 0);
    person.leaves();
    row.says(&output, "Its workspace is");
    let (status, workspace) = machines(&program, &prod, &[], None);
    assert_eq!((status, workspace.as_str()), (200, "acme-staging"));
    row.saw(format!("the next request is answered in {workspace}"));
    row.held();
}

#[test]
fn row_1_15_a_switch_of_the_workspace_keeps_the_token() {
    let mut row = Row::new(
        "1.15",
        "Another workspace goes along with the same token, as a header; nothing is issued anew.",
    );
    let (program, prod, _dev) = logged_in();
    let (before, count) = (token(&program), prod.all());
    let output = row.run(program.call(&["workspace", "acme-staging"]));
    row.exit(&output, 0);
    let (after, more) = (token(&program), prod.all() - count);
    assert_eq!((&after, more), (&before, 0));
    row.saw(format!("the same token, {more} requests"));
    let request = format!("capability[]=authtype\nurl={}\n\n", prod.url());
    let answer = program.sandbox.keyfob(&["get"]).stdin(request).run().expect_success();
    let header = answer.text().lines().find(|line| line.starts_with("workspace_header="));
    assert_eq!(header, Some("workspace_header=X-Cmdop-Workspace: acme-staging"));
    row.saw(header.unwrap());
    let (status, workspace) = machines(&program, &prod, &[], None);
    assert_eq!((status, workspace.as_str()), (200, "acme-staging"));
    row.saw(format!("the service answers {status}, in {workspace}"));
    row.held();
}

#[test]
fn row_1_16_the_programs_own_words_switch_the_workspace() {
    let mut row = Row::new(
        "1.16",
        "The program's own words for the switch are `connect workspace use NAME`.",
    );
    let (program, prod, _dev) = logged_in();
    let output = row.run(program.call(&["connect", "workspace", "use", "acme-staging"]));
    row.exit(&output, 0);
    row.says(&output, "acme-staging");
    assert_eq!(machines(&program, &prod, &[], None), (200, "acme-staging".into()));
    let now = program.done(&["workspace"]).text().trim_end().to_owned();
    assert_eq!(now, "acme-staging");
    row.saw(format!("the workspace in use is {now}"));
    row.held();
}
