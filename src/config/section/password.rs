//! `[password]`: how a service is told of the account's password.
//!
//! The calls are made with the session's access token. What is a password's form is the service's business.

use super::Text;
use super::call::{self, Call, Method, Place, Slot, Template};
use crate::config::read::Reader;
use crate::error::Result;

words! {
    state: Text,
    [set]: call::Words,
    [clear]: call::Words,
    [status]: call::Words,
}

/// How the account's password is set; any of the calls may be missing.
#[derive(Debug, Clone)]
pub struct Password {
    /// Sets it. Its body defaults to `{ password = "{password}" }`; the one in use is asked for where it has `{current}`.
    pub set: Option<Call>,
    /// Takes it away. Its body defaults to nothing; the one in use is asked for where it has `{current}`.
    pub clear: Option<Call>,
    /// Asks whether there is one. Defaults to a `GET`.
    pub status: Option<Call>,
    /// JSON pointer (RFC 6901) to whether there is one, in the reply of `status`; none: the usual places.
    pub state: Option<String>,
}

/// What the table says, which may be nothing.
pub(in crate::config) fn read(reader: &Reader, words: &Words) -> Result<Password> {
    let set = Place {
        key: "password.set",
        slots: &[Slot::Current, Slot::Password],
        needs: &[Slot::Password],
        method: Method::Post,
        body: Template::table(&[("password", Slot::Password)]),
    };
    let clear = Place {
        key: "password.clear",
        slots: &[Slot::Current],
        needs: &[],
        method: Method::Post,
        body: Template::table(&[]),
    };
    let status = Place {
        key: "password.status",
        slots: &[],
        needs: &[],
        method: Method::Get,
        body: Template::table(&[]),
    };
    let state = words.state.as_ref();
    Ok(Password {
        set: call::read(reader, &words.set, &set)?,
        clear: call::read(reader, &words.clear, &clear)?,
        status: call::read(reader, &words.status, &status)?,
        state: state
            .map(|text| reader.pointer("password.state", Some(text), ""))
            .transpose()?,
    })
}
