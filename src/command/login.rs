//! `login` and `set-token`: obtain a credential, learn whom it speaks for, keep it, say where.

mod found;
mod identity;
mod turn;

use std::io::Write;
use std::time::Duration;

use found::Named;
use identity::Known;
use turn::Turn;

use super::text::wrap;
use super::{Run, workspace};
use crate::cli;
use crate::config::{Flow, Mode, Profile, Provider, Slot, preset};
use crate::error::{Class, Error, Result};
use crate::http::Http;
use crate::login::{self, Login, Obtained, Options};
use crate::record::Record;
use crate::renew;
use crate::report::{printable, sanitise};
use crate::resolve::Session;
use crate::secret::Secret;
use crate::store::Stored;

pub(super) fn login(run: &Run, args: cli::Login) -> Result<u8> {
    let profile = run.profile(args.profile.as_deref())?;
    let mut client_id = args.client_id;
    if !args.set.is_empty() || (client_id.is_some() && is_bare_preset(run, &profile.provider)?) {
        write_provider_file(run, &profile.provider, client_id.take().as_deref(), &args.set)?;
    }
    let (mut provider, at) = provider_of(run, &profile)?;
    let name = provider.name.clone();
    renew::give(run.sources, &name, &mut provider.modes[at])?;
    let flow = login::find(match (args.with_token, args.device) {
        (true, _) => Flow::Key,
        (_, true) => Flow::Device,
        _ => provider.flow,
    });
    if flow.flow != Flow::EmailOtp && (args.email.is_some() || args.code.is_some()) {
        return Err(Error::usage(format!(
            "`--email` and `--code` are for providers that send a code, and `{}` sends none",
            provider.name
        )));
    }
    if args.manual && flow.flow != Flow::Browser {
        return Err(Error::usage(format!(
            "`--manual` is for logins in a browser, and `{}` has another one",
            provider.name
        )));
    }
    let wanted = wanted_account(&provider, &profile, "login")?;
    let http = Http::new(run.world)?;
    let mode = &provider.modes[at];
    if !args.scope.is_empty() && !asks_for_scopes(flow.flow, mode) {
        let page = provider.revoke.as_ref().or(provider.register.as_ref());
        let error = Error::usage(format!(
            "`--scope` has no effect: a login to `{}` gives what it gives",
            provider.name
        ));
        return Err(match page {
            Some(page) => error.hint(format!("other credentials are made at {page}")),
            None => error,
        });
    }
    // Nobody logs in for a session that has no place.
    renew::check_place(run.sources, &provider, mode, wanted.as_deref())?;
    // Whoever brings a token knows what it was granted, and nobody else.
    let extra = args.scope;
    let scopes = if flow.makes {
        [mode.oauth.scopes.clone(), extra.clone()].concat()
    } else {
        Vec::new()
    };
    let options = Options {
        browser: !args.no_browser,
        qr: !args.no_qr,
        manual: args.manual,
        other_account: other_account(run, &provider, at, wanted.as_deref()),
        account: wanted.clone(),
        email: args.email,
        code: args.code.map(Secret::new),
        token: None,
    };
    let frame = Login {
        world: run.world,
        http: &http,
        provider: &provider,
        mode,
        scopes,
        learnt: None,
        options: &options,
    };
    // Held until the session is kept. Whoever has a code already asks nobody.
    let mut turn = None;
    let is_usual = args.auth_url.is_none() && client_id.is_none();
    if flow.makes && options.code.is_none() {
        let meant = wanted.or_else(|| options.email.clone());
        let session = Session::named(&provider, at, None, meant);
        match turn::take(run, &session, &extra)? {
            Turn::Mine(lock) => turn = Some(lock),
            Turn::Adopted(stored) if is_usual => {
                run.note("Another login at the same time made this session:\n");
                tell(run, &frame, &session, &stored)?;
                return Ok(0);
            }
            // Another issuer or client was asked for.
            Turn::Adopted(_) => (),
        }
    }
    let named = Named {
        auth_url: args.auth_url.as_deref(),
        client_id: client_id.as_deref(),
    };
    let (known, mut obtained) =
        found::obtain(run, &frame, flow, &named).map_err(|error| login::factor_hint(mode, None, error))?;
    let login = frame.with(&known);
    let check = if flow.makes { Check::Lenient } else { Check::Strict };
    let visitor = obtained.visitor.take();
    let kept = keep(run, &login, obtained, check);
    drop(turn);
    match (visitor, &kept) {
        (Some(visitor), Ok(stored)) => visitor.tell_success(&login, &stored.record.key.account),
        (Some(visitor), Err(error)) => visitor.tell_failure(&login, error),
        (None, _) => (),
    }
    kept.map(|_| 0)
}

/// Whether a login's request has a place for scopes; at a service that follows no specification only where its file says.
fn asks_for_scopes(flow: Flow, mode: &Mode) -> bool {
    match (flow, &mode.otp) {
        (Flow::EmailOtp, Some(otp)) => [&otp.send, &otp.exchange].iter().any(|call| call.asks(Slot::Scope)),
        (Flow::Poll, _) => false,
        _ => true,
    }
}

/// Whether there is a session of another account than the wanted one.
fn other_account(run: &Run, provider: &Provider, at: usize, wanted: Option<&str>) -> bool {
    let Some(wanted) = wanted else { return false };
    // A login may be what puts a damaged record right.
    let stored = Session::named(provider, at, None, None)
        .records(run.sources)
        .unwrap_or_default();
    stored.iter().any(|stored| stored.record.key.account != wanted)
}

/// Whether a name is a preset's, without a provider file of the user.
fn is_bare_preset(run: &Run, name: &str) -> Result<bool> {
    Ok(preset::find(name).is_some() && !run.sources.config.names()?.iter().any(|own| own == name))
}

/// The account that the arguments name; a user name and password have one always.
fn wanted_account(provider: &Provider, profile: &Profile, command: &str) -> Result<Option<String>> {
    let wanted = profile.account.clone().filter(|name| !name.is_empty());
    if provider.flow == Flow::Static && wanted.is_none() {
        return Err(Error::usage("the user name is missing")
            .hint(format!("run `keyfob {command} {} --account NAME`", provider.name)));
    }
    Ok(wanted)
}

pub(super) fn set_token(run: &Run, args: cli::SetToken) -> Result<u8> {
    let (profile, token) = profile_and_key(run, args.profile, args.key)?;
    let (provider, at) = provider_of(run, &profile)?;
    let wanted = wanted_account(&provider, &profile, "set-token")?;
    renew::check_place(run.sources, &provider, &provider.modes[at], wanted.as_deref())?;
    let options = Options {
        account: wanted,
        token,
        ..Options::default()
    };
    let http = Http::new(run.world)?;
    let mode = &provider.modes[at];
    let login = Login {
        world: run.world,
        http: &http,
        provider: &provider,
        mode,
        scopes: Vec::new(),
        learnt: None,
        options: &options,
    };
    let obtained = (login::find(Flow::Key).run)(&login)?;
    if run.world.var_os("CI").is_some() {
        run.note("keyfob: warning: this keeps a secret on a CI machine; a variable of one step does not\n");
    }
    let check = if args.no_check { Check::None } else { Check::Strict };
    keep(run, &login, obtained, check).map(|_| 0)
}

/// What the arguments of `set-token` mean; a key among them is shown nowhere.
///
/// A program that hands its own `auth set-token KEY` over adds `--provider`, so that the one argument is the key. Without
/// that a mistyped profile must not become a key, unless it begins as one.
fn profile_and_key(run: &Run, first: Option<String>, second: Option<String>) -> Result<(Profile, Option<Secret>)> {
    let key = |text: String| Some(Secret::new(text)).filter(|key| key.expose() != "-");
    let Some(first) = first else {
        return Ok((run.profile(None)?, None));
    };
    let names = run.sources.config.names()?;
    let named = Profile::parse(&first).ok();
    let named = named.filter(|profile| names.contains(&profile.provider) || preset::find(&profile.provider).is_some());
    match (named, second) {
        (Some(profile), second) => Ok((profile, second.and_then(key))),
        (None, None) if run.provider.is_some() || is_key_of_the_only_one(run, &first) => {
            Ok((run.profile(None)?, key(first)))
        }
        (None, _) => Err(Error::usage("the first argument names no provider that there is")
            .hint("`keyfob provider list` names them; a key is given on standard input")),
    }
}

fn is_key_of_the_only_one(run: &Run, text: &str) -> bool {
    let only = run
        .profile(None)
        .and_then(|profile| run.sources.config.profile(&profile));
    only.is_ok_and(|(provider, at)| {
        let prefix = provider.modes[at].key_prefix.as_ref();
        prefix.is_some_and(|prefix| text.starts_with(prefix.as_str()))
    })
}

/// The provider; of a preset that is not in use yet, what it must be told first.
fn provider_of(run: &Run, profile: &Profile) -> Result<(Provider, usize)> {
    let found = run.sources.config.profile(profile);
    if !is_bare_preset(run, &profile.provider)? {
        return found;
    }
    found.map_err(|error| {
        let name = &profile.provider;
        let slots: String = preset::wants(name).map(|slot| format!(" --set {slot}=…")).collect();
        let with_id = format!("{}[oauth]\nclient_id = \"id\"\n", preset::file(name));
        let only_id = Provider::parse(&with_id, name, name).is_ok();
        let lacks = match only_id {
            true => format!("the preset `{name}` needs the client id of your OAuth app"),
            false => format!("the preset `{name}` must be told what only you know: {error}"),
        };
        let page = format!("`keyfob provider show {name}` says where to register");
        Error::usage(lacks).hint(match only_id || !slots.is_empty() {
            true => format!("run `keyfob login {name}{slots} --client-id ID`; {page}"),
            false => page,
        })
    })
}

/// Writes the provider file that makes a preset the user's own.
fn write_provider_file(run: &Run, name: &str, client_id: Option<&str>, set: &[String]) -> Result<()> {
    if preset::find(name).is_none() {
        return Err(Error::usage(format!("`--set` is for presets, and `{name}` is none")));
    }
    let plain = |text: &str, more: &[u8]| {
        let good = |b: u8| b.is_ascii_alphanumeric() || b"._-:".contains(&b) || more.contains(&b);
        !text.is_empty() && text.bytes().all(good)
    };
    if client_id.is_some_and(|id| !plain(id, b"")) {
        return Err(Error::usage(
            "the client id has characters other than letters, digits, `.`, `_`, `-` and `:`",
        ));
    }
    let mut text = preset::file(name);
    if !set.is_empty() {
        text += "\n[instance]\n";
    }
    for pair in set {
        let pair = pair
            .split_once('=')
            .filter(|(key, value)| plain(key, b"") && plain(value, b"/"));
        let (key, value) = pair.ok_or_else(|| {
            Error::usage("`--set` is not a name, `=`, and a value of letters, digits, `.`, `_`, `-`, `:` and `/`")
        })?;
        text += &format!("{key} = \"{value}\"\n");
    }
    if let Some(id) = client_id {
        text += &format!("\n[oauth]\nclient_id = \"{id}\"\n");
    }
    // A file that is wrong would be in the way of the next try.
    Provider::parse(&text, name, "the new provider file")?;
    let directory = run.sources.config.directory();
    let path = directory.join(format!("{name}.toml"));
    let written = private_dir(directory).and_then(|()| write_new(&path, text.as_bytes()));
    match written {
        Ok(()) => run.note(&format!("Wrote {}.\n", printable(&path.display().to_string()))),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Error::usage(format!("{} exists already", path.display())).hint("change what it says there"));
        }
        Err(error) => return Err(Error::failure(format!("writing {}: {}", path.display(), error.kind()))),
    }
    Ok(())
}

/// Makes a directory of provider files, and those above it.
pub(super) fn private_dir(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file that is there whole or not at all, and replaces none.
pub(super) fn write_new(path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = write_beside(path, bytes)?;
    let written = std::fs::hard_link(&beside, path);
    let removed = std::fs::remove_file(&beside);
    written.and(removed)
}

/// Writes a file in the place of the one that is there, which stays whole until the new one is.
pub(super) fn write_over(path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = write_beside(path, bytes)?;
    std::fs::rename(&beside, path).inspect_err(|_| {
        let _ = std::fs::remove_file(&beside);
    })
}

/// A whole file beside the place that it is for, or none.
fn write_beside(path: &std::path::Path, bytes: &[u8]) -> std::io::Result<std::path::PathBuf> {
    use std::os::unix::fs::OpenOptionsExt;
    // Two that write it at the same time must not write into one file.
    let random = data_encoding::HEXLOWER.encode(&crate::world::random::<8>());
    let temporary = path.with_extension(format!("new-{random}"));
    let mut options = std::fs::File::options();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&temporary)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map(|()| temporary.clone()).inspect_err(|_| {
        let _ = std::fs::remove_file(&temporary);
    })
}

/// What becomes of a credential of which nobody can say whom it speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    /// It is kept, and nobody is asked.
    None,
    /// It is kept without a name: the issuer gave it just now, and gives it once.
    Lenient,
    /// It is kept only if there was no answer: who brought it has it still.
    Strict,
}

/// How long giving back tokens that nobody wants may take: a whole call, and a quarter of another.
const REVOCATION: Duration = Duration::from_secs(10);

fn keep(run: &Run, login: &Login, obtained: Obtained, check: Check) -> Result<Stored> {
    let wanted = login.options.account.as_deref();
    // A flow's last call is the one that the tokens came from; those that follow say whose they are.
    let asked = login.http.sent_at().unwrap_or_else(|| run.world.now());
    let identified = identity::learn(run, login, &obtained, check);
    let tokens = obtained.tokens;
    let (known, refused) = match identified {
        Ok(known) => (known, None),
        Err(error) => (Known::default(), Some(error)),
    };
    let Known { subject, said } = known;
    let at = login
        .provider
        .modes
        .iter()
        .position(|mode| mode.name == login.mode.name)
        .unwrap_or(0);
    let account = if login.provider.flow.is_unattended() {
        // A tool's call may begin the same session, and asks nobody for a name.
        login.mode.grant.account.clone()
    } else {
        wanted.map(str::to_owned).or_else(|| subject.clone())
    };
    let account = account.unwrap_or_default();
    let session = Session::named(login.provider, at, None, Some(account.clone()));
    let workspace = said.as_ref().and_then(|said| said.workspace.clone());
    let fill = |record: &mut Record| {
        record.workspace = workspace::issued(login, workspace.as_deref());
        // The server knows better than the request what it gave.
        let scopes = said.as_ref().and_then(|said| said.scopes.clone());
        record.scopes = scopes.unwrap_or_else(|| login.scopes.clone());
        record.learnt.clone_from(&login.learnt);
        record.scopes.sort();
        record.fields = said.as_ref().map(|said| said.fields.clone()).unwrap_or_default();
        renew::merge(record, tokens.with_id_token(login.mode.oauth.id_token), asked);
        record.subject.clone_from(&subject);
    };
    let placed = renew::check_place(run.sources, login.provider, login.mode, Some(&account));
    if let Some(error) = refused.or(placed.err()) {
        if check == Check::Lenient && matches!(error.class, Class::Refused | Class::Store) {
            let mut unwanted = Record::new(session.key(), String::new(), "keyfob");
            fill(&mut unwanted);
            // Nobody has these tokens any more, and the refusal is what matters.
            let _ = renew::revoke(run.sources, &session, &unwanted, REVOCATION);
        }
        return Err(error);
    }
    // A preset serves its targets from now on, and not when its credential was never there.
    if !run.sources.config.names()?.contains(&login.provider.name) {
        write_provider_file(run, &login.provider.name, None, &[])?;
    }
    let stored = renew::keep(run.sources, &session, &account, "keyfob", fill)?;
    tell(run, login, &session, &stored)?;
    workspace::begin(run, &session, &stored, workspace.as_deref());
    Ok(stored)
}

/// Before the line that says so, on a terminal that can show it.
const DONE: &str = "\u{2713} ";

/// Says who is logged in, where the session is, and what would hide it.
fn tell(run: &Run, login: &Login, session: &Session, stored: &Stored) -> Result<()> {
    let record = &stored.record;
    let account = Some(record.key.account.as_str()).filter(|account| !account.is_empty());
    let who = account.or(record.subject.as_deref());
    let who = who.map_or_else(String::new, |who| format!(" as `{}`", sanitise(who)));
    let protection = run.sources.stores.protection(stored.store);
    let sign = if run.world.screen().is_some_and(|screen| screen.unicode) {
        DONE
    } else {
        ""
    };
    let mut text = format!("{sign}Logged in to {}{who}.\n", sanitise(&login.provider.title));
    text += &wrap("", &format!("Kept in the store `{}`: {protection}.", stored.store));
    if stored.store != "memory" {
        text += &format!("    {}\n", printable(&run.sources.stores.whereabouts(&record.key)));
    }
    if let Some(end) = record.expires_at {
        let renewed = if record.refresh.is_some() || session.is_unattended() {
            ", renewed by itself"
        } else {
            ""
        };
        let (at, relative) = (end.rfc3339(), end.relative(run.world.now()));
        text += &format!("Good until {at} ({relative}){renewed}.\n");
    }
    run.note(&text);
    if let Ok(Some((name, _))) = session.variable(run.sources) {
        run.note(&format!(
            "keyfob: warning: the variable `{name}` is set, and is used instead of this session\n"
        ));
    }
    Ok(())
}
