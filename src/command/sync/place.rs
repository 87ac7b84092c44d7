//! Which machine is meant, and the command that runs a shell there.
//!
//! It knows argument lists and no shell: what a person typed becomes an argument of its own, or a part of one, and is
//! never an option.

use std::fmt;

use crate::cli;
use crate::config::{Mode, SYNC_ID};
use crate::error::{Error, Result};
use crate::world::World;

/// The longest name of a machine.
const MAX_ID: usize = 256;

/// Another machine.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    Container(String),
    Ssh {
        user: Option<String>,
        host: String,
        port: Option<u16>,
    },
    Vm(String),
}

/// What the arguments mean: a machine, and the profile that is left.
pub(super) fn of(args: &cli::SyncPlace) -> Result<(Place, Option<&str>)> {
    let (first, second) = (args.first.as_deref(), args.second.as_deref());
    let named = match (&args.vm, &args.container) {
        (Some(id), _) => Some(Place::Vm(checked("--vm", id)?)),
        (None, Some(id)) => Some(Place::Container(checked("--container", id)?)),
        (None, None) => None,
    };
    match (named, first, second) {
        (Some(_), _, Some(_)) => Err(Error::usage("two machines are named, or two profiles")),
        (Some(_), Some(text), None) if text.contains("://") => Err(Error::usage("two machines are named")),
        (Some(place), profile, None) => Ok((place, profile)),
        (None, Some(url), profile) if url.contains("://") => Ok((ssh(url)?, profile)),
        (None, _, Some(url)) if url.contains("://") => Ok((ssh(url)?, first)),
        _ => Err(Error::usage("no machine is named").hint("name one: `ssh://HOST`, `--vm ID` or `--container ID`")),
    }
}

/// A name that no program takes for an option, and no shell for anything but a word.
fn checked(option: &str, id: &str) -> Result<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-:@/".contains(&b);
    let good = id.len() <= MAX_ID && id.bytes().all(plain) && id.starts_with(|c: char| c.is_ascii_alphanumeric());
    if good && !id.contains("..") {
        return Ok(id.into());
    }
    Err(Error::usage(format!(
        "`{option}` is not a name of letters, digits, `.`, `_`, `-`, `:`, `@` or `/`, beginning with a letter or digit"
    )))
}

/// `ssh://[user@]host[:port]`, in characters that no configuration of ssh can make anything else of (CVE-2023-51385).
fn ssh(url: &str) -> Result<Place> {
    let wrong = |what: &str| Error::usage(format!("the machine is not `ssh://[USER@]HOST[:PORT]`: {what}"));
    let rest = url.strip_prefix("ssh://").ok_or_else(|| wrong("it is another URL"))?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (user, rest) = match rest.split_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, rest),
    };
    let name = |text: &str, more: &[u8]| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || more.contains(&b);
        (1..=MAX_ID).contains(&text.len())
            && text.bytes().all(plain)
            && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
    };
    if user.is_some_and(|user| !name(user, b"._-")) {
        return Err(wrong(
            "the user has other characters than letters, digits, `.`, `_` and `-`",
        ));
    }
    let (host, port) = match rest.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((address, port))) if address.parse::<std::net::Ipv6Addr>().is_ok() => (address, port),
        Some(_) => return Err(wrong("what is in brackets is no IPv6 address")),
        None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
    };
    let is_address = host.contains(':');
    if !is_address && !name(host, b"._-") {
        return Err(wrong(
            "the host has other characters than letters, digits, `.`, `_` and `-`",
        ));
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            let port = digits.parse().ok().filter(|port| *port != 0);
            Some(port.ok_or_else(|| wrong("the port is not from 1 to 65535"))?)
        }
        _ => return Err(wrong("what follows the host is no port")),
    };
    Ok(Place::Ssh {
        user: user.map(Into::into),
        host: host.into(),
        port,
    })
}

impl Place {
    /// The program and its arguments that run a POSIX shell there, which reads its script from standard input.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`] when the provider file or the machine has no command for it.
    pub(super) fn command(&self, world: &World, provider: &str, mode: &Mode) -> Result<Vec<String>> {
        let filled = |command: &[String], id: &str| {
            let words = command.iter().map(|word| word.replace(SYNC_ID, id));
            words.chain(["sh".into()]).collect()
        };
        match self {
            Place::Vm(id) => match &mode.sync.vm {
                Some(command) => Ok(filled(command, id)),
                None => Err(
                    Error::usage(format!("the provider `{provider}` has no command that reaches a VM"))
                        .hint("add `sync.vm.command` to the provider file, or use `ssh://HOST`"),
                ),
            },
            Place::Container(id) => match &mode.sync.container {
                Some(command) => Ok(filled(command, id)),
                None => {
                    let engines = ["docker", "podman"];
                    let engine = engines.into_iter().find(|name| world.find_program(name).is_some());
                    let engine = engine.ok_or_else(|| {
                        Error::usage("neither docker nor podman is installed")
                            .hint("install one, or add `sync.container.command` to the provider file")
                    })?;
                    Ok(filled(&[engine, "exec", "-i", SYNC_ID].map(String::from), id))
                }
            },
            Place::Ssh { user, host, port } => {
                // Nobody is there to be asked; no connection is left open for others; nothing of ours goes along.
                let mut words = vec!["ssh".to_string()];
                words.extend(["-T", "-a", "-x"].map(String::from));
                for option in [
                    "BatchMode=yes",
                    "ConnectTimeout=15",
                    "ControlMaster=no",
                    "ClearAllForwardings=yes",
                    "PermitLocalCommand=no",
                    "LogLevel=ERROR",
                ] {
                    words.extend(["-o".into(), option.into()]);
                }
                if let Some(port) = port {
                    words.extend(["-p".into(), port.to_string()]);
                }
                if let Some(user) = user {
                    words.extend(["-l".into(), user.clone()]);
                }
                words.extend(["--".into(), host.clone(), "sh".into()]);
                Ok(words)
            }
        }
    }

    /// As the arguments of the command that named it.
    pub(super) fn arguments(&self) -> String {
        match self {
            Place::Container(id) => format!("--container {id}"),
            Place::Ssh { .. } => self.to_string(),
            Place::Vm(id) => format!("--vm {id}"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Container(id) => write!(f, "the container {id}"),
            Place::Ssh { user, host, port } => {
                let user = user.as_ref().map_or_else(String::new, |user| format!("{user}@"));
                let port = port.map_or_else(String::new, |port| format!(":{port}"));
                if host.contains(':') {
                    write!(f, "ssh://{user}[{host}]{port}")
                } else {
                    write!(f, "ssh://{user}{host}{port}")
                }
            }
            Place::Vm(id) => write!(f, "the VM {id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_reads_back_from_what_it_shows() {
        for url in [
            "ssh://h",
            "ssh://ann@dev-1.acme.example:2222",
            "ssh://[::1]:22",
            "ssh://a_b@[fe80::1]",
        ] {
            assert_eq!(ssh(url).unwrap().to_string(), url);
        }
    }

    #[test]
    fn nothing_that_ssh_or_a_shell_would_act_on_is_a_machine() {
        for url in [
            "ssh://",
            "ssh://-oProxyCommand=id",
            "ssh://-l@h",
            "ssh://a@-h",
            "ssh://a@b@h",
            "ssh://h/x",
            "ssh://h:0",
            "ssh://h:65536",
            "ssh://h:+22",
            "ssh://h:",
            "ssh://h;id",
            "ssh://$(id)",
            "ssh://h%",
            "ssh://a:b@h",
            "ssh://[x]",
            "ssh://[::1]x",
            "https://h",
            "SSH://h",
        ] {
            assert!(ssh(url).is_err(), "{url}");
        }
        for id in [
            "",
            "-x",
            "a b",
            "a;b",
            "$(id)",
            "../x",
            "a..b",
            "/etc",
            "a\n",
            "ä",
            &"a".repeat(257),
        ] {
            assert!(checked("--vm", id).is_err(), "{id}");
        }
        assert!(checked("--vm", "project/zone:vm-1@x.y_z").is_ok());
    }
}
