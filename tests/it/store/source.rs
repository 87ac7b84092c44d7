//! The keychain of these tests, in this process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use keyfob::store::{DataKey, Items, KeySource, StoreError};
use zeroize::Zeroizing;

/// Texts by service and account.
pub(super) type Kept = BTreeMap<(String, String), Vec<u8>>;

/// A keychain in this process, shared by threads, that can lose its keys and be locked.
#[derive(Clone, Default)]
pub(crate) struct Source {
    pub(super) keys: Arc<Mutex<BTreeMap<String, DataKey>>>,
    pub(super) items: Arc<Mutex<Kept>>,
    pub(super) trouble: Arc<Mutex<Option<StoreError>>>,
    /// The bytes that an item holds.
    pub(super) limit: Arc<Mutex<Option<usize>>>,
    /// Whether the process dies once the next item is written.
    pub(super) cut: Arc<Mutex<bool>>,
}

impl Source {
    /// Takes the keychain away, as in a session without one, or brings it back.
    pub(crate) fn take_away(&self, away: bool) {
        let trouble = away.then(|| StoreError::Unavailable("there is no keychain here".into()));
        *self.trouble.lock().unwrap() = trouble;
    }

    fn answer(&self) -> Result<(), StoreError> {
        self.trouble.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

impl Items for Source {
    fn ready(&self, _person: bool) -> Result<(), StoreError> {
        self.answer()
    }

    fn find_item(&self, service: &str, account: &str, _: bool) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        self.answer()?;
        let name = (service.to_owned(), account.to_owned());
        Ok(self.items.lock().unwrap().get(&name).cloned().map(Zeroizing::new))
    }

    fn keep_item(&self, service: &str, account: &str, text: &[u8], _: bool) -> Result<(), StoreError> {
        self.answer()?;
        let limit = *self.limit.lock().unwrap();
        assert!(limit.is_none_or(|limit| text.len() <= limit), "{} bytes", text.len());
        let name = (service.to_owned(), account.to_owned());
        self.items.lock().unwrap().insert(name, text.to_vec());
        let cut = std::mem::take(&mut *self.cut.lock().unwrap());
        if cut {
            std::panic::resume_unwind(Box::new("cut off"));
        }
        Ok(())
    }

    fn remove_item(&self, service: &str, account: &str, _: bool) -> Result<(), StoreError> {
        self.answer()?;
        let name = (service.to_owned(), account.to_owned());
        self.items.lock().unwrap().remove(&name);
        Ok(())
    }

    fn limit(&self) -> Option<usize> {
        *self.limit.lock().unwrap()
    }
}

impl KeySource for Source {
    fn find(&self, id: &str, _person: bool) -> Result<Option<DataKey>, StoreError> {
        self.answer()?;
        Ok(self.keys.lock().unwrap().get(id).cloned())
    }

    fn keep(&self, id: &str, key: &DataKey, _person: bool) -> Result<(), StoreError> {
        self.find(id, false)?;
        self.keys.lock().unwrap().insert(id.into(), key.clone());
        Ok(())
    }

    fn remove(&self, id: &str, _person: bool) -> Result<(), StoreError> {
        self.find(id, false)?;
        self.keys.lock().unwrap().remove(id);
        Ok(())
    }
}
