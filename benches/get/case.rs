//! One command that is timed, and how it is run.
//!
//! The clock runs from before the process is made until it is reaped and its answer read. stdin is a pipe already filled
//! and closed. The environment is empty but for what a case names, so that a developer's settings change no figure.
//! It must not know what is compared with what: that is `main.rs`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The secret that every answer must contain; nothing is timed whose answer is not right.
pub(crate) const SECRET: &str = "canary-benchmark-secret";
/// The host whose credential is asked for.
pub(crate) const HOST: &str = "bench.example";

/// A command with its request.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// How the table calls it.
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) stdin: String,
}

impl Case {
    /// A program that gets git's request for the benchmark's host on stdin.
    pub(crate) fn get(name: impl Into<String>, program: impl Into<PathBuf>, args: &[&str]) -> Case {
        Case {
            name: name.into(),
            program: program.into(),
            args: args.iter().map(ToString::to_string).collect(),
            env: Vec::new(),
            stdin: format!("protocol=https\nhost={HOST}\n\n"),
        }
    }

    /// `keyfob get` on the records below a home directory, without an OS keychain.
    pub(crate) fn keyfob_get(name: impl Into<String>, program: &Path, home: &Path) -> Case {
        Case::get(name, program, &["get"]).in_home(home)
    }

    /// `keyfob store` of one credential.
    pub(crate) fn keyfob_store(program: &Path, home: &Path, host: &str) -> Case {
        let mut case = Case::get("store", program, &["store"]).in_home(home);
        case.stdin = stored(host);
        case
    }

    /// Points keyfob at a directory of its own and keeps it from the OS keychain.
    pub(crate) fn in_home(self, home: &Path) -> Case {
        self.with("KEYFOB_HOME", &home.display().to_string())
            .with("KEYFOB_KEYCHAIN", "off")
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Case {
        self.env.retain(|(other, _)| other != name);
        self.env.push((name.into(), value.into()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Case {
        self.env.retain(|(other, _)| other != name);
        self
    }

    /// The same command run by another program, such as a tracer: `runner args … program args …`.
    pub(crate) fn under(&self, runner: &str, args: &[&str]) -> Case {
        let mut case = self.clone();
        case.program = runner.into();
        case.args = args.iter().map(ToString::to_string).collect();
        case.args.push(self.program.display().to_string());
        case.args.extend(self.args.iter().cloned());
        case
    }

    /// The process, ready to be started, with its request waiting in a pipe.
    pub(crate) fn command(&self) -> Result<Command> {
        let (reader, mut writer) = std::io::pipe().context("a pipe for stdin")?;
        writer.write_all(self.stdin.as_bytes()).context("filling stdin")?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.stdin(reader).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }

    /// Runs it once.
    pub(crate) fn run(&self) -> Result<(Duration, Output)> {
        let mut command = self.command()?;
        let start = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("starting {}", self.program.display()))?;
        let output = child.wait_with_output().context("waiting for it")?;
        Ok((start.elapsed(), output))
    }

    /// How long it takes from before the start to the end of the process; its answer waits in the pipe meanwhile.
    pub(crate) fn time(&self) -> Result<Duration> {
        let mut command = self.command()?;
        command.stderr(Stdio::null());
        let start = Instant::now();
        let mut child = command
            .spawn()
            .with_context(|| format!("starting {}", self.program.display()))?;
        child.wait().context("waiting for it")?;
        Ok(start.elapsed())
    }

    /// Runs it once and insists on status 0.
    pub(crate) fn must_run(&self) -> Result<Output> {
        let (_, output) = self.run()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!(
                "{} ({}): {}: {}",
                self.name,
                self.program.display(),
                output.status,
                said.trim()
            );
        }
        Ok(output)
    }

    /// Insists that the answer holds the secret.
    pub(crate) fn check(&self) -> Result<()> {
        let output = self.must_run()?;
        if !holds(&output.stdout, SECRET) {
            bail!(
                "{} ({}) does not answer with the stored secret",
                self.name,
                self.program.display()
            );
        }
        Ok(())
    }
}

/// The request that stores the benchmark's secret for a host.
pub(crate) fn stored(host: &str) -> String {
    format!("protocol=https\nhost={host}\nusername=ann\npassword={SECRET}\n\n")
}

pub(crate) fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
