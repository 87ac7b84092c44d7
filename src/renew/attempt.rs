//! Asking the issuer, and sorting what comes back by what it means for the refresh token that was sent.

use std::time::Duration;

use super::life::MAX_REST_SECS;
use super::service;
use crate::config::{Flow, Mode, Switch};
use crate::error::{Error, Result};
use crate::grant;
use crate::http::{Failure, Http, Reply};
use crate::oauth::token::{self, TokenSet};
use crate::oauth::{Form, refresh, revoke};
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::world::World;

/// What one renewal came to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The issuer gave tokens.
    Granted(TokenSet),
    /// The issuer asks for patience; nothing was rotated.
    Limited {
        /// Seconds to wait, from 1 to 600.
        after_secs: i64,
    },
    /// The issuer refuses for a reason that lies in the provider file.
    Misconfigured {
        /// The RFC 6749 code.
        code: String,
        /// The issuer's words, not yet fit for a terminal.
        description: Option<String>,
    },
    /// Something that is no issuer answered: a captive portal, a proxy's page, a wrong endpoint.
    NotIssuer(String),
    /// No request reached the issuer.
    NotSent(String),
    /// `invalid_grant`: the refresh token, or what else was the grant, is not good any more.
    Rejected {
        /// The issuer's words, not yet fit for a terminal.
        description: Option<String>,
    },
    /// The request was sent, and whether the token was rotated is not known.
    Unknown(String),
    /// Nothing could be asked: the machine or the provider file lacks something.
    Unready(Error),
}

/// A connection that could not be made costs nothing to try again.
const CONNECTION_TRIES: u32 = 3;

/// How long one renewal may ask, all tries together: with the writes it holds its lock for less than 20 s, which is
/// what those who wait for the lock count on. At half of it a lost answer could not be asked for again.
pub(super) const BUDGET_SECS: i64 = 18;

/// How long a renewal may ask that a tool could do without: one request. Some tools end their helper after ten seconds,
/// and would be left without the token that still lives.
pub(super) const SPARE_SECS: i64 = 8;

/// No request begins with less left than this: it would be cut off before most issuers answer.
const LEAST_SECS: i64 = 2;

/// Where the issuer names no time.
const LIMIT_SECS: i64 = 30;

/// The time that is left of one renewal's budget, by the wall clock.
struct Budget<'w> {
    world: &'w World,
    start: Timestamp,
    /// All of it, in seconds.
    whole: i64,
}

impl Budget<'_> {
    /// The time that is left; none if it is too short to begin anything, or the clock was set back meanwhile.
    fn left(&self) -> Option<Duration> {
        let used = self.world.now().since(self.start);
        let left = self.whole.saturating_sub(used);
        let enough = (0..=self.whole).contains(&used) && left >= LEAST_SECS;
        enough.then(|| Duration::from_secs(left.unsigned_abs()))
    }

    /// Waits a random while before another try, if there is time for one.
    fn pause(&self) -> bool {
        if self.left().is_some() {
            self.world
                .sleep(Duration::from_millis(200 + self.world.random_below(800)));
        }
        self.left().is_some()
    }
}

/// Sends one refresh token, or the credential with which a service gives tokens of its workspaces, and asks for no longer
/// than these seconds.
pub(super) fn refresh(
    (world, http): (&World, &Http),
    mode: &Mode,
    token: &Secret,
    workspace: Option<&str>,
    secs: i64,
) -> Outcome {
    let form = || {
        let form = refresh::form(super::client(world, mode)?, token, &mode.oauth.resource);
        Ok(match &mode.workspace {
            Some(kind) if kind.switch == Switch::Reissue => form.with_some(&kind.parameter, workspace),
            _ => form,
        })
    };
    let read = |reply: &Reply| super::read(mode, reply);
    twice(
        (world, secs),
        &|budget| match (mode.exchange.as_ref().zip(workspace), &mode.refresh) {
            (Some((exchange, workspace)), _) => {
                let send = |time| service::reissue(http, exchange, token, workspace, time);
                ask(budget, &send, &|reply| service::sort(exchange, reply))
            }
            (None, Some(refresh)) => {
                let send = |time| service::send(http, refresh, token, time);
                ask(budget, &send, &|reply| service::sort(refresh, reply))
            }
            (None, None) => post(budget, http, mode, &form, &read),
        },
    )
}

/// Asks for a token that needs no person, and for no longer than these seconds.
pub(super) fn grant((world, http): (&World, &Http), flow: Flow, mode: &Mode, secs: i64) -> Outcome {
    let form = || grant::form(world, flow, mode);
    let read = |reply: &Reply| grant::checked(world, flow, mode, reply, super::read);
    twice((world, secs), &|budget| post(budget, http, mode, &form, &read))
}

/// Asks, and once more at once if the answer is lost: for a refresh token issuers with a grace period then repeat their
/// answer, without one the session is lost either way, and a grant without a person costs nothing.
fn twice((world, whole): (&World, i64), ask: &dyn Fn(&Budget) -> Outcome) -> Outcome {
    let start = world.now();
    let budget = Budget { world, start, whole };
    let first = ask(&budget);
    if !matches!(first, Outcome::Unknown(_)) || !budget.pause() {
        return first;
    }
    match ask(&budget) {
        // The first request may have been the one that counted.
        Outcome::NotSent(_) | Outcome::NotIssuer(_) | Outcome::Unready(_) => first,
        second => second,
    }
}

/// One request of a token endpoint. Its form is made for it alone: a statement in it is good once.
fn post(
    budget: &Budget,
    http: &Http,
    mode: &Mode,
    form: &dyn Fn() -> Result<Form>,
    read: &dyn Fn(&Reply) -> token::Reply,
) -> Outcome {
    let Some(url) = &mode.oauth.token_endpoint else {
        return Outcome::Unready(Error::usage("the provider file has no `oauth.token_endpoint`"));
    };
    match form() {
        Ok(form) => ask(budget, &|time| super::post(http, mode, url, &form, time), &|reply| {
            sort(reply, read(reply))
        }),
        Err(error) => Outcome::Unready(error),
    }
}

/// Asks until something was sent, and sorts the answer. Only what certainly was not sent is sent again.
fn ask(
    budget: &Budget,
    send: &dyn Fn(Duration) -> Result<Reply, Failure>,
    sort: &dyn Fn(&Reply) -> Outcome,
) -> Outcome {
    let mut tries = 0;
    loop {
        tries += 1;
        let Some(time) = budget.left() else {
            return Outcome::NotSent("there was no time left to ask".into());
        };
        match send(time) {
            Ok(reply) => return patience(&reply).unwrap_or_else(|| sort(&reply)),
            Err(Failure::CutOff(why)) => return Outcome::Unknown(why),
            Err(Failure::NotSent(why)) => {
                if tries == CONNECTION_TRIES || !budget.pause() {
                    return Outcome::NotSent(why);
                }
            }
        }
    }
}

/// What an answer means that asks for patience, or comes from something in front of the issuer; none for any other.
fn patience(reply: &Reply) -> Option<Outcome> {
    if reply.status == 429 {
        let after_secs = reply.retry_after_secs.unwrap_or(LIMIT_SECS).clamp(1, MAX_REST_SECS);
        return Some(Outcome::Limited { after_secs });
    }
    if reply.status >= 500 && reply.status != 511 {
        return Some(match reply.retry_after_secs {
            Some(seconds) if reply.status == 503 => Outcome::Limited {
                after_secs: seconds.clamp(1, MAX_REST_SECS),
            },
            _ => Outcome::Unknown(format!("the issuer answered with status {}", reply.status)),
        });
    }
    None
}

fn sort(reply: &Reply, read: token::Reply) -> Outcome {
    match read {
        token::Reply::Granted(tokens) => Outcome::Granted(tokens),
        token::Reply::Error { code, description, .. } => match code.as_str() {
            // RFC 6749, section 5.2 sends it with 400; with 200 or 404 it may come from something in between.
            "invalid_grant" if matches!(reply.status, 400 | 401) => Outcome::Rejected { description },
            // GitHub's own word for it, which it sends with status 200.
            "bad_refresh_token" => Outcome::Rejected { description },
            "temporarily_unavailable" | "server_error" => Outcome::Limited { after_secs: LIMIT_SECS },
            _ => Outcome::Misconfigured { code, description },
        },
        token::Reply::Unusable(why) if reply.status == 200 && token::is_json(&reply.content_type) => {
            Outcome::Unknown(format!("the issuer's answer cannot be used: {why}"))
        }
        token::Reply::Unusable(why) => Outcome::NotIssuer(format!("what answered is no issuer: {why}")),
    }
}

/// Tells the issuer that a token is over. 200 means gone, also for a token that it did not know (RFC 7009, section 2.2).
///
/// # Errors
/// Why it could not be told in this time, or in the 8 s of a call if that is less.
pub(super) fn revoke(
    world: &World,
    http: &Http,
    mode: &Mode,
    token: &Secret,
    hint: revoke::Hint,
    time: Duration,
) -> Result<()> {
    let Some(url) = &mode.oauth.revocation_endpoint else {
        return Ok(());
    };
    let form = revoke::form(super::client(world, mode)?, token, hint);
    let reply = http.post_within(url, &form, time).map_err(Error::temporary)?;
    match reply.status {
        200..=299 => Ok(()),
        status => Err(Error::temporary(format!("the issuer answered with status {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    /// How many requests that get no answer fit into a budget, and how long they take.
    fn tries(whole: i64) -> (u32, i64) {
        let clock = Rc::new(Cell::new(1_000_000));
        let (read, set) = (Rc::clone(&clock), Rc::clone(&clock));
        let world = World::fixed([], Timestamp::from_unix(0)).with_time(
            move || Timestamp::from_unix(read.get()),
            move |nap| set.set(set.get() + i64::try_from(nap.as_millis().div_ceil(1000)).unwrap()),
        );
        let (world, start) = (&world, world.now());
        let budget = Budget { world, start, whole };
        let mut calls = 0;
        while let Some(left) = budget.left() {
            clock.set(clock.get() + i64::try_from(left.as_secs().min(8)).unwrap());
            calls += 1;
            budget.pause();
        }
        let took = clock.get() - 1_000_000;
        clock.set(0);
        assert_eq!(budget.left(), None, "a clock that was set back ends the tries");
        (calls, took)
    }

    #[test]
    fn the_tries_of_one_renewal_end_before_those_who_wait_give_up() {
        let (calls, took) = tries(BUDGET_SECS);
        assert!((2..=3).contains(&calls) && took <= 20, "{calls} in {took} s");
        assert_eq!(tries(SPARE_SECS), (1, 8));
        assert_eq!(tries(9), (1, 8), "a tool that ends us after ten seconds hears why");
    }
}
