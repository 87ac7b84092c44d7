//! git's protocol where a table says more than a transcript.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::transcript::Home;

const VICTIM: &str = "protocol=https\nhost=victim.example\nusername=u\npassword=canary-v\n";

fn with_victim() -> Home {
    let home = Home::new();
    home.store(VICTIM);
    home
}

fn get(home: &Home, input: &[u8]) -> (i32, String) {
    let output = home.run("keyfob", &["git", "get"], input);
    (output.status, String::from_utf8(output.stdout).unwrap())
}

fn hit() -> (i32, String) {
    (0, "username=u\npassword=canary-v\n".into())
}

#[test]
fn only_case_and_default_port_are_the_same_host() {
    let home = with_victim();
    for host in ["victim.example", "VICTIM.example", "victim.example:443"] {
        assert_eq!(
            get(&home, format!("protocol=https\nhost={host}\n").as_bytes()),
            hit(),
            "{host}"
        );
    }
    let others = "victim.example:0443 victim.example:8443 victim.example:80 victim.example. victim.example.. .victim.example \
        xn--victim.example xn--victim-.example victim.example.xn-- victim。example victim.example%2fevil evil-victim.example \
        evilvictim.example victim.example.evil victim.exampl victim.example-x.example a.victim.example victim victim.example: \
        victim.example:443:443 [::1] [::ffff:1.2.3.4] u@victim.example victim.example/x victim.example? *.example * victim.example#";
    for host in others.split_whitespace() {
        let (_, stdout) = get(&home, format!("protocol=https\nhost={host}\n").as_bytes());
        assert_eq!(stdout, "", "{host}");
    }
    for scheme in ["http", "ssh", "HTTPS ", "https:", "cert", "*"] {
        let (_, stdout) = get(&home, format!("protocol={scheme}\nhost=victim.example\n").as_bytes());
        assert_eq!(stdout, "", "{scheme}");
    }
}

#[test]
fn an_ipv6_address_is_one_host_in_all_its_spellings() {
    let home = Home::new();
    home.store("protocol=https\nhost=[2001:DB8::1]:8443\nusername=u\npassword=canary-v\n");
    for host in ["[2001:db8::1]:8443", "[2001:db8:0:0:0:0:0:1]:8443"] {
        assert_eq!(
            get(&home, format!("protocol=https\nhost={host}\n").as_bytes()),
            hit(),
            "{host}"
        );
    }
    for host in [
        "[2001:db8::1]",
        "2001:db8::1",
        "[2001:db8::1%25eth0]:8443",
        "[2001:db8::2]:8443",
    ] {
        assert_eq!(
            get(&home, format!("protocol=https\nhost={host}\n").as_bytes()).1,
            "",
            "{host}"
        );
    }
}

#[test]
fn space_of_any_kind_is_part_of_a_value() {
    let home = with_victim();
    for space in "\u{b} \u{c} \u{1c} \u{1f} \u{85} \u{a0} \u{2028} \u{2029} \u{3000} \u{feff} \t"
        .split(' ')
        .chain([" "])
    {
        for input in [
            format!("protocol=https\nhost={space}victim.example\n"),
            format!("protocol=https\nhost=victim.example{space}\n"),
            format!("protocol={space}https\nhost=victim.example\n"),
            format!("protocol=https{space}\nhost=victim.example\n"),
            format!("protocol=https\nhost=victim.example\nusername={space}u\n"),
            format!("protocol=https\nhost=victim.example\nusername=u{space}\n"),
        ] {
            assert_eq!(get(&home, input.as_bytes()).1, "", "{input:?}");
        }
    }
}

#[test]
fn a_carriage_return_refuses_wherever_it_stands() {
    let home = with_victim();
    let input = "protocol=https\nhost=victim.example\nusername=u\n";
    for place in 0..=input.len() {
        let mut broken = input.as_bytes().to_vec();
        broken.insert(place, b'\r');
        let (status, stdout) = get(&home, &broken);
        assert_eq!((status, stdout.as_str()), (1, ""), "at {place}");
    }
}

#[test]
fn the_end_of_a_long_line_is_not_a_line() {
    let home = with_victim();
    for around in [1_000..1_050, 4_070..4_100, 8_180..8_200, 65_500..65_560] {
        for length in around.step_by(5) {
            let long = "a".repeat(length);
            let input =
                format!("protocol=https\nhost=other.example\nwwwauth[]=basic realm={long}host=victim.example\n");
            assert_eq!(get(&home, input.as_bytes()).1, "", "{length}");
        }
    }
}

#[test]
fn too_much_input_is_refused_soon() {
    let home = with_victim();
    let head = "protocol=https\nhost=victim.example\n".as_bytes();
    let lines = b"x=0123456789abcdef\n".repeat(10 << 20 >> 4);
    let line = [b"x=".to_vec(), vec![b'a'; 10 << 20], b"\n".to_vec()].concat();
    for tail in [lines, line] {
        let start = Instant::now();
        assert_eq!(get(&home, &[head, &tail].concat()), (1, String::new()));
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn long_values_come_back_as_they_were_or_are_refused() {
    for length in [1, 255, 1_000, 4_096, 10_000, 65_000, 70_000] {
        let home = Home::new();
        let (name, secret) = ("n".repeat(length), format!("canary{}", "s".repeat(length)));
        let input = format!("protocol=https\nhost=a.example\nusername={name}\npassword={secret}\n");
        let stored = home.run("keyfob", &["git", "store"], input.as_bytes()).status;
        let (_, stdout) = get(&home, b"protocol=https\nhost=a.example\n");
        match stored {
            0 => assert_eq!(stdout, format!("username={name}\npassword={secret}\n"), "{length}"),
            _ => assert!(length > 60_000 && stdout.is_empty(), "{length}"),
        }
    }
}

#[test]
fn no_token_variable_is_for_a_host_that_it_was_not_made_for() {
    let home = Home::new();
    let mut command = home.command("keyfob", &["git", "get"]);
    for name in [
        "GITHUB_TOKEN",
        "GH_TOKEN",
        "GITLAB_TOKEN",
        "CARGO_REGISTRY_TOKEN",
        "NPM_TOKEN",
    ] {
        command.env(name, "canary-e");
    }
    command.env("CODESPACES", "true");
    let output = crate::transcript::finish(&mut command, b"protocol=https\nhost=evil.example\n");
    assert_eq!((output.status, output.stdout), (0, vec![]));
}

#[test]
#[cfg(target_os = "linux")]
fn an_answer_that_does_not_arrive_is_a_failure() {
    let home = with_victim();
    for args in [&["git", "get"][..], &["get"], &["token", "https://victim.example"]] {
        let mut command = home.command("keyfob", args);
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(full)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child
            .stdin
            .take()
            .unwrap()
            .write_all(b"protocol=https\nhost=victim.example\n");
        let output = child.wait_with_output().unwrap();
        assert!(output.status.code().is_some_and(|code| code != 0), "{args:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            said, "keyfob: error: writing to standard output: no storage space\n",
            "{args:?}"
        );
    }
}

#[test]
fn a_closed_pipe_is_a_failure_without_a_panic() {
    let home = with_victim();
    let mut command = home.command("keyfob", &["git", "get"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"protocol=https\nhost=victim.example\n")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
#[cfg(unix)]
fn an_unknown_operation_does_not_read_its_input() {
    let home = Home::new();
    let mut command = home.command("keyfob", &["git", "approve"]);
    // A pipe whose other end stays open: whoever reads it waits for ever.
    let (reader, writer) = std::io::pipe().unwrap();
    let status = command
        .stdin(reader)
        .stdout(File::open("/dev/null").unwrap())
        .status()
        .unwrap();
    drop(writer);
    assert!(status.success());
}
