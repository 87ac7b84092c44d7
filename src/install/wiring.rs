//! What a tool's file works with: where things are, what they hold, and the changes that it wants.
//!
//! Nothing is written here. A configuration is edited as text with plain line ends and no byte order mark; both come back
//! as they were.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::diff;
use super::format::Format;
use super::journal::{Change, Options};
use super::state::{self, Seen, State, missing_above, resolve};
use crate::error::{Context, Error, Result};
use crate::report::printable;
use crate::world::{Unasked, World};

/// How long a tool may take to edit a copy of its own configuration; it takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// What no shell reads as anything else, besides letters and digits.
const PLAIN: &str = "/._-@+:~,";

/// What a program says where the disk is full.
const FULL: [&str; 2] = ["No space left on device", "Disk quota exceeded"];

/// The plan of one tool.
pub(super) struct Wiring<'a> {
    pub(super) world: &'a World,
    pub(super) options: &'a Options,
    /// The absolute path of this program, as it is called.
    keyfob: &'a Path,
    /// The directory for links that are looked for on `PATH`.
    links: &'a Path,
    /// Where a copy lies while a tool edits it.
    scratch: &'a Path,
    seen: Seen,
    pub(super) changes: Vec<Change>,
    pub(super) made: Vec<PathBuf>,
    /// The configurations that it edits, also one that it then could not.
    pub(super) files: Vec<PathBuf>,
    /// What a person is told once.
    pub(super) notes: Vec<String>,
    /// What a person is told, and by the list again, because it stays so until one of them changes it.
    pub(super) lasting: Vec<String>,
}

/// The places that are the same for all tools.
pub(super) struct Places {
    pub(super) keyfob: PathBuf,
    pub(super) links: PathBuf,
    pub(super) scratch: PathBuf,
}

impl Places {
    /// Where they are now.
    pub(super) fn of(world: &World, scratch: PathBuf) -> Result<Places> {
        let keyfob = own_path(world)?;
        let links = links(world, &keyfob)?;
        Ok(Places { keyfob, links, scratch })
    }
}

impl<'a> Wiring<'a> {
    pub(super) fn new(world: &'a World, options: &'a Options, places: &'a Places, seen: Seen) -> Wiring<'a> {
        Wiring {
            world,
            options,
            keyfob: &places.keyfob,
            links: &places.links,
            scratch: &places.scratch,
            seen,
            changes: Vec::new(),
            made: Vec::new(),
            files: Vec::new(),
            notes: Vec::new(),
            lasting: Vec::new(),
        }
    }

    /// The home.
    pub(super) fn home(&self) -> Result<PathBuf> {
        self.world.expand("~/")
    }

    /// The path that a variable of the tool holds.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] when it is not absolute: what it means depends on where the tool is started.
    pub(super) fn path_in(&self, name: &str) -> Result<Option<PathBuf>> {
        let Some(path) = self.world.var_os(name).map(PathBuf::from) else {
            return Ok(None);
        };
        if path.is_absolute() {
            return Ok(Some(path));
        }
        Err(Error::usage(format!("the variable `{name}` is not an absolute path")).hint("set it to one, or unset it"))
    }

    /// The directory of configurations by the XDG base directories.
    pub(super) fn xdg_config(&self) -> Result<PathBuf> {
        let named = self.world.var_os("XDG_CONFIG_HOME").map(PathBuf::from);
        match named.filter(|path| path.is_absolute()) {
            Some(path) => Ok(path),
            None => Ok(self.home()?.join(".config")),
        }
    }

    /// Whether something lies at a path.
    pub(super) fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    /// The name of one of our programs with the profile in it: `docker-credential-keyfob-acme~dev@ann`.
    pub(super) fn program(&self, name: &str) -> Result<String> {
        let Some(profile) = &self.options.profile else {
            return Ok(name.into());
        };
        let (names, account) = match profile.split_once(':') {
            Some((names, account)) => (names, format!("@{account}")),
            None => (profile.as_str(), String::new()),
        };
        if account.contains('/') {
            return Err(Error::usage(
                "the account has a `/`, which the name of a program cannot have",
            ));
        }
        Ok(format!("{name}-{}{account}", names.replacen('/', "~", 1)))
    }

    /// The directory for links that are looked for on `PATH`.
    pub(super) fn links(&self) -> &'a Path {
        self.links
    }

    /// The directories of `PATH`, in their order.
    pub(super) fn on_path(&self) -> Vec<PathBuf> {
        let list = self.world.var_os("PATH").unwrap_or_default();
        std::env::split_paths(&list).filter(|dir| dir.is_absolute()).collect()
    }

    /// The path of this program, as text.
    pub(super) fn keyfob(&self) -> Result<&'a str> {
        text_of(self.keyfob)
    }

    /// A link to this program in a directory of `PATH`, and its path, where a tool looks for its name there. What a person
    /// is told is how that will be with the link.
    pub(super) fn link(&mut self, name: &str) -> Result<String> {
        self.link_in(self.links, name)
    }

    /// The same in this directory.
    pub(super) fn link_in(&mut self, links: &Path, name: &str) -> Result<String> {
        let text = self.link_at(&links.join(name))?;
        let directories = self.on_path();
        let ours = directories.iter().position(|dir| dir == links || same(dir, links));
        let mut others = directories.iter().enumerate().filter(|(at, _)| Some(*at) != ours);
        let other = others.find_map(|(at, dir)| {
            let program = dir.join(name);
            let is_other = is_program(&program) && !same(&program, self.keyfob);
            is_other.then_some((at, program))
        });
        let directory = links.display();
        if ours.is_none() {
            let how = if links.exists() {
                "add it"
            } else {
                "log in again, as many systems add it at login where it exists, else add it"
            };
            self.notes.push(format!(
                "`{directory}` is not on PATH, where the tool looks for `{name}`: {how}"
            ));
        }
        let Some((at, other)) = other else { return Ok(text) };
        let other = other.display();
        self.notes.push(match ours {
            Some(ours) if ours < at => {
                format!("`{directory}/{name}` now hides `{other}`, for every program that looks for it")
            }
            Some(_) => format!("`{other}` comes before `{directory}` on PATH, and is found instead of keyfob"),
            None => format!("`{other}` is found instead of keyfob, unless `{directory}` comes before it on PATH"),
        });
        Ok(text)
    }

    /// The same where the tool is told the whole path.
    pub(super) fn link_beside(&mut self, name: &str) -> Result<String> {
        self.link_at(&self.links.join(name))
    }

    /// The same where the tool puts the path into a command of a shell as it is, and takes no quotes.
    ///
    /// # Errors
    /// [`crate::error::Class::Refused`] when a shell could read anything else than that path.
    pub(super) fn link_for_shell(&mut self, name: &str) -> Result<String> {
        let path = self.link_beside(name)?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || PLAIN.contains(c);
        if path.chars().all(is_plain) {
            return Ok(path);
        }
        let error = Error::refused(format!(
            "the tool runs `{}` through a shell without quotes, where only letters, digits and `{PLAIN}` are safe",
            printable(&path)
        ));
        Err(if name.chars().all(is_plain) {
            error.hint("put keyfob into a directory of `PATH` whose path has no others")
        } else {
            error.hint("name a profile without that account")
        })
    }

    /// A link to this program at a path, and that path.
    ///
    /// # Errors
    /// [`crate::error::Class::Refused`] when something else lies there; a link is replaced where a person said so, or
    /// where it leads to a keyfob that is gone.
    pub(super) fn link_at(&mut self, path: &Path) -> Result<String> {
        let directory = path.parent().unwrap_or(Path::new("/"));
        let name = path.file_name().unwrap_or_default();
        // Its directory may be a link; it itself is not to be followed.
        let directory = resolve(&directory.join("."))?;
        if directory.exists() {
            state::check_directory(&directory)?;
        }
        let path = directory.join(name);
        let target = self.keyfob()?.to_owned();
        let before = match self.seen.look(&path)? {
            // One of ours, whose directory has moved, or another name of a program that is gone: nobody misses it.
            State::Link(old) if is_dead(&directory, &old) => State::Nothing,
            before => before,
        };
        let ours = match &before {
            State::Nothing => true,
            State::Link(old) => *old == target || same(&path, self.keyfob),
            State::File { .. } => false,
        };
        let replaceable = matches!(before, State::Link(_)) && self.options.replace;
        if !ours && !replaceable {
            let what = if matches!(before, State::Link(_)) {
                "a link to something else"
            } else {
                "another program"
            };
            let error = Error::refused(format!("`{}` is {what}", path.display()));
            return Err(match before {
                State::Link(_) => error.hint("`--replace` replaces it until it is uninstalled"),
                _ => error.hint("move it away, then try again"),
            });
        }
        let text = text_of(&path)?.to_owned();
        self.change(Change::new(&path, before, State::Link(target)));
        Ok(text)
    }

    /// Edits a configuration: `edit` gets its text, which is empty where there is none, and says what it becomes.
    ///
    /// # Errors
    /// Those of `edit`, with the path; [`crate::error::Class::Usage`] when it is not UTF-8.
    pub(super) fn edit(&mut self, path: &Path, edit: impl FnOnce(&str) -> Result<String>) -> Result<()> {
        self.edit_as(None, path, edit)
    }

    /// The same of a known format, which is taken back even where a tool has written the whole file anew since.
    ///
    /// # Errors
    /// As [`Wiring::edit`].
    pub(super) fn edit_as(
        &mut self,
        format: impl Into<Option<Format>>,
        path: &Path,
        edit: impl FnOnce(&str) -> Result<String>,
    ) -> Result<()> {
        let named = path;
        let path = resolve(path)?;
        self.files.push(path.clone());
        let before = self.seen.look(&path)?;
        let place = path.display().to_string();
        let text = std::str::from_utf8(before.bytes());
        let text = text
            .map_err(|_| Error::usage("it is not UTF-8"))
            .doing(editing(&place))?;
        let edited = edit(&diff::plain(text)).doing(editing(&place))?;
        let after = diff::as_before(text, &edited);
        let after = before.with_bytes(after.into());
        self.change(Change {
            named: Some(named.into()).filter(|named| *named != path),
            format: format.into(),
            ..Change::new(&path, before, after)
        });
        Ok(())
    }

    /// Edits a configuration by runs of the tool's own program on a copy. `edit` gets a function that runs a program with
    /// arguments, in which `{}` is the copy's path, and gives back what it printed.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] when the program refuses it, with the words that `sense` finds in what it said: all
    /// of it may show values.
    pub(super) fn edit_with(
        &mut self,
        path: &Path,
        sense: fn(&str) -> Option<String>,
        edit: impl FnOnce(&dyn Fn(&[&str]) -> Result<String>) -> Result<()>,
    ) -> Result<()> {
        let named = path;
        let path = resolve(path)?;
        self.files.push(path.clone());
        let before = self.seen.look(&path)?;
        let place = path.display().to_string();
        let copy = self.scratch;
        state::put(copy, &State::Nothing.with_bytes(before.bytes().into()))?;
        let done = edit(&|words| self.run(words, copy, sense));
        let after = state::look(copy);
        state::put(copy, &State::Nothing)?;
        done.doing(editing(&place))?;
        let after = before.with_bytes(after?.bytes().into());
        // A program that leaves it alone does not make it.
        let after = if before == State::Nothing && after.bytes().is_empty() {
            before.clone()
        } else {
            after
        };
        self.change(Change {
            named: Some(named.into()).filter(|named| *named != path),
            format: Some(Format::Git),
            ..Change::new(&path, before, after)
        });
        Ok(())
    }

    fn run(&self, words: &[&str], copy: &Path, sense: fn(&str) -> Option<String>) -> Result<String> {
        let copy = text_of(copy)?;
        let words: Vec<String> = words.iter().map(|word| word.replace("{}", copy)).collect();
        let asked = self.world.ask_program(&words, Zeroizing::default(), &[], PATIENCE);
        let name = &words[0];
        match asked {
            Ok(said) if said.code == Some(0) => Ok(String::from_utf8_lossy(&said.stdout).into_owned()),
            Ok(said) => {
                let text = String::from_utf8_lossy(&said.stderr);
                if let Some(full) = FULL.into_iter().find(|full| text.contains(full)) {
                    return Err(Error::store(format!("`{name}` cannot write a copy: {full}")).hint(state::MAKE_SPACE));
                }
                let why = sense(&text);
                Err(Error::usage(
                    why.unwrap_or_else(|| format!("`{name}` does not take it")),
                ))
            }
            Err(Unasked::TooSlow) => Err(Error::temporary(format!("`{name}` did not end in time"))),
            Err(Unasked::NotStarted(why)) => Err(Error::failure(format!("starting `{name}`: {why}"))),
        }
    }

    /// The text of a configuration that is only read; empty where there is none.
    pub(super) fn text(&self, path: &Path) -> Result<String> {
        let path = resolve(path)?;
        let state = self.seen.look(&path)?;
        let text = std::str::from_utf8(state.bytes()).map_err(|_| Error::usage("it is not UTF-8"));
        let text = text.doing(editing(&path.display().to_string()))?;
        Ok(diff::plain(text))
    }

    fn change(&mut self, new: Change) {
        for directory in missing_above(&new.path) {
            if !self.made.contains(&directory) {
                self.made.push(directory);
            }
        }
        self.seen.put(&new.path, new.after.clone());
        match self.changes.iter_mut().find(|change| change.path == new.path) {
            Some(change) => change.after = new.after,
            None => self.changes.push(new),
        }
    }
}

fn editing(place: &str) -> String {
    format!("editing `{}`", printable(place))
}

/// A path as text, for a configuration.
fn text_of(path: &Path) -> Result<&str> {
    let text = path.to_str().filter(|text| !text.chars().any(char::is_control));
    text.ok_or_else(|| Error::usage(format!("the path `{}` fits no configuration", path.display())))
}

/// Whether something at a path can be run.
pub(super) fn is_program(path: &Path) -> bool {
    let metadata = std::fs::metadata(path);
    metadata.is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Whether a link in a directory leads to a keyfob that is gone.
fn is_dead(directory: &Path, target: &str) -> bool {
    let target = directory.join(target);
    target.file_name().is_some_and(|name| name == "keyfob") && !target.exists()
}

/// Whether two paths lead to the same file.
pub(super) fn same(one: &Path, other: &Path) -> bool {
    one.canonicalize()
        .is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

/// This program's path: the one on `PATH` if that leads here, for it stays the same when keyfob is updated.
fn own_path(world: &World) -> Result<PathBuf> {
    let own = world.own_path();
    let own = own.ok_or_else(|| Error::failure("the path of this program cannot be found out"))?;
    let found = world.find_program("keyfob");
    let same = |found: &PathBuf| {
        found
            .canonicalize()
            .is_ok_and(|found| own.canonicalize().is_ok_and(|own| own == found))
    };
    Ok(found.filter(same).unwrap_or(own))
}

/// The directory for links: keyfob's own where that is on `PATH` and ours to write, else `~/.local/bin`.
fn links(world: &World, keyfob: &Path) -> Result<PathBuf> {
    let on_path = world.find_program("keyfob").is_some_and(|found| found == keyfob);
    let directory = keyfob
        .parent()
        .filter(|directory| on_path && state::is_own_directory(directory));
    match directory {
        Some(directory) => Ok(directory.into()),
        None => world.expand("~/.local/bin"),
    }
}
