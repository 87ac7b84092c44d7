//! The index of targets: when it is made again, and that no damage to it decides where a secret goes.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use super::{age_all, git_get, key_provider, password, target, variable};
use crate::sandbox::{Output, Sandbox};

const URL: &str = "https://acme.example/x";

/// Two providers with a variable each, and an index that is not going to be made again on account of its age.
fn settled() -> (Sandbox, PathBuf) {
    let mut sandbox = Sandbox::new();
    for name in ["acme", "other"] {
        let claims = target(&format!("https://{name}.example"), "username = \"u\"");
        let wild = target(&format!("https://*.{name}.example"), "username = \"u\"");
        let variable = variable(&format!("{}_KEY", name.to_uppercase()));
        key_provider(&sandbox, name, &format!("{variable}{claims}{wild}"));
        sandbox.set(&format!("{}_KEY", name.to_uppercase()), format!("canary-{name}"));
    }
    age_all(&sandbox);
    assert_eq!(password(&sandbox, URL), "canary-acme");
    let index = sandbox.keyfob_home().join("state/index");
    (sandbox, index)
}

#[test]
fn an_index_that_is_good_is_not_made_again() {
    let (sandbox, index) = settled();
    let made = std::fs::metadata(&index).unwrap().ino();
    assert_eq!(password(&sandbox, URL), "canary-acme");
    assert_eq!(password(&sandbox, "https://a.other.example"), "canary-other");
    assert_eq!(std::fs::metadata(&index).unwrap().ino(), made);
}

#[test]
fn a_damaged_index_is_made_again_and_never_decides() {
    let (sandbox, index) = settled();
    let good = std::fs::read(&index).unwrap();
    let mut damaged: Vec<Vec<u8>> = Vec::new();
    for length in [0, 1, 7, 8, 31, 32, 36, 1000, 1075, 1076, 1080, good.len() - 1] {
        damaged.push(good[..length].to_vec());
    }
    damaged.push(vec![0; good.len()]);
    damaged.push(vec![0xff; good.len()]);
    damaged.push([good.as_slice(), b"more"].concat());
    damaged.push([&good[..36], &vec![0xff; 1032], &good[1068..]].concat());
    damaged.push([&good[..36], &vec![0; 1032], &good[1068..]].concat());
    for at in (0..good.len()).step_by(23) {
        let mut flipped = good.clone();
        flipped[at] ^= 1;
        damaged.push(flipped);
    }
    let swapped = String::from_utf8_lossy(&good[1076..]).replace("acme.example", "othe.example");
    damaged.push([&good[..1076], swapped.as_bytes()].concat());
    for (row, bytes) in damaged.iter().enumerate() {
        std::fs::write(&index, bytes).unwrap();
        assert_eq!(password(&sandbox, URL), "canary-acme", "row {row}");
        assert_eq!(password(&sandbox, "https://othe.example"), "", "row {row}");
    }
    assert_eq!(std::fs::read(&index).unwrap(), good);
}

#[test]
fn what_is_no_file_in_the_place_of_the_index_costs_time_and_no_answer() {
    let (sandbox, index) = settled();
    std::fs::remove_file(&index).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&index).status().unwrap();
    assert!(made.success());
    assert_eq!(password(&sandbox, URL), "canary-acme");
    std::fs::remove_file(&index).unwrap();
    std::fs::create_dir(&index).unwrap();
    assert_eq!(password(&sandbox, URL), "canary-acme");
}

#[test]
fn an_index_that_others_can_write_is_not_believed() {
    let (sandbox, index) = settled();
    std::fs::set_permissions(&index, std::fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(password(&sandbox, URL), "canary-acme");
    assert_eq!(std::fs::metadata(&index).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn a_file_that_comes_goes_or_changes_is_noticed_at_once() {
    let (sandbox, _) = settled();
    let directory = sandbox.keyfob_home().join("config/providers");
    let text = std::fs::read_to_string(directory.join("acme.toml")).unwrap();
    // Changed in place, so that the directory does not tell.
    std::fs::write(
        directory.join("acme.toml"),
        text.replace("acme.example", "moved.example"),
    )
    .unwrap();
    assert_eq!(password(&sandbox, URL), "");
    assert_eq!(password(&sandbox, "https://moved.example"), "canary-acme");
    std::fs::rename(directory.join("acme.toml"), directory.join("third.toml")).unwrap();
    assert_eq!(password(&sandbox, "https://moved.example"), "canary-acme");
    std::fs::remove_file(directory.join("third.toml")).unwrap();
    assert_eq!(password(&sandbox, "https://moved.example"), "");
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(password(&sandbox, "https://other.example"), "");
}

#[test]
fn a_change_in_the_tick_in_which_the_file_was_read_is_noticed() {
    let (sandbox, index) = settled();
    let path = sandbox.keyfob_home().join("config/providers/acme.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let now = std::time::SystemTime::now();
    let write = |text: &str| {
        std::fs::write(&path, text).unwrap();
        std::fs::File::open(&path).unwrap().set_modified(now).unwrap();
    };
    write(&text.replace("ACME_KEY", "ACME_NOT"));
    std::fs::remove_file(&index).unwrap();
    sandbox.keyfob(&["provider", "check"]).run().expect_success();
    // The same length at the same time, as one tick of the clock allows.
    write(&text);
    assert_eq!(password(&sandbox, URL), "canary-acme");
}

#[test]
fn a_wrong_file_in_which_no_place_can_be_read_claims_nothing_and_the_others_still_do() {
    let (sandbox, _) = settled();
    sandbox.write_provider("acme", "format = 1\n");
    assert_eq!(password(&sandbox, URL), "");
    assert_eq!(password(&sandbox, "https://other.example"), "canary-other");
}

/// A wide claim, and a narrow one below it or elsewhere; the narrow one's file.
fn wide_and_narrow(wide: &str, narrow: &str) -> (Sandbox, PathBuf) {
    let mut sandbox = Sandbox::new();
    for (name, url) in [("wide", wide), ("narrow", narrow)] {
        let variable_name = format!("{}_KEY", name.to_uppercase());
        let rest = variable(&variable_name) + &target(url, "username = \"u\"");
        key_provider(&sandbox, name, &rest);
        sandbox.set(&variable_name, format!("canary-{name}"));
    }
    age_all(&sandbox);
    let file = sandbox.keyfob_home().join("config/providers/narrow.toml");
    (sandbox, file)
}

/// Fails as a request for a place does that a wrong file holds.
fn held(output: &Output, code: i32, file: &str) {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    assert!(
        output.stderr.contains(file) && output.stderr.contains("`keyfob provider check`"),
        "{output:?}"
    );
}

#[test]
fn a_file_with_a_mistake_holds_its_places_against_a_wider_claim() {
    let (sandbox, file) = wide_and_narrow("https://*.corp.example", "https://vendor.corp.example");
    let url = "https://vendor.corp.example/r.git";
    let good = std::fs::read(&file).unwrap();
    for mistake in [
        &b"typo = 1\n"[..],
        b"[login\n",
        b"format = 1\n",
        b"# \xff\n",
        b"title = \"",
    ] {
        std::fs::write(&file, [&good, mistake].concat()).unwrap();
        // The file is written in place, then as old as the rest.
        for _ in 0..2 {
            held(&git_get(&sandbox, url, ""), 1, "narrow.toml:");
            held(&sandbox.keyfob(&["token", url]).run(), 4, "narrow.toml:");
            let kept = format!("url={url}\nusername=u\npassword=canary-kept\n");
            held(&sandbox.keyfob(&["git", "store"]).stdin(kept).run(), 1, "narrow.toml:");
            assert_eq!(password(&sandbox, "https://other.corp.example"), "canary-wide");
            age_all(&sandbox);
        }
    }
    std::fs::write(&file, good).unwrap();
    assert_eq!(password(&sandbox, url), "canary-narrow");
}

#[test]
fn a_file_with_a_mistake_holds_its_places_against_what_a_tool_gave_to_keep() {
    let sandbox = Sandbox::new();
    let kept = format!("url={URL}\nusername=u\npassword=canary-old\n");
    sandbox.keyfob(&["git", "store"]).stdin(kept).run().expect_success();
    assert_eq!(password(&sandbox, URL), "canary-old");
    key_provider(
        &sandbox,
        "acme",
        &target("https://acme.example", "exclusive = true\ntypo = 1"),
    );
    held(&git_get(&sandbox, URL, ""), 1, "acme.toml:7: target");
    assert_eq!(password(&sandbox, "https://other.example"), "");
}

#[test]
fn a_file_that_lacks_only_what_a_person_has_set_answers_at_its_places() {
    let mut sandbox = Sandbox::new();
    sandbox.set("ACME_KEY", "canary-acme");
    let rest = "[oauth]\nclient_id = \"a\"\n[program.settings]\n\"issuer\" = \"oauth.issuer\"\n";
    let claims = variable("ACME_KEY") + &target("https://acme.example", "username = \"u\"");
    let text = format!("format = 1\n[login]\nflow = \"device\"\n{rest}{claims}");
    sandbox.write_provider("acme", &text);
    held(&git_get(&sandbox, URL, ""), 1, "acme.toml:1: oauth.");
    let set = "\"issuer\" = \"https://login.acme.example\"\n";
    sandbox.write("keyfob/config/settings/acme.toml", set);
    assert_eq!(password(&sandbox, URL), "canary-acme");
}

#[test]
fn a_better_claim_that_is_added_in_place_is_noticed_while_a_wider_one_answers() {
    let (sandbox, file) = wide_and_narrow("https://s.example", "https://n.example");
    let url = "https://s.example/team/r.git";
    assert_eq!(password(&sandbox, url), "canary-wide");
    let more = target("https://s.example/team", "username = \"u\"");
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + &more).unwrap();
    assert_eq!(password(&sandbox, url), "canary-narrow");
    assert_eq!(password(&sandbox, "https://s.example/other"), "canary-wide");
}

#[test]
fn where_there_are_many_files_an_own_command_notices_a_better_claim() {
    let (sandbox, file) = wide_and_narrow("https://s.example", "https://n.example");
    for number in 0..40 {
        key_provider(&sandbox, &format!("more{number}"), "");
    }
    age_all(&sandbox);
    let url = "https://s.example/team/r.git";
    assert_eq!(password(&sandbox, url), "canary-wide");
    let more = target("https://s.example/team", "username = \"u\"");
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + &more).unwrap();
    assert_eq!(password(&sandbox, url), "canary-wide");
    sandbox.keyfob(&["list"]).run();
    assert_eq!(password(&sandbox, url), "canary-narrow");
}

#[test]
fn a_state_directory_that_cannot_be_made_costs_time_and_no_answer() {
    let (sandbox, index) = settled();
    let state = index.parent().unwrap();
    std::fs::remove_dir_all(state).unwrap();
    std::fs::write(state, "").unwrap();
    assert_eq!(password(&sandbox, URL), "canary-acme");
    assert_eq!(password(&sandbox, "https://unclaimed.example"), "");
}

#[test]
fn files_that_others_can_write_are_refused_on_every_road() {
    for loose in ["", "acme.toml"] {
        let (sandbox, _) = settled();
        let path = sandbox.keyfob_home().join("config/providers").join(loose);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        // The mode alone changes no time; a change of the content does.
        age_all(&sandbox);
        let acme = sandbox.keyfob_home().join("config/providers/acme.toml");
        let text = std::fs::read_to_string(&acme).unwrap();
        std::fs::write(&acme, text + "\n").unwrap();
        for args in [&["token", URL][..], &["token", "acme"], &["provider", "check", "acme"]] {
            let output = sandbox.keyfob(args).run();
            assert!(
                output.stdout.is_empty() && output.stderr.contains("can be written by other users"),
                "{output:?}"
            );
        }
    }
}

#[test]
fn a_pipe_in_the_place_of_a_provider_file_makes_nobody_wait() {
    let (sandbox, _) = settled();
    let path = sandbox.keyfob_home().join("config/providers/acme.toml");
    std::fs::remove_file(&path).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    assert_eq!(password(&sandbox, "https://other.example"), "canary-other");
    sandbox.keyfob(&["token", "acme"]).run().expect_code(64);
}
