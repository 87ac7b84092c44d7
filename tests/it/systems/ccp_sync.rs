//! ccp, rows 0.23 to 0.33: the session lent to a virtual machine, which here is another home.

use std::os::unix::fs::PermissionsExt;

use super::ccp::{Ccp, EMAIL, logged_in};
use super::client;
use super::program::{Call, Program};
use super::recorded::Session;
use super::row::{Row, root, said};
use crate::sandbox::Output;

/// A person's machine with the whole program, which reaches a virtual machine, and that machine with its own link.
struct Two {
    here: Program,
    there: Program,
    ccp: Ccp,
}

fn two() -> Two {
    let (here, ccp) = logged_in();
    let there = Program::new("ccp", &[(super::ccp::API, &ccp.url())]);
    let home = there.sandbox.path().display();
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = auth ]; then exec \"$HOME/bin/auth/ccp\" \"$@\"; fi\n\
         if [ \"$1 $2 $3 $4\" != 'vm exec vm-7 --' ]; then echo \"there is no such machine\" >&2; exit 44; fi\n\
         shift 4\ncd '{home}' || exit 1\n\
         exec env -i HOME='{home}' KEYFOB_HOME='{home}/keyfob' KEYFOB_KEYCHAIN=off LC_ALL=C PATH='{home}/bin:'\"$PATH\" \"$@\"\n"
    );
    let bin = here.sandbox.path().join("bin");
    std::fs::create_dir(bin.join("auth")).unwrap();
    std::fs::rename(bin.join("ccp"), bin.join("auth/ccp")).unwrap();
    std::fs::write(bin.join("ccp"), script).unwrap();
    std::fs::set_permissions(bin.join("ccp"), std::fs::Permissions::from_mode(0o755)).unwrap();
    Two { here, there, ccp }
}

/// The same after `ccp auth sync --vm vm-7`.
fn synced() -> Two {
    let two = two();
    two.here.done(&["auth", "sync", "--vm", "vm-7"]);
    two
}

impl Two {
    /// A call in the virtual machine, written down as such.
    fn there(&self, args: &[&str]) -> Call {
        let mut call = self.there.call(args);
        call.shown = format!("vm-7: {}", call.shown);
        call
    }

    /// What the virtual machine's home has of this text, in any file.
    fn files_there(&self, text: &str) -> usize {
        let found = self.there.sandbox.program("grep", &["-rlF", "--", text, "."]).run();
        found.text().lines().count()
    }

    fn token(&self) -> String {
        self.ccp.families()[0].access.last().unwrap().clone()
    }
}

#[test]
fn row_0_23_the_copy_in_a_virtual_machine_acts_as_the_person() {
    let mut row = Row::new("0.23", "After the sync the program in the machine acts as the person.");
    let two = two();
    let before = two.there(&["auth", "whoami"]).run.run();
    assert_eq!(before.code(), 2, "{}", said(&before));
    let output = row.run(two.here.call(&["auth", "sync", "--vm", "vm-7"]));
    row.exit(&output, 0);
    let output = row.run(two.there(&["auth", "whoami"]));
    row.exit(&output, 0);
    row.says(&output, EMAIL);
    row.held();
}

#[test]
fn row_0_24_an_agent_there_has_all_the_persons_rights() {
    let mut row = Row::new(
        "0.24",
        "What runs there can do what the person can: the identity is the person's own and not narrowed, which is said.",
    );
    let two = two();
    let output = row.run(two.here.call(&["auth", "sync", "--vm", "vm-7"]));
    row.says(&output, "with all your rights");
    let request = format!("capability[]=authtype\nurl={}/v1/deployments\n\n", two.ccp.url());
    let deploys = two.there.sandbox.keyfob(&["get"]).stdin(request).run().expect_success();
    let token = deploys
        .text()
        .lines()
        .find_map(|line| line.strip_prefix("credential="))
        .unwrap_or_default();
    row.ran("vm-7: keyfob get < request");
    row.saw(format!("a token of {}", two.ccp.subject(token).unwrap()));
    let url = format!("{}/v1/deployments", two.ccp.url());
    let (status, _) = client::request("POST", &url, token, &serde_json::Value::Null);
    assert_eq!(status, 200);
    row.saw(format!("a deployment with it is answered with {status}"));
    row.held();
}

#[test]
fn row_0_25_the_access_token_is_synced_and_no_refresh_token() {
    let mut row = Row::new(
        "0.25",
        "It is the access token of this moment; no refresh token leaves the machine.",
    );
    let two = two();
    let output = row.run(two.here.call(&["auth", "sync", "--vm", "vm-7"]));
    row.exit(&output, 0);
    let refresh = two.ccp.families()[0].refresh[0].clone();
    let (access, refresh) = (two.files_there(&two.token()), two.files_there(&refresh));
    assert_eq!((access, refresh), (1, 0));
    row.saw(format!(
        "there {access} file has the access token, and {refresh} the refresh token"
    ));
    row.held();
}

#[test]
fn row_0_26_there_it_is_a_variable_that_nobody_sees() {
    let mut row = Row::new(
        "0.26",
        "There it is the variable CCP_SESSION_TOKEN, in a file that its user alone reads.",
    );
    let two = two();
    let output = row.run(two.here.call(&["auth", "sync", "--vm", "vm-7"]));
    row.exit(&output, 0);
    let file = two.there.sandbox.path().join(".config/ccp/session");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(&format!("CCP_SESSION_TOKEN='{}'", two.token())));
    row.saw(format!(
        "CCP_SESSION_TOKEN in ~/.config/ccp/session there, mode {mode:o}"
    ));
    assert_eq!(mode, 0o600);
    row.held();
}

#[test]
fn row_0_27_the_program_there_needs_no_setup() {
    let mut row = Row::new(
        "0.27",
        "The program there uses it at once: no login, no variable to set, no file to write.",
    );
    let two = synced();
    let output = row.run(two.there(&["auth", "print-access-token"]));
    row.exit(&output, 0);
    assert_eq!(output.text().trim_end(), two.token());
    assert_eq!(output.stderr, "");
    row.saw(output.text().trim_end());
    row.held();
}

#[test]
fn row_0_28_no_listing_there_shows_it() {
    let mut row = Row::new(
        "0.28",
        "No listing shows it, neither that of keyfob there nor the environment; the program's own status says that it is \
         synced.",
    );
    let two = synced();
    for listing in ["list", "status"] {
        let keyfob = two.there.sandbox.keyfob(&[listing]).run();
        assert!(
            !said(&keyfob).contains(EMAIL) && !said(&keyfob).contains("synced"),
            "{}",
            said(&keyfob)
        );
    }
    row.ran("vm-7: keyfob list");
    row.ran("vm-7: keyfob status");
    let output = row.run(two.here.call(&["vm", "exec", "vm-7", "--", "env"]));
    assert!(!output.text().contains("CCP_"), "{}", output.text());
    row.saw("neither of the lists names a session, and the environment there has no variable of ccp");
    let output = row.run(two.there(&["auth", "status"]));
    row.exit(&output, 0);
    row.says(&output, "synced");
    row.held();
}

#[test]
fn row_0_29_the_remaining_life_is_said() {
    let mut row = Row::new(
        "0.29",
        "The sync says how long the session lives there; the service gives an hour.",
    );
    let two = two();
    let output = row.run(two.here.call(&["auth", "sync", "--vm", "vm-7"]));
    row.exit(&output, 0);
    row.says(&output, "The session is valid for ");
    let output = row.run(two.here.call(&["auth", "sync", "--vm", "vm-7", "--json"]));
    let answer: serde_json::Value = serde_json::from_str(output.text()).unwrap();
    let left = answer["expires_in_secs"].as_i64().unwrap();
    assert!((3300..=3600).contains(&left), "{left}");
    row.saw("an hour, or what is left of it, in JSON too");
    row.held();
}

#[test]
fn row_0_30_it_is_not_renewed_there() {
    let mut row = Row::new(
        "0.30",
        "When it has ended there, nothing there renews it, since that would end the session of the person.",
    );
    let two = synced();
    ends(&two);
    let before = two.ccp.count("/v1/auth/token");
    let output = row.run(two.there(&["auth", "print-access-token"]));
    row.exit(&output, 2);
    row.says(&output, "ended");
    assert_eq!(two.ccp.count("/v1/auth/token"), before);
    assert_eq!(two.ccp.families()[0].ended, None);
    row.saw("no request for tokens; the person's session lives");
    row.held();
}

/// The synced session has ended.
fn ends(two: &Two) {
    let file = two.there.sandbox.path().join(".config/ccp/session");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = text
        .split_once("_EXPIRES=")
        .unwrap_or_else(|| text.split_once("EXPIRES").unwrap());
    let end = rest.trim_start_matches(|c: char| !c.is_ascii_digit());
    let after = end.trim_start_matches(|c: char| c.is_ascii_digit());
    std::fs::write(&file, format!("{before}_EXPIRES=1000000000{after}")).unwrap();
}

#[test]
fn row_0_31_another_sync_brings_it_back() {
    let mut row = Row::new("0.31", "When it has ended, the person syncs again.");
    let two = synced();
    ends(&two);
    assert_eq!(two.there(&["auth", "whoami"]).run.run().code(), 2);
    let output = row.run(two.here.call(&["auth", "sync", "--vm", "vm-7"]));
    row.exit(&output, 0);
    let output = row.run(two.there(&["auth", "whoami"]));
    row.exit(&output, 0);
    row.says(&output, EMAIL);
    row.held();
}

#[test]
fn row_0_32_a_narrower_lease_is_announced_and_not_pretended() {
    let mut row = Row::new(
        "0.32",
        "A narrower session that lives longer is no part of this yet; the page on headless use says so, and what to do.",
    );
    let page = std::fs::read_to_string(root().join("docs/headless.md")).unwrap();
    let line = page.lines().find(|line| line.contains("narrower")).unwrap();
    let two = two();
    let output = row.run(two.here.call(&["auth", "sync", "--help"]));
    row.exit(&output, 0);
    assert!(!output.text().contains("--scope"), "{}", output.text());
    row.saw(format!("docs/headless.md: “{line}”"));
    row.held();
}

#[test]
fn row_0_33_a_desync_takes_it_back_and_may_be_said_twice() {
    let mut row = Row::new(
        "0.33",
        "`desync` removes it there, and succeeds where it is gone already.",
    );
    let two = synced();
    for _ in 0..2 {
        let output: Output = row.run(two.here.call(&["auth", "desync", "--vm", "vm-7"]));
        row.exit(&output, 0);
        row.says(&output, "vm-7");
    }
    let left = two.files_there("canary");
    assert_eq!(left, 0);
    let output = row.run(two.there(&["auth", "whoami"]));
    row.exit(&output, 2);
    row.held();
}

#[test]
fn a_person_lends_the_session_to_a_virtual_machine() {
    let two = two();
    let words = [(two.there.sandbox.path().display().to_string(), "~".to_owned())];
    let hidden: Vec<(&str, &str)> = words
        .iter()
        .map(|(real, word)| (real.as_str(), word.as_str()))
        .collect();
    let session = Session {
        place: 2,
        title: "The session lent to a virtual machine, and taken back",
        lines: &[
            "ccp auth sync --vm vm-7",
            "ccp vm exec vm-7 -- ccp auth whoami",
            "ccp auth desync --vm vm-7",
            "ccp vm exec vm-7 -- ccp auth whoami || echo \"exit $?\"",
        ],
        hidden: &hidden,
    };
    session.held(&two.here);
}
