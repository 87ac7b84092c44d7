//! The examples that a reader copies, run as they stand.

use std::path::{Path, PathBuf};

use crate::sandbox::Sandbox;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

#[test]
fn every_provider_file_among_the_examples_is_valid() {
    let sandbox = Sandbox::new();
    for file in ["device.toml", "key.toml", "static.toml"] {
        let text = std::fs::read_to_string(example("providers").join(file)).unwrap();
        let name = text
            .lines()
            .find_map(|line| line.strip_prefix("name = \""))
            .unwrap()
            .trim_end_matches('"');
        sandbox.write_provider(name, &text);
        let output = sandbox.keyfob(&["provider", "check", name]).run();
        assert_eq!(output.code(), 0, "{file}: {}", output.stderr);
    }
}

#[test]
#[cfg(unix)]
fn the_script_with_pipes_does_what_it_says() {
    let sandbox = Sandbox::new();
    let script = example("pipes.sh");
    let run = sandbox.program("sh", &[script.to_str().unwrap()]);
    let output = run.env("KEYFOB", sandbox.keyfob_path()).run().expect_success();
    assert_eq!(output.stderr, "");
    assert!(output.text().ends_with("gone\n"), "{}", output.text());
    assert!(!output.text().contains("canary"));
}
