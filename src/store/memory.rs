//! The store of this process, for tests: the slot holds a pointer, the record is in memory.
//!
//! It is also the store that fails: at the call that its seat names.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use zeroize::Zeroizing;

use super::{Header, Seat, Store, StoreError};
use crate::world::random;

static RECORDS: LazyLock<Mutex<HashMap<String, Zeroizing<Vec<u8>>>>> = LazyLock::new(Mutex::default);

/// See the module.
#[derive(Debug)]
pub(super) struct Memory {
    usable: bool,
    fail_at: Option<u32>,
    calls: Cell<u32>,
}

/// For the table.
pub(super) fn build(seat: &Seat) -> Box<dyn Store> {
    Box::new(Memory {
        usable: seat.test,
        fail_at: seat.fail_at,
        calls: Cell::new(0),
    })
}

impl Memory {
    fn call(&self) -> Result<(), StoreError> {
        self.calls.set(self.calls.get() + 1);
        if self.fail_at == Some(self.calls.get()) {
            return Err(StoreError::Failed("the store `memory` was told to fail here".into()));
        }
        Ok(())
    }
}

fn records() -> std::sync::MutexGuard<'static, HashMap<String, Zeroizing<Vec<u8>>>> {
    RECORDS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn ready(&self, _person: bool) -> Result<(), StoreError> {
        match self.usable {
            true => self.call(),
            false => Err(StoreError::Unavailable("the store `memory` is for tests only".into())),
        }
    }

    fn seal(&self, name: &str, header: &mut Header, record: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        self.call()?;
        let place = format!("{name}.{}", data_encoding::HEXLOWER.encode(&random::<8>()));
        header.extra.insert("place".into(), place.clone().into());
        records().insert(place, Zeroizing::new(record.to_vec()));
        Ok(Zeroizing::new(b"-\n".to_vec()))
    }

    fn open(&self, name: &str, header: &mut Header, _body: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        self.call()?;
        let place = header.text("place").filter(|place| place.starts_with(name));
        let found = place.and_then(|place| records().get(place).cloned());
        found.ok_or_else(|| StoreError::Unavailable("the record was kept by a process that has ended".into()))
    }

    fn discard(&self, _name: &str, header: &Header) -> Result<(), StoreError> {
        self.call()?;
        if let Some(place) = header.text("place") {
            records().remove(place);
        }
        Ok(())
    }

    fn protection(&self) -> &'static str {
        "kept in this process until it ends"
    }
}
