//! Where a session lies: what the provider file says of it, for the stores.
//!
//! Asked only where a record is new. A later change goes where the record is, whatever the file says by then.

use crate::config::{Mode, Persist, Provider, profile};
use crate::error::{Error, Result};
use crate::record::{Group, Key};
use crate::resolve::Sources;
use crate::store::Address;
use crate::world::World;

/// The place of an account's session.
///
/// # Errors
/// [`crate::error::Class::Usage`] when there is no home for it.
pub fn place(world: &World, provider: &Provider, mode: &Mode, account: &str) -> Result<Address> {
    let filled = mode.place.filled(&provider.name, &mode.name, account);
    let named = profile::show(&provider.name, &mode.name, account);
    Ok(Address {
        file: filled.file.map(|path| world.expand(&path)).transpose()?,
        service: filled.service,
        item: Some(filled.account.unwrap_or(named)),
        bare: filled.bare,
        refresh_only: provider.persist == Persist::Refresh,
    })
}

/// Makes sure that a session can lie where the provider file wants it, before anybody is asked for one. `account` is
/// none where it is not known yet.
///
/// # Errors
/// [`crate::error::Class::Refused`] when another account's or provider's session is there;
/// [`crate::error::Class::Store`] when something else is there, the directory is not this user's alone, or the keychain is
/// locked or denies access.
pub fn check_place(sources: &Sources, provider: &Provider, mode: &Mode, account: Option<&str>) -> Result<()> {
    if let Some(store) = provider.store.as_deref().filter(|store| *store == "keychain") {
        // Of a service that gives its tokens once, a session that finds no place would be lost.
        sources.stores.choose(Some(store), sources.world.person())?;
    }
    let (Some(store), true) = (&provider.store, account.is_some() || !mode.place.is_of_account()) else {
        return Ok(());
    };
    let own = Group::Session {
        provider: provider.name.clone(),
        mode: mode.name.clone(),
    };
    let key = Key {
        group: own.clone(),
        account: account.unwrap_or_default().into(),
        path: None,
    };
    let place = place(sources.world, provider, mode, &key.account)?;
    // Where the keychain is away a file takes its place, and that may be one for all accounts.
    let is_away = store == "keychain"
        && place.file.is_some()
        && sources
            .stores
            .choose(Some(store), false)
            .is_ok_and(|chosen| chosen.fallback_reason.is_some());
    let store = if is_away { "file" } else { store.as_str() };
    let holder = match (store, &place.file) {
        ("file", Some(path)) => sources.stores.holder(path)?,
        ("keychain", _) if account.is_some() => sources.stores.sharer(&key, store, &place)?,
        _ => None,
    };
    let Some(holder) = holder else { return Ok(()) };
    let Key {
        group, account: other, ..
    } = &holder;
    if *group == own && account.is_none_or(|account| account == other) {
        return Ok(());
    }
    let named = match group {
        Group::Seed { provider, mode } | Group::Session { provider, mode } => profile::show(provider, mode, other),
        Group::Origin(origin) => origin.clone(),
    };
    let (shown, word) = match place.file.filter(|_| store == "file") {
        Some(path) => (format!("`{}`", path.display()), "file"),
        None => (
            format!("the item `{}` of the keychain", place.item.unwrap_or_default()),
            "account",
        ),
    };
    let hint = if *group == own {
        format!("run `keyfob logout {named}` first, or put `{{account}}` into `place.{word}` of the provider file")
    } else {
        format!("name another `place.{word}` in one of the two provider files, see `keyfob provider check`")
    };
    Err(Error::refused(format!("{shown} has the session `{named}`, and room for one")).hint(hint))
}
