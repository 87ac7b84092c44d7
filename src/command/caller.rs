//! Somebody who asks the service about their account, with the session's access token: what `mfa` and `password` share.
//!
//! It knows how calls are made and how their answers are told, and not what they are for.

use std::time::Duration;

use serde_json::Value;

use super::Run;
use crate::config::{Call, Mode, Profile, Provider, Slot, profile};
use crate::error::{Error, Result};
use crate::http::{Failure, Http};
use crate::login;
use crate::renew::{self, service};
use crate::report::sanitise;
use crate::resolve::Session;
use crate::secret::Secret;
use crate::shape::{self, account};
use crate::store::Stored;

/// The longest time for one call.
const CALL: Duration = Duration::from_secs(8);

/// The usual pause that a service which names none means by 429.
const PAUSE_SECS: i64 = 30;

/// The longest pause that is believed: a day.
const MAX_PAUSE_SECS: i64 = 86_400;

/// Who asks.
pub(super) struct Caller<'a> {
    run: &'a Run<'a>,
    http: Http<'a>,
    pub(super) provider: Provider,
    /// The mode with what the login found out.
    pub(super) mode: Mode,
    pub(super) session: Session,
    who: Who,
}

/// Whose token is sent.
enum Who {
    Account(Box<Stored>),
    Variable(String, Secret),
}

/// What a service said.
pub(super) enum Answered {
    /// It did what was asked.
    Yes(Value),
    /// It did not, for a reason that lies in what was sent: its words after a colon, fit for a terminal, or nothing.
    No(u16, String),
    /// Nobody knows whether it did.
    Unknown(Error),
}

impl<'a> Caller<'a> {
    /// The caller of a profile. Nobody is asked yet.
    ///
    /// # Errors
    /// [`crate::error::Class::Login`] when there is no session.
    pub(super) fn new(run: &'a Run<'a>, profile: &Profile) -> Result<Caller<'a>> {
        let (provider, at) = run.sources.config.profile(profile)?;
        let mut mode = provider.modes[at].clone();
        let session = run.meant(profile)?;
        let (session, who) = match session.variable(run.sources)? {
            Some((name, secret)) => (session, Who::Variable(name, secret)),
            None => {
                let (session, stored) = run.session(profile)?;
                if let Some(learnt) = &stored.record.learnt {
                    renew::overlay(&mut mode, learnt);
                }
                (session, Who::Account(Box::new(stored)))
            }
        };
        Ok(Caller {
            http: Http::new(run.world)?,
            run,
            provider,
            mode,
            session,
            who,
        })
    }

    /// The account of the stored session; none where a variable's token is sent.
    pub(super) fn account(&self) -> Option<&str> {
        match &self.who {
            Who::Account(stored) => Some(&stored.record.key.account),
            Who::Variable(..) => None,
        }
    }

    /// The variable whose token is sent.
    pub(super) fn variable(&self) -> Option<&str> {
        match &self.who {
            Who::Account(_) => None,
            Who::Variable(name, _) => Some(name),
        }
    }

    /// As a person types it.
    pub(super) fn name(&self) -> String {
        match self.account() {
            Some(account) => profile::show(&self.session.provider, &self.session.mode, account),
            None => self.session.show(),
        }
    }

    /// The service's name, fit for a terminal.
    pub(super) fn title(&self) -> String {
        sanitise(&self.provider.title)
    }

    /// The failure of a call that the provider file does not have; `page` is where a person does it by hand.
    pub(super) fn lacks(&self, key: &str, page: Option<&str>) -> Error {
        let name = &self.provider.name;
        let error = Error::usage(format!("the provider `{name}` has no `{key}`"));
        match page {
            Some(page) => error.hint(format!("do it at {page}")),
            None => error.hint(format!(
                "its file says in `[{}]` how the service is asked",
                key.split('.').next().unwrap_or(key)
            )),
        }
    }

    /// Makes one call, with an access token that is renewed before if it must be.
    ///
    /// # Errors
    /// Why the service has certainly not done it, and what to do about the session.
    pub(super) fn ask(&mut self, call: &Call, values: shape::Values, doing: &str) -> Result<Answered> {
        let token = self.token()?;
        let bearer = service::Bearer {
            token: Some(&token),
            key: self.mode.oauth.dpop_key.as_ref(),
        };
        let mut reply = match service::ask_as(&self.http, call, values, bearer, CALL) {
            Ok(reply) => reply,
            Err(failure @ Failure::NotSent(_)) => return Err(Error::temporary(failure).context(doing)),
            Err(failure @ Failure::CutOff(_)) => {
                return Ok(Answered::Unknown(Error::temporary(failure).context(doing)));
            }
        };
        if let Some(prefix) = &self.mode.key_prefix {
            reply.sent.begin(prefix);
        }
        let status = reply.status;
        let answer = service::answer(&reply);
        if let Some(error) = login::wants_factor(&self.mode, &reply) {
            return Err(login::factor_hint(&self.mode, Some(&self.name()), error).context(doing));
        }
        let may_have_acted = (200..300).contains(&status) || status >= 500;
        let sorted = match account::answered(call, &answer) {
            account::Outcome::Done(value) => return Ok(Answered::Yes(value)),
            account::Outcome::Refused(words) if status == 401 && !has_guess(call) => self.refused(&says(words)),
            account::Outcome::Refused(words) => return Ok(Answered::No(status, says(words))),
            account::Outcome::Limited(after_secs) => {
                let seconds = after_secs.unwrap_or(PAUSE_SECS).clamp(1, MAX_PAUSE_SECS);
                Error::temporary(format!("the service wants a pause of {seconds} s"))
            }
            account::Outcome::Nothing(why) => Error::temporary(format!("it answered with {}", sanitise(&why))),
            account::Outcome::Unusable(why) => Error::failure(format!("it answered with {}", sanitise(&why))),
        };
        let error = sorted.context(doing);
        if may_have_acted {
            Ok(Answered::Unknown(error))
        } else {
            Err(error)
        }
    }

    /// The same for a call that changes nothing.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) fn look(&mut self, call: &Call, doing: &str) -> Result<Value> {
        match self.ask(call, &[], doing)? {
            Answered::Yes(value) => Ok(value),
            Answered::No(status, says) => {
                Err(Error::refused(format!("it answered with status {status}{says}")).context(doing))
            }
            Answered::Unknown(error) => Err(error),
        }
    }

    fn token(&mut self) -> Result<Secret> {
        match &mut self.who {
            Who::Variable(_, secret) => Ok(secret.clone()),
            Who::Account(stored) => {
                let fresh = renew::fresh(
                    self.run.sources,
                    &self.session,
                    (**stored).clone(),
                    renew::Wants::default(),
                )?;
                let secret = fresh.record.secret.clone().unwrap_or_default();
                **stored = fresh;
                Ok(secret)
            }
        }
    }

    fn refused(&self, says: &str) -> Error {
        let error = Error::login(format!("the service refuses the credential{says}"));
        match self.variable() {
            Some(variable) => error.hint(format!("unset {variable}, or set it to a token that is valid")),
            None => error.hint(format!("run `keyfob login {}`", self.name())),
        }
    }
}

/// Whether something is sent that a person may have got wrong, so that 401 may be about it.
fn has_guess(call: &Call) -> bool {
    let body = call.body.as_ref();
    body.is_some_and(|body| body.has(Slot::Code) || body.has(Slot::Current))
}

/// The service's words, fit for a terminal, after a colon.
fn says(words: Option<String>) -> String {
    let words = words.map(|words| sanitise(&words)).filter(|words| !words.is_empty());
    words.map_or_else(String::new, |words| format!(": it says “{words}”"))
}
