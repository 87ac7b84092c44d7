//! A clock that is wrong, and waits that are long: the library with a clock of the test's own.
//!
//! Design, section 11; RFC 8628 section 3.5 for the waits.

use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::rc::Rc;
use std::time::Duration;

use keyfob::error::{Class, Result};
use keyfob::model::{Action, Answer, Request};
use keyfob::resolve::Sources;
use keyfob::world::World;

use super::home::{Home, now};
use crate::issuer::{DeviceScript, Endpoint, Issuer, Script};
use crate::sandbox::Sandbox;

/// The world of a sandbox, its clock so many seconds off. It waits for real: a process that another test starts has our
/// locks for a moment.
fn world(sandbox: &Sandbox, off_secs: i64) -> World {
    let vars = [
        ("KEYFOB_HOME", sandbox.keyfob_home().into_os_string()),
        ("KEYFOB_KEYCHAIN", "off".into()),
    ];
    let vars = vars.map(|(name, value): (&str, OsString)| (name.to_owned(), value));
    let now = now().plus(off_secs);
    World::fixed(vars, now).with_time(move || now, std::thread::sleep)
}

/// What `keyfob token acme` is told on a machine whose clock is so many seconds off.
fn token(home: &Home, off_secs: i64) -> Result<String> {
    let world = world(&home.sandbox, off_secs);
    let mut request = Request::new(Action::Get, "token");
    request.profile = Some("acme".into());
    match Sources::open(&world)?.resolve(&request)? {
        Answer::Found(credential) => Ok(credential.secret.expose().to_owned()),
        other => panic!("{other:?}"),
    }
}

const YEAR: i64 = 365 * 86_400;

#[test]
fn a_clock_a_little_wrong_changes_nothing_and_a_very_wrong_one_renews() {
    let home = Home::new(Script::default());
    let first = token(&home, 0).unwrap();
    for off in [-290, -60, 60, 600] {
        assert_eq!(token(&home, off).unwrap(), first, "{off} s");
    }
    assert_eq!(home.issuer.refreshes(), 0);
    let mut last = first;
    for (renewals, off) in [(1, -400), (2, YEAR), (3, -YEAR), (4, 20 * YEAR), (5, -(now().unix()))] {
        let renewed = token(&home, off).unwrap();
        assert_ne!(renewed, last, "{off} s");
        assert!(home.issuer.valid_access(&renewed));
        assert_eq!(home.issuer.refreshes(), renewals, "{off} s");
        assert_eq!(
            token(&home, off).unwrap(),
            renewed,
            "the same clock finds its own record good"
        );
        last = renewed;
    }
    // And back: what was obtained in another year says nothing.
    assert!(home.issuer.valid_access(&token(&home, 0).unwrap()));
}

#[test]
fn a_token_that_ended_while_the_issuer_was_asked_is_not_served() {
    let home = Rc::new(Home::new(Script {
        dropped_answers: 2,
        ..Script::default()
    }));
    home.nearly_expire();
    let (first, seen) = (now(), Rc::clone(&home));
    let clock = move || first.plus(if seen.issuer.refreshes() > 0 { 130 } else { 0 });
    let world = self::world(&home.sandbox, 0).with_time(clock, std::thread::sleep);
    let mut request = Request::new(Action::Get, "token");
    request.profile = Some("acme".into());
    let answer = Sources::open(&world).unwrap().resolve(&request);
    assert_eq!(answer.unwrap_err().class, Class::Temporary);
    assert_eq!(home.issuer.refreshes(), 1, "no time was left for another try");
}

#[test]
fn a_rest_that_was_noted_years_ahead_ends_with_the_wrong_clock() {
    let home = Home::new(Script::default());
    let ahead = 10 * YEAR;
    home.issuer.inject(
        Endpoint::Token,
        1,
        &crate::http_server::Reply::error(429, "slow_down").with("Retry-After", "500"),
    );
    assert_eq!(token(&home, ahead).unwrap_err().class, Class::Temporary);
    assert_eq!(token(&home, ahead).unwrap_err().class, Class::Temporary);
    assert_eq!(home.issuer.refreshes(), 1, "the second did not ask");
    home.expire_keeping_rest();
    assert!(home.issuer.valid_access(&token(&home, 0).unwrap()));
}

/// A device login in this process, whose waits are noted and not waited: the seconds before each poll and after the last
/// one, and the exit code.
fn login(device: DeviceScript) -> (Vec<u64>, u8) {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    issuer.script(|script| script.device = device);
    sandbox.provider(&issuer);
    let issuer = Rc::new(issuer);
    let polled = Rc::clone(&issuer);
    let waits: Rc<RefCell<Vec<u64>>> = Rc::default();
    let clock = Rc::new(Cell::new(now()));
    let (noted, moved) = (Rc::clone(&waits), Rc::clone(&clock));
    let mut world = world(&sandbox, 0).with_time(
        move || clock.get(),
        move |wait: Duration| {
            // Less than a second is for a lock.
            if wait < Duration::from_secs(1) {
                std::thread::sleep(wait);
            }
            let mut noted = noted.borrow_mut();
            noted.resize(polled.seen(Endpoint::Token).len() + 1, 0);
            *noted.last_mut().unwrap() += wait.as_secs();
            moved.set(moved.get().plus(wait.as_secs().cast_signed()));
        },
    );
    world.args = ["keyfob", "login", "acme", "--no-browser"].map(OsString::from).into();
    let code = keyfob::run(&world);
    let waits = waits.borrow().clone();
    (waits, code)
}

#[test]
fn three_slow_downs_add_up() {
    let (waits, code) = login(DeviceScript {
        slow_downs: 3,
        pendings: 2,
        ..DeviceScript::default()
    });
    assert_eq!((waits, code), (vec![1, 6, 11, 16, 16, 16], 0));
}

#[test]
fn a_code_that_nobody_approves_is_polled_until_it_ends_and_no_longer() {
    let (waits, code) = login(DeviceScript {
        interval: Some(7.into()),
        expires_in: 60.into(),
        end: crate::issuer::DeviceEnd::ByPerson,
        ..DeviceScript::default()
    });
    assert_eq!((waits.iter().sum::<u64>(), code), (60, 2), "{waits:?}");
    assert_eq!(waits.len(), 9, "{waits:?}");
}
