//! What a person types to name a session: `PROVIDER[/MODE][:ACCOUNT]`.

use std::fmt;

use crate::error::{Error, Result};

/// A named session, with the parts that were left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The provider's name.
    pub provider: String,
    /// The mode; absent: the environment's, else the provider's first.
    pub mode: Option<String>,
    /// The account; absent: the only one there is; empty: the session that was kept without a name.
    pub account: Option<String>,
}

impl Profile {
    /// Reads `PROVIDER[/MODE][:ACCOUNT]`.
    ///
    /// # Errors
    /// [`crate::error::Class::Usage`], naming the part.
    pub fn parse(text: &str) -> Result<Profile> {
        let (names, account) = match text.split_once(':') {
            Some((names, account)) => (names, Some(account)),
            None => (text, None),
        };
        let (provider, mode) = match names.split_once('/') {
            Some((provider, mode)) => (provider, Some(mode)),
            None => (names, None),
        };
        check_name("provider", provider)?;
        mode.map_or(Ok(()), |mode| check_name("mode", mode))?;
        if account.is_some_and(|account| account.chars().any(char::is_control)) {
            return Err(Error::usage("the account after `:` has control characters"));
        }
        Ok(Profile {
            provider: provider.into(),
            mode: mode.map(Into::into),
            account: account.map(Into::into),
        })
    }
}

/// A name of a provider or a mode: 1 to 64 of `A-Z a-z 0-9 + . _ -`, with no dot or hyphen in front.
///
/// Such a name is a file's name, never a path.
///
/// # Errors
/// [`crate::error::Class::Usage`], naming `what`.
pub fn check_name(what: &str, name: &str) -> Result<()> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+._-".contains(&b);
    if (1..=64).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with(['.', '-']) {
        return Ok(());
    }
    Err(Error::usage(format!(
        "the name of the {what} is not 1 to 64 letters, digits, `+`, `.`, `_` or `-`, beginning with a letter or digit"
    )))
}

/// Shows a session as a person types it in a shell: an account that a shell would act on is in single quotes.
pub fn show(provider: &str, mode: &str, account: &str) -> String {
    quoted(&bare(provider, mode, account))
}

/// A text as one word of a shell: in single quotes where a shell would act on it.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "@._+-:/%,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn bare(provider: &str, mode: &str, account: &str) -> String {
    let mut text = provider.to_string();
    if !mode.is_empty() {
        text = format!("{text}/{mode}");
    }
    if !account.is_empty() {
        text = format!("{text}:{account}");
    }
    text
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        f.write_str(&bare(&self.provider, &part(&self.mode), &part(&self.account)))?;
        // An empty account is one that was named: without its colon any other would be meant too.
        f.write_str(if self.account.as_deref() == Some("") { ":" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_reads_back_from_what_it_shows() {
        for text in [
            "acme",
            "acme/dev",
            "acme:ann@acme.example",
            "acme/dev:a:b/c",
            "acme:",
            "acme/dev:",
        ] {
            assert_eq!(Profile::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn names_that_could_be_paths_or_options_are_refused() {
        for text in [
            "",
            "/",
            "../x",
            "a/b/c",
            "-a",
            ".a",
            "a b",
            "a:\u{9b}",
            "acme/",
            "a\0",
            "ä",
            &"a".repeat(65),
        ] {
            assert!(Profile::parse(text).is_err(), "{text:?}");
        }
    }
}
