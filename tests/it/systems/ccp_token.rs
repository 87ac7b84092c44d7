//! ccp, rows 0.15 to 0.22 and 0.34: the token for scripts and for other programs.

use std::os::unix::fs::PermissionsExt;

use super::ccp::{EMAIL, logged_in, set};
use super::family::claims;
use super::program::Program;
use super::row::{Row, said};
use crate::sandbox::Output;

/// The program as it is whole: its `auth` is the link's, and all else its own, which shows its arguments and fails with 3.
fn whole(program: &Program) {
    let script = "#!/bin/sh\nif [ \"$1\" = auth ]; then exec \"$HOME/bin/auth/ccp\" \"$@\"; fi\n\
                  printf '<%s>' \"$@\"; echo; exit 3\n";
    let bin = program.sandbox.path().join("bin");
    std::fs::create_dir(bin.join("auth")).unwrap();
    std::fs::rename(bin.join("ccp"), bin.join("auth/ccp")).unwrap();
    std::fs::write(bin.join("ccp"), script).unwrap();
    std::fs::set_permissions(bin.join("ccp"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A session, and lines for bash after the function that `ccp auth shell-setup` prints.
fn with_function(row: &mut Row, lines: &str) -> Output {
    let (program, _ccp) = logged_in();
    whole(&program);
    let line = format!("eval \"$(ccp auth shell-setup --shell bash)\"\n{lines}");
    let mut call = program.other("bash", &["--norc", "--noprofile", "-c", &line]);
    call.shown = lines.replace('\n', "; ");
    row.run(call)
}

#[test]
fn row_0_15_the_export_is_a_line_for_eval_and_nothing_else() {
    let mut row = Row::new(
        "0.15",
        "Standard output has the one line that a shell evaluates, and nothing else.",
    );
    let (program, ccp) = logged_in();
    let token = ccp.families()[0].access[0].clone();
    let call = program.call(&["auth", "export-access-token"]).env("SHELL", "/bin/bash");
    let output = row.run(call);
    row.exit(&output, 0);
    assert_eq!(
        (output.text(), output.stderr.as_str()),
        (format!("export TOKEN='{token}'\n").as_str(), "")
    );
    row.says(&output, "export TOKEN='");
    let line = "eval $(ccp auth export-access-token); printenv TOKEN";
    let output = row.run(shell(&program, line));
    assert_eq!(output.expect_success().text(), format!("{token}\n"));
    row.saw("the shell's programs have the token in TOKEN");
    row.held();
}

fn shell(program: &Program, line: &str) -> super::program::Call {
    let mut call = program.shell(line);
    call.run = call.run.env("SHELL", "/bin/bash");
    call
}

#[test]
fn row_0_16_the_variable_of_the_export_can_have_another_name() {
    let mut row = Row::new(
        "0.16",
        "The variable is TOKEN, or what the provider file or `--name` calls it.",
    );
    let (program, _ccp) = logged_in();
    let output = row.run(program.call(&["auth", "export-access-token", "--shell", "bash"]));
    row.says(&output, "export TOKEN=");
    let named = ["auth", "export-access-token", "--shell", "bash", "--name", "CCP_TOKEN"];
    let output = row.run(program.call(&named));
    row.says(&output, "export CCP_TOKEN=");
    let file = program.sandbox.keyfob_home().join("config/providers/ccp.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("export = \"TOKEN\"", "export = \"CCP_API\"")).unwrap();
    let output = program.done(&["auth", "export-access-token", "--shell", "bash"]);
    row.ran("ccp auth export-access-token # with `export = \"CCP_API\"` in the file");
    row.says(&output, "export CCP_API=");
    row.held();
}

#[test]
fn row_0_17_the_token_is_printed_raw() {
    let mut row = Row::new("0.17", "Standard output has the token and a line's end.");
    let (program, ccp) = logged_in();
    let output = row.run(program.call(&["auth", "print-access-token"]));
    row.exit(&output, 0);
    let token = ccp.families()[0].access[0].clone();
    assert_eq!(
        (output.text(), output.stderr.as_str()),
        (format!("{token}\n").as_str(), "")
    );
    row.saw(output.text().trim_end());
    row.held();
}

#[test]
fn row_0_18_tokens_are_passed_on_whatever_they_look_like() {
    let mut row = Row::new(
        "0.18",
        "The service's tokens are JWTs, and keyfob does not mind: an opaque one works too.",
    );
    let (program, _ccp) = logged_in();
    let output = row.run(program.call(&["auth", "print-access-token"]));
    let claims = claims(output.text().trim_end()).unwrap();
    row.saw(format!("a JWT of {}", claims["sub"].as_str().unwrap()));
    let call = program
        .call(&["auth", "print-access-token"])
        .env("CCP_SESSION_TOKEN", "canary~opaque/+=");
    let output = row.run(call).expect_success();
    assert_eq!(output.text(), "canary~opaque/+=\n");
    row.saw("the opaque token as it was given");
    row.held();
}

#[test]
fn row_0_19_the_function_is_printed_and_no_file_is_touched() {
    let mut row = Row::new(
        "0.19",
        "The shell's function is printed for the person to paste; no file is written.",
    );
    let (program, _ccp) = set();
    for file in [".bashrc", ".zshrc"] {
        program.sandbox.write(file, "# mine\n");
    }
    let before = listing(&program);
    let output = row.run(program.call(&["auth", "shell-setup", "--shell", "zsh"]));
    row.exit(&output, 0);
    row.says(&output, "function ccp {");
    assert_eq!(listing(&program), before);
    row.saw("all files of the home are as they were");
    row.held();
}

/// Every file of the home, with its content.
fn listing(program: &Program) -> String {
    let run = program
        .sandbox
        .program("sh", &["-c", "find . -type f | sort | xargs cksum"])
        .run();
    run.expect_success().text().to_owned()
}

#[test]
fn row_0_20_the_function_has_the_programs_name_and_looks_at_two_words() {
    let mut row = Row::new(
        "0.20",
        "It is a function with the program's own name that decides by the first two words.",
    );
    let output = with_function(&mut row, "type -t ccp\nccp auth shell-setup --shell zsh | head -2");
    assert!(output.text().starts_with("function\n"), "{}", said(&output));
    row.says(&output, "function");
    let (program, _ccp) = set();
    let setup = program.done(&["auth", "shell-setup", "--shell", "bash"]);
    row.says(&setup, "[ \"${2-}\" = export-access-token ]");
    row.held();
}

#[test]
fn row_0_21_the_export_alone_is_evaluated_and_words_with_spaces_survive() {
    let mut row = Row::new(
        "0.21",
        "The function of the shell keeps `auth export-access-token` to itself; whatever else is called goes to the program, each argument as it was typed.",
    );
    let lines = "ccp deploy 'a b' \"c'd\" '' '$(x)'; echo $?\nccp auth export-access-token; echo ${TOKEN:+set}";
    let output = with_function(&mut row, lines);
    row.exit(&output, 0);
    assert_eq!(output.text(), "<deploy><a b><c'd><><$(x)>\n3\nset\n");
    row.saw(output.text().trim_end().replace('\n', ", "));
    row.held();
}

#[test]
fn row_0_22_there_is_a_function_for_each_shell_and_its_file_is_named() {
    let mut row = Row::new(
        "0.22",
        "The person pastes it into the file that its first line names: of zsh, bash, fish, PowerShell or Nushell.",
    );
    let (program, _ccp) = set();
    for (shell, file, function) in [
        ("zsh", "~/.zshrc", "function ccp {"),
        ("bash", "~/.bashrc", "function ccp {"),
        ("fish", "~/.config/fish/config.fish", "function ccp\n"),
        ("powershell", "$PROFILE", "function ccp {"),
        ("nushell", "config.nu", "def --env --wrapped \"ccp\""),
    ] {
        let output = row.run(program.call(&["auth", "shell-setup", "--shell", shell]));
        assert!(output.text().contains(function), "{shell}: {}", output.text());
        row.says(&output, file);
    }
    row.held();
}

#[test]
fn row_0_34_the_seven_commands_of_auth_are_there() {
    let mut row = Row::new("0.34", "All seven commands of `ccp auth` are there.");
    let (program, _ccp) = set();
    let commands = [
        "login",
        "logout",
        "export-access-token",
        "print-access-token",
        "shell-setup",
        "sync",
        "desync",
    ];
    for command in commands {
        let output = row.run(program.call(&["auth", command, "--help"])).expect_success();
        assert!(
            output.text().contains(&format!("Usage: ccp auth {command}")),
            "{}",
            output.text()
        );
    }
    row.saw(format!("a help text of each of the {}", commands.len()));
    row.held();
}

#[test]
fn a_token_is_not_shown_to_whoever_did_not_ask_for_it() {
    let (program, ccp) = logged_in();
    let token = ccp.families()[0].access[0].clone();
    for args in [
        &["auth", "status"][..],
        &["auth", "whoami"],
        &["auth", "whoami", "--json"],
    ] {
        let output = program.done(args);
        assert!(
            !said(&output).contains(&token) && said(&output).contains(EMAIL),
            "{}",
            said(&output)
        );
    }
}
