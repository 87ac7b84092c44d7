//! Where a machine's secrets are: in variables, and in files that nobody else may read.
//!
//! It knows what a secret is for only by the words of a message, which never has a part of it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use rustix::fs::OFlags;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::config::{Oauth, Signing};
use crate::error::{Error, Result};
use crate::secret::{MAX_TOKEN, Secret};
use crate::world::World;

/// Who may read a file besides its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// Whoever the owner lets: a token that ends in an hour, put there for the programs of a container.
    Any,
    /// Nobody: a secret that is good until somebody replaces it.
    Owner,
}

/// A private key, not yet read.
pub(super) struct Key {
    /// PEM.
    pub pem: Zeroizing<Vec<u8>>,
    /// The issuer's name for it, where its own file says so.
    pub id: Option<String>,
    /// Whose it is, where its own file says so.
    pub owner: Option<String>,
    /// Names its place in a message.
    pub place: String,
}

/// The key files of service accounts: JSON around a PEM key.
#[derive(Deserialize)]
struct Account {
    private_key: Secret,
    private_key_id: Option<String>,
    client_email: Option<String>,
}

/// The client's secret, from wherever the provider file says; none where it says nothing.
///
/// # Errors
/// As [`variable`] and [`file()`].
pub(super) fn client_secret(world: &World, oauth: &Oauth) -> Result<Option<Secret>> {
    const WHAT: &str = "the client's secret";
    if let Some(secret) = &oauth.client_secret {
        return Ok(Some(secret.clone()));
    }
    if let Some(name) = &oauth.client_secret_env {
        return variable(world, name, WHAT).map(Some);
    }
    let Some(path) = &oauth.client_secret_file else {
        return Ok(None);
    };
    text(file(world, path, WHAT, Readers::Owner)?, path, WHAT).map(Some)
}

/// The private key of a provider file.
///
/// # Errors
/// As [`variable`] and [`file()`]; [`crate::error::Class::Usage`] when the JSON of a service account has no key.
pub(super) fn key(world: &World, signing: &Signing) -> Result<Key> {
    const WHAT: &str = "the private key";
    let (bytes, place) = match (&signing.key_file, &signing.key_env) {
        (Some(path), _) => (file(world, path, WHAT, Readers::Owner)?, format!("`{path}`")),
        (None, Some(name)) => {
            let text = variable(world, name, WHAT)?;
            (
                Zeroizing::new(text.expose().as_bytes().to_vec()),
                format!("the variable `{name}`"),
            )
        }
        (None, None) => return Err(Error::usage("the provider file has no `signing.key_file`")),
    };
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Ok(Key {
            pem: bytes,
            id: None,
            owner: None,
            place,
        });
    }
    let account: Account = serde_json::from_slice(&bytes).map_err(|_| {
        Error::usage(format!(
            "reading the private key in {place}: it is JSON without a `private_key`"
        ))
    })?;
    Ok(Key {
        pem: Zeroizing::new(account.private_key.expose().as_bytes().to_vec()),
        id: account.private_key_id,
        owner: account.client_email,
        place,
    })
}

/// The value of a variable.
///
/// # Errors
/// [`crate::error::Class::Login`] when it is not set; [`crate::error::Class::Usage`] when it is not UTF-8.
pub(super) fn variable(world: &World, name: &str, what: &str) -> Result<Secret> {
    let value = world.var(name)?;
    value.map(Secret::new).ok_or_else(|| {
        Error::login(format!("the variable `{name}` with {what} is not set")).hint(format!("set {name}"))
    })
}

/// The bytes of a file.
///
/// # Errors
/// [`crate::error::Class::Login`] when there is none; [`crate::error::Class::Store`] when others can change it, or read
/// what is not theirs; [`crate::error::Class::Usage`] when it cannot be read or is too long.
pub(super) fn file(world: &World, path: &str, what: &str, readers: Readers) -> Result<Zeroizing<Vec<u8>>> {
    let wrong = |why: &dyn std::fmt::Display| Error::usage(format!("reading {what} in `{path}`: {why}"));
    // A pipe in its place must not make us wait.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let opened = File::options().read(true).custom_flags(flags).open(world.expand(path)?);
    let file = opened.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Error::login(format!("there is no file `{path}` with {what}")).hint(format!("put it there, at {path}"))
        }
        kind => wrong(&kind),
    })?;
    let metadata = file.metadata().map_err(|error| wrong(&error.kind()))?;
    if !metadata.is_file() {
        return Err(wrong(&"it is no file"));
    }
    let own = rustix::process::geteuid().as_raw();
    let refused = |why: &str| Error::store(format!("{what} in `{path}` is not used: {why}"));
    if metadata.uid() != own && metadata.uid() != 0 {
        return Err(refused("the file belongs to another user"));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(refused("other users can write the file").hint(format!("run `chmod go-w {path}`")));
    }
    if readers == Readers::Owner && metadata.mode() & 0o044 != 0 {
        return Err(refused("other users can read the file").hint(format!("run `chmod 600 {path}`")));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    let read = file.take(MAX_TOKEN as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| wrong(&error.kind()))?;
    if bytes.len() > MAX_TOKEN {
        return Err(wrong(&"it is longer than 64 KiB"));
    }
    Ok(bytes)
}

/// The text of a file without the line end that editors add.
///
/// # Errors
/// [`crate::error::Class::Usage`] when it is empty or not UTF-8.
pub(super) fn text(bytes: Zeroizing<Vec<u8>>, path: &str, what: &str) -> Result<Secret> {
    let text = std::str::from_utf8(&bytes)
        .unwrap_or_default()
        .trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(Error::usage(format!(
            "reading {what} in `{path}`: it is empty or not UTF-8"
        )));
    }
    Ok(Secret::new(text.to_owned()))
}
