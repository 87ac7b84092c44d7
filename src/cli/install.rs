//! `install` and `uninstall`.

use clap::Args;

/// `keyfob install`
#[derive(Debug, Args)]
pub struct Install {
    /// The tool, such as git; see --list.
    pub tool: Option<String>,
    /// Which session it is for; without it, whichever fits.
    #[arg(help = "Which session it is for, PROVIDER[/MODE][:ACCOUNT]; else any that fits")]
    pub profile: Option<String>,
    /// Every tool that is here, but none that is wired for another session.
    #[arg(long, conflicts_with_all = ["tool", "profile", "list"])]
    pub all: bool,
    /// Show which tools there are, and which are wired.
    #[arg(long, conflicts_with_all = ["tool", "profile", "dry_run", "replace", "name", "url"])]
    pub list: bool,
    /// Print what would change, as a diff, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Take the tool's other helpers out until it is uninstalled.
    #[arg(long)]
    pub replace: bool,
    /// What the tool is to call it, such as its own profile.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// A place that it is for; more than once. Defaults to the targets.
    #[arg(long, value_name = "URL")]
    pub url: Vec<String>,
    /// Print the list as JSON.
    #[arg(long, requires = "list")]
    pub json: bool,
}

/// `keyfob uninstall`
#[derive(Debug, Args)]
pub struct Uninstall {
    /// The tool, with all of its wirings.
    pub tool: Option<String>,
    /// Only what is wired for this session.
    pub profile: Option<String>,
    /// Every tool that is wired, the last one first.
    #[arg(long, conflicts_with = "tool")]
    pub all: bool,
    /// Only what the tool calls by this name.
    #[arg(long, value_name = "NAME", requires = "tool")]
    pub name: Option<String>,
    /// Only what is wired for this place; more than once.
    #[arg(long, value_name = "URL", requires = "tool")]
    pub url: Vec<String>,
    /// Print what would change, as a diff, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Where a file was changed since, take out our lines alone.
    #[arg(long, conflicts_with = "forget")]
    pub merge: bool,
    /// Where a file was changed since, leave it as it is.
    #[arg(long)]
    pub forget: bool,
}
