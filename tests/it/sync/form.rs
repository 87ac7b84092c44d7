//! What a session is on the other machine: a file where there is no keyfob, a variable in one, one for each mode; and the
//! way into a container.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::{Pair, ask_git, program};
use crate::sandbox::Sandbox;

#[test]
fn a_machine_without_keyfob_has_the_session_in_a_file() {
    let pair = Pair::without_keyfob("");
    pair.here.login(&pair.issuer);
    pair.sync().expect_success();
    let file = pair.session_file();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let document: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(document["secret"].as_str().unwrap(), pair.here.token());
    assert_eq!(document["provider"], "acme");
    assert!(document.get("refresh").is_none());
    // A keyfob that comes later reads it where it has nothing of its own.
    pair.same_file();
    assert_eq!(pair.there.token(), pair.here.token());
    assert!(pair.there(&["status", "acme"]).text().contains("synced"));
    pair.desync().expect_success();
    assert!(!file.exists() && !file.parent().unwrap().exists());
    pair.desync().expect_success();
}

const VARIABLE: &str = "[sync]\nas = \"variable\"\nvariable = \"ACME_SESSION_TOKEN\"\n";

#[test]
fn a_variable_in_a_file_is_what_a_shell_reads() {
    let pair = Pair::logged_in(VARIABLE);
    pair.sync().expect_success();
    let token = pair.here.token();
    let script = ". \"$HOME/.config/acme/session\"; echo \"$ACME_SESSION_TOKEN $ACME_SESSION_TOKEN_EXPIRES\"";
    let read = pair.there.program("sh", &["-c", script]).run().expect_success();
    let (value, end) = read.text().trim_end().split_once(' ').unwrap();
    assert_eq!(value, token);
    assert!(end.parse::<u64>().is_ok());
    assert_eq!(pair.there.files_with("canary"), Vec::<PathBuf>::new(), "no record");
}

#[test]
fn a_variable_in_a_file_wins_over_a_session_as_any_variable_does() {
    let pair = Pair::logged_in("[sync]\nas = \"variable\"\n");
    pair.same_file();
    pair.there.login(&pair.issuer);
    let own = pair.there.token();
    pair.sync().expect_success();
    let token = pair.here.token();
    assert_ne!(own, token);
    assert_eq!(pair.there.token(), token);
    let git = ask_git(&pair.there).run().expect_success();
    assert!(git.text().contains(&format!("password={token}\n")));
    let set = pair.there.keyfob(&["token", "acme"]).env("ACME_TOKEN", "canary-set");
    assert_eq!(set.run().expect_success().text(), "canary-set\n");
    pair.desync().expect_success();
    assert_eq!(pair.there.token(), own);
    // Others must not be able to put one there.
    pair.sync().expect_success();
    std::fs::set_permissions(pair.session_file(), PermissionsExt::from_mode(0o644)).unwrap();
    let refused = pair.there(&["token", "acme"]).expect_code(4);
    assert!(refused.stderr.contains(".config/acme/session"), "{}", refused.stderr);
}

#[test]
fn a_container_is_reached_by_the_engine_that_is_there() {
    let pair = Pair::logged_in("");
    let vm = std::fs::read_to_string(pair.here.path().join("bin/vm")).unwrap();
    let engine = vm
        .trim_start_matches("#!/bin/sh\n")
        .replace("[ \"$2\" = vm1 ]", "[ \"$3\" = web.1 ]");
    program(&pair.here, "bin/docker", &engine);
    let sync = ["sync", "acme", "--container", "web.1", "--json"];
    let said = pair.here.keyfob(&sync).run().expect_success();
    let answer: serde_json::Value = serde_json::from_str(said.text()).unwrap();
    assert_eq!(
        (&answer["schema"], &answer["target"], &answer["kept"]),
        (&1.into(), &"the container web.1".into(), &"record".into())
    );
    assert!(
        (3500..=3600).contains(&answer["expires_in_secs"].as_i64().unwrap()),
        "{answer}"
    );
    assert!(
        said.stderr.contains("`keyfob sync acme:ann --container web.1`"),
        "{}",
        said.stderr
    );
    let arguments = std::fs::read_to_string(pair.here.path().join("argv")).unwrap();
    assert_eq!(arguments, "exec -i web.1 sh\n");
    assert_eq!(pair.there.token(), pair.here.token());
    pair.here
        .keyfob(&["desync", "acme", "--container", "web.1"])
        .run()
        .expect_success();
    assert_eq!(pair.there.files_with("canary"), Vec::<PathBuf>::new());
}

#[test]
fn a_mode_has_its_own_session_there() {
    let pair = Pair::new("[mode.dev]\n[mode.prod]\n");
    for mode in ["dev", "prod"] {
        pair.here
            .keyfob(&["login", &format!("acme/{mode}"), "--no-browser"])
            .run()
            .expect_success();
        pair.here
            .keyfob(&["sync", &format!("acme/{mode}"), "--vm", "vm1"])
            .run()
            .expect_success();
    }
    let token = |sandbox: &Sandbox, mode: &str| {
        let run = sandbox.keyfob(&["token", &format!("acme/{mode}")]).run();
        run.expect_success().text().to_owned()
    };
    for mode in ["dev", "prod"] {
        assert_eq!(token(&pair.there, mode), token(&pair.here, mode));
    }
    pair.here
        .keyfob(&["desync", "acme/dev", "--vm", "vm1"])
        .run()
        .expect_success();
    assert_eq!(pair.there(&["token", "acme/dev"]).code(), 2);
    assert_eq!(token(&pair.there, "prod"), token(&pair.here, "prod"));
    pair.here
        .keyfob(&["desync", "acme/prod", "--vm", "vm1"])
        .run()
        .expect_success();
    assert!(!pair.there.keyfob_home().join("config/providers/acme.toml").exists());
}

#[test]
fn what_a_login_keeps_says_nothing_of_a_synced_session() {
    for persist in ["refresh", "key"] {
        let pair = Pair::new("");
        let path = pair.here.keyfob_home().join("config/providers/acme.toml");
        let text = std::fs::read_to_string(path).unwrap();
        let tables = "\n[place]\nfile = \"~/.acme/session\"\n";
        let text = text.replace(
            "format = 1\n",
            &format!("format = 1\nstore = \"file\"\npersist = \"{persist}\"\n"),
        );
        pair.here.write_provider("acme", &format!("{text}{tables}"));
        pair.same_file();
        pair.here.login(&pair.issuer);
        pair.sync().expect_success();
        let token = pair.there.token();
        assert!(pair.issuer.valid_access(&token), "{persist}");
        assert_eq!(
            pair.there.token(),
            token,
            "{persist}: it is kept there, and nothing renews it"
        );
        assert!(pair.there(&["status", "acme"]).text().contains("synced"), "{persist}");
        pair.desync().expect_success();
        pair.there(&["token", "acme"]).expect_code(2);
        assert!(pair.here.keyfob(&["token", "acme"]).run().status.success());
    }
}

#[test]
fn the_file_of_one_mode_is_no_other_modes_and_stays_when_that_is_taken_back() {
    for form in ["", "[sync]\nas = \"variable\"\n"] {
        let pair = Pair::without_keyfob(&format!("{form}[mode.dev]\n[mode.prod]\n"));
        let run = |args: &[&str]| pair.here.keyfob(args).run().expect_success();
        for mode in ["acme/dev", "acme/prod"] {
            run(&["login", mode, "--no-browser"]);
        }
        run(&["sync", "acme/dev", "--vm", "vm1"]);
        pair.same_file();
        assert_eq!(
            pair.there(&["token", "acme/dev"]).expect_success().text(),
            run(&["token", "acme/dev"]).text(),
            "{form}"
        );
        pair.there(&["token", "acme/prod"]).expect_code(2);
        let said = run(&["desync", "acme/prod", "--vm", "vm1"]);
        assert!(said.stderr.contains("There is no synced session"), "{}", said.stderr);
        assert!(pair.session_file().exists(), "{form}");
        // A logout of the other mode is nobody's business either.
        pair.there(&["logout", "acme/prod"]);
        assert!(pair.session_file().exists(), "{form}");
        run(&["desync", "acme/dev", "--vm", "vm1"]);
        assert!(!pair.session_file().exists(), "{form}");
    }
}

#[test]
fn what_is_in_the_place_of_the_file_hides_no_session_and_keeps_nobody_from_a_logout() {
    for is_directory in [true, false] {
        let pair = Pair::new("");
        pair.same_file();
        pair.there.login(&pair.issuer);
        if is_directory {
            std::fs::create_dir_all(pair.session_file()).unwrap();
        } else {
            pair.there
                .write(".config/acme/session", "ACME_TOKEN='canary-foreign'\n");
            std::fs::set_permissions(pair.session_file(), PermissionsExt::from_mode(0o644)).unwrap();
        }
        let status = pair.there(&["status", "acme"]).expect_success();
        assert!(status.text().contains("acme:ann"), "{}", status.text());
        assert!(status.stderr.contains(".config/acme/session"), "{}", status.stderr);
        let json = pair.there(&["status", "acme", "--json"]).expect_success();
        let json: serde_json::Value = serde_json::from_str(json.text()).unwrap();
        assert_eq!(json["damaged"].as_array().unwrap().len(), 1);
        let logout = pair.there(&["logout", "acme"]).expect_code(4);
        assert!(logout.stderr.contains("Logged out of `acme:ann`"), "{}", logout.stderr);
        assert!(logout.stderr.contains(".config/acme/session"), "{}", logout.stderr);
        assert!(pair.session_file().exists());
        pair.there(&["token", "acme"]).expect_code(2);
        // Without a session there is still the file to speak of.
        pair.there(&["status", "acme"]).expect_code(4);
        pair.there(&["logout", "acme"]).expect_code(4);
    }
}

#[test]
fn one_file_is_not_given_to_another_mode_while_it_has_a_session() {
    for form in ["", "[sync]\nas = \"variable\"\n"] {
        let pair = Pair::without_keyfob(&format!("{form}[mode.dev]\n[mode.prod]\n"));
        let run = |args: &[&str]| pair.here.keyfob(args).run();
        for mode in ["acme/dev", "acme/prod"] {
            run(&["login", mode, "--no-browser"]).expect_success();
        }
        run(&["sync", "acme/dev", "--vm", "vm1"]).expect_success();
        let first = std::fs::read(pair.session_file()).unwrap();
        let said = run(&["sync", "acme/prod", "--vm", "vm1"]).expect_code(5);
        let told = said.stderr.contains(".config/acme/session") && said.stderr.contains("`keyfob desync`");
        assert!(told, "{form}: {}", said.stderr);
        assert!(std::fs::read(pair.session_file()).unwrap() == first, "{form}");
        // The same mode replaces its own.
        run(&["sync", "acme/dev", "--vm", "vm1"]).expect_success();
        run(&["desync", "acme/dev", "--vm", "vm1"]).expect_success();
        run(&["sync", "acme/prod", "--vm", "vm1"]).expect_success();
    }
}

#[test]
fn a_file_that_is_not_of_keyfob_is_neither_replaced_nor_removed() {
    for form in ["", "[sync]\nas = \"variable\"\n"] {
        let pair = Pair::without_keyfob(form);
        pair.here.login(&pair.issuer);
        for content in ["", "their own\n", "{\"cookie\": \"canary\"}\n", "X=1\n# of acme\n"] {
            pair.there.write(".config/acme/session", content);
            let said = pair.sync().expect_code(5);
            assert!(
                said.stderr.contains("is not of keyfob"),
                "{form}, {content}: {}",
                said.stderr
            );
            let said = pair.desync().expect_success();
            assert!(said.stderr.contains("There is no synced session"), "{}", said.stderr);
            let left = std::fs::read_to_string(pair.session_file()).unwrap();
            assert!(left == content, "{form}");
        }
        // One from a keyfob that did not say whose it is.
        pair.there.write(
            ".config/acme/session",
            "# A session that was synced here. Nothing here renews it.\nACME_TOKEN='canary'\n",
        );
        pair.desync().expect_success();
        assert!(!pair.session_file().exists(), "{form}");
    }
}
