//! Other programs: one in place of this one, and one that is told something and answers.
//!
//! It knows nothing of where a secret comes from, nor of what a program is told.

use std::ffi::OsStr;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Pid;
use zeroize::Zeroizing;

use super::{World, signal};
use crate::error::Error;
use crate::secret::Secret;

/// What is kept of each stream of a program; the rest is read and dropped.
const MAX_SAID: usize = 64 * 1024;

/// The pause between two looks at a program that runs.
const LOOK: Duration = Duration::from_millis(20);

/// How long the streams of a program that has ended are read on. Something that it left behind may hold them open for ever.
const REST: Duration = Duration::from_millis(500);

/// What a program said.
#[derive(Debug)]
pub struct Said {
    /// How it ended; none when a signal did that.
    pub code: Option<i32>,
    /// The first 64 KiB of its standard output.
    pub stdout: Zeroizing<Vec<u8>>,
    /// The first 64 KiB of its standard error.
    pub stderr: Zeroizing<Vec<u8>>,
}

/// Why a program was not asked to its end.
#[derive(Debug)]
pub enum Unasked {
    /// It did not start; the sentence says why.
    NotStarted(String),
    /// It did not end in time, and was ended.
    TooSlow,
}

/// Why the program did not start; there is no return where it did.
pub(super) fn become_program(program: &[String], variable: &str, secret: &Secret) -> Error {
    let Some((name, args)) = program.split_first() else {
        return Error::usage("there is no program to run");
    };
    crate::hygiene::give_back_signals();
    let error = Command::new(name).args(args).env(variable, secret.expose()).exec();
    Error::usage(format!("running `{name}`: {}", why(error.kind())))
}

fn why(kind: ErrorKind) -> String {
    match kind {
        ErrorKind::NotFound => "there is no such program".into(),
        ErrorKind::PermissionDenied => "it may not be run".into(),
        kind => kind.to_string(),
    }
}

/// Starts a program, gives it `input` on its standard input, and waits for its end.
pub(super) fn ask(
    world: &World,
    program: &[String],
    input: Zeroizing<Vec<u8>>,
    secrets: &[String],
    patience: Duration,
) -> Result<Said, Unasked> {
    let (name, args) = program
        .split_first()
        .ok_or_else(|| Unasked::NotStarted("it has no name".into()))?;
    let path = find(world, Path::new(name)).ok_or_else(|| Unasked::NotStarted(why(ErrorKind::NotFound)))?;
    let mut command = Command::new(path);
    command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // What it starts in turn is ended with it, and Ctrl-C reaches it through us alone.
    command.process_group(0);
    for name in secrets {
        command.env_remove(name);
    }
    let until = Instant::now() + patience;
    let mut child = command
        .spawn()
        .map_err(|error| Unasked::NotStarted(why(error.kind())))?;
    let group = Pid::from_child(&child);
    let kept = signal::keep_group(group);
    let (sender, ended) = channel();
    if let Some(mut pipe) = child.stdin.take() {
        // A program that does not read all of it says why by how it ends.
        std::thread::spawn(move || pipe.write_all(&input));
    }
    let (stdout, stderr) = (
        collect(child.stdout.take(), &sender),
        collect(child.stderr.take(), &sender),
    );
    drop(sender);
    let status = watch(&mut child, &ended, until);
    signal::yield_to_the_end();
    if status.is_none() {
        signal::end_group(group);
        // One that runs as somebody else cannot be ended by us, and is not waited for.
        let _ = watch(&mut child, &ended, Instant::now() + REST);
    }
    drop(kept);
    let until = Instant::now() + REST;
    while Instant::now() < until && ended.recv_timeout(LOOK) != Err(RecvTimeoutError::Disconnected) {}
    let status = status.ok_or(Unasked::TooSlow)?;
    Ok(Said {
        code: status.code(),
        stdout: taken(&stdout),
        stderr: taken(&stderr),
    })
}

/// How the program ended; none when it has not by this moment.
fn watch(child: &mut Child, ended: &Receiver<()>, until: Instant) -> Option<ExitStatus> {
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if Instant::now() >= until {
            return None;
        }
        // The end of a stream is looked at no sooner: most programs close theirs by ending.
        if ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Disconnected) {
            std::thread::park_timeout(LOOK);
        }
    }
}

type Collected = Arc<Mutex<Zeroizing<Vec<u8>>>>;

/// Reads a stream to its end; what is kept never moves in memory.
fn collect(pipe: Option<impl Read + Send + 'static>, ended: &Sender<()>) -> Collected {
    let bytes = Arc::new(Mutex::new(Zeroizing::new(Vec::with_capacity(MAX_SAID))));
    let (shared, ended) = (Arc::clone(&bytes), ended.clone());
    std::thread::spawn(move || {
        let mut part = Zeroizing::new([0; 4096]);
        let Some(mut pipe) = pipe else { return };
        while let Ok(length @ 1..) = pipe.read(&mut *part) {
            let mut bytes = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let room = MAX_SAID - bytes.len();
            bytes.extend_from_slice(&part[..length.min(room)]);
        }
        let _ = ended.send(());
    });
    bytes
}

fn taken(collected: &Collected) -> Zeroizing<Vec<u8>> {
    std::mem::take(&mut *collected.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Whether two paths lead to the same file.
pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    id(one).is_some_and(|found| id(other) == Some(found))
}

/// The path of a program, looked for in the absolute directories of `PATH` alone: a relative or empty one is the working
/// directory, which may be somebody else's.
pub(super) fn find(world: &World, program: &Path) -> Option<PathBuf> {
    if program.is_absolute() {
        return Some(program.into());
    }
    let name: &OsStr = program.as_os_str();
    if name.is_empty() || name.as_bytes().contains(&b'/') || name == ".." || name == "." {
        return None;
    }
    let path = world.var_os("PATH")?;
    let directories = std::env::split_paths(&path).filter(|directory| directory.is_absolute());
    let runs = |file: &PathBuf| {
        let metadata = std::fs::metadata(file);
        metadata.is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    directories.map(|directory| directory.join(program)).find(runs)
}
