//! A configuration in JSON, changed in place: what is not changed keeps its formatting, order and comments.

use jsonc_parser::cst::{CstObject, CstObjectProp, CstRootNode};
use jsonc_parser::{ParseOptions, json};

use crate::error::{Error, Result};

/// What a program that reads JSON takes, and comments, which are kept where one takes those too.
pub(super) const STRICT: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// The member of this name; the last, which a tool takes where there are several.
pub(super) fn member(object: &CstObject, name: &str) -> Option<CstObjectProp> {
    let mut members = object.properties().into_iter().rev();
    members.find(|member| member.decoded_name().as_deref() == Some(name))
}

/// An object.
pub(super) struct Document {
    root: CstRootNode,
    object: CstObject,
}

impl Document {
    /// Reads it; an empty text is an object without members.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] with line and column.
    pub(super) fn parse(text: &str) -> Result<Document> {
        let text = if text.trim().is_empty() { "{}\n" } else { text };
        let root = CstRootNode::parse(text, &STRICT).map_err(|error| {
            let (line, column) = (error.line_display(), error.column_display());
            Error::usage(format!("line {line}, column {column} is not JSON"))
        })?;
        let object = root.object_value();
        let object = object.ok_or_else(|| Error::usage("expected a JSON object, found something else"))?;
        Ok(Document { root, object })
    }

    /// The texts of the members of an object that is a member; none where it is something else.
    pub(super) fn texts_in(&self, object: &str) -> Vec<String> {
        let Some(within) = self.object.get(object).and_then(|member| member.object_value()) else {
            return Vec::new();
        };
        let text = |member: &CstObjectProp| member.value()?.as_string_lit()?.decoded_value().ok();
        within.properties().iter().filter_map(text).collect()
    }

    /// A member whose name is this one in another case. A program in Go takes it for the same, and writes it by this name.
    pub(super) fn in_other_case(&self, name: &str) -> Option<String> {
        let members = self.object.properties();
        let mut names = members.iter().filter_map(CstObjectProp::decoded_name);
        names.find(|found| found != name && found.eq_ignore_ascii_case(name))
    }

    /// The text of a member; empty where it is something else.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let value = member(&self.object, name)?.value()?;
        let text = value.as_string_lit().and_then(|text| text.decoded_value().ok());
        Some(text.unwrap_or_default())
    }

    /// The members of an object that have one of these texts, which are not empty.
    pub(super) fn with_text(&self, name: &str, texts: &[&str]) -> Vec<String> {
        let Some(members) = member(&self.object, name).and_then(|member| member.object_value()) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for member in members.properties() {
            let has = |text: &&str| {
                let value = member
                    .object_value()
                    .and_then(|object| self::member(&object, text)?.value());
                let text = value.and_then(|value| value.as_string_lit()?.decoded_value().ok());
                text.is_some_and(|text| !text.is_empty())
            };
            if texts.iter().any(has) {
                found.extend(member.name().and_then(|name| name.decoded_value().ok()));
            }
        }
        found
    }

    /// Sets a member, at the end if it is new.
    pub(super) fn set(&self, name: &str, value: &str) {
        match member(&self.object, name) {
            Some(member) => member.set_value(json!(value)),
            None => drop(self.object.append(name, json!(value))),
        }
    }

    /// The text of a member of an object that is a member; empty where it is something else.
    pub(super) fn text_in(&self, object: &str, name: &str) -> Option<String> {
        let value = self.object.get(object)?.object_value()?.get(name)?.value()?;
        let text = value.as_string_lit().and_then(|text| text.decoded_value().ok());
        Some(text.unwrap_or_default())
    }

    /// Sets a member of an object that is a member, which is made if there is none.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] when that member is something else.
    pub(super) fn set_in(&self, object: &str, name: &str, value: &str) -> Result<()> {
        let within = self.object.object_value_or_create(object);
        let within = within.ok_or_else(|| Error::usage(format!("`{object}` is no object")))?;
        match within.get(name) {
            Some(member) => member.set_value(json!(value)),
            None => drop(within.append(name, json!(value))),
        }
        Ok(())
    }

    /// The whole text.
    pub(super) fn print(&self) -> String {
        self.root.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_else_stays_as_it_is() {
        for (text, expected) in [
            ("", "{\n  \"k\": \"v\"\n}\n"),
            ("{}", "{\n  \"k\": \"v\"\n}"),
            ("{\"a\":1}", "{\n  \"a\":1,\n  \"k\": \"v\"\n}"),
            (
                "{\n\t\"a\" : [ 1,2 ] ,\n\t\"b\": {}\n}",
                "{\n\t\"a\" : [ 1,2 ] ,\n\t\"b\": {},\n\t\"k\": \"v\"\n}",
            ),
            ("{ \"k\": \"old\" , \"z\": 1 }\n\n", "{ \"k\": \"v\" , \"z\": 1 }\n\n"),
            ("{\"k\":1,\"\\u006b\":\"old\"}", "{\"k\":1,\"\\u006b\":\"v\"}"),
        ] {
            let document = Document::parse(text).unwrap();
            document.set("k", "v");
            let after = document.print();
            assert_eq!(Document::parse(&after).unwrap().text("k").as_deref(), Some("v"));
            assert_eq!(after, expected, "{text:?}");
        }
    }

    #[test]
    fn a_member_of_a_member_is_set_beside_the_others() {
        for text in [
            "{}",
            "{\"o\": {}}",
            "{\"o\": {\"a\":\"b\"}, \"z\": 1}",
            "{\"o\": {\"k\": \"old\"}}",
        ] {
            let document = Document::parse(text).unwrap();
            document.set_in("o", "k", "v").unwrap();
            let after = Document::parse(&document.print()).unwrap();
            assert_eq!(after.text_in("o", "k").as_deref(), Some("v"), "{text}");
            assert_eq!(after.text_in("o", "a"), document.text_in("o", "a"));
        }
        assert!(Document::parse("{\"o\": 1}").unwrap().set_in("o", "k", "v").is_err());
    }

    #[test]
    fn members_are_found_by_the_texts_in_them() {
        let text = r#"{"a": {"x": {"t": "1"}, "y": {}, "z": {"t": ""}, "v": {"u": "2"}, "w": 3}, "b": 1}"#;
        let document = Document::parse(text).unwrap();
        assert_eq!(document.with_text("a", &["t", "u"]), ["x", "v"]);
        assert!(document.with_text("b", &["t"]).is_empty() && document.with_text("c", &["t"]).is_empty());
    }

    #[test]
    fn a_mistake_is_named_by_its_place() {
        let error = |text: &str| Document::parse(text).err().unwrap().to_string();
        assert!(error("{\n  \"a\": canary\n}").contains("line 2"));
        assert!(error("[]").contains("object"));
    }
}
