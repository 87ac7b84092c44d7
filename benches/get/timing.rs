//! Many rounds of several cases, interleaved, and what they come to.
//!
//! Every round runs each case once in a new random order, so that a busy moment of the machine hits all alike; ratios are
//! medians of the ratios within a round. It must not know what a case is beyond running it.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Result;

use crate::case::Case;

/// The times of each case, in the order of the cases; all have one entry a round.
pub(crate) struct Times {
    names: Vec<String>,
    rows: Vec<Vec<f64>>,
}

impl Times {
    /// Checks each answer, warms up, and runs the rounds.
    pub(crate) fn measure(cases: &[Case], rounds: usize) -> Result<Times> {
        for case in cases {
            case.check()?;
            case.run()?;
        }
        let _undisturbed = Undisturbed::begin();
        let mut rows = vec![Vec::with_capacity(rounds); cases.len()];
        let mut order: Vec<usize> = (0..cases.len()).collect();
        let mut random = Random::new();
        for _ in 0..rounds {
            random.shuffle(&mut order);
            for &index in &order {
                let time = cases[index].time()?;
                rows[index].push(millis(time));
            }
        }
        let names = cases.iter().map(|case| case.name.clone()).collect();
        Ok(Times { names, rows })
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// The figure at a share of the sorted times of a case, such as 0.5, in milliseconds; none for an unknown case.
    pub(crate) fn quantile(&self, name: &str, share: f64) -> Option<f64> {
        Some(quantile(self.row(name)?.to_vec(), share))
    }

    /// The median over the rounds of one case's time divided by another's in the same round.
    pub(crate) fn ratio(&self, name: &str, to: &str) -> Option<f64> {
        let (above, below) = (self.row(name)?, self.row(to)?);
        Some(quantile(above.iter().zip(below).map(|(a, b)| a / b).collect(), 0.5))
    }

    fn row(&self, name: &str) -> Option<&[f64]> {
        let index = self.names.iter().position(|other| other == name)?;
        Some(&self.rows[index])
    }
}

/// While it lives, this process and the ones that it starts run on one core before all others, where that is allowed:
/// the neighbours of a busy machine would otherwise be most of what is measured.
struct Undisturbed;

impl Undisturbed {
    fn begin() -> Undisturbed {
        set("taskset", &["-p", "-c", "0"]);
        set("chrt", &["-f", "-p", "50"]);
        Undisturbed
    }
}

impl Drop for Undisturbed {
    fn drop(&mut self) {
        set("chrt", &["-o", "-p", "0"]);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let all = format!("0-{}", cores.max(2) - 1);
        set("taskset", &["-p", "-c", &all]);
    }
}

/// Changes a property of this process. Without the program or the permission the figures are only noisier.
fn set(program: &str, args: &[&str]) {
    let own = std::process::id().to_string();
    let mut command = std::process::Command::new(program);
    let _ = command
        .args(args)
        .arg(own)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The figure at a share of the sorted figures; zero when there are none.
pub(crate) fn quantile(mut figures: Vec<f64>, share: f64) -> f64 {
    figures.sort_by(f64::total_cmp);
    let last = figures.len().saturating_sub(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index between 0 and the last"
    )]
    let index = (last as f64 * share).round() as usize;
    figures.get(index).copied().unwrap_or_default()
}

/// Random enough to shuffle: xorshift, seeded by the standard library's hasher.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Random {
        use std::hash::{BuildHasher, Hasher};
        Random(std::hash::RandomState::new().build_hasher().finish() | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn shuffle(&mut self, order: &mut [usize]) {
        for index in (1..order.len()).rev() {
            let other = self.next() % (index as u64 + 1);
            order.swap(index, usize::try_from(other).unwrap_or_default());
        }
    }
}
