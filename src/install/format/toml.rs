//! TOML as meanings; a place is changed with the parser that keeps the rest.

use std::ops::Range;

use toml_edit::{Array, Document, DocumentMut, Item, RawString, TableLike, Value};

use super::meaning::{Edit, Meaning, Step};

/// What a text means; none where it is malformed.
pub(super) fn read(text: &str) -> Option<Meaning> {
    let table: toml::Table = text.parse().ok()?;
    Some(meaning(&toml::Value::Table(table)))
}

fn meaning(value: &toml::Value) -> Meaning {
    match value {
        toml::Value::Array(items) => Meaning::List(items.iter().map(meaning).collect()),
        toml::Value::Table(members) => {
            let members = members.iter().map(|(name, member)| (name.clone(), meaning(member)));
            Meaning::Map(members.collect())
        }
        toml::Value::String(text) => Meaning::Text(Value::from(text.as_str()).to_string()),
        toml::Value::Integer(number) => Meaning::Text(number.to_string()),
        toml::Value::Float(number) => Meaning::Text(number.to_string()),
        toml::Value::Boolean(truth) => Meaning::Text(truth.to_string()),
        toml::Value::Datetime(time) => Meaning::Text(time.to_string()),
    }
}

/// What stands at a place in a text.
fn item_at<'i>(mut item: &'i Item, path: &[Step]) -> Option<&'i Item> {
    for step in path {
        let Step::Member(name) = step else { return None };
        item = item.as_table_like()?.get(name)?;
    }
    Some(item)
}

/// The text with one place changed, to what stands there in `old` where it does.
pub(super) fn edited(text: &str, path: &[Step], edit: &Edit, old: &str) -> Option<String> {
    let (last, way) = path.split_last()?;
    if let (Edit::Remove, Step::Member(name)) = (edit, last)
        && let Some(text) = without_lines(text, way, name)
    {
        return Some(text);
    }
    let mut document: DocumentMut = text.parse().ok()?;
    let old: DocumentMut = old.parse().ok()?;
    let old = item_at(old.as_item(), path);
    let mut item = document.as_item_mut();
    for step in way {
        let Step::Member(name) = step else { return None };
        item = item.as_table_like_mut()?.get_mut(name)?;
    }
    match last {
        Step::Member(name) => member(item.as_table_like_mut()?, name, edit, old)?,
        Step::Item(at) => element(item.as_array_mut()?, *at, edit)?,
    }
    Some(document.to_string())
}

fn member(table: &mut dyn TableLike, name: &str, edit: &Edit, old: Option<&Item>) -> Option<()> {
    match edit {
        Edit::Remove => drop(table.remove(name)?),
        Edit::Replace(_) => {
            // What stands around it stays.
            let found = table.get_mut(name)?.as_value_mut()?;
            let decor = found.decor().clone();
            *found = old?.as_value()?.clone();
            *found.decor_mut() = decor;
        }
        Edit::Insert(_) => drop(table.insert(name, old?.clone())),
    }
    Some(())
}

fn element(list: &mut Array, at: usize, edit: &Edit) -> Option<()> {
    match edit {
        Edit::Remove if at < list.len() => without_item(list, at),
        Edit::Insert(Meaning::Text(text)) if at <= list.len() => list.insert(at, text.parse::<Value>().ok()?),
        _ => return None,
    }
    Some(())
}

/// Takes an item out of a list. What stands in front of it stays, as a comment behind a comma is about the item before.
fn without_item(list: &mut Array, at: usize) {
    let removed = list.remove(at);
    let text = |raw: Option<&RawString>| raw.and_then(RawString::as_str).unwrap_or_default().to_owned();
    let before = text(removed.decor().prefix());
    let joined = |after: String| {
        let line_end = after.find('\n')?;
        Some(format!("{}{}", before.trim_end(), &after[line_end..]))
    };
    if let Some(next) = list.get_mut(at) {
        let joined = joined(text(next.decor().prefix()));
        next.decor_mut().set_prefix(joined.unwrap_or(before));
        return;
    }
    let mut after = text(Some(list.trailing()));
    if !list.trailing_comma() {
        after.insert_str(0, &text(removed.decor().suffix()));
    }
    let alone = if before.contains('#') {
        before.clone()
    } else {
        String::new()
    };
    list.set_trailing(joined(after).unwrap_or(alone));
    if list.is_empty() {
        list.set_trailing_comma(false);
    }
}

/// The text without the lines of a member, where comments before and after them stay; none where other things share them.
fn without_lines(text: &str, way: &[Step], name: &str) -> Option<String> {
    let document = Document::parse(text).ok()?;
    let parent = item_at(document.as_item(), way)?.as_table()?;
    let mut places = Vec::new();
    lines_of(text, parent.get_key_value(name)?, &mut places)?;
    places.sort_by_key(|place| place.start);
    let mut after = String::new();
    let mut at = 0;
    for place in places {
        after += text.get(at..place.start)?;
        at = place.end;
    }
    Some(after + &text[at..])
}

fn lines_of(text: &str, (key, item): (&toml_edit::Key, &Item), places: &mut Vec<Range<usize>>) -> Option<()> {
    let place = match item {
        Item::Value(value) => key.span()?.start..value.span()?.end,
        Item::Table(table) => {
            for (name, _) in table.iter() {
                lines_of(text, table.get_key_value(name)?, places)?;
            }
            match table.is_dotted() || table.is_implicit() {
                true => return Some(()),
                false => table.span()?.start..table.span()?.start,
            }
        }
        Item::None | Item::ArrayOfTables(_) => return None,
    };
    let mut begin = text[..place.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[place.end..].find('\n').map_or(text.len(), |at| place.end + at + 1);
    if text[begin..place.start].contains(['{', ',', '=', '#']) {
        return None;
    }
    // The empty line before a table is there for its sake.
    if matches!(item, Item::Table(_)) && text[..begin].ends_with("\n\n") {
        begin -= 1;
    }
    places.push(begin..end);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_item_leaves_the_comment_of_the_one_before() {
        let path = [Step::Member("x".into()), Step::Item(1)];
        let out = |text: &str| edited(text, &path, &Edit::Remove, "").unwrap();
        for (text, expected) in [
            (
                "x = [\n  \"a\", # keep\n  \"ours\", # ours\n]\n",
                "x = [\n  \"a\", # keep\n]\n",
            ),
            (
                "x = [\n  \"a\", # keep\n  \"ours\" # ours\n]\n",
                "x = [\n  \"a\" # keep\n]\n",
            ),
            (
                "x = [\n  \"a\", # keep\n  \"ours\", # ours\n  # of b\n  \"b\", # b\n]\n",
                "x = [\n  \"a\", # keep\n  # of b\n  \"b\", # b\n]\n",
            ),
            ("x = [\"a\", # keep\n\"ours\"]\n", "x = [\"a\" # keep\n]\n"),
            ("x = [\"a\", \"ours\", \"b\"]\n", "x = [\"a\", \"b\"]\n"),
            ("x = [\"a\", \"ours\"]\n", "x = [\"a\"]\n"),
        ] {
            assert_eq!(out(text), expected);
            assert!(read(&out(text)).is_some());
        }
    }
}
