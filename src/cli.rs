//! The own commands' arguments. Definitions only; `command/` has the behaviour.
//!
//! A tool's call never comes here: the protocol table is asked first.

mod bundle;
mod config;
mod install;
mod lock;
mod mfa;
mod password;
mod register;
mod status;
mod sync;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use bundle::{Export, Import};
pub use config::{Config, ConfigWhat};
pub use install::{Install, Uninstall};
pub use lock::{Lock, LockDo, Passphrase, Unlock};
pub use mfa::{AddSeed, Code, Disable, Enroll, Mfa};
pub use password::{ClearPassword, Password, SetPassword};
pub use register::Register;
pub use status::Status;
pub use sync::{Desync, Receive, Sync, SyncPlace};

/// One small credential helper that any command-line tool can ask.
#[derive(Debug, Parser)]
#[command(name = "keyfob", version, disable_help_subcommand = true, after_help = TOOLS)]
pub struct Cli {
    /// The provider meant where a command names no profile.
    #[arg(long, value_name = "NAME", global = true, display_order = 900)]
    pub provider: Option<String>,
    /// The mode meant where the profile names none.
    #[arg(long, value_name = "NAME", global = true, display_order = 901)]
    pub mode: Option<String>,
    /// The account meant where the profile names none.
    #[arg(long, value_name = "NAME", global = true, display_order = 902)]
    pub account: Option<String>,
    /// The workspace to use.
    #[arg(long, value_name = "NAME", global = true, display_order = 903)]
    pub workspace: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The variables that keyfob reads, those of one purpose together, and what they mean; README and man page have them too.
pub const ENVIRONMENT: &[(&[&str], &str)] = &[
    (
        &["KEYFOB_HOME"],
        "everything but what `place.file` names below one directory, instead of the XDG ones",
    ),
    (
        &["<PROVIDER>_HOME"],
        "what a program keeps, and not its configuration, below another directory",
    ),
    (
        &["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"],
        "where the directories `keyfob` for provider files, records and their index are",
    ),
    (
        &["KEYFOB_MODE", "<PROVIDER>_MODE"],
        "the mode of a provider that has several; the second wins",
    ),
    (
        &["KEYFOB_ACCOUNT", "<PROVIDER>_ACCOUNT"],
        "the account where several fit; the second wins",
    ),
    (
        &["KEYFOB_WORKSPACE", "<PROVIDER>_WORKSPACE"],
        "the workspace of a provider that has several; the second wins",
    ),
    (
        &["KEYFOB_LOG_LEVEL", "<PROVIDER>_LOG_LEVEL"],
        "how much own commands say: `debug`, `info`, `warn` or `error`; the second wins",
    ),
    (&["KEYFOB_KEYCHAIN"], "`off`: there is no keychain here"),
    (
        &["KEYFOB_UNLOCKED"],
        "the descriptor with the key, in what `unlock -- CMD` started",
    ),
    (&["KEYFOB_CA_FILE"], "PEM certificates to trust besides the platform's"),
    (&["KEYFOB_NO_INPUT", "CI"], "if set, nobody is there to be asked"),
    (
        &["KEYFOB_ATTACH"],
        "if set, a debugger may attach and a crash may leave a core",
    ),
    (&["NO_COLOR"], "if set, no colours on a terminal"),
    (&["HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"], "as curl reads them"),
];

/// How a profile is typed.
const PROFILE: &str = "PROVIDER[/MODE][:ACCOUNT]";

/// What a tool calls, which clap never sees; how a profile is typed; the exit codes, after the last empty line.
pub const TOOLS: &str = "\
For tools, on stdin and stdout (see protocol.md):
  get, store, erase, capability   The native protocol, a superset of git's
  git, docker                     A tool's own protocol
  ansible, askpass, aws, bazel,   The same, for these tools
  cargo, goauth, google, keyring,
  kubectl, kubelet, netrc, nuget,
  pnpm, terraform, vault
  token PROFILE|URL               One secret and nothing else (token --help)

Profiles are PROVIDER[/MODE][:ACCOUNT], for example `acme/dev:ann@acme.example`.

Exit codes:
  0 done, 1 failure, 2 log in first, 3 try again, 4 store, 5 refused, 64 usage";

/// The own commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Log in and keep the session.
    Login(Login),
    /// Forget a session, then tell its issuer.
    Logout(Logout),
    /// Keep a key or token from stdin or a hidden prompt.
    SetToken(SetToken),
    /// Show sessions: who, where, until when, what hides them.
    Status(Status),
    /// Ask the server whom a session speaks for; 2 without one.
    Whoami(Show),
    /// Name everything that is kept, without secrets.
    List(List),
    /// Open the page where a person gets an account or a key.
    Register(Register),
    /// Show and check provider files.
    #[command(subcommand)]
    Provider(Provider),
    /// Show or set what a provider file leaves to you.
    Config(Config),
    /// Show the mode in use, or choose another.
    Mode(Mode),
    /// Show the account in use, or choose another.
    Account(Choice),
    /// Show the workspace in use, or choose another.
    Workspace(Choice),
    /// Lock this machine, or set the passphrase that does.
    Lock(Lock),
    /// Unlock this machine with its passphrase.
    Unlock(Unlock),
    /// One-time codes of a second factor: enrol, print, ask.
    #[command(subcommand)]
    Mfa(Mfa),
    /// The account's password at the service.
    #[command(subcommand)]
    Password(Password),
    /// Run a program with the secret in its environment alone.
    Run(RunChild),
    /// Let another machine act as you until the token ends.
    Sync(Sync),
    /// Take a session back from another machine.
    Desync(Desync),
    /// Take a session that another keyfob sends.
    #[command(hide = true)]
    Receive(Receive),
    /// Write credentials to an encrypted file.
    Export(Export),
    /// Keep what is in such a file.
    Import(Import),
    /// Let a tool ask here, by the tool's own configuration.
    Install(Install),
    /// Take what `install` changed back, to the byte.
    Uninstall(Uninstall),
    /// Print the access token and nothing else.
    PrintAccessToken(PrintAccessToken),
    /// Print the line with which a shell takes the access token.
    ExportAccessToken(ExportAccessToken),
    /// Print a shell function that evaluates that line by itself.
    ShellSetup(ShellSetup),
}

/// `keyfob login`
#[derive(Debug, Default, Args)]
pub struct Login {
    /// Which session is meant.
    #[arg(help = PROFILE)]
    pub profile: Option<String>,
    /// Print the page instead of opening it.
    #[arg(long)]
    pub no_browser: bool,
    /// Draw no QR code.
    #[arg(long)]
    pub no_qr: bool,
    /// Paste the address of the last page, which no browser can open here.
    #[arg(long, conflicts_with_all = ["device", "with_token"])]
    pub manual: bool,
    /// Log in with a short code on any device, if the provider can.
    #[arg(long, conflicts_with = "with_token")]
    pub device: bool,
    /// Ask for this scope too; may be given more than once.
    #[arg(long, value_name = "SCOPE")]
    pub scope: Vec<String>,
    /// The client id of your OAuth app, instead of a found one.
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// The issuer to log in at, instead of the one found.
    #[arg(long, value_name = "URL")]
    pub auth_url: Option<String>,
    /// What a preset must be told, such as host=git.example.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Take a token from standard input or a hidden prompt.
    #[arg(long)]
    pub with_token: bool,
    /// The address to which a code is sent.
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,
    /// The code that was sent before, or `-` for standard input; none is sent.
    #[arg(long, value_name = "CODE")]
    pub code: Option<String>,
}

/// `keyfob logout`
#[derive(Debug, Args)]
pub struct Logout {
    /// Which session is meant.
    #[arg(help = PROFILE, conflicts_with = "all")]
    pub profile: Option<String>,
    /// Make no network request.
    #[arg(long)]
    pub local: bool,
    /// All sessions of all providers.
    #[arg(long)]
    pub all: bool,
}

/// `keyfob set-token`
#[derive(Debug, Args)]
pub struct SetToken {
    /// Which session is meant.
    #[arg(help = PROFILE)]
    pub profile: Option<String>,
    /// The key itself, where there is no other way; everybody can read it.
    pub key: Option<String>,
    /// Keep it without asking the issuer whom it speaks for.
    #[arg(long)]
    pub no_check: bool,
}

/// `keyfob whoami`, and other commands that show one session
#[derive(Debug, Args)]
pub struct Show {
    /// Which session is meant.
    #[arg(help = PROFILE)]
    pub profile: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `keyfob list`
#[derive(Debug, Args)]
pub struct List {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `keyfob provider`
#[derive(Debug, Subcommand)]
pub enum Provider {
    /// Name the provider files and presets.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what a provider file says, with its preset filled in.
    Show {
        /// Its name.
        name: String,
    },
    /// Write a provider file from the URL of an issuer or a service.
    Add(Add),
    /// Read all provider files, or one, and report every mistake.
    Check {
        /// A provider's name, or the path of a file.
        name: Option<String>,
    },
}

/// `keyfob mode`
#[derive(Debug, Args)]
pub struct Mode {
    /// The provider; with `--provider`, or of the only one, the mode.
    #[arg(value_name = "PROVIDER")]
    pub first: Option<String>,
    /// The mode to use from now on, or `toggle` for the next one.
    #[arg(value_name = "MODE")]
    pub second: Option<String>,
    /// Use the next mode from now on.
    #[arg(long)]
    pub toggle: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `keyfob account` and `keyfob workspace`
#[derive(Debug, Args)]
pub struct Choice {
    /// With `--provider`, or of the only one, the name.
    #[arg(value_name = "PROVIDER[/MODE]")]
    pub first: Option<String>,
    /// The one to use from now on.
    #[arg(value_name = "NAME")]
    pub second: Option<String>,
    /// Forget which one was chosen.
    #[arg(long)]
    pub clear: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `keyfob run`
#[derive(Debug, Args)]
pub struct RunChild {
    /// Which session is meant.
    #[arg(help = PROFILE)]
    pub profile: Option<String>,
    /// The variable to set. Defaults to the provider's first.
    #[arg(long, value_name = "VARIABLE")]
    pub name: Option<String>,
    /// The program and its arguments, after `--`.
    #[arg(value_name = "COMMAND", last = true, required = true)]
    pub command: Vec<String>,
}

/// `keyfob print-access-token`
#[derive(Debug, Args)]
pub struct PrintAccessToken {
    /// Which session is meant.
    #[arg(help = PROFILE)]
    pub profile: Option<String>,
}

/// `keyfob export-access-token`
#[derive(Debug, Args)]
pub struct ExportAccessToken {
    /// Which session is meant.
    #[arg(help = PROFILE)]
    pub profile: Option<String>,
    /// The shell that reads the line. Defaults to the one of SHELL.
    #[arg(long, value_enum)]
    pub shell: Option<Shell>,
    /// The variable. Defaults to the provider's `env.export`, or TOKEN.
    #[arg(long, value_name = "VARIABLE")]
    pub name: Option<String>,
    /// Print the line that takes the variable away.
    #[arg(long)]
    pub unset: bool,
}

/// `keyfob shell-setup`
#[derive(Debug, Args)]
pub struct ShellSetup {
    /// The shell to write for. Defaults to the one of SHELL.
    #[arg(long, value_enum)]
    pub shell: Option<Shell>,
    /// The program to wrap. Defaults to that of `--provider`.
    #[arg(long, value_name = "NAME")]
    pub command: Option<String>,
}

/// A language of shells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash
    Bash,
    /// fish
    Fish,
    /// Nushell
    #[value(alias = "nu")]
    Nushell,
    /// PowerShell
    #[value(alias = "pwsh")]
    Powershell,
    /// zsh
    Zsh,
}

/// `keyfob provider add`
#[derive(Debug, Args)]
pub struct Add {
    /// The issuer, or a service that names its issuer.
    pub url: String,
    /// What the provider is called; the host's name if left out.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The client id of your OAuth app, if the issuer makes none.
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// How to log in; the first that the issuer has if left out.
    #[arg(long, value_parser = ["browser", "device"])]
    pub flow: Option<String>,
    /// Ask for this scope too; may be given more than once.
    #[arg(long, value_name = "SCOPE")]
    pub scope: Vec<String>,
    /// Where the token may go; may be given more than once.
    #[arg(long, value_name = "URL")]
    pub target: Vec<String>,
    /// Write the file without asking.
    #[arg(long)]
    pub yes: bool,
    /// Make no login to try it.
    #[arg(long)]
    pub no_login: bool,
    /// Print the page of that login instead of opening it.
    #[arg(long)]
    pub no_browser: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn every_help_text_fits_a_terminal_of_80_columns() {
        let mut left = vec![Cli::command()];
        left[0].build();
        while let Some(mut command) = left.pop() {
            let help = command.render_long_help().to_string();
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", command.get_name());
            }
            left.extend(command.get_subcommands().cloned());
        }
    }
}
