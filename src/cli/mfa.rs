//! `keyfob mfa`: definitions only.

use clap::{Args, Subcommand};

use super::PROFILE;

/// `keyfob mfa`
#[derive(Debug, Subcommand)]
pub enum Mfa {
    /// Enrol an authenticator app at the service, with a QR code.
    Enroll(Enroll),
    /// Print the code of this moment and nothing else.
    Code(Code),
    /// Ask the service whether a second factor is enrolled.
    Status(super::Show),
    /// Keep a seed from standard input or a hidden prompt.
    Add(AddSeed),
    /// Give the second factor up, and forget its seed.
    Disable(Disable),
}

/// `keyfob mfa enroll` and `keyfob password mfa`
#[derive(Debug, Args)]
pub struct Enroll {
    /// Which session is meant.
    #[arg(help = PROFILE)]
    pub profile: Option<String>,
    /// Where backup codes go if not to the screen: a new file, or `-`.
    #[arg(long, value_name = "FILE")]
    pub backup_codes: Option<String>,
    /// Draw no QR code.
    #[arg(long)]
    pub no_qr: bool,
    /// Keep no seed: `mfa code` will know nothing of it.
    #[arg(long)]
    pub no_keep: bool,
    /// Ask for no code: one is made here, and no other device has the seed.
    #[arg(long, conflicts_with = "no_keep")]
    pub no_phone: bool,
    /// Forget an enrolment of which nobody knows whether it was taken.
    #[arg(long)]
    pub again: bool,
}

/// `keyfob mfa code`
#[derive(Debug, Args)]
pub struct Code {
    /// Which session is meant.
    #[arg(help = PROFILE)]
    pub profile: Option<String>,
    /// The code of an enrolment of which nobody knows whether it was taken.
    #[arg(long)]
    pub pending: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `keyfob mfa add`
#[derive(Debug, Args)]
pub struct AddSeed {
    /// Which session is meant.
    #[arg(help = PROFILE)]
    pub profile: Option<String>,
    /// Replace the seed that is kept.
    #[arg(long)]
    pub replace: bool,
}

/// `keyfob mfa disable`
#[derive(Debug, Args)]
pub struct Disable {
    /// Which session is meant.
    #[arg(help = PROFILE)]
    pub profile: Option<String>,
    /// Forget the seed here, and tell the service nothing.
    #[arg(long)]
    pub local: bool,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}
