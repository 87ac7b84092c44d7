//! Every command of the five programs in every kind of trouble: it ends by itself, with a code of the exit table and in
//! the program's own name, shows no secret, and loses nothing that was kept.
//!
//! What exactly is said in each case is for the rows; a login that waits for a person is theirs too.

use std::any::Any;
use std::path::PathBuf;
use std::time::Duration;

use super::found::holding;
use super::program::Program;
use super::{bcdock, ccp, clonit, cmdop, myclaude};
use crate::sandbox::Output;

/// Each takes no longer than a second or two by itself, and none is a logout.
const COMMANDS: &[&[&str]] = &[
    &["status"],
    &["status", "--check"],
    &["status", "--json"],
    &["whoami"],
    &["list"],
    &["print-access-token"],
    &["export-access-token", "--shell", "bash"],
    &["shell-setup", "--shell", "zsh"],
    &["set-token"],
    &["mode"],
    &["account"],
    &["workspace"],
    &["config", "list"],
    &["mfa", "status"],
    &["mfa", "code"],
    &["mfa", "enroll"],
    &["password", "status"],
    &["password", "set"],
    &["sync", "ssh://127.0.0.1:1", "--timeout", "2"],
    &["desync", "ssh://127.0.0.1:1", "--timeout", "2"],
    &["export", "--all", "--output", "bundle.age"],
    &["import", "there-is-none.age"],
    &["lock", "status"],
    &["run", "--", "true"],
];

/// A program whose person has logged in, its service, and the variable that may hold its token.
struct Case {
    program: Program,
    service: Option<Box<dyn Any>>,
    variable: Option<&'static str>,
}

fn cases() -> Vec<Case> {
    let case = |program, service: Box<dyn Any>, variable| Case {
        program,
        service: Some(service),
        variable,
    };
    let (ccp, at_ccp) = ccp::logged_in();
    let (cmdop, prod, dev) = cmdop::logged_in();
    let (bcdock, at_bcdock) = bcdock::logged_in();
    let (clonit, at_clonit) = clonit::logged_in();
    let (myclaude, at_myclaude) = myclaude::logged_in();
    vec![
        case(ccp, Box::new(at_ccp), Some("CCP_SESSION_TOKEN")),
        case(cmdop, Box::new((prod, dev)), Some("CMDOP_API_KEY")),
        case(bcdock, Box::new(at_bcdock), Some("BCDOCK_TOKEN")),
        case(clonit, Box::new(at_clonit), None),
        case(myclaude, Box::new(at_myclaude), Some("MYCLAUDE_TOKEN")),
    ]
}

impl Case {
    /// The files that hold a secret of the session.
    fn kept(&self) -> Vec<PathBuf> {
        let mut files = holding(&self.program, "canary");
        files.retain(|path| !path.ends_with("passphrase"));
        files
    }

    /// Runs every command with these words after it; what is wrong with how it ended, and the codes.
    fn each(&self, trouble: &str, more: &[&str], variable: Option<&str>) -> Vec<(&'static [&'static str], i32)> {
        let before = self.kept();
        assert!(!before.is_empty(), "{} {trouble}: nothing is kept", self.program.name);
        let codes = COMMANDS.iter().map(|command| {
            let args = [&["auth"], *command].concat();
            let at = args.iter().position(|word| *word == "--").unwrap_or(args.len());
            let args = [&args[..at], more, &args[at..]].concat();
            let mut run = self.program.call(&args).run.deadline(Duration::from_secs(60));
            if let Some(variable) = variable {
                run = run.env(variable, "cmd_acme_canary-of-the-variable");
            }
            let output = run.run();
            self.check(&format!("{trouble}: {} {args:?}", self.program.name), &output);
            (*command, output.code())
        });
        let codes: Vec<_> = codes.collect();
        assert_eq!(self.kept(), before, "{} {trouble}", self.program.name);
        codes
    }

    fn check(&self, what: &str, output: &Output) {
        let code = output.code();
        assert!(
            [0, 1, 2, 3, 4, 5, 64].contains(&code),
            "{what}: {code} {}",
            output.stderr
        );
        let mut lines = output.stderr.lines();
        assert!(
            lines.all(|line| !line.starts_with("keyfob: ") && !line.contains("panicked")),
            "{what}: {}",
            output.stderr
        );
        let said = format!("{}: error: ", self.program.name);
        // JSON says it itself.
        let is_told = code == 0 || code == 2 || output.stdout.starts_with(b"{") || output.stderr.contains(&said);
        assert!(is_told, "{what}: {code} {}", output.stderr);
    }
}

fn code_of(codes: &[(&'static [&'static str], i32)], command: &[&str]) -> i32 {
    codes.iter().find(|(row, _)| *row == command).unwrap().1
}

#[test]
fn wrong_arguments_are_a_mistake_of_usage_and_do_nothing() {
    for case in cases() {
        for (command, code) in case.each("arguments", &["--no-such-option"], None) {
            assert_eq!(code, 64, "{} {command:?}", case.program.name);
        }
    }
}

#[test]
fn without_a_network_what_is_kept_is_served_and_stays() {
    for mut case in cases() {
        case.service = None;
        let codes = case.each("no network", &[], None);
        assert_eq!(code_of(&codes, &["print-access-token"]), 0, "{}", case.program.name);
        assert_eq!(code_of(&codes, &["whoami"]), 3, "{}", case.program.name);
        assert_eq!(code_of(&codes, &["set-token"]), 64, "{}", case.program.name);
    }
}

#[test]
fn an_ended_session_that_cannot_be_renewed_now_is_neither_served_nor_lost() {
    for mut case in cases() {
        case.program.ages(400 * 86_400);
        case.service = None;
        let codes = case.each("ended", &[], None);
        // A key has no end that is known here.
        let expected = if case.program.name == "bcdock" { 0 } else { 3 };
        assert_eq!(
            code_of(&codes, &["print-access-token"]),
            expected,
            "{}",
            case.program.name
        );
    }
}

#[test]
fn a_locked_machine_answers_nothing_and_says_how_to_unlock_it() {
    for case in cases() {
        let program = &case.program;
        let path = program.sandbox.write("passphrase", "canary battery staple\n");
        let keyfob = |args: &[&str]| program.sandbox.keyfob(args).run().expect_success();
        let path = path.display().to_string();
        keyfob(&["lock", "set", "--passphrase-file", &path, "--work-factor", "12"]);
        keyfob(&["lock"]);
        let sealed = program.sandbox.files().len();
        for command in COMMANDS {
            let output = program.call(&[&["auth"], *command].concat()).run.run();
            case.check(&format!("locked: {} {command:?}", program.name), &output);
            let serves = ["print-access-token", "export-access-token", "whoami", "run", "export"];
            if serves.contains(&command[0]) {
                assert_eq!(output.code(), 4, "{} {command:?}: {}", program.name, output.stderr);
                assert!(output.stderr.contains("unlock"), "{}", output.stderr);
            }
        }
        assert_eq!(program.sandbox.files().len(), sealed, "{}", program.name);
        keyfob(&["lock", "clear", "--passphrase-file", &path]);
        program.done(&["auth", "print-access-token"]);
    }
}

#[test]
fn a_variable_that_is_set_answers_and_what_is_kept_stays() {
    for case in cases() {
        let Some(variable) = case.variable else { continue };
        let codes = case.each("variable", &[], Some(variable));
        assert_eq!(code_of(&codes, &["print-access-token"]), 0, "{}", case.program.name);
    }
}

#[test]
#[cfg(unix)]
fn an_interrupt_at_any_moment_loses_nothing() {
    use std::os::unix::process::ExitStatusExt as _;
    let commands = [COMMANDS, &[&["login", "--no-browser"]]].concat();
    for case in cases() {
        let before = case.kept();
        for (number, command) in commands.iter().enumerate() {
            let args = [&["auth"], *command].concat();
            let running = case.program.call(&args).run.deadline(Duration::from_secs(60)).spawn();
            std::thread::sleep(Duration::from_millis(1 + (number as u64 * 7) % 40));
            let id = rustix::process::Pid::from_raw(running.id().cast_signed()).unwrap();
            let _ = rustix::process::kill_process(id, rustix::process::Signal::INT);
            let output = running.wait();
            let ended = output.status.signal() == Some(2) || output.status.code().is_some();
            assert!(ended, "{} {args:?}: {:?}", case.program.name, output.status);
        }
        assert_eq!(case.kept(), before, "{}", case.program.name);
        case.program.done(&["auth", "print-access-token"]);
    }
}
