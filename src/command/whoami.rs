//! `whoami`: asks the server, so that "or log in" works in a shell: exit 0 with a valid session, 2 without.

use serde_json::json;

use super::text::field;
use super::{Run, SCHEMA};
use crate::cli;
use crate::config::{Profile, profile};
use crate::error::{Class, Result};
use crate::http::Http;
use crate::login::{self, Identity};
use crate::record::Record;
use crate::renew;
use crate::report;
use crate::resolve::{self, Session};

pub(super) fn run(run: &Run, args: &cli::Show) -> Result<u8> {
    let profile = run.profile(args.profile.as_deref())?;
    let Asked {
        name,
        provider,
        mode,
        session,
        source,
        kept,
        said: asked,
    } = ask(run, &profile, args.json)?;
    let checked = asked.is_some();
    let synced = kept.as_ref().filter(|record| record.synced_at.is_some());
    let is_synced = synced.is_some();
    let ends = synced.and_then(|record| record.expires_at);
    let (fields, scopes) = match &asked {
        Some(said) => (said.fields.clone(), said.scopes.clone()),
        None => (
            kept.as_ref().map(|record| record.fields.clone()).unwrap_or_default(),
            None,
        ),
    };
    let workspace = resolve::workspace(run.sources, &session, kept.as_ref())?.map(|(name, _)| name);
    let subject = asked.map(|said| said.subject);
    let subject = subject.or_else(|| kept.and_then(|record| record.subject.or(Some(record.key.account))));
    let subject = subject.filter(|subject| !subject.is_empty());
    if args.json {
        let answer = json!({"schema": SCHEMA, "profile": name, "provider": provider, "mode": mode, "workspace": workspace,
                "subject": subject, "fields": fields, "scopes": scopes, "source": source, "checked": checked,
                "synced": is_synced});
        return run.print_json(&answer).map(|()| 0);
    }
    let shown = subject.map_or("unknown".into(), |subject| report::sanitise(&subject));
    let fields = fields
        .iter()
        .map(|(name, value)| field("  ", name, &report::sanitise(value)));
    run.print(&format!("{shown}\n{}", fields.collect::<String>()))?;
    if is_synced {
        let end = ends.map_or_else(String::new, |end| {
            format!(", and ends {}", end.relative(run.world.now()))
        });
        run.note(&format!("The session was synced here{end}.\n"));
    }
    if !checked {
        run.note("The provider file has no `whoami`, so the server was not asked.\n");
    }
    Ok(0)
}

/// What a server was asked of a credential, and what it said.
pub(super) struct Asked {
    /// The profile, with the account of the session.
    pub(super) name: String,
    provider: String,
    mode: String,
    session: Session,
    /// Where the credential is from: `env:NAME`, or the name of a store.
    pub(super) source: String,
    /// The session's record; none where a variable is used instead.
    kept: Option<Record>,
    /// Whom it speaks for; none where the provider file does not say how to ask.
    pub(super) said: Option<Identity>,
}

/// Asks the server whom the credential speaks for that this profile means now; with `details` where it says more.
///
/// # Errors
/// [`Class::Login`] when there is no credential or the server refuses it.
pub(super) fn ask(run: &Run, profile: &Profile, details: bool) -> Result<Asked> {
    let (provider, at) = run.sources.config.profile(profile)?;
    let mut mode = provider.modes[at].clone();
    let session = run.meant(profile)?;
    let (name, secret, source, kept) = match session.variable(run.sources)? {
        Some((variable, secret)) => (session.show(), secret, format!("env:{variable}"), None),
        None => {
            let (session, stored) = run.session(profile)?;
            let stored = renew::fresh(run.sources, &session, stored, renew::Wants::default())?;
            let name = profile::show(&session.provider, &session.mode, &stored.record.key.account);
            let secret = stored.record.secret.clone().unwrap_or_default();
            (name, secret, stored.store.to_string(), Some(stored.record))
        }
    };
    run.debug(&format!("the credential comes from {source}"));
    if let Some(learnt) = kept.as_ref().and_then(|record| record.learnt.as_ref()) {
        renew::overlay(&mut mode, learnt);
    }
    let http = Http::new(run.world)?;
    let identify = if details { login::details } else { login::identity };
    let said = identify(&http, &mode, &secret).map_err(|error| {
        let error = login::factor_hint(&mode, Some(&name), error);
        let refused = error.class == Class::Login;
        match source.strip_prefix("env:") {
            Some(variable) if refused => error.hint(format!("unset {variable}, or set it to a token that is valid")),
            None if refused => error.hint(format!("run `keyfob login {name}`")),
            _ => error,
        }
    })?;
    Ok(Asked {
        name,
        provider: provider.name,
        mode: mode.name,
        session,
        source,
        kept,
        said,
    })
}
