//! The browser of a person: which program it is, and what it is started with.
//!
//! No shell reads the URL, and nothing of the working directory is run.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::World;
use super::child::find;
use crate::error::{Error, Result};

pub(super) fn open(world: &World, url: &str, secrets: &[String]) -> Result<()> {
    if !is_safe(url) {
        return Err(Error::refused("the page's URL is not one that a browser may be given"));
    }
    let named = world.var_os("BROWSER").and_then(|list| list.into_string().ok());
    let commands = named.as_deref().map(|list| from_variable(list, url));
    if commands.is_none() {
        here(world)?;
    }
    for words in commands.unwrap_or_default() {
        let Some((program, args)) = words.split_first() else {
            continue;
        };
        if start(world, Path::new(program), args, secrets) {
            return Ok(());
        }
    }
    for launcher in ::open::commands(url) {
        let args: Vec<_> = launcher.get_args().map(ToOwned::to_owned).collect();
        if start(world, launcher.get_program().as_ref(), &args, secrets) {
            return Ok(());
        }
    }
    Err(Error::failure("there is no program that opens a browser"))
}

/// Whether a person could see a browser that is started here.
fn here(world: &World) -> Result<()> {
    let display = cfg!(target_os = "macos")
        || ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|name| world.var_os(name).is_some());
    if world.var_os("SSH_CONNECTION").is_some() {
        Err(Error::failure("this is a machine at the other end of SSH"))
    } else if ["CI", "KEYFOB_NO_INPUT"]
        .iter()
        .any(|name| world.var_os(name).is_some())
    {
        Err(Error::failure("nobody is there to look at it"))
    } else if !display {
        Err(Error::failure("there is no display for a browser"))
    } else {
        Ok(())
    }
}

/// Whether a URL leads to a TLS server or to this machine, and has no byte that a careless program could act on.
fn is_safe(url: &str) -> bool {
    // As for an endpoint of a provider file: any address of the loopback interface, and no name.
    let is_local = |rest: &str| {
        let authority = rest.split('/').next().unwrap_or_default();
        // What looks like a port may be the password of a user at another host.
        let host = authority
            .trim_end_matches(|c: char| c.is_ascii_digit())
            .strip_suffix(':');
        let host = host.unwrap_or(authority);
        host == "[::1]" || host.parse().is_ok_and(|ip: std::net::Ipv4Addr| ip.is_loopback())
    };
    let local = url.strip_prefix("http://").is_some_and(is_local);
    let plain = |b: u8| b.is_ascii_graphic() && !b"\\<>\"{}|^`'".contains(&b);
    (url.starts_with("https://") || local) && url.bytes().all(plain)
}

/// The commands of the variable: a list with `:` between them, each of words, in which `%s` is the URL; without one the
/// URL is the last word.
fn from_variable(list: &str, url: &str) -> Vec<Vec<String>> {
    let command = |command: &str| {
        let mut words: Vec<String> = command.split_whitespace().map(Into::into).collect();
        let has_place = words.iter().skip(1).any(|word| word.contains("%s"));
        if has_place {
            let fill = |word: &mut String| *word = word.replace("%s", url);
            words.iter_mut().skip(1).for_each(fill);
        } else if !words.is_empty() {
            words.push(url.into());
        }
        words
    };
    list.split(':').map(command).collect()
}

/// Starts a program, if it is there; its end is not waited for.
fn start(world: &World, program: &Path, args: &[impl AsRef<std::ffi::OsStr>], secrets: &[String]) -> bool {
    let Some(program) = find(world, program) else {
        return false;
    };
    let mut browser = Command::new(program);
    browser.args(args).stdin(Stdio::null());
    browser.stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C at a login that takes too long must not end the browser with it.
    browser.process_group(0);
    // The platform's opener would read the variable its own way, when ours could not be used.
    browser.env_remove("BROWSER");
    for name in secrets {
        browser.env_remove(name);
    }
    browser.spawn().is_ok()
}

#[cfg(test)]
mod tests {
    use super::{from_variable, is_safe};

    #[test]
    fn only_a_tls_server_or_this_machine_reaches_the_browser() {
        for url in [
            "https://acme.example/a?b=%20&c=$(id);d",
            "http://127.0.0.1:1/a",
            "http://127.1.2.3/a",
            "http://[::1]/",
        ] {
            assert!(is_safe(url), "{url}");
        }
        for url in [
            "http://acme.example/",
            "http://127.0.0.1.evil.example/",
            "http://127.0.0.1@evil.example/",
            "http://127.0.0.1:1@evil.example/",
            "http://126.0.0.1/",
            "http://localhost:1/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "-x",
            "https://acme.example/|calc",
            "https://acme.example/ --version",
            "https://acme.example/\u{1b}",
        ] {
            assert!(!is_safe(url), "{url}");
        }
    }

    #[test]
    fn the_variable_is_split_into_words_and_read_by_no_shell() {
        let url = "https://acme.example/?a=1&b=$(id)";
        let words = |list: &str| from_variable(list, url);
        assert_eq!(words("firefox"), [["firefox", url]]);
        assert_eq!(words("sh -c \"touch X\" %s"), [["sh", "-c", "\"touch", "X\"", url]]);
        assert_eq!(
            words("w3m %s -x=%s"),
            [["w3m", url, "-x=https://acme.example/?a=1&b=$(id)"]]
        );
        assert_eq!(words("a %s:b"), [["a", url], ["b", url]]);
        assert_eq!(words("%s"), [["%s", url]]);
        assert!(words(" ").iter().all(Vec::is_empty));
    }
}
