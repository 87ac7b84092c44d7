//! HCL as meanings: attributes, each as its text, and blocks.

use std::ops::Range;

use hcl_edit::Span;
use hcl_edit::structure::{Block, Body, Structure};

use super::meaning::{Edit, Meaning, Step};

/// What a text means; none where it is malformed.
pub(super) fn read(text: &str) -> Option<Meaning> {
    meaning(text, &parse(text)?)
}

fn meaning(text: &str, body: &Body) -> Option<Meaning> {
    let mut members = Vec::new();
    for structure in body.iter() {
        let (name, place) = part(structure)?;
        let value = match structure {
            Structure::Attribute(_) => Meaning::Text(squeezed(text.get(place)?)),
            Structure::Block(block) => meaning(text, &block.body)?,
        };
        Meaning::set(&mut members, name, value);
    }
    Some(Meaning::Map(members))
}

/// An expression without the spaces that say nothing: those outside of texts.
fn squeezed(text: &str) -> String {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let keeps = |c: &char| {
        is_quoted ^= *c == '"' && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        is_quoted || !c.is_whitespace()
    };
    text.chars().filter(keeps).collect()
}

fn parse(text: &str) -> Option<Body> {
    hcl_edit::parser::parse_body(text).ok()
}

/// What it is called, and where it says what it says: an attribute's value, the whole of a block.
fn part(structure: &Structure) -> Option<(String, Range<usize>)> {
    match structure {
        Structure::Attribute(attribute) => Some((attribute.key.as_str().into(), attribute.value.span()?)),
        Structure::Block(block) => Some((name(block), block.span()?)),
    }
}

fn name(block: &Block) -> String {
    let labels = block.labels.iter().map(|label| format!(" {:?}", label.as_str()));
    labels.fold(block.ident.as_str().into(), |name, label| name + &label)
}

/// The text with one place changed, to what stands there in `old`.
pub(super) fn edited(text: &str, path: &[Step], edit: &Edit, old: &str) -> Option<String> {
    let [Step::Member(name)] = path else { return None };
    let found = |text: &str| {
        let body = parse(text)?;
        let last = body
            .iter()
            .filter(|structure| part(structure).is_some_and(|(found, _)| found == *name));
        let last = last.last()?;
        Some((part(last)?.1, last.span()?))
    };
    let with = |place: Range<usize>, more: &str| format!("{}{more}{}", &text[..place.start], &text[place.end..]);
    match edit {
        Edit::Remove => {
            let (_, mut whole) = found(text)?;
            // With its line, if nothing else is on it.
            let begin = text[..whole.start].rfind('\n').map_or(0, |at| at + 1);
            let end = text[whole.end..].find('\n').map_or(text.len(), |at| whole.end + at + 1);
            if text[begin..whole.start].trim().is_empty() && text[whole.end..end].trim().is_empty() {
                whole = begin..end;
            }
            Some(with(whole, ""))
        }
        Edit::Replace(_) => Some(with(found(text)?.0, old.get(found(old)?.0)?)),
        Edit::Insert(_) => {
            let more = old.get(found(old)?.1)?.trim_end();
            let end = if text.is_empty() || text.ends_with('\n') {
                ""
            } else {
                "\n"
            };
            Some(format!("{text}{end}{more}\n"))
        }
    }
}
