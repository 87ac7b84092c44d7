//! A configuration in HCL, changed in place: text is inserted or replaced at places that a parser finds.
//!
//! After a change the text is read again, and what was asked must be all that differs.

use std::ops::Range;

use hcl_edit::Span;
use hcl_edit::structure::{Body, Structure};

use crate::error::{Error, Result};

/// Reads it.
///
/// # Errors
/// [`crate::error::Class::Usage`] with the line.
fn parse(text: &str) -> Result<Body> {
    hcl_edit::parser::parse_body(text).map_err(|error| {
        let line = error.location().line();
        // Both are what the older HCL took, and its readers do still.
        if text.trim_start().starts_with('{') {
            let error = Error::usage("it is JSON, and only HCL can be changed in place");
            return error.hint("write it as HCL, then try again");
        }
        let begin = text
            .lines()
            .nth(line.saturating_sub(1))
            .unwrap_or_default()
            .trim_start();
        if begin.starts_with('"') {
            let error = Error::usage(format!(
                "line {line} begins with a name in quotes, which HCL no longer takes"
            ));
            return error.hint("write the name without quotes, then try again");
        }
        Error::usage(format!("line {line} is not HCL"))
    })
}

/// The text of an attribute at the top; none where there is none, empty where it is something else.
///
/// # Errors
/// As [`set_attribute`].
pub(super) fn attribute(text: &str, name: &str) -> Result<Option<String>> {
    let body = parse(text)?;
    let found = body.get_attribute(name);
    Ok(found.map(|found| found.value.as_str().unwrap_or_default().to_owned()))
}

/// Sets an attribute at the top.
///
/// # Errors
/// [`crate::error::Class::Usage`] with the line when the text is not HCL.
pub(super) fn set_attribute(text: &str, name: &str, value: &str) -> Result<String> {
    let body = parse(text)?;
    let count = body.len();
    let (after, count) = match body.get_attribute(name).map(|found| found.value.span()) {
        Some(Some(place)) => (replaced(text, place, &quoted(value)), count),
        Some(None) => return Err(unchanged()),
        None => (appended(text, &format!("{name} = {}\n", quoted(value))), count + 1),
    };
    let is_right = parse(&after)?.len() == count && attribute(&after, name)?.as_deref() == Some(value);
    if is_right { Ok(after) } else { Err(unchanged()) }
}

/// The labels of the blocks of this kind at the top.
///
/// # Errors
/// [`crate::error::Class::Usage`] with the line when the text is not HCL.
pub(super) fn labels(text: &str, ident: &str) -> Result<Vec<String>> {
    let body = parse(text)?;
    let label = |block: &hcl_edit::structure::Block| block.labels.first().map(|label| label.as_str().to_owned());
    Ok(body
        .get_blocks(ident)
        .map(|block| label(block).unwrap_or_default())
        .collect())
}

/// Puts a block in the place of those of its kind, or at the end.
///
/// # Errors
/// [`crate::error::Class::Usage`] with the line when the text is not HCL.
pub(super) fn set_block(text: &str, ident: &str, block: &str) -> Result<String> {
    let body = parse(text)?;
    let is_other = |structure: &&Structure| !structure.as_block().is_some_and(|block| block.has_ident(ident));
    let others = body.iter().filter(is_other).count();
    let mut places = Vec::new();
    for found in body.get_blocks(ident) {
        places.push(found.span().ok_or_else(unchanged)?);
    }
    let mut after = text.to_owned();
    let first = places.first().cloned();
    for place in places.into_iter().rev() {
        let with = if Some(&place) == first.as_ref() {
            block.trim_end()
        } else {
            ""
        };
        after = replaced(&after, place, with);
    }
    if first.is_none() {
        after = appended(text, block);
    }
    let body = parse(&after)?;
    let is_right = body.get_blocks(ident).count() == 1 && body.len() == others + 1;
    if is_right { Ok(after) } else { Err(unchanged()) }
}

fn unchanged() -> Error {
    Error::failure("it cannot be changed without changing more than was asked")
}

fn replaced(text: &str, place: Range<usize>, with: &str) -> String {
    format!("{}{with}{}", &text[..place.start], &text[place.end..])
}

fn appended(text: &str, more: &str) -> String {
    let end = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    format!("{text}{end}{more}")
}

/// A text as HCL writes it, with nothing in it that HCL would fill in.
pub(super) fn quoted(text: &str) -> String {
    let text = text.replace('\\', r"\\").replace('"', "\\\"");
    format!("\"{}\"", text.replace("${", "$${").replace("%{", "%%{"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_set_where_it_stands_or_at_the_end() {
        for (text, expected) in [
            ("", "k = \"v\"\n"),
            ("# c\na = [1,  2]", "# c\na = [1,  2]\nk = \"v\"\n"),
            ("k   =   \"old\" // c\nb {\n}\n", "k   =   \"v\" // c\nb {\n}\n"),
        ] {
            assert_eq!(set_attribute(text, "k", "v").unwrap(), expected, "{text:?}");
        }
        let odd = "/a b/\"${x}";
        assert_eq!(
            attribute(&set_attribute("", "k", odd).unwrap(), "k").unwrap().unwrap(),
            odd
        );
    }

    #[test]
    fn a_block_takes_the_place_of_its_kind() {
        let block = "h \"n\" {\n}\n";
        for (text, expected) in [
            ("", "h \"n\" {\n}\n"),
            ("a = 1 # c", "a = 1 # c\nh \"n\" {\n}\n"),
            (
                "# c\nh \"o\" {\n  args = [\"}\"]\n} # d\nx {}\n",
                "# c\nh \"n\" {\n} # d\nx {}\n",
            ),
        ] {
            assert_eq!(set_block(text, "h", block).unwrap(), expected, "{text:?}");
        }
        assert_eq!(labels("h \"o\" {}\nh x {}\n", "h").unwrap(), ["o", "x"]);
    }

    #[test]
    fn a_mistake_is_named_by_its_line() {
        let error = labels("a = 1\nb = = canary\n", "h").unwrap_err().to_string();
        assert!(error.contains("line 2") && !error.contains("canary"), "{error}");
        for (text, said) in [
            ("{\n  \"a\": \"canary\"\n}\n", "it is JSON"),
            ("a = 1\n\"b\" = \"canary\"\n", "line 2 begins with a name in quotes"),
        ] {
            let error = labels(text, "h").unwrap_err();
            assert!(error.to_string().contains(said) && error.hint.is_some(), "{error:?}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }
}
