//! Terraform and OpenTofu: the one `credentials_helper` of their configuration, and the link that they look for.
//!
//! Implements tools.md, section 6.

use super::format::Format;
use super::wiring::Wiring;
use super::{Apart, Tool, hcl};
use crate::error::{Error, Result};

pub(super) const TERRAFORM: Tool = Tool {
    name: "terraform",
    title: "terraform and tofu, for registries and HCP",
    programs: &["terraform", "tofu"],
    needs_profile: false,
    any_place: true,
    apart: Apart::Nothing,
    plan,
};

const BLOCK: &str = "credentials_helper";

fn plan(wiring: &mut Wiring) -> Result<()> {
    let home = wiring.home()?;
    let mut paths = match wiring.path_in("TF_CLI_CONFIG_FILE")? {
        Some(path) => vec![path],
        None => vec![home.join(".terraformrc")],
    };
    // OpenTofu prefers a file of its own, where there is one.
    paths.extend(Some(home.join(".tofurc")).filter(|path| wiring.exists(path) && paths[0].starts_with(&home)));
    wiring.link_at(&home.join(".terraform.d/plugins/terraform-credentials-keyfob"))?;
    let args = match &wiring.options.profile {
        Some(profile) => format!("  args = [{}]\n", hcl::quoted(profile)),
        None => String::new(),
    };
    let block = format!("{BLOCK} \"keyfob\" {{\n{args}}}\n");
    let replace = wiring.options.replace;
    for path in paths {
        wiring.edit_as(Format::Hcl, &path, |text| edit(text, &block, replace))?;
    }
    Ok(())
}

fn edit(text: &str, block: &str, replace: bool) -> Result<String> {
    let labels = hcl::labels(text, BLOCK)?;
    let ours = labels.iter().all(|label| label == "keyfob");
    if !labels.is_empty() && text.contains(block.trim_end()) && ours {
        return Ok(text.into());
    }
    if !labels.is_empty() && !replace {
        let error = Error::refused(format!("there is a `{BLOCK}` already, and there can be but one"));
        return Err(error.hint("`keyfob install terraform --replace` replaces it until it is uninstalled"));
    }
    hcl::set_block(text, BLOCK, block)
}
