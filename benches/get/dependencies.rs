//! What each dependency adds to the program: bytes of code by crate, and the program without the OS keychain.
//!
//! Symbols are grouped by the crate that their name begins with; generic code counts for the crate that it is instantiated
//! from, and data without a symbol for none. It must not know what the crates are for.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Crates by the size of their symbols in KiB, the largest first, and the sum.
pub(crate) fn by_crate(program: &Path) -> Result<(Vec<(String, u64)>, u64)> {
    let output = Command::new("nm")
        .args(["-C", "-S", "--defined-only"])
        .arg(program)
        .output()
        .context("nm")?;
    if !output.status.success() {
        bail!("nm: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let mut words = line.splitn(4, ' ');
        let (Some(_), Some(size), Some(_), Some(symbol)) = (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        *sizes.entry(crate_of(symbol)).or_default() += u64::from_str_radix(size, 16).unwrap_or_default();
    }
    let sum: u64 = sizes.values().sum();
    let mut sizes: Vec<(String, u64)> = sizes.into_iter().map(|(name, size)| (name, size / 1024)).collect();
    sizes.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    Ok((sizes, sum / 1024))
}

/// `<alloc::vec::Vec<T> as core::fmt::Debug>::fmt` belongs to `alloc`; what has no path is C or assembler.
fn crate_of(symbol: &str) -> String {
    let name = symbol.trim_start_matches(['<', '&', '*', '[', '(']);
    let name = name
        .strip_prefix("mut ")
        .or_else(|| name.strip_prefix("dyn "))
        .unwrap_or(name);
    let word: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if !word.is_empty() && name[word.len()..].starts_with("::") {
        return word;
    }
    "(C, assembler, glue)".into()
}
