//! The arguments of `config`.

use clap::{Args, Subcommand};

/// `keyfob config`
#[derive(Debug, Args)]
pub struct Config {
    /// What to do; without it, as `list`.
    #[command(subcommand)]
    pub what: Option<ConfigWhat>,
}

/// What `keyfob config` does, with the settings of `--provider` or of the only provider that there is.
#[derive(Debug, Subcommand)]
pub enum ConfigWhat {
    /// Ask for each setting on the terminal.
    Edit,
    /// Print one setting; 1 where it is not set.
    Get {
        /// Its name.
        name: String,
    },
    /// Show all settings.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Set one.
    Set {
        /// Its name.
        name: String,
        /// What it is from now on.
        value: String,
    },
    /// Take one away.
    Unset {
        /// Its name.
        name: String,
    },
}
