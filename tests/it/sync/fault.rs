//! What can go wrong on the way to another machine: arguments, the command, its answer, signals, what arrives.

use std::path::{Path, PathBuf};

use super::{Pair, TARGET, await_that, program};
use crate::http_server::Reply;
use crate::issuer::Endpoint;
use crate::sandbox::Sandbox;

#[test]
fn what_the_command_says_is_shown_without_the_token() {
    let pair = Pair::logged_in("");
    for (body, words) in [
        ("cat >&2\nexit 1\n", "failed with status 1"),
        ("cat | tr -d '\\n' >&2\nexit 1\n", "it has a part of the token"),
        (
            "cat | sed 's/./& /g' | tr -d '\\n' >&2\nexit 1\n",
            "it has a part of the token",
        ),
        (
            "echo 'no such thing' >&2\nexit 7\n",
            "failed with status 7: it says \u{201c}no such thing\u{201d}",
        ),
        (
            "printf 'a\\033[31mb\\033]0;x\\007\\n' >&2\nexit 7\n",
            "it says \u{201c}ab\u{201d}",
        ),
        ("exit 7\n", "it said nothing of why"),
        ("cat > /dev/null\n", "it did not do it"),
        ("kill -9 $$\n", "it was ended by a signal"),
    ] {
        program(&pair.here, "bin/vm", body);
        let said = pair.sync().expect_code(1);
        assert!(said.stderr.contains(words), "{body}: {}", said.stderr);
    }
}

#[test]
fn a_machine_that_does_not_answer_is_given_up() {
    let pair = Pair::logged_in("");
    program(&pair.here, "bin/vm", "echo $$ > \"$HOME/pid\"\nsleep 600\n");
    let run = pair.here.keyfob(&["sync", "--vm", "vm1", "acme", "--timeout", "1"]);
    let said = run.run().expect_code(3);
    assert!(said.stderr.contains("did not answer within 1 s"), "{}", said.stderr);
    await_that("the end of the command", || !is_there(&pair.here));
}

#[test]
fn a_command_that_cannot_be_ended_is_not_waited_for() {
    let pair = Pair::logged_in("");
    // It leaves the group that is ended, as one of another user's would outlive it.
    let leave = "$$ > \"$HOME/pid\"\nexec perl -e 'setpgrp(0, getpgrp(getppid())) or die; sleep 600'\n";
    program(&pair.here, "bin/vm", &format!("echo {leave}"));
    let run = pair.here.keyfob(&["sync", "--vm", "vm1", "acme", "--timeout", "1"]);
    let said = run.deadline(std::time::Duration::from_secs(120)).run().expect_code(3);
    assert!(said.stderr.contains("did not answer within 1 s"), "{}", said.stderr);
    assert!(
        is_there(&pair.here),
        "it was ended after all, and the test shows nothing"
    );
    let pid = std::fs::read_to_string(pair.here.path().join("pid")).unwrap();
    pair.here.program("kill", &["-9", pid.trim()]).run().expect_success();
}

/// Whether the command of the test still runs.
fn is_there(here: &Sandbox) -> bool {
    let pid = std::fs::read_to_string(here.path().join("pid")).unwrap();
    Path::new("/proc").join(pid.trim()).exists()
}

#[test]
fn a_signal_ends_the_command_too() {
    let pair = Pair::logged_in("");
    program(
        &pair.here,
        "bin/vm",
        "trap '' HUP\necho $$ > \"$HOME/pid\"\nsleep 600 & wait\n",
    );
    for signal in ["INT", "TERM"] {
        let _ = std::fs::remove_file(pair.here.path().join("pid"));
        let run = pair.here.keyfob(&["sync", "--vm", "vm1", "acme"]);
        let running = run.spawn();
        await_that("the command", || {
            std::fs::read_to_string(pair.here.path().join("pid")).is_ok_and(|pid| pid.ends_with('\n'))
        });
        let id = running.id().to_string();
        pair.here
            .program("sh", &["-c", &format!("kill -{signal} {id}")])
            .run()
            .expect_success();
        let ended = running.wait();
        assert_eq!(ended.status.code(), None, "{}", ended.stderr);
        // It is ended by then, but somebody else has to take note of that.
        await_that(&format!("the end of the command at {signal}"), || !is_there(&pair.here));
    }
}

#[test]
fn a_session_that_was_cut_off_on_its_way_leaves_nothing() {
    for pair in [Pair::new(""), Pair::without_keyfob("")] {
        pair.here.login(&pair.issuer);
        let vm = std::fs::read_to_string(pair.here.path().join("bin/vm")).unwrap();
        let vm = vm.trim_start_matches("#!/bin/sh\n");
        let whole = pair.here.path().join("whole");
        program(&pair.here, "bin/vm", &format!("cat > '{}'\nexit 1\n", whole.display()));
        pair.sync().expect_code(1);
        let length = std::fs::metadata(&whole).unwrap().len();
        // The last line end is no part of the command.
        let cuts = (1..10).map(|part| length * part / 10).chain([length - 2]);
        for bytes in cuts {
            let cut = vm.replace("exec env", &format!("head -c {bytes} | env"));
            program(&pair.here, "bin/vm", &cut);
            assert_ne!(pair.sync().code(), 0, "{bytes} of {length}");
            assert_eq!(pair.there.files_with("canary"), Vec::<PathBuf>::new(), "{bytes}");
            assert!(!pair.session_file().exists());
        }
    }
}

#[test]
fn an_unwritable_home_is_told() {
    let pair = Pair::without_keyfob("");
    pair.here.login(&pair.issuer);
    // A file where the directory would be stops root too.
    pair.there.write(".config", "");
    let said = pair.sync().expect_code(1);
    assert!(said.stderr.contains(".config"), "{}", said.stderr);
    pair.desync().expect_success();
}

#[test]
fn wrong_arguments_reach_no_machine() {
    let pair = Pair::logged_in("");
    for args in [
        &["sync"][..],
        &["sync", "acme"],
        &["sync", "--vm", "-x", "acme"],
        &["sync", "--vm=-x", "acme"],
        &["sync", "--vm", "a b", "acme"],
        &["sync", "--vm", "vm1", "--container", "c", "acme"],
        &["sync", "--vm", "vm1", "ssh://host", "acme"],
        &["sync", "ssh://-oProxyCommand=id", "acme"],
        &["sync", "ssh://host;id", "acme"],
        &["sync", "ssh://a", "ssh://b"],
        &["sync", "https://host", "acme"],
        &["sync", "--vm", "vm1", "--timeout", "0", "acme"],
        &["sync", "--vm", "vm1", "no-such-provider"],
        &["sync", "--container", "-x", "acme"],
        &["sync", "--container", "c;id", "acme"],
        &["desync", "acme"],
        &["desync", "--vm", "-x", "acme"],
    ] {
        pair.here.keyfob(args).run().expect_code(64);
    }
    assert!(!pair.here.path().join("argv").exists());
    let missing = pair.here.keyfob(&["sync", "--vm", "vm9", "acme"]).run().expect_code(1);
    assert!(missing.stderr.contains("there is no vm9"), "{}", missing.stderr);
    std::fs::remove_file(pair.here.path().join("bin/vm")).unwrap();
    let missing = pair.sync().expect_code(64);
    assert!(
        missing.stderr.contains("running `vm`: there is no such program"),
        "{}",
        missing.stderr
    );
}

#[test]
fn there_is_nothing_to_sync_without_a_session() {
    let pair = Pair::new("");
    let missing = pair.sync().expect_code(2);
    assert!(missing.stderr.contains("run `keyfob login acme`"), "{}", missing.stderr);
    assert!(!pair.here.path().join("argv").exists());
    pair.here.login_expired(&pair.issuer);
    pair.issuer
        .inject(Endpoint::Token, 8, &Reply::json(503, &serde_json::json!({})));
    pair.sync().expect_code(3);
}

#[test]
fn a_password_of_a_tool_is_not_synced() {
    let pair = Pair::new("");
    let text = format!("format = 1\n[login]\nflow = \"static\"\n[sync.vm]\ncommand = [\"vm\", \"{{id}}\"]\n{TARGET}");
    pair.here.write_provider("acme", &text);
    let store = "protocol=https\nhost=acme.example\nusername=ann\npassword=canary-password\n\n";
    pair.here.keyfob(&["git", "store"]).stdin(store).run().expect_success();
    let said = pair.sync().expect_code(5);
    assert!(said.stderr.contains("password"), "{}", said.stderr);
}

#[test]
fn only_a_whole_good_session_is_received() {
    let sandbox = Sandbox::new();
    let receive = |text: &str| sandbox.keyfob(&["receive"]).stdin(text).run();
    for text in [
        "",
        "{}",
        "canary",
        r#"{"version":2,"provider":"acme","secret":"canary"}"#,
        r#"{"version":1,"provider":"../acme","secret":"canary","about":{"title":"x"}}"#,
        r#"{"version":1,"provider":"acme","mode":"a b","secret":"canary","about":{"title":"x"}}"#,
        r#"{"version":1,"provider":"acme"}"#,
        r#"{"version":1,"provider":"acme","secret":"canary"}"#,
        r#"{"version":1,"provider":"acme","secret":"canary canary","about":{"title":"x"}}"#,
        r#"{"version":1,"provider":"acme","secret":"canary","about":{"title":"x","targets":[{"url":"http://a.example","scheme":"basic"}]}}"#,
        r#"{"version":1,"provider":"acme","secret":"canary","about":{"title":"x","variables":["A B"]}}"#,
    ] {
        receive(text).expect_code(64);
    }
    let ended = receive(r#"{"version":1,"provider":"acme","secret":"canary","expires_at":7,"about":{"title":"x"}}"#);
    let ended = ended.expect_code(1);
    assert!(ended.stderr.contains("has ended"), "{}", ended.stderr);
    assert_eq!(sandbox.files_with("canary"), Vec::<PathBuf>::new());
    assert!(!sandbox.keyfob_home().join("config/providers").exists());
}

#[test]
fn a_person_who_runs_receive_is_told_what_to_run() {
    let sandbox = Sandbox::new();
    let keyfob = sandbox.keyfob_path().to_str().unwrap();
    let run = sandbox
        .program("script", &["-qec", &format!("{keyfob} receive"), "/dev/null"])
        .stdin_held();
    let output = run.run();
    assert_eq!(output.code(), 64);
    assert!(output.text().contains("keyfob sync --help"), "{}", output.text());
}

#[test]
fn a_provider_file_names_a_program_and_a_place_for_the_id() {
    let sandbox = Sandbox::new();
    for (sync, words) in [
        ("as = \"file\"", ":4: sync.as: expected record or variable"),
        ("as = \"variable\"", ":4: sync.variable: expected"),
        ("variable = \"A B\"", ":4: sync.variable: expected names"),
        ("vm = { command = [] }", "sync.vm.command: expected a program"),
        (
            "vm = { command = [\"vm\"] }",
            ":4: sync.vm.command: expected `{id}` in an argument",
        ),
        (
            "vm = { command = [\"{id}\"] }",
            ":4: sync.vm.command: expected first the name",
        ),
        (
            "vm = { command = [\"../vm\", \"{id}\"] }",
            ":4: sync.vm.command: expected first the name",
        ),
        (
            "vm = { command = [\"-vm\", \"{id}\"] }",
            ":4: sync.vm.command: expected first the name",
        ),
        (
            "vm = { command = [\"vm\", \"{id}\\n\"] }",
            ":4: sync.vm.command: expected words without",
        ),
        ("container = { command = \"docker {id}\" }", ":4: sync.container"),
        ("host = \"a\"", ":4: sync.host: expected"),
    ] {
        let text = format!("format = 1\nlogin.flow = \"key\"\n[sync]\n{sync}\n");
        sandbox.write_provider("acme", &text);
        let said = sandbox.keyfob(&["provider", "check", "acme"]).run();
        let told = format!("{}{}", said.text(), said.stderr);
        assert!(said.code() == 64 && told.contains(words), "{sync}: {told}");
    }
    sandbox.write_provider("acme", "format = 1\n[login]\nflow = \"key\"\n");
    sandbox
        .keyfob(&["set-token", "acme"])
        .stdin("canary")
        .run()
        .expect_success();
    let said = sandbox.keyfob(&["sync", "acme", "--vm", "vm1"]).run().expect_code(64);
    assert!(said.stderr.contains("add `sync.vm.command`"), "{}", said.stderr);
}

#[test]
fn a_locked_machine_sends_nothing_and_takes_nothing() {
    for is_here in [true, false] {
        let pair = Pair::logged_in("");
        let locked = if is_here { &pair.here } else { &pair.there };
        let set = locked
            .keyfob(&["lock", "set", "--work-factor", "12", "--passphrase-file", "-"])
            .stdin("a good passphrase\n")
            .run();
        if set.code() != 0 {
            panic!("{}", set.stderr);
        }
        locked.keyfob(&["lock"]).run().expect_success();
        let said = pair.sync();
        assert!(
            [1, 4].contains(&said.code()),
            "here: {is_here}, {}: {}",
            said.code(),
            said.stderr
        );
        assert!(said.stderr.contains("locked"), "{}", said.stderr);
        assert_eq!(pair.there.files_with("canary"), Vec::<PathBuf>::new());
        assert!(
            !pair.session_file().exists(),
            "no file takes the place of a locked keyfob"
        );
    }
}

/// A session of this account, from a sender whose provider file serves this target and has this endpoint.
fn document(provider: &str, mode: &str, account: &str, target: &str, endpoint: &str) -> String {
    let about = serde_json::json!({"title": "Acme", "endpoints": [endpoint],
        "targets": [{"url": target, "scheme": "bearer"}], "whoami": [endpoint, "/sub"]});
    serde_json::json!({"version": 1, "provider": provider, "mode": mode, "account": account,
        "secret": format!("canary-{account}"), "about": about})
    .to_string()
}

#[test]
fn a_second_sender_leads_no_token_of_the_first_anywhere() {
    let sandbox = Sandbox::new();
    let receive = |text: String| sandbox.keyfob(&["receive"]).stdin(text).run();
    let (good, evil, me) = (
        "https://acme.example",
        "https://evil.example",
        "https://acme.example/me",
    );
    receive(document("acme", "", "ann", good, me)).expect_success();
    let file = sandbox.keyfob_home().join("config/providers/acme.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    for refused in [
        document("acme", "", "bob", evil, me),
        document("acme", "", "bob", good, evil),
        document("acme", "dev", "bob", good, me),
    ] {
        let said = receive(refused).expect_code(5);
        assert!(said.stderr.contains("`acme:ann`"), "{}", said.stderr);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    }
    receive(document("acme", "", "bob", good, me)).expect_success();
    // Who sends the same session again may have moved it, once it is alone.
    sandbox.keyfob(&["logout", "acme:bob"]).run().expect_success();
    receive(document("acme", "", "ann", evil, me)).expect_success();
    assert!(std::fs::read_to_string(&file).unwrap().contains(evil));
}

#[test]
fn a_preset_is_not_put_aside_by_what_a_sender_says() {
    let sandbox = Sandbox::new();
    let text = document("github", "", "ann", "https://evil.example", "https://evil.example");
    let said = sandbox.keyfob(&["receive"]).stdin(text).run().expect_code(5);
    assert!(
        said.stderr.contains("`github` is a preset that does not"),
        "{}",
        said.stderr
    );
    let more =
        r#"{"version":1,"provider":"github","secret":"canary","about":{"title":"x","variables":["EVIL_TOKEN"]}}"#;
    let said = sandbox.keyfob(&["receive"]).stdin(more).run().expect_code(5);
    assert!(said.stderr.contains("in the variable `EVIL_TOKEN`"), "{}", said.stderr);
    let sent = r#"{"version":1,"provider":"github","secret":"canary","about":{"title":"x","targets":[{"url":"https://github.com","scheme":"basic","username":"canary-user"}]}}"#;
    let said = sandbox.keyfob(&["receive"]).stdin(sent).run().expect_code(5);
    assert!(
        said.stderr.contains("go to https://github.com in another way"),
        "{}",
        said.stderr
    );
    assert!(!sandbox.keyfob_home().join("config/providers/github.toml").exists());
}

#[test]
fn a_provider_file_with_other_endpoints_gets_no_token() {
    let sandbox = Sandbox::new();
    let own = "format = 1\n[login]\nflow = \"key\"\n[whoami]\nurl = \"https://other.example/me\"\nsubject = \"/sub\"\n\
        [[target]]\nurl = \"https://acme.example\"\n";
    sandbox.write_provider("acme", own);
    let receive = |endpoint| {
        let text = document("acme", "", "ann", "https://acme.example", endpoint);
        sandbox.keyfob(&["receive"]).stdin(text).run()
    };
    let said = receive("https://acme.example/me").expect_code(5);
    assert!(said.stderr.contains("asks https://other.example/me"), "{}", said.stderr);
    receive("https://other.example/me").expect_success();
}

#[test]
fn a_second_sender_changes_nothing_of_how_the_first_ones_token_is_used() {
    let about = serde_json::json!({"title": "Acme", "variables": ["ACME_TOKEN"], "export": "ACME",
        "targets": [{"url": "https://acme.example", "scheme": "bearer"}],
        "whoami": ["https://acme.example/me", "/sub"]});
    let text = |account: &str, about: &serde_json::Value| {
        serde_json::json!({"version": 1, "provider": "acme", "account": account,
            "secret": format!("canary-{account}"), "about": about})
        .to_string()
    };
    let changes = [
        (
            "/targets/0",
            serde_json::json!({"url": "https://acme.example", "scheme": "basic"}),
            "in another way",
        ),
        (
            "/targets/0",
            serde_json::json!({"url": "https://acme.example", "scheme": "bearer", "username": "x"}),
            "in another way",
        ),
        (
            "/targets/0",
            serde_json::json!({"url": "https://acme.example", "scheme": "bearer", "tools": ["git"]}),
            "from other tools",
        ),
        (
            "/variables",
            serde_json::json!(["ACME_TOKEN", "OTHER_TOKEN"]),
            "has other variables",
        ),
        ("/export", "PATH".into(), "has other variables"),
        ("/whoami/1", "/email".into(), "goes to other places"),
    ];
    for is_own in [false, true] {
        let sandbox = Sandbox::new();
        let receive = |text: String| sandbox.keyfob(&["receive"]).stdin(text).run();
        receive(text("ann", &about)).expect_success();
        if is_own {
            super::change_named(&sandbox, "ann", |record| record.synced_at = None);
        }
        let file = sandbox.keyfob_home().join("config/providers/acme.toml");
        let before = std::fs::read_to_string(&file).unwrap();
        // One that is this machine's own is not replaced by a sender of the same account either.
        let account = if is_own { "ann" } else { "bob" };
        for (place, value, words) in &changes {
            let mut other = about.clone();
            *other.pointer_mut(place).unwrap() = value.clone();
            let said = receive(text(account, &other)).expect_code(5);
            let named = said.stderr.contains("`acme:ann`") && said.stderr.contains(words);
            assert!(named, "{place}, own: {is_own}: {}", said.stderr);
            assert_eq!(said.stderr.contains("of this machine's own"), is_own, "{}", said.stderr);
            assert_eq!(
                std::fs::read_to_string(&file).unwrap(),
                before,
                "{place}, own: {is_own}"
            );
        }
        receive(text("bob", &about)).expect_success();
    }
}

#[test]
fn a_second_sender_gives_a_provider_no_other_title_and_no_other_words() {
    let sandbox = Sandbox::new();
    let file = sandbox.keyfob_home().join("config/providers/acme.toml");
    let receive = |account: &str, title: &str| {
        let about = serde_json::json!({"title": title, "variables": ["ACME_TOKEN"],
            "program": {"name": title, "prefix": "CTL", "auth": false, "commands": [["me", "whoami"]]}});
        let text = serde_json::json!({"version": 1, "provider": "acme", "mode": "dev", "account": account,
            "secret": format!("canary-{account}"), "about": about});
        sandbox
            .keyfob(&["receive"])
            .stdin(text.to_string())
            .run()
            .expect_success();
        std::fs::read_to_string(&file).unwrap()
    };
    let first = receive("ann", "acme");
    assert!(
        first.contains("title = \"acme\"") && first.contains("whoami"),
        "{first}"
    );
    assert_eq!(receive("bob", "other"), first);
    // Alone again, it may.
    sandbox.keyfob(&["logout", "acme/dev:ann"]).run().expect_success();
    assert!(receive("bob", "other").contains("title = \"other\""));
}

#[test]
fn a_full_disk_or_a_kill_takes_no_other_modes_part_of_a_provider_file() {
    let sandbox = Sandbox::new();
    let place = "https://acme.example";
    let dev = document("acme", "dev", "ann", place, place);
    sandbox.keyfob(&["receive"]).stdin(dev).run().expect_success();
    let file = sandbox.keyfob_home().join("config/providers/acme.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    // Whoever writes a byte into a file is ended by a signal.
    let keyfob = sandbox.keyfob_path().to_str().unwrap();
    let prod = document("acme", "prod", "ann", place, place);
    let script = ["-c", "ulimit -f 0; exec \"$0\" receive", keyfob];
    let killed = sandbox.program("sh", &script).stdin(&*prod).run();
    assert!(!killed.status.success());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    sandbox.keyfob(&["receive"]).stdin(prod).run().expect_success();
    let after = std::fs::read_to_string(&file).unwrap();
    assert!(after.contains("`dev`") && after.contains("`prod`"), "{after}");
}

#[test]
fn a_link_to_keyfob_that_hides_the_program_that_reaches_a_machine_is_told() {
    let pair = Pair::logged_in("");
    std::fs::remove_file(pair.here.path().join("bin/vm")).unwrap();
    let link = pair.here.path().join("bin/vm");
    std::os::unix::fs::symlink(pair.here.keyfob_path(), &link).unwrap();
    let said = pair.sync();
    assert_ne!(said.code(), 0);
    let hint = format!("`vm` is found as `{}`, which is keyfob itself", link.display());
    let told = said.stderr.contains(&hint) && said.stderr.contains("`sync.vm.command` the full path");
    assert!(told, "{}", said.stderr);
}
