//! Ctrl-C while a command of the five waits: for a page, a code, a service, a lock, another program or a person. The
//! program ends as by the signal, the terminal is as it was, and what was kept is whole.
#![cfg(target_os = "linux")]

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use super::program::{Program, Terminal, until};
use super::trouble_case::{Case, changed, each, secrets};
use super::{ccp, myclaude};
use crate::sandbox::{Output, Running};

/// The limit of a run, which waits for ever but for the interrupt.
const PATIENCE: Duration = Duration::from_secs(60);

/// What each program asks on a terminal, and what is then on the screen.
const QUESTIONS: &[(&str, &[(&str, &str)])] = &[
    (
        "ccp",
        &[
            ("auth login", "Email: "),
            ("auth login --email ann@acme.example", "another): "),
            ("auth export --all --without-refresh --output bundle.age", "assphrase"),
        ],
    ),
    (
        "cmdop",
        &[
            ("connect key set", "not shown"),
            ("connect password set", "assphrase"),
            ("auth password mfa", "app shows: "),
            ("auth password set", "assword"),
            ("auth password clear", "[y/N]"),
        ],
    ),
    (
        "bcdock",
        &[("auth set-token", "not shown"), ("auth mfa add", "not shown")],
    ),
    (
        "clonit",
        &[("config edit", "cloud.url"), ("login --no-browser", "WDJB-")],
    ),
    ("myclaude", &[("login --no-browser", "/cli/auth?")]),
];

/// What each program waits for where nobody is, and what it says then.
const WAITS: &[(&str, &str, &str)] = &[
    ("cmdop", "login --no-browser", "Waiting for the browser"),
    ("clonit", "login --no-browser", "WDJB-"),
    ("myclaude", "login --no-browser", "Waiting for"),
];

/// Sends the signal of Ctrl-C to a program that waits, which must end by it.
fn interrupt(mut running: Running) -> Output {
    assert!(running.is_running(), "{}", running.stderr_so_far());
    let id = rustix::process::Pid::from_raw(running.id().cast_signed()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let output = running.wait();
    assert_eq!(output.status.signal(), Some(2), "{}: {}", output.name, output.stderr);
    assert!(!output.stderr.contains("error: "), "{}: {}", output.name, output.stderr);
    output
}

/// Starts a command, and waits until it says this.
fn start(program: &Program, words: &[&str], says: &str) -> Running {
    let mut running = program.call(words).run.deadline(PATIENCE).spawn();
    until(says, || {
        let said = running.stderr_so_far();
        assert!(running.is_running(), "{words:?} ended without `{says}`: {said}");
        said.contains(says).then_some(())
    });
    running
}

#[test]
fn an_interrupt_at_a_question_gives_the_terminal_back_and_keeps_nothing_of_it() {
    each(|case| {
        let program = &case.program;
        let (_, questions) = QUESTIONS.iter().find(|(name, _)| *name == program.name).unwrap();
        let before = case.home();
        for (line, question) in *questions {
            interrupt_at(program, line, question);
            let changed = changed(&before, &case.home());
            assert_eq!(changed, Vec::<String>::new(), "{} {line}", program.name);
        }
        case.done("print-access-token");
    });
}

/// Types Ctrl-C where a program asks this on a terminal.
fn interrupt_at(program: &Program, line: &str, question: &str) {
    interrupt_when(program, line, |terminal| {
        terminal.shows(question);
    });
}

/// Types Ctrl-C on a terminal where a program waits: it ends as by the signal, and the terminal is as it was.
fn interrupt_when(program: &Program, line: &str, waits: impl FnOnce(&mut Terminal)) {
    let what = format!("{} {line}", program.name);
    // The state of the terminal, and how the program ended as a shell sees it.
    let shell = format!("trap : INT; stty -g > modes; {what}; echo $? > code; stty -g > modes-after");
    let mut terminal = program.terminal(&shell);
    waits(&mut terminal);
    // The prompt is written a moment before the echo is switched off.
    std::thread::sleep(Duration::from_millis(200));
    terminal.interrupts();
    let output = terminal.ends();
    let file = |name: &str| std::fs::read_to_string(program.sandbox.path().join(name)).unwrap();
    assert_eq!(file("code"), "130\n", "{what}: {}", output.text());
    assert_eq!(file("modes"), file("modes-after"), "{what}");
    assert!(!output.text().contains("error: "), "{what}: {}", output.text());
    for name in ["code", "modes", "modes-after", "keys"] {
        let _ = std::fs::remove_file(program.sandbox.path().join(name));
    }
}

#[test]
fn an_interrupt_at_a_passphrase_unlocks_nothing_and_imports_nothing() {
    each(|case| {
        case.done("export --all --output bundle.age --without-refresh --passphrase-file words --work-factor 10");
        let check = |case: &Case, lines: &[&str]| {
            let before = case.home();
            for line in lines {
                interrupt_at(&case.program, &case.words(line).join(" "), "assphrase");
                let changed = changed(&before, &case.home());
                assert_eq!(changed, Vec::<String>::new(), "{} {line}", case.program.name);
            }
        };
        check(case, &["import bundle.age"]);
        case.done("lock set --passphrase-file words --work-factor 12");
        let lines = [
            "unlock",
            "unlock --for 10m",
            "unlock -- true",
            "lock clear --plain",
            "lock set",
        ];
        check(case, &lines);
        assert_eq!(case.run("print-access-token", "", false).0.code(), 4, "it is locked");
        case.done("lock clear --plain --passphrase-file words");
        case.done("print-access-token");
    });
}

#[test]
fn an_interrupt_of_a_logout_that_tells_its_service_leaves_the_session_forgotten_and_all_else() {
    let (program, service) = ccp::logged_in();
    let before = Case::files(&program);
    assert!(!secrets(&before).is_empty());
    service.is_silent(true);
    let revoke = "/v1/auth/revoke";
    interrupt_when(&program, "auth logout", |_| {
        until(revoke, || (service.count(revoke) > 0).then_some(()));
    });
    // It is forgotten first, so that nothing of it can be used again whatever the service heard.
    let after = Case::files(&program);
    assert!(secrets(&after).is_empty(), "{:?}", secrets(&after));
    assert!(changed(&before, &after).iter().all(|path| path.contains("/records/")));
    program.call(&["auth", "whoami"]).run.run().expect_code(2);
    service.is_silent(false);
    let code = service.issue(ccp::EMAIL);
    program.done(&["auth", "login", "--email", ccp::EMAIL, "--code", &code]);
    program.done(&["auth", "whoami"]);
}

#[test]
fn an_interrupt_of_a_login_that_waits_keeps_the_session_and_is_in_nobodys_way() {
    each(|case| {
        let Some((_, line, says)) = WAITS.iter().find(|(name, ..)| *name == case.program.name) else {
            return;
        };
        let (before, words) = (case.home(), case.words(line));
        let first = start(&case.program, &words, says);
        // Another one waits for the first.
        let second = start(&case.program, &words, "Waiting for another login");
        interrupt(second);
        interrupt(first);
        assert_eq!(changed(&before, &case.home()), Vec::<String>::new());
        // And the next one waits for nobody.
        interrupt(start(&case.program, &words, says));
        case.done("whoami");
    });
}

#[test]
fn an_interrupt_while_a_service_is_silent_loses_nothing() {
    let (program, service) = myclaude::logged_in();
    let home = || secrets(&Case::files(&program));
    let asked = |path: &str| service.seen(path).len();
    let wait_for = |running: &mut Running, path: &str, count: usize| {
        until(path, || {
            assert!(running.is_running(), "{}", running.stderr_so_far());
            (asked(path) > count).then_some(())
        });
    };
    service.is_silent(true);
    let before = home();
    let mut running = program.call(&["whoami"]).run.deadline(PATIENCE).spawn();
    wait_for(&mut running, "/api/cli/me", asked("/api/cli/me"));
    interrupt(running);
    assert_eq!(home(), before);
    // In the middle of a renewal, which a second run waits for.
    program.ages(400 * 86_400);
    let refresh = "/api/cli/auth/refresh";
    let token = ["print-access-token"];
    let mut first = program.call(&token).run.deadline(PATIENCE).spawn();
    wait_for(&mut first, refresh, asked(refresh));
    let second = program.call(&token).run.deadline(PATIENCE).spawn();
    std::thread::sleep(Duration::from_millis(300));
    interrupt(second);
    interrupt(first);
    assert_eq!(home(), before, "the refresh token is still there");
    service.is_silent(false);
    let token = program.done(&token);
    assert_eq!(service.subject(token.text().trim()).as_deref(), Some(myclaude::HANDLE));
    assert_eq!(service.families().len(), 1);
}

#[test]
fn an_interrupt_of_a_sync_ends_what_it_started_and_keeps_the_session() {
    let (program, _service) = ccp::logged_in();
    let bin = program.sandbox.path().join("bin");
    std::fs::create_dir(bin.join("auth")).unwrap();
    std::fs::rename(bin.join("ccp"), bin.join("auth/ccp")).unwrap();
    let script = "#!/bin/sh\nif [ \"$1\" = auth ]; then exec \"$HOME/bin/auth/ccp\" \"$@\"; fi\n\
                  echo $$ > \"$HOME/pid.new\"; mv \"$HOME/pid.new\" \"$HOME/pid\"; exec sleep 600\n";
    std::fs::write(bin.join("ccp"), script).unwrap();
    std::fs::set_permissions(bin.join("ccp"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let before = secrets(&Case::files(&program));
    for verb in ["sync", "desync"] {
        let pid = program.sandbox.path().join("pid");
        let _ = std::fs::remove_file(&pid);
        let running = program
            .call(&["auth", verb, "--vm", "vm-7"])
            .run
            .deadline(PATIENCE)
            .spawn();
        let other = until("the other program", || std::fs::read_to_string(&pid).ok());
        interrupt(running);
        let process = std::path::Path::new("/proc").join(other.trim());
        until("its end", || (!process.exists()).then_some(()));
        assert_eq!(secrets(&Case::files(&program)), before, "{verb}");
    }
    program.done(&["auth", "whoami"]);
}
