//! cmdop, rows 1.24 to 1.29 and 1.36: the account's password, its second factor, the bundle, and the lock of the machine.

use super::cmdop::{BACKUP, Cmdop, DEV, KEY, PROD, SEED, code_now, in_both, logged_in};
use super::program::Program;
use super::recorded::Session;
use super::row::{Row, said, stable};
use crate::sandbox::Output;

/// The account's new password.
const PASSWORD: &str = "canary horse battery";

/// The enrolment of a person who scans and types.
#[cfg(target_os = "linux")]
fn enrol(program: &Program) -> Output {
    let line = "TERM=xterm LC_ALL=C.UTF-8 sh -c 'stty cols 100 rows 60; cmdop auth password mfa'";
    let mut terminal = program.terminal(line);
    terminal.shows("Code that the app shows: ");
    terminal.types(&code_now());
    terminal.ends()
}

#[test]
fn row_1_24_the_accounts_password_is_set_asked_about_and_cleared() {
    let mut row = Row::new(
        "1.24",
        "`auth password set`, `status` and `clear` are for the account's password.",
    );
    let (program, prod, _dev) = logged_in();
    let output = row.run(
        program
            .call(&["auth", "password", "set", "--stdin"])
            .stdin(&format!("{PASSWORD}\n")),
    );
    row.exit(&output, 0);
    assert_eq!(prod.password().as_deref(), Some(PASSWORD));
    let output = row.run(program.call(&["auth", "password", "status"]));
    row.exit(&output, 0);
    row.says(&output, "password");
    let output = row.run(program.call(&["auth", "password", "clear", "--yes"]));
    row.exit(&output, 0);
    assert_eq!(prod.password(), None);
    row.saw("the service has none any more");
    row.held();
}

#[test]
fn row_1_25_a_second_factor_is_enrolled_by_a_picture_and_a_first_code() {
    let mut row = Row::new(
        "1.25",
        "`auth password mfa` draws the QR code, takes a first code of the app, and gives the backup codes.",
    );
    let (program, prod, _dev) = logged_in();
    let output = enrol(&program);
    row.ran("cmdop auth password mfa");
    row.exit(&output, 0);
    let text = said(&output);
    let blocks = ['\u{2580}', '\u{2584}', '\u{2588}'];
    assert!(text.matches(blocks).count() > 100, "no picture: {text}");
    assert!(prod.has_factor());
    row.saw("a QR code");
    row.says(&output, "is enrolled");
    row.saw(format!("{} backup codes", text.matches(BACKUP).count()));
    let code = row.run(program.call(&["auth", "mfa", "code"]));
    row.exit(&code, 0);
    assert_eq!(code.text().trim_end().len(), 6);
    row.held();
}

#[test]
fn row_1_26_backup_codes_are_shown_once_and_to_a_person() {
    let mut row = Row::new(
        "1.26",
        "Nobody gets the backup codes a second time, so nothing begins where they would go unseen: on a terminal, or in a file that is named.",
    );
    let (program, prod, _dev) = logged_in();
    let output = row.run(program.call(&["auth", "password", "mfa", "--no-phone"]));
    row.exit(&output, 64);
    assert_eq!(prod.count("/v1/account/mfa/enroll"), 0);
    row.says(&output, "--backup-codes");
    let args = ["auth", "password", "mfa", "--no-phone", "--backup-codes", "codes.txt"];
    let output = row.run(program.call(&args));
    row.exit(&output, 0);
    let codes = std::fs::read_to_string(program.sandbox.path().join("codes.txt")).unwrap();
    assert_eq!(codes.matches(BACKUP).count(), 8);
    row.saw(format!("{} codes in codes.txt", codes.matches(BACKUP).count()));
    let kept = program.sandbox.files_with(BACKUP);
    assert!(kept.is_empty(), "{kept:?}");
    row.saw(format!("{} in what keyfob keeps", kept.len()));
    row.held();
}

#[test]
fn row_1_27_credentials_go_into_an_encrypted_bundle() {
    let mut row = Row::new(
        "1.27",
        "`auth password export` writes an encrypted bundle. A seed is in it; a session that is renewed is moved with it, or \
         named to be begun again, and never in two places.",
    );
    let (program, prod, dev) = logged_in();
    program.done(&["auth", "password", "mfa", "--no-phone", "--backup-codes", "codes.txt"]);
    std::fs::remove_file(program.sandbox.path().join("codes.txt")).unwrap();
    program.sandbox.write("passphrase", "canary battery staple\n");
    let with = ["--passphrase-file", "passphrase"];
    let export = [
        "auth",
        "password",
        "export",
        "--output",
        "bundle.age",
        "--work-factor",
        "10",
        "--move",
    ];
    let output = row.run(program.call(&[&export[..], &with].concat()));
    row.exit(&output, 0);
    row.says(&output, "Wrote bundle.age");
    let bundle = std::fs::read(program.sandbox.path().join("bundle.age")).unwrap();
    assert!(bundle.starts_with(b"age-encryption.org/v1\n"));
    assert!(!bundle.windows(6).any(|part| part == b"canary"));
    assert_eq!(program.call(&["print-access-token"]).run.run().code(), 2);
    row.saw("the session is gone from here");
    let hosts = [(PROD, prod.url()), (DEV, dev.url())];
    let there = Program::new(
        "cmdop",
        &hosts.each_ref().map(|(real, double)| (*real, double.as_str())),
    );
    there.sandbox.write("passphrase", "canary battery staple\n");
    std::fs::write(there.sandbox.path().join("bundle.age"), bundle).unwrap();
    let output = row.run(there.call(&[&["import", "bundle.age"], &with[..]].concat()));
    row.exit(&output, 0);
    let token = there.done(&["print-access-token"]).text().trim_end().to_owned();
    assert!(prod.subject(&token).is_some());
    assert_eq!(there.done(&["auth", "mfa", "code"]).text().trim_end().len(), 6);
    row.saw("there the session and the second factor's codes work");
    row.held();
}

/// A machine with a passphrase, which is in the file `passphrase` of the home.
fn locked(row: &mut Row) -> (Program, Cmdop, Cmdop) {
    let (program, prod, dev) = in_both();
    program.sandbox.write("passphrase", "canary battery staple\n");
    let args = [
        "connect",
        "password",
        "set",
        "--passphrase-file",
        "passphrase",
        "--work-factor",
        "12",
    ];
    let output = row.run(program.call(&args));
    row.exit(&output, 0);
    (program, prod, dev)
}

#[test]
fn row_1_28_a_machine_may_have_a_passphrase_of_its_own() {
    let mut row = Row::new(
        "1.28",
        "A passphrase belongs to the machine and to no account: without it nothing is answered, of no mode, and no \
         variable either; sessions stay as they are.",
    );
    let (program, prod, dev) = locked(&mut row);
    for call in [
        program.call(&["print-access-token"]),
        program.call(&["print-access-token", "--mode", "dev"]),
        program.call(&["auth", "whoami"]).env("CMDOP_API_KEY", KEY),
    ] {
        let output = row.run(call);
        row.exit(&output, 4);
        row.says(&output, "locked");
        assert!(output.stdout.is_empty());
    }
    let args = [
        "unlock",
        "--passphrase-file",
        "passphrase",
        "--",
        "cmdop",
        "print-access-token",
    ];
    let output = row.run(program.call(&args));
    row.exit(&output, 0);
    assert!(prod.subject(output.text().trim_end()).is_some());
    assert!(
        prod.families()
            .iter()
            .chain(&dev.families())
            .all(|family| family.ended.is_none())
    );
    row.saw("both sessions live");
    row.held();
}

#[test]
fn row_1_29_the_programs_own_words_set_the_passphrase() {
    let mut row = Row::new(
        "1.29",
        "The program's own words for it are `connect password set`; no server is asked.",
    );
    let (program, prod, dev) = in_both();
    let before = prod.all() + dev.all();
    program.sandbox.write("passphrase", "canary battery staple\n");
    let args = [
        "connect",
        "password",
        "set",
        "--passphrase-file",
        "passphrase",
        "--work-factor",
        "12",
    ];
    let output = row.run(program.call(&args));
    row.exit(&output, 0);
    row.says(&output, "This machine has a passphrase");
    assert_eq!(prod.all() + dev.all(), before);
    row.held();
}

#[test]
fn row_1_36_every_trouble_names_its_one_command() {
    let mut row = Row::new(
        "1.36",
        "An ended session names the login; a wrong workspace or mode is shown and switched; a bad key names its \
         variable; a second factor that is wanted names its enrolment.",
    );
    let (program, prod, _dev) = logged_in();
    let output = row.run(
        program
            .call(&["auth", "whoami"])
            .env("CMDOP_API_KEY", "cmd_acme_canary9"),
    );
    row.exit(&output, 2);
    row.says(&output, "hint: ");
    let output = row.run(program.call(&["connect", "workspace", "use", "acme-staging"]));
    row.exit(&output, 0);
    let output = row.run(program.call(&["mode"]));
    row.says(&output, "prod");
    prod.wants_a_factor(true);
    let output = row.run(program.call(&["auth", "whoami"]));
    assert_ne!(output.code(), 0);
    row.says(&output, "hint: ");
    assert!(output.stderr.contains("auth password mfa"), "{}", output.stderr);
    prod.wants_a_factor(false);
    prod.ends_all();
    let output = row.run(program.call(&["auth", "whoami"]));
    row.exit(&output, 2);
    row.says(&output, "hint: run `cmdop login`");
    row.held();
}

#[test]
#[cfg(target_os = "linux")]
fn a_person_enrols_a_second_factor() {
    let (program, _prod, _dev) = logged_in();
    // A page has no colours.
    let line = "TERM=xterm LC_ALL=C.UTF-8 NO_COLOR=1 sh -c 'stty cols 100 rows 60; cmdop auth password mfa'";
    let mut terminal = program.terminal(line);
    terminal.shows("Code that the app shows: ");
    let typed = code_now();
    terminal.types(&typed);
    let output = terminal.ends();
    let seen = stable(&said(&output), &program.words);
    let groups: Vec<String> = SEED
        .as_bytes()
        .chunks(4)
        .map(|four| String::from_utf8(four.into()).unwrap())
        .collect();
    let shown = groups.join(" ");
    assert!(seen.contains(&shown), "{seen}");
    let session = Session {
        place: 2,
        title: "A second factor",
        lines: &[],
        hidden: &[(&typed, "123456"), (&shown, "GEZD GNBV …"), (BACKUP, "5d41-402")],
    };
    session.compare(&program, &format!("$ cmdop auth password mfa\n{seen}"));
}
