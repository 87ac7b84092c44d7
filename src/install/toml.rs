//! A configuration in TOML, changed in place: comments, order and formatting of the rest stay.
//!
//! After a change the text is read again and compared: it must mean what it meant, and what was asked, and nothing else.

use toml_edit::{Array, DocumentMut, Item, Table, Value};

use crate::error::{Error, Result};

/// Reads a list of texts; none where there is none.
///
/// # Errors
/// [`crate::error::Class::Usage`] with the line, or when it is something else.
pub(super) fn list(text: &str, path: &[&str]) -> Result<Option<Vec<String>>> {
    let document = parse(text)?;
    let mut item: Option<&Item> = Some(document.as_item());
    for name in path {
        item = item.and_then(|item| item.as_table_like()?.get(name));
    }
    let Some(item) = item else { return Ok(None) };
    let texts = item
        .as_array()
        .and_then(|list| list.iter().map(|value| Some(value.as_str()?.to_owned())).collect());
    let wrong = || Error::usage(format!("`{}` is no list of texts", path.join(".")));
    texts.map(Some).ok_or_else(wrong)
}

/// The tables in a table that have a key, by their whole name, and the value of that key as it is written.
///
/// # Errors
/// [`crate::error::Class::Usage`] with the line.
pub(super) fn tables_with(text: &str, path: &[&str], key: &str) -> Result<Vec<(String, String)>> {
    let document = parse(text)?;
    let mut item: Option<&Item> = Some(document.as_item());
    for name in path {
        item = item.and_then(|item| item.as_table_like()?.get(name));
    }
    let mut found = Vec::new();
    for (name, table) in item
        .and_then(Item::as_table_like)
        .into_iter()
        .flat_map(|table| table.iter())
    {
        if let Some(value) = table.as_table_like().and_then(|table| table.get(key)) {
            found.push(([path, &[name]].concat().join("."), value.to_string()));
        }
    }
    Ok(found)
}

/// Reads a text; none where there is none, empty where it is something else.
///
/// # Errors
/// [`crate::error::Class::Usage`] with the line.
pub(super) fn text_at(text: &str, name: &str) -> Result<Option<String>> {
    let document = parse(text)?;
    Ok(document
        .get(name)
        .map(|item| item.as_str().unwrap_or_default().to_owned()))
}

/// Sets a value in a table, or without a table at the top.
///
/// # Errors
/// [`crate::error::Class::Usage`] with the line when the text is no TOML, and when the table is something else.
pub(super) fn set(text: &str, table: Option<&str>, name: &str, value: Value) -> Result<String> {
    let mut document = parse(text)?;
    let mut expected = plain(text)?;
    let meant = plain(&format!("v = {value}"))?;
    let meant = meant.get("v").expect("it was just written").clone();
    let wrong = |table: &str| Error::usage(format!("`{table}` is no table"));
    match table {
        Some(table) => {
            let inner = toml::Value::Table(toml::Table::new());
            let inner = expected.entry(table).or_insert(inner).as_table_mut();
            inner.ok_or_else(|| wrong(table))?.insert(name.into(), meant);
            let item = document.entry(table).or_insert_with(|| Item::Table(Table::new()));
            put(item.as_table_like_mut().ok_or_else(|| wrong(table))?, name, value);
        }
        None => {
            expected.insert(name.into(), meant);
            put(document.as_table_mut(), name, value);
        }
    }
    let after = document.to_string();
    if plain(&after)? != expected {
        return Err(Error::failure(
            "it cannot be changed without changing more than was asked",
        ));
    }
    Ok(after)
}

/// Sets a value with the decoration of the one that stood there.
fn put(table: &mut dyn toml_edit::TableLike, name: &str, mut value: Value) {
    match table.get_mut(name) {
        Some(Item::Value(old)) => {
            *value.decor_mut() = old.decor().clone();
            if let (Value::Array(old), Value::Array(new)) = (&*old, &mut value)
                && let Some(grown) = grown(old, new)
            {
                *new = grown;
            }
            *old = value;
        }
        _ => drop(table.insert(name, Item::Value(value))),
    }
}

/// The old list with what the new one has more at its end, each in a place as the last one has; none where it is not the
/// old one with more.
fn grown(old: &Array, new: &Array) -> Option<Array> {
    let same = |(old, new): (&Value, &Value)| old.as_str() == new.as_str();
    if old.is_empty() || old.len() > new.len() || !old.iter().zip(new).all(same) {
        return None;
    }
    let mut list = old.clone();
    let has_comment = |text: &str| text.contains('#');
    for value in new.iter().skip(old.len()) {
        let last = list.get_mut(list.len() - 1)?;
        let decor = last.decor().clone();
        let text = |raw: Option<&toml_edit::RawString>| raw.and_then(|raw| raw.as_str()).unwrap_or_default().to_owned();
        let (prefix, suffix) = (text(decor.prefix()), text(decor.suffix()));
        let space = match prefix.rfind('\n') {
            Some(at) => prefix[at..].to_owned(),
            None => " ".into(),
        };
        let mut value = value.clone();
        // A comment belongs to what stands before it.
        let trailing = list.trailing().as_str().unwrap_or_default().to_owned();
        match trailing
            .rfind('\n')
            .filter(|_| list.trailing_comma() && has_comment(&trailing))
        {
            Some(end) => {
                value.decor_mut().set_prefix(format!("{}{space}", &trailing[..end]));
                list.set_trailing(&trailing[end..]);
            }
            None => value.decor_mut().set_prefix(space),
        }
        if !has_comment(&suffix) {
            list.get_mut(list.len() - 1)?.decor_mut().set_suffix("");
            value.decor_mut().set_suffix(suffix);
        }
        list.push_formatted(value);
    }
    Some(list)
}

fn parse(text: &str) -> Result<DocumentMut> {
    text.parse()
        .map_err(|error: toml_edit::TomlError| wrong(text, error.span()))
}

fn plain(text: &str) -> Result<toml::Table> {
    text.parse().map_err(|error: toml::de::Error| wrong(text, error.span()))
}

/// Where a text is no TOML; the message of the reader would show it.
fn wrong(text: &str, span: Option<std::ops::Range<usize>>) -> Error {
    let before = span.and_then(|span| text.get(..span.start));
    let line = before.map(|before| before.matches('\n').count() + 1);
    Error::usage(line.map_or("it is not TOML".into(), |line| format!("line {line} is not TOML")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_else_stays_as_it_is() {
        for (text, expected) in [
            ("", "[t]\nk = \"v\"\n"),
            ("a = 1", "a = 1\n\n[t]\nk = \"v\"\n"),
            (
                "[t] # c\nx = 1  # d\n\n# e\n[u]\n",
                "[t] # c\nx = 1  # d\nk = \"v\"\n\n# e\n[u]\n",
            ),
            ("t = { x = 1 }\n", "t = { x = 1 , k = \"v\" }\n"),
            ("t.x = 1\n", "t.x = 1\nt.k = \"v\"\n"),
            ("[t]\nk   =  'old' # c\n", "[t]\nk   =  \"v\" # c\n"),
        ] {
            assert_eq!(set(text, Some("t"), "k", "v".into()).unwrap(), expected, "{text:?}");
        }
        let text = "# c\n[pip] # d\nx=1\n";
        assert_eq!(set(text, None, "k", "v".into()).unwrap(), format!("k = \"v\"\n{text}"));
    }

    #[test]
    fn a_list_keeps_its_form() {
        for (text, expected) in [
            ("k = [ 'a' ]\n", "k = [ 'a', \"b\" ]\n"),
            (
                "k = [\n  # one\n  'a', # first\n]\n",
                "k = [\n  # one\n  'a', # first\n  \"b\",\n]\n",
            ),
            ("k = [\n\t'a' # first\n]\n", "k = [\n\t'a' # first\n,\n\t\"b\"]\n"),
            ("k = ['z', 'a'] # c\n", "k = [\"a\", \"b\"] # c\n"),
            ("k = []\n", "k = [\"a\", \"b\"]\n"),
        ] {
            let list = Value::Array(["a", "b"].into_iter().collect());
            assert_eq!(set(text, None, "k", list).unwrap(), expected, "{text:?}");
        }
        assert_eq!(list("k = ['a']", &["k"]).unwrap().unwrap(), ["a"]);
        assert!(list("k = [1]", &["k"]).is_err());
        assert_eq!(list("[k]", &["k", "l"]).unwrap(), None);
    }

    #[test]
    fn a_mistake_is_named_by_its_line() {
        let error = set("a = 1\nb = canary\n", None, "k", "v".into())
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 2") && !error.contains("canary"), "{error}");
        assert!(set("t = 1\n", Some("t"), "k", "v".into()).is_err());
    }
}
