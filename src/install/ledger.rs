//! Carrying a plan out and back: the journal first, then one path after another.
//!
//! A kill at any moment leaves a journal in which the change stands as pending; whoever opens the ledger next takes it
//! back, and the same command can be given again. A failure does the same at once. It knows tools as rows of the table.

use std::path::{Path, PathBuf};

use super::format::Format;
use super::journal::{self, Change, Journal, Lock, Options, Pending, Wired};
use super::state::{self, Seen, State};
use super::undo::{Since, follow, take_out};
use super::wiring::{Places, Wiring};
use super::{Tool, Trouble, diff};
use crate::error::{Error, Result};
use crate::report::printable;
use crate::world::World;

/// The journal, and the files as they are or, where nothing may be changed, as they would be.
pub struct Ledger<'a> {
    world: &'a World,
    path: PathBuf,
    places: Places,
    journal: Journal,
    /// Held by whoever does more than look.
    lock: Option<Lock>,
    /// Whether nothing is written, and only what is seen changes.
    pretend: bool,
    seen: Seen,
    /// What a person should know about a change that was cut off.
    pub notes: Vec<String>,
}

/// One change to all that is wired, not yet carried out.
pub struct Step {
    changes: Vec<Change>,
    made: Vec<PathBuf>,
    gone: Vec<PathBuf>,
    wired: Vec<Wired>,
    /// What a person should know of it.
    pub notes: Vec<String>,
}

/// What is known of a tool.
pub struct Shown {
    /// What it was wired with; none where keyfob did not wire it.
    pub options: Option<Options>,
    /// Its configurations and links.
    pub paths: Vec<PathBuf>,
    /// Whether somebody else has changed one of them since.
    pub changed: bool,
}

impl Step {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// All changes as a diff, without secrets.
    pub fn diff(&self) -> String {
        let change = |change: &Change| diff::unified(&change.path, &change.before, &change.after);
        self.changes.iter().map(change).collect()
    }

    /// The paths that change.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.changes.iter().map(|change| change.path.as_path())
    }
}

impl<'a> Ledger<'a> {
    /// Opens it to change something, or with `pretend` to see what that would be: waits for whoever does so now, and takes
    /// back what was cut off.
    ///
    /// # Errors
    /// [`crate::error::Class::Temporary`] when somebody else takes too long; [`crate::error::Class::Store`] when the
    /// journal is damaged.
    pub fn open(world: &'a World, pretend: bool) -> Result<Ledger<'a>> {
        let lock = journal::lock(world, &journal::place(world)?)?;
        let mut ledger = Ledger::peek(world)?;
        // A copy that a killed one left.
        state::put(&ledger.places.scratch, &State::Nothing)?;
        ledger.lock = Some(lock);
        if !pretend {
            ledger.pretend = false;
            ledger.recover()?;
        }
        Ok(ledger)
    }

    /// Opens it to look: nothing is written, and what is carried out is only pretended.
    ///
    /// # Errors
    /// [`crate::error::Class::Store`] when the journal is damaged.
    pub fn peek(world: &'a World) -> Result<Ledger<'a>> {
        let path = journal::place(world)?;
        let mut journal = Journal::read(&path)?;
        let mut seen = Seen::default();
        for change in journal.pending.iter().flat_map(|pending| &pending.changes) {
            if state::look(&change.path)? == change.after {
                seen.put(&change.path, change.before.clone());
            }
        }
        follow(&mut journal.wired, &seen);
        let keyfob = own_path(world)?;
        let places = Places {
            links: links(world, &keyfob)?,
            scratch: path.with_file_name("scratch"),
            keyfob,
        };
        Ok(Ledger {
            world,
            path,
            places,
            journal,
            lock: None,
            pretend: true,
            seen,
            notes: Vec::new(),
        })
    }

    /// The names of the tools that are wired, in the order in which that was done.
    pub fn wired(&self) -> Vec<String> {
        self.journal.wired.iter().map(|wired| wired.tool.clone()).collect()
    }

    /// Whether a change was cut off and is not yet taken back.
    pub fn is_interrupted(&self) -> bool {
        self.journal.pending.is_some()
    }

    /// What is known of a tool.
    pub fn show(&self, tool: &str) -> Shown {
        let Some(at) = self.journal.wired.iter().position(|wired| wired.tool == tool) else {
            return Shown {
                options: None,
                paths: Vec::new(),
                changed: false,
            };
        };
        let wired = &self.journal.wired[at];
        let left = |change: &Change| {
            let all = self.journal.wired.iter().flat_map(|wired| &wired.changes);
            let last = all.rev().find(|other| other.path == change.path);
            last.map_or(State::Nothing, |last| last.after.clone())
        };
        let is_ours = |change: &&Change| change.before != change.after;
        let is_changed = |change: &Change| self.seen.look(&change.path).map_or(true, |now| now != left(change));
        Shown {
            options: Some(wired.options.clone()),
            paths: wired.changes.iter().map(|change| change.path.clone()).collect(),
            changed: wired.changes.iter().filter(is_ours).any(is_changed),
        }
    }

    /// Plans the wiring of a tool. What an earlier one changed for it is taken back first, so that the same again is
    /// nothing.
    ///
    /// # Errors
    /// Those of the tool's plan; [`crate::error::Class::Refused`] when what an earlier one changed was changed since.
    pub fn plan(&self, tool: &Tool, options: &Options) -> Result<Step, Trouble> {
        let (mut wired, mut seen) = (self.journal.wired.clone(), self.seen.clone());
        let mut gone = Vec::new();
        let was_wired = wired.iter().any(|wired| wired.tool == tool.name);
        if let Some(at) = wired.iter().position(|wired| wired.tool == tool.name) {
            gone = take_out(&mut wired, at, &mut seen, Since::Merge)?;
        }
        let mut wiring = Wiring::new(self.world, options, &self.places, seen.clone());
        (tool.plan)(&mut wiring)?;
        let Wiring {
            mut changes,
            made,
            notes,
            ..
        } = wiring;
        for change in &mut changes {
            // What a tool has written anew since stays as the tool wrote it where it says what it should.
            let now = self.seen.look(&change.path)?;
            let is_same = |format: Format| format.is_same(now.bytes(), change.after.bytes());
            if was_wired && matches!(now, State::File { .. }) && change.format.is_some_and(is_same) {
                change.after = now;
            }
            seen.put(&change.path, change.after.clone());
        }
        // A directory that this tool made before is there, and is still its own.
        let inherited = gone
            .iter()
            .filter(|dir| changes.iter().any(|change| change.path.starts_with(dir)));
        let own: Vec<PathBuf> = inherited.cloned().chain(made.iter().cloned()).collect();
        gone.retain(|directory| !own.contains(directory));
        wired.push(Wired {
            tool: tool.name.into(),
            options: options.clone(),
            changes,
            made: own,
        });
        let changes = self.differences(&seen)?;
        Ok(Step {
            changes,
            made,
            gone,
            wired,
            notes,
        })
    }

    /// Plans taking a tool's wiring back.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] when it is not wired; [`crate::error::Class::Refused`], with a diff, when what it
    /// changed was changed since.
    pub fn plan_back(&self, tool: &str, since: Since) -> Result<Step, Trouble> {
        let (mut wired, mut seen) = (self.journal.wired.clone(), self.seen.clone());
        let at = wired.iter().position(|wired| wired.tool == tool);
        let at = at.ok_or_else(|| Error::usage(format!("`{tool}` was not wired by keyfob")))?;
        let gone = take_out(&mut wired, at, &mut seen, since)?;
        Ok(Step {
            changes: self.differences(&seen)?,
            made: Vec::new(),
            gone,
            wired,
            notes: Vec::new(),
        })
    }

    /// From the files as they are to those that are seen.
    fn differences(&self, seen: &Seen) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for path in seen.paths() {
            let (before, after) = (self.seen.look(path)?, seen.look(path)?);
            if before != after {
                changes.push(Change::new(path, before, after));
            }
        }
        Ok(changes)
    }

    /// Carries a plan out, whole or not at all.
    ///
    /// # Errors
    /// [`crate::error::Class::Refused`] where a place cannot be written, [`crate::error::Class::Temporary`] when somebody
    /// changed a file at this moment; then everything is as it was.
    pub fn carry_out(&mut self, step: Step) -> Result<()> {
        if self.pretend || self.lock.is_none() {
            for change in step.changes {
                self.seen.put(&change.path, change.after);
            }
            self.journal.wired = step.wired;
            return Ok(());
        }
        if step.changes.is_empty() && step.wired == self.journal.wired {
            return Ok(());
        }
        let pending = Pending {
            changes: step.changes,
            made: step.made,
            gone: step.gone,
            wired: step.wired,
        };
        self.journal.pending = Some(pending.clone());
        self.journal
            .write(&self.path)
            .inspect_err(|_| self.journal.pending = None)?;
        let done = apply(&pending).and_then(|()| {
            let wired = std::mem::replace(&mut self.journal.wired, pending.wired.clone());
            self.journal.pending = None;
            self.journal.write(&self.path).inspect_err(|_| {
                self.journal.wired = wired;
                self.journal.pending = Some(pending);
            })
        });
        done.map_err(|error| match self.recover() {
            Ok(()) => error,
            Err(_) => {
                error.hint("run the same command again once that is mended: keyfob then takes back what it began")
            }
        })
    }

    /// Takes back what was cut off.
    fn recover(&mut self) -> Result<()> {
        self.seen = Seen::default();
        let Some(pending) = self.journal.pending.clone() else {
            return Ok(());
        };
        for Change {
            path, before, after, ..
        } in pending.changes.iter().rev()
        {
            state::sweep(path);
            let now = state::look(path)?;
            if now == *after {
                state::put(path, before)?;
            } else if now != *before {
                let place = printable(&path.display().to_string());
                self.notes.push(format!(
                    "`{place}` was changed after an interrupted change of keyfob, and is left as it is"
                ));
            }
        }
        pending.made.iter().rev().for_each(|directory| state::prune(directory));
        self.journal.pending = None;
        self.journal.write(&self.path)
    }
}

fn apply(pending: &Pending) -> Result<()> {
    for Change {
        path, before, after, ..
    } in &pending.changes
    {
        if state::look(path)? != *before {
            let error = Error::temporary(format!("`{}` was changed at this moment", path.display()));
            return Err(error.hint("run the same command again"));
        }
        state::put(path, after)?;
    }
    pending.gone.iter().rev().for_each(|directory| state::prune(directory));
    Ok(())
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
