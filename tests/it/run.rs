//! One run of a program: its deadline, what it wrote, and the check that no secret is on its stderr.
//!
//! `sandbox.rs` says in which surroundings. It does not know which program runs.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// When a run is killed. Longer than anything keyfob may take by its own deadlines without waiting for another process, also
/// on a machine that has much else to do.
const DEADLINE: Duration = Duration::from_secs(60);

/// Until it is dropped, no run is started. Between fork and exec a new process has all our files, and with them our locks.
pub fn no_forks() -> MutexGuard<'static, ()> {
    static FORKING: Mutex<()> = Mutex::new(());
    FORKING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a signal end what we start, even where we are told to ignore it ourselves, as a shell's background job and one
/// under `nohup` are: a handler is not inherited, ignoring is.
#[cfg(unix)]
fn heed_signals() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
            let always = Arc::new(AtomicBool::new(true));
            signal_hook::flag::register_conditional_default(signal, always).expect("this signal can be handled");
        }
    });
}

/// A program that is about to be started.
#[must_use]
#[derive(Clone)]
pub struct Run {
    program: OsString,
    args: Vec<OsString>,
    vars: BTreeMap<OsString, OsString>,
    dir: PathBuf,
    stdin: Option<Vec<u8>>,
    is_held: bool,
    deadline: Duration,
}

impl Run {
    /// A run with exactly these variables, in this directory.
    pub fn new(program: &OsStr, args: &[&str], vars: BTreeMap<OsString, OsString>, dir: &Path) -> Run {
        Run {
            program: program.into(),
            args: args.iter().map(Into::into).collect(),
            vars,
            dir: dir.into(),
            stdin: None,
            is_held: false,
            deadline: DEADLINE,
        }
    }

    /// What it reads. Defaults to nothing, at its end.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Run {
        self.stdin = Some(bytes.into());
        self
    }

    /// It reads nothing, and its input does not end while it runs.
    pub fn stdin_held(mut self) -> Run {
        self.is_held = true;
        self.stdin(Vec::new())
    }

    /// One more variable.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Run {
        self.vars.insert(name.into(), value.into());
        self
    }

    /// The working directory. Defaults to the home.
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Run {
        self.dir = dir.into();
        self
    }

    /// When it is killed, and the test fails.
    pub fn deadline(mut self, deadline: Duration) -> Run {
        self.deadline = deadline;
        self
    }

    /// The same under strace, which meddles with system calls as its option `-e inject=` says, such as
    /// `fsync:error=EIO:when=1` or `rename,renameat,renameat2:signal=KILL`.
    ///
    /// What it saw is in the file `strace.log` of the working directory, with `(INJECTED)` where it meddled.
    pub fn injected(self, what: &str) -> Run {
        let calls = what.split(':').next().unwrap_or_default();
        let mut args: Vec<OsString> = ["-f", "-qqq", "-o", "strace.log", "-e", &format!("trace={calls}")]
            .map(OsString::from)
            .into();
        args.extend(["-e".into(), format!("inject={what}").into(), "--".into(), self.program]);
        args.extend(self.args);
        Run {
            program: "strace".into(),
            args,
            ..self
        }
    }

    /// Starts it and waits for its end.
    pub fn run(self) -> Output {
        self.spawn().wait()
    }

    /// Starts it.
    pub fn spawn(self) -> Running {
        #[cfg(unix)]
        heed_signals();
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .envs(&self.vars)
            .current_dir(&self.dir);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if self.stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        let forking = no_forks();
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", self.program.display()));
        drop(forking);
        let mut held = None;
        if let (Some(mut pipe), Some(bytes)) = (child.stdin.take(), self.stdin) {
            if self.is_held {
                held = Some(pipe);
            } else {
                // A program that does not read all of it is no failure of the test.
                std::thread::spawn(move || pipe.write_all(&bytes).ok());
            }
        }
        let words = self.args.iter().map(|arg| arg.to_string_lossy());
        let words: Vec<_> = [self.program.to_string_lossy()].into_iter().chain(words).collect();
        Running {
            name: words.join(" "),
            stdout: collect(child.stdout.take().expect("stdout is a pipe")),
            stderr: collect(child.stderr.take().expect("stderr is a pipe")),
            until: Instant::now() + self.deadline,
            _held: held,
            child,
        }
    }
}

/// What came through a pipe so far, and the thread that reads on.
struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

fn collect(mut pipe: impl Read + Send + 'static) -> Collected {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&bytes);
    let reader = std::thread::spawn(move || {
        let mut part = [0; 8192];
        while let Ok(length @ 1..) = pipe.read(&mut part) {
            let mut bytes = shared.lock().expect("nobody panics with the lock");
            bytes.extend_from_slice(&part[..length]);
        }
    });
    Collected { bytes, reader }
}

impl Collected {
    fn so_far(&self) -> Vec<u8> {
        self.bytes.lock().expect("nobody panics with the lock").clone()
    }

    fn all(self) -> Vec<u8> {
        self.reader.join().expect("a reader does not panic");
        std::mem::take(&mut *self.bytes.lock().expect("nobody panics with the lock"))
    }
}

/// A program that runs.
pub struct Running {
    name: String,
    child: Child,
    stdout: Collected,
    stderr: Collected,
    until: Instant,
    _held: Option<ChildStdin>,
}

impl Running {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to stderr until now.
    pub fn stderr_so_far(&self) -> String {
        String::from_utf8_lossy(&self.stderr.so_far()).into_owned()
    }

    /// What it wrote to stdout until now.
    pub fn stdout_so_far(&self) -> String {
        String::from_utf8_lossy(&self.stdout.so_far()).into_owned()
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it takes too long, or its stderr holds a secret.
    pub fn wait(mut self) -> Output {
        let mut pause = Duration::from_micros(200);
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the program is our child") {
                break status;
            }
            if Instant::now() > self.until {
                self.kill();
                let _ = self.child.wait();
                panic!("`{}` was killed at its deadline", self.name);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        };
        let output = Output {
            status,
            stdout: self.stdout.all(),
            stderr: String::from_utf8_lossy(&self.stderr.all()).into_owned(),
            name: self.name,
        };
        let leaks = output.stderr.contains("canary");
        assert!(!leaks, "`{}` leaks a secret on stderr:\n{}", output.name, output.stderr);
        output
    }
}

/// What a program did.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command line, for messages.
    pub name: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Output {
    /// The exit code.
    ///
    /// # Panics
    /// When a signal ended it.
    pub fn code(&self) -> i32 {
        let killed = || panic!("`{}` was ended by a signal: {}", self.name, self.stderr);
        self.status.code().unwrap_or_else(killed)
    }

    /// Its stdout as text.
    ///
    /// # Panics
    /// When it is not UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("the program writes UTF-8")
    }

    /// Itself, if it ended with 0.
    ///
    /// # Panics
    /// When it did not; stdout is not shown, since it may hold the secret that was asked for.
    pub fn expect_success(self) -> Output {
        self.expect_code(0)
    }

    /// Itself, if it ended with this code, and with nothing on stdout if that is a failure's.
    ///
    /// # Panics
    /// When it did not.
    pub fn expect_code(self, code: i32) -> Output {
        assert_eq!(self.code(), code, "`{}` says: {}", self.name, self.stderr);
        let silent = code == 0 || self.stdout.is_empty();
        assert!(silent, "`{}` failed, but wrote to stdout", self.name);
        self
    }
}
