//! Places that a provider file may not name.

use crate::sandbox::Sandbox;

/// Lines before the tables, the table `place`, and how the message about it begins.
const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "",
        "file = \"/etc/token.json\"",
        "place.file: expected a file in a directory below `~/`",
    ),
    (
        "",
        "file = \"~/token.json\"",
        "place.file: expected a file in a directory",
    ),
    (
        "",
        "file = \"~/.acme/../token.json\"",
        "place.file: expected a file in a directory",
    ),
    (
        "",
        "file = \"~/.acme/./token.json\"",
        "place.file: expected a file in a directory",
    ),
    (
        "",
        "file = \"~/.acme//token.json\"",
        "place.file: expected a file in a directory",
    ),
    ("", "file = \"~/.acme/\"", "place.file: expected a file in a directory"),
    (
        "",
        "file = \"~/.acme/a\\u0007b\"",
        "place.file: expected a file in a directory",
    ),
    (
        "",
        "file = \"~/.acme/{user}.json\"",
        "place.file: expected no other slots than {provider}, {mode}, {account}",
    ),
    (
        "",
        "file = \"~/.acme/{mode}.json\"",
        "place.file: expected no `{mode}` in a file without modes",
    ),
    (
        "",
        "file_windows = \"C:\\\\acme\\\\token.json\"",
        "place.file_windows: expected a file in a directory below `%APPDATA%\\`",
    ),
    (
        "",
        "file_windows = \"%APPDATA%\\\\acme\\\\a/b\"",
        "place.file_windows: expected",
    ),
    (
        "store = \"sealed\"",
        "file = \"~/.acme/token.json\"",
        "place.file: expected with `store = \"file\"`",
    ),
    (
        "store = \"file\"",
        "service = \"acme\"",
        "place.service: expected with `store = \"keychain\"`",
    ),
    (
        "",
        "account = \"{account}\"",
        "place.account: expected with `store = \"keychain\"`",
    ),
    (
        "store = \"file\"",
        "value = \"refresh\"",
        "place.value: expected with `store = \"keychain\"`",
    ),
    (
        "store = \"keychain\"",
        "value = \"all\"",
        "place.value: expected record or refresh",
    ),
    (
        "store = \"keychain\"",
        "service = \"\"",
        "place.service: expected 1 to 1000 visible characters",
    ),
    (
        "store = \"keychain\"",
        "account = \"{secret}\"",
        "place.account: expected no other slots",
    ),
    (
        "",
        "path = \"~/.acme/token.json\"",
        "place.path: expected one of file, file_windows, service, account, value",
    ),
    (
        "persist = \"none\"",
        "",
        "persist: expected one of both, key with the flow `key`",
    ),
    (
        "persist = \"refresh\"",
        "",
        "persist: expected one of both, key with the flow `key`",
    ),
    (
        "persist = \"some\"",
        "",
        "persist: expected one of both, key, none, refresh",
    ),
    ("store = \"safe\"", "", "store: expected one of sealed, keychain, file"),
];

#[test]
fn every_wrong_place_is_told_with_its_key() {
    let sandbox = Sandbox::new();
    for (top, place, begin) in MISTAKES {
        sandbox.write_provider(
            "acme",
            &format!("format = 1\n{top}\n[login]\nflow = \"key\"\n[place]\n{place}\n"),
        );
        let output = sandbox.keyfob(&["provider", "check", "acme"]).run().expect_code(64);
        assert!(
            output.stderr.contains(&format!(": {begin}")),
            "{place}: {}",
            output.stderr
        );
    }
}

#[test]
fn good_places_are_good_and_shown() {
    let sandbox = Sandbox::new();
    for (top, place, shown) in [
        (
            "",
            "file = \"~/.acme/{provider}/token\"",
            "the file `~/.acme/{provider}/token`",
        ),
        (
            "store = \"file\"",
            "file = \"~/.config/acme/credentials.json\"\nfile_windows = \"%APPDATA%\\\\acme\\\\c.json\"",
            "credentials.json",
        ),
        (
            "store = \"keychain\"",
            "service = \"vault\"",
            "an item of the service `vault`",
        ),
        (
            "store = \"keychain\"",
            "service = \"vault\"\naccount = \"{account}\"\nvalue = \"refresh\"",
            "the refresh token alone",
        ),
    ] {
        sandbox.write_provider(
            "acme",
            &format!("format = 1\n{top}\n[login]\nflow = \"key\"\n[place]\n{place}\n"),
        );
        sandbox.keyfob(&["provider", "check"]).run().expect_success();
        let text = sandbox.keyfob(&["provider", "show", "acme"]).run().expect_success();
        let words: Vec<&str> = text.text().split_whitespace().collect();
        assert!(words.join(" ").contains(shown), "{}", text.text());
    }
}

#[test]
fn two_modes_in_one_place_are_a_mistake() {
    let sandbox = Sandbox::new();
    for (store, place) in [
        ("file", "file = \"~/.acme/token.json\""),
        ("keychain", "account = \"token\""),
    ] {
        let text = format!(
            "format = 1\nstore = \"{store}\"\n[login]\nflow = \"key\"\n[place]\n{place}\n[mode.dev]\n[mode.prod]\n"
        );
        sandbox.write_provider("acme", &text);
        let output = sandbox.keyfob(&["provider", "check"]).run().expect_code(64);
        assert!(
            output
                .stderr
                .contains("acme.toml:6: place: expected another one for each mode"),
            "{}",
            output.stderr
        );
    }
    sandbox.write_provider(
        "acme",
        "format = 1\nstore = \"file\"\n[login]\nflow = \"key\"\n[mode.dev.place]\nfile = \"~/.a/dev\"\n\
         [mode.prod.place]\nfile = \"~/.a/prod\"\n",
    );
    sandbox.keyfob(&["provider", "check"]).run().expect_success();
}
