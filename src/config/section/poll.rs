//! `[poll]`: a page of a service on which a person logs in, and the call that asks whether it is done.
//!
//! What the page and the call have in common is a random state; what proves that both come from here is a proof key
//! (RFC 7636), whose challenge is in the page's URL and whose verifier goes to the call alone.

use serde_json::Value;
use toml::Spanned;

use super::Text;
use super::call::{self, Call, Marks, Method, Place, Query, Slot, Template};
use crate::config::read::Reader;
use crate::error::Result;

/// The seconds between two questions: a person waits for the answer, and a page takes most of them a minute. At half of
/// it services begin to count requests, at double the wait is felt.
const INTERVAL_SECS: u32 = 2;

/// The seconds that a person has for the page: services keep what waits for five minutes.
const LIMIT_SECS: u32 = 300;

/// The longest time that a person may be given.
const MAX_LIMIT_SECS: u32 = 1800;

words! {
    page: Text,
    query: Spanned<Value>,
    state: Text,
    pending: Vec<Spanned<Value>>,
    denied: Vec<Spanned<Value>>,
    expired: Vec<Spanned<Value>>,
    interval_secs: Spanned<u32>,
    limit_secs: Spanned<u32>,
    [retrieve]: call::Words,
}

/// A page, and how to ask whether the person is done there.
#[derive(Debug, Clone)]
pub struct Poll {
    /// The page; a browser is sent there.
    pub page: String,
    /// Added to the page's query. Defaults to `state`, `code_challenge` and `code_challenge_method`.
    pub query: Query,
    /// Asks, and gets the tokens once. Its body defaults to `{ state = "{state}", code_verifier = "{verifier}" }`.
    pub retrieve: Call,
    /// Where in the reply the word is that says how far it is. Defaults to the usual places.
    pub state: Option<String>,
    /// The person is not done. Defaults to 202, 404, 425, 428, `pending` and words like it.
    pub pending: Marks,
    /// The person or the service said no. Defaults to 403, `denied` and words like it.
    pub denied: Marks,
    /// The time is over. Defaults to 410, `expired` and words like it.
    pub expired: Marks,
    /// Seconds between two questions, 1 to 60. Defaults to 2.
    pub interval_secs: u32,
    /// Seconds that a person has, 1 to 1800. Defaults to 300.
    pub limit_secs: u32,
}

/// None where there is no page.
pub(in crate::config) fn read(reader: &Reader, words: &Words) -> Result<Option<Poll>> {
    let place = Place {
        key: "poll.retrieve",
        slots: &[Slot::State, Slot::Verifier],
        needs: &[Slot::State, Slot::Verifier],
        method: Method::Post,
        body: Template::table(&[("state", Slot::State), ("code_verifier", Slot::Verifier)]),
    };
    let retrieve = call::read(reader, &words.retrieve, &place)?;
    let (page, retrieve) = match (&words.page, retrieve) {
        (Some(page), Some(retrieve)) => (page, retrieve),
        (None, None) => return Ok(None),
        (None, Some(_)) => return Err(reader.wrong(None, "poll.page: expected beside `poll.retrieve`, found nothing")),
        (Some(page), None) => {
            return Err(reader.wrong_at(page, "poll.retrieve.url: expected beside `poll.page`, found nothing"));
        }
    };
    let marks = |key: &str, list: &Option<Vec<Spanned<Value>>>, statuses: &[u16], texts: &[&str]| match list {
        Some(list) => call::marks(reader, &format!("poll.{key}"), list),
        None => Ok(Marks::of(statuses, texts)),
    };
    let number = |key: &str, value: &Option<Spanned<u32>>, default: u32, most: u32| match value {
        Some(number) if !(1..=most).contains(number.get_ref()) => {
            let message = format!("poll.{key}: expected 1 to {most}, found another");
            Err(reader.wrong(Some(number.span().start), message))
        }
        number => Ok(number.as_ref().map_or(default, |number| *number.get_ref())),
    };
    let state = words.state.as_ref();
    Ok(Some(Poll {
        page: reader.url("poll.page", page)?,
        query: query(reader, words)?,
        retrieve,
        state: state.map(|text| reader.pointer("poll.state", Some(text), "")).transpose()?,
        pending: marks(
            "pending",
            &words.pending,
            &[202, 404, 425, 428],
            &["pending", "authorization_pending", "waiting"],
        )?,
        denied: marks("denied", &words.denied, &[403], &["denied", "access_denied", "rejected"])?,
        expired: marks("expired", &words.expired, &[410], &["expired", "expired_token"])?,
        interval_secs: number("interval_secs", &words.interval_secs, INTERVAL_SECS, 60)?,
        limit_secs: number("limit_secs", &words.limit_secs, LIMIT_SECS, MAX_LIMIT_SECS)?,
    }))
}

/// The page's query, which ties the page to this login and to nobody else's.
fn query(reader: &Reader, words: &Words) -> Result<Query> {
    let Some(table) = &words.query else {
        let fixed = |text: &str| Template::Fixed(text.into());
        return Ok(vec![
            ("state".into(), Template::Slot(Slot::State)),
            ("code_challenge".into(), Template::Slot(Slot::Challenge)),
            ("code_challenge_method".into(), fixed("S256")),
        ]);
    };
    let query = call::query(reader, "poll.query", Some(table), &[Slot::State, Slot::Challenge])?;
    for slot in [Slot::State, Slot::Challenge] {
        if !query.iter().any(|(_, part)| part.has(slot)) {
            let message = format!("poll.query: expected the slot `{}` in it, found none", slot.word());
            return Err(reader.wrong(Some(table.span().start), message));
        }
    }
    Ok(query)
}
