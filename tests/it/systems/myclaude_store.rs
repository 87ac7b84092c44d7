//! myclaude, rows 4.12 to 4.16, 4.23, 4.24, 4.28 and 4.31: the keychain, what takes its place, and what is kept nowhere.

use std::os::unix::net::UnixListener;
use std::thread::JoinHandle;
use std::time::Duration;

use super::family::claims;
use super::found::holding;
use super::keychain::{self, Keychain};
use super::myclaude::{HANDLE, Myclaude, browser, logged_in, login, set, set_with, sign_in};
use super::program::{Call, Program};
use super::row::{Row, root, said};

/// What `secret-tool` shows of the item that the provider file names.
const LOOKUP: &str = "secret-tool lookup service vault-marketplace username ann-codes";

/// The part of these rows that a machine without a keychain cannot show.
const PART: &str = "a session as an item of a keychain";

/// Turns on what a comment of the file offers: the ID token is kept nowhere.
pub const MEMORY: (&str, &str) = ("# persist = \"refresh\"", "persist = \"refresh\"");

/// A line for a shell beside a keychain, with one login of a person; none where the machine lacks a part of it.
fn beside_keychain(program: &mut Program, line: &str) -> Option<(Call, JoinHandle<Vec<String>>)> {
    let shows = program.sandbox.program("sh", &["-c", "command -v secret-tool"]).run();
    let call = keychain::call(program, Keychain::Open, line).filter(|_| shows.code() == 0)?;
    let visits = browser(program, 1);
    let run = call.run.env("BROWSER", program.sandbox.path().join("bin/browser"));
    Some((Call { run, ..call }, visits))
}

#[test]
fn row_4_12_the_refresh_token_is_in_the_keychain_until_a_logout() {
    let mut row = Row::new(
        "4.12",
        "The refresh token is an item of the platform's keychain until a logout, and in no file.",
    );
    let (mut program, myclaude) = set();
    let line = format!(
        "myclaude login && {LOOKUP} > seen; grep -rl '[c]anary-refresh' . | sort > files; \
         myclaude logout; {LOOKUP} > after"
    );
    let Some((call, visits)) = beside_keychain(&mut program, &line) else {
        return row.skipped(PART);
    };
    let output = row.run(call);
    visits.join().unwrap();
    row.says(&output, "Kept in the store `keychain`");
    let read = |name: &str| std::fs::read_to_string(program.sandbox.path().join(name)).unwrap();
    assert_eq!(read("seen"), myclaude.families()[0].refresh[0]);
    assert_eq!(read("after"), "");
    let files = read("files");
    let beside: Vec<&str> = files
        .lines()
        .filter(|file| !file.contains("keyrings/") && *file != "./seen")
        .collect();
    assert!(beside.is_empty(), "{beside:?}");
    std::fs::remove_file(program.sandbox.path().join("seen")).unwrap();
    let left = holding(&program, "canary-refresh");
    assert!(left.is_empty(), "{left:?}");
    row.saw("the item is the refresh token, and after the logout there is none; no file has it");
    row.held();
}

#[test]
fn row_4_13_an_id_token_can_be_kept_nowhere() {
    let mut row = Row::new(
        "4.13",
        "Our rule: an ID token is kept until it ends, unless the file says `persist = \"refresh\"`: then it is written nowhere, \
         and gone with the command.",
    );
    let (program, myclaude) = set_with(&[MEMORY]);
    let output = login(&mut row, program.call(&["login", "--no-browser"]));
    row.exit(&output, 0);
    let output = row.run(program.call(&["print-access-token"]));
    row.exit(&output, 0);
    let token = output.text().trim_end();
    assert_eq!(myclaude.subject(token).as_deref(), Some(HANDLE));
    for token in &myclaude.families()[0].access {
        assert!(holding(&program, token).is_empty());
    }
    row.saw(format!("{} files have an ID token", holding(&program, "eyJ").len()));
    let (program, _myclaude) = logged_in();
    let kept = holding(&program, "eyJ").len();
    assert_eq!(kept, 1);
    row.saw(format!("without the line {kept} has"));
    row.held();
}

#[test]
fn row_4_15_the_names_in_the_keychain_are_the_files() {
    let mut row = Row::new(
        "4.15",
        "The service's name in the keychain is the one of the file, unlike the program's own; it does not change.",
    );
    let (mut program, _myclaude) = set();
    let line = "myclaude login; secret-tool search --all service vault-marketplace | grep -v secret";
    let Some((call, visits)) = beside_keychain(&mut program, line) else {
        return row.skipped(PART);
    };
    let output = row.run(call);
    visits.join().unwrap();
    // The other item of the session is `ann-codes (keyfob)`, and which one is listed first is the keychain's choice.
    row.says(&output, "ann-codes@vault-marketplace");
    let file = std::fs::read_to_string(root().join("examples/providers/myclaude.toml")).unwrap();
    assert!(file.contains("service = \"vault-marketplace\""));
    row.saw("the file has it as `place.service`");
    row.held();
}

#[test]
fn row_4_16_without_a_keychain_a_private_file_takes_its_place_with_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut row = Row::new(
        "4.16",
        "Where there is no keychain the session goes to a file that its owner alone can read, with one warning in each run \
         that puts it there; a status names the file, and a tool's call has no word too much.",
    );
    let (mut program, _myclaude) = set();
    // As in a container: no bus is there.
    let bus = program.sandbox.path().join("no-bus");
    program
        .sandbox
        .set("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", bus.display()));
    program.sandbox.unset("KEYFOB_KEYCHAIN");
    for _ in 0..2 {
        let output = login(&mut row, program.call(&["login", "--no-browser"]));
        row.exit(&output, 0);
        let warnings = output.stderr.matches("warning: the keychain").count();
        assert_eq!(warnings, 1, "{}", output.stderr);
        row.says(&output, "warning: the keychain is unavailable");
    }
    let place = program.sandbox.path().join(".myclaude/credentials");
    let mode = std::fs::metadata(&place).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode, holding(&program, "canary-refresh")), (0o600, vec![place]));
    row.saw(format!("~/.myclaude/credentials has mode {mode:04o}"));
    let output = row.run(program.call(&["status"]));
    row.exit(&output, 0);
    row.says(&output, "/.myclaude/credentials");
    let output = row.run(program.call(&["print-access-token"]));
    row.exit(&output, 0);
    assert_eq!(output.stderr, "");
    row.saw("and nothing on standard error");
    row.held();
}

#[test]
#[cfg(target_os = "linux")]
fn row_4_23_with_the_variable_the_keychain_is_not_touched() {
    let mut row = Row::new(
        "4.23",
        "While the variable is set nobody asks the keychain, so that no job waits for a prompt.",
    );
    let (mut program, _myclaude) = set();
    let bus = program.sandbox.path().join("bus");
    let listener = UnixListener::bind(&bus).unwrap();
    listener.set_nonblocking(true).unwrap();
    let visits = || std::iter::from_fn(|| listener.accept().ok()).count();
    program
        .sandbox
        .set("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", bus.display()));
    program.sandbox.unset("KEYFOB_KEYCHAIN");
    for args in [&["print-access-token"][..], &["status"]] {
        let output = row.run(program.call(args).env("MYCLAUDE_TOKEN", "canary-of-a-step"));
        row.exit(&output, 0);
        assert_eq!(visits(), 0, "{args:?}");
    }
    row.saw("the bus of the keychain had no visitor");
    // It is one that would be asked.
    let mut running = program.call(&["login", "--no-browser"]).run.spawn();
    sign_in(&mut running, 1);
    running.wait();
    assert!(visits() > 0);
    row.held();
}

#[test]
fn row_4_24_a_job_gives_the_token_to_one_step() {
    let mut row = Row::new(
        "4.24",
        "In a workflow the token comes from the platform's secrets into the environment of one step, and goes with it.",
    );
    let (program, _myclaude) = set();
    let line = "(export MYCLAUDE_TOKEN=\"$SECRET\"; myclaude print-access-token | wc -c); myclaude whoami; echo $?";
    let call = program.shell(line).env("SECRET", "canary-of-a-step").env("CI", "true");
    let output = row.run(call);
    assert_eq!(output.text().split_whitespace().collect::<Vec<_>>(), ["17", "2"]);
    row.saw("the step has the token, and the next one none");
    let page = std::fs::read_to_string(root().join("examples/providers/myclaude.toml")).unwrap();
    assert!(page.contains("${{ secrets.MYCLAUDE_TOKEN }}"), "the file shows how");
    row.says(&output, "set MYCLAUDE_TOKEN");
    row.held();
}

#[test]
fn row_4_28_the_keychain_is_the_platforms() {
    let mut row = Row::new(
        "4.28",
        "The keychain is that of the platform: whatever answers as Secret Service, which is GNOME Keyring here; macOS \
         Keychain and Windows Credential Manager by the same crate, not run here.",
    );
    let (mut program, _myclaude) = set();
    let line = "myclaude login && myclaude status && myclaude whoami";
    let Some((call, visits)) = beside_keychain(&mut program, line) else {
        return row.skipped(PART);
    };
    let output = row.run(call);
    row.exit(&output, 0);
    visits.join().unwrap();
    row.says(&output, "store      keychain");
    row.held();
}

/// A session whose refresh token the service refuses from now on, and whose ID token has ended.
fn refused() -> (Program, Myclaude) {
    let (program, myclaude) = set();
    myclaude.life_secs(1);
    let mut running = program.call(&["login", "--no-browser"]).run.spawn();
    sign_in(&mut running, 1);
    running.wait().expect_success();
    myclaude.ends_all();
    std::thread::sleep(Duration::from_millis(1100));
    (program, myclaude)
}

#[test]
fn row_4_31_four_troubles_have_four_messages() {
    let mut row = Row::new(
        "4.31",
        "No session, one that has ended, a keychain that is locked or denies access, and none at all are messages of their \
         own; a keychain that does not give what it has is exit code 4, and none at all is a warning.",
    );
    let (program, _myclaude) = set();
    let output = row.run(program.call(&["print-access-token"]));
    row.exit(&output, 2);
    row.says(&output, "there is no session");
    let (program, _myclaude) = refused();
    let output = row.run(program.call(&["print-access-token"]));
    row.exit(&output, 2);
    row.says(&output, "has ended");
    let (mut program, myclaude) = set();
    let output = login(&mut row, program.call(&["login", "--no-browser"]));
    row.exit(&output, 0);
    row.says(&output, "warning: the keychain");
    program.done(&["logout"]);
    let Some((call, visits)) = beside_keychain(&mut program, "myclaude login") else {
        return row.skipped(PART);
    };
    call.run.run().expect_success();
    visits.join().unwrap();
    for (keychain, says) in [
        (Keychain::Locked, "the keychain is locked"),
        (Keychain::Denied, "the keychain denies access"),
    ] {
        let call = keychain::call(&program, keychain, "myclaude print-access-token");
        let output = row.run(call.expect("it was there for the login"));
        row.exit(&output, 4);
        row.says(&output, says);
        assert!(output.stdout.is_empty());
    }
    // Neither is a reason for a file, and a login there ends before anybody is asked to sign in.
    let (before, requests) = (holding(&program, "canary-refresh"), myclaude.all());
    for keychain in [Keychain::Locked, Keychain::Denied] {
        let call = keychain::call(&program, keychain, "myclaude login --no-browser");
        let output = row.run(call.expect("it was there for the login"));
        row.exit(&output, 4);
        assert!(!said(&output).contains("/cli/auth?"), "{}", said(&output));
    }
    assert_eq!(
        (holding(&program, "canary-refresh"), myclaude.all()),
        (before, requests)
    );
    row.saw("a login there begins nothing, and no file is written");
    row.held();
}

#[test]
fn a_token_of_an_hour_is_one() {
    let (program, _myclaude) = logged_in();
    let token = program.done(&["print-access-token"]).text().trim_end().to_owned();
    let claims = claims(&token).expect("it is a JWT");
    assert_eq!(claims["sub"], HANDLE);
    assert!(!said(&program.done(&["status"])).contains(&token));
}
