//! Another address of the same service, named by a variable of its program: as if there were one more mode.
//!
//! In the provider file the base of the URLs is replaced, and the modes get names of their own, so that what was obtained
//! at one address is never sent to another: sessions, choices and workspaces follow the name.

use super::Provider;
use super::section::program::Address;
use crate::error::{Error, Result};
use crate::target::Target;

/// The text of a provider file with another base in all URLs that begin with one of these.
///
/// A URL is replaced where it stands in plain quotes, as everybody writes it.
pub(super) fn replace(text: &str, address: &Address, base: &str) -> String {
    let mut text = text.to_owned();
    for old in &address.replaces {
        for quote in ['"', '\''] {
            for end in ['"', '\'', '/', '?'] {
                text = text.replace(&format!("{quote}{old}{end}"), &format!("{quote}{base}{end}"));
            }
        }
    }
    text
}

/// The base that the value of a variable names, without a slash at its end, and how it is called in the name of a mode.
///
/// # Errors
/// [`crate::error::Class::Usage`] when it is neither `https://HOST[:PORT]` nor `http://127.0.0.1[:PORT]`; it is not shown.
pub(super) fn read(variable: &str, value: &str) -> Result<(String, String)> {
    let wrong = || {
        let message = format!("the variable `{variable}` is not `https://HOST[:PORT]`, or `http://127.0.0.1[:PORT]`");
        Error::usage(message)
    };
    let base = value.strip_suffix('/').unwrap_or(value);
    let (scheme, host) = base.split_once("://").ok_or_else(wrong)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-.:".contains(&b);
    let target = Target::from_url(base).map_err(|_| wrong())?;
    let safe = target.scheme() == "https" || (target.scheme() == "http" && target.is_loopback());
    if !safe || !host.bytes().all(plain) || target.path().is_some() {
        return Err(wrong());
    }
    // No host has a `+`, so that no two addresses have one name.
    let name = format!("{scheme}+{}", host.replace(':', "+")).to_ascii_lowercase();
    Ok((base.to_ascii_lowercase(), name))
}

/// Gives the modes of a provider at another address their names.
///
/// # Errors
/// [`crate::error::Class::Usage`] when one would be too long.
pub(super) fn rename(provider: &mut Provider, variable: &str, name: &str) -> Result<()> {
    for mode in &mut provider.modes {
        mode.name = format!("{}+{name}", mode.name);
        super::profile::check_name("mode", &mode.name)
            .map_err(|_| Error::usage(format!("the host of the variable `{variable}` is too long")))?;
    }
    Ok(())
}

/// The name of a mode in its file, whatever the address.
pub fn plain_mode(name: &str) -> &str {
    let end = ["+https+", "+http+"]
        .iter()
        .filter_map(|scheme| name.find(scheme))
        .min();
    &name[..end.unwrap_or(name.len())]
}

/// Whether a mode is called so, or is that mode at another address.
pub(super) fn is_called(mode: &str, name: &str) -> bool {
    mode == name || plain_mode(mode) == name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_secure_origin_and_has_a_name_of_its_own() {
        for (value, base, name) in [
            (
                "https://api.acme.example",
                "https://api.acme.example",
                "https+api.acme.example",
            ),
            (
                "https://API.acme.example:8443/",
                "https://api.acme.example:8443",
                "https+api.acme.example+8443",
            ),
            ("http://127.0.0.1:80", "http://127.0.0.1:80", "http+127.0.0.1+80"),
        ] {
            assert_eq!(read("X", value).unwrap(), (base.into(), name.into()));
        }
        for value in [
            "api.acme.example",
            "http://api.acme.example",
            "https://",
            "https://a/b",
            "https://a?b",
            "https://u@a",
            "https://a\"b",
            "https://[::1]",
            "https://a_b",
            "ftp://a",
            "https://a\nb",
        ] {
            let error = read("X", value).unwrap_err().to_string();
            assert!(error.starts_with("the variable `X` is not"), "{error}");
        }
    }

    #[test]
    fn whole_bases_are_replaced_and_nothing_that_only_begins_so() {
        let address = Address {
            variable: "X".into(),
            replaces: vec!["https://api.acme.example".into()],
        };
        let text = "a = \"https://api.acme.example/v1\"\nb = 'https://api.acme.example'\n\
                    c = \"https://api.acme.example.evil/\"\nd = \"https://other.example\"\n";
        assert_eq!(
            replace(text, &address, "https://b.example"),
            "a = \"https://b.example/v1\"\nb = 'https://b.example'\n\
             c = \"https://api.acme.example.evil/\"\nd = \"https://other.example\"\n"
        );
    }
}
