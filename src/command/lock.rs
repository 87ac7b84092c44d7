//! `lock` and `unlock`: the per-machine gate, which belongs to the machine's user and to no account.
//!
//! A passphrase comes from a hidden prompt, a file or standard input, never from the arguments or the environment. It
//! knows nothing of keys: `store/gate.rs` has them.

use std::io::Read;
use std::os::fd::AsRawFd;

use serde_json::json;
use zeroize::Zeroizing;

use super::text::{field, wrap};
use super::{Run, SCHEMA};
use crate::cli;
use crate::error::{Class, Error, Result};
use crate::report::{printable, sanitise};
use crate::secret::Secret;
use crate::store::{Converted, LONGEST_SECS, Opened, Place, SHORTEST, Stage, StoreError, WORK};
use crate::time::Timestamp;

/// How long an unlocking holds if nothing is said: a working day.
const USUAL_SECS: u32 = 8 * 3600;

/// The longest passphrase, in bytes: anything longer is a file that was not meant.
const LONGEST_PASSPHRASE: usize = 4096;

pub(super) fn lock(run: &Run, args: cli::Lock) -> Result<u8> {
    match args.action {
        None => close(run),
        Some(cli::LockDo::Set {
            new,
            current_passphrase_file,
            work_factor,
        }) => set(
            run,
            &new,
            current_passphrase_file.as_deref(),
            work_factor.unwrap_or(WORK),
        ),
        Some(cli::LockDo::Clear { lost: true, yes, .. }) => abandon(run, yes),
        Some(cli::LockDo::Clear { passphrase, plain, .. }) => clear(run, &passphrase, plain),
        Some(cli::LockDo::Status { json }) => status(run, json),
    }
}

fn close(run: &Run) -> Result<u8> {
    if !run.sources.stores.close_gate()? {
        return Err(not_set());
    }
    run.note("This machine is locked.\n");
    if run.world.var_os("KEYFOB_UNLOCKED").is_some() {
        run.note(&wrap(
            "",
            "The program that `keyfob unlock -- COMMAND` started, and what it starts, are unlocked until they end.",
        ));
    }
    Ok(0)
}

fn set(run: &Run, new: &cli::Passphrase, current: Option<&str>, work: u8) -> Result<u8> {
    let stores = &run.sources.stores;
    let person = run.world.person();
    let Some(state) = stores.gate()? else {
        if current.is_some() {
            return Err(not_set());
        }
        let passphrase = chosen(run, new)?;
        let converted = stores.set_gate(&passphrase, work, person, &|text| waits(run, text));
        let converted = converted.map_err(|error| unfinished(run, error))?;
        tell_set(run, &converted);
        return Ok(0);
    };
    if state.stage != Stage::Set {
        run.note("The passphrase was begun to be set or taken away; this finishes setting it.\n");
        let opened = open(run, &known(run, new.passphrase_file.as_deref(), "passphrase: ")?)?;
        let converted = stores.finish_gate(opened, person);
        let converted = converted.map_err(|error| unfinished(run, error))?;
        tell_set(run, &converted);
        return Ok(0);
    }
    if new.passphrase_file.is_some() && new.passphrase_file.as_deref() == current {
        return Err(Error::usage(
            "the present and the new passphrase come from the same place",
        ));
    }
    let present = known(run, current, "present passphrase: ")
        .map_err(|error| error.hint("this machine has a passphrase; give it with `--current-passphrase-file FILE`"))?;
    let opened = open(run, &present)?;
    stores.change_passphrase(&opened, &chosen(run, new)?, work)?;
    run.note("This machine has another passphrase now.\n");
    Ok(0)
}

fn tell_set(run: &Run, converted: &Converted) {
    run.note("This machine has a passphrase, and is locked.\n");
    if converted.moved > 0 {
        let moved = plural(converted.moved, "record was", "records were");
        run.note(&wrap(
            "",
            &format!(
                "{moved} in clear or elsewhere before. Whoever reads the disk itself may still find the old bytes: what \
                 matters much is safe after another login."
            ),
        ));
    }
    left(run, converted);
    let way = match run.sources.stores.ways_open() {
        (true, _) => "Run `keyfob unlock` to use it.",
        (false, _) => {
            "There is no keyring of the kernel here: `keyfob unlock -- COMMAND` unlocks it for one program and what it \
             starts."
        }
    };
    run.note(&wrap("", &format!("{way} Nobody can help who forgets the passphrase.")));
}

fn clear(run: &Run, passphrase: &cli::Passphrase, plain: bool) -> Result<u8> {
    let stores = &run.sources.stores;
    if stores.gate()?.is_none() {
        run.note("This machine has no passphrase.\n");
        return Ok(0);
    }
    let opened = open(run, &known(run, passphrase.passphrase_file.as_deref(), "passphrase: ")?)?;
    let cleared = stores.clear_gate(opened, plain, run.world.person());
    let (place, converted) = cleared.map_err(|error| {
        let is_away = matches!(error, StoreError::Unavailable(_)) && !plain;
        let error = Error::from(error).context("taking the passphrase away");
        match is_away {
            true => error.hint(
                "run it where the keychain answers, as it does in the session of a desktop; or `keyfob lock clear --plain` \
                 makes the records plain files, which every program of this user can read",
            ),
            false => error,
        }
    })?;
    run.note("This machine has no passphrase any more.\n");
    match place {
        Place::Keychain => run.note("The key of the records is in the keychain.\n"),
        Place::Nowhere => {
            let moved = plural(converted.moved, "record is a plain file", "records are plain files");
            let data = run.world.dirs()?.data.join("records");
            let place = printable(&data.display().to_string());
            run.note(&wrap(
                "keyfob: warning: ",
                &format!("there is no keychain here: {moved} again, which every program of this user can read, below"),
            ));
            run.note(&format!("    {place}\n"));
        }
    }
    left(run, &converted);
    Ok(0)
}

/// A gate that nobody can open: it goes with everything behind it.
fn abandon(run: &Run, yes: bool) -> Result<u8> {
    if run.sources.stores.gate()?.is_none() {
        run.note("This machine has no passphrase.\n");
        return Ok(0);
    }
    if !yes {
        if !run.world.person() {
            return Err(
                Error::usage("there is no terminal to ask whether every record may be removed")
                    .hint("add `--yes`: every session and password behind the passphrase is removed then"),
            );
        }
        let answer = run
            .world
            .ask_line("Every session and password behind the passphrase is removed. Type yes: ")?;
        if !answer.eq_ignore_ascii_case("yes") {
            return Err(Error::failure("nothing was removed"));
        }
    }
    let removed = run
        .sources
        .stores
        .abandon_gate(run.world.person(), &|text| waits(run, text))?;
    let removed = plural(removed, "record was removed", "records were removed");
    run.note(&format!(
        "This machine has no passphrase any more. {removed}; no issuer was told.\n"
    ));
    Ok(0)
}

/// What stopped a gate from being all set; nothing was changed if there is none.
fn unfinished(run: &Run, error: StoreError) -> Error {
    let is_set = run.sources.stores.gate().is_ok_and(|gate| gate.is_some());
    let error = Error::from(error).context("setting the passphrase of this machine");
    if is_set {
        error.hint("run `keyfob lock set` again to finish it")
    } else {
        error
    }
}

/// What could not be moved since nobody can read it.
fn left(run: &Run, converted: &Converted) {
    for error in &converted.unread {
        let text = printable(&error.to_string());
        run.note(&format!("keyfob: warning: left as it is: {text}\n"));
    }
}

fn status(run: &Run, as_json: bool) -> Result<u8> {
    let state = run.sources.stores.gate()?;
    let until = state
        .as_ref()
        .and_then(|state| state.until)
        .filter(|until| *until > run.world.now());
    let stage = state.as_ref().map(|state| match state.stage {
        Stage::Opening => "taking it away is not finished",
        Stage::Sealing => "setting it or taking it away is not finished",
        Stage::Set => "set",
    });
    let locked = state.as_ref().is_some_and(|state| state.locked);
    let failed = state.as_ref().map_or(0, |state| state.failed);
    if as_json {
        let finished = state.as_ref().is_none_or(|state| state.stage == Stage::Set);
        let answer = json!({"schema": SCHEMA, "set": state.is_some(), "finished": finished, "locked": locked,
            "until": until.map(Timestamp::rfc3339), "failed": failed});
        return run.print_json(&answer).map(|()| 0);
    }
    let Some(stage) = stage else {
        return run.print("This machine has no passphrase.\n").map(|()| 0);
    };
    let mut text = field("", "passphrase", stage);
    text += &field("", "machine", if locked { "locked" } else { "unlocked" });
    if let Some(until) = until {
        let relative = until.relative(run.world.now());
        text += &field("", "until", &format!("{} ({relative})", until.rfc3339()));
    }
    if failed > 0 {
        text += &field(
            "",
            "failed",
            &plural(failed as usize, "wrong passphrase", "wrong passphrases"),
        );
    }
    run.print(&text)?;
    if stage != "set" {
        run.note("Run `keyfob lock set` or `keyfob lock clear` to finish.\n");
    }
    Ok(0)
}

pub(super) fn unlock(run: &Run, args: &cli::Unlock) -> Result<u8> {
    let stores = &run.sources.stores;
    let seconds = args.duration.as_deref().map_or(Ok(USUAL_SECS), span)?;
    if stores.gate()?.is_none() {
        return Err(not_set());
    }
    let opened = open(
        run,
        &known(run, args.passphrase.passphrase_file.as_deref(), "passphrase: ")?,
    )?;
    if opened.stage() != Stage::Set {
        run.note("keyfob: warning: the passphrase is not all set; run `keyfob lock set` or `keyfob lock clear`\n");
    }
    if !args.command.is_empty() {
        let keys = stores.hand_down(&opened)?;
        let number = Secret::new(keys.as_raw_fd().to_string());
        drop(opened);
        return Err(run.world.become_program(&args.command, "KEYFOB_UNLOCKED", &number));
    }
    let until = stores.keep_open(&opened, run.world.now(), seconds).map_err(|error| {
        Error::from(error).hint("run `keyfob unlock -- COMMAND`: that program and what it starts are unlocked then")
    })?;
    let relative = until.relative(run.world.now());
    run.note(&format!(
        "This machine is unlocked until {} ({relative}).\n",
        until.rfc3339()
    ));
    Ok(0)
}

/// A duration from a second to a week.
fn span(text: &str) -> Result<u32> {
    let wrong = || Error::usage("`--for` is not a duration from `1s` to `7d`, such as `30m`");
    let span = humantime::parse_duration(text).map_err(|_| wrong())?;
    let seconds = u32::try_from(span.as_secs()).map_err(|_| wrong())?;
    Some(seconds)
        .filter(|seconds| (1..=LONGEST_SECS).contains(seconds))
        .ok_or_else(wrong)
}

fn open(run: &Run, passphrase: &Secret) -> Result<Opened> {
    let opened = run.sources.stores.open_gate(passphrase, &|text| waits(run, text))?;
    opened.ok_or_else(not_set)
}

fn waits(run: &Run, text: &str) {
    run.note(&format!("keyfob: {}\n", sanitise(text)));
}

fn not_set() -> Error {
    Error::new(Class::Failure, "this machine has no passphrase").hint("run `keyfob lock set` to give it one")
}

/// A passphrase that is new: typed twice, and not too short.
fn chosen(run: &Run, from: &cli::Passphrase) -> Result<Secret> {
    let passphrase = known(
        run,
        from.passphrase_file.as_deref(),
        "new passphrase for this machine: ",
    )?;
    if passphrase.expose().chars().count() < SHORTEST {
        return Err(
            Error::usage(format!("the passphrase has fewer than {SHORTEST} characters"))
                .hint("take four or five random words"),
        );
    }
    if from.passphrase_file.is_none() && run.world.ask_secret("the same once more: ")? != passphrase {
        return Err(Error::usage("the two passphrases are not the same"));
    }
    Ok(passphrase)
}

/// A passphrase from a file, from standard input, or from the person at the terminal.
fn known(run: &Run, file: Option<&str>, prompt: &str) -> Result<Secret> {
    let bytes = match file {
        None if run.world.person() => return run.world.ask_secret(prompt),
        None => {
            return Err(Error::usage("there is no terminal to ask for the passphrase")
                .hint("give it with `--passphrase-file FILE`, or on standard input with `-`"));
        }
        Some("-") if run.world.stdin_is_terminal() => {
            return Err(
                Error::usage("standard input is a terminal, which would show the passphrase")
                    .hint("leave `--passphrase-file -` away"),
            );
        }
        Some("-") => run.world.read_stdin()?,
        Some(file) => read(file)
            .map_err(|error| Error::usage(format!("reading the passphrase from `{file}`: {}", error.kind())))?,
    };
    if bytes.len() > LONGEST_PASSPHRASE {
        return Err(Error::usage("the passphrase is longer than 4 KiB"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| Error::usage("the passphrase is not UTF-8"))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(Error::usage("the passphrase is empty"));
    }
    Ok(Secret::new(line.to_owned()))
}

/// The beginning of a file, which may be a pipe of the shell.
fn read(file: &str) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST_PASSPHRASE + 1));
    let limit = LONGEST_PASSPHRASE as u64 + 1;
    std::fs::File::open(file)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
