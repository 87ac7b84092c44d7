//! What shells read: an assignment that nothing in a token can break out of, and a function that evaluates it.
//!
//! A token is visible ASCII without spaces, and a variable's name letters, digits and `_`; so each shell has one way to
//! quote that lets through everything else as it is. Nushell evaluates no text: its line is JSON for `load-env`.

use zeroize::Zeroizing;

use super::Run;
use crate::cli::{self, Shell};
use crate::config::is_program;
use crate::error::{Error, Result};
use crate::secret::Secret;

/// The shell that was named, else the one of `SHELL`.
///
/// # Errors
/// [`crate::error::Class::Usage`] when none is named and `SHELL` is none of ours.
pub(super) fn of(run: &Run, named: Option<Shell>) -> Result<Shell> {
    if let Some(shell) = named {
        return Ok(shell);
    }
    let path = run.world.var("SHELL")?.unwrap_or_default();
    match path.rsplit(['/', '\\']).next() {
        Some("bash") => Ok(Shell::Bash),
        Some("fish") => Ok(Shell::Fish),
        Some("nu") => Ok(Shell::Nushell),
        Some("pwsh") => Ok(Shell::Powershell),
        Some("zsh") => Ok(Shell::Zsh),
        _ => Err(Error::usage("the variable `SHELL` names no shell that is known here")
            .hint("add `--shell bash`, `fish`, `nushell`, `powershell` or `zsh`")),
    }
}

/// The line that gives an exported variable a token, which must be one.
pub(super) fn assignment(shell: Shell, name: &str, token: &Secret) -> Zeroizing<String> {
    let token = token.expose();
    Zeroizing::new(match shell {
        Shell::Bash | Shell::Zsh => format!("export {name}={}\n", *quoted(token, &[('\'', r"'\''")])),
        Shell::Fish => format!("set -gx {name} {}\n", *quoted(token, &[('\\', r"\\"), ('\'', r"\'")])),
        Shell::Nushell => format!(
            "{{\"{name}\":\"{}\"}}\n",
            *escaped(token, &[('\\', r"\\"), ('"', "\\\"")])
        ),
        Shell::Powershell => format!("$env:{name} = {}\n", *quoted(token, &[('\'', "''")])),
    })
}

/// The line that takes a variable away.
pub(super) fn removal(shell: Shell, name: &str) -> String {
    match shell {
        Shell::Bash | Shell::Zsh => format!("unset {name}\n"),
        Shell::Fish => format!("set -e {name}\n"),
        Shell::Nushell => format!("hide-env --ignore-errors {name}\n"),
        Shell::Powershell => format!("Remove-Item -Path Env:{name} -ErrorAction Ignore\n"),
    }
}

/// A text in single quotes, with these signs written otherwise.
fn quoted(text: &str, signs: &[(char, &str)]) -> Zeroizing<String> {
    Zeroizing::new(format!("'{}'", *escaped(text, signs)))
}

fn escaped(text: &str, signs: &[(char, &str)]) -> Zeroizing<String> {
    let mut escaped = Zeroizing::new(String::with_capacity(text.len() * 4));
    for c in text.chars() {
        match signs.iter().find(|(sign, _)| *sign == c) {
            Some((_, written)) => escaped.push_str(written),
            None => escaped.push(c),
        }
    }
    escaped
}

pub(super) fn setup(run: &Run, args: &cli::ShellSetup) -> Result<u8> {
    let shell = of(run, args.shell)?;
    let named = args.command.as_ref().or(run.program.as_ref()).or(run.provider.as_ref());
    let command = named.map_or("keyfob", String::as_str);
    if !is_program(command) {
        return Err(Error::usage(
            "`--command` is not the name of a program: a letter, then letters, digits, `.`, `_` or `-`",
        ));
    }
    let (function, file) = match shell {
        Shell::Bash => (POSIX, "~/.bashrc"),
        Shell::Fish => (FISH, "~/.config/fish/config.fish"),
        Shell::Nushell => (NUSHELL, "config.nu"),
        Shell::Powershell => (POWERSHELL, "the file that $PROFILE names"),
        Shell::Zsh => (POSIX, "~/.zshrc"),
    };
    let word = if shell == Shell::Zsh { "zsh" } else { "bash" };
    let head = format!("# Paste this into {file}: `COMMAND auth export-access-token` then sets the variable.\n");
    let text = (head + function).replace("SHELL", word).replace("COMMAND", command);
    run.print_whole(&text).map(|()| 0)
}

/// For bash and zsh. Only a line of ours is evaluated, and not a help text; the exit code of a failure is kept.
const POSIX: &str = r#"function COMMAND {
    if [ "${1-}" = auth ] && [ "${2-}" = export-access-token ]; then
        local line
        line="$(command COMMAND "$@" --shell SHELL)" || return
        case $line in
            'export '* | 'unset '*) eval "$line" ;;
            *) printf '%s\n' "$line" ;;
        esac
    else
        command COMMAND "$@"
    fi
}
"#;

const FISH: &str = r#"function COMMAND
    if test "$argv[1]" = auth; and test "$argv[2]" = export-access-token
        set -l line (command COMMAND $argv --shell fish)
        or return
        if string match -qr '^set -(gx|e) ' -- "$line[1]"
            eval $line
        else
            printf '%s\n' $line
        end
    else
        command COMMAND $argv
    end
end
"#;

const POWERSHELL: &str = r#"function COMMAND {
    $program = Get-Command -Name 'COMMAND' -CommandType Application -TotalCount 1 -ErrorAction Stop
    if ($args.Count -ge 2 -and $args[0] -ceq 'auth' -and $args[1] -ceq 'export-access-token') {
        $line = & $program @args --shell powershell
        if ($LASTEXITCODE -eq 0 -and "$line" -cmatch '^(\$env:|Remove-Item -Path Env:)') {
            Invoke-Expression "$line"
        } else {
            $line
        }
    } elseif ($MyInvocation.ExpectingInput) {
        $input | & $program @args
    } else {
        & $program @args
    }
}
"#;

const NUSHELL: &str = r#"def --env --wrapped "COMMAND" [...rest] {
    if ($rest | take 2) == ["auth" "export-access-token"] {
        let line = (^COMMAND ...$rest --shell nushell)
        if ($line | str starts-with "{") {
            $line | from json | load-env
        } else if ($line | str starts-with "hide-env ") {
            hide-env --ignore-errors ($line | str trim | split row " " | last)
        } else {
            $line
        }
    } else {
        ^COMMAND ...$rest
    }
}
"#;
