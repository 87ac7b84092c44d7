//! The prompts of git, git-lfs and ssh, as they write them.

use super::call::{home_for, two_accounts};
use crate::gate;
use crate::issuer::Issuer;
use crate::sandbox::{Output, Sandbox};

const USERNAME: &str = "Username for 'https://git.acme.example': ";
const PASSWORD: &str = "Password for 'https://oauth2@git.acme.example': ";

fn session() -> (Sandbox, Issuer) {
    home_for("https://git.acme.example", "basic")
}

fn run(sandbox: &Sandbox, prompt: &str) -> Output {
    sandbox.keyfob(&["askpass", prompt]).run()
}

/// The one line of an answer, on a stderr without a byte: git-lfs takes any for a failure.
fn line(sandbox: &Sandbox, prompt: &str) -> String {
    let output = run(sandbox, prompt).expect_success();
    assert_eq!(output.stderr, "");
    output.text().strip_suffix('\n').unwrap().to_owned()
}

#[test]
fn hit_a_session_answers_for_the_user_and_for_the_password() {
    let (sandbox, issuer) = session();
    sandbox.login(&issuer);
    assert_eq!(line(&sandbox, USERNAME), "oauth2");
    assert!(issuer.valid_access(&line(&sandbox, PASSWORD)));
    // git-lfs.
    assert_eq!(line(&sandbox, "Username for \"https://git.acme.example\""), "oauth2");
    assert!(issuer.valid_access(&line(&sandbox, "Password for \"https://oauth2@git.acme.example\"")));
}

#[test]
fn hit_what_was_stored_for_a_file_or_an_account_of_ssh() {
    let sandbox = Sandbox::new();
    for lines in [
        "protocol=cert\nhost=\npath=/home/ann/.ssh/id\nusername=\npassword=canary-key\n",
        "protocol=ssh\nhost=host.example\nusername=ann\npassword=canary-ann\n",
        "protocol=ssh\nhost=host.example\nusername=bob\npassword=canary-bob\n",
    ] {
        sandbox.keyfob(&["store"]).stdin(lines).run().expect_success();
    }
    for (prompt, expected) in [
        ("Enter passphrase for key '/home/ann/.ssh/id': ", "canary-key"),
        ("Enter passphrase for /home/ann/.ssh/id: ", "canary-key"),
        ("Password for 'cert:////home/ann/.ssh/id': ", "canary-key"),
        ("ann@host.example's password: ", "canary-ann"),
        ("(bob@host.example) Password: ", "canary-bob"),
    ] {
        assert_eq!(line(&sandbox, prompt), expected, "{prompt}");
    }
    let asked = sandbox.keyfob(&["askpass", "Enter passphrase for key '/home/ann/.ssh/id': "]);
    let output = asked.env("SSH_ASKPASS_PROMPT", "confirm").run();
    assert_eq!((output.code(), output.text()), (1, ""), "a yes is a person's to say");
}

#[test]
fn hit_a_session_of_nobody_has_a_name_to_ask_with() {
    let sandbox = Sandbox::new();
    let target = "[[target]]\nurl = \"https://git.acme.example\"\n";
    sandbox.write_provider("acme", &format!("format = 1\n[login]\nflow = \"key\"\n{target}"));
    let set = sandbox.keyfob(&["set-token", "acme", "--no-check"]).stdin("canary");
    set.run().expect_success();
    let name = line(&sandbox, USERNAME);
    assert_eq!(line(&sandbox, &PASSWORD.replace("oauth2", &name)), "canary");
    assert_eq!(run(&sandbox, &PASSWORD.replace("oauth2", "ann")).code(), 1);
}

#[test]
fn miss_is_silent() {
    let sandbox = Sandbox::new();
    sandbox
        .keyfob(&["store"])
        .stdin("protocol=ssh\nhost=host.example\nusername=ann\npassword=canary\n")
        .run()
        .expect_success();
    for prompt in [
        "Username for 'https://git.example': ",
        "Enter passphrase for key '/home/ann/.ssh/other': ",
        "eve@host.example's password: ",
        "ann@host.example.evil.example's password: ",
    ] {
        let output = run(&sandbox, prompt);
        assert_eq!(
            (output.code(), output.text(), output.stderr.as_str()),
            (1, "", ""),
            "{prompt}"
        );
    }
}

#[test]
fn refreshed_before_it_is_answered() {
    let (sandbox, issuer) = session();
    sandbox.login_expired(&issuer);
    assert!(issuer.valid_access(&line(&sandbox, PASSWORD)));
    assert_eq!(issuer.refreshes(), 1);
}

#[test]
fn malformed_prompts_are_not_guessed() {
    let (sandbox, issuer) = session();
    sandbox.login(&issuer);
    for prompt in [
        "Password: ",
        "Password for 'https://git.acme.example/x@evil.example': ",
        "(ann@evil.example) Password for 'https://oauth2@git.acme.example': ",
        "",
    ] {
        let output = run(&sandbox, prompt);
        assert_eq!((output.code(), output.text()), (1, ""), "{prompt}");
    }
}

#[test]
fn two_accounts_and_a_missing_login_are_words_on_stderr() {
    let (sandbox, _issuer) = session();
    two_accounts(&sandbox);
    for (prompt, words) in [
        ("Username for 'https://two.example': ", "two:ann, two:bob"),
        (PASSWORD, "run `keyfob login acme`"),
    ] {
        let output = run(&sandbox, prompt);
        assert_eq!((output.code(), output.text()), (1, ""), "{prompt}");
        assert!(output.stderr.contains(words), "{}", output.stderr);
    }
    assert_eq!(line(&sandbox, "Password for 'https://bob@two.example': "), "canary");
}

#[test]
fn locked_machines_give_no_password() {
    let (sandbox, issuer) = session();
    sandbox.login(&issuer);
    gate::set(&sandbox);
    let output = run(&sandbox, PASSWORD).expect_code(1);
    assert!(
        output.text().is_empty() && output.stderr.contains("keyfob unlock"),
        "{}",
        output.stderr
    );
}

#[test]
fn two_ports_of_a_host_that_ssh_does_not_tell_apart_get_no_guess() {
    let sandbox = Sandbox::new();
    let keep = |place: &str, user: &str, password: &str| {
        let input = format!("url={place}\nusername={user}\npassword={password}\n\n");
        sandbox.keyfob(&["store"]).stdin(input).run().expect_success();
    };
    let ask = |user: &str| {
        sandbox
            .keyfob(&["askpass", &format!("{user}@host.example's password: ")])
            .run()
    };
    keep("ssh://host.example:2222", "ann", "canary-2222");
    let elsewhere = ask("ann").expect_code(1);
    assert_eq!(
        (elsewhere.text(), elsewhere.stderr.as_str()),
        ("", ""),
        "the usual port is meant"
    );
    keep("ssh://host.example", "ann", "canary-22");
    keep("ssh://host.example", "bob", "canary-bob");
    keep("ssh://other.example:2222", "bob", "canary-other");
    let output = ask("ann").expect_code(1);
    assert_eq!(output.text(), "");
    let places = "ssh://host.example, ssh://host.example:2222";
    assert!(output.stderr.contains(places), "{}", output.stderr);
    assert_eq!(ask("bob").expect_success().text(), "canary-bob\n");
    // Where it makes no difference it need not be said.
    keep("ssh://host.example:2222", "ann", "canary-22");
    assert_eq!(ask("ann").expect_success().text(), "canary-22\n");
}
