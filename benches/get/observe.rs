//! What one run does: memory, system calls, files opened, instructions; by strace and valgrind where they are installed.
//!
//! It must not know which program is observed.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::build::scratch;
use crate::case::Case;

/// System calls of one run.
pub(crate) struct Calls {
    pub(crate) all: usize,
    /// Files and directories opened, the shared libraries among them.
    pub(crate) opened: usize,
    /// Opens that found nothing.
    pub(crate) missed: usize,
}

/// Counts the system calls of one run, those of its children too.
pub(crate) fn calls(case: &Case) -> Result<Calls> {
    let log = scratch().join(format!("strace-{}.log", std::process::id()));
    let path = log.display().to_string();
    case.under("strace", &["-f", "-qq", "-o", &path]).check()?;
    let text = fs::read_to_string(&log).context("strace's log")?;
    let _ = fs::remove_file(&log);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.contains('(') && !line.contains(" resumed>") && !line.contains("+++"))
        .collect();
    let opens = || {
        lines
            .iter()
            .filter(|line| ["open(", "openat(", "openat2("].iter().any(|call| line.contains(call)))
    };
    let missed = opens().filter(|line| line.contains("= -1")).count();
    Ok(Calls {
        all: lines.len(),
        opened: opens().count() - missed,
        missed,
    })
}

/// Instructions of one run in user space, by valgrind.
pub(crate) fn instructions(case: &Case) -> Result<u64> {
    let output = case
        .under("valgrind", &["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .must_run()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let figure = said
        .lines()
        .find_map(|line| line.split_once("Collected :").map(|(_, figure)| figure.trim()));
    figure
        .and_then(|figure| figure.parse().ok())
        .context("valgrind said no figure")
}

/// The most memory of one run, in KiB.
///
/// A process inherits the peak of the one that started it in the kernel's accounting of resources, so that is read from the
/// process itself, which strace holds for a moment at its end.
pub(crate) fn peak_memory(case: &Case) -> Result<u64> {
    let hold = [
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=exit_group",
        "-e",
        "inject=exit_group:delay_enter=200000",
    ];
    let mut tracer = case
        .under("strace", &hold)
        .command()?
        .spawn()
        .context("strace is not installed")?;
    let children = format!("/proc/{0}/task/{0}/children", tracer.id());
    let program = fs::canonicalize(which(&case.program)?)?;
    let mut peak = 0;
    while tracer.try_wait()?.is_none() {
        for child in fs::read_to_string(&children).unwrap_or_default().split_whitespace() {
            // Before it becomes the program it is a copy of strace.
            if fs::read_link(format!("/proc/{child}/exe")).is_ok_and(|exe| exe == program) {
                peak = peak.max(kib(&format!("/proc/{child}/status"), "VmHWM:"));
                peak = peak.max(kib(&format!("/proc/{child}/smaps_rollup"), "Rss:"));
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    if peak == 0 {
        bail!("the process was not seen");
    }
    Ok(peak)
}

fn kib(file: &str, field: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or_default()
}

/// The place of a program on PATH.
pub(crate) fn which(program: &Path) -> Result<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|directory| directory.join(program));
    places
        .find(|place| place.is_file())
        .with_context(|| format!("{} is not installed", program.display()))
}

/// Where git keeps its own helpers, so that they are timed without a second git before them.
pub(crate) fn git_credential_store() -> Result<std::path::PathBuf> {
    let output = Command::new("git")
        .arg("--exec-path")
        .output()
        .context("git is not installed")?;
    let directory = String::from_utf8(output.stdout).context("git's directory")?;
    which(&Path::new(directory.trim()).join("git-credential-store"))
}

/// The size of a file in KiB.
pub(crate) fn size(path: &Path) -> Result<u64> {
    Ok(fs::metadata(path)?.len() / 1024)
}
