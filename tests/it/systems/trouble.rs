//! Every command of the five programs in every kind of trouble: it ends by itself with the code of the table, in the
//! program's own name and with the command to run, shows no secret, and loses nothing that was kept.
//!
//! What exactly is said in each case is for the rows; what an interrupt does is in `trouble_interrupt.rs`.

use super::trouble_case::{Case, Home, changed, each, secrets};
use super::trouble_table::{ROWS, Row, Trouble};

/// The commands that name a variable which stands before what they speak of.
const NAMING: &[&str] = &[
    "account",
    "logout",
    "logout --local",
    "set-token --no-check",
    "status",
    "status --json",
];

/// Runs every command of the table, each in the home as it is now.
fn run(case: &mut Case, trouble: Trouble) {
    let before = case.home();
    assert!(!secrets(&before).is_empty(), "{}: nothing is kept", case.program.name);
    let mut wrong = Vec::new();
    for row in ROWS {
        let Some((line, code)) = cell(row, trouble, case) else {
            continue;
        };
        let is_set = trouble == Trouble::Variable;
        let (output, mut found) = case.run(line, row.stdin, is_set);
        if output.code() != code {
            found = Some("another code");
        }
        if is_set && code == 0 && NAMING.contains(&row.line) {
            let named = case
                .variable
                .is_none_or(|name| output.stderr.contains(name) || output.text().contains(name));
            found = found.or((!named).then_some("the variable is not named"));
        }
        if let Some(found) = found.or_else(|| lost(trouble, row, code, (&before, &case.home()))) {
            let ended = format!("ended with {}, not {code}", output.code());
            wrong.push(format!("{line} <{}>: {found}; {ended}: {}", row.stdin, output.stderr));
        }
        case.restore(&before);
    }
    assert!(
        wrong.is_empty(),
        "{trouble:?} {}:\n{}",
        case.program.name,
        wrong.join("\n")
    );
    case.hints_are_good();
}

/// A program's words for a row, and the code with which it must end in a trouble; none where it is not run.
fn cell(row: &Row, trouble: Trouble, case: &Case) -> Option<(&'static str, i32)> {
    let codes = row.codes[trouble as usize].as_bytes();
    let (line, code) = match row.line.split_once(": ") {
        Some((name, line)) => (line, (name == case.program.name).then(|| codes[0])?),
        None => (row.line, codes[case.place]),
    };
    match code {
        b'-' => None,
        b'u' => Some((line, 64)),
        digit => Some((line, i32::from(digit - b'0'))),
    }
}

/// What is wrong about what is kept: it is as before, unless the command was to change it.
fn lost(trouble: Trouble, row: &Row, code: i32, (before, after): (&Home, &Home)) -> Option<&'static str> {
    let (had, has) = (secrets(before), secrets(after));
    let good = match code {
        0 if row.line.starts_with("logout") => has.len() < had.len(),
        0 if row.changes => true,
        // Chosen, and then there is no session.
        2 if row.line == "mode toggle" => has == had,
        // The service has said that the session is over.
        2 if trouble == Trouble::Rejected => has.is_subset(&had),
        _ if trouble == Trouble::Locked => changed(before, after).is_empty(),
        // What was tried, and when, is written down.
        _ => has == had && before.keys().filter(|path| !after.contains_key(*path)).count() == 0,
    };
    (!good).then_some("something else is kept")
}

#[test]
fn where_nobody_is_a_command_does_what_it_can_or_says_what_it_needs() {
    each(|case| run(case, Trouble::Nobody));
}

#[test]
fn without_a_network_what_is_kept_is_served_and_stays() {
    each(|case| {
        case.loses_network();
        run(case, Trouble::Unreached);
    });
}

#[test]
fn an_ended_session_that_cannot_be_renewed_now_is_neither_served_nor_lost() {
    each(|case| {
        case.program.ages(400 * 86_400);
        case.loses_network();
        run(case, Trouble::Ended);
    });
}

#[test]
fn a_session_that_its_service_has_ended_is_not_served_and_a_login_is_asked_for() {
    each(|case| {
        case.program.ages(400 * 86_400);
        case.ends_all();
        run(case, Trouble::Rejected);
    });
}

#[test]
fn a_locked_machine_answers_nothing_and_says_how_to_unlock_it() {
    each(|case| {
        let before = case.home();
        case.done("lock set --passphrase-file words --work-factor 12");
        case.done("lock");
        let has_secrets = secrets(&case.home()).len() > 1;
        assert!(!has_secrets, "{}: something is in clear", case.program.name);
        run(case, Trouble::Locked);
        case.done("unlock --passphrase-file words");
        case.done("lock clear --plain --passphrase-file words");
        case.done("print-access-token");
        assert_eq!(secrets(&case.home()), secrets(&before));
    });
}

#[test]
fn a_variable_that_is_set_answers_and_what_is_kept_stays() {
    each(|case| run(case, Trouble::Variable));
}

#[test]
fn wrong_arguments_are_a_mistake_of_usage_and_do_nothing() {
    each(|case| {
        let before = case.home();
        for row in ROWS {
            let Some((line, _)) = cell(row, Trouble::Locked, case) else {
                continue;
            };
            let (line, rest) = line.split_once(" --").map_or((line, ""), |(line, rest)| (line, rest));
            let wrong = format!("{line} --no-such-option {}", rest.trim_start_matches(' '));
            let (output, found) = case.run(wrong.trim_end(), row.stdin, false);
            let what = format!("{} {wrong}: {}", case.program.name, output.stderr);
            assert_eq!((output.code(), found), (64, None), "{what}");
            assert_eq!(changed(&before, &case.home()), Vec::<String>::new(), "{what}");
        }
        case.hints_are_good();
    });
}

#[test]
fn what_is_typed_wrong_is_told_in_the_programs_own_words() {
    each(|case| {
        let name = case.program.name.clone();
        let modes = ["cmdop", "bcdock"].contains(&name.as_str());
        let verb = if ["ccp", "bcdock"].contains(&name.as_str()) {
            format!("{name} auth")
        } else {
            name.clone()
        };
        for (line, code, says) in [
            ("export --all", 64, "were not provided: `--output <FILE>`".into()),
            (
                "run",
                64,
                format!("`<COMMAND>...`\n{name}: hint: run `{verb} run --help`"),
            ),
            (
                "status elsewhere",
                64,
                format!("`{name}` signs in to no other provider"),
            ),
            ("--provider elsewhere status", 64, "`--provider` must not name".into()),
            ("status --mode nowhere", 64, "has no mode `nowhere`".into()),
            ("status --account nobody", 2, String::new()),
        ] {
            if line.contains("nowhere") && !modes {
                continue;
            }
            let (output, wrong) = case.run(line, "", false);
            assert_eq!((output.code(), wrong), (code, None), "{name} {line}: {}", output.stderr);
            assert!(output.stderr.contains(&says), "{name} {line}: {}", output.stderr);
        }
        if name == "cmdop" {
            let said = case.program.call(&["connect", "key"]).run.run().expect_code(64).stderr;
            assert!(said.contains("`cmdop connect key set`"), "{said}");
        }
        if name == "clonit" {
            let login = case.program.call(&["login", "--no-browser"]);
            let said = login.env("CLONIT_CLOUD_URL", "ftp://cloud.example").run.run();
            assert!(said.expect_code(64).stderr.contains("the variable `CLONIT_CLOUD_URL`"));
        }
        case.hints_are_good();
    });
}
