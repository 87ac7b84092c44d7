//! Credentials of a provider: the environment's, else the stored session's, renewed when it is about to end.

mod offline;

use std::path::PathBuf;

use super::{Sources, brought, identity, origin, proof, synced, workspace};
use crate::config::{Claim, Flow, Provider, Scheme, Workspace, profile};
use crate::error::{Class, Error, Result};
use crate::model::{ANY_USERNAME, Action, Answer, Credential, IDENTITY_TOKEN, Request, Source};
use crate::record::{Group, Key, Record};
use crate::renew;
use crate::secret::Secret;
use crate::store::{StoreError, Stored};
use crate::time::Timestamp;

/// What a request asks of a provider.
pub struct Session {
    /// The provider's name.
    pub provider: String,
    /// The mode's name; empty for the only one.
    pub mode: String,
    /// The account that was named.
    pub account: Option<String>,
    /// What a workspace is to the provider; none where it has none.
    pub workspace: Option<Workspace>,
    /// What the variables of its program begin with.
    pub prefix: String,
    variables: Vec<String>,
    pub(super) username: Option<String>,
    pub(super) bearer: bool,
    /// Whether it is made of tokens, and nothing says to which target they go.
    is_token: bool,
    keeps: bool,
    unattended: bool,
    exclusive: bool,
    /// The program whose file holds its synced session, where that is as good as a variable.
    hidden: Option<String>,
}

impl Session {
    pub(super) fn of(claim: Claim, sources: &Sources) -> Result<Session> {
        let prefix = claim.prefix();
        Ok(Session {
            provider: claim.provider,
            mode: claim.mode,
            account: sources.config.said_account(&prefix)?.map(|(account, _)| account),
            prefix,
            workspace: claim.workspace,
            variables: claim.variables,
            username: claim.username,
            bearer: claim.bearer,
            is_token: false,
            keeps: claim.keeps,
            unattended: claim.unattended,
            exclusive: claim.exclusive,
            hidden: claim.hidden,
        })
    }

    /// The session of a profile, as on the target of the claim; without one, as on the mode's first target.
    pub(crate) fn named(provider: &Provider, at: usize, claim: Option<Claim>, account: Option<String>) -> Session {
        let mode = &provider.modes[at];
        let first = mode.targets.first();
        let username = match &claim {
            Some(claim) => claim.username.clone(),
            None => first.and_then(|serves| serves.username.clone()),
        };
        let is_placeless = claim.is_none();
        let exclusive = claim.as_ref().is_some_and(|claim| claim.exclusive);
        Session {
            provider: provider.name.clone(),
            mode: mode.name.clone(),
            account,
            workspace: mode.workspace.clone(),
            prefix: provider.program.prefix.clone(),
            variables: mode.variables.clone(),
            username,
            bearer: claim.map_or(first.is_none_or(|serves| serves.scheme == Scheme::Bearer), |claim| {
                claim.bearer
            }),
            is_token: is_placeless && provider.flow.obtains_tokens(),
            keeps: provider.flow == Flow::Static,
            unattended: provider.flow.is_unattended(),
            exclusive,
            hidden: mode.synced_variable().map(|_| provider.program.name.clone()),
        }
    }

    /// The session of a record whose provider file need not be there any more: it can be forgotten, and no more.
    pub fn kept(provider: &str, mode: &str, account: Option<String>) -> Session {
        Session {
            provider: provider.into(),
            mode: mode.into(),
            account,
            workspace: None,
            prefix: String::new(),
            variables: Vec::new(),
            username: None,
            bearer: false,
            is_token: false,
            keeps: false,
            unattended: false,
            exclusive: false,
            hidden: None,
        }
    }

    /// Its group in the stores.
    pub fn group(&self) -> Group {
        Group::Session {
            provider: self.provider.clone(),
            mode: self.mode.clone(),
        }
    }

    /// Whether an account of a group may be its own.
    pub(super) fn has(&self, group: &Group, account: &str) -> bool {
        *group == self.group() && self.account.as_deref().is_none_or(|named| named == account)
    }

    /// Its records; where an account is named, a damaged one of another account is nobody's business. Where a synced
    /// session is as good as a variable it is the only one; else it is one where there is no other.
    ///
    /// # Errors
    /// As [`crate::store::Stores::group`].
    pub fn records(&self, sources: &Sources) -> Result<Vec<Stored>> {
        if let Some(program) = &self.hidden
            && let Some((found, _)) = synced::find(sources, self, program)?
        {
            sources.stores.unlocked()?;
            return Ok(vec![found]);
        }
        let records = match (sources.stores.group(&self.group()), &self.account) {
            (Err(_), Some(_)) => sources.stores.get(&self.key())?.into_iter().collect(),
            (records, _) => records.map_err(|error| self.torn(error))?,
        };
        if records.is_empty() && self.hidden.is_none() {
            // Where the file is no good, there is no session.
            let found = self.synced_file(sources).ok().flatten();
            if found.is_some() {
                sources.stores.unlocked()?;
            }
            return Ok(found.map(|(found, _)| found).into_iter().collect());
        }
        Ok(records)
    }

    /// A record that cannot be read keeps back every account's, until a login or an erase writes over it.
    fn torn(&self, error: StoreError) -> Error {
        let damaged = matches!(error, StoreError::Damaged(_));
        let error = Error::from(error);
        match damaged {
            true => error.hint(format!("run `keyfob login {}`", self.show())),
            false => error,
        }
    }

    /// The session that another machine put into a file here, where there was no keyfob to take it, and the directory of
    /// that file.
    ///
    /// # Errors
    /// [`crate::error::Class::Store`] when others can read or change the file.
    pub fn synced_file(&self, sources: &Sources) -> Result<Option<(Stored, PathBuf)>> {
        match sources.config.provider(&self.provider) {
            Ok(provider) => synced::find(sources, self, &provider.program.name),
            Err(_) => Ok(None),
        }
    }

    /// The variables that may hold its credential.
    pub(super) fn variables(&self) -> &[String] {
        &self.variables
    }

    /// Its records; where there is none and none needs a person, the one that is obtained now.
    ///
    /// # Errors
    /// As [`Session::records`] and [`renew::obtain`].
    pub fn records_or_new(&self, sources: &Sources) -> Result<Vec<Stored>> {
        let stored = self.records(sources)?;
        if stored.is_empty() && self.unattended {
            return renew::obtain(sources, self).map(|stored| vec![stored]);
        }
        Ok(stored)
    }

    /// The key of its record.
    pub fn key(&self) -> Key {
        Key {
            group: self.group(),
            account: self.account.clone().unwrap_or_default(),
            path: None,
        }
    }

    /// Whether tools bring its credentials, so that they are kept as they came and never renewed.
    pub fn keeps(&self) -> bool {
        self.keeps
    }

    /// Leaves the newest of what tools brought, where the tool takes that and nobody chose: it brings them as where no
    /// provider claims the place, and has no other way to say which one it means.
    fn leave_newest(&self, sources: &Sources, stored: &mut Vec<Stored>, account: Option<&str>, request: &Request) {
        if !self.keeps || !request.newest || account.is_some() || stored.len() < 2 {
            return;
        }
        let chosen = sources.config.active_account(&self.provider, &self.mode);
        let is_chosen = |stored: &Stored| Some(&stored.record.key.account) == chosen.as_ref();
        if !stored.iter().any(is_chosen) {
            origin::newest_first(stored);
            stored.truncate(1);
        }
    }

    /// Whether its credential is obtained without a person, so that none is needed for another.
    pub fn is_unattended(&self) -> bool {
        self.unattended
    }

    /// A failure, with whether the tool may ask somebody else instead: not where only a login helps and the provider file
    /// wants it so.
    fn told(&self, error: Error) -> Error {
        if self.exclusive && error.class == Class::Login {
            error.last()
        } else {
            error
        }
    }

    /// As a person types it.
    pub fn show(&self) -> String {
        profile::show(&self.provider, &self.mode, self.account.as_deref().unwrap_or_default())
    }

    /// The environment's credential: the first variable that is set and not empty.
    ///
    /// # Errors
    /// [`crate::error::Class::Refused`] when its value cannot be a token: not ASCII, with spaces or line ends, or longer
    /// than 64 KiB.
    pub fn variable(&self, sources: &Sources) -> Result<Option<(String, Secret)>> {
        for name in &self.variables {
            let Some(value) = sources.world.var_os(name) else {
                continue;
            };
            let secret = value.into_string().map(Secret::new).unwrap_or_default();
            if !secret.is_token() {
                let message = format!("the variable `{name}` holds something that cannot be a token");
                return Err(Error::refused(message).hint(format!("unset {name}, or set it to the token alone")));
            }
            return Ok(Some((name.clone(), secret)));
        }
        Ok(None)
    }
}

pub(super) fn answer(sources: &Sources, session: &Session, request: &Request) -> Result<Answer> {
    match request.action {
        Action::Get => get(sources, session, request).map_err(|error| session.told(error)),
        Action::Store => brought::store(sources, session, request),
        Action::Erase => brought::erase(sources, session, request),
        Action::List | Action::Places => Ok(Answer::Declined),
    }
}

fn get(sources: &Sources, session: &Session, request: &Request) -> Result<Answer> {
    if let Some((name, secret)) = session.variable(sources)? {
        // The only answer that needs no record, and this machine gives none while it is locked.
        sources.stores.unlocked()?;
        let end = request.id_token.then(|| identity::of_variable(sources, &name, &secret));
        let secret = (secret, end.transpose()?);
        return found(sources, session, request, secret, None, Source::Environment(name));
    }
    let mut stored = session.records_or_new(sources)?;
    let Some(account) = wanted_account(session, request, &stored) else {
        return Ok(Answer::Absent);
    };
    if session.keeps {
        let least = sources.world.now().plus(request.valid_for_secs.map_or(0, i64::from));
        stored.retain(|stored| {
            lives(&stored.record, least)
                && account.is_none_or(|name| stored.record.key.account == name)
                && (stored.record.key.account != IDENTITY_TOKEN || request.understands.identity_token)
        });
        if stored.is_empty() {
            // It is the tool that brings one, not a login.
            return Ok(Answer::Absent);
        }
        session.leave_newest(sources, &mut stored, account, request);
    }
    let stored = choose_account(sources, stored, account, session)?;
    let stored = if session.keeps {
        stored
    } else {
        renew::fresh(sources, session, stored, identity::wants(sources, session, request)?)?
    };
    if let Some(missing) = request
        .scopes
        .iter()
        .find(|scope| !stored.record.scopes.contains(scope))
    {
        let profile = session.show();
        return Err(
            Error::login(format!("the session `{profile}` was not granted the scope `{missing}`"))
                .hint(format!("run `keyfob login {profile} --scope {missing}`")),
        );
    }
    let source = Source::Store {
        store: stored.store,
        profile: Some(show(session, &stored.record)),
    };
    let secret = if request.id_token {
        identity::token(sources, session, &stored.record)?
    } else {
        (
            stored.record.secret.clone().unwrap_or_default(),
            stored.record.expires_at,
        )
    };
    // A proof of possession is for requests, and an ID token is for none.
    let proof = match request.id_token {
        true => None,
        false => proof::of(sources, session, request, &stored.record)?,
    };
    let mut answer = found(sources, session, request, secret, Some(&stored.record), source)?;
    if let (Answer::Found(credential), Some(proof)) = (&mut answer, proof) {
        credential.username = None;
        credential.authtype = Some("DPoP".into());
        credential.proof = Some(proof);
    }
    Ok(answer)
}

/// Whether there is a secret that ends after this moment.
pub(super) fn lives(record: &Record, least: Timestamp) -> bool {
    record.secret.is_some() && record.expires_at.is_none_or(|end| end > least)
}

/// The account that the request may have: the named one, else the request's user name where that names no fixed one.
///
/// None when the user name is one that this provider does not answer with.
fn wanted_account<'a>(session: &'a Session, request: &'a Request, stored: &[Stored]) -> Option<Option<&'a str>> {
    let Some(user) = request.username.as_deref() else {
        return Some(session.account.as_deref());
    };
    let is_account = stored.iter().any(|stored| stored.record.key.account == user);
    if is_account {
        let is_free = session.account.as_deref().is_none_or(|account| account == user);
        return is_free.then_some(Some(user));
    }
    let nobody = stored.iter().all(|stored| stored.record.key.account.is_empty());
    (name(session, nobody) == Some(user)).then_some(session.account.as_deref())
}

/// The record of an account, or of the one that was chosen where there are several, or the only one there is.
///
/// # Errors
/// [`crate::error::Class::Login`] when there is none; [`crate::error::Class::Refused`] when several fit.
pub fn choose_account(
    sources: &Sources,
    mut stored: Vec<Stored>,
    account: Option<&str>,
    session: &Session,
) -> Result<Stored> {
    let active = if account.is_none() && stored.len() > 1 {
        sources.config.active_account(&session.provider, &session.mode)
    } else {
        None
    };
    if account.is_none() && active.is_none() {
        synced::first(&mut stored, sources.world.now());
    }
    // One that was chosen is meant also when its session has ended: another's must not answer for it.
    let active = active.filter(|name| stored.iter().any(|stored| stored.record.key.account == *name));
    let account = account.or(active.as_deref());
    if let Some(account) = account {
        stored.retain(|stored| stored.record.key.account == account);
    }
    let live = stored.iter().filter(|stored| stored.record.dead.is_none()).count();
    if live > 0 {
        stored.retain(|stored| stored.record.dead.is_none());
    }
    let profile = profile::show(&session.provider, &session.mode, account.unwrap_or_default());
    if stored.len() > 1 {
        let mut names: Vec<String> = stored.iter().map(|stored| named(session, &stored.record)).collect();
        names.sort();
        return Err(
            Error::refused(format!("several accounts fit: {}", names.join(", "))).hint(format!(
                "name one, set {}, or run `keyfob account {} NAME`",
                sources.config.account_variable(&session.provider),
                profile::show(&session.provider, &session.mode, "")
            )),
        );
    }
    stored.pop().ok_or_else(|| {
        let hint = match session.variables.first() {
            // What worked where a person was is often missing in a job's environment.
            Some(variable) if sources.world.var_os("CI").is_some() => {
                format!("this is a CI job: set {variable} from its secrets; elsewhere run `keyfob login {profile}`")
            }
            _ => format!("run `keyfob login {profile}`"),
        };
        Error::login(format!("there is no session of `{profile}`")).hint(hint)
    })
}

/// As [`show`], with a colon that names the session without an account.
fn named(session: &Session, record: &Record) -> String {
    let name = show(session, record);
    if record.key.account.is_empty() {
        format!("{name}:")
    } else {
        name
    }
}

fn show(session: &Session, record: &Record) -> String {
    profile::show(&session.provider, &session.mode, &record.key.account)
}

fn found(
    sources: &Sources,
    session: &Session,
    request: &Request,
    (secret, expires_at): (Secret, Option<Timestamp>),
    record: Option<&Record>,
    source: Source,
) -> Result<Answer> {
    let account = record
        .map(|record| record.key.account.clone())
        .filter(|account| !account.is_empty());
    let bearer = session.bearer && request.understands.authtype;
    let username = session
        .username
        .clone()
        .or_else(|| account.clone())
        .or_else(|| request.username.clone());
    let plain = request.target.is_none() || bearer;
    if !plain && session.bearer && session.username.is_none() {
        // A bearer token as somebody's password would be refused by the server, and the tool would ask a person.
        return Ok(Answer::Unsendable(session.show()));
    }
    Ok(Answer::Found(Box::new(Credential {
        username: if plain && session.bearer {
            None
        } else {
            username.or_else(|| Some(ANY_USERNAME.into()))
        },
        authtype: (session.bearer && plain).then(|| "Bearer".into()),
        is_token: session.is_token,
        secret,
        // Only where the tool brought it; an issuer's is for nobody else.
        refresh: record
            .filter(|_| session.keeps)
            .and_then(|record| record.refresh.clone()),
        expires_at,
        account,
        subject: record.and_then(|record| record.subject.clone()),
        workspace: workspace::handed(sources, session, record)?,
        source,
        mark: record.map(|record| format!("{}.{}", record.family, record.generation)),
        proof: None,
    })))
}

/// The user name that is given out for every account, or for nobody's.
pub(super) fn name(session: &Session, nobody: bool) -> Option<&str> {
    session.username.as_deref().or(nobody.then_some(ANY_USERNAME))
}
