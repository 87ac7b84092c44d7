//! Paths and accounts that a shell would read as something else.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::home::{Home, has};
use crate::run::Run;

/// Accounts with what shells, lists and configurations split at or run.
const ACCOUNTS: [&str; 4] = [
    "acme:a b",
    "acme:$(touch pwned)",
    "acme:a;touch pwned",
    "acme:`touch pwned`",
];

/// A home with this name, and keyfob in a directory of it.
struct Odd {
    home: Home,
    at: PathBuf,
}

impl Odd {
    fn new(name: &str) -> Odd {
        let home = Home::empty();
        let at = home.path(name);
        std::fs::create_dir_all(at.join("bin")).unwrap();
        symlink(home.sandbox.keyfob_path(), at.join("bin/keyfob")).unwrap();
        Odd { home, at }
    }

    fn run(&self, program: &str, args: &[&str]) -> Run {
        let path = std::env::var_os("PATH").unwrap();
        let (ours, stubs) = ([self.at.join("bin")], [self.home.path("stubs")]);
        let list = ours.into_iter().chain(std::env::split_paths(&path)).chain(stubs);
        let path = std::env::join_paths(list).unwrap();
        let program = match program {
            "keyfob" => self.at.join("bin/keyfob"),
            other => other.into(),
        };
        self.home
            .sandbox
            .program(program, args)
            .env("PATH", path)
            .env("HOME", &self.at)
    }

    fn assert_nothing_ran(&self) {
        let found = self.home.look();
        let found: Vec<_> = found.keys().filter(|path| path.ends_with("pwned")).collect();
        assert!(found.is_empty(), "{found:?}");
    }
}

#[test]
fn a_helper_that_is_run_through_a_shell_as_it_stands_has_a_plain_path() {
    for tool in ["pnpm", "vault"] {
        for account in ACCOUNTS {
            let odd = Odd::new("plain");
            let output = odd.run("keyfob", &["install", tool, account]).run().expect_code(5);
            assert!(output.stderr.contains("without that account"), "{}", output.stderr);
            assert!(!odd.at.join(".npmrc").exists() && !odd.at.join(".vault").exists());
        }
        let odd = Odd::new("a b");
        let output = odd.run("keyfob", &["install", tool, "acme"]).run().expect_code(5);
        assert!(output.stderr.contains("through a shell"), "{}", output.stderr);
        assert!(!odd.at.join(".npmrc").exists() && !odd.at.join(".vault").exists());
        let odd = Odd::new("plain");
        odd.run("keyfob", &["install", tool, "acme:ann+x@acme.example"])
            .run()
            .expect_success();
    }
}

#[test]
fn every_tool_is_wired_or_refused_in_a_home_with_a_space() {
    let odd = Odd::new("a b");
    let mut wired = 0;
    for tool in keyfob::install::TABLE {
        for profile in ["acme"].into_iter().chain(ACCOUNTS) {
            let output = odd.run("keyfob", &["install", tool.name, profile]).run();
            assert!(matches!(output.code(), 0 | 5 | 64), "{}: {}", tool.name, output.stderr);
            wired += usize::from(output.code() == 0);
        }
    }
    assert!(wired > 20, "{wired}");
    odd.assert_nothing_ran();
    // Both of them split a command as a shell does.
    let text = std::fs::read_to_string(odd.at.join(".aws/config")).unwrap();
    let command = text.lines().find_map(|line| line.strip_prefix("credential_process = "));
    let script = format!("set -- {}; printf '%s|' \"$1\" \"$2\" \"$3\"", command.unwrap());
    let said = odd.run("sh", &["-c", &script]).run().expect_success();
    let keyfob = odd.at.join("bin/keyfob");
    assert!(
        said.text().starts_with(&format!("{}|aws|acme", keyfob.display())),
        "{}",
        said.text()
    );
    odd.run("keyfob", &["uninstall", "--all"]).run().expect_success();
    odd.assert_nothing_ran();
}

#[test]
fn git_runs_us_in_a_home_with_a_space_and_runs_no_account() {
    if !has("git") {
        return;
    }
    for profile in ["acme"].into_iter().chain(ACCOUNTS) {
        let odd = Odd::new("a b");
        odd.run("keyfob", &["install", "git", profile]).run().expect_success();
        let ask = odd.run("git", &["credential", "fill"]).env("GIT_TERMINAL_PROMPT", "0");
        let asked = ask.stdin("protocol=https\nhost=acme.example\n\n").run();
        // keyfob itself says why there is none.
        assert!(asked.stderr.contains("keyfob"), "{profile}: {}", asked.stderr);
        assert!(!asked.stderr.contains("not found"), "{profile}: {}", asked.stderr);
        odd.assert_nothing_ran();
    }
}

#[test]
fn a_variable_that_a_person_is_to_set_is_in_quotes() {
    let odd = Odd::new("a b");
    let output = odd.run("keyfob", &["install", "askpass"]).run();
    if output.code() == 0 {
        assert!(output.stderr.contains("SSH_ASKPASS='/"), "{}", output.stderr);
    }
}
