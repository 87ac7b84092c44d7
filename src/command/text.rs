//! Text for a terminal of 80 columns: names with their values, tables, and paragraphs.
//!
//! It knows nothing of what it lays out, which is fit for a terminal already.

use crate::error::{Error, Result};
use crate::report;
use crate::secret::Secret;
use crate::world::World;

/// The columns of the narrowest terminal that is usual. Text is laid out for it wherever it goes, so that a person and a
/// file see the same.
const COLUMNS: usize = 80;

/// The columns of a name without the space after it; our own longest name is `variables`.
const NAME: usize = 10;

/// A name and its value, which goes on below itself where it does not fit.
pub(super) fn field(indent: &str, name: &str, value: &str) -> String {
    wrap(&format!("{indent}{name:<NAME$} "), value)
}

/// A paragraph, whose later lines begin below the end of `first`.
pub(super) fn wrap(first: &str, words: &str) -> String {
    report::wrap(COLUMNS, first, words)
}

/// Rows of cells, each column as wide as its widest cell; a column that is empty in all rows is left out.
pub(super) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).filter(|(_, width)| *width > 0);
        let line: Vec<String> = cells.map(|(cell, width)| format!("{cell:<width$}")).collect();
        text += line.join("  ").trim_end();
        text.push('\n');
    }
    text
}

/// All of standard input as a secret, without the line end that `echo` adds. `what` names it in a message.
pub(super) fn from_stdin(world: &World, what: &str) -> Result<Secret> {
    let bytes = world.read_stdin()?;
    let text = std::str::from_utf8(&bytes);
    let text = text.map_err(|_| Error::usage(format!("{what} on standard input is not UTF-8")))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(Error::usage(format!(
            "standard input is empty, and {what} was expected there"
        )));
    }
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_does_not_fit_goes_on_below_itself() {
        let text = field("  ", "store", &"word ".repeat(20));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("  store      word word") && lines[0].len() <= 80);
        assert!(lines[1].starts_with("             word"));
    }

    #[test]
    fn a_word_is_never_cut() {
        let path = "x".repeat(90);
        assert_eq!(field("", "place", &path), format!("place      {path}\n"));
    }

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let row = |cells: [&str; 3]| cells.map(String::from);
        assert_eq!(table(&[row(["a", "", "b"]), row(["long", "", ""])]), "a     b\nlong\n");
    }
}
