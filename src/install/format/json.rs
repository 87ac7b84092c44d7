//! JSON as meanings; a place is changed with the parser that keeps the rest.

use jsonc_parser::cst::{CstInputValue, CstNode, CstRootNode};

use super::super::json::{STRICT, member};
use super::meaning::{Edit, Meaning, Step};

/// What a text means, of which an empty one is an object without members.
pub(super) fn read(text: &str) -> Option<Meaning> {
    if text.trim().is_empty() {
        return Some(Meaning::Map(Vec::new()));
    }
    let root = CstRootNode::parse(text, &STRICT).ok()?;
    meaning(&root.value()?).filter(|meaning| matches!(meaning, Meaning::Map(_)))
}

fn meaning(node: &CstNode) -> Option<Meaning> {
    if let Some(object) = node.as_object() {
        let mut members = Vec::new();
        for found in object.properties() {
            Meaning::set(&mut members, found.decoded_name()?, meaning(&found.value()?)?);
        }
        return Some(Meaning::Map(members));
    }
    if let Some(array) = node.as_array() {
        return array
            .elements()
            .iter()
            .map(meaning)
            .collect::<Option<_>>()
            .map(Meaning::List);
    }
    let text = match node.as_string_lit() {
        Some(text) => serde_json::Value::String(text.decoded_value().ok()?).to_string(),
        None => node.to_string(),
    };
    Some(Meaning::Text(text))
}

fn value(meaning: &Meaning) -> Option<CstInputValue> {
    Some(match meaning {
        Meaning::Text(text) => match serde_json::from_str(text).ok()? {
            serde_json::Value::Null => CstInputValue::Null,
            serde_json::Value::Bool(value) => CstInputValue::Bool(value),
            serde_json::Value::String(text) => CstInputValue::String(text),
            _ => CstInputValue::Number(text.clone()),
        },
        Meaning::List(items) => CstInputValue::Array(items.iter().map(value).collect::<Option<_>>()?),
        Meaning::Map(members) => {
            let members = members
                .iter()
                .map(|(name, member)| Some((name.clone(), value(member)?)));
            CstInputValue::Object(members.collect::<Option<_>>()?)
        }
    })
}

/// The text with one place changed.
pub(super) fn edited(text: &str, path: &[Step], edit: &Edit) -> Option<String> {
    let root = CstRootNode::parse(text, &STRICT).ok()?;
    let (last, way) = path.split_last()?;
    let mut node = root.value()?;
    for step in way {
        node = match step {
            Step::Member(name) => member(&node.as_object()?, name)?.value()?,
            Step::Item(at) => node.as_array()?.elements().into_iter().nth(*at)?,
        };
    }
    match (last, edit) {
        (Step::Member(name), Edit::Remove) => member(&node.as_object()?, name)?.remove(),
        (Step::Member(name), Edit::Replace(to)) => member(&node.as_object()?, name)?.set_value(value(to)?),
        (Step::Member(name), Edit::Insert(to)) => drop(node.as_object()?.append(name, value(to)?)),
        (Step::Item(at), Edit::Remove) => node.as_array()?.elements().into_iter().nth(*at)?.remove(),
        (Step::Item(at), Edit::Insert(to)) => drop(node.as_array()?.insert(*at, value(to)?)),
        (Step::Item(at), Edit::Replace(to)) => {
            let array = node.as_array()?;
            array.elements().into_iter().nth(*at)?.remove();
            array.insert(*at, value(to)?);
        }
    }
    Some(root.to_string())
}
