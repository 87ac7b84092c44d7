//! The keys of `[oauth]` that say where a browser goes and where it comes back to (RFC 8252, section 7.3).

use std::collections::BTreeMap;

use toml::Spanned;

use super::Text;
use crate::config::read::Reader;
use crate::error::Result;

/// Where the browser comes back to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redirect {
    /// The host of the redirect URI.
    pub host: RedirectHost,
    /// The path that the issuer wants. Defaults to a random one for each login.
    pub path: Option<String>,
    /// The ports that the issuer allows, in the order in which they are tried. Defaults to any.
    pub ports: Vec<u16>,
}

/// The host of a redirect URI.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RedirectHost {
    /// `127.0.0.1`
    #[default]
    Ipv4,
    /// `[::1]`
    Ipv6,
    /// `localhost`, for issuers that allow no literal (RFC 8252, section 8.3, advises against it).
    Localhost,
}

impl RedirectHost {
    /// All of them.
    const ALL: [RedirectHost; 3] = [RedirectHost::Ipv4, RedirectHost::Ipv6, RedirectHost::Localhost];

    /// As a URL has it.
    pub fn text(self) -> &'static str {
        match self {
            RedirectHost::Ipv4 => "127.0.0.1",
            RedirectHost::Ipv6 => "[::1]",
            RedirectHost::Localhost => "localhost",
        }
    }
}

/// The parameters that the flow sets, or that would change what comes back, or that belong to no URL.
pub(crate) const RESERVED: &[&str] = &[
    "audience",
    "client_assertion",
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "dpop_jkt",
    "login_hint",
    "nonce",
    "redirect_uri",
    "request",
    "request_uri",
    "resource",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

/// Reads `oauth.parameters`.
pub(super) fn parameters(reader: &Reader, words: Option<&BTreeMap<Text, Text>>) -> Result<Vec<(String, String)>> {
    let key = "oauth.parameters";
    let read = |(name, value): (&Text, &Text)| {
        let name_text = reader.visible(key, name)?;
        if RESERVED.contains(&name_text.as_str()) {
            let message = format!("{key}: expected parameters that keyfob does not set, found one of its own");
            return Err(reader.wrong_at(name, message));
        }
        let printable = value.get_ref().chars().all(|c| !c.is_control());
        if !printable {
            return Err(reader.wrong_at(
                value,
                format!("{key}: expected text without control characters, found some"),
            ));
        }
        Ok((name_text, value.get_ref().clone()))
    };
    words.into_iter().flatten().map(read).collect()
}

/// Reads `oauth.redirect_host`, `oauth.redirect_path` and `oauth.redirect_ports`.
pub(super) fn read(
    reader: &Reader,
    host: Option<&Text>,
    path: Option<&Text>,
    ports: &[Spanned<u32>],
) -> Result<Redirect> {
    let host = match host {
        None => RedirectHost::default(),
        Some(text) => {
            let found = RedirectHost::ALL.into_iter().find(|host| host.text() == text.get_ref());
            found.ok_or_else(|| {
                let message = "oauth.redirect_host: expected 127.0.0.1, [::1] or localhost, found another";
                reader.wrong_at(text, message)
            })?
        }
    };
    let is_path = |text: &Text| {
        let mut rest = text.get_ref().strip_prefix('/').unwrap_or("?").bytes();
        text.get_ref().len() <= 256 && rest.all(|b| b.is_ascii_alphanumeric() || b"/-._~".contains(&b))
    };
    if let Some(text) = path.filter(|text| !is_path(text)) {
        let message = "oauth.redirect_path: expected a path such as `/callback`, found another";
        return Err(reader.wrong_at(text, message));
    }
    let port = |port: &Spanned<u32>| {
        let number = u16::try_from(*port.get_ref()).ok().filter(|number| *number >= 1024);
        number.ok_or_else(|| {
            let message = "oauth.redirect_ports: expected ports from 1024 to 65535, found another";
            reader.wrong(Some(port.span().start), message)
        })
    };
    Ok(Redirect {
        host,
        path: path.map(|text| text.get_ref().clone()),
        ports: ports.iter().map(port).collect::<Result<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use crate::config::{Provider, RedirectHost};

    fn parse(line: &str) -> Result<Provider, String> {
        let text = format!(
            "format = 1\n[login]\nflow = \"browser\"\n[oauth]\nclient_id = \"c\"\n\
             authorization_endpoint = \"https://acme.example/a\"\n\
             token_endpoint = \"https://acme.example/t\"\n{line}\n"
        );
        Provider::parse(&text, "acme", "acme.toml").map_err(|error| error.to_string())
    }

    #[test]
    fn the_redirect_is_a_random_path_on_the_loopback_literal_unless_the_file_says_otherwise() {
        let plain = parse("").unwrap().modes[0].oauth.clone();
        assert_eq!((plain.redirect.host, plain.redirect.path), (RedirectHost::Ipv4, None));
        assert!(plain.redirect.ports.is_empty() && !plain.redirect_issuer);
        let said = parse(
            "redirect_host = \"localhost\"\nredirect_path = \"/callback\"\nredirect_ports = [8123, 8124]\n\
             redirect_issuer = true\nparameters = { access_type = \"offline\" }",
        );
        let said = said.unwrap().modes[0].oauth.clone();
        assert_eq!(said.redirect.host, RedirectHost::Localhost);
        assert_eq!(
            (said.redirect.path.as_deref(), said.redirect.ports),
            (Some("/callback"), vec![8123, 8124])
        );
        assert_eq!(said.parameters, [("access_type".to_owned(), "offline".to_owned())]);
        assert!(said.redirect_issuer);
    }

    #[test]
    fn a_redirect_that_leaves_the_machine_or_a_parameter_of_our_own_is_a_mistake() {
        for (line, what) in [
            ("redirect_host = \"0.0.0.0\"", "acme.toml:8: oauth.redirect_host"),
            ("redirect_host = \"::1\"", "acme.toml:8: oauth.redirect_host"),
            ("redirect_path = \"callback\"", "acme.toml:8: oauth.redirect_path"),
            ("redirect_path = \"/a?b=c\"", "acme.toml:8: oauth.redirect_path"),
            ("redirect_ports = [80]", "acme.toml:8: oauth.redirect_ports"),
            ("redirect_ports = [70000]", "acme.toml:8: oauth.redirect_ports"),
            (
                "redirect_issuer = 1",
                "acme.toml:8: oauth.redirect_issuer: expected true or false",
            ),
            ("parameters = { state = \"1\" }", "acme.toml:8: oauth.parameters"),
            (
                "parameters = { response_mode = \"form_post\" }",
                "acme.toml:8: oauth.parameters",
            ),
            ("parameters = { a = \"x\\ny\" }", "acme.toml:8: oauth.parameters"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.starts_with(what), "{line}: {error}");
        }
    }
}
