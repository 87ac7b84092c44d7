//! Kills at random moments: after any of them the next run works, and nothing is lost but what the wire lost.
//!
//! The moments are drawn anew each time; `KEYFOB_SEED` repeats them, `KEYFOB_KILLS` says how many there are of each kind
//! of issuer. Security review, sections 3d and 3e. `fault/matrix.rs` has the kills at chosen moments.

use std::hash::{BuildHasher, Hasher};
use std::ops::AddAssign;
use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::fault::home::{Home, assert_whole, key, stores, temporaries};
use crate::issuer::{Outcome, Script};
use crate::sandbox::{Output, Run, Sandbox};

/// What came of some kills.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    /// Commands that were begun.
    runs: usize,
    /// Those that the signal found alive.
    killed: usize,
    /// Those after which the issuer had rotated, and the process had kept nothing of that.
    between: usize,
    /// Those after which something lay in a temporary file.
    interrupted: usize,
    /// Sessions that were lost.
    lost: usize,
    /// Sessions that were lost although the answer was on disk, or although nothing had been sent.
    unjustified: usize,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, more: Tally) {
        self.runs += more.runs;
        self.killed += more.killed;
        self.between += more.between;
        self.interrupted += more.interrupted;
        self.lost += more.lost;
        self.unjustified += more.unjustified;
    }
}

/// SplitMix64: numbers that a seed repeats.
struct Dice(AtomicU64);

impl Dice {
    fn new() -> Dice {
        let given = std::env::var("KEYFOB_SEED").ok().and_then(|text| text.parse().ok());
        Dice(AtomicU64::new(given.unwrap_or_else(|| {
            std::collections::hash_map::RandomState::new().build_hasher().finish()
        })))
    }

    fn next(&self) -> u64 {
        let step = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(step, Ordering::Relaxed).wrapping_add(step);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn coin(&self) -> bool {
        self.next() & 1 == 0
    }

    fn moment(&self, from: Duration, to: Duration) -> Duration {
        let span = u64::try_from(to.saturating_sub(from).as_nanos()).unwrap().max(1);
        from + Duration::from_nanos(self.next() % span)
    }
}

/// Runs it, kills it after this time, and waits for its end. Its stdout is whole or empty.
fn killed(run: Run, after: Duration, tally: &mut Tally) -> Output {
    let mut running = run.spawn();
    std::thread::sleep(after);
    running.kill();
    let output = running.wait();
    tally.runs += 1;
    tally.killed += usize::from(output.status.signal() == Some(9));
    output
}

/// How long a command takes when nobody kills it.
fn usual(mut command: impl FnMut()) -> Duration {
    let time = |_| {
        let begun = Instant::now();
        command();
        begun.elapsed()
    };
    (0..3).map(time).min().unwrap()
}

/// Whether there is another round: until so many commands were killed. One that ended before its kill does not count.
fn rounds(count: usize, tally: &Tally, round: &mut usize) -> bool {
    *round += 1;
    tally.killed < count && *round <= count * 10
}

fn refreshes(count: usize, dice: &Dice, script: &Script) -> Tally {
    let home = Home::new(script.clone());
    let usual = usual(|| {
        home.expire();
        home.token().expect_success();
    });
    let (mut tally, mut round) = (Tally::default(), 0);
    while rounds(count, &tally, &mut round) {
        home.expire();
        let before = home.issuer.redemptions().len();
        let run = home.sandbox.keyfob(&["token", "acme"]);
        let output = killed(run, dice.moment(Duration::ZERO, usual), &mut tally);
        let left = home.sandbox.files();
        tally.interrupted += usize::from(!temporaries(&home.sandbox).is_empty());
        let next = home.token();
        // Asked only now: the issuer may have read a killed process's request late.
        let outcomes: Vec<Outcome> = home.issuer.redemptions()[before..]
            .iter()
            .map(|row| row.outcome)
            .collect();
        let newest = home.issuer.families().pop().unwrap().refresh;
        let kept = left.values().any(|content| holds(content, &newest));
        tally.between += usize::from(outcomes.len() > 1);
        let case = format!("refresh {round}: {outcomes:?}, on disk: {kept}");
        let replayed = outcomes == [Outcome::Redeemed, Outcome::Reused];
        let asked = left.values().any(|content| holds(content, "\"intent\":{"));
        match next.code() {
            0 if home.issuer.valid_access(next.text().trim_end()) => (),
            0 => {
                // The killed process's request was read after the next one's, which ended the family that the next one had
                // just renewed. No process can help that, no more than the other order. It is that alone: the killed one
                // had said on disk that it was asking, had printed and kept nothing; the issuer took two requests, one of
                // which the next one must have sent, for it has the newest token. A keyfob that asks again with an answer
                // on disk has the newest token there, and one that asks twice by itself does so too where the killed one
                // had not asked, and there is no intent.
                let was_killed = output.status.signal() == Some(9) && output.stdout.is_empty();
                let is_newest = left_by(&home).any(|content| holds(&content, &newest));
                assert!(replayed && asked && was_killed && !kept && is_newest, "{case}: revoked");
                tally.lost += 1;
                home.sandbox.login(&home.issuer);
            }
            2 => {
                tally.lost += 1;
                let on_the_wire = replayed && asked && !kept && output.stdout.is_empty();
                if !on_the_wire {
                    tally.unjustified += 1;
                    eprintln!("{case}: lost");
                }
                home.sandbox.login(&home.issuer);
            }
            code => panic!("{case}: {code}: {}", next.stderr),
        }
        let printed = output.stdout.is_empty() || output.stdout == next.stdout;
        assert!(printed, "{case}: what was printed had not been kept");
        assert_whole(&home.sandbox, &case);
    }
    tally
}

/// What is in the files of a home now.
fn left_by(home: &Home) -> impl Iterator<Item = Vec<u8>> {
    home.sandbox.files().into_values()
}

fn holds(content: &[u8], text: &str) -> bool {
    content.windows(text.len()).any(|part| part == text.as_bytes())
}

fn request(sandbox: &Sandbox, action: &str, host: usize, password: &str) -> Run {
    let password = if password.is_empty() {
        String::new()
    } else {
        format!("username=ann\npassword={password}\n")
    };
    let text = format!("protocol=https\nhost=host-{host}.example\n{password}\n");
    sandbox.keyfob(&[action]).stdin(text)
}

/// The password that is stored for a host.
fn stored(sandbox: &Sandbox, host: usize) -> Option<String> {
    let output = request(sandbox, "get", host, "").run().expect_success();
    let password = output.text().lines().find_map(|line| line.strip_prefix("password="));
    password.map(str::to_owned)
}

fn stores_and_erases(count: usize, dice: &Dice) -> Tally {
    let sandbox = Sandbox::new();
    let usual = usual(|| drop(request(&sandbox, "store", 0, "canary").run().expect_success()));
    let (mut tally, mut round) = (Tally::default(), 0);
    while rounds(count, &tally, &mut round) {
        let (host, old, new) = (round % 7, format!("canary-old-{round}"), format!("canary-new-{round}"));
        // The first change of a host, a later one, and its end.
        let is_there = dice.coin();
        let action = if dice.coin() { "store" } else { "erase" };
        request(&sandbox, "erase", host, "").run().expect_success();
        if is_there {
            request(&sandbox, "store", host, &old).run().expect_success();
        }
        let given = if action == "store" { new.as_str() } else { "" };
        let after = dice.moment(Duration::ZERO, usual);
        let output = killed(request(&sandbox, action, host, given), after, &mut tally);
        tally.interrupted += usize::from(!temporaries(&sandbox).is_empty());
        let found = stored(&sandbox, host);
        let case = format!("{action} {round} of {is_there}: {found:?}");
        let done = output.status.success();
        let before = is_there.then_some(old);
        let wanted = (action == "store").then_some(new);
        assert!(found == wanted || (!done && found == before), "{case}");
        assert_whole(&sandbox, &case);
    }
    tally
}

fn logins(count: usize, dice: &Dice, script: &Script) -> Tally {
    let home = Home::new(script.clone());
    let login = || home.sandbox.keyfob(&["login", "acme", "--no-browser"]);
    let usual = usual(|| drop(login().run().expect_success()));
    let (mut tally, mut round) = (Tally::default(), 0);
    while rounds(count, &tally, &mut round) {
        let place = stores(&home.sandbox).place(&key());
        if dice.coin() && place.exists() {
            std::fs::remove_file(&place).unwrap();
        }
        let is_there = place.exists();
        // Most of a login is the wait before the poll.
        let (from, to) = if round % 4 == 0 {
            (Duration::ZERO, usual)
        } else {
            (Duration::from_secs(1), usual)
        };
        let output = killed(login(), dice.moment(from, to), &mut tally);
        tally.interrupted += usize::from(!temporaries(&home.sandbox).is_empty());
        let next = home.token();
        let case = format!("login {round} over {is_there}");
        match next.code() {
            0 => assert!(home.issuer.valid_access(next.text().trim_end()), "{case}"),
            2 => assert!(!is_there && !output.status.success(), "{case}: {}", next.stderr),
            code => panic!("{case}: {code}: {}", next.stderr),
        }
        assert_whole(&home.sandbox, &case);
    }
    tally
}

/// All of them, on several homes at once.
fn kills(script: &Script) -> Tally {
    let count = std::env::var("KEYFOB_KILLS").map_or(300, |text| text.parse().unwrap());
    let dice = Dice::new();
    let seed = dice.0.load(Ordering::Relaxed);
    let begun = Instant::now();
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let dice = &dice;
        let mut workers = Vec::new();
        workers.extend((0..2).map(|_| scope.spawn(move || refreshes(count / 5, dice, script))));
        workers.extend((0..2).map(|_| scope.spawn(move || stores_and_erases(count / 5, dice))));
        workers.extend((0..4).map(|_| scope.spawn(move || logins(count / 20, dice, script))));
        for worker in workers {
            tally += worker.join().expect("a worker's own message is above");
        }
    });
    eprintln!(
        "grace {:?}, seed {seed}, {:.0?}: {} commands, {} killed, {} left something half done, {} between the issuer's \
         commit and the answer; sessions lost: {}, of them without need: {}",
        script.grace,
        begun.elapsed(),
        tally.runs,
        tally.killed,
        tally.interrupted,
        tally.between,
        tally.lost,
        tally.unjustified
    );
    tally
}

#[test]
fn random_kills_lose_no_session_of_an_issuer_with_grace() {
    let tally = kills(&Script {
        grace: Duration::from_secs(10),
        ..Script::default()
    });
    assert_eq!(tally.lost, 0);
}

#[test]
fn random_kills_lose_only_what_was_on_the_wire_of_an_issuer_without_grace() {
    let tally = kills(&Script::default());
    assert_eq!(tally.unjustified, 0);
    assert!(tally.lost <= tally.between, "{tally:?}");
}
