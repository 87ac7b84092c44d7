//! Where a tool would be wired and yet never ask keyfob, or fail at every command: it is refused, or said.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::home::Home;
use crate::run::Run;

#[test]
fn terraform_is_not_wired_beside_a_block_in_another_file_that_it_reads() {
    for (name, text) in [
        ("corp.tfrc", "credentials_helper \"corp\" {}\n"),
        ("a.tfrc", "credentials_helper \"keyfob\" {\n}\n"),
        ("b.tfrc.json", "{\"credentials_helper\": {\"corp\": {}}}\n"),
        ("c.tfrc", "\"credentials_helper\" \"corp\" {}\n"),
    ] {
        let home = Home::empty();
        let path = home.sandbox.write(&format!(".terraform.d/{name}"), text);
        let before = home.look();
        for more in [&[][..], &["--replace"]] {
            let output = home.keyfob(&[&["install", "terraform"], more].concat()).run();
            let output = output.expect_code(5);
            assert!(
                output.stderr.contains(name) && output.stderr.contains("there can be but one"),
                "{name}: {}",
                output.stderr
            );
            home.assert_is(&before);
        }
        // Where a variable names the configuration, they read that alone.
        let run = home.keyfob(&["install", "terraform"]);
        run.env("TF_CLI_CONFIG_FILE", home.path("named")).run().expect_success();
        home.keyfob(&["uninstall", "terraform"]).run().expect_success();
        home.assert_is(&before);
        std::fs::rename(&path, path.with_extension("other")).unwrap();
        home.keyfob(&["install", "terraform"]).run().expect_success();
    }
    let home = Home::empty();
    home.sandbox
        .write(".terraform.d/x.tfrc", "# credentials_helper\na = 1\n");
    home.keyfob(&["install", "terraform"]).run().expect_success();
}

#[test]
fn a_configuration_of_terraform_in_json_is_named_as_that() {
    let home = Home::empty();
    home.sandbox.write(".terraformrc", "{\n  \"credentials\": {}\n}\n");
    let output = home.keyfob(&["install", "terraform"]).run().expect_code(64);
    assert!(
        output.stderr.contains("it is JSON") && output.stderr.contains("write it as HCL"),
        "{}",
        output.stderr
    );
}

/// A home with keyfob in a virtual environment alone, and its directory of programs.
fn environment() -> (Home, PathBuf) {
    let home = Home::empty();
    let programs = home.path("v/bin");
    std::fs::create_dir_all(&programs).unwrap();
    symlink(home.sandbox.keyfob_path(), programs.join("keyfob")).unwrap();
    for name in ["pip", "python"] {
        symlink("/bin/false", programs.join(name)).unwrap();
    }
    (home, programs)
}

fn in_environment(home: &Home, path: &[PathBuf], args: &[&str]) -> Run {
    let run = home.sandbox.program(path[0].join("keyfob"), args);
    let system = ["/usr/bin", "/bin"].map(PathBuf::from);
    run.env("PATH", std::env::join_paths(path.iter().chain(&system)).unwrap())
}

#[test]
fn the_link_for_pip_goes_where_pip_does_not_leave_it_out() {
    let (home, programs) = environment();
    let (some, usual) = (home.path("some"), home.path(".local/bin"));
    for directory in [&some, &usual] {
        std::fs::create_dir_all(directory).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(directory, mode).unwrap();
    }
    let before = home.look();
    for (path, link) in [
        (vec![programs.clone(), some.clone(), usual.clone()], &usual),
        (vec![programs.clone(), some.clone()], &some),
    ] {
        let output = in_environment(&home, &path, &["install", "pip"]).run().expect_success();
        assert_eq!(output.stderr, "");
        assert!(link.join("keyring").is_symlink() && !programs.join("keyring").exists());
        in_environment(&home, &path, &["uninstall", "pip"])
            .run()
            .expect_success();
        home.assert_is(&before);
    }
}

#[test]
fn where_pip_leaves_the_link_out_that_is_said_and_listed() {
    let (home, programs) = environment();
    for args in [&["install", "pip"][..], &["install", "--list"]] {
        let output = in_environment(&home, std::slice::from_ref(&programs), args)
            .run()
            .expect_success();
        let said = output.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("pip leaves out the `keyring` in"), "{said}");
    }
}

#[test]
fn what_comes_before_the_provider_of_all_commands_of_pip_is_said() {
    let home = Home::empty();
    let text = "[install]\nkeyring_provider = disabled\n[download]\nkeyring-provider = subprocess\n";
    home.sandbox.write(".config/pip/pip.conf", text);
    for args in [&["install", "pip"][..], &["install", "--list"]] {
        let output = home.keyfob(args).run().expect_success();
        assert!(output.stderr.contains("`[install]` comes before"), "{}", output.stderr);
        assert!(!output.stderr.contains("download"), "{}", output.stderr);
    }
    for (value, is_said) in [("disabled", true), ("subprocess", false), ("", false)] {
        let run = home.keyfob(&["install", "pip"]).env("PIP_KEYRING_PROVIDER", value);
        let output = run.run().expect_success();
        assert_eq!(
            output.stderr.contains("PIP_KEYRING_PROVIDER"),
            is_said,
            "{}",
            output.stderr
        );
    }
}

#[test]
fn a_store_of_docker_in_another_case_is_seen() {
    for (text, name) in [
        ("{\"credsstore\": \"desktop\"}\n", "credsStore"),
        ("{\"CredHelpers\": {\"r.example\": \"x\"}}\n", "credHelpers"),
        (
            "{\"Auths\": {\"r.example\": {\"auth\": \"canary\"}}, \"a\": 1}\n",
            "auths",
        ),
    ] {
        let home = Home::empty();
        home.sandbox.write(".docker/config.json", text);
        let before = home.look();
        for more in [&[][..], &["--replace"], &["--url", "https://r.example"]] {
            let output = home.keyfob(&[&["install", "docker", "acme"], more].concat()).run();
            let output = output.expect_code(5);
            assert!(
                output.stderr.contains(&format!("call it `{name}`")),
                "{name}: {}",
                output.stderr
            );
            home.assert_is(&before);
        }
    }
}

#[test]
fn contexts_that_a_person_gave_our_user_are_named_when_it_goes() {
    let home = Home::empty();
    let context = |name: &str, user: &str| format!("- name: {name}\n  context:\n    cluster: x\n    user: {user}\n");
    let text = |user: &str| {
        let contexts = context("x1", user) + &context("x2", "ann") + &context("x3", user);
        format!("apiVersion: v1\nkind: Config\ncurrent-context: x2\ncontexts:\n{contexts}")
    };
    home.sandbox.write(".kube/config", &text("ann"));
    home.keyfob(&["install", "kubectl", "acme"]).run().expect_success();
    let wired = home.read(".kube/config");
    let theirs = wired.replace(&text("ann"), &text("keyfob-acme"));
    assert_ne!(wired, theirs);
    std::fs::write(home.path(".kube/config"), theirs).unwrap();
    let output = home.keyfob(&["uninstall", "kubectl", "--merge"]).run().expect_success();
    let said = output.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("the user `keyfob-acme` is gone") && said.contains("`x1`, `x3`;") && !said.contains("x2"),
        "{said}"
    );
    assert_eq!(home.read(".kube/config"), text("keyfob-acme"));
}
