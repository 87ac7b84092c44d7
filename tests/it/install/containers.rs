//! podman and its kin: which files they read, in which order, and who keeps a login.

use super::home::Home;

const OURS: &str = ".config/containers/registries.conf.d/zz-keyfob.conf";

fn install(home: &Home, args: &[&str]) -> String {
    let output = home.keyfob(&[&["install", "containers", "acme"], args].concat()).run();
    output.expect_success().stderr
}

#[test]
fn a_login_goes_to_keyfob_where_nobody_has_said_where() {
    let home = Home::empty();
    let before = home.look();
    install(&home, &[]);
    let list = "credential-helpers = [\"keyfob-acme\", \"containers-auth.json\"]\n";
    assert_eq!(home.read(OURS), list);
    install(&home, &["--replace"]);
    assert_eq!(home.read(OURS), "credential-helpers = [\"keyfob-acme\"]\n");
    home.keyfob(&["uninstall", "containers"]).run().expect_success();
    home.assert_is(&before);
}

#[test]
fn podmans_own_helpers_stay_before_ours() {
    let home = Home::empty();
    let other = "credential-helpers = [\"other\"] # c\n";
    home.sandbox.write(".config/containers/registries.conf", other);
    let said = install(&home, &[]);
    assert_eq!(home.read(OURS), "credential-helpers = [\"other\", \"keyfob-acme\"]\n");
    assert!(!said.contains("unsealed"), "{said}");
    let file = "credential-helpers = [\"containers-auth.json\"]\n";
    home.sandbox.write(".config/containers/registries.conf", file);
    assert!(install(&home, &[]).contains("unsealed"));
}

#[test]
fn the_last_of_the_files_beside_says_who_is_asked() {
    let home = Home::empty();
    let beside = |name: &str, text: &str| {
        home.sandbox
            .write(&format!(".config/containers/registries.conf.d/{name}"), text);
    };
    beside("10-a.conf", "credential-helpers = [\"first\"]\n");
    beside("20-b.conf", "credential-helpers = [\"second\", \"third\"]\n");
    beside("30-c.conf", "unqualified-search-registries = [\"a.example\"]\n");
    beside("40-d.txt", "credential-helpers = [\"no\"]\n");
    assert!(!install(&home, &[]).contains("anew"));
    let list = "credential-helpers = [\"second\", \"third\", \"keyfob-acme\"]\n";
    assert_eq!(home.read(OURS), list);
    install(&home, &[]);
    assert_eq!(home.read(OURS), list, "the same again changes nothing");
    beside("50-e.conf", "credential-helpers = []\n");
    install(&home, &[]);
    let list = "credential-helpers = [\"keyfob-acme\", \"containers-auth.json\"]\n";
    assert_eq!(home.read(OURS), list, "an empty one takes out the others");
    beside("zzz.conf", "credential-helpers = [\"late\"]\n");
    let said = install(&home, &[]);
    assert!(
        said.contains("zzz.conf` is read after") && said.contains("`keyfob-acme`"),
        "{said}"
    );
    beside("zzz.conf", "credential-helpers = [\"late\", \"keyfob-acme\"]\n");
    assert!(!install(&home, &[]).contains("anew"));
}

#[test]
fn the_home_is_wired_too_where_the_configurations_are_elsewhere() {
    let home = Home::empty();
    let there = home.path("there");
    let run = home.keyfob(&["install", "containers"]).env("XDG_CONFIG_HOME", &there);
    run.run().expect_success();
    // Before version 6 podman looks in the home alone, and skopeo does.
    for place in [OURS, "there/containers/registries.conf.d/zz-keyfob.conf"] {
        assert!(home.read(place).contains("\"keyfob\""), "{place}");
    }
}

#[test]
fn what_a_variable_names_is_told() {
    let home = Home::empty();
    let named = home.sandbox.write("named.conf", "credential-helpers = [\"other\"]\n");
    for variable in ["CONTAINERS_REGISTRIES_CONF", "CONTAINERS_REGISTRIES_CONF_OVERRIDE"] {
        let run = home.keyfob(&["install", "containers"]).env(variable, &named);
        let output = run.run().expect_success();
        assert!(output.stderr.contains("named.conf`"), "{variable}: {}", output.stderr);
        let run = home.keyfob(&["install", "containers"]).env(variable, "relative");
        run.run().expect_code(64);
    }
}

#[test]
fn logins_that_are_hidden_are_named() {
    let home = Home::empty();
    let login = r#"{"auths": {"a.example": {"auth": "canary"}, "b.example": {}}}"#;
    home.sandbox.write(".config/containers/auth.json", login);
    assert!(!install(&home, &[]).contains("a.example"));
    let said = install(&home, &["--replace"]);
    assert!(said.contains("logins to `a.example`: run `podman login`"), "{said}");
}
