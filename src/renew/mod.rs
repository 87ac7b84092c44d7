//! One refresh per session, whatever happens.
//!
//! A refresh token of a rotating issuer is good once. Fifty processes that find the same session expired send one
//! request; a process that is killed at any step loses nothing that the issuer gave; nothing is deleted on doubt.
//!
//! The order, each step for the next one's sake: the session's lock, with a deadline → a second look → proof that the
//! store can be written → the intent, durably → one request → the answer as a durable temporary, then one rename →
//! unlock → answer. `store/disk.rs` finishes the rename for a process that was killed before it.

mod attempt;
mod keep;
mod life;
mod overlay;
mod place;
mod renewal;
pub mod service;
mod unattended;

use std::time::Duration;

use crate::config::{Mode, Profile, Provider, profile};
use crate::error::{Error, Result};
use crate::http::{Body, Call, Failure, Http, Reply};
use crate::model::Proves;
use crate::oauth::{self, Form, dpop, token};
use crate::record::{Dead, Key, Learnt, Record};
use crate::resolve::{Session, Sources};
use crate::secret::Secret;
use crate::store::Stored;
use crate::time::Timestamp;
use crate::world::World;

pub use crate::grant::client;
pub use keep::{Forgotten, forget, keep, reject, restore, revoke};
use life::{Life, Measure};
pub use overlay::overlay;
pub use place::{check_place, place};
use renewal::Renewal;
use unattended::Unattended;
pub use unattended::{ask, give, obtain};

/// How long a process whose token has ended waits for another that refreshes. Longer than the longest time that one may
/// hold the lock: two calls of 8 s, 2 s between, and the writes.
const PATIENCE: Duration = Duration::from_secs(30);

/// The reason of a session that ended here because it goes to another machine.
pub const MOVED: &str = "moved";

/// What a call needs of a token.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wants {
    /// The seconds of life without which it is of no use.
    pub needed_secs: Option<u32>,
    /// The seconds of life with less than which it is renewed, as far as that is half of what the issuer gives.
    pub prefers_secs: Option<u32>,
    /// The seconds after which the tool gives up. Absent: more than a renewal takes.
    pub within_secs: Option<u32>,
    /// The ID token, and not the access token.
    pub id_token: bool,
}

impl Wants {
    /// So many seconds of life.
    pub fn secs(needed: u32) -> Wants {
        Wants {
            needed_secs: Some(needed),
            ..Wants::default()
        }
    }

    /// How long the issuer may be asked, in seconds: less where the tool gives up before, or where it can be served what
    /// still lives.
    fn budget(self, is_soft: bool) -> i64 {
        let most = if is_soft {
            attempt::SPARE_SECS
        } else {
            attempt::BUDGET_SECS
        };
        self.within_secs.map_or(most, |within| most.min(within.into()))
    }

    /// How long a lock is waited for whose holder asks the issuer.
    fn patience(self, is_soft: bool) -> Duration {
        let most = if is_soft { Duration::ZERO } else { PATIENCE };
        self.within_secs
            .map_or(most, |within| most.min(Duration::from_secs(within.into())))
    }
}

/// A record whose secret can be served: the stored one, or a renewed one.
///
/// # Errors
/// [`crate::error::Class::Login`] when the session has ended; [`crate::error::Class::Temporary`] when it cannot be
/// renewed now; [`crate::error::Class::Store`] when a renewed one could not be kept, so that none was asked for.
pub fn fresh(sources: &Sources, session: &Session, stored: Stored, wants: Wants) -> Result<Stored> {
    let now = sources.world.now();
    // Only what can end needs the draw.
    let measure = if stored.record.expires_at.is_some() || wants.id_token {
        Measure::drawn(sources.world, wants)
    } else {
        Measure::whole(wants)
    };
    if !session.is_unattended() {
        alive(session, &stored.record)?;
    }
    let life = measure.life(&stored.record, now);
    if life == Life::Fresh {
        return Ok(stored);
    }
    if stored.record.synced_at.is_some() {
        // Renewing it would be the end of the session that it is a part of, on the machine that it came from.
        return if life == Life::Soft {
            Ok(stored)
        } else {
            Err(sync_again(session, &stored.record, now))
        };
    }
    if stored.record.refresh.is_none() && !session.is_unattended() {
        return if life == Life::Soft {
            Ok(stored)
        } else {
            Err(ended(session, &stored.record, "it has no refresh token"))
        };
    }
    let key = stored.record.key.clone();
    let soft = (life == Life::Soft).then_some(stored);
    // Before the lock: nobody who waits for it is to wait for another session's issuer too.
    let given = match session
        .is_unattended()
        .then(|| unattended::given(sources, session))
        .transpose()
    {
        Ok(given) => given.flatten(),
        Err(error) => return soft.ok_or(error),
    };
    let patience = wants.patience(soft.is_some());
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
    if session.is_unattended() {
        return Unattended::new(sources, session, &key, &lock, (wants, measure, given)).run();
    }
    Renewal {
        sources,
        session,
        key: &key,
        lock: &lock,
        soft,
        wants,
        measure,
        workspace: None,
        asked: now,
    }
    .run()
}

/// Whether [`fresh`] has something to serve, or a way to get it: nobody is asked.
pub fn can_serve(sources: &Sources, session: &Session, record: &Record) -> bool {
    let life = Measure::whole(Wants::default()).life(record, sources.world.now());
    let renewable = record.refresh.is_some() && record.synced_at.is_none();
    session.is_unattended() || (alive(session, record).is_ok() && (renewable || life != Life::Ended))
}

/// The session with a token for another workspace, for which the issuer is asked as for any renewal.
///
/// # Errors
/// As [`fresh`]; [`crate::error::Class::Refused`] when the session cannot be renewed, or the issuer refuses the workspace. The session
/// is then as it was.
pub fn reissue(sources: &Sources, session: &Session, stored: &Stored, workspace: &str) -> Result<Stored> {
    let key = &stored.record.key;
    let profile = show(session, key);
    alive(session, &stored.record)?;
    if stored.record.refresh.is_none() && mode_of(sources, session, &stored.record)?.exchange.is_none() {
        let message = format!("the session `{profile}` has no refresh token to get one for another workspace with");
        return Err(Error::refused(message));
    }
    let lock = sources
        .stores
        .lock(key, PATIENCE, &|pause| sources.world.sleep(pause))?;
    let lock = lock.ok_or_else(|| Error::temporary(format!("another keyfob is refreshing `{profile}`")))?;
    Renewal {
        sources,
        session,
        key,
        lock: &lock,
        soft: None,
        wants: Wants::default(),
        measure: Measure::whole(Wants::default()),
        workspace: Some(workspace),
        asked: sources.world.now(),
    }
    .run()
}

/// Puts what a token endpoint gave into a record; an absent refresh token keeps the old one (RFC 6749, section 6).
///
/// `now` is the moment from which its life is counted: when it was asked for, where that is known.
pub fn merge(record: &mut Record, tokens: token::TokenSet, now: Timestamp) {
    let token::TokenSet {
        access,
        refresh,
        expires_in_secs,
        scopes,
        id_token,
    } = tokens;
    record.secret = Some(access);
    record.refresh = refresh.or(record.refresh.take());
    // A refresh need not bring another one (OpenID Connect Core, section 12.2). One that is about to end is given up then:
    // it would have each call ask the issuer again.
    let lasts = |token: &Secret| oauth::id_token::end(token).is_some_and(|end| end.since(now) > life::SOFT_SECS);
    record.id_token = id_token.or(record.id_token.take().filter(lasts));
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

/// The mode of a session as its login found it.
fn mode_of(sources: &Sources, session: &Session, record: &Record) -> Result<Mode> {
    let (mut provider, at) = provider_of(sources, session)?;
    let mut mode = provider.modes.swap_remove(at);
    if let Some(learnt) = learnt(record)? {
        overlay(&mut mode, learnt);
    }
    Ok(mode)
}

/// What the login of a session learnt; without it nobody may guess where its refresh token may go.
fn learnt(record: &Record) -> Result<Option<&Learnt>> {
    if record.has_unread_learnt() {
        return Err(
            Error::store("a newer keyfob logged in, and where this session is renewed cannot be read")
                .hint("update keyfob"),
        );
    }
    Ok(record.learnt.as_ref())
}

/// Whether the provider file wants the ID tokens of a session kept.
///
/// # Errors
/// When the provider file cannot be read.
pub fn keeps_id_token(sources: &Sources, session: &Session) -> Result<bool> {
    let (provider, at) = provider_of(sources, session)?;
    Ok(provider.modes[at].oauth.id_token)
}

fn provider_of(sources: &Sources, session: &Session) -> Result<(Provider, usize)> {
    let mode = Some(session.mode.clone()).filter(|mode| !mode.is_empty());
    let profile = Profile {
        provider: session.provider.clone(),
        mode,
        account: None,
    };
    sources.config.profile(&profile)
}

/// Posts a form to an issuer, with a proof of possession where the session has a key.
///
/// # Errors
/// [`Failure`].
pub fn post(http: &Http, mode: &Mode, url: &str, form: &Form, time: Duration) -> Result<Reply, Failure> {
    http.send(&Call {
        key: mode.oauth.dpop_key.as_ref(),
        time,
        ..Call::new(url, Body::Form(form))
    })
}

/// Reads what a token endpoint answered to [`post`]: only tokens that are bound to the session's key where it has one,
/// and only bearer tokens where it has none.
pub fn read(mode: &Mode, reply: &Reply) -> token::Reply {
    let read = if mode.oauth.dpop_key.is_some() {
        token::read_bound
    } else {
        token::read
    };
    read(reply.status, &reply.content_type, &reply.body).without(&reply.sent)
}

/// A proof of possession for a request that a tool will make with a token (RFC 9449, section 7).
///
/// # Errors
/// [`crate::error::Class::Failure`] when the key is damaged.
pub fn prove(world: &World, key: &Secret, proves: &Proves, token: &Secret) -> Result<Secret> {
    let request = dpop::Request {
        method: &proves.method,
        url: &proves.url,
        token: Some(token),
        nonce: proves.nonce.as_deref(),
    };
    let proof = dpop::proof(key, &request, world.random(), world.now()).map_err(Error::failure)?;
    Ok(Secret::new(proof.to_string()))
}

fn alive(session: &Session, record: &Record) -> Result<()> {
    match &record.dead {
        None => Ok(()),
        Some(dead) if dead.reason == MOVED => Err(ended(session, record, "it was on its way to a bundle")
            .hint("run `keyfob export --move` again, which finds out whether it got there, or log in again")),
        Some(dead) if dead.reason == Dead::REMOVED => {
            Err(ended(session, record, "its secret was removed from where it was kept"))
        }
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

fn sync_again(session: &Session, record: &Record, now: Timestamp) -> Error {
    let profile = show(session, &record.key);
    let message = if record.expires_at.is_some_and(|end| end > now) {
        format!("the synced session `{profile}` ends too soon, and is not renewed here")
    } else {
        format!("the synced session `{profile}` has ended")
    };
    Error::login(message).hint("sync again from the machine it came from, with `keyfob sync`")
}

fn show(session: &Session, key: &Key) -> String {
    profile::show(&session.provider, &session.mode, &key.account)
}

#[cfg(test)]
mod tests {
    use super::life::fixture::{NOW, record};
    use super::*;

    #[test]
    fn an_absent_refresh_token_keeps_the_old_one() {
        let mut old = record(-3600, Some(0));
        old.refresh = Some(Secret::new("canary-refresh".into()));
        let tokens = token::TokenSet::bare(Secret::new("canary2".into()));
        merge(&mut old, tokens, NOW);
        assert_eq!(old.refresh, Some(Secret::new("canary-refresh".into())));
        assert_eq!(old.expires_at, Some(NOW.plus(token::ASSUMED_LIFE_SECS)));
    }
}
