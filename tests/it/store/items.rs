//! What only the store of a keychain's own items does: fixed names, a token alone, the four ways not to answer.

use keyfob::record::{Group, Intent, Key, Learnt, Record};
use keyfob::secret::Secret;
use keyfob::store::{Address, StoreError, Stores};
use keyfob::time::Timestamp;

use super::{Home, lock, record, session};

fn place(bare: bool) -> Address {
    Address {
        service: Some("vault-marketplace".into()),
        item: Some("ann".into()),
        bare,
        ..Address::default()
    }
}

/// A session of ann's with both tokens.
fn tokens(generation: u64) -> Record {
    let mut record = record(session("ann"), generation, &format!("canary-access-{generation}"));
    record.refresh = Some(Secret::new(format!("canary-refresh-{generation}")));
    record.expires_at = Some(Timestamp::from_unix(5_000));
    record
}

fn put_at(stores: &Stores, record: &Record, place: &Address) -> Result<Option<StoreError>, StoreError> {
    stores.put_at(&lock(stores, &record.key), record, "keychain", place)
}

fn put(stores: &Stores, record: &Record) {
    super::put(stores, record, "keychain").unwrap();
}

fn read(stores: &Stores) -> Record {
    stores.get(&session("ann")).unwrap().unwrap().record
}

/// The names and texts of all items.
fn items(home: &Home) -> Vec<(String, String)> {
    let items = home.source.items.lock().unwrap();
    let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).unwrap();
    items
        .iter()
        .map(|((service, item), bytes)| (format!("{service}/{item}"), text(bytes)))
        .collect()
}

#[test]
fn the_token_alone_lies_under_the_fixed_names_and_other_secrets_beside_it() {
    let home = Home::new();
    let stores = home.stores();
    put_at(&stores, &tokens(1), &place(true)).unwrap();
    let found = items(&home);
    assert_eq!(found[0], ("vault-marketplace/ann".into(), "canary-refresh-1".into()));
    assert_eq!(found[1].0, "vault-marketplace/ann (keyfob)");
    assert!(found[1].1.contains("canary-access-1") && !found[1].1.contains("canary-refresh"));
    assert_eq!(read(&stores), tokens(1));
    let slot = std::fs::read_to_string(stores.place(&session("ann"))).unwrap();
    assert!(!slot.contains("canary") && slot.contains("vault-marketplace"), "{slot}");
    assert_eq!(
        stores.whereabouts(&session("ann")),
        "the item `ann` of the service `vault-marketplace` in the keychain"
    );
    // A later change goes to the same place, whoever makes it.
    put(&stores, &tokens(2));
    assert_eq!(items(&home)[0].1, "canary-refresh-2");
    assert_eq!(read(&stores), tokens(2));
}

#[test]
fn with_the_refresh_token_kept_alone_there_is_one_item() {
    let home = Home::new();
    let stores = home.stores();
    let place = Address {
        refresh_only: true,
        ..place(true)
    };
    put_at(&stores, &tokens(1), &place).unwrap();
    assert_eq!(
        items(&home),
        [("vault-marketplace/ann".into(), "canary-refresh-1".into())]
    );
    let kept = read(&stores);
    assert_eq!((kept.secret, kept.expires_at), (None, None));
    assert_eq!(kept.refresh, tokens(1).refresh);
    put(&stores, &tokens(2));
    assert_eq!(
        items(&home),
        [("vault-marketplace/ann".into(), "canary-refresh-2".into())]
    );
    // What the login learnt may have secrets of its own.
    let mut more = tokens(3);
    more.learnt = Some(Learnt {
        client_secret: Some(Secret::new("canary-client".into())),
        ..Learnt::default()
    });
    put(&stores, &more);
    assert_eq!(items(&home).len(), 2);
    assert_eq!(read(&stores).learnt, more.learnt);
    put(&stores, &tokens(4));
    assert_eq!(items(&home).len(), 1);
    let lock = lock(&stores, &session("ann"));
    assert!(stores.delete(&lock, &session("ann")).unwrap());
    assert!(items(&home).is_empty() && home.files().is_empty());
}

#[test]
fn a_session_without_a_refresh_token_has_its_key_in_the_item() {
    let home = Home::new();
    let stores = home.stores();
    let key = record(session("ann"), 1, "canary-key");
    put_at(&stores, &key, &place(true)).unwrap();
    assert_eq!(items(&home), [("vault-marketplace/ann".into(), "canary-key".into())]);
    assert_eq!(read(&stores), key);
}

#[test]
fn a_listing_asks_no_keychain() {
    let home = Home::new();
    for bare in [false, true] {
        let stores = home.stores();
        put_at(&stores, &tokens(1 + u64::from(bare)), &place(bare)).unwrap();
        home.lock_keychain(true);
        assert!(matches!(stores.get(&session("ann")), Err(StoreError::Locked(_))));
        let listed = stores.list().unwrap().remove(0).unwrap();
        assert_eq!(listed.store, "keychain");
        assert_eq!(listed.record.key, session("ann"));
        assert_eq!(listed.record.expires_at, tokens(1).expires_at);
        assert!(listed.record.secret.unwrap().is_empty() && listed.record.refresh.unwrap().is_empty());
        *home.source.trouble.lock().unwrap() = None;
    }
}

#[test]
fn locked_denied_and_unavailable_change_nothing_and_absent_is_a_session_that_ended() {
    for bare in [false, true] {
        let home = Home::new();
        let stores = home.stores();
        put_at(&stores, &tokens(1), &place(bare)).unwrap();
        let before = (items(&home), std::fs::read(stores.place(&session("ann"))).unwrap());
        for trouble in [
            StoreError::Locked("locked".into()),
            StoreError::Denied("denied".into()),
            StoreError::Unavailable("away".into()),
        ] {
            *home.source.trouble.lock().unwrap() = Some(trouble.clone());
            let same = |error: StoreError| std::mem::discriminant(&error) == std::mem::discriminant(&trouble);
            let key = session("ann");
            assert!(same(stores.get(&key).unwrap_err()));
            assert!(same(super::put(&stores, &tokens(2), "keychain").unwrap_err()));
            let held = lock(&stores, &key);
            assert!(same(stores.reserve(&held, &key).unwrap_err()));
            assert!(
                same(stores.delete(&held, &key).unwrap_err()),
                "the item would be found by nobody"
            );
            *home.source.trouble.lock().unwrap() = None;
            assert_eq!((items(&home), std::fs::read(stores.place(&key)).unwrap()), before);
        }
        home.source.items.lock().unwrap().clear();
        let ended = read(&stores);
        assert_eq!(ended.dead.unwrap().reason, "removed");
        assert_eq!((ended.secret, ended.refresh), (None, None));
        put_at(&stores, &tokens(2), &place(bare)).unwrap();
        assert_eq!(read(&stores), tokens(2));
    }
}

#[test]
fn only_a_keychain_that_is_away_is_replaced_by_a_file() {
    let home = Home::new();
    for (trouble, store) in [
        (StoreError::Locked("locked".into()), None),
        (StoreError::Denied("denied".into()), None),
        (StoreError::Unavailable("away".into()), Some("file")),
    ] {
        *home.source.trouble.lock().unwrap() = Some(trouble);
        let chosen = home.stores().choose(Some("keychain"), false);
        assert_eq!(chosen.as_ref().ok().map(|chosen| chosen.store), store);
        assert!(chosen.is_err() || chosen.unwrap().fallback_reason.is_some());
    }
}

#[test]
fn an_item_that_is_newer_than_its_slot_is_the_record_and_one_that_was_replaced_is_not() {
    for bare in [false, true] {
        let home = Home::new();
        let stores = home.stores();
        let mut begun = tokens(1);
        put_at(&stores, &begun, &place(bare)).unwrap();
        begun.generation = 2;
        begun.intent = Some(Intent {
            refresh_mark: "mark".into(),
            at: Timestamp::from_unix(1),
        });
        put(&stores, &begun);
        let slot = std::fs::read(stores.place(&session("ann"))).unwrap();
        put(&stores, &tokens(3));
        // Cut off between the item and the slot.
        std::fs::write(stores.place(&session("ann")), &slot).unwrap();
        let found = read(&home.stores());
        assert_eq!(found.refresh, tokens(3).refresh);
        assert_ne!(found.secret, begun.secret, "the old access token is not believed");

        put(&stores, &tokens(4));
        let older = items(&home)[0].1.clone();
        put(&stores, &tokens(5));
        let name = ("vault-marketplace".to_owned(), "ann".to_owned());
        home.source.items.lock().unwrap().insert(name, older.into_bytes());
        match stores.get(&session("ann")) {
            Ok(Some(stored)) => assert!(bare && stored.record.dead.is_some()),
            other => assert!(!bare && matches!(&other, Err(StoreError::Damaged(_))), "{other:?}"),
        }
    }
}

#[test]
fn what_another_program_keeps_under_the_name_is_neither_replaced_nor_removed() {
    let home = Home::new();
    let stores = home.stores();
    let name = ("vault-marketplace".to_owned(), "ann".to_owned());
    home.source
        .items
        .lock()
        .unwrap()
        .insert(name.clone(), b"canary-foreign".to_vec());
    assert!(matches!(
        put_at(&stores, &tokens(1), &place(false)),
        Err(StoreError::Denied(_))
    ));
    assert!(home.files().is_empty(), "no trace of a record that was not kept");
    home.source.items.lock().unwrap().clear();
    put_at(&stores, &tokens(1), &place(false)).unwrap();
    home.source
        .items
        .lock()
        .unwrap()
        .insert(name, b"canary-foreign".to_vec());
    let held = lock(&stores, &session("ann"));
    assert!(stores.delete(&held, &session("ann")).is_err());
    assert_eq!(items(&home)[0].1, "canary-foreign");
}

#[test]
fn a_record_that_moves_leaves_nothing_behind() {
    let home = Home::new();
    let stores = home.stores();
    let mut generation = 0;
    let mut moved = |store: &str, place: &Address| {
        generation += 1;
        let record = tokens(generation);
        let left = stores
            .put_at(&lock(&stores, &record.key), &record, store, place)
            .unwrap();
        assert_eq!(left, None);
        assert_eq!(read(&stores), record);
        items(&home).into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    let other = Address {
        item: Some("other".into()),
        ..place(false)
    };
    let file = Address {
        file: Some(home.path.join("fixed/session.json")),
        ..Address::default()
    };
    assert_eq!(moved("keychain", &place(false)), ["vault-marketplace/ann"]);
    assert_eq!(moved("keychain", &other), ["vault-marketplace/other"]);
    assert_eq!(moved("keychain", &place(true)).len(), 2);
    assert_eq!(moved("keychain", &place(false)), ["vault-marketplace/ann"]);
    assert!(moved("file", &file).is_empty());
    assert!(moved("sealed", &Address::default()).is_empty());
    assert!(!home.path.join("fixed/session.json").exists());
    assert_eq!(moved("keychain", &Address::default()), ["keyfob/session acme/dev ann"]);
}

#[test]
fn two_providers_that_name_one_item_never_destroy_each_others_token() {
    let home = Home::new();
    let stores = home.stores();
    put_at(&stores, &tokens(1), &place(true)).unwrap();
    let other = Key {
        group: Group::Session {
            provider: "other".into(),
            mode: String::new(),
        },
        ..session("ann")
    };
    // Before anybody is asked it can be said whose it is.
    let sharer = stores.sharer(&other, "keychain", &place(true)).unwrap();
    assert_eq!(sharer, Some(session("ann")));
    let record = record(other.clone(), 1, "canary-other");
    let refused = put_at(&stores, &record, &place(true));
    assert!(matches!(&refused, Err(StoreError::Denied(text)) if text.contains("vault-marketplace")));
    assert_eq!(read(&stores), tokens(1));
    assert_eq!(
        stores.get(&other).unwrap(),
        None,
        "no trace of a record that was not kept"
    );

    // What took the place of our token is not ours to write over or remove; our record goes all the same.
    let name = ("vault-marketplace".to_owned(), "ann".to_owned());
    let mut keychain = home.source.items.lock().unwrap();
    keychain.insert(name, b"canary-foreign".to_vec());
    drop(keychain);
    assert!(matches!(
        stores.sharer(&session("ann"), "keychain", &place(true)),
        Err(StoreError::Denied(_))
    ));
    assert!(matches!(
        put_at(&stores, &tokens(2), &place(true)),
        Err(StoreError::Denied(_))
    ));
    assert!(stores.delete(&lock(&stores, &session("ann")), &session("ann")).unwrap());
    assert_eq!(
        items(&home),
        [("vault-marketplace/ann".into(), "canary-foreign".into())]
    );
}

#[test]
fn a_token_alone_that_was_cut_off_before_its_slot_is_known_and_written_over() {
    let home = Home::new();
    let stores = home.stores();
    let slot = stores.place(&session("ann"));
    let login = |generation: u64, family: &str| {
        let mut record = tokens(generation);
        record.family = family.into();
        record
    };
    for earlier in [None, Some(login(1, "earlier"))] {
        if let Some(earlier) = &earlier {
            put_at(&stores, earlier, &place(true)).unwrap();
        }
        let mut next = login(1, "next");
        next.refresh = Some(Secret::new("canary-next".into()));
        *home.source.cut.lock().unwrap() = true;
        let cut_off = std::panic::AssertUnwindSafe(|| put_at(&stores, &next, &place(true)));
        assert!(std::panic::catch_unwind(cut_off).is_err());
        assert_eq!(items(&home)[0].1, "canary-next", "the item was written");
        assert!(slot.exists(), "and its slot says where it is");
        let mut last = login(1, "last");
        last.refresh = Some(Secret::new("canary-last".into()));
        put_at(&stores, &last, &place(true)).unwrap();
        assert_eq!(read(&stores).refresh, last.refresh);
        assert!(stores.delete(&lock(&stores, &session("ann")), &session("ann")).unwrap());
        assert!(items(&home).is_empty());
    }
}

#[test]
fn an_account_at_the_place_of_another_is_found() {
    let home = Home::new();
    let stores = home.stores();
    put_at(&stores, &tokens(1), &place(true)).unwrap();
    let bob: Key = session("bob");
    assert_eq!(
        stores.sharer(&bob, "keychain", &place(true)).unwrap(),
        Some(session("ann"))
    );
    assert_eq!(stores.sharer(&session("ann"), "keychain", &place(true)).unwrap(), None);
    assert_eq!(stores.sharer(&bob, "keychain", &Address::default()).unwrap(), None);
}

#[test]
fn several_records_in_items_are_changed_all_or_none_also_where_they_are_split() {
    for limit in [None, Some(60)] {
        let home = Home::new();
        *home.source.limit.lock().unwrap() = limit;
        let stores = home.stores();
        let named = |account: &str, generation: u64, bare: bool| {
            let mut record = record(
                session(account),
                1,
                &format!("canary-{account}-{generation}-{}", "x".repeat(200)),
            );
            record.family = format!("family-{generation}");
            let item = Some(account.to_owned());
            (record, "keychain", Some(Address { item, ..place(bare) }))
        };
        let keys = ["ann", "bob", "carol"].map(session);
        let put_all = |records: &[(Record, &'static str, Option<Address>)]| {
            let wait = |pause| std::thread::sleep(pause);
            let locks = stores
                .lock_all(&keys, std::time::Duration::from_secs(60), &wait)
                .unwrap();
            stores.put_all(&locks.expect("nobody holds it for so long"), records)
        };
        let first = [named("ann", 1, false), named("bob", 1, true)];
        assert_eq!(put_all(&first).unwrap(), []);
        let before = items(&home);
        assert!(limit.is_none() || before.len() > 6, "they are split");

        let foreign = ("vault-marketplace".to_owned(), "carol".to_owned());
        let mut keychain = home.source.items.lock().unwrap();
        keychain.insert(foreign.clone(), b"canary-foreign".to_vec());
        drop(keychain);
        let second = [named("ann", 2, false), named("bob", 2, true), named("carol", 2, false)];
        assert!(matches!(put_all(&second), Err(StoreError::Denied(_))));
        for (old, ..) in &first {
            assert_eq!(stores.get(&old.key).unwrap().unwrap().record, *old);
        }
        assert_eq!(stores.get(&session("carol")).unwrap(), None);

        home.source.items.lock().unwrap().remove(&foreign);
        assert_eq!(put_all(&second).unwrap(), []);
        for (new, ..) in &second {
            assert_eq!(stores.get(&new.key).unwrap().unwrap().record, *new);
            assert!(stores.delete(&lock(&stores, &new.key), &new.key).unwrap());
        }
        assert!(items(&home).is_empty(), "no part is left");
    }
}
