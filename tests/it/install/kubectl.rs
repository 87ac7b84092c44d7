//! kubectl: which context asks keyfob, in whatever file it is.

use super::home::{Home, has};
use super::several::two;

/// The current context and the user of `c`, as kubectl reads it.
fn user(home: &Home, list: &str) -> String {
    let path = "jsonpath={.current-context} {.contexts[?(@.name==\"c\")].context.user}";
    let args = ["config", "view", "-o", path];
    home.sandbox
        .program("kubectl", &args)
        .env("KUBECONFIG", list)
        .run()
        .text()
        .into()
}

#[test]
fn a_current_context_in_another_file_gets_our_user_there() {
    let home = Home::empty();
    let one = home
        .sandbox
        .write("one", "apiVersion: v1\nkind: Config\ncurrent-context: c\n");
    let cluster = "clusters:\n- name: x\n  cluster: {server: \"https://k.example\"}\n";
    let two = home.sandbox.write(
        "two",
        &format!("apiVersion: v1\nkind: Config\ncontexts:\n- name: c\n  context:\n    cluster: x\n{cluster}"),
    );
    let before = home.look();
    let list = std::env::join_paths([&one, &two]).unwrap().into_string().unwrap();
    let run = |args: &[&str]| home.keyfob(args).env("KUBECONFIG", &list).run().expect_success();
    let output = run(&["install", "kubectl", "acme"]);
    assert_eq!(output.stderr, "", "{}", output.stderr);
    assert!(
        home.read("two").contains("user: \"keyfob-acme\"") || home.read("two").contains("\"user\": \"keyfob-acme\"")
    );
    if has("kubectl") {
        assert_eq!(user(&home, &list), "c keyfob-acme");
    }
    run(&["uninstall", "kubectl"]);
    home.assert_is(&before);
}

#[test]
fn where_nothing_asks_keyfob_yet_the_command_is_said() {
    for (text, said) in [
        ("", "config set-context CONTEXT --user=keyfob-acme"),
        (
            "contexts:\n- name: c\n  context: {cluster: x}\n",
            "config set-context CONTEXT --user=keyfob-acme",
        ),
        (
            "current-context: gone\n",
            "config set-context gone --cluster=CLUSTER --user=keyfob-acme",
        ),
    ] {
        let home = Home::empty();
        if !text.is_empty() {
            home.sandbox
                .write(".kube/config", &format!("apiVersion: v1\nkind: Config\n{text}"));
        }
        let output = home.keyfob(&["install", "kubectl", "acme"]).run().expect_success();
        let words = output.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(said), "{text:?}: {words}");
        if has("kubectl") && text.starts_with("contexts") {
            // What was said does it.
            for args in [
                &["config", "set-context", "c", "--user=keyfob-acme"][..],
                &["config", "use-context", "c"],
            ] {
                home.sandbox.program("kubectl", args).run().expect_success();
            }
            assert_eq!(
                user(&home, home.path(".kube/config").to_str().unwrap()),
                "c keyfob-acme"
            );
            let output = home.keyfob(&["install", "kubectl", "acme"]).run().expect_success();
            assert!(
                output.text().contains("nothing to change") && output.stderr.is_empty(),
                "{}",
                output.stderr
            );
        }
    }
}

#[test]
fn a_second_cluster_has_its_own_user() {
    let home = two(Home::empty());
    let context = |name: &str| format!("- name: {name}\n  context:\n    cluster: {name}\n");
    let text = |current: &str| {
        let contexts = context("dev") + &context("prod");
        format!("apiVersion: v1\nkind: Config\ncurrent-context: {current}\ncontexts:\n{contexts}")
    };
    home.sandbox.write(".kube/config", &text("dev"));
    home.keyfob(&["install", "kubectl", "acme"]).run().expect_success();
    let wired = home
        .read(".kube/config")
        .replace("current-context: dev", "current-context: prod");
    std::fs::write(home.path(".kube/config"), wired).unwrap();
    home.keyfob(&["install", "kubectl", "other"]).run().expect_success();
    let both = home.read(".kube/config");
    assert!(
        both.contains("\"keyfob-acme\"\n    cluster: dev") && both.contains("\"keyfob-other\"\n    cluster: prod"),
        "{both}"
    );
    let output = home.keyfob(&["install", "kubectl", "acme"]).run().expect_success();
    assert!(output.text().contains("nothing to change"), "{}", output.text());
    assert!(output.stderr.contains("`prod`"), "{}", output.stderr);
    assert_eq!(home.read(".kube/config"), both);
}
