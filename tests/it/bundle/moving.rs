//! Sessions whose refresh token is good once: never in two places.

use std::path::PathBuf;

use keyfob::record::Record;
use serde_json::json;

use super::fixture::{contents, export, has, import, key, keys, opened, records, session, set, take};
use crate::fault::home::{Home, stores};
use crate::issuer::{Outcome, Script};
use crate::sandbox::Sandbox;

fn remove_bundle(sandbox: &Sandbox) {
    std::fs::remove_file(sandbox.path().join("bundle.age")).unwrap();
}

#[test]
fn a_session_that_renews_itself_is_left_out_and_named() {
    let sandbox = set();
    keys(&sandbox, &["bob"]);
    session(&sandbox, "ann");
    let output = export(&sandbox, &["acme"]).expect_success();
    let said = "Left out `acme:ann`: its refresh token is good once, and this machine uses it.\n    Log in there with \
                `keyfob login acme:ann`.\n";
    assert!(output.stderr.contains(said), "{}", output.stderr);
    assert!(!contents(&sandbox).to_string().contains("refresh"));
    assert_eq!(contents(&sandbox)["records"].as_array().unwrap().len(), 1);
    remove_bundle(&sandbox);
    let output = export(&sandbox, &["acme:ann"]).expect_code(5);
    assert!(output.stderr.contains("`--move`") && output.stderr.contains("`--without-refresh`"));
    assert!(has(&sandbox, "ann"));
}

#[test]
fn an_access_token_goes_without_what_renews_it() {
    let (from, to) = (set(), set());
    session(&from, "ann");
    take(&from, "bob", |record| {
        record.refresh = Some(keyfob::secret::Secret::new("canary-refresh".into()));
        record.expires_at = Some(crate::fault::home::now().plus(-5));
    });
    take(&from, "carol", |record: &mut Record| {
        let learnt = json!({"version": 1, "client_id": "c", "client_secret": "canary-client", "dpop_key": "canary-dpop",
            "registration": {"url": "https://i.example/r", "token": "canary-registration"}});
        let text = json!({"key": record.key.to_string(), "tool": "x", "learnt": learnt}).to_string();
        record.learnt = Record::decode(text.as_bytes(), String::new(), 1).unwrap().learnt;
        record.refresh = Some(keyfob::secret::Secret::new("canary-refresh".into()));
    });
    let before = records(&from);
    let output = export(&from, &["acme", "--without-refresh"]).expect_success();
    assert!(
        output
            .stderr
            .contains("Left out `acme:bob`: its access token has ended"),
        "{}",
        output.stderr
    );
    let text = contents(&from).to_string();
    for (part, is_there) in [
        ("refresh", false),
        ("canary-registration", false),
        ("canary-client", false),
        ("canary-dpop", true),
    ] {
        assert_eq!(text.contains(part), is_there, "{part}");
    }
    assert_eq!(records(&from), before);
    import(&to, &from, &[]).expect_success();
    assert_eq!(
        to.keyfob(&["token", "acme:ann"]).run().expect_success().text(),
        "canary-ann\n"
    );
}

#[test]
fn a_moved_session_is_renewed_there_and_ended_here() {
    let home = Home::new(Script::default());
    let (from, to) = (&home.sandbox, Sandbox::new());
    for sandbox in [from, &to] {
        sandbox.write("key.txt", super::fixture::IDENTITY);
    }
    let before = records(from);
    let output = export(from, &["acme", "--move", "--with-providers"]).expect_success();
    assert!(output.stderr.contains("acme:ann\n"), "{}", output.stderr);
    assert_eq!(records(from), []);
    let ended = from.keyfob(&["token", "acme"]).run().expect_code(2);
    assert!(ended.stderr.contains("keyfob login acme"), "{}", ended.stderr);
    import(&to, from, &["--with-providers"]).expect_success();
    assert_eq!(records(&to), before);
    // The issuer would end the family if anybody used a token twice.
    let elsewhere = Home {
        sandbox: to,
        issuer: home.issuer,
    };
    for _ in 0..2 {
        elsewhere.expire();
        elsewhere.token().expect_success();
    }
    let redemptions = elsewhere.issuer.redemptions();
    let outcomes: Vec<Outcome> = redemptions.iter().map(|redemption| redemption.outcome).collect();
    assert_eq!(outcomes, [Outcome::Redeemed, Outcome::Redeemed]);
}

#[test]
fn a_move_leaves_keys_where_they_are_too() {
    let sandbox = set();
    keys(&sandbox, &["bob"]);
    session(&sandbox, "ann");
    export(&sandbox, &["acme", "--move"]).expect_success();
    assert!(has(&sandbox, "bob") && !has(&sandbox, "ann"));
    assert_eq!(contents(&sandbox)["records"].as_array().unwrap().len(), 2);
    import(&sandbox, &sandbox, &[]).expect_success();
    assert!(has(&sandbox, "ann"), "it can come back");
}

#[test]
fn a_move_that_cannot_be_written_ends_nothing() {
    let sandbox = set();
    session(&sandbox, "ann");
    let before = records(&sandbox);
    for output in ["none/bundle.age", "key.txt", "/proc/bundle.age"] {
        export(&sandbox, &["acme", "--move", "--output", output]);
        assert_eq!(records(&sandbox), before, "{output}");
    }
    export(&sandbox, &["acme", "--move"]).expect_success();
    assert!(!has(&sandbox, "ann"));
}

/// What a kill leaves of a move: the session's end, and the bundle under this name.
#[derive(Clone, Copy, PartialEq)]
enum Left {
    Bundle,
    Draft,
    Nothing,
}

/// The session as a move leaves it that was killed before its end.
fn cut_off(left: Left) -> Sandbox {
    let sandbox = set();
    session(&sandbox, "ann");
    let before = stores(&sandbox).get(&key("ann")).unwrap().unwrap().record;
    export(&sandbox, &["acme", "--move"]).expect_success();
    let file = sandbox.path().join("bundle.age");
    let digest = keyfob::digest::hex(&[&std::fs::read(&file).unwrap()]);
    take(&sandbox, "ann", |record| {
        let generation = record.generation;
        *record = before;
        record.generation = generation;
        record.dead = Some(keyfob::record::Dead {
            reason: "moved".into(),
            at: crate::fault::home::now(),
            refresh_mark: None,
        });
        let going = json!({"file": file.to_str().unwrap(), "draft": draft(&sandbox), "digest": digest});
        record.extra.insert("moved_to".into(), going);
    });
    match left {
        Left::Bundle => (),
        Left::Draft => std::fs::rename(&file, draft(&sandbox)).unwrap(),
        Left::Nothing => remove_bundle(&sandbox),
    }
    sandbox
}

fn draft(sandbox: &Sandbox) -> PathBuf {
    sandbox.path().join(".bundle.age.0123456789abcdef.tmp")
}

#[test]
fn a_move_that_was_cut_off_is_finished_by_the_next_one() {
    let sandbox = cut_off(Left::Bundle);
    let output = export(&sandbox, &["acme", "--move", "--output", "second.age"]).expect_success();
    assert!(output.stderr.contains("bundle.age already"), "{}", output.stderr);
    assert!(!sandbox.path().join("second.age").exists());
    assert_eq!(records(&sandbox), []);

    let sandbox = cut_off(Left::Draft);
    let said = sandbox.keyfob(&["token", "acme"]).run().expect_code(2);
    assert!(said.stderr.contains("on its way to a bundle"), "{}", said.stderr);
    assert!(
        said.stderr.contains("hint: run `keyfob export --move` again"),
        "{}",
        said.stderr
    );
    export(&sandbox, &["acme"]).expect_code(5);
    export(&sandbox, &["acme", "--move", "--output", "second.age"]).expect_success();
    assert_eq!(records(&sandbox), []);
    let document = opened(&std::fs::read(sandbox.path().join("second.age")).unwrap());
    let record = &document.records[0];
    assert!(record.dead.is_none() && record.refresh.is_some() && record.extra.is_empty());
    assert!(
        !draft(&sandbox).exists(),
        "it is a bundle that nobody may open any more"
    );
}

#[test]
fn the_same_move_again_finishes_one_that_arrived() {
    let sandbox = cut_off(Left::Bundle);
    let output = export(&sandbox, &["acme", "--move"]).expect_success();
    assert!(output.stderr.contains("bundle.age already"), "{}", output.stderr);
    assert_eq!(records(&sandbox), []);
    session(&sandbox, "bob");
    export(&sandbox, &["acme", "--move"]).expect_code(5);
    assert!(has(&sandbox, "bob"), "what is new replaces no file");
}

#[test]
fn a_bundle_that_was_taken_away_is_not_written_a_second_time() {
    let sandbox = cut_off(Left::Nothing);
    let before = sandbox.files();
    for args in [
        &["acme", "--move"][..],
        &["acme:ann", "--move", "--output", "second.age"],
        &["--all", "--move", "--output", "second.age"],
    ] {
        let output = export(&sandbox, args).expect_code(5);
        assert!(
            output.stderr.contains("bundle.age is not there any more"),
            "{}",
            output.stderr
        );
        assert!(output.stderr.contains("`--again`"), "{}", output.stderr);
        assert_eq!(sandbox.files(), before);
        assert!(!sandbox.path().join("second.age").exists());
    }
    export(&sandbox, &["acme", "--again"]).expect_code(64);
    export(&sandbox, &["acme", "--move", "--again", "--output", "second.age"]).expect_success();
    assert_eq!(records(&sandbox), []);
    let document = opened(&std::fs::read(sandbox.path().join("second.age")).unwrap());
    assert!(document.records[0].refresh.is_some());
    // Others go meanwhile, and it is said that this one does not.
    let sandbox = cut_off(Left::Nothing);
    session(&sandbox, "bob");
    let output = export(&sandbox, &["acme", "--move"]).expect_success();
    assert!(output.stderr.contains("Left out `acme:ann`"), "{}", output.stderr);
    assert_eq!(contents(&sandbox)["records"].as_array().unwrap().len(), 1);
    assert_eq!(records(&sandbox).len(), 1);
}

#[test]
fn a_draft_stays_as_long_as_a_session_is_in_it() {
    let sandbox = cut_off(Left::Draft);
    let noted = stores(&sandbox).get(&key("ann")).unwrap().unwrap().record;
    take(&sandbox, "bob", |record| {
        record.refresh = Some(keyfob::secret::Secret::new("canary-refresh-bob".into()));
        record.dead = noted.dead;
        record.extra = noted.extra;
    });
    keys(&sandbox, &["carol"]);
    export(&sandbox, &["acme:carol"]).expect_success();
    assert!(draft(&sandbox).exists(), "another export of that name leaves it");
    export(&sandbox, &["acme:ann", "--move", "--output", "second.age"]).expect_success();
    assert!(draft(&sandbox).exists(), "bob is in it");
    export(&sandbox, &["acme:bob", "--move", "--output", "third.age"]).expect_success();
    assert!(!draft(&sandbox).exists());
}

#[test]
fn another_file_of_the_bundles_name_is_not_taken_for_it() {
    let sandbox = cut_off(Left::Draft);
    sandbox.write("bundle.age", "canary");
    export(&sandbox, &["acme", "--move", "--output", "second.age"]).expect_success();
    let document = opened(&std::fs::read(sandbox.path().join("second.age")).unwrap());
    assert_eq!(document.records.len(), 1);
}

#[test]
fn what_is_on_its_way_is_in_no_imports_way() {
    let sandbox = cut_off(Left::Bundle);
    import(&sandbox, &sandbox, &[]).expect_success();
    assert!(has(&sandbox, "ann"));
    assert_eq!(
        sandbox.keyfob(&["token", "acme"]).run().expect_success().text(),
        "canary-ann\n"
    );
}

#[test]
fn a_logout_of_what_is_on_its_way_ends_no_session_elsewhere() {
    let sandbox = cut_off(Left::Bundle);
    let output = sandbox.keyfob(&["logout", "acme:ann"]).run().expect_success();
    assert!(
        output
            .stderr
            .contains("on its way to a bundle, so the issuer was not told"),
        "{}",
        output.stderr
    );
}

#[test]
fn what_may_not_have_got_there_is_replaced_by_itself_alone() {
    let sandbox = cut_off(Left::Bundle);
    take(&sandbox, "ann", |record| {
        record.secret = Some(keyfob::secret::Secret::new("canary-renewed".into()))
    });
    let before = sandbox.files();
    let output = import(&sandbox, &sandbox, &[]).expect_code(5);
    assert!(output.stderr.contains("--replace"), "{}", output.stderr);
    assert_eq!(sandbox.files(), before);
}
