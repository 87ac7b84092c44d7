//! `status --check`: what the servers say to the credentials in use. A key that was ended elsewhere looks good until then.

use serde_json::{Value, json};

use super::super::whoami::{self, Asked};
use super::super::{Run, session_of};
use crate::config::{Profile, profile};
use crate::error::{Class, Result};
use crate::report::{self, exit_code, sanitise};

/// What one server said.
pub(super) struct Check {
    profile: String,
    asked: Result<Asked>,
}

/// Asks for the profile that is wanted, else for every provider and mode that has a session.
///
/// # Errors
/// Those of the stores.
pub(super) fn all(run: &Run, wanted: Option<&Profile>) -> Result<Vec<Check>> {
    let profiles = match wanted {
        Some(wanted) => vec![wanted.clone()],
        None => kept(run)?,
    };
    let check = |profile: Profile| Check {
        asked: whoami::ask(run, &profile, false),
        profile: profile.to_string(),
    };
    Ok(profiles.into_iter().map(check).collect())
}

/// The profiles of all sessions that a person would ask about.
fn kept(run: &Run) -> Result<Vec<Profile>> {
    let mut profiles = Vec::new();
    for stored in run.sources.stores.list()?.into_iter().flatten() {
        let key = stored.record.key;
        let Some((provider, mode)) = session_of(&key.group) else {
            continue;
        };
        if stored.record.synced_at.is_none() && !run.is_others(provider) {
            profiles.push(Profile::parse(&profile::show(provider, mode, &key.account))?);
        }
    }
    profiles.sort_by_key(ToString::to_string);
    Ok(profiles)
}

/// The exit code: that of the first that is no credential, else that of the first that could not be asked.
pub(super) fn code(checks: &[Check]) -> u8 {
    let errors = || checks.iter().filter_map(|check| check.asked.as_ref().err());
    let first = errors()
        .find(|error| error.class == Class::Login)
        .or_else(|| errors().next());
    first.map_or(0, |error| exit_code(error.class))
}

impl Check {
    /// The line for a person, where the server took it or was not asked.
    pub(super) fn text(&self) -> Option<String> {
        let asked = self.asked.as_ref().ok()?;
        let name = sanitise(&asked.name);
        Some(match &asked.said {
            Some(said) => format!(
                "\nThe server takes the credential of `{name}` ({}), for {}.\n",
                asked.source,
                sanitise(&said.subject)
            ),
            None => format!("\nThe provider file has no `whoami`, so the server was not asked about `{name}`.\n"),
        })
    }

    /// Says on stderr why there is no such line.
    pub(super) fn tell(&self, run: &Run) {
        if let Err(error) = &self.asked {
            run.note(&report::lines(error));
        }
    }

    /// For programs: `valid` is null where nobody knows.
    pub(super) fn json(&self) -> Value {
        let (valid, why) = match &self.asked {
            Ok(asked) => (asked.said.as_ref().map(|_| true), None),
            Err(error) => (
                Some(false).filter(|_| error.class == Class::Login),
                Some(report::message(error)),
            ),
        };
        let asked = self.asked.as_ref().ok();
        let said = asked.and_then(|asked| asked.said.as_ref());
        json!({"profile": asked.map_or(&self.profile, |asked| &asked.name), "source": asked.map(|asked| &asked.source),
            "valid": valid, "subject": said.map(|said| &said.subject), "why": why})
    }
}
