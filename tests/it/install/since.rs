//! Taking back what the tool itself, or its person, has written anew or moved since.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::Duration;

use serde_json::Value;

use super::home::{Home, has};

/// A configuration of docker as docker writes it anew.
fn rewritten(home: &Home) -> Value {
    let mut value: Value = serde_json::from_str(&home.read(".docker/config.json")).unwrap();
    value["currentContext"] = "theirs".into();
    value["auths"]["b.example"] = serde_json::json!({});
    let text = serde_json::to_string_pretty(&value).unwrap();
    std::fs::write(home.path(".docker/config.json"), text).unwrap();
    value
}

fn docker_is(home: &Home, expected: &Value) {
    let text = home.read(".docker/config.json");
    assert!(serde_json::from_str::<Value>(&text).unwrap() == *expected, "{text}");
}

#[test]
fn a_configuration_that_docker_has_written_anew_is_taken_back() {
    let home = Home::full();
    home.keyfob(&["install", "docker", "--replace"]).run().expect_success();
    let mut value = rewritten(&home);
    let written = home.look();
    // Taking it back wants a word, and the same again is nothing to do.
    let refused = home.keyfob(&["uninstall", "docker"]).run().expect_code(5);
    assert!(refused.stderr.contains("--merge"), "{}", refused.stderr);
    home.assert_is(&written);
    let again = home.keyfob(&["install", "docker", "--replace"]).run().expect_success();
    assert!(again.text().contains("nothing to change"), "{}", again.text());
    home.assert_is(&written);
    home.keyfob(&["install", "docker", "acme", "--replace"])
        .run()
        .expect_success();
    value["credsStore"] = "keyfob-acme".into();
    docker_is(&home, &value);
    home.keyfob(&["uninstall", "docker", "--merge"]).run().expect_success();
    value["credsStore"] = "desktop".into();
    docker_is(&home, &value);
}

#[test]
fn a_value_that_somebody_has_set_where_ours_was_is_left_to_a_person() {
    let home = Home::full();
    home.keyfob(&["install", "docker", "--replace"]).run().expect_success();
    let mut value = rewritten(&home);
    value["credsStore"] = "pass".into();
    home.sandbox.write(".docker/config.json", &value.to_string());
    let before = home.look();
    for args in [&["uninstall", "docker", "--merge"][..], &["install", "docker"]] {
        let output = home.keyfob(args).run().expect_code(5);
        assert!(output.stderr.contains("--forget"), "{}", output.stderr);
        home.assert_is(&before);
    }
}

#[test]
fn what_somebody_has_removed_stays_away() {
    let home = Home::full();
    home.keyfob(&["install", "docker", "--replace"]).run().expect_success();
    std::fs::remove_file(home.path(".docker/config.json")).unwrap();
    std::fs::remove_file(home.path("bin/docker-credential-keyfob")).unwrap();
    home.keyfob(&["uninstall", "docker"]).run().expect_code(5);
    home.keyfob(&["install", "docker"]).run().expect_success();
    assert!(home.read(".docker/config.json").contains("keyfob"));
    assert!(home.path("bin/docker-credential-keyfob").is_symlink());
    std::fs::remove_file(home.path(".docker/config.json")).unwrap();
    home.keyfob(&["uninstall", "docker", "--merge"]).run().expect_success();
    assert!(!home.path(".docker/config.json").exists() && !home.path("bin/docker-credential-keyfob").is_symlink());
}

#[test]
fn a_kubeconfig_that_kubectl_has_written_anew_is_taken_back() {
    if !has("kubectl") {
        return;
    }
    let home = Home::full();
    let before = home.read(".kube/config");
    home.keyfob(&["install", "kubectl", "acme"]).run().expect_success();
    let kubectl = |args: &[&str]| {
        let run = home.sandbox.program("kubectl", &[&["config"], args].concat()).run();
        run.expect_success().text().trim().to_owned()
    };
    // What our own note says, and what people do besides.
    kubectl(&["set-context", "--current", "--user=keyfob-acme"]);
    kubectl(&["set-credentials", "eve", "--token=canary"]);
    kubectl(&["set-cluster", "y", "--server=https://y.example"]);
    let again = home.keyfob(&["install", "kubectl", "acme"]).run().expect_success();
    assert!(again.text().contains("nothing to change"), "{}", again.text());
    home.keyfob(&["uninstall", "kubectl", "--merge"]).run().expect_success();
    let users = "jsonpath={.users[*].name} {.clusters[*].name} {.contexts[*].name}";
    assert_eq!(kubectl(&["view", "-o", users]), "ann eve x y c");
    // With `--replace` the context's own user comes back too.
    std::fs::write(home.path(".kube/config"), before).unwrap();
    let install = ["install", "kubectl", "acme", "--replace"];
    home.keyfob(&install).run().expect_success();
    kubectl(&["set-context", "other", "--cluster=x"]);
    home.keyfob(&["uninstall", "kubectl", "--merge"]).run().expect_success();
    let user = "jsonpath={.contexts[?(@.name==\"c\")].context.user} {.users[*].name}";
    assert_eq!(kubectl(&["view", "-o", user]), "ann ann");
    // And a file that keyfob has made goes, where kubectl has put nothing in.
    std::fs::remove_dir_all(home.path(".kube")).unwrap();
    let empty = home.look();
    home.keyfob(&["install", "kubectl"]).run().expect_success();
    kubectl(&["set-context", "c", "--cluster=x"]);
    kubectl(&["delete-context", "c"]);
    home.keyfob(&["uninstall", "kubectl", "--merge"]).run().expect_success();
    home.assert_is(&empty);
}

#[test]
fn several_tools_come_out_of_a_file_that_was_written_anew() {
    for order in [["pip", "ansible"], ["ansible", "pip"]] {
        let home = Home::empty();
        let shared = home.sandbox.write(
            "shared.ini",
            "[global]\nx = 1\n[defaults]\nvault_identity_list = a@/b\n",
        );
        let run = |args: &[&str]| {
            let run = home.keyfob(args).env("PIP_CONFIG_FILE", &shared);
            run.env("ANSIBLE_CONFIG", &shared).run()
        };
        for tool in ["pip", "ansible"] {
            run(&["install", tool, "acme"]).expect_success();
        }
        let client = home.path("bin/keyfob-client").display().to_string();
        let list = |ours: &str| format!("[defaults]\ny = 2\nvault_identity_list={ours}a@/b\n\n[global]\n");
        let ours = format!("acme@{client}, ");
        std::fs::write(&shared, list(&ours) + "keyring-provider=subprocess\nx=1\n").unwrap();
        for tool in order {
            run(&["uninstall", tool]).expect_code(5);
            run(&["uninstall", tool, "--merge"]).expect_success();
        }
        assert_eq!(home.read("shared.ini"), list("") + "x=1\n");
    }
}

#[test]
fn a_dotfile_that_has_moved_behind_a_link_is_taken_back_there() {
    let home = Home::full();
    std::fs::create_dir(home.path("stow")).unwrap();
    let before = home.read(".cargo/config.toml");
    home.keyfob(&["install", "cargo"]).run().expect_success();
    home.keyfob(&["install", "git"]).run().expect_success();
    // Into a directory of dotfiles, as stow does it, and out of one.
    std::fs::rename(home.path(".cargo/config.toml"), home.path("stow/config.toml")).unwrap();
    symlink("../stow/config.toml", home.path(".cargo/config.toml")).unwrap();
    let git = home.read("dotfiles/gitconfig");
    std::fs::remove_file(home.path(".gitconfig")).unwrap();
    std::fs::rename(home.path("dotfiles/gitconfig"), home.path(".gitconfig")).unwrap();
    let list = home.keyfob(&["install", "--list"]).run().expect_success();
    assert!(!list.text().contains("changed since"), "{}", list.text());
    // A tool that is wired there now shares the file.
    let shared = home
        .keyfob(&["install", "uv"])
        .env("UV_CONFIG_FILE", home.path("stow/config.toml"));
    shared.run().expect_success();
    home.keyfob(&["uninstall", "cargo"]).run().expect_success();
    assert!(home.read("stow/config.toml").contains("subprocess"));
    home.keyfob(&["uninstall", "uv"]).run().expect_success();
    home.keyfob(&["uninstall", "git"]).run().expect_success();
    assert_eq!(home.read("stow/config.toml"), before);
    assert!(home.path(".cargo/config.toml").is_symlink() && !home.path("dotfiles/gitconfig").exists());
    assert!(git.contains("keyfob git") && !home.read(".gitconfig").contains("keyfob"));
}

#[test]
fn a_directory_that_has_become_a_link_is_followed() {
    let home = Home::full();
    let before = home.read(".config/pip/pip.conf");
    home.keyfob(&["install", "pip"]).run().expect_success();
    std::fs::rename(home.path(".config/pip"), home.path("pips")).unwrap();
    symlink("../pips", home.path(".config/pip")).unwrap();
    home.keyfob(&["uninstall", "pip"]).run().expect_success();
    assert_eq!(home.read("pips/pip.conf"), before);
    assert!(home.path(".config/pip").is_symlink());
}

#[test]
fn a_journal_of_before_is_read() {
    let home = Home::full();
    let before = home.look();
    home.keyfob(&["install", "--all", "--replace", "--provider", "acme"])
        .run()
        .expect_success();
    let journal = home.path("keyfob/state/install/journal.json");
    let mut value: Value = serde_json::from_slice(&std::fs::read(&journal).unwrap()).unwrap();
    let mut known = 0;
    for wired in value["wired"].as_array_mut().unwrap() {
        for change in wired["changes"].as_array_mut().unwrap() {
            let change = change.as_object_mut().unwrap();
            known += usize::from(change.remove("format").is_some());
            change.remove("named");
        }
    }
    assert!(known >= super::home::CONFIGURATIONS.len(), "{known}");
    std::fs::write(&journal, value.to_string()).unwrap();
    home.keyfob(&["uninstall", "--all"]).run().expect_success();
    home.assert_is(&before);
}

#[test]
fn a_cut_while_taking_back_by_meaning_can_be_repeated() {
    if !crate::part::strace() {
        return;
    }
    for (calls, what) in [
        ("rename,renameat,renameat2", "signal=KILL"),
        ("unlink,unlinkat", "signal=KILL"),
        ("fsync", "signal=KILL"),
        ("fsync", "error=ENOSPC"),
        ("rename,renameat,renameat2", "error=EROFS"),
    ] {
        for at in 1.. {
            let home = Home::full();
            home.keyfob(&["install", "docker", "--replace"]).run().expect_success();
            let mut expected = rewritten(&home);
            let run = home.keyfob(&["uninstall", "docker", "--merge"]);
            let run = run.injected(&format!("{calls}:{what}:when={at}"));
            run.deadline(Duration::from_secs(120)).run();
            let log = home.read("strace.log");
            let now: Value = serde_json::from_str(&home.read(".docker/config.json")).unwrap();
            let is_ours = now == expected;
            expected["credsStore"] = "desktop".into();
            assert!(is_ours || now == expected, "{now}");
            home.keyfob(&["uninstall", "docker", "--merge"]).run().expect_success();
            docker_is(&home, &expected);
            assert!(!home.path("bin/docker-credential-keyfob").is_symlink());
            assert!(!home.path("keyfob/state/install/journal.json").exists());
            if !log.contains("INJECTED") && !log.contains("killed by SIGKILL") {
                break;
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn attribute(path: &std::path::Path, name: &str) -> Option<Vec<u8>> {
    let mut value = [0; 256];
    let length = rustix::fs::getxattr(path, name, &mut value[..]).ok()?;
    Some(value[..length].to_vec())
}

/// An access control list: owner, a second user, the group, the mask, others.
#[cfg(target_os = "linux")]
fn access() -> Vec<u8> {
    let entries: [(u16, u16, u32); 5] = [
        (1, 6, u32::MAX),
        (2, 4, 4321),
        (4, 0, u32::MAX),
        (16, 4, u32::MAX),
        (32, 0, u32::MAX),
    ];
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, may, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(may.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_keeps_its_attributes_and_access_lists() {
    let home = Home::full();
    let path = home.path(".vault");
    let flags = rustix::fs::XattrFlags::empty();
    let theirs = [("user.note", b"mine".to_vec()), ("system.posix_acl_access", access())];
    for (name, value) in &theirs {
        if rustix::fs::setxattr(&path, *name, value, flags).is_err() {
            return;
        }
    }
    let mode = path.metadata().unwrap().mode();
    let keeps = || {
        for (name, value) in &theirs {
            assert_eq!(attribute(&path, name).as_ref(), Some(value), "{name}");
        }
        assert_eq!(path.metadata().unwrap().mode(), mode);
    };
    home.keyfob(&["install", "vault", "--replace"]).run().expect_success();
    assert!(home.read(".vault").contains("keyfob"));
    keeps();
    home.keyfob(&["uninstall", "vault"]).run().expect_success();
    keeps();
    // A list that the directory gives to new files is not given to a file that had none.
    let uv = home.path(".config/uv/uv.toml");
    std::fs::set_permissions(&uv, std::fs::Permissions::from_mode(0o640)).unwrap();
    rustix::fs::setxattr(uv.parent().unwrap(), "system.posix_acl_default", &access(), flags).unwrap();
    home.keyfob(&["install", "uv"]).run().expect_success();
    assert_eq!(attribute(&uv, "system.posix_acl_access"), None);
    assert_eq!(uv.metadata().unwrap().mode() & 0o777, 0o640);
}

#[test]
fn a_group_or_attribute_that_cannot_be_kept_is_a_refusal() {
    if !crate::part::strace() || !crate::part::is_root() {
        return;
    }
    let home = Home::full();
    let path = home.path(".bazelrc");
    std::os::unix::fs::chown(&path, None, Some(65534)).unwrap();
    let before = home.look();
    let install = || {
        home.keyfob(&["install", "bazel", "--replace"])
            .injected("fchown:error=EPERM")
    };
    let output = install().run().expect_code(5);
    assert!(output.stderr.contains("its group 65534"), "{}", output.stderr);
    home.assert_is(&before);
    assert_eq!(path.metadata().unwrap().gid(), 65534);
    // To a group that may do nothing, nothing is lost.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    install().run().expect_success();
}
