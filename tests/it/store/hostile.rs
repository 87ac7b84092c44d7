//! What only files suffer: umasks, modes, owners, links, pipes, leftovers, full disks, other processes.

use crate::part::is_root;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keyfob::store::{StoreError, Stores};
use keyfob::world::World;

use super::{Home, lock, nap, origin, put, record, session};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The test that is another process where a variable gives it a task.
const OTHER: &str = "store::hostile::processes_that_write_and_delete_at_once_tear_nothing";

/// This very test binary as another process, which does what [`work`] says.
pub(super) fn spawn(home: &Home, umask: &str, task: &str) -> Child {
    let script = format!("umask {umask}; exec \"$0\" --exact {OTHER} --nocapture");
    Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env("KEYFOB_HOME", &home.path)
        .env("KEYFOB_KEYCHAIN", "off")
        .env("KEYFOB_TEST_TASK", task)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// What another process does with an account at an origin and in a session: put, delete, or hold the lock (of the session
/// alone, too).
fn work(world: &World, task: &str) {
    let stores = Stores::open(world).unwrap();
    let (verb, account) = task.split_once(' ').unwrap();
    if verb == "hold-session" {
        let _lock = lock(&stores, &session(account));
        return nap(Duration::from_secs(60));
    }
    for key in [origin(account), session(account)] {
        let lock = lock(&stores, &key);
        let next = stores
            .get(&key)
            .unwrap()
            .map_or(1, |stored| stored.record.generation + 1);
        let reserved = stores.reserve(&lock, &key).unwrap();
        match verb {
            "put" => stores
                .put(&lock, &record(key, next, "canary"), "file", Some(reserved))
                .unwrap(),
            "delete" => drop(stores.delete(&lock, &key).unwrap()),
            _ => nap(Duration::from_secs(60)),
        }
    }
}

fn run(home: &Home, umask: &str, task: &str) {
    assert!(spawn(home, umask, task).wait().unwrap().success(), "{task}");
}

#[test]
fn modes_do_not_depend_on_the_umask() {
    for umask in ["000", "022", "0777"] {
        let home = Home::new();
        run(&home, umask, "put ann");
        run(&home, umask, "put ann");
        let stores = home.stores();
        assert_eq!(stores.get(&session("ann")).unwrap().unwrap().record.generation, 2);
        let mut below = vec![home.data()];
        let mut seen = 0;
        while let Some(path) = below.pop() {
            seen += 1;
            if path.is_dir() {
                assert_eq!(mode(&path), 0o700, "{}", path.display());
                below.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
            }
        }
        assert_eq!(seen, 1 + 1 + 1 + 3 + (1 + 4 + 2), "data, .gitignore, locks and records");
        assert_eq!(fs::read(home.data().join(".gitignore")).unwrap(), b"*\n");
    }
}

#[test]
fn processes_that_write_and_delete_at_once_tear_nothing() {
    let world = World::process();
    if let Some(task) = world.var("KEYFOB_TEST_TASK").unwrap() {
        return work(&world, &task);
    }
    let home = Home::new();
    let tasks = (0..24).map(|i| match i % 4 {
        0 => "delete ann".to_string(),
        1 => "put ann".to_string(),
        _ => format!("put user-{i}"),
    });
    let children: Vec<Child> = tasks.map(|task| spawn(&home, "022", &task)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let stores = home.stores();
    for i in (0..24).filter(|i| i % 4 > 1) {
        assert!(stores.get(&origin(&format!("user-{i}"))).unwrap().is_some());
        assert!(stores.get(&session(&format!("user-{i}"))).unwrap().is_some());
    }
    assert!(stores.list().unwrap().iter().all(Result::is_ok));
    assert!(
        home.files().iter().all(|path| path.extension().is_none()),
        "no temporary is left"
    );
}

#[test]
fn the_lock_and_the_reserve_of_a_killed_holder_are_free_at_once() {
    let home = Home::new();
    put(&home.stores(), &record(origin("ann"), 1, "canary"), "file").unwrap();
    let mut child = spawn(&home, "022", "hold ann");
    while home.files().len() < 2 {
        nap(Duration::from_millis(5));
    }
    let stores = home.stores();
    let busy = stores.lock(&origin("ann"), Duration::ZERO, &nap).unwrap();
    assert!(
        busy.is_none() && stores.get(&origin("ann")).unwrap().is_some(),
        "reading needs no lock"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(stores.get(&origin("ann")).unwrap().is_some());
    assert_eq!(home.files().len(), 1, "the reserve is swept by the next reader");
    // Another test's thread may be about to start a program, and hold all our files for that moment.
    let lock = stores.lock(&origin("ann"), Duration::from_secs(1), &nap).unwrap();
    assert!(lock.is_some());
}

/// A program that is being started has all our files until it runs, also those that are closed meanwhile.
#[test]
fn a_lock_is_free_when_its_holder_leaves_it_whatever_is_started_meanwhile() {
    let home = Home::new();
    let stores = home.stores();
    let has_ended = AtomicBool::new(false);
    let start = || {
        while !has_ended.load(Ordering::Relaxed) {
            Command::new("true").status().unwrap();
        }
    };
    let taken = std::thread::scope(|scope| {
        scope.spawn(start);
        // No panic before the other thread is told: it would be waited for.
        let take = |_| stores.lock(&session("ann"), Duration::ZERO, &nap);
        let taken = (0..3_000).map(take).filter(|lock| matches!(lock, Ok(Some(_)))).count();
        has_ended.store(true, Ordering::Relaxed);
        taken
    });
    assert_eq!(taken, 3_000);
}

/// A home with one record, and its file.
fn one() -> (Home, Stores, PathBuf) {
    let home = Home::new();
    let stores = home.stores();
    put(&stores, &record(session("ann"), 1, "canary"), "file").unwrap();
    let place = stores.place(&session("ann"));
    (home, stores, place)
}

fn assert_refused(stores: &Stores, what: &str) {
    let read = stores.get(&session("ann"));
    assert!(matches!(&read, Err(StoreError::Denied(_))), "reading {what}: {read:?}");
    let key = session("ann");
    let wrote = stores
        .lock(&key, Duration::ZERO, &nap)
        .and_then(|lock| stores.put(&lock.unwrap(), &record(key, 2, "canary"), "file", None));
    assert!(
        matches!(&wrote, Err(StoreError::Denied(_))),
        "writing {what}: {wrote:?}"
    );
}

#[test]
fn a_file_that_others_can_read_is_tightened_and_one_they_can_write_refused() {
    let (_home, stores, place) = one();
    set_mode(&place, 0o644);
    assert!(stores.get(&session("ann")).unwrap().is_some());
    assert_eq!(mode(&place), 0o600);
    for bad in [0o666, 0o620] {
        set_mode(&place, bad);
        assert_refused(&stores, "a file of mode 0666");
    }
}

#[test]
fn a_directory_that_others_can_write_is_refused() {
    let (home, stores, place) = one();
    for path in [home.data(), place.parent().unwrap().to_owned()] {
        set_mode(&path, 0o777);
        assert_refused(&stores, "in a directory of mode 0777");
        set_mode(&path, 0o700);
    }
    set_mode(&home.data().join("records"), 0o777);
    assert!(put(&stores, &record(session("ann"), 2, "canary"), "file").is_err());
}

#[test]
fn what_belongs_to_another_user_is_refused() {
    if !is_root() {
        return; // Only root can give files away.
    }
    let (home, stores, place) = one();
    for path in [place.clone(), place.parent().unwrap().to_owned(), home.data()] {
        chown(&path, Some(12345), None).unwrap();
        assert_refused(&stores, "what is another user's");
        chown(&path, Some(0), None).unwrap();
    }
    let fresh = Home::new();
    chown(&fresh.path, Some(12345), None).unwrap();
    let refused = fresh.stores().lock(&session("ann"), Duration::ZERO, &nap);
    assert!(matches!(refused, Err(StoreError::Denied(_))), "{refused:?}");
    assert!(!fresh.data().exists());
}

#[test]
fn links_and_pipes_are_refused_and_nothing_hangs() {
    let (home, stores, place) = one();
    let aside = home.path.join("aside");
    fs::hard_link(&place, &aside).unwrap();
    assert_refused(&stores, "a hard link");
    fs::remove_file(&place).unwrap();
    symlink(&aside, &place).unwrap();
    assert_refused(&stores, "a symbolic link");
    fs::remove_file(&place).unwrap();
    assert!(Command::new("mkfifo").arg(&place).status().unwrap().success());
    set_mode(&place, 0o600);
    assert_refused(&stores, "a pipe");
}

#[test]
fn a_data_directory_may_be_a_link_to_one_of_ours() {
    let (home, stores, _) = one();
    fs::rename(home.data(), home.path.join("elsewhere")).unwrap();
    symlink("elsewhere", home.data()).unwrap();
    assert!(stores.get(&session("ann")).unwrap().is_some());
    put(&stores, &record(session("ann"), 2, "canary"), "file").unwrap();
}

/// The bytes of a slot of a later generation.
fn later(generation: u64, family: &str) -> Vec<u8> {
    let home = Home::new();
    let mut record = record(session("ann"), generation, "canary-later");
    record.family = family.into();
    put(&home.stores(), &record, "file").unwrap();
    fs::read(home.stores().place(&session("ann"))).unwrap()
}

/// Reads until nothing but the record is left. One look does, unless another test is just starting a program: between its
/// fork and its exec that holds a copy of our lock.
fn look_until_swept(home: &Home, stores: &Stores) {
    for _ in 0..200 {
        stores.group(&session("ann").group).unwrap();
        if home.files().len() == 1 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_whole_temporary_of_the_next_generation_becomes_the_record() {
    for through_lock in [false, true] {
        let (home, stores, place) = one();
        let name = format!(".{}.0123456789abcdef.tmp", session("ann").digest());
        fs::write(place.with_file_name(name), later(2, "family")).unwrap();
        if through_lock {
            drop(lock(&stores, &session("ann")));
            assert_eq!(home.files(), [place]);
        }
        look_until_swept(&home, &stores);
        assert_eq!(stores.get(&session("ann")).unwrap().unwrap().record.generation, 2);
        assert_eq!(home.files().len(), 1);
    }
}

#[test]
fn any_other_temporary_is_swept() {
    let whole = later(2, "family");
    let torn = whole[..whole.len() - 1].to_vec();
    for bytes in [
        torn,
        Vec::new(),
        later(1, "family"),
        later(3, "family"),
        later(2, "another"),
    ] {
        let (home, stores, place) = one();
        let name = format!(".{}.0123456789abcdef.tmp", session("ann").digest());
        fs::write(place.with_file_name(name), bytes).unwrap();
        look_until_swept(&home, &stores);
        assert_eq!(stores.group(&session("ann").group).unwrap()[0].record.generation, 1);
        assert_eq!(home.files(), [place]);
    }
}

#[test]
fn a_damaged_record_is_moved_aside_by_put_and_three_are_kept() {
    let (home, stores, place) = one();
    for generation in 2..8 {
        fs::write(&place, "canary, torn").unwrap();
        assert!(stores.get(&session("ann")).is_err());
        put(&stores, &record(session("ann"), generation, "canary"), "file").unwrap();
    }
    let aside = home
        .files()
        .iter()
        .filter(|path| path.to_str().unwrap().contains(".corrupt-"))
        .count();
    assert_eq!((aside, home.files().len()), (3, 4));
    assert!(stores.delete(&lock(&stores, &session("ann")), &session("ann")).unwrap());
    assert!(home.files().is_empty(), "a person who logs out leaves nothing");
}

#[test]
fn a_reserve_is_taken_used_and_given_back() {
    let (home, stores, place) = one();
    let key = session("ann");
    let lock = lock(&stores, &key);
    let reserved = stores.reserve(&lock, &key).unwrap();
    let temporary = home.files().into_iter().find(|path| *path != place).unwrap();
    assert!(fs::metadata(&temporary).unwrap().len() >= 64 * 1024);
    drop(reserved);
    assert_eq!(home.files(), [place.as_path()]);
    let reserved = stores.reserve(&lock, &key).unwrap();
    stores
        .put(&lock, &record(key.clone(), 2, "canary"), "file", Some(reserved))
        .unwrap();
    assert_eq!(home.files(), [place]);
    assert_eq!(stores.get(&key).unwrap().unwrap().record.generation, 2);
}

#[test]
fn a_record_that_cannot_be_written_is_rescued_and_comes_home() {
    let (home, stores, place) = one();
    fs::create_dir(home.path.join("runtime")).unwrap();
    set_mode(&home.path.join("runtime"), 0o700);
    let key = session("ann");
    let lock = lock(&stores, &key);
    let next = record(key.clone(), 2, "canary-2");
    let folder = place.parent().unwrap();
    set_mode(folder, 0o777);
    assert!(stores.put(&lock, &next, "file", None).is_err());
    assert!(stores.rescue(&lock, &next, "file").unwrap().contains("XDG_RUNTIME_DIR"));
    set_mode(folder, 0o700);
    assert_eq!(stores.get(&key).unwrap().unwrap().record.generation, 1);
    assert_eq!(stores.rescued(&lock, &key).unwrap().record, next);
    assert_eq!(stores.get(&key).unwrap().unwrap().record, next);
    assert_eq!(stores.rescued(&lock, &key), None);
    assert_eq!(fs::read_dir(home.path.join("runtime/keyfob")).unwrap().count(), 0);
    assert!(stores.rescue(&lock, &next, "file").unwrap().contains("in its place"));

    let last = record(key.clone(), 3, "canary-3");
    set_mode(folder, 0o777);
    assert!(stores.rescue(&lock, &last, "file").unwrap().contains("XDG_RUNTIME_DIR"));
    set_mode(folder, 0o700);
    assert!(stores.delete(&lock, &key).unwrap());
    assert_eq!(
        stores.rescued(&lock, &key),
        None,
        "a session that was ended does not come back"
    );
}
