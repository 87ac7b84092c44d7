//! From a request to an answer: environment, store, renewal, in that order.
//!
//! It knows no protocol: a tool that understands less says so in the request. A request belongs either to a provider
//! (`session.rs`), when one claims its target or its profile is named, or to its origin (`origin.rs`).

mod brought;
mod identity;
mod origin;
mod proof;
mod session;
mod synced;
mod workspace;

use std::cell::RefCell;

use crate::config::{Config, Profile};
use crate::error::{Error, Result};
use crate::model::{Action, Answer, Credential, Request};
use crate::record::Group;
use crate::secret::Secret;
use crate::store::Stores;
use crate::target::Target;
use crate::world::World;

pub use session::{Session, choose_account};
pub use workspace::workspace;

/// What an answer is made from.
pub struct Sources<'w> {
    /// The door to everything outside.
    pub world: &'w World,
    /// Providers and profiles.
    pub config: Config<'w>,
    /// Records.
    pub stores: Stores,
    /// The sessions that are being asked for the sake of another, so that two provider files do not wait for each other.
    asked: RefCell<Vec<(String, String)>>,
}

impl<'w> Sources<'w> {
    /// The sources of this world; opens no file yet.
    ///
    /// # Errors
    /// When there is no home.
    pub fn open(world: &'w World) -> Result<Sources<'w>> {
        Ok(Sources {
            world,
            config: Config::open(world)?,
            stores: Stores::open(world)?,
            asked: RefCell::default(),
        })
    }

    /// The ID token of a profile, for the sake of the session of a provider and mode.
    ///
    /// # Errors
    /// As [`Sources::credential`]; [`crate::error::Class::Usage`] when that session waits for this one.
    pub fn identity(&self, profile: Profile, wanting: (&str, &str)) -> Result<Secret> {
        let (provider, at) = self.config.profile(&profile)?;
        let asked = (provider.name, provider.modes[at].name.clone());
        let wanting = (wanting.0.to_owned(), wanting.1.to_owned());
        if asked == wanting || self.asked.borrow().contains(&asked) {
            let message = format!("the session `{profile}` is made from what is made from it");
            return Err(Error::usage(message).hint("mend `grant.subject_token` in the provider files"));
        }
        self.asked.borrow_mut().push(wanting);
        let answer = self.credential_for(profile, true).map(|credential| credential.secret);
        self.asked.borrow_mut().pop();
        answer
    }

    /// Answers a request.
    ///
    /// # Errors
    /// Every class: see `protocol.md`, "Exit codes".
    pub fn resolve(&self, request: &Request) -> Result<Answer> {
        match request.action {
            Action::List => return self.list(request),
            Action::Places => return self.places(request),
            _ => (),
        }
        match &request.profile {
            Some(profile) => {
                let profile = Profile::parse(profile)?;
                if request.wide && !self.serves(&profile, request)? {
                    return Ok(Answer::Declined);
                }
                let session = self.named(profile, request)?;
                session::answer(self, &session, request)
            }
            None => {
                let target = request
                    .target
                    .as_ref()
                    .ok_or_else(|| Error::usage("the request has neither target nor profile"))?;
                self.by_target(target, request)
            }
        }
    }

    /// The credential of a profile, as `get` answers it to who can read everything.
    ///
    /// # Errors
    /// As [`Sources::resolve`]; [`crate::error::Class::Login`] when there is none.
    pub fn credential(&self, profile: Profile) -> Result<Box<Credential>> {
        self.credential_for(profile, false)
    }

    fn credential_for(&self, profile: Profile, id_token: bool) -> Result<Box<Credential>> {
        let name = profile.to_string();
        let mut request = Request::new(Action::Get, "keyfob");
        request.understands.authtype = true;
        request.id_token = id_token;
        let session = self.named(profile, &request)?;
        match session::answer(self, &session, &request)? {
            Answer::Found(credential) => Ok(credential),
            _ => {
                Err(Error::login(format!("there is no credential of `{name}`"))
                    .hint(format!("run `keyfob login {name}`")))
            }
        }
    }

    fn by_target(&self, target: &Target, request: &Request) -> Result<Answer> {
        if let Some(claim) = self.config.claim(target, request.tool)? {
            return session::answer(self, &Session::of(claim, self)?, request);
        }
        let answer = if request.apart {
            origin::answer(self, &target.apart(request.tool), request)?
        } else {
            origin::answer(self, target, request)?
        };
        // A provider file edited in place is noticed here, before the call ends with nothing.
        if answer == Answer::Absent && self.config.outdated() {
            self.config.refresh_index()?;
            if let Some(claim) = self.config.claim(target, request.tool)? {
                return session::answer(self, &Session::of(claim, self)?, request);
            }
        }
        Ok(answer)
    }

    /// Whether the provider of a profile serves the request's target.
    fn serves(&self, profile: &Profile, request: &Request) -> Result<bool> {
        let Some(target) = &request.target else {
            return Ok(true);
        };
        let (provider, at) = self.config.profile(profile)?;
        let mode = &provider.modes[at].name;
        let claim = self.config.claim_of(target, request.tool, &provider.name, mode)?;
        Ok(claim.is_some())
    }

    /// The session that a profile names, with the claim on the request's target if it has one.
    fn named(&self, profile: Profile, request: &Request) -> Result<Session> {
        let (provider, at) = self.config.profile(&profile)?;
        let mode = provider.modes[at].name.clone();
        let claim = match &request.target {
            None => None,
            Some(target) => {
                let claim = self.config.claim_of(target, request.tool, &provider.name, &mode)?;
                Some(claim.ok_or_else(|| {
                    Error::refused(format!("the provider `{}` does not serve {target}", provider.name)).hint(format!(
                        "add the target to the provider file, see `keyfob provider show {}`",
                        provider.name
                    ))
                })?)
            }
        };
        let account = match profile.account {
            Some(account) => Some(account),
            None => self
                .config
                .said_account(&provider.program.prefix)?
                .map(|(account, _)| account),
        };
        Ok(Session::named(&provider, at, claim, account))
    }

    /// Everything that [`Action::Get`] of this tool would find: what it stored itself, and the targets of live sessions
    /// that name the tool; with a profile only what is its own.
    fn list(&self, request: &Request) -> Result<Answer> {
        // Records behind a closed gate would be passed over, and a tool believe that there are none.
        self.stores.unlocked()?;
        let mut rows: Vec<(Target, String)> = Vec::new();
        let now = self.world.now();
        let named = request.profile.as_deref().map(Profile::parse).transpose()?;
        let named = named.map(|profile| self.named(profile, request)).transpose()?;
        if let Some(named) = &named
            && (named.is_unattended()
                || named.variable(self)?.is_some()
                || named.synced_file(self).ok().flatten().is_some())
        {
            let account = named.account.as_deref().unwrap_or("token");
            rows.extend(self.targets(&named.provider, &named.mode, request.tool, account));
        }
        let stored = match &named {
            Some(named) => self.stores.group(&named.group())?,
            None => self.stores.list()?.into_iter().flatten().collect(),
        };
        for stored in stored {
            let record = stored.record;
            let live = record.secret.is_some() && record.expires_at.is_none_or(|end| end > now);
            match &record.key.group {
                group
                    if named
                        .as_ref()
                        .is_some_and(|named| !named.has(group, &record.key.account)) => {}
                Group::Origin(_) if live && record.authtype.is_none() && record.tool == request.tool => {
                    rows.extend(record.key.target().map(|target| (target, record.key.account.clone())));
                }
                Group::Origin(_) | Group::Seed { .. } => (),
                Group::Session { provider, mode } if record.dead.is_none() => {
                    rows.extend(self.targets(provider, mode, request.tool, &record.key.account));
                }
                Group::Session { .. } => (),
            }
        }
        rows.sort_by_key(|(target, user)| (target.to_string(), user.clone()));
        rows.dedup_by_key(|(target, _)| target.clone());
        Ok(Answer::Listed(rows))
    }

    /// The places at a target's origin that have credentials of their own: what providers claim there, of the named
    /// profile alone where there is one, and what tools gave to keep.
    fn places(&self, request: &Request) -> Result<Answer> {
        let target = request.target.as_ref();
        let target = target.ok_or_else(|| Error::usage("the request has no target"))?;
        let named = request.profile.as_deref().map(Profile::parse).transpose()?;
        let places = match named {
            Some(profile) => {
                let (provider, at) = self.config.profile(&profile)?;
                let of = (provider.name.as_str(), provider.modes[at].name.as_str());
                self.config.places(target, request.tool, Some(of))?
            }
            None => {
                let mut places = self.config.places(target, request.tool, None)?;
                let kept = self.stores.group(&Group::origin(target))?;
                places.extend(kept.iter().filter_map(|stored| stored.record.key.target()));
                places
            }
        };
        let rows = places.into_iter().map(|place| (place, String::new()));
        Ok(Answer::Listed(rows.collect()))
    }

    fn targets(&self, provider: &str, mode: &str, tool: &str, account: &str) -> Vec<(Target, String)> {
        let Ok(provider) = self.config.provider(provider) else {
            return Vec::new();
        };
        let Some(mode) = provider.modes.iter().find(|row| row.name == mode) else {
            return Vec::new();
        };
        let named = mode
            .targets
            .iter()
            .filter(|serves| serves.tools.iter().any(|name| name == tool) && !serves.subdomains);
        named
            .map(|serves| {
                (
                    serves.root.clone(),
                    serves.username.clone().unwrap_or_else(|| account.into()),
                )
            })
            .collect()
    }
}
