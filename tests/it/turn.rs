//! Logins that begin at once: one of them asks a person, the others wait for it and take its session.

use std::time::Duration;

use crate::device::browser;
use crate::issuer::{DeviceEnd, DeviceScript, Endpoint, Issuer, Script};
use crate::sandbox::{Running, Sandbox};

fn set() -> (Sandbox, Issuer) {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    issuer.script(|script| {
        script.device = DeviceScript {
            end: DeviceEnd::ByPerson,
            user_code: Some("FIRST".into()),
            ..DeviceScript::default()
        };
    });
    sandbox.provider(&issuer);
    (sandbox, issuer)
}

fn start(sandbox: &Sandbox, args: &[&str]) -> Running {
    sandbox.keyfob(args).deadline(Duration::from_secs(90)).spawn()
}

/// Waits until a program has written this.
fn until(running: &mut Running, text: &str) {
    while running.is_running() && !running.stderr_so_far().contains(text) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let written = running.stderr_so_far();
    assert!(written.contains(text), "{written}");
}

const WAITS: &str = "Waiting for another login of `acme";

#[test]
fn ten_logins_at_once_open_one_browser_and_end_in_one_session() {
    let (mut sandbox, issuer) = set();
    let opened = browser(&mut sandbox);
    let mut first = start(&sandbox, &["login", "acme"]);
    until(&mut first, "FIRST");
    let mut others: Vec<Running> = (0..9).map(|_| start(&sandbox, &["login", "acme"])).collect();
    for other in &mut others {
        until(other, WAITS);
    }
    assert!(issuer.approve("FIRST"));
    let adopted = others.into_iter().map(|other| other.wait().expect_success());
    for output in adopted {
        assert!(
            output.stderr.contains("Logged in to Acme as `ann`"),
            "{}",
            output.stderr
        );
        assert!(
            output.stderr.contains("Another login at the same time"),
            "{}",
            output.stderr
        );
    }
    let output = first.wait().expect_success();
    assert!(
        output.stderr.contains("Logged in to Acme as `ann`"),
        "{}",
        output.stderr
    );
    assert_eq!(issuer.seen(Endpoint::Device).len(), 1);
    assert_eq!(opened(1).len(), 1);
    assert_eq!(issuer.families().len(), 1);
    assert!(issuer.valid_access(&sandbox.token()));
}

#[test]
fn when_the_first_login_is_killed_the_next_one_asks() {
    let (sandbox, issuer) = set();
    let mut first = start(&sandbox, &["login", "acme", "--no-browser"]);
    until(&mut first, "FIRST");
    let mut second = start(&sandbox, &["login", "acme", "--no-browser"]);
    until(&mut second, WAITS);
    issuer.script(|script| script.device.user_code = Some("SECOND".into()));
    first.kill();
    until(&mut second, "SECOND");
    let mut third = start(&sandbox, &["login", "acme", "--no-browser"]);
    until(&mut third, WAITS);
    assert!(issuer.approve("SECOND"));
    let outputs = [second.wait().expect_success(), third.wait().expect_success()];
    for output in outputs {
        assert!(
            output.stderr.contains("Logged in to Acme as `ann`"),
            "{}",
            output.stderr
        );
    }
    assert_eq!(issuer.seen(Endpoint::Device).len(), 2);
    assert_eq!(issuer.families().len(), 1);
}

#[test]
fn a_login_for_another_account_or_scope_asks_for_itself() {
    for args in [
        &["login", "acme:bob", "--no-browser"][..],
        &["login", "acme", "--scope", "admin", "--no-browser"],
    ] {
        let (sandbox, issuer) = set();
        let mut first = start(&sandbox, &["login", "acme", "--no-browser"]);
        until(&mut first, "FIRST");
        let mut second = start(&sandbox, args);
        until(&mut second, WAITS);
        issuer.script(|script| script.device.user_code = Some("SECOND".into()));
        assert!(issuer.approve("FIRST"));
        first.wait().expect_success();
        until(&mut second, "SECOND");
        assert!(issuer.approve("SECOND"));
        let code = second.wait().code();
        // The issuer knows only one person.
        assert_eq!(code, if args.contains(&"acme:bob") { 5 } else { 0 }, "{args:?}");
        assert_eq!(issuer.seen(Endpoint::Device).len(), 2, "{args:?}");
    }
}

#[test]
fn a_session_that_was_there_before_is_not_taken_for_a_new_one() {
    let (sandbox, issuer) = set();
    issuer.script(|script| script.device.end = DeviceEnd::Approved);
    sandbox.login(&issuer);
    issuer.script(|script| script.device.end = DeviceEnd::ByPerson);
    let mut first = start(&sandbox, &["login", "acme", "--no-browser"]);
    until(&mut first, "FIRST");
    let mut second = start(&sandbox, &["login", "acme", "--no-browser"]);
    until(&mut second, WAITS);
    issuer.script(|script| script.device.user_code = Some("SECOND".into()));
    first.kill();
    until(&mut second, "SECOND");
    assert!(issuer.approve("SECOND"));
    second.wait().expect_success();
    assert_eq!(issuer.families().len(), 2);
}

#[test]
fn two_providers_do_not_wait_for_each_other() {
    let (sandbox, issuer) = set();
    let text = crate::sandbox::oauth_part(&issuer.url()).replace("\"acme\"", "\"other\"");
    sandbox.write_provider("other", &text);
    let mut first = start(&sandbox, &["login", "acme", "--no-browser"]);
    until(&mut first, "FIRST");
    issuer.script(|script| {
        script.device.user_code = Some("SECOND".into());
        script.device.end = DeviceEnd::Approved;
    });
    start(&sandbox, &["login", "other", "--no-browser"])
        .wait()
        .expect_success();
    first.kill();
}
