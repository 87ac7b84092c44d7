//! Links the program so that it starts fast.

#![expect(
    clippy::disallowed_methods,
    reason = "cargo speaks to a build script through the environment"
)]

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let environment = std::env::var("CARGO_CFG_TARGET_ENV").unwrap_or_default();
    let native = std::env::var("HOST") == std::env::var("TARGET");
    if target == "linux" && environment == "gnu" && native {
        link_unwinder_statically();
    }
}

/// Loading the shared libgcc_s costs an eighth of a start. Its static half holds all that is needed of it; where the
/// compiler does not have that, the program is linked as usual.
fn link_unwinder_statically() {
    let found = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output();
    let Ok(found) = found else { return };
    let path = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    let path = Path::new(&path);
    if let Some(directory) = path.parent().filter(|_| path.is_absolute() && path.exists()) {
        println!("cargo::rustc-link-search=native={}", directory.display());
        println!("cargo::rustc-link-lib=static:-bundle=gcc_eh");
    }
}
