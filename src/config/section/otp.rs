//! `[otp]`: a service that sends a code to a person's address, and takes address and code for a credential.

use super::call::{self, Call, Method, Place, Slot, Template};
use crate::config::read::Reader;
use crate::error::Result;

words! {
    [send]: call::Words,
    [exchange]: call::Words,
}

/// How a code is sent, and what is given for it.
#[derive(Debug, Clone)]
pub struct Otp {
    /// Sends a code to an address. Its body defaults to `{ email = "{email}" }`.
    pub send: Call,
    /// Gives a session or a key for address and code. Its body defaults to `{ email = "{email}", code = "{code}" }`.
    pub exchange: Call,
}

/// None where neither call has a URL.
pub(in crate::config) fn read(reader: &Reader, words: &Words) -> Result<Option<Otp>> {
    let send = Place {
        key: "otp.send",
        slots: &[Slot::Email, Slot::Scope],
        needs: &[Slot::Email],
        method: Method::Post,
        body: Template::table(&[("email", Slot::Email)]),
    };
    let exchange = Place {
        key: "otp.exchange",
        slots: &[Slot::Email, Slot::Code, Slot::Scope],
        needs: &[Slot::Email, Slot::Code],
        method: Method::Post,
        body: Template::table(&[("email", Slot::Email), ("code", Slot::Code)]),
    };
    let calls = (
        call::read(reader, &words.send, &send)?,
        call::read(reader, &words.exchange, &exchange)?,
    );
    match calls {
        (Some(send), Some(exchange)) => Ok(Some(Otp { send, exchange })),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(reader.wrong(None, "otp.send.url: expected beside `otp.exchange`, found nothing")),
        (Some(_), None) => Err(reader.wrong(None, "otp.exchange.url: expected beside `otp.send`, found nothing")),
    }
}
