//! podman, buildah and skopeo: `credential-helpers`, in a file of our own beside their `registries.conf`.
//!
//! A user's `registries.conf` hides the system's as a whole, so none is made; a file in `registries.conf.d` is read
//! besides. It sets the whole list, with what the others set before ours. Implements tools.md, section 2.5.

use std::path::PathBuf;

use toml_edit::{Array, Value};

use super::wiring::Wiring;
use super::{Apart, Tool, docker, toml};
use crate::error::Result;

pub(super) const CONTAINERS: Tool = Tool {
    name: "containers",
    title: "podman, buildah, skopeo",
    programs: &["podman", "buildah", "skopeo"],
    needs_profile: false,
    any_place: true,
    apart: Apart::Nothing,
    plan,
};

const KEY: &str = "credential-helpers";

/// Their own files, which they ask where nothing is configured.
const USUAL: &str = "containers-auth.json";

fn plan(wiring: &mut Wiring) -> Result<()> {
    let home = wiring.xdg_config()?.join("containers");
    let program = wiring.program(docker::PROGRAM)?;
    wiring.link(&program)?;
    let ours = program
        .strip_prefix("docker-credential-")
        .unwrap_or(&program)
        .to_owned();
    let mut helpers = vec![USUAL.to_owned()];
    if wiring.options.replace {
        helpers.clear();
    } else {
        let users = home.join("registries.conf");
        let theirs = if wiring.exists(&users) {
            users
        } else {
            PathBuf::from("/etc/containers/registries.conf")
        };
        // Others' files are read as the tools read them, without a look at who owns them.
        let text = std::fs::read_to_string(theirs).unwrap_or_default();
        helpers = toml::list(&text, &[KEY]).ok().flatten().unwrap_or(helpers);
    }
    if !helpers.contains(&ours) {
        helpers.push(ours);
    }
    wiring.edit(&home.join("registries.conf.d/99-keyfob.conf"), |text| {
        if toml::list(text, &[KEY])?.as_ref() == Some(&helpers) {
            return Ok(text.into());
        }
        let list: Array = helpers.into_iter().collect();
        toml::set(text, None, KEY, Value::Array(list))
    })
}
