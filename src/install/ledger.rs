//! Carrying a plan out and back: the journal first, then one path after another.
//!
//! A kill at any moment leaves a journal in which the change stands as pending; whoever opens the ledger next takes it
//! back, and the same command can be given again. A failure does the same at once. It knows tools as rows of the table.

use std::path::{Path, PathBuf};

use super::journal::{self, Change, Journal, Lock, Options, Pending, Wired};
use super::state::{self, Seen, State};
use super::undo::{Since, follow, take_out};
use super::wiring::{Places, Wiring};
use super::{Tool, Trouble, diff, remains};
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
    /// Whether it takes something back.
    is_back: bool,
    /// What the wirings whose place it takes were wired with.
    pub replaced: Vec<Options>,
    /// What a person should know of it.
    pub notes: Vec<String>,
}

/// What is known of one wiring.
pub struct Shown {
    /// The tool's name.
    pub tool: String,
    /// What it was wired with.
    pub options: Options,
    /// Its configurations and links.
    pub paths: Vec<PathBuf>,
    /// The first of its configurations.
    pub file: Option<PathBuf>,
    /// Whether somebody else has changed one of them since.
    pub changed: bool,
    /// The program that its lines name, where nothing is there any more.
    pub gone: Option<PathBuf>,
    /// What a person was told of it that stays so.
    pub notes: Vec<String>,
}

/// All that is wired, while a step is planned.
#[derive(Clone)]
struct Draft {
    wired: Vec<Wired>,
    seen: Seen,
    made: Vec<PathBuf>,
    gone: Vec<PathBuf>,
}

impl Step {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// All changes as a diff: our own lines, and of others' which setting they are.
    pub fn diff(&self) -> String {
        let change = |change: &Change| {
            let Change {
                path, before, after, ..
            } = change;
            let ours = match self.is_back {
                true => diff::ours(after, before),
                false => diff::ours(before, after),
            };
            diff::unified(path, before, after, &ours)
        };
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
        // A copy that a killed one left, and the lock that a tool makes beside it.
        for left in [&ledger.places.scratch, &ledger.places.scratch.with_extension("lock")] {
            state::put(left, &State::Nothing)?;
        }
        state::sweep(&ledger.path);
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
        let places = Places::of(world, path.with_file_name("scratch"))?;
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

    /// Whether a change was cut off and is not yet taken back.
    pub fn is_interrupted(&self) -> bool {
        self.journal.pending.is_some()
    }

    /// What is wired, in the order in which that was done.
    pub fn shown(&self) -> Vec<Shown> {
        self.journal.wired.iter().map(|wired| self.show(wired)).collect()
    }

    fn show(&self, wired: &Wired) -> Shown {
        let left = |change: &Change| {
            let all = self.journal.wired.iter().flat_map(|wired| &wired.changes);
            let last = all.rev().find(|other| other.path == change.path);
            last.map_or(State::Nothing, |last| last.after.clone())
        };
        let is_ours = |change: &&Change| change.before != change.after;
        let is_changed = |change: &Change| self.seen.look(&change.path).map_or(true, |now| now != left(change));
        Shown {
            tool: wired.tool.clone(),
            options: wired.options.clone(),
            paths: wired.changes.iter().map(|change| change.path.clone()).collect(),
            file: wired.files().next().cloned(),
            changed: wired.changes.iter().filter(is_ours).any(is_changed),
            gone: wired.program.clone().filter(|program| !program.exists()),
            notes: wired.notes.clone(),
        }
    }

    /// Plans the wiring of a tool. What an earlier one changed that cannot be beside it is taken back first; the same
    /// again is nothing.
    ///
    /// # Errors
    /// Those of the tool's plan; [`crate::error::Class::Refused`] when what an earlier one changed was changed since.
    pub fn plan(&self, tool: &Tool, options: &Options) -> Result<Step, Trouble> {
        if let Some(step) = self.plan_nothing(tool, options) {
            return Ok(step);
        }
        let mut draft = self.draft();
        let (mut replaced, mut again) = (Vec::new(), Vec::new());
        let (mut left, mut files) = (Vec::new(), None);
        while let Some(at) = self.met(&draft, tool, options, &mut files) {
            let old = &draft.wired[at];
            replaced.insert(0, old.options.clone());
            left.extend(old.files().cloned());
            again.splice(0..0, draft.take_out(at, Since::Merge)?);
        }
        let mut notes = self.put_in(&mut draft, tool, options)?;
        self.put_in_again(&mut draft, again)?;
        left.retain(|path| draft.wired.iter().all(|wired| wired.files().all(|file| file != path)));
        notes.extend(remains::wired_no_more(&left, tool.name, &draft.seen));
        let step = self.step(draft)?;
        Ok(Step {
            replaced,
            notes,
            ..step
        })
    }

    /// The last wiring whose place one with these options takes. What lies in other files than those that it would edit
    /// now, because a variable of the tool has changed since, stays beside it.
    fn met(&self, draft: &Draft, tool: &Tool, options: &Options, files: &mut Option<Vec<PathBuf>>) -> Option<usize> {
        let may = |wired: &Wired| wired.tool == tool.name && tool.meet(&wired.options, options);
        draft.wired.iter().any(may).then_some(())?;
        let files = files.get_or_insert_with(|| {
            let mut wiring = Wiring::new(self.world, options, &self.places, draft.seen.clone());
            // Why it fails is said when what is in its way has gone.
            let _ = (tool.plan)(&mut wiring);
            wiring.files
        });
        let meets = |wired: &Wired| may(wired) && !wired.is_elsewhere(files, &draft.seen);
        draft.wired.iter().rposition(meets)
    }

    /// The step in which nothing is to be done, where that is so: what is there is neither moved nor asked whose it is.
    fn plan_nothing(&self, tool: &Tool, options: &Options) -> Option<Step> {
        let mut draft = self.draft();
        let is_it = |wired: &Wired| wired.tool == tool.name && wired.options == *options;
        draft.wired.iter().any(is_it).then_some(())?;
        let mut wiring = Wiring::new(self.world, options, &self.places, draft.seen.clone());
        (tool.plan)(&mut wiring).ok()?;
        let is_it = |wired: &&mut Wired| is_it(wired) && !wired.is_elsewhere(&wiring.files, &draft.seen);
        let old = draft.wired.iter_mut().find(is_it)?;
        let changes = wiring.changes.iter();
        if changes.clone().any(|change| change.before != change.after) {
            return None;
        }
        old.notes.clone_from(&wiring.lasting);
        old.program = Some(self.places.keyfob.clone());
        Some(Step {
            changes: Vec::new(),
            made: Vec::new(),
            gone: Vec::new(),
            wired: draft.wired,
            is_back: false,
            replaced: Vec::new(),
            notes: [wiring.lasting, wiring.notes].concat(),
        })
    }

    /// Plans taking one wiring back.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] when it is not there any more; [`crate::error::Class::Refused`], with a diff, when
    /// what it changed was changed since.
    pub fn plan_back(&self, shown: &Shown, since: Since) -> Result<Step, Trouble> {
        let mut draft = self.draft();
        let is_it = |wired: &Wired| wired.tool == shown.tool && wired.options == shown.options;
        let is_there = |wired: &Wired| wired.files().next() == shown.file.as_ref();
        // What was wired again meanwhile may have other paths.
        let at = draft.wired.iter().position(|wired| is_it(wired) && is_there(wired));
        let at = at.or_else(|| draft.wired.iter().position(is_it));
        let at = at.ok_or_else(|| Error::usage(format!("`{}` was not wired by keyfob", shown.tool)))?;
        let changes = draft.wired[at].changes.clone();
        let again = draft.take_out(at, since)?;
        self.put_in_again(&mut draft, again)?;
        let mut notes = remains::told(&changes, &shown.tool, &shown.options, &draft.seen);
        if since == Since::Leave {
            let left: Vec<Change> = changes
                .into_iter()
                .filter(|change| draft.is_left(&change.path))
                .collect();
            notes.extend(remains::left_as_they_are(&left, &self.seen, &draft.seen));
        }
        let step = self.step(draft)?;
        Ok(Step {
            is_back: true,
            notes,
            ..step
        })
    }

    fn draft(&self) -> Draft {
        Draft {
            wired: self.journal.wired.clone(),
            seen: self.seen.clone(),
            made: Vec::new(),
            gone: Vec::new(),
        }
    }

    /// Adds the wiring of a tool to a draft; what a person should know of it.
    fn put_in(&self, draft: &mut Draft, tool: &Tool, options: &Options) -> Result<Vec<String>> {
        let mut wiring = Wiring::new(self.world, options, &self.places, draft.seen.clone());
        (tool.plan)(&mut wiring)?;
        let Wiring {
            changes,
            made,
            notes,
            lasting,
            ..
        } = wiring;
        for change in &changes {
            draft.seen.put(&change.path, change.after.clone());
        }
        // A directory that an earlier one made is there, and is now this one's.
        let inherited = draft
            .gone
            .iter()
            .filter(|dir| changes.iter().any(|change| change.path.starts_with(dir)));
        let own: Vec<PathBuf> = inherited.cloned().chain(made.iter().cloned()).collect();
        draft.gone.retain(|directory| !own.contains(directory));
        draft.made.extend(made);
        draft.wired.push(Wired {
            tool: tool.name.into(),
            options: options.clone(),
            changes,
            made: own,
            program: Some(self.places.keyfob.clone()),
            notes: lasting.clone(),
        });
        Ok([lasting, notes].concat())
    }

    fn put_in_again(&self, draft: &mut Draft, again: Vec<Wired>) -> Result<()> {
        for old in again {
            let tool = &old.tool;
            let put = super::find(tool).and_then(|tool| self.put_in(draft, tool, &old.options));
            put.map_err(|error| error.context(format!("wiring `{tool}` again")))?;
            let files: Vec<PathBuf> = draft
                .wired
                .last()
                .map_or(Vec::new(), |new| new.files().cloned().collect());
            if old.is_elsewhere(&files, &draft.seen) {
                let text = format!("`{tool}` would be wired again in another configuration than before");
                return Err(Error::refused(text).hint(format!("run `keyfob uninstall {tool}` first")));
            }
        }
        Ok(())
    }

    fn step(&self, draft: Draft) -> Result<Step> {
        Ok(Step {
            changes: self.differences(&draft.seen)?,
            made: draft.made,
            gone: draft.gone,
            wired: draft.wired,
            is_back: false,
            replaced: Vec::new(),
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

impl Draft {
    /// Takes the wiring at this place out. Where one after it changed the same lines, those that share a path with it go
    /// first, and are given back to be wired again behind it.
    ///
    /// # Errors
    /// As [`take_out`].
    fn take_out(&mut self, at: usize, since: Since) -> Result<Vec<Wired>, Trouble> {
        let mut alone = self.clone();
        let Err(trouble) = alone.take_out_alone(at, since) else {
            *self = alone;
            return Ok(Vec::new());
        };
        let (mut all, mut again) = (self.clone(), Vec::new());
        let out = &self.wired[at];
        let shares = |wired: &Wired| {
            let mut paths = wired.changes.iter().map(|change| &change.path);
            paths.any(|path| out.changes.iter().any(|change| change.path == *path))
        };
        for later in (at + 1..self.wired.len()).rev() {
            if !shares(&self.wired[later]) {
                continue;
            }
            again.insert(0, self.wired[later].clone());
            if all.take_out_alone(later, since).is_err() {
                return Err(trouble);
            }
        }
        if again.is_empty() || all.take_out_alone(at, since).is_err() {
            return Err(trouble);
        }
        *self = all;
        Ok(again)
    }

    /// Whether a path is no wiring's any more.
    fn is_left(&self, path: &Path) -> bool {
        let mut changes = self.wired.iter().flat_map(|wired| &wired.changes);
        changes.all(|change| change.path != path)
    }

    fn take_out_alone(&mut self, at: usize, since: Since) -> Result<(), Trouble> {
        let gone = take_out(&mut self.wired, at, &mut self.seen, since)?;
        self.gone.extend(gone);
        Ok(())
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
