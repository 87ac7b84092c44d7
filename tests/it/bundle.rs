//! `export` and `import`: what goes into a bundle and comes out of it elsewhere, what stays, and what is refused.
//!
//! The envelope itself is tested in the library; `tests/real/bundle.sh` has the `age` tool at the other end.

mod damaged;
mod fixture;
mod killed;
mod kinds;
mod moving;
mod person;
mod place;

use std::os::unix::fs::PermissionsExt;

use keyfob::secret::Secret;
use serde_json::json;

use fixture::{IDENTITY, RECIPIENT, contents, export, has, import, key, keys, note, records, set, take};

use crate::sandbox::Sandbox;

#[test]
fn what_is_exported_is_kept_elsewhere_as_it_was() {
    let from = set();
    keys(&from, &["ann", "bob"]);
    note(&from, "a.example", "ann");
    note(&from, "b.example", "");
    // A newer keyfob's.
    take(&from, "carol", |record| {
        record.extra.insert("colour".into(), json!({"deep": [1, null, "blue"]}));
        record.subject = Some("carol\u{202e}".into());
    });
    let output = export(&from, &["--all"]).expect_success();
    for name in [
        "acme:ann",
        "acme:bob",
        "acme:carol",
        "ann at https://a.example",
        "https://b.example",
    ] {
        assert!(output.stderr.contains(&format!("  {name}\n")), "{}", output.stderr);
    }
    let to = set();
    let output = import(&to, &from, &[]).expect_success();
    assert!(output.stderr.contains("Kept `acme:ann`."), "{}", output.stderr);
    assert!(
        output
            .stderr
            .contains("5 records are in the store `file`: not encrypted"),
        "{}",
        output.stderr
    );
    assert_eq!(records(&to), records(&from));
    assert_eq!(records(&to).len(), 5);
    let told = to.keyfob(&["token", "acme:bob"]).run().expect_success();
    assert_eq!(told.text(), "canary-bob\n");
    // Nothing of the one machine's own is in the file.
    let text = contents(&from).to_string();
    assert!(!text.contains("family") && !text.contains("generation"), "{text}");
}

#[test]
fn a_bundle_is_for_its_owner_and_takes_no_files_place() {
    let sandbox = set();
    keys(&sandbox, &["ann"]);
    export(&sandbox, &["--all"]).expect_success();
    let file = sandbox.path().join("bundle.age");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = std::fs::read(&file).unwrap();
    let output = export(&sandbox, &["--all"]).expect_code(5);
    assert!(
        output.stderr.contains("`bundle.age` exists already"),
        "{}",
        output.stderr
    );
    assert_eq!(std::fs::read(&file).unwrap(), before);
    // Neither a link to nowhere, nor a directory that is not there, nor one that cannot be written.
    std::os::unix::fs::symlink("nowhere", sandbox.path().join("link")).unwrap();
    for (output, code) in [
        ("link", 5),
        ("none/bundle.age", 1),
        ("keyfob", 5),
        ("/proc/bundle.age", 1),
    ] {
        let args = ["export", "--all", "--recipient", RECIPIENT, "--output", output];
        sandbox.keyfob(&args).run().expect_code(code);
    }
    let names = std::fs::read_dir(sandbox.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = names.filter(|name| name.to_string_lossy().ends_with(".tmp")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn only_what_is_named_is_exported() {
    let sandbox = set();
    sandbox.write_provider("other", fixture::PROVIDER);
    keys(&sandbox, &["ann", "bob"]);
    take(&sandbox, "ann", |record| {
        if let keyfob::record::Group::Session { provider, .. } = &mut record.key.group {
            *provider = "other".into();
        }
    });
    note(&sandbox, "a.example", "ann");
    let ann = "session acme/ ann";
    let (bob, other, origin) = (
        "session acme/ bob",
        "session other/ ann",
        "origin https://a.example ann",
    );
    for (args, wanted) in [
        (&["acme"][..], &[ann, bob][..]),
        (&["acme:ann"], &[ann]),
        (&["acme:ann", "other"], &[ann, other]),
        (&["--provider", "other"], &[other]),
        (&["acme", "--account", "bob"], &[bob]),
        (&["--static"], &[origin]),
        (&["--static", "acme:bob"], &[origin, bob]),
        (&["--all"], &[origin, ann, bob, other]),
    ] {
        export(&sandbox, args).expect_success();
        let found = contents(&sandbox);
        let found = found["records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|record| record["key"].as_str().unwrap());
        assert_eq!(found.collect::<Vec<_>>(), wanted, "{args:?}");
        std::fs::remove_file(sandbox.path().join("bundle.age")).unwrap();
    }
    let output = export(&sandbox, &[]).expect_code(64);
    assert!(
        output
            .stderr
            .contains("  acme:ann\n  acme:bob\n  ann at https://a.example\n  other:ann\n")
    );
    assert!(
        output.stderr.contains("nothing was named to export"),
        "{}",
        output.stderr
    );
    export(&sandbox, &["acme", "other:nobody"]).expect_code(2);
    export(&sandbox, &["acme/dev"]).expect_code(2);
    export(&sandbox, &["../acme"]).expect_code(64);
    assert!(!sandbox.path().join("bundle.age").exists());
}

#[test]
fn arguments_that_cannot_be_meant_are_refused_before_anything_is_read() {
    let sandbox = set();
    keys(&sandbox, &["ann"]);
    for (name, text) in [
        ("short", "canary 9\n"),
        ("empty", ""),
        ("good", "canary horse\n"),
        ("others", "# nobody\n"),
        ("ssh", "ssh-ed25519 AAAA\n"),
        ("latin", "canary horse"),
    ] {
        sandbox.write(name, text);
    }
    std::fs::write(sandbox.path().join("latin"), b"canary h\xf6rse").unwrap();
    let out = ["--output", "bundle.age"];
    let minus = ["--output", "-"];
    for (args, output, part) in [
        (&["--passphrase-file", "short"][..], out, "fewer than 10 letters"),
        (&["--passphrase-file", "empty"], out, "fewer than 10 letters"),
        (&["--passphrase-file", "latin"], out, "is not UTF-8"),
        (&["--passphrase-file", "none"], out, "`none`: there is no such file"),
        (&[], out, "no terminal to ask for the passphrase"),
        (&["--recipient", "age1canary"], out, "a recipient is not"),
        (&["--recipient", IDENTITY], out, "a recipient is not"),
        (&["--recipients-file", "others"], out, "there is no recipient"),
        (&["--recipients-file", "ssh"], out, "ssh:1: expected a recipient"),
        (
            &["--recipient", RECIPIENT, "--passphrase-file", "good"],
            out,
            "the arguments are wrong",
        ),
        (
            &["--passphrase-file", "good", "--work-factor", "23"],
            out,
            "the arguments are wrong",
        ),
        (
            &["--passphrase-file", "good", "--work-factor", "9"],
            out,
            "the arguments are wrong",
        ),
        (&["--move", "--without-refresh"], out, "the arguments are wrong"),
        (&["--move", "--recipient", RECIPIENT], minus, "`--move` needs a file"),
    ] {
        let args = [&["export", "acme"], args, &output].concat();
        let output = sandbox.keyfob(&args).run().expect_code(64);
        let said = output.stderr.replace(IDENTITY, "canary");
        assert!(said.contains(part) && !said.contains("canary"), "{args:?}: {said}");
    }
    sandbox.keyfob(&["export", "--all"]).run().expect_code(64);
    let missing = sandbox.keyfob(&["import", "none.age"]).run().expect_code(64);
    assert!(
        missing
            .stderr
            .contains("reading the bundle from `none.age`: there is no such file\n"),
        "{}",
        missing.stderr
    );
    assert!(
        missing
            .stderr
            .contains("keyfob: hint: name the file that has the bundle"),
        "{}",
        missing.stderr
    );
    assert!(!sandbox.path().join("bundle.age").exists());
}

#[test]
fn a_passphrase_comes_from_a_file_or_standard_input() {
    let from = set();
    keys(&from, &["ann"]);
    from.write("passphrase", "canary horse\r\nand more\n");
    let cheap = ["export", "--all", "--work-factor", "10"];
    let args = [
        &cheap[..],
        &["--output", "-", "--armor", "--passphrase-file", "passphrase"],
    ]
    .concat();
    let armed = from.keyfob(&args).run().expect_success();
    assert!(armed.text().starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n"));
    let args = [&cheap[..], &["--output", "-", "--passphrase-file", "-"]].concat();
    let bare = from.keyfob(&args).stdin("canary horse").run().expect_success();
    assert!(bare.stdout.starts_with(b"age-encryption.org/v1\n-> scrypt "));
    for bundle in [armed.stdout, bare.stdout] {
        let to = set();
        to.write("passphrase", "canary horse");
        let import = to.keyfob(&["import", "-", "--passphrase-file", "passphrase"]);
        import.stdin(bundle.clone()).run().expect_success();
        assert_eq!(records(&to), records(&from));
        // The other way round, from a file and standard input.
        let to = set();
        std::fs::write(to.path().join("bundle"), &bundle).unwrap();
        let import = to.keyfob(&["import", "bundle", "--passphrase-file", "-"]);
        import.stdin("canary horse\n").run().expect_success();
        assert_eq!(records(&to), records(&from));
        let both = to
            .keyfob(&["import", "-", "--passphrase-file", "-"])
            .stdin(bundle)
            .run();
        assert!(
            both.expect_code(64)
                .stderr
                .contains("only one thing can come from standard input")
        );
    }
}

#[test]
fn a_bundle_opens_with_any_of_its_recipients() {
    let from = set();
    keys(&from, &["ann"]);
    from.write(
        "recipients",
        &format!("# two\n{}\n\n{RECIPIENT}\n", fixture::OTHER_RECIPIENT),
    );
    let args = [
        "export",
        "acme",
        "--recipients-file",
        "recipients",
        "--output",
        "bundle.age",
    ];
    from.keyfob(&args).run().expect_success();
    let to = set();
    import(&to, &from, &[]).expect_success();
    assert!(has(&to, "ann"));
    let other = set();
    export(&from, &["--all", "--armor", "--output", "armed.age"]);
    let file = from.path().join("armed.age").display().to_string();
    other
        .keyfob(&["import", &file, "--identity", "key.txt"])
        .run()
        .expect_success();
    assert!(has(&other, "ann"));
}

#[test]
fn nothing_that_is_here_is_overwritten_unless_that_is_asked_for() {
    let (from, to) = (set(), set());
    keys(&from, &["ann", "bob", "carol"]);
    export(&from, &["--all"]).expect_success();
    import(&to, &from, &[]).expect_success();
    let output = import(&to, &from, &[]).expect_success();
    assert!(
        output.stderr.contains("`acme:ann` is here already."),
        "{}",
        output.stderr
    );
    // One is gone and one is another.
    to.keyfob(&["logout", "acme:carol", "--local"]).run().expect_success();
    take(&to, "bob", |record| {
        record.secret = Some(Secret::new("canary-other".into()))
    });
    let before = to.files();
    let output = import(&to, &from, &[]).expect_code(5);
    assert!(
        output.stderr.contains("another content:\n  acme:bob\n"),
        "{}",
        output.stderr
    );
    assert!(output.stderr.contains("`--replace`"), "{}", output.stderr);
    assert_eq!(to.files(), before);
    let output = import(&to, &from, &["--dry-run"]).expect_success();
    assert!(output.stderr.contains("Would keep `acme:carol`."), "{}", output.stderr);
    assert!(
        output
            .stderr
            .contains("Would keep `acme:bob`, in the place of another."),
        "{}",
        output.stderr
    );
    assert_eq!(to.files(), before);
    let output = import(&to, &from, &["--replace"]).expect_success();
    assert!(
        output.stderr.contains("Kept `acme:bob`, in the place of another."),
        "{}",
        output.stderr
    );
    assert_eq!(records(&to), records(&from));
}

#[test]
fn what_is_damaged_here_is_in_the_way_until_it_is_replaced() {
    let (from, to) = (set(), set());
    keys(&from, &["ann"]);
    export(&from, &["--all"]).expect_success();
    import(&to, &from, &[]).expect_success();
    let place = crate::fault::home::stores(&to).place(&key("ann"));
    std::fs::write(&place, "torn").unwrap();
    import(&to, &from, &[]).expect_code(5);
    assert_eq!(std::fs::read(&place).unwrap(), b"torn");
    import(&to, &from, &["--replace"]).expect_success();
    assert!(has(&to, "ann"));
    // Whoever makes a backup must know that something is missing in it.
    std::fs::write(&place, "torn").unwrap();
    std::fs::remove_file(from.path().join("bundle.age")).unwrap();
    let output = export(&to, &["--all"]).expect_code(4);
    assert!(
        output.stderr.contains("reading what is to be exported"),
        "{}",
        output.stderr
    );
}

#[test]
fn provider_files_go_along_and_come_in_only_where_that_is_asked_for() {
    let (from, to) = (set(), Sandbox::new());
    to.write("key.txt", IDENTITY);
    keys(&from, &["ann"]);
    export(&from, &["--all", "--with-providers"]).expect_success();
    let output = import(&to, &from, &[]).expect_success();
    assert!(
        output.stderr.contains("`--with-providers` writes them"),
        "{}",
        output.stderr
    );
    assert!(
        output.stderr.contains("there is no provider file of `acme` here"),
        "{}",
        output.stderr
    );
    to.keyfob(&["token", "acme"]).run().expect_code(64);
    let output = import(&to, &from, &["--with-providers"]).expect_success();
    assert!(
        output.stderr.contains("Wrote the provider file of `acme`."),
        "{}",
        output.stderr
    );
    assert_eq!(to.token(), "canary-ann");
    import(&to, &from, &["--with-providers"]).expect_success();
    // One that says something else is left alone.
    let changed = format!("{}# mine\n", fixture::PROVIDER);
    to.write_provider("acme", &changed);
    for more in [&["--with-providers"][..], &["--with-providers", "--replace"]] {
        let output = import(&to, &from, more).expect_code(5);
        assert!(output.stderr.contains("says something else"), "{}", output.stderr);
    }
    assert_eq!(to.files_with("# mine").len(), 1);
}
