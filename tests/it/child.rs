//! `run`: the program that keyfob becomes, what it gets, and that nothing starts without a credential.

use std::time::Duration;

use crate::sandbox::{Run, Sandbox};

fn set() -> Sandbox {
    let sandbox = Sandbox::new();
    let text = "format = 1\n[login]\nflow = \"key\"\n[env]\nvariables = [\"ACME_TOKEN\", \"ACME_OTHER\"]\n";
    sandbox.write_provider("acme", text);
    let key = sandbox.keyfob(&["set-token", "acme:ann"]).stdin("canary-stored");
    key.run().expect_success();
    sandbox
}

fn child(sandbox: &Sandbox, options: &[&str], command: &[&str]) -> Run {
    sandbox.keyfob(&[&["run", "acme"], options, &["--"], command].concat())
}

#[test]
fn the_program_has_the_secret_in_one_variable_and_no_argument() {
    let sandbox = set();
    // The words of the script do not have the word that it looks for.
    let script = "env | grep can''ary; tr '\\0' ' ' < /proc/$$/cmdline | grep -c can''ary";
    let output = child(&sandbox, &[], &["sh", "-c", script]).run();
    assert_eq!(output.text(), "ACME_TOKEN=canary-stored\n0\n");
    let named = child(&sandbox, &["--name", "MINE"], &["sh", "-c", "env | grep can''ary"]).run();
    assert_eq!(named.expect_success().text(), "MINE=canary-stored\n");
    let shadowed = child(&sandbox, &[], &["sh", "-c", "echo $ACME_TOKEN"]).env("ACME_OTHER", "canary-other");
    assert_eq!(shadowed.run().expect_success().text(), "canary-other\n");
}

#[test]
fn arguments_streams_and_the_directory_are_the_callers() {
    let sandbox = set();
    let output = child(&sandbox, &[], &["printf", "<%s>", "a b", "", "--name", "$(x)", "-"]).run();
    assert_eq!(output.expect_success().text(), "<a b><><--name><$(x)><->");
    let output = child(&sandbox, &[], &["cat"]).stdin("what goes in\n").run();
    assert_eq!(output.expect_success().text(), "what goes in\n");
    let directory = sandbox.path().join("somewhere");
    std::fs::create_dir(&directory).unwrap();
    let output = child(&sandbox, &[], &["pwd"]).dir(&directory).run();
    assert_eq!(output.expect_success().text().trim_end(), directory.to_str().unwrap());
}

#[test]
fn the_exit_code_and_the_signals_are_the_programs() {
    let sandbox = set();
    let failed = child(&sandbox, &[], &["sh", "-c", "echo out; echo err >&2; exit 7"]).run();
    assert_eq!(
        (failed.code(), failed.text(), failed.stderr.as_str()),
        (7, "out\n", "err\n")
    );
    let killed = child(&sandbox, &[], &["sh", "-c", "kill -TERM $$"]).run();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&killed.status), Some(15));
    // A signal for keyfob's process is one for the program, because they are one.
    let mut running = child(&sandbox, &[], &["sh", "-c", "echo $$ > pid; exec sleep 60"]).spawn();
    let file = sandbox.path().join("pid");
    let read = || std::fs::read_to_string(&file).ok().filter(|text| text.ends_with('\n'));
    for _ in 0..1000 {
        if read().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(read(), Some(format!("{}\n", running.id())));
    running.kill();
    running.wait();
}

#[test]
fn the_program_ignores_no_signal_that_its_caller_did_not_ignore() {
    let sandbox = set();
    let ignored = |run: Run| {
        let text = run.run().expect_success().text().to_owned();
        let mask = text.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
        // Those above 31 are the C library's own.
        u64::from_str_radix(mask, 16).unwrap() & 0x7fff_ffff
    };
    let plain = ignored(sandbox.program("cat", &["/proc/self/status"]));
    assert_eq!(ignored(child(&sandbox, &[], &["cat", "/proc/self/status"])), plain);
    let keyfob = sandbox.keyfob_path().to_str().unwrap();
    let script = format!("trap '' XFSZ; exec {keyfob} run acme -- cat /proc/self/status");
    let kept = ignored(sandbox.program("bash", &["-c", &script]));
    assert_eq!(kept & !plain, 1 << 24, "what the caller ignores stays ignored");
}

#[test]
fn nothing_starts_without_a_credential_or_a_variable_for_it() {
    let sandbox = set();
    let touch = ["touch", "started"];
    sandbox.keyfob(&["logout", "acme"]).run().expect_success();
    let missing = child(&sandbox, &[], &touch).run().expect_code(2);
    assert!(missing.stderr.contains("run `keyfob login acme`"), "{}", missing.stderr);
    child(&sandbox, &["--name", "A=B"], &touch).run().expect_code(64);
    child(&sandbox, &[], &[]).run().expect_code(64);
    sandbox
        .keyfob(&["run", "acme", "touch", "started"])
        .run()
        .expect_code(64);
    child(&sandbox, &[], &touch)
        .env("ACME_TOKEN", "canary with spaces")
        .run()
        .expect_code(5);
    sandbox.write_provider("bare", "format = 1\n[login]\nflow = \"key\"\n");
    let bare = sandbox
        .keyfob(&["run", "bare", "--", "touch", "started"])
        .run()
        .expect_code(64);
    assert!(bare.stderr.contains("--name"), "{}", bare.stderr);
    assert!(!sandbox.path().join("started").exists());
}

#[test]
fn a_program_that_is_not_there_is_named_and_the_secret_is_not() {
    let sandbox = set();
    for (name, why) in [
        ("no-such-program", "no such program"),
        ("/etc/passwd", "may not be run"),
    ] {
        let output = child(&sandbox, &[], &[name]).run().expect_code(64);
        assert!(
            output.stderr.contains(&format!("running `{name}`: ")),
            "{}",
            output.stderr
        );
        assert!(output.stderr.contains(why), "{}", output.stderr);
    }
}

/// What a process opens first gets the lowest free number: with a stream closed, that would be a record.
#[test]
#[cfg(target_os = "linux")]
fn no_file_is_taken_for_a_stream_that_the_caller_closed() {
    let sandbox = set();
    let keyfob = sandbox.keyfob_path().display().to_string();
    let look = "seen=$(cd /proc/$$/fd && readlink 0 1 2); echo \"$seen\" >&9";
    let script = format!("exec {keyfob} run acme -- sh -c '{look}' 9>&1 <&- >&- 2>&-");
    let output = sandbox.program("sh", &["-c", &script]).run();
    assert_eq!(output.expect_success().text(), "/dev/null\n".repeat(3));
}
