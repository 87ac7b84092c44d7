//! A wiring that is cut off, and a disk that does not take it: afterwards all is as it was, or as it was to be.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::home::{Files, Home};
use crate::sandbox::Sandbox;

/// The system calls after which a kill leaves something different behind.
const STEPS: [&str; 5] = [
    "rename,renameat,renameat2",
    "symlink,symlinkat",
    "unlink,unlinkat",
    "mkdir,mkdirat",
    "fsync",
];

/// The tools of these tests: an edited file, a new file in new directories, a link.
const TOOLS: [&str; 3] = ["docker", "vault", "uv"];

fn install(home: &Home, tool: &str, what: &str) -> Option<crate::run::Output> {
    let run = home.keyfob(&["install", tool, "acme", "--replace"]).injected(what);
    let output = run.deadline(Duration::from_secs(120)).run();
    let log = home.read("strace.log");
    (log.contains("INJECTED") || log.contains("killed by SIGKILL")).then_some(output)
}

fn fresh() -> (Home, Files) {
    let home = Home::full();
    for name in [".config/uv/uv.toml", ".docker/config.json"] {
        if name.starts_with(".config") {
            std::fs::remove_dir_all(home.path(".config/uv")).unwrap();
        }
    }
    let before = home.look();
    (home, before)
}

#[test]
fn a_kill_at_any_step_can_be_undone_and_repeated() {
    if !crate::part::strace() {
        return;
    }
    let mut killed = 0;
    for tool in TOOLS {
        let (home, before) = fresh();
        for calls in STEPS {
            for at in 1.. {
                if install(&home, tool, &format!("{calls}:signal=KILL:when={at}")).is_none() {
                    home.keyfob(&["uninstall", "--all"]).run().expect_success();
                    home.assert_is(&before);
                    break;
                }
                killed += 1;
                // Half of the times it is done again first.
                if at % 2 == 0 {
                    home.keyfob(&["install", tool, "acme", "--replace"])
                        .run()
                        .expect_success();
                    let list = home.keyfob(&["install", "--list"]).run().expect_success();
                    assert!(list.text().contains("  wired"), "{}", list.text());
                }
                home.keyfob(&["uninstall", "--all"]).run().expect_success();
                home.assert_is(&before);
            }
        }
    }
    assert!(killed > 20, "{killed}");
}

#[test]
fn a_kill_while_taking_back_can_be_repeated() {
    if !crate::part::strace() {
        return;
    }
    for tool in TOOLS {
        let (home, before) = fresh();
        for calls in STEPS {
            for at in 1.. {
                home.keyfob(&["install", tool, "acme", "--replace"])
                    .run()
                    .expect_success();
                let run = home
                    .keyfob(&["uninstall", tool])
                    .injected(&format!("{calls}:signal=KILL:when={at}"));
                run.deadline(Duration::from_secs(120)).run();
                let was_killed = home.read("strace.log").contains("killed by SIGKILL");
                home.keyfob(&["uninstall", "--all"]).run().expect_success();
                home.assert_is(&before);
                if !was_killed {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_place_that_takes_nothing_leaves_all_as_it_was() {
    if !crate::part::strace() {
        return;
    }
    let (home, before) = fresh();
    let mut refused = 0;
    for (calls, error) in [
        ("rename,renameat,renameat2", "EROFS"),
        ("fsync", "EIO"),
        ("symlink,symlinkat", "EACCES"),
    ] {
        for at in 1.. {
            let Some(output) = install(&home, "docker", &format!("{calls}:error={error}:when={at}")) else {
                home.keyfob(&["uninstall", "--all"]).run().expect_success();
                break;
            };
            refused += 1;
            if output.code() != 0 {
                assert!(output.stderr.contains("keyfob: error: "), "{}", output.stderr);
                home.assert_is(&before);
            }
            home.keyfob(&["uninstall", "--all"]).run().expect_success();
            home.assert_is(&before);
        }
    }
    assert!(refused > 5, "{refused}");
}

#[test]
fn a_full_disk_leaves_all_as_it_was() {
    let Some(mut sandbox) = Sandbox::tiny(192) else { return };
    sandbox.unset("DOCKER_CONFIG");
    let filled = sandbox.write("filler", &"x".repeat(130 * 1024));
    let config = format!("{{\n  \"a\": \"{}\"\n}}\n", "y".repeat(20 * 1024));
    sandbox.write(".docker/config.json", &config);
    let output = sandbox.keyfob(&["install", "docker"]).run();
    assert_eq!(output.code(), 4, "{}", output.stderr);
    let now = std::fs::read_to_string(sandbox.path().join(".docker/config.json")).unwrap();
    assert!(now == config && !sandbox.path().join(".local/bin").exists());
    std::fs::remove_file(filled).unwrap();
    sandbox.keyfob(&["install", "docker"]).run().expect_success();
    sandbox.keyfob(&["uninstall", "docker"]).run().expect_success();
    let now = std::fs::read_to_string(sandbox.path().join(".docker/config.json")).unwrap();
    assert!(now == config && !sandbox.path().join(".local").exists());
}

#[test]
fn a_damaged_journal_changes_nothing_and_is_named() {
    let home = Home::full();
    home.keyfob(&["install", "git"]).run().expect_success();
    let journal = home.path("keyfob/state/install/journal.json");
    let good = std::fs::read(&journal).unwrap();
    let wired = home.look();
    for (bad, code) in [(&good[..good.len() / 2], 4), (&b""[..], 4), (&b"{\"format\":9}"[..], 4)] {
        std::fs::write(&journal, bad).unwrap();
        for args in [
            &["uninstall", "--all"][..],
            &["install", "docker"],
            &["install", "--list"],
        ] {
            let output = home.keyfob(args).run().expect_code(code);
            assert!(output.stderr.contains("journal.json"), "{}", output.stderr);
        }
        home.assert_is(&wired);
    }
    std::fs::write(&journal, good).unwrap();
    home.keyfob(&["uninstall", "--all"]).run().expect_success();
}

#[test]
fn the_journal_is_for_nobody_else_to_read_or_write() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::full();
    home.keyfob(&["install", "docker", "--replace"]).run().expect_success();
    let journal = home.path("keyfob/state/install/journal.json");
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&journal), mode(journal.parent().unwrap())), (0o600, 0o700));
    std::fs::set_permissions(&journal, std::fs::Permissions::from_mode(0o666)).unwrap();
    let output = home.keyfob(&["uninstall", "docker"]).run().expect_code(4);
    assert!(output.stderr.contains("somebody else"), "{}", output.stderr);
}

#[test]
fn what_a_kill_has_left_beside_the_journal_is_swept() {
    for left in [
        ".journal.json.keyfob-tmp",
        ".scratch.keyfob-tmp",
        "scratch",
        "scratch.lock",
    ] {
        let home = Home::empty();
        let path = home.sandbox.write(&format!("keyfob/state/install/{left}"), "canary");
        home.keyfob(&["uninstall", "--all"]).run().expect_success();
        assert!(!path.exists(), "{left}");
    }
}

#[test]
fn a_full_disk_is_said_by_its_name() {
    let home = Home::empty();
    let script = "#!/bin/sh\necho \"error: could not write config file: No space left on device\" >&2\nexit 4\n";
    let git = home.sandbox.write("full/git", script);
    std::fs::set_permissions(git, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::join_paths([home.path("bin"), home.path("full"), "/usr/bin".into(), "/bin".into()]).unwrap();
    let output = home.keyfob(&["install", "git"]).env("PATH", &path).run();
    assert!(output.stderr.contains("No space left"), "{}", output.stderr);
    assert_eq!(output.code(), 4, "{}", output.stderr);
    if crate::part::strace() {
        let run = home.keyfob(&["install", "cargo"]).injected("fsync:error=ENOSPC");
        let output = run.run();
        assert!(output.stderr.contains("No space left"), "{}", output.stderr);
        assert_eq!(output.code(), 4, "{}", output.stderr);
    }
}
