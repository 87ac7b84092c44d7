//! Bazel: `--credential_helper` in `~/.bazelrc`, for the hosts of the profile or for all.
//!
//! Implements tools.md, section 7.

use super::format::Format;
use super::wiring::Wiring;
use super::{Apart, Tool};
use crate::error::{Error, Result};

pub(super) const BAZEL: Tool = Tool {
    name: "bazel",
    title: "bazel, for downloads and remote caches",
    programs: &["bazel", "bazelisk"],
    needs_profile: false,
    any_place: true,
    apart: Apart::Places,
    plan,
    left: None,
};

const OPTION: &str = "--credential_helper";

fn plan(wiring: &mut Wiring) -> Result<()> {
    let path = wiring.home()?.join(".bazelrc");
    let program = wiring.program("bazel-credential-keyfob")?;
    let program = wiring.link_beside(&program)?;
    if program.contains(|c: char| c.is_whitespace() || "'\"\\#=".contains(c)) {
        return Err(Error::refused(
            "a path with a space or a quote fits no line of a bazelrc",
        ));
    }
    let urls = &wiring.options.urls;
    let hosts: Vec<&str> = urls.iter().filter_map(|url| host(url)).collect();
    // With no host before it our program would be asked for every one.
    if hosts.len() < urls.len() && (wiring.options.named || hosts.is_empty()) {
        return Err(Error::refused(
            "bazel takes a helper for a host by its name or IPv4 address, and not for an IPv6 address or a user",
        ));
    }
    let values: Vec<String> = match hosts.is_empty() {
        true => vec![program],
        false => hosts.iter().map(|host| format!("{host}={program}")).collect(),
    };
    let replace = wiring.options.replace;
    wiring.edit_as(Format::Lines, &path, |text| {
        let set = options(text);
        let mut after = text.to_owned();
        for value in values {
            if set.contains(&value) {
                continue;
            }
            // The same places: bazel takes the last, so that ours would hide the other.
            let scope = |value: &str| value.rsplit_once('=').map(|(scope, _)| scope.to_owned());
            if !replace && set.iter().any(|other| scope(other) == scope(&value)) {
                let error = Error::refused(format!("`{OPTION}` is set for the same places already"));
                return Err(error.hint("`--replace` hides it until it is uninstalled"));
            }
            // A backslash at the end joins the next line.
            let end = match after.as_str() {
                "" => "",
                text if text.ends_with("\\\n") => "\n",
                text if text.ends_with('\n') => "",
                text if text.ends_with('\\') => "\n\n",
                _ => "\n",
            };
            after += &format!("{end}common {OPTION}={value}\n");
        }
        Ok(after)
    })
}

/// The host of a URL, without its port; none where bazel has no words for it.
fn host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split('/').next()?;
    let host = authority.split(':').next()?;
    Some(host).filter(|host| !host.is_empty() && !authority.contains(['[', '@']))
}

/// The values of our option, in whatever line they stand.
fn options(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", "");
    let lines = joined.lines().map(|line| line.split('#').next().unwrap_or_default());
    let mut found = Vec::new();
    for line in lines {
        let mut words = line.split_whitespace();
        while let Some(word) = words.next() {
            match word.strip_prefix(OPTION) {
                Some("") => found.extend(words.next().map(String::from)),
                Some(value) => found.extend(value.strip_prefix('=').map(String::from)),
                None => (),
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_in_every_form() {
        let text = "# common --credential_helper=/no\ncommon --credential_helper=/a # c\nbuild:x --credential_helper \\\n  h=/b\n";
        assert_eq!(options(text), ["/a", "h=/b"]);
        assert!(options("build --credential_helper_timeout=1s\n").is_empty());
    }

    #[test]
    fn a_host_has_no_port() {
        assert_eq!(host("https://h.example:8443/p"), Some("h.example"));
        for url in ["h.example", "https://[::1]:8080/", "https://ann:canary@h.example"] {
            assert_eq!(host(url), None, "{url}");
        }
    }
}
