//! Taking back where somebody else has changed something since, or where the place is not what it was.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::home::Home;

#[test]
fn a_file_that_was_changed_since_is_refused_with_a_diff() {
    let home = Home::full();
    home.keyfob(&["install", "git"]).run().expect_success();
    home.append("dotfiles/gitconfig", "\n[alias]\n\tz = !echo new\n\ttoken = canary\n");
    let changed = home.look();
    let output = home.sandbox.program(home.path("bin/keyfob"), &["uninstall", "git"]);
    let output = output.run().expect_code(5);
    home.assert_is(&changed);
    assert!(
        output.stderr.contains("+[alias]") && output.stderr.contains("--merge"),
        "{}",
        output.stderr
    );
}

#[test]
fn our_lines_come_out_beside_what_was_changed_since() {
    let home = Home::full();
    let before = home.read("dotfiles/gitconfig");
    home.keyfob(&["install", "git"]).run().expect_success();
    home.append("dotfiles/gitconfig", "\n[x]\n\ty = 1\n");
    home.keyfob(&["uninstall", "git", "--merge"]).run().expect_success();
    assert_eq!(home.read("dotfiles/gitconfig"), before + "\n[x]\n\ty = 1\n");
}

#[test]
fn our_lines_at_the_end_come_out_before_what_was_added_behind_them() {
    for (own, left) in [
        ("[x]\n\ty = 1\n", "[x]\n\ty = 1\n"),
        ("[x]\n\ty = 1", "[x]\n\ty = 1\n"),
        ("", ""),
    ] {
        let home = Home::empty();
        if !own.is_empty() {
            home.sandbox.write(".gitconfig", own);
        }
        home.keyfob(&["install", "git", "acme"]).run().expect_success();
        home.append(".gitconfig", "[alias]\n\tz = status\n");
        home.keyfob(&["uninstall", "git"]).run().expect_code(5);
        home.keyfob(&["uninstall", "git", "--merge"]).run().expect_success();
        assert_eq!(home.read(".gitconfig"), format!("{left}[alias]\n\tz = status\n"));
    }
}

#[test]
fn our_own_lines_that_were_changed_are_left_to_a_person() {
    let home = Home::full();
    home.keyfob(&["install", "git"]).run().expect_success();
    let text = home
        .read("dotfiles/gitconfig")
        .replace("keyfob git", "keyfob git --changed");
    std::fs::write(home.path("dotfiles/gitconfig"), &text).unwrap();
    let output = home.keyfob(&["uninstall", "git", "--merge"]).run().expect_code(5);
    assert!(output.stderr.contains("--forget"), "{}", output.stderr);
    home.keyfob(&["uninstall", "git", "--forget"]).run().expect_success();
    assert_eq!(home.read("dotfiles/gitconfig"), text);
    let list = home.keyfob(&["install", "--list"]).run().expect_success();
    assert!(list.text().starts_with("git         not wired"), "{}", list.text());
}

#[test]
fn what_was_put_back_by_hand_is_nothing_to_refuse() {
    let home = Home::full();
    let before = home.look();
    home.keyfob(&["install", "git"]).run().expect_success();
    let (_, content) = &before[&home.path("dotfiles/gitconfig")];
    std::fs::write(home.path("dotfiles/gitconfig"), content).unwrap();
    home.keyfob(&["uninstall", "git"]).run().expect_success();
    home.assert_is(&before);
}

#[test]
fn two_tools_in_one_file_come_out_in_any_order() {
    for order in [["pip", "uv"], ["uv", "pip"]] {
        let home = Home::full();
        let before = home.look();
        // Both want the link `keyring`, and the second finds it there.
        for tool in ["pip", "uv"] {
            home.keyfob(&["install", tool]).run().expect_success();
        }
        home.keyfob(&["uninstall", order[0]]).run().expect_success();
        assert!(home.path("bin/keyring").is_symlink(), "the other still needs it");
        home.keyfob(&["uninstall", order[1]]).run().expect_success();
        home.assert_is(&before);
    }
    let home = Home::full();
    let shared = home.sandbox.write("shared.toml", "# s\n[a]\nb = 1\n");
    let before = home.look();
    let run = |args: &[&str]| {
        let run = home.keyfob(args).env("UV_CONFIG_FILE", &shared);
        run.env("CARGO_HOME", home.path("")).run()
    };
    std::fs::rename(&shared, home.path("config.toml")).unwrap();
    symlink("config.toml", &shared).unwrap();
    let before_link = home.look();
    run(&["install", "uv"]).expect_success();
    run(&["install", "cargo"]).expect_success();
    run(&["uninstall", "uv"]).expect_success();
    let text = home.read("config.toml");
    assert!(
        text.contains("cargo-credential-keyfob") && !text.contains("subprocess"),
        "{text}"
    );
    run(&["uninstall", "cargo"]).expect_success();
    home.assert_is(&before_link);
    assert!(before.len() < before_link.len());
}

#[test]
fn two_tools_in_a_file_that_was_not_there_leave_none() {
    for order in [["pip", "ansible"], ["ansible", "pip"]] {
        let home = Home::empty();
        let before = home.look();
        let run = |args: &[&str]| {
            let run = home.keyfob(args).env("PIP_CONFIG_FILE", home.path("new/shared.ini"));
            run.env("ANSIBLE_CONFIG", home.path("new/shared.ini")).run()
        };
        for tool in ["pip", "ansible"] {
            run(&["install", tool, "acme"]).expect_success();
        }
        let first = run(&["uninstall", order[0]]);
        if first.code() != 0 {
            assert!(first.stderr.contains("keyfob uninstall ansible"), "{}", first.stderr);
        }
        run(&["uninstall", order[1]]).expect_success();
        run(&["uninstall", "--all"]).expect_success();
        home.assert_is(&before);
    }
}

#[test]
fn other_options_replace_the_wiring() {
    let home = Home::full();
    let before = home.look();
    home.keyfob(&["install", "docker", "--replace"]).run().expect_success();
    assert!(home.read(".docker/config.json").contains("\"credsStore\":\"keyfob\""));
    home.keyfob(&["install", "docker", "acme", "--replace"])
        .run()
        .expect_success();
    assert!(
        home.read(".docker/config.json")
            .contains("\"credsStore\":\"keyfob-acme\"")
    );
    assert!(!home.path("bin/docker-credential-keyfob").exists());
    home.keyfob(&["uninstall", "docker"]).run().expect_success();
    home.assert_is(&before);
}

#[test]
fn wiring_again_keeps_what_was_changed_since() {
    let home = Home::full();
    home.keyfob(&["install", "git"]).run().expect_success();
    home.append("dotfiles/gitconfig", "\n[x]\n\ty = 1\n");
    let changed = home.look();
    let output = home.keyfob(&["install", "git"]).run().expect_success();
    assert!(output.text().contains("nothing to change"), "{}", output.text());
    home.assert_is(&changed);
}

#[test]
fn another_helper_is_replaced_only_where_a_person_says_so() {
    let home = Home::full();
    let before = home.look();
    for (tool, code) in [("docker", 5), ("terraform", 5), ("vault", 5)] {
        let output = home.keyfob(&["install", tool]).run().expect_code(code);
        assert!(output.stderr.contains("--replace"), "{tool}: {}", output.stderr);
        home.assert_is(&before);
    }
    let output = home.keyfob(&["install", "--all"]).run();
    assert_eq!(output.code(), 5);
    assert!(
        home.read("dotfiles/gitconfig").contains("keyfob git"),
        "the others are wired"
    );
    home.keyfob(&["uninstall", "--all"]).run().expect_success();
    home.assert_is(&before);
}

#[test]
fn a_malformed_configuration_is_left_alone_with_its_place() {
    for (tool, file, text) in [
        ("git", ".gitconfig", "[user]\n\tname = Ann\n[canary\n"),
        ("docker", ".docker/config.json", "{\n  \"a\": canary\n}\n"),
        ("cargo", ".cargo/config.toml", "[a]\nb = 1\nc = canary\n"),
        ("kubectl", ".kube/config", "a: 1\nb: [canary\n"),
        ("aws", ".aws/config", "[default]\nx = 1\ncanary\n"),
        ("terraform", ".terraformrc", "a = 1\nb = = canary\n"),
        ("pip", ".config/pip/pip.conf", "[global]\n\ncanary\n"),
        ("uv", ".config/uv/uv.toml", "a = 1\nb = canary\n"),
        ("pnpm", ".npmrc", "a=1\n=canary\n"),
        ("vault", ".vault", "a = 1\nb = = canary\n"),
        ("ansible", ".ansible.cfg", "[a]\nb = 1\ncanary\n"),
    ] {
        let home = Home::empty();
        home.sandbox.write(file, text);
        let before = home.look();
        let output = home.keyfob(&["install", tool, "acme"]).run().expect_code(64);
        assert!(
            output.stderr.contains("line ") && output.stderr.contains(file),
            "{tool}: {}",
            output.stderr
        );
        home.assert_is(&before);
    }
}

#[test]
fn a_file_of_another_user_is_not_written() {
    if !crate::part::is_root() {
        return;
    }
    let home = Home::full();
    let theirs = home.sandbox.write("theirs/gitconfig", "[a]\n");
    std::os::unix::fs::chown(&theirs, Some(65534), Some(65534)).unwrap();
    std::fs::remove_file(home.path(".gitconfig")).unwrap();
    symlink(&theirs, home.path(".gitconfig")).unwrap();
    std::os::unix::fs::chown(home.path(".vault"), Some(65534), Some(65534)).unwrap();
    std::fs::set_permissions(home.path(".config/uv"), std::fs::Permissions::from_mode(0o777)).unwrap();
    let before = home.look();
    for tool in ["git", "vault", "uv"] {
        home.keyfob(&["install", tool, "--replace"]).run().expect_code(5);
        home.assert_is(&before);
    }
}

#[test]
fn a_program_that_is_somebody_elses_is_not_replaced() {
    let home = Home::full();
    home.sandbox.write("bin/keyring", "#!/bin/sh\n");
    let before = home.look();
    let output = home.keyfob(&["install", "uv", "--replace"]).run().expect_code(5);
    assert!(output.stderr.contains("another program"), "{}", output.stderr);
    home.assert_is(&before);
    std::fs::remove_file(home.path("bin/keyring")).unwrap();
    symlink("/opt/keyring", home.path("bin/keyring")).unwrap();
    let before = home.look();
    home.keyfob(&["install", "uv"]).run().expect_code(5);
    home.keyfob(&["install", "uv", "--replace"]).run().expect_success();
    home.keyfob(&["uninstall", "uv"]).run().expect_success();
    home.assert_is(&before);
}

#[test]
fn a_tool_whose_lines_name_a_program_that_is_gone_is_listed_so() {
    let home = Home::empty();
    std::fs::create_dir(home.path("old")).unwrap();
    std::os::unix::fs::symlink(home.sandbox.keyfob_path(), home.path("old/keyfob")).unwrap();
    for tool in ["git", "docker", "cargo"] {
        let run = home
            .sandbox
            .program(home.path("old/keyfob"), &["install", tool, "acme"]);
        run.env("PATH", format!("{}:/usr/bin:/bin", home.path("old").display()))
            .run()
            .expect_success();
    }
    std::fs::remove_file(home.path("old/keyfob")).unwrap();
    let list = home.keyfob(&["install", "--list"]).run().expect_success();
    assert_eq!(
        list.text().matches("wired, but its program is gone").count(),
        3,
        "{}",
        list.text()
    );
    for tool in ["git", "docker", "cargo"] {
        let hint = format!(
            "{tool}: wired, but `{}` is gone: run `keyfob install {tool} acme`",
            home.path("old/keyfob").display()
        );
        assert!(list.stderr.contains(&hint), "{}", list.stderr);
        home.keyfob(&["install", tool, "acme"]).run().expect_success();
    }
    let list = home.keyfob(&["install", "--list"]).run().expect_success();
    assert!(
        !list.stderr.contains("is gone") && !list.text().contains("is gone"),
        "{}",
        list.text()
    );
    let keyfob = std::fs::read_link(home.path("bin/docker-credential-keyfob-acme")).unwrap();
    assert_eq!(keyfob, home.path("bin/keyfob"));
}

#[test]
fn a_link_of_ours_that_moved_with_its_program_is_made_anew_and_goes() {
    let home = Home::empty();
    let run = |at: &str, args: &[&str]| {
        let path = format!("{}:/usr/bin:/bin", home.path(at).display());
        let run = home
            .sandbox
            .program(home.path(at).join("keyfob"), args)
            .env("PATH", path);
        run.run().expect_success()
    };
    std::fs::create_dir(home.path("old")).unwrap();
    std::fs::set_permissions(home.path("old"), std::fs::Permissions::from_mode(0o755)).unwrap();
    symlink(home.sandbox.keyfob_path(), home.path("old/keyfob")).unwrap();
    let before = home.look().len();
    for tool in ["docker", "pip"] {
        run("old", &["install", tool]);
    }
    std::fs::rename(home.path("old"), home.path("new")).unwrap();
    for tool in ["docker", "pip"] {
        run("new", &["install", tool]);
    }
    for link in ["docker-credential-keyfob", "keyring"] {
        let target = std::fs::read_link(home.path("new").join(link)).unwrap();
        assert_eq!(target, home.path("new/keyfob"), "{link}");
    }
    run("new", &["uninstall", "--all"]);
    assert!(!home.path("new/keyring").is_symlink());
    assert_eq!(home.look().len(), before);
}

#[test]
fn what_is_forgotten_keeps_the_link_that_it_needs_and_is_named() {
    for (text, stays) in [("{\"credsStore\":\"keyfob\",\"x\":1}\n", true), ("{\"x\":1}\n", false)] {
        let home = Home::empty();
        home.sandbox.write(".docker/config.json", "{\"x\":1}\n");
        home.keyfob(&["install", "docker"]).run().expect_success();
        std::fs::write(home.path(".docker/config.json"), text.replace('1', "2")).unwrap();
        let output = home.keyfob(&["uninstall", "docker", "--forget"]).run().expect_success();
        let (file, link) = (".docker/config.json", "bin/docker-credential-keyfob");
        let left = |path: &str| format!("`{}` is left as it is", home.path(path).display());
        assert_eq!(home.read(file), text.replace('1', "2"));
        assert!(output.stderr.contains(&left(file)), "{}", output.stderr);
        assert_eq!(home.path(link).is_symlink(), stays, "{text}");
        assert_eq!(output.stderr.contains(&left(link)), stays, "{}", output.stderr);
        let said = "docker: forgotten, and left as it is\n";
        assert_eq!(output.text() == said, stays, "{}", output.text());
    }
}

#[test]
fn of_two_files_the_one_that_was_changed_is_left_and_named() {
    let home = Home::empty();
    home.sandbox.write(".tofurc", "# t\n");
    home.keyfob(&["install", "terraform"]).run().expect_success();
    let own = home.read(".tofurc").replace("{\n}", "{\n  args = []\n}");
    std::fs::write(home.path(".tofurc"), &own).unwrap();
    let output = home
        .keyfob(&["uninstall", "terraform", "--forget"])
        .run()
        .expect_success();
    let is_named = |path: &str| {
        output
            .stderr
            .contains(&format!("`{}` is left", home.path(path).display()))
    };
    assert!(is_named(".tofurc") && !is_named(".terraformrc"), "{}", output.stderr);
    assert_eq!(home.read(".tofurc"), own);
    assert!(!home.path(".terraformrc").exists());
}

#[test]
fn our_lines_that_a_person_changed_are_no_fault_of_a_later_wiring() {
    let home = super::several::two(Home::empty());
    home.keyfob(&["install", "aws", "acme"]).run().expect_success();
    let own = home.read(".aws/config").replace("keyfob aws acme", "other");
    std::fs::write(home.path(".aws/config"), &own).unwrap();
    home.keyfob(&["install", "aws", "other"]).run().expect_success();
    for more in [&[][..], &["--merge"]] {
        let args = [&["uninstall", "aws", "acme"], more].concat();
        let output = home.keyfob(&args).run().expect_code(5);
        assert!(!output.stderr.contains("wired after"), "{}", output.stderr);
        assert!(output.stderr.contains("put them right by hand"), "{}", output.stderr);
    }
    home.keyfob(&["uninstall", "aws", "acme", "--forget"])
        .run()
        .expect_success();
    home.keyfob(&["uninstall", "aws", "other"]).run().expect_success();
    assert_eq!(home.read(".aws/config"), own);
}
