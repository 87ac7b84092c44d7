//! What shells take from keyfob, evaluated by the real shells: no token breaks out of its quotes, and the function of
//! `shell-setup` evaluates our line and nothing else.
//!
//! PowerShell is in no place that the tests can get it from: its line is read by a lexer of our own, made from its
//! language's page on quoting.

use crate::part;
use crate::sandbox::{Output, Sandbox};

/// Tokens made to run `touch pwned`, to be changed, or to end their quotes too early.
const HOSTILE: [&str; 24] = [
    "canary'$(touch${IFS}pwned)'",
    "canary';touch${IFS}pwned;'",
    "canary'||touch\tpwned||'",
    "canary`touch${IFS}pwned`",
    "canary\";touch${IFS}pwned;\"",
    "canary$(touch${IFS}pwned)",
    "canary(touch$IFS'pwned')",
    "canary\\",
    "canary\\'",
    "canary\\\\'",
    "canary\\';touch${IFS}pwned;\\'",
    "'canary'",
    "''canary''",
    "canary'",
    "canary''",
    "canary!!!$!",
    "canary$HOME~{a,b}*?[x]#",
    "canary%s%%\\n\\u0041",
    "canary\"'\"'",
    "-canary",
    "~canary&|<>",
    "canary'#",
    "canary\u{22}}|touch|{\u{22}",
    "canary!\"#$%&'()*+,-./0123456789:;<=>?@ABCXYZ[\\]^_`abcxyz{|}~",
];

const SHELLS: [Shell; 4] = [
    Shell {
        word: "bash",
        program: "bash",
        options: &["--norc", "--noprofile", "-c"],
        eval: "eval \"$(keyfob export-access-token acme --shell bash)\"; printf '%s\\n' \"$TOKEN\"; env | grep -c '^TOKEN='",
    },
    Shell {
        word: "zsh",
        program: "zsh",
        options: &["-f", "-c"],
        eval: "eval \"$(keyfob export-access-token acme --shell zsh)\"; printf '%s\\n' \"$TOKEN\"; env | grep -c '^TOKEN='",
    },
    Shell {
        word: "fish",
        program: "fish",
        options: &["--no-config", "-c"],
        eval: "keyfob export-access-token acme --shell fish | source; printf '%s\\n' $TOKEN; env | grep -c '^TOKEN='",
    },
    Shell {
        word: "nushell",
        program: "nu",
        options: &["--no-config-file", "-c"],
        eval: "keyfob export-access-token acme --shell nushell | from json | load-env; print $env.TOKEN; \
               print (^env | lines | where $it starts-with TOKEN= | length)",
    },
];

struct Shell {
    word: &'static str,
    program: &'static str,
    options: &'static [&'static str],
    /// Takes the variable, prints it, and prints how many such variables a program gets.
    eval: &'static str,
}

impl Shell {
    /// Whether it is installed; said where it is not.
    fn is_there(&self) -> bool {
        let there = std::process::Command::new(self.program).arg("--version").output();
        let there = there.is_ok_and(|output| output.status.success());
        if !there {
            part::skipped(&format!("{} reading our line", self.program), "it is not installed");
        }
        there
    }

    fn run(&self, sandbox: &Sandbox, script: &str) -> Output {
        let args: Vec<&str> = self.options.iter().copied().chain([script]).collect();
        let run = sandbox.program(self.program, &args);
        run.deadline(std::time::Duration::from_secs(60)).run()
    }
}

/// A provider `acme` of keys, and `keyfob` found by its name.
fn set() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.write_provider(
        "acme",
        "format = 1\n[login]\nflow = \"key\"\n[env]\nvariables = [\"ACME_TOKEN\"]\n",
    );
    let programs = sandbox.path().join("bin");
    std::fs::create_dir(&programs).unwrap();
    std::os::unix::fs::symlink(sandbox.keyfob_path(), programs.join("keyfob")).unwrap();
    let path = std::env::var("PATH").unwrap();
    sandbox.set("PATH", format!("{}:{path}", programs.display()));
    sandbox
}

fn export(sandbox: &Sandbox, shell: &str, token: &str) -> Output {
    let run = sandbox.keyfob(&["export-access-token", "acme", "--shell", shell]);
    run.env("ACME_TOKEN", token).run()
}

fn is_token(token: &str) -> bool {
    token.bytes().all(|b| b.is_ascii_graphic())
}

#[test]
fn a_hostile_token_arrives_as_it_is_and_nothing_of_it_runs() {
    for shell in SHELLS.iter().filter(|shell| shell.is_there()) {
        for token in HOSTILE.iter().filter(|token| is_token(token)) {
            let mut sandbox = set();
            sandbox.set("ACME_TOKEN", *token);
            let output = shell.run(&sandbox, shell.eval).expect_success();
            assert_eq!(output.text(), format!("{token}\n1\n"), "{}", shell.word);
            assert_eq!(output.stderr, "", "{}: {token}", shell.word);
            assert!(!sandbox.path().join("pwned").exists(), "{} ran {token}", shell.word);
        }
    }
}

#[test]
fn a_token_of_any_signs_is_one_word_to_each_shell() {
    // Every pair of signs that mean something to a shell, in few tokens.
    let signs = "'\"\\$`!(){}[]<>|&;*?#~=%@^,.:+-/_a0";
    let pairs: String = signs
        .chars()
        .flat_map(|a| signs.chars().flat_map(move |b| [a, b]))
        .collect();
    for shell in SHELLS.iter().filter(|shell| shell.is_there()) {
        for token in [
            format!("{pairs}canary"),
            format!("canary{pairs}"),
            pairs.chars().rev().collect(),
        ] {
            let mut sandbox = set();
            sandbox.set("ACME_TOKEN", token.clone());
            let output = shell.run(&sandbox, shell.eval);
            assert!(output.status.success() && output.stderr.is_empty(), "{}", shell.word);
            assert!(
                output.text() == format!("{token}\n1\n"),
                "{} changes a token",
                shell.word
            );
        }
    }
}

/// What PowerShell takes from `$env:NAME = '…'`: a string in single quotes ends at a quote that is not doubled, and all
/// five quotation marks that Unicode calls single are quotes to it (language specification, section 2.3.5.2).
fn powershell(line: &str) -> Option<(String, String)> {
    let quotes = ['\'', '\u{2018}', '\u{2019}', '\u{201a}', '\u{201b}'];
    let (name, rest) = line.strip_prefix("$env:")?.split_once(" = ")?;
    let mut rest = rest.chars().peekable();
    rest.next().filter(|c| quotes.contains(c))?;
    let mut value = String::new();
    loop {
        match rest.next()? {
            c if !quotes.contains(&c) => value.push(c),
            _ => match rest.next_if(|c| quotes.contains(c)) {
                Some(quote) => value.push(quote),
                None => break,
            },
        }
    }
    (rest.collect::<String>() == "\n").then(|| (name.to_owned(), value))
}

#[test]
fn powershell_reads_one_string_whatever_the_token() {
    let sandbox = set();
    for token in HOSTILE.iter().filter(|token| is_token(token)) {
        let output = export(&sandbox, "powershell", token).expect_success();
        let read = powershell(output.text());
        assert_eq!(read, Some(("TOKEN".into(), (*token).to_owned())));
    }
    for broken in [
        "$env:X = 'a'b'\n",
        "$env:X = 'a'; b\n",
        "$env:X = 'a\n",
        "$env:X = 'a\u{2019}; b\n",
    ] {
        assert_eq!(powershell(broken), None, "{broken}");
    }
}

#[test]
fn what_is_no_token_is_refused_and_nothing_is_printed() {
    let sandbox = set();
    for shell in ["bash", "zsh", "fish", "powershell", "nushell"] {
        for token in HOSTILE.iter().filter(|token| !is_token(token)) {
            export(&sandbox, shell, token).expect_code(5);
        }
        for token in [
            "canary\ntouch pwned",
            "canary\r",
            "canary x",
            "canary\u{1b}[31m",
            "canary\u{2019};x",
            "can\u{e4}ry",
        ] {
            export(&sandbox, shell, token).expect_code(5);
        }
    }
    // A password that a tool gave may have a line end.
    sandbox.write_provider(
        "kept",
        "format = 1\n[login]\nflow = \"static\"\n[[target]]\nurl = \"https://kept.example\"\n",
    );
    let body = "{\"ServerURL\":\"kept.example\",\"Username\":\"u\",\"Secret\":\"canary\\ntouch pwned\"}";
    sandbox.keyfob(&["docker", "store"]).stdin(body).run().expect_success();
    for command in ["print-access-token", "export-access-token"] {
        let run = sandbox.keyfob(&[command, "kept"]).env("SHELL", "/bin/bash");
        run.run().expect_code(5);
    }
}

#[test]
fn a_token_is_printed_alone() {
    let sandbox = set();
    let printed = sandbox
        .keyfob(&["auth", "print-access-token"])
        .env("ACME_TOKEN", "canary.a-b_c");
    let printed = printed.run().expect_success();
    assert_eq!((printed.text(), printed.stderr.as_str()), ("canary.a-b_c\n", ""));
    let missing = sandbox.keyfob(&["print-access-token", "acme"]).run().expect_code(2);
    assert!(missing.stderr.contains("run `keyfob login acme`"), "{}", missing.stderr);
    sandbox
        .keyfob(&["export-access-token", "acme", "--shell", "bash"])
        .run()
        .expect_code(2);
}

#[test]
fn the_variable_is_the_command_lines_or_the_provider_files_or_token() {
    let sandbox = set();
    sandbox.write_provider(
        "other",
        "format = 1\n[login]\nflow = \"key\"\n[env]\nvariables = [\"O\"]\nexport = \"O_SESSION\"\n",
    );
    let line = |args: &[&str]| {
        let args = [&["export-access-token", "--shell", "bash"], args].concat();
        let run = sandbox.keyfob(&args).env("ACME_TOKEN", "canary").env("O", "canary");
        run.run().expect_success().text().to_owned()
    };
    assert_eq!(line(&["acme"]), "export TOKEN='canary'\n");
    assert_eq!(line(&["other"]), "export O_SESSION='canary'\n");
    assert_eq!(line(&["other", "--name", "X_1"]), "export X_1='canary'\n");
    assert_eq!(line(&["other", "--unset"]), "unset O_SESSION\n");
    assert_eq!(line(&["--unset", "--name", "X_1"]), "unset X_1\n");
    for name in ["", "1X", "A-B", "A;B", "A B", "A=B", "$A", "\u{e4}"] {
        for more in [&[][..], &["--unset"]] {
            let args = [
                &["export-access-token", "acme", "--shell", "bash", "--name", name],
                more,
            ]
            .concat();
            sandbox.keyfob(&args).env("ACME_TOKEN", "canary").run().expect_code(64);
        }
    }
    sandbox.write_provider(
        "wrong",
        "format = 1\n[login]\nflow = \"key\"\n[env]\nexport = \"A;B\"\n",
    );
    let wrong = sandbox.keyfob(&["provider", "check", "wrong"]).run().expect_code(64);
    assert!(wrong.stderr.contains("wrong.toml:5: env.export: "), "{}", wrong.stderr);
}

#[test]
fn the_shell_is_the_one_that_is_named_or_the_users_own() {
    let sandbox = set();
    for (path, begin) in [
        ("/bin/bash", "export "),
        ("/usr/bin/zsh", "export "),
        ("/usr/bin/fish", "set -gx "),
        ("/opt/pwsh", "$env:"),
        ("/opt/nu", "{\"TOKEN\":"),
    ] {
        let run = sandbox.keyfob(&["export-access-token", "acme"]);
        let output = run
            .env("SHELL", path)
            .env("ACME_TOKEN", "canary")
            .run()
            .expect_success();
        assert!(output.text().starts_with(begin), "{path}");
    }
    for path in ["", "/bin/tcsh", "bash/"] {
        let run = sandbox.keyfob(&["export-access-token", "acme"]);
        let output = run.env("SHELL", path).env("ACME_TOKEN", "canary").run().expect_code(64);
        assert!(output.stderr.contains("--shell"), "{}", output.stderr);
    }
}

/// A program `ccp` that hands its `auth` to keyfob, and shows the arguments of all else, and fails with 3.
fn with_wrapped(sandbox: &Sandbox) {
    sandbox.write_provider(
        "ccp",
        "format = 1\n[login]\nflow = \"key\"\n[env]\nvariables = [\"CCP_KEY\"]\n",
    );
    let script = "#!/bin/sh\nif [ \"$1\" = auth ]; then exec keyfob --provider ccp \"$@\"; fi\n\
                  printf '<%s>' \"$@\"; echo; exit 3\n";
    let path = sandbox.write("bin/ccp", script);
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The function, then what each shell says to: a deployment, an export, a help text, a removal, a failure.
fn script(shell: &Shell, setup: &str) -> String {
    match shell.word {
        "bash" | "zsh" => format!(
            "{setup}\nset -u\nccp deploy 'a b' \"c'd\" '' '$(x)' auth; echo $?\n\
             ccp auth export-access-token; echo $? $TOKEN\n\
             ccp auth export-access-token --help | head -1; ccp auth export-access-token --unset; echo ${{TOKEN-gone}}\n\
             unset CCP_KEY; ccp auth export-access-token 2>/dev/null; echo $?"
        ),
        "fish" => format!(
            "{setup}\nccp deploy 'a b' \"c'd\" '' '$(x)' auth; echo $status\n\
             ccp auth export-access-token; echo $status $TOKEN\n\
             ccp auth export-access-token --help | head -1; ccp auth export-access-token --unset; \
             set -q TOKEN; or echo gone\nset -e CCP_KEY; ccp auth export-access-token 2>/dev/null; echo $status"
        ),
        _ => format!(
            "{setup}\ntry {{ ccp deploy 'a b' \"c'd\" '' '$(x)' auth }} catch {{|e| print $env.LAST_EXIT_CODE }}\n\
             ccp auth export-access-token; print $\"0 ($env.TOKEN)\"\n\
             print (ccp auth export-access-token --help | lines | first)\nccp auth export-access-token --unset\n\
             print ($env.TOKEN? | default gone)\nhide-env CCP_KEY\n\
             try {{ ccp auth export-access-token e> /dev/null }} catch {{|e| print $env.LAST_EXIT_CODE }}"
        ),
    }
}

#[test]
fn the_function_evaluates_the_export_alone_and_passes_all_else_as_it_is() {
    for shell in SHELLS.iter().filter(|shell| shell.is_there()) {
        let mut sandbox = set();
        with_wrapped(&sandbox);
        let setup = sandbox.keyfob(&["--provider", "ccp", "auth", "shell-setup", "--shell", shell.word]);
        let setup = setup.run().expect_success().text().to_owned();
        sandbox.set("CCP_KEY", "canary'x");
        let output = shell.run(&sandbox, &script(shell, &setup));
        let expected = "<deploy><a b><c'd><><$(x)><auth>\n3\n0 canary'x\nPrint the line with which a shell takes the access token\ngone\n2\n";
        assert_eq!(output.text(), expected, "{}: {}", shell.word, output.stderr);
        assert!(!sandbox.path().join("pwned").exists());
    }
}

#[test]
fn the_function_of_a_link_evaluates_the_export_of_the_link() {
    for shell in SHELLS.iter().filter(|shell| shell.is_there()) {
        let mut sandbox = set();
        let text = "format = 1\n[login]\nflow = \"key\"\n[env]\nvariables = [\"CCP_KEY\"]\n";
        sandbox.write_provider("ccp", text);
        std::os::unix::fs::symlink(sandbox.keyfob_path(), sandbox.path().join("bin/ccp")).unwrap();
        let setup = sandbox.program("ccp", &["auth", "shell-setup", "--shell", shell.word]);
        let setup = setup.run().expect_success().text().to_owned();
        assert!(
            !setup.contains("keyfob") && setup.contains("ccp auth export-access-token"),
            "{setup}"
        );
        sandbox.set("CCP_KEY", "canary'x");
        let token = if shell.word == "nushell" {
            "print $env.TOKEN"
        } else {
            "echo $TOKEN"
        };
        let more = "ccp auth print-access-token";
        let script = format!("{setup}\nccp auth export-access-token\n{token}\n{more}\n");
        let output = shell.run(&sandbox, &script);
        assert_eq!(output.expect_success().text(), "canary'x\ncanary'x\n", "{}", shell.word);
    }
    // As the tool's own page has it: no quotes around the substitution.
    let mut sandbox = set();
    sandbox.write_provider(
        "ccp",
        "format = 1\n[login]\nflow = \"key\"\n[env]\nvariables = [\"CCP_KEY\"]\n",
    );
    std::os::unix::fs::symlink(sandbox.keyfob_path(), sandbox.path().join("bin/ccp")).unwrap();
    sandbox.set("CCP_KEY", "canary-y");
    sandbox.set("SHELL", "/bin/bash");
    let plain = SHELLS[0].run(&sandbox, "eval $(ccp auth export-access-token); echo $TOKEN");
    assert_eq!(plain.expect_success().text(), "canary-y\n");
}

#[test]
fn a_name_that_a_shell_would_run_is_no_command_to_wrap() {
    let sandbox = set();
    for name in ["", "a b", "a;b", "$(x)", "-a", "a'", "../a", "a\nb", "\u{e4}"] {
        for shell in ["bash", "zsh", "fish", "powershell", "nushell"] {
            let args = ["shell-setup", "--shell", shell, "--command", name];
            sandbox.keyfob(&args).run().expect_code(64);
        }
    }
    let named = sandbox
        .keyfob(&["shell-setup", "--shell", "bash"])
        .run()
        .expect_success();
    assert!(named.text().contains("function keyfob {"));
}
