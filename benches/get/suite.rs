//! The measurements in their order, each with the targets it is held to.
//!
//! Implements what is to be measured; it must not know how a process is run or a table printed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::build::{self, Programs};
use crate::burst::{burst, lost, wrong_answers};
use crate::case::{Case, HOST, SECRET, stored};
use crate::homes::Home;
use crate::report::Report;
use crate::timing::{Times, millis};
use crate::{dependencies, observe};

const FLOOR: &str = "floor";
const KEYFOB: &str = "keyfob get, file";
const SEALED: &str = "keyfob get, sealed";
const GIT_STORE: &str = "git credential-store get";
const STATIC_FLOOR: &str = "floor, static";
const STATIC_KEYFOB: &str = "keyfob get, file, static";
const STATIC_SEALED: &str = "keyfob get, sealed, static";

/// Everything that the measurements share.
struct Bench {
    rounds: usize,
    ordinary: Programs,
    linked_statically: Option<Programs>,
    git_store: Option<PathBuf>,
}

/// Measures everything and prints it as it comes.
pub(crate) fn run() -> Result<Report> {
    let mut report = Report::default();
    fs::create_dir_all(build::scratch()).context("target/bench")?;
    let bench = prepare(&report)?;
    one_get(&bench, &mut report)?;
    many_records(&bench, &mut report)?;
    many_providers(&bench, &mut report)?;
    many_at_once(&bench, &mut report)?;
    one_run_observed(&bench, &report)?;
    if !wished("KEYFOB_BENCH_SHORT") {
        what_dependencies_cost(&bench, &report)?;
    }
    let _ = fs::remove_dir_all(build::scratch().join("homes"));
    Ok(report)
}

/// Whether a switch in the environment is on.
pub(crate) fn wished(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| value == "1")
}

fn prepare(report: &Report) -> Result<Bench> {
    let rounds = std::env::var("KEYFOB_BENCH_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(200);
    report.heading(&format!(
        "keyfob, measured as processes: {rounds} rounds, interleaved in random order"
    ));
    let ordinary = build::ordinary().context("building")?;
    let linked_statically = match build::linked_statically() {
        Ok(programs) => Some(programs),
        Err(error) => {
            report.skipped("everything static", &format!("{error:#}"));
            None
        }
    };
    let git_store = match observe::git_credential_store() {
        Ok(program) => Some(program),
        Err(error) => {
            report.skipped("git's own helper", &format!("{error:#}"));
            None
        }
    };
    Ok(Bench {
        rounds,
        ordinary,
        linked_statically,
        git_store,
    })
}

/// A file with git's lines for `git credential-store`, the benchmark's host last.
fn git_file(home: &Home, entries: usize) -> Result<PathBuf> {
    let mut text = String::new();
    for number in 1..entries {
        text.push_str(&format!("https://ann:{SECRET}@h{number}.example\n"));
    }
    text.push_str(&format!("https://ann:{SECRET}@{HOST}\n"));
    let path = home.path().join(format!("git-credentials-{entries}"));
    fs::write(&path, text).context("git's file")?;
    Ok(path)
}

fn git_get(name: &str, program: &Path, file: &Path) -> Case {
    Case::get(name, program, &["--file", &file.display().to_string(), "get"])
}

fn floor(name: &str, program: &Path, home: &Home) -> Result<Case> {
    let file = home.path().join("answer");
    fs::write(&file, format!("username=ann\npassword={SECRET}\n")).context("the floor's file")?;
    Ok(Case::get(name, program, &[&file.display().to_string()]))
}

/// The heart: one `get` of one stored record beside the floor and git's helper.
fn one_get(bench: &Bench, report: &mut Report) -> Result<()> {
    report.heading("One get of one stored record");
    let keyfob = &bench.ordinary.keyfob;
    let home = Home::with_one("one", keyfob)?;
    let mut cases = vec![floor(FLOOR, &bench.ordinary.floor, &home)?];
    cases.push(Case::keyfob_get(KEYFOB, keyfob, home.path()));
    if let Some(program) = &bench.git_store {
        cases.push(git_get(GIT_STORE, program, &git_file(&home, 1)?));
    }
    if let Some(programs) = &bench.linked_statically {
        cases.push(floor(STATIC_FLOOR, &programs.floor, &home)?);
        cases.push(Case::keyfob_get(STATIC_KEYFOB, &programs.keyfob, home.path()));
    }
    let sealed = Home::sealed("sealed", keyfob);
    match &sealed {
        Ok(home) => {
            cases.push(home.sealed_get(SEALED, keyfob));
            if let Some(programs) = &bench.linked_statically {
                cases.push(home.sealed_get(STATIC_SEALED, &programs.keyfob));
            }
        }
        Err(error) => report.skipped("sealed records", &format!("{error:#}")),
    }
    let times = Times::measure(&cases, bench.rounds)?;
    report.times(
        &times,
        &[
            ("/ floor", FLOOR),
            ("/ git's", GIT_STORE),
            ("/ static floor", STATIC_FLOOR),
        ],
    );
    report.ratio(&times, KEYFOB, FLOOR, 1.25);
    report.ratio(&times, KEYFOB, GIT_STORE, 1.0);
    report.ratio(&times, STATIC_KEYFOB, STATIC_FLOOR, 2.5);
    report.ratio(&times, STATIC_KEYFOB, GIT_STORE, 0.4);
    Ok(())
}

/// Flat in the number of records.
fn many_records(bench: &Bench, report: &mut Report) -> Result<()> {
    report.heading("One get among many records");
    let keyfob = &bench.ordinary.keyfob;
    let mut counts = vec![1, 1_000, 100_000];
    if wished("KEYFOB_BENCH_FULL") {
        counts.push(1_000_000);
    }
    let name = |count: usize| format!("keyfob get, {count} records");
    let mut homes = Vec::new();
    let mut cases = Vec::new();
    for &count in &counts {
        let home = Home::with_records(&format!("records-{count}"), keyfob, count)?;
        cases.push(Case::keyfob_get(name(count), keyfob, home.path()));
        homes.push(home);
    }
    let own = Home::empty("git-records")?;
    if let Some(program) = &bench.git_store {
        cases.push(git_get(
            "git credential-store get, 100000 entries",
            program,
            &git_file(&own, 100_000)?,
        ));
    }
    let times = Times::measure(&cases, bench.rounds)?;
    report.times(&times, &[("/ one record", &name(1))]);
    for &count in &counts[2..] {
        report.ratio(&times, &name(count), &name(1), 1.2);
    }
    Ok(())
}

/// Flat in the number of provider files.
fn many_providers(bench: &Bench, report: &mut Report) -> Result<()> {
    report.heading("One get among many provider files");
    let keyfob = &bench.ordinary.keyfob;
    let counts = [1, 100, 1_000];
    let name = |count: usize| format!("keyfob get, {count} provider files");
    let mut homes = Vec::new();
    let mut cases = Vec::new();
    for count in counts {
        let home = Home::with_providers(&format!("providers-{count}"), keyfob, count)?;
        cases.push(Case::keyfob_get(name(count), keyfob, home.path()));
        homes.push(home);
    }
    // An index is believed once its files are a second old; what is measured is not the second after an edit.
    std::thread::sleep(Duration::from_millis(2200));
    let times = Times::measure(&cases, bench.rounds)?;
    report.times(&times, &[("/ one file", &name(1))]);
    report.ratio(&times, &name(1_000), &name(1), 1.2);
    Ok(())
}

/// Bursts: nothing refused, nothing lost.
fn many_at_once(bench: &Bench, report: &mut Report) -> Result<()> {
    report.heading("Many processes at once");
    let keyfob = &bench.ordinary.keyfob;
    let home = Home::with_one("burst", keyfob)?;
    let gets = vec![Case::keyfob_get("get", keyfob, home.path()); 64];
    let result = burst(&gets)?;
    let wrong = wrong_answers(&result);
    report.line(
        "keyfob, 64 gets",
        &format!("{:.0} ms together, {wrong} wrong", millis(result.took)),
    );
    report.target("wrong answers among 64 gets", count(wrong), 0.0, "");

    let hosts: Vec<String> = (0..1_000).map(|number| format!("h{number}.example")).collect();
    let stores: Vec<Case> = hosts
        .iter()
        .map(|host| Case::keyfob_store(keyfob, home.path(), host))
        .collect();
    let asking = |case: Case, host: &str| Case {
        stdin: format!("protocol=https\nhost={host}\n\n"),
        ..case
    };
    let again: Vec<Case> = hosts
        .iter()
        .map(|host| asking(Case::keyfob_get("get", keyfob, home.path()), host))
        .collect();
    let ours = stores_at_once("keyfob", &stores, &again, report)?;
    report.target("keyfob's stores lost out of 1 000 at once", count(ours), 0.0, "");
    if let Some(program) = &bench.git_store {
        let file = home.path().join("git-burst");
        let stores: Vec<Case> = hosts
            .iter()
            .map(|host| Case {
                stdin: stored(host),
                ..git_op(program, &file, "store")
            })
            .collect();
        let again: Vec<Case> = hosts
            .iter()
            .map(|host| asking(git_op(program, &file, "get"), host))
            .collect();
        stores_at_once("git credential-store", &stores, &again, report)?;
    }
    Ok(())
}

fn git_op(program: &Path, file: &Path, action: &str) -> Case {
    Case::get(action, program, &["--file", &file.display().to_string(), action])
}

/// Stores everything at once, asks for each afterwards, and gives how many were lost.
fn stores_at_once(who: &str, stores: &[Case], gets: &[Case], report: &Report) -> Result<usize> {
    let result = burst(stores)?;
    let lost = lost(gets)?;
    let text = format!(
        "{:.0} ms together, {} refused, {lost} lost",
        millis(result.took),
        result.refused
    );
    report.line(&format!("{who}, {} stores", stores.len()), &text);
    Ok(lost)
}

#[expect(clippy::cast_precision_loss, reason = "counts of at most some thousands")]
fn count(number: usize) -> f64 {
    number as f64
}

/// What one run does besides taking time.
fn one_run_observed(bench: &Bench, report: &Report) -> Result<()> {
    report.heading("One get, observed");
    let home = Home::with_one("observed", &bench.ordinary.keyfob)?;
    let mut cases = vec![
        floor(FLOOR, &bench.ordinary.floor, &home)?,
        Case::keyfob_get(KEYFOB, &bench.ordinary.keyfob, home.path()),
    ];
    if let Some(program) = &bench.git_store {
        cases.push(git_get(GIT_STORE, program, &git_file(&home, 1)?));
    }
    if let Some(programs) = &bench.linked_statically {
        cases.push(floor(STATIC_FLOOR, &programs.floor, &home)?);
        cases.push(Case::keyfob_get(STATIC_KEYFOB, &programs.keyfob, home.path()));
    }
    for case in &cases {
        report.line(&case.name, &observed(case));
    }
    Ok(())
}

/// One line of figures; a figure that cannot be had says why.
fn observed(case: &Case) -> String {
    let or_why = |figure: Result<String>| figure.unwrap_or_else(|error| format!("({error:#})"));
    let size = or_why(observe::size(&case.program).map(|kib| format!("{kib} KiB large")));
    let memory = or_why(observe::peak_memory(case).map(|kib| format!("{kib} KiB at most in memory")));
    let calls = or_why(observe::calls(case).map(|calls| {
        format!(
            "{} system calls, {} opened, {} not found",
            calls.all, calls.opened, calls.missed
        )
    }));
    let instructions = or_why(observe::instructions(case).map(|figure| format!("{} k instructions", figure / 1000)));
    format!("{size}; {memory}; {calls}; {instructions}")
}

/// Builds with less inside, and the rest by crate.
fn what_dependencies_cost(bench: &Bench, report: &Report) -> Result<()> {
    report.heading("What the dependencies cost");
    let bare = build::keyfob(&["--no-default-features"], &build::scratch().join("bare"), None)?;
    let home = Home::with_one("bare", &bare)?;
    let without = "keyfob get, without the OS keychain";
    let cases = [
        floor(FLOOR, &bench.ordinary.floor, &home)?,
        Case::keyfob_get(KEYFOB, &bench.ordinary.keyfob, home.path()),
        Case::keyfob_get(without, &bare, home.path()),
    ];
    report.times(&Times::measure(&cases, bench.rounds)?, &[("/ floor", FLOOR)]);
    for case in &cases {
        report.line(&case.name, &format!("{} KiB", observe::size(&case.program)?));
    }
    let named = build::keyfob(
        &["--config", "profile.release.strip=false"],
        &build::scratch().join("named"),
        None,
    )?;
    let (crates, sum) = dependencies::by_crate(&named)?;
    report.line("all symbols", &format!("{sum} KiB"));
    for (name, size) in crates.iter().take(24) {
        report.line(&format!("  {name}"), &format!("{size} KiB"));
    }
    Ok(())
}
