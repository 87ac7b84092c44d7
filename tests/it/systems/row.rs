//! The frame of the rows: each test hands in what it ran and what came back, and that must stand on the page.
//!
//! `docs/systems.md` is checked in. Every test compares its own row of it, so that they run beside each other in any order;
//! with `KEYFOB_BLESS=1` it writes the row instead. It knows no service.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::program::Call;
use crate::run::Running;
use crate::sandbox::Output;

/// The programs in the order of the page, each with the number of its rows and what is remarkable in it.
pub const SYSTEMS: [(&str, usize, &str); 5] = [
    (
        "ccp",
        34,
        "a code from the mail, tokens for scripts, a session lent to a virtual machine",
    ),
    (
        "cmdop",
        36,
        "OAuth in a browser, two modes, workspaces, API keys, a second factor",
    ),
    (
        "bcdock",
        31,
        "an API key for a code from the mail, set-token, a variable that wins",
    ),
    ("clonit", 26, "one URL, and the device grant"),
    (
        "myclaude",
        34,
        "a page that the program asks about, and the keychain of the platform",
    ),
];

const HEAD: &str = "\
# Five programs on one

Five command-line programs that have nothing in common but the need to sign people in, and what each of them does for that, row by row.
Each is a link to keyfob and one file of [examples/providers](../examples/providers), and no code of its own.
A row is a test of the real program against a double of its service (`tests/it/systems`), and says what that test ran and saw; `KEYFOB_BLESS=1 cargo test systems` writes this page.
Hosts, homes and times stand for those of the test.
";

/// One row, from the beginning of its test to [`Row::held`].
pub struct Row {
    number: &'static str,
    behaviour: &'static str,
    /// Each with how often it was run before anything else was.
    ran: Vec<(String, usize)>,
    saw: Vec<String>,
    /// What stands for what, in everything that is written down.
    words: Vec<(String, String)>,
    handed_in: bool,
}

impl Row {
    /// A row by its number, such as `0.10`, with what must be true in our words.
    pub fn new(number: &'static str, behaviour: &'static str) -> Row {
        Row {
            number,
            behaviour,
            ran: Vec::new(),
            saw: Vec::new(),
            words: Vec::new(),
            handed_in: false,
        }
    }

    /// Runs it to its end, and writes down the command line.
    pub fn run(&mut self, call: Call) -> Output {
        self.words.clone_from(&call.words);
        self.ran(&call.shown);
        call.run.run()
    }

    /// Starts it, for a test that does something meanwhile, and writes down the command line.
    pub fn start(&mut self, call: Call) -> Running {
        self.words.clone_from(&call.words);
        self.ran(&call.shown);
        call.run.spawn()
    }

    /// Writes down a command that the test ran by itself.
    pub fn ran(&mut self, shown: &str) {
        let shown = stable(shown, &self.words);
        match self.ran.last_mut() {
            Some((last, times)) if *last == shown => *times += 1,
            _ => self.ran.push((shown, 1)),
        }
    }

    /// Writes down what the test saw, made of what was really there.
    pub fn saw(&mut self, what: impl AsRef<str>) {
        self.saw.push(stable(what.as_ref(), &self.words));
    }

    /// The run ended with this code.
    ///
    /// # Panics
    /// When it did not.
    pub fn exit(&mut self, output: &Output, code: i32) {
        assert_eq!(output.code(), code, "`{}` says: {}", output.name, said(output));
        self.saw(format!("exit {code}"));
    }

    /// A line of what it wrote has this text, which is written down.
    ///
    /// # Panics
    /// When none has.
    pub fn says(&mut self, output: &Output, part: &str) {
        let text = said(output);
        let line = text.lines().find(|line| line.contains(part));
        let line = line.unwrap_or_else(|| panic!("`{}` does not say `{part}`: {text}", output.name));
        self.saw(format!("“{}”", line.trim()));
    }

    /// This machine cannot show it; said, and a failure where all parts are required.
    pub fn skipped(mut self, what: &str) {
        self.handed_in = true;
        crate::part::skipped(what, "a program for it is not installed");
    }

    /// Compares the row with the page's.
    ///
    /// # Panics
    /// When it is another one, or shows a secret of the test.
    pub fn held(mut self) {
        self.handed_in = true;
        let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
        let ran = self.ran.iter().map(|(command, times)| match times {
            1 => format!("`{}`", cell(command)),
            _ => format!("`{}`, {times} times", cell(command)),
        });
        let ran: Vec<String> = ran.collect();
        let line = format!(
            "| {} | {} | {} | {} | held |",
            self.number,
            cell(self.behaviour),
            ran.join("<br>"),
            cell(&self.saw.join("; ")),
        );
        assert!(!line.contains("canary"), "a secret is on the page: {line}");
        assert!(!ran.is_empty() && !self.saw.is_empty(), "{} shows nothing", self.number);
        // One at a time reads and writes the page.
        static PAGE: Mutex<()> = Mutex::new(());
        let _one = PAGE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut page = rows();
        if std::env::var_os("KEYFOB_BLESS").is_some() {
            page.insert(place(self.number), line);
            std::fs::write(path(), written(&page)).unwrap();
        } else {
            let there = page.get(&place(self.number)).map_or("", String::as_str);
            assert_eq!(there, line, "docs/systems.md has another row {}", self.number);
        }
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        let forgotten = !self.handed_in && !std::thread::panicking();
        assert!(!forgotten, "row {} is not handed in", self.number);
    }
}

/// What a run wrote, both streams, as a person on a terminal sees it.
pub fn said(output: &Output) -> String {
    format!("{}{}", output.text(), output.stderr).replace('\r', "")
}

/// The place of a row: document and number.
fn place(number: &str) -> (usize, usize) {
    let (system, row) = number.split_once('.').expect("a number has two parts");
    (system.parse().unwrap(), row.parse().unwrap())
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn path() -> PathBuf {
    root().join("docs/systems.md")
}

/// The rows that the page has, by their places.
pub fn rows() -> BTreeMap<(usize, usize), String> {
    let page = std::fs::read_to_string(path()).unwrap_or_default();
    let row = |line: &str| {
        let (number, _) = line.strip_prefix("| ")?.split_once(" |")?;
        number
            .starts_with(|c: char| c.is_ascii_digit())
            .then(|| (place(number), line.to_owned()))
    };
    page.lines().filter_map(row).collect()
}

/// The page with these rows.
pub fn written(rows: &BTreeMap<(usize, usize), String>) -> String {
    let mut page = HEAD.to_owned();
    for (system, (name, _, what)) in SYSTEMS.iter().enumerate() {
        let _ = write!(page, "\n## {name}: {what}\n\n");
        page += "| row | what holds | what was run | what came back | |\n|---|---|---|---|---|\n";
        for (_, line) in rows.iter().filter(|((of, _), _)| *of == system) {
            page += line;
            page.push('\n');
        }
    }
    page
}

/// A text with words for what is another one at each run: hosts, the home, times and lives.
pub fn stable(text: &str, words: &[(String, String)]) -> String {
    let mut text = text.to_owned();
    for (real, word) in words {
        text = text.replace(real, word);
    }
    for (what, word) in [
        (&is_time as &dyn Fn(&str) -> usize, "TIME"),
        (&is_life, "LIFE"),
        (&is_jwt, "JWT"),
        (&is_loopback, "127.0.0.1:PORT"),
        (&is_query, "?…"),
    ] {
        text = replaced(&text, what, word);
    }
    text
}

/// The text with a word for everything of which a measure says how long it is.
fn replaced(text: &str, measure: &dyn Fn(&str) -> usize, word: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let within = before.is_ascii_alphanumeric() && c.is_ascii_alphanumeric();
        let length = if within { 0 } else { measure(rest) };
        if length > 0 {
            out += word;
            rest = &rest[length..];
            before = '-';
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            before = c;
        }
    }
    out
}

/// RFC 3339 in UTC, as keyfob writes it.
fn is_time(text: &str) -> usize {
    let shape = "0000-00-00T00:00:00Z";
    let fits = |(a, b): (u8, u8)| if b == b'0' { a.is_ascii_digit() } else { a == b };
    let there = text.len() >= shape.len() && text.bytes().zip(shape.bytes()).all(fits);
    if there { shape.len() } else { 0 }
}

/// A number with a unit of time, such as `59 min`, `1 h 3 min` or `12 s`.
fn is_life(text: &str) -> usize {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return 0;
    }
    let units = [
        "minutes", "minute", "min", "m", "hours", "hour", "h", "seconds", "second", "s", "days", "day", "d",
    ];
    let rest = &text[digits..];
    let gap = rest.len() - rest.trim_start_matches(' ').len();
    let unit = units.iter().find(|unit| {
        let after = rest[gap..].strip_prefix(**unit);
        after.is_some_and(|after| !after.starts_with(|c: char| c.is_ascii_alphanumeric()))
    });
    let Some(unit) = unit else { return 0 };
    let length = digits + gap + unit.len();
    let more = text[length..].strip_prefix(' ').map_or(0, is_life);
    if more > 0 { length + 1 + more } else { length }
}

/// Three parts of base64url, of which the first begins with a brace and a quotation mark.
fn is_jwt(text: &str) -> usize {
    let good = |b: &u8| b.is_ascii_alphanumeric() || b"-_.".contains(b);
    let length = text.bytes().take_while(good).count();
    if text.starts_with("eyJ") && text[..length].matches('.').count() == 2 {
        length
    } else {
        0
    }
}

fn is_loopback(text: &str) -> usize {
    let host = "127.0.0.1:";
    let port = text
        .strip_prefix(host)
        .map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    if port > 0 { host.len() + port } else { 0 }
}

/// The query of a page that is opened for one login.
fn is_query(text: &str) -> usize {
    let good = |b: &u8| b.is_ascii_alphanumeric() || b"%=&._~-+".contains(b);
    let length = text.bytes().skip(1).take_while(good).count();
    if text.starts_with('?') && text.contains("state=") && length > 40 {
        length + 1
    } else {
        0
    }
}
