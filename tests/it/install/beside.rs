//! Taking a tool back where somebody has added lines right beside ours, as `>>` and the tools' own commands do.

use super::home::{Home, has};

/// What a person adds at the end of each tool's file, where our lines stand.
const ADDED: [(&str, &str, &str); 12] = [
    ("git", ".gitconfig", "[core]\n\teditor = vi\n"),
    ("cargo", ".cargo/config.toml", "[net]\noffline = true\n"),
    (
        "kubectl",
        ".kube/config",
        "current-context: d\npreferences:\n  colors: true\n",
    ),
    ("aws", ".aws/config", "[profile new]\nregion = eu\n"),
    ("terraform", ".terraformrc", "disable_checkpoint = true\n"),
    ("bazel", ".bazelrc", "build --jobs=9\n"),
    ("goauth", ".config/go/env", "GOFLAGS=-x\n"),
    ("pip", ".config/pip/pip.conf", "[new]\nx = 1\n"),
    ("uv", ".config/uv/uv.toml", "offline = true\n"),
    ("pnpm", ".npmrc", "x=1\n"),
    ("vault", ".vault", "x = \"1\"\n"),
    ("ansible", ".ansible.cfg", "[new]\nx = 1\n"),
];

#[test]
fn a_line_that_was_added_after_ours_stays_and_ours_go() {
    for begin in ["", "# mine\n"] {
        for (tool, name, added) in ADDED {
            let home = Home::empty();
            if !begin.is_empty() {
                home.sandbox.write(name, begin);
            }
            home.keyfob(&["install", tool, "acme"]).run().expect_success();
            home.append(name, added);
            home.keyfob(&["uninstall", tool]).run().expect_code(5);
            home.keyfob(&["uninstall", tool, "--merge"]).run().expect_success();
            let left = home.read(name);
            // What makes a file with something in it a kubeconfig stays in one that keyfob made.
            let left = left.replace("apiVersion: v1\nkind: Config\n", "");
            assert_eq!(left, format!("{begin}{added}"), "{tool}");
        }
    }
}

#[test]
fn a_line_that_was_added_after_one_that_we_changed_stays() {
    for (tool, name, begin, added) in [
        ("goauth", ".config/go/env", "GOAUTH=off\n", "GOFLAGS=-x\n"),
        ("vault", ".vault", "token_helper = \"/opt/x\"\n", "x = \"1\"\n"),
        (
            "ansible",
            ".ansible.cfg",
            "[defaults]\nvault_identity_list = a@/b\n",
            "x = 1\n",
        ),
        (
            "pip",
            ".config/pip/pip.conf",
            "[global]\nkeyring-provider = disabled\n",
            "x = 1\n",
        ),
        (
            "uv",
            ".config/uv/uv.toml",
            "keyring-provider = 'disabled'\n",
            "offline = true\n",
        ),
        ("pnpm", ".npmrc", "//acme.example/:_authToken=canary\n", "x=1\n"),
        (
            "cargo",
            ".cargo/config.toml",
            "[registry]\nglobal-credential-providers = ['cargo:token']\n",
            "token = \"canary\"\n",
        ),
    ] {
        let home = Home::empty();
        home.sandbox.write(name, begin);
        home.keyfob(&["install", tool, "acme", "--replace"])
            .run()
            .expect_success();
        assert_ne!(home.read(name), begin, "{tool}");
        home.append(name, added);
        home.keyfob(&["uninstall", tool, "--merge"]).run().expect_success();
        assert_eq!(home.read(name), format!("{begin}{added}"), "{tool}");
    }
}

#[test]
fn what_git_itself_adds_behind_ours_stays() {
    if !has("git") {
        return;
    }
    for profile in [&[][..], &["acme"]] {
        let home = Home::empty();
        home.keyfob(&[&["install", "git"], profile].concat())
            .run()
            .expect_success();
        let git = |args: &[&str]| home.sandbox.program("git", args).run().expect_success();
        git(&["config", "--global", "core.editor", "vi"]);
        git(&["config", "--global", "--add", "credential.helper", "store"]);
        home.keyfob(&["uninstall", "git", "--merge"]).run().expect_success();
        let left = git(&["config", "--global", "--list"]);
        let mut left: Vec<&str> = left.text().lines().collect();
        left.sort_unstable();
        assert_eq!(left, ["core.editor=vi", "credential.helper=store"]);
    }
}

#[test]
fn a_diff_shows_no_value_of_somebody_else() {
    for (tool, name, text) in [
        (
            "pip",
            ".config/pip/pip.conf",
            "[global]\nproxy = u:canary@p:1\nkeyring-provider = disabled\n",
        ),
        (
            "docker",
            ".docker/config.json",
            "{\"HttpHeaders\": {\"X-A\": \"canary\"}, \"proxies\": {\"default\": {\"httpProxy\": \"http://u:canary@p\"}}}\n",
        ),
        (
            "docker",
            ".docker/config.json",
            "{\"credsStore\":\"canary-a\",\"HttpHeaders\":{\"X-A\":\"s3{cret,canary\"}}",
        ),
        (
            "ansible",
            ".ansible.cfg",
            "[defaults]\nbecome_pass = s3{cret,canary-a\npassword = [canary-c\n",
        ),
        (
            "ansible",
            ".ansible.cfg",
            "[defaults]\nvault_identity_list = canary@/canary-b\n",
        ),
        (
            "git",
            ".gitconfig",
            "[http]\n\textraHeader = PRIVATE: canary\n[url \"https://canary@host\"]\n\tinsteadOf = https://:canary@host\n",
        ),
        ("goauth", ".config/go/env", "GOAUTH=git canary; x --password=canary-b"),
        (
            "cargo",
            ".cargo/config.toml",
            "[registry]\nglobal-credential-providers = [\"x canary\"]\napi_token = 'keyfob-canary'",
        ),
        ("pnpm", ".npmrc", "pwd = canary\n//acme.example/:_auth=canary"),
    ] {
        let home = Home::empty();
        home.sandbox.write(name, text);
        let install = ["install", tool, "acme", "--replace"];
        let shown = home
            .keyfob(&[&install[..], &["--dry-run"]].concat())
            .run()
            .expect_success();
        assert!(
            !shown.text().contains("canary") && shown.text().contains('+'),
            "{}",
            shown.text()
        );
        assert!(shown.text().contains("keyfob") || tool == "pip", "{}", shown.text());
        home.keyfob(&install).run().expect_success();
        let shown = home.keyfob(&["uninstall", tool, "--dry-run"]).run().expect_success();
        assert!(
            !shown.text().contains("canary") && shown.text().contains('-'),
            "{}",
            shown.text()
        );
        home.append(name, "\nnew = canary\n");
        let refused = home.keyfob(&["uninstall", tool]).run().expect_code(5);
        assert!(refused.stderr.contains("+new = …"), "{}", refused.stderr);
        let merged = home.keyfob(&["uninstall", tool, "--merge", "--dry-run"]).run();
        assert!(!merged.text().contains("canary"), "{}", merged.text());
    }
}
