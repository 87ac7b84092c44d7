//! Which version of the plugins' API the kubectl that is here reads.
//!
//! Implements tools.md, section 4.

use std::time::Duration;

use zeroize::Zeroizing;

use crate::world::World;

/// The plugins' API, and what it was before kubectl 1.22, which knows no other; those of today read both.
pub(super) const API: &str = "client.authentication.k8s.io/v1";
const OLD_API: &str = "client.authentication.k8s.io/v1beta1";
const FIRST_WITH_API: u32 = 22;

/// How long kubectl may take to say its version; it takes a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(20);

/// The API to name; that of today where kubectl does not say what it is.
pub(super) fn api(world: &World) -> &'static str {
    let words = ["kubectl", "version", "--client", "--output", "json"].map(String::from);
    let said = world.ask_program(&words, Zeroizing::default(), &[], PATIENCE);
    let said = said
        .ok()
        .and_then(|said| serde_json::from_slice::<serde_json::Value>(&said.stdout).ok());
    let minor = said.and_then(|said| said["clientVersion"]["minor"].as_str().map(String::from));
    // A distribution's own may have a plus sign at the end.
    let minor = minor.and_then(|minor| minor.trim_end_matches('+').parse::<u32>().ok());
    match minor {
        Some(minor) if minor < FIRST_WITH_API => OLD_API,
        _ => API,
    }
}
