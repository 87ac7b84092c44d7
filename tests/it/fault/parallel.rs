//! Many processes at once on static credentials: nothing lost, nothing torn.
//!
//! Security review, section 8, C5 and C6. Renewals at once are in `renewal.rs`, on every store in `storm.rs`.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::home::{Home, assert_whole, stores};
use crate::issuer::Script;
use crate::part::strace;
use crate::sandbox::{Run, Running, Sandbox};

const MANY: usize = 100;

fn request(sandbox: &Sandbox, action: &str, host: &str, user: &str, password: Option<&str>) -> Run {
    let password = password
        .map(|password| format!("password={password}\n"))
        .unwrap_or_default();
    let text = format!("protocol=https\nhost={host}\nusername={user}\n{password}\n");
    let run = sandbox.keyfob(&[action]).stdin(text);
    run.deadline(Duration::from_secs(60))
}

fn password(stdout: &str) -> Option<String> {
    stdout
        .lines()
        .find_map(|line| line.strip_prefix("password="))
        .map(str::to_owned)
}

/// Long enough that a torn one would be seen, and each of one kind only.
fn long(number: usize) -> String {
    format!("canary-{number:03}-").repeat(800)
}

fn all(started: Vec<Running>) {
    for running in started {
        running.wait().expect_success();
    }
}

#[test]
fn a_hundred_stores_at_once_to_a_hundred_keys_are_all_kept() {
    let sandbox = Sandbox::new();
    let begun = Instant::now();
    // Users of one host are in one directory, hosts in many.
    let place = |number: usize| {
        if number.is_multiple_of(2) {
            ("kept.example".to_string(), format!("user-{number}"))
        } else {
            (format!("host-{number}.example"), "ann".to_string())
        }
    };
    let start = |number| {
        let (host, user) = place(number);
        request(&sandbox, "store", &host, &user, Some(&long(number))).spawn()
    };
    all((0..MANY).map(start).collect());
    let took = begun.elapsed();
    let lost = (0..MANY).filter(|number| {
        let (host, user) = place(*number);
        let output = request(&sandbox, "get", &host, &user, None).run().expect_success();
        password(output.text()) != Some(long(*number))
    });
    let lost = lost.count();
    eprintln!("{MANY} stores at once to {MANY} keys in {took:.1?}: {lost} lost");
    assert_eq!(lost, 0);
    assert_eq!(stores(&sandbox).list().unwrap().len(), MANY);
    assert_whole(&sandbox, "after all");
}

#[test]
fn a_hundred_stores_at_once_to_one_key_leave_one_of_them_whole_and_readers_see_no_part() {
    let sandbox = Sandbox::new();
    let values: BTreeSet<String> = (0..=MANY).map(long).collect();
    request(&sandbox, "store", "kept.example", "ann", Some(&long(0)))
        .run()
        .expect_success();
    let (mut writers, mut readers) = (Vec::new(), Vec::new());
    for number in 1..=MANY {
        writers.push(request(&sandbox, "store", "kept.example", "ann", Some(&long(number))).spawn());
        readers.push(request(&sandbox, "get", "kept.example", "ann", None).spawn());
    }
    let mut seen = BTreeSet::new();
    for reader in readers {
        let output = reader.wait().expect_success();
        let value = password(output.text()).expect("at no moment is there none");
        assert!(values.contains(&value), "a value of {} bytes is torn", value.len());
        seen.insert(value);
    }
    all(writers);
    let last = request(&sandbox, "get", "kept.example", "ann", None)
        .run()
        .expect_success();
    assert!(values.contains(&password(last.text()).unwrap()));
    let records = stores(&sandbox).list().unwrap();
    let record = &records[0].as_ref().unwrap().record;
    eprintln!(
        "{MANY} stores at once to one key, {MANY} gets between them: {} values seen, none torn, generation {}",
        seen.len(),
        record.generation
    );
    // One generation for each store that changed anything: none was written over one that it had not seen.
    assert_eq!((records.len(), record.generation), (1, MANY as u64 + 1));
    assert_whole(&sandbox, "after all");
}

#[test]
fn stores_gets_and_erases_at_once_leave_a_value_or_none() {
    let sandbox = Sandbox::new();
    let mut started = Vec::new();
    for number in 0..MANY {
        let host = format!("host-{}.example", number % 5);
        let value = long(number);
        started.push(match number % 4 {
            0 | 1 => request(&sandbox, "store", &host, "ann", Some(&value)).spawn(),
            2 => request(&sandbox, "erase", &host, "ann", None).spawn(),
            _ => request(&sandbox, "get", &host, "ann", None).spawn(),
        });
    }
    // Beside them one that nobody erases.
    let kept = request(&sandbox, "store", "host-0.example", "bob", Some("canary-bob")).spawn();
    let values: BTreeSet<String> = (0..MANY).map(long).collect();
    let mut answers = 0;
    for running in started {
        let output = running.wait().expect_success();
        if let Some(value) = password(output.text()) {
            assert!(values.contains(&value), "a value of {} bytes is torn", value.len());
            answers += 1;
        }
    }
    kept.wait().expect_success();
    for host in 0..5 {
        let host = format!("host-{host}.example");
        let output = request(&sandbox, "get", &host, "ann", None).run().expect_success();
        assert!(password(output.text()).is_none_or(|value| values.contains(&value)));
    }
    let bob = request(&sandbox, "get", "host-0.example", "bob", None)
        .run()
        .expect_success();
    assert_eq!(password(bob.text()).as_deref(), Some("canary-bob"));
    assert_whole(&sandbox, "after all");
    eprintln!("{MANY} stores, gets and erases at once: {answers} answers, none torn, the bystander kept");
}

#[test]
fn a_directory_that_is_removed_while_it_is_read_holds_nothing() {
    if !strace() {
        return;
    }
    let sandbox = Sandbox::new();
    let stored = request(&sandbox, "store", "kept.example", "ann", Some("canary-one"));
    stored.run().expect_success();
    for action in ["get", "erase"] {
        // What the kernel answers in a directory that somebody has removed since it was opened.
        let run = request(&sandbox, action, "kept.example", "ann", None);
        let output = run.injected("getdents64:error=ENOENT").run().expect_success();
        assert_eq!(password(output.text()), None, "{action}");
        let log = std::fs::read_to_string(sandbox.path().join("strace.log")).unwrap();
        assert!(log.contains("(INJECTED)"), "{action}");
    }
}

#[test]
fn logouts_logins_and_renewals_at_once_end_in_one_session_or_none() {
    let home = Home::new(Script {
        before_commit: Duration::from_millis(300),
        ..Script::default()
    });
    home.expire();
    let run = |arguments: &[&str]| home.sandbox.keyfob(arguments).deadline(Duration::from_secs(60)).spawn();
    let mut started: Vec<Running> = (0..8).map(|_| run(&["token", "acme"])).collect();
    started.push(run(&["login", "acme", "--no-browser"]));
    started.extend((0..8).map(|_| run(&["token", "acme"])));
    for running in started {
        let output = running.wait();
        assert!([0, 2].contains(&output.code()), "{}", output.stderr);
    }
    // A login that was last wins over whatever was renewed before it.
    let token = home.token().expect_success();
    assert!(home.issuer.valid_access(token.text().trim_end()));
    let ending = [
        run(&["logout", "acme"]),
        run(&["token", "acme"]),
        run(&["logout", "acme"]),
    ];
    for running in ending {
        let output = running.wait();
        assert!([0, 2].contains(&output.code()), "{}", output.stderr);
    }
    assert_eq!(home.token().code(), 2);
    assert!(home.sandbox.files_with("canary").is_empty());
    assert_whole(&home.sandbox, "after all");
}
