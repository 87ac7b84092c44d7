//! A file of lines as a list of them.

use super::meaning::{Edit, Meaning, Step};

/// The lines of a text.
pub(super) fn read(text: &str) -> Meaning {
    Meaning::List(text.lines().map(|line| Meaning::Text(line.into())).collect())
}

/// The text with one line more or less.
pub(super) fn edited(text: &str, path: &[Step], edit: &Edit) -> Option<String> {
    let [Step::Item(at)] = path else { return None };
    let mut lines: Vec<&str> = text.lines().collect();
    match edit {
        Edit::Remove if *at < lines.len() => drop(lines.remove(*at)),
        Edit::Insert(Meaning::Text(line)) if *at <= lines.len() => lines.insert(*at, line),
        _ => return None,
    }
    // A last line without an end stays one, if it is still the last.
    let was_open = !text.ends_with('\n');
    let mut text: String = lines.iter().flat_map(|line| [*line, "\n"]).collect();
    if was_open && *at < lines.len() {
        text.pop();
    }
    Some(text)
}
