//! The workspace in which a credential is used.
//!
//! Where a workspace is a word beside the token, it is the command line's, a variable's, or the one that was chosen for
//! the account. Where each has a token of its own, it is the one that the token was issued for, and no other will do.

use super::{Session, Sources};
use crate::config::{By, Switch};
use crate::error::{Error, Result};
use crate::model;
use crate::record::Record;

/// The workspace of a session's record, or of a credential from a variable where there is none, and by what it was chosen.
///
/// # Errors
/// [`crate::error::Class::Usage`] when a variable names none that can be.
pub fn workspace(sources: &Sources, session: &Session, record: Option<&Record>) -> Result<Option<(String, By)>> {
    let Some(kind) = &session.workspace else {
        return Ok(None);
    };
    if kind.switch == Switch::Reissue {
        let issued = record.and_then(|record| record.workspace.clone());
        return Ok(issued.map(|name| (name, By::Active)));
    }
    if let Some(said) = sources.config.said_workspace(&session.prefix)? {
        return Ok(Some(said));
    }
    let account = record.map_or("", |record| record.key.account.as_str());
    let active = sources
        .config
        .active_workspace(&session.provider, &session.mode, account);
    Ok(active.map(|name| (name, By::Active)))
}

/// The same as it is handed out.
///
/// # Errors
/// [`crate::error::Class::Refused`] when the command line or a variable wants another one than the token was issued for.
pub(super) fn handed(
    sources: &Sources,
    session: &Session,
    record: Option<&Record>,
) -> Result<Option<model::Workspace>> {
    let Some(kind) = &session.workspace else {
        return Ok(None);
    };
    let found = workspace(sources, session, record)?.map(|(name, _)| name);
    if let (Switch::Reissue, Some(_)) = (kind.switch, record)
        && let Some((wanted, _)) = sources.config.said_workspace(&session.prefix)?
        && found.as_ref() != Some(&wanted)
    {
        let profile = session.show();
        return Err(Error::refused(format!(
            "the token of `{profile}` is for another workspace than `{wanted}`"
        ))
        .hint(format!("run `keyfob workspace {profile} {wanted}`")));
    }
    let header = kind.header.clone();
    Ok(found.map(|name| model::Workspace { name, header }))
}
