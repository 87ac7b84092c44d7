//! What a document says as a whole, and single ones of several values of a name.

use super::{Document, Kind, Line, indent};

impl Document {
    /// Each setting in its section, as their tool spells both; a name that stands several times does so here.
    pub(in crate::install) fn settings(&self) -> Vec<(String, String)> {
        let mut section = "";
        let mut found = Vec::new();
        for line in &self.lines {
            match &line.kind {
                Kind::Section(name) => section = name,
                Kind::Setting(name, _) => found.push((section.to_owned(), self.dialect.name(name))),
                Kind::Empty | Kind::More => (),
            }
        }
        found
    }

    /// All values of a name in a section, those of several lines with all of them.
    pub(in crate::install) fn get_all(&self, section: &str, name: &str) -> Vec<String> {
        let value = |at: usize| {
            let begin = match self.lines[at].kind {
                Kind::Setting(_, begin) => begin,
                _ => 0,
            };
            let more = self.more(at).into_iter().map(|more| self.lines[more].text.trim());
            more.fold(self.lines[at].text[begin..].trim().to_owned(), |value, more| {
                value + "\n" + more
            })
        };
        self.places(section, name).into_iter().map(value).collect()
    }

    fn places(&self, section: &str, name: &str) -> Vec<usize> {
        let name = self.dialect.name(name);
        let is_it =
            |at: &usize| matches!(&self.lines[*at].kind, Kind::Setting(found, _) if self.dialect.name(found) == name);
        self.within(section).into_iter().filter(is_it).collect()
    }

    /// Takes one of the values out.
    pub(in crate::install) fn remove_value(&mut self, section: &str, name: &str, at: usize) {
        if let Some(&place) = self.places(section, name).get(at) {
            self.drop_more(place);
            self.lines.remove(place);
        }
    }

    /// Puts one in before the one that stands at this place, else behind the last.
    pub(in crate::install) fn insert_value(&mut self, section: &str, name: &str, at: usize, value: &str) {
        let places = self.places(section, name);
        let Some(&beside) = places.get(at).or(places.last()) else {
            return self.set(section, name, value);
        };
        let before = format!("{}{name}{}", indent(&self.lines[beside].text), self.dialect.between);
        let line = Line {
            kind: Kind::Setting(name.into(), before.len()),
            text: format!("{before}{value}\n"),
        };
        let behind = self.more(beside).last().map_or(beside + 1, |last| last + 1);
        self.insert(if at < places.len() { beside } else { behind }, line);
    }

    /// Takes a section out in which nothing is left, not even a comment.
    pub(in crate::install) fn drop_section(&mut self, section: &str) {
        let within = self.within(section);
        let is_bare = |at: &usize| match &self.lines[*at].kind {
            Kind::Section(_) => self.lines[*at].text.trim_end().ends_with(']'),
            _ => self.lines[*at].text.trim().is_empty(),
        };
        if section.is_empty() || within.is_empty() || !within.iter().all(is_bare) {
            return;
        }
        for at in within.into_iter().rev() {
            self.lines.remove(at);
        }
        // The empty line before the last section was there for its sake.
        let is_last = self.lines.last().is_some_and(|line| line.text == "\n");
        if is_last && self.lines.len() > 1 {
            self.lines.pop();
        }
    }
}
