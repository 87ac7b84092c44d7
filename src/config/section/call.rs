//! A call of a service that follows no specification: where to, what is sent, and where in the reply what is found.
//!
//! Other tables have calls in them, such as `[otp.send]`. What is sent is a template, in which a text that is nothing but
//! `{name}` is a slot. A slot is filled with one JSON string, so that no value can become anything else of the request.
//! What a reply means is `shape.rs`'s business.

use serde_json::Value;
use toml::Spanned;

use super::Text;
use crate::config::read::Reader;
use crate::error::Result;

words! {
    url: Text,
    method: Text,
    query: Spanned<Value>,
    body: Spanned<Value>,
    [reply]: reply::Words,
}

/// `[….reply]`, where in the JSON reply what is found.
pub(in crate::config) mod reply {
    use super::Text;

    words! {
        access_token: Text,
        refresh_token: Text,
        expires_in: Text,
        key: Text,
        subject: Text,
        message: Text,
    }
}

/// The deepest template that is read; a body that a service wants has two or three levels.
const MAX_DEPTH: usize = 16;

const OTHER_KIND: &str = "expected texts, numbers, lists and tables, found another kind";

/// A value that is known only when the call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The challenge of the proof key (RFC 7636, section 4.2).
    Challenge,
    /// The code that the person got.
    Code,
    /// The password in use.
    Current,
    /// The person's address.
    Email,
    /// The name that a service gave a second factor.
    Factor,
    /// The password that is to be used from now on.
    Password,
    /// The refresh token.
    RefreshToken,
    /// The scopes that are asked for, separated by spaces.
    Scope,
    /// The random name of one login.
    State,
    /// The verifier of the proof key (RFC 7636, section 4.1).
    Verifier,
    /// The workspace that a token is wanted for.
    Workspace,
}

/// The slots by their words, each with whether its value must stay out of URLs, which servers and proxies write down.
const SLOTS: &[(Slot, &str, bool)] = &[
    (Slot::Challenge, "challenge", false),
    (Slot::Code, "code", true),
    (Slot::Current, "current", true),
    (Slot::Email, "email", false),
    (Slot::Factor, "factor", false),
    (Slot::Password, "password", true),
    (Slot::RefreshToken, "refresh_token", true),
    (Slot::Scope, "scope", false),
    (Slot::State, "state", false),
    (Slot::Verifier, "verifier", true),
    (Slot::Workspace, "workspace", false),
];

impl Slot {
    /// How it stands in a provider file, with its braces.
    pub fn word(self) -> String {
        let row = SLOTS.iter().find(|(slot, ..)| *slot == self);
        format!("{{{}}}", row.expect("every slot has a row; a test checks it").1)
    }

    /// Whether its value must stay out of URLs, and of what is shown to a person.
    pub fn is_secret(self) -> bool {
        SLOTS.iter().any(|(slot, _, secret)| *slot == self && *secret)
    }
}

/// JSON with slots.
#[derive(Debug, Clone, PartialEq)]
pub enum Template {
    /// As it stands: a text, a number, true or false.
    Fixed(Value),
    /// Several, in order.
    List(Vec<Template>),
    /// A value that is filled in, as a text.
    Slot(Slot),
    /// Names with values.
    Table(Vec<(String, Template)>),
}

impl Template {
    /// A table of slots under these names.
    pub fn table(members: &[(&str, Slot)]) -> Template {
        let members = members.iter();
        Template::Table(
            members
                .map(|(name, slot)| ((*name).into(), Template::Slot(*slot)))
                .collect(),
        )
    }

    /// Whether a slot is anywhere in it.
    pub fn has(&self, wanted: Slot) -> bool {
        match self {
            Template::Fixed(_) => false,
            Template::List(parts) => parts.iter().any(|part| part.has(wanted)),
            Template::Slot(slot) => *slot == wanted,
            Template::Table(members) => members.iter().any(|(_, part)| part.has(wanted)),
        }
    }
}

/// Names of a URL's query with their values, of which each is fixed or a slot.
pub type Query = Vec<(String, Template)>;

/// Where in a reply what is found, as JSON pointers (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointers {
    /// The access token. Defaults to `/access_token`.
    pub access_token: String,
    /// The refresh token. Defaults to `/refresh_token`.
    pub refresh_token: String,
    /// The seconds until the access token ends. Defaults to `/expires_in`.
    pub expires_in: String,
    /// A key, which wins over an access token: it has no end, and nothing renews it.
    pub key: Option<String>,
    /// Whom the credential speaks for.
    pub subject: Option<String>,
    /// What the service says to a person. Defaults to the usual places.
    pub message: Option<String>,
}

/// How a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Without a body.
    Delete,
    /// Without a body.
    Get,
    /// With a body.
    Patch,
    /// With a body.
    Post,
    /// With a body.
    Put,
}

/// The methods by their words.
const METHODS: [(Method, &str); 5] = [
    (Method::Delete, "DELETE"),
    (Method::Get, "GET"),
    (Method::Patch, "PATCH"),
    (Method::Post, "POST"),
    (Method::Put, "PUT"),
];

impl Method {
    /// How it stands in a provider file, and in a request.
    pub fn word(self) -> &'static str {
        let row = METHODS.iter().find(|(method, _)| *method == self);
        row.expect("every method has a row; a test checks it").1
    }

    fn has_body(self) -> bool {
        !matches!(self, Method::Delete | Method::Get)
    }
}

/// A call of a service.
#[derive(Debug, Clone)]
pub struct Call {
    /// https, or http to a literal of the loopback interface.
    pub url: String,
    /// Defaults to what is natural for the call.
    pub method: Method,
    /// Added to the query of the URL.
    pub query: Query,
    /// The JSON that is sent; none where the method has none.
    pub body: Option<Template>,
    /// What the reply has.
    pub reply: Pointers,
}

impl Call {
    /// Whether a slot is anywhere in what is sent.
    pub fn asks(&self, slot: Slot) -> bool {
        self.body.as_ref().is_some_and(|body| body.has(slot)) || self.query.iter().any(|(_, part)| part.has(slot))
    }
}

/// Statuses and words by which an answer is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    /// HTTP statuses.
    pub statuses: Vec<u16>,
    /// Texts in the reply.
    pub words: Vec<String>,
}

impl Marks {
    /// These statuses and words.
    pub fn of(statuses: &[u16], words: &[&str]) -> Marks {
        Marks {
            statuses: statuses.into(),
            words: words.iter().map(|word| (*word).into()).collect(),
        }
    }
}

/// What a place in a provider file demands of its call.
pub(in crate::config) struct Place<'a> {
    /// The table's name, for messages.
    pub key: &'a str,
    /// The slots that have a value there.
    pub slots: &'a [Slot],
    /// The slots without which the call means nothing, or is not safe.
    pub needs: &'a [Slot],
    /// The method where the file does not say it.
    pub method: Method,
    /// What is sent where the file does not say it.
    pub body: Template,
}

/// None where there is no URL.
pub(in crate::config) fn read(reader: &Reader, words: &Words, place: &Place) -> Result<Option<Call>> {
    let Some(url) = &words.url else { return Ok(None) };
    let key = |name: &str| format!("{}.{name}", place.key);
    let method = method(reader, &key("method"), words.method.as_ref())?.unwrap_or(match &words.body {
        Some(_) if !place.method.has_body() => Method::Post,
        _ => place.method,
    });
    let body = match &words.body {
        Some(body) if !method.has_body() => {
            let message = format!(
                "{}: expected nothing beside the method {}, found a body",
                key("body"),
                method.word()
            );
            return Err(reader.wrong(Some(body.span().start), message));
        }
        Some(body) => Some(template(reader, &key("body"), body, place.slots)?),
        None => method.has_body().then(|| place.body.clone()),
    };
    let query = query(reader, &key("query"), words.query.as_ref(), place.slots)?;
    let has =
        |slot: Slot| body.as_ref().is_some_and(|body| body.has(slot)) || query.iter().any(|(_, part)| part.has(slot));
    if let Some(slot) = place.needs.iter().find(|slot| !has(**slot)) {
        let at = words.body.as_ref().map_or(url.span().start, |body| body.span().start);
        let message = format!("{}: expected the slot `{}` in it, found none", key("body"), slot.word());
        return Err(reader.wrong(Some(at), message));
    }
    Ok(Some(Call {
        url: reader.url(&key("url"), url)?,
        method,
        query,
        body,
        reply: pointers(reader, &key("reply"), &words.reply)?,
    }))
}

fn method(reader: &Reader, key: &str, word: Option<&Text>) -> Result<Option<Method>> {
    let Some(word) = word else { return Ok(None) };
    let found = METHODS.iter().find(|(_, name)| name == word.get_ref());
    let all = || METHODS.map(|(_, name)| name).join(", ");
    let method = found.ok_or_else(|| reader.wrong_at(word, format!("{key}: expected {}, found another", all())))?;
    Ok(Some(method.0))
}

fn pointers(reader: &Reader, key: &str, words: &reply::Words) -> Result<Pointers> {
    let pointer = |name: &str, text: &Option<Text>, default: &str| {
        reader.pointer(&format!("{key}.{name}"), text.as_ref(), default)
    };
    let pointer_if = |name: &str, text: &Option<Text>| text.is_some().then(|| pointer(name, text, "")).transpose();
    Ok(Pointers {
        access_token: pointer("access_token", &words.access_token, "/access_token")?,
        refresh_token: pointer("refresh_token", &words.refresh_token, "/refresh_token")?,
        expires_in: pointer("expires_in", &words.expires_in, "/expires_in")?,
        key: pointer_if("key", &words.key)?,
        subject: pointer_if("subject", &words.subject)?,
        message: pointer_if("message", &words.message)?,
    })
}

/// A table of texts and slots whose values may stand in a URL.
pub(in crate::config) fn query(
    reader: &Reader,
    key: &str,
    table: Option<&Spanned<Value>>,
    slots: &[Slot],
) -> Result<Query> {
    let Some(table) = table else { return Ok(Query::new()) };
    let wrong = |message: &str| reader.wrong(Some(table.span().start), format!("{key}: {message}"));
    let Template::Table(members) = template(reader, key, table, slots)? else {
        return Err(wrong("expected a table, found another kind"));
    };
    for (_, member) in &members {
        match member {
            Template::Slot(slot) if slot.is_secret() => {
                return Err(wrong(&format!(
                    "expected `{}` in the body alone, since URLs are written down, found it here",
                    slot.word()
                )));
            }
            Template::Slot(_) | Template::Fixed(Value::String(_)) => (),
            _ => return Err(wrong("expected texts, found another kind")),
        }
    }
    Ok(members)
}

/// A list of statuses and words.
pub(in crate::config) fn marks(reader: &Reader, key: &str, list: &[Spanned<Value>]) -> Result<Marks> {
    let mut marks = Marks::of(&[], &[]);
    for entry in list {
        let status = |number: u64| u16::try_from(number).ok().filter(|status| (200..600).contains(status));
        match entry.get_ref() {
            Value::String(text) if !text.is_empty() => marks.words.push(text.clone()),
            Value::Number(number) if number.as_u64().and_then(status).is_some() => {
                marks.statuses.extend(number.as_u64().and_then(status));
            }
            _ => {
                let message = format!("{key}: expected statuses from 200 to 599 and texts, found another");
                return Err(reader.wrong(Some(entry.span().start), message));
            }
        }
    }
    Ok(marks)
}

/// A template whose slots are among these.
fn template(reader: &Reader, key: &str, value: &Spanned<Value>, slots: &[Slot]) -> Result<Template> {
    if !value.get_ref().is_object() {
        let message = format!("{key}: expected a table, found another kind");
        return Err(reader.wrong(Some(value.span().start), message));
    }
    fill(value.get_ref(), slots, 0)
        .map_err(|message| reader.wrong(Some(value.span().start), format!("{key}: {message}")))
}

fn fill(value: &Value, slots: &[Slot], depth: usize) -> Result<Template, String> {
    if depth > MAX_DEPTH {
        return Err(format!("expected at most {MAX_DEPTH} levels, found more"));
    }
    let below = |value| fill(value, slots, depth + 1);
    Ok(match value {
        // A JSON reader is shown a date of TOML as a table with a name of its own.
        Value::Object(members) if members.keys().any(|name| name.starts_with('$')) => {
            return Err(OTHER_KIND.into());
        }
        // A number of TOML that JSON does not have.
        Value::Null => return Err(OTHER_KIND.into()),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| Ok((name.clone(), below(value)?)));
            Template::Table(members.collect::<Result<_, String>>()?)
        }
        Value::Array(parts) => Template::List(parts.iter().map(below).collect::<Result<_, String>>()?),
        Value::String(text) if text.starts_with('{') && text.ends_with('}') => {
            let found = slots.iter().find(|slot| slot.word() == *text);
            let all = || slots.iter().map(|slot| slot.word()).collect::<Vec<_>>().join(", ");
            Template::Slot(*found.ok_or_else(|| format!("expected a slot of {}, found another", all()))?)
        }
        fixed => Template::Fixed(fixed.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_one_row() {
        let all = [
            Slot::Challenge,
            Slot::Code,
            Slot::Current,
            Slot::Email,
            Slot::Factor,
            Slot::Password,
            Slot::RefreshToken,
            Slot::Scope,
            Slot::State,
            Slot::Verifier,
            Slot::Workspace,
        ];
        for slot in all {
            assert_eq!(SLOTS.iter().filter(|(row, ..)| *row == slot).count(), 1, "{slot:?}");
        }
        assert_eq!(SLOTS.len(), all.len());
    }

    #[test]
    fn every_method_has_one_row() {
        let all = [Method::Delete, Method::Get, Method::Patch, Method::Post, Method::Put];
        assert_eq!(METHODS.map(|(method, _)| method), all);
    }

    #[test]
    fn only_a_text_that_is_nothing_else_is_a_slot() {
        let value = serde_json::json!({"a": "{email}", "b": "x{email}", "c": ["{email}", 1, true], "d": "{code} "});
        let table = fill(&value, &[Slot::Email], 0).unwrap();
        let Template::Table(members) = table else {
            panic!("a table stays one")
        };
        let kinds: Vec<bool> = members.iter().map(|(_, part)| part.has(Slot::Email)).collect();
        assert_eq!(kinds, [true, false, true, false]);
        for wrong in ["{code}", "{emial}", "{}", "{ email }"] {
            let message = fill(&serde_json::json!({ "a": wrong }), &[Slot::Email], 0).unwrap_err();
            assert_eq!(message, "expected a slot of {email}, found another", "{wrong}");
        }
    }
}
