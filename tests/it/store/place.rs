//! What becomes of places that two homes, or two accounts, have in common, when a change is refused or cut off there.

use std::cell::Cell;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use keyfob::record::{Intent, Key, Record};
use keyfob::secret::Secret;
use keyfob::store::{Address, Seat, StoreError, Stores};
use keyfob::time::Timestamp;

use super::{Home, lock, nap, put, record, session};

const FOREIGN: &str = "canary-of-another-program";

fn at(path: &Path) -> Address {
    Address {
        file: Some(path.to_owned()),
        ..Address::default()
    }
}

fn item(name: &str, bare: bool) -> Address {
    Address {
        service: Some("vault-marketplace".into()),
        item: Some(name.into()),
        bare,
        ..Address::default()
    }
}

/// A path for a session, in a directory that is there.
fn path(home: &Home, name: &str) -> PathBuf {
    let directory = home.path.join("fixed");
    let _ = fs::create_dir(&directory);
    fs::set_permissions(&directory, Permissions::from_mode(0o700)).unwrap();
    directory.join(name)
}

fn foreign(path: &Path) {
    fs::write(path, FOREIGN).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

fn named(account: &str, family: &str) -> Record {
    let mut record = record(session(account), 1, &format!("canary-{account}-{family}"));
    record.family = family.into();
    record
}

fn put_at(stores: &Stores, record: &Record, store: &str, place: &Address) -> Result<Option<StoreError>, StoreError> {
    stores.put_at(&lock(stores, &record.key), record, store, place)
}

type Rows = [(Record, &'static str, Option<Address>)];

fn put_all(stores: &Stores, rows: &Rows) -> Result<Vec<StoreError>, StoreError> {
    let keys: Vec<&Key> = rows.iter().map(|(record, ..)| &record.key).collect();
    let locks = stores.lock_all(keys, Duration::from_secs(60), &nap).unwrap();
    stores.put_all(&locks.expect("nobody holds it for so long"), rows)
}

fn has_slot(stores: &Stores, account: &str) -> bool {
    stores.place(&session(account)).exists()
}

/// The stores of a home whose waits are twenty times as fast, and which does this at each. They are no shorter, because
/// another test's child has our locks between fork and exec.
fn waiting(home: &Home, each: Rc<dyn Fn(Duration)>) -> Stores {
    let wait = Rc::new(move |span| {
        each(span);
        std::thread::sleep(span / 20);
    });
    Stores::with(Seat {
        data: home.data(),
        runtime: None,
        source: Rc::new(home.source()),
        items: Rc::new(home.source()),
        wait,
        now: Rc::new(|| Timestamp::from_unix(1_000)),
        person: false,
        test: true,
        handed: None,
        fail_at: None,
    })
}

#[test]
fn records_that_are_refused_together_leave_the_session_of_another_home_where_it_is() {
    let (home, other) = (Home::new(), Home::new());
    let (shared, refused) = (path(&home, "ann"), path(&home, "bob"));
    put_at(&other.stores(), &named("ann", "theirs"), "file", &at(&shared)).unwrap();
    foreign(&refused);
    let before = fs::read(&shared).unwrap();
    let rows = [
        (named("ann", "ours"), "file", Some(at(&shared))),
        (named("bob", "ours"), "file", Some(at(&refused))),
    ];
    let stores = home.stores();
    assert!(matches!(put_all(&stores, &rows), Err(StoreError::Denied(_))));
    assert_eq!(fs::read(&shared).unwrap(), before);
    assert_eq!(fs::read_to_string(&refused).unwrap(), FOREIGN);
    assert!(!has_slot(&stores, "ann") && !has_slot(&stores, "bob"));
    let theirs = other.stores().get(&session("ann")).unwrap().unwrap();
    assert_eq!(theirs.record, named("ann", "theirs"));
}

#[test]
fn a_record_that_is_refused_leaves_the_session_of_another_home_where_it_is() {
    // Where there was no slot, and where the record lay elsewhere before.
    for moves in [false, true] {
        let (home, other) = (Home::new(), Home::new());
        let shared = path(&home, "ann");
        put_at(&other.stores(), &named("ann", "theirs"), "file", &at(&shared)).unwrap();
        let before = fs::read(&shared).unwrap();
        let stores = home.stores();
        if moves {
            put(&stores, &named("ann", "ours"), "file").unwrap();
        }
        let slot = fs::read(stores.place(&session("ann"))).ok();
        let mut next = named("ann", "ours");
        next.generation = 2;
        let refused = put_at(&stores, &next, "file", &at(&shared));
        assert!(matches!(refused, Err(StoreError::Changed(_))), "{refused:?}");
        assert_eq!(fs::read(&shared).unwrap(), before);
        assert_eq!(fs::read(stores.place(&session("ann"))).ok(), slot, "as it was");
    }
}

#[test]
fn a_place_that_was_noted_and_is_somebody_elses_by_now_keeps_nobody_from_logging_out() {
    for is_account in [true, false] {
        let home = Home::new();
        let stores = home.stores();
        put(&stores, &named("ann", "first"), "file").unwrap();
        *home.source.cut.lock().unwrap() = true;
        let place = item("shared", false);
        let cut_off = || put_at(&stores, &named("ann", "next"), "keychain", &place);
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(cut_off)).is_err());
        let sharer = stores.sharer(&session("bob"), "keychain", &place).unwrap();
        assert_eq!(sharer, Some(session("ann")), "the place is noted");
        home.source.items.lock().unwrap().clear();
        if is_account {
            put_at(&stores, &named("bob", "first"), "keychain", &place).unwrap();
        } else {
            let name = ("vault-marketplace".to_owned(), "shared".to_owned());
            home.source.items.lock().unwrap().insert(name, FOREIGN.into());
        }
        let before = home.source.items.lock().unwrap().clone();
        assert!(stores.delete(&lock(&stores, &session("ann")), &session("ann")).unwrap());
        assert_eq!(*home.source.items.lock().unwrap(), before);
    }
}

#[test]
fn an_account_whose_place_another_one_took_has_ended_and_can_be_forgotten() {
    let home = Home::new();
    let shared = path(&home, "session");
    for (store, place) in [("file", at(&shared)), ("keychain", item("shared", false))] {
        let stores = home.stores();
        put_at(&stores, &named("ann", "first"), store, &place).unwrap();
        let _ = fs::remove_file(&shared);
        home.source.items.lock().unwrap().clear();
        put_at(&stores, &named("bob", "first"), store, &place).unwrap();
        let ended = stores.get(&session("ann")).unwrap().unwrap().record;
        assert_eq!(ended.dead.unwrap().reason, "removed");
        assert_eq!((ended.secret, ended.refresh), (None, None));
        assert!(stores.delete(&lock(&stores, &session("ann")), &session("ann")).unwrap());
        let bob = stores.get(&session("bob")).unwrap().unwrap().record;
        assert_eq!(bob, named("bob", "first"), "{store}");
        assert!(stores.delete(&lock(&stores, &session("bob")), &session("bob")).unwrap());
    }
}

#[test]
fn a_file_of_somebody_else_is_not_even_replaced_by_itself() {
    let home = Home::new();
    let (theirs, stores) = (path(&home, "theirs"), home.stores());
    put(&stores, &named("ann", "first"), "file").unwrap();
    foreign(&theirs);
    let before = fs::metadata(&theirs).unwrap().ino();
    let slot = fs::read(stores.place(&session("ann"))).unwrap();
    let rows = [(named("ann", "next"), "file", Some(at(&theirs)))];
    assert!(matches!(put_all(&stores, &rows), Err(StoreError::Denied(_))));
    assert_eq!(fs::metadata(&theirs).unwrap().ino(), before);
    assert_eq!(fs::read(stores.place(&session("ann"))).unwrap(), slot);
}

#[test]
fn what_is_known_of_one_item_is_not_believed_of_another() {
    let home = Home::new();
    let stores = home.stores();
    let token = |generation: u64, family: &str| {
        let mut record = named("ann", family);
        record.generation = generation;
        record.refresh = Some(Secret::new(format!("canary-refresh-{family}-{generation}")));
        record
    };
    put_at(&stores, &token(1, "first"), "keychain", &item("ann", true)).unwrap();
    let mut begun = token(2, "first");
    begun.intent = Some(Intent {
        refresh_mark: "mark".into(),
        at: Timestamp::from_unix(1),
    });
    put(&stores, &begun, "keychain").unwrap();
    let other = ("vault-marketplace".to_owned(), "other".to_owned());
    home.source.items.lock().unwrap().insert(other.clone(), FOREIGN.into());
    let refused = put_at(&stores, &token(1, "next"), "keychain", &item("other", true));
    assert!(matches!(refused, Err(StoreError::Denied(_))), "{refused:?}");
    assert_eq!(home.source.items.lock().unwrap()[&other], FOREIGN.as_bytes());

    // Where nobody is in the way nothing stays behind.
    home.source.items.lock().unwrap().remove(&other);
    put_at(&stores, &token(1, "next"), "keychain", &item("other", true)).unwrap();
    assert!(stores.delete(&lock(&stores, &session("ann")), &session("ann")).unwrap());
    assert!(home.source.items.lock().unwrap().is_empty());
}

#[test]
fn a_gate_sweeps_no_place_that_another_home_is_changing() {
    let (home, other) = (Home::new(), Home::new());
    let shared = path(&home, "session");
    for (home, family) in [(&home, "ours"), (&other, "theirs")] {
        put_at(&home.stores(), &named("ann", family), "file", &at(&shared)).unwrap();
    }
    let stores = other.stores();
    let _held = lock(&stores, &session("ann"));
    let theirs = shared.with_file_name(".session.0123456789abcdef.tmp");
    foreign(&theirs);
    let slot = home.stores().place(&session("ann"));
    let name = format!(".{}.0123456789abcdef.tmp", session("ann").digest());
    foreign(&slot.with_file_name(name));
    let stores = waiting(&home, Rc::new(|_| ()));
    let set = stores.set_gate(&Secret::new("canary-passphrase".into()), 12, false, &|_| ());
    assert!(matches!(set, Err(StoreError::Unavailable(_))), "{set:?}");
    assert!(theirs.exists(), "they are about to rename it");
}

#[test]
fn a_place_is_waited_for_while_a_gate_can_be_set_and_in_the_order_of_names() {
    let (home, other) = (Home::new(), Home::new());
    let (first, last) = (path(&home, "a"), path(&home, "z"));
    let stores = other.stores();
    let mut held = Vec::new();
    for (account, path) in [("ann", &last), ("bob", &first)] {
        put_at(&stores, &named(account, "first"), "file", &at(path)).unwrap();
        held.push(lock(&stores, &session(account)));
    }
    let kept = Rc::new(Cell::new(0));
    let (switch, seen) = (home.data().join("locks/gate-switch.lock"), Rc::clone(&kept));
    let see = move |_: Duration| {
        let is_held = File::open(&switch).is_ok_and(|file| file.try_lock().is_err());
        seen.set(seen.get() + usize::from(is_held));
    };
    let stores = waiting(&home, Rc::new(see));
    let refused = put_at(&stores, &named("ann", "first"), "file", &at(&last));
    assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
    let rows = [
        (named("ann", "first"), "file", Some(at(&last))),
        (named("bob", "first"), "file", Some(at(&first))),
    ];
    let refused = put_all(&stores, &rows).unwrap_err().to_string();
    assert!(refused.contains("fixed/a`"), "{refused}");
    assert_eq!(kept.get(), 0, "the lock of the gate's switch was kept from others");
}

#[test]
fn a_lock_beside_a_place_that_a_umask_left_without_rights_is_taken_over() {
    let home = Home::new();
    let (shared, stores) = (path(&home, "session"), home.stores());
    put_at(&stores, &named("ann", "first"), "file", &at(&shared)).unwrap();
    let left = shared.with_file_name(".session.keyfob-lock");
    fs::write(&left, "").unwrap();
    fs::set_permissions(&left, Permissions::from_mode(0o000)).unwrap();
    let held = stores.lock(&session("ann"), Duration::ZERO, &|_| ()).unwrap();
    assert!(held.is_some());
    assert_eq!(fs::metadata(&left).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn a_lock_beside_a_place_has_its_rights_also_under_a_umask_that_denies_all() {
    let home = Home::new();
    let (shared, stores) = (path(&home, "session"), home.stores());
    put_at(&stores, &named("ann", "first"), "file", &at(&shared)).unwrap();
    let left = shared.with_file_name(".session.keyfob-lock");
    let mut holder = super::hostile::spawn(&home, "777", "hold-session ann");
    let mode = || fs::metadata(&left).map(|file| file.mode() & 0o777);
    let mut naps = 0;
    while !mode().is_ok_and(|mode| mode == 0o600) {
        naps += 1;
        assert!(naps < 600, "it has the mode {:?}", mode().ok());
        nap(Duration::from_millis(100));
    }
    holder.kill().unwrap();
    holder.wait().unwrap();
    drop(lock(&stores, &session("ann")));
    assert!(!left.exists());
}

#[test]
fn behind_a_gate_a_record_that_cannot_be_written_is_rescued_sealed() {
    let home = Home::new();
    put(&home.stores(), &named("ann", "first"), "file").unwrap();
    let stores = home.stores();
    let passphrase = Secret::new("canary-passphrase".into());
    stores.set_gate(&passphrase, 12, false, &|_| ()).unwrap();
    let _opened = stores.open_gate(&passphrase, &|_| ()).unwrap().unwrap();
    let runtime = home.path.join("runtime");
    let _ = fs::create_dir(&runtime);
    fs::set_permissions(&runtime, Permissions::from_mode(0o700)).unwrap();
    let key = session("ann");
    let held = lock(&stores, &key);
    let mut next = stores.get_locked(&held, &key).unwrap().unwrap().record;
    next.generation += 1;
    next.secret = Some(Secret::new("canary-renewed".into()));
    let folder = stores.place(&key).parent().unwrap().to_owned();
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
    // It was a plain file when the renewal began.
    assert!(stores.rescue(&held, &next, "file").unwrap().contains("XDG_RUNTIME_DIR"));
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    let copies: Vec<_> = fs::read_dir(runtime.join("keyfob")).unwrap().collect();
    assert_eq!(copies.len(), 1);
    let copy = String::from_utf8(fs::read(copies[0].as_ref().unwrap().path()).unwrap()).unwrap();
    assert!(!copy.contains("canary"), "{}", copy.replace("canary", "…"));
    assert_eq!(stores.rescued(&held, &key).unwrap().record, next);
}
