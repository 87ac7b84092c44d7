//! `mfa`: one-time codes of a second factor: enrolled at the service, printed, asked about, given up.

mod enroll;

use serde_json::json;
use zeroize::Zeroizing;

use super::caller::{Answered, Caller};
use super::{Run, SCHEMA};
use crate::cli;
use crate::config::{Slot, profile};
use crate::error::{Class, Context, Error, Result};
use crate::report::{printable, sanitise};
use crate::resolve::Session;
use crate::secret::Secret;
use crate::seed;
use crate::shape::{account, otp};
use crate::store::{StoreError, Stored};
use crate::time::Timestamp;
use crate::totp::Seed;

pub(super) use enroll::enroll;

/// The questions after which nobody is asked any more.
const QUESTIONS: u32 = 3;

pub(super) fn run(run: &Run, args: cli::Mfa) -> Result<u8> {
    match args {
        cli::Mfa::Enroll(args) => enroll(run, &args),
        cli::Mfa::Code(args) => code(run, &args),
        cli::Mfa::Status(args) => status(run, &args),
        cli::Mfa::Add(args) => add(run, &args),
        cli::Mfa::Disable(args) => disable(run, &args),
    }
}

/// Whoever has a seed needs no session: the code may be what a login asks for.
fn code(run: &Run, args: &cli::Code) -> Result<u8> {
    let session = run.meant(&run.profile(args.profile.as_deref())?)?;
    let stored = match seed::find(run.sources, &session, args.pending) {
        // An enrolment that was cut off may have been taken, and then its seed is the only one that is any good.
        Err(none) if !args.pending && none.class == Class::Login => {
            let pending = seed::find(run.sources, &session, true).map_err(|_| none)?;
            run.note("keyfob: warning: nobody knows whether the service took the enrolment of this seed\n");
            pending
        }
        stored => stored?,
    };
    let seed = seed::read(&stored)?;
    let code = seed.code(run.world.now());
    if args.json {
        let answer = json!({"schema": SCHEMA, "profile": show(&session, &stored), "code": code.digits.expose(),
            "left_secs": code.left_secs, "period_secs": seed.period_secs, "pending": is_pending(&stored)});
        return run.print_json(&answer).map(|()| 0);
    }
    run.print_whole(&Zeroizing::new(format!("{}\n", code.digits.expose())))?;
    if run.world.stderr_is_terminal() {
        run.note(&format!("Good for {} s.\n", code.left_secs));
    }
    Ok(0)
}

fn status(run: &Run, args: &cli::Show) -> Result<u8> {
    let profile = run.profile(args.profile.as_deref())?;
    let (provider, at) = run.sources.config.profile(&profile)?;
    let asks = provider.modes[at].mfa.as_ref().is_some_and(|mfa| mfa.status.is_some());
    let (name, session, asked) = if asks {
        let mut caller = Caller::new(run, &profile)?;
        let asked = ask(&mut caller)?;
        let account = caller.account().map(str::to_owned);
        let mut session = run.meant(&profile)?;
        session.account = account.or(session.account);
        (caller.name(), session, asked)
    } else {
        let session = run.meant(&profile)?;
        (session.show(), session, None)
    };
    let kept = found(run, &session, false)?;
    let pending = found(run, &session, true)?.is_some();
    let (enabled, left) = asked.unzip();
    let left = left.flatten();
    if args.json {
        let answer = json!({"schema": SCHEMA, "profile": name, "checked": enabled.is_some(), "enabled": enabled,
            "backup_codes_left": left, "seed": kept.is_some(), "store": kept.as_ref().map(|kept| kept.store),
            "pending": pending});
        return run.print_json(&answer).map(|()| 0);
    }
    let mut text = match enabled {
        Some(true) => format!("A second factor is enrolled for `{}`.\n", sanitise(&name)),
        Some(false) => format!("No second factor is enrolled for `{}`.\n", sanitise(&name)),
        None => String::new(),
    };
    if let Some(left) = left {
        text += &format!("Backup codes left: {left}.\n");
    }
    text += &match (&kept, pending) {
        (Some(kept), _) => format!("Its seed is kept in the store `{}`.\n", kept.store),
        (None, true) => "A seed is kept of which nobody knows whether the service took it.\n".into(),
        (None, false) => "No seed of it is kept here.\n".into(),
    };
    run.print(&text)?;
    if enabled.is_none() {
        run.note("The provider file has no `mfa.status`, so the service was not asked.\n");
    }
    Ok(0)
}

/// What the service says: whether a second factor is enrolled, and how many backup codes are left. None where the provider
/// file does not say how to ask.
fn ask(caller: &mut Caller) -> Result<Option<(bool, Option<u64>)>> {
    let doing = "asking the service about the second factor";
    let Some(mfa) = caller.mode.mfa.clone() else {
        return Ok(None);
    };
    let Some(call) = &mfa.status else { return Ok(None) };
    let reply = caller.look(call, doing)?;
    let enabled = account::is_on(mfa.found.state.as_deref(), &reply);
    let enabled = enabled.map_err(|why| {
        Error::failure(format!("its answer has {why}")).hint("correct `mfa.state` in the provider file")
    });
    Ok(Some((
        enabled.doing(doing)?,
        account::backup_codes_left(&mfa.found, &reply),
    )))
}

/// A seed that the person has already, for instance of an app that shows its QR code.
fn add(run: &Run, args: &cli::AddSeed) -> Result<u8> {
    let profile = run.profile(args.profile.as_deref())?;
    let session = run.meant(&profile)?;
    let text = match (run.world.stdin_is_terminal(), run.world.person()) {
        (true, true) => run.world.ask_secret("URI or key of the seed (not shown): ")?,
        (true, false) => {
            return Err(Error::usage("standard input is a terminal, and nobody may be asked")
                .hint(format!("pipe the seed in: `keyfob mfa add {} < FILE`", session.show())));
        }
        (false, _) => super::text::from_stdin(run.world, "the seed")?,
    };
    let is_uri = text
        .expose()
        .trim_start()
        .get(..8)
        .is_some_and(|start| start.eq_ignore_ascii_case("otpauth:"));
    let seed = if is_uri {
        Seed::from_uri(text.expose())
    } else {
        Seed::new(text.expose())
    };
    let seed = seed.map_err(|why| {
        Error::usage(format!("what was given is {why}"))
            .hint("a seed is a URI that begins with `otpauth://totp/`, or its key in base32")
    })?;
    let account = match &session.account {
        Some(account) => account.clone(),
        None => account_of(run, &session, &seed)?,
    };
    let key = seed::key(&session, &account, false);
    let name = profile::show(&session.provider, &session.mode, &account);
    let is_there = match run.sources.stores.get(&key) {
        // One that cannot be read any more may be replaced too.
        Err(StoreError::Damaged(_)) => true,
        stored => stored?.is_some(),
    };
    if is_there && !args.replace {
        return Err(Error::refused(format!("a seed of `{name}` is kept already"))
            .hint("`--replace` puts this one in its place; the other is lost then"));
    }
    let store = seed::store_for(run.sources, &session, &key)?;
    seed::keep(run.sources, &key, &seed, store)?;
    tell(run, &session, &account, store);
    Ok(0)
}

/// The account that a seed is for where none is named: that of the session there is, else the one that the seed names.
fn account_of(run: &Run, session: &Session, seed: &Seed) -> Result<String> {
    let stored = session.records(run.sources)?;
    if stored.is_empty() {
        return Ok(seed.account.clone());
    }
    let stored = crate::resolve::choose_account(run.sources, stored, None, session)?;
    Ok(stored.record.key.account)
}

/// Says where a seed is, and what that means.
fn tell(run: &Run, session: &Session, account: &str, store: &str) {
    let place = run.sources.stores.place(&seed::key(session, account, false));
    let protection = run.sources.stores.protection(store);
    let name = profile::show(&session.provider, &session.mode, account);
    let mut text = super::text::wrap("", &format!("The seed is kept in the store `{store}`: {protection}."));
    text += &format!("    {}\n", printable(&place.display().to_string()));
    text += &format!("`keyfob mfa code {}` prints its codes.\n", sanitise(&name));
    run.note(&text);
}

fn disable(run: &Run, args: &cli::Disable) -> Result<u8> {
    let profile = run.profile(args.profile.as_deref())?;
    if args.local {
        return forget(run, &run.meant(&profile)?, args.yes);
    }
    let mut caller = Caller::new(run, &profile)?;
    let mut session = run.meant(&profile)?;
    session.account = caller.account().map(str::to_owned).or(session.account);
    let kept = found(run, &session, false)?;
    let mfa = caller.mode.mfa.clone();
    let Some(call) = mfa.as_ref().and_then(|mfa| mfa.disable.as_ref()) else {
        let page = mfa.as_ref().and_then(|mfa| mfa.page.as_deref());
        let error = caller.lacks("mfa.disable", page);
        return Err(match (kept, page) {
            (Some(_), None) => error.hint(format!(
                "`keyfob mfa disable {} --local` forgets the seed that is kept here",
                caller.name()
            )),
            _ => error,
        });
    };
    let question = format!(
        "Give up the second factor of `{}` at {}?",
        sanitise(&caller.name()),
        caller.title()
    );
    run.confirm(&question, args.yes)?;
    let wants_code = call.body.as_ref().is_some_and(|body| body.has(Slot::Code));
    let code = match (&kept, wants_code) {
        (_, false) => Secret::default(),
        (Some(kept), true) => seed::read(kept)?.code(run.world.now()).digits,
        (None, true) => ask_code(run, "Code of the authenticator app: ", &caller.name())?,
    };
    let doing = "giving up the second factor";
    match caller.ask(call, &[(Slot::Code, code.expose())], doing)? {
        Answered::Yes(_) => (),
        Answered::No(status, says) => {
            return Err(Error::refused(format!("the service answered with status {status}{says}")).context(doing));
        }
        Answered::Unknown(error) => {
            let hint = format!("run `keyfob mfa status {}` to see whether it was done", caller.name());
            return Err(error.hint(hint));
        }
    }
    run.note(&format!(
        "The second factor of `{}` is given up.\n",
        sanitise(&caller.name())
    ));
    if let Some(kept) = kept {
        seed::forget(run.sources, &kept.record.key)?;
        run.note("Its seed is forgotten.\n");
    }
    Ok(0)
}

fn forget(run: &Run, session: &Session, yes: bool) -> Result<u8> {
    let mut keys = Vec::new();
    for pending in [false, true] {
        let named = session
            .account
            .as_deref()
            .map(|account| seed::key(session, account, pending));
        match named.map(|key| (run.sources.stores.get(&key), key)) {
            // Nobody needs to read it for that.
            Some((Err(StoreError::Damaged(_)), key)) => keys.push(key),
            _ => keys.extend(found(run, session, pending)?.map(|stored| stored.record.key)),
        }
    }
    let Some(first) = keys.first() else {
        run.note(&format!("No seed of `{}` is kept.\n", sanitise(&session.show())));
        return Ok(0);
    };
    let name = profile::show(&session.provider, &session.mode, &first.account);
    run.confirm(
        &format!(
            "Forget the seed of `{}`? Nothing here makes its codes then.",
            sanitise(&name)
        ),
        yes,
    )?;
    for key in keys {
        seed::forget(run.sources, &key)?;
    }
    run.note("The seed is forgotten; the service was not told.\n");
    Ok(0)
}

/// Asks for a code with digits alone, as apps show them; spaces and dashes in it do not matter.
fn ask_code(run: &Run, prompt: &str, name: &str) -> Result<Secret> {
    if !run.world.person() {
        return Err(
            Error::usage("nobody is at a terminal to be asked for a code").hint(format!(
                "keep the seed with `keyfob mfa add {name} < FILE`, then nobody is asked"
            )),
        );
    }
    for at in 0..QUESTIONS {
        let typed = run.world.ask_line(if at == 0 { prompt } else { "Code: " })?;
        let code = otp::code(&typed).filter(|code| code.expose().bytes().all(|b| b.is_ascii_digit()));
        if let Some(code) = code {
            return Ok(code);
        }
        run.note("That cannot be a code: it has digits alone.\n");
    }
    Err(Error::usage("what was typed cannot be a code"))
}

/// The seed that is kept, if there is one.
fn found(run: &Run, session: &Session, pending: bool) -> Result<Option<Stored>> {
    match seed::find(run.sources, session, pending) {
        Err(error) if error.class == Class::Login => Ok(None),
        found => found.map(Some),
    }
}

fn is_pending(stored: &Stored) -> bool {
    stored.record.key.path.is_some()
}

fn show(session: &Session, stored: &Stored) -> String {
    profile::show(&session.provider, &session.mode, &stored.record.key.account)
}

/// When a pending enrolment was begun.
fn begun_at(stored: &Stored) -> String {
    stored
        .record
        .obtained_at
        .map_or_else(|| "an unknown time".into(), Timestamp::rfc3339)
}
