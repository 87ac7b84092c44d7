//! The tables, and the targets beside the figures.
//!
//! It must not know how a figure was measured.

use std::process::ExitCode;

use crate::timing::Times;

/// What was promised and what came out.
#[derive(Default)]
pub(crate) struct Report {
    verdicts: Vec<(String, bool)>,
}

impl Report {
    pub(crate) fn heading(&self, text: &str) {
        println!("\n{text}");
    }

    pub(crate) fn line(&self, name: &str, text: &str) {
        println!("  {name:<44} {text}");
    }

    pub(crate) fn skipped(&self, what: &str, why: &str) {
        println!("  SKIPPED: {what}: {why}");
    }

    /// Medians, 95th percentiles and ratios to the named cases, where they were measured.
    pub(crate) fn times(&self, times: &Times, to: &[(&str, &str)]) {
        let mut head = format!("  {:<44} {:>9} {:>9}", "", "median", "p95");
        for (label, _) in to {
            head.push_str(&format!(" {label:>14}"));
        }
        println!("{head}");
        for name in times.names() {
            let figure = |share| times.quantile(name, share).unwrap_or_default();
            let mut row = format!("  {name:<44} {:>6.3} ms {:>6.3} ms", figure(0.5), figure(0.95));
            for (_, other) in to {
                match times.ratio(name, other) {
                    Some(ratio) => row.push_str(&format!(" {:>14}", format!("{ratio:.2} x"))),
                    None => row.push_str(&format!(" {:>14}", "-")),
                }
            }
            println!("{row}");
        }
    }

    /// A ratio of two measured cases against its target; absent cases are said to be.
    pub(crate) fn ratio(&mut self, times: &Times, name: &str, to: &str, limit: f64) {
        match times.ratio(name, to) {
            Some(ratio) => self.target(&format!("{name} / {to}"), ratio, limit, " x"),
            None => self.skipped(&format!("target {name} / {to} <= {limit} x"), "not measured"),
        }
    }

    /// A figure against the most it may be.
    pub(crate) fn target(&mut self, what: &str, figure: f64, limit: f64, unit: &str) {
        let good = figure <= limit;
        let mark = if good { "ok  " } else { "OVER" };
        println!("  {mark} {what}: {figure:.2}{unit} (target {limit:.2}{unit})");
        self.verdicts.push((what.into(), good));
    }

    /// The status of the whole run: a missed target fails it only when that was asked for, since a busy machine misses some.
    pub(crate) fn status(&self) -> ExitCode {
        let over: Vec<&str> = self
            .verdicts
            .iter()
            .filter(|(_, good)| !good)
            .map(|(what, _)| what.as_str())
            .collect();
        println!(
            "\n{} of {} targets met",
            self.verdicts.len() - over.len(),
            self.verdicts.len()
        );
        for what in &over {
            println!("  over: {what}");
        }
        if !over.is_empty() && std::env::var_os("KEYFOB_BENCH_STRICT").is_some_and(|value| value == "1") {
            return ExitCode::FAILURE;
        }
        ExitCode::SUCCESS
    }
}
