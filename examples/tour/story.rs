//! How the tour tells what happens: numbered steps, what was run, what came back.

use std::cell::Cell;
use std::io::IsTerminal;

/// Writes to stdout, in colour where a person looks at it.
pub struct Story {
    colour: bool,
    steps: Cell<u32>,
}

impl Story {
    /// A story that has not begun.
    pub fn new() -> Story {
        Story {
            colour: std::io::stdout().is_terminal(),
            steps: Cell::new(0),
        }
    }

    /// Begins a step.
    pub fn step(&self, title: &str) {
        self.steps.set(self.steps.get() + 1);
        println!("\n{}", self.painted("1", &format!("{:>2}. {title}", self.steps.get())));
    }

    /// What is run.
    pub fn runs(&self, command: &str) {
        println!("    {}", self.painted("36", &format!("$ {command}")));
    }

    /// What came of it.
    pub fn says(&self, text: &str) {
        println!("    {text}");
    }

    /// A line that a program wrote.
    pub fn shows(&self, text: &str) {
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            println!("    {}", self.painted("2", &format!("| {line}")));
        }
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{colour}m{text}\u{1b}[0m")
        } else {
            text.into()
        }
    }
}

/// A secret, short enough to be told apart and too short to be used.
pub fn shortened(secret: &str) -> String {
    let start: String = secret.chars().take(19).collect();
    format!("{start}… ({} characters)", secret.chars().count())
}
