//! What has no configuration of its own for keyfob: askpass, and the plugins of NuGet.

use super::home::{Home, PROVIDER};

const ENVIRONMENT: &str = ".config/environment.d/90-keyfob.conf";

#[test]
fn git_asks_keyfob_where_it_would_ask_a_person() {
    let home = Home::empty();
    let before = home.look();
    let output = home.keyfob(&["install", "askpass", "acme"]).run().expect_success();
    let program = home.path("bin/keyfob-askpass-acme");
    let told = format!("export SSH_ASKPASS={}`", program.display());
    assert!(output.stderr.contains(&told), "{}", output.stderr);
    let read = home
        .sandbox
        .program("git", &["config", "--global", "core.askPass"])
        .run();
    assert_eq!(read.text(), format!("{}\n", program.display()));
    home.keyfob(&["uninstall", "askpass"]).run().expect_success();
    home.assert_is(&before);
    home.keyfob(&["install", "askpass"]).run().expect_success();
    // And git runs it.
    home.keyfob(&["store"])
        .stdin("protocol=https\nhost=h.example\nusername=ann\npassword=canary\n\n")
        .run()
        .expect_success();
    let ask = home.sandbox.program("git", &["credential", "fill"]);
    let found = ask.stdin("protocol=https\nhost=h.example\n\n").run().expect_success();
    assert!(found.text().contains("username=ann\npassword=canary\n"));
}

#[test]
fn git_is_left_alone_where_keyfob_is_its_helper() {
    // The last two are paths that git runs through a shell, in quotes.
    let mode = "\n[mode.prod]\n";
    for profile in [&[][..], &["acme"], &["acme/prod"], &["acme:ann lee"]] {
        let home = Home::empty();
        home.sandbox.write_provider("acme", &format!("{PROVIDER}{mode}"));
        home.keyfob(&[&["install", "git"][..], profile].concat())
            .run()
            .expect_success();
        let before = home.read(".gitconfig");
        home.keyfob(&[&["install", "askpass"][..], profile].concat())
            .run()
            .expect_success();
        assert_eq!(home.read(".gitconfig"), before);
    }
}

#[test]
fn another_program_that_asks_is_replaced_only_where_a_person_says_so() {
    let home = Home::empty();
    home.sandbox
        .write(".gitconfig", "[core]\n\taskPass = /opt/other # mine\n");
    let before = home.look();
    let output = home.keyfob(&["install", "askpass"]).run().expect_code(5);
    assert!(output.stderr.contains("`core.askPass` names"), "{}", output.stderr);
    home.assert_is(&before);
    home.keyfob(&["install", "askpass", "--replace"]).run().expect_success();
    assert!(home.read(".gitconfig").contains("bin/keyfob-askpass"));
    home.keyfob(&["uninstall", "askpass"]).run().expect_success();
    home.assert_is(&before);
    let home = Home::empty();
    let run = |value: &str, args: &[&str]| {
        let args = [&["install", "askpass"], args].concat();
        home.keyfob(&args).env("SSH_ASKPASS", value).run()
    };
    let output = run("/usr/bin/ksshaskpass", &[]).expect_code(5);
    assert!(output.stderr.contains("`SSH_ASKPASS` names"), "{}", output.stderr);
    run("/usr/bin/ksshaskpass", &["--replace"]).expect_success();
    run("/somewhere/keyfob-askpass", &[]).expect_success();
}

#[test]
fn ssh_gets_its_variable_from_the_user_manager() {
    let home = Home::empty();
    std::fs::create_dir_all(home.path("run/systemd")).unwrap();
    let before = home.look();
    let install = || {
        let run = home.keyfob(&["install", "askpass"]);
        run.env("XDG_RUNTIME_DIR", home.path("run")).run().expect_success()
    };
    let said = install().stderr;
    assert!(said.contains("next login") && !said.contains("export"), "{said}");
    let program = home.path("bin/keyfob-askpass");
    assert_eq!(home.read(ENVIRONMENT), format!("SSH_ASKPASS={}\n", program.display()));
    let wired = home.look();
    install();
    home.assert_is(&wired);
    home.keyfob(&["uninstall", "askpass"]).run().expect_success();
    home.assert_is(&before);
}

#[test]
fn nuget_finds_its_plugin_by_the_name_of_a_link() {
    let home = Home::empty();
    let before = home.look();
    let install = |variable: &str, value: &str| {
        let run = home.keyfob(&["install", "nuget", "acme"]).env(variable, value);
        run.run().expect_success().stderr
    };
    let link = home.path("bin/nuget-plugin-keyfob-acme");
    assert!(!install("NUGET_PLUGIN_PATHS", "").contains("NUGET"));
    assert!(link.is_symlink());
    let listed = format!("/opt/x;{}", link.display());
    assert!(!install("NUGET_PLUGIN_PATHS", &listed).contains("NUGET"));
    for variable in ["NUGET_PLUGIN_PATHS", "NUGET_NETCORE_PLUGIN_PATHS"] {
        let said = install(variable, "/opt/x");
        assert!(said.contains(&format!("add `{}`", link.display())), "{said}");
    }
    // The link speaks: a plugin that is started in no such way says how it is.
    let asked = home
        .sandbox
        .program(&link, &["-Uri", "https://nobody.example", "-OutputFormat", "Json"]);
    assert!(!asked.run().stderr.contains("usage"));
    home.keyfob(&["uninstall", "nuget"]).run().expect_success();
    home.assert_is(&before);
}
