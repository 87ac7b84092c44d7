//! What a terminal would act on never reaches it, whoever wrote it: a server, a tool, a provider file, a directory's name.

use serde_json::Value;

use crate::issuer::{Issuer, Script};
use crate::sandbox::{Output, Sandbox};

/// Sets a title, writes the clipboard, clears the screen by a C1 control, turns text around, hides a character.
const EVIL: &str = "A\u{1b}]0;title\u{7}\u{1b}]52;c;ZXZpbA==\u{7}\u{9b}2J\u{202e}\u{200b}\u{7f}\u{2028}B";

fn check(output: &Output) {
    for (stream, text) in [("stdout", output.text()), ("stderr", output.stderr.as_str())] {
        let evil =
            |c: &char| (c.is_control() && *c != '\n') || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}');
        let found: Vec<char> = text.chars().filter(evil).collect();
        assert!(
            found.is_empty(),
            "`{}` has {found:?} on {stream}: {text:?}",
            output.name
        );
    }
}

/// As a TOML or JSON text, in which every character is escaped.
fn escaped(text: &str) -> String {
    text.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect()
}

#[test]
fn a_title_a_user_name_and_a_directory_are_shown_without_what_a_terminal_acts_on() {
    let mut sandbox = Sandbox::new();
    let home = sandbox.path().join("keyfob\u{1b}[31m\u{9b}2J\u{202e}");
    sandbox.set("KEYFOB_HOME", home.clone());
    let text = format!(
        "format = 1\ntitle = \"{}\"\n[login]\nflow = \"static\"\n[[target]]\nurl = \"https://acme.example\"\n",
        escaped(EVIL)
    );
    let providers = home.join("config/providers");
    std::fs::create_dir_all(&providers).unwrap();
    std::fs::write(providers.join("acme.toml"), text).unwrap();
    std::fs::write(providers.join("wrong.toml"), "format = 3\n").unwrap();
    let body = format!(
        "{{\"ServerURL\":\"acme.example\",\"Username\":\"{}\",\"Secret\":\"canary-1\"}}",
        escaped(EVIL)
    );
    sandbox
        .keyfob(&["docker", "store"])
        .stdin(body.clone())
        .run()
        .expect_success();
    let body = body.replace("acme.example", "origin.example");
    sandbox.keyfob(&["docker", "store"]).stdin(body).run().expect_success();
    let given = sandbox
        .keyfob(&["set-token", "acme", "--no-check", "--account", EVIL])
        .stdin("canary-2")
        .run();
    check(&given);
    for args in [
        &["status"][..],
        &["status", "--json"],
        &["list"],
        &["list", "--json"],
        &["whoami", "acme"],
        &["whoami", "acme", "--json"],
        &["provider", "list"],
        &["provider", "show", "acme"],
        &["provider", "check"],
        &["provider", "check", "no\u{1b}[31mne.toml"],
        &["token", "no\u{1b}[31mne"],
        &["log\u{1b}[31min"],
        &["login", "acme", "--no\u{1b}[31m"],
        &["logout", &format!("acme:{}", "no\u{202e}ne")],
        &["logout", "acme"],
        &["logout", "--all"],
    ] {
        check(&sandbox.keyfob(args).run());
    }
}

#[test]
fn json_means_what_was_kept_and_shows_none_of_it_raw() {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    sandbox.provider(&issuer);
    issuer.script(|script| {
        script.subject = EVIL.into();
        script.mutate = Some(std::sync::Arc::new(|answer: &mut Value| answer["scope"] = EVIL.into()));
    });
    check(
        &sandbox
            .keyfob(&["login", "acme", "--no-browser"])
            .run()
            .expect_success(),
    );
    check(&sandbox.keyfob(&["status"]).run().expect_success());
    let output = sandbox.keyfob(&["status", "--json"]).run().expect_success();
    check(&output);
    let status: Value = serde_json::from_str(output.text()).unwrap();
    assert!(status["sessions"][0]["scopes"].to_string().contains("title"));
    check(&sandbox.keyfob(&["whoami", "acme", "--json"]).run());
    check(&sandbox.keyfob(&["logout", "acme"]).run().expect_success());
}
