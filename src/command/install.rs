//! `install` and `uninstall`: which tools, in which order, and what a person is told.
//!
//! It knows no tool; `install/` does. A tool that cannot be wired keeps `--all` from none of the others.

use serde_json::json;

use super::text::table;
use super::{Run, SCHEMA};
use crate::cli;
use crate::config::Serves;
use crate::config::profile::quoted;
use crate::error::{Error, Result};
use crate::install::{self, Ledger, Options, Shown, Since, Step, Tool, Trouble};
use crate::report::{self, printable};

pub(super) fn install(run: &Run, args: cli::Install) -> Result<u8> {
    if args.list {
        return list(run, args.json);
    }
    if args.tool.is_none() && !args.all {
        return Err(unnamed());
    }
    let chosen = args.tool.as_deref().map(install::find).transpose()?;
    let wish = Wish::of(run, &args)?;
    let mut ledger = Ledger::open(run.world, args.dry_run)?;
    notes(run, &ledger.notes);
    let Some(tool) = chosen else {
        return every(run, &mut ledger, &wish, args.dry_run);
    };
    if args.name.is_some() && !tool.has_name() {
        let error = Error::usage(format!(
            "`{}` has no name for what it asks, which `--name` would be",
            tool.name
        ));
        return Err(error.hint("leave `--name` out"));
    }
    if tool.needs_profile && wish.options.profile.is_none() {
        let error = Error::usage(format!("`{}` cannot say whose credential it wants", tool.name));
        return Err(error.hint(format!("run `keyfob install {} PROFILE`", tool.name)));
    }
    let done = wire(run, &mut ledger, tool, &wish, args.dry_run);
    done.map_err(|trouble| told(run, trouble)).map(|()| 0)
}

fn unnamed() -> Error {
    Error::usage("no tool is named").hint("run `keyfob install --list`, which names them, or take `--all`")
}

/// What is asked for, with the profile checked, and what its provider may serve.
struct Wish {
    options: Options,
    targets: Vec<Serves>,
}

impl Wish {
    fn of(run: &Run, args: &cli::Install) -> Result<Wish> {
        args.url.iter().try_for_each(|url| Serves::check_place(url))?;
        let mut options = Options {
            profile: None,
            name: args.name.clone(),
            urls: args.url.clone(),
            named: !args.url.is_empty(),
            replace: args.replace,
        };
        let mut targets = Vec::new();
        let said = [&args.profile, &run.provider, &run.mode, &run.account];
        if said.iter().any(|part| part.is_some()) {
            let profile = run.profile(args.profile.as_deref())?;
            let (mut provider, at) = run.sources.config.profile(&profile)?;
            targets = provider.modes.swap_remove(at).targets;
            options.profile = Some(profile.to_string());
        }
        Ok(Wish { options, targets })
    }

    /// The same for one tool: the places are the targets that it may serve, unless others were named.
    ///
    /// # Errors
    /// [`crate::error::Class::Refused`] when another is named for a tool whose helper could not tell it from them.
    fn for_tool(&self, tool: &Tool) -> Result<Options> {
        let mut options = self.options.clone();
        options.name.take_if(|_| !tool.has_name());
        let may = |serves: &&Serves| serves.tools.is_empty() || serves.tools.iter().any(|name| name == tool.name);
        let served: Vec<&Serves> = self.targets.iter().filter(may).collect();
        if options.urls.is_empty() {
            options.urls = served.iter().map(|serves| url(serves)).collect();
            options.urls.dedup();
        } else if !tool.any_place {
            for place in &options.urls {
                let mut means = false;
                for serves in &served {
                    means |= serves.means(place)?;
                }
                if !means {
                    let error = Error::refused("`--url` lies within no target of the profile");
                    return Err(error.hint(format!(
                        "name a place that the provider serves: nothing else tells `{}` where the session may be sent",
                        tool.name
                    )));
                }
            }
        }
        Ok(options)
    }
}

/// A target as a URL, with `*.` in front of a host whose subdomains are meant.
fn url(serves: &Serves) -> String {
    let root = &serves.root;
    let any = if serves.subdomains { "*." } else { "" };
    let path = root.path().map_or(String::new(), |path| format!("/{path}"));
    format!("{}://{any}{}{path}", root.scheme(), root.host_and_port())
}

/// Wires every tool that is here, and says why some were not.
fn every(run: &Run, ledger: &mut Ledger, wish: &Wish, is_dry: bool) -> Result<u8> {
    let mut code = 0;
    let wired = ledger.shown();
    for tool in install::TABLE {
        let wired: Vec<&Shown> = wired.iter().filter(|shown| shown.tool == tool.name).collect();
        if wired.is_empty() && !tool.is_here(run.world) {
            continue;
        }
        let is_it = |shown: &&Shown| wish.for_tool(tool).is_ok_and(|new| shown.options == new);
        // What was asked for by name is not undone by what asks for everything.
        if !wired.is_empty() && !wired.iter().any(is_it) {
            let labels: Vec<String> = wired.iter().map(|shown| label(&shown.options)).collect();
            let line = format!("{}: left as it is, wired for {}\n", tool.name, labels.join(" and "));
            run.print(&line)?;
            continue;
        }
        if tool.needs_profile && wish.options.profile.is_none() {
            run.print(&format!("{}: left out, it needs a profile\n", tool.name))?;
            continue;
        }
        if let Err(trouble) = wire(run, ledger, tool, wish, is_dry) {
            let error = told(run, trouble).context(format!("wiring `{}`", tool.name));
            run.world.write_stderr(&report::lines(&error));
            code = report::exit_code(error.class);
        }
    }
    Ok(code)
}

fn wire(run: &Run, ledger: &mut Ledger, tool: &Tool, wish: &Wish, is_dry: bool) -> Result<(), Trouble> {
    let options = wish.for_tool(tool)?;
    let step = ledger.plan(tool, &options)?;
    let old: Vec<String> = step.replaced.iter().filter_map(|old| lost(old, &options)).collect();
    let text = match &old[..] {
        [] if step.is_empty() => format!("{}: nothing to change, it asks keyfob\n", tool.name),
        [] => said(&step, is_dry, &format!("{}: wired", tool.name)),
        old => {
            let done = format!(
                "{}: wired for {}, no longer for {}",
                tool.name,
                label(&options),
                old.join(" and ")
            );
            said(&step, is_dry, &done)
        }
    };
    let told = step.notes.clone();
    ledger.carry_out(step)?;
    run.print(&text)?;
    notes(run, &told);
    Ok(())
}

/// Whose sessions a tool is wired for, and under which name there.
fn label(options: &Options) -> String {
    let profile = options.profile.as_deref().map(|profile| quoted(&printable(profile)));
    let whose = profile.unwrap_or_else(|| "every session".into());
    match &options.name {
        Some(name) => format!("{whose} as {}", quoted(&printable(name))),
        None => whose,
    }
}

/// What a wiring was for that the new one is not for; none where that is nothing.
fn lost(old: &Options, new: &Options) -> Option<String> {
    let whose = |options: &Options| (options.profile.clone(), options.name.clone());
    if whose(old) != whose(new) {
        return Some(label(old));
    }
    // Places that nobody named are those of the provider file.
    let is_left_out = |url: &&String| old.named && new.named && !new.urls.iter().any(|own| is_same(own, url));
    let urls: Vec<String> = old
        .urls
        .iter()
        .filter(is_left_out)
        .map(|url| quoted(&printable(url)))
        .collect();
    (!urls.is_empty()).then(|| urls.join(", "))
}

/// A diff, or that it is done and where.
fn said(step: &Step, is_dry: bool, done: &str) -> String {
    if is_dry {
        return step.diff();
    }
    let paths: Vec<String> = step
        .paths()
        .map(|path| format!("  {}\n", printable(&path.display().to_string())))
        .collect();
    format!("{done}\n{}", paths.concat())
}

fn notes(run: &Run, notes: &[String]) {
    for note in notes {
        run.note(&format!("keyfob: warning: {}\n", printable(note)));
    }
}

/// Shows what somebody else has changed, and gives back the rest.
fn told(run: &Run, trouble: Trouble) -> Error {
    run.world.write_stderr(&trouble.diff);
    trouble.error
}

pub(super) fn uninstall(run: &Run, args: &cli::Uninstall) -> Result<u8> {
    let since = match (args.merge, args.forget) {
        (true, _) => Since::Merge,
        (_, true) => Since::Leave,
        _ => Since::Refuse,
    };
    match &args.tool {
        Some(tool) => drop(install::find(tool)?),
        None if !args.all => return Err(unnamed()),
        None => (),
    }
    let mut ledger = Ledger::open(run.world, args.dry_run)?;
    notes(run, &ledger.notes);
    let mut wired = ledger.shown();
    wired.retain(|shown| chosen(run, args, shown));
    if wired.is_empty() {
        let what = args
            .tool
            .as_ref()
            .map_or("nothing is wired".into(), |tool| format!("{tool}: not wired for that"));
        run.print(&format!("{what}, and nothing was changed\n"))?;
    }
    let mut code = 0;
    for shown in wired.iter().rev() {
        if let Err(trouble) = unwire(run, &mut ledger, shown, since, args.dry_run) {
            let error = told(run, trouble).context(format!("unwiring `{}`", shown.tool));
            if !args.all {
                return Err(error);
            }
            run.world.write_stderr(&report::lines(&error));
            code = report::exit_code(error.class);
        }
    }
    Ok(code)
}

/// Whether a wiring is one of those that a person means: every part that was said fits.
fn chosen(run: &Run, args: &cli::Uninstall, shown: &Shown) -> bool {
    let Shown { tool, options, .. } = shown;
    // A profile is known by its own words too: its provider may be gone by now.
    let is_profile = |said: &String| {
        options.profile.as_ref() == Some(said)
            || run
                .profile(Some(said))
                .is_ok_and(|profile| options.profile == Some(profile.to_string()))
    };
    let is_for = |url: &String| options.urls.iter().any(|own| is_same(own, url));
    args.tool.as_ref().is_none_or(|said| said == tool)
        && args.profile.as_ref().is_none_or(is_profile)
        && (args.name.is_none() || options.name == args.name)
        && args.url.iter().all(is_for)
}

/// Whether two URLs are one place.
fn is_same(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

fn unwire(run: &Run, ledger: &mut Ledger, shown: &Shown, since: Since, is_dry: bool) -> Result<(), Trouble> {
    let step = ledger.plan_back(shown, since)?;
    let now = match since {
        Since::Refuse => "as it was",
        Since::Merge => "keyfob is taken out",
        Since::Leave if step.notes.is_empty() => "as it was",
        Since::Leave if step.is_empty() => "forgotten, and left as it is",
        Since::Leave => "forgotten, and what nobody has changed is as it was",
    };
    let text = said(&step, is_dry, &format!("{}: {now}", shown.tool));
    let told = step.notes.clone();
    ledger.carry_out(step)?;
    run.print(&text)?;
    notes(run, &told);
    Ok(())
}

/// A line of the list: a tool, and one wiring of it, if there is one.
struct Row<'a> {
    tool: &'static Tool,
    shown: Option<&'a Shown>,
}

impl Row<'_> {
    fn all(shown: &[Shown]) -> Vec<Row<'_>> {
        let mut rows = Vec::new();
        for tool in install::TABLE {
            let of_it = shown.iter().filter(|shown| shown.tool == tool.name);
            let first = rows.len();
            rows.extend(of_it.map(|shown| Row {
                tool,
                shown: Some(shown),
            }));
            if rows.len() == first {
                rows.push(Row { tool, shown: None });
            }
        }
        rows
    }

    /// How it stands.
    fn state(&self, run: &Run) -> &'static str {
        match self.shown {
            Some(shown) if shown.changed => "changed since",
            Some(shown) if shown.gone.is_some() => "wired, but its program is gone",
            Some(_) => "wired",
            None if self.tool.is_here(run.world) => "not wired",
            None => "not here",
        }
    }

    /// Whose session it is wired for, and what else tells it from the others of the same tool.
    fn label(&self, rows: &[Row]) -> String {
        let Some(Shown {
            tool, options, file, ..
        }) = self.shown
        else {
            return String::new();
        };
        let text = match (&options.profile, &options.name) {
            (None, None) => String::new(),
            _ => label(options),
        };
        let is_alike = |row: &&Row| {
            let alike = |shown: &Shown| shown.tool == *tool && label(&shown.options) == label(options);
            row.shown.is_some_and(alike)
        };
        let alike: Vec<&Shown> = rows.iter().filter(is_alike).filter_map(|row| row.shown).collect();
        let of_same_places = alike.iter().filter(|shown| shown.options.urls == options.urls);
        let text = match (&options.urls[..], file) {
            // One for each file of its own, which a variable of the tool names.
            (_, Some(file)) if of_same_places.count() > 1 => {
                format!("{text} in {}", printable(&file.display().to_string()))
            }
            (urls, _) if alike.len() > 1 && !urls.is_empty() => format!("{text} at {}", printable(&urls.join(", "))),
            _ => text,
        };
        text.trim_start().into()
    }
}

/// The command that wires a tool as it is wired.
fn again(Shown { tool, options, .. }: &Shown) -> String {
    let mut words = vec!["keyfob".to_owned(), "install".to_owned(), tool.clone()];
    words.extend(options.profile.iter().map(|profile| quoted(profile)));
    words.extend(options.name.iter().map(|name| format!("--name={}", quoted(name))));
    if options.named {
        words.extend(options.urls.iter().map(|url| format!("--url={}", quoted(url))));
    }
    if options.replace {
        words.push("--replace".into());
    }
    printable(&words.join(" "))
}

fn list(run: &Run, as_json: bool) -> Result<u8> {
    let ledger = Ledger::peek(run.world)?;
    let shown = ledger.shown();
    let rows = Row::all(&shown);
    if as_json {
        let row = |row: &Row| {
            let options = row.shown.map(|shown| &shown.options);
            json!({
                "name": row.tool.name,
                "state": row.state(run),
                "profile": options.and_then(|options| options.profile.as_ref()),
                "as": options.and_then(|options| options.name.as_ref()),
                "urls": options.map_or(&[][..], |options| &options.urls),
                "paths": row.shown.map_or(&[][..], |shown| &shown.paths),
                "notes": row.shown.map_or(&[][..], |shown| &shown.notes),
            })
        };
        let tools: Vec<_> = rows.iter().map(row).collect();
        let value = json!({"schema": SCHEMA, "interrupted": ledger.is_interrupted(), "tools": tools});
        return run.print_json(&value).map(|()| 0);
    }
    let cells = |row: &Row| {
        let (name, title) = (row.tool.name.to_owned(), row.tool.title.to_owned());
        [name, row.state(run).to_owned(), row.label(&rows), title]
    };
    let cells: Vec<[String; 4]> = rows.iter().map(cells).collect();
    run.print(&table(&cells))?;
    for shown in &shown {
        if let Some(program) = &shown.gone {
            let program = printable(&program.display().to_string());
            let again = again(shown);
            notes(
                run,
                &[format!("{}: wired, but `{program}` is gone: run `{again}`", shown.tool)],
            );
        }
        let note = |note: &String| format!("{}: {note}", shown.tool);
        notes(run, &shown.notes.iter().map(note).collect::<Vec<_>>());
    }
    if ledger.is_interrupted() {
        let note = "a change was cut off; the next `keyfob install` or `keyfob uninstall` takes it back";
        notes(run, &[note.to_owned()]);
    }
    Ok(0)
}
