//! git: who else gets what keyfob answers, and what of the configuration comes after ours.

use std::os::unix::fs::symlink;

use super::home::Home;
use super::several::two;

/// A session with a password, as git gets it.
const PROVIDER: &str =
    "format = 1\nname = \"acme\"\n\n[login]\nflow = \"key\"\n\n[[target]]\nurl = \"https://acme.example\"\n";

fn with_session(config: &str) -> Home {
    let home = Home::empty();
    home.sandbox.write_provider("acme", PROVIDER);
    home.sandbox.write(".gitconfig", config);
    let set = home
        .keyfob(&["set-token", "acme:ann", "--no-check"])
        .stdin("canary-session");
    set.run().expect_success();
    home
}

/// Asks git, which hands the answer to every helper as after a fetch; what it was.
fn used(home: &Home, capability: &str) -> String {
    let run = |operation: &str, input: &str| {
        let ask = home.sandbox.program("git", &["credential", operation]);
        ask.stdin(input).run().expect_success()
    };
    let asked = format!("{capability}protocol=https\nhost=acme.example\n\n");
    let filled = run("fill", &asked).text().to_owned();
    run("approve", &filled);
    filled
}

fn knows_marks() -> bool {
    let output = std::process::Command::new("git").arg("--version").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|part| part.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(2), Some(46))
}

#[test]
fn no_other_helper_keeps_a_session_at_the_places_of_a_profile() {
    let home = with_session("[credential]\n\thelper = store\n");
    let output = home.keyfob(&["install", "git", "acme"]).run().expect_success();
    assert!(!output.stderr.contains("unsealed"), "{}", output.stderr);
    let filled = used(&home, "");
    assert!(filled.contains("password=canary-session"), "{filled}");
    assert!(!home.path(".git-credentials").exists());
    // Elsewhere the chain of the person is what it was.
    home.sandbox
        .write(".git-credentials", "https://bob:canary-own@else.example\n");
    let ask = home.sandbox.program("git", &["credential", "fill"]);
    let own = ask
        .stdin("protocol=https\nhost=else.example\n\n")
        .run()
        .expect_success();
    assert!(own.text().contains("password=canary-own"), "{}", own.text());
}

#[test]
fn a_session_is_marked_so_that_a_helper_before_ours_does_not_keep_it() {
    if !knows_marks() {
        eprintln!("left out: this git hands on no marks");
        return;
    }
    let home = with_session("[credential]\n\thelper = store\n");
    home.keyfob(&["install", "git"]).run().expect_success();
    let filled = used(&home, "capability[]=authtype\ncapability[]=state\n");
    assert!(
        filled.contains("authtype=Basic\n") && filled.contains("ephemeral=1\n"),
        "{filled}"
    );
    assert!(!home.path(".git-credentials").exists());
    // A rejected one is known again, so that it is not offered twice.
    let reject = home.sandbox.program("git", &["credential", "reject"]);
    reject.stdin(filled).run().expect_success();
    let native = home.keyfob(&["get"]).stdin("url=https://acme.example\n").run();
    assert!(
        native.code() == 2 && !native.text().contains("canary"),
        "{}",
        native.text()
    );
}

#[test]
fn who_still_keeps_a_session_is_said_and_listed() {
    let home = with_session("[credential]\n\thelper = store\n");
    for args in [&["install", "git"][..], &["install", "--list"]] {
        let output = home.keyfob(args).run().expect_success();
        let said = output.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            said.contains("its helper `store`") && said.contains("install git PROFILE"),
            "{said}"
        );
    }
    home.keyfob(&["install", "git", "--replace"]).run().expect_success();
    let output = home.keyfob(&["install", "--list"]).run().expect_success();
    assert_eq!(output.stderr, "");
}

#[test]
fn a_place_that_is_wired_stays_wired_whatever_is_wired_for_all_afterwards() {
    for (args, uninstalls) in [
        (&["install", "git"][..], &[&["uninstall", "--all"][..]][..]),
        (&["install", "git", "--replace"], &[&["uninstall", "--all"]]),
        (
            &["install", "git", "--replace"],
            &[&["uninstall", "git", "acme"], &["uninstall", "git"]],
        ),
    ] {
        let home = with_session("[user]\n\tname = Ann\n");
        let before = home.look();
        home.keyfob(&["install", "git", "acme"]).run().expect_success();
        home.keyfob(args).run().expect_success();
        let key = "credential.helper";
        let asked = ["config", "--global", "--get-urlmatch", key, "https://acme.example/x"];
        let asked = home.sandbox.program("git", &asked).run().expect_success();
        let link = home.path("bin/git-credential-keyfob-acme");
        assert_eq!(asked.text().trim_end(), link.to_str().unwrap(), "{args:?}");
        let trace = home
            .sandbox
            .program("git", &["credential", "fill"])
            .env("GIT_TRACE", "1");
        let trace = trace
            .stdin("url=https://acme.example/x.git\n\n")
            .run()
            .expect_success()
            .stderr;
        assert!(trace.contains("git-credential-keyfob-acme get"), "{args:?}: {trace}");
        for uninstall in uninstalls {
            home.keyfob(uninstall).run().expect_success();
        }
        home.assert_is(&before);
    }
}

#[test]
fn a_place_that_has_helpers_of_its_own_keeps_them_unless_they_are_replaced() {
    let own = "[credential \"https://acme.example\"]\n\thelper = \n\thelper = store\n";
    let home = with_session(own);
    let before = home.look();
    let output = home.keyfob(&["install", "git", "acme"]).run().expect_success();
    assert!(
        output.stderr.contains("`https://acme.example` has other helpers"),
        "{}",
        output.stderr
    );
    let helpers = |home: &Home| {
        let key = "credential.https://acme.example.helper";
        let asked = home
            .sandbox
            .program("git", &["config", "--global", "--get-all", key])
            .run();
        asked.text().to_owned()
    };
    let link = home.path("bin/git-credential-keyfob-acme");
    assert_eq!(helpers(&home), format!("\nstore\n{}\n", link.display()));
    let output = home
        .keyfob(&["install", "git", "acme", "--replace"])
        .run()
        .expect_success();
    assert!(!output.stderr.contains("other helpers"), "{}", output.stderr);
    assert_eq!(helpers(&home), format!("\n{}\n", link.display()));
    home.keyfob(&["uninstall", "git"]).run().expect_success();
    home.assert_is(&before);
}

#[test]
fn a_helper_for_all_places_that_stands_behind_ours_does_not_get_a_session() {
    let named = "[credential \"https://acme.example\"]\n\tusername = ann\n";
    let generic = "[credential]\n\thelper = store\n";
    let keeps_none = |home: &Home| {
        let filled = used(home, "");
        assert!(filled.contains("password=canary-session"), "{filled}");
        assert!(!home.path(".git-credentials").exists());
    };
    // Before ours came, also in a file that is included.
    for behind in [generic, "[include]\n\tpath = more\n"] {
        let home = with_session(&format!("{named}{behind}"));
        home.sandbox.write("more", generic);
        let before = home.look();
        home.keyfob(&["install", "git", "acme:ann"]).run().expect_success();
        keeps_none(&home);
        let text = home.read(".gitconfig");
        assert!(text.starts_with(&format!("{named}{behind}")), "{text}");
        let output = home.keyfob(&["install", "git", "acme:ann"]).run().expect_success();
        assert!(output.text().contains("nothing to change"), "{}", output.text());
        home.keyfob(&["uninstall", "git"]).run().expect_success();
        home.assert_is(&before);
    }
    // And since: the same command once more takes ours to the end again.
    let home = with_session("");
    let install = || home.keyfob(&["install", "git", "acme"]).run().expect_success();
    install();
    let add = ["config", "--global", "--add", "credential.helper", "store"];
    home.sandbox.program("git", &add).run().expect_success();
    let output = install();
    assert!(!output.text().contains("nothing to change"), "{}", output.text());
    keeps_none(&home);
    assert!(install().text().contains("nothing to change"));
    home.keyfob(&["uninstall", "git"]).run().expect_success();
    assert_eq!(home.read(".gitconfig"), generic);
}

#[test]
fn a_helper_that_gets_a_session_beside_those_of_a_place_is_named() {
    let own =
        "[credential \"https://acme.example\"]\n\thelper = \n\thelper = libsecret\n[credential]\n\thelper = store\n";
    let home = with_session(own);
    for args in [&["install", "git", "acme"][..], &["install", "--list"]] {
        let output = home.keyfob(args).run().expect_success();
        let said = output.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("(`store` keeps it unsealed): `--replace`"), "{said}");
    }
    let install = home.keyfob(&["install", "git", "acme", "--replace"]);
    let output = install.run().expect_success();
    assert!(!output.stderr.contains("unsealed"), "{}", output.stderr);
    used(&home, "");
    assert!(!home.path(".git-credentials").exists());
}

#[test]
fn what_an_included_file_adds_is_taken_out_by_replace_too() {
    let home = Home::empty();
    home.sandbox.write("more", "[credential]\n\thelper = cache\n");
    let own = "[credential]\n\thelper = store\n[include]\n\tpath = more\n[x]\n\ty = 1";
    home.sandbox.write(".gitconfig", own);
    let before = home.look();
    let helpers = || {
        let asked = home
            .sandbox
            .program("git", &["-C", "/", "config", "--get-all", "credential.helper"]);
        asked.run().text().to_owned()
    };
    let ours = format!("{} git\n", home.path("bin/keyfob").display());
    let output = home.keyfob(&["install", "git"]).run().expect_success();
    assert!(output.stderr.contains("its helper `store`"), "{}", output.stderr);
    assert!(helpers().ends_with(&format!("store\ncache\n{ours}")), "{}", helpers());
    home.keyfob(&["install", "git", "--replace"]).run().expect_success();
    assert!(helpers().ends_with(&format!("cache\n\n{ours}")), "{}", helpers());
    let wired = home.look();
    home.keyfob(&["install", "git", "--replace"]).run().expect_success();
    assert!(home.look() == wired, "the same again changes nothing");
    home.keyfob(&["uninstall", "git"]).run().expect_success();
    home.assert_is(&before);
    // A keeper that only an included file has is named too.
    home.sandbox.write(".gitconfig", "[include]\n\tpath = more\n");
    let output = home.keyfob(&["install", "git"]).run().expect_success();
    assert!(output.stderr.contains("its helper `cache`"), "{}", output.stderr);
}

#[test]
fn a_path_is_told_to_keyfob_where_a_place_has_one() {
    let home = two(Home::empty());
    let place = "https://acme.example/team";
    home.keyfob(&["install", "git", "acme", "--url", place])
        .run()
        .expect_success();
    let key = format!("credential.{place}.useHttpPath");
    let asked = home
        .sandbox
        .program("git", &["config", "--global", "--get", &key])
        .run();
    assert_eq!(asked.text(), "true\n");
}

#[test]
fn a_lock_that_a_killed_git_left_stops_nobody() {
    let home = Home::full();
    let before = home.look();
    for (verb, left) in [("install", "scratch.lock"), ("uninstall", "scratch")] {
        home.sandbox.write(&format!("keyfob/state/install/{left}"), "canary");
        home.keyfob(&[verb, "git"]).run().expect_success();
        assert!(!home.path("keyfob/state/install").join(left).exists());
    }
    home.assert_is(&before);
}

#[test]
fn a_helper_that_is_keyfob_by_another_name_is_ours_already() {
    for (named, is_ours) in [
        ("keyfob", true),
        ("!keyfob git", true),
        ("@/git-credential-keyfob", true),
        ("@/keyfob git", true),
        ("!false keyfob", false),
        ("/bin/false git", false),
    ] {
        let home = Home::empty();
        symlink(home.sandbox.keyfob_path(), home.path("bin/git-credential-keyfob")).unwrap();
        symlink(home.sandbox.keyfob_path(), home.path("stubs/keyfob")).unwrap();
        let named = named.replace('@', &home.path("stubs").display().to_string());
        symlink(home.sandbox.keyfob_path(), home.path("stubs/git-credential-keyfob")).unwrap();
        home.sandbox
            .write(".gitconfig", &format!("[credential]\n\thelper = \"{named}\"\n"));
        let before = home.look();
        let output = home.keyfob(&["install", "git"]).run().expect_success();
        assert_eq!(
            output.text().contains("nothing to change"),
            is_ours,
            "{named}: {}",
            output.text()
        );
        assert_eq!(home.look() == before, is_ours, "{named}");
        home.keyfob(&["install", "git", "--replace"]).run().expect_success();
        let helpers = home.read(".gitconfig");
        assert_eq!(helpers.contains(&named), is_ours, "{named}: {helpers}");
        home.keyfob(&["uninstall", "git"]).run().expect_success();
        home.assert_is(&before);
    }
    // One that is found nowhere is not.
    let home = Home::empty();
    home.sandbox.write(".gitconfig", "[credential]\n\thelper = keyfob\n");
    home.keyfob(&["install", "git"]).run().expect_success();
    assert!(home.read(".gitconfig").contains("keyfob git"));
}
