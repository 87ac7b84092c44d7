//! `run`: starts a program that takes its credential from a variable; nobody else gets to see it.
//!
//! keyfob becomes the program, so that it has our terminal, signals reach it, and its exit code is ours. Nothing starts
//! where there is no credential.

use super::Run;
use crate::cli;
use crate::config::is_variable;
use crate::error::{Error, Result};

pub(super) fn run(run: &Run, args: &cli::RunChild) -> Result<u8> {
    let profile = run.profile(args.profile.as_deref())?;
    let (provider, at) = run.sources.config.profile(&profile)?;
    let variable = match &args.name {
        Some(name) if !is_variable(name) => return Err(Error::usage("`--name` is not the name of a variable")),
        Some(name) => name,
        None => provider.modes[at].variables.first().ok_or_else(|| {
            Error::usage(format!(
                "the provider `{}` has no variable for its credential",
                provider.name
            ))
            .hint("name one with `--name`, or in `env.variables` of the provider file")
        })?,
    };
    let credential = run.sources.credential(profile)?;
    run.debug(&format!("the credential comes from {}", credential.source));
    if credential.secret.is_empty() || credential.secret.expose().contains('\0') {
        return Err(Error::refused(
            "no variable can hold the secret: it is empty, or has a NUL",
        ));
    }
    Err(run.world.become_program(&args.command, variable, &credential.secret))
}
