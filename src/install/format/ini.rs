//! Configurations of lines as meanings: sections, in each its settings. A value that its tool reads as a list is one.

use super::super::ini::{Dialect, Document, Values};
use super::meaning::{Edit, Meaning, Step};

/// What a text means, of which a section without settings means nothing; none where it is malformed.
pub(super) fn read(text: &str, dialect: Dialect) -> Option<Meaning> {
    let document = Document::parse(text, dialect).ok()?;
    let mut sections = Vec::new();
    for (section, name) in document.settings() {
        let at = match sections.iter().position(|(other, _)| *other == section) {
            Some(at) => at,
            None => {
                sections.push((section.clone(), Meaning::Map(Vec::new())));
                sections.len() - 1
            }
        };
        if let (_, Meaning::Map(settings)) = &mut sections[at] {
            let value = value(&document, dialect, &section, &name);
            Meaning::set(settings, name, value);
        }
    }
    Some(Meaning::Map(sections))
}

fn value(document: &Document, dialect: Dialect, section: &str, name: &str) -> Meaning {
    let text = |text: &str| Meaning::Text(text.into());
    match dialect.values {
        Values::One => text(&document.get(section, name).unwrap_or_default()),
        Values::Each => Meaning::List(
            document
                .get_all(section, name)
                .iter()
                .map(|value| text(value))
                .collect(),
        ),
        Values::List(marks, _) => {
            let value = document.get(section, name).unwrap_or_default();
            let items = value.split(marks).map(str::trim).filter(|item| !item.is_empty());
            Meaning::List(items.map(text).collect())
        }
    }
}

/// The text with one place changed; a section that is not in `old` goes with its last setting.
pub(super) fn edited(text: &str, path: &[Step], edit: &Edit, old: &str, dialect: Dialect) -> Option<String> {
    let mut document = Document::parse(text, dialect).ok()?;
    let old = Document::parse(old, dialect).ok()?;
    let (Step::Member(section), rest) = path.split_first()? else {
        return None;
    };
    match (rest, edit) {
        ([], Edit::Remove) => {
            for (_, name) in document.settings().into_iter().filter(|(other, _)| other == section) {
                document.remove(section, &name);
            }
        }
        ([], Edit::Insert(Meaning::Map(settings))) => {
            for (name, value) in settings {
                put(&mut document, dialect, section, name, value)?;
            }
        }
        ([Step::Member(name)], Edit::Remove) => document.remove(section, name),
        ([Step::Member(name)], Edit::Replace(value) | Edit::Insert(value)) => {
            put(&mut document, dialect, section, name, value)?;
        }
        ([Step::Member(name), Step::Item(at)], edit) => item(&mut document, dialect, (section, name), *at, edit)?,
        _ => return None,
    }
    if !old.has_section(section) {
        document.drop_section(section);
    }
    Some(document.print())
}

fn put(document: &mut Document, dialect: Dialect, section: &str, name: &str, value: &Meaning) -> Option<()> {
    match (value, dialect.values) {
        (Meaning::Text(text), _) => document.set(section, name, text),
        (Meaning::List(items), Values::Each) => {
            document.remove(section, name);
            for (at, item) in items.iter().enumerate() {
                document.insert_value(section, name, at, text(item)?);
            }
        }
        (Meaning::List(items), Values::List(_, between)) => {
            let items: Vec<&str> = items.iter().map(text).collect::<Option<_>>()?;
            document.set(section, name, &items.join(between));
        }
        _ => return None,
    }
    Some(())
}

fn item(
    document: &mut Document,
    dialect: Dialect,
    (section, name): (&str, &str),
    at: usize,
    edit: &Edit,
) -> Option<()> {
    if let Values::Each = dialect.values {
        match edit {
            Edit::Remove => document.remove_value(section, name, at),
            Edit::Insert(value) => document.insert_value(section, name, at, text(value)?),
            Edit::Replace(_) => return None,
        }
        return Some(());
    }
    let Meaning::List(mut items) = value(document, dialect, section, name) else {
        return None;
    };
    match edit {
        Edit::Remove if at < items.len() => drop(items.remove(at)),
        Edit::Insert(value) if at <= items.len() => items.insert(at, (*value).clone()),
        _ => return None,
    }
    put(document, dialect, section, name, &Meaning::List(items))
}

fn text(meaning: &Meaning) -> Option<&str> {
    match meaning {
        Meaning::Text(text) => Some(text),
        Meaning::List(_) | Meaning::Map(_) => None,
    }
}
