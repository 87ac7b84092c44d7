//! `print-access-token` and `export-access-token`: what a shell takes from a session. Nothing else reaches stdout.

use zeroize::Zeroizing;

use super::{Run, shell};
use crate::cli;
use crate::config::{Profile, is_variable};
use crate::error::{Error, Result};
use crate::secret::Secret;

/// The variable where neither the command line nor the provider file names one.
const VARIABLE: &str = "TOKEN";

pub(super) fn print(run: &Run, args: &cli::PrintAccessToken) -> Result<u8> {
    let secret = token(run, run.profile(args.profile.as_deref())?)?;
    let line = Zeroizing::new(format!("{}\n", secret.expose()));
    run.print_whole(&line).map(|()| 0)
}

pub(super) fn export(run: &Run, args: &cli::ExportAccessToken) -> Result<u8> {
    let shell = shell::of(run, args.shell)?;
    let profile = match &args.name {
        // A variable is taken away by its name alone.
        Some(_) if args.unset && args.profile.is_none() => None,
        _ => Some(run.profile(args.profile.as_deref())?),
    };
    let name = match (&args.name, &profile) {
        (Some(name), _) if !is_variable(name) => return Err(Error::usage("`--name` is not the name of a variable")),
        (Some(name), _) => name.clone(),
        (None, Some(profile)) => {
            let (mut provider, at) = run.sources.config.profile(profile)?;
            let export = provider.modes.swap_remove(at).export;
            export.unwrap_or_else(|| VARIABLE.into())
        }
        (None, None) => VARIABLE.into(),
    };
    let line = match profile {
        Some(profile) if !args.unset => shell::assignment(shell, &name, &token(run, profile)?),
        _ => Zeroizing::new(shell::removal(shell, &name)),
    };
    run.print_whole(&line).map(|()| 0)
}

/// The secret of a profile, which can be nothing but a token.
fn token(run: &Run, profile: Profile) -> Result<Secret> {
    let credential = run.sources.credential(profile)?;
    run.debug(&format!("the credential comes from {}", credential.source));
    let secret = credential.secret;
    if secret.is_token() {
        Ok(secret)
    } else {
        Err(Error::refused("the secret has characters that no token has")
            .hint("`keyfob token` prints passwords too, and `keyfob run` hands them to a program"))
    }
}
