//! The arguments of `config`.

use clap::{Args, Subcommand};

/// `keyfob config`
#[derive(Debug, Args)]
pub struct Config {
    /// What to do; without it, as `list`.
    #[command(subcommand)]
    pub what: Option<ConfigWhat>,
}

/// What `keyfob config` does.
#[derive(Debug, Subcommand)]
pub enum ConfigWhat {
    /// Ask for each setting on the terminal.
    Edit {
        /// The provider.
        provider: Option<String>,
    },
    /// Print one setting; 1 where it is not set.
    Get {
        /// The provider, unless there is but one, and the name.
        #[arg(value_name = "[PROVIDER] NAME", num_args = 1..=2, required = true)]
        words: Vec<String>,
    },
    /// Show all settings.
    List {
        /// The provider.
        provider: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Set one.
    Set {
        /// The provider, unless there is but one, the name and the value.
        #[arg(value_name = "[PROVIDER] NAME VALUE", num_args = 2..=3, required = true)]
        words: Vec<String>,
    },
    /// Take one away.
    Unset {
        /// The provider, unless there is but one, and the name.
        #[arg(value_name = "[PROVIDER] NAME", num_args = 1..=2, required = true)]
        words: Vec<String>,
    },
}
