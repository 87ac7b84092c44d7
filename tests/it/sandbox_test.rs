//! The sandbox, tested itself: what it promises is what makes the other tests worth reading.

#![cfg(unix)]

use std::time::Duration;

use crate::sandbox::{Run, Sandbox};

fn shell(sandbox: &Sandbox, script: &str) -> Run {
    sandbox.program("sh", &["-c", script])
}

#[test]
#[should_panic(expected = "leaks a secret on stderr")]
fn a_run_with_a_secret_on_stderr_fails() {
    shell(&Sandbox::new(), "echo a-canary >&2").run();
}

#[test]
#[should_panic(expected = "killed at its deadline")]
fn a_run_that_hangs_fails() {
    shell(&Sandbox::new(), "exec sleep 60")
        .deadline(Duration::from_millis(200))
        .run();
}

#[test]
fn a_run_gets_stdin_and_only_the_sandbox_s_variables() {
    let sandbox = Sandbox::new();
    let output = shell(&sandbox, "cat; env")
        .env("ONE_MORE", "1")
        .stdin("hello\n")
        .run()
        .expect_success();
    let text = output.text();
    assert!(text.starts_with("hello\n") && text.contains("ONE_MORE=1"));
    assert!(text.contains(&format!("KEYFOB_HOME={}", sandbox.keyfob_home().display())));
    // cargo sets it for every test.
    assert!(!text.contains("CARGO_MANIFEST_DIR"), "{text}");
}

#[test]
fn a_home_is_gone_when_its_test_is_over() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("keyfob/data/x", "canary");
    assert_eq!(sandbox.files_with("canary"), std::slice::from_ref(&file));
    drop(sandbox);
    assert!(!file.exists());
}

#[test]
fn a_system_call_can_be_made_to_fail_or_to_kill() {
    let sandbox = Sandbox::new();
    if !crate::part::strace() {
        return;
    }
    let write = "dd if=/dev/zero of=file bs=1 count=1 conv=fsync status=none";
    shell(&sandbox, write).run().expect_success();
    let failed = shell(&sandbox, write).injected("fsync:error=EIO").run();
    assert!(
        !failed.status.success() && failed.stderr.contains("fsync"),
        "{}",
        failed.stderr
    );
    let killed = shell(&sandbox, &format!("exec {write}"))
        .injected("fsync:signal=KILL")
        .run();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&killed.status), Some(9));
}

#[test]
fn a_small_file_system_is_soon_full() {
    let Some(sandbox) = Sandbox::tiny(64) else { return };
    let full = shell(&sandbox, "dd if=/dev/zero of=file bs=1024 count=100 status=none").run();
    assert!(full.stderr.contains("No space left"), "{}", full.stderr);
}
