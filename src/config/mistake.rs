//! A mistake that the TOML reader found, in the words of this program: which key, what was expected, what kind was found.
//!
//! The reader's own words quote values, one of which may be a client's secret; nothing of a value is let through.

/// The words of the reader for what it expected, and ours.
const KINDS: &[(&str, &str)] = &[
    ("a string", "a text"),
    ("u32", "a whole number"),
    ("a boolean", "true or false"),
    ("a sequence", "a list"),
    ("a map", "a table"),
    ("struct", "a table"),
];

/// What was found, by how the reader's words for it begin.
const FOUND: &[(&str, &str)] = &[
    ("string", "a text"),
    ("integer", "a number"),
    ("floating point", "a number"),
    ("boolean", "true or false"),
    ("sequence", "a list"),
    ("map", "a table or date"),
];

/// The mistake at byte `at` of a file, as `KEY: expected X, found Y`.
pub(super) fn describe(text: &str, at: usize, message: &str) -> String {
    let key = key_at(text, at);
    let named = |what: String| if key.is_empty() { what } else { format!("{key}: {what}") };
    let kind = ["invalid type: ", "invalid value: ", "invalid length: "];
    if let Some(rest) = kind.iter().find_map(|start| message.strip_prefix(start)) {
        let (found, expected) = rest.rsplit_once(", expected ").unwrap_or((rest, "another value"));
        let ours = |words: &[(&'static str, &'static str)], text: &str| {
            words
                .iter()
                .find(|(start, _)| text.starts_with(start))
                .map(|(_, ours)| *ours)
        };
        let expected = ours(KINDS, expected).unwrap_or("another kind");
        let found = ours(FOUND, found).unwrap_or("another kind");
        return named(format!("expected {expected}, found {found}"));
    }
    if let Some(name) = between(message, "missing field `") {
        let key = if key.is_empty() {
            name.into()
        } else {
            format!("{key}.{name}")
        };
        return format!("{key}: expected, found nothing");
    }
    if message.starts_with("unknown field `") {
        let known = message.split_once("expected ").map_or("no key", |(_, known)| known);
        return named(format!("expected {}, found another key", known.replace('`', "")));
    }
    if message == "duplicate key" {
        return named("expected once, found twice".into());
    }
    // What is left is about the form of the file, and speaks of signs alone.
    named(format!("expected TOML: {message}"))
}

fn between<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split('`').next()
}

/// The key whose line, or the lines of whose value, this byte is in, with its table; nothing where it cannot be told.
fn key_at(text: &str, at: usize) -> String {
    let end = text.len().min(at);
    let end = text
        .bytes()
        .skip(end)
        .position(|b| b == b'\n')
        .map_or(text.len(), |more| end + more);
    let bytes = text.as_bytes();
    let lines = bytes[..end]
        .split(|b| *b == b'\n')
        .map(|line| std::str::from_utf8(line).unwrap_or_default().trim());
    let lines: Vec<&str> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let plain = |name: &str| {
        let name = name.trim();
        let good = |b: u8| b.is_ascii_alphanumeric() || b"_-.\"".contains(&b);
        (!name.is_empty() && name.len() <= 128 && name.bytes().all(good)).then(|| name.to_owned())
    };
    let is_header = |line: &&str| line.starts_with('[') && !line.contains([',', '=']);
    let header = lines.iter().rposition(is_header);
    let table = header.and_then(|at| plain(lines[at].trim_start_matches('[').split(']').next().unwrap_or_default()));
    let own = &lines[header.map_or(0, |at| at + 1)..];
    let key = own
        .iter()
        .rev()
        .find_map(|line| line.split_once('=').and_then(|(key, _)| plain(key)));
    [table, key].into_iter().flatten().collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_value_is_let_through() {
        for message in [
            "invalid type: string \"canary, expected x\", expected u32",
            "invalid type: integer `4242`, expected a string",
            "invalid value: string \"canary\", expected canary",
            "invalid type: canary",
        ] {
            let told = describe("", 0, message);
            assert!(!told.contains("canary") && !told.contains("4242"), "{told}");
        }
    }

    #[test]
    fn the_key_is_the_one_of_the_line_or_of_the_list_around_it() {
        let text = "format = 1\n# a = b\n[env]\nvariables = [\n  \"A\",\n  3,\n]\n[[target]]\nurl = 4\n";
        for (part, key) in [
            ("format", "format"),
            ("variables", "env.variables"),
            ("3,", "env.variables"),
            ("[[target", "target"),
            ("4", "target.url"),
        ] {
            assert_eq!(key_at(text, text.find(part).unwrap()), key, "{part}");
        }
        for at in 0..=text.len() + 1 {
            key_at(text, at);
        }
        for text in ["", "=", "\u{e9}\n\u{e9}", "[", "]", "[[", "[=]"] {
            (0..=text.len()).for_each(|at| assert!(key_at(text, at).is_empty()));
        }
    }
}
