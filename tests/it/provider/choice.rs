//! Which provider, mode and account a request means, and in which form it gets the credential.

use super::{git_get, key_provider, password, set_token, target, value, variable};
use crate::sandbox::Sandbox;

/// A provider whose key is in the variable `NAME_KEY`, which holds `canary-NAME`.
fn with_key(sandbox: &mut Sandbox, name: &str, urls: &[&str]) {
    let name_upper = name.to_uppercase();
    let targets: String = urls.iter().map(|url| target(url, "username = \"u\"")).collect();
    key_provider(
        sandbox,
        name,
        &format!("{}{targets}", variable(&format!("{name_upper}_KEY"))),
    );
    sandbox.set(&format!("{name_upper}_KEY"), format!("canary-{name}"));
}

/// A provider with the modes `prod`, the default, and `dev`, each with a variable of its own.
fn with_modes(sandbox: &mut Sandbox) {
    let mode = |name: &str, urls: &[&str]| {
        let upper = name.to_uppercase();
        let targets = urls
            .iter()
            .map(|url| format!("[[mode.{name}.target]]\nurl = \"{url}\"\nusername = \"u\"\n"));
        format!(
            "[mode.{name}.env]\nvariables = [\"ACME_{upper}_KEY\"]\n{}",
            targets.collect::<String>()
        )
    };
    let prod = mode("prod", &["https://both.example", "https://prod.example"]);
    let dev = mode(
        "dev",
        &["https://both.example", "https://dev.example", "https://some.example"],
    );
    let test = mode("test", &["https://some.example"]);
    sandbox.write_provider(
        "acme",
        &format!("format = 1\n[login]\nflow = \"key\"\ndefault_mode = \"prod\"\n{prod}{dev}{test}"),
    );
    for name in ["prod", "dev", "test"] {
        sandbox.set(&format!("ACME_{}_KEY", name.to_uppercase()), format!("canary-{name}"));
    }
}

#[test]
fn the_longest_path_wins_then_the_exact_host_then_the_longer_one() {
    let mut sandbox = Sandbox::new();
    with_key(&mut sandbox, "host", &["https://git.acme.example"]);
    with_key(&mut sandbox, "team", &["https://git.acme.example/org/team"]);
    with_key(&mut sandbox, "org", &["https://git.acme.example/org"]);
    with_key(&mut sandbox, "wild", &["https://*.acme.example"]);
    with_key(&mut sandbox, "deep", &["https://*.deep.acme.example"]);
    with_key(&mut sandbox, "wildpath", &["https://*.acme.example/org/team/x"]);
    for (url, expected) in [
        ("https://git.acme.example", "canary-host"),
        ("https://git.acme.example/", "canary-host"),
        ("https://git.acme.example/other", "canary-host"),
        ("https://git.acme.example/org", "canary-org"),
        ("https://git.acme.example/organ", "canary-host"),
        ("https://git.acme.example/org/team/repo.git", "canary-team"),
        ("https://git.acme.example/org/teams", "canary-org"),
        ("https://git.acme.example/org/team/x/y", "canary-wildpath"),
        ("https://GIT.acme.example:443/org", "canary-org"),
        ("https://a.acme.example", "canary-wild"),
        ("https://a.b.acme.example", "canary-wild"),
        ("https://deep.acme.example", "canary-wild"),
        ("https://a.deep.acme.example", "canary-deep"),
        ("https://acme.example", ""),
        ("https://evilacme.example", ""),
        ("https://a.acme.example.", ""),
        ("https://a.acme.example.evil", ""),
        ("https://a.acme.example:8443", ""),
        ("http://a.acme.example", ""),
        ("http://git.acme.example", ""),
        ("https://example", ""),
        ("https://1.2.3.4", ""),
        ("https://[::1]", ""),
    ] {
        assert_eq!(password(&sandbox, url), expected, "{url}");
    }
}

#[test]
fn wildcards_that_would_claim_more_than_a_domain_are_mistakes() {
    let sandbox = Sandbox::new();
    for url in [
        "https://*",
        "https://*.",
        "https://*.com",
        "https://*.example.",
        "https://*.*.acme.example",
        "https://a.*.example",
        "https://*a.acme.example",
        "https://**.acme.example",
        "*://a.acme.example",
        "https://*.127.0.0.1",
        "https://*.[::1]",
        "https://u@*.acme.example",
        "https://u@acme.example",
        "https://acme.example?x",
        "https://acme.example/..",
        "https://x/://*.acme.example",
        "http://acme.example",
    ] {
        key_provider(&sandbox, "acme", &target(url, ""));
        let output = sandbox.keyfob(&["provider", "check", "acme"]).run().expect_code(64);
        assert!(
            output.stderr.contains("acme.toml:5: target.url: "),
            "{url}: {}",
            output.stderr
        );
    }
}

#[test]
fn a_mode_is_chosen_by_its_variable_then_by_the_general_one_then_by_the_file() {
    let mut sandbox = Sandbox::new();
    with_modes(&mut sandbox);
    let both = "https://both.example";
    assert_eq!(password(&sandbox, both), "canary-prod");
    sandbox.set("KEYFOB_MODE", "dev");
    assert_eq!(password(&sandbox, both), "canary-dev");
    sandbox.set("ACME_MODE", "prod");
    assert_eq!(password(&sandbox, both), "canary-prod");
    sandbox.unset("ACME_MODE");
    assert_eq!(sandbox.token(), "canary-dev");
    // What only one mode claims is that mode's, whichever is in use.
    assert_eq!(password(&sandbox, "https://prod.example"), "canary-prod");
    assert_eq!(password(&sandbox, "https://dev.example"), "canary-dev");
    // A provider without modes has nothing to choose.
    with_key(&mut sandbox, "plain", &["https://plain.example"]);
    assert_eq!(password(&sandbox, "https://plain.example"), "canary-plain");
    let output = sandbox.keyfob(&["token", "plain"]).run().expect_success();
    assert_eq!(output.text(), "canary-plain\n");
}

#[test]
fn a_mode_that_the_provider_does_not_have_is_refused_and_not_replaced() {
    let mut sandbox = Sandbox::new();
    with_modes(&mut sandbox);
    for name in ["ACME_MODE", "KEYFOB_MODE"] {
        sandbox.set(name, "dve");
        let output = git_get(&sandbox, "https://both.example", "").expect_code(1);
        assert!(output.stderr.contains("has no mode `dve`, only: "), "{}", output.stderr);
        sandbox.keyfob(&["token", "acme"]).run().expect_code(64);
        sandbox.keyfob(&["token", "acme/dev"]).run().expect_success();
        sandbox.unset(name);
    }
}

#[test]
fn several_modes_of_which_none_is_meant_are_refused_and_named() {
    let mut sandbox = Sandbox::new();
    with_modes(&mut sandbox);
    let output = git_get(&sandbox, "https://some.example", "").expect_code(1);
    assert!(output.stderr.contains("dev, test"), "{}", output.stderr);
    assert!(output.stderr.contains("ACME_MODE"), "{}", output.stderr);
    sandbox.set("ACME_MODE", "test");
    assert_eq!(password(&sandbox, "https://some.example"), "canary-test");
}

#[test]
fn a_profile_beside_a_target_chooses_mode_and_provider_among_those_that_claim_it() {
    let mut sandbox = Sandbox::new();
    with_modes(&mut sandbox);
    with_key(&mut sandbox, "rival", &["https://both.example"]);
    let get = |profile: &str, url: &str| {
        let request = format!("profile={profile}\nurl={url}\n");
        sandbox.keyfob(&["get"]).stdin(request).run()
    };
    let both = "https://both.example";
    for (profile, expected) in [
        ("acme", "canary-prod"),
        ("acme/dev", "canary-dev"),
        ("rival", "canary-rival"),
    ] {
        assert_eq!(value(&get(profile, both).expect_success(), "password"), expected);
    }
    for (profile, url) in [
        ("acme/dev", "https://prod.example"),
        ("rival", "https://dev.example"),
        ("acme", "https://evil.example"),
        ("acme", "http://both.example"),
    ] {
        let output = get(profile, url).expect_code(5);
        assert!(output.stderr.contains("does not serve"), "{}", output.stderr);
    }
}

#[test]
fn two_providers_that_claim_one_target_are_refused_and_both_named() {
    let mut sandbox = Sandbox::new();
    with_key(&mut sandbox, "one", &["https://acme.example", "https://*.acme.example"]);
    with_key(&mut sandbox, "two", &["https://acme.example", "https://*.acme.example"]);
    for url in ["https://acme.example/x", "https://a.acme.example"] {
        let output = git_get(&sandbox, url, "").expect_code(1);
        assert!(
            output.stderr.contains("`one`") && output.stderr.contains("`two`"),
            "{}",
            output.stderr
        );
        let run = sandbox.keyfob(&["git", "store"]);
        let stored = run.stdin(format!("url={url}\nusername=u\npassword=canary-x\n")).run();
        stored.expect_code(1);
    }
    assert!(sandbox.files_with("canary-x").is_empty());
}

#[test]
fn a_target_with_a_list_of_tools_is_for_those_alone() {
    let mut sandbox = Sandbox::new();
    sandbox.set("ACME_KEY", "canary-acme");
    let rest = target(
        "https://acme.example",
        "username = \"u\"\ntools = [\"docker\", \"token\"]",
    );
    key_provider(&sandbox, "acme", &format!("{}{rest}", variable("ACME_KEY")));
    assert_eq!(password(&sandbox, "https://acme.example"), "");
    let native = sandbox
        .keyfob(&["get"])
        .stdin("url=https://acme.example\n")
        .run()
        .expect_success();
    assert_eq!(native.text(), "");
    let docker = sandbox
        .keyfob(&["docker", "get"])
        .stdin("acme.example")
        .run()
        .expect_success();
    assert!(docker.text().contains("canary-acme"));
    sandbox
        .keyfob(&["token", "https://acme.example"])
        .run()
        .expect_success();
    // Two providers that do not meet at one tool are no conflict.
    let rest = target("https://acme.example", "username = \"u\"\ntools = [\"git\"]");
    key_provider(&sandbox, "other", &format!("{}{rest}", variable("OTHER_KEY")));
    sandbox.set("OTHER_KEY", "canary-other");
    assert_eq!(password(&sandbox, "https://acme.example"), "canary-other");
}

/// Two accounts of `acme`, and one of `solo`.
fn with_accounts() -> Sandbox {
    let sandbox = Sandbox::new();
    key_provider(&sandbox, "acme", &target("https://acme.example", ""));
    key_provider(
        &sandbox,
        "solo",
        &target("https://solo.example", "username = \"oauth2\""),
    );
    set_token(&sandbox, "acme:ann", "canary-ann");
    set_token(&sandbox, "acme:bob", "canary-bob");
    set_token(&sandbox, "solo:ann", "canary-solo");
    sandbox
}

#[test]
fn several_accounts_are_refused_and_listed() {
    let sandbox = with_accounts();
    for output in [
        git_get(&sandbox, "https://acme.example", "").expect_code(1),
        sandbox.keyfob(&["token", "acme"]).run().expect_code(5),
        sandbox.keyfob(&["whoami", "acme"]).run().expect_code(5),
        sandbox.keyfob(&["logout", "acme"]).run().expect_code(5),
    ] {
        assert!(output.stderr.contains("acme:ann, acme:bob"), "{}", output.stderr);
    }
    assert_eq!(sandbox.files_with("canary-").len(), 3);
    assert_eq!(password(&sandbox, "https://solo.example"), "canary-solo");
}

#[test]
fn the_variable_or_the_profile_names_the_account() {
    let mut sandbox = with_accounts();
    sandbox.set("KEYFOB_ACCOUNT", "bob");
    assert_eq!(password(&sandbox, "https://acme.example"), "canary-bob");
    assert_eq!(sandbox.token(), "canary-bob");
    let named = sandbox.keyfob(&["token", "acme:ann"]).run().expect_success();
    assert_eq!(named.text(), "canary-ann\n");
    sandbox.set("KEYFOB_ACCOUNT", "eve");
    sandbox.keyfob(&["token", "acme"]).run().expect_code(2);
}

#[test]
fn the_user_name_of_the_request_selects_the_account() {
    let mut sandbox = with_accounts();
    let get = |sandbox: &Sandbox, url: &str, user: &str| {
        let output = git_get(sandbox, url, &format!("username={user}\n")).expect_success();
        (value(&output, "username"), value(&output, "password"))
    };
    let pair = |user: &str, password: &str| (user.to_string(), password.to_string());
    assert_eq!(get(&sandbox, "https://acme.example", "bob"), pair("bob", "canary-bob"));
    assert_eq!(get(&sandbox, "https://acme.example", "eve"), pair("", ""));
    assert_eq!(get(&sandbox, "https://acme.example", ""), pair("", ""));
    // The fixed name is no account, and stands for any.
    assert_eq!(
        get(&sandbox, "https://solo.example", "oauth2"),
        pair("oauth2", "canary-solo")
    );
    assert_eq!(
        get(&sandbox, "https://solo.example", "ann"),
        pair("oauth2", "canary-solo")
    );
    assert_eq!(get(&sandbox, "https://solo.example", "bob"), pair("", ""));
    sandbox.set("KEYFOB_ACCOUNT", "ann");
    assert_eq!(get(&sandbox, "https://acme.example", "bob"), pair("", ""));
}

#[test]
fn a_variable_answers_for_the_targets_of_its_provider_and_mode_and_for_nothing_else() {
    let mut sandbox = Sandbox::new();
    with_key(&mut sandbox, "acme", &["https://acme.example/org"]);
    set_token(&sandbox, "acme:ann", "canary-stored");
    assert_eq!(password(&sandbox, "https://acme.example/org"), "canary-acme");
    for url in [
        "https://acme.example",
        "https://evil.example/org",
        "https://acme.example.evil/org",
        "http://acme.example/org",
        "https://acme.example:8443/org",
    ] {
        assert_eq!(password(&sandbox, url), "", "{url}");
    }
    assert!(
        sandbox.files_with("canary-acme").is_empty(),
        "a variable's value is never written"
    );
    sandbox.set("ACME_KEY", "");
    assert_eq!(password(&sandbox, "https://acme.example/org"), "canary-stored");
    for wrong in [
        "canary with spaces",
        "canary\nhost=evil.example",
        "canary\u{e9}",
        "\u{7f}canary",
    ] {
        sandbox.set("ACME_KEY", wrong);
        let output = git_get(&sandbox, "https://acme.example/org", "").expect_code(1);
        assert!(output.stderr.contains("`ACME_KEY`"), "{}", output.stderr);
    }
}

#[test]
fn a_bearer_target_is_answered_in_the_form_that_the_tool_can_send() {
    let mut sandbox = Sandbox::new();
    sandbox.set("ACME_KEY", "canary-acme");
    let bare = target("https://bare.example", "scheme = \"bearer\"");
    let named = target("https://named.example", "scheme = \"bearer\"\nusername = \"oauth2\"");
    let basic = target("https://basic.example", "username = \"oauth2\"");
    key_provider(
        &sandbox,
        "acme",
        &format!("{}{bare}{named}{basic}", variable("ACME_KEY")),
    );
    let get = |url: &str, more: &str| {
        let output = git_get(&sandbox, url, more).expect_success();
        ["username", "password", "authtype", "credential"].map(|key| value(&output, key))
    };
    let authtype = "capability[]=authtype\n";
    let bearer = ["", "", "Bearer", "canary-acme"];
    let password = ["oauth2", "canary-acme", "", ""];
    assert_eq!(get("https://bare.example", authtype), bearer);
    assert_eq!(get("https://bare.example", ""), [""; 4]);
    assert_eq!(get("https://named.example", authtype), bearer);
    assert_eq!(get("https://named.example", ""), password);
    // A variable is not git's other helpers' to keep, and a ready value is kept by none.
    let ready = ["oauth2", "", "Basic", "b2F1dGgyOmNhbmFyeS1hY21l"];
    assert_eq!(get("https://basic.example", authtype), ready);
    assert_eq!(get("https://basic.example", ""), password);
    let docker = sandbox.keyfob(&["docker", "get"]).stdin("bare.example").run();
    assert_eq!(
        (docker.code(), docker.text()),
        (1, "credentials not found in native keychain\n")
    );
}
