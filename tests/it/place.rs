//! `[place]`: sessions at paths and in items that a provider file fixes, and what of them is kept.
//!
//! Shared with the parts below: a provider file with a place, and what lies there. Systems, rows 0.2, 1.4 to 1.9, 1.30 to
//! 1.32, 2.7, 3.14, 3.15 and 4.12 to 4.16.

mod file;
mod hostile;
mod keychain;
mod mistake;
mod persist;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::issuer::{Issuer, Script};
use crate::sandbox::{Output, Sandbox, oauth_part};

/// The provider `acme` at a new issuer, with these lines before its tables, and these tables after them.
fn set(top: &str, tables: &str) -> (Sandbox, Issuer) {
    let (sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    write(&sandbox, &issuer, top, tables);
    (sandbox, issuer)
}

/// Writes the provider file anew.
fn write(sandbox: &Sandbox, issuer: &Issuer, top: &str, tables: &str) {
    let text = oauth_part(&issuer.url()).replace("format = 1\n", &format!("format = 1\n{top}\n"));
    sandbox.write_provider("acme", &format!("{text}\n{tables}"));
}

/// The provider `acme` whose session is a file at this path.
fn at(path: &str) -> (Sandbox, Issuer) {
    set("store = \"file\"", &format!("[place]\nfile = \"{path}\"\n"))
}

fn login(sandbox: &Sandbox, profile: &str) -> Output {
    sandbox.keyfob(&["login", profile, "--no-browser"]).run()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// The names in a directory, sorted.
fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The slots of keyfob's own directory, whole.
fn slots(sandbox: &Sandbox) -> Vec<(PathBuf, Vec<u8>)> {
    let records = sandbox.keyfob_home().join("data/records");
    let files = sandbox.files().into_iter();
    files.filter(|(path, _)| path.starts_with(&records)).collect()
}
