//! What else is kept than keys and sessions, under other names than keyfob's, behind a gate, and much of it.

use std::time::Duration;

use keyfob::bundle::Document;
use keyfob::record::{Group, Record};
use keyfob::secret::Secret;
use serde_json::{Value, json};

use super::fixture::{self, RECIPIENT, contents, export, import, keys, note, records, set, take};
use crate::sandbox::Sandbox;

#[test]
fn a_variable_that_is_set_is_neither_exported_nor_in_the_way() {
    let (mut from, mut to) = (set(), set());
    keys(&from, &["ann"]);
    from.set("ACME_TOKEN", "canary-of-the-variable");
    to.set("ACME_TOKEN", "canary-of-the-variable");
    export(&from, &["acme"]).expect_success();
    let text = contents(&from).to_string();
    assert!(text.contains("canary-ann") && !text.contains("variable"));
    import(&to, &from, &[]).expect_success();
    to.unset("ACME_TOKEN");
    assert_eq!(to.token(), "canary-ann");
}

#[test]
fn what_is_of_no_use_elsewhere_is_left_out() {
    let sandbox = set();
    sandbox.write_provider(
        "machine",
        "format = 1\n[login]\nflow = \"client-credentials\"\n[oauth]\ntoken_endpoint = \"https://i.example/t\"\n\
         client_id = \"c\"\nclient_secret_env = \"MACHINE_SECRET\"\n",
    );
    keys(&sandbox, &["ann"]);
    take(&sandbox, "old", |record| {
        record.expires_at = Some(crate::fault::home::now().plus(-5));
    });
    take(&sandbox, "synced", |record| {
        record.synced_at = Some(crate::fault::home::now())
    });
    take(&sandbox, "machine", |record| {
        if let keyfob::record::Group::Session { provider, .. } = &mut record.key.group {
            *provider = "machine".into();
        }
    });
    let output = export(&sandbox, &["--all"]).expect_success();
    assert!(
        output.stderr.contains("Left out `acme:old`: it has ended."),
        "{}",
        output.stderr
    );
    // No listing shows what was synced here; who names it is told.
    assert!(!output.stderr.contains("acme:synced"), "{}", output.stderr);
    assert!(
        output.stderr.contains("Left out `machine:machine`: it needs no person"),
        "{}",
        output.stderr
    );
    let found: Value = contents(&sandbox);
    assert_eq!(found["records"].as_array().unwrap().len(), 1);
    std::fs::remove_file(sandbox.path().join("bundle.age")).unwrap();
    export(&sandbox, &["acme:old"]).expect_code(5);
    let output = export(&sandbox, &["acme:synced"]).expect_code(5);
    assert!(
        output
            .stderr
            .contains("Left out `acme:synced`: it is another machine's"),
        "{}",
        output.stderr
    );
    assert!(!sandbox.path().join("bundle.age").exists());
}

#[test]
fn a_program_exports_and_imports_its_own_sign_in_alone() {
    let sandbox = set();
    sandbox.write_provider("other", &format!("{}[program]\nname = \"other\"\n", fixture::PROVIDER));
    keys(&sandbox, &["ann"]);
    take(&sandbox, "bob", |record| {
        if let keyfob::record::Group::Session { provider, .. } = &mut record.key.group {
            *provider = "other".into();
        }
    });
    note(&sandbox, "a.example", "ann");
    for args in [&[][..], &["--all"], &["other:bob"]] {
        let args = [&["--provider", "other"][..], args].concat();
        export(&sandbox, &args).expect_success();
        let found = contents(&sandbox);
        assert_eq!(found["records"].as_array().unwrap().len(), 1, "{args:?}");
        assert_eq!(found["records"][0]["key"], "session other/ bob");
        std::fs::remove_file(sandbox.path().join("bundle.age")).unwrap();
    }
    export(&sandbox, &["--provider", "other", "acme"]).expect_code(64);
    export(&sandbox, &["--provider", "other", "--static"]).expect_code(64);
    export(&sandbox, &["--all"]).expect_success();
    let before = sandbox.files();
    let output = import(&sandbox, &sandbox, &["--provider", "other", "--replace"]).expect_code(5);
    assert!(output.stderr.contains("credentials of others"), "{}", output.stderr);
    assert_eq!(sandbox.files(), before);
}

#[test]
fn many_records_need_few_open_files() {
    let to = set();
    let record = |number: usize| {
        let key = format!("origin https://host-{number}.example ann");
        let text = json!({"key": key, "tool": "git", "secret": format!("canary-{number}")}).to_string();
        Record::decode(text.as_bytes(), String::new(), 1).unwrap()
    };
    let document = Document::new(crate::fault::home::now(), (0..400).map(record).collect(), Vec::new());
    std::fs::write(to.path().join("bundle.age"), fixture::sealed(&document.encode())).unwrap();
    // The locks of origins are shared, so that there are at most 256 of them.
    let script = "ulimit -n 300; exec \"$0\" import bundle.age --identity key.txt";
    let keyfob = to.keyfob_path().display().to_string();
    let run = to.program("sh", &["-c", script, &keyfob]);
    run.deadline(Duration::from_secs(120)).run().expect_success();
    let mut wanted = document.records;
    wanted.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(records(&to), wanted);
}

#[test]
fn a_seed_of_one_time_codes_goes_along_with_its_account() {
    let (from, to) = (set(), set());
    keys(&from, &["ann"]);
    for account in ["ann", "bob"] {
        take(&from, account, |record| {
            record.key.group = Group::Seed {
                provider: "acme".into(),
                mode: String::new(),
            };
            record.secret = Some(Secret::new(
                "otpauth://totp/Acme:ann?secret=MNQW4YLSPEWWC5LU&issuer=Acme".into(),
            ));
        });
    }
    let output = export(&from, &["acme:ann"]).expect_success();
    assert!(output.stderr.contains("  the seed of acme:ann\n"), "{}", output.stderr);
    assert_eq!(contents(&from)["records"].as_array().unwrap().len(), 2);
    import(&to, &from, &[]).expect_success();
    let code = |sandbox: &Sandbox| {
        let output = sandbox.keyfob(&["mfa", "code", "acme:ann"]).run().expect_success();
        output.text().to_owned()
    };
    // The moment may change between the two.
    assert!((0..3).any(|_| code(&to) == code(&from)));
    std::fs::remove_file(from.path().join("bundle.age")).unwrap();
    export(&from, &["acme", "--without-refresh"]).expect_success();
    assert_eq!(contents(&from)["records"].as_array().unwrap().len(), 3);
}

#[test]
fn the_words_of_a_program_export_too() {
    let sandbox = set();
    keys(&sandbox, &["ann"]);
    let common = ["--provider", "acme", "auth", "password", "export"];
    let args = [&common[..], &["--recipient", RECIPIENT, "--output", "bundle.age"]].concat();
    sandbox.keyfob(&args).run().expect_success();
    assert_eq!(contents(&sandbox)["records"].as_array().unwrap().len(), 1);
}

#[test]
fn behind_a_closed_gate_nothing_comes_out_and_nothing_goes_in() {
    let (from, to) = (set(), set());
    keys(&from, &["ann"]);
    keys(&to, &["bob"]);
    export(&from, &["--all"]).expect_success();
    to.write("machine", "canary-of-the-machine\n");
    let set = ["lock", "set", "--passphrase-file", "machine", "--work-factor", "12"];
    to.keyfob(&set).run().expect_success();
    to.keyfob(&["lock"]).run().expect_success();
    // To look is to lock.
    let files = |sandbox: &Sandbox| {
        let mut files = sandbox.files();
        files.retain(|path, _| path.extension().is_none_or(|end| end != "lock"));
        files
    };
    let before = files(&to);
    for output in [
        export(&to, &["--all"]),
        import(&to, &from, &[]),
        import(&to, &from, &["--replace"]),
    ] {
        let output = output.expect_code(4);
        assert!(output.stderr.contains("keyfob unlock"), "{}", output.stderr);
    }
    assert!(files(&to) == before);
    assert!(!to.path().join("bundle.age").exists());
    let file = from.path().join("bundle.age").display().to_string();
    let keyfob = to.keyfob_path().display().to_string();
    let inside = [
        "unlock",
        "--passphrase-file",
        "machine",
        "--",
        &keyfob,
        "import",
        &file,
        "--identity",
        "key.txt",
    ];
    to.keyfob(&inside).run().expect_success();
    let sealed = to
        .keyfob(&[
            "unlock",
            "--passphrase-file",
            "machine",
            "--",
            &keyfob,
            "token",
            "acme:ann",
        ])
        .run();
    assert_eq!(sealed.expect_success().text(), "canary-ann\n");
    assert!(
        to.files_with("canary-ann").is_empty(),
        "what came in is behind the gate"
    );
}
