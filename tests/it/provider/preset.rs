//! Presets as a person meets them: their page, and how one is taken into use with what only the user knows.

use crate::sandbox::Sandbox;

fn file(sandbox: &Sandbox, name: &str) -> Option<String> {
    std::fs::read_to_string(sandbox.keyfob_home().join(format!("config/providers/{name}.toml"))).ok()
}

#[test]
fn every_preset_has_a_page_that_says_what_to_register() {
    let sandbox = Sandbox::new();
    for name in keyfob::config::preset::names() {
        let shown = sandbox.keyfob(&["provider", "show", name]).run().expect_success();
        let page = keyfob::config::preset::page(name).unwrap();
        assert!(shown.text().starts_with(&page), "{name}: {}", shown.text());
        assert!(
            shown.text().contains("target") || name == "oidc",
            "{name}: {}",
            shown.text()
        );
        assert!(!page.contains('#') && !page.contains("{host}"), "{name}: {page}");
    }
    assert!(file(&sandbox, "github").is_none(), "looking takes nothing into use");
}

#[test]
fn a_preset_is_told_the_host_once() {
    let sandbox = Sandbox::new();
    let args = [
        "login",
        "forgejo",
        "--set",
        "host=127.0.0.1:1/git",
        "--client-id",
        "mine",
        "--no-browser",
        "--account",
    ];
    // Nobody is there to be asked whom the key speaks for.
    let run = sandbox.keyfob(&[&args[..], &["ann", "--with-token"][..]].concat());
    run.stdin("canary_key").run().expect_success();
    let text =
        "format = 1\npreset = \"forgejo\"\n\n[instance]\nhost = \"127.0.0.1:1/git\"\n\n[oauth]\nclient_id = \"mine\"\n";
    assert_eq!(file(&sandbox, "forgejo").as_deref(), Some(text));
    let shown = sandbox.keyfob(&["provider", "show", "forgejo"]).run().expect_success();
    for part in [
        "https://127.0.0.1:1/git/login/oauth/access_token",
        "https://127.0.0.1:1/git/api/v1/user",
        "https://127.0.0.1:1/git as a password of `oauth2`",
    ] {
        assert!(shown.text().contains(part), "{part}: {}", shown.text());
    }
    sandbox.keyfob(&["provider", "check"]).run().expect_success();
}

#[test]
fn a_login_that_fails_takes_no_preset_into_use() {
    let sandbox = Sandbox::new();
    let place = "protocol=https\nhost=127.0.0.1:1\npath=git/a.git\n";
    let store = sandbox.keyfob(&["git", "store"]);
    let whole = format!("{place}username=ann\npassword=canary-pat\n");
    store.stdin(whole).run().expect_success();
    let args = [
        "login",
        "forgejo",
        "--set",
        "host=127.0.0.1:1/git",
        "--client-id",
        "TYPO",
        "--with-token",
    ];
    let output = sandbox.keyfob(&args).stdin("").run();
    assert_ne!(output.code(), 0);
    assert!(file(&sandbox, "forgejo").is_none() && !output.stderr.contains("Wrote"));
    let got = sandbox.keyfob(&["git", "get"]).stdin(place).run().expect_success();
    assert!(got.text().contains("password=canary-pat"), "{}", output.stderr);
}

#[test]
fn another_client_id_is_put_into_the_file_of_a_login_and_of_nobody_else() {
    let sandbox = Sandbox::new();
    let login = |more: &[&str], key: &str| {
        let args = [&["login", "forgejo:ann", "--with-token", "--client-id"], more].concat();
        sandbox.keyfob(&args).stdin(key).run()
    };
    login(&["one", "--set", "host=127.0.0.1:1/git"], "canary_key").expect_success();
    let one = file(&sandbox, "forgejo").unwrap();
    // A failed login changes nothing.
    assert_ne!(login(&["two"], "").code(), 0);
    assert_eq!(file(&sandbox, "forgejo").as_deref(), Some(one.as_str()));
    login(&["two"], "canary_key").expect_success();
    let two = one.replace("client_id = \"one\"", "client_id = \"two\"");
    assert_eq!(file(&sandbox, "forgejo").as_deref(), Some(two.as_str()));
    let own = format!("{two}# mine\n");
    sandbox.write_provider("forgejo", &own);
    let output = login(&["three"], "canary_key").expect_code(64);
    assert!(
        output.stderr.contains("forgejo.toml names another client id") && output.stderr.contains("oauth.client_id"),
        "{}",
        output.stderr
    );
    login(&["two"], "canary_key").expect_success();
    assert_eq!(file(&sandbox, "forgejo").as_deref(), Some(own.as_str()));
}

#[test]
fn every_command_says_what_a_preset_lacks_and_register_shows_where_to_get_it() {
    let sandbox = Sandbox::new();
    for args in [
        &["token", "github"][..],
        &["whoami", "github"],
        &["logout", "github"],
        &["provider", "check", "github"],
        &["run", "github", "--", "true"],
    ] {
        let output = sandbox.keyfob(args).run().expect_code(64);
        assert!(
            output.stderr.contains("run `keyfob login github --client-id ID`") && !output.stderr.contains(":1:"),
            "{args:?}: {}",
            output.stderr
        );
    }
    let page = sandbox.keyfob(&["register", "github", "--no-browser"]).run();
    assert_eq!(page.expect_success().text(), "https://github.com/settings/developers\n");
}

#[test]
fn a_preset_that_was_not_told_what_it_needs_says_how() {
    let sandbox = Sandbox::new();
    for (args, says) in [
        (
            &["login", "forgejo"][..],
            "run `keyfob login forgejo --set host=… --client-id ID`",
        ),
        (
            &["login", "oidc", "--client-id", "a"],
            "instance.issuer: expected the URL of an issuer",
        ),
        (
            &["login", "google-service-account"],
            "signing.key_file: expected by the flow `jwt-bearer`",
        ),
        (&["login", "github"], "run `keyfob login github --client-id ID`"),
        (
            &["login", "forgejo", "--set", "host=a"],
            "oauth.client_id: expected by the flow",
        ),
        (
            &["login", "forgejo", "--set", "host"],
            "`--set` is not a name, `=`, and a value",
        ),
        (
            &["login", "forgejo", "--set", "host=https://a", "--client-id", "b"],
            "instance.host: expected a host such as",
        ),
        (&["login", "forgejo", "--set", "host=a\"b"], "`--set` is not a name"),
        (
            &["login", "forgejo", "--set", "tenant=a", "--client-id", "b"],
            "instance: expected host, found another key",
        ),
        (
            &["login", "github", "--set", "host=a", "--client-id", "b"],
            "instance: expected no key with this preset",
        ),
        (
            &["login", "microsoft", "--set", "tenant=a/b", "--client-id", "b"],
            "instance.tenant: expected the name or number",
        ),
        (&["login", "acme", "--set", "host=a"], "`--set` is for presets"),
    ] {
        let output = sandbox.keyfob(args).run().expect_code(64);
        assert!(output.stderr.contains(says), "{args:?}: {}", output.stderr);
        assert!(
            file(&sandbox, args[1]).is_none(),
            "{args:?}: nothing is left of a failed try"
        );
    }
}

#[test]
fn a_value_is_checked_where_it_stands_in_a_file() {
    let sandbox = Sandbox::new();
    for (text, line, says) in [
        (
            "preset = \"forgejo\"\n[instance]\nhost = \"canary canary\"\n",
            4,
            "instance.host: expected a host",
        ),
        (
            "preset = \"forgejo\"\n[instance]\nhots = \"canary\"\n",
            4,
            "instance: expected host, found another key",
        ),
        ("preset = \"forgejo\"\n", 2, "instance.host: expected a host"),
        (
            "[instance]\nhost = \"a\"\n[login]\nflow = \"key\"\n",
            3,
            "instance: expected with a `preset` alone",
        ),
    ] {
        let path = sandbox.write_provider("acme", &format!("format = 1\n{text}"));
        let output = sandbox.keyfob(&["provider", "check", "acme"]).run().expect_code(64);
        let place = format!("{}:{line}: {says}", path.display());
        assert!(output.stderr.contains(&place), "{place}\n{}", output.stderr);
    }
}
