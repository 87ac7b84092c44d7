//! `install` and `uninstall`: a home full of configurations, and every byte of it as it was.

mod asking;
mod back;
mod beside;
mod containers;
mod cut;
mod git;
mod home;
mod kubectl;
mod many;
mod place;
mod several;
mod shell;
mod since;
mod tool;
mod unasked;

use home::Home;

#[test]
fn every_file_is_as_it_was_after_all_tools_were_wired_and_unwired() {
    let home = Home::full();
    let before = home.look();
    home.keyfob(&["install", "--all", "--replace", "--provider", "acme"])
        .run()
        .expect_success();
    let wired = home.look();
    let changed = before
        .iter()
        .filter(|(path, state)| wired.get(*path) != Some(state))
        .count();
    assert_eq!(changed, home::CONFIGURATIONS.len(), "every configuration was edited");
    let list = home.keyfob(&["install", "--list"]).run().expect_success();
    for line in list.text().lines() {
        assert!(line.contains("  wired ") && line.contains("  acme "), "{line}");
    }
    home.keyfob(&["install", "--all", "--replace", "--provider", "acme"])
        .run()
        .expect_success();
    assert!(home.look() == wired, "the same again changes nothing");
    home.keyfob(&["uninstall", "--all"]).run().expect_success();
    home.assert_is(&before);
    assert_eq!(
        home.sandbox.files_with("canary"),
        Vec::<std::path::PathBuf>::new(),
        "the journal is gone"
    );
}

#[test]
fn an_empty_home_is_empty_again() {
    let home = Home::empty();
    let before = home.look();
    home.keyfob(&["install", "--all", "--provider", "acme"])
        .run()
        .expect_success();
    assert!(home.look().len() > before.len() + 14);
    home.keyfob(&["uninstall", "--all"]).run().expect_success();
    home.assert_is(&before);
}

#[test]
fn a_dry_run_shows_what_would_change_and_no_secret_and_changes_nothing() {
    let home = Home::full();
    let before = home.look();
    let args = ["install", "--all", "--replace", "--provider", "acme"];
    let shown = home
        .keyfob(&[&args[..], &["--dry-run"]].concat())
        .run()
        .expect_success();
    home.assert_is(&before);
    assert!(!shown.text().contains("canary"), "{}", shown.text());
    for name in home::CONFIGURATIONS.iter().map(|(name, ..)| name) {
        let name = if *name == ".gitconfig" {
            "dotfiles/gitconfig"
        } else {
            name
        };
        assert!(shown.text().contains(&format!("/{name}\n")), "{name}: {}", shown.text());
    }
    home.keyfob(&args).run().expect_success();
    let shown = home.keyfob(&["uninstall", "--all", "--dry-run"]).run().expect_success();
    assert!(
        shown.text().contains("-\thelper = ") || shown.text().contains("- helper = "),
        "{}",
        shown.text()
    );
    home.keyfob(&["uninstall", "--all"]).run().expect_success();
    home.assert_is(&before);
}

#[test]
fn the_list_says_what_is_wired_and_what_is_here() {
    let home = Home::full();
    let row = |name: &str| {
        let list = home.keyfob(&["install", "--list"]).run().expect_success();
        let row = list
            .text()
            .lines()
            .find(|line| line.starts_with(name))
            .map(String::from);
        row.unwrap_or_else(|| panic!("{name}: {}", list.text()))
    };
    assert!(row("git ").contains("not wired"));
    home.keyfob(&["install", "git", "acme"]).run().expect_success();
    assert!(row("git ").contains(" wired  ") && row("git ").contains("acme"));
    home.append("dotfiles/gitconfig", "[x]\n");
    assert!(row("git ").contains("changed since"));
    let json = home.keyfob(&["install", "--list", "--json"]).run().expect_success();
    let json: serde_json::Value = serde_json::from_str(json.text()).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["tools"][0]["state"], "changed since");
    assert_eq!(json["tools"][0]["profile"], "acme");
    let alone = home.keyfob(&["install", "--list"]).env("PATH", home.path("bin"));
    let list = alone.run().expect_success();
    assert_eq!(
        list.text().matches("  not here").count(),
        keyfob::install::TABLE.len() - 1,
        "{}",
        list.text()
    );
}

#[test]
fn a_tool_or_provider_that_there_is_not_is_named() {
    let home = Home::empty();
    for args in [
        &["install", "nothing"][..],
        &["install", "git", "nobody"],
        &["uninstall", "nothing"],
        &["install"],
    ] {
        home.keyfob(args).run().expect_code(64);
    }
    let output = home.keyfob(&["install", "aws"]).run().expect_code(64);
    assert!(
        output.stderr.contains("keyfob install aws PROFILE"),
        "{}",
        output.stderr
    );
    let output = home.keyfob(&["uninstall"]).run().expect_code(64);
    assert!(output.stderr.contains("keyfob install --list"), "{}", output.stderr);
    let output = home.keyfob(&["install", "git", "--mode", "none"]).run();
    assert_eq!(output.code(), 64, "a mode that there is not: {}", output.stderr);
    let output = home.keyfob(&["uninstall", "git"]).run().expect_success();
    assert!(output.text().contains("nothing was changed"));
}

#[test]
fn every_link_is_a_program_of_a_protocol() {
    for profile in ["acme", "acme:ann@acme.example"] {
        let home = Home::empty();
        for tool in keyfob::install::TABLE {
            home.keyfob(&["install", tool.name, profile]).run();
        }
        let links = home
            .look()
            .into_iter()
            .filter(|(path, _)| path.is_symlink() && !path.ends_with("bin/keyfob"));
        let links: Vec<String> = links
            .filter(|(path, _)| !path.starts_with(home.path("stubs")))
            .map(|(path, _)| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert!(links.len() > 6, "{links:?}");
        for link in links {
            assert!(keyfob::protocol::find(&link, None).is_some(), "{link}");
        }
    }
}
