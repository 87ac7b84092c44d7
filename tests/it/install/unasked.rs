//! Where a tool would be wired and yet never ask keyfob, or fail at every command: it is refused, or said.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::home::Home;
use crate::run::Run;

#[test]
fn terraform_is_not_wired_beside_a_block_in_another_file_that_it_reads() {
    for (name, text) in [
        ("corp.tfrc", "credentials_helper \"corp\" {}\n"),
        ("a.tfrc", "credentials_helper \"keyfob\" {\n}\n"),
        ("b.tfrc.json", "{\"credentials_helper\": {\"corp\": {}}}\n"),
        ("c.tfrc", "\"credentials_helper\" \"corp\" {}\n"),
    ] {
        let home = Home::empty();
        let path = home.sandbox.write(&format!(".terraform.d/{name}"), text);
        let before = home.look();
        for more in [&[][..], &["--replace"]] {
            let output = home.keyfob(&[&["install", "terraform"], more].concat()).run();
            let output = output.expect_code(5);
            assert!(
                output.stderr.contains(name) && output.stderr.contains("there can be but one"),
                "{name}: {}",
                output.stderr
            );
            home.assert_is(&before);
        }
        // Where a variable names the configuration, they read that alone.
        let run = home.keyfob(&["install", "terraform"]);
        run.env("TF_CLI_CONFIG_FILE", home.path("named")).run().expect_success();
        home.keyfob(&["uninstall", "terraform"]).run().expect_success();
        home.assert_is(&before);
        std::fs::rename(&path, path.with_extension("other")).unwrap();
        home.keyfob(&["install", "terraform"]).run().expect_success();
    }
    let home = Home::empty();
    home.sandbox
        .write(".terraform.d/x.tfrc", "# credentials_helper\na = 1\n");
    home.keyfob(&["install", "terraform"]).run().expect_success();
}

#[test]
fn a_configuration_of_terraform_in_json_is_named_as_that() {
    let home = Home::empty();
    home.sandbox.write(".terraformrc", "{\n  \"credentials\": {}\n}\n");
    let output = home.keyfob(&["install", "terraform"]).run().expect_code(64);
    assert!(
        output.stderr.contains("it is JSON") && output.stderr.contains("write it as HCL"),
        "{}",
        output.stderr
    );
}

