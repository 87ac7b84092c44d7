//! From a request to an answer: environment, store, renewal, in that order.
//!
//! It knows no protocol: a tool that understands less says so in the request. A request belongs either to a provider
//! (`session.rs`), when one claims its target or its profile is named, or to its origin (`origin.rs`).

mod brought;
mod identity;
mod list;
mod origin;
mod proof;
mod session;
mod synced;
mod workspace;

use std::cell::RefCell;

use crate::config::{Config, Profile};
use crate::error::{Error, NO_PROVIDER, Result};
use crate::model::{Action, Answer, Credential, Request};
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
            Action::List => return list::list(self, request),
            Action::Places => return list::places(self, request),
            _ => (),
        }
        match &request.profile {
            Some(profile) => {
                // No provider has a name that none can have.
                let profile = Profile::parse(profile).map_err(|error| error.code(NO_PROVIDER))?;
                match self.session(profile, request)? {
                    Some(session) => session::answer(self, &session, request),
                    None => Ok(Answer::Declined),
                }
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
        let session = self.session(profile, &request)?;
        let answer = session.map(|session| session::answer(self, &session, &request));
        match answer.transpose()? {
            Some(Answer::Found(credential)) => Ok(credential),
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

    /// The session that a profile names, with the claim on the request's target if it has one; none where it does not
    /// serve the target, and that is no mistake of the person's.
    ///
    /// # Errors
    /// [`crate::error::Class::Refused`] where it is one.
    fn session(&self, profile: Profile, request: &Request) -> Result<Option<Session>> {
        let (provider, at) = self.config.profile(&profile)?;
        let mode = provider.modes[at].name.clone();
        let mut claim = None;
        if let Some(target) = &request.target {
            claim = self.config.claim_of(target, request.tool, &provider.name, &mode)?;
            if claim.is_none() && (request.wide || request.wired) {
                return Ok(None);
            }
            if claim.is_none() {
                let message = format!("the provider `{}` does not serve {target}", provider.name);
                return Err(Error::refused(message).hint(format!(
                    "add the target to the provider file, see `keyfob provider show {}`",
                    provider.name
                )));
            }
        }
        let account = match profile.account {
            Some(account) => Some(account),
            None => self
                .config
                .said_account(&provider.program.prefix)?
                .map(|(account, _)| account),
        };
        Ok(Some(Session::named(&provider, at, claim, account)))
    }
}
