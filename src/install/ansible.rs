//! Ansible: a source of vault passwords in `vault_identity_list`, whose id is the profile.
//!
//! Implements tools.md, section 12.

use super::format::Format;
use super::wiring::Wiring;
use super::{Apart, Tool, ini};
use crate::error::{Error, Result};

pub(super) const ANSIBLE: Tool = Tool {
    name: "ansible",
    title: "ansible, for vault passwords",
    programs: &["ansible-vault", "ansible"],
    needs_profile: true,
    any_place: true,
    apart: Apart::Profile,
    plan,
    left: None,
};

const KEY: &str = "vault_identity_list";

fn plan(wiring: &mut Wiring) -> Result<()> {
    let path = match wiring.path_in("ANSIBLE_CONFIG")? {
        Some(path) => path,
        None => wiring.home()?.join(".ansible.cfg"),
    };
    let profile = wiring.options.profile.clone().unwrap_or_default();
    let program = wiring.link_beside("keyfob-client")?;
    if profile.contains(['@', ',']) || program.contains([',', ';']) {
        return Err(
            Error::usage("a vault id has neither `@` nor `,`, and its program no `;`")
                .hint("name a profile without an account"),
        );
    }
    let ours = format!("{profile}@{program}");
    let replace = wiring.options.replace;
    wiring.edit_as(Format::Ansible, &path, |text| {
        let mut document = ini::Document::parse(text, ini::ANSIBLE)?;
        let old = document.get("defaults", KEY).unwrap_or_default();
        let mut list: Vec<&str> = old.split([',', '\n']).map(str::trim).collect();
        list.retain(|id| !id.is_empty() && (!replace || id.split_once('@').is_some_and(|(_, of)| of == program)));
        if list.contains(&ours.as_str()) {
            return Ok(text.into());
        }
        list.push(&ours);
        document.set("defaults", KEY, &list.join(", "));
        Ok(document.print())
    })
}
