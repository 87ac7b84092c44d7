//! From bytes to lines of `key=value`, by the rule that every reader of them must see the same ones.
//!
//! It knows no attribute; `decode.rs` does. Credentials went to the wrong host whenever two readers disagreed on where a
//! line ends, so there is one framing for a whole request, and bytes on which readers differ are refused.
//! Implements `protocol.md`, section "Lines".

use crate::error::{Error, Result};

/// The longest line with its end, in bytes, that git's description allows. Servers do not keep to it in what git hands
/// on of them, so that only attributes which somebody looks at are held to it.
pub(super) const MAX_LINE: usize = 65_535;

/// One attribute as it came.
pub(super) struct Line<'a> {
    /// What stands before the first `=`.
    pub(super) key: &'a [u8],
    /// What stands after it, byte for byte.
    pub(super) value: &'a [u8],
}

/// The attributes up to a blank line or the end of the input.
///
/// # Errors
/// [`crate::error::Class::Usage`] on a NUL, on a CR that is not part of an end that all lines have, and on a line without
/// `=`.
pub(super) fn split(input: &[u8]) -> Result<Vec<Line<'_>>> {
    let mut lines = Vec::new();
    let mut framing = None;
    let mut rest = input;
    while !rest.is_empty() {
        let end = rest.iter().position(|b| *b == b'\n');
        let mut line = &rest[..end.unwrap_or(rest.len())];
        rest = end.map_or(&[], |end| &rest[end + 1..]);
        if end.is_some() {
            let bare = line.strip_suffix(b"\r");
            if *framing.get_or_insert(bare.is_some()) != bare.is_some() {
                return Err(malformed("its lines end in different ways"));
            }
            line = bare.unwrap_or(line);
            if line.is_empty() {
                break;
            }
        }
        if line.contains(&b'\r') || line.contains(&0) {
            return Err(malformed("a line has a carriage return or NUL"));
        }
        let equals = line.iter().position(|b| *b == b'=');
        let equals = equals.ok_or_else(|| malformed("a line has no `=`"))?;
        lines.push(Line {
            key: &line[..equals],
            value: &line[equals + 1..],
        });
    }
    Ok(lines)
}

/// A request that is refused; `what` names a part of it and no value.
pub(super) fn malformed(what: impl std::fmt::Display) -> Error {
    Error::usage(what).context("reading the request")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(input: &str) -> Option<Vec<(String, String)>> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let lines = split(input.as_bytes()).ok()?;
        Some(lines.iter().map(|line| (text(line.key), text(line.value))).collect())
    }

    #[test]
    fn both_framings_are_read_when_all_lines_have_it() {
        let expected = Some(vec![("a".into(), "1".into()), ("b".into(), "=2 ".into())]);
        for input in [
            "a=1\nb==2 \n",
            "a=1\nb==2 \n\nc\0",
            "a=1\r\nb==2 \r\n\r\nx\n",
            "a=1\nb==2 ",
            "a=1\r\nb==2 ",
        ] {
            assert_eq!(pairs(input), expected, "{input:?}");
        }
        assert_eq!(pairs(""), Some(vec![]));
        assert_eq!(pairs("\n"), Some(vec![]));
    }

    #[test]
    fn bytes_on_which_readers_differ_are_refused() {
        for input in [
            "a=1\r\nb=2\n",
            "a=1\nb=2\r\n",
            "a=1\rb=2\n",
            "\ra=1\n",
            "a\r=1\n",
            "a=\r1\n",
            "a=1\r",
            "a=1\r\r\n",
            "a=1\0\n",
            "a\0=1\n",
            "a\n",
            "a=1\n\r\n",
            "a=1\r\n\n",
            "\r",
        ] {
            assert_eq!(pairs(input), None, "{input:?}");
        }
    }
}
