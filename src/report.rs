//! From an [`Error`] to what a person reads and a caller tests: the one exit table, and text made fit for a terminal.
//!
//! Protocols have their own wire forms for a failure; they take the text from here and leave the number.

use crate::error::{Class, Error};

/// The exit code of keyfob's own commands for each class, with its meaning; code 0 is "done".
pub const EXITS: [(Class, u8, &str); 6] = [
    (Class::Failure, 1, "failure that is none of the below"),
    (Class::Login, 2, "no valid session or credential: a person must log in"),
    (
        Class::Temporary,
        3,
        "temporary: network, rate limit, lock or server time-out; try again",
    ),
    (Class::Store, 4, "the store is locked, denied, unavailable or damaged"),
    (
        Class::Refused,
        5,
        "refused: two accounts fit, the policy forbids it, or the target may not have this credential",
    ),
    (
        Class::Usage,
        64,
        "usage: command line, configuration or malformed request",
    ),
];

/// The longest text of somebody else that is shown.
const MAX_SHOWN: usize = 200;

/// The exit code of a class.
pub fn exit_code(class: Class) -> u8 {
    EXITS
        .iter()
        .find(|(row, ..)| *row == class)
        .map_or(1, |(_, code, _)| *code)
}

/// The lines for stderr: `keyfob: error: …`, and `keyfob: hint: …` when there is a next step.
pub fn lines(error: &Error) -> String {
    let mut text = format!("keyfob: error: {}\n", message(error));
    if let Some(hint) = hint(error) {
        text += &format!("keyfob: hint: {hint}\n");
    }
    text
}

/// The next step, fit for a terminal. It is whole: a command that is cut does something else, or nothing.
pub fn hint(error: &Error) -> Option<String> {
    error.hint.as_deref().map(printable)
}

/// The chain of causes as one line.
pub fn message(error: &Error) -> String {
    sanitise(&error.to_string())
}

/// Makes text from outside fit for a terminal: one line, printable, at most 200 characters, single spaces.
pub fn sanitise(text: &str) -> String {
    let shown = printable(text);
    let words: Vec<&str> = shown.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The same at its whole length and with all its spaces, for a path that a person may copy.
///
/// Escape sequences are dropped whole, other control characters become spaces; characters that reorder or hide text
/// (Unicode's bidirectional and zero-width ones) are dropped.
pub fn printable(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => skip_escape(&mut rest),
            '\u{9b}' => skip_control_sequence(&mut rest),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut rest),
            '\u{2028}' | '\u{2029}' => shown.push(' '),
            c if is_hidden(c) => (),
            c if c.is_control() => shown.push(' '),
            c => shown.push(c),
        }
    }
    shown
}

/// A paragraph of lines of at most `columns` letters, whose later lines begin below the end of `first`. A word is never
/// cut.
pub fn wrap(columns: usize, first: &str, words: &str) -> String {
    let margin = first.chars().count();
    let mut text = first.to_owned();
    let mut column = margin;
    for word in words.split_whitespace() {
        let width = word.chars().count();
        if column > margin && column + 1 + width > columns {
            text += &format!("\n{:margin$}", "");
            column = margin;
        } else if column > margin {
            text.push(' ');
            column += 1;
        }
        text += word;
        column += width;
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// Makes JSON fit for a terminal: what a terminal would act on, or not show, is escaped. It means the same as before.
pub fn json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_hidden(c) || matches!(c, '\u{2028}' | '\u{2029}') {
            shown += &format!("\\u{:04x}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Whether a character reorders or hides text.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{61c}' | '\u{feff}')
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn skip_escape(rest: &mut Rest) {
    match rest.next() {
        Some('[') => skip_control_sequence(rest),
        Some(']' | 'P' | 'X' | '^' | '_') => skip_string(rest),
        Some(' '..='/') => {
            while rest.next_if(|c| (' '..='/').contains(c)).is_some() {}
            rest.next();
        }
        _ => (),
    }
}

fn skip_control_sequence(rest: &mut Rest) {
    while rest.next_if(|c| (' '..='?').contains(c)).is_some() {}
    rest.next_if(|c| ('@'..='~').contains(c));
}

/// Up to the bell or the string terminator; an unfinished one takes everything.
fn skip_string(rest: &mut Rest) {
    while let Some(c) = rest.next() {
        if c == '\u{7}' || c == '\u{9c}' || (c == '\u{1b}' && rest.next_if_eq(&'\\').is_some()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{json, lines, printable, sanitise};
    use crate::error::Error;

    #[test]
    fn escape_sequences_are_dropped_whole() {
        for (raw, shown) in [
            ("a\u{1b}[31mb", "ab"),
            ("a\u{1b}]8;;https://evil\u{7}link\u{1b}]8;;\u{1b}\\b", "alinkb"),
            ("a\u{1b}]52;c;ZXZpbA==\u{9c}b", "ab"),
            ("a\u{9b}2Jb", "ab"),
            ("a\u{1b}(0b", "ab"),
            ("a\u{1b}", "a"),
            ("a\u{1b}Pqueue", "a"),
        ] {
            assert_eq!(sanitise(raw), shown, "{raw:?}");
        }
    }

    #[test]
    fn what_is_left_is_one_short_line() {
        assert_eq!(sanitise("a\r\nb\tc\0d\u{2028}e  f"), "a b c d e f");
        assert_eq!(sanitise("\u{202e}gnp.exe\u{200b}"), "gnp.exe");
        assert_eq!(sanitise(&"x".repeat(300)).chars().count(), 201);
    }

    #[test]
    fn a_command_to_copy_is_whole_and_cannot_act() {
        let path = "x".repeat(300);
        let error = Error::failure("a").hint(format!("run `chmod 600 /{path}\u{1b}[2J\n`"));
        assert_eq!(
            lines(&error),
            format!("keyfob: error: a\nkeyfob: hint: run `chmod 600 /{path} `\n")
        );
    }

    #[test]
    fn a_path_keeps_its_length_and_its_spaces() {
        let path = format!("/a  b/{}", "x".repeat(300));
        assert_eq!(printable(&path), path);
        assert_eq!(printable("/a\u{1b}[31m\nb\u{9d}0;t\u{7}"), "/a b");
    }

    #[test]
    fn json_shows_what_it_would_do_and_means_the_same() {
        let value = serde_json::json!(["\u{9b}2J", "\u{202e}", "\u{2028}", "\u{7f}", "a\u{1b}b", "ä"]);
        let text = json(&value.to_string());
        assert!(text.chars().all(|c| !c.is_control() && !super::is_hidden(c)), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
