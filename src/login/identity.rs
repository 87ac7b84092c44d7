//! What a server says of a token: whom it speaks for, what it may do, and what else the provider file wants to be shown.
//!
//! It asks and reads; what is kept of it is `command/login.rs`'s business.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::Mode;
use crate::config::active::is_workspace;
use crate::error::{Context, Error, Result};
use crate::http::{Body, Call, Http};
use crate::oauth::id_token;
use crate::oauth::token::is_json;
use crate::report::sanitise;
use crate::secret::{Secret, Sent};

/// What a server says of a token; all of it fit for a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Whom it speaks for.
    pub subject: String,
    /// The workspace that is the account's own, where the provider file says where to look.
    pub workspace: Option<String>,
    /// What it may do, sorted, where the provider file says where to look.
    pub scopes: Option<Vec<String>>,
    /// What else the provider file wants to be shown, by its names; what the answer lacks is left out.
    pub fields: BTreeMap<String, String>,
}

impl Identity {
    /// The same without what repeats the token.
    ///
    /// # Errors
    /// When the name does: it would be shown, and be part of paths.
    fn without(mut self, sent: &Sent) -> Result<Identity> {
        if sent.is_in(&self.subject) {
            let message = "the server's answer repeats the credential where it should name the account";
            return Err(Error::failure(message));
        }
        self.fields.retain(|_, value| !sent.is_in(value));
        self.workspace = self.workspace.filter(|name| !sent.is_in(name));
        if let Some(scopes) = &mut self.scopes {
            scopes.retain(|scope| !sent.is_in(scope));
        }
        Ok(self)
    }
}

/// The code of the failure that says that nothing is good about a token. 403 is none: it may lack the scope for this
/// question alone.
pub const UNAUTHORIZED: &str = "401";

/// Asks whom a token speaks for: by the provider file's `whoami`, else at the userinfo endpoint that was found. None where
/// there is neither.
///
/// # Errors
/// [`crate::error::Class::Login`] when the token is refused; [`crate::error::Class::Temporary`] when nobody answers.
pub fn identity(http: &Http, mode: &Mode, token: &Secret) -> Result<Option<Identity>> {
    let url = mode.whoami.as_ref().map(|whoami| &whoami.url);
    ask(http, mode, url.or(mode.oauth.userinfo_endpoint.as_ref()), token)
}

/// The same where the service says more of it, if it has such a place.
///
/// # Errors
/// As [`identity`].
pub fn details(http: &Http, mode: &Mode, token: &Secret) -> Result<Option<Identity>> {
    match mode.whoami.as_ref().and_then(|whoami| whoami.json_url.as_ref()) {
        Some(url) => ask(http, mode, Some(url), token),
        None => identity(http, mode, token),
    }
}

fn ask(http: &Http, mode: &Mode, url: Option<&String>, token: &Secret) -> Result<Option<Identity>> {
    let Some(url) = url else { return Ok(None) };
    let doing = "asking whom the credential speaks for";
    let call = Call {
        bearer: Some(token),
        key: mode.oauth.dpop_key.as_ref(),
        ..Call::new(url, Body::None)
    };
    let reply = http.send(&call).map_err(Error::temporary).doing(doing)?;
    if let Some(error) = super::wants_factor(mode, &reply) {
        return Err(error).doing(doing);
    }
    match reply.status {
        200 if is_json(&reply.content_type) => read(mode, &reply.body)
            .and_then(|said| said.without(&reply.sent))
            .doing(doing)
            .map(Some),
        401 => Err(Error::login("the server refuses the credential").code(UNAUTHORIZED)).doing(doing),
        403 => Err(Error::login("the server refuses the credential")).doing(doing),
        status => {
            let message = format!("the server answered with status {status} and no JSON that could be used");
            Err(Error::temporary(message)).doing(doing)
        }
    }
}

fn read(mode: &Mode, body: &[u8]) -> Result<Identity> {
    let document: Value = serde_json::from_slice(body)
        .map_err(|error| Error::temporary(format!("in the server's answer {}", crate::record::place(&error))))?;
    let whoami = mode.whoami.as_ref();
    let fields = whoami.into_iter().flat_map(|whoami| &whoami.fields);
    let fields = fields.filter_map(|(name, pointer)| Some((name.clone(), text_at(&document, pointer)?)));
    let workspace = mode.workspace.as_ref().and_then(|kind| kind.default.as_deref());
    Ok(Identity {
        subject: match whoami {
            Some(whoami) => subject(&document, &whoami.subject)?,
            // By the claims of OpenID Connect.
            None => id_token::userinfo(body)
                .map(|claims| sanitise(&claims.name))
                .ok_or_else(|| Error::failure("the server's answer names no subject"))?,
        },
        workspace: workspace
            .and_then(|pointer| text_at(&document, pointer))
            .filter(|name| is_workspace(name)),
        scopes: whoami
            .and_then(|whoami| whoami.scopes.as_deref())
            .and_then(|pointer| scopes(document.pointer(pointer)?)),
        fields: fields.collect(),
    })
}

fn subject(document: &Value, pointer: &str) -> Result<String> {
    let text = text_at(document, pointer).filter(|text| !text.is_empty());
    text.ok_or_else(|| {
        let message = format!("the server's answer has no text at `{pointer}`");
        Error::failure(message).hint("correct `whoami.subject` in the provider file")
    })
}

fn text_at(document: &Value, pointer: &str) -> Option<String> {
    match document.pointer(pointer)? {
        Value::String(text) => Some(sanitise(text)),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        _ => None,
    }
}

/// A list of texts, or one text with spaces between the scopes.
fn scopes(value: &Value) -> Option<Vec<String>> {
    let mut scopes: Vec<String> = match value {
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(sanitise).collect(),
        Value::String(text) => text.split_whitespace().map(sanitise).collect(),
        _ => return None,
    };
    scopes.retain(|scope| !scope.is_empty());
    scopes.sort();
    scopes.dedup();
    Some(scopes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scopes_are_a_list_or_a_text_and_nothing_else() {
        let sorted = Some(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(scopes(&json!(["b", "a", "a", 7, ""])), sorted);
        assert_eq!(scopes(&json!(" b a ")), sorted);
        assert_eq!(scopes(&json!({"a": true})), None);
    }
}
