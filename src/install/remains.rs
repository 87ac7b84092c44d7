//! What a person should know of the configurations out of which a wiring was taken.
//!
//! It changes nothing, and knows tools as rows of the table.

use std::path::PathBuf;

use super::journal::{Change, Options};
use super::state::{Seen, State};
use crate::report::printable;

/// What was left as it is, although it was changed for the wiring: not what was put back by hand, which is as it was.
pub(super) fn left_as_they_are(changes: &[Change], before: &Seen, after: &Seen) -> Vec<String> {
    let is_left = |change: &&Change| {
        let is_as_then = |now: State| now != change.before && after.look(&change.path).is_ok_and(|then| then == now);
        change.before != change.after && before.look(&change.path).is_ok_and(is_as_then)
    };
    let note = |change: &Change| format!("`{}` is left as it is", printable(&change.path.display().to_string()));
    changes.iter().filter(is_left).map(note).collect()
}

/// What a tool says of its configurations as they will be.
pub(super) fn told(changes: &[Change], tool: &str, options: &Options, after: &Seen) -> Vec<String> {
    // One of a newer keyfob is taken out too.
    let Ok(tool) = super::find(tool) else { return Vec::new() };
    let told = |change: &Change| {
        let then = after.look(&change.path).ok()?;
        (tool.left?)(options, std::str::from_utf8(then.bytes()).ok()?)
    };
    changes.iter().filter_map(told).collect()
}

/// The configurations that a tool was wired by until it was wired by others.
pub(super) fn wired_no_more(paths: &[PathBuf], tool: &str, after: &Seen) -> Vec<String> {
    let is_there = |path: &&PathBuf| after.look(path).is_ok_and(|then| then != State::Nothing);
    let note = |path: &PathBuf| {
        let place = printable(&path.display().to_string());
        format!("`{tool}` was wired by `{place}` before, which does not name keyfob any more")
    };
    paths.iter().filter(is_there).map(note).collect()
}
