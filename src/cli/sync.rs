//! `sync`, `desync`, and what both call on the other machine.

use clap::Args;

/// The other machine.
#[derive(Debug, Args)]
pub struct SyncPlace {
    /// A machine, or which session is meant.
    #[arg(
        value_name = "TARGET",
        help = "A machine as ssh://[USER@]HOST[:PORT], or which session is meant"
    )]
    pub first: Option<String>,
    /// Which session is meant.
    #[arg(value_name = "PROFILE", help = "Which session is meant, PROVIDER[/MODE][:ACCOUNT]")]
    pub second: Option<String>,
    /// A VM, by the name that the provider's command takes.
    #[arg(long, value_name = "ID", conflicts_with = "container")]
    pub vm: Option<String>,
    /// A container of docker or podman, by name or id.
    #[arg(long, value_name = "ID")]
    pub container: Option<String>,
    /// How long the other machine may take, from 1 to 600.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub timeout: u32,
}

/// `keyfob sync`
#[derive(Debug, Args)]
pub struct Sync {
    /// Where to.
    #[command(flatten)]
    pub place: SyncPlace,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `keyfob desync`
#[derive(Debug, Args)]
pub struct Desync {
    /// Where from.
    #[command(flatten)]
    pub place: SyncPlace,
}

/// `keyfob receive`
#[derive(Debug, Args)]
pub struct Receive {
    /// Say whether this is a keyfob that can.
    #[arg(long)]
    pub probe: bool,
    /// Forget the session that the input names.
    #[arg(long, conflicts_with = "probe")]
    pub remove: bool,
}
