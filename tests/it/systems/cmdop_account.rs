//! cmdop, rows 1.24 to 1.29 and 1.36: the account's password, its second factor, the bundle, and the lock of the machine.

use super::cmdop::{BACKUP, Cmdop, DEV, EMAIL, KEY, PROD, SEED, codes_now, in_both, logged_in, machines};
use super::found::holding;
use super::person::Person;
use super::program::Program;
use super::recorded::Session;
use super::row::{Row, said, stable};
use crate::sandbox::Output;
use crate::screen::scan;

/// The account's new password.
const PASSWORD: &str = "canary horse battery";

/// The passphrase of a bundle or of a machine, as its file has it.
const PASSPHRASE: &str = "canary battery staple\n";

/// The enrolment of a person who scans and types.
#[cfg(target_os = "linux")]
fn enrol(program: &Program) -> Output {
    let line = "TERM=xterm LC_ALL=C.UTF-8 sh -c 'stty cols 100 rows 60; cmdop auth password mfa'";
    let mut terminal = program.terminal(line);
    terminal.shows("Code that the app shows: ");
    terminal.types(&codes_now()[0]);
    terminal.ends()
}

/// The code that the program shows is the one of the service at that moment.
fn shows_the_code(output: &Output) {
    let shown = output.text().trim_end();
    assert!(codes_now().iter().any(|code| code == shown), "another code");
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
    let read = scan(&text, true).unwrap_or_else(|| panic!("no picture: {text}"));
    let uri = format!("otpauth://totp/CMDOP:{EMAIL}?secret={SEED}&issuer=CMDOP");
    assert!(read == uri, "the picture says something else");
    assert!(prod.has_factor());
    row.saw("a QR code, which a reader turns into the service's URI of the seed");
    row.says(&output, "is enrolled");
    let shown = (1..=8)
        .filter(|number| text.contains(&format!("{BACKUP}{number}")))
        .count();
    assert_eq!((shown, prod.backup_codes()), (8, 8));
    row.saw(format!("{shown} backup codes"));
    let code = row.run(program.call(&["auth", "mfa", "code"]));
    row.exit(&code, 0);
    shows_the_code(&code);
    row.saw("the code that the service wants at this moment");
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
        "`auth password export` writes a bundle that only its passphrase opens. A seed is in it; a session that is renewed \
         is named to be begun again there, or with `--move` goes along, and is never in two places.",
    );
    let (program, prod, dev) = logged_in();
    program.done(&["auth", "password", "mfa", "--no-phone", "--backup-codes", "codes.txt"]);
    std::fs::remove_file(program.sandbox.path().join("codes.txt")).unwrap();
    let (own, wrong) = (["--passphrase-file", "passphrase"], ["--passphrase-file", "wrong"]);
    program.sandbox.write("passphrase", PASSPHRASE);
    let hosts = [(PROD, prod.url()), (DEV, dev.url())];
    let hosts = hosts.each_ref().map(|(real, double)| (*real, double.as_str()));
    for (more, is_moved) in [(&[][..], false), (&["--move"][..], true)] {
        let export = [
            "auth",
            "password",
            "export",
            "--output",
            "bundle.age",
            "--work-factor",
            "10",
        ];
        let output = row.run(program.call(&[&export[..], more, &own].concat()));
        row.exit(&output, 0);
        row.says(&output, "Wrote bundle.age");
        row.says(
            &output,
            if is_moved {
                "  cmdop/prod:"
            } else {
                "Left out `cmdop/prod:"
            },
        );
        let path = program.sandbox.path().join("bundle.age");
        let bundle = std::fs::read(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        assert!(bundle.starts_with(b"age-encryption.org/v1\n"));
        assert!(!bundle.windows(6).any(|part| part == b"canary"));
        let there = Program::new("cmdop", &hosts);
        there.sandbox.write("passphrase", PASSPHRASE);
        there.sandbox.write("wrong", "canary battery stapler\n");
        std::fs::write(there.sandbox.path().join("bundle.age"), bundle).unwrap();
        let refused = there.call(&[&["import", "bundle.age"], &wrong[..]].concat()).run.run();
        assert!(refused.code() != 0 && holding(&there, &refresh(&prod)).is_empty());
        let output = row.run(there.call(&[&["import", "bundle.age"], &own[..]].concat()));
        row.exit(&output, 0);
        shows_the_code(&there.done(&["auth", "mfa", "code"]));
        let codes = [&program, &there].map(|side| side.call(&["print-access-token"]).run.run().code());
        assert_eq!(codes, if is_moved { [2, 0] } else { [0, 2] });
        let places = [&program, &there].map(|side| holding(side, &refresh(&prod)).len());
        assert_eq!(places, if is_moved { [0, 1] } else { [1, 0] });
        row.saw(format!(
            "the second factor's codes work there, and the session {} alone",
            if is_moved { "there" } else { "here" }
        ));
    }
    row.held();
}

/// The refresh token of the only session.
fn refresh(service: &Cmdop) -> String {
    service.families()[0].refresh.last().unwrap().clone()
}

/// A machine with a passphrase, which is in the file `passphrase` of the home.
fn locked(row: &mut Row) -> (Program, Cmdop, Cmdop) {
    let (program, prod, dev) = in_both();
    let before = prod.all() + dev.all();
    program.sandbox.write("passphrase", PASSPHRASE);
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
    assert_eq!(prod.all() + dev.all(), before, "no server is asked");
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
    let (program, _prod, _dev) = locked(&mut row);
    program.call(&["print-access-token"]).run.run().expect_code(4);
    row.saw("no request, and no token from now on");
    row.held();
}

#[test]
fn row_1_36_every_trouble_names_its_one_command() {
    let mut row = Row::new(
        "1.36",
        "An ended session names the login; a wrong workspace or mode is shown and switched; a bad key names its variable, and \
         a status checks the next one; a second factor that is wanted names its enrolment. Each mends the trouble.",
    );
    let (mut program, prod, _dev) = logged_in();
    let mut step = |program: &Program, args: &[&str], key: Option<&str>, code: i32, says: &str| {
        let call = program.call(args);
        let call = key.into_iter().fold(call, |call, key| call.env("CMDOP_API_KEY", key));
        let output = row.run(call);
        row.exit(&output, code);
        row.says(&output, says);
    };
    let status = ["auth", "status"];
    step(
        &program,
        &status,
        Some("cmd_acme_canary9"),
        2,
        "hint: unset CMDOP_API_KEY",
    );
    step(&program, &status, Some(KEY), 0, "The server takes the credential");
    program.done(&["workspace", "acme-gone"]);
    assert_eq!(machines(&program, &prod, &[], None).0, 403);
    step(&program, &status, None, 0, "workspace  acme-gone");
    let switch = ["connect", "workspace", "use", "acme-staging"];
    step(&program, &switch, None, 0, "acme-staging");
    assert_eq!(machines(&program, &prod, &[], None).0, 200);
    program.call(&["mode", "dev"]).run.run().expect_code(2);
    step(
        &program,
        &["auth", "whoami"],
        None,
        2,
        "there is no session of `cmdop/dev`",
    );
    step(&program, &["mode"], None, 0, "dev");
    step(&program, &["mode", "prod"], None, 0, "`prod`");
    step(&program, &["auth", "whoami"], None, 0, EMAIL);
    prod.wants_a_factor();
    step(
        &program,
        &["auth", "whoami"],
        None,
        5,
        "hint: run `cmdop auth password mfa`",
    );
    let enrol = ["auth", "password", "mfa", "--no-phone", "--backup-codes", "codes.txt"];
    step(&program, &enrol, None, 0, "is enrolled");
    step(&program, &["auth", "whoami"], None, 0, EMAIL);
    prod.ends_all();
    step(&program, &["auth", "whoami"], None, 2, "hint: run `cmdop login`");
    let person = Person::sits_down(&mut program);
    step(&program, &["login"], None, 0, "Logged in");
    person.leaves();
    step(&program, &["auth", "whoami"], None, 0, EMAIL);
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
    let typed = codes_now()[0].clone();
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
