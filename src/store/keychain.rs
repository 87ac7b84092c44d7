//! The OS keychain as the keeper of the data key and of items: the one file that names the keychain packages.
//!
//! A keychain may be locked, absent, or never answer, and asking it may open a dialog. So every call runs in a thread
//! with a deadline, and without a person a question is asked first that never prompts. Security review, section 4b.
//! Errors of these packages can carry secrets in their `Debug`, so only their kind is told.

use std::cell::Cell;
use std::sync::mpsc;
use std::time::Duration;

use keyring_core::{Entry, Error};
use zeroize::Zeroizing;

use super::StoreError;
use super::parts::Items;
use super::sealed::{DataKey, KeySource};

/// The service under which a person finds the data key in the keychain's own window.
const SERVICE: &str = "keyfob";

/// How long a keychain may take without a person: a healthy one needs 20 ms, and git is waiting. At one second a
/// keychain that is being started would be missed, at four each call with a dead one would be felt.
const DEADLINE: Duration = Duration::from_secs(2);

/// How long it may take when a person may be typing into its dialog.
const DEADLINE_OF_A_PERSON: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Keychain {
    silent: Cell<bool>,
}

impl KeySource for Keychain {
    fn find(&self, id: &str, person: bool) -> Result<Option<DataKey>, StoreError> {
        let id = id.to_owned();
        self.ask(person, move || {
            if !probe::may_hold(SERVICE, &id, person)? {
                return Ok(None);
            }
            match entry(SERVICE, &id)?.get_secret().map(Zeroizing::new) {
                Ok(bytes) => {
                    let key = <[u8; 32]>::try_from(bytes.as_slice());
                    let key = key.map_err(|_| StoreError::Damaged("the keychain's key is not 32 bytes".into()))?;
                    Ok(Some(Zeroizing::new(key)))
                }
                Err(Error::NoEntry) => Ok(None),
                Err(error) => Err(reason(&error)),
            }
        })
    }

    fn keep(&self, id: &str, key: &DataKey, person: bool) -> Result<(), StoreError> {
        let (id, key) = (id.to_owned(), key.clone());
        self.ask(person, move || {
            probe::takes_items(person)?;
            entry(SERVICE, &id)?
                .set_secret(key.as_slice())
                .map_err(|error| reason(&error))
        })
    }

    fn remove(&self, id: &str, person: bool) -> Result<(), StoreError> {
        self.remove_item(SERVICE, id, person)
    }
}

/// What one item of the Credential Manager holds; other keychains took a megabyte and more.
const WINDOWS_LIMIT: usize = 2560;

impl Items for Keychain {
    fn ready(&self, person: bool) -> Result<(), StoreError> {
        self.ask(person, move || probe::takes_items(person))
    }

    fn find_item(&self, service: &str, account: &str, person: bool) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let (service, account) = (service.to_owned(), account.to_owned());
        self.ask(person, move || {
            if !probe::may_hold(&service, &account, person)? {
                return Ok(None);
            }
            match entry(&service, &account)?.get_secret() {
                Ok(text) => Ok(Some(Zeroizing::new(text))),
                Err(Error::NoEntry) => Ok(None),
                Err(error) => Err(reason(&error)),
            }
        })
    }

    fn keep_item(&self, service: &str, account: &str, text: &[u8], person: bool) -> Result<(), StoreError> {
        let (service, account) = (service.to_owned(), account.to_owned());
        let text = Zeroizing::new(text.to_vec());
        self.ask(person, move || {
            probe::takes_items(person)?;
            let kept = entry(&service, &account)?.set_secret(&text);
            kept.map_err(|error| reason(&error))
        })
    }

    fn remove_item(&self, service: &str, account: &str, person: bool) -> Result<(), StoreError> {
        let (service, account) = (service.to_owned(), account.to_owned());
        self.ask(person, move || {
            if !probe::may_hold(&service, &account, person)? {
                return Ok(());
            }
            match entry(&service, &account)?.delete_credential() {
                Ok(()) | Err(Error::NoEntry) => Ok(()),
                Err(error) => Err(reason(&error)),
            }
        })
    }

    fn limit(&self) -> Option<usize> {
        cfg!(target_os = "windows").then_some(WINDOWS_LIMIT)
    }
}

impl Keychain {
    /// Does `call` in a thread that is left behind when it does not answer; the end of the process ends it.
    ///
    /// After that nothing is asked any more: one silent keychain costs a run one deadline, not several.
    fn ask<T: Send + 'static>(
        &self,
        person: bool,
        call: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let silence = || StoreError::Unavailable("the keychain does not answer".into());
        if self.silent.get() {
            return Err(silence());
        }
        let (tell, told) = mpsc::channel();
        let thread = std::thread::Builder::new().name("keychain".into()).spawn(move || {
            let _ = tell.send(call());
        });
        thread.map_err(|_| StoreError::Failed("starting a thread for the keychain".into()))?;
        let deadline = if person { DEADLINE_OF_A_PERSON } else { DEADLINE };
        told.recv_timeout(deadline).map_err(|_| {
            self.silent.set(true);
            silence()
        })?
    }
}

fn entry(service: &str, account: &str) -> Result<Entry, StoreError> {
    // The first call chooses the platform's keychain for the whole process.
    if let Err(error) = keyring::Entry::store_status() {
        return Err(reason(error));
    }
    #[cfg(target_os = "windows")]
    let entry = {
        let local = std::collections::HashMap::from([("persistence", "Local")]);
        Entry::new_with_modifiers(service, account, &local)
    };
    #[cfg(not(target_os = "windows"))]
    let entry = Entry::new(service, account);
    entry.map_err(|error| reason(&error))
}

fn reason(error: &Error) -> StoreError {
    match error {
        Error::NoStorageAccess(_) => {
            StoreError::Denied("the keychain denies access; allow it in the keychain's own window".into())
        }
        Error::NoDefaultStore | Error::PlatformFailure(_) => {
            StoreError::Unavailable("there is no keychain here".into())
        }
        Error::NoEntry => StoreError::Unavailable("the keychain has no such item".into()),
        Error::Ambiguous(_) => StoreError::Damaged("the keychain has two items of the same name".into()),
        _ => StoreError::Failed("the keychain refuses".into()),
    }
}

/// Questions to the Secret Service that never open a dialog.
#[cfg(all(unix, not(target_os = "macos")))]
mod probe {
    use std::collections::HashMap;

    use secret_service::blocking::{Collection, SecretService};
    use secret_service::{EncryptionType, Error};

    use super::super::StoreError;

    /// Whether the item may be there; false only when it surely is not.
    pub(super) fn may_hold(service_name: &str, account: &str, person: bool) -> Result<bool, StoreError> {
        let service = connect()?;
        let found = service.search_items(HashMap::from([("service", service_name), ("username", account)]));
        let found = found.map_err(|error| reason(&error))?;
        if !found.unlocked.is_empty() {
            return Ok(true);
        }
        if found.locked.is_empty() && !is_locked(&collection(&service)?)? {
            return Ok(false);
        }
        // A locked keychain need not show what it has.
        if person { Ok(true) } else { Err(locked()) }
    }

    /// Whether a new item can be put in now.
    pub(super) fn takes_items(person: bool) -> Result<(), StoreError> {
        let service = connect()?;
        if is_locked(&collection(&service)?)? && !person {
            return Err(locked());
        }
        Ok(())
    }

    fn connect<'a>() -> Result<SecretService<'a>, StoreError> {
        SecretService::connect(EncryptionType::Plain).map_err(|error| reason(&error))
    }

    fn collection<'a>(service: &'a SecretService<'a>) -> Result<Collection<'a>, StoreError> {
        service.get_default_collection().map_err(|error| reason(&error))
    }

    fn is_locked(collection: &Collection<'_>) -> Result<bool, StoreError> {
        collection.is_locked().map_err(|error| reason(&error))
    }

    fn locked() -> StoreError {
        StoreError::Locked("the keychain is locked".into())
    }

    /// What the bus says where its policy, or the sandbox of a program, keeps us from the keychain.
    const ACCESS_DENIED: &str = "org.freedesktop.DBus.Error.AccessDenied";

    fn reason(error: &Error) -> StoreError {
        match error {
            Error::Locked => locked(),
            // A keychain that is there and may not be asked is no reason to do without one.
            Error::Zbus(_) | Error::ZbusFdo(_) if error.to_string().contains(ACCESS_DENIED) => StoreError::Denied(
                "the keychain denies access; the policy of the session's bus keeps this program from it".into(),
            ),
            Error::Prompt => StoreError::Denied("the keychain's dialog was dismissed".into()),
            Error::NoResult => StoreError::Unavailable("the keychain has no default collection".into()),
            _ => StoreError::Unavailable("there is no keychain here".into()),
        }
    }
}

/// Elsewhere there is no such question.
#[cfg(not(all(unix, not(target_os = "macos"))))]
mod probe {
    use super::super::StoreError;

    #[expect(clippy::unnecessary_wraps, reason = "the other one fails")]
    pub(super) fn may_hold(_service: &str, _account: &str, _person: bool) -> Result<bool, StoreError> {
        Ok(true)
    }

    #[expect(clippy::unnecessary_wraps, reason = "the other one fails")]
    pub(super) fn takes_items(_person: bool) -> Result<(), StoreError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keychain_that_was_silent_once_is_not_asked_again() {
        let keychain = Keychain::default();
        keychain.silent.set(true);
        let asked = keychain.ask(false, || -> Result<(), StoreError> { panic!("BUG: asked") });
        assert!(matches!(asked, Err(StoreError::Unavailable(_))));
    }

    #[test]
    fn a_call_that_dies_is_silence() {
        let keychain = Keychain::default();
        let (hold, held) = mpsc::channel::<()>();
        let asked = keychain.ask(false, move || {
            let _ = held.recv();
            Ok(())
        });
        drop(hold);
        assert!(matches!(asked, Err(StoreError::Unavailable(_))));
    }
}
