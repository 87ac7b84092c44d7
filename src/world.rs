//! The only door to what lies outside: clock, waiting, randomness, environment, directories, terminal, stdio, browser.
//!
//! `main` builds one [`World`] and hands it down; pure code gets narrow parts of it (a [`Timestamp`], a value).
//! A test builds its own with a map for the environment and closures for clock and waiting.

mod browser;
mod child;
mod dirs;
mod keyboard;
mod screen;
mod signal;
mod terminal;

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::secret::Secret;
use crate::time::Timestamp;

pub use child::{Said, Unasked};
pub use dirs::Dirs;
pub use keyboard::{Keyboard, Typed};
pub use screen::Screen;
pub use signal::Kept;

/// What a tool may write to us on stdin; the largest known request is well under 200 KiB.
pub const MAX_INPUT: usize = 1024 * 1024;

/// Everything that a run takes from outside itself.
pub struct World {
    /// The program's name and arguments.
    pub args: Vec<OsString>,
    vars: Vars,
    clock: Rc<dyn Fn() -> Timestamp>,
    wait: Rc<dyn Fn(Duration)>,
    speaker: RefCell<Option<Rc<Speaker>>>,
    below: OnceCell<PathBuf>,
    brought: Option<(String, String)>,
}

/// Puts a text for a person as the program says it.
pub type Speaker = dyn Fn(&World, &str) -> String;

enum Vars {
    Process,
    Fixed(BTreeMap<String, OsString>),
}

impl World {
    /// The world of this process.
    pub fn process() -> World {
        World::called_with(std::env::args_os().collect())
    }

    /// The same with the words that the process was called with, the program's name first.
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub fn called_with(args: Vec<OsString>) -> World {
        let clock = || {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            Timestamp::from_unix(since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX)))
        };
        World {
            args,
            vars: Vars::Process,
            clock: Rc::new(clock),
            wait: Rc::new(std::thread::sleep),
            speaker: RefCell::default(),
            below: OnceCell::new(),
            brought: None,
        }
    }

    /// A world with exactly these variables, the clock at `now`, and waiting that returns at once.
    pub fn fixed(vars: impl IntoIterator<Item = (String, OsString)>, now: Timestamp) -> World {
        World {
            args: Vec::new(),
            vars: Vars::Fixed(vars.into_iter().collect()),
            clock: Rc::new(move || now),
            wait: Rc::new(|_| ()),
            speaker: RefCell::default(),
            below: OnceCell::new(),
            brought: None,
        }
    }

    /// The same world with another clock and another way of waiting.
    #[must_use]
    pub fn with_time(mut self, clock: impl Fn() -> Timestamp + 'static, wait: impl Fn(Duration) + 'static) -> World {
        self.clock = Rc::new(clock);
        self.wait = Rc::new(wait);
        self
    }

    /// The same world in a program that brings a provider file of its own, as name and text. A file of that name in the
    /// directory of provider files wins.
    #[must_use]
    pub fn with_provider(mut self, name: &str, text: &str) -> World {
        self.brought = Some((name.into(), text.into()));
        self
    }

    /// The provider file that this program brings, as name and text.
    pub fn brought(&self) -> Option<(&str, &str)> {
        let (name, text) = self.brought.as_ref()?;
        Some((name, text))
    }

    /// The variable as it is; none when it is not set or empty.
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub fn var_os(&self, name: &str) -> Option<OsString> {
        let value = match &self.vars {
            Vars::Process => std::env::var_os(name),
            Vars::Fixed(map) => map.get(name).cloned(),
        };
        value.filter(|value| !value.is_empty())
    }

    /// The variable as text; none when it is not set or empty.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] when it is not UTF-8; the value is not shown.
    pub fn var(&self, name: &str) -> Result<Option<String>> {
        let text = self.var_os(name).map(OsString::into_string).transpose();
        text.map_err(|_| Error::usage(format!("the variable `{name}` is not UTF-8")))
    }

    /// The wall clock.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The clock alone, for a store that outlives this borrow and may never ask it.
    pub fn clock(&self) -> Rc<dyn Fn() -> Timestamp> {
        Rc::clone(&self.clock)
    }

    /// Waits.
    pub fn sleep(&self, duration: Duration) {
        (self.wait)(duration);
    }

    /// The way of waiting alone, for a store that outlives this borrow.
    pub fn waiter(&self) -> Rc<dyn Fn(Duration)> {
        Rc::clone(&self.wait)
    }

    /// `N` bytes from the operating system's generator.
    ///
    /// # Panics
    /// When the operating system has no randomness; nothing safe can be done then.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        random()
    }

    /// A random number from 0 up to, but not including, `limit`.
    pub fn random_below(&self, limit: u64) -> u64 {
        u64::from_le_bytes(self.random()) % limit.max(1)
    }

    /// From now on everything that a person reads goes through this.
    pub fn speak(&self, speaker: Box<Speaker>) {
        *self.speaker.borrow_mut() = Some(speaker.into());
    }

    /// A text as this program says it to a person. It must hold no secret.
    pub fn spoken<'t>(&self, text: &'t str) -> Cow<'t, str> {
        // Released before the call, which may have something to say itself.
        let speaker = self.speaker.borrow().clone();
        match speaker.filter(|_| !text.is_empty()) {
            Some(speaker) => Cow::Owned(speaker(self, text)),
            None => Cow::Borrowed(text),
        }
    }

    /// From now on what is kept is below this directory, as the variable says; configuration stays where it is.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] when it is not an absolute path.
    pub fn keep_below(&self, home: PathBuf, variable: &str) -> Result<()> {
        if !home.is_absolute() {
            return Err(Error::usage(format!(
                "the variable `{variable}` is not an absolute path"
            )));
        }
        // Whoever came first has told others already.
        let _ = self.below.set(home);
        Ok(())
    }

    /// The directories of this user.
    ///
    /// # Errors
    /// [`crate::error::Class::Store`] when there is no home.
    pub fn dirs(&self) -> Result<Dirs> {
        Dirs::of(self).map(|dirs| match self.below.get() {
            Some(home) => dirs.kept_below(home),
            None => dirs,
        })
    }

    /// The place that a path in a provider file means: itself, below the home after `~/`, or below the user's directory of
    /// programs on Windows after `%APPDATA%\\`.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] when there is no such directory.
    pub fn expand(&self, path: &str) -> Result<PathBuf> {
        if let Some(below) = path.strip_prefix("%APPDATA%\\") {
            let base = self.var_os("APPDATA").map(PathBuf::from);
            let base = base.ok_or_else(|| Error::usage(format!("there is no `APPDATA` for `{path}`")))?;
            return Ok(base.join(below));
        }
        let Some(below) = path.strip_prefix("~/") else {
            return Ok(path.into());
        };
        let home = dirs::home(self).ok_or_else(|| Error::usage(format!("there is no home for `{path}`")))?;
        Ok(home.join(below))
    }

    /// All of stdin.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] when it is longer than [`MAX_INPUT`] or cannot be read.
    pub fn read_stdin(&self) -> Result<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(512));
        let limit = MAX_INPUT as u64 + 1;
        let read = self.stdin().take(limit).read_to_end(&mut bytes);
        read.map_err(|error| Error::usage(format!("reading standard input: {}", error.kind())))?;
        if bytes.len() > MAX_INPUT {
            return Err(Error::usage("the request on standard input is longer than 1 MiB"));
        }
        Ok(bytes)
    }

    /// What a tool writes to us.
    pub fn stdin(&self) -> impl Read + use<> {
        Raw(rustix::stdio::stdin())
    }

    /// What a tool reads from us. Writing fails when it was closed from the beginning.
    pub fn stdout(&self) -> impl Write + use<> {
        let closed = matches!(self.vars, Vars::Process) && crate::hygiene::stdout_was_closed();
        Stdout((!closed).then(|| Raw(rustix::stdio::stdout())))
    }

    /// What a person reads.
    pub fn stderr(&self) -> impl Write + use<> {
        Raw(rustix::stdio::stderr())
    }

    /// The descriptor of standard error, to ask what it is.
    fn errors() -> rustix::fd::BorrowedFd<'static> {
        rustix::stdio::stderr()
    }

    /// Writes a whole answer to stdout, once.
    ///
    /// # Errors
    /// What the system said; the caller decides whether a closed pipe matters.
    pub fn write_stdout(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = self.stdout();
        out.write_all(bytes)?;
        out.flush()
    }

    /// Writes lines for a person to stderr. A closed stderr is nobody's business.
    ///
    /// On a terminal that shows no letters beyond ASCII our own quotation marks and dots are written as ASCII.
    pub fn write_stderr(&self, text: &str) {
        let text = self.spoken(text);
        let plain = !text.is_ascii() && self.stderr_is_terminal() && !self.unicode();
        let text = if plain {
            text.replace(['\u{201c}', '\u{201d}'], "\"")
                .replace('\u{2026}', "...")
                .into()
        } else {
            text
        };
        let _ = self.stderr().write_all(text.as_bytes());
    }

    /// Whether a person is at a terminal that can be asked, and does not forbid it.
    pub fn person(&self) -> bool {
        let forbidden = self.var_os("CI").is_some() || self.var_os("KEYFOB_NO_INPUT").is_some();
        !forbidden && matches!(self.vars, Vars::Process) && terminal::is_there()
    }

    /// Whether stdin is a terminal, so that reading it would wait for a person.
    pub fn stdin_is_terminal(&self) -> bool {
        matches!(self.vars, Vars::Process) && io::stdin().is_terminal()
    }

    /// Whether what is written to stdout is seen on a terminal.
    pub fn stdout_is_terminal(&self) -> bool {
        matches!(self.vars, Vars::Process) && io::stdout().is_terminal()
    }

    /// Whether what is written for a person is seen on a terminal, so that a line may be written over.
    pub fn stderr_is_terminal(&self) -> bool {
        matches!(self.vars, Vars::Process) && io::stderr().is_terminal()
    }

    /// Asks for a secret on the terminal, without echo.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] when there is no terminal; [`crate::error::Class::Failure`] when it was interrupted.
    pub fn ask_secret(&self, prompt: &str) -> Result<Secret> {
        terminal::ask_secret(prompt)
    }

    /// Becomes another program, which alone gets the secret, in this variable. It keeps our streams, process number and
    /// directory, so that signals and its exit code are the caller's. Comes back only when that cannot be.
    pub fn become_program(&self, program: &[String], variable: &str, secret: &Secret) -> Error {
        child::become_program(program, variable, secret)
    }

    /// Starts a program, gives it `input` on its standard input, and waits for its end, at most this long; one that is too
    /// slow is ended, and so is one that runs when a signal ends keyfob. A name is looked for in the absolute directories
    /// of `PATH`. It gets our environment without the variables that `secrets` names, and none of our streams.
    ///
    /// # Errors
    /// [`Unasked`].
    pub fn ask_program(
        &self,
        program: &[String],
        input: Zeroizing<Vec<u8>>,
        secrets: &[String],
        patience: Duration,
    ) -> Result<Said, Unasked> {
        child::ask(self, program, input, secrets, patience)
    }

    /// The path of a program, if there is one of this name in the absolute directories of `PATH`.
    pub fn find_program(&self, name: &str) -> Option<PathBuf> {
        child::find(self, name.as_ref())
    }

    /// The path of this program's file.
    pub fn own_path(&self) -> Option<PathBuf> {
        std::env::current_exe().ok()
    }

    /// Whether a file is the program that runs now, as a link to it is.
    pub fn is_self(&self, program: &std::path::Path) -> bool {
        self.own_path().is_some_and(|own| child::is_same(&own, program))
    }

    /// Asks for a line on the terminal, with echo. The answer comes without the spaces around it, and may be empty.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] when there is no terminal; [`crate::error::Class::Failure`] when the person closed
    /// the question with Ctrl-D. Ctrl-C ends the program.
    pub fn ask_line(&self, prompt: &str) -> Result<Zeroizing<String>> {
        terminal::ask_line(prompt)
    }

    /// Asks on the terminal for the Enter key, and waits for it at most this long. What was typed before is dropped.
    ///
    /// False when there is no terminal, when it was closed, and when nobody came.
    pub fn ask_enter(&self, prompt: &str, patience: Duration) -> bool {
        matches!(self.vars, Vars::Process) && terminal::ask_enter(prompt, patience)
    }

    /// From now on, until the result is dropped, a signal that ends the program first wipes the line that is being
    /// written over on standard error.
    pub fn keep_line(&self) -> Kept {
        signal::keep(signal::Keep::Nothing, "\r\u{1b}[K")
    }

    /// The terminal's keyboard, for lines that a person may type while something else is waited for; none where nobody
    /// may be asked.
    pub fn keyboard(&self) -> Option<Keyboard> {
        self.person().then(Keyboard::open).flatten()
    }

    /// Opens a page in the person's browser: the one that `BROWSER` names, else the platform's. Only URLs of `https:`, or
    /// of `http:` to this machine, are handed on, as one argument, to no shell.
    ///
    /// `secrets` names the variables that the browser must not get.
    ///
    /// # Errors
    /// When no browser could be started; the caller has printed the URL before.
    pub fn open_browser(&self, url: &str, secrets: &[String]) -> Result<()> {
        browser::open(self, url, secrets)
    }
}

/// Standard output, unless there is none.
struct Stdout(Option<Raw>);

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let closed = || io::Error::new(io::ErrorKind::NotConnected, "standard output is closed");
        self.0.as_mut().ok_or_else(closed)?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lets a panic say where it is and never why: its message may hold a value.
///
/// `called` is the program's name as it was called, and `named` says of it which one a message begins with. That is asked
/// only then, since a call that goes well should not pay for it.
pub fn quiet_panics(called: OsString, named: fn(&str) -> &str) {
    std::panic::set_hook(Box::new(move |info| {
        let place = info.location().map_or((String::new(), 0), |location| {
            let file = std::path::Path::new(location.file()).file_name().unwrap_or_default();
            (file.to_string_lossy().into_owned(), location.line())
        });
        let text = format!(
            "{}: error: BUG: a panic in {}, line {}; please report it\n",
            named(program_name(called.to_str())),
            place.0,
            place.1
        );
        let _ = io::stderr().write_all(text.as_bytes());
    }));
}

/// The name of a program without its directories; ours where there is none.
pub fn program_name(called: Option<&str>) -> &str {
    called.map_or("keyfob", |name| name.rsplit(['/', '\\']).next().unwrap_or(name))
}

/// `N` bytes from the operating system's generator, for what has no [`World`] at hand.
///
/// # Panics
/// When the operating system has no randomness; nothing safe can be done then.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A standard stream without the buffers of the standard library, which would hold secrets and cost a mapping each.
struct Raw(rustix::fd::BorrowedFd<'static>);

impl Read for Raw {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| rustix::io::read(self.0, &mut *buffer))?)
    }
}

impl Write for Raw {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| rustix::io::write(self.0, bytes))?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
