//! The arguments of `export` and `import`.

use clap::{Args, value_parser};

use crate::bundle::age;

/// `keyfob export`
#[derive(Debug, Args)]
pub struct Export {
    /// Sessions to take, of all modes and accounts that are not named.
    #[arg(
        value_name = "PROFILE",
        help = "PROVIDER[/MODE][:ACCOUNT]; all modes and accounts not named"
    )]
    pub profiles: Vec<String>,
    /// Everything that is kept.
    #[arg(long)]
    pub all: bool,
    /// What tools gave to keep for an origin.
    #[arg(long = "static")]
    pub origins: bool,
    /// The file to write, which must not exist yet; `-` for standard output.
    #[arg(long, short, value_name = "FILE")]
    pub output: String,
    /// Take access tokens without the refresh token that renews them.
    #[arg(long, conflicts_with = "moving")]
    pub without_refresh: bool,
    /// Take such sessions whole, and end them here.
    #[arg(long = "move")]
    pub moving: bool,
    /// With `--move`: also what went into a bundle that is lost.
    #[arg(long, requires = "moving")]
    pub again: bool,
    /// Take the provider files of the sessions along.
    #[arg(long)]
    pub with_providers: bool,
    /// Write text instead of bytes.
    #[arg(long)]
    pub armor: bool,
    /// Encrypt for age1…; may be given more than once.
    #[arg(long, value_name = "RECIPIENT")]
    pub recipient: Vec<String>,
    /// Encrypt for all recipients in a file, one a line.
    #[arg(long, value_name = "FILE")]
    pub recipients_file: Vec<String>,
    /// Take the passphrase from a file; `-` for standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["recipient", "recipients_file"])]
    pub passphrase_file: Option<String>,
    /// What each try costs, as a power of two: 10 to 22. Defaults to 18.
    #[arg(long, value_name = "N", default_value_t = age::WORK_FACTOR, hide_default_value = true,
        value_parser = value_parser!(u8).range(age::LEAST_WORK_FACTOR as i64..=age::MAX_WORK_FACTOR as i64))]
    pub work_factor: u8,
}

/// `keyfob import`
#[derive(Debug, Args)]
pub struct Import {
    /// The bundle; `-` for standard input.
    #[arg(value_name = "FILE")]
    pub input: String,
    /// Open it with the identities in a file, as age-keygen writes it.
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    pub identity: Vec<String>,
    /// Take the passphrase from a file; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<String>,
    /// Put what is in the bundle in the place of what is here.
    #[arg(long)]
    pub replace: bool,
    /// Write the provider files that are in it.
    #[arg(long)]
    pub with_providers: bool,
    /// Say what would be done, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
}
