//! Another program in place of this one.
//!
//! It knows nothing of where the secret comes from.

use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::error::Error;
use crate::secret::Secret;

/// Why the program did not start; there is no return where it did.
pub(super) fn become_program(program: &[String], variable: &str, secret: &Secret) -> Error {
    let Some((name, args)) = program.split_first() else {
        return Error::usage("there is no program to run");
    };
    crate::hygiene::give_back_signals();
    let error = Command::new(name).args(args).env(variable, secret.expose()).exec();
    let why = match error.kind() {
        ErrorKind::NotFound => "there is no such program".into(),
        ErrorKind::PermissionDenied => "it may not be run".into(),
        kind => kind.to_string(),
    };
    Error::usage(format!("running `{name}`: {why}"))
}
