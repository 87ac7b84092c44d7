//! `keyfob status`: definitions only.

use clap::Args;

/// `keyfob status`
#[derive(Debug, Args)]
pub struct Status {
    /// What to show.
    #[command(flatten)]
    pub show: super::Show,
    /// Ask the servers too whether they take the credentials.
    #[arg(long)]
    pub check: bool,
}
