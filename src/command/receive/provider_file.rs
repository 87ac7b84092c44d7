//! The provider file that is made where a session comes to a machine without one, and goes with the last session.
//!
//! It says where the credential may go and how it is shown, and no way to renew or obtain one.

use std::fmt::Write;
use std::path::PathBuf;

use crate::command::{Run, login, sync};
use crate::config::{Mode, Provider, Serves, preset, profile};
use crate::error::{Error, Result};
use crate::record::{About, Record, Synced};
use crate::report::sanitise;
use crate::resolve::Session;
use crate::store::Stored;

/// The first line of such a file. Without it the file is a person's, and stays.
const MARK: &str =
    "# Made for a session that was synced here; without this line the file stays when the session goes.\n";

/// Begins the part of a mode.
const PART: &str = "\n# of mode ";

/// The provider of a session: the one that has a file here, else the one for which a file is made now.
///
/// # Errors
/// [`crate::error::Class::Usage`] when the file here has a mistake or lacks the mode; [`crate::error::Class::Store`] when
/// none can be written.
pub(super) fn ready(run: &Run, synced: &Synced) -> Result<Provider> {
    let path = path(run, &synced.provider);
    let old = std::fs::read_to_string(&path).ok();
    let is_ours = old.as_ref().is_some_and(|text| text.starts_with(MARK));
    // A preset, or what the program brings, is this machine's own as a file is; one that lacks what only a person can say
    // serves nobody.
    let is_known = path.exists() || run.sources.config.provider(&synced.provider).is_ok();
    let (Some(about), true) = (&synced.about, is_ours || !is_known) else {
        let provider = run.sources.config.provider(&synced.provider)?;
        return match provider.modes.iter().any(|mode| mode.name == synced.mode) {
            true => Ok(provider),
            false => Err(Error::usage(format!(
                "the provider file `{}` of this machine has no mode `{}`",
                synced.provider, synced.mode
            ))),
        };
    };
    let others = match is_ours {
        true => others(run, synced)?,
        false => Vec::new(),
    };
    let text = text(old.as_deref().filter(|_| is_ours), !others.is_empty(), synced, about);
    let provider = Provider::parse(&text, &synced.provider, "the provider file of the sender")?;
    within_preset(&provider)?;
    if old.as_deref() == Some(text.as_str()) {
        return Ok(provider);
    }
    keeps_others(&others, synced, &provider)?;
    let directory = run.sources.config.directory();
    let written = login::private_dir(directory).and_then(|()| {
        // It has the parts of other modes too, which neither a full disk nor a kill may take away.
        let write = if is_ours { login::write_over } else { login::write_new };
        write(&path, text.as_bytes())
    });
    written.map_err(|error| Error::store(format!("writing {}: {}", path.display(), error.kind())))?;
    run.sources.config.refresh_index()?;
    Ok(provider)
}

/// Makes sure that a file in the place of a preset, which lacks a client here, leads to no place that the preset does not.
fn within_preset(new: &Provider) -> Result<()> {
    let name = &new.name;
    if preset::find(name).is_none() {
        return Ok(());
    }
    let text = format!("{}[oauth]\nclient_id = \"id\"\n", preset::file(name));
    // One that lacks its host too has no places.
    let Ok(preset) = Provider::parse(&text, name, "preset") else {
        return Ok(());
    };
    // What is not in the preset; a name in it is shown as it came.
    let other = new.modes.iter().find_map(|mode| {
        let known = |is_so: &dyn Fn(&Mode) -> bool| preset.modes.iter().any(is_so);
        let url = |is_so: bool, url: String| (!is_so).then(|| format!("would go to {url}"));
        let target = mode.targets.iter().find_map(|target| {
            let place = sync::target(target);
            let is_there = known(&|old| old.targets.iter().any(|own| own.url() == place.url));
            let is_same = known(&|old| old.targets.iter().any(|own| sync::target(own) == place));
            let sent = format!("would go to {} in another way or from other tools", place.url);
            url(is_there, place.url).or((!is_same).then_some(sent))
        });
        let asked = mode.whoami.as_ref();
        let asked = asked.and_then(|asked| {
            url(
                known(&|old| old.whoami.as_ref().is_some_and(|own| own.url == asked.url)),
                asked.url.clone(),
            )
        });
        let variables = mode
            .variables
            .iter()
            .map(|name| (name, known(&|old| old.variables.contains(name))));
        let exported = mode
            .export
            .iter()
            .map(|name| (name, known(&|old| old.export.as_ref() == Some(name))));
        let variable = variables.chain(exported).find(|(_, is_known)| !is_known);
        let variable = variable.map(|(name, _)| format!("would be in the variable `{name}`"));
        target.or(asked).or(variable)
    });
    match other {
        None => Ok(()),
        Some(what) => {
            let message = format!(
                "the session {}, and `{name}` is a preset that does not",
                sanitise(&what)
            );
            Err(Error::refused(message).hint("give the provider file where it comes from another name"))
        }
    }
}

/// Sessions of this machine's own, and of other senders and accounts, that can be used: at most one of each mode that the
/// file has now.
fn others(run: &Run, synced: &Synced) -> Result<Vec<(Mode, Stored)>> {
    let now = run.world.now();
    let mut found = Vec::new();
    for old in run.sources.config.provider(&synced.provider)?.modes {
        let session = Session::kept(&synced.provider, &old.name, None);
        let is_others = |record: &Record| {
            let is_named = old.name == synced.mode && synced.account.as_deref() == Some(&record.key.account);
            let is_replaced = is_named && record.synced_at.is_some();
            let lives = record.secret.is_some() && record.expires_at.is_none_or(|end| end > now);
            !is_replaced && (lives || super::is_own(record, now))
        };
        let stored = run.sources.stores.group(&session.group())?;
        let other = stored.into_iter().find(|stored| is_others(&stored.record));
        found.extend(other.map(|other| (old, other)));
    }
    Ok(found)
}

/// Makes sure that the other sessions are used as they were before: nobody who may send one here may lead another's token
/// anywhere, or give it to others here.
fn keeps_others(others: &[(Mode, Stored)], synced: &Synced, new: &Provider) -> Result<()> {
    for (old, other) in others {
        let Some(what) = difference(old, new.modes.iter().find(|mode| mode.name == old.name)) else {
            continue;
        };
        let name = profile::show(&synced.provider, &old.name, &other.record.key.account);
        let whose = match other.record.synced_at {
            Some(_) => "that was synced here before",
            None => "of this machine's own",
        };
        return Err(Error::refused(format!("the session `{name}` {whose} {what}"))
            .hint(format!("run `keyfob logout {name}` there first")));
    }
    Ok(())
}

/// What a session of a mode has now and would not have by another file.
fn difference(old: &Mode, new: Option<&Mode>) -> Option<&'static str> {
    let Some(new) = new else {
        return Some("is of another mode");
    };
    let urls = |mode: &Mode| mode.targets.iter().map(Serves::url).collect::<Vec<_>>();
    let asked = |mode: &Mode| {
        mode.whoami
            .as_ref()
            .map(|whoami| (whoami.url.clone(), whoami.subject.clone()))
    };
    let header = |mode: &Mode| mode.workspace.as_ref().and_then(|kind| kind.header.clone());
    if urls(old) != urls(new) || asked(old) != asked(new) {
        return Some("goes to other places");
    }
    if old.targets != new.targets || header(old) != header(new) {
        return Some("goes there in another way or from other tools");
    }
    (old.variables != new.variables || old.export != new.export).then_some("has other variables")
}

/// Removes the file if it is one of ours, and no session is left that it is for.
pub(super) fn remove(run: &Run, provider: &str) -> Result<()> {
    let path = path(run, provider);
    let is_ours = std::fs::read_to_string(&path).is_ok_and(|text| text.starts_with(MARK));
    if !is_ours {
        return Ok(());
    }
    for mode in run.sources.config.provider(provider)?.modes {
        let session = Session::kept(provider, &mode.name, None);
        if !run.sources.stores.group(&session.group())?.is_empty() {
            return Ok(());
        }
    }
    let removed = std::fs::remove_file(&path);
    removed.map_err(|error| Error::store(format!("removing {}: {}", path.display(), error.kind())))?;
    run.sources.config.refresh_index()
}

fn path(run: &Run, provider: &str) -> PathBuf {
    run.sources.config.directory().join(format!("{provider}.toml"))
}

/// The file with the part of this mode, and those of other modes as they are. With `is_shared` it keeps its title and the
/// words of its program too: they are how another's session is known here.
fn text(old: Option<&str>, is_shared: bool, synced: &Synced, about: &About) -> String {
    let mut text = match old.and_then(|text| text.split(PART).next()) {
        Some(old) if is_shared => old.to_owned(),
        _ => head(about),
    };
    let begin = format!("`{}`\n", synced.mode);
    for part in old.into_iter().flat_map(|text| text.split(PART).skip(1)) {
        // Modes and a provider without any do not go together.
        let fits = !synced.mode.is_empty() && !part.starts_with("``") && !part.starts_with(&begin);
        if fits {
            text += PART;
            text += part;
        }
    }
    text += PART;
    text += &begin;
    text += &tables(synced, about);
    text
}

/// What stands before the parts of modes.
fn head(about: &About) -> String {
    let title = quoted(&about.title);
    let mut text = format!("{MARK}format = 1\ntitle = {title}\n\n[login]\nflow = \"key\"\n");
    if let Some(program) = &about.program {
        let (name, prefix) = (quoted(&program.name), quoted(&program.prefix));
        let _ = writeln!(
            text,
            "\n[program]\nname = {name}\nprefix = {prefix}\nauth = {}",
            program.auth
        );
        let commands = program.commands.iter();
        let commands: Vec<String> = commands
            .map(|(words, own)| format!("{} = {}", quoted(words), quoted(own)))
            .collect();
        if !commands.is_empty() {
            let _ = writeln!(text, "commands = {{ {} }}", commands.join(", "));
        }
    }
    text
}

fn tables(synced: &Synced, about: &About) -> String {
    let prefix = match synced.mode.as_str() {
        "" => String::new(),
        mode => format!("mode.{}.", quoted(mode)),
    };
    let mut text = String::new();
    let list = |words: &[String]| words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", ");
    let _ = writeln!(text, "\n[{prefix}env]\nvariables = [{}]", list(&about.variables));
    if let Some(export) = &about.export {
        let _ = writeln!(text, "export = {}", quoted(export));
    }
    if let Some((url, subject)) = &about.whoami {
        let (url, subject) = (quoted(url), quoted(subject));
        let _ = writeln!(text, "\n[{prefix}whoami]\nurl = {url}\nsubject = {subject}");
    }
    if let Some(header) = &about.workspace_header {
        let _ = writeln!(
            text,
            "\n[{prefix}context]\nkind = \"header\"\nheader = {}",
            quoted(header)
        );
    }
    for place in &about.targets {
        let (url, scheme) = (quoted(&place.url), quoted(&place.scheme));
        let _ = writeln!(text, "\n[[{prefix}target]]\nurl = {url}\nscheme = {scheme}");
        if let Some(username) = &place.username {
            let _ = writeln!(text, "username = {}", quoted(username));
        }
        if !place.tools.is_empty() {
            let _ = writeln!(text, "tools = [{}]", list(&place.tools));
        }
    }
    text
}

/// A basic string of TOML, which a string of JSON is as well, but for one sign.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Place, ProgramWords};

    #[test]
    fn a_file_is_read_again_with_every_mode_that_came() {
        let about = About {
            title: "A \"title\"\u{7f}\n[x]".into(),
            variables: vec!["ACME_TOKEN".into()],
            export: Some("TOKEN".into()),
            targets: vec![Place {
                url: "https://*.acme.example/v1".into(),
                scheme: "bearer".into(),
                username: Some("u".into()),
                tools: vec!["git".into()],
            }],
            whoami: Some(("https://acme.example/me".into(), "/sub".into())),
            endpoints: None,
            workspace_header: Some("X-Acme".into()),
            program: Some(ProgramWords {
                name: "ctl".into(),
                prefix: "CTL".into(),
                auth: false,
                commands: vec![("me show".into(), "whoami --json".into())],
            }),
        };
        let named = |mode: &str| Synced::named("acme", mode, None);
        let parse = |text: &str| Provider::parse(text, "acme", "test").unwrap();
        let text = |old, named: &Synced, about| text(old, false, named, about);
        let one = text(None, &named("dev"), &about);
        let two = text(Some(&one), &named("prod"), &about);
        let again = text(Some(&two), &named("dev"), &about);
        let names = |text: &str| parse(text).modes.into_iter().map(|mode| mode.name).collect::<Vec<_>>();
        assert_eq!(
            (names(&one), names(&two), names(&again)),
            (
                vec!["dev".to_string()],
                vec!["dev".to_string(), "prod".into()],
                vec!["dev".to_string(), "prod".into()]
            )
        );
        assert_eq!(parse(&again).program.aliases[0].own, ["whoami", "--json"]);
        let mode = parse(&again).modes.swap_remove(1);
        assert_eq!(mode.targets[0].url(), "https://*.acme.example/v1");
        assert_eq!(names(&text(Some(&again), &named(""), &about)), [""]);
    }
}
