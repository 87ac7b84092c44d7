//! Terraform and OpenTofu: the one `credentials_helper` of their configuration, and the link that they look for.
//!
//! Implements tools.md, section 6.

use std::path::{Path, PathBuf};

use super::format::Format;
use super::wiring::Wiring;
use super::{Apart, Tool, hcl};
use crate::error::{Error, Result};
use crate::report::printable;

pub(super) const TERRAFORM: Tool = Tool {
    name: "terraform",
    title: "terraform and tofu, for registries and HCP",
    programs: &["terraform", "tofu"],
    needs_profile: false,
    any_place: true,
    apart: Apart::Nothing,
    plan,
    left: None,
};

const BLOCK: &str = "credentials_helper";

/// Where they look for programs, and how the files there end that they read besides their configuration.
const BESIDE: &str = ".terraform.d";
const ENDINGS: [&str; 2] = [".tfrc", ".tfrc.json"];

fn plan(wiring: &mut Wiring) -> Result<()> {
    let home = wiring.home()?;
    let mut paths = match wiring.path_in("TF_CLI_CONFIG_FILE")? {
        Some(path) => vec![path],
        None => {
            check_beside(wiring, &home.join(BESIDE))?;
            vec![home.join(".terraformrc")]
        }
    };
    // OpenTofu prefers a file of its own, where there is one.
    paths.extend(Some(home.join(".tofurc")).filter(|path| wiring.exists(path) && paths[0].starts_with(&home)));
    wiring.link_at(&home.join(BESIDE).join("plugins/terraform-credentials-keyfob"))?;
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

/// Whether the files of the directory that are read besides leave room for our block: a second one, in whatever file, is
/// a mistake at every command.
///
/// # Errors
/// [`crate::error::Class::Refused`] when one of them has a block.
fn check_beside(wiring: &Wiring, directory: &Path) -> Result<()> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    let is_read = |path: &&PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        ENDINGS.iter().any(|ending| name.ends_with(ending))
    };
    // They read what another user wrote too.
    let text = |path: &Path| wiring.text(path).or_else(|_| std::fs::read_to_string(path));
    let has = |path: &&PathBuf| has_block(&text(path).unwrap_or_default());
    match files.iter().filter(is_read).find(has) {
        Some(path) => {
            let place = printable(&path.display().to_string());
            let error = Error::refused(format!("there is a `{BLOCK}` in `{place}`, and there can be but one"));
            Err(error.hint("take it out of there, then try again"))
        }
        None => Ok(()),
    }
}

/// Whether a text has the block. One that only they can read may be JSON, or of an older HCL.
fn has_block(text: &str) -> bool {
    match hcl::labels(text, BLOCK) {
        Ok(labels) => !labels.is_empty(),
        Err(_) => text.contains(BLOCK),
    }
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
