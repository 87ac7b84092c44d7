//! Vault and OpenBao: `token_helper` of their configuration, a path without arguments.
//!
//! It is run through a shell, and looked for as a file before that, so that quotes are none. Implements tools.md, section 12.

use std::path::PathBuf;

use super::format::Format;
use super::wiring::Wiring;
use super::{Apart, Tool, hcl};
use crate::error::{Error, Result};

pub(super) const VAULT: Tool = Tool {
    name: "vault",
    title: "vault, for its token",
    programs: &["vault", "bao"],
    needs_profile: false,
    any_place: true,
    apart: Apart::Nothing,
    plan,
    left: None,
};

const KEY: &str = "token_helper";

fn plan(wiring: &mut Wiring) -> Result<()> {
    let paths = paths(wiring)?;
    let program = wiring.program("vault-credential-keyfob")?;
    let program = wiring.link_for_shell(&program)?;
    let replace = wiring.options.replace;
    for path in paths {
        wiring.edit_as(Format::Hcl, &path, |text| edit(text, &program, replace))?;
    }
    Ok(())
}

/// Each of the two has its own file; OpenBao takes the variable of Vault where its own is not set.
fn paths(wiring: &Wiring) -> Result<Vec<PathBuf>> {
    let home = wiring.home()?;
    let named = wiring.path_in("VAULT_CONFIG_PATH")?;
    let baos = wiring.path_in("BAO_CONFIG_PATH")?.or_else(|| named.clone());
    let baos = baos.unwrap_or_else(|| home.join(".bao"));
    let has = |name: &str| wiring.world.find_program(name).is_some();
    let has_bao = has("bao") || wiring.exists(&baos);
    let mut paths = Vec::new();
    if has("vault") || !has_bao {
        paths.push(named.unwrap_or_else(|| home.join(".vault")));
    }
    if has_bao && !paths.contains(&baos) {
        paths.push(baos);
    }
    Ok(paths)
}

fn edit(text: &str, program: &str, replace: bool) -> Result<String> {
    match hcl::attribute(text, KEY)? {
        Some(old) if old == program => Ok(text.into()),
        Some(_) if !replace => {
            let error = Error::refused(format!("`{KEY}` names another program, and there can be but one"));
            Err(error.hint("`keyfob install vault --replace` replaces it until it is uninstalled"))
        }
        _ => hcl::set_attribute(text, KEY, program),
    }
}
