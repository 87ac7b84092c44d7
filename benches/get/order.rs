//! Which functions an answer runs through, written into `hot.ld` for the linker to lay together.
//!
//! valgrind lists the functions of some stored answers; what changes with each compiler in their names becomes a `*`. Such
//! a pattern may bring functions along that no answer runs through, because a name does not say of which types a generic
//! function is: the patterns that bring much come last. A name that matches nothing any more costs only its page fault, so
//! the list may age; after larger changes of the hot road or of the compiler it is written anew. It must not know what the
//! functions do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::build::{self, root, scratch};
use crate::case::{Case, HOST};
use crate::homes::Home;

/// How many bytes a pattern may bring along, and still lie with those that bring nothing.
const MUCH: u64 = 2000;

const HEAD: &str = "\
/* The functions that an answer from the store runs through, for the linker to lay together: build.rs says why.
   Written by `KEYFOB_BENCH_ORDER=1 cargo bench`; a name that matches nothing does no harm. */
SECTIONS
{
  .text.hot :
  {
    /* Assembler, which has no sections of its own, and the start of the program. */
    *crt1.o(.text)
    *libc.a:*(.text)
    *(.text.keyfob_start .text.__libc_start_main .text.static_init_tls .text.main)
";

const TAIL: &str = "  }
}
INSERT BEFORE .text;
";

/// Runs the answers and writes the file; nothing is written unless all of them could be had.
pub(crate) fn write() -> Result<()> {
    let target = build::static_target();
    let keyfob = build::named(&target)?;
    let one = Home::with_one("order", &keyfob)?;
    let many = Home::with_providers("order-providers", &keyfob, 10)?;
    let sealed = Home::sealed("order-sealed", &keyfob)?;
    let file = |args: &[&str]| Case::get("file", &keyfob, args).in_home(one.path());
    let mut docker = file(&["docker", "get"]);
    docker.stdin = format!("https://{HOST}");
    // An index is believed once its files are a second old; reading all of them anew is not what is laid together.
    std::thread::sleep(Duration::from_millis(2200));
    let cases = [
        file(&["get"]),
        file(&["git", "get"]),
        docker,
        Case::keyfob_get("providers", &keyfob, many.path()),
        sealed.sealed_get("sealed", &keyfob),
    ];
    let mut runs = Vec::new();
    for case in &cases {
        // The first writes the index that the others read.
        case.check()?;
        runs.push(functions(case)?);
    }
    let patterns = in_order(&runs, &sizes(&keyfob)?);
    let mut text = String::from(HEAD);
    for pattern in &patterns {
        // A compiler puts what it thinks rare elsewhere; in C a name is often another one's alias, whose section is its own.
        let other = match pattern.starts_with("_Z") || pattern.starts_with("_R") {
            true => format!(".text.unlikely.{pattern}"),
            false => format!(".text.__{pattern}"),
        };
        writeln!(text, "    *(.text.{pattern} {other})")?;
    }
    text.push_str(TAIL);
    fs::write(root().join("hot.ld"), text).context("hot.ld")?;
    println!("hot.ld: {} functions", patterns.len());
    Ok(())
}

/// The patterns of what some runs entered: what most of them enter first, and last what brings much along that none enters.
fn in_order(runs: &[BTreeSet<String>], sizes: &BTreeMap<String, u64>) -> Vec<String> {
    let mut all: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (name, size) in sizes {
        let (whole, entered) = all.entry(pattern(name).unwrap_or_default()).or_default();
        *whole += size;
        *entered += size * u64::from(runs.iter().any(|run| run.contains(name)));
    }
    let entered =
        |run: &BTreeSet<String>| -> BTreeSet<String> { run.iter().filter_map(|name| pattern(name)).collect() };
    let runs: Vec<BTreeSet<String>> = runs.iter().map(entered).collect();
    let patterns: BTreeSet<&String> = runs.iter().flatten().collect();
    let rank = |pattern: &&String| {
        let (whole, entered) = all.get(*pattern).copied().unwrap_or_default();
        let brought = whole - entered;
        let without = runs.iter().filter(|run| !run.contains(*pattern)).count();
        (brought > MUCH, without, brought, (*pattern).clone())
    };
    let mut patterns: Vec<&String> = patterns.into_iter().collect();
    patterns.sort_by_cached_key(rank);
    patterns.into_iter().cloned().collect()
}

/// The functions of a program and how many bytes each has.
fn sizes(program: &Path) -> Result<BTreeMap<String, u64>> {
    let listed = Command::new("nm")
        .arg("-S")
        .arg(program)
        .output()
        .context("starting nm")?;
    let text = String::from_utf8_lossy(&listed.stdout);
    // `0000000000001060 0000000000000057 T memcpy`
    let lines = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let function = |words: Vec<&str>| match words[..] {
        [_, size, kind, name] if "tTwW".contains(kind) => Some((name.to_owned(), u64::from_str_radix(size, 16).ok()?)),
        _ => None,
    };
    Ok(lines.filter_map(function).collect())
}

/// The symbols of all functions that one run enters.
fn functions(case: &Case) -> Result<BTreeSet<String>> {
    let log = scratch().join(format!("callgrind-{}.log", std::process::id()));
    let option = format!("--callgrind-out-file={}", log.display());
    case.under("valgrind", &["--tool=callgrind", "--demangle=no", &option])
        .check()?;
    let text = fs::read_to_string(&log).context("valgrind's log")?;
    let _ = fs::remove_file(&log);
    // `fn=(12) name` where a name is met first, `fn=(12)` later; a function that calls itself is `name'2`.
    let named = text.lines().filter_map(|line| {
        let entry = line.strip_prefix("fn=(").or_else(|| line.strip_prefix("cfn=("))?;
        let (_, name) = entry.split_once(") ")?;
        Some(name.split('\'').next().unwrap_or(name).to_owned())
    });
    Ok(named.collect())
}

/// What matches a symbol whatever compiler made it; none for what has no symbol.
fn pattern(symbol: &str) -> Option<String> {
    if symbol.starts_with("0x") || !symbol.chars().all(|c| c.is_ascii_alphanumeric() || "_$.".contains(c)) {
        return None;
    }
    if let Some((name, _)) = symbol.strip_prefix("_ZN").and_then(|name| name.rsplit_once("17h")) {
        return Some(format!("_ZN{name}17h*"));
    }
    let Some(rest) = symbol.strip_prefix("_R") else {
        return Some(symbol.to_owned());
    };
    Some(format!(
        "_R{}*",
        without_numbers(rest.split('.').next().unwrap_or(rest))
    ))
}

/// Puts a `*` for the number of a crate, `Cs…_`, and for a reference to an earlier part of the name, `B…_`.
fn without_numbers(name: &str) -> String {
    let mut out = String::new();
    let mut rest = name;
    while let Some(letter) = rest.chars().next() {
        let mark = ["Cs", "B"].into_iter().find(|mark| rest.starts_with(mark));
        let number = mark.and_then(|mark| rest[mark.len()..].split_once('_'));
        match (mark, number) {
            (Some(mark), Some((number, after))) if number.len() < 14 && number.chars().all(char::is_alphanumeric) => {
                out.push_str(mark);
                out.push_str("*_");
                rest = after;
            }
            _ => {
                out.push(letter);
                rest = &rest[letter.len_utf8()..];
            }
        }
    }
    out
}
