//! Taking a tool's changes out of what is there now.
//!
//! Where nobody has touched a path since, it gets back what it was, byte for byte. Where only keyfob has, for another
//! tool, our lines are taken out beside that tool's, whose own changes then start from there. Where somebody else has, it
//! is refused with a diff, unless a person says how to go on. A file that has moved behind a link since is taken for
//! what it was. Nothing here writes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Trouble;
use super::journal::{Change, Wired};
use super::state::{Seen, State, resolve};
use super::{diff, format};
use crate::error::Error;
use crate::report::printable;

/// What is done where somebody else has changed a file since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// It is refused, and nothing is changed.
    Refuse,
    /// Our lines are taken out, and the others' changes stay.
    Merge,
    /// The file stays as it is, with the links that our lines in it need, and the journal forgets it.
    Leave,
}

/// Takes the tool at this place out of what is wired, and its changes out of what is seen. Gives back the directories
/// that nobody needs any more.
///
/// # Errors
/// [`crate::error::Class::Refused`] with a diff.
pub(super) fn take_out(
    wired: &mut Vec<Wired>,
    at: usize,
    seen: &mut Seen,
    since: Since,
) -> Result<Vec<PathBuf>, Trouble> {
    let mut out = wired.remove(at);
    // The links last: what stays of our lines needs them.
    out.changes
        .sort_by_key(|change| !matches!(change.after, State::Link(_)));
    let mut stays = false;
    while let Some(change) = out.changes.pop() {
        if !stays || matches!(change.after, State::File { .. }) {
            stays |= take_back(wired, at, &out.tool, &change, seen, since)?;
        }
    }
    // A directory in which another tool's change lies is that one's from now on.
    let mut gone = Vec::new();
    for directory in out.made {
        let heir = wired
            .iter_mut()
            .find(|other| other.changes.iter().any(|change| change.path.starts_with(&directory)));
        match heir {
            Some(heir) if !heir.made.contains(&directory) => heir.made.push(directory),
            Some(_) => (),
            None => gone.push(directory),
        }
    }
    Ok(gone)
}

/// Follows the files that somebody has moved since: a dotfile that has become a link, or is none any more. What lies where
/// the tool finds it is the same file if it is as we left it, or if nothing else is.
pub(super) fn follow(wired: &mut [Wired], seen: &Seen) {
    let mut left: BTreeMap<PathBuf, (PathBuf, State)> = BTreeMap::new();
    for change in wired.iter().flat_map(|wired| &wired.changes) {
        let named = change.named.as_ref().unwrap_or(&change.path);
        left.insert(change.path.clone(), (named.clone(), change.after.clone()));
    }
    for (path, (named, left)) in left {
        let there = match left {
            State::File { .. } => resolve(&named).unwrap_or_else(|_| path.clone()),
            State::Nothing | State::Link(_) => continue,
        };
        let is_gone = !matches!(seen.look(&path), Ok(State::File { .. }));
        if there == path || !(is_gone || seen.look(&there).is_ok_and(|now| now == left)) {
            continue;
        }
        for change in wired.iter_mut().flat_map(|wired| &mut wired.changes) {
            if change.path == path {
                change.named.get_or_insert(named.clone());
                change.path.clone_from(&there);
            }
        }
    }
}

/// Takes one change back; `at` is where later tools begin. Whether lines of ours stay, as a person wants it.
fn take_back(
    wired: &mut [Wired],
    at: usize,
    tool: &str,
    change: &Change,
    seen: &mut Seen,
    since: Since,
) -> Result<bool, Trouble> {
    let now = seen.look(&change.path)?;
    let (_, later) = wired.split_at_mut(at);
    let mut later: Vec<(&str, &mut Change)> = later
        .iter_mut()
        .flat_map(|wired| wired.changes.iter_mut().map(|change| (wired.tool.as_str(), change)))
        .filter(|(_, other)| other.path == change.path)
        .collect();
    if change.before == change.after {
        return Ok(false);
    }
    // Somebody who wants it as we made it inherits what was there before.
    if let Some((_, heir)) = later.first_mut().filter(|(_, other)| other.before == other.after) {
        heir.before = change.before.clone();
        return Ok(false);
    }
    let left = later.last().map_or(&change.after, |(_, last)| &last.after).clone();
    if now == change.before && later.is_empty() {
        return Ok(false);
    }
    if now != left {
        match since {
            Since::Refuse => return Err(changed(tool, change, &left, &now)),
            Since::Leave => return Ok(without(change, &now) != Some(now)),
            Since::Merge => (),
        }
    }
    let mut without_it = Vec::new();
    for (other, later) in &later {
        // What the later one found shows whether it, or somebody before it, changed our lines.
        let Some(before) = without(change, &later.before) else {
            return match since {
                Since::Leave => Ok(true),
                _ => Err(own_lines(tool, change, &change.after, &later.before)),
            };
        };
        let after = without(change, &later.after).ok_or_else(|| {
            let place = printable(&change.path.display().to_string());
            let text = format!("`{other}` was wired after `{tool}` and changed the same lines of `{place}`");
            Error::refused(text).hint(format!("run `keyfob uninstall {other}` first"))
        })?;
        without_it.push((before, after));
    }
    let out = without(change, &now).ok_or_else(|| own_lines(tool, change, &left, &now))?;
    for ((_, later), (before, after)) in later.iter_mut().zip(without_it) {
        (later.before, later.after) = (before, after);
    }
    seen.put(&change.path, out);
    Ok(false)
}

/// Somebody changed what is keyfob's own.
fn own_lines(tool: &str, change: &Change, left: &State, now: &State) -> Trouble {
    let mut trouble = changed(tool, change, left, now);
    trouble.error = trouble.error.hint(format!(
        "keyfob's own lines were changed: put them right by hand, then run `keyfob uninstall {tool} --forget`"
    ));
    trouble
}

/// A state without a change; none where it cannot be told apart.
fn without(change: &Change, state: &State) -> Option<State> {
    if *state == change.after {
        return Some(change.before.clone());
    }
    let (bytes, mode) = match state {
        State::File { bytes, mode } => (bytes, mode),
        // Where nothing is left, nothing of ours is.
        State::Nothing => return Some(State::Nothing),
        State::Link(_) => return None,
    };
    let (State::File { .. } | State::Nothing, State::File { mode: ours, bytes: to }) = (&change.before, &change.after)
    else {
        return None;
    };
    let bytes = format::taken_out(change.format, change.before.bytes(), to, bytes)?;
    let is_nothing = bytes.is_empty() || change.format.is_some_and(|format| format.is_nothing(&bytes));
    match &change.before {
        State::Nothing if is_nothing => Some(State::Nothing),
        State::File { mode: old, .. } if mode == ours => Some(State::File { bytes, mode: *old }),
        _ => Some(State::File { bytes, mode: *mode }),
    }
}

fn changed(tool: &str, change: &Change, left: &State, now: &State) -> Trouble {
    let path = &change.path;
    let place = printable(&path.display().to_string());
    let error = Error::refused(format!("`{place}` was changed since `{tool}` was wired"));
    Trouble {
        error: error.hint(format!(
            "`keyfob uninstall {tool} --merge` takes out keyfob's lines alone; `--forget` leaves the file as it is"
        )),
        diff: diff::unified(path, left, now, &diff::ours(&change.before, &change.after)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::super::ini;
    use super::super::journal::Options;
    use super::*;

    const PATH: &str = "/nowhere/configuration";

    fn file(lines: &[String]) -> State {
        State::Nothing.with_bytes(lines.concat().into())
    }

    fn wire(tool: usize, before: State, after: State) -> Wired {
        Wired {
            tool: tool.to_string(),
            options: Options::default(),
            changes: vec![Change::new(Path::new(PATH), before, after)],
            made: Vec::new(),
            program: None,
            notes: Vec::new(),
        }
    }

    /// Tools that insert a line each, at these places of a file; the last one's content.
    fn chain(begin: &[String], places: &[usize]) -> (Vec<Wired>, Vec<String>) {
        let (mut lines, mut wired) = (begin.to_vec(), Vec::new());
        for (tool, place) in places.iter().enumerate() {
            let before = file(&lines);
            lines.insert(place % (lines.len() + 1), format!("ours {tool}\n"));
            wired.push(wire(tool, before, file(&lines)));
        }
        (wired, lines)
    }

    proptest! {
        #[test]
        fn whatever_the_order_the_file_is_as_it_was(
            count in 0_usize..8,
            places in prop::collection::vec(0_usize..12, 1..5),
            order in prop::collection::vec(0_usize..5, 1..12),
        ) {
            let begin: Vec<String> = (0..count).map(|at| format!("line {}\n", at % 3)).collect();
            let (mut wired, lines) = chain(&begin, &places);
            let mut seen = Seen::default();
            seen.put(Path::new(PATH), file(&lines));
            for pick in order {
                if wired.is_empty() {
                    break;
                }
                let (mut next, mut then, at) = (wired.clone(), seen.clone(), pick % wired.len());
                // A refusal changes nothing.
                if take_out(&mut next, at, &mut then, Since::Refuse).is_ok() {
                    (wired, seen) = (next, then);
                }
            }
            // The last first is never refused.
            while !wired.is_empty() {
                let last = wired.len() - 1;
                prop_assert!(take_out(&mut wired, last, &mut seen, Since::Refuse).is_ok());
            }
            prop_assert!(seen.look(Path::new(PATH)).unwrap() == file(&begin));
        }

        #[test]
        fn a_merge_takes_out_our_line_and_no_other(
            place in 0_usize..8,
            theirs in 0_usize..9,
        ) {
            let begin: Vec<String> = (0..6).map(|at| format!("line {at}\n")).collect();
            let (mut wired, mut lines) = chain(&begin, &[place]);
            lines.insert(theirs % (lines.len() + 1), "theirs\n".into());
            let mut seen = Seen::default();
            seen.put(Path::new(PATH), file(&lines));
            prop_assert!(take_out(&mut wired.clone(), 0, &mut seen.clone(), Since::Refuse).is_err());
            if take_out(&mut wired, 0, &mut seen, Since::Merge).is_ok() {
                lines.retain(|line| !line.starts_with("ours"));
                prop_assert!(seen.look(Path::new(PATH)).unwrap() == file(&lines));
            }
        }
    }

    proptest! {
        #[test]
        fn several_tools_come_out_of_a_file_that_was_written_anew(
            places in prop::collection::vec("[a-c]", 1..5),
            theirs in prop::collection::vec(("[a-d]", "[x-z]"), 0..4),
            order in prop::collection::vec(0_usize..5, 5),
        ) {
            let print = |sections: &BTreeMap<String, BTreeMap<String, String>>, between: &str| {
                let text = sections.iter().rev().map(|(section, settings)| {
                    let lines = settings.iter().map(|(name, value)| format!("{name}{between}{value}\n"));
                    format!("[{section}]\n{}", lines.collect::<String>())
                });
                text.collect::<String>()
            };
            let mut sections = BTreeMap::<String, BTreeMap<String, String>>::new();
            for (section, name) in theirs {
                sections.entry(section).or_default().insert(name, "1".into());
            }
            let (expected, mut text) = (print(&sections, " = "), print(&sections, "="));
            let mut wired = Vec::new();
            for (tool, section) in places.into_iter().enumerate() {
                let before = State::Nothing.with_bytes(text.clone().into());
                let name = format!("ours{tool}");
                let mut document = ini::Document::parse(&text, ini::PYTHON).unwrap();
                document.set(&section, &name, "keyfob");
                text = document.print();
                let mut wire = wire(tool, before, State::Nothing.with_bytes(text.clone().into()));
                wire.changes[0].format = Some(format::Format::Aws);
                wired.push(wire);
                sections.entry(section).or_default().insert(name, "keyfob".into());
            }
            let mut seen = Seen::default();
            seen.put(Path::new(PATH), file(&[print(&sections, " = ")]));
            for pick in order {
                if !wired.is_empty() {
                    let at = pick % wired.len();
                    prop_assert!(take_out(&mut wired, at, &mut seen, Since::Merge).is_ok());
                }
            }
            let left = seen.look(Path::new(PATH)).unwrap();
            prop_assert_eq!(String::from_utf8_lossy(left.bytes()), expected);
        }
    }

    #[test]
    fn a_link_that_two_want_goes_with_the_last() {
        let link = State::Link("/bin/keyfob".into());
        let both = vec![
            wire(0, State::Nothing, link.clone()),
            wire(1, link.clone(), link.clone()),
        ];
        for order in [[0, 0], [1, 0]] {
            let mut wired = both.clone();
            let mut seen = Seen::default();
            seen.put(Path::new(PATH), link.clone());
            assert!(take_out(&mut wired, order[0], &mut seen, Since::Refuse).is_ok());
            assert!(seen.look(Path::new(PATH)).unwrap() == link);
            assert!(take_out(&mut wired, order[1], &mut seen, Since::Refuse).is_ok());
            assert!(seen.look(Path::new(PATH)).unwrap() == State::Nothing);
        }
    }

    #[test]
    fn lines_that_a_later_tool_changed_name_that_tool() {
        let text = |text: &str| State::Nothing.with_bytes(text.into());
        let mut wired = vec![
            wire(0, text("a = 1\n"), text("a = 1, 2\n")),
            wire(1, text("a = 1, 2\n"), text("a = 1, 2, 3\n")),
        ];
        let mut seen = Seen::default();
        seen.put(Path::new(PATH), text("a = 1, 2, 3\n"));
        let trouble = take_out(&mut wired, 0, &mut seen, Since::Refuse).err().unwrap();
        assert!(trouble.error.hint.unwrap().contains("keyfob uninstall 1"));
    }
}
