//! What becomes of a session that is not as it should be: nameless, damaged, orphaned, or refused right after a login.

use std::time::Duration;

use crate::fault::home::stores;
use crate::http_server::Reply;
use crate::issuer::{Endpoint, Issuer, Script};
use crate::run::no_forks;
use crate::sandbox::{Output, Sandbox};

fn set() -> (Sandbox, Issuer) {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    sandbox.provider(&issuer);
    (sandbox, issuer)
}

fn run(sandbox: &Sandbox, args: &[&str]) -> Output {
    sandbox.keyfob(args).run()
}

/// Ruins the record with this text, but leaves the text in it.
fn ruin(sandbox: &Sandbox, text: &str) {
    let path = sandbox.files_with(text).remove(0);
    let content = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, content.replacen("\"family\":\"", "\"family\":\"x", 1)).unwrap();
}

#[test]
fn tokens_that_an_issuer_gave_are_kept_whatever_whoami_says() {
    for reply in [
        Reply::text(403, "text/html", "no"),
        Reply::json(200, &serde_json::json!({"name": "ann"})),
        Reply::text(200, "text/html", "<h1>hotel</h1>"),
        Reply::Drop,
    ] {
        let (sandbox, issuer) = set();
        issuer.inject(Endpoint::Userinfo, 9, &reply);
        let output = run(&sandbox, &["login", "acme", "--no-browser"]).expect_success();
        assert!(
            output.stderr.contains("kept without a name"),
            "{reply:?}: {}",
            output.stderr
        );
        assert!(issuer.valid_access(&sandbox.token()), "{reply:?}");
    }
}

#[test]
fn tokens_that_the_service_refuses_at_once_are_kept_and_no_success() {
    let (sandbox, issuer) = set();
    issuer.inject(Endpoint::Userinfo, 9, &Reply::text(401, "text/html", "no"));
    let output = run(&sandbox, &["login", "acme", "--no-browser"]).expect_code(2);
    for part in ["refuses the credential", "the session is kept", "keyfob logout acme"] {
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
    }
    assert!(!output.stderr.contains("Logged in"), "{}", output.stderr);
    assert!(issuer.valid_access(&sandbox.token()));
}

#[test]
fn a_key_that_whoami_refuses_is_not_kept() {
    let (sandbox, issuer) = set();
    issuer.inject(Endpoint::Userinfo, 9, &Reply::text(401, "text/html", "no"));
    let given = sandbox.keyfob(&["set-token", "acme"]).stdin("acme_canary").run();
    given.expect_code(2);
    assert!(sandbox.files_with("canary").is_empty());
}

#[test]
fn tokens_of_another_account_than_was_meant_are_given_back() {
    let (sandbox, issuer) = set();
    run(&sandbox, &["login", "acme:somebody", "--no-browser"]).expect_code(5);
    assert!(sandbox.files_with("canary").is_empty());
    assert!(
        issuer.live_family().is_none(),
        "the issuer still honours what nobody has"
    );
}

#[test]
fn a_session_without_a_name_can_be_named_beside_others() {
    let (sandbox, issuer) = set();
    issuer.inject(Endpoint::Userinfo, 1, &Reply::Drop);
    run(&sandbox, &["login", "acme", "--no-browser"]).expect_success();
    run(&sandbox, &["login", "acme", "--no-browser"]).expect_success();
    let both = run(&sandbox, &["token", "acme"]).expect_code(5);
    assert!(
        both.stderr.contains("acme:,") || both.stderr.contains("acme: "),
        "{}",
        both.stderr
    );
    run(&sandbox, &["token", "acme:"]).expect_success();
    run(&sandbox, &["logout", "acme:"]).expect_success();
    assert!(issuer.valid_access(&sandbox.token()));
}

#[test]
fn a_damaged_record_is_told_by_status_and_forgotten_by_its_account() {
    let (sandbox, issuer) = set();
    sandbox.login(&issuer);
    let subject = issuer_subject(&sandbox);
    ruin(&sandbox, "canary");
    let status = run(&sandbox, &["status"]);
    assert_eq!((status.code(), status.text()), (4, ""));
    assert!(status.stderr.contains("is damaged"), "{}", status.stderr);
    let status = run(&sandbox, &["status", "acme", "--json"]);
    let told: serde_json::Value = serde_json::from_str(status.text()).unwrap();
    assert_eq!((status.code(), told["damaged"].as_array().unwrap().len()), (4, 1));
    let all = run(&sandbox, &["logout", "--all"]).expect_code(4);
    assert!(all.stderr.contains("not forgotten"), "{}", all.stderr);
    let unnamed = run(&sandbox, &["logout", "acme"]).expect_code(4);
    assert!(unnamed.stderr.contains("logout acme:ACCOUNT"), "{}", unnamed.stderr);
    let forgotten = run(&sandbox, &["logout", &format!("acme:{subject}")]).expect_success();
    assert!(forgotten.stderr.contains("could not be read"), "{}", forgotten.stderr);
    assert!(sandbox.files_with("canary").is_empty());
}

#[test]
fn a_damaged_record_of_another_account_is_no_business_of_the_named_one() {
    let (sandbox, issuer) = set();
    issuer.inject(Endpoint::Userinfo, 1, &Reply::Drop);
    run(&sandbox, &["login", "acme", "--no-browser"]).expect_success();
    ruin(&sandbox, "canary");
    run(&sandbox, &["login", "acme", "--no-browser"]).expect_success();
    run(&sandbox, &["token", "acme"]).expect_code(4);
    run(&sandbox, &["token", "acme:ann"]).expect_success();
    let git = sandbox.keyfob(&["git", "get"]).env("KEYFOB_ACCOUNT", "ann");
    let answer = git
        .stdin("protocol=https\nhost=acme.example\n\n")
        .run()
        .expect_success();
    assert!(answer.text().contains("username=oauth2"), "{}", answer.text());
}

fn issuer_subject(sandbox: &Sandbox) -> String {
    run(sandbox, &["whoami", "acme"])
        .expect_success()
        .text()
        .trim_end()
        .into()
}

#[test]
fn a_session_whose_provider_file_is_gone_or_wrong_can_be_forgotten() {
    for (text, args) in [
        (None, &["logout", "acme"][..]),
        (None, &["logout", "--all"]),
        (Some("format = 3\n"), &["logout", "acme"]),
        (Some("format = 3\n"), &["logout", "--all"]),
    ] {
        let (sandbox, issuer) = set();
        sandbox.login(&issuer);
        let path = sandbox.keyfob_home().join("config/providers/acme.toml");
        match text {
            Some(text) => std::fs::write(&path, text).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let output = run(&sandbox, args).expect_success();
        assert!(
            output.stderr.contains("may still honour the token"),
            "{}",
            output.stderr
        );
        assert!(sandbox.files_with("canary").is_empty());
        if text.is_none() {
            run(&sandbox, &["logout", "acme"]).expect_code(64);
        }
    }
}

#[test]
fn a_logout_of_everything_says_which_variable_is_still_set() {
    let (mut sandbox, issuer) = set();
    sandbox.login(&issuer);
    sandbox.set("ACME_TOKEN", "acme_canary");
    let output = run(&sandbox, &["logout", "--all"]).expect_success();
    assert!(
        output.stderr.contains("the variable `ACME_TOKEN` is still set"),
        "{}",
        output.stderr
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_token_is_not_read_from_a_terminal_where_nobody_may_be_asked() {
    let (sandbox, _issuer) = set();
    let command = format!("{} set-token acme --no-check", sandbox.keyfob_path().display());
    let run = sandbox
        .program("script", &["-qec", &command, "/dev/null"])
        .env("KEYFOB_NO_INPUT", "1");
    let output = run.stdin("acme_canary\n").run();
    assert_eq!(output.code(), 64, "{}", output.text());
    assert!(output.text().contains("nobody may be asked"), "{}", output.text());
    assert!(sandbox.files_with("canary").is_empty());
}

#[test]
#[cfg(target_os = "linux")]
fn a_browser_is_a_program_of_an_absolute_path_and_gets_the_page_and_no_secret() {
    use std::os::unix::fs::PermissionsExt;
    let (mut sandbox, issuer) = set();
    let program = |below: &str| {
        let script = format!("#!/bin/sh\n{{ echo \"$#\"; echo \"$1\"; env; }} > {below}.ran\n");
        let path = sandbox.write(&format!("{below}/xdg-open"), &script);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    program("here");
    program("bin");
    issuer.script(|script| {
        script.device.verification_uri = Some("https://acme.example/d".into());
        script.device.verification_uri_complete = Some("https://acme.example/d?a=1&b=$(id);c".into());
    });
    sandbox.set("DISPLAY", ":0");
    sandbox.set("ACME_TOKEN", "acme_canary");
    let (home, system) = (sandbox.path().to_path_buf(), std::env::var("PATH").unwrap());
    // The first two mean the working directory.
    let login = sandbox
        .keyfob(&["login", "acme"])
        .env("PATH", format!(":here:{}/bin:{system}", home.display()));
    login.run().expect_success();
    for _ in 0..200 {
        if std::fs::read_to_string(home.join("bin.ran")).is_ok_and(|text| text.contains("DISPLAY")) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let ran = std::fs::read_to_string(home.join("bin.ran")).unwrap();
    assert!(ran.starts_with("1\nhttps://acme.example/d?a=1&b=$(id);c\n"), "{ran}");
    assert!(!ran.contains("canary"), "the browser has the secret");
    assert!(
        !home.join("here.ran").exists(),
        "a program of the working directory was run"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_logout_of_everything_goes_on_behind_a_session_that_is_in_the_way() {
    let sandbox = Sandbox::new();
    let file = |name: &str| sandbox.keyfob_home().join(format!("config/providers/{name}.toml"));
    for name in ["one", "two", "three"] {
        sandbox.write_provider(name, "format = 1\n[login]\nflow = \"key\"\n");
        let given = sandbox.keyfob(&["set-token", name]).stdin(format!("canary-{name}"));
        given.run().expect_success();
    }
    // While the first is waited for the second goes, whose provider file is gone too: nobody knows then what it was.
    let alone = no_forks();
    let stores = stores(&sandbox);
    let listed = stores.list().unwrap().into_iter();
    let keys: Vec<_> = listed.map(|stored| stored.unwrap().record.key).collect();
    let secret = |at: usize| sandbox.files_with(&format!("canary-{}", provider(&keys[at])));
    let held = stores
        .lock(&keys[0], Duration::from_secs(10), &std::thread::sleep)
        .unwrap();
    assert!(held.is_some());
    drop(alone);
    std::fs::remove_file(file(provider(&keys[1]))).unwrap();
    let running = sandbox.keyfob(&["logout", "--all", "--local"]).spawn();
    let descriptors = format!("/proc/{}/fd", running.id());
    let lock = format!("{}.lock", keys[0].digest());
    let until = std::time::Instant::now() + Duration::from_secs(20);
    let waits = || {
        let open = std::fs::read_dir(&descriptors).into_iter().flatten().flatten();
        open.filter_map(|entry| std::fs::read_link(entry.path()).ok())
            .any(|path| path.ends_with(&lock))
    };
    while !waits() {
        assert!(std::time::Instant::now() < until, "it does not wait for the first");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::fs::remove_file(secret(1).remove(0)).unwrap();
    drop(held);
    let output = running.wait().expect_code(64);
    assert!(output.stderr.contains("not forgotten"), "{}", output.stderr);
    assert!(secret(2).is_empty() && secret(0).is_empty(), "{}", output.stderr);
}

fn provider(key: &keyfob::record::Key) -> &str {
    match &key.group {
        keyfob::record::Group::Session { provider, .. } => provider,
        other => panic!("{other:?}"),
    }
}
