//! The gate seen from a program that has keyfob inside: with a keychain, with clocks and waits of its own, with threads.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use keyfob::secret::Secret;
use keyfob::store::{Converted, Place, Seat, Stage, StoreError, Stores};
use keyfob::time::Timestamp;

use crate::store::{Home, Source, lock, origin, put, record, session};

const WORK: u8 = 12;

fn passphrase() -> Secret {
    Secret::new(super::PASSPHRASE.into())
}

pub(super) fn set(stores: &Stores) -> Result<Converted, StoreError> {
    stores.set_gate(&passphrase(), WORK, false, &|_| ())
}

pub(super) fn open(stores: &Stores) -> keyfob::store::Opened {
    stores.open_gate(&passphrase(), &|_| ()).unwrap().unwrap()
}

/// Stores whose waits are only written down.
fn waiting(path: &Path) -> (Stores, Rc<RefCell<Vec<Duration>>>) {
    let waits = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&waits);
    let source = Source::default();
    let stores = Stores::with(Seat {
        data: path.join("data"),
        runtime: None,
        items: Rc::new(source.clone()),
        source: Rc::new(source),
        wait: Rc::new(move |span| match span < Duration::from_secs(1) {
            // Another test's child has a lock of ours between fork and exec.
            true => std::thread::sleep(span),
            false => noted.borrow_mut().push(span),
        }),
        now: Rc::new(|| Timestamp::from_unix(1_000)),
        person: false,
        test: true,
        handed: None,
        fail_at: None,
    });
    (stores, waits)
}

#[test]
fn the_key_leaves_the_keychain_and_comes_back() {
    let home = Home::new();
    put(&home.stores(), &record(session("ann"), 1, "canary-1"), "sealed").unwrap();
    put(&home.stores(), &record(origin("bob"), 1, "canary-2"), "file").unwrap();
    let before = home.keychain().len();
    assert_eq!(before, 1);
    let converted = set(&home.stores()).unwrap();
    assert_eq!((converted.moved, converted.unread.len()), (1, 0));
    assert!(home.keychain().is_empty());
    for key in [session("ann"), origin("bob")] {
        let read = home.stores().get(&key);
        assert!(matches!(&read, Err(StoreError::Gated(_))), "{read:?}");
    }
    let stores = home.stores();
    let opened = open(&stores);
    assert!(
        stores.get(&session("ann")).unwrap().is_some(),
        "this process has opened it"
    );
    let (place, converted) = stores.clear_gate(opened, false, false).unwrap();
    assert_eq!(
        (place, converted.moved, home.keychain().len()),
        (Place::Keychain, 0, before)
    );
    for key in [session("ann"), origin("bob")] {
        assert_eq!(home.stores().get(&key).unwrap().unwrap().store, "sealed");
    }
    assert!(home.stores().gate().unwrap().is_none());
}

#[test]
fn a_locked_keychain_with_a_key_that_records_need_changes_nothing() {
    let home = Home::new();
    put(&home.stores(), &record(session("ann"), 1, "canary"), "sealed").unwrap();
    home.lock_keychain(true);
    assert!(matches!(set(&home.stores()), Err(StoreError::Locked(_))));
    home.lock_keychain(false);
    assert!(home.stores().gate().unwrap().is_none());
    assert!(home.stores().get(&session("ann")).unwrap().is_some());
    set(&home.stores()).unwrap();
    let stores = home.stores();
    let opened = open(&stores);
    home.lock_keychain(true);
    let cleared = stores.clear_gate(opened, false, false);
    assert!(
        matches!(cleared, Err(StoreError::Locked(_))),
        "it never falls back to plain files"
    );
    drop(stores);
    assert_eq!(home.stores().gate().unwrap().unwrap().stage, Stage::Sealing);
    home.lock_keychain(false);
    let stores = home.stores();
    stores.finish_gate(open(&stores), false).unwrap();
    assert_eq!(home.stores().gate().unwrap().unwrap().stage, Stage::Set);
    assert!(home.keychain().is_empty());
}

#[test]
fn nothing_new_is_sealed_by_another_key_or_left_in_clear_behind_a_gate() {
    let home = Home::new();
    set(&home.stores()).unwrap();
    for store in ["file", "sealed"] {
        let refused = put(&home.stores(), &record(session("ann"), 1, "canary"), store);
        assert!(matches!(refused, Err(StoreError::Gated(_))), "{refused:?}");
        assert!(matches!(
            home.stores().choose(Some(store), true),
            Err(StoreError::Gated(_))
        ));
    }
    let stores = home.stores();
    let key = session("ann");
    let held = lock(&stores, &key);
    assert!(
        matches!(stores.reserve(&held, &key), Err(StoreError::Gated(_))),
        "before a token is spent"
    );
    drop(open(&stores));
    stores
        .put(&held, &record(key.clone(), 1, "canary"), "file", None)
        .unwrap();
    assert_eq!(stores.get(&key).unwrap().unwrap().store, "sealed");
    assert!(home.keychain().is_empty());
}

#[test]
fn wrong_passphrases_wait_longer_and_longer_by_no_clock() {
    let home = Home::new();
    let (stores, waits) = waiting(&home.path);
    set(&stores).unwrap();
    for _ in 0..8 {
        let wrong = stores.open_gate(&Secret::new("canary donkey".into()), &|_| ());
        assert!(matches!(wrong, Err(StoreError::Denied(_))));
    }
    assert_eq!(*waits.borrow(), [1, 2, 4].map(Duration::from_secs));
    assert_eq!(stores.gate().unwrap().unwrap().failed, 8);
    // The right one waits too, whatever any clock says, and is the end of it.
    drop(open(&stores));
    assert_eq!(waits.borrow().last(), Some(&Duration::from_secs(8)));
    assert_eq!(stores.gate().unwrap().unwrap().failed, 0);
}

#[test]
fn wrong_passphrases_at_the_same_time_are_counted_one_by_one() {
    let home = Home::new();
    set(&home.stores()).unwrap();
    let wrong = || {
        let stores = home.stores();
        let tried = stores.open_gate(&Secret::new("canary donkey".into()), &|_| ());
        assert!(matches!(tried, Err(StoreError::Denied(_))));
    };
    std::thread::scope(|scope| (0..5).for_each(|_| drop(scope.spawn(wrong))));
    assert_eq!(home.stores().gate().unwrap().unwrap().failed, 5);
}

#[test]
fn a_counter_that_was_tampered_with_counts_as_many() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let (stores, waits) = waiting(&home.path);
    set(&stores).unwrap();
    let place = home.data().join("gate-tries.json");
    std::fs::write(&place, "{}").unwrap();
    std::fs::set_permissions(&place, PermissionsExt::from_mode(0o600)).unwrap();
    drop(open(&stores));
    assert_eq!(*waits.borrow(), [Duration::from_secs(300)]);
}

#[test]
fn records_that_come_while_the_gate_is_set_are_behind_it_too() {
    let home = Home::new();
    let written = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (home, written) = (&home, &written);
            scope.spawn(move || {
                for number in 0..200 {
                    let name = format!("user-{thread}-{number}");
                    match put(&home.stores(), &record(origin(&name), 1, "canary"), "file") {
                        Ok(()) => written.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
                        Err(StoreError::Gated(_)) => break,
                        Err(error) => panic!("{error}"),
                    };
                }
            });
        }
        while written.load(std::sync::atomic::Ordering::Relaxed) < 20 {
            std::thread::yield_now();
        }
        set(&home.stores()).unwrap();
    });
    let stores = home.stores();
    let opened = open(&stores);
    let all = stores.list().unwrap();
    assert_eq!(all.len(), written.into_inner());
    assert!(
        all.iter()
            .all(|stored| stored.as_ref().is_ok_and(|stored| stored.store == "sealed"))
    );
    drop(opened);
}

#[test]
fn what_a_killed_writer_left_in_clear_does_not_stay_and_what_is_damaged_is_named() {
    let home = Home::new();
    put(&home.stores(), &record(session("ann"), 1, "canary-1"), "file").unwrap();
    put(&home.stores(), &record(origin("bob"), 1, "canary-2"), "file").unwrap();
    let stores = home.stores();
    let (whole, other) = (stores.place(&session("ann")), stores.place(&origin("bob")));
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    // Of a record that is there, of one that never was, and one that was set aside.
    let temporary = |of: &str| whole.with_file_name(format!(".{of}.0123456789abcdef.tmp"));
    std::fs::copy(&whole, temporary(&name(&whole))).unwrap();
    std::fs::copy(&whole, temporary(&name(&other))).unwrap();
    let aside = other.with_file_name(format!("{}.corrupt-7", name(&other)));
    std::fs::copy(&other, &aside).unwrap();
    let converted = set(&stores).unwrap();
    assert_eq!(converted.moved, 2);
    assert_eq!(converted.unread.len(), 1, "{:?}", converted.unread);
    assert!(converted.unread[0].to_string().contains(aside.to_str().unwrap()));
    let clear: Vec<_> = home
        .files()
        .into_iter()
        .filter(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).contains("canary"))
        .collect();
    assert_eq!(clear, [aside]);
}

#[test]
fn a_second_gate_is_not_set_over_the_first() {
    let home = Home::new();
    set(&home.stores()).unwrap();
    assert!(matches!(set(&home.stores()), Err(StoreError::Changed(_))));
    let short = Home::new()
        .stores()
        .set_gate(&Secret::new("canary".into()), WORK, false, &|_| ());
    assert!(short.is_err());
}
