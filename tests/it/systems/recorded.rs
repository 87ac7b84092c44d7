//! Sessions of a person at a shell, run as they are written and recorded on `docs/transcripts.md`.
//!
//! A session is one shell from its first line to its last. With `KEYFOB_BLESS=1` what was seen is written; review it like
//! code.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use super::program::Program;
use super::row::{SYSTEMS, root, stable};

const HEAD: &str = "\
# The five programs at a shell

What a person or a script types, and what is shown, standard error included.
Each is a link to keyfob with its file of [examples/providers](../examples/providers); the services are doubles, and the tests in `tests/it/systems` run every line as it stands here.
";

/// A session: its program, its place among those of the program, its title, and the lines.
pub struct Session<'a> {
    pub place: usize,
    pub title: &'static str,
    /// The lines, as they are typed and shown.
    pub lines: &'a [&'a str],
    /// What stands for what, besides the program's own words: in the lines the second is shown and the first is run.
    pub hidden: &'a [(&'a str, &'a str)],
}

impl Session<'_> {
    /// Runs the lines, and compares what was seen with the page.
    ///
    /// # Panics
    /// When it is something else, or shows a secret of the test.
    pub fn held(&self, program: &Program) {
        let mut script = String::new();
        for line in self.lines {
            script += &format!("printf '%s\\n' '$ {}'\n{line}\n", line.replace('\'', "'\\''"));
        }
        let run = program.sandbox.program("sh", &["-c", &format!("exec 2>&1\n{script}")]);
        let run = run.env("SHELL", "/bin/bash").deadline(Duration::from_secs(120));
        let output = run.run();
        self.compare(program, output.text());
    }

    /// Compares what was seen in another way.
    ///
    /// # Panics
    /// As [`Session::held`].
    pub fn compare(&self, program: &Program, seen: &str) {
        let own = self
            .hidden
            .iter()
            .map(|(real, word)| ((*real).to_owned(), (*word).to_owned()));
        let words: Vec<_> = own.chain(program.words.clone()).collect();
        let seen = stable(&seen.replace('\r', ""), &words);
        assert!(!seen.contains("canary"), "a secret is shown: {seen}");
        let block = format!("### {}\n\n```console\n{}\n```\n", self.title, seen.trim_end());
        let system = SYSTEMS.iter().position(|(name, ..)| *name == program.name);
        let place = (system.expect("it is one of the five"), self.place);
        static PAGE: Mutex<()> = Mutex::new(());
        let _one = PAGE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut all = blocks();
        if std::env::var_os("KEYFOB_BLESS").is_some() {
            all.insert(place, block);
            std::fs::write(path(), written(&all)).unwrap();
        } else {
            let there = all.get(&place).map_or("", String::as_str);
            assert_eq!(there, block, "docs/transcripts.md has another {}", self.title);
        }
    }
}

fn path() -> PathBuf {
    root().join("docs/transcripts.md")
}

/// The sessions of the page, by program and place.
fn blocks() -> BTreeMap<(usize, usize), String> {
    let page = std::fs::read_to_string(path()).unwrap_or_default();
    let mut found = BTreeMap::new();
    for (system, (name, ..)) in SYSTEMS.iter().enumerate() {
        let section = page.split_once(&format!("\n## {name}\n")).map_or("", |(_, rest)| rest);
        let section = section.split("\n## ").next().unwrap_or_default();
        for (place, block) in section.split("\n### ").skip(1).enumerate() {
            found.insert((system, place + 1), format!("### {}\n", block.trim_end()));
        }
    }
    found
}

fn written(all: &BTreeMap<(usize, usize), String>) -> String {
    let mut page = HEAD.to_owned();
    for (system, (name, ..)) in SYSTEMS.iter().enumerate() {
        page += &format!("\n## {name}\n");
        for block in all.iter().filter(|((of, _), _)| *of == system).map(|(_, block)| block) {
            page += &format!("\n{block}");
        }
    }
    page
}

/// The page is what it is written as, so that nothing else is on it.
#[test]
fn the_page_of_transcripts_holds_recorded_sessions_alone() {
    let page = std::fs::read_to_string(path()).unwrap();
    assert!(
        page == written(&blocks()),
        "docs/transcripts.md is not as it is generated"
    );
}
