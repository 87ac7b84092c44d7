//! What each tool then reads, asked of the tool itself where it is on the machine.

use std::os::unix::fs::PermissionsExt;

use super::home::{Home, has};

fn said(home: &Home, program: &str, args: &[&str]) -> String {
    home.sandbox.program(program, args).run().text().into()
}

#[test]
fn git_asks_keyfob_after_its_other_helpers() {
    let home = Home::full();
    home.keyfob(&["install", "git"]).run().expect_success();
    let helpers = said(&home, "git", &["config", "--global", "--get-all", "credential.helper"]);
    let ours = format!("{} git", home.path("bin/keyfob").display());
    assert_eq!(helpers, format!("store\ncache --timeout 9\n{ours}\n"));
    home.keyfob(&["install", "git", "--replace"]).run().expect_success();
    let helpers = said(&home, "git", &["config", "--global", "--get-all", "credential.helper"]);
    assert_eq!(helpers, format!("\n{ours}\n"));
    home.keyfob(&["install", "git", "acme"]).run().expect_success();
    let ours = home.path("bin/git-credential-keyfob-acme");
    for place in [
        "https://acme.example",
        "https://*.wide.example",
        "https://*.*.wide.example",
    ] {
        let key = format!("credential.{place}.helper");
        let helpers = said(&home, "git", &["config", "--global", "--get-all", &key]);
        assert_eq!(helpers, format!("\n{}\n", ours.display()), "{place}");
    }
    // And git runs it.
    let ask = home.sandbox.program("git", &["credential", "fill"]);
    let asked = ask.stdin("protocol=https\nhost=nobody.example\n\n").run();
    assert!(
        !asked.stderr.contains("not found") && !asked.stderr.contains("usage"),
        "{}",
        asked.stderr
    );
}

#[test]
fn a_path_with_a_space_reaches_git_through_a_shell() {
    let home = Home::empty();
    let odd = home.path("a b");
    std::fs::create_dir(&odd).unwrap();
    std::os::unix::fs::symlink(home.sandbox.keyfob_path(), odd.join("keyfob")).unwrap();
    let path = std::env::join_paths([odd.clone(), "/usr/local/bin".into(), "/usr/bin".into(), "/bin".into()]).unwrap();
    let run = home.sandbox.program(odd.join("keyfob"), &["install", "git"]);
    run.env("PATH", &path).run().expect_success();
    assert!(
        home.read(".gitconfig").contains("helper = !'"),
        "{}",
        home.read(".gitconfig")
    );
    let store = |operation: &str| {
        let ask = home.sandbox.program("git", &["credential", operation]);
        ask.stdin("protocol=https\nhost=h.example\nusername=ann\npassword=canary\n\n")
            .run()
            .expect_success()
    };
    store("approve");
    let ask = home.sandbox.program("git", &["credential", "fill"]);
    let found = ask.stdin("protocol=https\nhost=h.example\n\n").run().expect_success();
    assert!(found.text().contains("password=canary"));
}

#[test]
fn cargo_reads_our_provider_last() {
    let home = Home::full();
    home.keyfob(&["install", "cargo"]).run().expect_success();
    let text = home.read(".cargo/config.toml");
    let value: toml::Table = text.parse().unwrap();
    let list = value["registry"]["global-credential-providers"].as_array().unwrap();
    let list: Vec<&str> = list.iter().filter_map(toml::Value::as_str).collect();
    let ours = home.path("bin/cargo-credential-keyfob");
    assert_eq!(list, ["cargo:token", ours.to_str().unwrap()]);
    assert!(text.contains("'cargo:token', # f") && text.contains("# end"), "{text}");
}

#[test]
fn a_registry_that_asks_somebody_else_is_named_and_stays_named() {
    let home = Home::full();
    let before = home.read(".cargo/config.toml");
    let own = "\n[registries.own]\nindex = 'z'\ncredential-provider = [\"cargo:token-from-stdout\", \"canary\"]\n\
               [registries.ours]\ncredential-provider = 'cargo-credential-keyfob acme'\n";
    home.sandbox.write(".cargo/config.toml", &format!("{before}{own}"));
    let note = "`registries.own` asks a provider of its own, and not keyfob";
    for args in [&["install", "cargo"][..], &["install", "--list"]] {
        let output = home.keyfob(args).run().expect_success();
        let said = format!("{}{}", output.text(), output.stderr);
        assert!(said.contains(note) && !said.contains("registries.ours"), "{said}");
        assert!(!said.contains("canary"), "{said}");
    }
}

#[test]
fn the_link_directory_is_named_where_it_is_not_on_the_path() {
    let home = Home::empty();
    let run = home.sandbox.program(home.sandbox.keyfob_path(), &["install", "docker"]);
    let output = run.env("PATH", "/usr/bin:/bin").run().expect_success();
    assert!(
        output.stderr.contains(".local/bin` is not on PATH"),
        "{}",
        output.stderr
    );
    assert!(home.path(".local/bin/docker-credential-keyfob").is_symlink());
}

#[test]
fn kubectl_reads_our_user() {
    let home = Home::full();
    let output = home.keyfob(&["install", "kubectl", "acme"]).run().expect_success();
    assert!(output.stderr.contains("keeps its own user"), "{}", output.stderr);
    home.keyfob(&["install", "kubectl", "acme", "--replace"])
        .run()
        .expect_success();
    let text = home.read(".kube/config");
    assert!(text.contains("user: \"keyfob-acme\"} # d") && text.contains("token: canary # t"));
    if has("kubectl") {
        let path = "jsonpath={.users[?(@.name==\"keyfob-acme\")].user.exec}";
        let read = said(&home, "kubectl", &["config", "view", "-o", path]);
        assert!(
            read.contains("\"kubectl\",\"acme\"") && read.contains("\"interactiveMode\":\"Never\""),
            "{read}"
        );
        let read = said(
            &home,
            "kubectl",
            &["config", "view", "--minify", "-o", "jsonpath={.users[0].name}"],
        );
        assert_eq!(read, "keyfob-acme");
    }
}

#[test]
fn an_old_kubectl_is_wired_by_the_api_that_it_reads() {
    for (version, api) in [
        (r#"{"clientVersion": {"major": "1", "minor": "20+"}}"#, "v1beta1"),
        (r#"{"clientVersion": {"major": "1", "minor": "22"}}"#, "v1"),
        ("what?", "v1"),
    ] {
        let home = Home::empty();
        let script = home
            .sandbox
            .write("old/kubectl", &format!("#!/bin/sh\necho '{version}'\n"));
        std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path =
            std::env::join_paths([home.path("bin"), home.path("old"), "/usr/bin".into(), "/bin".into()]).unwrap();
        let run = home.keyfob(&["install", "kubectl"]).env("PATH", &path);
        run.run().expect_success();
        let text = home.read(".kube/config");
        let line = format!("apiVersion: client.authentication.k8s.io/{api}\n");
        assert!(text.contains(&line), "{version}: {text}");
    }
}

#[test]
fn a_program_that_stands_before_ours_is_named() {
    let home = Home::empty();
    let first = home.path("first");
    std::fs::create_dir(&first).unwrap();
    std::os::unix::fs::symlink("/bin/false", first.join("keyring")).unwrap();
    let path = std::env::join_paths([first.clone(), home.path("bin"), "/usr/bin".into(), "/bin".into()]).unwrap();
    let output = home
        .keyfob(&["install", "uv"])
        .env("PATH", &path)
        .run()
        .expect_success();
    assert!(output.stderr.contains("comes before"), "{}", output.stderr);
}

#[test]
fn variables_of_the_tools_say_where_their_configurations_are() {
    let home = Home::empty();
    let there = home.path("there");
    for (tool, variable, below, file) in [
        ("git", "GIT_CONFIG_GLOBAL", "git", "git"),
        ("docker", "DOCKER_CONFIG", "docker", "docker/config.json"),
        ("cargo", "CARGO_HOME", "cargo", "cargo/config.toml"),
        ("kubectl", "KUBECONFIG", "kube", "kube"),
        ("aws", "AWS_CONFIG_FILE", "aws", "aws"),
        ("terraform", "TF_CLI_CONFIG_FILE", "tf", "tf"),
        ("goauth", "GOENV", "go", "go"),
        ("pip", "PIP_CONFIG_FILE", "pip", "pip"),
        ("uv", "UV_CONFIG_FILE", "uv", "uv"),
        ("pnpm", "NPM_CONFIG_USERCONFIG", "npm", "npm"),
        ("vault", "VAULT_CONFIG_PATH", "vault", "vault"),
        ("ansible", "ANSIBLE_CONFIG", "ansible", "ansible"),
        (
            "containers",
            "XDG_CONFIG_HOME",
            "",
            "containers/registries.conf.d/zz-keyfob.conf",
        ),
    ] {
        let run = home.keyfob(&["install", tool, "acme"]);
        run.env(variable, there.join(below)).run().expect_success();
        let text = std::fs::read_to_string(there.join(file)).unwrap_or_else(|error| panic!("{tool}: {error}"));
        assert!(text.contains("keyfob") || text.contains("subprocess"), "{tool}: {text}");
        let run = home.keyfob(&["install", tool, "acme"]);
        let output = run.env(variable, "relative").run();
        let ignored = matches!(tool, "containers");
        assert!(ignored || output.code() == 64, "{tool}: {}", output.stderr);
    }
    home.keyfob(&["uninstall", "--all"]).run().expect_success();
    assert!(!there.exists(), "the directories that were made are gone");
}

#[test]
fn a_tool_is_wired_for_the_places_that_it_may_serve() {
    let home = Home::empty();
    let link = |name: &str| home.path("bin").join(name).display().to_string();
    for tool in ["pnpm", "bazel"] {
        home.keyfob(&["install", tool, "acme"]).run().expect_success();
    }
    let (pnpm, bazel) = (
        link("pnpm-credential-keyfob-acme"),
        link("bazel-credential-keyfob-acme"),
    );
    let expected = format!("//acme.example/:tokenHelper={pnpm}\n//npm.example/team/registry/:tokenHelper={pnpm}\n");
    assert_eq!(home.read(".npmrc"), expected);
    let line = |host: &str| format!("common --credential_helper={host}={bazel}\n");
    assert_eq!(home.read(".bazelrc"), line("acme.example") + &line("*.wide.example"));
    home.keyfob(&[
        "install",
        "pnpm",
        "acme",
        "--url",
        "https://npm.example/team/registry/r/",
    ])
    .run()
    .expect_success();
    // Another place is one more wiring.
    let expected = format!("{expected}//npm.example/team/registry/r/:tokenHelper={pnpm}\n");
    assert_eq!(home.read(".npmrc"), expected);
    let below = [
        "install",
        "pnpm",
        "acme",
        "--url",
        "https://a.wide.example",
        "--dry-run",
    ];
    home.keyfob(&below).run().expect_success();
    for other in [
        "https://other.example/r/",
        "https://npm.example/team",
        "https://wide.example",
        "https://xwide.example",
    ] {
        let output = home.keyfob(&["install", "pnpm", "acme", "--url", other]).run();
        let output = output.expect_code(5);
        assert!(output.stderr.contains("within no target"), "{}", output.stderr);
        assert_eq!(home.read(".npmrc"), expected, "{other}");
    }
    let output = home
        .keyfob(&["install", "pnpm", "acme", "--url", "other.example"])
        .run()
        .expect_code(64);
    assert!(output.stderr.contains("--url"), "{}", output.stderr);
    home.keyfob(&["uninstall", "bazel"]).run().expect_success();
    home.keyfob(&["install", "bazel"]).run().expect_success();
    assert_eq!(
        home.read(".bazelrc"),
        format!("common --credential_helper={}\n", link("bazel-credential-keyfob"))
    );
}

#[test]
fn opentofus_own_configuration_is_edited_too() {
    let home = Home::empty();
    home.sandbox.write(".tofurc", "# t\n");
    let before = home.look();
    home.keyfob(&["install", "terraform"]).run().expect_success();
    for name in [".tofurc", ".terraformrc"] {
        assert!(
            home.read(name).ends_with("credentials_helper \"keyfob\" {\n}\n"),
            "{name}"
        );
    }
    home.keyfob(&["uninstall", "terraform"]).run().expect_success();
    home.assert_is(&before);
}

#[test]
fn an_indented_configuration_is_read_as_the_aws_tools_do() {
    let home = Home::full();
    let before = home.look();
    home.keyfob(&["install", "aws", "acme"]).run().expect_code(5);
    home.keyfob(&["install", "aws", "acme", "--replace"])
        .run()
        .expect_success();
    let text = home.read(".aws/config");
    assert_eq!(text.matches("credential_process").count(), 1, "{text}");
    assert!(text.contains(" aws acme\n  s3 =\n    max_queue_size = 9\n"), "{text}");
    home.keyfob(&["uninstall", "aws"]).run().expect_success();
    home.assert_is(&before);
}

#[test]
fn vault_ids_stay_whole_among_comments() {
    let home = Home::full();
    home.keyfob(&["install", "ansible", "acme"]).run().expect_success();
    let ours = home.path("bin/keyfob-client");
    let expected = format!(
        "[defaults]\nvault_identity_list = a@/b, c@/d, acme@{} ; mine\n   # the other\n\n# z\n[x]\ny = 1\n",
        ours.display()
    );
    assert_eq!(home.read(".ansible.cfg"), expected);
}

#[test]
fn a_registry_of_pnpm_is_told_from_one_that_is_written_nearly_so() {
    let home = Home::empty();
    let near = "//npm.example/Team/registry/:_authToken=canary\n";
    home.sandbox.write(".npmrc", near);
    home.keyfob(&["install", "pnpm", "acme"]).run().expect_success();
    assert!(home.read(".npmrc").starts_with(near), "{}", home.read(".npmrc"));
}

#[test]
fn dockers_own_logins_are_hidden_only_where_a_person_says_so() {
    let home = Home::empty();
    let login = |secret: &str| format!("{{\"auths\":{{\"a.example\":{{{secret}}},\"b.example\":{{}}}}}}\n");
    for secret in ["\"auth\":\"canary\"", "\"identitytoken\":\"canary\""] {
        home.sandbox.write(".docker/config.json", &login(secret));
        let before = home.look();
        let output = home.keyfob(&["install", "docker"]).run().expect_code(5);
        let named = |said: &str| said.contains("`a.example`") && !said.contains("b.example");
        assert!(
            named(&output.stderr) && output.stderr.contains("--replace"),
            "{}",
            output.stderr
        );
        home.assert_is(&before);
        let output = home.keyfob(&["install", "docker", "--replace"]).run().expect_success();
        assert!(
            named(&output.stderr) && output.stderr.contains("docker login"),
            "{}",
            output.stderr
        );
        home.keyfob(&["uninstall", "docker"]).run().expect_success();
        home.assert_is(&before);
    }
    home.sandbox.write(".docker/config.json", &login(""));
    let output = home.keyfob(&["install", "docker"]).run().expect_success();
    assert!(!output.stderr.contains("docker login"), "{}", output.stderr);
}

#[test]
fn a_helper_of_git_that_keeps_what_keyfob_answers_is_named() {
    let home = Home::full();
    let output = home.keyfob(&["install", "git"]).run().expect_success();
    assert!(
        output.stderr.contains("its helper `store`") && output.stderr.contains("--replace"),
        "{}",
        output.stderr
    );
    let output = home.keyfob(&["install", "git", "--replace"]).run().expect_success();
    assert!(!output.stderr.contains("its helper"), "{}", output.stderr);
}

#[test]
fn openbao_reads_a_file_of_its_own() {
    let home = Home::empty();
    let named = home.path("named");
    home.sandbox.write(".bao", "# b\n");
    let before = home.look();
    home.keyfob(&["install", "vault"]).run().expect_success();
    for name in [".bao", ".vault"] {
        assert!(home.read(name).contains("vault-credential-keyfob"), "{name}");
    }
    home.keyfob(&["uninstall", "vault"]).run().expect_success();
    home.assert_is(&before);
    std::os::unix::fs::symlink("/bin/false", home.path("stubs/bao")).unwrap();
    let run = home.keyfob(&["install", "vault"]).env("BAO_CONFIG_PATH", &named);
    run.run().expect_success();
    assert!(home.read("named").contains("vault-credential-keyfob"));
    assert_eq!(home.read(".bao"), "# b\n");
}

#[test]
fn wiring_for_another_profile_says_who_is_left_out() {
    let home = super::several::two(Home::empty());
    home.keyfob(&["install", "docker", "acme"]).run().expect_success();
    let output = home.keyfob(&["install", "docker", "other"]).run().expect_success();
    assert!(
        output.text().contains("docker: wired for other, no longer for acme\n"),
        "{}",
        output.text()
    );
    let before = home.read(".docker/config.json");
    let output = home.keyfob(&["install", "--all", "--provider", "acme"]).run();
    let output = output.expect_success();
    assert!(
        output.text().contains("docker: left as it is, wired for other\n"),
        "{}",
        output.text()
    );
    assert_eq!(home.read(".docker/config.json"), before);
}

#[test]
fn a_program_that_ours_now_hides_is_named() {
    let home = Home::empty();
    let last = home.path("last");
    std::fs::create_dir(&last).unwrap();
    std::os::unix::fs::symlink("/bin/false", last.join("keyring")).unwrap();
    let path = std::env::join_paths([home.path("bin"), "/usr/bin".into(), "/bin".into(), last]).unwrap();
    for _ in 0..2 {
        let run = home.keyfob(&["install", "uv"]).env("PATH", &path);
        let output = run.run().expect_success();
        assert!(output.stderr.contains("now hides"), "{}", output.stderr);
        assert!(!output.stderr.contains("comes before"), "{}", output.stderr);
    }
}

#[test]
fn a_directory_for_links_that_is_made_now_needs_a_new_login() {
    let home = Home::empty();
    let install = |tool: &str| {
        let run = home.sandbox.program(home.sandbox.keyfob_path(), &["install", tool]);
        run.env("PATH", "/usr/bin:/bin").run().expect_success().stderr
    };
    let said = install("docker");
    assert!(said.contains("log in again"), "{said}");
    let said = install("uv");
    assert!(
        said.contains("is not on PATH") && !said.contains("log in again"),
        "{said}"
    );
}
