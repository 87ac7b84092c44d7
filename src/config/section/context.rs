//! `[context]`: what a workspace is to a service: a word that goes along with each request, or a token of its own.

use serde::{Deserialize, Serialize};

use super::Text;
use super::call::{self, Marks, Method, Place, Slot, Template};
use super::refresh::Refresh;
use crate::config::read::Reader;
use crate::error::Result;

words! {
    kind: Text,
    header: Text,
    parameter: Text,
    default: Text,
    [exchange]: call::Words,
}

/// What choosing another workspace does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Switch {
    /// It changes what goes along with the same token.
    Header,
    /// It asks the issuer for a token of that workspace.
    Reissue,
}

/// What a workspace is to a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// What choosing another one does.
    pub switch: Switch,
    /// The name of the request header that carries it, for whoever sends the request.
    pub header: Option<String>,
    /// The field of a token request that names it. Defaults to `workspace`.
    pub parameter: String,
    /// JSON pointer (RFC 6901) to the account's own default, in the reply of `[whoami]`.
    pub default: Option<String>,
}

/// None where the table has no kind.
pub(in crate::config) fn read(reader: &Reader, words: &Words) -> Result<Option<Workspace>> {
    let switch = match words.kind.as_ref().map(|kind| (kind, kind.get_ref().as_str())) {
        None => match words.first() {
            None => return Ok(None),
            Some((key, text)) => {
                let message = format!("context.{key}: expected `context.kind` beside it, found none");
                return Err(reader.wrong_at(text, message));
            }
        },
        Some((_, "header")) => Switch::Header,
        Some((_, "reissue")) => Switch::Reissue,
        Some((kind, _)) => {
            return Err(reader.wrong_at(kind, "context.kind: expected header or reissue, found another"));
        }
    };
    if let Some(text) = words.header.as_ref().filter(|text| !is_header_name(text.get_ref())) {
        return Err(reader.wrong_at(text, "context.header: expected the name of a header, found another"));
    }
    let default = words.default.as_ref();
    Ok(Some(Workspace {
        switch,
        header: words.header.as_ref().map(|text| text.get_ref().clone()),
        parameter: reader
            .visible_if("context.parameter", words.parameter.as_ref())?
            .unwrap_or_else(|| "workspace".into()),
        default: default
            .map(|text| reader.pointer("context.default", Some(text), ""))
            .transpose()?,
    }))
}

/// How a service gives a token of a workspace for the session's own credential, which goes along as bearer token; none
/// where the issuer is asked as for a refresh. Its body defaults to `{ workspace = "{workspace}" }`.
///
/// Only the status 401 says that the credential itself is not good any more: a workspace may be closed to it otherwise.
pub(in crate::config) fn exchange(reader: &Reader, words: &Words) -> Result<Option<Refresh>> {
    let place = Place {
        key: "context.exchange",
        slots: &[Slot::Workspace],
        needs: &[Slot::Workspace],
        method: Method::Post,
        body: Template::table(&[("workspace", Slot::Workspace)]),
    };
    let Some(exchange) = call::read(reader, &words.exchange, &place)? else {
        return Ok(None);
    };
    if let Some(kind) = words.kind.as_ref().filter(|kind| kind.get_ref() != "reissue") {
        let message = "context.kind: expected reissue beside `context.exchange`, found another";
        return Err(reader.wrong_at(kind, message));
    }
    Ok(Some(Refresh {
        exchange,
        rejected: Marks::of(&[401], &[]),
        state: None,
    }))
}

impl Words {
    /// The first word that stands, with its name.
    fn first(&self) -> Option<(&'static str, &Text)> {
        let Words {
            kind,
            header,
            parameter,
            default,
            exchange,
        } = self;
        let words = [
            ("kind", kind),
            ("header", header),
            ("parameter", parameter),
            ("default", default),
            ("exchange.url", &exchange.url),
        ];
        words
            .into_iter()
            .find_map(|(name, word)| Some((name, word.as_ref()?)))
    }
}

/// A token of RFC 9110, section 5.6.2, that is no header of ours.
fn is_header_name(name: &str) -> bool {
    let sign = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.len() <= 64 && name.bytes().all(sign) && !name.eq_ignore_ascii_case("authorization")
}
