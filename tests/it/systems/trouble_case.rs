//! A program whose person has logged in, and what must be true of every command of it in every trouble.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use super::program::Program;
use super::{bcdock, ccp, clonit, cmdop, myclaude};
use crate::http_server::at;
use crate::sandbox::Output;

/// What the variable of a program is set to: no service knows it.
pub const FOREIGN: &str = "cmd_acme_canary-of-the-variable";

/// The first line of the file `words`.
pub const WORDS: &str = "canary battery staple";

/// A program, its services, and the variable that may hold its token.
pub struct Case {
    pub program: Program,
    services: Option<Services>,
    pub variable: Option<&'static str>,
    /// Its place in the cells of the table.
    pub place: usize,
    /// The commands that hints have named.
    hints: BTreeSet<String>,
}

/// Doubles that run until they are dropped, and how they end all sessions.
type Services = (Box<dyn Any + Send>, Box<dyn Fn(&dyn Any) + Send>);

/// What is in the home, with the permissions.
pub type Home = BTreeMap<PathBuf, (Vec<u8>, u32)>;

/// Does this with each of the five at once, each in a network of its own: they wait for it for much of their time.
pub fn each(check: impl Fn(&mut Case) + Sync) {
    static NETWORKS: AtomicU8 = AtomicU8::new(0);
    let network = NETWORKS.fetch_add(1, Ordering::Relaxed);
    let check = &check;
    std::thread::scope(|scope| {
        for place in 0..5 {
            let host = Ipv4Addr::new(127, 77, network, 1 + place);
            scope.spawn(move || check(&mut at(host, || case(place.into()))));
        }
    });
}

/// The program of this place in the cells of the table.
fn case(place: usize) -> Case {
    match place {
        0 => {
            let (program, ccp) = ccp::logged_in();
            of(place, program, Some("CCP_SESSION_TOKEN"), ccp, ccp::Ccp::ends_all)
        }
        1 => {
            let (program, prod, dev) = cmdop::in_both();
            let ends = |(prod, dev): &(cmdop::Cmdop, cmdop::Cmdop)| {
                prod.ends_all();
                dev.ends_all();
            };
            of(place, program, Some("CMDOP_API_KEY"), (prod, dev), ends)
        }
        2 => {
            let (program, bcdock) = bcdock::logged_in();
            of(place, program, Some("BCDOCK_TOKEN"), bcdock, bcdock::Bcdock::ends_all)
        }
        3 => {
            let (program, clonit) = clonit::logged_in();
            of(place, program, None, clonit, clonit::Clonit::ends_all)
        }
        _ => {
            let (program, myclaude) = myclaude::logged_in();
            let ends = myclaude::Myclaude::ends_all;
            of(place, program, Some("MYCLAUDE_TOKEN"), myclaude, ends)
        }
    }
}

fn of<T>(place: usize, program: Program, variable: Option<&'static str>, service: T, ends: fn(&T)) -> Case
where
    T: Send + 'static,
{
    program.sandbox.write("words", &format!("{WORDS}\n"));
    let ends = move |any: &dyn Any| ends(any.downcast_ref().expect("it is this one's"));
    Case {
        program,
        services: Some((Box::new(service), Box::new(ends))),
        variable,
        place,
        hints: BTreeSet::new(),
    }
}

impl Case {
    /// The services end all sessions.
    pub fn ends_all(&self) {
        let (services, ends) = self.services.as_ref().expect("the services run");
        ends(services.as_ref());
    }

    /// The services are no longer reached.
    pub fn loses_network(&mut self) {
        self.services = None;
    }

    /// The words of a command as a person gives them to this program.
    pub fn words<'a>(&self, line: &'a str) -> Vec<&'a str> {
        let is_own = ["auth ", "companies ", "connect ", "me "]
            .iter()
            .any(|own| line.starts_with(own));
        let is_below = ["ccp", "bcdock"].contains(&self.program.name.as_str());
        let auth = (is_below && !is_own).then_some("auth");
        auth.into_iter().chain(line.split_whitespace()).collect()
    }

    /// Runs a command to its end; with what is wrong about how it ended, whatever it was.
    pub fn run(&mut self, line: &str, stdin: &str, variable: bool) -> (Output, Option<&'static str>) {
        let args = self.words(line);
        let mut run = self.program.call(&args).run.deadline(Duration::from_secs(60));
        if !stdin.is_empty() {
            run = run.stdin(stdin);
        }
        if let Some(name) = self.variable.filter(|_| variable) {
            run = run.env(name, FOREIGN);
        }
        let output = run.run();
        let wrong = self.wrong(&output);
        (output, wrong)
    }

    /// Runs a command that does what it should.
    pub fn done(&self, line: &str) -> Output {
        self.program.done(&self.words(line))
    }

    fn wrong(&mut self, output: &Output) -> Option<&'static str> {
        let (code, said, name) = (output.code(), &output.stderr, &self.program.name);
        let strange = |line: &str| line.starts_with("keyfob: ") || line.contains("panicked") || line.contains("BUG");
        let errors = said.matches(&format!("{name}: error: ")).count();
        // A status in JSON, and a shell's question by the exit code, say it themselves.
        let is_told = errors == 1 || (code <= 2 && !output.stdout.is_empty());
        let hint = format!("{name}: hint: ");
        let hints: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix(&hint)).collect();
        let commands = hints.iter().flat_map(|hint| hint.split('`').skip(1).step_by(2));
        let commands = commands.filter(|command| command.starts_with(&format!("{name} ")));
        self.hints.extend(commands.map(str::to_owned));
        match code {
            _ if ![0, 1, 2, 3, 4, 5, 64].contains(&code) => Some("a code of no table"),
            _ if said.lines().any(strange) => Some("not in the program's name"),
            _ if code == 0 && errors > 0 => Some("an error that is none"),
            _ if code != 0 && !is_told => Some("no error is told"),
            // Who must log in or unlock, or may not do it, is told what to do.
            _ if [2, 4, 5].contains(&code) && errors == 1 && hints.len() != 1 => Some("no hint"),
            _ => None,
        }
    }

    /// Every command that a hint named is one that there is.
    pub fn hints_are_good(&self) {
        for hint in &self.hints {
            let words = hint.split_whitespace().skip(1);
            let words: Vec<&str> = words.chain(["--help"]).collect();
            let output = self.program.call(&words).run.run();
            assert_eq!(output.code(), 0, "`{hint}` is no command: {}", output.stderr);
        }
    }

    /// What is in the home.
    pub fn home(&self) -> Home {
        Case::files(&self.program)
    }

    /// What is in the home of a program.
    pub fn files(program: &Program) -> Home {
        let (mut found, mut left) = (Home::new(), vec![program.sandbox.path().to_path_buf()]);
        while let Some(dir) = left.pop() {
            for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
                let (path, kind) = (entry.path(), entry.file_type());
                match kind {
                    Ok(kind) if kind.is_dir() => left.push(path),
                    Ok(kind) if kind.is_file() => {
                        let mode = entry.metadata().unwrap().permissions().mode();
                        found.insert(path.clone(), (std::fs::read(&path).unwrap(), mode));
                    }
                    _ => (),
                }
            }
        }
        found
    }

    /// Puts the home as it was.
    pub fn restore(&self, before: &Home) {
        let now = self.home();
        for path in now.keys().filter(|path| !before.contains_key(*path)) {
            std::fs::remove_file(path).unwrap();
        }
        for (path, (content, mode)) in before {
            if now.get(path).is_none_or(|(other, _)| other != content) {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, content).unwrap();
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(*mode)).unwrap();
            }
        }
    }
}

/// The files that came, went or have another content, but for what any run may leave: locks, and what is read of files.
pub fn changed(before: &Home, after: &Home) -> Vec<String> {
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let changed = names.into_iter().filter(|path| before.get(*path) != after.get(*path));
    let changed = changed.map(|path| path.display().to_string());
    changed
        .filter(|path| !path.ends_with(".lock") && !path.ends_with("/state/index"))
        .collect()
}

/// The secrets that are in these files.
pub fn secrets(home: &Home) -> BTreeSet<String> {
    let is_end = |c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c);
    let mut found = BTreeSet::new();
    for (content, _) in home.values() {
        let text = String::from_utf8_lossy(content);
        let words = text.match_indices("canary").map(|(at, _)| &text[at..]);
        found.extend(words.map(|rest| rest.split(is_end).next().unwrap_or_default().to_owned()));
    }
    found
}
