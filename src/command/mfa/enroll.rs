//! `mfa enroll`: a seed from the service, an app that gets it from a QR code, a first code, backup codes once.
//!
//! Everything that can be refused is refused before the service makes a seed. The seed goes to the terminal and nowhere
//! else; it is kept before the first code is sent, so that whoever is killed then has not lost it.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::super::caller::{Answered, Caller};
use super::super::{Run, login, text};
use super::{ask, begun_at, tell};
use crate::cli;
use crate::config::{Enrolment, Slot};
use crate::error::{Context, Error, Result};
use crate::login::Qr;
use crate::report::{printable, sanitise};
use crate::resolve::Session;
use crate::secret::Secret;
use crate::seed;
use crate::shape::account::{self, BackupCodes, Begun};
use crate::store::Lock;
use crate::totp::{Algorithm, Seed};

/// The wrong codes after which an enrolment ends; services take no more.
const TRIES: u32 = 3;

/// What backup codes may take in a file: a hundred of 128 bytes and their ends of line are less.
const ROOM: usize = 16 * 1024;

pub(in crate::command) fn enroll(run: &Run, args: &cli::Enroll) -> Result<u8> {
    let profile = run.profile(args.profile.as_deref())?;
    let mut caller = Caller::new(run, &profile)?;
    let Some(mfa) = caller.mode.mfa.clone() else {
        return Err(caller.lacks("mfa.enroll", None));
    };
    let Some(enrolment) = &mfa.enrolment else {
        return Err(caller.lacks("mfa.enroll", mfa.page.as_deref()));
    };
    let codes = Codes::of(run, args.backup_codes.as_deref())?;
    if !args.no_phone && !run.world.person() {
        return Err(Error::usage("nobody is at a terminal to be asked for the first code")
            .hint("`--no-phone` confirms with a code that is made here; the seed is then on no other device"));
    }
    let Some(account) = caller.account().map(str::to_owned) else {
        let variable = caller.variable().unwrap_or_default();
        let message = format!("the variable `{variable}` is used instead of a session, and nobody knows whose it is");
        return Err(Error::refused(message).hint(format!("unset {variable}, then run it again")));
    };
    let mut session = run.meant(&profile)?;
    session.account = Some(account.clone());
    let store = if args.no_keep || !(mfa.keep || args.no_phone) {
        None
    } else {
        Some(seed::store_for(
            run.sources,
            &session,
            &seed::key(&session, &account, false),
        )?)
    };
    let _turn = turn(run, &session)?;
    let mut enrolling = Enrolling {
        run,
        session: &session,
        account: &account,
        store,
        codes,
        with_qr: !args.no_qr,
        before: None,
    };
    if !args.again && enrolling.is_settled(&mut caller)? {
        return Ok(0);
    }
    if store.is_some() {
        // What is so already says nothing about this enrolment. One that cannot be asked about may begin nevertheless.
        enrolling.before = ask(&mut caller).ok().flatten().map(|(enabled, _)| enabled);
    }
    let begun = begin(&mut caller, enrolment, &account)?;
    if args.again {
        // Only now: a service that does not answer leaves everything as it was.
        seed::forget(run.sources, &enrolling.pending())?;
    }
    let more = if args.no_phone {
        enrolling.confirm_alone(&mut caller, enrolment, &begun)?
    } else {
        enrolling.confirm_by_person(&mut caller, enrolment, &begun)?
    };
    run.note(&format!(
        "The second factor of `{}` is enrolled.\n",
        sanitise(&caller.name())
    ));
    let given = all_codes(begun.backup_codes, more);
    // The codes come first: they are lost if they are not shown now, and the seed is kept as pending.
    let shown = enrolling.codes.put(run, &given);
    if let Some(store) = store {
        seed::settle(run.sources, &session, &account)?;
        tell(run, &session, &account, store);
    }
    shown.map(|()| 0)
}

/// The codes of both answers of a service, each once.
fn all_codes(first: BackupCodes, more: BackupCodes) -> BackupCodes {
    let mut good = first.good;
    for code in more.good {
        if !good.contains(&code) {
            good.push(code);
        }
    }
    BackupCodes {
        good,
        bad: more.bad.or(first.bad),
    }
}

/// One enrolment of an account at a time.
fn turn(run: &Run, session: &Session) -> Result<Lock> {
    let group = seed::group(session);
    let lock = run
        .sources
        .stores
        .login_lock(&group, std::time::Duration::ZERO, &|_| ())?;
    lock.ok_or_else(|| Error::temporary(format!("another enrolment of `{}` is under way", session.show())))
}

/// Whether a terminal shows a text as it is.
fn fits(text: &str) -> bool {
    printable(text) == text
}

/// Has the service make a seed.
fn begin(caller: &mut Caller, enrolment: &Enrolment, account: &str) -> Result<Begun> {
    let doing = "asking the service for a second factor";
    let reply = match caller.ask(&enrolment.begin, &[], doing)? {
        Answered::Yes(reply) => reply,
        Answered::No(_, says) => return Err(Error::refused(format!("it gives none{says}")).context(doing)),
        Answered::Unknown(error) => return Err(error),
    };
    let found = caller
        .mode
        .mfa
        .as_ref()
        .map(|mfa| mfa.found.clone())
        .unwrap_or_default();
    let mut begun = account::begun(&found, &reply, fits)
        .map_err(|why| {
            Error::failure(format!("its answer has {why}"))
                .hint("correct `mfa.uri` or `mfa.secret` in the provider file")
        })
        .doing(doing)?;
    if let Some((count, why)) = begun.backup_codes.bad {
        // Nothing is confirmed yet, so nothing of it counts.
        let message = format!("{count} of its backup codes could not be shown: {why}");
        return Err(Error::failure(message).context(doing).hint(
            "nothing is enrolled; correct `mfa.backup_codes` in the provider file, or enrol at the service's page",
        ));
    }
    let seed = &mut begun.seed;
    if seed.issuer.is_empty() {
        seed.issuer = caller.title();
    }
    if seed.account.is_empty() {
        seed.account = account.into();
    }
    Ok(begun)
}

struct Enrolling<'a> {
    run: &'a Run<'a>,
    session: &'a Session,
    account: &'a str,
    /// Where the seed is kept; none: it is not.
    store: Option<&'static str>,
    codes: Codes,
    with_qr: bool,
    /// Whether a second factor was enrolled before this one was begun; none where nobody knows.
    before: Option<bool>,
}

/// What the service said to a code.
enum Tried {
    /// It took it, and gave these backup codes.
    Good(BackupCodes),
    /// It did not; with what it says.
    Wrong(String),
}

impl Enrolling<'_> {
    fn pending(&self) -> crate::record::Key {
        seed::key(self.session, self.account, true)
    }

    /// Whether an enrolment that was cut off had been taken after all; then nothing is left to do.
    fn is_settled(&self, caller: &mut Caller) -> Result<bool> {
        let stores = &self.run.sources.stores;
        let Some(pending) = stores.get(&self.pending())? else {
            return Ok(false);
        };
        let has_older = stores.get(&seed::key(self.session, self.account, false))?.is_some();
        match ask(caller)? {
            Some((false, _)) => seed::forget(self.run.sources, &self.pending()).map(|_| false),
            // Only what was not so before can be this enrolment's doing.
            Some((true, _)) if !has_older && seed::enrolled_before(&pending) == Some(false) => {
                seed::settle(self.run.sources, self.session, self.account)?;
                self.run.note(&format!(
                    "The enrolment of {} was cut off, and the service had taken it.\n\
                     Its backup codes are lost; the service may make others.\n",
                    begun_at(&pending)
                ));
                tell(self.run, self.session, self.account, pending.store);
                Ok(true)
            }
            _ => {
                let message = format!(
                    "an enrolment of {} was cut off, and nobody knows whether the service took it",
                    begun_at(&pending)
                );
                let name = caller.name();
                Err(Error::refused(message).hint(format!(
                    "`keyfob mfa code {name} --pending` has its codes; `keyfob mfa enroll {name} --again` forgets it"
                )))
            }
        }
    }

    /// Confirms with a code of our own: no app has the seed.
    fn confirm_alone(&mut self, caller: &mut Caller, enrolment: &Enrolment, begun: &Begun) -> Result<BackupCodes> {
        let code = begun.seed.code(self.run.world.now()).digits;
        match self.confirm(caller, enrolment, begun, &code)? {
            Tried::Good(codes) => Ok(codes),
            Tried::Wrong(says) => Err(Error::refused(format!(
                "the service does not take the code that was made here{says}"
            ))
            .hint("look whether the clock of this machine is right, then run it again")),
        }
    }

    fn confirm_by_person(&mut self, caller: &mut Caller, enrolment: &Enrolment, begun: &Begun) -> Result<BackupCodes> {
        let mut prompt = Zeroizing::new(self.picture(&begun.seed, &caller.title()));
        *prompt += "Code that the app shows: ";
        let mut wrong = 0;
        loop {
            let code = super::ask_code(self.run, &prompt, &caller.name())?;
            prompt = Zeroizing::new("Code: ".into());
            match self.confirm(caller, enrolment, begun, &code)? {
                Tried::Good(codes) => return Ok(codes),
                Tried::Wrong(says) => {
                    wrong += 1;
                    let left = TRIES - wrong;
                    if left == 0 {
                        let message = format!("the service did not take {TRIES} codes{says}");
                        return Err(Error::refused(message)
                            .hint("nothing is enrolled or kept; look whether the clock of the phone is right"));
                    }
                    let tries = if left == 1 { "1 try is" } else { "2 tries are" };
                    self.run
                        .note(&format!("The service does not take that code{says}; {tries} left.\n"));
                }
            }
        }
    }

    /// Gives one code to the service. Between the two writes nobody knows what becomes of the seed.
    fn confirm(&self, caller: &mut Caller, enrolment: &Enrolment, begun: &Begun, code: &Secret) -> Result<Tried> {
        let doing = "giving the first code to the service";
        if let Some(store) = self.store {
            seed::keep_pending(self.run.sources, &self.pending(), &begun.seed, store, self.before)
                .doing("keeping the seed")?;
        }
        let factor = begun.factor.as_deref().unwrap_or_default();
        let values = [(Slot::Code, code.expose()), (Slot::Factor, factor)];
        let answered = caller.ask(&enrolment.confirm, &values, doing);
        if let Ok(Answered::No(..)) | Err(_) = &answered
            && self.store.is_some()
        {
            seed::forget(self.run.sources, &self.pending())?;
        }
        match answered? {
            Answered::Yes(reply) => {
                let found = caller.mode.mfa.as_ref().map(|mfa| mfa.found.clone());
                Ok(Tried::Good(account::backup_codes(
                    &found.unwrap_or_default(),
                    &reply,
                    fits,
                )))
            }
            Answered::No(_, says) => Ok(Tried::Wrong(says)),
            Answered::Unknown(error) => {
                let name = caller.name();
                // It may have been taken, and then these are good.
                if !begun.backup_codes.good.is_empty()
                    && let Err(lost) = self.codes.put(self.run, &begun.backup_codes)
                {
                    self.run
                        .note(&format!("keyfob: warning: {}\n", crate::report::message(&lost)));
                }
                Err(error.hint(match self.store {
                    Some(_) => {
                        format!("it may have been taken, and the seed is kept: run `keyfob mfa enroll {name}` again")
                    }
                    None => format!("it may have been taken: run `keyfob mfa status {name}`"),
                }))
            }
        }
    }

    /// What an app reads or a person types: for the terminal alone.
    fn picture(&self, seed: &Seed, title: &str) -> String {
        let screen = self.run.world.screen();
        let mut text = format!("\n{title} gives a second factor. Type this key into an authenticator app");
        let drawn = screen
            .filter(|screen| self.with_qr && screen.unicode)
            .and_then(|screen| Some((screen, Qr::new(&seed.uri())?)));
        let lines = drawn.as_ref().map(|(screen, qr)| {
            // The line of the question is below it.
            let fits = qr.side <= screen.columns && qr.side.div_ceil(2) < screen.rows;
            fits.then(|| qr.lines(screen.colour))
        });
        text += match &lines {
            Some(Some(_)) => ", or scan the QR code below:\n",
            _ => ":\n",
        };
        text += &format!("\n    {}\n\n", *seed.grouped());
        let usual = seed.algorithm == Algorithm::default() && seed.digits == 6 && seed.period_secs == 30;
        if !usual {
            let (algorithm, digits, period) = (seed.algorithm.word(), seed.digits, seed.period_secs);
            text += &format!("with {algorithm}, {digits} digits and a new code every {period} s.\n\n");
        }
        match (&lines, &drawn) {
            (Some(Some(lines)), _) => text += &format!("{}\n", lines.join("\n")),
            (Some(None), Some((_, qr))) => {
                let (columns, rows) = (qr.side, qr.side.div_ceil(2) + 1);
                let hint = format!("A QR code needs a screen of {columns} columns and {rows} lines.");
                text += &format!("{}\n", text::wrap("", &hint));
            }
            _ => (),
        }
        text
    }
}

/// Where backup codes go.
enum Codes {
    /// A new file.
    File(PathBuf),
    /// Standard output, where a person sees it or asked for it.
    Stdout,
}

impl Codes {
    /// # Errors
    /// [`crate::error::Class::Usage`] when they would be lost or be where nobody asked for them.
    fn of(run: &Run, wanted: Option<&str>) -> Result<Codes> {
        match wanted {
            Some("-") => Ok(Codes::Stdout),
            None if run.world.stdout_is_terminal() => Ok(Codes::Stdout),
            None => Err(
                Error::usage("standard output is no terminal, and backup codes are shown once")
                    .hint("say where they go: `--backup-codes FILE`, or `--backup-codes -` for standard output"),
            ),
            Some(path) => {
                let path = PathBuf::from(path);
                // What is written now can be written later, also where a disk is almost full.
                write(&path, &[b'\n'; ROOM])?;
                let removed = std::fs::remove_file(&path);
                removed.map_err(|error| unwritable(&path, &error))?;
                Ok(Codes::File(path))
            }
        }
    }

    /// # Errors
    /// When not all of them got there.
    fn put(&self, run: &Run, codes: &BackupCodes) -> Result<()> {
        let BackupCodes { good, bad } = codes;
        match (good.is_empty(), bad) {
            (true, None) => run.note("The service gave no backup codes.\n"),
            (true, Some(_)) => (),
            (false, _) => self.put_good(run, good)?,
        }
        match bad {
            None => Ok(()),
            Some((count, why)) => {
                let all = good.len() + count;
                Err(lost(Error::failure(format!("{count} of {all} cannot be shown: {why}"))))
            }
        }
    }

    fn put_good(&self, run: &Run, codes: &[Secret]) -> Result<()> {
        let mut lines = Zeroizing::new(String::with_capacity(codes.len() * 132));
        for code in codes {
            *lines += code.expose();
            lines.push('\n');
        }
        let count = codes.len();
        match self {
            Codes::Stdout => {
                run.note(&format!(
                    "{count} backup codes, each good once where the app is lost. They are not shown again:\n"
                ));
                // Who stops reading these has lost them, which is no success.
                let written = run.world.write_stdout(lines.as_bytes());
                written.map_err(|error| lost(Error::failure(format!("writing to standard output: {}", error.kind()))))
            }
            Codes::File(path) => {
                write(path, lines.as_bytes()).map_err(lost)?;
                let place = crate::report::printable(&path.display().to_string());
                run.note(&format!("Wrote {count} backup codes, each good once, to {place}.\n"));
                Ok(())
            }
        }
    }
}

fn lost(error: Error) -> Error {
    let error = error.context("the second factor is enrolled, but backup codes are lost");
    error.hint("have the service make others")
}

/// Writes a file that only its owner reads, and replaces none.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    match login::write_new(path, bytes) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let message = format!("{} exists already, and backup codes replace nothing", path.display());
            Err(Error::usage(message).hint("name a file that is not there yet"))
        }
        Err(error) => Err(unwritable(path, &error)),
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::failure(format!("writing {}: {}", path.display(), error.kind()))
}
