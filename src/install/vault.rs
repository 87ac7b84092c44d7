//! Vault and OpenBao: `token_helper` of their configuration, a path without arguments.
//!
//! Implements tools.md, section 12.

use super::wiring::Wiring;
use super::{Tool, hcl};
use crate::error::{Error, Result};

pub(super) const VAULT: Tool = Tool {
    name: "vault",
    title: "vault, for its token",
    programs: &["vault", "bao"],
    needs_profile: false,
    plan,
};

const KEY: &str = "token_helper";

fn plan(wiring: &mut Wiring) -> Result<()> {
    let path = match wiring.path_in("VAULT_CONFIG_PATH")? {
        Some(path) => path,
        None => wiring.home()?.join(".vault"),
    };
    let program = wiring.program("vault-credential-keyfob")?;
    let program = wiring.link_beside(&program)?;
    let replace = wiring.options.replace;
    wiring.edit(&path, |text| match hcl::attribute(text, KEY)? {
        Some(old) if old == program => Ok(text.into()),
        Some(_) if !replace => {
            let error = Error::refused(format!("`{KEY}` names another program, and there can be but one"));
            Err(error.hint("`keyfob install vault --replace` replaces it until it is uninstalled"))
        }
        _ => hcl::set_attribute(text, KEY, &program),
    })
}
