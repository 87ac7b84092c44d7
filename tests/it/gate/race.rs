//! What others do to the keychain, the records and the gate while somebody sets it or asks for a key.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use keyfob::store::{DataKey, Items, KeySource, Place, Seat, Stage, StoreError, Stores};
use keyfob::time::Timestamp;
use zeroize::Zeroizing;

use super::library::{open, set};
use crate::store::{Home, Source, origin, put, record, session};

/// When something happens at a keychain, once.
#[derive(Clone, Copy, PartialEq)]
enum Moment {
    /// After a key was found.
    Found,
    /// After one was kept.
    Kept,
    /// Before one is removed.
    Removing,
}

struct Hook {
    source: Source,
    moment: Moment,
    what: RefCell<Option<Box<dyn FnOnce()>>>,
}

impl Hook {
    fn at(&self, moment: Moment) {
        let what = (moment == self.moment).then(|| self.what.borrow_mut().take()).flatten();
        what.into_iter().for_each(|what| what());
    }
}

impl KeySource for Hook {
    fn find(&self, id: &str, person: bool) -> Result<Option<DataKey>, StoreError> {
        let found = self.source.find(id, person)?;
        self.at(Moment::Found);
        Ok(found)
    }

    fn keep(&self, id: &str, key: &DataKey, person: bool) -> Result<(), StoreError> {
        self.source.keep(id, key, person)?;
        self.at(Moment::Kept);
        Ok(())
    }

    fn remove(&self, id: &str, person: bool) -> Result<(), StoreError> {
        self.at(Moment::Removing);
        self.source.remove(id, person)
    }
}

/// Stores beside a keychain at which this happens then.
fn with(home: &Home, moment: Moment, what: impl FnOnce() + 'static) -> Stores {
    let source = home.source();
    Stores::with(Seat {
        data: home.data(),
        runtime: None,
        items: Rc::new(source.clone()),
        source: Rc::new(Hook {
            source,
            moment,
            what: RefCell::new(Some(Box::new(what))),
        }),
        wait: Rc::new(|_: Duration| std::thread::yield_now()),
        now: Rc::new(|| Timestamp::from_unix(1_000)),
        person: false,
        test: true,
        handed: None,
        fail_at: None,
    })
}

/// Items that cannot be removed.
struct Stuck(Source);

impl Items for Stuck {
    fn ready(&self, person: bool) -> Result<(), StoreError> {
        self.0.ready(person)
    }

    fn find_item(&self, service: &str, name: &str, person: bool) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        self.0.find_item(service, name, person)
    }

    fn keep_item(&self, service: &str, name: &str, text: &[u8], person: bool) -> Result<(), StoreError> {
        self.0.keep_item(service, name, text, person)
    }

    fn remove_item(&self, _: &str, _: &str, _: bool) -> Result<(), StoreError> {
        Err(StoreError::Unavailable("there is no keychain here".into()))
    }

    fn limit(&self) -> Option<usize> {
        self.0.limit()
    }
}

fn stage(home: &Home) -> Stage {
    home.stores().gate().unwrap().unwrap().stage
}

#[test]
fn where_the_keychain_is_away_its_key_is_not_believed_to_be_gone() {
    let home = Home::new();
    put(&home.stores(), &record(session("ann"), 1, "canary"), "sealed").unwrap();
    let source = home.source();
    let stores = with(&home, Moment::Removing, move || source.take_away(true));
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
    let (place, _) = stores.clear_gate(open(&stores), true, false).unwrap();
    assert_eq!(place, Place::Nowhere);
}

#[test]
fn a_gate_is_not_taken_away_into_plain_files_that_nobody_asked_for() {
    let home = Home::new();
    put(&home.stores(), &record(session("ann"), 1, "canary"), "sealed").unwrap();
    set(&home.stores()).unwrap();
    let gate = || std::fs::read(home.data().join("gate.json")).unwrap();
    let before = gate();
    let refused = |stores: &Stores| {
        let cleared = stores.clear_gate(open(stores), false, false);
        assert!(matches!(cleared, Err(StoreError::Unavailable(_))), "{cleared:?}");
    };
    home.source().take_away(true);
    refused(&home.stores());
    assert!(gate() == before);
    home.source().take_away(false);
    // It answers when it is looked for, and goes away before it is given the key.
    let source = home.source();
    refused(&with(&home, Moment::Found, move || source.take_away(true)));
    assert!(gate() == before);
    assert!(matches!(home.stores().get(&session("ann")), Err(StoreError::Gated(_))));
    home.source().take_away(false);
    let stores = home.stores();
    let (place, _) = stores.clear_gate(open(&stores), false, false).unwrap();
    assert_eq!((place, home.keychain().len()), (Place::Keychain, 1));
    assert!(home.stores().get(&session("ann")).unwrap().is_some());
}

#[test]
fn a_key_that_is_half_way_back_in_the_keychain_is_taken_out_again() {
    let home = Home::new();
    put(&home.stores(), &record(session("ann"), 1, "canary"), "file").unwrap();
    set(&home.stores()).unwrap();
    // The keychain takes the key, and goes away before it can be asked for it.
    let source = home.source();
    let stores = with(&home, Moment::Kept, move || source.take_away(true));
    let cleared = stores.clear_gate(open(&stores), true, false);
    assert!(matches!(cleared, Err(StoreError::Unavailable(_))), "{cleared:?}");
    drop(stores);
    let stores = home.stores();
    let again = stores.finish_gate(open(&stores), false);
    assert!(matches!(again, Err(StoreError::Unavailable(_))), "{again:?}");
    drop(stores);
    assert_eq!((stage(&home), home.keychain().len()), (Stage::Sealing, 1));
    home.source().take_away(false);
    let stores = home.stores();
    stores.finish_gate(open(&stores), false).unwrap();
    assert_eq!((stage(&home), home.keychain().len()), (Stage::Set, 0));
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
    let stores = with(&home, Moment::Found, move || drop(set(&setting).unwrap()));
    let read = stores.get(&session("ann"));
    assert!(matches!(read, Err(StoreError::Gated(_))), "{read:?}");
}

#[test]
fn an_item_that_could_not_be_removed_is_not_forgotten() {
    let home = Home::new();
    put(&home.stores(), &record(session("ann"), 1, "canary"), "keychain").unwrap();
    let item = || {
        home.source()
            .find_item("keyfob", &session("ann").to_string(), false)
            .unwrap()
    };
    let kept = item();
    assert!(kept.is_some());
    let source = home.source();
    let stuck = Stores::with(Seat {
        data: home.data(),
        runtime: None,
        items: Rc::new(Stuck(source.clone())),
        source: Rc::new(source),
        wait: Rc::new(|_: Duration| std::thread::yield_now()),
        now: Rc::new(|| Timestamp::from_unix(1_000)),
        person: false,
        test: true,
        handed: None,
        fail_at: None,
    });
    for _ in 0..2 {
        let unfinished = match stuck.gate().unwrap() {
            None => set(&stuck),
            Some(_) => stuck.finish_gate(open(&stuck), false),
        };
        assert!(matches!(unfinished, Err(StoreError::Unavailable(_))), "{unfinished:?}");
        assert!(item() == kept && stage(&home) == Stage::Sealing);
    }
    let stores = home.stores();
    stores.finish_gate(open(&stores), false).unwrap();
    assert!(item().is_none() && stage(&home) == Stage::Set);
    let _opened = open(&stores);
    assert_eq!(stores.get(&session("ann")).unwrap().unwrap().store, "sealed");
}

#[test]
fn a_forgotten_passphrase_that_was_not_all_set_costs_nothing_that_the_keychain_still_opens() {
    for is_there in [true, false] {
        let home = Home::new();
        put(&home.stores(), &record(session("ann"), 1, "canary"), "sealed").unwrap();
        let source = home.source();
        let stores = with(&home, Moment::Removing, move || source.take_away(true));
        set(&stores).unwrap_err();
        drop(stores);
        assert_eq!(stage(&home), Stage::Sealing);
        home.source().take_away(!is_there);
        let removed = home.stores().abandon_gate(false, &|_| ()).unwrap();
        assert_eq!(removed, usize::from(!is_there));
        home.source().take_away(false);
        assert!(home.stores().gate().unwrap().is_none());
        assert_eq!(home.stores().get(&session("ann")).unwrap().is_some(), is_there);
        put(&home.stores(), &record(session("bob"), 1, "canary"), "sealed").unwrap();
        assert!(home.stores().get(&session("bob")).unwrap().is_some());
    }
}
