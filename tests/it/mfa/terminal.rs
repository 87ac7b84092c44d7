//! Second factors and passwords on a terminal, where `script` makes one and a person types.

use std::time::Duration;

use super::service::{BACKUP, KEY, PASSWORD, code};
use super::{Service, is_code, set};
use crate::run::{Output, Run};
use crate::sandbox::Sandbox;
use crate::screen::scan;

/// The URI that is drawn.
const URI: &str =
    "otpauth://totp/Acme:ann@acme.example?secret=CANARYCANARYCANARYCANARY22345672&issuer=Acme&period=3600";

/// The key as it is shown.
const SHOWN: &str = "CANA RYCA NARY CANA RYCA NARY 2234 5672";

/// A home with a session on a terminal that shows everything. A code is good for an hour, however slow the machine is.
fn on_terminal() -> (Sandbox, Service) {
    let (mut sandbox, service) = set("");
    service.state().kind = ("SHA1", 6, 3600);
    sandbox.set("TERM", "xterm-256color");
    sandbox.set("LC_ALL", "C.UTF-8");
    (sandbox, service)
}

/// A run of keyfob on a terminal of this size.
fn terminal(sandbox: &Sandbox, columns: u16, rows: u16, args: &str) -> Run {
    let keyfob = sandbox.keyfob_path().display();
    let command = format!("stty cols {columns} rows {rows}; {keyfob} {args}");
    let run = sandbox.program("script", &["-qec", &command, "/dev/null"]);
    run.deadline(Duration::from_secs(60))
}

/// What an enrolment shows where these lines are typed.
fn enroll(sandbox: &Sandbox, size: (u16, u16), options: &str, lines: &str) -> Output {
    let args = format!("mfa enroll acme {options}");
    terminal(sandbox, size.0, size.1, &args).stdin(lines).run()
}

fn shown(output: &Output) -> String {
    output.text().replace('\r', "")
}

/// A run on a terminal, where each line is typed when its hidden question is there and the terminal shows nothing more.
fn answered(sandbox: &Sandbox, args: &str, steps: &[(&str, &str)]) -> Output {
    let wait =
        |until: &str| format!("n=0; until {until} || [ $n -gt 900 ]; do n=$((n+1)); sleep 0.05; done 2>/dev/null; ");
    let mut feed = String::new();
    for (question, answer) in steps {
        let hidden = "stty -F \"$(cat tty)\" -a | grep -q -- ' -echo '";
        feed += &wait(&format!("{{ grep -q '{question}' seen && {hidden}; }}"));
        feed += &format!("printf '{answer}\\n'; ");
    }
    // `script` types Ctrl-D where its input ends.
    feed += &wait("[ -e done ]");
    let keyfob = sandbox.keyfob_path().display();
    let command = format!("{{ {feed} }} | script -qefc 'tty > tty; {keyfob} {args}; echo $? > code; touch done' seen");
    let run = sandbox.program("sh", &["-c", &command]);
    run.deadline(Duration::from_secs(120)).run()
}

fn file(sandbox: &Sandbox, name: &str) -> String {
    std::fs::read_to_string(sandbox.path().join(name)).unwrap_or_default()
}

#[test]
fn a_person_scans_the_code_types_the_first_one_and_sees_the_backup_codes_once() {
    let (sandbox, service) = on_terminal();
    let right = code(service.state().kind, 0);
    let (start, end) = right.split_at(3);
    let typed = format!("hello\n000 000\n{start}-{end}\n");
    let output = enroll(&sandbox, (100, 60), "", &typed);
    let text = shown(&output);
    assert_eq!(output.code(), 0, "{text}");
    assert_eq!(scan(&text, true).as_deref(), Some(URI), "{text}");
    for part in [
        "Acme gives a second factor",
        SHOWN,
        "a new code every 3600 s",
        "Code that the app shows: ",
        "That cannot be a code",
        "does not take that code: it says “Wrong code”; 2 tries are left.",
        "3 backup codes",
        BACKUP[2],
        "kept in the store `file`",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(service.bodies("POST /mfa/confirm")[1]["code"], right);
    assert!(is_code(&sandbox, &service, &["mfa", "code", "acme"]));
    let code = shown(
        &terminal(&sandbox, 80, 24, "mfa code acme")
            .stdin_held()
            .run()
            .expect_success(),
    );
    assert!(code.contains("Good for "), "{code}");
}

#[test]
fn every_screen_gets_what_it_can_show_and_the_key_in_letters() {
    let (mut sandbox, service) = on_terminal();
    let right = code(service.state().kind, 0) + "\n";
    for (variables, size, options, qr) in [
        (&[][..], (100, 60), "--no-keep", true),
        (&[], (100, 60), "--no-keep --no-qr", false),
        (&[("NO_COLOR", "1")], (100, 60), "--no-keep", true),
        (&[("LC_ALL", "C")], (100, 60), "--no-keep", false),
        (&[("TERM", "dumb")], (100, 60), "--no-keep", false),
        (&[], (100, 12), "--no-keep", false),
        (&[], (30, 60), "--no-keep", false),
    ] {
        for (name, value) in [("TERM", "xterm"), ("LC_ALL", "C.UTF-8"), ("NO_COLOR", "")] {
            sandbox.set(name, value);
        }
        for (name, value) in variables {
            sandbox.set(name, *value);
        }
        let row = format!("{variables:?} {size:?} {options}");
        let output = enroll(&sandbox, size, options, &right);
        let text = shown(&output);
        assert_eq!(output.code(), 0, "{row}: {text}");
        assert!(text.contains(SHOWN), "{row}: {text}");
        let colour = !variables.contains(&("NO_COLOR", "1"));
        assert_eq!(scan(&text, colour).is_some(), qr, "{row}: {text}");
        let is_small = size != (100, 60);
        assert_eq!(text.contains("needs a screen of"), is_small, "{row}: {text}");
        if variables.contains(&("LC_ALL", "C")) {
            assert!(text.is_ascii(), "{row}: {text}");
        }
        assert!(sandbox.files_with(KEY).is_empty(), "{row}");
    }
}

#[test]
fn three_wrong_codes_and_a_question_without_an_answer_leave_nothing() {
    let (sandbox, service) = on_terminal();
    for (typed, code, says, asked) in [
        ("1\n2\n3\n4\n", 5, "did not take 3 codes", 3),
        ("", 1, "left without an answer", 0),
        ("x\ny\nz\n", 64, "cannot be a code", 0),
    ] {
        let before = service.seen("POST /mfa/confirm").len();
        let output = enroll(&sandbox, (100, 60), "", typed);
        let text = shown(&output);
        assert_eq!(output.code(), code, "{typed:?}: {text}");
        assert!(text.contains(says), "{typed:?}: {text}");
        assert_eq!(service.seen("POST /mfa/confirm").len() - before, asked, "{typed:?}");
        assert!(
            sandbox.files_with(KEY).is_empty() && !text.contains(BACKUP[0]),
            "{typed:?}"
        );
    }
}

#[test]
fn ctrl_c_at_the_question_leaves_nothing_and_holds_nothing() {
    let (sandbox, service) = on_terminal();
    let keyfob = sandbox.keyfob_path().display();
    let steps = format!("trap : INT\nstty -g > before\n{keyfob} mfa enroll acme\necho $? > code\nstty -g > after\n");
    sandbox.write("steps.sh", &steps);
    let press = "{ n=0; until grep -q 'app shows: ' seen 2>/dev/null || [ $n -gt 900 ]; do n=$((n+1)); sleep 0.05; done; \
                 printf '\\003'; sleep 1; }";
    let pressed = format!("{press} | script -qefc 'sh steps.sh' seen");
    let run = sandbox
        .program("sh", &["-c", &pressed])
        .deadline(Duration::from_secs(120));
    run.run();
    assert_eq!(file(&sandbox, "code").trim(), "130");
    assert_eq!(file(&sandbox, "before"), file(&sandbox, "after"));
    assert!(sandbox.files_with(KEY).is_empty());
    let right = code(service.state().kind, 0) + "\n";
    assert_eq!(enroll(&sandbox, (100, 60), "", &right).code(), 0);
}

#[test]
fn the_key_goes_to_the_terminal_and_into_no_file_that_takes_the_messages() {
    let (sandbox, service) = on_terminal();
    let right = code(service.state().kind, 0) + "\n";
    let output = enroll(&sandbox, (100, 60), "2> log", &right);
    let text = shown(&output);
    assert_eq!(output.code(), 0, "{text}");
    assert!(text.contains(SHOWN), "{text}");
    let log = file(&sandbox, "log");
    assert!(log.contains("is enrolled") && !log.contains("CANA"), "{log}");
}

#[test]
fn a_password_is_typed_twice_and_never_shown() {
    let (sandbox, service) = on_terminal();
    let steps = [
        ("Password in use", PASSWORD),
        ("New password", "new canary pass"),
        ("Once more", "new canary pass"),
    ];
    let output = answered(&sandbox, "password set acme", &steps);
    let text = shown(&output);
    assert_eq!(file(&sandbox, "code").trim(), "0", "{text}");
    assert!(text.contains("is set.") && !text.contains("canary"), "{text}");
    assert_eq!(service.state().password.as_deref(), Some("new canary pass"));
}

#[test]
fn two_passwords_that_differ_change_nothing() {
    let (sandbox, service) = on_terminal();
    let steps = [
        ("Password in use", PASSWORD),
        ("New password", "new canary pass"),
        ("Once more", "new canary past"),
    ];
    let output = answered(&sandbox, "password set acme", &steps);
    assert_eq!(file(&sandbox, "code").trim(), "64", "{}", shown(&output));
    assert!(shown(&output).contains("not the same"), "{}", shown(&output));
    assert!(service.seen("PUT /password").is_empty());
}

#[test]
fn what_takes_something_away_is_asked_about() {
    for (typed, code, done) in [("y\n", 0, 1), ("yes\n", 0, 1), ("n\n", 1, 0), ("\n", 1, 0), ("", 1, 0)] {
        let (sandbox, service) = on_terminal();
        let output = terminal(&sandbox, 80, 24, "password clear acme").stdin(typed).run();
        assert_eq!(output.code(), code, "{typed:?}: {}", shown(&output));
        assert_eq!(service.seen("DELETE /password").len(), done, "{typed:?}");
    }
}

#[test]
fn whoever_is_killed_while_the_service_answers_has_the_seed() {
    let (sandbox, service) = on_terminal();
    let silence = crate::http_server::Reply::Silence(Vec::new());
    service.inject("/mfa/confirm", &silence);
    let args = ["mfa", "enroll", "acme", "--no-phone", "--backup-codes", "codes.txt"];
    let mut running = sandbox.keyfob(&args).deadline(Duration::from_secs(60)).spawn();
    while running.is_running() && service.seen("POST /mfa/confirm").is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    running.kill();
    running.wait();
    service.state().enabled = true;
    assert!(is_code(&sandbox, &service, &["mfa", "code", "acme", "--pending"]));
    sandbox.keyfob(&args).run().expect_success();
    assert!(is_code(&sandbox, &service, &["mfa", "code", "acme"]));
    assert_eq!(service.seen("POST /mfa/enroll").len(), 1);
}

#[test]
fn one_enrolment_of_an_account_is_under_way_at_a_time() {
    let (sandbox, service) = on_terminal();
    let mut first = terminal(&sandbox, 100, 60, "mfa enroll acme").stdin_held().spawn();
    while first.is_running() && !first.stdout_so_far().contains("app shows: ") {
        std::thread::sleep(Duration::from_millis(10));
    }
    let args = ["mfa", "enroll", "acme", "--no-phone", "--backup-codes", "codes.txt"];
    let output = sandbox.keyfob(&args).run().expect_code(3);
    assert!(output.stderr.contains("is under way"), "{}", output.stderr);
    assert_eq!(service.seen("POST /mfa/enroll").len(), 1);
    first.kill();
    first.wait();
}
