//! Runs what is written down: the samples of `protocol.md` and the files of `tests/transcripts`.
//!
//! A transcript is lines, those before the first section being remarks. A section begins with `-- NAME` and goes on to
//! the next one:
//!
//! - `-- store`: run `keyfob store` with this input first.
//! - `-- provider NAME`: this is the provider file `NAME.toml`.
//! - `-- key PROFILE`: run `keyfob set-token PROFILE --no-check` with this input first.
//! - `-- as NAME`: call the program by this name.
//! - `-- args WORDS…`: begins a run. All runs of a transcript share one home.
//! - `-- env`, `-- stdin`: one variable a line; the input.
//! - `-- stdout`, `-- stderr`, `-- status N`: what is expected. Absent: nothing, and 0.
//!
//! In a text `\r`, `\0`, `\e`, `\xNN` and `\\` stand for one byte each, and a backslash at the end of a line for no line
//! end. With `KEYFOB_BLESS=1` the expectations of the files and the page are rewritten; review them like code.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A home of its own for one test, removed when dropped.
pub(crate) struct Home(PathBuf);

/// What a run left.
#[derive(Debug, PartialEq)]
pub(crate) struct Output {
    pub(crate) status: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Home {
    pub(crate) fn new() -> Home {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "transcript-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Home(path)
    }

    /// The program in a cleared environment, by a name of its choice.
    pub(crate) fn command(&self, name: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyfob"));
        #[cfg(unix)]
        std::os::unix::process::CommandExt::arg0(&mut command, name);
        command
            .args(args)
            .env_clear()
            .env("KEYFOB_HOME", &self.0)
            .env("HOME", &self.0);
        command.env("KEYFOB_KEYCHAIN", "off").current_dir(&self.0);
        command
    }

    pub(crate) fn run(&self, name: &str, args: &[&str], stdin: &[u8]) -> Output {
        finish(&mut self.command(name, args), stdin)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Puts a provider file in place.
    pub(crate) fn provide(&self, name: &str, text: &str) {
        let directory = self.0.join("config/providers");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(format!("{name}.toml")), text).unwrap();
    }

    /// Keeps a credential, as a tool would.
    pub(crate) fn store(&self, lines: &str) {
        let output = self.run("keyfob", &["store"], lines.as_bytes());
        assert_eq!(output.status, 0, "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a command to its end. Whatever it did, no secret may be on its stderr.
pub(crate) fn finish(command: &mut Command, stdin: &[u8]) -> Output {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let input = stdin.to_vec();
    // A program that refuses early does not read the rest.
    let writer = std::thread::spawn(move || pipe.write_all(&input).is_ok());
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
    child.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
    let status = child.wait().unwrap().code().unwrap_or(-1);
    writer.join().unwrap();
    let text = String::from_utf8_lossy(&stderr);
    assert!(!text.contains("canary"), "a secret is on stderr: {text}");
    Output { status, stdout, stderr }
}

/// One section: the words after its name, and its text as it stands.
struct Section<'a> {
    name: &'a str,
    words: &'a str,
    text: String,
}

fn sections(transcript: &str) -> (String, Vec<Section<'_>>) {
    let (mut remarks, mut sections) = (String::new(), Vec::<Section>::new());
    for line in transcript.split_inclusive('\n') {
        if let Some(head) = line.strip_prefix("-- ") {
            let (name, words) = head.trim_end().split_once(' ').unwrap_or((head.trim_end(), ""));
            sections.push(Section {
                name,
                words,
                text: String::new(),
            });
        } else {
            sections
                .last_mut()
                .map_or(&mut remarks, |section| &mut section.text)
                .push_str(line);
        }
    }
    (remarks, sections)
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(b) = rest.next() {
        let escaped = if b == b'\\' { rest.next() } else { None };
        match escaped {
            None => bytes.push(b),
            Some(b'\n') => (),
            Some(b'r') => bytes.push(b'\r'),
            Some(b'0') => bytes.push(0),
            Some(b'e') => bytes.push(0x1b),
            Some(b'\\') => bytes.push(b'\\'),
            Some(b'x') => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            }
            Some(other) => panic!("`\\{}` is no escape", char::from(other)),
        }
    }
    bytes
}

fn escape(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(bytes)
        .replace('\\', "\\\\")
        .replace('\r', "\\r")
        .replace('\0', "\\0");
    if !text.is_empty() && !text.ends_with('\n') {
        text += "\\\n";
    }
    text
}

/// The sections that are no part of a run.
const BEGINNINGS: [&str; 5] = ["args", "as", "key", "provider", "store"];

/// Runs a transcript; returns it with what was observed as what is expected.
fn play(transcript: &str) -> String {
    let home = Home::new();
    let (mut seen, all) = sections(transcript);
    let mut name = "keyfob";
    let mut rest = all.iter().peekable();
    while let Some(section) = rest.next() {
        seen += format!("-- {} {}", section.name, section.words).trim_end();
        seen += "\n";
        match section.name {
            "as" => name = section.words,
            "store" => {
                home.store(&String::from_utf8(unescape(&section.text)).unwrap());
                seen += &section.text;
            }
            "provider" => {
                home.provide(section.words, &section.text);
                seen += &section.text;
            }
            "key" => {
                let output = home.run(
                    "keyfob",
                    &["set-token", section.words, "--no-check"],
                    &unescape(&section.text),
                );
                assert_eq!(output.status, 0, "{}", String::from_utf8_lossy(&output.stderr));
                seen += &section.text;
            }
            "args" => {
                let mut command = home.command(name, &section.words.split_whitespace().collect::<Vec<_>>());
                let mut stdin = Vec::new();
                while let Some(part) = rest.next_if(|part| !BEGINNINGS.contains(&part.name)) {
                    match part.name {
                        "env" => {
                            command.envs(part.text.lines().filter_map(|line| line.split_once('=')));
                        }
                        "stdin" => stdin = unescape(&part.text),
                        "stdout" | "stderr" | "status" => continue,
                        other => panic!("`{other}` is no section"),
                    }
                    seen += &format!("-- {}\n{}", part.name, part.text);
                }
                let output = finish(&mut command, &stdin);
                for (part, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
                    if !bytes.is_empty() {
                        seen += &format!("-- {part}\n{}", escape(bytes));
                    }
                }
                if output.status != 0 {
                    seen += &format!("-- status {}\n", output.status);
                }
            }
            other => panic!("`{other}` is no section"),
        }
    }
    seen
}

#[test]
fn every_transcript_is_what_happens() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let bless = blesses();
    let mut failures = Vec::new();
    let mut count = 0;
    for folder in fs::read_dir(&root).unwrap() {
        for file in fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let expected = fs::read_to_string(&path).unwrap();
            let seen = play(&expected);
            count += 1;
            if seen != expected && bless {
                fs::write(&path, &seen).unwrap();
            } else if seen != expected {
                failures.push(format!(
                    "{}:\n--- expected\n{expected}\n--- seen\n{seen}",
                    path.display()
                ));
            }
        }
    }
    assert!(failures.is_empty() && count > 0, "{}", failures.join("\n\n"));
}

#[test]
fn every_sample_of_the_page_is_what_happens() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol.md");
    let page = fs::read_to_string(&path).unwrap();
    let mut seen = String::new();
    let mut rest = page.as_str();
    let mut count = 0;
    while let Some((before, block)) = rest.split_once("```transcript\n") {
        let (sample, after) = block.split_once("```\n").expect("a fenced block ends");
        seen += &format!("{before}```transcript\n{}```\n", play(sample));
        rest = after;
        count += 1;
    }
    seen += rest;
    if blesses() {
        fs::write(&path, &seen).unwrap();
    } else {
        assert!(seen == page, "the samples of protocol.md are:\n{seen}");
    }
    assert!(count > 10);
}

#[expect(clippy::disallowed_methods, reason = "a test is not in keyfob's world")]
fn blesses() -> bool {
    std::env::var_os("KEYFOB_BLESS").is_some()
}

#[test]
fn the_exit_table_of_the_page_is_the_programs() {
    let page = include_str!("../../protocol.md");
    for (_, code, meaning) in keyfob::report::EXITS {
        assert!(page.contains(&format!("| {code} | {meaning} |\n")), "{code}");
    }
    assert_eq!(
        page.lines().filter(|line| is_exit_row(line)).count(),
        keyfob::report::EXITS.len() + 1
    );
}

#[test]
fn a_record_is_where_the_page_says_and_has_the_sum_that_it_says() {
    let home = Home::new();
    home.store("protocol=https\nhost=git.example\nusername=a b\npath=team\npassword=canary\n");
    let digest = |text: &str| keyfob::digest::hex(&[text.as_bytes()]);
    let group = digest("origin https://git.example");
    let (first, rest) = group.split_at(2);
    let slot = digest("origin https://git.example a%20b team");
    let path = home.path().join("data/records").join(first).join(rest).join(slot);
    let text = fs::read_to_string(path).unwrap();
    let (header, body) = text.split_once('\n').unwrap();
    let (signed, sum) = header.split_once(",\"sum\":\"").unwrap();
    assert_eq!(sum, format!("{}\"}}", digest(&format!("{signed}\n{body}"))));
    assert!(body.starts_with("{\"key\":\"origin https://git.example a%20b team\",\"tool\":\"keyfob\","));
}

fn is_exit_row(line: &str) -> bool {
    let cell = line.strip_prefix("| ").and_then(|row| row.split_once(" |"));
    cell.is_some_and(|(code, _)| code.parse::<u8>().is_ok())
}

#[test]
fn every_protocol_has_a_hit_a_miss_and_a_malformed_input() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    for row in keyfob::protocol::TABLE {
        for case in ["hit", "miss", "malformed"] {
            let path = root.join(row.name).join(format!("{case}.txt"));
            assert!(path.exists(), "{} is missing", path.display());
        }
    }
}

#[test]
fn every_directory_of_transcripts_is_a_protocols() {
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts")).unwrap() {
        let name = entry.unwrap().file_name();
        let row = keyfob::protocol::TABLE.iter().find(|row| name == *row.name);
        assert!(row.is_some(), "{name:?} is no protocol");
    }
}
