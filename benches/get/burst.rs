//! Many processes at once: how long they take together, and whether anything is lost.
//!
//! It must not know what the processes do beyond their status.

use std::process::Output;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::case::{Case, SECRET, holds};

/// What came of a burst.
pub(crate) struct Burst {
    pub(crate) took: Duration,
    /// Processes that ended with another status than 0.
    pub(crate) refused: usize,
    pub(crate) outputs: Vec<Output>,
}

/// Starts all cases as fast as this process can, then waits for all.
pub(crate) fn burst(cases: &[Case]) -> Result<Burst> {
    let mut commands = cases.iter().map(Case::command);
    let start = Instant::now();
    let mut children = Vec::with_capacity(cases.len());
    for command in &mut commands {
        children.push(command?.spawn().context("starting one of a burst")?);
    }
    let outputs: Vec<Output> = children
        .into_iter()
        .map(|child| child.wait_with_output())
        .collect::<Result<_, _>>()?;
    let refused = outputs.iter().filter(|output| !output.status.success()).count();
    Ok(Burst {
        took: start.elapsed(),
        refused,
        outputs,
    })
}

/// How many answers of a burst of gets lack the secret.
pub(crate) fn wrong_answers(burst: &Burst) -> usize {
    burst
        .outputs
        .iter()
        .filter(|output| !holds(&output.stdout, SECRET))
        .count()
}

/// How many of these gets, one after the other, lack the secret: what a burst of stores lost.
pub(crate) fn lost(gets: &[Case]) -> Result<usize> {
    let mut lost = 0;
    for get in gets {
        let (_, output) = get.run()?;
        lost += usize::from(!holds(&output.stdout, SECRET));
    }
    Ok(lost)
}
