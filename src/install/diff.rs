//! What a change is, for a person to read, and taking a change out of a text that somebody else has changed since.
//!
//! A diff is shown on a terminal and ends up in bug reports, so it has no value that somebody else wrote. The lines of a
//! file are compared by `diffy`; what is shown is a unified diff.

use std::ops::Range;
use std::path::Path;

use diffy::{DiffOptions, Line};

use super::masked::Ours;
use super::state::State;
use crate::report;

/// What some editors write in front of UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The change of a path as a unified diff without the lines around it, fit for a terminal; nothing where there is no
/// change. What is not among our lines is shown without its values.
pub(super) fn unified(path: &Path, before: &State, after: &State, ours: &Ours) -> String {
    if before == after {
        return String::new();
    }
    let place = report::printable(&path.display().to_string());
    let name = |state: &State| match state {
        State::Nothing => "/dev/null".to_owned(),
        State::File { .. } | State::Link(_) => place.clone(),
    };
    let mut text = format!("--- {}\n+++ {}\n", name(before), name(after));
    let (old, new) = (lines_of(before), lines_of(after));
    let patch = DiffOptions::new().set_context_len(0).create_patch(&old, &new);
    for hunk in patch.hunks() {
        text += &format!("@@ -{} +{} @@\n", hunk.old_range(), hunk.new_range());
        for line in hunk.lines() {
            let (sign, line, state) = match line {
                Line::Context(line) => (' ', line, after),
                Line::Delete(line) => ('-', line, before),
                Line::Insert(line) => ('+', line, after),
            };
            let shown = match state {
                State::Link(_) => line.trim_end_matches('\n').to_owned(),
                _ => ours.shown(line),
            };
            text.push(sign);
            text += &report::printable(&shown);
            text.push('\n');
            if !line.ends_with('\n') {
                text += "\\ No newline at end of file\n";
            }
        }
    }
    if let (State::File { mode: old, .. }, State::File { mode: new, .. }) = (before, after)
        && old != new
    {
        text += &format!("mode {old:o} -> {new:o}\n");
    }
    text
}

/// Which lines of a file are ours, where it is this with our change and that without it.
pub(super) fn ours(without: &State, with: &State) -> Ours {
    match with {
        State::File { .. } => Ours::new(&lines_of(without), &lines_of(with)),
        State::Nothing | State::Link(_) => Ours::default(),
    }
}

fn lines_of(state: &State) -> String {
    match state {
        State::Link(target) => format!("link to {target}\n"),
        state => String::from_utf8_lossy(state.bytes()).into_owned(),
    }
}

/// Takes the change `from` → `to` out of a text that was `to` once; none where somebody changed the same lines.
pub(super) fn taken_out(from: &[u8], to: &[u8], now: &[u8]) -> Option<Vec<u8>> {
    if now == to {
        return Some(from.to_vec());
    }
    diffy::merge_bytes(to, from, now)
        .ok()
        .or_else(|| lines_taken_out(from, to, now))
}

/// The same where somebody added lines right beside ours, which a merge takes for the same place: each run of lines that
/// only `to` has must stand there once as it was, and gives way to what it took the place of.
fn lines_taken_out(from: &[u8], to: &[u8], now: &[u8]) -> Option<Vec<u8>> {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let (from, to, now) = (text(from)?, text(to)?, text(now)?);
    // A last line gets its end when another one follows.
    let end = if from.is_empty() || from.ends_with('\n') || !to.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    let from = format!("{from}{end}");
    let patch = DiffOptions::new().set_context_len(0).create_patch(&from, to);
    let mut left = now.to_owned();
    for hunk in patch.hunks() {
        let (mut removed, mut added) = (String::new(), String::new());
        for line in hunk.lines() {
            match line {
                Line::Insert(line) => added += line,
                Line::Delete(line) => removed += line,
                Line::Context(_) => return None,
            }
        }
        // Where lines only went, nothing says where they were.
        let place = only_place(&left, &added)?;
        left.replace_range(place, &removed);
    }
    Some(left.into_bytes())
}

/// Where whole lines stand in a text; none where that is nowhere, or more than one place.
fn only_place(text: &str, lines: &str) -> Option<Range<usize>> {
    let is_whole = |at: &usize| {
        let end = at + lines.len();
        (*at == 0 || text[..*at].ends_with('\n')) && (lines.ends_with('\n') || end == text.len())
    };
    // Two places may overlap, as lines may repeat.
    let mut places = (0..text.len()).filter(|at| text.is_char_boundary(*at) && text[*at..].starts_with(lines));
    let mut places = places.by_ref().filter(is_whole);
    match (places.next(), places.next()) {
        (Some(at), None) if !lines.is_empty() => Some(at..at + lines.len()),
        _ => None,
    }
}

/// A text as it is edited: with plain line ends, and without the mark that some editors write in front of UTF-8.
pub(super) fn plain(text: &str) -> String {
    let body = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    body.replace("\r\n", "\n")
}

/// The edited text with the mark and the line ends of the original.
pub(super) fn as_before(original: &str, edited: &str) -> String {
    match original.strip_prefix(BYTE_ORDER_MARK) {
        Some(body) => format!("{BYTE_ORDER_MARK}{}", with_line_ends(body, edited)),
        None => with_line_ends(original, edited),
    }
}

/// The edited text with the line ends of the original, whose editor saw it with `\n` alone.
///
/// Lines that stayed end as they did; new ones end as most do.
fn with_line_ends(original: &str, edited: &str) -> String {
    let ends = original.matches("\r\n").count();
    if ends == 0 {
        return edited.into();
    }
    let usual = if ends * 2 >= original.matches('\n').count() {
        "\r\n"
    } else {
        "\n"
    };
    let seen = original.replace("\r\n", "\n");
    let lines: Vec<&str> = original.split_inclusive('\n').collect();
    let new = |line: &str| match line.strip_suffix('\n') {
        Some(line) => format!("{line}{usual}"),
        None => line.into(),
    };
    let mut options = DiffOptions::new();
    options.set_context_len(0);
    let (mut text, mut at) = (String::with_capacity(edited.len()), 0);
    let patch = options.create_patch(&seen, edited);
    for hunk in patch.hunks() {
        // A range without lines names the line before it.
        let start = hunk.old_range().start();
        let start = if hunk.old_range().is_empty() { start } else { start - 1 };
        text.extend(lines[at..start].iter().copied());
        at = start;
        for line in hunk.lines() {
            match line {
                Line::Context(_) => {
                    text += lines[at];
                    at += 1;
                }
                Line::Delete(_) => at += 1,
                Line::Insert(line) => text += &new(line),
            }
        }
    }
    text.extend(lines[at..].iter().copied());
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(text: &str) -> State {
        State::Nothing.with_bytes(text.into())
    }

    #[test]
    fn a_diff_names_both_sides() {
        let link = State::Link("/bin/keyfob".into());
        let shown = |before: &State, after: &State| unified(Path::new("/f"), before, after, &ours(before, after));
        assert_eq!(
            shown(&State::Nothing, &link),
            "--- /dev/null\n+++ /f\n@@ -0,0 +1 @@\n+link to /bin/keyfob\n"
        );
        assert_eq!(shown(&file("a"), &file("a")), "");
        assert!(shown(&file("a"), &file("b")).contains("No newline"));
    }

    #[test]
    fn a_diff_shows_what_is_ours_and_no_line_around_it() {
        let (before, after) = (file("token = canary\n"), file("token = canary\nhelper = keyfob\n"));
        let ours = ours(&before, &after);
        let shown = |before, after| unified(Path::new("/f"), before, after, &ours);
        assert!(shown(&before, &after).ends_with(" @@\n+helper = keyfob\n"));
        assert!(shown(&after, &before).ends_with(" @@\n-helper = keyfob\n"));
        let theirs = file("token = canary\nhelper = keyfob\nx = canary\n");
        assert!(shown(&after, &theirs).ends_with(" @@\n+x = …\n"));
    }

    #[test]
    fn a_change_is_taken_out_beside_what_somebody_else_changed() {
        let (from, to) = ("a\nb\nc\n", "a\nb\nours\nc\n");
        let out = |now: &str| taken_out(from.as_bytes(), to.as_bytes(), now.as_bytes());
        assert_eq!(out(to).unwrap(), from.as_bytes());
        assert_eq!(out("new\na\nb\nours\nc\n").unwrap(), b"new\na\nb\nc\n");
        assert_eq!(out("a\nb\nOURS\nc\n"), None);
    }

    #[test]
    fn lines_that_took_the_place_of_others_give_way_to_them_beside_new_ones() {
        let (from, to) = ("a\nb = 1", "a\nb = 2\n");
        let out = |now: &str| taken_out(from.as_bytes(), to.as_bytes(), now.as_bytes());
        assert_eq!(out("a\nb = 2\nnew\n").unwrap(), b"a\nb = 1\nnew\n");
        assert_eq!(out("a\nnew\nb = 2\nnew\n").unwrap(), b"a\nnew\nb = 1\nnew\n");
        // Which of two is ours is not guessed, and part of a line is not a line.
        assert_eq!(out("a\nb = 2\nb = 2\n"), None);
        assert_eq!(taken_out(b"", b"ours", b"new\nours2\n"), None);
        assert_eq!(taken_out(b"", b"x\nx\n", b"x\nx\nx\n"), None);
    }

    #[test]
    fn a_last_line_without_an_end_stays_without_one() {
        let (from, to) = ("a\nb", "a\nours\nb");
        let out = |now: &str| taken_out(from.as_bytes(), to.as_bytes(), now.as_bytes());
        assert_eq!(out("a\nours\nnew\nb").unwrap(), b"a\nnew\nb");
        assert_eq!(out("a\nnew\nours\nb").unwrap(), b"a\nnew\nb");
    }

    proptest! {
        #[test]
        fn our_lines_come_out_wherever_others_were_added(
            count in 0_usize..6,
            ours in 0_usize..7,
            replaces in any::<bool>(),
            theirs in prop::collection::vec(0_usize..12, 1..5),
        ) {
            let begin: Vec<String> = (0..count).map(|at| format!("line {at}\n")).collect();
            let (mut to, ours) = (begin.clone(), ours % (count + 1));
            if replaces && ours < count {
                to.remove(ours);
            }
            to.insert(ours, "ours\n".into());
            let mut now = to.clone();
            for (number, at) in theirs.into_iter().enumerate() {
                now.insert(at % (now.len() + 1), format!("theirs {number}\n"));
            }
            let mut expected = now.clone();
            let at = now.iter().position(|line| line == "ours\n").unwrap();
            expected.splice(at..=at, begin.get(ours).filter(|_| to.len() == count).cloned());
            let out = taken_out(begin.concat().as_bytes(), to.concat().as_bytes(), now.concat().as_bytes());
            prop_assert_eq!(out, Some(expected.concat().into_bytes()));
        }
    }

    #[test]
    fn lines_keep_their_ends() {
        for (original, edited, expected) in [
            ("a\r\nb\r\n", "a\nx\nb\n", "a\r\nx\r\nb\r\n"),
            ("a\r\nb\n", "a\nb\nc\n", "a\r\nb\nc\r\n"),
            ("a\nb\r\nc\n", "x\nb\nc\n", "x\nb\r\nc\n"),
            ("a\r\nb", "a\nb\nc", "a\r\nb\r\nc"),
            ("a\r\n", "", ""),
            ("a\r\nb\r\n", "b\n", "b\r\n"),
            ("a\n", "b\n", "b\n"),
        ] {
            assert_eq!(with_line_ends(original, edited), expected, "{original:?} -> {edited:?}");
        }
    }
}
