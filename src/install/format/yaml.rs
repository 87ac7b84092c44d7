//! YAML as meanings; a place is changed by cutting its text out, or by putting in what stood there.

use std::ops::Range;

use super::super::yaml::{self, Kind, Node};
use super::meaning::{Edit, Meaning, Step};

/// What a text means; none where it is malformed. A member that says nothing means nothing, for what reads these files
/// and writes them anew puts such members in and takes them out.
pub(super) fn read(text: &str) -> Option<Meaning> {
    let root = yaml::parse(text).ok()?;
    match &root.kind {
        Kind::Mapping(_) => Some(meaning(&root)),
        _ => says_nothing(&root).then_some(Meaning::Map(Vec::new())),
    }
}

fn meaning(node: &Node) -> Meaning {
    match &node.kind {
        Kind::Scalar(text) => Meaning::Text(text.clone()),
        Kind::Alias(number) => Meaning::Text(format!("*{number}")),
        Kind::Sequence(items) => Meaning::List(items.iter().map(meaning).collect()),
        Kind::Mapping(pairs) => {
            let mut members = Vec::new();
            for (name, value) in pairs.iter().filter(|(_, value)| !says_nothing(value)) {
                let name = name.as_text().map_or_else(|| format!("{:?}", name.kind), String::from);
                let value = meaning(value);
                if !matches!(&value, Meaning::Map(members) if members.is_empty()) {
                    Meaning::set(&mut members, name, value);
                }
            }
            Meaning::Map(members)
        }
    }
}

/// Whether it is nothing or an empty text in quotes, which is what kubectl writes for a name that is not set.
fn says_nothing(node: &Node) -> bool {
    node.is_nothing() || node.as_text() == Some("''")
}

/// One node on the way: its place in what is around it.
enum At<'n> {
    Pair(&'n Node, usize),
    Item(&'n Node, usize),
}

/// The text with one place changed, to what stands there in `old`.
pub(super) fn edited(text: &str, path: &[Step], edit: &Edit, old: &str) -> Option<String> {
    let (root, olds) = (yaml::parse(text).ok()?, yaml::parse(old).ok()?);
    let (at, before) = find(&root, &olds, path)?;
    let before = before.and_then(|node| old.get(node.place.start..node.end(old)));
    // What takes several lines has its own margin.
    let before = before.filter(|raw| !raw.contains('\n'));
    match (at, edit) {
        (At::Pair(map, at), Edit::Remove) => {
            let Kind::Mapping(pairs) = &map.kind else { return None };
            let (key, value) = &pairs[at];
            match before {
                // It was there and said nothing.
                Some(nothing) => Some(with(
                    text,
                    key.place.end..end(text, key, value),
                    &format!(": {nothing}"),
                )),
                None => without_pair(text, map, at),
            }
        }
        (At::Item(list, at), Edit::Remove) => without_item(text, list, at),
        (At::Pair(map, at), Edit::Replace(_)) => {
            let Kind::Mapping(pairs) = &map.kind else { return None };
            let value = &pairs[at].1;
            let is_plain = matches!(value.kind, Kind::Scalar(_)) || value.is_flow(text);
            is_plain.then(|| Some(with(text, value.place.start..value.end(text), before?)))?
        }
        (_, Edit::Replace(_) | Edit::Insert(_)) => None,
    }
}

/// What a path leads to, and what stands there in the old text, where an item is found by its name.
fn find<'n>(mut node: &'n Node, old: &'n Node, path: &[Step]) -> Option<(At<'n>, Option<&'n Node>)> {
    let mut old = Some(old);
    let (last, way) = path.split_last()?;
    for step in way {
        (node, old) = follow(node, old, step)?;
    }
    let (_, old) = follow(node, old, last)?;
    let at = match last {
        Step::Member(name) => At::Pair(node, position(node, name)?),
        Step::Item(at) => At::Item(node, *at),
    };
    Some((at, old))
}

fn follow<'n>(node: &'n Node, old: Option<&'n Node>, step: &Step) -> Option<(&'n Node, Option<&'n Node>)> {
    match step {
        Step::Member(name) => {
            let Kind::Mapping(pairs) = &node.kind else { return None };
            Some((&pairs[position(node, name)?].1, old.and_then(|old| old.get(name))))
        }
        Step::Item(at) => {
            let item = node.items().get(*at)?;
            let name = item.get("name").and_then(Node::as_text);
            let is_it = |old: &&Node| name.is_some() && old.get("name").and_then(Node::as_text) == name;
            Some((item, old.and_then(|old| old.items().iter().find(is_it))))
        }
    }
}

/// The last pair of this name.
fn position(node: &Node, name: &str) -> Option<usize> {
    let Kind::Mapping(pairs) = &node.kind else { return None };
    pairs.iter().rposition(|(key, _)| key.as_text() == Some(name))
}

fn with(text: &str, place: Range<usize>, more: &str) -> String {
    format!("{}{more}{}", &text[..place.start], &text[place.end..])
}

/// Where a pair ends; the place of a value that is not there says nothing.
fn end(text: &str, key: &Node, value: &Node) -> usize {
    match value.is_nothing() && !value.is_flow(text) && value.place.is_empty() {
        true => key.place.end + text[key.place.end..].find(':').map_or(0, |at| at + 1),
        false => value.end(text).max(key.place.end),
    }
}

/// Where the line of a place begins, and where the next one does behind its end.
fn line_of(text: &str, place: &Range<usize>) -> Range<usize> {
    let begin = text[..place.start].rfind('\n').map_or(0, |at| at + 1);
    let end = match text[..place.end].ends_with('\n') {
        true => place.end,
        false => text[place.end..].find('\n').map_or(text.len(), |at| place.end + at + 1),
    };
    begin..end
}

fn without_pair(text: &str, map: &Node, at: usize) -> Option<String> {
    let Kind::Mapping(pairs) = &map.kind else { return None };
    let (key, value) = &pairs[at];
    let place = key.place.start..end(text, key, value);
    if map.is_flow(text) {
        return Some(without_part(text, map, place));
    }
    let line = line_of(text, &place);
    if text[line.start..place.start].trim().is_empty() {
        return Some(with(text, line, ""));
    }
    // Behind the dash of an item, whose next pair then stands there.
    let (next, _) = pairs.get(at + 1)?;
    Some(with(text, place.start..next.place.start, ""))
}

fn without_item(text: &str, list: &Node, at: usize) -> Option<String> {
    let item = &list.items()[at];
    let place = item.place.start..item.end(text);
    if list.is_flow(text) {
        return Some(without_part(text, list, place));
    }
    // Without its last item it would be nothing, which its parent has to say.
    if list.items().len() == 1 {
        return None;
    }
    let line = line_of(text, &place);
    let is_dash = text[line.start..place.start].trim() == "-";
    is_dash.then(|| with(text, line, ""))
}

/// A part between brackets goes with the comma behind it, else with the one before it.
fn without_part(text: &str, around: &Node, place: Range<usize>) -> String {
    let rest = &text[place.end..around.end(text)];
    let next = rest.trim_start();
    if let Some(next) = next.strip_prefix(',') {
        return with(
            text,
            place.start..around.end(text) - next.trim_start_matches(' ').len(),
            "",
        );
    }
    let before = text[..place.start].trim_end();
    match before.strip_suffix(',') {
        Some(before) => with(text, before.len()..place.end, ""),
        None => with(text, place, ""),
    }
}
