//! What a person sets of a provider file with `config`: the one URL from which everything else is found.

use serde_json::{Value, json};

use super::front::Front;
use crate::http_server::Reply;
use crate::issuer::{Issuer, Script};
use crate::sandbox::{Output, Sandbox};

const CTL: &str = "format = 1\n[login]\nflow = \"device\"\n[program]\nauth = false\n\
    [program.settings]\n\"cloud.url\" = \"service.url\"\n\
    [service]\npath = \"/cli.json\"\nissuer = \"/auth/url\"\nclient_id = \"/auth/client\"\n";

fn set() -> (Sandbox, Front, Issuer) {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    let front = Front::start(&issuer);
    let document = json!({ "auth": { "url": front.url(), "client": "from-the-service" } });
    front.page("/cli.json", Reply::json(200, &document));
    sandbox.write_provider("ctl", CTL);
    std::os::unix::fs::symlink(sandbox.keyfob_path(), sandbox.path().join("ctl")).unwrap();
    (sandbox, front, issuer)
}

fn ctl(sandbox: &Sandbox, args: &[&str]) -> Output {
    sandbox.program(sandbox.path().join("ctl"), args).run()
}

#[test]
fn a_setting_that_is_missing_is_named_with_the_command_that_sets_it() {
    let (sandbox, front, issuer) = set();
    let missing = ctl(&sandbox, &["login", "--no-browser"]).expect_code(64);
    let said = "ctl: error: logging in to `ctl`: `cloud.url` is not set: it is the URL of the service\n\
                ctl: hint: run `ctl config set cloud.url https://\u{2026}`\n";
    assert_eq!(missing.stderr, said);
    assert!(front.seen().is_empty());
    let unset = ctl(&sandbox, &["config", "get", "cloud.url"]).expect_code(1);
    assert!(
        unset.stderr.contains("run `ctl config set cloud.url VALUE`"),
        "{}",
        unset.stderr
    );
    assert_eq!(
        ctl(&sandbox, &["config"]).expect_success().text(),
        "cloud.url  not set\n"
    );
    let help = ctl(&sandbox, &["config", "set", "--help"]).expect_success();
    assert!(
        help.text().contains("Usage: ctl config set [OPTIONS] <NAME> <VALUE>"),
        "{}",
        help.text()
    );
    let edit = ctl(&sandbox, &["config", "edit"]).expect_code(64);
    assert!(
        edit.stderr.contains("run `ctl config set cloud.url VALUE`"),
        "{}",
        edit.stderr
    );

    let done = ctl(&sandbox, &["config", "set", "cloud.url", &front.url()]).expect_success();
    assert!(
        done.stderr.contains("keyfob/config/settings/ctl.toml"),
        "{}",
        done.stderr
    );
    assert_eq!(
        ctl(&sandbox, &["config", "get", "cloud.url"]).expect_success().text(),
        format!("{}\n", front.url())
    );
    ctl(&sandbox, &["login", "--no-browser"]).expect_success();
    assert_eq!(issuer.families().len(), 1);
    let json: Value =
        serde_json::from_str(ctl(&sandbox, &["config", "list", "--json"]).expect_success().text()).unwrap();
    assert_eq!(json["settings"], json!({ "cloud.url": front.url() }));
    // The settings are configuration, with no secret in them, and the session is elsewhere.
    let file = sandbox.keyfob_home().join("config/settings/ctl.toml");
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        format!("\"cloud.url\" = \"{}\"\n", front.url())
    );
    ctl(&sandbox, &["config", "unset", "cloud.url"]).expect_success();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "");
}

#[test]
fn what_cannot_be_set_is_refused_and_nothing_is_written() {
    let (sandbox, _front, _issuer) = set();
    let file = sandbox.keyfob_home().join("config/settings/ctl.toml");
    for (args, why) in [
        (
            &["config", "set", "cloud.url", "http://cloud.acme.example"][..],
            "cloud.url: expected https, or",
        ),
        (&["config", "set", "cloud.url", "canary"], "cloud.url: "),
        (&["config", "set", "cloud.url"], "required"),
        (&["config", "set", "other", "x"], "name one of `cloud.url`"),
        (&["config", "set", "a", "b", "c", "d"], "ctl: error: "),
        (&["config", "get", "nothing"], "has no such setting"),
    ] {
        let output = ctl(&sandbox, args).expect_code(64);
        assert!(
            output.stderr.contains(why) || why == "required",
            "{args:?}: {}",
            output.stderr
        );
        assert!(!file.exists());
    }
    // By keyfob itself the provider is named, unless there is but one.
    sandbox
        .keyfob(&[
            "config",
            "set",
            "--provider",
            "ctl",
            "cloud.url",
            "https://cloud.acme.example",
        ])
        .run()
        .expect_success();
    assert_eq!(
        sandbox
            .keyfob(&["config", "get", "cloud.url"])
            .run()
            .expect_success()
            .text(),
        "https://cloud.acme.example\n"
    );
    std::fs::write(&file, "\"cloud.url\" = \"http://cloud.acme.example\"\n").unwrap();
    let wrong = ctl(&sandbox, &["login"]).expect_code(64);
    assert!(
        wrong.stderr.contains("settings/ctl.toml:1: cloud.url: expected https"),
        "{}",
        wrong.stderr
    );
    std::fs::write(&file, "cloud = 1\n").unwrap();
    ctl(&sandbox, &["login"]).expect_code(64);
    ctl(&sandbox, &["config"]).expect_code(64);
}

#[test]
fn a_session_stays_with_the_client_that_it_was_made_with() {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    let text = crate::sandbox::oauth_part(&issuer.url());
    let settings = "\n[program.settings]\n\"client\" = \"oauth.client_id\"\n";
    sandbox.write_provider("acme", &format!("{text}\n{settings}"));
    let run = |args: &[&str]| sandbox.keyfob(args).run().expect_success();
    let clients = || -> Vec<Option<String>> {
        let seen = issuer.seen(crate::issuer::Endpoint::Token);
        seen.iter()
            .map(|request| request.field("client_id").map(|id| id.to_string()))
            .collect()
    };
    run(&["config", "set", "client", "first", "--provider", "acme"]);
    sandbox.login_expired(&issuer);
    run(&["config", "set", "client", "second", "--provider", "acme"]);
    sandbox.token();
    assert_eq!(clients(), [Some("first".to_string()), Some("first".into())]);
    // Nor does it need a setting any more.
    run(&["config", "unset", "client", "--provider", "acme"]);
    run(&["token", "acme", "--valid-for", "50m"]);
    run(&["config", "set", "client", "second", "--provider", "acme"]);
    sandbox.login(&issuer);
    assert_eq!(clients().last().unwrap().as_deref(), Some("second"));
}
