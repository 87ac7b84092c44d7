//! `[sync]`: by which programs a session reaches another machine, and what it is there.
//!
//! These are the only programs that a provider file names. They run when a person says `sync` or `desync`, and never
//! for a tool.

use super::Text;
use crate::config::profile::check_name;
use crate::config::read::Reader;
use crate::error::Result;

words! {
    r#as: Text,
    variable: Text,
    [vm]: target::Words,
    [container]: target::Words,
}

mod target {
    use super::Text;

    words! {
        command: Vec<Text>,
    }
}

/// What a session is on the other machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SyncedAs {
    /// A record of the keyfob there.
    #[default]
    Record,
    /// A variable in a file there, for programs that know nothing of keyfob.
    Variable,
}

/// How a session reaches another machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sync {
    /// What it is there.
    pub form: SyncedAs,
    /// The variable that holds it there. Defaults to the first of `env.variables`.
    pub variable: Option<String>,
    /// The command that runs a program in a VM, with [`SYNC_ID`] in it.
    pub vm: Option<Vec<String>>,
    /// The same for a container. Defaults to that of docker or podman.
    pub container: Option<Vec<String>>,
}

/// What stands for the name of the VM or container.
pub const SYNC_ID: &str = "{id}";

/// As the file says; nothing of it must be there.
pub(in crate::config) fn read(reader: &Reader, words: &Words) -> Result<Sync> {
    let form = match words.r#as.as_ref().map(|text| (text, text.get_ref().as_str())) {
        None | Some((_, "record")) => SyncedAs::Record,
        Some((_, "variable")) => SyncedAs::Variable,
        Some((text, _)) => return Err(reader.wrong_at(text, "sync.as: expected record or variable, found another")),
    };
    let variable = words.variable.as_ref();
    Ok(Sync {
        form,
        variable: variable.map(|text| reader.variable("sync.variable", text)).transpose()?,
        vm: command(reader, "sync.vm.command", &words.vm)?,
        container: command(reader, "sync.container.command", &words.container)?,
    })
}

/// A program and its arguments, which no shell reads; the place of the id is behind the program's name.
fn command(reader: &Reader, key: &str, words: &target::Words) -> Result<Option<Vec<String>>> {
    let Some(texts) = &words.command else { return Ok(None) };
    let Some((program, args)) = texts.split_first() else {
        return Err(reader.wrong(None, format!("{key}: expected a program and arguments, found an empty list")));
    };
    let name = program.get_ref();
    if !name.starts_with('/') && check_name("program", name).is_err() {
        let message = format!("{key}: expected first the name or the path of a program, found another text");
        return Err(reader.wrong_at(program, message));
    }
    if let Some(text) = texts.iter().find(|text| text.get_ref().chars().any(char::is_control)) {
        return Err(reader.wrong_at(text, format!("{key}: expected words without control characters, found one")));
    }
    if !args.iter().any(|text| text.get_ref().contains(SYNC_ID)) {
        let message = format!("{key}: expected `{SYNC_ID}` in an argument, found none");
        return Err(reader.wrong_at(program, message));
    }
    Ok(Some(texts.iter().map(|text| text.get_ref().clone()).collect()))
}
