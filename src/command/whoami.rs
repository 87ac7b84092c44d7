//! `whoami`: asks the server, so that "or log in" works in a shell: exit 0 with a valid session, 2 without.

use serde_json::json;

use super::{Run, SCHEMA};
use crate::cli;
use crate::config::profile;
use crate::error::{Class, Result};
use crate::http::Http;
use crate::login;
use crate::renew;
use crate::report;
use crate::resolve;

pub(super) fn run(run: &Run, args: &cli::Show) -> Result<u8> {
    let profile = run.profile(args.profile.as_deref())?;
    let (provider, at) = run.sources.config.profile(&profile)?;
    let mut mode = provider.modes[at].clone();
    let session = run.meant(&profile)?;
    let (name, secret, source, kept) = match session.variable(run.sources)? {
        Some((variable, secret)) => (session.show(), secret, format!("env:{variable}"), None),
        None => {
            let (session, stored) = run.session(&profile)?;
            let stored = renew::fresh(run.sources, &session, stored, None)?;
            let name = profile::show(&session.provider, &session.mode, &stored.record.key.account);
            let secret = stored.record.secret.clone().unwrap_or_default();
            (name, secret, stored.store.to_string(), Some(stored.record))
        }
    };
    run.debug(&format!("the credential comes from {source}"));
    if let Some(learnt) = kept.as_ref().and_then(|record| record.learnt.as_ref()) {
        renew::overlay(&mut mode, learnt);
    }
    let asked = login::whoami(&Http::new(run.world)?, &mode, &secret).map_err(|error| {
        let refused = error.class == Class::Login;
        match source.strip_prefix("env:") {
            Some(variable) if refused => error.hint(format!("unset {variable}, or set it to a token that is valid")),
            None if refused => error.hint(format!("run `keyfob login {name}`")),
            _ => error,
        }
    })?;
    let checked = asked.is_some();
    let synced = kept.as_ref().filter(|record| record.synced_at.is_some());
    let is_synced = synced.is_some();
    let ends = synced.and_then(|record| record.expires_at);
    let workspace = resolve::workspace(run.sources, &session, kept.as_ref())?.map(|(name, _)| name);
    let subject = asked.or_else(|| kept.and_then(|record| record.subject.or(Some(record.key.account))));
    let subject = subject.filter(|subject| !subject.is_empty());
    if args.json {
        let answer = json!({"schema": SCHEMA, "profile": name, "provider": provider.name, "mode": mode.name, "workspace": workspace,
                "subject": subject, "source": source, "checked": checked, "synced": is_synced});
        return run.print_json(&answer).map(|()| 0);
    }
    let shown = subject.map_or("unknown".into(), |subject| report::sanitise(&subject));
    run.print(&format!("{shown}\n"))?;
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
