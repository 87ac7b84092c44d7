//! What a person sees and does during a login in a browser, with one here and without.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::{Login, Page, form, get, provider, set, shown, split, until};
use crate::issuer::{DeviceScript, Endpoint};
use crate::sandbox::Sandbox;

/// A browser that writes down how it was called.
fn browser(sandbox: &Sandbox, below: &str) -> String {
    let script = "#!/bin/sh\nfor word; do echo \"$word\"; done > \"$HOME/called.new\"\nmv \"$HOME/called.new\" \"$HOME/called\"\n";
    let path = sandbox.write(below, script);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().into()
}

fn called(sandbox: &Sandbox) -> Vec<String> {
    let path = sandbox.path().join("called");
    let text = until("the browser", || std::fs::read_to_string(&path).ok());
    text.lines().map(Into::into).collect()
}

#[test]
fn the_browser_of_the_variable_gets_the_page_as_one_word_and_no_shell_reads_it() {
    for (words, before, after) in [
        ("PROGRAM", &[][..], &[][..]),
        ("PROGRAM --new; %s $(id)", &["--new;"][..], &["$(id)"][..]),
        ("/no/such/program:PROGRAM %s", &[][..], &[][..]),
    ] {
        let (sandbox, _issuer) = set("");
        let program = browser(&sandbox, "bin/browser");
        let run = sandbox
            .keyfob(&["login", "acme"])
            .env("BROWSER", words.replace("PROGRAM", &program));
        let login = Login::start(run.env("SSH_CONNECTION", "::1 1 ::1 22"));
        let words = called(&sandbox);
        let expected = [before, &[login.url.as_str()][..], after].concat();
        assert_eq!(words, expected);
        let text = login.running.stderr_so_far();
        assert!(!text.contains("ssh -N"), "{text}");
        login.finish().1.expect_success();
    }
}

#[test]
fn over_ssh_the_line_that_leads_a_browser_here_is_shown_with_the_real_port() {
    let (sandbox, _issuer) = set("");
    browser(&sandbox, "bin/xdg-open");
    let path = format!("{}/bin:{}", sandbox.path().display(), std::env::var("PATH").unwrap());
    let run = sandbox
        .keyfob(&["login", "acme"])
        .env("PATH", path)
        .env("DISPLAY", ":0");
    let run = run
        .env("USER", "ann")
        .env("SSH_CONNECTION", "198.51.100.7 50000 203.0.113.5 2222");
    let login = Login::start(run);
    let redirect = login.redirect_uri();
    let port = split(&redirect).0.rsplit(':').next().unwrap();
    let line = format!("\n    ssh -N -p 2222 -L {port}:127.0.0.1:{port} ann@203.0.113.5\n");
    until("the line", || {
        login.running.stderr_so_far().contains(&line).then_some(())
    });
    let text = until("the other way", || {
        let text = login.running.stderr_so_far();
        text.contains("`keyfob login acme --device`").then_some(text)
    });
    assert!(
        text.contains("No browser was opened: this is a machine at the other end of SSH.\n"),
        "{text}"
    );
    let narrow = text.lines().filter(|line| !line.contains("/authorize?"));
    assert!(narrow.clone().all(|line| line.chars().count() <= 80), "{text}");
    let (_, output) = login.finish();
    output.expect_success();
    assert!(
        !sandbox.path().join("called").exists(),
        "a browser was opened where nobody sees it"
    );
}

#[test]
fn the_device_grant_is_taken_instead_where_the_provider_has_it() {
    let (sandbox, issuer) = set("");
    issuer.script(|script| script.device = DeviceScript::default());
    let output = sandbox
        .keyfob(&["login", "acme", "--device", "--no-browser"])
        .run()
        .expect_success();
    assert!(output.stderr.contains("enter the code"), "{}", output.stderr);
    assert!(issuer.seen(Endpoint::Authorize).is_empty());
    assert!(issuer.valid_access(&sandbox.token()));
}

#[test]
fn another_account_than_the_one_that_is_here_is_asked_for_by_name() {
    let (sandbox, issuer) = set("");
    let text = |more: &str| format!("parameters = {{ a = \"b\" }}\n{more}");
    provider(&sandbox, &issuer, &text(""));
    Login::of(&sandbox).finish().1.expect_success();
    let args = ["login", "acme", "--no-browser", "--scope", "openid", "--account"];
    let same = Login::start(sandbox.keyfob(&[&args[..], &["ann"]].concat()));
    assert_eq!(same.field("login_hint").as_deref(), Some("ann"));
    assert_eq!(same.field("nonce").map(|nonce| nonce.len()), Some(43));
    assert_eq!(same.field("prompt"), None);
    same.stop();
    let other = Login::start(sandbox.keyfob(&[&args[..], &["bob"]].concat()));
    assert_eq!(other.field("login_hint").as_deref(), Some("bob"));
    assert_eq!(other.field("prompt").as_deref(), Some("select_account"));
    assert_ne!(other.field("nonce"), other.field("state"));
    issuer.script(|script| script.subject = "bob".into());
    let (page, output) = other.finish();
    output.expect_success();
    assert!(page.body.contains("as bob"), "{}", page.body);
}

#[test]
fn an_address_is_asked_for_only_on_a_terminal_and_only_for_a_browser() {
    let (sandbox, issuer) = set("");
    let args = ["login", "acme", "--manual"];
    let output = sandbox.keyfob(&args).env("KEYFOB_NO_INPUT", "1").run().expect_code(64);
    assert!(output.stderr.contains("nobody may be asked"), "{}", output.stderr);
    sandbox.provider(&issuer);
    let output = sandbox.keyfob(&args).run().expect_code(64);
    assert!(output.stderr.contains("for logins in a browser"), "{}", output.stderr);
}

/// A login on a terminal of its own, which types what is written to the pipe.
#[cfg(target_os = "linux")]
struct OnTerminal {
    running: crate::sandbox::Running,
    keys: std::fs::File,
}

#[cfg(target_os = "linux")]
impl OnTerminal {
    fn start(sandbox: &Sandbox, args: &str) -> OnTerminal {
        let keyfob = sandbox.keyfob_path().display();
        let shell = format!("mkfifo keys && exec script -qec '{keyfob} {args} 2>seen' /dev/null < keys");
        let run = sandbox
            .program("sh", &["-c", &shell])
            .deadline(Duration::from_secs(120));
        let running = run.spawn();
        let pipe = sandbox.path().join("keys");
        until("the pipe", || pipe.exists().then_some(()));
        // Opening waits for the reader.
        let keys = std::fs::OpenOptions::new().write(true).open(pipe).unwrap();
        OnTerminal { running, keys }
    }

    fn seen(sandbox: &Sandbox) -> String {
        std::fs::read_to_string(sandbox.path().join("seen")).unwrap_or_default()
    }

    fn until(sandbox: &Sandbox, text: &str) -> String {
        until(text, || Some(Self::seen(sandbox)).filter(|seen| seen.contains(text)))
    }

    fn types(&mut self, line: &str) {
        use std::io::Write;
        self.keys.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// What was shown, after it ended well.
    fn ends(self, sandbox: &Sandbox) -> String {
        drop(self.keys);
        let output = self.running.wait();
        let seen = Self::seen(sandbox);
        assert_eq!(output.code(), 0, "{seen}");
        assert!(!seen.contains("canary"), "{seen}");
        seen
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_pasted_address_is_taken_for_the_pending_login_alone() {
    let (sandbox, issuer) = set("");
    let mut login = OnTerminal::start(&sandbox, "login acme --manual");
    let url = shown(&OnTerminal::until(&sandbox, "paste it here")).unwrap();
    let fields = form(url.split_once('?').unwrap().1.as_bytes());
    let redirect = &fields.iter().find(|(name, _)| name == "redirect_uri").unwrap().1;
    login.types("https://evil.example/?code=x&state=y");
    OnTerminal::until(&sandbox, "The address must begin with");
    login.types(&format!("{redirect}?code=x&state=y"));
    OnTerminal::until(&sandbox, "belongs to another login");
    assert!(issuer.seen(Endpoint::Token).is_empty());
    let back: Page = get(&url);
    login.types(&back.header("location").unwrap());
    let seen = login.ends(&sandbox);
    assert!(seen.contains("Logged in to Acme as `ann`"), "{seen}");
    assert_eq!(issuer.seen(Endpoint::Token).len(), 1);
}

#[test]
#[cfg(target_os = "linux")]
fn a_person_without_a_browser_takes_the_device_grant_by_a_key() {
    let (sandbox, issuer) = set("");
    let mut login = OnTerminal::start(&sandbox, "login acme --no-browser");
    OnTerminal::until(&sandbox, "Or type `d` and Enter");
    login.types("x");
    login.types("D");
    let seen = login.ends(&sandbox);
    assert!(seen.contains("enter the code"), "{seen}");
    assert!(
        issuer
            .seen(Endpoint::Token)
            .iter()
            .all(|seen| seen.field("device_code").is_some())
    );
}
