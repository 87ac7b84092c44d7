//! Several wirings of one tool, one for each name, profile or place that its configuration can hold.

use super::home::{Files, Home, PROVIDER, has};

/// A home in which there is a second provider, for other places.
pub(super) fn two(home: Home) -> Home {
    let other = PROVIDER
        .replace("acme", "other")
        .replace("wide.example", "broad.example")
        .replace("npm.example", "packs.example");
    home.sandbox.write_provider("other", &other);
    home
}

fn run(home: &Home, args: &[&str]) -> String {
    home.keyfob(args).run().expect_success().text().to_owned()
}

/// The lines of the list that are about a tool.
fn rows(home: &Home, tool: &str) -> Vec<String> {
    let list = run(home, &["install", "--list"]);
    let of_it = list.lines().filter(|line| line.split(' ').next() == Some(tool));
    of_it.map(String::from).collect()
}

const TOOLS: [&str; 8] = ["aws", "kubectl", "pnpm", "ansible", "cargo", "goauth", "bazel", "git"];

#[test]
fn each_profile_has_its_own_wiring_and_goes_alone() {
    for tool in TOOLS {
        for (first, second) in [("acme", "other"), ("other", "acme")] {
            let home = two(Home::full());
            let before = home.look();
            run(&home, &["install", tool, "acme", "--replace"]);
            let alone = home.look();
            let said = run(&home, &["install", tool, "other", "--replace"]);
            assert!(!said.contains("no longer"), "{tool}: {said}");
            assert_eq!(rows(&home, tool).len(), 2, "{tool}");
            let both = home.look();
            for profile in ["acme", "other", "acme"] {
                let again = run(&home, &["install", tool, profile, "--replace"]);
                assert!(again.contains("nothing to change"), "{tool} {profile}: {again}");
                assert!(home.look() == both, "{tool} {profile}");
            }
            run(&home, &["uninstall", tool, first]);
            let left = rows(&home, tool);
            assert!(
                left.len() == 1 && left[0].contains(&format!(" {second} ")),
                "{tool}: {left:?}"
            );
            if first == "other" {
                assert!(home.look() == alone, "{tool}");
            }
            run(&home, &["uninstall", tool, second]);
            home.assert_is(&before);
        }
    }
}

#[test]
fn a_tool_is_unwired_with_all_its_wirings() {
    let home = two(Home::full());
    let before = home.look();
    for tool in TOOLS {
        run(&home, &["install", tool, "other", "--replace"]);
        run(&home, &["install", tool, "acme", "--replace"]);
    }
    // What is wired already is not wired a third time, nor anew.
    let wired = home.look();
    let all = home
        .keyfob(&["install", "--all", "--provider", "acme", "--replace"])
        .run()
        .expect_success();
    assert!(all.text().contains("aws: nothing to change"), "{}", all.text());
    for tool in TOOLS {
        assert_eq!(rows(&home, tool).len(), 2, "{tool}");
    }
    let plain = run(&home, &["install", "--all", "--provider", "other"]);
    assert!(
        plain.contains("aws: left as it is, wired for other and acme\n"),
        "{plain}"
    );
    for tool in keyfob::install::TABLE {
        run(&home, &["uninstall", tool.name]);
        assert!(
            rows(&home, tool.name).iter().all(|row| row.contains("not wired")),
            "{}",
            tool.name
        );
    }
    home.assert_is(&before);
    assert!(wired.len() > before.len());
}

#[test]
fn a_name_of_the_tools_own_tells_two_wirings_apart() {
    let home = Home::empty();
    let before = home.look();
    run(&home, &["install", "aws", "acme", "--name", "dev"]);
    run(&home, &["install", "aws", "acme", "--name", "prod"]);
    let text = home.read(".aws/config");
    assert!(
        text.contains("[profile dev]") && text.contains("[profile prod]"),
        "{text}"
    );
    let lines = rows(&home, "aws");
    assert!(
        lines[0].contains(" acme as dev ") && lines[1].contains(" acme as prod "),
        "{lines:?}"
    );
    let json: serde_json::Value = serde_json::from_str(&run(&home, &["install", "--list", "--json"])).unwrap();
    let tools = json["tools"].as_array().unwrap().iter();
    let names: Vec<&str> = tools.filter_map(|tool| tool["as"].as_str()).collect();
    assert_eq!(names, ["dev", "prod"]);
    if has("aws") {
        let listed = home.sandbox.program("aws", &["configure", "list-profiles"]).run();
        assert!(
            listed.code() != 0 || listed.text() == "dev\nprod\n",
            "{}",
            listed.text()
        );
    }
    let said = run(&home, &["uninstall", "aws", "--name", "nobody"]);
    assert!(said.contains("nothing was changed"), "{said}");
    run(&home, &["uninstall", "aws", "--name", "dev"]);
    let text = home.read(".aws/config");
    assert!(!text.contains("dev") && text.contains("[profile prod]"), "{text}");
    run(&home, &["uninstall", "aws"]);
    home.assert_is(&before);
}

#[test]
fn two_registries_of_one_profile_are_two_wirings_and_a_shared_place_is_one() {
    let home = Home::empty();
    let before = home.look();
    let place = |name: &str| format!("https://npm.example/team/registry/{name}/");
    for name in ["a", "b"] {
        run(&home, &["install", "pnpm", "acme", "--url", &place(name)]);
    }
    assert_eq!(home.read(".npmrc").matches("tokenHelper").count(), 2);
    let lines = rows(&home, "pnpm");
    assert!(
        lines[0].contains("registry/a/") && lines[1].contains("registry/b/"),
        "{lines:?}"
    );
    run(
        &home,
        &["install", "pnpm", "acme", "--url", &place("c"), "--url", &place("b")],
    );
    let text = home.read(".npmrc");
    assert!(
        text.matches("tokenHelper").count() == 3 && text.contains("/registry/c/:"),
        "{text}"
    );
    run(&home, &["uninstall", "pnpm", "--url", &place("b")]);
    let text = home.read(".npmrc");
    assert!(
        text.contains("/registry/a/:") && text.matches("tokenHelper").count() == 1,
        "{text}"
    );
    run(&home, &["uninstall", "--all"]);
    home.assert_is(&before);
}

#[test]
fn docker_has_a_helper_for_each_registry_that_is_named_beside_the_store() {
    let home = two(Home::full());
    let before = home.look();
    run(&home, &["install", "docker", "acme", "--url", "https://r.example:5000"]);
    run(&home, &["install", "docker", "other", "--url", "https://s.example"]);
    run(&home, &["install", "docker", "--replace"]);
    assert_eq!(rows(&home, "docker").len(), 3);
    let read = |home: &Home| -> serde_json::Value { serde_json::from_str(&home.read(".docker/config.json")).unwrap() };
    let helpers = serde_json::json!({"r.example:5000": "keyfob-acme", "s.example": "keyfob-other"});
    assert!(read(&home)["credHelpers"] == helpers && read(&home)["credsStore"] == "keyfob");
    // A login of docker's own to a registry is not hidden unsaid.
    let output = home
        .keyfob(&["install", "docker", "acme", "--url", "https://a.example"])
        .run();
    assert!(output.expect_code(5).stderr.contains("`a.example`"));
    run(&home, &["uninstall", "docker", "acme"]);
    let helpers = serde_json::json!({"s.example": "keyfob-other"});
    assert!(read(&home)["credHelpers"] == helpers && read(&home)["credsStore"] == "keyfob");
    run(&home, &["uninstall", "docker"]);
    home.assert_is(&before);
}

#[test]
fn a_wiring_goes_after_its_provider_has_gone() {
    let home = two(Home::empty());
    let before: Files = home.look();
    run(&home, &["install", "aws", "acme"]);
    run(&home, &["install", "aws", "other"]);
    for entry in std::fs::read_dir(home.sandbox.keyfob_home().join("config/providers"))
        .unwrap()
        .flatten()
    {
        std::fs::remove_file(entry.path()).unwrap();
    }
    run(&home, &["uninstall", "aws", "other"]);
    assert!(rows(&home, "aws")[0].contains(" acme "));
    run(&home, &["uninstall", "aws", "acme"]);
    home.assert_is(&before);
}

#[test]
fn a_journal_of_before_is_read_and_taken_back() {
    let home = two(Home::full());
    let before = home.look();
    run(&home, &["install", "git"]);
    run(&home, &["install", "aws", "acme", "--replace"]);
    let journal = home.path("keyfob/state/install/journal.json");
    let mut value: serde_json::Value = serde_json::from_slice(&std::fs::read(&journal).unwrap()).unwrap();
    for wired in value["wired"].as_array_mut().unwrap() {
        wired.as_object_mut().unwrap().remove("notes");
    }
    std::fs::write(&journal, value.to_string()).unwrap();
    run(&home, &["install", "aws", "other", "--replace"]);
    assert_eq!(rows(&home, "aws").len(), 2);
    run(&home, &["uninstall", "--all"]);
    home.assert_is(&before);
}

#[test]
fn what_a_wiring_is_not_for_any_more_is_said() {
    let home = two(Home::empty());
    let place = |name: &str| format!("https://{name}.example");
    let (one, other) = (place("one"), place("two"));
    run(&home, &["install", "docker", "acme", "--url", &one, "--url", &other]);
    let said = run(&home, &["install", "docker", "acme", "--url", &other]);
    assert!(
        said.starts_with("docker: wired for acme, no longer for https://one.example\n"),
        "{said}"
    );
    let said = run(&home, &["install", "docker", "acme", "--url", &other]);
    assert_eq!(said, "docker: nothing to change, it asks keyfob\n");
    run(&home, &["install", "pip"]);
    let pip = home.keyfob(&["install", "pip", "acme"]).run().expect_success();
    assert_eq!(pip.text(), "pip: wired for acme, no longer for every session\n");
    assert!(pip.stderr.contains("`keyring` is told no profile"), "{}", pip.stderr);
    assert_eq!(
        run(&home, &["uninstall", "git"]),
        "git: not wired for that, and nothing was changed\n"
    );
    let merged = run(&home, &["uninstall", "pip", "--merge"]);
    assert!(merged.starts_with("pip: keyfob is taken out\n"), "{merged}");
    let forgotten = run(&home, &["uninstall", "docker", "--forget"]);
    assert!(forgotten.starts_with("docker: as it was\n"), "{forgotten}");
    assert_eq!(
        run(&home, &["uninstall", "--all"]),
        "nothing is wired, and nothing was changed\n"
    );
}

#[test]
fn each_configuration_that_a_variable_names_has_its_own_wiring() {
    for (tool, variable, file) in [
        ("kubectl", "KUBECONFIG", ""),
        ("docker", "DOCKER_CONFIG", "config.json"),
        ("aws", "AWS_CONFIG_FILE", ""),
        ("cargo", "CARGO_HOME", "config.toml"),
    ] {
        let home = Home::empty();
        let before = home.look();
        let at = |name: &str, args: &[&str]| {
            let run = home.keyfob(args).env(variable, home.path(name)).run();
            run.expect_success().text().to_owned()
        };
        let below = |name: &str| {
            if file.is_empty() {
                name.into()
            } else {
                format!("{name}/{file}")
            }
        };
        at("a", &["install", tool, "acme"]);
        let (first, text) = (home.look(), home.read(&below("a")));
        let said = at("b", &["install", tool, "acme"]);
        assert!(
            !said.contains(&format!("{}\n", home.path(&below("a")).display())),
            "{tool}: {said}"
        );
        assert_eq!(home.read(&below("a")), text, "{tool}");
        assert_eq!(home.read(&below("b")), text, "{tool}");
        let (both, listed) = (home.look(), rows(&home, tool));
        for (name, line) in ["a", "b"].iter().zip(&listed) {
            let place = home.path(&below(name));
            assert!(
                line.contains(&format!(" acme in {} ", place.display())),
                "{tool}: {listed:?}"
            );
            assert!(
                at(name, &["install", tool, "acme"]).contains("nothing to change"),
                "{tool}"
            );
        }
        // What is wired in another file stays so, whatever is asked for everything.
        at("c", &["install", "--all", "--provider", "acme"]);
        assert_eq!(home.read(&below("a")), text, "{tool}");
        run(&home, &["uninstall", "--all"]);
        home.assert_is(&before);
        at("a", &["install", tool, "acme"]);
        assert!(home.look() == first, "{tool}");
        at("b", &["install", tool, "acme"]);
        assert!(home.look() == both, "{tool}");
        run(&home, &["uninstall", tool]);
        home.assert_is(&before);
    }
}

#[test]
fn a_name_for_a_tool_that_has_none_is_a_mistake() {
    let home = Home::empty();
    let before = home.look();
    for tool in ["git", "docker", "cargo"] {
        let output = home
            .keyfob(&["install", tool, "acme", "--name", "foo"])
            .run()
            .expect_code(64);
        assert!(output.stderr.contains("`--name`"), "{}", output.stderr);
    }
    home.assert_is(&before);
}

#[test]
fn a_name_for_all_tools_is_that_of_those_that_have_one() {
    let home = Home::empty();
    let before = home.look();
    run(&home, &["install", "--all", "--provider", "acme", "--name", "dev"]);
    for (tool, has_name) in [("aws", true), ("kubectl", true), ("pnpm", false), ("cargo", false)] {
        let lines = rows(&home, tool);
        assert!(lines[0].contains(" acme "), "{lines:?}");
        assert_eq!(lines[0].contains(" as dev "), has_name, "{lines:?}");
    }
    run(&home, &["uninstall", "--all"]);
    home.assert_is(&before);
}
