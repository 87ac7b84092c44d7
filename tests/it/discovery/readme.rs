//! The README's path for the author of a program, followed as it stands.

use super::front::Front;
use crate::issuer::{Issuer, Script};
use crate::sandbox::{Output, Sandbox};

/// The samples of the section in this language, in order.
fn samples(language: &str) -> Vec<String> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, section) = page
        .split_once("\n## An auth subtree for your program in ten minutes\n")
        .unwrap();
    let section = section.split("\n## ").next().unwrap();
    let begin = format!("```{language}\n");
    let blocks = section.split(&begin).skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

fn shell(sandbox: &Sandbox, script: &str, args: &[&str]) -> Output {
    let args = [&["-c", script, "mytool"], args].concat();
    sandbox.program("sh", &args).run()
}

#[test]
fn the_path_for_the_author_of_a_program_works_as_it_stands() {
    let (mut sandbox, issuer) = (Sandbox::new(), Issuer::start(Script::default()));
    let front = Front::start(&issuer);
    let bin = sandbox.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(sandbox.keyfob_path(), bin.join("keyfob")).unwrap();
    let path = std::env::var("PATH").unwrap();
    sandbox.set("PATH", format!("{}:{path}", bin.display()));

    let [file] = samples("toml").try_into().unwrap();
    assert!(file.contains("https://login.acme.example"));
    sandbox.write_provider("mytool", &file.replace("https://login.acme.example", &front.url()));
    let [try_it, hand_over] = samples("sh").try_into().unwrap();

    let tried = shell(&sandbox, &format!("set -e\n{try_it}"), &[]).expect_success();
    assert!(
        tried.text().ends_with("mytool: good\nann@acme.example\n"),
        "{}",
        tried.text()
    );
    assert_eq!(issuer.families().len(), 1);

    let program = format!("{hand_over}\necho \"${{#token}}\"\n");
    let token = sandbox.keyfob(&["token", "mytool"]).run().expect_success();
    let length = token.text().trim_end().len();
    assert_eq!(
        shell(&sandbox, &program, &["work"]).expect_success().text(),
        format!("{length}\n")
    );
    shell(&sandbox, &program, &["auth", "logout"]).expect_success();
    let out = shell(&sandbox, &program, &["work"]).expect_code(2);
    assert!(
        out.stderr.ends_with("mytool: hint: run `mytool auth login`\n"),
        "{}",
        out.stderr
    );
    sandbox.set("MYTOOL_TOKEN", "canary-of-a-job");
    assert_eq!(shell(&sandbox, &program, &["work"]).expect_success().text(), "15\n");
}
