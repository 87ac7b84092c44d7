//! What a tool could get: the answer for a tool that asks for all of it, one by one, and fails at the first miss.
//!
//! Nobody is asked: no issuer, no keychain and no person.

use super::{Session, Sources, origin};
use crate::config::{Mode, Profile};
use crate::error::{Error, Result};
use crate::model::{Action, Answer, Request};
use crate::record::Group;
use crate::store::Stored;
use crate::target::Target;

/// Everything that [`Action::Get`] of this tool would find, with the user name that it would answer: what the tool stored
/// itself, and the targets of live sessions; with a profile only what is its own.
///
/// # Errors
/// [`crate::error::Class::Store`] when the machine is locked; when the profile is wrong.
#[inline(never)]
pub(super) fn list(sources: &Sources, request: &Request) -> Result<Answer> {
    // Records behind a closed gate would be passed over, and a tool believe that there are none.
    sources.stores.unlocked()?;
    let named = request.profile.as_deref().map(Profile::parse).transpose()?;
    let named = named.map(|profile| sources.session(profile, request)).transpose()?;
    let named = named.flatten();
    let stored: Vec<Stored> = sources.stores.list()?.into_iter().flatten().collect();
    let mut places = Vec::new();
    match &named {
        Some(named) => {
            places = targets(sources, &named.provider, &named.mode, request);
            if request.wide {
                // It asks for each of them now, and says what is wrong.
                let is_there = is_at_hand(sources, named, &stored)?;
                let rows = places.into_iter().filter(|_| is_there);
                return Ok(Answer::Listed(rows.map(|place| (place, String::new())).collect()));
            }
        }
        None => {
            let mut seen: Vec<&Group> = Vec::new();
            for stored in &stored {
                let record = &stored.record;
                match &record.key.group {
                    Group::Origin(_) if record.tool == request.tool => places.extend(record.key.target()),
                    Group::Session { provider, mode } if !seen.contains(&&record.key.group) => {
                        seen.push(&record.key.group);
                        places.extend(targets(sources, provider, mode, request));
                    }
                    _ => (),
                }
            }
        }
    }
    places.sort_by_key(Target::to_string);
    places.dedup();
    let row = |place: Target| {
        let user = user(sources, &stored, &place, request)?;
        Some((place, user))
    };
    Ok(Answer::Listed(places.into_iter().filter_map(row).collect()))
}

/// The places at a target's origin that have credentials of their own: what providers claim there, of the named
/// profile alone where there is one, and what tools gave to keep.
///
/// # Errors
/// As [`crate::config::Config::places`].
#[inline(never)]
pub(super) fn places(sources: &Sources, request: &Request) -> Result<Answer> {
    let target = request.target.as_ref();
    let target = target.ok_or_else(|| Error::usage("the request has no target"))?;
    let named = request.profile.as_deref().map(Profile::parse).transpose()?;
    let places = match named {
        Some(profile) => {
            let (provider, at) = sources.config.profile(&profile)?;
            let of = (provider.name.as_str(), provider.modes[at].name.as_str());
            sources.config.places(target, request.tool, Some(of))?
        }
        None => {
            let mut places = sources.config.places(target, request.tool, None)?;
            let kept = sources.stores.group(&Group::origin(target))?;
            places.extend(kept.iter().filter_map(|stored| stored.record.key.target()));
            places
        }
    };
    let rows = places.into_iter().map(|place| (place, String::new()));
    Ok(Answer::Listed(rows.collect()))
}

/// Whether there is something of a session, or nobody has to log in for it.
fn is_at_hand(sources: &Sources, named: &Session, stored: &[Stored]) -> Result<bool> {
    let mut records = stored.iter().map(|stored| &stored.record);
    Ok(
        records.any(|record| named.has(&record.key.group, &record.key.account) && record.dead.is_none())
            || named.is_unattended()
            || named.variable(sources)?.is_some()
            || named.synced_file(sources).ok().flatten().is_some(),
    )
}

/// The user name with which a get for this place would answer; none where it would not.
fn user(sources: &Sources, stored: &[Stored], place: &Target, request: &Request) -> Option<String> {
    let mut get = Request::new(Action::Get, request.tool);
    get.target = Some(place.clone());
    get.newest = request.newest;
    get.understands = request.understands;
    let session = match &request.profile {
        Some(profile) => sources.session(Profile::parse(profile).ok()?, &get).ok()?,
        None => match sources.config.claim(place, request.tool).ok()? {
            Some(claim) => Some(Session::of(claim, sources).ok()?),
            None => None,
        },
    };
    if let Some(session) = session {
        return session.would_answer(sources, stored, &get);
    }
    let group = Group::origin(place);
    let kept = stored.iter().filter(|stored| stored.record.key.group == group);
    let chosen = origin::choose(sources, kept.cloned().collect(), place, &get).ok()?;
    chosen.map(|stored| stored.record.key.account)
}

/// The places of a mode that a tool may list: those that name it; where none does, those for every tool. One that asks for
/// all that it fetches hears of the former alone, since it goes by that beforehand.
fn targets(sources: &Sources, provider: &str, mode: &str, request: &Request) -> Vec<Target> {
    let provider = sources.config.provider(provider).ok();
    let mode: Option<Mode> = provider.and_then(|provider| provider.modes.into_iter().find(|row| row.name == mode));
    let all = mode.map(|mode| mode.targets).unwrap_or_default();
    let names = |tools: &[String]| tools.iter().any(|name| name == request.tool);
    let is_named = request.wide || all.iter().any(|serves| names(&serves.tools));
    let listed = all.into_iter().filter(|serves| {
        let is_meant = if is_named {
            names(&serves.tools)
        } else {
            serves.tools.is_empty()
        };
        is_meant && !serves.subdomains
    });
    listed.map(|serves| serves.root).collect()
}
