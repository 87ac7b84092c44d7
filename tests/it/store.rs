//! One suite, run for every row of the store table, and what only files can suffer (`store/hostile.rs`).

#![allow(clippy::unwrap_used, reason = "a test that fails should stop")]

mod hostile;
mod items;
mod place;
mod source;

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use keyfob::record::{Group, Key, MAX_SECRET, Record};
use keyfob::secret::Secret;
use keyfob::store::{Lock, Seat, StoreError, Stored, Stores, TABLE};
use keyfob::time::Timestamp;

pub(crate) use source::Source;

/// A home that is removed with everything in it.
pub(crate) struct Home {
    pub(crate) path: PathBuf,
    source: Source,
}

impl Home {
    pub(crate) fn new() -> Home {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "keyfob-test-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Home {
            path,
            source: Source::default(),
        }
    }

    pub(crate) fn stores(&self) -> Stores {
        stores_at(self.path.clone(), &self.source, None)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// The ids of the keys in the keychain.
    pub(crate) fn keychain(&self) -> Vec<String> {
        self.source.keys.lock().unwrap().keys().cloned().collect()
    }

    /// Locks the keychain, or unlocks it.
    pub(crate) fn lock_keychain(&self, locked: bool) {
        let trouble = locked.then(|| StoreError::Locked("the keychain is locked".into()));
        *self.source.trouble.lock().unwrap() = trouble;
    }

    /// The same keychain beside another data directory.
    pub(crate) fn beside(&self) -> Home {
        let mut home = Home::new();
        home.source = self.source.clone();
        home
    }

    /// The keychain.
    pub(crate) fn source(&self) -> Source {
        self.source.clone()
    }

    /// All files of records, and what lies beside them.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut level = vec![self.data().join("records")];
        for _ in 0..3 {
            let entries = level.iter().filter_map(|path| std::fs::read_dir(path).ok());
            level = entries.flatten().map(|entry| entry.unwrap().path()).collect();
        }
        level.sort();
        level
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

fn stores_at(path: PathBuf, source: &Source, fail_at: Option<u32>) -> Stores {
    Stores::with(Seat {
        data: path.join("data"),
        runtime: Some(path.join("runtime")),
        source: Rc::new(source.clone()),
        items: Rc::new(source.clone()),
        wait: Rc::new(nap),
        now: Rc::new(|| Timestamp::from_unix(1_000)),
        person: false,
        test: true,
        handed: None,
        fail_at,
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "real threads and processes wait for each other here"
)]
fn nap(time: Duration) {
    std::thread::sleep(time);
}

pub(crate) fn origin(account: &str) -> Key {
    Key {
        group: Group::Origin("https://a.example".into()),
        account: account.into(),
        path: None,
    }
}

pub(crate) fn session(account: &str) -> Key {
    let group = Group::Session {
        provider: "acme".into(),
        mode: "dev".into(),
    };
    Key {
        group,
        account: account.into(),
        path: None,
    }
}

pub(crate) fn record(key: Key, generation: u64, secret: &str) -> Record {
    let mut record = Record::new(key, "family".into(), "git");
    record.generation = generation;
    record.secret = Some(Secret::new(secret.into()));
    record
}

pub(crate) fn lock(stores: &Stores, key: &Key) -> Lock {
    let lock = stores.lock(key, Duration::from_secs(60), &nap).unwrap();
    lock.expect("the lock comes within a minute")
}

pub(crate) fn put(stores: &Stores, record: &Record, store: &str) -> Result<(), StoreError> {
    stores.put(&lock(stores, &record.key), record, store, None)
}

fn secret(stored: &Stored) -> &str {
    stored.record.secret.as_ref().map_or("", Secret::expose)
}

/// Runs a test for every row of the table, for items of a keychain that hold less than a record too.
fn each(test: impl Fn(&Home, &Stores, &'static str)) {
    let small = TABLE
        .iter()
        .filter(|row| row.name == "keychain")
        .map(|row| (row, Some(128)));
    for (row, limit) in TABLE.iter().map(|row| (row, None)).chain(small) {
        let home = Home::new();
        *home.source.limit.lock().unwrap() = limit;
        let stores = home.stores();
        let chosen = stores.choose(Some(row.name), false).unwrap();
        assert_eq!(chosen.store, row.name);
        test(&home, &stores, row.name);
    }
}

#[test]
fn names_in_the_table_are_unique_and_lower_case() {
    let mut names: Vec<&str> = TABLE.iter().map(|row| row.name).collect();
    names.dedup();
    assert_eq!(names.len(), TABLE.len());
    assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase())));
}

#[test]
fn what_was_put_is_read_back_and_overwritten_whole() {
    each(|_, stores, store| {
        let key = session("ann");
        assert_eq!(stores.get(&key).unwrap(), None);
        for generation in 1..=3 {
            let record = record(key.clone(), generation, &format!("canary-{generation}"));
            put(stores, &record, store).unwrap();
            assert_eq!(stores.get(&key).unwrap(), Some(Stored { record, store }));
        }
    });
}

#[test]
fn delete_tells_whether_there_was_something_and_leaves_nothing() {
    each(|home, stores, store| {
        let key = origin("ann");
        let lock = lock(stores, &key);
        assert!(!stores.delete(&lock, &key).unwrap());
        stores
            .put(&lock, &record(key.clone(), 1, "canary"), store, None)
            .unwrap();
        assert!(stores.delete(&lock, &key).unwrap());
        assert!(!stores.delete(&lock, &key).unwrap());
        assert_eq!(stores.get(&key).unwrap(), None);
        assert_eq!(home.files(), Vec::<PathBuf>::new());
        assert!(home.source.items.lock().unwrap().is_empty(), "{store}");
    });
}

#[test]
fn two_users_of_one_origin_are_two_records() {
    each(|_, stores, store| {
        put(stores, &record(origin("ann"), 1, "canary-ann"), store).unwrap();
        put(stores, &record(origin("bob"), 1, "canary-bob"), store).unwrap();
        let both = stores.group(&origin("").group).unwrap();
        let mut secrets: Vec<&str> = both.iter().map(secret).collect();
        secrets.sort_unstable();
        assert_eq!(secrets, ["canary-ann", "canary-bob"]);
        assert_eq!(stores.get(&origin("eve")).unwrap(), None);
        assert_eq!(stores.list().unwrap().len(), 2);
    });
}

#[test]
fn odd_accounts_and_secrets_come_back_byte_for_byte() {
    each(|_, stores, store| {
        let long = "canary".repeat(MAX_SECRET / 6);
        for account in ["", "a\0b", "a\nb", "ä\u{2028}", "a b/c:d"] {
            for secret in ["", "canary\0x", "canary\nx", "canary-ü\u{10ffff}", &long] {
                let record = record(session(account), 1, secret);
                let lock = lock(stores, &record.key);
                stores.put(&lock, &record, store, None).unwrap();
                assert_eq!(stores.get(&record.key).unwrap().unwrap().record, record);
                assert!(stores.delete(&lock, &record.key).unwrap());
            }
        }
    });
}

#[test]
fn a_secret_over_64_kib_is_refused_and_the_old_record_stays() {
    each(|_, stores, store| {
        let old = record(session("ann"), 1, "canary");
        put(stores, &old, store).unwrap();
        let long = record(session("ann"), 2, &"x".repeat(MAX_SECRET + 1));
        assert!(put(stores, &long, store).is_err());
        let mut wide = record(session("ann"), 2, "canary");
        wide.extra.insert("wide".into(), "x".repeat(1024 * 1024).into());
        assert!(put(stores, &wide, store).is_err());
        assert_eq!(stores.get(&old.key).unwrap().unwrap().record, old);
    });
}

#[test]
fn unknown_fields_are_kept() {
    each(|_, stores, store| {
        let mut record = record(session("ann"), 1, "canary");
        record.extra.insert("colour".into(), "blue".into());
        put(stores, &record, store).unwrap();
        let mut read = stores.get(&record.key).unwrap().unwrap().record;
        read.generation += 1;
        put(stores, &read, store).unwrap();
        let colour = stores.get(&record.key).unwrap().unwrap().record.extra["colour"].clone();
        assert_eq!(colour, "blue");
    });
}

#[test]
fn a_generation_never_goes_back_within_its_family() {
    each(|_, stores, store| {
        put(stores, &record(session("ann"), 5, "canary-5"), store).unwrap();
        for generation in [4, 5] {
            let late = put(stores, &record(session("ann"), generation, "canary-late"), store);
            assert!(matches!(late, Err(StoreError::Changed(_))), "{late:?}");
        }
        let mut login = record(session("ann"), 1, "canary-login");
        login.family = "another".into();
        put(stores, &login, store).unwrap();
        assert_eq!(stores.get(&login.key).unwrap().unwrap().record, login);
    });
}

#[test]
fn a_slot_torn_or_altered_anywhere_is_found_and_left_alone() {
    each(|home, stores, store| {
        let key = session("ann");
        put(stores, &record(key.clone(), 1, "canary"), store).unwrap();
        let place = stores.place(&key);
        let whole = std::fs::read(&place).unwrap();
        for at in 0..whole.len() {
            let mut altered = whole.clone();
            altered[at] ^= 1;
            for bad in [&whole[..at], &altered] {
                std::fs::write(&place, bad).unwrap();
                let error = stores.get(&key).expect_err("damage is found").to_string();
                assert!(
                    !error.contains("canary") && error.contains(place.to_str().unwrap()),
                    "{error}"
                );
                assert_eq!(std::fs::read(&place).unwrap(), bad);
            }
        }
        assert_eq!(home.files().len(), 1);
        assert!(stores.list().unwrap()[0].is_err());
    });
}

#[test]
fn swapped_slots_are_refused() {
    each(|_, stores, store| {
        put(stores, &record(origin("ann"), 1, "canary-ann"), store).unwrap();
        put(stores, &record(origin("bob"), 1, "canary-bob"), store).unwrap();
        std::fs::rename(stores.place(&origin("ann")), stores.place(&origin("bob"))).unwrap();
        assert!(stores.get(&origin("bob")).is_err());
        assert!(stores.list().unwrap()[0].is_err());
    });
}

#[test]
fn a_newer_format_is_neither_overwritten_nor_removed() {
    each(|_, stores, store| {
        let key = session("ann");
        put(stores, &record(key.clone(), 1, "canary"), store).unwrap();
        let newer = b"{\"keyfob\":2,\"all\":\"different\"}\nbytes";
        std::fs::write(stores.place(&key), newer).unwrap();
        let lock = lock(stores, &key);
        let refusals = [
            stores.get(&key).map(|_| ()),
            stores.put(&lock, &record(key.clone(), 9, "canary"), store, None),
            stores.delete(&lock, &key).map(|_| ()),
            stores.reserve(&lock, &key).map(|_| ()),
        ];
        for refusal in refusals {
            assert!(matches!(refusal, Err(StoreError::Newer(_))), "{refusal:?}");
        }
        assert_eq!(std::fs::read(stores.place(&key)).unwrap(), newer);
    });
}

#[test]
fn threads_that_write_one_record_lose_no_change() {
    each(|home, _, store| {
        if store == "memory" {
            return; // It frees what a reader may be about to follow.
        }
        let count = || {
            let stores = home.stores();
            for _ in 0..10 {
                let key = session("ann");
                let lock = lock(&stores, &key);
                let now = stores.get(&key).unwrap().map_or(0, |stored| stored.record.generation);
                let next = record(key, now + 1, &format!("canary-{}", now + 1));
                stores.put(&lock, &next, store, None).unwrap();
            }
        };
        std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(count))));
        let last = home.stores().get(&session("ann")).unwrap().unwrap();
        assert_eq!((last.record.generation, secret(&last)), (80, "canary-80"));
    });
}

#[test]
fn a_lock_excludes_until_it_is_dropped() {
    let home = Home::new();
    let (one, two) = (home.stores(), home.stores());
    let naps = RefCell::new(Duration::ZERO);
    let count = |nap| *naps.borrow_mut() += nap;
    for key in [origin("ann"), session("ann")] {
        let held = lock(&one, &key);
        assert!(two.lock(&key, Duration::ZERO, &count).unwrap().is_none());
        assert_eq!(naps.take(), Duration::ZERO);
        assert!(two.lock(&key, Duration::from_secs(3), &count).unwrap().is_none());
        assert_eq!(naps.take(), Duration::from_secs(3));
        drop(held);
        assert!(two.lock(&key, Duration::ZERO, &count).unwrap().is_some());
    }
    let _ann = lock(&one, &session("ann"));
    assert!(two.lock(&session("bob"), Duration::ZERO, &count).unwrap().is_some());
}

#[test]
fn a_store_that_fails_leaves_the_old_record() {
    let home = Home::new();
    let old = record(session("ann"), 1, "canary-1");
    put(&home.stores(), &old, "memory").unwrap();
    let failing = stores_at(home.path.clone(), &home.source, Some(1));
    assert!(put(&failing, &record(session("ann"), 2, "canary-2"), "memory").is_err());
    assert_eq!(home.stores().get(&old.key).unwrap().unwrap().record, old);
    assert_eq!(home.files().len(), 1, "no temporary is left");
}

#[test]
fn a_sealed_file_shows_no_secret() {
    let home = Home::new();
    put(&home.stores(), &record(origin("ann"), 1, "canary"), "sealed").unwrap();
    let text = String::from_utf8(std::fs::read(&home.files()[0]).unwrap()).unwrap();
    let shown = ["canary", "a.example", "ann"].iter().any(|part| text.contains(part));
    assert!(!shown, "{text}");
}

#[test]
fn a_locked_keychain_hides_sealed_records_and_new_ones_go_to_a_file_with_the_reason() {
    let home = Home::new();
    put(&home.stores(), &record(session("ann"), 1, "canary"), "sealed").unwrap();
    home.lock_keychain(true);
    let stores = home.stores();
    assert!(matches!(stores.get(&session("ann")), Err(StoreError::Locked(_))));
    let next = put(&stores, &record(session("ann"), 2, "canary"), "sealed");
    assert!(matches!(next, Err(StoreError::Locked(_))), "{next:?}");
    let chosen = stores.choose(None, false).unwrap();
    assert_eq!(chosen.store, "file");
    assert!(matches!(chosen.fallback_reason, Some(StoreError::Locked(_))));
    assert!(matches!(
        stores.choose(Some("sealed"), false),
        Err(StoreError::Locked(_))
    ));
}

#[test]
fn a_lost_data_key_is_told_and_replaced_without_touching_old_records() {
    let home = Home::new();
    put(&home.stores(), &record(session("ann"), 1, "canary"), "sealed").unwrap();
    let before = std::fs::read(&home.files()[0]).unwrap();
    let kept = std::mem::take(&mut *home.source.keys.lock().unwrap());
    let stores = home.stores();
    let error = stores.get(&session("ann")).unwrap_err();
    assert!(
        matches!(&error, StoreError::Unavailable(text) if text.contains("log in again")),
        "{error}"
    );
    assert_eq!(stores.choose(None, false).unwrap().store, "sealed");
    put(&stores, &record(session("bob"), 1, "canary"), "sealed").unwrap();
    assert!(home.data().join("sealed.json.lost-1000").exists());
    assert!(home.files().iter().any(|path| std::fs::read(path).unwrap() == before));
    home.source.keys.lock().unwrap().extend(kept);
    assert!(
        home.stores().get(&session("ann")).unwrap().is_some(),
        "the old key is back"
    );
    assert!(home.stores().get(&session("bob")).unwrap().is_some());
}
