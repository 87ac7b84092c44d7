//! A person at a terminal: the hidden prompts, and what no terminal gets.

#![cfg(target_os = "linux")]

use std::time::Duration;

use super::fixture::{keys, records, set};
use crate::sandbox::{Run, Sandbox};

/// A run on a terminal. What it shows is on stdout.
fn terminal(sandbox: &Sandbox, args: &str) -> Run {
    let command = format!("{} {args}", sandbox.keyfob_path().display());
    let run = sandbox.program("script", &["-qec", &command, "/dev/null"]);
    run.deadline(Duration::from_secs(60))
}

#[test]
fn a_passphrase_is_asked_for_twice_and_once_to_open() {
    let (from, to) = (set(), set());
    keys(&from, &["ann"]);
    let export = terminal(&from, "export --all --work-factor 10 --output bundle.age");
    let output = export.stdin("canary horse\ncanary horse\n").run().expect_success();
    assert!(
        output.text().contains("Passphrase of the bundle: "),
        "{}",
        output.text()
    );
    assert!(output.text().contains("The same again: "), "{}", output.text());
    let file = from.path().join("bundle.age");
    let import = terminal(&to, &format!("import {}", file.display()));
    let output = import.stdin("canary horse\n").run().expect_success();
    assert!(output.text().contains("Kept `acme:ann`."), "{}", output.text());
    assert_eq!(records(&to), records(&from));
}

#[test]
fn two_passphrases_that_differ_write_nothing() {
    let sandbox = set();
    keys(&sandbox, &["ann"]);
    for (typed, said) in [
        ("canary horse\ncanary house\n", "the two passphrases are not the same"),
        ("canary\ncanary\n", "fewer than 10 letters"),
        ("\n", "fewer than 10 letters"),
    ] {
        let export = terminal(&sandbox, "export --all --work-factor 10 --output bundle.age");
        let output = export.stdin(typed).run();
        assert_eq!(output.code(), 64, "{}", output.text());
        assert!(output.text().contains(said), "{}", output.text());
        assert!(!sandbox.path().join("bundle.age").exists());
    }
}

#[test]
fn whoever_leaves_the_prompt_leaves_everything_as_it_was() {
    let sandbox = set();
    super::fixture::session(&sandbox, "ann");
    let before = records(&sandbox);
    let args = "export acme --move --work-factor 10 --output bundle.age";
    let mut run = terminal(&sandbox, args).stdin_held().spawn();
    while !run.stdout_so_far().contains("Passphrase of the bundle") {
        assert!(run.is_running(), "{}", run.stdout_so_far());
        std::thread::sleep(Duration::from_millis(20));
    }
    // The terminal hangs up.
    run.kill();
    run.wait();
    // Ctrl-C, at the prompt or, where that takes its time to come, before it.
    let command = format!(
        "timeout --foreground -s INT 1 {} {args}",
        sandbox.keyfob_path().display()
    );
    let run = sandbox.program("script", &["-qec", &command, "/dev/null"]);
    let output = run.stdin_held().deadline(Duration::from_secs(60)).run();
    assert_ne!(output.code(), 0, "{}", output.text());
    assert_eq!(records(&sandbox), before);
    assert!(!sandbox.path().join("bundle.age").exists());
}

#[test]
fn only_armour_is_written_to_a_terminal() {
    let sandbox = set();
    keys(&sandbox, &["ann"]);
    let recipient = super::fixture::RECIPIENT;
    let bare = terminal(&sandbox, &format!("export --all --recipient {recipient} --output -")).run();
    assert_eq!(bare.code(), 64, "{}", bare.text());
    assert!(
        bare.text().contains("a bundle is not for a terminal"),
        "{}",
        bare.text()
    );
    let armed = terminal(
        &sandbox,
        &format!("export --all --recipient {recipient} --armor --output -"),
    );
    assert!(armed.run().expect_success().text().contains("BEGIN AGE ENCRYPTED FILE"));
    let import = terminal(&sandbox, "import - --identity key.txt").stdin_held().run();
    assert_eq!(import.code(), 64, "{}", import.text());
    assert!(
        import.text().contains("the bundle cannot come from a terminal"),
        "{}",
        import.text()
    );
}

#[test]
fn nobody_is_asked_where_nobody_may_be() {
    let mut sandbox = set();
    keys(&sandbox, &["ann"]);
    sandbox.set("KEYFOB_NO_INPUT", "1");
    let output = terminal(&sandbox, "export --all --output bundle.age")
        .stdin_held()
        .run();
    assert_eq!(output.code(), 64, "{}", output.text());
    assert!(output.text().contains("--passphrase-file FILE"), "{}", output.text());
}
