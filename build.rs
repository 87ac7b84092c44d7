//! Links the program so that it starts fast.

#![expect(
    clippy::disallowed_methods,
    reason = "cargo speaks to a build script through the environment"
)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let environment = std::env::var("CARGO_CFG_TARGET_ENV").unwrap_or_default();
    let native = std::env::var("HOST") == std::env::var("TARGET");
    if target == "linux" && environment == "gnu" && native {
        link_unwinder_statically();
    }
    if target == "linux" && std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        place_hot_code_together();
        if environment == "musl" {
            make_static_program_small();
            begin_with_its_pages();
        }
    }
}

/// An answer from the store runs through two hundred of some thousands of functions. Strewn over the program they cost
/// thirty page faults, lying together three: a fifth of a static start. `hot.ld` names them.
fn place_hot_code_together() {
    println!("cargo::rerun-if-changed=hot.ld");
    let argument = script("hot.ld");
    if linker_takes(&argument) {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}

/// A static program puts its own addresses right at each start; the list of them takes a sixth of a megabyte, and two
/// kilobytes packed as bits. Half a megabyte of tables says how a panic would be unwound, which ends the program at once;
/// `lean.ld` leaves them out. A libc from before 2023 cannot read the bits, and some libraries end the program where they
/// look for the tables: so a small one is made and run first, and what it does not run with is left.
fn make_static_program_small() {
    println!("cargo::rerun-if-changed=lean.ld");
    for argument in ["-Wl,-z,pack-relative-relocs".into(), script("lean.ld")] {
        if program_runs_with(&argument) {
            println!("cargo::rustc-link-arg-bins={argument}");
        }
    }
}

/// `src/start/pages.rs` says what it does. What cargo says of the target leaves out how the C library is linked.
fn begin_with_its_pages() {
    let mut compiler = compiler();
    let cfg = compiler.args(["--print", "cfg"]).stderr(Stdio::null()).output();
    let cfg = cfg.map_or(String::new(), |output| {
        String::from_utf8_lossy(&output.stdout).into_owned()
    });
    let has = |line: &str| cfg.lines().any(|found| found == line);
    let is_there = has("target_arch=\"x86_64\"") && has("target_feature=\"crt-static\"");
    if is_there && program_runs_with("-Wl,-e,_start") {
        println!("cargo::rustc-link-arg-bins=-Wl,-e,keyfob_start");
    }
}

/// The compiler as cargo starts it for the target.
fn compiler() -> Command {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let mut compiler = Command::new(variable("RUSTC"));
    compiler.args(["--target", &variable("TARGET")]);
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    compiler.args(flags.split('\x1f').filter(|flag| !flag.is_empty()));
    compiler
}

/// Whether a program that is linked with this argument starts, finds what it refers to, and can be asked for a backtrace.
fn program_runs_with(argument: &str) -> bool {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let directory = variable("OUT_DIR");
    let directory = Path::new(&directory);
    let (source, program) = (directory.join("program.rs"), directory.join("program"));
    let text = "static WORDS: [&str; 2] = [\"one\", \"two\"];\n\
                fn main() {\n\
                    let _ = std::backtrace::Backtrace::force_capture().to_string();\n\
                    println!(\"{}\", WORDS[std::env::args().count()]);\n\
                }\n";
    if std::fs::write(&source, text).is_err() {
        return false;
    }
    let mut compiler = compiler();
    compiler.arg(&source).arg("-o").arg(&program).arg("-Cpanic=abort");
    compiler.arg(format!("-Clink-arg={argument}"));
    if let Some(linker) = std::env::var_os("RUSTC_LINKER") {
        compiler.arg(format!("-Clinker={}", Path::new(&linker).display()));
    }
    let made = compiler.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let runs = || Command::new(&program).stderr(Stdio::null()).output();
    made.is_ok_and(|status| status.success()) && runs().is_ok_and(|output| output.stdout == *b"two\n")
}

/// The linker's argument for one of our scripts.
fn script(name: &str) -> String {
    let place = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join(name);
    format!("-Wl,-T,{}", place.display())
}

/// Whether the linker that cargo will use links a program with this argument. A linker without linker scripts, and one that
/// is no C compiler, do not; with those the program is linked as usual.
fn linker_takes(argument: &str) -> bool {
    let linker = std::env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let own = flags.split('\x1f').filter_map(|flag| flag.split_once("link-arg="));
    let trial = Path::new(&std::env::var_os("OUT_DIR").unwrap_or_default()).join("trial");
    let linking = Command::new(linker)
        .args(["-x", "c", "-", "-nostdlib", "-o"])
        .arg(trial)
        .args(own.map(|(_, argument)| argument))
        .arg(argument)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut linking) = linking else { return false };
    let given = linking
        .stdin
        .take()
        .map(|mut source| source.write_all(b"void _start(void) {}\n"));
    let ended = linking.wait();
    given.is_some_and(|result| result.is_ok()) && ended.is_ok_and(|status| status.success())
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
