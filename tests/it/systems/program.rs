//! One of the five programs: a link to keyfob in a home of its own, whose provider file is the example with the hosts of
//! the doubles.

use std::io::Write;
use std::time::{Duration, Instant};

use super::row::root;
use crate::run::{Output, Run, Running};
use crate::sandbox::Sandbox;

/// The program in its home.
pub struct Program {
    pub sandbox: Sandbox,
    pub name: String,
    /// What stands for what in a text that is written down.
    pub words: Vec<(String, String)>,
}

/// A run that is about to be started, and how a person would write it.
#[must_use]
pub struct Call {
    pub run: Run,
    pub shown: String,
    pub words: Vec<(String, String)>,
}

impl Program {
    /// The program of `examples/providers/NAME.toml`. Each pair is a URL that stands in the file, and the double's.
    ///
    /// # Panics
    /// When the file does not have such a URL: a test must not reach the real one.
    pub fn new(name: &str, hosts: &[(&str, &str)]) -> Program {
        let file = root().join(format!("examples/providers/{name}.toml"));
        let mut text = std::fs::read_to_string(file).unwrap();
        for (real, double) in hosts {
            assert!(text.contains(real), "{name}.toml does not name {real}");
            text = text.replace(real, double);
        }
        Program::of(name, &text, hosts)
    }

    /// The program of a provider file with this text.
    pub fn of(name: &str, file: &str, hosts: &[(&str, &str)]) -> Program {
        let mut sandbox = Sandbox::new();
        sandbox.write_provider(name, file);
        link(&sandbox, name);
        let bin = sandbox.path().join("bin");
        let path = std::env::var("PATH").unwrap();
        sandbox.set("PATH", format!("{}:{path}", bin.display()));
        let mut words: Vec<(String, String)> = hosts
            .iter()
            .map(|(real, double)| ((*double).to_owned(), (*real).to_owned()))
            .collect();
        words.push((format!("{}/", bin.display()), String::new()));
        words.push((sandbox.keyfob_home().display().to_string(), "~/.keyfob".into()));
        words.push((sandbox.path().display().to_string(), "~".into()));
        Program {
            sandbox,
            name: name.into(),
            words,
        }
    }

    /// A call with these arguments. Nobody is at a terminal, and standard input has ended.
    pub fn call(&self, args: &[&str]) -> Call {
        let run = self.sandbox.program(self.path(), args);
        self.shown(run, &[&[self.name.as_str()], args].concat())
    }

    /// The same on a terminal, where these lines are typed. What it shows is on stdout.
    #[cfg(target_os = "linux")]
    pub fn typed(&self, args: &[&str], lines: &str) -> Call {
        let words: Vec<String> = [&[self.name.as_str()], args]
            .concat()
            .iter()
            .map(|word| quoted(word))
            .collect();
        let run = self
            .sandbox
            .program("script", &["-qec", &words.join(" "), "/dev/null"])
            .deadline(Duration::from_secs(60));
        let run = if lines.is_empty() {
            run.stdin_held()
        } else {
            run.stdin(lines)
        };
        self.shown(run, &[&[self.name.as_str()], args].concat())
    }

    /// A program on a terminal on which a person types when it asks: see [`Terminal`].
    #[cfg(target_os = "linux")]
    pub fn terminal(&self, line: &str) -> Terminal {
        let keys = self.sandbox.path().join("keys");
        let _ = std::fs::remove_file(&keys);
        let script = format!("mkfifo keys && exec script -qec {} /dev/null < keys", quoted(line));
        let run = self.sandbox.program("sh", &["-c", &script]);
        let running = run.deadline(Duration::from_secs(120)).spawn();
        until("the pipe", || keys.exists().then_some(()));
        // Opening waits for the reader.
        let keys = std::fs::OpenOptions::new().write(true).open(keys).unwrap();
        Terminal { running, keys }
    }

    /// A line for a shell, which finds the program by its name.
    pub fn shell(&self, line: &str) -> Call {
        let run = self
            .sandbox
            .program("sh", &["-c", line])
            .deadline(Duration::from_secs(60));
        Call {
            run,
            shown: line.into(),
            words: self.words.clone(),
        }
    }

    /// A call of another program, such as `git`, which is written down too.
    pub fn other(&self, program: &str, args: &[&str]) -> Call {
        let run = self.sandbox.program(program, args);
        self.shown(run, &[&[program], args].concat())
    }

    /// Runs it with these arguments to a good end; for what a row needs before its own run.
    pub fn done(&self, args: &[&str]) -> Output {
        self.call(args).run.run().expect_success()
    }

    /// Makes the records older, as [`Sandbox::ages`] does.
    pub fn ages(&self, seconds: i64) {
        self.sandbox.ages(seconds);
    }

    /// Where the link is.
    pub fn path(&self) -> std::path::PathBuf {
        self.sandbox.path().join("bin").join(&self.name)
    }

    fn shown(&self, run: Run, words: &[&str]) -> Call {
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        Call {
            run,
            shown: words.join(" "),
            words: self.words.clone(),
        }
    }
}

/// A terminal that stays open until the program on it has ended.
#[cfg(target_os = "linux")]
pub struct Terminal {
    running: Running,
    keys: std::fs::File,
}

#[cfg(target_os = "linux")]
impl Terminal {
    /// Waits until this text is on the screen.
    pub fn shows(&mut self, text: &str) -> String {
        until(text, || {
            let seen = self.running.stdout_so_far();
            let there = seen.contains(text);
            assert!(there || self.running.is_running(), "it ended without `{text}`: {seen}");
            there.then_some(seen)
        })
    }

    /// Presses Ctrl-C.
    pub fn interrupts(&mut self) {
        self.keys.write_all(b"\x03").unwrap();
    }

    /// What has been on the screen.
    pub fn so_far(&self) -> String {
        self.running.stdout_so_far()
    }

    /// Types a line.
    pub fn types(&mut self, line: &str) {
        self.keys.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Waits for the end.
    pub fn ends(self) -> Output {
        let output = self.running.wait();
        drop(self.keys);
        output
    }
}

/// Waits for something that another process does.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what} did not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Call {
    /// One more variable. Its value is written down as `…`.
    pub fn env(mut self, name: &str, value: impl Into<std::ffi::OsString>) -> Call {
        self.run = self.run.env(name, value);
        self.shown = format!("{name}=… {}", self.shown);
        self
    }

    /// What it reads, which is written down as `…`.
    pub fn stdin(mut self, text: &str) -> Call {
        self.run = self.run.stdin(text);
        self.shown = format!("… | {}", self.shown);
        self
    }

    /// Another word for an argument that is not to be seen, such as a code.
    pub fn hiding(mut self, argument: &str) -> Call {
        self.shown = self.shown.replace(argument, "…");
        self
    }
}

/// Puts the program of this name in place.
fn link(sandbox: &Sandbox, name: &str) {
    let bin = sandbox.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(sandbox.keyfob_path(), bin.join(name)).unwrap();
}

/// A word as a person types it at a shell.
fn quoted(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:@=,+%".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
