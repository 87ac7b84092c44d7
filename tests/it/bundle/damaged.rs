//! Bundles that are not as they were written: each has its own words and exit code, and nothing is kept.

use serde_json::{Value, json};

use super::fixture::{IDENTITY, contents, export, has, keys, sealed, set};
use crate::sandbox::{Output, Sandbox};

fn import_bytes(sandbox: &Sandbox, bytes: &[u8]) -> Output {
    let before = sandbox.files();
    let output = sandbox
        .keyfob(&["import", "-", "--identity", "key.txt"])
        .stdin(bytes)
        .run();
    if output.code() != 0 {
        assert_eq!(sandbox.files(), before, "{}", output.stderr);
        assert!(output.stdout.is_empty());
    }
    output
}

fn refused(sandbox: &Sandbox, bytes: &[u8], code: i32, part: &str) {
    let output = import_bytes(sandbox, bytes);
    assert_eq!(output.code(), code, "{part}: {}", output.stderr);
    assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
    assert!(
        output.stderr.starts_with("keyfob: error: importing `-`: "),
        "{}",
        output.stderr
    );
}

fn bundle() -> (Sandbox, Vec<u8>) {
    let from = set();
    keys(&from, &["ann", "bob"]);
    export(&from, &["--all"]).expect_success();
    let bytes = std::fs::read(from.path().join("bundle.age")).unwrap();
    (from, bytes)
}

#[test]
fn a_bundle_altered_in_any_part_keeps_nothing() {
    let (_from, whole) = bundle();
    let to = set();
    let text = String::from_utf8_lossy(&whole).into_owned();
    let mac = text.find("\n--- ").unwrap() + 5;
    let share = text.find("X25519 ").unwrap() + 7;
    for (place, code) in [
        // The version, the recipient's share, its body, the authentication code, the nonce, the first and last byte.
        (5, 64),
        (share + 3, 5),
        (share + 50, 5),
        (mac + 3, 4),
        (mac + 44, 4),
        (mac + 44 + 16, 4),
        (whole.len() - 1, 4),
    ] {
        let mut altered = whole.clone();
        // The next letter, so that what is base64 stays so.
        altered[place] = if altered[place] == b'A' { b'B' } else { b'A' };
        refused(&to, &altered, code, "");
    }
    import_bytes(&to, &whole).expect_success();
    assert!(has(&to, "ann") && has(&to, "bob"));
}

#[test]
fn a_bundle_that_is_cut_off_keeps_nothing() {
    let (_from, whole) = bundle();
    let to = set();
    let header = String::from_utf8_lossy(&whole).find("\n--- ").unwrap() + 49;
    for length in [1, 22, 40, header - 1, header, header + 15, header + 20] {
        refused(&to, &whole[..length], 4, "the bundle is cut off");
    }
    for length in [header + 40, whole.len() - 1] {
        refused(&to, &whole[..length], 4, "a chunk was altered, or is cut off");
    }
    let armed = keyfob::bundle::armor(&whole);
    for length in [10, 100, armed.len() - 5] {
        refused(&to, &armed.as_bytes()[..length], 4, "the bundle is cut off");
    }
    import_bytes(&to, armed.as_bytes()).expect_success();
}

#[test]
fn other_files_and_newer_bundles_are_told_apart() {
    let (from, _) = bundle();
    let to = set();
    let document: Value = contents(&from);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut document = document.clone();
        change(&mut document);
        sealed(document.to_string().as_bytes())
    };
    for (bytes, code, part) in [
        (b"".to_vec(), 64, "not a file of age"),
        (b"PK\x03\x04 canary".to_vec(), 64, "not a file of age"),
        (b"age-encryption.org/v2\n".to_vec(), 4, "another version of age"),
        (sealed(b"canary"), 64, "holds no bundle"),
        (sealed(b""), 64, "holds no bundle"),
        (
            with(&|document| document["bundle"] = "other".into()),
            64,
            "holds no bundle",
        ),
        (
            with(&|document| document["format"] = 2.into()),
            4,
            "written by a newer keyfob",
        ),
        (with(&|document| document["format"] = 0.into()), 4, "its format"),
        (
            with(&|document| document["records"][0]["secret"] = "canary".into()),
            4,
            "checksum",
        ),
        (
            with(&|document| document["records"][0] = json!({"sum": ""})),
            4,
            "checksum",
        ),
        (
            with(&|document| document["records"] = json!(["canary"])),
            4,
            "malformed",
        ),
        (
            with(&|document| document["records"][1] = document["records"][0].clone()),
            4,
            "an entry twice",
        ),
    ] {
        refused(&to, &bytes, code, part);
    }
    let newer = import_bytes(&to, &with(&|document| document["format"] = 2.into()));
    assert!(newer.stderr.contains("hint: update keyfob"), "{}", newer.stderr);
    let more = with(&|document| document["later"] = json!({"canary": 1}));
    import_bytes(&to, &more).expect_success();
}

/// An entry with the checksum that fits it.
fn entry(mut content: Value) -> Value {
    let text = content.to_string();
    content["sum"] = keyfob::digest::hex(&[text.as_bytes()]).into();
    content
}

#[test]
fn names_that_could_be_paths_or_nobodys_are_refused() {
    let to = set();
    let before = to.files();
    for key in [
        "session ../../etc/ ann",
        "session acme/..%2f ann",
        "session acme/ a%0ab",
        "session acme/ ann path",
        "session / ann",
        "origin file:///etc ann",
        "origin https://ann@a.example ann",
        "origin https://A.example ann",
    ] {
        let record = entry(json!({"key": key, "tool": "git", "secret": "canary"}));
        let document = json!({"bundle": "keyfob", "format": 1, "created": "", "records": [record]});
        let output = import_bytes(&to, &sealed(document.to_string().as_bytes()));
        assert!(
            [4, 64].contains(&output.code()),
            "{key}: {} {}",
            output.code(),
            output.stderr
        );
    }
    for name in ["../acme", "a/b", ".acme", ""] {
        let provider = entry(json!({"name": name, "text": "format = 1\n"}));
        let document = json!({"bundle": "keyfob", "format": 1, "providers": [provider]});
        std::fs::write(to.path().join("bundle"), sealed(document.to_string().as_bytes())).unwrap();
        let args = ["import", "bundle", "--identity", "key.txt", "--with-providers"];
        to.keyfob(&args).run().expect_code(64);
    }
    assert_eq!(to.files(), before);
}

#[test]
fn what_a_bundle_says_commands_no_terminal() {
    let to = set();
    let account = "a%1b%5d0;title%07b";
    let record = entry(json!({"key": format!("session acme/ {account}"), "tool": "git", "secret": "canary"}));
    let document = json!({"bundle": "keyfob", "format": 1, "created": "\u{1b}]0;x\u{7}", "records": [record]});
    let output = import_bytes(&to, &sealed(document.to_string().as_bytes()));
    assert!(!output.stderr.contains('\u{1b}'), "{:?}", output.stderr);
}

#[test]
fn the_wrong_key_is_named_as_such() {
    let (_from, whole) = bundle();
    let to = set();
    let other = "AGE-SECRET-KEY-";
    to.write("other.txt", &super::fixture::other_identity());
    assert!(IDENTITY.starts_with(other));
    let run = |args: &[&str]| {
        let args = [&["import", "-"], args].concat();
        to.keyfob(&args).stdin(whole.clone()).run()
    };
    let output = run(&["--identity", "other.txt"]).expect_code(5);
    assert!(
        output.stderr.contains("for none of these identities"),
        "{}",
        output.stderr
    );
    run(&["--identity", "other.txt", "--identity", "key.txt"]).expect_success();
    let output = run(&[]).expect_code(64);
    assert!(
        output
            .stderr
            .contains("hint: name the identity's file with `--identity FILE`")
    );
    to.write("recipient.txt", super::fixture::RECIPIENT);
    let output = run(&["--identity", "recipient.txt"]).expect_code(64);
    assert!(
        output.stderr.contains("recipient.txt:1: expected an identity"),
        "{}",
        output.stderr
    );
    let output = run(&["--identity", "none.txt"]).expect_code(64);
    assert!(output.stderr.contains("`none.txt`"), "{}", output.stderr);
    to.write("comment.txt", "# canary\n");
    run(&["--identity", "comment.txt"]).expect_code(64);
}

#[test]
fn the_wrong_passphrase_and_a_costly_one_are_refused() {
    let from = set();
    keys(&from, &["ann"]);
    from.write("passphrase", "canary horse");
    let args = [
        "export",
        "--all",
        "--work-factor",
        "10",
        "--passphrase-file",
        "passphrase",
        "--output",
        "-",
    ];
    let bundle = from.keyfob(&args).run().expect_success().stdout;
    let to = set();
    let before = to.files();
    let run = |bundle: &[u8], passphrase: &str| {
        to.write("passphrase", passphrase);
        to.keyfob(&["import", "-", "--passphrase-file", "passphrase"])
            .stdin(bundle)
            .run()
    };
    for wrong in ["canary house", "canary horse ", "x"] {
        let output = run(&bundle, wrong).expect_code(5);
        assert!(
            output.stderr.contains("the passphrase is not that of the bundle"),
            "{}",
            output.stderr
        );
    }
    run(&bundle, "").expect_code(64);
    let output = to
        .keyfob(&["import", "-", "--identity", "key.txt"])
        .stdin(bundle.clone())
        .run();
    assert!(output.expect_code(64).stderr.contains("opens with a passphrase"));
    // The factor is the last word of the line; nothing is tried, however long that would take.
    let text = bundle.iter().position(|b| *b == b'\n').unwrap();
    let line = bundle[text + 1..].iter().position(|b| *b == b'\n').unwrap() + text + 1;
    let mut costly = bundle.clone();
    costly.splice(line - 2..line, *b"30");
    let output = run(&costly, "canary horse").expect_code(5);
    assert!(
        output.stderr.contains("costs 2^30, and more than 2^22 is not tried"),
        "{}",
        output.stderr
    );
    assert_eq!(to.files(), before);
    run(&bundle, "canary horse").expect_success();
}
