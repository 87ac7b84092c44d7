//! `register`: the page where a person gets an account or a key. keyfob makes neither.

use super::Run;
use crate::cli;
use crate::config::preset;
use crate::error::{Error, Result};
use crate::report::{message, sanitise};

pub(super) fn run(run: &Run, args: &cli::Register) -> Result<u8> {
    let profile = run.profile(args.profile.as_deref())?;
    let name = &profile.provider;
    let provider = match run.sources.config.profile(&profile) {
        Ok((provider, _)) => provider,
        // The page is where the client id comes from that a preset lacks.
        Err(error) if run.sources.config.has_file(name) => return Err(error),
        Err(error) => preset::with_any_client(name).ok_or(error)?,
    };
    let Some(page) = &provider.register else {
        let what = format!(
            "the file of the provider `{}` names no page to register at",
            provider.name
        );
        return Err(Error::usage(what).hint("its key `login.register` does"));
    };
    // The page is always shown, also when a browser was opened with it.
    run.print(&format!("{}\n", sanitise(page)))?;
    if !args.no_browser {
        let opened = run.world.open_browser(page, &provider.secret_variables());
        run.note(&match opened {
            Ok(()) => "The page is being opened in your browser.\n".to_owned(),
            Err(error) => format!("No browser was opened: {}.\n", message(&error)),
        });
    }
    Ok(0)
}
