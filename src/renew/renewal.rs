//! One renewal: from the second look to the answer that is safe on disk.

use std::time::Duration;

use super::attempt::{self, Outcome};
use super::life::{Life, Measure, rests};
use super::{Wants, alive, ended, merge, mode_of, show};
use crate::config::Mode;
use crate::error::{Error, Result};
use crate::http::Http;
use crate::oauth::{revoke, token};
use crate::record::{Dead, Intent, Key, Record};
use crate::resolve::{Session, Sources};
use crate::secret::Secret;
use crate::store::{Lock, Reserved, StoreError, Stored};
use crate::time::Timestamp;

/// How long an issuer that did not answer is left alone where its answer is not needed yet.
const REST_SECS: i64 = 15;

/// One renewal, under the session's lock.
pub(super) struct Renewal<'a> {
    pub sources: &'a Sources<'a>,
    pub session: &'a Session,
    pub key: &'a Key,
    pub lock: &'a Lock,
    /// What can still be served if the renewal does not succeed.
    pub soft: Option<Stored>,
    /// What the call needs.
    pub wants: Wants,
    /// By what the life of a token is measured.
    pub measure: Measure,
    /// The workspace that a token is wanted for, whatever life another one's has left.
    pub workspace: Option<&'a str>,
    /// When the issuer was asked: the latest moment of which it is known that the new token's life had not begun. A slow
    /// answer would make its end later than the issuer's.
    pub asked: Timestamp,
}

impl Renewal<'_> {
    /// Renews, unless somebody else has.
    pub(super) fn run(&mut self) -> Result<Stored> {
        let Some(mut stored) = self.second_look()? else {
            return Err(ended(
                self.session,
                &Record::new(self.key.clone(), String::new(), ""),
                "somebody logged out",
            ));
        };
        alive(self.session, &stored.record)?;
        // The wait for the lock may have been long.
        let now = self.sources.world.now();
        let life = self.life(&stored.record, now);
        if life == Life::Fresh {
            return Ok(stored);
        }
        // What was read before the lock may have been rejected or replaced since.
        self.soft = (life == Life::Soft).then(|| stored.clone());
        if let Some(until) = stored.record.cooldown_until.filter(|_| rests(&stored.record, now)) {
            return self.later(Error::temporary(format!(
                "the issuer of `{}` is not asked again before {}",
                show(self.session, self.key),
                until.rfc3339()
            )));
        }
        let refresh = stored.record.refresh.clone();
        if refresh.is_none() && self.workspace.is_none() {
            return self.later(ended(self.session, &stored.record, "it has no refresh token"));
        }
        let ready = mode_of(self.sources, self.session, &stored.record)
            .and_then(|mode| Ok((mode, Http::new(self.sources.world)?)));
        let (mode, http) = match ready {
            Ok(ready) => ready,
            Err(error) => return self.later(error),
        };
        // A session's own credential gets the tokens of its workspaces, and is kept beside them as a refresh token is.
        let own = stored.record.secret.clone().filter(|_| mode.exchange.is_some());
        let Some(sent) = refresh.or(own) else {
            return self.later(ended(self.session, &stored.record, "it has no refresh token"));
        };
        let reserved = match self.sources.stores.reserve(self.lock, self.key) {
            Ok(reserved) => reserved,
            Err(error) => return self.later(error.into()),
        };
        if stored.record.intent.is_none() {
            let intent = Intent {
                refresh_mark: sent.mark(),
                at: now,
            };
            // A tool that ends us while the issuer does not answer is served at once the next time.
            let rest = self.soft.as_ref().and_then(|soft| self.rest(&soft.record, now));
            let noted = self.change(&mut stored, |record| {
                record.intent = Some(intent);
                record.cooldown_until = rest.or(record.cooldown_until);
            });
            if let Err(error) = noted {
                return self.later(error);
            }
        }
        let workspace = self
            .workspace
            .map(str::to_owned)
            .or_else(|| stored.record.workspace.clone());
        self.asked = self.sources.world.now();
        let secs = self.wants.budget(self.soft.is_some());
        let asks = (self.sources.world, &http);
        let outcome = attempt::refresh(asks, &mode, &sent, workspace.as_deref(), secs);
        let renewed = self.settle(stored, &sent, outcome, reserved, (&mode, &http))?;
        let now = self.sources.world.now();
        match self.measure.needed_secs {
            Some(needed) if self.measure.life(&renewed.record, now) == Life::Ended => Err(Error::failure(format!(
                "the issuer of `{}` gives tokens that live shorter than the {needed} s asked for",
                show(self.session, self.key)
            ))),
            _ => Ok(renewed),
        }
    }

    /// The life of a record's secret; one of another workspace than the wanted one has none.
    fn life(&self, record: &Record, now: Timestamp) -> Life {
        match self.workspace {
            Some(wanted) if record.workspace.as_deref() != Some(wanted) => Life::Ended,
            _ => self.measure.life(record, now),
        }
    }

    /// The record as it is now, after a copy that a full disk drove elsewhere has been brought back.
    fn second_look(&self) -> Result<Option<Stored>> {
        let stored = self.sources.stores.get_locked(self.lock, self.key)?;
        let interrupted = stored.as_ref().is_some_and(|stored| stored.record.intent.is_some());
        let rescued = if interrupted {
            self.sources.stores.rescued(self.lock, self.key)
        } else {
            None
        };
        Ok(rescued.or(stored))
    }

    /// Serves what still lives, else fails. The issuer may have taken longer than what was left of it.
    fn later(&mut self, error: Error) -> Result<Stored> {
        let now = self.sources.world.now();
        let lives = |soft: &Stored| self.measure.life(&soft.record, now) != Life::Ended;
        self.soft.take().filter(lives).ok_or(error)
    }

    /// Until when the issuer is left alone while a token is served that lives: no longer than it can be.
    fn rest(&self, soft: &Record, now: Timestamp) -> Option<Timestamp> {
        let until = now.plus(REST_SECS);
        Some(self.measure.serves_until(soft, now)?.min(until))
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
        let doing = match self.workspace {
            Some(workspace) => format!("asking for a token of `{profile}` for the workspace `{workspace}`"),
            None => format!("refreshing `{profile}`"),
        };
        match outcome {
            Outcome::Granted(tokens) if issuer.0.exchange.is_some() => {
                stored.record.refresh = Some(sent.clone());
                let tokens = token::TokenSet {
                    refresh: None,
                    ..tokens
                };
                self.keep(stored, tokens, reserved, issuer)
            }
            Outcome::Granted(tokens) => self.keep(stored, tokens, reserved, issuer),
            Outcome::NotSent(why) => {
                drop(reserved);
                // What was noted with the intent goes on: nothing was found out.
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
                let _ = self.change(&mut stored, unasked);
                let says = description.map(|text| format!(": the issuer says “{}”", crate::report::sanitise(&text)));
                let what = format!("the issuer answered `{code}`{}", says.unwrap_or_default());
                let wants_factor = issuer.0.mfa.as_ref().filter(|mfa| mfa.wants(&code));
                let hint = wants_factor.and_then(|mfa| mfa.hint(None));
                // A bare status says nothing of the file, and the workspace is the person's own word.
                if self.workspace.is_some() && code.starts_with("status ") {
                    let hint = hint.unwrap_or_else(|| refused_workspace(&profile));
                    return Err(Error::refused(what).context(doing).hint(hint));
                }
                let provider = &self.session.provider;
                let hint =
                    hint.unwrap_or_else(|| format!("check the provider file with `keyfob provider show {provider}`"));
                self.later(Error::failure(what).context(doing).hint(hint))
            }
            // It may be the workspace that is refused: a dead token is found out by the next refresh.
            Outcome::Rejected { .. } if self.workspace.is_some() => {
                drop(reserved);
                let _ = self.change(&mut stored, |record| record.intent = None);
                let error = Error::refused("the issuer answered `invalid_grant`").context(doing);
                Err(error.hint(refused_workspace(&profile)))
            }
            Outcome::Rejected { .. } => {
                drop(reserved);
                self.rejected(stored, sent)
            }
            Outcome::Unready(error) => {
                drop(reserved);
                let _ = self.change(&mut stored, unasked);
                self.later(error.context(doing))
            }
        }
    }

    /// A rejected refresh token is believed only if the store still has it: somebody may have written without our lock.
    fn rejected(&mut self, stored: Stored, sent: &Secret) -> Result<Stored> {
        let now = self.sources.world.now();
        let Some(mut current) = self.sources.stores.get_locked(self.lock, self.key)? else {
            return Err(ended(self.session, &stored.record, "somebody logged out"));
        };
        if current.record.refresh.as_ref() != Some(sent) {
            let usable = self.life(&current.record, now) != Life::Ended;
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
            record.id_token = None;
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
        let same = match self.sources.stores.get_locked(self.lock, self.key) {
            Ok(current) => {
                current.is_some_and(|now| now.record.family == stored.record.family && now.record.dead.is_none())
            }
            // The lock says that it is the same; that it cannot be read now must not cost what the issuer gave.
            Err(_) => true,
        };
        if !same {
            // Somebody logged out, or in again, while the issuer answered: these tokens belong to nobody.
            let (unwanted, hint) = match &tokens.refresh {
                Some(refresh) => (refresh, revoke::Hint::Refresh),
                None => (&tokens.access, revoke::Hint::Access),
            };
            let _ = attempt::revoke(self.sources.world, issuer.1, issuer.0, unwanted, hint, Duration::MAX);
            return Err(ended(self.session, &stored.record, "somebody logged out or in again"));
        }
        let mut renewed = stored;
        let tokens = tokens.with_id_token(issuer.0.oauth.id_token);
        merge(&mut renewed.record, tokens, self.asked);
        if let Some(workspace) = self.workspace {
            renewed.record.workspace = Some(workspace.into());
        }
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
                format!("keyfob: warning: the renewed session `{profile}` is kept {place}: {error}\n")
            }
            Err(_) => format!("keyfob: warning: the renewed session `{profile}` could not be kept: {error}\n"),
        };
        self.sources.world.write_stderr(&told);
        Ok(renewed)
    }
}

/// As before anything was asked.
fn unasked(record: &mut Record) {
    record.intent = None;
    record.cooldown_until = None;
}

/// What to do where a workspace, or the session that asks for it, was refused; the answer does not tell which.
fn refused_workspace(profile: &str) -> String {
    format!("see whether the account is in that workspace; `keyfob whoami {profile}` says whether the session is good")
}
