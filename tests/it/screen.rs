//! A login on a real terminal: what is drawn for which screen, and that a signal in the middle leaves the terminal as it
//! was. Linux, where `script` makes one.
//!
//! What a person sees over a whole session is recorded by `tests/real/terminal.sh`.
#![cfg(target_os = "linux")]

use std::time::Duration;

use crate::issuer::{DeviceEnd, DeviceScript, Issuer, Script};
use crate::sandbox::{Run, Sandbox};

const PAGE: &str = "https://acme.example/activate";
const COMPLETE: &str = "https://acme.example/activate?code=WDJB-MJHT";

/// The beginning of a line that is written over, and what wipes it.
const WIPE: &str = "\r\u{1b}[K";

fn set(end: DeviceEnd) -> (Sandbox, Issuer) {
    let (mut sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    issuer.script(|script| {
        script.device = DeviceScript {
            user_code: Some("WDJB-MJHT".into()),
            verification_uri: Some(PAGE.into()),
            verification_uri_complete: Some(COMPLETE.into()),
            pendings: 1,
            end,
            ..DeviceScript::default()
        };
    });
    sandbox.provider(&issuer);
    sandbox.set("TERM", "xterm-256color");
    sandbox.set("LC_ALL", "C.UTF-8");
    (sandbox, issuer)
}

/// A shell on a terminal of its own, of this size.
fn terminal(sandbox: &Sandbox, columns: u16, rows: u16, command: &str) -> Run {
    let command = format!("stty cols {columns} rows {rows}; {command}");
    let run = sandbox.program("script", &["-qec", &command, "/dev/null"]);
    // `script` types Ctrl-D where its own input ends.
    run.stdin_held().deadline(Duration::from_secs(60))
}

/// What a login shows on a terminal of this size.
fn login(sandbox: &Sandbox, columns: u16, rows: u16, options: &str) -> String {
    let keyfob = sandbox.keyfob_path().display().to_string();
    let command = format!("{keyfob} login acme --no-browser {options}");
    let output = terminal(sandbox, columns, rows, &command).run().expect_success();
    let text = output.text().replace("\r\n", "\n");
    assert!(!text.contains("canary"), "{text}");
    text
}

/// Reads the QR code on a screen as a phone would; `drawn` says whether blocks are dark.
pub fn scan(text: &str, drawn: bool) -> Option<String> {
    let is_block = |c: char| matches!(c, '\u{2580}' | '\u{2584}' | '\u{2588}');
    let blocks = text
        .lines()
        .filter(|line| line.contains(is_block) || line.contains("107m"));
    let plain = blocks.map(|line| match line.split_once("\u{1b}[30;107m") {
        Some((_, rest)) => rest.split("\u{1b}[0m").next().unwrap_or_default().to_owned(),
        None => line.chars().filter(|c| is_block(*c) || *c == ' ').collect(),
    });
    let lines: Vec<Vec<char>> = plain.map(|line| line.chars().collect()).collect();
    let side = lines.iter().map(Vec::len).max()?;
    let is_dark = |x: usize, y: usize| {
        let c = lines[y / 2].get(x).copied().unwrap_or(' ');
        let half = if y.is_multiple_of(2) { '\u{2580}' } else { '\u{2584}' };
        (c == '\u{2588}' || c == half) == drawn
    };
    let mut image = rqrr::PreparedImage::prepare_from_bitmap(side * 4, lines.len() * 8, |x, y| is_dark(x / 4, y / 4));
    let grids = image.detect_grids();
    grids.first().and_then(|grid| grid.decode().ok()).map(|(_, text)| text)
}

#[test]
fn a_terminal_shows_page_code_qr_code_and_a_countdown_that_is_gone_afterwards() {
    let (sandbox, _issuer) = set(DeviceEnd::Approved);
    let text = login(&sandbox, 80, 24, "");
    assert_eq!(scan(&text, true).as_deref(), Some(COMPLETE), "{text}");
    assert!(text.contains(PAGE) && text.contains("WDJB-MJHT"), "{text}");
    assert!(
        text.contains("\u{2026} 9:5") || text.contains("\u{2026} 10:00 left"),
        "{text}"
    );
    let (_, after) = text.rsplit_once(WIPE).unwrap();
    assert!(after.starts_with("✓ Logged in to Acme as `ann`."), "{after:?}");
    let notice = text.split("Waiting").next().unwrap();
    assert!(
        notice.lines().count() < 24,
        "page and code have scrolled away: {notice}"
    );
}

#[test]
fn every_screen_gets_what_it_can_show() {
    let (mut sandbox, _issuer) = set(DeviceEnd::Approved);
    for (variables, columns, rows, options, qr, live) in [
        (&[][..], 80, 24, "--no-qr", false, true),
        (&[], 40, 24, "", false, true),
        (&[], 20, 10, "", false, true),
        (&[("LC_ALL", "C")], 80, 24, "", false, true),
        (&[("TERM", "dumb")], 80, 24, "", false, false),
        (&[("TERM", "")], 80, 24, "", false, false),
        (&[("NO_COLOR", "1")], 80, 24, "", true, true),
    ] {
        for (name, value) in [("TERM", "xterm"), ("LC_ALL", "C.UTF-8"), ("NO_COLOR", "")] {
            sandbox.set(name, value);
        }
        for (name, value) in variables {
            sandbox.set(name, *value);
        }
        let row = format!("{variables:?} {columns}x{rows} {options}");
        let text = login(&sandbox, columns, rows, options);
        assert!(text.contains(PAGE) && text.contains("WDJB-MJHT"), "{row}: {text}");
        let colour = !variables.contains(&("NO_COLOR", "1"));
        assert_eq!(scan(&text, colour).is_some(), qr, "{row}: {text}");
        assert_eq!(text.contains(WIPE), live, "{row}: {text}");
        if variables.contains(&("LC_ALL", "C")) {
            assert!(text.is_ascii(), "{row}: {text}");
        }
        if !live {
            let bad = text.chars().find(|c| c.is_control() && *c != '\n');
            assert_eq!(bad, None, "{row}: {text}");
        }
        if !colour {
            assert!(!text.contains("107m") && !text.contains("[1m"), "{row}: {text}");
        }
        let width = usize::from(columns);
        for line in text
            .split(WIPE)
            .flat_map(|part| part.split('\r'))
            .filter(|line| line.starts_with("Waiting"))
        {
            let shown = line.split(['\u{1b}', '\n']).next().unwrap();
            assert!(shown.chars().count() < width || !live, "{row}: {shown:?}");
        }
    }
}

#[test]
fn a_signal_in_the_middle_leaves_the_terminal_as_it_was_and_nothing_behind() {
    for (signal, command) in [
        ("INT", "login acme --no-browser"),
        ("TERM", "login acme --no-browser"),
        ("HUP", "login acme --no-browser"),
        ("INT", "set-token acme"),
        ("TERM", "set-token acme"),
    ] {
        let (sandbox, _issuer) = set(DeviceEnd::ByPerson);
        let keyfob = sandbox.keyfob_path().display().to_string();
        let script = format!(
            "stty -a > before; sh -c 'echo $$ > pid; exec {keyfob} {command}'; echo $? > code; stty -a > after"
        );
        let mut running = terminal(&sandbox, 80, 24, &script).spawn();
        let file = |name: &str| std::fs::read_to_string(sandbox.path().join(name)).unwrap_or_default();
        let waits = if command.starts_with("login") {
            "left"
        } else {
            "not shown"
        };
        while running.is_running() && !running.stdout_so_far().contains(waits) {
            std::thread::sleep(Duration::from_millis(10));
        }
        // The prompt is written a moment before the echo is switched off.
        std::thread::sleep(Duration::from_millis(200));
        sandbox
            .program("kill", &[&format!("-{signal}"), file("pid").trim()])
            .run()
            .expect_success();
        let output = running.wait();
        let number = match signal {
            "HUP" => 1,
            "INT" => 2,
            _ => 15,
        };
        assert_eq!(
            file("code").trim(),
            (128 + number).to_string(),
            "{signal} {command}: {}",
            output.text()
        );
        assert_eq!(file("after"), file("before"), "{signal} {command}");
        if command.starts_with("login") {
            // The shell may have a word for the signal.
            let (_, after) = output.text().rsplit_once(WIPE).unwrap();
            assert!(!after.contains("left"), "{signal} {command}: {after:?}");
        }
        assert!(sandbox.files_with("canary").is_empty(), "{signal} {command}");
        // Nothing is held that a later login would wait for.
        let mut again = sandbox.keyfob(&["login", "acme", "--no-browser"]).spawn();
        while again.is_running() && !again.stderr_so_far().contains("WDJB-MJHT") {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(!again.stderr_so_far().contains("another login"), "{signal} {command}");
        again.kill();
    }
}

#[test]
fn a_signal_that_is_ignored_from_the_start_stays_ignored() {
    let (sandbox, issuer) = set(DeviceEnd::ByPerson);
    let keyfob = sandbox.keyfob_path().display().to_string();
    let script = format!("trap '' HUP; sh -c 'echo $$ > pid; exec {keyfob} login acme --no-browser'; echo $? > code");
    let mut running = terminal(&sandbox, 80, 24, &script).spawn();
    while running.is_running() && !running.stdout_so_far().contains("left") {
        std::thread::sleep(Duration::from_millis(10));
    }
    let file = |name: &str| std::fs::read_to_string(sandbox.path().join(name)).unwrap_or_default();
    sandbox
        .program("kill", &["-HUP", file("pid").trim()])
        .run()
        .expect_success();
    assert!(issuer.approve("WDJB-MJHT"));
    running.wait();
    assert_eq!(file("code").trim(), "0");
}

#[test]
fn an_expired_code_is_replaced_when_the_person_asks_for_it() {
    let (sandbox, issuer) = set(DeviceEnd::ByPerson);
    issuer.script(|script| script.device.expires_in = serde_json::json!(2));
    let keyfob = sandbox.keyfob_path().display().to_string();
    // What the shell types: Enter, once the question is there.
    sandbox.write(
        "answer.sh",
        "while ! grep -q 'Press Enter' log; do sleep 0.1; done; sleep 0.3; echo\nsleep 20\n",
    );
    let command = format!("sh answer.sh | script -qefc 'stty cols 80 rows 24; {keyfob} login acme --no-browser' log");
    let mut running = sandbox
        .program("sh", &["-c", &command])
        .deadline(Duration::from_secs(60))
        .spawn();
    while running.is_running() && !running.stdout_so_far().contains("Press Enter") {
        std::thread::sleep(Duration::from_millis(10));
    }
    issuer.script(|script| {
        script.device.expires_in = serde_json::json!(600);
        script.device.user_code = Some("SECOND".into());
        script.device.end = DeviceEnd::Approved;
    });
    let output = running.wait();
    assert!(output.text().contains("SECOND"), "{}", output.text());
    assert!(
        output.text().contains("Logged in to Acme as `ann`"),
        "{}",
        output.text()
    );
    assert_eq!(issuer.seen(crate::issuer::Endpoint::Device).len(), 2);
}
