//! The arguments of `lock` and `unlock`.

use clap::{Args, Subcommand};

/// `keyfob lock`
#[derive(Debug, Args)]
pub struct Lock {
    /// What to do. Locks this machine if left out.
    #[command(subcommand)]
    pub action: Option<LockDo>,
}

/// What `keyfob lock` does besides locking.
#[derive(Debug, Subcommand)]
pub enum LockDo {
    /// Set the passphrase of this machine, or another one.
    ///
    /// It guards the records of one data directory, and what is asked through it.
    ///
    /// Another `KEYFOB_HOME` or `XDG_DATA_HOME` is another, with its own records.
    Set {
        /// Where the new passphrase comes from.
        #[command(flatten)]
        new: Passphrase,
        /// The present passphrase is this file's first line.
        #[arg(long, value_name = "FILE")]
        current_passphrase_file: Option<String>,
        /// What each try costs, as a power of two: 12 to 20. Defaults to 17.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(12..=20))]
        work_factor: Option<u8>,
    },
    /// Take the passphrase away.
    ///
    /// The key of the records goes into the keychain, which must answer for that.
    Clear {
        /// Where the passphrase comes from.
        #[command(flatten)]
        passphrase: Passphrase,
        /// Where no keychain answers: make the records plain files.
        #[arg(long, conflicts_with = "lost")]
        plain: bool,
        /// The passphrase is forgotten: remove every record that only it opens.
        #[arg(long, conflicts_with = "passphrase_file")]
        lost: bool,
        /// Do that without asking.
        #[arg(long, requires = "lost")]
        yes: bool,
    },
    /// Say whether there is a passphrase, and whether it is needed now.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Where a passphrase comes from; a hidden prompt if left out.
#[derive(Debug, Args)]
pub struct Passphrase {
    /// The passphrase is this file's first line, or that of stdin for `-`.
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<String>,
}

/// `keyfob unlock`
#[derive(Debug, Args)]
pub struct Unlock {
    /// For how long, such as 30m; at most 7d. Defaults to 8h.
    #[arg(long = "for", value_name = "DURATION")]
    pub duration: Option<String>,
    /// Where the passphrase comes from.
    #[command(flatten)]
    pub passphrase: Passphrase,
    /// The program that alone is unlocked, and its arguments, after `--`.
    #[arg(value_name = "COMMAND", last = true, conflicts_with = "duration")]
    pub command: Vec<String>,
}
