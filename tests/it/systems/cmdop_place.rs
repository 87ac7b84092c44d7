//! cmdop, rows 1.4, 1.5 and 1.30 to 1.32: the files of the sessions, and the directory that they are in.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::cmdop::{in_both, logged_in, set};
use super::person::Person;
use super::program::Program;
use super::row::{Row, root, said};
use crate::part;

/// Whether a file of the directory `.cmdop` has this text.
fn has(program: &Program, file: &str, text: &str) -> bool {
    let path = program.sandbox.path().join(".cmdop").join(file);
    std::fs::read_to_string(path).is_ok_and(|content| content.contains(text))
}

fn mode(program: &Program, below: &str) -> u32 {
    let path = program.sandbox.path().join(below);
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn row_1_4_each_mode_has_its_token_file() {
    let mut row = Row::new(
        "1.4",
        "The session of each mode is in its file `~/.cmdop/token_MODE.json`, and there alone.",
    );
    let (program, prod, dev) = in_both();
    let tokens = [
        prod.families()[0].access[0].clone(),
        dev.families()[0].access[0].clone(),
    ];
    for (mode, (mine, other)) in [("prod", (&tokens[0], &tokens[1])), ("dev", (&tokens[1], &tokens[0]))] {
        let file = format!("token_{mode}.json");
        assert!(has(&program, &file, mine) && !has(&program, &file, other), "{file}");
    }
    let elsewhere = program.sandbox.files_with("canary");
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    let output = row.run(program.call(&["auth", "status", "--json"]));
    row.exit(&output, 0);
    let shown: Value = serde_json::from_str(output.text()).unwrap();
    let sessions = shown["sessions"].as_array().unwrap().iter();
    let mut places: Vec<&str> = sessions.filter_map(|session| session["place"].as_str()).collect();
    places.sort_unstable();
    row.saw(places.join(", "));
    row.held();
}

#[test]
fn row_1_5_the_file_is_its_owners_alone_from_the_first_byte() {
    let mut row = Row::new(
        "1.5",
        "The file is made with mode 0600, whatever the umask is, and never opened to others in between.",
    );
    let (mut program, _prod, _dev) = set();
    let person = Person::sits_down(&mut program);
    let output = row.run(program.shell("umask 000; cmdop login"));
    row.exit(&output, 0);
    person.leaves();
    let found = (mode(&program, ".cmdop/token_prod.json"), mode(&program, ".cmdop"));
    assert_eq!(found, (0o600, 0o700));
    row.saw(format!(
        "mode {:o} of the file, {:o} of its directory",
        found.0, found.1
    ));
    if part::strace() {
        program.ages(3400);
        let args = ["-f", "-qqq", "-e", "trace=openat,chmod,fchmod,fchmodat", "-o", "calls"];
        let args = [&args[..], &["cmdop", "print-access-token"]].concat();
        program.sandbox.program("strace", &args).run().expect_success();
        let calls = std::fs::read_to_string(program.sandbox.path().join("calls")).unwrap();
        // Names below a directory that is open already; locks are empty.
        let made = calls
            .lines()
            .filter(|line| line.contains("O_CREAT") && line.contains("token_prod"));
        let made: Vec<&str> = made.collect();
        assert!(
            !made.is_empty() && made.iter().all(|line| line.contains("0600")),
            "{calls}"
        );
        // What a umask took away may be given back, and nothing more.
        assert!(
            calls
                .lines()
                .filter(|line| line.contains("chmod("))
                .all(|line| line.contains("0600")),
            "{calls}"
        );
    }
    row.held();
}

#[test]
fn row_1_30_the_directory_is_the_same_on_all_systems_but_one() {
    let mut row = Row::new(
        "1.30",
        "The directory is `~/.cmdop` on Linux and macOS; for Windows the file names `%APPDATA%\\cmdop`, which is not run here.",
    );
    let (program, _prod, _dev) = logged_in();
    let output = row.run(program.call(&["auth", "status"]));
    row.exit(&output, 0);
    row.says(&output, "/.cmdop/token_prod.json");
    let text = std::fs::read_to_string(root().join("examples/providers/cmdop.toml")).unwrap();
    let windows = text.lines().find(|line| line.starts_with("file_windows")).unwrap();
    row.saw(windows);
    row.held();
}

#[test]
fn row_1_31_other_files_of_the_directory_are_let_be() {
    let mut row = Row::new(
        "1.31",
        "The directory is the program's: what else lies there, a PID, a status, rules, is neither read nor changed.",
    );
    let (mut program, _prod, _dev) = set();
    let others = [
        ("daemon.pid", "4711\n"),
        ("status.json", "{}\n"),
        ("permissions.toml", "allow = []\n"),
    ];
    for (name, text) in others {
        program.sandbox.write(&format!(".cmdop/{name}"), text);
    }
    let directory = program.sandbox.path().join(".cmdop");
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700)).unwrap();
    let person = Person::sits_down(&mut program);
    let output = row.run(program.call(&["login"]));
    row.exit(&output, 0);
    person.leaves();
    let output = row.run(program.call(&["logout"]));
    row.exit(&output, 0);
    assert!(
        others.iter().all(|(name, text)| has(&program, name, text)),
        "{}",
        said(&output)
    );
    assert!(!program.sandbox.path().join(".cmdop/token_prod.json").exists());
    row.saw(format!("{} files as they were, and no token", others.len()));
    row.held();
}

#[test]
fn row_1_32_git_does_not_take_the_directory() {
    let mut row = Row::new(
        "1.32",
        "A directory that the login makes has a file by which git leaves it out.",
    );
    let (program, _prod, _dev) = logged_in();
    program.sandbox.program("git", &["init", "-q"]).run().expect_success();
    let output = row.run(program.other("git", &["add", "--all", "--dry-run"]));
    row.exit(&output, 0);
    assert!(!output.text().contains(".cmdop"), "{}", output.text());
    let ignored = row.run(program.other("git", &["check-ignore", ".cmdop/token_prod.json"]));
    row.exit(&ignored, 0);
    row.says(&ignored, "token_prod.json");
    row.held();
}
