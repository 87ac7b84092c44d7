//! Tokens that need no person: the grant itself is asked again, by one process whatever asks at the same time.
//!
//! There is no refresh token, so that nothing can be lost and neither intent nor journal is needed; lock, rest and the
//! proof that the store can be written are those of a renewal. A refusal is noted for seconds, not for good: what was
//! refused is a secret that somebody mends outside of the store.

use super::attempt::{self, Outcome};
use super::life::{Life, Measure, rests};
use super::place::place;
use super::{PATIENCE, Wants, learnt, merge, overlay, provider_of, show};
use crate::config::{Mode, Persist, Profile, Provider, TokenSource};
use crate::error::{Error, Result};
use crate::http::Http;
use crate::oauth::token::TokenSet;
use crate::record::{Dead, Key, Record};
use crate::report::sanitise;
use crate::resolve::{Session, Sources};
use crate::secret::Secret;
use crate::store::{Lock, Reserved, StoreError, Stored};
use crate::time::Timestamp;
use crate::world::World;

/// For how long a refused grant is not sent again: the processes that waited for this one do not ask the same. At ten
/// times as much a person who has just set the right secret would wait for us.
const REFUSED_SECS: i64 = 5;

/// For how long what is no issuer is left alone, as in a renewal.
const NOT_ISSUER_SECS: i64 = 30;

/// The codes that mean the client or its grant, and not the provider file (RFC 6749, section 5.2).
const REFUSALS: [&str; 4] = [
    "access_denied",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
];

/// The first token of a session that needs no person.
///
/// # Errors
/// As [`super::fresh`]; [`crate::error::Class::Login`] too when the machine does not have what is needed.
pub fn obtain(sources: &Sources, session: &Session) -> Result<Stored> {
    sources.stores.unlocked()?;
    let (provider, at) = provider_of(sources, session)?;
    let key = Key {
        group: session.group(),
        account: provider.modes[at].grant.account.clone().unwrap_or_default(),
        path: None,
    };
    if provider.persist == Persist::Nothing {
        let mut mode = provider.modes[at].clone();
        give(sources, &provider.name, &mut mode)?;
        let http = Http::new(sources.world)?;
        let asked = sources.world.now();
        let tokens = ask(sources.world, &http, &provider, &mode);
        let name = show(session, &key);
        let mut record = Record::new(key, String::new(), "keyfob");
        merge(
            &mut record,
            tokens.map_err(|error| error.context(format!("asking for a token of `{name}`")))?,
            asked,
        );
        return Ok(Stored {
            record,
            store: "memory",
        });
    }
    let given = given(sources, session)?;
    let lock = sources
        .stores
        .lock(&key, PATIENCE, &|pause| sources.world.sleep(pause))?;
    let lock = lock.ok_or_else(|| Error::temporary(format!("another keyfob asks for `{}`", show(session, &key))))?;
    let measure = Measure::whole(Wants::default());
    Unattended::new(sources, session, &key, &lock, (Wants::default(), measure, given)).run()
}

/// The ID token of another session, where a session's grant is that. The caller holds no lock.
///
/// # Errors
/// As [`give`].
pub(super) fn given(sources: &Sources, session: &Session) -> Result<Option<Secret>> {
    let (mut provider, at) = provider_of(sources, session)?;
    give(sources, &provider.name.clone(), &mut provider.modes[at])?;
    Ok(provider.modes[at].grant.given.take())
}

/// Puts the ID token of another session into a mode of a provider whose grant it is.
///
/// # Errors
/// As [`Sources::identity`]; [`crate::error::Class::Usage`] when the provider files lead in a circle.
pub fn give(sources: &Sources, provider: &str, mode: &mut Mode) -> Result<()> {
    let Some(TokenSource::Profile(name)) = &mode.grant.subject_token else {
        return Ok(());
    };
    let token = sources.identity(Profile::parse(name)?, (provider, &mode.name));
    mode.grant.given = Some(token.map_err(|error| error.context(format!("asking for the ID token of `{name}`")))?);
    Ok(())
}

/// The tokens alone, kept nowhere.
///
/// # Errors
/// As [`obtain`].
pub fn ask(world: &World, http: &Http, provider: &Provider, mode: &Mode) -> Result<TokenSet> {
    match attempt::grant((world, http), provider.flow, mode, attempt::BUDGET_SECS) {
        Outcome::Granted(tokens) => Ok(without_refresh(tokens)),
        outcome => Err(failure(outcome, provider).error),
    }
}

/// One grant, under the session's lock.
pub(super) struct Unattended<'a> {
    sources: &'a Sources<'a>,
    session: &'a Session,
    key: &'a Key,
    lock: &'a Lock,
    wants: Wants,
    measure: Measure,
    /// The ID token of another session, where that is the grant.
    given: Option<Secret>,
    /// What can still be served if no token is given.
    soft: Option<Stored>,
}

impl<'a> Unattended<'a> {
    pub(super) fn new(
        sources: &'a Sources<'a>,
        session: &'a Session,
        key: &'a Key,
        lock: &'a Lock,
        (wants, measure, given): (Wants, Measure, Option<Secret>),
    ) -> Unattended<'a> {
        Unattended {
            sources,
            session,
            key,
            lock,
            wants,
            measure,
            given,
            soft: None,
        }
    }

    /// Asks, unless somebody else has.
    pub(super) fn run(mut self) -> Result<Stored> {
        let stored = match self.sources.stores.get_locked(self.lock, self.key) {
            Ok(stored) => stored,
            // Nothing in it cannot be had again; the write sets it aside.
            Err(StoreError::Damaged(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let now = self.sources.world.now();
        if let Some(stored) = &stored {
            match self.measure.life(&stored.record, now) {
                Life::Fresh => return Ok(stored.clone()),
                Life::Soft => self.soft = Some(stored.clone()),
                Life::Ended => (),
            }
            if rests(&stored.record, now) {
                let error = self.resting(&stored.record);
                return self.later(error);
            }
        }
        let ready =
            provider_of(self.sources, self.session).and_then(|found| Ok((found, Http::new(self.sources.world)?)));
        let ((provider, at), http) = match ready {
            Ok(ready) => ready,
            Err(error) => return self.later(error),
        };
        let mut mode = provider.modes[at].clone();
        mode.grant.given.clone_from(&self.given);
        match stored.as_ref().map(|stored| learnt(&stored.record)).transpose() {
            Ok(Some(Some(learnt))) => overlay(&mut mode, learnt),
            Ok(_) => (),
            Err(error) => return self.later(error),
        }
        let mode = &mode;
        let reserved = match self.sources.stores.reserve(self.lock, self.key) {
            Ok(reserved) => reserved,
            Err(error) => return self.later(error.into()),
        };
        let asked = self.sources.world.now();
        let secs = self.wants.budget(self.soft.is_some());
        match attempt::grant((self.sources.world, &http), provider.flow, mode, secs) {
            Outcome::Granted(tokens) => {
                let kept = self.keep(stored, (tokens, asked), (&provider, mode), reserved)?;
                self.long_enough(kept)
            }
            outcome => {
                let failure = failure(outcome, &provider);
                self.note(stored, &failure, &provider, reserved);
                let name = show(self.session, self.key);
                self.later(failure.error.context(format!("asking for a token of `{name}`")))
            }
        }
    }

    /// Serves what still lives, else fails. The issuer may have taken longer than what was left of it.
    fn later(self, error: Error) -> Result<Stored> {
        let now = self.sources.world.now();
        let lives = |soft: &Stored| self.measure.life(&soft.record, now) != Life::Ended;
        self.soft.filter(lives).ok_or(error)
    }

    /// Why the issuer is not asked now.
    fn resting(&self, record: &Record) -> Error {
        let name = show(self.session, self.key);
        match (&record.dead, record.cooldown_until) {
            (Some(dead), _) => {
                refused(&dead.reason, None, &self.session.provider).context(format!("asking for a token of `{name}`"))
            }
            (None, until) => Error::temporary(format!(
                "the issuer of `{name}` is not asked again before {}",
                until.unwrap_or(self.sources.world.now()).rfc3339()
            )),
        }
    }

    /// Keeps the tokens, whose life is counted from the moment at which they were asked for, as the issuer may do.
    fn keep(
        &self,
        stored: Option<Stored>,
        given: (TokenSet, Timestamp),
        of: (&Provider, &Mode),
        reserved: Reserved,
    ) -> Result<Stored> {
        let (provider, mode) = of;
        let (tokens, asked) = given;
        let is_new = stored.is_none();
        let mut stored = match stored {
            Some(stored) => stored,
            None => self.empty(provider)?,
        };
        let record = &mut stored.record;
        record.scopes.clone_from(&mode.oauth.scopes);
        record.scopes.sort();
        // One that a login with a person left must not be sent by anybody.
        record.refresh = None;
        let tokens = without_refresh(tokens).with_id_token(mode.oauth.id_token);
        merge(record, tokens, asked);
        if !is_new {
            record.generation += 1;
        }
        let put = self.put(record, stored.store, reserved, is_new.then_some(provider));
        if let Err(error) = put {
            let name = show(self.session, self.key);
            let told = format!("keyfob: warning: the token of `{name}` is used and not kept: {error}\n");
            self.sources.world.write_stderr(&told);
        }
        Ok(stored)
    }

    fn empty(&self, provider: &Provider) -> Result<Stored> {
        let world = self.sources.world;
        let family = data_encoding::HEXLOWER.encode(&world.random::<16>());
        Ok(Stored {
            record: Record::new(self.key.clone(), family, "keyfob"),
            store: self.sources.stores.choose(provider.store.as_deref(), false)?.store,
        })
    }

    /// Notes how long the issuer is to be left alone, so that those who wait for the lock do not ask the same again.
    fn note(&self, stored: Option<Stored>, failure: &Failed, provider: &Provider, reserved: Reserved) {
        let Some(seconds) = failure.rest_secs else { return };
        let is_new = stored.is_none();
        let Ok(mut stored) = stored.map_or_else(|| self.empty(provider), Ok) else {
            return;
        };
        let now = self.sources.world.now();
        let record = &mut stored.record;
        record.cooldown_until = Some(now.plus(seconds));
        // A token that still lives is served, and is no dead one's.
        if self.soft.is_none() {
            record.dead = failure.code.clone().map(|reason| Dead {
                reason,
                at: now,
                refresh_mark: None,
            });
        }
        if !is_new {
            record.generation += 1;
        }
        // Without the note the next process asks again, which is what it would have done anyway.
        let _ = self.put(record, stored.store, reserved, is_new.then_some(provider));
    }

    /// Writes a record; a new one where its provider file wants it.
    fn put(&self, record: &Record, store: &str, reserved: Reserved, new_of: Option<&Provider>) -> Result<()> {
        let stores = &self.sources.stores;
        let mode = new_of.and_then(|provider| provider.modes.iter().find(|mode| mode.name == self.session.mode));
        let Some((provider, mode)) = new_of.zip(mode) else {
            return Ok(stores.put(self.lock, record, store, Some(reserved))?);
        };
        let place = place(self.sources.world, provider, mode, &self.key.account)?;
        // There was no record of this key, so that none is left elsewhere.
        stores.put_at(self.lock, record, store, &place)?;
        Ok(())
    }

    fn long_enough(&self, stored: Stored) -> Result<Stored> {
        let now = self.sources.world.now();
        match self.measure.needed_secs {
            Some(needed) if self.measure.life(&stored.record, now) == Life::Ended => Err(Error::failure(format!(
                "the issuer of `{}` gives tokens that live shorter than the {needed} s asked for",
                show(self.session, self.key)
            ))),
            _ => Ok(stored),
        }
    }
}

/// Nobody needs it: the grant can be asked again (RFC 6749, section 4.4.3).
fn without_refresh(tokens: TokenSet) -> TokenSet {
    TokenSet {
        refresh: None,
        ..tokens
    }
}

/// Why there is no token, and for how long the issuer is to be left alone.
struct Failed {
    error: Error,
    rest_secs: Option<i64>,
    /// The issuer's code, if it refused.
    code: Option<String>,
}

fn failure(outcome: Outcome, provider: &Provider) -> Failed {
    let (error, rest_secs, code) = match outcome {
        Outcome::Granted(_) => (Error::failure("BUG: a token is no failure"), None, None),
        Outcome::Limited { after_secs } => (
            Error::temporary(format!("the issuer asks to wait {after_secs} s")),
            Some(after_secs),
            None,
        ),
        Outcome::Misconfigured { code, description } => {
            let error = refused(&code, description.as_deref(), &provider.name);
            (error, Some(REFUSED_SECS), Some(code))
        }
        Outcome::NotIssuer(why) => (Error::temporary(why), Some(NOT_ISSUER_SECS), None),
        Outcome::NotSent(why) => (Error::temporary(why), None, None),
        Outcome::Rejected { description } => {
            let code = "invalid_grant";
            let error = refused(code, description.as_deref(), &provider.name);
            (error, Some(REFUSED_SECS), Some(code.into()))
        }
        Outcome::Unknown(why) => (Error::temporary(why), Some(REFUSED_SECS), None),
        Outcome::Unready(error) => (error, None, None),
    };
    Failed { error, rest_secs, code }
}

/// What the issuer refused: the machine's secret or token, or what the provider file says.
fn refused(code: &str, description: Option<&str>, provider: &str) -> Error {
    let says = description.map(|text| format!(": the issuer says “{}”", sanitise(text)));
    let message = format!("the issuer answered `{}`{}", sanitise(code), says.unwrap_or_default());
    if REFUSALS.contains(&code) {
        let hint = format!("give it the right secret or key, see `keyfob provider show {provider}`");
        Error::login(message).hint(hint)
    } else {
        let hint = format!("check the provider file with `keyfob provider show {provider}`");
        Error::failure(message).hint(hint)
    }
}
