//! `keyfob register`

use clap::Args;

use super::PROFILE;

/// `keyfob register`
#[derive(Debug, Args)]
pub struct Register {
    /// Which session is meant.
    #[arg(help = PROFILE)]
    pub profile: Option<String>,
    /// Print the page instead of opening it.
    #[arg(long)]
    pub no_browser: bool,
}
