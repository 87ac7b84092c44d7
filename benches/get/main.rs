//! What `get` costs, beside the least that a process can cost and beside git's own helper: `cargo bench`.
//!
//! Builds keyfob and the floor program (`benches/floor`), as ordinary and as static programs, and prints tables of medians
//! and of ratios, with the targets beside them. It measures processes, never functions: a caller pays for a whole process.
//! It must not know how keyfob works inside; the one thing it knows is that records are files below `data/records`.
//!
//! `KEYFOB_BENCH_ROUNDS` (200), `KEYFOB_BENCH_FULL=1` (a million records too), `KEYFOB_BENCH_SHORT=1` (no table of
//! dependencies), `KEYFOB_BENCH_STRICT=1` (a figure over its target fails the run), `KEYFOB_BENCH_PROGRAM` and
//! `KEYFOB_BENCH_STATIC_PROGRAM` (a keyfob that is already built, instead of building one). `KEYFOB_BENCH_ORDER=1` measures
//! nothing and writes `hot.ld`, the functions that an answer runs through.

#![expect(clippy::print_stdout, reason = "its output is its purpose")]
#![cfg_attr(
    unix,
    expect(
        clippy::disallowed_methods,
        reason = "it is not keyfob: its environment is the caller's"
    )
)]

#[cfg(unix)]
mod build;
#[cfg(unix)]
mod burst;
#[cfg(unix)]
mod case;
#[cfg(unix)]
mod dependencies;
#[cfg(unix)]
mod homes;
#[cfg(unix)]
mod observe;
#[cfg(unix)]
mod order;
#[cfg(unix)]
mod report;
#[cfg(unix)]
mod suite;
#[cfg(unix)]
mod timing;

use std::process::ExitCode;

#[cfg(unix)]
fn main() -> ExitCode {
    // `cargo test --all-targets` starts this program too, without the argument.
    if !std::env::args().any(|arg| arg == "--bench") {
        return ExitCode::SUCCESS;
    }
    if suite::wished("KEYFOB_BENCH_ORDER") {
        return match order::write() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                println!("hot.ld is left as it was: {error:#}");
                ExitCode::FAILURE
            }
        };
    }
    match suite::run() {
        Ok(report) => report.status(),
        Err(error) => {
            println!("the benchmark could not run: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(unix))]
fn main() -> ExitCode {
    println!("the benchmark runs on Unix only");
    ExitCode::SUCCESS
}
