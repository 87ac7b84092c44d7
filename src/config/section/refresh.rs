//! `[refresh]`: a service that gives another session for a refresh token, in a way of its own.
//!
//! Where it follows RFC 6749, section 6, `oauth.token_endpoint` says all that is needed.

use serde_json::Value;
use toml::Spanned;

use super::Text;
use super::call::{self, Call, Marks, Method, Place, Slot, Template};
use crate::config::read::Reader;
use crate::error::Result;

words! {
    rejected: Vec<Spanned<Value>>,
    state: Text,
    [exchange]: call::Words,
}

/// How another session is got for a refresh token.
#[derive(Debug, Clone)]
pub struct Refresh {
    /// Gives it. Its body defaults to `{ refresh_token = "{refresh_token}" }`.
    pub exchange: Call,
    /// The answers, all of them with JSON and a status from 400 to 499, that end the session: the refresh token is not
    /// good any more. Defaults to 401, `invalid_grant` and words like it.
    pub rejected: Marks,
    /// Where in the reply the word is. Defaults to the usual places.
    pub state: Option<String>,
}

/// None where the call has no URL.
pub(in crate::config) fn read(reader: &Reader, words: &Words) -> Result<Option<Refresh>> {
    let place = Place {
        key: "refresh.exchange",
        slots: &[Slot::RefreshToken],
        needs: &[Slot::RefreshToken],
        method: Method::Post,
        body: Template::table(&[("refresh_token", Slot::RefreshToken)]),
    };
    let Some(exchange) = call::read(reader, &words.exchange, &place)? else {
        return Ok(None);
    };
    let state = words.state.as_ref();
    Ok(Some(Refresh {
        exchange,
        rejected: match &words.rejected {
            Some(list) => call::marks(reader, "refresh.rejected", list)?,
            None => Marks::of(
                &[401],
                &["invalid_grant", "invalid_refresh_token", "refresh_token_expired", "TOKEN_EXPIRED"],
            ),
        },
        state: state.map(|text| reader.pointer("refresh.state", Some(text), "")).transpose()?,
    }))
}
