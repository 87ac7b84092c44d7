//! The URLs of cargo's indexes and the targets that they mean.
//!
//! It knows nothing of the protocol around them. A sparse index lies where the registry is. One in a git repository says
//! nothing of where its registry is: the host of the repository is somebody else's, and so are its credentials.
//! Implements `protocol.md`, section "cargo", "Indexes".

use crate::target::Target;

/// The default registry. cargo names it by a repository of its index, also where it reads another index.
const DEFAULT: &str = "https://crates.io";

/// What the default registry's indexes are called.
const DEFAULT_INDEXES: [&str; 2] = [
    "https://github.com/rust-lang/crates.io-index",
    "sparse+https://index.crates.io",
];

/// What stands before the URL of a sparse index.
const SPARSE: &str = "sparse+";

/// What stands before the scheme of a target that is an index in a git repository, as in cargo's own lock files.
const GIT: &str = "registry";

/// The target of an index; none where it is on no host.
pub(super) fn to_target(index: &str) -> Option<Target> {
    if DEFAULT_INDEXES.contains(&index.trim_end_matches('/')) {
        return Target::from_url(DEFAULT).ok();
    }
    let (url, sparse) = match index.strip_prefix(SPARSE) {
        Some(url) => (url, true),
        None => (index, false),
    };
    let (target, _) = Target::from_url_with_user(url).ok()?;
    match target.scheme() {
        "http" | "https" if sparse => Some(target),
        _ if sparse || target.host().is_empty() => None,
        _ if target.to_string() == DEFAULT => Some(target),
        _ => Some(target.apart(GIT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(index: &str) -> Option<String> {
        to_target(index).map(|target| target.to_string())
    }

    #[test]
    fn a_sparse_index_is_where_its_registry_is() {
        for (index, expected) in [
            ("sparse+https://acme.example/index/", "https://acme.example/index"),
            ("sparse+https://ACME.example:443", "https://acme.example"),
            ("sparse+http://127.0.0.1:8080/index/", "http://127.0.0.1:8080/index"),
        ] {
            assert_eq!(url(index).as_deref(), Some(expected), "{index}");
        }
    }

    #[test]
    fn the_default_registry_has_one_name() {
        for index in DEFAULT_INDEXES.iter().copied().chain([DEFAULT]) {
            assert_eq!(url(index).as_deref(), Some(DEFAULT), "{index}");
            assert_eq!(url(&format!("{index}/")).as_deref(), Some(DEFAULT), "{index}/");
        }
    }

    #[test]
    fn the_host_of_a_repository_gives_no_token_to_a_registry() {
        for (index, expected) in [
            (
                "https://github.com/acme/index",
                "registry+https://github.com/acme/index",
            ),
            (
                "ssh://git@git.acme.example/index",
                "registry+ssh://git.acme.example/index",
            ),
            (
                "https://github.com/rust-lang/crates.io-index/x",
                "registry+https://github.com/rust-lang/crates.io-index/x",
            ),
        ] {
            assert_eq!(url(index).as_deref(), Some(expected), "{index}");
        }
    }

    #[test]
    fn what_is_on_no_host_is_no_target() {
        for index in [
            "",
            "file:///srv/index",
            "sparse+file:///srv/index",
            "sparse+ssh://acme.example/index",
            "sparse+https://acme.example/index?x",
            "sparse+https://acme.example/../index",
            "https://acme.example\n/index",
            "git@acme.example:index",
        ] {
            assert_eq!(url(index), None, "{index:?}");
        }
    }
}
