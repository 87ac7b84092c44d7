//! One refresh per session, whatever happens.
//!
//! A refresh token of a rotating issuer is good once. Fifty processes that find the same session expired send one
//! request; a process that is killed at any step loses nothing that the issuer gave; nothing is deleted on doubt.
//!
//! The order, each step for the next one's sake: the session's lock, with a deadline → a second look → proof that the
//! store can be written → the intent, durably → one request → the answer as a durable temporary, then one rename →
//! unlock → answer. `store/disk.rs` finishes the rename for a process that was killed before it.

mod attempt;

use std::time::Duration;

use crate::config::{Mode, Profile, profile};
use crate::error::{Class, Error, Result};
use crate::http::Http;
use crate::oauth::{Client, revoke, token};
use crate::record::{Dead, Intent, Key, Record};
use crate::resolve::{Session, Sources};
use crate::secret::Secret;
use crate::store::{Lock, Reserved, StoreError, Stored};
use crate::time::Timestamp;

use attempt::Outcome;

/// A token counts as ended this long before it does, but never more than a tenth of its life. At half of it a slow tool
/// sends ended tokens over a bad link; at double, short-lived tokens are refreshed more often than needed.
const SKEW_SECS: i64 = 60;

/// A refresh is tried in the foreground, and may fail, from this long before the end, or the last fifth of a short life.
const SOFT_SECS: i64 = 300;

/// How long a process whose token has ended waits for another that refreshes. Longer than the longest time that one may
/// hold the lock: two calls of 8 s, 2 s between, and the writes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A clock this far before the moment at which the token was obtained says nothing about its end.
const CLOCK_SECS: i64 = 300;

/// How much life a stored token has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// It can be served, and nothing needs doing.
    Fresh,
    /// It can be served, and should be refreshed.
    Soft,
    /// It cannot be served.
    Ended,
}

/// The life of a record's secret. `window_share` is 80 to 100: the percentage of the soft window that this process uses,
/// drawn at random so that a thousand machines do not refresh in the same second.
fn life(record: &Record, now: Timestamp, needed_secs: Option<u32>, window_share: i64) -> Life {
    if record.secret.is_none() {
        return Life::Ended;
    }
    let Some(end) = record.expires_at else {
        return Life::Fresh;
    };
    let obtained = record.obtained_at.unwrap_or(now);
    let whole = end.since(obtained).max(0);
    let skew = SKEW_SECS.min(whole / 10);
    let left = end.since(now);
    if left <= needed_secs.map_or(skew, |needed| skew.max(needed.into())) || obtained.since(now) > CLOCK_SECS {
        return Life::Ended;
    }
    let window = SOFT_SECS.min(whole / 5) * window_share / 100;
    if left <= window { Life::Soft } else { Life::Fresh }
}

/// A record whose secret can be served: the stored one, or a renewed one.
///
/// # Errors
/// [`Class::Login`] when the session has ended; [`Class::Temporary`] when it cannot be renewed now; [`Class::Store`] when
/// a renewed one could not be kept, so that none was asked for.
pub fn fresh(sources: &Sources, session: &Session, stored: Stored, needed_secs: Option<u32>) -> Result<Stored> {
    let now = sources.world.now();
    let share = if stored.record.expires_at.is_some() {
        80 + sources.world.random_below(21).cast_signed()
    } else {
        100
    };
    let life_of = |record: &Record| life(record, now, needed_secs, share);
    alive(session, &stored.record)?;
    let life = life_of(&stored.record);
    if life == Life::Fresh {
        return Ok(stored);
    }
    if stored.record.refresh.is_none() {
        return if life == Life::Soft {
            Ok(stored)
        } else {
            Err(ended(session, &stored.record, "it has no refresh token"))
        };
    }
    let key = stored.record.key.clone();
    let soft = (life == Life::Soft).then_some(stored);
    let patience = if soft.is_some() { Duration::ZERO } else { PATIENCE };
    let lock = sources.stores.lock(&key, patience, &|pause| sources.world.sleep(pause));
    let lock = match (lock, soft.is_some()) {
        (Ok(Some(lock)), _) => lock,
        (Ok(None), false) => {
            return Err(Error::temporary(format!(
                "another keyfob is refreshing `{}`",
                show(session, &key)
            )));
        }
        (Err(error), false) => return Err(error.into()),
        (_, true) => return Ok(soft.expect("it is soft")),
    };
    let mut renewal = Renewal {
        sources,
        session,
        key: &key,
        lock: &lock,
        soft,
    };
    renewal.run(&life_of, needed_secs)
}

/// One renewal, under the session's lock.
struct Renewal<'a> {
    sources: &'a Sources<'a>,
    session: &'a Session,
    key: &'a Key,
    lock: &'a Lock,
    /// What can still be served if the renewal does not succeed.
    soft: Option<Stored>,
}

impl Renewal<'_> {
    fn run(&mut self, life_of: &dyn Fn(&Record) -> Life, needed_secs: Option<u32>) -> Result<Stored> {
        let Some(mut stored) = self.second_look()? else {
            return Err(ended(
                self.session,
                &Record::new(self.key.clone(), String::new(), ""),
                "somebody logged out",
            ));
        };
        alive(self.session, &stored.record)?;
        if life_of(&stored.record) == Life::Fresh {
            return Ok(stored);
        }
        let now = self.sources.world.now();
        if let Some(until) = stored.record.cooldown_until.filter(|until| *until > now) {
            return self.later(Error::temporary(format!(
                "the issuer of `{}` is not asked again before {}",
                show(self.session, self.key),
                until.rfc3339()
            )));
        }
        let Some(sent) = stored.record.refresh.clone() else {
            return Err(ended(self.session, &stored.record, "it has no refresh token"));
        };
        let reserved = match self.sources.stores.reserve(self.lock, self.key) {
            Ok(reserved) => reserved,
            Err(error) => return self.later(error.into()),
        };
        let mode = mode_of(self.sources, self.session)?;
        if stored.record.intent.is_none() {
            let intent = Intent {
                refresh_mark: sent.mark(),
                at: now,
            };
            if let Err(error) = self.change(&mut stored, |record| record.intent = Some(intent)) {
                return self.later(error);
            }
        }
        let http = Http::new(self.sources.world)?;
        let outcome = attempt::refresh(self.sources.world, &http, &mode, &sent);
        let renewed = self.settle(stored, &sent, outcome, reserved, (&mode, &http))?;
        match needed_secs {
            Some(needed) if life_of(&renewed.record) == Life::Ended => Err(Error::failure(format!(
                "the issuer of `{}` gives tokens that live shorter than the {needed} s asked for",
                show(self.session, self.key)
            ))),
            _ => Ok(renewed),
        }
    }

    /// The record as it is now, after a copy that a full disk drove elsewhere has been brought back.
    fn second_look(&self) -> Result<Option<Stored>> {
        let stored = self.sources.stores.get(self.key)?;
        let interrupted = stored.as_ref().is_some_and(|stored| stored.record.intent.is_some());
        let rescued = if interrupted {
            self.sources.stores.rescued(self.lock, self.key)
        } else {
            None
        };
        Ok(rescued.or(stored))
    }

    /// Serves what still lives, else fails.
    fn later(&mut self, error: Error) -> Result<Stored> {
        self.soft.take().ok_or(error)
    }

    /// Writes a change of the record.
    fn change(&self, stored: &mut Stored, change: impl FnOnce(&mut Record)) -> Result<()> {
        change(&mut stored.record);
        stored.record.generation += 1;
        Ok(self.sources.stores.put(self.lock, &stored.record, stored.store, None)?)
    }

    fn settle(
        &mut self,
        mut stored: Stored,
        sent: &Secret,
        outcome: Outcome,
        reserved: Reserved,
        issuer: (&Mode, &Http),
    ) -> Result<Stored> {
        let now = self.sources.world.now();
        let profile = show(self.session, self.key);
        let cool = |record: &mut Record, seconds: i64| record.cooldown_until = Some(now.plus(seconds));
        let doing = format!("refreshing `{profile}`");
        match outcome {
            Outcome::Granted(tokens) => self.keep(stored, tokens, reserved, issuer),
            Outcome::NotSent(why) => {
                drop(reserved);
                let _ = self.change(&mut stored, |record| record.intent = None);
                self.later(Error::temporary(why).context(doing))
            }
            Outcome::Unknown(why) => {
                drop(reserved);
                let wait = 5 + self.sources.world.random_below(26).cast_signed();
                let _ = self.change(&mut stored, |record| cool(record, wait));
                self.later(Error::temporary(why).context(doing))
            }
            Outcome::Limited { after_secs } => {
                drop(reserved);
                let _ = self.change(&mut stored, |record| {
                    record.intent = None;
                    cool(record, after_secs);
                });
                self.later(Error::temporary(format!("the issuer asks to wait {after_secs} s")).context(doing))
            }
            Outcome::NotIssuer(why) => {
                drop(reserved);
                let _ = self.change(&mut stored, |record| cool(record, 30));
                self.later(Error::temporary(why).context(doing))
            }
            Outcome::Misconfigured { code, description } => {
                drop(reserved);
                let _ = self.change(&mut stored, |record| record.intent = None);
                let says = description.map(|text| format!(": the issuer says “{}”", crate::report::sanitise(&text)));
                let error = Error::failure(format!("the issuer answered `{code}`{}", says.unwrap_or_default()));
                let hint = format!(
                    "check the provider file with `keyfob provider show {}`",
                    self.session.provider
                );
                self.later(error.context(doing).hint(hint))
            }
            Outcome::Rejected => {
                drop(reserved);
                self.rejected(stored, sent)
            }
        }
    }

    /// A rejected refresh token is believed only if the store still has it: somebody may have written without our lock.
    fn rejected(&mut self, stored: Stored, sent: &Secret) -> Result<Stored> {
        let now = self.sources.world.now();
        let Some(mut current) = self.sources.stores.get(self.key)? else {
            return Err(ended(self.session, &stored.record, "somebody logged out"));
        };
        if current.record.refresh.as_ref() != Some(sent) {
            let usable = life(&current.record, now, None, 100) != Life::Ended;
            let error = Error::temporary(format!(
                "the session `{}` was changed meanwhile",
                show(self.session, self.key)
            ));
            return if usable { Ok(current) } else { self.later(error) };
        }
        let dead = Dead {
            reason: "invalid_grant".into(),
            at: now,
            refresh_mark: Some(sent.mark()),
        };
        self.change(&mut current, |record| {
            record.dead = Some(dead);
            record.intent = None;
            record.secret = None;
            record.refresh = None;
        })?;
        alive(self.session, &current.record)?;
        Err(Error::failure("BUG: a dead record is alive"))
    }

    fn keep(
        &mut self,
        stored: Stored,
        tokens: token::TokenSet,
        reserved: Reserved,
        issuer: (&Mode, &Http),
    ) -> Result<Stored> {
        let current = self.sources.stores.get(self.key)?;
        let same = current
            .as_ref()
            .is_some_and(|now| now.record.family == stored.record.family && now.record.dead.is_none());
        if !same {
            // Somebody logged out, or in again, while the issuer answered: these tokens belong to nobody.
            let unwanted = tokens.refresh.as_ref().unwrap_or(&tokens.access);
            let _ = attempt::revoke(issuer.1, issuer.0, unwanted, revoke::Hint::Refresh);
            return Err(ended(self.session, &stored.record, "somebody logged out or in again"));
        }
        let mut renewed = stored;
        merge(&mut renewed.record, tokens, self.sources.world.now());
        renewed.record.generation += 1;
        match self
            .sources
            .stores
            .put(self.lock, &renewed.record, renewed.store, Some(reserved))
        {
            Ok(()) => Ok(renewed),
            Err(error) => self.rescue(renewed, &error),
        }
    }

    /// The issuer has rotated and the record cannot be written: it goes wherever it can, and the tool is served.
    fn rescue(&self, renewed: Stored, error: &StoreError) -> Result<Stored> {
        let profile = show(self.session, self.key);
        let place = self.sources.stores.rescue(self.lock, &renewed.record, renewed.store);
        let told = match place {
            Ok(place) => {
                format!("keyfob: warning: the renewed session `{profile}` is kept in {place} for now: {error}\n")
            }
            Err(_) => format!("keyfob: warning: the renewed session `{profile}` could not be kept: {error}\n"),
        };
        self.sources.world.write_stderr(&told);
        Ok(renewed)
    }
}

/// Puts what a token endpoint gave into a record; an absent refresh token keeps the old one (RFC 6749, section 6).
pub fn merge(record: &mut Record, tokens: token::TokenSet, now: Timestamp) {
    let token::TokenSet {
        access,
        refresh,
        expires_in_secs,
        scopes,
    } = tokens;
    record.secret = Some(access);
    record.refresh = refresh.or(record.refresh.take());
    let assumed = record.refresh.as_ref().map(|_| token::ASSUMED_LIFE_SECS);
    record.expires_at = expires_in_secs.or(assumed).map(|seconds| now.plus(seconds));
    record.obtained_at = Some(now);
    if let Some(scopes) = scopes {
        record.scopes = scopes;
    }
    record.intent = None;
    record.cooldown_until = None;
    record.dead = None;
}

/// Puts a new record in place, or a new family over an old one. What login, `set-token` and a tool's `store` end in.
///
/// # Errors
/// [`Class::Store`] when it cannot be written; [`Class::Temporary`] when a renewal holds the lock for too long.
pub fn keep(
    sources: &Sources,
    session: &Session,
    account: &str,
    tool: &str,
    fill: impl FnOnce(&mut Record),
) -> Result<Stored> {
    let key = Key {
        group: session.group(),
        account: account.into(),
        path: None,
    };
    let lock = locked(sources, session, &key)?;
    let old = match sources.stores.get(&key) {
        Ok(old) => old,
        Err(StoreError::Damaged(_) | StoreError::Unavailable(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let wanted = sources.config.provider(&session.provider)?.store;
    let store = match (&wanted, &old) {
        (None, Some(old)) => old.store,
        _ => sources.stores.choose(wanted.as_deref(), sources.world.person())?.store,
    };
    let family = data_encoding::HEXLOWER.encode(&sources.world.random::<16>());
    let mut record = Record::new(key, family, tool);
    fill(&mut record);
    if let Some(old) = &old {
        record.extra.clone_from(&old.record.extra);
        let same =
            record.secret == old.record.secret && record.refresh == old.record.refresh && old.record.dead.is_none();
        if same && record.expires_at == old.record.expires_at {
            return Ok(Stored {
                record: old.record.clone(),
                store: old.store,
            });
        }
    }
    record.obtained_at = Some(sources.world.now());
    sources.stores.put(&lock, &record, store, None)?;
    Ok(Stored { record, store })
}

/// Takes in that a server refused a secret: with a refresh token it is renewed at the next call, without it is forgotten.
///
/// # Errors
/// As [`keep`].
pub fn reject(sources: &Sources, session: &Session, stored: &Stored, secret: &Secret) -> Result<()> {
    let key = &stored.record.key;
    let lock = locked(sources, session, key)?;
    let Some(mut current) = sources.stores.get(key)? else {
        return Ok(());
    };
    if current.record.secret.as_ref() != Some(secret) {
        return Ok(());
    }
    if current.record.refresh.is_none() {
        sources.stores.delete(&lock, key)?;
        return Ok(());
    }
    current.record.secret = None;
    current.record.generation += 1;
    Ok(sources.stores.put(&lock, &current.record, current.store, None)?)
}

/// Forgets a session; what was there is returned, so that the issuer can be told.
///
/// # Errors
/// [`Class::Temporary`] when a renewal holds the lock for too long; [`Class::Store`].
pub fn forget(sources: &Sources, session: &Session, key: &Key) -> Result<Option<Record>> {
    let lock = locked(sources, session, key)?;
    let record = sources.stores.get(key).ok().flatten().map(|stored| stored.record);
    sources.stores.delete(&lock, key)?;
    Ok(record)
}

/// Tells the issuer that a session is over (RFC 7009): the refresh token first, then the access token.
///
/// None where the provider has no revocation endpoint.
///
/// # Errors
/// Why the issuer could not be told.
pub fn revoke(sources: &Sources, session: &Session, record: &Record) -> Result<Option<()>> {
    let mode = mode_of(sources, session)?;
    if mode.oauth.revocation_endpoint.is_none() {
        return Ok(None);
    }
    let http = Http::new(sources.world)?;
    let tokens = [
        (&record.refresh, revoke::Hint::Refresh),
        (&record.secret, revoke::Hint::Access),
    ];
    for (token, hint) in tokens {
        if let Some(token) = token {
            attempt::revoke(&http, &mode, token, hint)?;
        }
    }
    Ok(Some(()))
}

fn locked(sources: &Sources, session: &Session, key: &Key) -> Result<Lock> {
    let lock = sources
        .stores
        .lock(key, PATIENCE, &|pause| sources.world.sleep(pause))?;
    lock.ok_or_else(|| Error::temporary(format!("another keyfob is refreshing `{}`", show(session, key))))
}

fn mode_of(sources: &Sources, session: &Session) -> Result<Mode> {
    let mode = Some(session.mode.clone()).filter(|mode| !mode.is_empty());
    let profile = Profile {
        provider: session.provider.clone(),
        mode,
        account: None,
    };
    let (mut provider, at) = sources.config.profile(&profile)?;
    Ok(provider.modes.swap_remove(at))
}

/// The client that a mode names.
///
/// # Errors
/// [`Class::Usage`] when the provider file has no client id.
pub fn client(mode: &Mode) -> Result<Client<'_>> {
    let id = mode.oauth.client_id.as_deref();
    let id = id.ok_or_else(|| Error::new(Class::Usage, "the provider file has no `oauth.client_id`"))?;
    Ok(Client {
        id,
        secret: mode.oauth.client_secret.as_deref(),
    })
}

fn alive(session: &Session, record: &Record) -> Result<()> {
    match &record.dead {
        None => Ok(()),
        Some(dead) => Err(ended(
            session,
            record,
            &format!("the issuer answered `{}`", crate::report::sanitise(&dead.reason)),
        )),
    }
}

fn ended(session: &Session, record: &Record, why: &str) -> Error {
    let profile = show(session, &record.key);
    Error::login(format!("the session `{profile}` has ended: {why}")).hint(format!("run `keyfob login {profile}`"))
}

fn show(session: &Session, key: &Key) -> String {
    profile::show(&session.provider, &session.mode, &key.account)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Group;

    const NOW: Timestamp = Timestamp::from_unix(1_000_000);

    fn record(obtained: i64, end: Option<i64>) -> Record {
        let group = Group::Session {
            provider: "acme".into(),
            mode: String::new(),
        };
        let mut record = Record::new(
            Key {
                group,
                account: String::new(),
                path: None,
            },
            "f".into(),
            "keyfob",
        );
        record.secret = Some(Secret::new("canary".into()));
        record.obtained_at = Some(NOW.plus(obtained));
        record.expires_at = end.map(|end| NOW.plus(end));
        record
    }

    #[test]
    fn the_skew_is_a_minute_or_a_tenth_of_a_short_life() {
        for (obtained, end, expected) in [
            (-3000, 600, Life::Fresh),
            (-3300, 300, Life::Soft),
            (-3539, 61, Life::Soft),
            (-3540, 60, Life::Ended),
            (-10, 20, Life::Fresh),
            (-26, 4, Life::Soft),
            (-27, 3, Life::Ended),
            (-3600, 0, Life::Ended),
        ] {
            assert_eq!(
                life(&record(obtained, Some(end)), NOW, None, 100),
                expected,
                "{obtained} {end}"
            );
        }
        assert_eq!(life(&record(-10, None), NOW, None, 100), Life::Fresh);
    }

    #[test]
    fn a_tool_that_needs_longer_is_not_served_less() {
        assert_eq!(life(&record(-1800, Some(1800)), NOW, Some(1800), 100), Life::Ended);
        assert_eq!(life(&record(-1800, Some(1800)), NOW, Some(1799), 100), Life::Fresh);
    }

    #[test]
    fn a_clock_far_before_the_token_says_nothing() {
        assert_eq!(life(&record(299, Some(3600)), NOW, None, 100), Life::Fresh);
        assert_eq!(life(&record(301, Some(3600)), NOW, None, 100), Life::Ended);
    }

    #[test]
    fn an_absent_refresh_token_keeps_the_old_one() {
        let mut old = record(-3600, Some(0));
        old.refresh = Some(Secret::new("canary-refresh".into()));
        let tokens = token::TokenSet {
            access: Secret::new("canary2".into()),
            refresh: None,
            expires_in_secs: None,
            scopes: None,
        };
        merge(&mut old, tokens, NOW);
        assert_eq!(old.refresh, Some(Secret::new("canary-refresh".into())));
        assert_eq!(old.expires_at, Some(NOW.plus(token::ASSUMED_LIFE_SECS)));
    }
}
