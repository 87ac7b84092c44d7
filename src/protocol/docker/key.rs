//! Docker's server keys and the targets that they mean.
//!
//! It knows nothing of the protocol around them. A key is a host with an optional port and path, with or without
//! scheme; Docker Hub alone has many spellings, and each caller asks for another one.
//! Implements `protocol.md`, section "docker", "Keys".

use crate::error::{Error, Result};
use crate::target::Target;

/// The one target of Docker Hub; below it lie the side entries of a login in the browser.
const HUB: &str = "https://index.docker.io/v1";

/// The key under which docker itself keeps Docker Hub.
const HUB_KEY: &str = "https://index.docker.io/v1/";

const HUB_HOSTS: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// Reads a key; a query is dropped.
///
/// # Errors
/// [`crate::error::Class::Usage`] when it is no host, or a URL of another scheme than http and https.
pub(in crate::protocol) fn to_target(key: &str) -> Result<Target> {
    let key = key.split_once('?').map_or(key, |(key, _)| key);
    let target = if key.contains("://") {
        Target::from_url(key)
    } else {
        Target::from_url(&format!("https://{key}"))
    };
    let malformed = |what: String| Error::usage(what).context("reading the request");
    let target = target.map_err(|error| malformed(format!("the server key: {error}")))?;
    if !["http", "https"].contains(&target.scheme()) {
        return Err(malformed("the server key has another scheme than http or https".into()));
    }
    let hub = target.scheme() == "https" && HUB_HOSTS.contains(&target.host_and_port().as_str());
    if hub && matches!(target.path(), None | Some("v1" | "v2")) {
        return Ok(Target::from_url(HUB).expect("the URL of Docker Hub is well-formed"));
    }
    Ok(target)
}

/// The key that docker uses for a target; none if that key would not lead back to it.
pub(super) fn from_target(target: &Target) -> Option<String> {
    let url = target.to_string();
    let key = match (target.scheme(), target.path()) {
        _ if url == HUB => HUB_KEY.to_owned(),
        ("https", None) => target.host_and_port(),
        _ => url,
    };
    (to_target(&key).ok().as_ref() == Some(target)).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(key: &str) -> Option<String> {
        to_target(key).ok().map(|target| target.to_string())
    }

    #[test]
    fn all_spellings_of_docker_hub_are_one_target() {
        for host in HUB_HOSTS {
            for scheme in ["", "https://", "HTTPS://"] {
                for path in ["", "/", "/v1", "/v1/", "/v2", "/v2/"] {
                    assert_eq!(
                        url(&format!("{scheme}{host}{path}")).as_deref(),
                        Some(HUB),
                        "{scheme}{host}{path}"
                    );
                }
            }
        }
        assert_eq!(url("Docker.IO:443").as_deref(), Some(HUB));
    }

    #[test]
    fn neighbours_of_docker_hub_are_targets_of_their_own() {
        for (key, expected) in [
            (
                "https://index.docker.io/v1/access-token",
                "https://index.docker.io/v1/access-token",
            ),
            (
                "https://index.docker.io/v1/refresh-token",
                "https://index.docker.io/v1/refresh-token",
            ),
            ("http://index.docker.io/v1/", "http://index.docker.io/v1"),
            ("docker.io:5000", "https://docker.io:5000"),
            ("docker.io.", "https://docker.io."),
            ("docker.io/library", "https://docker.io/library"),
            ("evil-docker.io", "https://evil-docker.io"),
            ("docker.io.evil.example", "https://docker.io.evil.example"),
        ] {
            assert_eq!(url(key).as_deref(), Some(expected), "{key}");
        }
    }

    #[test]
    fn a_key_is_a_host_with_or_without_scheme() {
        for (key, expected) in [
            ("ghcr.io", "https://ghcr.io"),
            ("GHCR.io:443/", "https://ghcr.io"),
            ("localhost:5000", "https://localhost:5000"),
            ("http://localhost:5000", "http://localhost:5000"),
            ("[::1]:5000", "https://[::1]:5000"),
            ("ghcr.io/org?x=1", "https://ghcr.io/org"),
            ("my_registry:5000", "https://my_registry:5000"),
        ] {
            assert_eq!(url(key).as_deref(), Some(expected), "{key}");
        }
        for key in [
            "a\nb",
            "a\rb",
            "a b",
            "ftp://a",
            "//a",
            "u@a",
            "https://u:p@a",
            "a#b",
            "https://",
            "my;registry",
            "?x",
            "a/../b",
        ] {
            assert_eq!(url(key), None, "{key:?}");
        }
    }

    #[test]
    fn a_key_in_a_list_leads_back_to_its_target() {
        for (target, key) in [
            (HUB, Some(HUB_KEY)),
            (
                "https://index.docker.io/v1/access-token",
                Some("https://index.docker.io/v1/access-token"),
            ),
            ("https://ghcr.io:444", Some("ghcr.io:444")),
            ("https://ghcr.io/org", Some("https://ghcr.io/org")),
            ("http://ghcr.io", Some("http://ghcr.io")),
            ("https://docker.io", None),
            ("ssh://ghcr.io", None),
        ] {
            assert_eq!(
                from_target(&Target::from_url(target).unwrap()).as_deref(),
                key,
                "{target}"
            );
        }
    }
}
