//! `[mfa]`: how a service is told of a second factor, the codes of RFC 6238, and how it says that it wants one.
//!
//! The calls are made with the session's access token. `totp.rs` makes the codes.

use serde_json::Value;
use toml::Spanned;

use super::Text;
use super::call::{self, Call, Marks, Method, Place, Slot, Template};
use crate::config::read::Reader;
use crate::error::Result;

words! {
    required: Vec<Spanned<Value>>,
    page: Text,
    keep: bool,
    uri: Text,
    secret: Text,
    issuer: Text,
    account: Text,
    algorithm: Text,
    digits: Text,
    period: Text,
    factor: Text,
    backup_codes: Text,
    backup_codes_left: Text,
    state: Text,
    [enroll]: call::Words,
    [confirm]: call::Words,
    [status]: call::Words,
    [disable]: call::Words,
}

/// How a second factor is enrolled, asked about and given up.
#[derive(Debug, Clone)]
pub struct Mfa {
    /// The answers to a login, a renewal or a question that say that a second factor must be enrolled first.
    pub required: Marks,
    /// The page where a person does by hand what no call here does.
    pub page: Option<String>,
    /// Whether the seed is kept where the person does not say it. Defaults to true.
    pub keep: bool,
    /// How it is enrolled.
    pub enrolment: Option<Enrolment>,
    /// Asks whether there is one. Defaults to a `GET`.
    pub status: Option<Call>,
    /// Gives it up. Its body defaults to `{ code = "{code}" }`.
    pub disable: Option<Call>,
    /// Where in the replies what is found.
    pub found: Found,
}

impl Mfa {
    /// What helps a person of whom a second factor is wanted: the command where there is a session of this profile to
    /// enrol with, else the page. None where the file knows neither.
    pub fn hint(&self, profile: Option<&str>) -> Option<String> {
        match (profile, &self.enrolment, &self.page) {
            (Some(name), Some(_), _) => Some(format!("run `keyfob mfa enroll {name}`")),
            (_, _, Some(page)) => Some(format!("enrol one at {page}")),
            (None, Some(_), None) => Some("with a session, run `keyfob mfa enroll`".into()),
            (_, None, None) => None,
        }
    }

    /// Whether an issuer's error code says that a second factor must be enrolled first.
    pub fn wants(&self, code: &str) -> bool {
        self.required.words.iter().any(|word| word == code)
    }
}

/// The two calls that enrol a second factor.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// Makes a seed. Its body defaults to nothing.
    pub begin: Call,
    /// Gives a first code of it. Its body defaults to `{ code = "{code}" }`.
    pub confirm: Call,
}

/// JSON pointers (RFC 6901) into the replies; none: the usual places are looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The URI of the seed, for a QR code.
    pub uri: Option<String>,
    /// The key of the seed in base32, where there is no URI.
    pub secret: Option<String>,
    /// The service's name beside that key.
    pub issuer: Option<String>,
    /// The account's name beside it.
    pub account: Option<String>,
    /// The hash beside it.
    pub algorithm: Option<String>,
    /// The digits of a code beside it.
    pub digits: Option<String>,
    /// The seconds of a step beside it.
    pub period: Option<String>,
    /// What `{factor}` stands for in the calls that follow.
    pub factor: Option<String>,
    /// A list of codes that are good once each, in the reply of either call.
    pub backup_codes: Option<String>,
    /// How many of them are left, or those that are left.
    pub backup_codes_left: Option<String>,
    /// Whether a second factor is enrolled.
    pub state: Option<String>,
}

/// None where the table says nothing.
pub(in crate::config) fn read(reader: &Reader, words: &Words) -> Result<Option<Mfa>> {
    let place = |key: &'static str, slots: &'static [Slot], needs: &'static [Slot], method: Method| Place {
        key,
        slots,
        needs,
        method,
        body: Template::table(if slots.contains(&Slot::Code) {
            &[("code", Slot::Code)]
        } else {
            &[]
        }),
    };
    let with_code: &[Slot] = &[Slot::Code, Slot::Factor];
    let begin = call::read(reader, &words.enroll, &place("mfa.enroll", &[], &[], Method::Post))?;
    let confirm = place("mfa.confirm", with_code, &[Slot::Code], Method::Post);
    let confirm = call::read(reader, &words.confirm, &confirm)?;
    let enrolment = match (begin, confirm) {
        (Some(begin), Some(confirm)) => Some(Enrolment { begin, confirm }),
        (None, None) => None,
        (None, Some(_)) => {
            return Err(reader.wrong(None, "mfa.enroll.url: expected beside `mfa.confirm`, found nothing"));
        }
        (Some(_), None) => {
            return Err(reader.wrong(None, "mfa.confirm.url: expected beside `mfa.enroll`, found nothing"));
        }
    };
    let status = call::read(reader, &words.status, &place("mfa.status", &[], &[], Method::Get))?;
    let disable = place("mfa.disable", &[Slot::Code], &[], Method::Post);
    let disable = call::read(reader, &words.disable, &disable)?;
    let found = found(reader, words)?;
    let says_nothing = enrolment.is_none() && status.is_none() && disable.is_none();
    if says_nothing && words.required.is_none() && words.page.is_none() && found == Found::default() {
        return Ok(None);
    }
    Ok(Some(Mfa {
        required: match &words.required {
            Some(list) => call::marks(reader, "mfa.required", list)?,
            None => Marks::of(
                &[],
                &["mfa_required", "mfa_enrollment_required", "mfa_setup_required", "two_factor_required"],
            ),
        },
        page: reader.url_if("mfa.page", words.page.as_ref())?,
        keep: words.keep.unwrap_or(true),
        enrolment,
        status,
        disable,
        found,
    }))
}

fn found(reader: &Reader, words: &Words) -> Result<Found> {
    let pointer = |name: &str, text: &Option<Text>| {
        let text = text.as_ref();
        text.map(|text| reader.pointer(&format!("mfa.{name}"), Some(text), ""))
            .transpose()
    };
    Ok(Found {
        uri: pointer("uri", &words.uri)?,
        secret: pointer("secret", &words.secret)?,
        issuer: pointer("issuer", &words.issuer)?,
        account: pointer("account", &words.account)?,
        algorithm: pointer("algorithm", &words.algorithm)?,
        digits: pointer("digits", &words.digits)?,
        period: pointer("period", &words.period)?,
        factor: pointer("factor", &words.factor)?,
        backup_codes: pointer("backup_codes", &words.backup_codes)?,
        backup_codes_left: pointer("backup_codes_left", &words.backup_codes_left)?,
        state: pointer("state", &words.state)?,
    })
}
