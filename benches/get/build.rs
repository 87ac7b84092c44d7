//! The programs that are measured: keyfob and the floor, each as an ordinary and as a static program.
//!
//! Static builds need the target `*-unknown-linux-musl`; where it is not installed that is said, and their rows are absent.
//! It must not know what is measured on them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The programs of one libc.
pub(crate) struct Programs {
    pub(crate) floor: PathBuf,
    pub(crate) keyfob: PathBuf,
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where everything that the benchmark makes lies; ignored by git.
pub(crate) fn scratch() -> PathBuf {
    root().join("target/bench")
}

/// cargo, as a person starts it. What it tells this program of its own crate would have it build anew what asks for that.
fn cargo() -> Command {
    let program = std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from);
    let mut command = Command::new(program);
    let is_told = |name: &OsString| {
        let name = name.to_string_lossy();
        name == "OUT_DIR" || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    };
    for name in std::env::vars_os().map(|(name, _)| name).filter(is_told) {
        command.env_remove(name);
    }
    command
}

/// The triple of the static build on this machine.
pub(crate) fn static_target() -> String {
    format!("{}-unknown-linux-musl", std::env::consts::ARCH)
}

/// The ordinary programs; a keyfob that is already built may be named instead.
pub(crate) fn ordinary() -> Result<Programs> {
    let built = std::env::var_os("KEYFOB_BENCH_PROGRAM").map(PathBuf::from);
    let keyfob = built.map_or_else(|| keyfob(&[], &root().join("target"), None), Ok)?;
    Ok(Programs {
        floor: installed(&floor(None)?, "ordinary/floor")?,
        keyfob: installed(&keyfob, "ordinary/keyfob")?,
    })
}

/// The static ones, or in words why there are none.
pub(crate) fn linked_statically() -> Result<Programs> {
    let target = static_target();
    let floor = floor(Some(&target)).with_context(|| format!("`rustup target add {target}` first"))?;
    let built = std::env::var_os("KEYFOB_BENCH_STATIC_PROGRAM").map(PathBuf::from);
    let keyfob = built.map_or_else(|| keyfob(&[], &root().join("target"), Some(&target)), Ok);
    let keyfob = keyfob.context("`apt-get install musl-tools` first?")?;
    Ok(Programs {
        floor: installed(&floor, "static/floor")?,
        keyfob: installed(&keyfob, "static/keyfob")?,
    })
}

/// A copy, as an installation makes it. The linker writes its output in small pieces, the page cache keeps it so, and until
/// the next boot such a file starts up to a sixth slower than any copy of it.
fn installed(program: &Path, name: &str) -> Result<PathBuf> {
    let copy = scratch().join("installed").join(name);
    std::fs::create_dir_all(copy.parent().context("a directory for programs")?)?;
    let _ = std::fs::remove_file(&copy);
    std::fs::copy(program, &copy).with_context(|| format!("copying {}", program.display()))?;
    Ok(copy)
}

fn floor(target: Option<&str>) -> Result<PathBuf> {
    let out = scratch().join(target.unwrap_or("ordinary")).join("floor");
    std::fs::create_dir_all(out.parent().context("the floor's directory")?)?;
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    command
        .current_dir(root())
        .arg("benches/floor/main.rs")
        .arg("-o")
        .arg(&out)
        .args(["--edition", "2024"]);
    // The same as the profile `release`.
    for option in [
        "opt-level=3",
        "lto=fat",
        "codegen-units=1",
        "panic=abort",
        "strip=symbols",
    ] {
        command.args(["-C", option]);
    }
    if let Some(target) = target {
        command.args(["--target", target]);
    }
    must(command)?;
    Ok(out)
}

/// keyfob's release build into a target directory; `options` are cargo's.
pub(crate) fn keyfob(options: &[&str], target_dir: &Path, target: Option<&str>) -> Result<PathBuf> {
    let mut command = cargo();
    command
        .current_dir(root())
        .args(["build", "--release", "--locked", "--quiet", "--bin", "keyfob"])
        .args(options);
    command.arg("--target-dir").arg(target_dir);
    let mut out = target_dir.to_path_buf();
    if let Some(target) = target {
        command.args(["--target", target]);
        out.push(target);
    }
    must(command)?;
    Ok(out.join("release/keyfob"))
}

/// The static program with its symbols, and otherwise as it is built for use: no library in it is built anew.
pub(crate) fn named(target: &str) -> Result<PathBuf> {
    let mut command = cargo();
    command
        .current_dir(root())
        .args([
            "rustc",
            "--release",
            "--locked",
            "--quiet",
            "--bin",
            "keyfob",
            "--target",
            target,
        ])
        .args(["--", "-Cstrip=none"]);
    must(command)?;
    let (built, copy) = (
        root().join("target").join(target).join("release/keyfob"),
        scratch().join("named/keyfob"),
    );
    std::fs::create_dir_all(scratch().join("named")).context("a directory for the program with its symbols")?;
    std::fs::copy(&built, &copy).with_context(|| format!("copying {}", built.display()))?;
    Ok(copy)
}

fn must(mut command: Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {command:?}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let mut lines: Vec<&str> = said.lines().filter(|line| !line.is_empty()).take(6).collect();
        lines.truncate(6);
        bail!("{}", lines.join("\n  "));
    }
    Ok(())
}
