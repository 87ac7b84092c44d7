//! What others do to the keychain, the records and the gate while somebody sets it or asks for a key.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use keyfob::store::{DataKey, KeySource, Place, Seat, Stage, StoreError, Stores};
use keyfob::time::Timestamp;

use super::library::{open, set};
use crate::store::{Home, Source, origin, put, record, session};

/// A keychain at which something happens once.
struct Hook {
    source: Source,
    /// When a key was found.
    found: RefCell<Option<Box<dyn FnOnce()>>>,
    /// Before one is removed.
    removing: RefCell<Option<Box<dyn FnOnce()>>>,
}

impl KeySource for Hook {
    fn find(&self, id: &str, person: bool) -> Result<Option<DataKey>, StoreError> {
        let found = self.source.find(id, person)?;
        let then = self.found.borrow_mut().take();
        then.into_iter().for_each(|then| then());
        Ok(found)
    }

    fn keep(&self, id: &str, key: &DataKey, person: bool) -> Result<(), StoreError> {
        self.source.keep(id, key, person)
    }

    fn remove(&self, id: &str, person: bool) -> Result<(), StoreError> {
        let first = self.removing.borrow_mut().take();
        first.into_iter().for_each(|first| first());
        self.source.remove(id, person)
    }
}

fn with(home: &Home, found: Option<Box<dyn FnOnce()>>, removing: Option<Box<dyn FnOnce()>>) -> Stores {
    let source = home.source();
    Stores::with(Seat {
        data: home.data(),
        runtime: None,
        items: Rc::new(source.clone()),
        source: Rc::new(Hook {
            source,
            found: RefCell::new(found),
            removing: RefCell::new(removing),
        }),
        wait: Rc::new(|_: Duration| std::thread::yield_now()),
        now: Timestamp::from_unix(1_000),
        person: false,
        test: true,
        handed: None,
        fail_at: None,
    })
}

fn stage(home: &Home) -> Stage {
    home.stores().gate().unwrap().unwrap().stage
}

#[test]
fn where_the_keychain_is_away_its_key_is_not_believed_to_be_gone() {
    let home = Home::new();
    put(&home.stores(), &record(session("ann"), 1, "canary"), "sealed").unwrap();
    let source = home.source();
    let stores = with(&home, None, Some(Box::new(move || source.take_away(true))));
    let unfinished = set(&stores);
    assert!(
        matches!(&unfinished, Err(StoreError::Unavailable(why)) if why.contains("still in the keychain")),
        "{unfinished:?}"
    );
    drop(stores);
    let stores = home.stores();
    let again = stores.finish_gate(open(&stores), false);
    assert!(matches!(again, Err(StoreError::Unavailable(_))), "{again:?}");
    drop(stores);
    assert_eq!(stage(&home), Stage::Sealing);
    assert!(matches!(home.stores().get(&session("ann")), Err(StoreError::Gated(_))));
    assert_eq!(home.keychain().len(), 1, "it is there all the time");
    home.source().take_away(false);
    let stores = home.stores();
    stores.finish_gate(open(&stores), false).unwrap();
    assert_eq!(stage(&home), Stage::Set);
    assert!(home.keychain().is_empty());
}

#[test]
fn a_gate_without_a_key_in_the_keychain_needs_none() {
    let home = Home::new();
    put(&home.stores(), &record(session("ann"), 1, "canary"), "file").unwrap();
    home.source().take_away(true);
    set(&home.stores()).unwrap();
    assert_eq!(stage(&home), Stage::Set);
    // A clearing that tries the keychain and finds none leaves no debt behind either.
    let stores = home.stores();
    let (place, _) = stores.clear_gate(open(&stores), false).unwrap();
    assert_eq!(place, Place::Nowhere);
}

#[test]
fn a_key_that_came_back_half_way_is_taken_out_again() {
    let home = Home::new();
    put(&home.stores(), &record(session("ann"), 1, "canary"), "file").unwrap();
    set(&home.stores()).unwrap();
    let source = home.source();
    // The keychain takes the key, and goes away before it can be asked for it.
    let stores = with(&home, Some(Box::new(move || source.take_away(true))), None);
    let opened = open(&stores);
    home.source().take_away(false);
    let (place, _) = stores.clear_gate(opened, false).unwrap();
    assert_eq!(place, Place::Keychain);
    assert_eq!(home.keychain().len(), 1);
}

#[test]
fn a_record_under_a_key_of_another_is_behind_the_gate_too() {
    let home = Home::new();
    put(&home.stores(), &record(session("ann"), 1, "canary-1"), "sealed").unwrap();
    // Somebody who had no gate sealed it, under a key that the keychain still has.
    let other = home.beside();
    put(&other.stores(), &record(session("bob"), 1, "canary-2"), "sealed").unwrap();
    set(&home.stores()).unwrap();
    let place = home.stores().place(&session("bob"));
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::copy(other.stores().place(&session("bob")), &place).unwrap();
    assert!(!home.keychain().is_empty());
    for key in [session("ann"), session("bob")] {
        let read = home.stores().get(&key);
        assert!(matches!(read, Err(StoreError::Gated(Stage::Set))), "{read:?}");
    }
    assert!(home.stores().list().unwrap().iter().all(Result::is_err));
    let stores = home.stores();
    let opened = open(&stores);
    assert!(stores.get(&session("bob")).unwrap().is_some(), "it is open");
    let converted = stores.finish_gate(opened, false).unwrap();
    assert_eq!(converted.moved, 1);
    other.source().take_away(true);
    let stores = home.stores();
    let _opened = open(&stores);
    assert!(stores.get(&session("bob")).unwrap().is_some(), "by the gate's key now");
}

#[test]
fn a_record_in_clear_is_behind_the_gate_too() {
    let home = Home::new();
    set(&home.stores()).unwrap();
    let other = Home::new();
    for key in [session("ann"), origin("bob")] {
        put(&other.stores(), &record(key.clone(), 1, "canary"), "file").unwrap();
        let place = home.stores().place(&key);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::copy(other.stores().place(&key), &place).unwrap();
        let stores = home.stores();
        let read = stores.get(&key);
        assert!(matches!(read, Err(StoreError::Gated(Stage::Set))), "{read:?}");
        assert!(stores.group(&key.group).is_err());
        let held = crate::store::lock(&stores, &key);
        assert!(stores.get_locked(&held, &key).is_err());
        assert!(
            matches!(stores.reserve(&held, &key), Err(StoreError::Gated(_))),
            "before a token is spent"
        );
        let written = stores.put(&held, &record(key.clone(), 2, "canary"), "file", None);
        assert!(matches!(written, Err(StoreError::Gated(_))), "{written:?}");
        drop(held);
        let stores = home.stores();
        let _opened = open(&stores);
        assert!(stores.get(&key).unwrap().is_some(), "it is open");
        let held = crate::store::lock(&stores, &key);
        stores
            .put(&held, &record(key.clone(), 2, "canary"), "file", None)
            .unwrap();
        assert_eq!(stores.get(&key).unwrap().unwrap().store, "sealed");
    }
    assert!(home.stores().list().unwrap().iter().all(Result::is_err));
}

#[test]
fn a_gate_that_is_set_while_a_key_is_asked_for_holds_for_who_asks() {
    let home = Home::new();
    put(&home.stores(), &record(session("ann"), 1, "canary"), "sealed").unwrap();
    let setting = home.stores();
    let stores = with(&home, Some(Box::new(move || drop(set(&setting).unwrap()))), None);
    let read = stores.get(&session("ann"));
    assert!(matches!(read, Err(StoreError::Gated(_))), "{read:?}");
}
