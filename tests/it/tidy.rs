//! The shape of the source: who uses whom, how long files are, where the doors are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each module may use of the others. `self` is always allowed; `lib.rs` and `main.rs` join everything.
const MAY_USE: &[(&str, &[&str])] = &[
    ("bundle", &["digest", "error", "record", "secret", "time", "world"]),
    ("cli", &["bundle"]),
    (
        "command",
        &[
            "bundle", "cli", "config", "digest", "error", "http", "install", "login", "oauth", "record", "renew",
            "report", "resolve", "secret", "seed", "shape", "store", "time", "totp", "world",
        ],
    ),
    ("config", &["error", "secret", "target", "world"]),
    ("error", &[]),
    (
        "grant",
        &["config", "error", "http", "oauth", "record", "secret", "time", "world"],
    ),
    ("http", &["error", "oauth", "secret", "target", "time", "world"]),
    ("hygiene", &[]),
    ("install", &["config", "error", "report", "world"]),
    (
        "login",
        &[
            "config", "digest", "error", "http", "loopback", "oauth", "pem", "record", "renew", "report", "secret",
            "shape", "target", "time", "world",
        ],
    ),
    (
        "loopback",
        &["config", "digest", "error", "report", "secret", "time", "world"],
    ),
    ("model", &["secret", "target", "time"]),
    ("oauth", &["digest", "record", "secret", "target", "time"]),
    ("pem", &["secret"]),
    (
        "protocol",
        &["error", "model", "pem", "report", "secret", "target", "time"],
    ),
    ("record", &["digest", "secret", "target", "time"]),
    (
        "renew",
        &[
            "config", "error", "grant", "http", "model", "oauth", "record", "report", "resolve", "secret", "shape",
            "store", "time", "world",
        ],
    ),
    ("report", &["error"]),
    (
        "resolve",
        &[
            "config", "error", "model", "oauth", "pem", "record", "renew", "secret", "store", "target", "time", "world",
        ],
    ),
    ("digest", &[]),
    ("secret", &["digest"]),
    (
        "seed",
        &["config", "error", "record", "resolve", "secret", "store", "totp"],
    ),
    ("shape", &["config", "oauth", "record", "secret", "totp"]),
    ("start", &[]),
    ("store", &["digest", "error", "record", "secret", "time", "world"]),
    ("target", &[]),
    ("time", &[]),
    ("totp", &["secret", "time"]),
    ("world", &["error", "hygiene", "secret", "time"]),
];

/// Words that may stand in these files only, with the rule that they are the door of.
const DOORS: &[(&str, &[&str])] = &[
    ("ureq::", &["http.rs"]),
    ("rustls::", &["http.rs"]),
    ("keyring::", &["store/keychain.rs"]),
    ("keyring_core::", &["store/keychain.rs"]),
    ("linux_keyutils::", &["store/kernel.rs"]),
    ("std::env::var", &["world.rs"]),
    ("env::args", &["world.rs"]),
    ("env::current_exe", &["world.rs"]),
    ("SystemTime::now", &["world.rs"]),
    (
        "Instant::now",
        &[
            "store/keychain.rs",
            "store/disk.rs",
            "store/folder.rs",
            "world/child.rs",
        ],
    ),
    ("thread::sleep", &["world.rs"]),
    ("io::stdin", &["world.rs"]),
    ("io::stdout", &["world.rs"]),
    ("io::stderr", &["world.rs"]),
    ("println!", &[]),
    ("process::exit", &["start/linux.rs"]),
    ("unsafe ", &["hygiene.rs", "start/linux.rs"]),
];

const LONGEST_FILE: usize = 500;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn all_files(under: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(under).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(all_files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn rust_files(under: &Path) -> Vec<PathBuf> {
    let mut found = all_files(under);
    found.retain(|path| path.extension().is_some_and(|end| end == "rs"));
    found
}

/// The code of a file without its tests and comments, by its path below `src`.
fn source() -> BTreeMap<String, String> {
    let src = root().join("src");
    let mut files = BTreeMap::new();
    for path in rust_files(&src) {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        let lines: Vec<&str> = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        let name = path.strip_prefix(&src).unwrap().to_str().unwrap().replace('\\', "/");
        files.insert(name, lines.join("\n"));
    }
    files
}

/// The modules of the crate that a text names after `crate::`, also in a list in braces.
fn used(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let list = rest
            .strip_prefix('{')
            .and_then(|rest| rest.split('}').next())
            .unwrap_or(rest);
        let parts: Vec<&str> = if rest.starts_with('{') {
            list.split(',').collect()
        } else {
            vec![list]
        };
        for part in parts {
            let name: String = part
                .trim()
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect();
            names.push(name);
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn modules_use_only_what_they_may() {
    let mut wrong = Vec::new();
    for (file, code) in source() {
        let module = file.split(['/', '.']).next().unwrap();
        if matches!(module, "lib" | "main") {
            continue;
        }
        let allowed = MAY_USE.iter().find(|(name, _)| *name == module);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("the module `{module}` is missing from the list"));
        for name in used(&code) {
            if name != module && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{file} uses {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_door_is_in_one_place() {
    let mut wrong = Vec::new();
    for (file, code) in source() {
        for (word, allowed) in DOORS {
            if code.contains(word) && !allowed.contains(&file.as_str()) {
                wrong.push(format!("{file} has {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_file_is_longer_than_it_can_be_read() {
    let mut long = Vec::new();
    for folder in ["src", "tests", "examples", "benches"] {
        for path in rust_files(&root().join(folder)) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            if lines > LONGEST_FILE {
                long.push(format!("{}: {lines}", path.display()));
            }
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn the_changelog_begins_with_an_open_heading() {
    let text = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let first = text.lines().find(|line| line.starts_with("## "));
    assert_eq!(first, Some("## Unreleased"));
}

#[test]
fn the_readme_has_the_exit_table_of_the_program() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    for (_, code, meaning) in keyfob::report::EXITS {
        assert!(text.contains(&format!("| {code} | {meaning} |")), "{code}");
    }
}

#[test]
fn the_readme_has_every_variable_of_the_program() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let mut named = Vec::new();
    for (names, meaning) in keyfob::cli::ENVIRONMENT {
        let row = format!("| `{}` | {meaning} |", names.join("`, `"));
        assert!(text.contains(&row), "{row}");
        named.extend_from_slice(names);
    }
    // What another program sets to describe the machine is no setting of ours.
    let machine = [
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "APPDATA",
        "BROWSER",
        "DISPLAY",
        "HOME",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "LOGNAME",
        "PATH",
        "SHELL",
        "SSH_CONNECTION",
        "TERM",
        "USER",
        "WAYLAND_DISPLAY",
        "XDG_RUNTIME_DIR",
    ];
    // Where a tool's configuration is, is for that tool to say.
    let tools = [
        "ANSIBLE_CONFIG",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "BAO_CONFIG_PATH",
        "CARGO_HOME",
        "CONTAINERS_REGISTRIES_CONF",
        "CONTAINERS_REGISTRIES_CONF_OVERRIDE",
        "DOCKER_CONFIG",
        "GIT_ASKPASS",
        "GIT_CONFIG_GLOBAL",
        "GOENV",
        "KUBECONFIG",
        "NPM_CONFIG_USERCONFIG",
        "PIP_CONFIG_FILE",
        "NUGET_NETCORE_PLUGIN_PATHS",
        "NUGET_PLUGIN_PATHS",
        "REGISTRY_AUTH_FILE",
        "SSH_ASKPASS",
        "TF_CLI_CONFIG_FILE",
        "UV_CONFIG_FILE",
        "VAULT_CONFIG_PATH",
        "npm_config_userconfig",
    ];
    for (file, code) in source() {
        for call in ["var(\"", "var_os(\"", "absolute(\"", "dir(\"", "path_in(\""] {
            for rest in code.split(call).skip(1) {
                let name = rest.split('"').next().unwrap();
                let known = named.contains(&name) || machine.contains(&name);
                let of_a_tool = file.starts_with("install/") && tools.contains(&name);
                assert!(known || of_a_tool, "{file} reads {name}");
            }
        }
    }
}

/// The names of a table's rows; each is lower-case, and stands once.
fn names_of_a_table<'a>(table: &str, names: impl IntoIterator<Item = &'a str>) {
    let names: Vec<&str> = names.into_iter().collect();
    for (at, name) in names.iter().enumerate() {
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        assert!(!name.is_empty() && name.bytes().all(good), "{table}: {name}");
        assert!(!names[..at].contains(name), "{table}: {name} stands twice");
    }
}

#[test]
fn the_names_in_every_table_are_unique_and_lower_case() {
    let protocols = keyfob::protocol::TABLE;
    names_of_a_table("protocol", protocols.iter().map(|row| row.name));
    names_of_a_table(
        "programs",
        protocols.iter().flat_map(|row| row.programs.iter().copied()),
    );
    names_of_a_table("install", keyfob::install::TABLE.iter().map(|row| row.name));
    names_of_a_table("store", keyfob::store::TABLE.iter().map(|row| row.name));
    let flows: Vec<String> = keyfob::login::TABLE
        .iter()
        .map(|row| format!("{:?}", row.flow).to_lowercase())
        .collect();
    names_of_a_table("login", flows.iter().map(String::as_str));
    names_of_a_table("preset", keyfob::config::preset::names());
}

#[test]
fn the_help_names_every_protocol() {
    let help = keyfob::cli::TOOLS;
    let words: Vec<&str> = help.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    for row in keyfob::protocol::TABLE {
        assert!(row.name == "keyfob" || words.contains(&row.name), "{}", row.name);
    }
}

#[test]
fn every_protocol_has_its_section_with_a_hit_a_miss_and_a_failure() {
    let page = fs::read_to_string(root().join("protocol.md")).unwrap();
    for row in keyfob::protocol::TABLE {
        let title = if row.name == "keyfob" {
            "The native protocol"
        } else {
            row.name
        };
        let (_, section) = page
            .split_once(&format!("\n## {title}\n"))
            .unwrap_or_else(|| panic!("{title} has no section"));
        let section = section.split("\n## ").next().unwrap();
        for part in ["How it is called", "What we answer", "Miss", "Login", "Failure"] {
            let heading = section
                .lines()
                .find(|line| line.starts_with("### ") && line.to_lowercase().contains(&part.to_lowercase()));
            assert!(heading.is_some(), "{title} does not say: {part}");
        }
        assert!(section.contains("```transcript\n"), "{title} has no sample");
        let link = title.to_lowercase().replace(' ', "-");
        assert!(
            page.contains(&format!("- [{title}](#{link})\n")),
            "{title} is not in the contents"
        );
    }
}

#[test]
fn every_word_of_a_provider_file_is_on_the_page() {
    let page = fs::read_to_string(root().join("protocol.md")).unwrap();
    let code: BTreeMap<String, String> = source()
        .into_iter()
        .filter(|(name, _)| name.starts_with("config/section"))
        .collect();
    let mut seen = 0;
    for (file, text) in code {
        // The keys of each table, between `words! {` and the brace that closes it.
        for table in text.split("words! {").skip(1) {
            let (keys, _) = table.split_once("\n}").or_else(|| table.split_once("\n    }")).unwrap();
            for (name, _) in keys.lines().filter_map(|line| line.trim().split_once(": ")) {
                let name = name.trim_matches(['[', ']']).trim_start_matches("r#");
                let spellings = [format!("`{name}`"), format!(".{name}`"), format!("`{name}.")];
                assert!(spellings.iter().any(|name| page.contains(name)), "{file}: {name}");
                seen += 1;
            }
        }
    }
    assert!(seen > 15, "{seen}");
}

#[test]
fn every_dependency_says_why_it_is_there() {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut explained = false;
    let mut inside = false;
    for line in text.lines() {
        match line {
            _ if line.starts_with('[') => inside = line.contains("dependencies"),
            "" => explained = false,
            _ if line.starts_with('#') => explained = true,
            _ if inside => assert!(explained, "{line}"),
            _ => (),
        }
    }
}

#[test]
fn no_source_knows_a_program_that_a_provider_file_describes() {
    for (name, ..) in crate::systems::SYSTEMS {
        for path in all_files(&root().join("src")) {
            let text = fs::read_to_string(&path).unwrap_or_default().to_lowercase();
            assert!(!text.contains(name), "{} knows {name}", path.display());
        }
    }
}
