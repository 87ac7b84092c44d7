//! A configuration in YAML: what stands where, so that text can be inserted there.
//!
//! It reads the first document of a text into nodes with their places. Nothing is printed from the nodes: what is not
//! inserted stays as it is. JSON is YAML too.

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::error::{Error, Result};

/// How deep nodes may lie in one another; a kubeconfig has six levels, and every level is a call.
const DEEPEST: usize = 64;

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A text, a number, or nothing.
    Scalar(String),
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
    /// What another node says, by its number.
    Alias(usize),
}

/// One node and the bytes that it takes. Two nodes are equal if they mean the same, wherever they stand.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) place: Range<usize>,
}

impl PartialEq for Node {
    fn eq(&self, other: &Node) -> bool {
        self.kind == other.kind
    }
}

impl Eq for Node {}

impl Node {
    /// A text that stands nowhere.
    pub(super) fn text(text: &str) -> Node {
        Node::new(Kind::Scalar(text.into()), 0..0)
    }

    pub(super) fn new(kind: Kind, place: Range<usize>) -> Node {
        Node { kind, place }
    }

    /// The value of a name in a mapping.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        let Kind::Mapping(pairs) = &self.kind else { return None };
        let found = pairs.iter().find(|(key, _)| key.as_text() == Some(name));
        found.map(|(_, value)| value)
    }

    /// The value of a name in a mapping, to be changed; a new one, without a value, where there is none.
    pub(super) fn slot(&mut self, name: &str) -> Option<&mut Node> {
        let Kind::Mapping(pairs) = &mut self.kind else {
            return None;
        };
        let at = pairs.iter().position(|(key, _)| key.as_text() == Some(name));
        let at = at.unwrap_or_else(|| {
            pairs.push((Node::text(name), Node::text("")));
            pairs.len() - 1
        });
        Some(&mut pairs[at].1)
    }

    /// The text of a scalar.
    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a sequence; none of anything else.
    pub(super) fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::Sequence(items) => items,
            _ => &[],
        }
    }

    /// Whether it says nothing: absent text, `null`, `~`, an empty list or mapping.
    pub(super) fn is_nothing(&self) -> bool {
        match &self.kind {
            Kind::Scalar(text) => matches!(text.as_str(), "" | "~" | "null"),
            Kind::Sequence(items) => items.is_empty(),
            Kind::Mapping(pairs) => pairs.is_empty(),
            Kind::Alias(_) => false,
        }
    }

    /// Whether it stands between brackets.
    pub(super) fn is_flow(&self, text: &str) -> bool {
        text[self.place.clone()].starts_with(['{', '['])
    }

    /// Where the last byte of what it says ends.
    pub(super) fn end(&self, text: &str) -> usize {
        if self.is_flow(text) {
            return self.place.end;
        }
        match &self.kind {
            Kind::Scalar(_) | Kind::Alias(_) => self.place.end,
            Kind::Sequence(items) => items.last().map_or(self.place.end, |item| item.end(text)),
            Kind::Mapping(pairs) => pairs
                .last()
                .map_or(self.place.end, |(key, value)| value.end(text).max(key.place.end)),
        }
    }
}

/// Reads the first document; a mapping without members where there is none.
///
/// # Errors
/// [`crate::error::Class::Usage`] with the line.
pub(super) fn parse(text: &str) -> Result<Node> {
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        places,
    };
    loop {
        match reader.next()? {
            None | Some((Event::StreamEnd, _)) => return Ok(Node::new(Kind::Mapping(Vec::new()), 0..0)),
            Some((Event::DocumentStart(_), _)) => break,
            Some(_) => (),
        }
    }
    let first = reader.next()?;
    let node = reader.node(first, 0)?;
    // The rest is only read to see that it is YAML.
    while reader.next()?.is_some_and(|(event, _)| event != Event::StreamEnd) {}
    Ok(node)
}

struct Reader<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    /// The place of each character: the parser counts those.
    places: Vec<usize>,
}

type Found<'t> = Option<(Event<'t>, Span)>;

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<Found<'t>> {
        let wrong = |line: usize| Error::usage(format!("line {line} is not YAML"));
        self.parser
            .next_event()
            .transpose()
            .map_err(|error| wrong(error.marker().line()))
    }

    fn place(&self, span: &Span) -> Range<usize> {
        let at = |index: usize| self.places[index.min(self.places.len() - 1)];
        at(span.start.index())..at(span.end.index())
    }

    /// The end of a sequence or mapping: behind its bracket, whose place may be given with the spaces and comments that
    /// follow it.
    fn end(&self, span: &Span) -> usize {
        let place = self.place(span);
        place.end.min(place.start + 1)
    }

    fn node(&mut self, event: Found<'t>, depth: usize) -> Result<Node> {
        let cut_off = || Error::usage("it ends where more was expected");
        let (event, span) = event.ok_or_else(cut_off)?;
        let begin = self.place(&span);
        if depth > DEEPEST {
            return Err(Error::usage(format!("line {} is nested too deeply", span.start.line())));
        }
        match event {
            // A name in quotes is a text whatever it says, so it is never taken for nothing.
            Event::Scalar(text, style, ..) if style != ScalarStyle::Plain && text.is_empty() => {
                Ok(Node::new(Kind::Scalar("''".into()), begin))
            }
            Event::Scalar(text, ..) => Ok(Node::new(Kind::Scalar(text.into_owned()), begin)),
            Event::Alias(number) => Ok(Node::new(Kind::Alias(number), begin)),
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        Some((Event::SequenceEnd, span)) => {
                            let end = self.end(&span);
                            return Ok(Node::new(Kind::Sequence(items), begin.start..end));
                        }
                        event => items.push(self.node(event, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(..) => {
                let mut pairs = Vec::new();
                loop {
                    match self.next()? {
                        Some((Event::MappingEnd, span)) => {
                            let end = self.end(&span);
                            return Ok(Node::new(Kind::Mapping(pairs), begin.start..end));
                        }
                        event => {
                            let key = self.node(event, depth + 1)?;
                            let value = self.next()?;
                            pairs.push((key, self.node(value, depth + 1)?));
                        }
                    }
                }
            }
            _ => Err(cut_off()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_know_where_they_stand() {
        let text = "# ä\nusers:\n- name: a # c\n  user: {token: canary}\nlist: [1, 'two']\nlast: |\n  x\n";
        let root = parse(text).unwrap();
        let of = |node: &Node| text[node.place.start..node.end(text)].to_owned();
        let user = &root.get("users").unwrap().items()[0];
        assert_eq!(of(user.get("name").unwrap()), "a");
        assert_eq!(of(user.get("user").unwrap()), "{token: canary}");
        assert_eq!(of(root.get("list").unwrap()), "[1, 'two']");
        assert!(root.get("list").unwrap().is_flow(text));
        assert_eq!(of(root.get("users").unwrap()), "name: a # c\n  user: {token: canary}");
    }

    #[test]
    fn nothing_is_nothing_in_every_form() {
        let root = parse("a:\nb: ~\nc: []\nd: {}\ne: ''\n").unwrap();
        for name in ["a", "b", "c", "d"] {
            assert!(root.get(name).unwrap().is_nothing(), "{name}");
        }
        assert!(!root.get("e").unwrap().is_nothing());
        assert!(parse("").unwrap().is_nothing() && parse("# c\n").unwrap().is_nothing());
    }

    #[test]
    fn a_mistake_is_named_by_its_line() {
        let error = parse("a: 1\nb: [canary\n").unwrap_err().to_string();
        assert!(error.contains("line") && !error.contains("canary"), "{error}");
        assert!(parse(&"[".repeat(10_000)).is_err());
    }
}
