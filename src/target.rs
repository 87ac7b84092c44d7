//! What a tool wants to reach: scheme, host, port and path, read once and compared only in that form.
//!
//! Bytes are checked first, then there is one parser, and only what it returns is compared, sent or shown, because two
//! parsers that disagree about a host are how secrets went to the wrong one (CVE-2020-5260, CVE-2024-53858 and kin).
//! Hosts are compared whole and by their ASCII lower case, ports with the default filled in, paths by segments.

use std::fmt;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest URL that is read at all; browsers and servers stop well before.
pub const MAX_URL: usize = 4096;

/// Schemes of things that are on no host and have a name alone: a certificate's file, a service of Python's keyring.
const NAMED: [&str; 2] = ["cert", "keyring"];

/// The place that a credential is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    scheme: String,
    host: String,
    port: Option<u16>,
    path: Option<String>,
}

/// Why a target could not be read. It names the part, never the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Malformed {}

impl Target {
    /// From the parts that git sends: `host` may end in a port, `path` has no leading slash.
    ///
    /// An empty host is allowed only for the schemes `cert` and `keyring`, whose path is a name and no more.
    ///
    /// # Errors
    /// [`Malformed`] when a part breaks the byte rules.
    pub fn from_parts(scheme: &str, host: &str, path: Option<&str>) -> Result<Target, Malformed> {
        let scheme = read_scheme(scheme)?;
        if host.is_empty() && NAMED.contains(&scheme.as_str()) {
            let path = path.filter(|path| !path.is_empty() && !path.bytes().any(|b| b.is_ascii_control()));
            let path = path.ok_or(Malformed(
                "`path` of something without a host is missing or has control characters",
            ))?;
            return Ok(Target {
                scheme,
                host: String::new(),
                port: None,
                path: Some(path.to_owned()),
            });
        }
        let (host, port) = read_authority(host)?;
        let path = path.map(read_path).transpose()?.flatten();
        Ok(Target {
            port: port.filter(|port| Some(*port) != default_port(&scheme)),
            scheme,
            host,
            path,
        })
    }

    /// From an absolute URL without user information: `https://host[:port][/path]`.
    ///
    /// # Errors
    /// [`Malformed`] when it breaks the byte rules, has user information, a query or a fragment.
    pub fn from_url(url: &str) -> Result<Target, Malformed> {
        let (target, user) = Target::from_url_with_user(url)?;
        match user {
            None => Ok(target),
            Some(_) => Err(Malformed("the URL has a user name before the host")),
        }
    }

    /// From an absolute URL that may have user information, which is returned still percent-encoded.
    ///
    /// # Errors
    /// [`Malformed`] as for [`Target::from_url`].
    pub fn from_url_with_user(url: &str) -> Result<(Target, Option<&str>), Malformed> {
        if url.len() > MAX_URL {
            return Err(Malformed("the URL is longer than 4096 bytes"));
        }
        if !url
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"\\<>\"{}|^`".contains(&b))
        {
            return Err(Malformed("the URL has characters that no URL may have"));
        }
        let (scheme, rest) = url
            .split_once("://")
            .ok_or(Malformed("the URL has no scheme and `://`"))?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if path.contains(['?', '#']) {
            return Err(Malformed("the URL has a query or a fragment"));
        }
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        if user.is_some_and(|user| user.contains('@')) {
            return Err(Malformed("the URL has two `@` before the path"));
        }
        Ok((Target::from_parts(scheme, host, path.strip_prefix('/'))?, user))
    }

    /// The URL scheme, in lower case.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The host in lower case, without port; an IPv6 address is in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host as a protocol writes it: with the port unless that is the default.
    pub fn host_and_port(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// The path without leading and trailing slash; none when it is empty.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// Scheme, host and effective port as one text. Two targets with the same text have the same origin.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.host_and_port())
    }

    /// Whether `self` lies at or below `root`: same origin, and the path begins with all segments of the root's.
    pub fn is_within(&self, root: &Target) -> bool {
        if (&self.scheme, &self.host, self.port) != (&root.scheme, &root.host, root.port) {
            return false;
        }
        let Some(prefix) = root.path() else { return true };
        let rest = self.path().and_then(|path| path.strip_prefix(prefix));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether the host is a literal of the loopback interface, for which alone plain http is accepted.
    pub fn is_loopback(&self) -> bool {
        self.host == "[::1]" || self.host.parse().is_ok_and(|ip: std::net::Ipv4Addr| ip.is_loopback())
    }

    /// All of the place's origin.
    #[must_use]
    pub fn without_path(&self) -> Target {
        Target {
            path: None,
            ..self.clone()
        }
    }

    /// A place of its own for what one tool alone means by this one: `TOOL+SCHEME://…`. No provider's target is there
    /// unless its file says so.
    #[must_use]
    pub fn apart(&self, tool: &str) -> Target {
        Target {
            scheme: format!("{tool}+{}", self.scheme),
            ..self.clone()
        }
    }

    /// The same place at another port.
    #[must_use]
    pub fn with_port_of(&self, other: &Target) -> Target {
        Target {
            port: other.port,
            ..self.clone()
        }
    }

    /// The same place on another host: scheme, port and path stay.
    #[must_use]
    pub fn with_host_of(&self, other: &Target) -> Target {
        Target {
            host: other.host.clone(),
            ..self.clone()
        }
    }
}

/// The URL of the target.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())?;
        match &self.path {
            Some(path) => write!(f, "/{path}"),
            None => Ok(()),
        }
    }
}

/// As its URL.
impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Target, D::Error> {
        Target::from_url(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Decodes a user name or password of a URL; none if that is not text or has control characters.
pub fn decode_user(encoded: &str) -> Option<String> {
    let text = percent_decode_str(encoded).decode_utf8().ok()?;
    (!text.chars().any(char::is_control)).then(|| text.into_owned())
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    }
}

/// RFC 3986, section 3.1, in lower case.
fn read_scheme(scheme: &str) -> Result<String, Malformed> {
    let first = scheme.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    let rest = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if first && rest && scheme.len() <= 32 {
        Ok(scheme.to_ascii_lowercase())
    } else {
        Err(Malformed("`protocol` is not the name of a URL scheme"))
    }
}

fn read_authority(authority: &str) -> Result<(String, Option<u16>), Malformed> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest
                .split_once(']')
                .ok_or(Malformed("`host` has a bracket that is not closed"))?;
            let address: std::net::Ipv6Addr = address
                .parse()
                .map_err(|_| Malformed("`host` in brackets is not an IPv6 address"))?;
            let port = match after {
                "" => None,
                _ => Some(
                    after
                        .strip_prefix(':')
                        .ok_or(Malformed("`host` has text after the bracket"))?,
                ),
            };
            (format!("[{address}]"), port)
        }
        None => {
            let (host, port) = match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            };
            (read_name(host)?, port)
        }
    };
    Ok((host, port.map(read_port).transpose()?))
}

/// A port without leading zeros, so that each has one spelling.
fn read_port(port: &str) -> Result<u16, Malformed> {
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
    let number = digits.then(|| port.parse().ok()).flatten();
    number.ok_or(Malformed("the port of `host` is not a number from 1 to 65535"))
}

/// A DNS name of letters, digits and hyphens (RFC 1123, section 2.1) or a dotted quad, in lower case.
///
/// One trailing dot is kept, so that such a name is a host of its own.
fn read_name(host: &str) -> Result<String, Malformed> {
    let name = host.strip_suffix('.').unwrap_or(host);
    let label_is_good = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() > 253 || !name.split('.').all(label_is_good) {
        return Err(Malformed(
            "`host` is not a DNS name of letters, digits, dots and hyphens",
        ));
    }
    let last = name.rsplit('.').next().unwrap_or(name);
    let numeric = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x") || last.starts_with("0X");
    if numeric && (host.ends_with('.') || name.parse::<std::net::Ipv4Addr>().is_err()) {
        return Err(Malformed("`host` ends in a number but is not a dotted quad"));
    }
    Ok(host.to_ascii_lowercase())
}

/// A path without its trailing slash; none when nothing is left.
fn read_path(path: &str) -> Result<Option<String>, Malformed> {
    if path.bytes().any(|b| b.is_ascii_control()) {
        return Err(Malformed("`path` has control characters"));
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(None);
    }
    let lower = path.to_ascii_lowercase();
    let climbs = lower
        .replace("%2e", ".")
        .split('/')
        .any(|segment| segment.is_empty() || segment == "." || segment == "..");
    if climbs
        || ["%2f", "%5c", "%00", "%0a", "%0d"]
            .iter()
            .any(|bad| lower.contains(bad))
    {
        return Err(Malformed("`path` has empty or dotted segments, or encoded separators"));
    }
    Ok(Some(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: &str) -> Target {
        Target::from_url(url).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    #[test]
    fn case_and_default_port_are_the_same_origin() {
        let plain = at("https://victim.example");
        for same in [
            "https://VICTIM.example",
            "HTTPS://victim.example:443",
            "https://victim.example/",
        ] {
            assert_eq!(at(same), plain, "{same}");
        }
    }

    #[test]
    fn nothing_else_is_the_same_origin() {
        let plain = at("https://victim.example");
        let others = "http://victim.example https://victim.example:8443 https://victim.example. \
            https://evil-victim.example https://victim.example.evil https://victim.exampl https://xn--victim.example";
        for other in others.split_whitespace() {
            assert_ne!(at(other).origin(), plain.origin(), "{other}");
            assert!(!at(other).is_within(&plain), "{other}");
        }
    }

    #[test]
    fn hosts_outside_the_byte_rules_are_refused() {
        let hosts = "|.|..|a..b|.a|-a|a-|a_b|a;b|a b|a%2eb|a@b|victim。example|xn--|a.xn--|127.1|0x7f.1|2130706433|1.2.3.4.|\
            1.2.3|a.1|a:|a:0|a:0443|a:65536|a:99999|a:+1|a:1:2|[::1|[::g]|[::1]x|[::1]:|::1|a\u{0}b|a\tb|a/b|a\\b|[fe80::1%25eth0]";
        for host in hosts.split('|') {
            assert!(Target::from_parts("https", host, None).is_err(), "{host:?}");
        }
    }

    #[test]
    fn urls_on_which_parsers_disagree_are_refused() {
        let urls = r"https://evil.com\.github.com/ https://github.com\@evil.com/ https:///evil.com/x https:evil.com/
            https://github.com%2eevil.com/ https://github.com:99999/ https://a/?q https://a/#f https://u@a/ https://a@b@c/
            https://a/../x https://a/%2E%2e/x https://a//x https://a/x%2Fy https://a/x%00 https://a/x%0ahost=b /x x://";
        for url in urls.split_whitespace() {
            assert!(Target::from_url(url).is_err(), "{url}");
        }
        for url in [
            "https://a\n.b/",
            "https://a b/",
            "https://ⓖithub.com/",
            "https://a/\u{1b}[1m",
        ] {
            assert!(Target::from_url(url).is_err(), "{url:?}");
        }
    }

    #[test]
    fn user_information_never_becomes_the_host() {
        let (target, user) = Target::from_url_with_user("https://victim.example:x@attacker.example/").unwrap();
        assert_eq!((target.host(), user), ("attacker.example", Some("victim.example:x")));
    }

    #[test]
    fn paths_are_compared_by_segments() {
        let root = at("https://a/org/team");
        for inside in [
            "https://a/org/team",
            "https://a/org/team/",
            "https://a/org/team/repo.git",
        ] {
            assert!(at(inside).is_within(&root), "{inside}");
        }
        for outside in [
            "https://a",
            "https://a/org",
            "https://a/org/teams",
            "https://a/Org/team",
            "https://a/x/org/team",
        ] {
            assert!(!at(outside).is_within(&root), "{outside}");
        }
    }

    #[test]
    fn a_certificate_has_a_path_and_no_host() {
        assert!(Target::from_parts("cert", "", Some("/home/ann/key.pem")).is_ok());
        assert!(Target::from_parts("cert", "", None).is_err());
        assert!(Target::from_parts("https", "", None).is_err());
    }

    #[test]
    fn only_literals_are_loopback() {
        assert!(at("http://127.0.0.1:80").is_loopback() && at("http://[::1]:8080").is_loopback());
        assert!(!at("http://localhost").is_loopback() && !at("http://127.0.0.1.evil.example").is_loopback());
    }
}
