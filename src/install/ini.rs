//! Configurations of lines: sections, settings and comments. What is not changed keeps every byte.
//!
//! Each tool reads such a file by rules of its own, which a [`Dialect`] says. A line that these rules do not take is an
//! error with its place: the tool would not take it either, or take it for something else.

mod dialect;
mod values;

use crate::error::{Error, Result};

use dialect::Sections;
pub(super) use dialect::{ANSIBLE, Dialect, GIT, GO, NPM, PIP, PYTHON, Values};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// Nothing, a comment, or a name alone.
    Empty,
    Section(String),
    /// The name, and where the value begins.
    Setting(String, usize),
    /// More of the value of the setting above.
    More,
}

#[derive(Debug, Clone)]
struct Line {
    kind: Kind,
    /// With its line end, which the last one may lack.
    text: String,
}

/// One configuration.
#[derive(Debug, Clone)]
pub(super) struct Document {
    dialect: Dialect,
    lines: Vec<Line>,
}

impl Document {
    /// Reads it.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] with the number of the first line that is wrong.
    pub(super) fn parse(text: &str, dialect: Dialect) -> Result<Document> {
        let mut lines: Vec<Line> = Vec::new();
        let mut in_section = !dialect.continues;
        let (mut depth, mut goes_on) = (None, None);
        for (at, text) in text.split_inclusive('\n').enumerate() {
            let kind = match goes_on {
                Some(_) => Some(Kind::More),
                None => kind(text, dialect, depth),
            };
            let kind = kind.ok_or_else(|| Error::usage(format!("line {} is no setting", at + 1)))?;
            match &kind {
                Kind::Section(_) => (in_section, depth) = (true, None),
                Kind::Setting(..) if !in_section => {
                    return Err(Error::usage(format!("line {} stands in no section", at + 1)));
                }
                Kind::Setting(..) => depth = Some(indent(text).len()),
                Kind::Empty | Kind::More => (),
            }
            if matches!(kind, Kind::Setting(..) | Kind::More) {
                goes_on = dialect.goes_on(text, goes_on.unwrap_or(false));
            }
            lines.push(Line {
                kind,
                text: text.into(),
            });
        }
        Ok(Document { dialect, lines })
    }

    /// The lines of a section with this name, all of them if it stands several times; the empty name is what stands
    /// before the first.
    fn within(&self, section: &str) -> Vec<usize> {
        let mut current = "";
        let mut found = Vec::new();
        for (at, line) in self.lines.iter().enumerate() {
            if let Kind::Section(name) = &line.kind {
                current = name;
            }
            if current == section {
                found.push(at);
            }
        }
        found
    }

    /// The sections in which a setting of this name stands, each once.
    pub(super) fn sections_with(&self, name: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for line in &self.lines {
            if let Kind::Section(section) = &line.kind
                && !found.contains(section)
                && self.place(section, name).is_some()
            {
                found.push(section.clone());
            }
        }
        found
    }

    /// Whether there is such a section.
    pub(super) fn has_section(&self, section: &str) -> bool {
        let is_it = |line: &Line| matches!(&line.kind, Kind::Section(name) if name == section);
        self.lines.iter().any(is_it)
    }

    /// The place of the last setting of this name in a section, which is the one that counts.
    fn place(&self, section: &str, name: &str) -> Option<usize> {
        let is_it = |at: &usize| matches!(&self.lines[*at].kind, Kind::Setting(found, _) if self.dialect.name(found) == self.dialect.name(name));
        self.within(section).into_iter().rev().find(is_it)
    }

    /// The value of a setting, of several lines as one.
    pub(super) fn get(&self, section: &str, name: &str) -> Option<String> {
        let at = self.place(section, name)?;
        let Kind::Setting(_, begin) = self.lines[at].kind else {
            return None;
        };
        let own = |text| self.dialect.split_comment(text).0.trim();
        let mut value = own(&self.lines[at].text)[begin - indent(&self.lines[at].text).len()..].to_owned();
        for more in self.more(at) {
            value = format!("{value}\n{}", own(&self.lines[more].text));
        }
        Some(value.trim().into())
    }

    /// Sets it: in its place, or behind the last setting of its section, or in a new section at the end.
    pub(super) fn set(&mut self, section: &str, name: &str, value: &str) {
        if let Some(at) = self.place(section, name) {
            self.replace(at, value);
            return;
        }
        let within = self.within(section);
        let last = within.iter().rev().find(|at| self.lines[**at].kind != Kind::Empty);
        let margin = last.map_or("", |at| self.margin(*at));
        let line = Line {
            kind: Kind::Setting(name.into(), margin.len() + name.len() + self.dialect.between.len()),
            text: format!("{margin}{name}{}{value}\n", self.dialect.between),
        };
        match (last, section.is_empty()) {
            (Some(&at), _) => self.insert(at + 1, line),
            // Before the first section, behind a comment that opens the file.
            (None, true) => {
                let at = within.last().map_or(0, |at| at + 1);
                self.insert(at, line);
            }
            (None, false) => {
                if self.lines.last().is_some_and(|line| !line.text.trim().is_empty()) {
                    self.insert(self.lines.len(), empty("\n"));
                }
                let head = Line {
                    kind: Kind::Section(section.into()),
                    text: format!("[{section}]\n"),
                };
                self.insert(self.lines.len(), head);
                self.insert(self.lines.len(), line);
            }
        }
    }

    /// Takes a setting out, as often as it stands in the section.
    pub(super) fn remove(&mut self, section: &str, name: &str) {
        while let Some(at) = self.place(section, name) {
            self.drop_more(at);
            self.lines.remove(at);
        }
    }

    fn replace(&mut self, at: usize, value: &str) {
        self.drop_more(at);
        let Kind::Setting(_, begin) = self.lines[at].kind else {
            return;
        };
        let text = &mut self.lines[at].text;
        // With the spaces before it; without a comment it is what ends the line.
        let (own, _) = self.dialect.split_comment(text);
        let tail = text[own.trim_end().len().max(begin)..].to_owned();
        let space = own.get(begin..).map_or(0, |own| indent(own).len());
        text.truncate(begin + space);
        text.truncate(text.trim_end_matches(['\r', '\n']).len());
        let tail = if tail.trim().is_empty() {
            if tail.ends_with('\n') { "\n" } else { "" }
        } else {
            &tail
        };
        *text += &format!("{value}{tail}");
    }

    /// The lines of a value behind its first. Empty ones and comments among them do not end it.
    fn more(&self, at: usize) -> Vec<usize> {
        let after = self.lines.iter().enumerate().skip(at + 1);
        let of_it = after.take_while(|(_, line)| matches!(line.kind, Kind::Empty | Kind::More));
        of_it
            .filter(|(_, line)| line.kind == Kind::More)
            .map(|(at, _)| at)
            .collect()
    }

    /// Comments among its lines stay.
    fn drop_more(&mut self, at: usize) {
        for more in self.more(at).into_iter().rev() {
            self.lines.remove(more);
        }
    }

    /// The space before a new setting behind this line: not deeper than a setting before it, which it would go on with,
    /// and not less deep than what comes after it, which would go on with it.
    fn margin(&self, at: usize) -> &str {
        let own = |line: &Line| matches!(line.kind, Kind::Setting(..) | Kind::Section(_));
        if !self.dialect.continues {
            return "";
        }
        let above = self.lines[..=at].iter().rev().find(|line| own(line));
        let next = self.lines[at + 1..].iter().find(|line| own(line));
        match above {
            Some(line) if matches!(line.kind, Kind::Setting(..)) => indent(&line.text),
            _ => next.map_or("", |line| indent(&line.text)),
        }
    }

    /// Inserts a line; the one before it gets the line end that it lacked.
    fn insert(&mut self, at: usize, line: Line) {
        if let Some(before) = at.checked_sub(1).and_then(|at| self.lines.get_mut(at))
            && !before.text.ends_with('\n')
        {
            before.text.push('\n');
        }
        self.lines.insert(at, line);
    }

    /// The whole text.
    pub(super) fn print(&self) -> String {
        self.lines.iter().map(|line| line.text.as_str()).collect()
    }
}

fn empty(text: &str) -> Line {
    Line {
        kind: Kind::Empty,
        text: text.into(),
    }
}

/// The space that a line begins with.
fn indent(text: &str) -> &str {
    &text[..text.len() - text.trim_start().len()]
}

/// What a line is, `depth` being how deep the name of the value before it stands; none: nothing that the tool takes.
fn kind(text: &str, dialect: Dialect, depth: Option<usize>) -> Option<Kind> {
    let line = dialect.split_comment(text).0.trim_end();
    let begin = line.trim_start();
    if begin.is_empty() || begin.starts_with(['#', ';']) {
        return Some(Kind::Empty);
    }
    let margin = line.len() - begin.len();
    if dialect.continues && depth.is_some_and(|depth| margin > depth) {
        return Some(Kind::More);
    }
    if dialect.sections != Sections::None && begin.starts_with('[') {
        let end = begin.rfind(']')?;
        return Some(Kind::Section(dialect.section(&begin[1..end])));
    }
    match begin.find(dialect.delimiters) {
        Some(at) if at > 0 => Some(Kind::Setting(begin[..at].trim().into(), margin + at + 1)),
        Some(_) => None,
        // It has no value that could be read or changed.
        None if dialect.alone => Some(Kind::Empty),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(text: &str, dialect: Dialect, section: &str, name: &str, value: &str) -> String {
        let mut document = Document::parse(text, dialect).unwrap();
        document.set(section, name, value);
        let after = document.print();
        let read = Document::parse(&after, dialect).unwrap();
        assert_eq!(read.get(section, name).as_deref(), Some(value), "{after}");
        after
    }

    #[test]
    fn a_setting_goes_where_its_section_is() {
        for (text, expected) in [
            ("", "[s]\nk = v\n"),
            ("[a]\nx=1", "[a]\nx=1\n\n[s]\nk = v\n"),
            ("[s]\n# c\n\n[b]\ny: 2\n", "[s]\nk = v\n# c\n\n[b]\ny: 2\n"),
            (
                "[s]\nx = 1\n  more\n\n# c\n[b]\n",
                "[s]\nx = 1\n  more\nk = v\n\n# c\n[b]\n",
            ),
            ("[s]\nk: old\n\tolder\nz = 1\n", "[s]\nk: v\nz = 1\n"),
            ("[s]\nK =old", "[s]\nK =v"),
            ("; c\n", "; c\n\n[s]\nk = v\n"),
            ("  [s]\n  k = old\n  z = 1\n", "  [s]\n  k = v\n  z = 1\n"),
            (
                "[s]\n\tx = 1\n\t\tmore\n [b]\n",
                "[s]\n\tx = 1\n\t\tmore\n\tk = v\n [b]\n",
            ),
            (" [s]\n\n  [b]\n y = 1\n", " [s]\n  k = v\n\n  [b]\n y = 1\n"),
            ("[s]\nk = a\n  # c\n\n  b\nz = 1\n", "[s]\nk = v\n  # c\n\nz = 1\n"),
        ] {
            assert_eq!(set(text, PYTHON, "s", "k", "v"), expected, "{text:?}");
        }
    }

    #[test]
    fn a_file_without_sections_has_settings_at_its_end() {
        assert_eq!(set("A=1\n# c\n", GO, "", "GOAUTH", "x;y"), "A=1\nGOAUTH=x;y\n# c\n");
        assert_eq!(set("# c", GO, "", "GOAUTH", "x"), "# c\nGOAUTH=x\n");
        assert_eq!(set("GOAUTH\n", GO, "", "GOAUTH", "x"), "GOAUTH\nGOAUTH=x\n");
        let name = "//npm.example/:tokenHelper";
        let text = "; c\n//npm.example/:_authToken=canary\nalone\n";
        let expected = text.replace("alone", &format!("{name}=/p\nalone"));
        assert_eq!(set(text, NPM, "", name, "/p"), expected);
    }

    #[test]
    fn a_comment_behind_a_value_is_no_part_of_it_where_the_tool_says_so() {
        let text = "[s]\nk = a, ; one\n  # two\n\n  b;c ; three\n; four\nz = 1\n";
        let document = Document::parse(text, ANSIBLE).unwrap();
        assert_eq!(document.get("s", "k").as_deref(), Some("a,\nb;c"));
        let expected = "[s]\nk = v ; one\n  # two\n\n; four\nz = 1\n";
        assert_eq!(set(text, ANSIBLE, "s", "k", "v"), expected);
        assert_eq!(set("[s]\nk = ; c", ANSIBLE, "s", "k", "v"), "[s]\nk = v ; c");
        let document = Document::parse("[s]\nk = a ; b\n", PYTHON).unwrap();
        assert_eq!(document.get("s", "k").as_deref(), Some("a ; b"));
        assert!(
            Document::parse("[s]\nk ; = v\n", ANSIBLE).is_err(),
            "the name stands alone"
        );
    }

    #[test]
    fn names_are_the_same_by_the_rules_of_the_tool() {
        let found = |dialect, name: &str| {
            let text = format!("[s]\n{name} = 1\n");
            Document::parse(&text, dialect).unwrap().get("s", "a-b").is_some()
        };
        for (dialect, folded, upper) in [(PIP, true, true), (PYTHON, false, true), (NPM, false, false)] {
            let seen = (found(dialect, "a_b"), found(dialect, "A-b"), found(dialect, "a-b"));
            assert_eq!(seen, (folded, upper, true), "{dialect:?}");
        }
        let text = "//npm.example/My_Feed/:tokenHelper=/a\n";
        let document = Document::parse(text, NPM).unwrap();
        assert_eq!(document.get("", "//npm.example/my-feed/:tokenHelper"), None);
    }

    #[test]
    fn a_section_is_found_as_its_tool_reads_it() {
        for (text, dialect, section) in [
            ("[profile \"acme\"]\nx = 1\n", PYTHON, "profile acme"),
            ("[profile\t'acme' ]\nx = 1\n", PYTHON, "profile acme"),
            ("[ s ]\nx=1\n", NPM, "s"),
        ] {
            let after = set(text, dialect, section, "k", "v");
            assert!(after.starts_with(text) && after.matches('[').count() == 1, "{after}");
        }
        // These two take the spaces for part of the name.
        for dialect in [PIP, ANSIBLE] {
            assert_eq!(
                set("[ s ]\nx = 1\n", dialect, "s", "k", "v"),
                "[ s ]\nx = 1\n\n[s]\nk = v\n"
            );
        }
    }

    #[test]
    fn a_setting_is_taken_out_with_all_its_lines() {
        let mut document = Document::parse("[s]\nk = 1\n 2\n\nk=3\nx = 4\n", PYTHON).unwrap();
        assert_eq!(document.get("s", "k").as_deref(), Some("3"));
        document.remove("s", "k");
        assert_eq!(document.print(), "[s]\n\nx = 4\n");
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number() {
        for (text, dialect, place) in [
            ("[s]\nk = v\ncanary\n", PYTHON, "line 3"),
            ("k = v\n", PYTHON, "line 1"),
            ("[s\n", PYTHON, "line 1"),
            ("a=1\n=2\n", NPM, "line 2"),
        ] {
            let error = Document::parse(text, dialect).unwrap_err().to_string();
            assert!(error.contains(place) && !error.contains("canary"), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_printed_as_it_was(text in "([ \t]?[\\[\\]a-c=:#;\n ]{0,6}\n?){0,12}") {
            for dialect in [PYTHON, ANSIBLE, PIP, NPM, GO] {
                if let Ok(document) = Document::parse(&text, dialect) {
                    prop_assert_eq!(document.print(), text.clone());
                }
            }
        }

        #[test]
        fn a_new_setting_changes_no_other(
            text in "( {0,2}\\[[a-c]\\]\n| {0,2}[a-d] = [x-z]{1,3}\n|# c\n|\n| more\n){0,14}"
        ) {
            if let Ok(mut document) = Document::parse(&text, PYTHON) {
                let before = document.clone();
                document.set("b", "k", "v");
                let after = Document::parse(&document.print(), PYTHON).unwrap();
                prop_assert_eq!(after.get("b", "k"), Some("v".to_owned()));
                for section in ["a", "b", "c"] {
                    for name in ["a", "b", "c", "d"] {
                        prop_assert_eq!(before.get(section, name), after.get(section, name));
                    }
                }
                document.remove("b", "k");
                let names = document.print();
                prop_assert!(names.starts_with(text.trim_end()));
            }
        }
    }
}
