//! What tools bring: kept under a provider whose login is `static`, declined by any other, and forgotten by rule.

use super::{git_get, key_provider, password, set_token, target, value};
use crate::sandbox::{Output, Sandbox};

const URL: &str = "https://acme.example/repo";

/// A provider whose user names and passwords are brought by tools.
fn static_provider(rest: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let target = target("https://acme.example", rest);
    sandbox.write_provider("acme", &format!("format = 1\n[login]\nflow = \"static\"\n{target}"));
    sandbox
}

fn git(sandbox: &Sandbox, action: &str, url: &str, more: &str) -> Output {
    let run = sandbox.keyfob(&["git", action]);
    run.stdin(format!("url={url}\n{more}")).run().expect_success()
}

fn docker(sandbox: &Sandbox, action: &str, input: &str) -> (i32, String) {
    let output = sandbox.keyfob(&["docker", action]).stdin(input).run();
    (output.code(), output.text().into())
}

#[test]
fn what_a_tool_brings_is_kept_under_the_provider_for_all_its_targets() {
    let sandbox = static_provider("[[target]]\nurl = \"https://*.acme.example\"");
    git(&sandbox, "store", URL, "username=ann\npassword=canary-1\n");
    for url in [URL, "https://acme.example", "https://a.acme.example/x"] {
        assert_eq!(password(&sandbox, url), "canary-1", "{url}");
    }
    assert_eq!(
        sandbox.files_with("\"origin").len(),
        0,
        "it is a session and not an origin's"
    );
    let listed = sandbox.keyfob(&["list"]).run().expect_success();
    assert!(
        listed.text().contains("session") && listed.text().contains("acme:ann"),
        "{}",
        listed.text()
    );
    assert_eq!(sandbox.token(), "canary-1");
    git(&sandbox, "store", URL, "username=ann\npassword=canary-2\n");
    assert_eq!(sandbox.token(), "canary-2");
    assert!(sandbox.files_with("canary-1").is_empty());
}

#[test]
fn a_provider_that_waits_for_a_tool_is_a_miss_without_a_word() {
    let sandbox = static_provider("");
    let output = git_get(&sandbox, URL, "").expect_success();
    assert_eq!((output.text(), output.stderr.as_str()), ("", ""));
    let expected = (1, "credentials not found in native keychain\n".to_string());
    assert_eq!(docker(&sandbox, "get", "acme.example"), expected);
    sandbox.keyfob(&["token", "acme"]).run().expect_code(2);
}

#[test]
fn an_end_in_the_past_is_not_kept_and_one_that_has_come_is_a_miss() {
    let sandbox = static_provider("");
    git(&sandbox, "store", URL, "username=ann\npassword=canary-1\n");
    git(
        &sandbox,
        "store",
        URL,
        "username=ann\npassword=canary-2\npassword_expiry_utc=1000\n",
    );
    assert_eq!(password(&sandbox, URL), "canary-1");
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let soon = format!(
        "username=ann\npassword=canary-3\noauth_refresh_token=canary-r\npassword_expiry_utc={}\n",
        now + 3
    );
    git(&sandbox, "store", URL, &soon);
    let output = git_get(&sandbox, URL, "").expect_success();
    assert_eq!(value(&output, "oauth_refresh_token"), "canary-r");
    assert_eq!(value(&output, "password_expiry_utc"), (now + 3).to_string());
    std::thread::sleep(std::time::Duration::from_millis(3500));
    let output = git_get(&sandbox, URL, "").expect_success();
    assert_eq!((output.text(), output.stderr.as_str()), ("", ""));
}

#[test]
fn what_must_not_be_kept_is_not() {
    let mut sandbox = static_provider("");
    git(&sandbox, "store", URL, "username=ann\npassword=canary-1\nephemeral=1\n");
    git(&sandbox, "store", URL, "username=ann\n");
    git(
        &sandbox,
        "store",
        URL,
        "capability[]=authtype\nauthtype=Basic\ncredential=canary-1\n",
    );
    assert!(sandbox.files_with("canary").is_empty());
    let env = "[env]\nvariables = [\"ACME_KEY\"]\n";
    let claims = target("https://acme.example", "");
    sandbox.write_provider(
        "acme",
        &format!("format = 1\n[login]\nflow = \"static\"\n{env}{claims}"),
    );
    sandbox.set("ACME_KEY", "canary-v");
    git(&sandbox, "store", URL, "username=ann\npassword=canary-v\n");
    assert!(sandbox.files_with("canary").is_empty());
}

#[test]
fn a_rejection_forgets_the_secret_that_it_names_and_no_other() {
    let sandbox = static_provider("");
    git(&sandbox, "store", URL, "username=ann\npassword=canary-ann\n");
    git(&sandbox, "store", URL, "username=bob\npassword=canary-bob\n");
    let both = || {
        (
            sandbox.files_with("canary-ann").len(),
            sandbox.files_with("canary-bob").len(),
        )
    };
    for kept in [
        "username=ann\npassword=canary-old\n",
        "username=ann\npassword=canary-bob\n",
        "username=eve\npassword=canary-ann\n",
        "username=eve\n",
    ] {
        git(&sandbox, "erase", URL, kept);
        assert_eq!(both(), (1, 1), "{kept}");
    }
    git(&sandbox, "erase", "https://other.example", "");
    assert_eq!(both(), (1, 1));
    git(&sandbox, "erase", URL, "username=ann\npassword=canary-ann\n");
    assert_eq!(both(), (0, 1));
    git(&sandbox, "erase", URL, "");
    assert_eq!(both(), (0, 0));
}

#[test]
fn the_newest_that_a_tool_brought_is_what_git_and_docker_get() {
    let sandbox = static_provider("");
    let body =
        |user: &str| format!("{{\"ServerURL\":\"acme.example\",\"Username\":\"{user}\",\"Secret\":\"canary-{user}\"}}");
    // Twice, because who is given again is the newest again, with the same password too.
    for user in ["ann", "bob", "ann", "bob"] {
        assert_eq!(docker(&sandbox, "store", &body(user)), (0, String::new()));
        let (status, text) = docker(&sandbox, "get", "acme.example");
        assert_eq!((status, text.trim_end()), (0, body(user).as_str()));
        let listed = format!("{{\"acme.example\":\"{user}\"}}\n");
        assert_eq!(docker(&sandbox, "list", ""), (0, listed));
        assert_eq!(password(&sandbox, URL), format!("canary-{user}"));
    }
    // Who has no order of its own takes none, and one that was chosen is meant.
    let several = sandbox.keyfob(&["token", URL]).run().expect_code(5);
    assert!(several.stderr.contains("acme:ann, acme:bob"), "{}", several.stderr);
    sandbox.keyfob(&["account", "acme", "ann"]).run().expect_success();
    assert_eq!(password(&sandbox, URL), "canary-ann");
    assert!(docker(&sandbox, "list", "").1.contains(":\"ann\""));
}

#[test]
fn a_tool_that_names_no_secret_forgets_what_it_brought_and_nothing_else() {
    let sandbox = static_provider("");
    let body = "{\"ServerURL\":\"acme.example\",\"Username\":\"ann\",\"Secret\":\"canary-1\"}";
    assert_eq!(docker(&sandbox, "store", body), (0, String::new()));
    git(&sandbox, "erase", URL, "");
    assert_eq!(sandbox.token(), "canary-1");
    assert_eq!(docker(&sandbox, "erase", "acme.example"), (0, String::new()));
    assert!(sandbox.files_with("canary").is_empty());
    set_token(&sandbox, "acme:ann", "canary-2");
    assert_eq!(docker(&sandbox, "erase", "acme.example"), (0, String::new()));
    assert_eq!(sandbox.token(), "canary-2");
}

#[test]
fn a_provider_with_a_login_keeps_nothing_that_a_tool_brings() {
    let sandbox = Sandbox::new();
    key_provider(
        &sandbox,
        "acme",
        &target("https://acme.example", "username = \"oauth2\""),
    );
    set_token(&sandbox, "acme:ann", "canary-key");
    git(&sandbox, "store", URL, "username=oauth2\npassword=canary-other\n");
    let run = sandbox.keyfob(&["store"]);
    run.stdin(format!("url={URL}\nusername=u\npassword=canary-other\n"))
        .run()
        .expect_code(5);
    let body = "{\"ServerURL\":\"acme.example\",\"Username\":\"ann\",\"Secret\":\"canary-other\"}";
    let (status, text) = docker(&sandbox, "store", body);
    assert!(
        status == 1 && text.contains("keeps nothing that a tool brings"),
        "{text}"
    );
    assert!(sandbox.files_with("canary-other").is_empty());
    // A rejection without the secret, or with another one, ends nothing.
    git(&sandbox, "erase", URL, "");
    git(&sandbox, "erase", URL, "username=oauth2\n");
    git(&sandbox, "erase", URL, "username=oauth2\npassword=canary-other\n");
    assert_eq!(docker(&sandbox, "erase", "acme.example"), (0, String::new()));
    assert_eq!(sandbox.token(), "canary-key");
    git(&sandbox, "erase", URL, "username=oauth2\npassword=canary-key\n");
    assert!(sandbox.files_with("canary").is_empty());
}

#[test]
#[cfg(unix)]
fn a_rejection_that_names_one_user_leaves_the_session_of_another() {
    let sandbox = Sandbox::new();
    key_provider(&sandbox, "acme", &target("https://acme.example", ""));
    set_token(&sandbox, "acme:ann", "canary-key");
    git(&sandbox, "erase", URL, "username=bob\npassword=canary-key\n");
    git(&sandbox, "erase", URL, "username=token\npassword=canary-key\n");
    // Nor does the profile in the program's name mean another account than it says.
    let rejected_by = |link: &str, user: &str| {
        let program = sandbox.path().join(link);
        let erase = sandbox.program(&program, &["erase"]);
        let input = format!("url={URL}\n{user}password=canary-key\n");
        erase.stdin(input).run().expect_success();
    };
    let links = ["git-credential-keyfob-acme@bob", "git-credential-keyfob-acme@ann"];
    for link in links {
        std::os::unix::fs::symlink(sandbox.keyfob_path(), sandbox.path().join(link)).unwrap();
    }
    rejected_by(links[0], "username=ann\n");
    rejected_by(links[0], "");
    assert_eq!(sandbox.token(), "canary-key");
    rejected_by(links[1], "username=ann\n");
    assert!(sandbox.files_with("canary").is_empty());
    // Who names nobody means every one that has it.
    set_token(&sandbox, "acme:ann", "canary-key");
    git(&sandbox, "erase", URL, "password=canary-key\n");
    assert!(sandbox.files_with("canary").is_empty());
}

#[test]
fn origins_that_no_provider_claims_are_as_without_providers() {
    let sandbox = static_provider("");
    git(&sandbox, "store", URL, "username=ann\npassword=canary-acme\n");
    for url in [
        "https://other.example",
        "http://acme.example",
        "https://acme.example:8443",
        "https://a.acme.example",
    ] {
        assert_eq!(password(&sandbox, url), "", "{url}");
        git(&sandbox, "store", url, "username=ann\npassword=canary-origin\n");
        assert_eq!(password(&sandbox, url), "canary-origin", "{url}");
        git(&sandbox, "erase", url, "username=ann\npassword=canary-acme\n");
        assert_eq!(password(&sandbox, url), "canary-origin", "{url}");
        git(&sandbox, "erase", url, "");
        assert_eq!(password(&sandbox, url), "", "{url}");
    }
    assert_eq!(password(&sandbox, URL), "canary-acme");
}

#[test]
fn stores_and_rejections_at_once_leave_one_whole_answer_or_none() {
    let sandbox = static_provider("");
    let runs: Vec<_> = (0..24)
        .map(|number| {
            let (action, secret) = (["store", "store", "erase"][number % 3], number / 3);
            let input = format!("url={URL}\nusername=ann\npassword=canary-{secret}\n");
            sandbox.keyfob(&["git", action]).stdin(input).spawn()
        })
        .collect();
    for run in runs {
        run.wait().expect_success();
    }
    git(&sandbox, "store", URL, "username=ann\npassword=canary-last\n");
    git(&sandbox, "erase", URL, "username=ann\npassword=canary-0\n");
    assert_eq!(password(&sandbox, URL), "canary-last");
    assert_eq!(sandbox.files_with("canary").len(), 1);
}
