//! Records that lie in files at fixed paths: out of them, into them, and all or none of them.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::fixture::{IDENTITY, PROVIDER, export, import, importing, set};
use crate::issuer::{Issuer, Script};
use crate::part::strace;
use crate::sandbox::{Sandbox, oauth_part};

const PLACE: &str = "\n[place]\nfile = \"~/.acme/{account}.json\"\n";

/// A home whose sessions lie at fixed paths.
fn placed() -> Sandbox {
    let sandbox = set();
    let text = PROVIDER.replace("format = 1\n", "format = 1\nstore = \"file\"\n");
    sandbox.write_provider("acme", &format!("{text}{PLACE}"));
    sandbox
}

fn give(sandbox: &Sandbox, account: &str, secret: &str) {
    let run = sandbox.keyfob(&["set-token", &format!("acme:{account}")]);
    run.stdin(format!("{secret}\n")).run().expect_success();
}

fn token(sandbox: &Sandbox, account: &str) -> String {
    let output = sandbox.keyfob(&["token", &format!("acme:{account}")]).run();
    output.expect_success().text().trim_end().into()
}

fn file(sandbox: &Sandbox, account: &str) -> PathBuf {
    sandbox.path().join(format!(".acme/{account}.json"))
}

#[test]
fn a_session_goes_out_of_a_fixed_file_and_into_one() {
    let (fixed, own) = (placed(), set());
    give(&fixed, "ann", "canary-1");
    export(&fixed, &["--all"]).expect_success();
    import(&own, &fixed, &[]).expect_success();
    assert_eq!(token(&own, "ann"), "canary-1");
    assert!(!file(&own, "ann").exists());

    // And back, where there is none, and where there is another.
    std::fs::remove_file(fixed.path().join("bundle.age")).unwrap();
    let to = placed();
    for secret in ["canary-1", "canary-2"] {
        give(&own, "ann", secret);
        export(&own, &["--all"]).expect_success();
        import(&to, &own, &["--replace"]).expect_success();
        let again = import(&to, &own, &[]).expect_success();
        assert!(again.stderr.contains("is here already"), "{}", again.stderr);
        assert_eq!(token(&to, "ann"), secret);
        let place = file(&to, "ann");
        assert_eq!(place.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(std::fs::read_to_string(&place).unwrap().contains(secret));
        assert!(to.files_with(secret).is_empty(), "a second copy");
        std::fs::remove_file(own.path().join("bundle.age")).unwrap();
    }
    to.keyfob(&["logout", "acme:ann", "--local"]).run().expect_success();
    assert!(!file(&to, "ann").exists());
}

#[test]
fn a_session_that_is_moved_leaves_its_fixed_file_and_is_renewed_in_the_other() {
    let issuer = Issuer::start(Script::default());
    let home = || {
        let sandbox = Sandbox::new();
        sandbox.write("key.txt", IDENTITY);
        let text = oauth_part(&issuer.url()).replace("format = 1\n", "format = 1\nstore = \"file\"\n");
        sandbox.write_provider("acme", &format!("{text}{PLACE}"));
        sandbox
    };
    let (from, to) = (home(), home());
    from.login_expired(&issuer);
    export(&from, &["acme", "--move"]).expect_success();
    assert!(!file(&from, "ann").exists());
    from.keyfob(&["token", "acme"]).run().expect_code(2);
    import(&to, &from, &[]).expect_success();
    assert!(issuer.valid_access(&token(&to, "ann")));
    assert_eq!(issuer.refreshes(), 1);
    let refresh = issuer.live_family().unwrap().refresh;
    assert!(std::fs::read_to_string(file(&to, "ann")).unwrap().contains(&refresh));
}

#[test]
fn one_place_that_somebody_else_has_leaves_all_records_as_they_were() {
    let (from, to) = (placed(), placed());
    for account in ["ann", "bob", "carol"] {
        give(&from, account, &format!("canary-new-{account}"));
    }
    give(&to, "ann", "canary-old-ann");
    give(&to, "carol", "canary-old-carol");
    to.write(".acme/bob.json", "canary-foreign");
    let before: Vec<_> = ["ann", "carol"]
        .map(|account| std::fs::read(file(&to, account)).unwrap())
        .into();
    let slots = to.files();
    export(&from, &["--all"]).expect_success();
    let output = import(&to, &from, &["--replace"]).expect_code(4);
    assert!(output.stderr.contains("bob.json"), "{}", output.stderr);
    let after: Vec<_> = ["ann", "carol"]
        .map(|account| std::fs::read(file(&to, account)).unwrap())
        .into();
    assert_eq!(after, before);
    assert_eq!(std::fs::read_to_string(file(&to, "bob")).unwrap(), "canary-foreign");
    let records = |files: std::collections::BTreeMap<PathBuf, Vec<u8>>| -> Vec<(PathBuf, Vec<u8>)> {
        let files = files.into_iter();
        files
            .filter(|(path, _)| path.to_string_lossy().contains("/records/"))
            .collect()
    };
    assert_eq!(records(to.files()), records(slots));
    assert_eq!(token(&to, "ann"), "canary-old-ann");
}

#[test]
fn a_name_that_cannot_be_given_leaves_all_records_as_they_were() {
    if !strace() {
        return;
    }
    let from = placed();
    for account in ["ann", "bob"] {
        give(&from, account, &format!("canary-new-{account}"));
    }
    export(&from, &["--all"]).expect_success();
    let mut failed = 0;
    for call in ["rename,renameat,renameat2", "fsync"] {
        for number in 1..=8 {
            let to = placed();
            give(&to, "ann", "canary-old-ann");
            let step = format!("{call}:error=EIO:when={number}");
            let import = importing(&to, &from, &["--replace"]).injected(&step).run();
            let bob = to.keyfob(&["token", "acme:bob"]).run();
            if import.status.success() {
                assert_eq!(token(&to, "ann"), "canary-new-ann", "{step}");
                assert_eq!(bob.text(), "canary-new-bob\n", "{step}");
                continue;
            }
            failed += 1;
            assert_eq!(import.code(), 4, "{step}: {}", import.stderr);
            assert_eq!(token(&to, "ann"), "canary-old-ann", "{step}: {}", import.stderr);
            assert_eq!(bob.code(), 2, "{step}: {}", bob.stderr);
            assert!(!file(&to, "bob").exists(), "{step}");
            // Nothing is in the way of the next one.
            importing(&to, &from, &["--replace"]).run().expect_success();
            assert_eq!(token(&to, "ann"), "canary-new-ann", "{step}");
        }
    }
    assert!(failed >= 6, "{failed}");
}

/// A second home of the same person, with the same provider file and nothing else.
fn second(sandbox: &Sandbox) -> PathBuf {
    sandbox
        .program("cp", &["-r", "keyfob", "second"])
        .run()
        .expect_success();
    let home = sandbox.path().join("second");
    let _ = std::fs::remove_dir_all(home.join("data"));
    home
}

#[test]
fn a_session_of_another_home_at_the_place_is_replaced_only_where_that_is_asked_for() {
    let (from, to) = (placed(), placed());
    give(&from, "ann", "canary-new");
    export(&from, &["--all"]).expect_success();
    give(&to, "ann", "canary-here");
    let other = second(&to);
    let before = std::fs::read(file(&to, "ann")).unwrap();
    let refused = importing(&to, &from, &[]).env("KEYFOB_HOME", &other).run();
    let refused = refused.expect_code(5);
    assert!(refused.stderr.contains("acme:ann"), "{}", refused.stderr);
    assert_eq!(std::fs::read(file(&to, "ann")).unwrap(), before);
    let replacing = importing(&to, &from, &["--replace"]).env("KEYFOB_HOME", &other);
    replacing.run().expect_success();
    assert_eq!(token(&to, "ann"), "canary-new");
}

#[test]
fn what_could_not_be_put_back_is_found_by_a_logout() {
    if !strace() {
        return;
    }
    let from = placed();
    give(&from, "ann", "canary-new");
    export(&from, &["--all"]).expect_success();
    let mut left = 0;
    for number in 1..=8 {
        // In its slot here, and another home's at the place that it is to be moved to.
        let to = set();
        give(&to, "ann", "canary-old");
        let other = second(&to);
        to.write_provider(
            "acme",
            &std::fs::read_to_string(from.keyfob_home().join("config/providers/acme.toml")).unwrap(),
        );
        let providers = to.keyfob_home().join("config/providers/acme.toml");
        std::fs::copy(providers, other.join("config/providers/acme.toml")).unwrap();
        let run = to.keyfob(&["set-token", "acme:ann"]).env("KEYFOB_HOME", &other);
        run.stdin("canary-theirs\n").run().expect_success();
        let step = format!("fsync:error=EIO:when={number}..{}", number + 1);
        let import = importing(&to, &from, &["--replace"]).injected(&step).run();
        if import.status.success() {
            continue;
        }
        let holds = |secret: &str| std::fs::read_to_string(file(&to, "ann")).is_ok_and(|text| text.contains(secret));
        left += usize::from(holds("canary-new"));
        to.keyfob(&["logout", "acme:ann", "--local"]).run().expect_success();
        assert!(!holds("canary-new"), "{step}: {}", import.stderr);
    }
    assert!(left > 0, "nothing was ever left there");
}
