//! Every class of mistake in a provider file is told with file, line, key and what was expected, and with no value.

use super::{key_provider, target};
use crate::sandbox::Sandbox;

/// A file that is right up to here; the next line is the fourth.
const KEY: &str = "format = 1\n[login]\nflow = \"key\"\n";

/// The file, the line of its mistake, and how the message about it begins.
const MISTAKES: &[(&str, usize, &str)] = &[
    // The form of the file.
    ("", 1, "format: expected `format = 1`, found nothing"),
    ("format = 1\n[login\n", 2, "login: expected TOML: unclosed table"),
    (
        "format = 1\ntitle = \"a\n",
        2,
        "title: expected TOML: invalid basic string",
    ),
    (
        "format = 1\ntitle = canary\n",
        2,
        "title: expected TOML: string values must be quoted",
    ),
    (
        "format = 1\n\ntitle = \"a\"\ntitle = \"canary\"\n",
        4,
        "title: expected once, found twice",
    ),
    ("format = 1\n[login]\n[login]\n", 3, "login: expected once, found twice"),
    (
        "format = 1\ntitle = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
        2,
        "title: expected TOML: ",
    ),
    // Keys that are not there, and that should be.
    (
        "format = 1\ncolour = \"canary\"\n",
        2,
        "colour: expected one of format, name, ",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\nfow = 1\n",
        4,
        "login.fow: expected one of flow, default_mode, register, revoke, found another key",
    ),
    (
        "format = 1\n[mode.dev]\nflow = \"key\"\n",
        3,
        "mode.dev.flow: expected one of aws, context, env, grant, ",
    ),
    (
        "format = 1\n[[target]]\nscheme = \"basic\"\n",
        2,
        "target.url: expected, found nothing",
    ),
    (
        "format = 1\n[oauth]\nclient_id = \"a\"\n",
        1,
        "login.flow: expected one of ",
    ),
    (
        "format = 1\n[login]\nflow = \"device\"\n",
        1,
        "oauth.client_id: expected by the flow `device`, found nothing",
    ),
    // Values of another kind.
    (
        "format = \"canary\"\n",
        1,
        "format: expected a whole number, found a text",
    ),
    ("format = -4242\n", 1, "format: expected a whole number, found a number"),
    ("format = 1.5\n", 1, "format: expected a whole number, found a number"),
    (
        "format = 1\n[oauth]\nclient_secret = 4242\n",
        3,
        "oauth.client_secret: expected a text, found a number",
    ),
    (
        "format = 1\n[oauth]\nclient_secret = true\n",
        3,
        "oauth.client_secret: expected a text, found true or false",
    ),
    (
        "format = 1\n[oauth]\nclient_secret = [\"canary\"]\n",
        3,
        "oauth.client_secret: expected a text, found a list",
    ),
    (
        "format = 1\n[oauth]\nscopes = \"canary\"\n",
        3,
        "oauth.scopes: expected a list, found a text",
    ),
    (
        "format = 1\n[env]\nvariables = [\n\"A\",\n4242,\n]\n",
        5,
        "env.variables: expected a text, found a number",
    ),
    (
        "format = 1\noauth = 4242\n",
        2,
        "oauth: expected a table, found a number",
    ),
    (
        "format = 1\n[mode]\nprod = \"canary\"\n",
        3,
        "mode.prod: expected a table, found a text",
    ),
    // Values that are not meant.
    ("format = 2\n", 1, "format: expected 1, found 2"),
    (
        "format = 1\nname = \"canary\"\n",
        2,
        "name: expected `acme` as the file is called, found another",
    ),
    (
        "format = 1\n# one more\npreset = \"canary\"\n",
        3,
        "preset: expected one of azure-devops, bitbucket, ",
    ),
    (
        "format = 1\npreset = \"github\"\n",
        1,
        "oauth.client_id: expected by the flow `device`, found nothing",
    ),
    (
        "format = 1\nstore = \"canary\"\n[login]\nflow = \"key\"\n",
        2,
        "store: expected one of sealed, keychain, file, found another",
    ),
    (
        "format = 1\n[login]\nflow = \"canary\"\n",
        3,
        "login.flow: expected one of ",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\nregister = \"canary\"\n",
        4,
        "login.register: ",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\ndefault_mode = \"canary\"\n",
        4,
        "login.default_mode: expected a mode of this file, found another",
    ),
    (
        "format = 1\r\n[login]\r\nflow = \"key\"\r\n[oauth]\r\ntoken_endpoint = \"ftp://canary\"\r\n",
        5,
        "oauth.token_endpoint: expected https",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[oauth]\ntoken_endpoint = \"http://acme.example\"\n",
        5,
        "oauth.token_endpoint: expected https",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[oauth]\ntoken_endpoint = \"https://acme.example/#canary\"\n",
        5,
        "oauth.token_endpoint: expected a URL without fragment",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[oauth]\nscopes = [\"a\", \"b canary\"]\n",
        5,
        "oauth.scopes: expected visible ASCII",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[whoami]\nurl = \"https://a.example\"\nsubject = \"canary\"\n",
        6,
        "whoami.subject: expected a JSON pointer",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[env]\nvariables = [\"A\",\n\"canary-\"]\n",
        6,
        "env.variables: expected names of letters",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[key]\nprefix = \"\"\n",
        5,
        "key.prefix: expected visible ASCII",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[mode.\"can ary\"]\n",
        4,
        "mode: the name of the mode is not",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[[target]]\nurl = \"https://a.example\"\nscheme = \"canary\"\n",
        6,
        "target.scheme: expected basic or bearer",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[[target]]\nurl = \"https://a.example\"\ntools = [\"-canary\"]\n",
        6,
        "target.tools: the name of the tool is not",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[[target]]\nurl = \"https://a.example\"\nusername = \"can ary\"\n",
        6,
        "target.username: expected visible ASCII",
    ),
    // The same in the table of a mode.
    (
        "format = 1\n[login]\nflow = \"key\"\n[mode.dev.oauth]\ntoken_endpoint = \"canary\"\n",
        5,
        "oauth.token_endpoint: ",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[[mode.dev.target]]\nurl = \"canary\"\n",
        5,
        "target.url: ",
    ),
    (
        "format = 1\n[login]\nflow = \"key\"\n[mode.dev.env]\nvariables = [\"4canary\"]\n",
        5,
        "env.variables: ",
    ),
    (
        "format = 1\n[login]\nflow = \"device\"\n[oauth]\nclient_id = \"a\"\n[mode.dev]\n",
        1,
        "oauth.device_authorization_endpoint: expected by the flow",
    ),
];

#[test]
fn every_mistake_is_told_with_file_line_key_and_what_was_expected() {
    told(MISTAKES);
}

/// Checks what is said of each file: the line of its mistake, and how the message about it begins.
pub(super) fn told(mistakes: &[(&str, usize, &str)]) {
    let sandbox = Sandbox::new();
    for (text, line, says) in mistakes {
        let path = sandbox.write_provider("acme", text);
        for args in [
            &["provider", "check"][..],
            &["provider", "check", "acme"],
            &["token", "acme"],
        ] {
            let output = sandbox.keyfob(args).run().expect_code(64);
            let expected = format!("keyfob: error: {}:{line}: {says}", path.display());
            assert!(output.stderr.starts_with(&expected), "{text:?} says {}", output.stderr);
            let quotes = output.stderr.contains("4242") || output.stderr.contains("can ary");
            assert!(!quotes, "a value is quoted: {}", output.stderr);
        }
    }
}

#[test]
fn a_file_by_its_path_is_told_by_that_path() {
    let sandbox = Sandbox::new();
    sandbox.write("here/acme.toml", "format = 1\ncolour = 1\n");
    let output = sandbox
        .keyfob(&["provider", "check", "here/acme.toml"])
        .run()
        .expect_code(64);
    assert!(
        output
            .stderr
            .contains("error: here/acme.toml:2: colour: expected one of "),
        "{}",
        output.stderr
    );
    sandbox.write("here/acme.toml", KEY);
    let output = sandbox
        .keyfob(&["provider", "check", "here/acme.toml"])
        .run()
        .expect_success();
    assert_eq!(output.text(), "here/acme.toml: good\n");
    sandbox
        .keyfob(&["provider", "check", "here/none.toml"])
        .run()
        .expect_code(64);
}

#[test]
fn all_wrong_files_are_told_and_the_good_ones_too() {
    let sandbox = Sandbox::new();
    sandbox.write_provider("one", "format = 3\n");
    sandbox.write_provider("two", KEY);
    sandbox.write_provider("three", "format = 1\nx = 1\n");
    let output = sandbox.keyfob(&["provider", "check"]).run();
    assert_eq!((output.code(), output.text()), (64, "two: good\n"));
    for place in [
        "one.toml:1: format: ",
        "three.toml:2: x: ",
        "2 of the 3 provider files are wrong",
    ] {
        assert!(output.stderr.contains(place), "{}", output.stderr);
    }
}

#[test]
fn bytes_that_are_no_text_and_files_that_are_too_long_are_told_soon() {
    let sandbox = Sandbox::new();
    let path = sandbox.write_provider("acme", "");
    std::fs::write(&path, b"format = 1\n[login]\nflow = \"k\xff\"\n").unwrap();
    let output = sandbox.keyfob(&["provider", "check"]).run().expect_code(64);
    assert!(
        output.stderr.contains("acme.toml:3: expected UTF-8, found other bytes"),
        "{}",
        output.stderr
    );
    let many: String = (0..250_000)
        .map(|number| target(&format!("https://h{number}.example"), ""))
        .collect();
    key_provider(&sandbox, "acme", &many);
    let begun = std::time::Instant::now();
    let output = sandbox.keyfob(&["provider", "check"]).run().expect_code(64);
    assert!(
        output
            .stderr
            .contains("acme.toml:1: expected at most 1 MiB, found more"),
        "{}",
        output.stderr
    );
    assert!(begun.elapsed() < std::time::Duration::from_secs(10));
}

#[test]
fn what_a_file_says_over_its_preset_wins_key_by_key() {
    let sandbox = Sandbox::new();
    let text = "format = 1\npreset = \"github\"\ntitle = \"Mine\"\n[oauth]\nclient_id = \"abc\"\nscopes = [\"gist\"]\n\
        [[target]]\nurl = \"https://mine.example\"\nscheme = \"bearer\"\n";
    sandbox.write_provider("acme", text);
    sandbox.keyfob(&["provider", "check"]).run().expect_success();
    let shown = sandbox.keyfob(&["provider", "show", "acme"]).run().expect_success();
    for part in [
        "Mine",
        "abc",
        "gist",
        "https://mine.example",
        "https://github.com/login/oauth/access_token",
        "GH_TOKEN",
    ] {
        assert!(shown.text().contains(part), "{part}: {}", shown.text());
    }
    for part in ["ghcr.io", "read:packages", "title      GitHub"] {
        assert!(!shown.text().contains(part), "{part}: {}", shown.text());
    }
}

#[test]
fn a_clients_secret_is_never_shown() {
    let sandbox = Sandbox::new();
    let text = "format = 1\npreset = \"github\"\n[oauth]\nclient_id = \"abc\"\nclient_secret = \"canary-secret\"\n";
    sandbox.write_provider("acme", text);
    for args in [
        &["provider", "show", "acme"][..],
        &["provider", "list", "--json"],
        &["status", "--json"],
    ] {
        let output = sandbox.keyfob(args).run().expect_success();
        assert!(!output.text().contains("canary"), "{}", output.text());
    }
    assert_eq!(sandbox.files_with("canary").len(), 1);
}
