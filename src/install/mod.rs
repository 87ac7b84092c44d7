//! Wiring a tool to keyfob and taking that back exactly: one row of [`TABLE`] each.
//!
//! A tool's file only makes a plan (`wiring.rs`): which configuration becomes what, which link leads to this program. The
//! rest is the same for all: `ledger.rs` carries a plan out and back, `journal.rs` remembers it, `undo.rs` takes it out
//! of what is there now, with `format/` for what a text means, `state.rs` and `attributes.rs` read and write, `diff.rs`
//! shows. No tool's file writes, asks, or knows another's.
//! A configuration is edited by the tool's own command on a copy, or by a parser that keeps what it does not change.
//! Implements design.md, section 1.8, and the configuration parts of tools.md.

mod ansible;
mod askpass;
mod attributes;
mod aws;
mod bazel;
mod cargo;
mod containers;
mod diff;
mod docker;
mod format;
mod git;
mod goauth;
mod hcl;
mod ini;
mod journal;
mod json;
mod kubectl;
mod ledger;
mod masked;
mod nuget;
mod pip;
mod pnpm;
mod remains;
mod state;
mod terraform;
mod toml;
mod undo;
mod uv;
mod vault;
mod wiring;
mod yaml;

use crate::error::{Error, Result};
use crate::world::World;

pub use journal::Options;
pub use ledger::{Ledger, Shown, Step};
pub use undo::Since;
use wiring::Wiring;

/// One tool: how it is recognised, and what wiring it changes.
pub struct Tool {
    /// The name that a person types; the one of its protocol where there is one.
    pub name: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// The programs of which one is on `PATH` where the tool is there.
    pub programs: &'static [&'static str],
    /// Whether it can only be wired for a profile: nothing that it says names one.
    pub needs_profile: bool,
    /// Whether `--url` may be any place. Not where the helper is not told which place asks: it would serve them all.
    pub any_place: bool,
    /// What tells two wirings of it apart.
    apart: Apart,
    /// Plans it.
    plan: fn(&mut Wiring) -> Result<()>,
    /// What a person should know of a configuration out of which it was taken.
    left: Option<Left>,
}

/// Of a wiring's options and what its configuration is without it.
type Left = fn(&Options, &str) -> Option<String>;

/// What tells one wiring of a tool from another that its configuration can hold beside it.
enum Apart {
    /// Nothing: it holds one.
    Nothing,
    /// What the tool calls it: `--name`, or what the tool's file makes of the profile.
    Name(fn(&Options) -> String),
    /// The profile; without one it is for every session.
    Profile,
    /// The places that it is for; without one it is for all the others.
    Places,
    /// The same of those that a person named; with no other it is for all the others.
    NamedPlaces,
}

impl Tool {
    /// What a wiring with these options has for itself: another one that has part of it takes its place.
    fn own(&self, options: &Options) -> Vec<String> {
        match self.apart {
            Apart::Nothing => vec![String::new()],
            Apart::Name(name) => vec![name(options)],
            Apart::Profile => vec![options.profile.clone().unwrap_or_default()],
            Apart::NamedPlaces if !options.named => vec![String::new()],
            Apart::Places | Apart::NamedPlaces if options.urls.is_empty() => vec![String::new()],
            Apart::Places | Apart::NamedPlaces => options
                .urls
                .iter()
                .map(|url| url.trim_end_matches('/').into())
                .collect(),
        }
    }

    /// Whether two wirings cannot be beside each other.
    fn meet(&self, one: &Options, other: &Options) -> bool {
        let other = self.own(other);
        self.own(one).iter().any(|own| other.contains(own))
    }

    /// Whether it has a name of its own for what is wired.
    pub fn has_name(&self) -> bool {
        matches!(self.apart, Apart::Name(_))
    }

    /// Whether one of its programs is here.
    pub fn is_here(&self, world: &World) -> bool {
        self.programs.iter().any(|name| world.find_program(name).is_some())
    }
}

/// All tools, in the order in which they are listed. A new one is one file and one line here.
pub const TABLE: &[Tool] = &[
    git::GIT,
    docker::DOCKER,
    containers::CONTAINERS,
    cargo::CARGO,
    kubectl::KUBECTL,
    aws::AWS,
    terraform::TERRAFORM,
    bazel::BAZEL,
    goauth::GOAUTH,
    pip::PIP,
    uv::UV,
    pnpm::PNPM,
    nuget::NUGET,
    vault::VAULT,
    ansible::ANSIBLE,
    askpass::ASKPASS,
];

/// The tool of this name.
///
/// # Errors
/// [`crate::error::Class::Usage`] when there is none.
pub fn find(name: &str) -> Result<&'static Tool> {
    let found = TABLE.iter().find(|tool| tool.name == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = TABLE.iter().map(|tool| tool.name).collect();
        Error::usage("there is no tool of this name").hint(format!("name one of `{}`", names.join("`, `")))
    })
}

/// Why a tool was not wired or unwired, with what somebody else changed since, if that is why.
pub struct Trouble {
    /// What a person is told.
    pub error: Error,
    /// The changes as a diff, without secrets; empty where there are none.
    pub diff: String,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble {
            error,
            diff: String::new(),
        }
    }
}
