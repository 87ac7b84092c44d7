//! `keyfob password`: definitions only.

use clap::{Args, Subcommand};

use super::{PROFILE, mfa};

/// `keyfob password`
#[derive(Debug, Subcommand)]
pub enum Password {
    /// Set the account's password, from a hidden prompt.
    Set(SetPassword),
    /// Take the account's password away.
    Clear(ClearPassword),
    /// Ask the service whether the account has a password.
    Status(super::Show),
    /// The same as `mfa enroll`.
    Mfa(mfa::Enroll),
    /// The same as `export`.
    Export(super::Export),
}

/// `keyfob password set`
#[derive(Debug, Args)]
pub struct SetPassword {
    /// Which session is meant.
    #[arg(help = PROFILE)]
    pub profile: Option<String>,
    /// Read it from standard input, after the one in use if that is needed.
    #[arg(long)]
    pub stdin: bool,
}

/// `keyfob password clear`
#[derive(Debug, Args)]
pub struct ClearPassword {
    /// Which session is meant.
    #[arg(help = PROFILE)]
    pub profile: Option<String>,
    /// Read the one in use, if it is needed, from standard input.
    #[arg(long)]
    pub stdin: bool,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}
