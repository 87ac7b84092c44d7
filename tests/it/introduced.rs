//! What is said before anybody knows the program's own words: also that begins with the name by which it was called.

use std::path::PathBuf;

use crate::part::strace;
use crate::sandbox::Sandbox;

const FILE: &str = "format = 1\n[login]\nflow = \"key\"\n";

/// A link `ctl` to keyfob, with this provider file.
fn ctl(text: &str) -> (Sandbox, PathBuf) {
    let sandbox = Sandbox::new();
    sandbox.write_provider("ctl", text);
    let path = sandbox.path().join("ctl");
    std::os::unix::fs::symlink(sandbox.keyfob_path(), &path).unwrap();
    (sandbox, path)
}

#[test]
fn an_argument_that_is_not_utf_8_is_refused_in_the_programs_name() {
    for text in [FILE, "format = 7\n"] {
        let (sandbox, ctl) = ctl(text);
        let script = "exec \"$0\" auth \"$(printf 'x\\377')\"";
        let run = |program: &str| sandbox.program("sh", &["-c", script, program]).run().expect_code(64);
        let said = "error: an argument is not UTF-8\n";
        assert_eq!(run(ctl.to_str().unwrap()).stderr, format!("ctl: {said}"));
        let keyfob = run(sandbox.keyfob_path().to_str().unwrap());
        assert_eq!(keyfob.stderr, format!("keyfob: {said}"));
        // A name that is nobody's is not spoken in.
        let nobody = sandbox.path().join("nobody");
        std::os::unix::fs::symlink(sandbox.keyfob_path(), &nobody).unwrap();
        assert_eq!(run(nobody.to_str().unwrap()).stderr, format!("keyfob: {said}"));
    }
}

#[test]
fn a_wrong_provider_file_is_told_in_the_name_of_the_link() {
    for wrong in [
        "format = 1\n[login]\nflow = \"no\"\n",
        "format = \n",
        "format = 1\n[program]\nname = \"a b\"\n",
        &format!("{FILE}[program.commands]\nx = \"nothing\"\n"),
    ] {
        let (sandbox, ctl) = ctl(wrong);
        for args in [&["auth", "login"][..], &["auth", "status"], &["--help"]] {
            let output = sandbox.program(&ctl, args).run().expect_code(64);
            assert!(output.stderr.starts_with("ctl: error: "), "{}", output.stderr);
            let path = sandbox.keyfob_home().display().to_string();
            let rest = output.stderr.replace(&path, "").replace("command of keyfob", "");
            assert!(!rest.contains("keyfob"), "{wrong}: {}", output.stderr);
        }
    }
}

#[test]
fn a_panic_is_told_in_the_name_of_the_link() {
    if !strace() {
        return;
    }
    let (sandbox, ctl) = ctl(FILE);
    let run = sandbox.program(&ctl, &["auth", "set-token", "--no-check", "--account", "ann"]);
    let output = run.stdin("canary").injected("getrandom:error=EIO").run();
    let said = "ctl: error: BUG: a panic in ";
    assert!(
        output.stderr.lines().any(|line| line.starts_with(said)),
        "{}",
        output.stderr
    );
    assert!(!output.stderr.contains("keyfob: "), "{}", output.stderr);
}

#[test]
fn where_several_accounts_fit_the_programs_own_variable_is_named() {
    let (sandbox, ctl) = ctl(FILE);
    for account in ["ann", "bob"] {
        let args = ["auth", "set-token", "--no-check", "--account", account];
        sandbox.program(&ctl, &args).stdin("canary").run().expect_success();
        let args = ["auth", "mfa", "add", "--account", account];
        sandbox
            .program(&ctl, &args)
            .stdin("JBSWY3DPEHPK3PXP")
            .run()
            .expect_success();
    }
    for args in [&["auth", "print-access-token"][..], &["auth", "mfa", "code"]] {
        let output = sandbox.program(&ctl, args).run().expect_code(5);
        assert!(output.stderr.contains("set CTL_ACCOUNT"), "{}", output.stderr);
        let named = sandbox.program(&ctl, args).env("CTL_ACCOUNT", "bob");
        named.run().expect_success();
    }
    for args in [&["print-access-token", "ctl"][..], &["mfa", "code", "ctl"]] {
        let output = sandbox.keyfob(args).run().expect_code(5);
        assert!(output.stderr.contains("set KEYFOB_ACCOUNT"), "{}", output.stderr);
    }
}
